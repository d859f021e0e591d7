/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that are neither files nor sockets: pipes, events, timers, memory, processes, BPF
 * objects. Most have a type and no name. */

#include "core.h"

#include <base/macros.h>

#include "families.h"

#define O_CLOEXEC_F 0x1000 /* event vocabulary's values */
#define MFD_CLOEXEC_F 0x1
#define EPOLL_CLOEXEC_F 0x1

void st_on_pipe(struct st_ctx *c)
{
	bool cloexec = c->kev.head->type == KEV_CODE_SYSCALL_PIPE2_X &&
		       (kev_param_u64(&c->kev, 4) & O_CLOEXEC_F);

	c->fd_num = -1; /* the return value is no descriptor */
	if (!st_ok(c))
		return;
	for (unsigned i = 1; i <= 2; i++) { /* as in the reference the event is about the second */
		struct st_fd *f = st_ctx_new_fd(c, kev_param_i64(&c->kev, i), EV_FD_PIPE);

		if (!f)
			continue;
		f->ino = kev_param_u64(&c->kev, 3);
		f->cloexec = cloexec;
	}
}

/* Events whose descriptor is the return value and whose only other fact is close-on-exec. */
static const struct simple {
	uint16_t code;
	uint8_t type;
	int8_t flags_param;   /* -1: none */
	uint32_t cloexec_bit; /* 0: always close-on-exec, as the kernel makes it */
} simple_fds[] = {
	{KEV_CODE_SYSCALL_EVENTFD_X, EV_FD_EVENTFD, 2, O_CLOEXEC_F},
	{KEV_CODE_SYSCALL_EVENTFD2_X, EV_FD_EVENTFD, 1, O_CLOEXEC_F},
	{KEV_CODE_SYSCALL_SIGNALFD_X, EV_FD_SIGNALFD, -1, O_CLOEXEC_F},
	{KEV_CODE_SYSCALL_SIGNALFD4_X, EV_FD_SIGNALFD, 1, O_CLOEXEC_F},
	{KEV_CODE_SYSCALL_TIMERFD_CREATE_X, EV_FD_TIMERFD, -1, O_CLOEXEC_F},
	{KEV_CODE_SYSCALL_INOTIFY_INIT_X, EV_FD_INOTIFY, -1, O_CLOEXEC_F},
	{KEV_CODE_SYSCALL_INOTIFY_INIT1_X, EV_FD_INOTIFY, 1, O_CLOEXEC_F},
	{KEV_CODE_SYSCALL_EPOLL_CREATE_X, EV_FD_EVENTPOLL, -1, O_CLOEXEC_F},
	{KEV_CODE_SYSCALL_EPOLL_CREATE1_X, EV_FD_EVENTPOLL, 1, EPOLL_CLOEXEC_F},
	{KEV_CODE_SYSCALL_USERFAULTFD_X, EV_FD_USERFAULTFD, 1, O_CLOEXEC_F},
	{KEV_CODE_SYSCALL_IO_URING_SETUP_X, EV_FD_IO_URING, -1, 0},
};

void st_on_simple_fd(struct st_ctx *c)
{
	for (unsigned i = 0; i < ARRAY_LEN(simple_fds) && st_ok(c); i++) {
		const struct simple *s = &simple_fds[i];
		struct st_fd *f;

		if (s->code != c->kev.head->type)
			continue;
		f = st_ctx_new_fd(c, c->res, s->type);
		if (f)
			f->cloexec = !s->cloexec_bit ||
				     (s->flags_param >= 0 &&
					     (kev_param_u64(&c->kev, (unsigned)s->flags_param) &
						     s->cloexec_bit));
		return;
	}
}

void st_on_memfd(struct st_ctx *c)
{
	struct st_fd *f = st_ok(c) ? st_ctx_new_fd(c, c->res, EV_FD_MEMFD) : NULL;

	if (!f)
		return;
	st_fd_name(c, f, kev_param_text(&c->kev, 1));
	f->cloexec = kev_param_u64(&c->kev, 2) & MFD_CLOEXEC_F;
}

/* Which commands return a descriptor; the others return a result. */
static bool bpf_makes_fd(uint64_t cmd)
{
	static const uint8_t makers[] = {0 /* MAP_CREATE */, 5 /* PROG_LOAD */, 7 /* OBJ_GET */, 13,
		14, 19, 30 /* *_GET_FD_BY_ID */, 17 /* RAW_TRACEPOINT_OPEN */, 18 /* BTF_LOAD */,
		28 /* LINK_CREATE */, 32 /* ENABLE_STATS */, 33 /* ITER_CREATE */};

	for (unsigned i = 0; i < ARRAY_LEN(makers); i++)
		if (makers[i] == cmd)
			return true;
	return false;
}

void st_on_bpf(struct st_ctx *c)
{
	struct st_fd *f = NULL;

	if (st_ok(c) && bpf_makes_fd(kev_param_u64(&c->kev, 1)))
		f = st_ctx_new_fd(c, c->res, EV_FD_BPF);
	if (f)
		f->cloexec = true;
}

void st_on_pidfd_open(struct st_ctx *c)
{
	struct st_fd *f = st_ok(c) ? st_ctx_new_fd(c, c->res, EV_FD_PIDFD) : NULL;

	if (!f)
		return;
	f->pid = (uint32_t)kev_param_u64(&c->kev, 1);
	f->cloexec = true;
}

/* A copy of another process's descriptor, if that process and descriptor are known. */
void st_on_pidfd_getfd(struct st_ctx *c)
{
	struct st_core *core = c->core;
	struct st_texts *texts = &core->texts;
	struct st_fd *pidfd, *from = NULL, *to, kept;
	struct st_thread *target;

	if (!st_ok(c) || !c->t)
		return;
	pidfd = st_fd_find(&core->fds, c->t->files, kev_param_i64(&c->kev, 1));
	target = pidfd && pidfd->pid ? st_thread_find(&core->threads, pidfd->pid) : NULL;
	if (target)
		from = st_fd_find(&core->fds, target->files, kev_param_i64(&c->kev, 2));
	if (!from)
		return;
	kept = *from; /* a full pool may evict it */
	kept.name = st_text_ref(texts, from->name);
	kept.nameraw = st_text_ref(texts, from->nameraw);
	to = st_ctx_new_fd(c, c->res, kept.type);
	if (to) {
		st_fd_copy(&core->fds, to, &kept);
		to->cloexec = true;
	}
	st_text_drop(texts, &kept.name);
	st_text_drop(texts, &kept.nameraw);
}
