/* SPDX-License-Identifier: Apache-2.0 */
/* Working and root directory. They belong to the process: the leader's entry holds them. */

#include "core.h"

#include "families.h"

static void set_dir(struct st_ctx *c, enum st_thread_text which, struct span path)
{
	char buf[ST_PATH_BUF];

	st_thread_set_text(&c->core->threads, c->leader, which, st_path_as_dir(path, buf));
	st_mark(c, c->leader);
}

static bool may_change(const struct st_ctx *c)
{
	return st_ok(c) && c->leader && st_is_newer(c, c->leader);
}

void st_on_chdir(struct st_ctx *c)
{
	char buf[ST_PATH_BUF];

	if (may_change(c) && kev_param_text(&c->kev, 1).n)
		set_dir(c, ST_CWD, st_ctx_path(c, 1, buf));
}

void st_on_fchdir(struct st_ctx *c)
{
	struct span name = c->fd ? st_text_get(&c->core->texts, c->fd->name) : (struct span){0};

	if (may_change(c) && name.n)
		set_dir(c, ST_CWD, name);
}

void st_on_getcwd(struct st_ctx *c)
{
	struct span path = kev_param_text(&c->kev, 1);

	if (may_change(c) && path.n && path.p[0] == '/')
		set_dir(c, ST_CWD, path);
}

void st_on_chroot(struct st_ctx *c)
{
	char buf[ST_PATH_BUF];

	if (may_change(c) && kev_param_text(&c->kev, 1).n)
		set_dir(c, ST_ROOT, st_ctx_path(c, 1, buf));
}
