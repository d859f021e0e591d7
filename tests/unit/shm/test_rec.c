/* SPDX-License-Identifier: Apache-2.0 */
/* Records in general: type names, fixed sizes, texts, the writer. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <base/macros.h>
#include <shm/prec.h>
#include <shm/rec.h>

static void test_rec_type_str__known_and_unknown(void **state)
{
	(void)state;
	assert_string_equal(rec_type_str(REC_KEV), "KEV");
	assert_string_equal(rec_type_str(REC_ALERT), "ALERT");
	assert_null(rec_type_str(0));
	assert_null(rec_type_str(65535));
}

static void test_rec_validate_fixed__sizes__exact(void **state)
{
	static const struct {
		uint16_t type;
		uint32_t len;
		int expect;
	} cases[] = {
		{REC_SNAP_BEGIN, 48, 0},
		{REC_SNAP_END, 48, 0},
		{REC_LOSS, 48, 0},
		{REC_MARK, 40, 0},
		{REC_FORGET, 40, 0},
		{REC_END, 32, 0},
		{REC_SNAP_BEGIN, 40, -EBADMSG},
		{REC_LOSS, 56, -EBADMSG},
		{REC_MARK, 8, -EBADMSG},
		{REC_FORGET, 32, -EBADMSG},
		{REC_END, 8, -EBADMSG},
		{REC_END, 40, -EBADMSG},
		{REC_EVENT, 48, -EBADMSG},
		{0, 32, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rec_head h = {.ring = {.len = cases[i].len, .type = cases[i].type}};

		assert_int_equal(rec_validate_fixed(&h), cases[i].expect);
	}
}

static void test_rec_str_check__bounds(void **state)
{
	const char rec[32] = "0123456789abcdef\0text\0";
	static const struct {
		struct rec_str s;
		size_t len;
		int expect;
	} cases[] = {
		{{0, 0}, 32, 0}, /* no value */
		{{17, 4}, 32, 0},
		{{16, 0}, 32, 0}, /* empty */
		{{31, 0}, 32, 0},
		{{0, 1}, 32, -EBADMSG},  /* a value without a place */
		{{4, 12}, 32, -EBADMSG}, /* in the fixed part */
		{{17, 3}, 32, -EBADMSG}, /* no NUL */
		{{17, 5}, 32, 0},        /* NULs inside are allowed */
		{{32, 0}, 32, -EBADMSG},
		{{31, 1}, 32, -EBADMSG},
		{{17, 15}, 32, -EBADMSG},
		{{17, UINT32_MAX}, 32, -EBADMSG},
		{{UINT32_MAX, 1}, 32, -EBADMSG},
		{{UINT32_MAX, UINT32_MAX}, 32, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (rec_str_check(rec, 16, cases[i].len, cases[i].s) != cases[i].expect)
			fail_msg("case %zu", i);
	}
}

static void test_rec_add_text__kinds__found_again(void **state)
{
	uint64_t buf[32];
	struct rec_writer w = {.buf = (uint8_t *)buf, .cap = sizeof(buf), .n = 32};
	struct rec_str none, empty, text;

	(void)state;
	memset(buf, 0xff, sizeof(buf));
	none = rec_add_text(&w, (struct span){0});
	empty = rec_add_text(&w, SPAN_LIT(""));
	text = rec_add_text(&w, SPAN_LIT("abc"));
	assert_int_equal(rec_finish(&w), 40);
	assert_int_equal(((struct spsc_rec *)buf)->len, 40);
	assert_memory_equal((char *)buf + 32, "\0abc\0\0\0\0", 8);
	assert_true(none.off == 0 && none.n == 0);
	assert_true(empty.off == 32 && empty.n == 0);
	assert_null(rec_text(buf, none).p);
	assert_non_null(rec_text(buf, empty).p);
	assert_true(span_eq_str(rec_text(buf, text), "abc"));
}

static void test_rec_add_text__no_room__fails_for_good(void **state)
{
	uint64_t buf[5];
	struct rec_writer w = {.buf = (uint8_t *)buf, .cap = sizeof(buf), .n = 32};
	struct rec_str s;

	(void)state;
	s = rec_add_text(&w, SPAN_LIT("12345678")); /* 8 bytes, but no room for the NUL */
	assert_true(s.off == 0 && s.n == 0);
	assert_int_equal(rec_finish(&w), -EMSGSIZE);
	s = rec_add_text(&w, SPAN_LIT("1"));
	assert_true(s.off == 0 && s.n == 0);
	assert_int_equal(rec_finish(&w), -EMSGSIZE);
	w = (struct rec_writer){.buf = (uint8_t *)buf, .cap = sizeof(buf), .n = 32};
	s = rec_add_text(&w, SPAN_LIT("1234567"));
	assert_int_equal(s.off, 32);
	assert_int_equal(rec_finish(&w), 40);
	w = (struct rec_writer){.buf = (uint8_t *)buf, .cap = 36, .n = 32};
	rec_add_text(&w, SPAN_LIT("12"));
	assert_int_equal(rec_finish(&w), -EMSGSIZE); /* no room for the padding */
}

static void test_rec_strings_check__rows_of_strings(void **state)
{
	static const char rec[] = "head\0a\0bc\0\0d";
	uint32_t n = 9;

	(void)state;
	assert_int_equal(rec_strings_check(rec, (struct rec_str){5, 6}, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(rec_strings_check(rec, (struct rec_str){0, 0}, &n), 0);
	assert_int_equal(n, 0);
	n = 9;
	assert_int_equal(rec_strings_check(rec, (struct rec_str){5, 7}, &n), -EBADMSG);
	assert_int_equal(n, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rec_type_str__known_and_unknown),
		cmocka_unit_test(test_rec_validate_fixed__sizes__exact),
		cmocka_unit_test(test_rec_str_check__bounds),
		cmocka_unit_test(test_rec_add_text__kinds__found_again),
		cmocka_unit_test(test_rec_add_text__no_room__fails_for_good),
		cmocka_unit_test(test_rec_strings_check__rows_of_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
