/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: what is taken, passed on and refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

static void test_args_parse__tools__chosen_with_what_they_take(void **state)
{
	struct args a;

	(void)state;
	assert_int_equal(PARSE(&a, "-V", "a.yaml", "b.yaml", "-V", "c.yaml", "-L"), 0);
	assert_true(a.tool == TOOL_VALIDATE && a.describe && a.n_pass == 6);
	assert_string_equal(a.pass[2], "-V");
	assert_string_equal(a.pass[3], "b.yaml");
	assert_int_equal(PARSE(&a, "-l", "My rule"), 0);
	assert_true(a.tool == TOOL_DESCRIBE && strcmp(a.rule, "My rule") == 0);
	assert_int_equal(PARSE(&a, "--list", "syscall", "-N"), 0);
	assert_true(a.tool == TOOL_LIST && a.names_only && strcmp(a.source, "syscall") == 0);
	assert_int_equal(PARSE(&a, "--list=syscall", "--format=json"), 0);
	assert_string_equal(a.format, "json");
	assert_int_equal(PARSE(&a, "--list-events", "--markdown"), 0);
	assert_true(a.tool == TOOL_EVENTS && strcmp(a.format, "markdown") == 0);
	assert_int_equal(PARSE(&a, "explain", "R", "--json", "-r", "x.yaml"), 0);
	assert_true(a.tool == TOOL_EXPLAIN && strcmp(a.rule, "R") == 0 && a.json && a.has_rules);
	assert_int_equal(PARSE(&a, "test", "a.yaml", "-v", "b.yaml"), 0);
	assert_true(a.tool == TOOL_TEST && a.n_words == 2);
	assert_int_equal(PARSE(&a, "dump", "--ast", "--code"), 0);
	assert_true(a.tool == TOOL_DUMP && !a.rule && a.dump_parts == (DUMP_AST | DUMP_CODE));
	assert_int_equal(
		PARSE(&a, "-P", "/run/x.pid", "-p", "%proc.pid", "--enable-source", "syscall"), 0);
	assert_true(a.tool == TOOL_NONE && strcmp(a.pidfile, "/run/x.pid") == 0 && a.n_pass == 2);
}

static void test_args_parse__tools_that_do_not_go_together__refused(void **state)
{
	static const char *const bad[][6] = {
		{"--list", "--list-events"},
		{"--list", "-L"},
		{"-V", "a.yaml", "--dry-run"},
		{"-V", "a.yaml", "-r", "b.yaml"},
		{"-V"},
		{"-L", "-l", "R"},
		{"-l"},
		{"-N"},
		{"--format", "json"},
		{"--list", "--format", "xml"},
		{"--list", "--format", "json", "--markdown"},
		{"--list", "-N", "--markdown"},
		{"--list=k8s_audit"},
		{"--list-events", "-N"},
		{"--list", "-M", "3"},
		{"-L", "-P", "x"},
		{"-V", "a.yaml", "-p", "x"},
		{"--enable-source", "k8s"},
		{"--disable-source", "syscall"},
		{"--enable-source", "syscall", "--disable-source", "syscall"},
		{"--version", "--support"},
		{"explain"},
		{"explain", "a", "b"},
		{"test"},
		{"test", "--ast", "x"},
		{"dump", "--json"},
		{"status", "-L"},
		{"--plugin-info", "x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *argv[8] = {"saker"};
		struct args a;
		int n = 1;

		while (n <= 6 && bad[i][n - 1]) {
			argv[n] = (char *)bad[i][n - 1];
			n++;
		}
		if (args_parse(n, argv, &a) != -EINVAL)
			fail_msg("'%s %s …' was taken", bad[i][0], bad[i][1] ? bad[i][1] : "");
	}
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
		cmocka_unit_test(test_args_parse__tools__chosen_with_what_they_take),
		cmocka_unit_test(test_args_parse__tools_that_do_not_go_together__refused),
		cmocka_unit_test(test_args_parse__more_than_fits__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
