/* SPDX-License-Identifier: Apache-2.0 */
/* The vocabulary: tables agree with each other, codes are found, names resolve. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include <abi/events.h>

static void test_tables__every_row__consistent(void **state)
{
	uint16_t last = 0;

	(void)state;
	for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++) {
		const struct kev_info *i = kev_info_get(ix);

		assert_int_equal(i->ix, ix);
		assert_true(i->code > last); /* in the order of codes */
		last = i->code;
		assert_ptr_equal(kev_info_find(i->code), i);
		assert_true(i->n_params <= KEV_PARAMS_MAX - 8); /* room for extras */
		assert_non_null(kev_cat_str(i->cat));
		if (i->kind == KEV_KIND_SYSCALL)
			assert_true(i->dir == KEV_ENTER || i->dir == KEV_EXIT);
		for (int p = 0; p < i->n_params; p++) {
			assert_non_null(i->params[p].name);
			assert_true(i->params[p].type < _KEV_T_MAX);
			assert_true(kev_param_name_exists(
				i->params[p].name, (unsigned)strlen(i->params[p].name)));
		}
	}
}

static void test_kev_info_find__unknown_codes__null(void **state)
{
	(void)state;
	assert_null(kev_info_find(0));
	assert_null(kev_info_find(6)); /* enter of close: no longer in the vocabulary */
	assert_null(kev_info_find(32768));
	assert_null(kev_info_find(65535));
}

static void test_kev_param_find__openat__by_name(void **state)
{
	const struct kev_info *i = kev_info_find(KEV_CODE_SYSCALL_OPENAT_2_X);

	(void)state;
	assert_string_equal(i->name, "openat");
	assert_int_equal(kev_param_find(i, "name"), 2);
	assert_int_equal(kev_param_find(i, "nope"), -1);
	assert_string_equal(i->params[3].flags[0].name, "O_LARGEFILE");
	assert_int_equal(i->params[4].base, KEV_OCT);
}

static void test_names__known_and_unknown(void **state)
{
	(void)state;
	assert_string_equal(kev_errno_str(-2), "ENOENT");
	assert_string_equal(kev_errno_str(11), "EAGAIN");
	assert_string_equal(kev_errno_str(-115), "EINPROGRESS");
	assert_null(kev_errno_str(-9999));
	assert_string_equal(kev_signal_str(9), "SIGKILL");
	assert_null(kev_signal_str(0));
	assert_string_equal(kev_syscall_str(257), "openat");
	assert_null(kev_syscall_str(511));
	assert_true(kev_syscall_name_exists("brk", 3));
	assert_true(kev_syscall_name_exists("umount", 6));
	assert_false(kev_syscall_name_exists("br", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables__every_row__consistent),
		cmocka_unit_test(test_kev_info_find__unknown_codes__null),
		cmocka_unit_test(test_kev_param_find__openat__by_name),
		cmocka_unit_test(test_names__known_and_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
