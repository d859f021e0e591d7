/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting an iterator's stream into records: whatever the reads return, records come out whole;
 * what is no record is refused. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <abi/kevent.h>
#include <driver/iter.h>

static uint64_t buf[2 * KEV_SIZE_MAX / 8];

static struct drv_iter iter_of(int fd)
{
	return (struct drv_iter){.buf = buf, .cap = sizeof(buf), .fd = fd};
}

/* A record of len bytes whose body is the byte `fill`. */
static void put_record(int fd, uint32_t len, uint8_t fill)
{
	uint8_t rec[1024];
	struct kev_head h = {.len = len};

	memset(rec, fill, sizeof(rec));
	memcpy(rec, &h, sizeof(h));
	assert_int_equal(write(fd, rec, len), len);
}

static void test_next__records_in_pieces__come_out_whole(void **state)
{
	int fds[2];
	struct drv_iter it;
	const void *rec;
	size_t len;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	for (unsigned i = 0; i < 60;
		i++) /* together more than one page, so that reads end inside of records */
		put_record(fds[1], 72 + 8 * i, (uint8_t)i);
	close(fds[1]);
	it = iter_of(fds[0]);
	for (unsigned i = 0; i < 60; i++) {
		assert_int_equal(drv_iter_next(&it, &rec, &len), 1);
		assert_int_equal(len, 72 + 8 * i);
		assert_int_equal((uintptr_t)rec % 8, 0);
		if (i > 0)
			assert_int_equal(((const uint8_t *)rec)[len - 1], i);
	}
	assert_int_equal(drv_iter_next(&it, &rec, &len), 0);
	close(fds[0]);
}

static void expect_refused(uint32_t len_field, size_t n_bytes)
{
	int fds[2];
	struct drv_iter it;
	const void *rec;
	uint8_t bytes[256] = {0};
	size_t len;

	assert_int_equal(pipe(fds), 0);
	memcpy(bytes, &len_field, sizeof(len_field));
	assert_int_equal(write(fds[1], bytes, n_bytes), n_bytes);
	close(fds[1]);
	it = iter_of(fds[0]);
	assert_int_equal(drv_iter_next(&it, &rec, &len), -EBADMSG);
	close(fds[0]);
}

static void test_next__impossible_length__refused(void **state)
{
	(void)state;
	expect_refused(0, 80);
	expect_refused(71, 80);
	expect_refused(75, 80);
	expect_refused(KEV_SIZE_MAX + 8, 80);
	expect_refused(UINT32_MAX, 80);
}

static void test_next__cut_record_at_the_end__refused(void **state)
{
	(void)state;
	expect_refused(80, 79);
	expect_refused(80, 10);
}

static void test_next__unreadable_descriptor__gives_errno(void **state)
{
	struct drv_iter it = iter_of(-1);
	const void *rec;
	size_t len;

	(void)state;
	assert_int_equal(drv_iter_next(&it, &rec, &len), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next__records_in_pieces__come_out_whole),
		cmocka_unit_test(test_next__impossible_length__refused),
		cmocka_unit_test(test_next__cut_record_at_the_end__refused),
		cmocka_unit_test(test_next__unreadable_descriptor__gives_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
