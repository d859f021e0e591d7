/* SPDX-License-Identifier: Apache-2.0 */
/* strbuf, arena, uuid, log lines, hashes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/arena.h>
#include <base/cleanup.h>
#include <base/hash.h>
#include <base/log.h>
#include <base/strbuf.h>
#include <base/uuid.h>

static void test_strbuf__mixed_additions__one_text(void **state)
{
	struct strbuf b = {0};
	char *text;

	(void)state;
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&b, "%d,", i % 10);
	assert_int_equal(b.n, 2000);
	strbuf_reset(&b);
	strbuf_add_str(&b, "a");
	strbuf_add_char(&b, 'b');
	strbuf_add_span(&b, SPAN_LIT("cd"));
	strbuf_add_u64(&b, 0);
	strbuf_add_u64(&b, UINT64_MAX);
	strbuf_add_i64(&b, INT64_MIN);
	strbuf_add_i64(&b, -7);
	strbuf_addf(&b, "%s-%d", "e", 9);
	text = strbuf_take(&b);
	assert_string_equal(text, "abcd018446744073709551615-9223372036854775808-7e-9");
	assert_null(b.p);
	free(text);
}

static void test_strbuf_reserve__absurd_size__sticks(void **state)
{
	_cleanup_strbuf_ struct strbuf b = {0};

	(void)state;
	assert_int_equal(strbuf_reserve(&b, SIZE_MAX / 2), -ENOMEM);
	strbuf_add_str(&b, "x");
	assert_false(strbuf_ok(&b));
	assert_null(strbuf_take(&b));
}

static void test_arena__quota__refuses(void **state)
{
	_cleanup_arena_ struct arena a;

	(void)state;
	arena_init(&a, 65536);
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	assert_non_null(arena_alloc(&a, 40000));
	assert_null(arena_alloc(&a, 40000));
	assert_null(arena_alloc(&a, SIZE_MAX - 3));
	assert_int_equal((uintptr_t)arena_alloc(&a, 3) % 8, 0);
}

static void test_uuid_format__bytes__text(void **state)
{
	uint8_t id[16];
	char text[UUID_TEXT_LEN + 1];

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		id[i] = (uint8_t)(i * 17);
	uuid_format(id, text);
	assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
}

static void expect_line(int fd, const char *want)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	assert_true(n > 0);
	buf[n] = '\0';
	assert_string_equal(buf, want);
}

static void test_log__each_format__one_line(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	log_open(p[1], LOG_TEXT, LOG_LVL_INFO, "saker");
	log_warning("a %s\nb", "x");
	expect_line(p[0], "saker: warning: a x b\n");
	log_open(p[1], LOG_STAGE, LOG_LVL_INFO, "tracker");
	log_debug("not printed");
	assert_int_equal(log_err_errno(-ENOENT, "open '%s'", "f"), -ENOENT);
	expect_line(p[0], "3open 'f': No such file or directory\n");
	log_relay(LOG_LVL_RAW, "x", "f:1:2: error: y");
	expect_line(p[0], "0f:1:2: error: y\n");
	log_open(STDERR_FILENO, LOG_TEXT, LOG_LVL_INFO, "saker");
	(void)close(p[0]);
	(void)close(p[1]);
}

static void test_hash_u64__neighbours__differ_in_many_bits(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(__builtin_popcountll(hash_u64(i) ^ hash_u64(i + 1)) > 8);
	assert_true(hash_bytes("a", 1, 0) != hash_bytes("a", 1, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strbuf__mixed_additions__one_text),
		cmocka_unit_test(test_strbuf_reserve__absurd_size__sticks),
		cmocka_unit_test(test_arena__quota__refuses),
		cmocka_unit_test(test_uuid_format__bytes__text),
		cmocka_unit_test(test_log__each_format__one_line),
		cmocka_unit_test(test_hash_u64__neighbours__differ_in_many_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
