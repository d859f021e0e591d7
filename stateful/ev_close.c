/* SPDX-License-Identifier: Apache-2.0 */
/* Closing and duplicating. A closed descriptor is removed after its event was forwarded; a
 * duplicate's event is about the new number. */

#include "core.h"

#include "families.h"

#define O_CLOEXEC_F 0x1000 /* event vocabulary's values */
#define FCNTL_DUPFD 0x1
#define FCNTL_SETFD 0x3
#define FCNTL_DUPFD_CLOEXEC 0x1a
#define RANGE_UNSHARE 0x2
#define RANGE_CLOEXEC 0x4

void st_after_close(struct st_ctx *c)
{
	if (!st_ok(c) || !c->fd || c->fd->ts_ns > c->kev.head->ts_ns)
		return;
	st_fd_remove(&c->core->fds, c->fd);
	c->fd = NULL;
}

void st_after_close_range(struct st_ctx *c)
{
	uint32_t flags = (uint32_t)kev_param_u64(&c->kev, 3);
	struct st_fds *fds = &c->core->fds;

	if (!st_ok(c) || !c->t)
		return;
	if ((flags & RANGE_UNSHARE) && st_files_get(fds, c->t->files)->n_refs > 1) {
		uint32_t copy = st_files_copy(fds, c->t->files);

		st_files_drop(fds, c->t->files);
		c->t->files = copy;
	}
	st_fd_remove_range(fds, c->t->files, (uint32_t)kev_param_u64(&c->kev, 1),
		(uint32_t)kev_param_u64(&c->kev, 2), flags & RANGE_CLOEXEC);
}

/* The entry of @from at @to as well. An unknown source leaves nothing at the target. */
static void duplicate(struct st_ctx *c, int64_t from, int64_t to, bool cloexec)
{
	struct st_fds *fds = &c->core->fds;
	struct st_texts *texts = &c->core->texts;
	struct st_fd *old, *copy, kept;

	if (!c->t)
		return;
	old = st_fd_find(fds, c->t->files, from);
	if (from == to) {
		st_ctx_use_fd(c, to);
		return;
	}
	if (!old) {
		struct st_fd *stale = st_fd_find(fds, c->t->files, to);

		/* the reference goes on with what the target was */
		if (stale && stale->ts_ns <= c->kev.head->ts_ns && !c->core->cfg.exact)
			st_fd_remove(fds, stale);
		c->fd_num = to;
		c->fd = NULL;
		return;
	}
	kept = *old; /* a full pool may evict even this one */
	kept.name = st_text_ref(texts, old->name);
	kept.nameraw = st_text_ref(texts, old->nameraw);
	copy = st_ctx_new_fd(c, to, kept.type);
	if (copy) {
		st_fd_copy(fds, copy, &kept);
		copy->cloexec = cloexec;
	}
	st_text_drop(texts, &kept.name);
	st_text_drop(texts, &kept.nameraw);
}

void st_on_dup(struct st_ctx *c)
{
	bool cloexec = c->kev.head->type == KEV_CODE_SYSCALL_DUP3_X &&
		       (kev_param_u64(&c->kev, 3) & O_CLOEXEC_F);

	if (st_ok(c))
		duplicate(c, kev_param_i64(&c->kev, 1), c->res, cloexec);
}

void st_on_fcntl(struct st_ctx *c)
{
	uint64_t cmd = kev_param_u64(&c->kev, 2);

	if (!st_ok(c))
		return;
	if (cmd == FCNTL_DUPFD || cmd == FCNTL_DUPFD_CLOEXEC)
		duplicate(c, kev_param_i64(&c->kev, 1), c->res, cmd == FCNTL_DUPFD_CLOEXEC);
	else if (cmd == FCNTL_SETFD && c->fd)
		c->fd->cloexec = kev_param_u64(&c->kev, 3) & 1;
}
