/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a child as the table has it: the ways that must work, and that no event is harmful in
 * any state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lifecycle.h"

struct want {
	enum lc_state from;
	enum lc_event event;
	enum lc_state to;
	enum lc_action action;
};

static void test_lc_next__main_ways__as_wanted(void **state)
{
	static const struct want wants[] = {
		{LC_STOPPED, LC_EV_START, LC_STARTING, LC_DO_SPAWN},
		{LC_STARTING, LC_EV_READY, LC_RUNNING, LC_DO_ANNOUNCE},
		{LC_STARTING, LC_EV_TIMER, LC_STARTING, LC_DO_KILL},
		{LC_STARTING, LC_EV_EXIT, LC_BACKOFF, LC_DO_SCHEDULE},
		{LC_RUNNING, LC_EV_EXIT, LC_BACKOFF, LC_DO_SCHEDULE},
		{LC_RUNNING, LC_EV_HANG, LC_RUNNING, LC_DO_KILL},
		{LC_RUNNING, LC_EV_STOP, LC_DRAINING, LC_DO_NOTHING},
		{LC_RUNNING, LC_EV_DONE, LC_DRAINING, LC_DO_NOTHING},
		{LC_DRAINING, LC_EV_EXIT_CLEAN, LC_STOPPED, LC_DO_FINISH},
		{LC_DRAINING, LC_EV_EXIT, LC_BACKOFF, LC_DO_SCHEDULE},
		{LC_DRAINING, LC_EV_HANG, LC_DRAINING, LC_DO_KILL},
		{LC_BACKOFF, LC_EV_TIMER, LC_STARTING, LC_DO_SPAWN},
		{LC_BACKOFF, LC_EV_GIVE_UP, LC_FAILED, LC_DO_REPORT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		struct lc_step s = lc_next(wants[i].from, wants[i].event);

		assert_int_equal(s.next, wants[i].to);
		assert_int_equal(s.action, wants[i].action);
	}
}

/* Whatever a child sends or does: only a start or a timer makes a process, and one that failed for
 * good stays so. */
static void test_lc_next__any_event__bounded(void **state)
{
	(void)state;
	for (unsigned st = 0; st < _LC_STATE_MAX; st++) {
		for (unsigned ev = 0; ev < _LC_EVENT_MAX; ev++) {
			struct lc_step s = lc_next(st, ev);

			assert_true(s.next < _LC_STATE_MAX);
			if (s.action == LC_DO_SPAWN)
				assert_true((st == LC_STOPPED && ev == LC_EV_START) ||
					    (st == LC_BACKOFF && ev == LC_EV_TIMER));
			if (st == LC_FAILED)
				assert_true(s.next == LC_FAILED && s.action == LC_DO_NOTHING);
			if (ev == LC_EV_READY && st != LC_STARTING)
				assert_int_equal(s.next, st);
		}
	}
}

static void test_lc_backoff_ns__failures_in_a_row__doubles_to_the_limit(void **state)
{
	uint64_t last = 0;

	(void)state;
	assert_int_equal(lc_backoff_ns(1), LC_BACKOFF_MIN_NS);
	assert_int_equal(lc_backoff_ns(2), 2 * LC_BACKOFF_MIN_NS);
	assert_int_equal(lc_backoff_ns(5), 16 * LC_BACKOFF_MIN_NS);
	for (unsigned n = 1; n < 100; n++) {
		assert_true(lc_backoff_ns(n) >= last && lc_backoff_ns(n) <= LC_BACKOFF_MAX_NS);
		last = lc_backoff_ns(n);
	}
	assert_int_equal(lc_backoff_ns(4000000000U), LC_BACKOFF_MAX_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lc_next__main_ways__as_wanted),
		cmocka_unit_test(test_lc_next__any_event__bounded),
		cmocka_unit_test(test_lc_backoff_ns__failures_in_a_row__doubles_to_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
