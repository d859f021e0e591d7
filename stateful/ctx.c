/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor an event is about, and the paths that its parameters mean. Parameters were checked
 * at the door; their values are anyone's. */

#include "core.h"

#include <fcntl.h>

#include <base/macros.h>

static bool is_fd_type(uint8_t type)
{
	return type == KEV_T_FD || type == KEV_T_FD32;
}

/* Creators are about what they return, users about their first descriptor parameter; but splice
 * about what it writes to, as its siblings sendfile and copy_file_range, which have that first. */
static int fd_param(const struct kev_info *info)
{
	if (info->flags & KEV_CREATES_FD)
		return 0;
	if (info->ix == KEV_IX_SYSCALL_SPLICE_X)
		return 2;
	for (unsigned i = 1; i < info->n_params; i++)
		if (is_fd_type(info->params[i].type))
			return (int)i;
	return info->n_params && is_fd_type(info->params[0].type) ? 0 : -1;
}

void st_ctx_use_fd(struct st_ctx *c, int64_t num)
{
	c->fd_num = num;
	c->fd = c->t ? st_fd_find(&c->core->fds, c->t->files, num) : NULL;
}

void st_ctx_fd(struct st_ctx *c)
{
	const struct kev_info *info = c->kev.info;

	c->fd_param = -1;
	c->fd_num = -1;
	if (!(info->flags & (KEV_CREATES_FD | KEV_USES_FD | KEV_DESTROYS_FD)))
		return;
	c->fd_param = fd_param(info);
	if (c->fd_param < 0)
		return;
	c->has_fd = true;
	if (info->flags & KEV_CREATES_FD)
		c->fd_num = st_ok(c) ? c->res : -1; /* its entry is what the handler makes */
	else if (kev_param_present(&c->kev, (unsigned)c->fd_param))
		st_ctx_use_fd(c, kev_param_i64(&c->kev, (unsigned)c->fd_param));
}

struct st_fd *st_ctx_new_fd(struct st_ctx *c, int64_t num, enum ev_fd_type type)
{
	uint64_t ts = c->kev.head->ts_ns;

	c->fd_num = num;
	c->fd = NULL;
	if (!c->t || num < 0)
		return NULL;
	c->fd = st_fd_put(&c->core->fds, c->t->files, num, type, ts);
	return c->fd;
}

/* Text that stands before a relative path: of a descriptor, or of the working directory. */
static struct span base_dir(struct st_ctx *c, int64_t dirfd, bool use_cwd, char *buf)
{
	struct span dir = {0};

	if (use_cwd || dirfd == AT_FDCWD) {
		if (c->leader)
			dir = st_thread_text(&c->core->threads, c->leader, ST_CWD);
		return dir.n ? dir : SPAN_LIT("<UNKNOWN>");
	}
	if (c->t) {
		const struct st_fd *f = st_fd_find(&c->core->fds, c->t->files, dirfd);

		if (f)
			dir = st_text_get(&c->core->texts, f->name);
	}
	return dir.n ? st_path_as_dir(dir, buf) : SPAN_LIT("<UNKNOWN>");
}

struct span st_ctx_path(struct st_ctx *c, unsigned i, char *buf)
{
	const struct kev_info *info = c->kev.info;
	struct span path = kev_param_text(&c->kev, i);
	char dir_buf[ST_PATH_BUF];
	int64_t dirfd = AT_FDCWD;
	bool use_cwd = true;

	if (info->params[i].type == KEV_T_RELPATH && i > 0 &&
		is_fd_type(info->params[i - 1].type)) {
		use_cwd = false;
		if (kev_param_present(&c->kev, i - 1))
			dirfd = kev_param_i64(&c->kev, i - 1);
	}
	if (st_path_is_plain(path))
		return path;
	if (path.n && path.p[0] == '/')
		return st_path_join((struct span){0}, path, buf);
	return st_path_join(base_dir(c, dirfd, use_cwd, dir_buf), path, buf);
}

void st_fd_name(struct st_ctx *c, struct st_fd *f, struct span name)
{
	if (st_text_set(&c->core->texts, &f->name, name) && f == c->fd)
		c->name_changed = true;
}
