/* SPDX-License-Identifier: Apache-2.0 */
/* Users of containers: the queue, answers in any order, late and unasked ones, files of all kinds of bytes. */

#include <sys/mman.h>

#include <errno.h>
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

static void answer(uint32_t index, uint64_t file, int fd)
{
	md_users_answer(&u, index, file, 0, fd, NS_PER_S);
}

static void refuse(uint32_t index, int why, uint64_t now_ns)
{
	md_users_answer(&u, index, MD_PASSWD, why, -1, now_ns);
	md_users_answer(&u, index, MD_GROUP, why, -1, now_ns);
}

static void want(unsigned i, uint32_t pid)
{
	char id[16];

	(void)snprintf(id, sizeof(id), "%012x", i);
	md_users_want(&u, span_str(id), pid);
}

/* Whom the supervisor is asked for next; 0: nobody. */
static uint32_t asked(uint64_t now_ns, uint32_t *ret_index)
{
	uint32_t pid;
	const char *id;

	return md_users_next(&u, now_ns, ret_index, &pid, &id) ? pid : 0;
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
	answer(index + 16, MD_PASSWD, file_of(passwd, strlen(passwd))); /* of another asking */
	answer(index, 9, file_of(passwd, strlen(passwd)));
	assert_false(next());
	answer(index, MD_GROUP, -1);
	answer(index, MD_PASSWD, file_of(passwd, strlen(passwd)));
	assert_true(next());
	assert_int_equal(k.head->type, KEV_CODE_USER_ADDED_E);
	assert_int_equal(kev_param_u64(&k, 0), 0);
	assert_true(next());
	assert_int_equal(kev_param_u64(&k, 0), 1000);
	assert_true(span_eq_str(kev_param_text(&k, 2), "own"));
	assert_true(span_eq_str(kev_param_text(&k, 5), "0123456789ab"));
	assert_false(next());
	assert_int_equal(u.open[0].pid, 0);                        /* its place is free again */
	answer(index, MD_PASSWD, file_of(passwd, strlen(passwd))); /* once more, unasked */
	assert_false(next());
}

static void test_next__no_answer__its_place_is_given_away_in_the_end(void **state)
{
	uint32_t index[MD_USERS_OPEN + 1], pid;
	const char *id;

	(void)state;
	for (unsigned i = 0; i <= MD_USERS_OPEN; i++)
		want(i, 1 + i);
	for (unsigned i = 0; i < MD_USERS_OPEN; i++)
		assert_true(md_users_next(&u, NS_PER_S, &index[i], &pid, &id));
	assert_false(md_users_next(&u, 2 * NS_PER_S, &index[MD_USERS_OPEN], &pid, &id));
	assert_true(md_users_next(&u, 40 * NS_PER_S, &index[MD_USERS_OPEN], &pid, &id));
	assert_int_equal(pid, MD_USERS_OPEN + 1);
	answer(index[0], MD_PASSWD, file_of("a:x:1:1:::\n", 11)); /* too late */
	assert_false(next());
}

static void test_next__answered_but_not_told__kept(void **state)
{
	uint32_t index;

	(void)state;
	want(1, 10);
	assert_int_equal(asked(1, &index), 10);
	answer(index, MD_PASSWD, file_of("a:x:1:1:::\n", 11));
	answer(index, MD_GROUP, file_of("g:x:3:\n", 7));
	want(2, 20);
	assert_int_equal(asked(100 * NS_PER_S, &index), 20);
	assert_true(next());
	assert_true(next());
	assert_false(next());
}

static void test_want__too_many__dropped_and_counted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MD_USERS_QUEUE + 3; i++)
		want(i, 1 + i);
	assert_int_equal(u.n, MD_USERS_QUEUE);
	assert_int_equal(u.n_dropped, 3);
}

/* What is told while one waits is kept for the case that its process has ended, and asks for nothing more otherwise. */
static void test_want__another_process__asked_if_the_first_has_ended(void **state)
{
	uint32_t index;

	(void)state;
	want(1, 10);
	want(1, 11);
	assert_int_equal(asked(1, &index), 10);
	want(1, 10);
	want(1, 12);
	assert_int_equal(asked(1, &index), 0);
	refuse(index, -ESRCH, 2);
	assert_int_equal(asked(2, &index), 12);
	answer(index, MD_PASSWD, file_of("a:x:1:1:::\n", 11));
	want(1, 13);
	answer(index, MD_GROUP, -1);
	assert_true(next());
	assert_false(next());
	assert_int_equal(asked(100 * NS_PER_S, &index), 0);
	/* one that has ended without a successor is the tracker's to tell again */
	want(1, 14);
	assert_int_equal(asked(100 * NS_PER_S, &index), 14);
	refuse(index, -ESRCH, 100 * NS_PER_S);
	assert_int_equal(asked(200 * NS_PER_S, &index), 0);
	assert_int_equal(md_users_timeout_ms(&u, 200 * NS_PER_S), -1);
	assert_int_equal(u.n_dropped, 0);
}

static void test_answer__no_helper_free__again_with_back_off(void **state)
{
	uint64_t now = NS_PER_S, wait = MD_USERS_LATE_NS;
	uint32_t index;

	(void)state;
	want(1, 10);
	assert_int_equal(asked(now, &index), 10);
	for (unsigned i = 0; i < MD_USERS_TRIES; i++) {
		refuse(index, -EAGAIN, now);
		assert_int_equal(md_users_timeout_ms(&u, now), wait / NS_PER_MS + 1);
		assert_int_equal(asked(now + wait - 1, &index), 0);
		want(2, 20); /* others are not held up */
		assert_int_equal(asked(now + wait - 1, &index), 20);
		refuse(index, -ENOENT, now);
		now += wait;
		wait *= 2;
		assert_int_equal(asked(now, &index), 10);
	}
	assert_int_equal(u.n_dropped, 0);
	refuse(index, -EAGAIN, now);
	assert_int_equal(asked(now + 1000 * NS_PER_S, &index), 0);
	assert_int_equal(u.n_dropped, 1);
	/* told again it begins anew; an answer is as good as at first */
	want(1, 11);
	assert_int_equal(asked(now, &index), 11);
	refuse(index, -EAGAIN, now);
	want(1, 12);
	assert_int_equal(asked(now + MD_USERS_LATE_NS, &index), 11);
	refuse(index, -ESRCH, now);
	assert_int_equal(asked(now, &index), 12);
	answer(index, MD_PASSWD, file_of("a:x:1:1:::\n", 11));
	answer(index, MD_GROUP, -1);
	assert_true(next());
	assert_int_equal(asked(now + 1000 * NS_PER_S, &index), 0);
}

static void test_answer__it_hung__not_asked_again_so_soon(void **state)
{
	uint32_t index;

	(void)state;
	want(1, 10);
	assert_int_equal(asked(NS_PER_S, &index), 10);
	refuse(index, -ETIMEDOUT, NS_PER_S);
	want(1, 11);
	assert_int_equal(asked(20 * NS_PER_S, &index), 0);
	assert_int_equal(asked(40 * NS_PER_S, &index), 0);
	want(1, 12);
	assert_int_equal(asked(40 * NS_PER_S, &index), 12);
	/* nor one for which nobody answers */
	assert_int_equal(asked(50 * NS_PER_S, &index), 0);
	want(1, 13);
	assert_int_equal(asked(50 * NS_PER_S, &index), 0);
	assert_int_equal(u.n_dropped, 0);
}

static void test_answer__many_late__bounded_and_counted(void **state)
{
	uint32_t index, n_again = 0;

	(void)state;
	for (unsigned i = 0; i < MD_USERS_LATE; i++) {
		want(i, 1 + i);
		assert_int_equal(asked(1, &index), 1 + i);
		refuse(index, i % 2 ? -ETIMEDOUT : -EAGAIN, i);
	}
	/* the ones that hung make room, the others do not */
	for (unsigned i = 0; i < MD_USERS_LATE / 2 + 3; i++) {
		want(1000 + i, 1000 + i);
		assert_int_equal(asked(1, &index), 1000 + i);
		refuse(index, -EAGAIN, 1);
	}
	assert_int_equal(u.n_dropped, 3);
	while (asked(NS_PER_S, &index)) {
		refuse(index, -ENOENT, NS_PER_S);
		n_again++;
	}
	assert_int_equal(n_again, MD_USERS_LATE);
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
	answer(index, MD_PASSWD, file_of(text, n));
	answer(index, MD_GROUP, file_of("g:x:3:\n", 7));
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
		answer(index, MD_PASSWD, file_of(text, sizeof(text)));
		answer(index, MD_GROUP, file_of(text, seed % sizeof(text)));
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
			test_next__answered_but_not_told__kept, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_want__too_many__dropped_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_want__another_process__asked_if_the_first_has_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_answer__no_helper_free__again_with_back_off, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_answer__it_hung__not_asked_again_so_soon, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_answer__many_late__bounded_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_record__many_entries__told_up_to_the_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_record__random_bytes__never_more_than_lines, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
