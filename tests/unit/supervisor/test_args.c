/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: what is taken, passed on and refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "args.h"

#define PARSE(a, ...)                                                                              \
	({                                                                                         \
		char *argv_[] = {"saker", ##__VA_ARGS__, NULL};                                    \
		args_parse((int)(sizeof(argv_) / sizeof(argv_[0])) - 1, argv_, a);                 \
	})

static void test_args_parse__falco_options__passed_on_in_order(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(
		PARSE(&a, "-r", "a.yaml", "-o", "x=1", "-c", "f.yaml", "-U", "-M", "2.5"), 0);
	assert_int_equal(a.verb, VERB_RUN);
	assert_int_equal(a.n_pass, 7);
	assert_string_equal(a.pass[0], "-r");
	assert_string_equal(a.pass[1], "a.yaml");
	assert_string_equal(a.pass[3], "x=1");
	assert_string_equal(a.pass[5], "f.yaml");
	assert_string_equal(a.pass[6], "-U");
	assert_true(a.max_seconds > 2.4 && a.max_seconds < 2.6);
}

static void test_args_parse__attached_values__same_meaning(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(PARSE(&a, "-ra.yaml", "--option=json_output=true", "-M3"), 0);
	assert_string_equal(a.pass[1], "a.yaml");
	assert_string_equal(a.pass[2], "-o");
	assert_string_equal(a.pass[3], "json_output=true");
	assert_true(a.json_output);
}

static void test_args_parse__verbs__have_their_own_options(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(PARSE(&a, "status", "--json", "--watch", "-o", "control.socket=/x"), 0);
	assert_true(a.verb == VERB_STATUS && a.json && a.watch && a.n_pass == 2);
	assert_int_equal(PARSE(&a, "test-alert"), 0);
	assert_int_equal(a.verb, VERB_TEST_ALERT);
	assert_int_equal(PARSE(&a, "status", "-M", "3"), -EINVAL);
	assert_int_equal(PARSE(&a, "--json"), -EINVAL);
}

static void test_args_parse__wrong_usage__refused(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(PARSE(&a, "statsu"), -EINVAL);
	assert_int_equal(PARSE(&a, "--josn"), -EINVAL);
	assert_int_equal(PARSE(&a, "-A"), -EINVAL);
	assert_int_equal(PARSE(&a, "--modern-bpf"), -EINVAL);
	assert_int_equal(PARSE(&a, "-c"), -EINVAL);
	assert_int_equal(PARSE(&a, "-M", "0"), -EINVAL);
	assert_int_equal(PARSE(&a, "-M", "nan"), -EINVAL);
	assert_int_equal(PARSE(&a, "-M", "5x"), -EINVAL);
	assert_int_equal(PARSE(&a, "--help=1"), -EINVAL);
	assert_int_equal(PARSE(&a, "-v", "word"), -EINVAL);
	assert_int_equal(PARSE(&a, "-"), -EINVAL);
	assert_int_equal(PARSE(&a, ""), -EINVAL);
}

static void test_args_parse__more_than_fits__refused(void **state)
{
	char *argv[ARGS_PASS_MAX + 3];
	struct args a;
	int n = 0;

	(void)state;
	argv[n++] = "saker";
	while (n < ARGS_PASS_MAX + 2)
		argv[n++] = "-U";
	argv[n] = NULL;
	assert_int_equal(args_parse(n, argv, &a), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args_parse__falco_options__passed_on_in_order),
		cmocka_unit_test(test_args_parse__attached_values__same_meaning),
		cmocka_unit_test(test_args_parse__verbs__have_their_own_options),
		cmocka_unit_test(test_args_parse__wrong_usage__refused),
		cmocka_unit_test(test_args_parse__more_than_fits__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
