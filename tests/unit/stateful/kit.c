/* SPDX-License-Identifier: Apache-2.0 */
/* See kit.h. Everything the core gives out goes through prec_validate() and ev_validate() here, so
 * that every test checks the doors as well. */

#include "kit.h"

#include <stdlib.h>
#include <string.h>

#include <base/macros.h>

static bool admit(void *arg, unsigned ring, unsigned cls, size_t len, bool no_shed)
{
	const struct kit *k = arg;

	assert_int_equal(ring, 0);
	assert_in_range(cls, KEV_CLASS_STATE, KEV_CLASS_OTHER);
	assert_true(len >= sizeof(struct ev));
	return no_shed || !k->refuse;
}

static void emit(void *arg, int ring, struct rec_head *rec)
{
	struct kit *k = arg;
	uint32_t max_slots = k->core.threads.n_max;
	struct ev_view view;

	assert_true(k->n_out < KIT_RECORDS_MAX);
	if (rec->ring.type == REC_PROC)
		assert_int_equal(prec_validate(rec, max_slots), 0);
	if (rec->ring.type == REC_EVENT)
		assert_int_equal(ev_validate(rec, max_slots, &view), 0);
	assert_int_equal(ring, rec->ring.type == REC_EVENT ? 0 : ST_ALL_RINGS);
	k->out[k->n_out].ring = ring;
	k->out[k->n_out].rec = aligned_alloc(8, ALIGN_UP(rec->ring.len, 8u));
	assert_non_null(k->out[k->n_out].rec);
	memcpy(k->out[k->n_out++].rec, rec, rec->ring.len);
}

void kit_open(struct kit *k, uint32_t threads_max, uint32_t descriptors_max, uint64_t needs)
{
	*k = (struct kit){.ts_ns = 1000000000};
	k->buf = aligned_alloc(8, sizeof(struct rec_head) + KEV_SIZE_MAX);
	assert_non_null(k->buf);
	for (unsigned i = 0; i < _KEV_IX_MAX; i++)
		k->events[i].flags = IMG_EV_RULES;
	assert_int_equal(
		st_core_init(&k->core, &(struct st_config){.events = k->events,
					       .needs = needs,
					       .n_rings = 1,
					       .threads_max = threads_max,
					       .descriptors_max = descriptors_max,
					       .sink = {.arg = k, .admit = admit, .emit = emit}}),
		0);
}

void kit_open_with_shell(struct kit *k, uint64_t needs)
{
	kit_open(k, 256, 1024, needs);
	kit_task(k, KIT_SHELL, KIT_SHELL, 1, "bash", "/home/user", NULL, 0);
}

void kit_forget_output(struct kit *k)
{
	for (unsigned i = 0; i < k->n_out; i++)
		free(k->out[i].rec);
	k->n_out = 0;
}

void kit_close(struct kit *k)
{
	kit_forget_output(k);
	st_core_done(&k->core);
	free(k->buf);
}

struct kev_head *kit_start(struct kit *k, uint16_t code, uint32_t tid, uint32_t pid)
{
	struct kev_head *h;

	kev_build_start(&k->b, k->buf + sizeof(struct rec_head), KEV_SIZE_MAX, code, 0);
	h = kev_build_head(&k->b);
	h->tid = tid;
	h->tgid = pid;
	h->leader_start_ns = pid * 1000ULL;
	h->ppid = 1;
	h->uid = 1000;
	h->gid = 1000;
	h->cls = KEV_CLASS_FILE_NET;
	h->ts_ns = k->ts_ns += 1000;
	memcpy(h->comm, "headcomm", 9);
	return h;
}

void kit_int(struct kit *k, int64_t v)
{
	kev_build_int(&k->b, v);
}

void kit_text(struct kit *k, const char *s)
{
	kev_build_text(&k->b, span_str(s));
}

void kit_raw(struct kit *k, const void *p, size_t n)
{
	kev_build_raw(&k->b, p, n);
}

static int send(struct kit *k, uint16_t type)
{
	struct rec_head *rec = (struct rec_head *)k->buf;
	uint64_t ts_ns = kev_build_head(&k->b)->ts_ns;
	int n = kev_build_finish(&k->b);

	assert_true(n > 0);
	*rec = (struct rec_head){.ring = {.len = (uint32_t)(sizeof(*rec) + (size_t)n),
					 .type = type,
					 .flags = k->rec_flags},
		.seq = type == REC_KEV ? ++k->seq : k->seq,
		.ts_ns = KIT_EPOCH + ts_ns};
	return st_core_apply(&k->core, rec);
}

int kit_send(struct kit *k)
{
	return send(k, REC_KEV);
}

int kit_send_state(struct kit *k)
{
	return send(k, REC_STATE);
}

void kit_task(struct kit *k, uint32_t tid, uint32_t pid, uint32_t ppid, const char *comm,
	const char *cwd, const char *cgroups, size_t n_cgroups)
{
	struct kev_head *h = kit_start(k, KEV_CODE_ITER_TASK_E, tid, pid);

	h->flags = KEV_F_SNAPSHOT;
	h->ppid = ppid;
	kit_int(k, ppid);
	kit_int(k, pid); /* pgid, vpgid, sid */
	kit_int(k, pid);
	kit_int(k, pid);
	kit_text(k, comm);
	kit_raw(k, "arg0\0one\0two", 13);
	kit_text(k, "/usr/bin/snap");
	kit_int(k, 0);
	kit_raw(k, "A=1\0B=2", 8);
	kit_text(k, cwd);
	kit_int(k, 1024); /* descriptor limit */
	kit_int(k, 1000);
	kit_int(k, 1000);
	kit_int(k, 3); /* permitted, effective, inheritable */
	kit_int(k, 2);
	kit_int(k, 1);
	for (unsigned i = 16; i < 24; i++)
		kit_int(k, i);
	kit_int(k, pid); /* in its namespace */
	kit_int(k, tid);
	kit_int(k, 0);
	kit_raw(k, cgroups, n_cgroups);
	kit_text(k, "/");
	kit_int(k, (int64_t)(pid * 1000ULL));
	kit_int(k, 34816);
	kit_int(k, UINT32_MAX);
	assert_int_equal(kit_send_state(k), 0);
}

void kit_fork(struct kit *k, uint32_t parent, uint32_t tid, uint32_t pid, uint32_t flags)
{
	kit_start(k, KEV_CODE_SAKER_FORK, parent, parent);
	kit_int(k, tid);
	kit_int(k, pid);
	kit_int(k, tid == pid ? parent : 1);
	kit_int(k, tid);
	kit_int(k, pid);
	kit_int(k, flags);
	kit_int(k, 1000);
	kit_int(k, 1000);
	kit_text(k, "forked");
	kit_int(k, (int64_t)(pid * 1000ULL));
	kit_int(k, 0);
	assert_int_equal(kit_send(k), 0);
}

void kit_exec(struct kit *k, uint32_t pid, const char *comm, const char *exepath, int64_t res)
{
	kit_start(k, KEV_CODE_SYSCALL_EXECVE_19_X, pid, pid);
	kit_int(k, res);
	kit_text(k, exepath);
	kit_raw(k, "-c\0id", 6);
	kit_int(k, pid);
	kit_int(k, pid);
	kit_int(k, 1);
	kit_text(k, "");
	for (unsigned i = 7; i < 13; i++)
		kit_int(k, i);
	kit_text(k, comm);
	kev_build_absent(&k->b);
	kit_raw(k, "HOME=/root", 11);
	kit_int(k, 5); /* tty */
	kit_int(k, pid);
	kit_int(k, 1001);
	kit_int(k, 2 | 4);
	kit_int(k, 0x10);
	kit_int(k, 0x20);
	kit_int(k, 0x30);
	kit_int(k, 77);
	kit_int(k, 78);
	kit_int(k, 79);
	kit_int(k, 0);
	kit_text(k, exepath);
	kit_int(k, pid);
	kit_int(k, 0);
	kit_text(k, exepath);
	assert_int_equal(kit_send(k), 0);
}

void kit_exit(struct kit *k, uint32_t tid, uint32_t pid, int64_t reaper)
{
	kit_start(k, KEV_CODE_PROCEXIT_1_E, tid, pid);
	kit_int(k, 0);
	kit_int(k, 0);
	kit_int(k, 0);
	kit_int(k, 0);
	kit_int(k, reaper);
	assert_int_equal(kit_send(k), 0);
}

void kit_openat(
	struct kit *k, uint32_t pid, int64_t res, int64_t dirfd, const char *path, uint32_t flags)
{
	kit_start(k, KEV_CODE_SYSCALL_OPENAT_2_X, pid, pid);
	kit_int(k, res);
	kit_int(k, dirfd);
	kit_text(k, path);
	kit_int(k, flags);
	kit_int(k, 0644);
	kit_int(k, 0x801);
	kit_int(k, 4711);
	assert_int_equal(kit_send(k), 0);
}

void kit_close_fd(struct kit *k, uint32_t pid, int64_t fd)
{
	kit_start(k, KEV_CODE_SYSCALL_CLOSE_X, pid, pid);
	kit_int(k, 0);
	kit_int(k, fd);
	assert_int_equal(kit_send(k), 0);
}

const struct ev_view *kit_event(struct kit *k)
{
	for (unsigned i = k->n_out; i-- > 0;) {
		if (k->out[i].rec->ring.type != REC_EVENT)
			continue;
		assert_int_equal(ev_validate(k->out[i].rec, k->core.threads.n_max, &k->view), 0);
		return &k->view;
	}
	fail_msg("no event came out");
	return NULL;
}

const struct ev_fd *kit_event_fd(struct kit *k)
{
	const struct ev_view *v = kit_event(k);

	assert_non_null(v->fd);
	return v->fd;
}

const char *kit_fd_name(struct kit *k)
{
	const struct ev_fd *fd = kit_event_fd(k);

	return rec_text(k->view.ev, fd->name).p;
}

const struct prec *kit_proc(const struct kit *k, int64_t tid)
{
	for (unsigned i = k->n_out; i-- > 0;) {
		const struct prec *p = (const struct prec *)k->out[i].rec;

		if (p->h.ring.type == REC_PROC && p->tid == tid)
			return p;
	}
	return NULL;
}

const char *kit_proc_text(const struct prec *p, struct rec_str s)
{
	return rec_text(p, s).p;
}

unsigned kit_count(const struct kit *k, uint16_t type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < k->n_out; i++)
		n += k->out[i].rec->ring.type == type;
	return n;
}

uint32_t kit_forgotten(const struct kit *k)
{
	for (unsigned i = k->n_out; i-- > 0;)
		if (k->out[i].rec->ring.type == REC_FORGET)
			return ((const struct rec_forget *)k->out[i].rec)->slot;
	return PREC_NO_SLOT;
}

struct st_fd *kit_fd(struct kit *k, uint32_t pid, int64_t fd)
{
	struct st_thread *t = st_thread_find(&k->core.threads, pid);

	return t ? st_fd_find(&k->core.fds, t->files, fd) : NULL;
}
