/* SPDX-License-Identifier: Apache-2.0 */
/* procexit: deaths. But for the count of threads everything here happens after the event was
 * forwarded, so that it is still judged with what the thread was. */

#include "core.h"

#include "families.h"

/* Children go to the reaper that the kernel names; without one to the rest of the group, else to
 * nobody that is known. */
static void give_away_children(struct st_ctx *c, struct st_thread *t)
{
	struct st_threads *threads = &c->core->threads;
	int64_t reaper = kev_param_i64(&c->kev, 4);

	if (reaper <= 0 || reaper == t->tid)
		reaper = st_thread_is_leader(t) ? 0 : t->pid;
	while (t->child_first != ST_NONE)
		st_thread_set_parent(threads, st_thread_at(threads, t->child_first), reaper);
}

/* The dying thread counts no more, not even for its own last event. */
void st_on_exit(struct st_ctx *c)
{
	if (!c->t || c->t->tid != c->kev.head->tid || c->t->dead || c->leader->n_threads == 0)
		return;
	c->t->dead = true;
	c->leader->n_threads--;
	st_thread_changed(&c->core->threads, c->t);
	st_thread_changed(&c->core->threads, c->leader);
}

void st_after_exit(struct st_ctx *c)
{
	struct st_threads *threads = &c->core->threads;
	struct st_thread *t = c->t, *leader = c->leader;

	if (!t || t->tid != c->kev.head->tid) /* no look at the snapshot's time: a death is final,
						 and a zombie can be read after it */
		return;
	give_away_children(c, t);
	if (t == leader && leader->thread_first != ST_NONE) {
		st_mark(c, leader); /* the group lives on under its number */
	} else {
		st_thread_forget(threads, t);
		if (t != leader && leader->dead && leader->thread_first == ST_NONE)
			st_thread_forget(threads, leader);
	}
	c->t = NULL;
	c->leader = NULL;
	c->fd = NULL;
}
