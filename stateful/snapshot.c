/* SPDX-License-Identifier: Apache-2.0 */
/* Taking up what iterators read: `task`, `task_file_*`, and the facts of the host (saker_iface,
 * saker_clock).
 *
 * Each record carries when it was read. An older one never overwrites what an event has said since,
 * and events older than the record do not undo it. The records are read by BPF programs from kernel
 * memory and checked at the door like events. */

#include "core.h"

#include <sys/socket.h>

#include <netinet/in.h>

#include <errno.h>
#include <string.h>

#include <base/macros.h>

#include "snapshot.h"
#include "tuple.h"

/* The entry that a record is about: there, or new. NULL: the table knows something newer. */
static struct st_thread *task_entry(struct st_ctx *c)
{
	const struct kev_head *head = c->kev.head;
	struct st_threads *threads = &c->core->threads;
	struct st_thread *leader, *t;

	if (!head->tid || !head->tgid || head->tid > INT32_MAX || head->tgid > INT32_MAX)
		return NULL;
	leader = st_ident_leader(c, true);
	if (!leader)
		return NULL;
	t = st_thread_find(threads, head->tid);
	if (t && t->leader != leader->leader) {
		st_thread_forget(threads, t);
		t = NULL;
	}
	if (!t) {
		t = st_thread_new(threads, head->tid, leader);
		t->placeholder = true;
	}
	if (!t->placeholder && t->event_ns > head->ts_ns)
		return NULL;
	return t;
}

static void task_texts(struct st_ctx *c, struct st_thread *t)
{
	struct st_threads *threads = &c->core->threads;
	struct span argv = c->kev.param[5], comm = kev_param_text(&c->kev, 4);
	size_t n = strnlen(argv.n ? argv.p : "", argv.n);
	char buf[ST_PATH_BUF];

	if (comm.n)
		st_thread_set_text(threads, t, ST_COMM, comm);
	st_thread_set_text(threads, t, ST_EXE, (struct span){.p = argv.n ? argv.p : NULL, .n = n});
	argv = n < argv.n ? (struct span){.p = argv.p + n + 1, .n = argv.n - n - 1}
			  : (struct span){0};
	t->n_args = st_thread_set_strings(threads, t, ST_ARGS, argv);
	st_thread_set_text(threads, t, ST_EXEPATH, kev_param_text(&c->kev, 6));
	st_set_cgroups(c->core, t, c->kev.param[27], c->kev.head->cgroup_id);
	if (!st_thread_is_leader(t))
		return;
	st_container_runs(&c->core->containers, st_thread_text(threads, t, ST_CONTAINER), t->pid,
		c->rec->ts_ns);
	if (c->core->cfg.needs & IMG_NEED_ENV)
		(void)st_thread_set_strings(
			threads, t, ST_ENV, c->kev.param[8]); /* nobody asks how many */
	if (kev_param_text(&c->kev, 9).n)
		st_thread_set_text(
			threads, t, ST_CWD, st_path_as_dir(kev_param_text(&c->kev, 9), buf));
	if (kev_param_text(&c->kev, 28).n)
		st_thread_set_text(
			threads, t, ST_ROOT, st_path_as_dir(kev_param_text(&c->kev, 28), buf));
}

static int64_t i64_or(const struct kev *k, unsigned i, int64_t otherwise)
{
	return kev_param_present(k, i) ? kev_param_i64(k, i) : otherwise;
}

static void task_numbers(struct st_ctx *c, struct st_thread *t)
{
	const struct kev *k = &c->kev;
	uint32_t loginuid = kev_param_present(k, 31) ? (uint32_t)kev_param_u64(k, 31) : UINT32_MAX;
	uint64_t start = kev_param_present(k, 29) ? kev_param_u64(k, 29)
			 : st_thread_is_leader(t) ? k->head->leader_start_ns
						  : 0;

	t->pgid = i64_or(k, 1, -1);
	t->vpgid = i64_or(k, 2, -1);
	t->sid = i64_or(k, 3, -1);
	t->exe_flags = (uint32_t)kev_param_u64(k, 7);
	t->fd_limit = i64_or(k, 10, -1);
	t->uid = kev_param_present(k, 11) ? (uint32_t)kev_param_u64(k, 11) : k->head->uid;
	t->gid = kev_param_present(k, 12) ? (uint32_t)kev_param_u64(k, 12) : k->head->gid;
	t->cap_permitted = kev_param_u64(k, 13);
	t->cap_effective = kev_param_u64(k, 14);
	t->cap_inheritable = kev_param_u64(k, 15);
	t->exe_ino = kev_param_u64(k, 16);
	t->exe_ctime_ns = kev_param_u64(k, 17);
	t->exe_mtime_ns = kev_param_u64(k, 18);
	t->vm_size_kb = kev_param_u64(k, 19);
	t->vm_rss_kb = kev_param_u64(k, 20);
	t->vm_swap_kb = kev_param_u64(k, 21);
	t->pf_major = kev_param_u64(k, 22);
	t->pf_minor = kev_param_u64(k, 23);
	t->vpid = i64_or(k, 24, -1);
	t->vtid = i64_or(k, 25, -1);
	t->in_pidns = t->vpid > 0 && t->vpid != t->pid;
	/* as in the reference the host's own namespace has none */
	t->pidns_start_ns = t->in_pidns ? st_pidns_start(c, 26) : 0;
	t->clone_ts_ns = st_epoch(c->rec, k, start);
	t->tty = (uint32_t)kev_param_u64(k, 30);
	t->loginuid = loginuid == UINT32_MAX ? -1 : (int64_t)loginuid;
}

static void on_task(struct st_ctx *c)
{
	struct st_thread *t = task_entry(c);

	if (!t)
		return;
	t->placeholder = false;
	t->snap_ns = c->kev.head->ts_ns;
	task_numbers(c, t);
	task_texts(c, t);
	st_thread_set_parent(&c->core->threads, t, i64_or(&c->kev, 0, c->kev.head->ppid));
	st_thread_changed(&c->core->threads, t);
}

/* --- descriptors --- */

/* The table's own entry for the same file says more (the path as passed, who connected): a snapshot
 * in the middle of a run must not take that away. Sockets are compared by their ends, in on_inet().
 */
static bool is_known(struct st_ctx *c, const struct st_fd *old, enum ev_fd_type type, uint64_t ino)
{
	if (!old || old->type != type || old->ts_ns > c->kev.head->ts_ns)
		return false;
	if (type == EV_FD_UNIX)
		return old->ino == ino || (!old->ino && old->name);
	return type != EV_FD_IPV4 && type != EV_FD_IPV6 && ino && old->ino == ino;
}

/* The entry to fill in. NULL: there is nothing to say that the table does not know. */
static struct st_fd *file_entry(struct st_ctx *c, enum ev_fd_type type, unsigned ino_param)
{
	uint64_t ino = kev_param_u64(&c->kev, ino_param);
	struct st_fd *f;

	if (!c->t || !kev_param_present(&c->kev, 0))
		return NULL;
	f = st_fd_find(&c->core->fds, c->t->files, kev_param_i64(&c->kev, 0));
	if (is_known(c, f, type, ino)) {
		f->ino = ino;
		f->ts_ns = c->kev.head->ts_ns;
		return NULL;
	}
	f = st_ctx_new_fd(c, kev_param_i64(&c->kev, 0), type);
	if (f)
		f->ino = ino;
	return f;
}

static void on_path(struct st_ctx *c, enum ev_fd_type type, unsigned path_param, unsigned ino_param)
{
	struct st_fd *f = file_entry(c, type, ino_param);
	struct span path = kev_param_text(&c->kev, path_param);

	if (f)
		f->name = st_text_new(&c->core->texts, path);
}

static void on_regular(struct st_ctx *c)
{
	struct st_fd *f = file_entry(c, EV_FD_FILE, 4);
	uint32_t flags = (uint32_t)kev_param_u64(&c->kev, 2);

	if (!f)
		return;
	f->name = st_text_new(&c->core->texts, kev_param_text(&c->kev, 1));
	f->open_flags = flags;
	if (c->kev.head->flags & KEV_F_DEV)
		f->dev = (uint32_t)kev_param_u64(&c->kev, 3);
	f->cloexec = flags & 0x1000; /* O_CLOEXEC of the event vocabulary */
	f->flags = (flags & 0x8000 ? EV_FD_UPPER_LAYER : 0) |
		   (flags & 0x10000 ? EV_FD_LOWER_LAYER : 0);
}

static void on_anon(struct st_ctx *c)
{
	static const uint8_t types[] = {EV_FD_UNKNOWN, EV_FD_EVENTFD, EV_FD_EVENTPOLL,
		EV_FD_INOTIFY, EV_FD_SIGNALFD, EV_FD_TIMERFD, EV_FD_IO_URING, EV_FD_USERFAULTFD,
		EV_FD_PIDFD, EV_FD_BPF, EV_FD_BPF, EV_FD_BPF, EV_FD_BPF, EV_FD_UNKNOWN};
	uint64_t kind = kev_param_u64(&c->kev, 1);

	(void)file_entry(c, kind < ARRAY_LEN(types) ? types[kind] : EV_FD_UNKNOWN,
		3); /* NULL: the table knows something newer */
}

static uint8_t l4_of(uint64_t type, uint64_t proto)
{
	if (type == SOCK_RAW)
		return EV_L4_RAW;
	switch (proto) {
	case IPPROTO_TCP:
		return EV_L4_TCP;
	case IPPROTO_UDP:
		return EV_L4_UDP;
	case IPPROTO_ICMP:
		return EV_L4_ICMP;
	default:
		return type == SOCK_STREAM  ? EV_L4_TCP
		       : type == SOCK_DGRAM ? EV_L4_UDP
					    : EV_L4_UNKNOWN;
	}
}

static bool has_ends(const struct st_fd *f, const struct st_tuple *t)
{
	return memcmp(f->sip, t->sip, 16) == 0 && memcmp(f->dip, t->dip, 16) == 0 &&
	       f->sport == t->sport && f->dport == t->dport;
}

/* Does the table have this connection already, with the roles that events told? */
static bool is_same_connection(struct st_ctx *c, const struct st_tuple *t)
{
	struct st_fd *old =
		c->t ? st_fd_find(&c->core->fds, c->t->files, kev_param_i64(&c->kev, 0)) : NULL;
	struct st_tuple swapped = *t;

	st_tuple_swap(&swapped);
	if (!old || !t->dport || old->role == EV_ROLE_NONE || old->ts_ns > c->kev.head->ts_ns ||
		!(has_ends(old, t) || has_ends(old, &swapped)))
		return false;
	old->ts_ns = c->kev.head->ts_ns;
	return true;
}

static struct st_tuple inet_ends(const struct kev *k, enum st_family family, size_t n_ip)
{
	struct st_tuple t = {.family = family,
		.sport = (uint16_t)kev_param_u64(k, 4),
		.dport = (uint16_t)kev_param_u64(k, 6)};

	if (k->param[3].n == n_ip)
		memcpy(t.sip, k->param[3].p, n_ip);
	if (k->param[5].n == n_ip)
		memcpy(t.dip, k->param[5].p, n_ip);
	st_tuple_unmap(&t);
	return t;
}

/* Bound and listening: the local side is the server's. Connected: a local port that something
 * listens on makes us the server, else we are the client. */
static void on_inet(struct st_ctx *c, enum st_family family, size_t n_ip)
{
	struct st_tuple t = inet_ends(&c->kev, family, n_ip);
	bool is_v4 = t.family == ST_AF_INET;
	char name[ST_SOCK_NAME_MAX];
	struct st_fd *f;

	if (is_same_connection(c, &t))
		return;
	f = file_entry(c, is_v4 ? EV_FD_IPV4 : EV_FD_IPV6, 7);
	if (!f)
		return;
	f->l4 = l4_of(kev_param_u64(&c->kev, 1), kev_param_u64(&c->kev, 2));
	if (!t.dport && !t.sport)
		return; /* just made */
	if (!t.dport) {
		if (f->l4 == EV_L4_TCP)
			st_host_set_listening(&c->core->host, t.sport);
		st_tuple_swap(&t);
		memset(t.sip, 0, sizeof(t.sip));
		st_fd_set_type(&c->core->fds, f, is_v4 ? EV_FD_IPV4_SERVER : EV_FD_IPV6_SERVER);
		f->role = EV_ROLE_SERVER;
		f->name = st_text_new(&c->core->texts, st_addr_name(&t, name));
	} else {
		f->role = EV_ROLE_CLIENT;
		f->flags |= EV_FD_CONNECTED;
		if (f->l4 == EV_L4_TCP && st_host_is_listening(&c->core->host, t.sport)) {
			f->role = EV_ROLE_SERVER;
			st_tuple_swap(&t);
		}
		f->name = st_text_new(&c->core->texts, st_tuple_name(&t, f->l4, name));
	}
	memcpy(f->sip, t.sip, sizeof(f->sip));
	memcpy(f->dip, t.dip, sizeof(f->dip));
	f->sport = t.sport;
	f->dport = t.dport;
}

static void on_task_file(struct st_ctx *c)
{
	st_ident(c, true);
	switch (c->kev.head->type) {
	case KEV_CODE_ITER_TASK_FILE_PIPE_E:
		(void)file_entry(c, EV_FD_PIPE, 2); /* pipes have no name */
		break;
	case KEV_CODE_ITER_TASK_FILE_MEMFD_E:
		on_path(c, EV_FD_MEMFD, 1, 2);
		break;
	case KEV_CODE_ITER_TASK_FILE_REGULAR_E:
		on_regular(c);
		break;
	case KEV_CODE_ITER_TASK_FILE_DIRECTORY_E:
		on_path(c, EV_FD_DIRECTORY, 1, 2);
		break;
	case KEV_CODE_ITER_TASK_FILE_SOCKET_INET_E:
		on_inet(c, ST_AF_INET, 4);
		break;
	case KEV_CODE_ITER_TASK_FILE_SOCKET_INET6_E:
		on_inet(c, ST_AF_INET6, 16);
		break;
	case KEV_CODE_ITER_TASK_FILE_SOCKET_UNIX_E:
		on_path(c, EV_FD_UNIX, 4, 5);
		break;
	case KEV_CODE_ITER_TASK_FILE_SOCKET_NETLINK_E:
		(void)file_entry(c, EV_FD_NETLINK, 3); /* no name */
		break;
	case KEV_CODE_ITER_TASK_FILE_ANON_INODE_E:
		on_anon(c);
		break;
	default:
		break;
	}
}

int st_snapshot_apply(struct st_ctx *c)
{
	switch (c->kev.head->type) {
	case KEV_CODE_ITER_TASK_E:
		on_task(c);
		return 0;
	case KEV_CODE_SAKER_IFACE:
		st_host_add(&c->core->host, c->kev.param[1], (uint8_t)kev_param_u64(&c->kev, 2));
		return 0;
	case KEV_CODE_SAKER_SECTION:
		while (st_thread_evict(&c->core->threads, 0))
			;
		memset(&c->core->host, 0, sizeof(c->core->host));
		return 0;
	case KEV_CODE_SAKER_CLOCK:
		return 0; /* told for those who show it */
	default:
		if (c->kev.info->kind != KEV_KIND_ITER)
			return -EBADMSG;
		on_task_file(c);
		return 0;
	}
}
