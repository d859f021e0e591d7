/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation of paths, by table. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include <base/macros.h>

#include "path.h"

static void test_st_path_join__table__normalised(void **state)
{
	static const struct {
		const char *dir, *path, *want;
	} rows[] = {
		{"/home/user/", "a", "/home/user/a"},
		{"/home/user/", "./a", "/home/user/a"},
		{"/home/user/", "../a", "/home/a"},
		{"/home/user/", "../../../../etc/passwd", "/etc/passwd"},
		{"/home/user/", ".", "/home/user"},
		{"/home/user/", "..", "/home"},
		{"/home/user/", "/etc/passwd", "/etc/passwd"},
		{"", "/etc//passwd", "/etc/passwd"},
		{"", "/etc/./ssh/../passwd", "/etc/passwd"},
		{"", "/etc/", "/etc"},
		{"", "/", "/"},
		{"", "//", "/"},
		{"", "/..", "/"},
		{"", "/../..", "/"},
		{"", "/a/b/../..", "/"},
		{"", "/a/..b", "/a/..b"},
		{"", "/a/.../b", "/a/.../b"},
		{"/", "a", "/a"},
		{"<UNKNOWN>", "rel/path", "<UNKNOWN>rel/path"},
		{"<UNKNOWN>", "rel/../x", "x"},
		{"<UNKNOWN>", "../../x", "x"},
		{"<UNKNOWN>", "/abs", "/abs"},
		{"", "a/b", "a/b"},
		{"", "", ""},
	};
	char buf[ST_PATH_BUF];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span got = st_path_join(span_str(rows[i].dir), span_str(rows[i].path), buf);

		assert_string_equal(got.p, rows[i].want);
		assert_int_equal(got.n, strlen(rows[i].want));
	}
}

static void test_st_path_join__longer_than_limit__fixed_text(void **state)
{
	char path[ST_PATH_JOIN_MAX + 8], buf[ST_PATH_BUF];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	assert_int_equal(
		st_path_join((struct span){0}, (struct span){path, ST_PATH_JOIN_MAX}, buf).n,
		ST_PATH_JOIN_MAX);
	assert_string_equal(
		st_path_join((struct span){0}, (struct span){path, ST_PATH_JOIN_MAX + 1}, buf).p,
		"/DIR_TOO_LONG/FILENAME_TOO_LONG");
	path[0] = 'a';
	assert_string_equal(
		st_path_join(SPAN_LIT("/dir/"), (struct span){path, ST_PATH_JOIN_MAX - 4}, buf).p,
		"/DIR_TOO_LONG/FILENAME_TOO_LONG");
}

static void test_st_path_squeeze__slashes__one_left(void **state)
{
	char buf[ST_PATH_BUF];

	(void)state;
	assert_string_equal(st_path_squeeze(span_str("//a///b/../c//"), buf).p, "/a/b/../c/");
	assert_string_equal(st_path_squeeze(span_str("../x"), buf).p, "../x");
}

static void test_st_path_as_dir__any__ends_in_slash(void **state)
{
	char buf[ST_PATH_BUF];

	(void)state;
	assert_string_equal(st_path_as_dir(span_str("/a"), buf).p, "/a/");
	assert_string_equal(st_path_as_dir(span_str("/a/"), buf).p, "/a/");
	assert_string_equal(st_path_as_dir(span_str("/"), buf).p, "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_st_path_join__table__normalised),
		cmocka_unit_test(test_st_path_join__longer_than_limit__fixed_text),
		cmocka_unit_test(test_st_path_squeeze__slashes__one_left),
		cmocka_unit_test(test_st_path_as_dir__any__ends_in_slash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
