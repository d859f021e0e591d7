/* SPDX-License-Identifier: Apache-2.0 */
/* Users, groups, sessions, capabilities. As in the reference setpgid is not tracked, and uid means
 * the effective one. */

#include "core.h"

#include "families.h"

#define CLONE_FILES_F 0x1 /* event vocabulary's values */
#define CLONE_NEWUSER_F 0x100000
#define ALL_CAPS ((UINT64_C(1) << 41) - 1)

static bool may_change(const struct st_ctx *c)
{
	return st_ok(c) && c->t && st_is_newer(c, c->t);
}

static void set_uid(struct st_ctx *c, unsigned param)
{
	uint32_t uid = (uint32_t)kev_param_u64(&c->kev, param);

	if (!may_change(c) || !kev_param_present(&c->kev, param) || uid == UINT32_MAX ||
		uid == c->t->uid)
		return;
	c->t->uid = uid;
	st_mark(c, c->t);
}

static void set_gid(struct st_ctx *c, unsigned param)
{
	uint32_t gid = (uint32_t)kev_param_u64(&c->kev, param);

	if (!may_change(c) || !kev_param_present(&c->kev, param) || gid == UINT32_MAX ||
		gid == c->t->gid)
		return;
	c->t->gid = gid;
	st_mark(c, c->t);
}

void st_on_setuid(struct st_ctx *c)
{
	set_uid(c, 1);
}

void st_on_seteuid(struct st_ctx *c) /* setresuid, setreuid */
{
	set_uid(c, 2);
}

void st_on_setgid(struct st_ctx *c)
{
	set_gid(c, 1);
}

void st_on_setegid(struct st_ctx *c)
{
	set_gid(c, 2);
}

void st_on_setsid(struct st_ctx *c)
{
	if (!may_change(c))
		return;
	c->t->sid = c->res;
	st_mark(c, c->t);
}

void st_on_capset(struct st_ctx *c)
{
	if (!may_change(c))
		return;
	c->t->cap_inheritable = kev_param_u64(&c->kev, 1);
	c->t->cap_permitted = kev_param_u64(&c->kev, 2);
	c->t->cap_effective = kev_param_u64(&c->kev, 3);
	st_mark(c, c->t);
}

static void enter_user_namespace(struct st_ctx *c)
{
	c->t->cap_inheritable = ALL_CAPS;
	c->t->cap_permitted = ALL_CAPS;
	c->t->cap_effective = ALL_CAPS;
	st_mark(c, c->t);
}

void st_on_setns(struct st_ctx *c)
{
	if (may_change(c) && (kev_param_u64(&c->kev, 2) & CLONE_NEWUSER_F))
		enter_user_namespace(c);
}

void st_on_unshare(struct st_ctx *c)
{
	struct st_fds *fds = &c->core->fds;
	uint64_t flags = kev_param_u64(&c->kev, 1);

	if (!may_change(c))
		return;
	if (flags & CLONE_NEWUSER_F)
		enter_user_namespace(c);
	if ((flags & CLONE_FILES_F) && st_files_get(fds, c->t->files)->n_refs > 1) {
		uint32_t copy = st_files_copy(fds, c->t->files);

		st_files_drop(fds, c->t->files);
		c->t->files = copy;
	}
}
