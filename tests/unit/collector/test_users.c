/* SPDX-License-Identifier: Apache-2.0 */
/* Users of containers: the queue, answers in any order, late and unasked ones, files of all kinds of bytes. */

#include <sys/mman.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/clock.h>
#include <base/macros.h>
#include <driver/kev.h>

#include "users.h"

static struct md_users u;
static uint64_t buf[KEV_SIZE_MAX / 8];
static struct kev k;

static int file_of(const char *text, size_t n)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	return fd;
}

static bool next(void)
{
	const char *why;
	int n = md_users_record(&u, buf);

	if (n == 0)
		return false;
	assert_int_equal(kev_parse(buf, (size_t)n, &k, &why), 0);
	md_users_taken(&u);
	return true;
}

static int setup(void **state)
{
	(void)state;
	return md_users_init(&u);
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MD_USERS_OPEN; i++)
		for (unsigned f = 0; u.open[i].pid && f < _MD_FILE_MAX; f++)
			if (u.open[i].fds[f] >= 0)
				(void)close(u.open[i].fds[f]);
	free(u.buf);
	return 0;
}

static void test_answer__both_files__told_with_the_container(void **state)
{
	static const char passwd[] =
		"root:x:0:0:r:/root:/bin/sh\nnonsense\nown:x:1000:7:o:/own:/bin/own\n";
	uint32_t index, pid;
	const char *id;

	(void)state;
	assert_false(md_users_next(&u, 1, &index, &pid, &id));
	md_users_want(&u, SPAN_LIT("0123456789ab"), 77);
	assert_true(md_users_next(&u, 1, &index, &pid, &id));
	assert_int_equal(pid, 77);
	assert_string_equal(id, "0123456789ab");
	assert_false(md_users_next(&u, 1, &index, &pid, &id));
	assert_false(next());
	md_users_answer(
		&u, index + 16, MD_PASSWD, file_of(passwd, strlen(passwd))); /* of another asking */
	md_users_answer(&u, index, 9, file_of(passwd, strlen(passwd)));
	assert_false(next());
	md_users_answer(&u, index, MD_GROUP, -1);
	md_users_answer(&u, index, MD_PASSWD, file_of(passwd, strlen(passwd)));
	assert_true(next());
	assert_int_equal(k.head->type, KEV_CODE_USER_ADDED_E);
	assert_int_equal(kev_param_u64(&k, 0), 0);
	assert_true(next());
	assert_int_equal(kev_param_u64(&k, 0), 1000);
	assert_true(span_eq_str(kev_param_text(&k, 2), "own"));
	assert_true(span_eq_str(kev_param_text(&k, 5), "0123456789ab"));
	assert_false(next());
	assert_int_equal(u.open[0].pid, 0); /* its place is free again */
	md_users_answer(
		&u, index, MD_PASSWD, file_of(passwd, strlen(passwd))); /* once more, unasked */
	assert_false(next());
}

static void test_next__no_answer__its_place_is_given_away_in_the_end(void **state)
{
	uint32_t index[MD_USERS_OPEN + 1], pid;
	const char *id;

	(void)state;
	for (unsigned i = 0; i <= MD_USERS_OPEN; i++)
		md_users_want(&u, SPAN_LIT("0123456789ab"), 1 + i);
	for (unsigned i = 0; i < MD_USERS_OPEN; i++)
		assert_true(md_users_next(&u, NS_PER_S, &index[i], &pid, &id));
	assert_false(md_users_next(&u, 2 * NS_PER_S, &index[MD_USERS_OPEN], &pid, &id));
	assert_true(md_users_next(&u, 40 * NS_PER_S, &index[MD_USERS_OPEN], &pid, &id));
	assert_int_equal(pid, MD_USERS_OPEN + 1);
	md_users_answer(&u, index[0], MD_PASSWD, file_of("a:x:1:1:::\n", 11)); /* too late */
	assert_false(next());
}

static void test_want__too_many__dropped_and_counted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MD_USERS_QUEUE + 3; i++)
		md_users_want(&u, SPAN_LIT("0123456789ab"), 1 + i);
	assert_int_equal(u.n, MD_USERS_QUEUE);
	assert_int_equal(u.n_dropped, 3);
}

static void test_record__many_entries__told_up_to_the_bound(void **state)
{
	uint32_t index, pid;
	const char *id;
	char *text = malloc(1 << 20);
	size_t n = 0;
	unsigned told = 0;

	(void)state;
	assert_non_null(text);
	for (unsigned i = 0; i < 3000; i++)
		n += (size_t)snprintf(text + n, (1 << 20) - n, "u%u:x:%u:%u::/:/bin/sh\n", i, i, i);
	md_users_want(&u, SPAN_LIT("0123456789ab"), 5);
	assert_true(md_users_next(&u, 1, &index, &pid, &id));
	md_users_answer(&u, index, MD_PASSWD, file_of(text, n));
	md_users_answer(&u, index, MD_GROUP, file_of("g:x:3:\n", 7));
	while (next())
		told++;
	assert_int_equal(told, MD_USERS_FILE_MAX + 1);
	assert_int_equal(k.head->type, KEV_CODE_GROUP_ADDED_E);
	free(text);
}

static void test_record__random_bytes__never_more_than_lines(void **state)
{
	static const char alphabet[] = "abc:::\n\n019-#\0\xff ";
	uint32_t index, pid, seed = 1;
	const char *id;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		char text[600];

		for (size_t i = 0; i < sizeof(text); i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		md_users_want(&u, SPAN_LIT("0123456789ab"), 5);
		assert_true(md_users_next(&u, 1, &index, &pid, &id));
		md_users_answer(&u, index, MD_PASSWD, file_of(text, sizeof(text)));
		md_users_answer(&u, index, MD_GROUP, file_of(text, seed % sizeof(text)));
		while (next())
			assert_true(span_eq_str(
				kev_param_text(&k, k.head->type == KEV_CODE_USER_ADDED_E ? 5 : 2),
				"0123456789ab"));
		assert_int_equal(u.open[0].pid, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_answer__both_files__told_with_the_container, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_next__no_answer__its_place_is_given_away_in_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_want__too_many__dropped_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_record__many_entries__told_up_to_the_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_record__random_bytes__never_more_than_lines, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
