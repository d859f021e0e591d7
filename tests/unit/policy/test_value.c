/* SPDX-License-Identifier: Apache-2.0 */
/* Scalars of configuration: what is a value and what is not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <base/log.h>
#include <base/macros.h>

#include "config_value.h"

static void test_bool__yaml_words(void **state)
{
	static const char *const yes[] = {"true", "True", "YES", "on", "y"},
				 *const no[] = {"false", "No", "OFF", "n"},
				 *const bad[] = {"", "1", "0", "maybe", "true "};
	bool v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_true(cfg_to_bool(yes[i], &v) && v);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_true(cfg_to_bool(no[i], &v) && !v);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(cfg_to_bool(bad[i], &v));
}

static void test_numbers(void **state)
{
	static const char *const bad[] = {
		"", "-", "1.5", "0x10", "1e3", "12a", " 1", "9223372036854775808"};
	int64_t i;
	double d;

	(void)state;
	assert_true(cfg_to_int("-9223372036854775808", &i) && i == INT64_MIN);
	assert_true(cfg_to_int("+7", &i) && i == 7);
	for (size_t k = 0; k < ARRAY_LEN(bad); k++)
		assert_false(cfg_to_int(bad[k], &i));
	assert_true(cfg_to_num(".03333", &d) && d > 0.0333 && d < 0.0334);
	assert_true(cfg_to_num("1", &d) && cfg_to_num("-1e3", &d));
	assert_false(cfg_to_num("", &d) || cfg_to_num("inf", &d) || cfg_to_num("1e999", &d) ||
		     cfg_to_num("1,5", &d));
}

static void test_sizes_and_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t size, duration; /* 0: not one */
	} rows[] = {
		{"5", 5, 0},
		{"5B", 5, 0},
		{"5 KiB", 5120, 0},
		{"1.5MiB", 1572864, 0},
		{"2GiB", 2147483648, 0},
		{"5ms", 0, 5000000},
		{"1s", 0, 1000000000},
		{"1.5m", 0, 90000000000},
		{"24h", 0, 86400000000000},
		{"5KB", 0, 0},
		{"-5B", 0, 0},
		{"0x10", 0, 0},
		{"99999999999999GiB", 0, 0},
		{"h", 0, 0},
		{"", 0, 0},
		{"1h30m", 0, 0},
		{"1d", 0, 0},
	};
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		v = 0;
		assert_int_equal(cfg_to_size(rows[i].text, &v), rows[i].size != 0);
		assert_int_equal(v, rows[i].size);
		v = 0;
		assert_int_equal(cfg_to_duration(rows[i].text, &v), rows[i].duration != 0);
		assert_int_equal(v, rows[i].duration);
	}
	assert_true(cfg_to_duration("0", &v) && v == 0);
}

static void test_falco_duration(void **state)
{
	static const char *const good[] = {"1h", "1h30m", "500ms", "5000", "1y2w3d4h5m6s7ms"},
				 *const bad[] = {"", "h", "1x", "1h30", "1.5h", "-1h"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(cfg_is_falco_duration(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(cfg_is_falco_duration(bad[i]));
}

static void test_names(void **state)
{
	uint8_t p;
	unsigned f;
	int l;

	(void)state;
	assert_true(cfg_to_priority("EMERGENCY", &p) && p == 0);
	assert_true(cfg_to_priority("info", &p) && p == 6);
	assert_false(cfg_to_priority("loud", &p));
	assert_true(cfg_to_level("emergency", &l) && l == LOG_LVL_ERR);
	assert_true(cfg_to_level("debug", &l) && l == LOG_LVL_DEBUG);
	assert_true(cfg_to_facility("authpriv", &f) && f == 10);
	assert_true(cfg_to_facility("LOCAL7", &f) && f == 23);
	assert_false(cfg_to_facility("local8", &f) || cfg_to_facility("kern", &f) ||
		     cfg_to_facility("", &f));
	assert_int_equal(cfg_choice("b", "a|b|c"), 1);
	assert_int_equal(cfg_choice("", "a|b|c"), -1);
	assert_int_equal(cfg_choice("a|b", "a|b|c"), -1);
	assert_true(cfg_is_name("a-b_9") && cfg_is_name("0123456789012345678901234567890a"));
	assert_false(cfg_is_name("") || cfg_is_name("A") || cfg_is_name("a/b") ||
		     cfg_is_name("0123456789012345678901234567890ab"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bool__yaml_words),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sizes_and_durations),
		cmocka_unit_test(test_falco_duration),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
