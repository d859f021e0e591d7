/* SPDX-License-Identifier: Apache-2.0 */
/* The limit on open descriptors: it belongs to the process. */

#include "core.h"

#include "families.h"

#define RLIMIT_NOFILE_F 7 /* event vocabulary's */

static void set_limit(struct st_ctx *c, struct st_thread *leader, int64_t limit)
{
	if (!leader || !st_is_newer(c, leader) || leader->fd_limit == limit)
		return;
	leader->fd_limit = limit;
	st_mark(c, leader);
}

void st_on_setrlimit(struct st_ctx *c)
{
	if (st_ok(c) && kev_param_u64(&c->kev, 3) == RLIMIT_NOFILE_F)
		set_limit(c, c->leader, kev_param_i64(&c->kev, 1));
}

void st_on_prlimit(struct st_ctx *c)
{
	int64_t cur = kev_param_i64(&c->kev, 1), max = kev_param_i64(&c->kev, 2),
		pid = kev_param_i64(&c->kev, 5);
	struct st_thread *t = pid ? st_thread_find(&c->core->threads, pid) : c->t;

	bool is_question = !cur && !max; /* what both are without a new limit */

	if (is_question && !c->core->cfg.exact)
		return;
	if (st_ok(c) && kev_param_u64(&c->kev, 6) == RLIMIT_NOFILE_F && t)
		set_limit(c, st_thread_leader(&c->core->threads, t), cur);
}
