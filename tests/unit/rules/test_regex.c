/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: POSIX mode of RE2, whole strings, linear time. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <base/macros.h>
#include <rules/regex.h>

static bool matches(const char *pattern, const char *text, size_t n)
{
	struct regex_work w = {0};
	struct regex *re = NULL;
	const char *why = "";
	size_t at = 0;
	bool v;

	if (regex_compile(pattern, strlen(pattern), &re, &at, &why) < 0)
		fail_msg("'%s' at %zu: %s", pattern, at, why);
	assert_int_equal(regex_work_fit(&w, re), 0);
	v = regex_match(re, text, n, &w);
	regex_free(re);
	regex_work_done(&w);
	return v;
}

static void test_regex_match__table__as_re2(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool want;
	} cases[] = {
		{"", "", true},
		{"", "a", false},
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"abc", "xabc", false},
		{"a|ab", "ab", true},
		{"(a|ab)(c|bcd)", "abcd", true},
		{"a*", "", true},
		{"a*", "aaaa", true},
		{"a+", "", false},
		{"a?b", "b", true},
		{"a**", "aa", true},
		{"a*?", "aa", true},
		{"()", "", true},
		{"(|a)", "a", true},
		{"a|", "", true},
		{"a{2}", "aa", true},
		{"a{2}", "a", false},
		{"a{2,}", "aaaaa", true},
		{"a{2,3}", "aaaa", false},
		{"a{0}", "", true},
		{"(ab){0,2}c", "ababc", true},
		{"((a{0,2}){2}b?){2}", "aaaabaaaab", true},
		{"a{,2}", "a{,2}", true},
		{"a{x", "a{x", true},
		{"x{01}", "x{01}", true},
		{".", "\n", false},
		{".", "\xc3\xa4", true},
		{"..", "\xc3\xa4", false},
		{"[^a]", "\n", true},
		{"[]a]", "]", true},
		{"[a-]", "-", true},
		{"[-a]", "-", true},
		{"[a-c]", "b", true},
		{"[^a-c]", "b", false},
		{"[[:alpha:]]+", "abZ", true},
		{"[[:^alpha:]]+", "123", true},
		{"[[:word:]-]+", "a_9-", true},
		{"[[:space:]]", "\v", true},
		{"[\xc3\xa4-\xc3\xb6]", "\xc3\xb5", true},
		{"^a$", "a", true},
		{"a\n^b", "a\nb", true},
		{"a^b", "ab", false},
		{"a$\nb", "a\nb", true},
		{"(^)*a", "a", true},
		{"\\.", ".", true},
		{"\\.", "x", false},
		{"\\x41\\x{42}\\103", "ABC", true},
		{"\\n", "\n", true},
		{"[\\]]", "]", true},
		{"\xef\xbf\xbd", "\xff", true},
		{"\xef\xbf\xbd\xef\xbf\xbd", "\xff\xff", true},
		{"a.c", "a\xe2\x82", false},
		{"(a*)*", "aaaa", true},
		{"(a*)+b", "aaaa", false},
		{"/(bin|sbin)/[a-z]+", "/sbin/init", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (matches(cases[i].pattern, cases[i].text, strlen(cases[i].text)) !=
			cases[i].want)
			fail_msg("'%s' on '%s'", cases[i].pattern, cases[i].text);
	assert_true(matches("a.b", "a\0b", 3));
}

static void test_regex_compile__no_pattern__refused_with_place(void **state)
{
	static const struct {
		const char *pattern;
		size_t at;
	} cases[] = {
		{"\\d", 0},
		{"a\\w", 1},
		{"\\bx", 0},
		{"\\s+", 0},
		{"(a", 0},
		{"a)", 1},
		{"[a", 0},
		{"*a", 0},
		{"a|*", 2},
		{"(?:a)", 1},
		{"(+)", 1},
		{"a{1001}", 1},
		{"a{3,2}", 1},
		{"(a{100}){11}", 8},
		{"[b-a]", 1},
		{"[a-c-e]", 4},
		{"[[:foo:]]", 1},
		{"a\\", 1},
		{"\\1", 0},
		{"\\x4", 0},
		{"\\x{110000}", 0},
		{"\\pL", 0},
		{"\\_", 0},
		{"{2}", 0},
		{"\xff", 0},
		{"[\\w]", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct regex *re = NULL;
		const char *why = NULL;
		size_t at = 99;

		assert_int_equal(
			regex_compile(cases[i].pattern, strlen(cases[i].pattern), &re, &at, &why),
			-EINVAL);
		if (at != cases[i].at)
			fail_msg("'%s': at %zu (%s)", cases[i].pattern, at, why);
		assert_non_null(why);
	}
}

static void test_regex_compile__too_large__refused(void **state)
{
	char text[300];
	struct regex *re = NULL;
	const char *why = NULL;
	size_t at;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(regex_compile(text, 256, &re, &at, &why), -E2BIG);
	for (size_t i = 0; i + 7 <= 252; i += 7)
		memcpy(text + i, "a{1000}", 7);
	assert_int_equal(regex_compile(text, 252, &re, &at, &why), -E2BIG);
	memset(text, '(', 127);
	memset(text + 127, ')', 127);
	assert_int_equal(regex_compile(text, 254, &re, &at, &why), 0);
	regex_free(re);
}

/* What takes a backtracking matcher longer than the universe is old. */
static void test_regex_match__nested_stars__linear(void **state)
{
	static const char pattern[] = "((a*)*)*(a|aa)+(a?){50}b";
	size_t n = 100000;
	char *text = malloc(n);
	struct timespec from, to;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', n);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	assert_false(matches(pattern, text, n));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	free(text);
	assert_true(to.tv_sec - from.tv_sec < 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regex_match__table__as_re2),
		cmocka_unit_test(test_regex_compile__no_pattern__refused_with_place),
		cmocka_unit_test(test_regex_compile__too_large__refused),
		cmocka_unit_test(test_regex_match__nested_stars__linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
