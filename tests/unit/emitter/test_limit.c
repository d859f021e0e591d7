/* SPDX-License-Identifier: Apache-2.0 */
/* Dedup and rate limit: what passes, what is summed up, and when. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <base/clock.h>

#include "alerts.h"
#include "limit.h"

static const uint8_t run_id[16] = {1};

static bool pass(struct limit *l, const char *rule, const char *message, uint64_t now_ns)
{
	static uint64_t ord;
	const struct alert *a = alerts_finish(
		alerts_new(), ++ord, 0, 4, rule, (struct span){message, strlen(message)});

	return limit_passes(l, a, now_ns);
}

static void test_dedup__repeats_in_the_window__one_summary(void **state)
{
	struct limit l;
	const struct alert *a;

	(void)state;
	assert_int_equal(limit_init(&l, 10 * NS_PER_S, 0, run_id), 0);
	assert_true(pass(&l, "r", "m", NS_PER_S));
	for (unsigned i = 0; i < 5; i++)
		assert_false(pass(&l, "r", "m", 2 * NS_PER_S));
	assert_true(pass(&l, "r", "other", 2 * NS_PER_S));
	assert_true(pass(&l, "q", "m", 2 * NS_PER_S));
	assert_null(limit_summary(&l, 5 * NS_PER_S, false));
	a = limit_summary(&l, 12 * NS_PER_S, false);
	assert_non_null(a);
	assert_int_equal(alert_validate(&a->h), 0);
	assert_true(span_eq_str(rec_text(a, a->rule_name), "r"));
	assert_true(span_eq_str(rec_text(a, a->message), "5 more: m"));
	assert_int_equal(a->n_fields, 1);
	assert_int_equal(alert_fields(a)[0].num, 5);
	assert_int_equal(a->priority, 4);
	assert_null(limit_summary(&l, 12 * NS_PER_S, false));
	assert_true(pass(&l, "r", "m", 13 * NS_PER_S)); /* begins anew */
	assert_false(pass(&l, "r", "m", 14 * NS_PER_S));
	assert_non_null(limit_summary(&l, 14 * NS_PER_S, true)); /* at the end nothing is kept */
	limit_done(&l);
}

static void test_dedup__many_keys__those_that_are_not_remembered_pass(void **state)
{
	unsigned n_passed = 0, n_held = 0, n_summed = 0;
	const struct alert *a;
	struct limit l;
	char text[32];

	(void)state;
	assert_int_equal(limit_init(&l, 10 * NS_PER_S, 0, run_id), 0);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 5000; i++) {
			snprintf(text, sizeof(text), "%u", i);
			if (pass(&l, "r", text, NS_PER_S))
				n_passed++;
			else
				n_held++;
		}
	}
	assert_int_equal(n_passed + n_held, 10000);
	assert_in_range(n_held, LIMIT_KEYS / 2, LIMIT_KEYS);
	while ((a = limit_summary(&l, NS_PER_S, true)) != NULL)
		n_summed += (unsigned)alert_fields(a)[0].num;
	assert_int_equal(n_summed, n_held); /* each is in a summary */
	limit_done(&l);
}

static void test_rate__above__held_back_and_summed_up(void **state)
{
	const struct alert *a;
	unsigned n = 0;
	struct limit l;
	char text[32];

	(void)state;
	assert_int_equal(limit_init(&l, 0, 10, run_id), 0);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "%u", i);
		n += pass(&l, "r", text, NS_PER_S + i);
	}
	assert_int_equal(n, 10);
	assert_null(limit_summary(&l, NS_PER_S + 200, false));
	a = limit_summary(&l, 3 * NS_PER_S, false);
	assert_non_null(a);
	assert_int_equal(alert_fields(a)[0].num, 90);
	assert_true(span_eq_str(rec_text(a, a->rule_name), "saker rate limit"));
	for (unsigned i = 0; i < 100; i++)
		n += pass(&l, "r", "x", 3 * NS_PER_S); /* the bucket is full again, not fuller */
	assert_int_equal(n, 20);
	limit_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dedup__repeats_in_the_window__one_summary),
		cmocka_unit_test(test_dedup__many_keys__those_that_are_not_remembered_pass),
		cmocka_unit_test(test_rate__above__held_back_and_summed_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
