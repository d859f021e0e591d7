/* SPDX-License-Identifier: Apache-2.0 */
/* The lists at the head of a capture file. All versions: later ones append to an entry or add its
 * length in front. Input: bytes of a file, nothing checked; every read is by subtraction (struct
 * cursor), and what does not fit into a record is left out of it, never cut in the middle of an
 * entry. */

#include "scap_state.h"

#include <sys/socket.h>

#include <netinet/in.h>

#include <errno.h>
#include <string.h>

#include <base/macros.h>
#include <base/span.h>
#include <driver/kev.h>

#include "scap_format.h"

/* --- reading --- */

struct cursor {
	const uint8_t *p;
	size_t n;
	bool is_short; /* something was asked for that is not there */
};

static bool get(struct cursor *c, void *to, size_t n)
{
	if (n > c->n) {
		memset(to, 0, n);
		c->is_short = true;
		return false;
	}
	memcpy(to, c->p, n);
	c->p += n;
	c->n -= n;
	return true;
}

static uint64_t get_u64(struct cursor *c)
{
	uint64_t v;

	(void)get(c, &v, sizeof(v));
	return v;
}

static uint32_t get_u32(struct cursor *c)
{
	uint32_t v;

	(void)get(c, &v, sizeof(v));
	return v;
}

static uint16_t get_u16(struct cursor *c)
{
	uint16_t v;

	(void)get(c, &v, sizeof(v));
	return v;
}

static uint8_t get_u8(struct cursor *c)
{
	uint8_t v;

	(void)get(c, &v, sizeof(v));
	return v;
}

static struct span get_bytes(struct cursor *c, size_t n)
{
	struct span s = {.p = (const char *)c->p, .n = n};

	if (n > c->n) {
		c->is_short = true;
		return (struct span){.p = "", .n = 0};
	}
	c->p += n;
	c->n -= n;
	return s;
}

/* u16 length and bytes. */
static struct span get_str(struct cursor *c)
{
	return get_bytes(c, get_u16(c));
}

/* Optional fields at the end of an entry: what is not there keeps its default. */
static bool has(struct cursor *c, size_t n)
{
	if (c->n < n)
		c->n = 0;
	return c->n >= n && n > 0;
}

/* --- records --- */

static void start(struct kev_builder *b, void *buf, uint16_t code)
{
	kev_build_start(b, buf, KEV_SIZE_MAX, code, 0);
	kev_build_head(b)->flags = KEV_F_SNAPSHOT;
	kev_build_head(b)->cls = KEV_CLASS_OTHER;
}

/* A text ends at its first NUL; NULL: absent. */
static void text(struct kev_builder *b, struct span s)
{
	kev_build_text(b, (struct span){.p = s.p, .n = s.n ? strnlen(s.p, s.n) : 0});
}

static void int_or_absent(struct kev_builder *b, int64_t v)
{
	if (v == -1)
		kev_build_absent(b);
	else
		kev_build_int(b, v);
}

/* Strings in a row, the last with its NUL. */
static void strings(struct kev_builder *b, struct span s)
{
	char *to;

	if (!s.n) {
		kev_build_absent(b);
		return;
	}
	kev_build_raw(b, s.p, s.n);
	if (s.p[s.n - 1] == 0 || b->overflow)
		return;
	if (b->cap - b->data_off - b->data_len < 1 || s.n == UINT16_MAX) {
		b->overflow = true;
		return;
	}
	to = (char *)b->buf + b->data_off + b->data_len++;
	*to = 0;
	((uint16_t *)(void *)(kev_build_head(b) + 1))[b->n - 1] = (uint16_t)(s.n + 1);
}

/* --- machine --- */

int scap_clock(const uint8_t *p, size_t n, uint64_t *ret_boot_ns, void *buf)
{
	struct cursor c = {.p = p, .n = n};
	struct kev_builder b;

	(void)get_u32(&c); /* CPUs */
	(void)get_u64(&c); /* memory */
	(void)get_u64(&c); /* largest pid */
	(void)get_bytes(&c, SCAP_MI_HOST);
	*ret_boot_ns = get_u64(&c);
	if (!*ret_boot_ns)
		return 0;
	start(&b, buf, KEV_CODE_SAKER_CLOCK);
	kev_build_int(&b, (int64_t)*ret_boot_ns);
	kev_build_int(&b, (int64_t)*ret_boot_ns);
	return kev_build_finish(&b);
}

/* --- interfaces --- */

static unsigned prefix_len(const uint8_t *mask, unsigned n)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < n; i++)
		bits += (unsigned)__builtin_popcount(mask[i]);
	return bits;
}

static int iface(struct cursor *c, void *buf)
{
	uint16_t type = get_u16(c), name_len = get_u16(c);
	unsigned n = type == SCAP_IFACE_V4 || type == SCAP_IFACE_V4_SHORT ? 4 : 16;
	uint8_t addr[16], mask[16], bcast[16];
	struct kev_builder b;
	struct span name;

	if (type < SCAP_IFACE_V4 || type > SCAP_IFACE_V6_SHORT) {
		c->is_short = true; /* what is unknown has an unknown length */
		return 0;
	}
	(void)get(c, addr, n);
	(void)get(c, mask, n);
	(void)get(c, bcast, n);
	if (type == SCAP_IFACE_V4 || type == SCAP_IFACE_V6)
		(void)get_u64(c);
	name = get_bytes(c, name_len);
	if (c->is_short)
		return 0;
	start(&b, buf, KEV_CODE_SAKER_IFACE);
	text(&b, name);
	kev_build_raw(&b, addr, n);
	kev_build_int(&b, prefix_len(mask, n));
	return kev_build_finish(&b);
}

/* --- users and groups --- */

static int user(struct cursor *c, void *buf)
{
	uint8_t kind = get_u8(c);
	struct kev_builder b;

	if (kind == SCAP_UL_USER) {
		uint32_t uid = get_u32(c), gid = get_u32(c);
		struct span name = get_str(c), home = get_str(c), shell = get_str(c);

		start(&b, buf, KEV_CODE_USER_ADDED_E);
		kev_build_int(&b, uid);
		kev_build_int(&b, gid);
		text(&b, name);
		text(&b, home);
		text(&b, shell);
	} else if (kind == SCAP_UL_GROUP) {
		uint32_t gid = get_u32(c);

		start(&b, buf, KEV_CODE_GROUP_ADDED_E);
		kev_build_int(&b, gid);
		text(&b, get_str(c));
	} else {
		c->is_short = true;
		return 0;
	}
	text(&b, SPAN_LIT(""));
	return c->is_short ? 0 : kev_build_finish(&b);
}

/* --- processes --- */

struct task {
	int64_t tid, pid, ptid, sid, vpgid, pgid, vtid, vpid, fdlimit;
	struct span comm, exe, exepath, args, cwd, env, cgroups, root;
	uint32_t uid, gid, vm_size, vm_rss, vm_swap, tty, loginuid, exe_flags;
	uint64_t pf_major, pf_minor, pidns_start, caps[3], exe_ino, exe_ctime, exe_mtime;
	bool has_pidns, has_exe;
};

/* 1..9; 0 none. */
static unsigned task_version(uint32_t block)
{
	switch (block) {
	case SCAP_PL_V1:
		return 1;
	case SCAP_PL_V2:
		return 2;
	case SCAP_PL_V3:
		return 3;
	default:
		return block >= SCAP_PL_V4 && block <= SCAP_PL_V9 ? block - SCAP_PL_V4 + 4 : 0;
	}
}

#define TASK_OLD_TAIL 29 /* written before the pid namespace and the terminal were */

static void task_caps(struct cursor *c, struct task *t)
{
	for (unsigned i = 0; i < ARRAY_LEN(t->caps); i++)
		if (has(c, 8))
			t->caps[i] = get_u64(c);
}

static void task_flag(struct cursor *c, struct task *t, uint32_t flag)
{
	if (has(c, 1) && get_u8(c))
		t->exe_flags |= flag;
}

static void task_tail(struct cursor *c, struct task *t)
{
	bool is_old = c->n <= TASK_OLD_TAIL;

	if (!is_old && has(c, 8)) {
		t->pidns_start = get_u64(c);
		t->has_pidns = true;
	}
	if (!is_old && has(c, 4))
		t->tty = get_u32(c);
	if (has(c, 4))
		t->loginuid = get_u32(c);
	task_flag(c, t, 1);
	task_caps(c, t);
	task_flag(c, t, 2);
	t->has_exe = has(c, 8);
	if (t->has_exe)
		t->exe_ino = get_u64(c);
	if (has(c, 8))
		t->exe_ctime = get_u64(c);
	if (has(c, 8))
		t->exe_mtime = get_u64(c);
	task_flag(c, t, 4);
	task_flag(c, t, 8);
	if (has(c, 8))
		t->pgid = (int64_t)get_u64(c);
}

static void task_read(struct cursor *c, unsigned v, struct task *t)
{
	*t = (struct task){
		.sid = -1, .vpgid = -1, .pgid = -1, .vtid = -1, .vpid = -1, .loginuid = UINT32_MAX};
	t->tid = (int64_t)get_u64(c);
	t->pid = (int64_t)get_u64(c);
	t->ptid = (int64_t)get_u64(c);
	if (v >= 6)
		t->sid = (int64_t)get_u64(c);
	if (v >= 8)
		t->vpgid = (int64_t)get_u64(c);
	t->comm = get_str(c);
	t->exe = get_str(c);
	if (v >= 7)
		t->exepath = get_str(c);
	t->args = get_str(c);
	t->cwd = get_str(c);
	t->fdlimit = (int64_t)get_u64(c);
	(void)get_u32(c); /* how it was cloned */
	t->uid = get_u32(c);
	t->gid = get_u32(c);
	if (v >= 2) {
		t->vm_size = get_u32(c);
		t->vm_rss = get_u32(c);
		t->vm_swap = get_u32(c);
		t->pf_major = get_u64(c);
		t->pf_minor = get_u64(c);
	}
	if (v >= 3)
		t->env = get_str(c);
	if (v >= 4) {
		t->vtid = (int64_t)get_u64(c);
		t->vpid = (int64_t)get_u64(c);
		t->cgroups = get_str(c);
	}
	if (v >= 5)
		t->root = get_str(c);
	if (v >= 9 && !c->is_short)
		task_tail(c, t);
}

/* argv: what it was called, then its arguments. */
static void task_argv(struct kev_builder *b, const struct task *t, bool has_args)
{
	static char argv[2 * (UINT16_MAX + 1)];
	size_t n = strnlen(t->exe.p, t->exe.n);

	if (!n && !t->args.n) {
		kev_build_absent(b);
		return;
	}
	memcpy(argv, t->exe.p, n);
	argv[n++] = 0;
	if (has_args) {
		memcpy(argv + n, t->args.p, t->args.n);
		n += t->args.n;
	}
	strings(b, (struct span){.p = argv, .n = n});
}

static void task_numbers(struct kev_builder *b, const struct task *t)
{
	kev_build_int(b, t->fdlimit);
	kev_build_int(b, t->uid);
	kev_build_int(b, t->gid);
	kev_build_int(b, (int64_t)t->caps[1]);
	kev_build_int(b, (int64_t)t->caps[2]);
	kev_build_int(b, (int64_t)t->caps[0]);
	if (t->has_exe) {
		kev_build_int(b, (int64_t)t->exe_ino);
		kev_build_int(b, (int64_t)t->exe_ctime);
		kev_build_int(b, (int64_t)t->exe_mtime);
	} else {
		for (unsigned i = 0; i < 3; i++)
			kev_build_absent(b);
	}
	kev_build_int(b, t->vm_size);
	kev_build_int(b, t->vm_rss);
	kev_build_int(b, t->vm_swap);
	kev_build_int(b, (int64_t)t->pf_major);
	kev_build_int(b, (int64_t)t->pf_minor);
	int_or_absent(b, t->vpid);
	int_or_absent(b, t->vtid);
	if (t->has_pidns)
		kev_build_int(b, (int64_t)t->pidns_start);
	else
		kev_build_absent(b);
}

static int task_build(const struct task *t, bool has_env, bool has_args, void *buf)
{
	struct kev_builder b;
	struct kev_head *h;

	start(&b, buf, KEV_CODE_ITER_TASK_E);
	h = kev_build_head(&b);
	h->tid = (uint32_t)t->tid;
	h->tgid = (uint32_t)t->pid;
	h->ppid = t->ptid > 0 && t->ptid <= INT32_MAX ? (uint32_t)t->ptid : 0;
	h->uid = t->uid;
	h->gid = t->gid;
	memcpy(h->comm, t->comm.p, MIN(strnlen(t->comm.p, t->comm.n), sizeof(h->comm) - 1));
	int_or_absent(&b, t->ptid);
	int_or_absent(&b, t->pgid);
	int_or_absent(&b, t->vpgid);
	int_or_absent(&b, t->sid);
	text(&b, t->comm);
	task_argv(&b, t, has_args);
	text(&b, t->exepath);
	kev_build_int(&b, t->exe_flags);
	strings(&b, has_env ? t->env : (struct span){.p = "", .n = 0});
	text(&b, t->cwd);
	task_numbers(&b, t);
	strings(&b, t->cgroups);
	text(&b, t->root);
	kev_build_absent(&b); /* when it started */
	kev_build_int(&b, t->tty);
	kev_build_int(&b, t->loginuid);
	return kev_build_finish(&b);
}

static int task(struct cursor *c, unsigned version, void *buf)
{
	struct task t = {0};
	int r;

	task_read(c, version, &t);
	if (c->is_short || t.tid <= 0 || t.tid > INT32_MAX || t.pid <= 0 || t.pid > INT32_MAX)
		return 0;
	r = task_build(&t, true, true, buf);
	if (r < 0)
		r = task_build(&t, false, true, buf);
	if (r < 0)
		r = task_build(&t, false, false, buf);
	return r < 0 ? 0 : r;
}

/* --- descriptors --- */

static const struct {
	uint16_t code;
	uint8_t anon; /* fd_type of task_file_anon_inode */
} fd_codes[_SCAP_FD_MAX] = {
	[SCAP_FD_FILE] = {KEV_CODE_ITER_TASK_FILE_REGULAR_E, 0},
	[SCAP_FD_FILE_V2] = {KEV_CODE_ITER_TASK_FILE_REGULAR_E, 0},
	[SCAP_FD_DIRECTORY] = {KEV_CODE_ITER_TASK_FILE_DIRECTORY_E, 0},
	[SCAP_FD_IPV4] = {KEV_CODE_ITER_TASK_FILE_SOCKET_INET_E, 0},
	[SCAP_FD_IPV4_SERVER] = {KEV_CODE_ITER_TASK_FILE_SOCKET_INET_E, 0},
	[SCAP_FD_IPV6] = {KEV_CODE_ITER_TASK_FILE_SOCKET_INET6_E, 0},
	[SCAP_FD_IPV6_SERVER] = {KEV_CODE_ITER_TASK_FILE_SOCKET_INET6_E, 0},
	[SCAP_FD_FIFO] = {KEV_CODE_ITER_TASK_FILE_PIPE_E, 0},
	[SCAP_FD_UNIX] = {KEV_CODE_ITER_TASK_FILE_SOCKET_UNIX_E, 0},
	[SCAP_FD_NETLINK] = {KEV_CODE_ITER_TASK_FILE_SOCKET_NETLINK_E, 0},
	[SCAP_FD_MEMFD] = {KEV_CODE_ITER_TASK_FILE_MEMFD_E, 0},
	[SCAP_FD_EVENT] = {KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, 1},
	[SCAP_FD_EVENTPOLL] = {KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, 2},
	[SCAP_FD_INOTIFY] = {KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, 3},
	[SCAP_FD_SIGNALFD] = {KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, 4},
	[SCAP_FD_TIMERFD] = {KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, 5},
	[SCAP_FD_IO_URING] = {KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, 6},
	[SCAP_FD_USERFAULTFD] = {KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, 7},
	[SCAP_FD_PIDFD] = {KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, 8},
	[SCAP_FD_BPF] = {KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, 9},
	[SCAP_FD_UNSUPPORTED] = {KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, 0},
};

struct fd {
	int64_t num;
	uint64_t ino, source;
	uint8_t type, l4;
	uint8_t sip[16], dip[16];
	uint16_t sport, dport;
	uint32_t open_flags, dev;
	bool has_dev;
	struct span name;
};

static void fd_read(struct cursor *c, struct fd *f)
{
	unsigned n = f->type == SCAP_FD_IPV4 || f->type == SCAP_FD_IPV4_SERVER ? 4 : 16;

	switch (f->type) {
	case SCAP_FD_IPV4:
	case SCAP_FD_IPV6:
		(void)get(c, f->sip, n);
		(void)get(c, f->dip, n);
		f->sport = get_u16(c);
		f->dport = get_u16(c);
		f->l4 = get_u8(c);
		break;
	case SCAP_FD_IPV4_SERVER:
	case SCAP_FD_IPV6_SERVER:
		(void)get(c, f->sip, n);
		f->sport = get_u16(c);
		f->l4 = get_u8(c);
		break;
	case SCAP_FD_UNIX:
		f->source = get_u64(c);
		(void)get_u64(c);
		f->name = get_str(c);
		break;
	case SCAP_FD_FILE_V2:
		f->open_flags = get_u32(c);
		f->name = get_str(c);
		f->has_dev = !c->is_short && has(c, 4);
		if (f->has_dev)
			f->dev = get_u32(c);
		break;
	default:
		f->name = get_str(c);
	}
}

/* What l4_of() of the tracker makes the same of. */
static void fd_build_l4(struct kev_builder *b, uint8_t l4)
{
	static const struct {
		uint8_t type, proto;
	} l4s[] = {
		[SCAP_L4_TCP] = {SOCK_STREAM, IPPROTO_TCP},
		[SCAP_L4_UDP] = {SOCK_DGRAM, IPPROTO_UDP},
		[SCAP_L4_ICMP] = {SOCK_DGRAM, IPPROTO_ICMP},
		[SCAP_L4_RAW] = {SOCK_RAW, 0},
	};
	unsigned i = l4 < ARRAY_LEN(l4s) ? l4 : SCAP_L4_UNKNOWN;

	kev_build_int(b, l4s[i].type);
	kev_build_int(b, l4s[i].proto);
}

static void fd_build_inet(struct kev_builder *b, const struct fd *f, unsigned n)
{
	fd_build_l4(b, f->l4);
	kev_build_raw(b, f->sip, n);
	kev_build_int(b, f->sport);
	kev_build_raw(b, f->dip, n);
	kev_build_int(b, f->dport);
}

static void fd_build_own(struct kev_builder *b, const struct fd *f)
{
	switch (kev_build_head(b)->type) {
	case KEV_CODE_ITER_TASK_FILE_REGULAR_E:
		text(b, f->name);
		kev_build_int(b, f->open_flags);
		if (f->has_dev) {
			kev_build_head(b)->flags |= KEV_F_DEV;
			kev_build_int(b, f->dev);
		} else {
			kev_build_absent(b);
		}
		break;
	case KEV_CODE_ITER_TASK_FILE_SOCKET_INET_E:
		fd_build_inet(b, f, 4);
		break;
	case KEV_CODE_ITER_TASK_FILE_SOCKET_INET6_E:
		fd_build_inet(b, f, 16);
		break;
	case KEV_CODE_ITER_TASK_FILE_SOCKET_UNIX_E:
		kev_build_absent(b);
		kev_build_absent(b);
		kev_build_int(b, (int64_t)f->source);
		text(b, f->name);
		break;
	case KEV_CODE_ITER_TASK_FILE_SOCKET_NETLINK_E:
		kev_build_absent(b);
		kev_build_absent(b);
		break;
	case KEV_CODE_ITER_TASK_FILE_ANON_INODE_E:
		kev_build_int(b, fd_codes[f->type].anon);
		text(b, f->name);
		break;
	default:
		text(b, f->name);
	}
}

static int fd(struct cursor *c, int64_t tid, void *buf)
{
	struct fd f = {.name = {.p = "", .n = 0}};
	struct kev_builder b;
	int r;

	f.num = (int64_t)get_u64(c);
	f.ino = get_u64(c);
	f.type = get_u8(c);
	if (f.type == 0 || f.type >= _SCAP_FD_MAX) {
		f.name = get_str(c); /* what a newer writer knows is written like a name */
		return 0;
	}
	fd_read(c, &f);
	if (c->is_short || f.num < 0 || f.num > INT32_MAX || tid <= 0 || tid > INT32_MAX)
		return 0;
	start(&b, buf, fd_codes[f.type].code);
	kev_build_head(&b)->tid = (uint32_t)tid; /* its process is known by then */
	kev_build_int(&b, f.num);
	fd_build_own(&b, &f);
	kev_build_int(&b, (int64_t)f.ino);
	r = kev_build_finish(&b);
	return r < 0 ? 0 : r;
}

/* --- entries --- */

bool scap_list_is(uint32_t block)
{
	switch (block) {
	case SCAP_IL_V1:
	case SCAP_IL_V2:
	case SCAP_UL_V1:
	case SCAP_UL_V2:
	case SCAP_FDL_V1:
	case SCAP_FDL_V2:
		return true;
	default:
		return task_version(block) > 0;
	}
}

static int entry(struct scap_list *l, struct cursor *c, void *buf)
{
	switch (l->block) {
	case SCAP_IL_V1:
	case SCAP_IL_V2:
		return iface(c, buf);
	case SCAP_UL_V1:
	case SCAP_UL_V2:
		return user(c, buf);
	case SCAP_FDL_V1:
	case SCAP_FDL_V2:
		return fd(c, l->tid, buf);
	default:
		return task(c, task_version(l->block), buf);
	}
}

/* Length of an entry with its length field, which itself counts in some lists. 0: no field. */
static size_t entry_len(const struct scap_list *l, const uint8_t *p)
{
	uint32_t len;

	memcpy(&len, p, sizeof(len));
	switch (l->block) {
	case SCAP_IL_V2:
		return (size_t)len + sizeof(len);
	case SCAP_UL_V2:
	case SCAP_FDL_V2:
	case SCAP_PL_V9:
		return MAX((size_t)len, (size_t)1);
	default:
		return 0;
	}
}

static int refuse(struct scap_list *l, const char *why)
{
	l->why = why;
	return -EBADMSG;
}

int scap_list_next(struct scap_list *l, const uint8_t *p, size_t n, size_t *ret_used, void *buf)
{
	struct cursor c = {.p = p, .n = n};
	size_t len;
	int r;

	if ((l->block == SCAP_FDL_V1 || l->block == SCAP_FDL_V2) && !l->has_tid) {
		l->tid = (int64_t)get_u64(&c);
		if (c.is_short)
			return refuse(l, "list of descriptors without a process");
		l->has_tid = true;
		*ret_used = n - c.n;
		return 0;
	}
	if (n < sizeof(uint32_t))
		return -ENODATA;
	len = entry_len(l, p);
	if (len) {
		if (len <= sizeof(uint32_t) || len > n)
			return refuse(l, "length of an entry is beyond its block");
		c = (struct cursor){.p = p + sizeof(uint32_t), .n = len - sizeof(uint32_t)};
	}
	r = entry(l, &c, buf);
	if (c.is_short && !len)
		return refuse(l, "entry ends early");
	*ret_used = len ? len : n - c.n;
	return c.is_short ? 0 : r;
}
