/* SPDX-License-Identifier: Apache-2.0 */
/* The tables once more, in a process that writes captures: it applies the same raw records as the
 * tracker, only later, when it is known which events are wanted. Nothing is forwarded. Input: the raw
 * ring's records, through the core's door. */

#include <table/table.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>

#include "core.h"
#include "shadow.h"

#define IFACES_MAX 256
#define BACKLOG (1u << 20)

/* Types and protocols of descriptors in capture files (driver/scap_format.h is the driver's own). */
static const uint8_t fd_types[_EV_FD_TYPE_MAX] = {
	[EV_FD_UNKNOWN] = 10,
	[EV_FD_FILE] = 16,
	[EV_FD_DIRECTORY] = 2,
	[EV_FD_IPV4] = 3,
	[EV_FD_IPV6] = 4,
	[EV_FD_IPV4_SERVER] = 5,
	[EV_FD_IPV6_SERVER] = 6,
	[EV_FD_UNIX] = 8,
	[EV_FD_PIPE] = 7,
	[EV_FD_EVENTFD] = 9,
	[EV_FD_SIGNALFD] = 11,
	[EV_FD_EVENTPOLL] = 12,
	[EV_FD_INOTIFY] = 13,
	[EV_FD_TIMERFD] = 14,
	[EV_FD_NETLINK] = 15,
	[EV_FD_BPF] = 17,
	[EV_FD_USERFAULTFD] = 18,
	[EV_FD_IO_URING] = 19,
	[EV_FD_MEMFD] = 20,
	[EV_FD_PIDFD] = 21,
	[EV_FD_UNSUPPORTED] = 10,
};
static const uint8_t l4s[_EV_L4_MAX] = {
	[EV_L4_TCP] = 2, [EV_L4_UDP] = 3, [EV_L4_ICMP] = 4, [EV_L4_RAW] = 5};

#define CLONE_OF_THREAD 0x2001 /* event vocabulary: files and thread */
#define CLONE_CHILD_IN_PIDNS 0x20000000

struct iface {
	char name[64];
	uint8_t addr[16], n, prefix_len;
};

struct table {
	struct st_core core;
	struct st_shadow ids; /* users and groups */
	uint64_t n_records;
	uint64_t boot_ns; /* epoch */
	struct iface ifaces[IFACES_MAX];
	unsigned n_ifaces;
	struct img_event events[_KEV_IX_MAX]; /* no rule looks at any */
	struct scap_writer *w;                /* during table_write() */
};

static bool admit(void *arg, unsigned ring, unsigned cls, size_t len, bool no_shed)
{
	(void)arg;
	(void)ring;
	(void)cls;
	(void)len;
	(void)no_shed;
	return false;
}

/* State that is passed on to evaluators: users and groups. */
static void take_id(void *arg, int ring, struct rec_head *rec)
{
	struct table *t = arg;

	(void)ring;
	if (rec->ring.type != REC_STATE)
		return;
	rec->ord = ++t->n_records;
	st_shadow_add(&t->ids, rec);
	st_shadow_advance(&t->ids, t->n_records + 1);
}

int table_open(uint32_t threads_max, uint32_t descriptors_max, struct table **ret_table)
{
	struct table *t = calloc(1, sizeof(*t));
	int r = t ? st_shadow_init(&t->ids, ST_THREADS_MIN, BACKLOG) : -ENOMEM;

	if (r == 0)
		r = st_core_init(
			&t->core, &(struct st_config){.events = t->events,
					  .needs = IMG_NEED_ENV,
					  .n_rings = 1,
					  .threads_max = threads_max,
					  .descriptors_max = descriptors_max,
					  .sink = {.arg = t, .admit = admit, .emit = take_id}});
	if (r < 0) {
		table_free(t);
		return r;
	}
	*ret_table = t;
	return 0;
}

struct table *table_free(struct table *t)
{
	if (!t)
		return NULL;
	st_core_done(&t->core);
	st_shadow_done(&t->ids);
	free(t);
	return NULL;
}

uint64_t table_boot_ns(const struct table *t)
{
	return t->boot_ns;
}

static void take_iface(struct table *t, const struct rec_head *rec)
{
	struct iface *i = &t->ifaces[t->n_ifaces];
	const char *why;
	struct kev k;

	if (t->n_ifaces == IFACES_MAX ||
		kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why) < 0)
		return;
	if (k.param[1].n != 4 && k.param[1].n != 16)
		return;
	*i = (struct iface){
		.n = (uint8_t)k.param[1].n, .prefix_len = (uint8_t)kev_param_u64(&k, 2)};
	memcpy(i->addr, k.param[1].p, i->n);
	memcpy(i->name, k.param[0].n ? k.param[0].p : "", MIN(k.param[0].n, sizeof(i->name) - 1));
	for (unsigned n = 0; n < t->n_ifaces; n++)
		if (memcmp(&t->ifaces[n], i, sizeof(*i)) == 0)
			return; /* told again */
	t->n_ifaces++;
}

static void take_clock(struct table *t, const struct rec_head *rec)
{
	const char *why;
	struct kev k;

	if (kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why) == 0)
		t->boot_ns = kev_param_u64(&k, 1);
}

int table_apply(struct table *t, struct rec_head *rec)
{
	const struct kev_head *h = (const struct kev_head *)(rec + 1);
	int r = st_core_apply(&t->core, rec);

	if (r < 0 || (rec->ring.type != REC_STATE && rec->ring.type != REC_KEV))
		return r;
	if (h->type == KEV_CODE_SAKER_IFACE)
		take_iface(t, rec);
	else if (h->type == KEV_CODE_SAKER_SECTION)
		t->n_ifaces = 0;
	else if (h->type == KEV_CODE_SAKER_CLOCK)
		take_clock(t, rec);
	return 0;
}

/* --- processes --- */

static struct span text(struct table *t, const struct st_thread *th, enum st_thread_text which)
{
	struct span s = st_thread_text(&t->core.threads, th, which);

	return s.n ? s : (struct span){.p = "", .n = 0};
}

static struct scap_task task_of(struct table *t, struct st_thread *th)
{
	const struct st_thread *leader = st_thread_leader(&t->core.threads, th);

	return (struct scap_task){
		.tid = th->tid,
		.pid = th->pid,
		.ptid = th->ptid,
		.sid = th->sid,
		.vpgid = th->vpgid,
		.pgid = th->pgid,
		.vtid = th->vtid,
		.vpid = th->vpid,
		.fdlimit = th->fd_limit,
		.comm = text(t, th, ST_COMM),
		.exe = text(t, th, ST_EXE),
		.exepath = text(t, th, ST_EXEPATH),
		.args = text(t, th, ST_ARGS),
		.cwd = text(t, leader, ST_CWD),
		.env = text(t, leader, ST_ENV),
		.cgroups = text(t, th, ST_CGROUPS),
		.root = text(t, leader, ST_ROOT),
		.flags = (st_thread_is_leader(th) ? 0 : CLONE_OF_THREAD) |
			 (th->in_pidns ? CLONE_CHILD_IN_PIDNS : 0),
		.uid = th->uid,
		.gid = th->gid,
		.vm_size_kb = (uint32_t)th->vm_size_kb,
		.vm_rss_kb = (uint32_t)th->vm_rss_kb,
		.vm_swap_kb = (uint32_t)th->vm_swap_kb,
		.tty = th->tty,
		.loginuid = (uint32_t)th->loginuid,
		.exe_flags = th->exe_flags,
		.pf_major = th->pf_major,
		.pf_minor = th->pf_minor,
		.pidns_start_ns = th->pidns_start_ns,
		.cap_inheritable = th->cap_inheritable,
		.cap_permitted = th->cap_permitted,
		.cap_effective = th->cap_effective,
		.exe_ino = th->exe_ino,
		.exe_ctime_ns = th->exe_ctime_ns,
		.exe_mtime_ns = th->exe_mtime_ns,
	};
}

static void write_tasks(struct table *t)
{
	struct st_threads *p = &t->core.threads;

	scap_write_list(t->w, SCAP_LIST_TASKS, 0);
	for (uint32_t i = 0; i < p->n_fresh; i++) {
		struct scap_task task;

		/* what is known from an event's head alone would be taken for the truth */
		if (!p->slots[i].used || p->slots[i].placeholder)
			continue;
		task = task_of(t, &p->slots[i]);
		scap_write_task(t->w, &task);
	}
	scap_write_list_end(t->w);
}

/* --- descriptors --- */

/* The name is "source->peer path". */
static void unix_ends(struct span name, struct scap_fd *f)
{
	const char *blank = name.n ? memchr(name.p, ' ', name.n) : NULL;
	unsigned long long source, peer;
	char ends[40] = {0};

	if (!blank || (size_t)(blank - name.p) >= sizeof(ends))
		return;
	memcpy(ends, name.p, (size_t)(blank - name.p));
	if (sscanf(ends, "%llx->%llx", &source, &peer) != 2)
		return;
	f->source = source;
	f->peer = peer;
	f->name = (struct span){.p = blank + 1, .n = name.n - (size_t)(blank + 1 - name.p)};
}

static void write_fd(struct table *t, const struct st_fd *e)
{
	struct span name = st_text_get(&t->core.texts, e->name);
	struct scap_fd f = {.num = e->num,
		.ino = e->ino,
		.type = fd_types[e->type],
		.l4 = e->l4 < _EV_L4_MAX ? l4s[e->l4] : 0,
		.sport = e->sport,
		.dport = e->dport,
		.open_flags = e->open_flags | (e->flags & EV_FD_UPPER_LAYER ? 0x8000 : 0) |
			      (e->flags & EV_FD_LOWER_LAYER ? 0x10000 : 0),
		.dev = e->dev,
		.name = name.n ? name : (struct span){.p = "", .n = 0}};
	bool is_server = e->type == EV_FD_IPV4_SERVER || e->type == EV_FD_IPV6_SERVER;

	memcpy(f.sip, is_server ? e->dip : e->sip, sizeof(f.sip));
	memcpy(f.dip, e->dip, sizeof(f.dip));
	if (is_server)
		f.sport = e->dport;
	if (e->type == EV_FD_UNIX)
		unix_ends(name, &f);
	scap_write_fd(t->w, &f);
}

static void write_fds(struct table *t)
{
	struct st_threads *p = &t->core.threads;

	for (uint32_t i = 0; i < p->n_fresh; i++) {
		const struct st_thread *th = &p->slots[i];
		const struct st_files *files;

		if (!th->used || th->placeholder || !st_thread_is_leader(th))
			continue;
		files = st_files_get(&t->core.fds, th->files);
		if (!files->n)
			continue;
		scap_write_list(t->w, SCAP_LIST_FDS, th->tid);
		for (uint32_t n = files->first; n != ST_NONE; n = t->core.fds.pool[n].next)
			write_fd(t, &t->core.fds.pool[n]);
		scap_write_list_end(t->w);
	}
}

/* --- the head --- */

static bool write_id(void *arg, const struct rec_head *rec)
{
	struct table *t = arg;
	const char *why;
	struct kev k;

	if (kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why) < 0)
		return true;
	if (k.head->type == KEV_CODE_USER_ADDED_E && kev_param_text(&k, 5).n == 0)
		scap_write_user(t->w, (uint32_t)kev_param_u64(&k, 0),
			(uint32_t)kev_param_u64(&k, 1), kev_param_text(&k, 2),
			kev_param_text(&k, 3), kev_param_text(&k, 4));
	else if (k.head->type == KEV_CODE_GROUP_ADDED_E && kev_param_text(&k, 2).n == 0)
		scap_write_group(t->w, (uint32_t)kev_param_u64(&k, 0), kev_param_text(&k, 1));
	return true;
}

void table_write(struct table *t, struct scap_writer *w, const struct scap_machine *m)
{
	t->w = w;
	scap_write_head(w, m);
	scap_write_list(w, SCAP_LIST_IFACES, 0);
	for (unsigned i = 0; i < t->n_ifaces; i++)
		scap_write_iface(w, span_str(t->ifaces[i].name), t->ifaces[i].addr, t->ifaces[i].n,
			t->ifaces[i].prefix_len);
	scap_write_list_end(w);
	scap_write_list(w, SCAP_LIST_USERS, 0);
	st_shadow_each_id(&t->ids, write_id, t);
	scap_write_list_end(w);
	write_tasks(t);
	write_fds(t);
}

/* --- births --- */

static void put_text(struct kev_builder *b, struct span s)
{
	kev_build_text(b, s.p ? s : (struct span){.p = "", .n = 0});
}

int table_birth(struct table *t, const struct kev *fork, void *buf)
{
	struct st_thread *th = st_thread_find(&t->core.threads, kev_param_i64(fork, 0));
	uint64_t boot = t->boot_ns;
	struct scap_task task;
	struct kev_builder b;
	struct kev_head *h;
	int r;

	if (!th || th->pid != kev_param_i64(fork, 1))
		return 0;
	task = task_of(t, th);
	kev_build_start(&b, buf, KEV_SIZE_MAX, KEV_CODE_SYSCALL_CLONE_20_X, 0);
	h = kev_build_head(&b);
	*h = (struct kev_head){.type = h->type,
		.n_params = h->n_params,
		.ts_ns = fork->head->ts_ns,
		.tid = (uint32_t)th->tid,
		.tgid = (uint32_t)th->pid,
		.cpu = fork->head->cpu,
		.cls = KEV_CLASS_OTHER};
	kev_build_int(&b, 0); /* what the child is told */
	put_text(&b, task.exe);
	kev_build_raw(&b, task.args.p, task.args.n);
	kev_build_int(&b, task.tid);
	kev_build_int(&b, task.pid);
	kev_build_int(&b, task.ptid);
	put_text(&b, (struct span){0});
	kev_build_int(&b, task.fdlimit);
	kev_build_int(&b, 0);
	kev_build_int(&b, 0);
	kev_build_int(&b, task.vm_size_kb);
	kev_build_int(&b, task.vm_rss_kb);
	kev_build_int(&b, task.vm_swap_kb);
	put_text(&b, task.comm);
	kev_build_raw(&b, task.cgroups.p, task.cgroups.n);
	kev_build_int(&b, (int64_t)(uint32_t)kev_param_u64(fork, 5));
	kev_build_int(&b, task.uid);
	kev_build_int(&b, task.gid);
	kev_build_int(&b, task.vtid);
	kev_build_int(&b, task.vpid);
	kev_build_int(&b, (int64_t)(task.pidns_start_ns > boot ? task.pidns_start_ns - boot : 0));
	r = kev_build_finish(&b);
	return r < 0 ? 0 : r;
}
