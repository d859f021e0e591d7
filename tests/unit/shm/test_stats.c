/* SPDX-License-Identifier: Apache-2.0 */
/* Loss names and the latency scale. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <shm/stats.h>

static void test_loss_str__every_loss__named_once_and_explained(void **state)
{
	(void)state;
	for (unsigned i = 0; i < _LOSS_MAX; i++) {
		assert_non_null(loss_str(i));
		assert_true(strlen(loss_help(i)) > 0);
		for (unsigned k = 0; k < i; k++) {
			if (strcmp(loss_str(i), loss_str(k)) == 0)
				fail_msg("'%s' twice", loss_str(i));
		}
	}
	assert_string_equal(loss_str(LOSS_KERNEL_FULL_LOW), "kernel.buffer_full.low");
	assert_string_equal(loss_str(_LOSS_MAX), "unknown");
	assert_string_equal(loss_help(_LOSS_MAX), "");
}

static void test_loss_is_output__both_kinds__told_apart(void **state)
{
	(void)state;
	assert_true(loss_is_output(LOSS_OUT_RING_FULL));
	assert_true(loss_is_output(LOSS_OUT_LIMITED));
	assert_false(loss_is_output(LOSS_STOP_UNDRAINED));
	assert_false(loss_is_output(_LOSS_MAX));
}

static void test_stats_latency_bucket__edges__match_the_upper_edges(void **state)
{
	(void)state;
	assert_int_equal(stats_latency_bucket(0), 0);
	assert_int_equal(stats_latency_bucket(1000), 0);
	assert_int_equal(stats_latency_bucket(UINT64_MAX), STATS_LATENCY_BUCKETS - 1);
	assert_int_equal(stats_latency_bucket_ns(0), 1500);
	assert_int_equal(stats_latency_bucket_ns(1), 2000);
	assert_int_equal(stats_latency_bucket_ns(2), 3000);
	for (unsigned i = 0; i + 1 < STATS_LATENCY_BUCKETS; i++) {
		uint64_t edge = stats_latency_bucket_ns(i);

		assert_true(edge < stats_latency_bucket_ns(i + 1));
		assert_int_equal(stats_latency_bucket(edge - 1), i);
		assert_int_equal(stats_latency_bucket(edge), i + 1);
	}
}

static void test_stats_add__counter__adds(void **state)
{
	uint64_t n = 3;

	(void)state;
	stats_add(&n, 4);
	assert_int_equal(stats_get(&n), 7);
	stats_set(&n, 1);
	assert_int_equal(stats_get(&n), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loss_str__every_loss__named_once_and_explained),
		cmocka_unit_test(test_loss_is_output__both_kinds__told_apart),
		cmocka_unit_test(test_stats_latency_bucket__edges__match_the_upper_edges),
		cmocka_unit_test(test_stats_add__counter__adds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
