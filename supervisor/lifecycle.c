/* SPDX-License-Identifier: Apache-2.0 */
/* The table of a child's life. Empty cells mean: stay, do nothing. Events come from the kernel
 * (exits), the clock, and the child's messages, so every event must be harmless in every state. */
#include "lifecycle.h"

#include <base/macros.h>

struct lc_cell {
	bool is_set;
	struct lc_step step;
};

#define GO(next_, action_)                                                                         \
	{                                                                                          \
		true,                                                                              \
		{                                                                                  \
			.next = LC_##next_, .action = LC_DO_##action_                              \
		}                                                                                  \
	}

static const struct lc_cell lc_table[_LC_STATE_MAX][_LC_EVENT_MAX] = {
	[LC_STOPPED] =
		{
			[LC_EV_START] = GO(STARTING, SPAWN),
		},
	[LC_STARTING] =
		{
			[LC_EV_READY] = GO(RUNNING, ANNOUNCE),
			[LC_EV_DONE] = GO(DRAINING, NOTHING),
			[LC_EV_EXIT_CLEAN] = GO(STOPPED, FINISH),
			[LC_EV_EXIT] = GO(BACKOFF, SCHEDULE),
			[LC_EV_TIMER] = GO(STARTING, KILL),
		},
	[LC_RUNNING] =
		{
			[LC_EV_STOP] = GO(DRAINING, NOTHING),
			[LC_EV_DONE] = GO(DRAINING, NOTHING),
			[LC_EV_EXIT_CLEAN] = GO(STOPPED, FINISH),
			[LC_EV_EXIT] = GO(BACKOFF, SCHEDULE),
			[LC_EV_HANG] = GO(RUNNING, KILL),
		},
	[LC_DRAINING] =
		{
			[LC_EV_EXIT_CLEAN] = GO(STOPPED, FINISH),
			[LC_EV_EXIT] =
				GO(BACKOFF, SCHEDULE), /* what it had still to do is in its rings */
			[LC_EV_HANG] = GO(DRAINING, KILL),
		},
	[LC_BACKOFF] =
		{
			[LC_EV_TIMER] = GO(STARTING, SPAWN),
			[LC_EV_GIVE_UP] = GO(FAILED, REPORT),
		},
	[LC_FAILED] =
		{
			[LC_EV_EXIT] = GO(FAILED, NOTHING),
		},
};

struct lc_step lc_next(enum lc_state state, enum lc_event event)
{
	const struct lc_cell *cell = &lc_table[state][event];

	return cell->is_set ? cell->step : (struct lc_step){.next = state, .action = LC_DO_NOTHING};
}

const char *lc_state_str(enum lc_state state)
{
	static const char *const names[] = {
		[LC_STOPPED] = "stopped",
		[LC_STARTING] = "starting",
		[LC_RUNNING] = "running",
		[LC_DRAINING] = "draining",
		[LC_BACKOFF] = "backoff",
		[LC_FAILED] = "failed",
	};

	_Static_assert(ARRAY_LEN(names) == _LC_STATE_MAX, "a name for every state");
	return names[state];
}

uint64_t lc_backoff_ns(unsigned fails)
{
	uint64_t ns = LC_BACKOFF_MIN_NS;

	for (unsigned i = 1; i < fails && ns < LC_BACKOFF_MAX_NS; i++)
		ns *= 2;
	return MIN(ns, LC_BACKOFF_MAX_NS);
}
