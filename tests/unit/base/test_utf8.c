/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 repair and JSON escaping on good and hostile bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include <base/macros.h>
#include <base/utf8.h>

static void check_escaped(const char *in, size_t n, const char *want)
{
	_cleanup_strbuf_ struct strbuf b = {0};

	json_add_escaped(&b, (struct span){.p = in, .n = n});
	assert_true(strbuf_ok(&b));
	assert_string_equal(b.p ? b.p : "", want);
}

static void test_json_add_escaped__any_bytes__valid_json(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *want;
	} rows[] = {
		{"", 0, ""},
		{"plain", 5, "plain"},
		{"q\"b\\", 4, "q\\\"b\\\\"},
		{"\b\f\n\r\t\x01\x1f", 7, "\\b\\f\\n\\r\\t\\u0001\\u001f"},
		{"a\0b", 3, "a\\u0000b"},
		{"/\x7f", 2, "/\x7f"},
		{"\xc3\xa9", 2, "\xc3\xa9"},
		{"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
		{"\xff", 1, "\xef\xbf\xbd"},
		{"\xe2\x82", 2, "\xef\xbf\xbd"}, /* cut sequence: one replacement */
		{"\xe2\x82x", 3, "\xef\xbf\xbdx"},
		{"\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
		{"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
		{"\xf5\x80", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_escaped(rows[i].in, rows[i].n, rows[i].want);
}

/* Each byte at each place of a longer text comes out as it does alone: whole words are passed over at
 * once, and nothing in them may be overlooked. */
static void test_json_add_escaped__every_byte_at_every_place__as_alone(void **state)
{
	char plain[33];

	(void)state;
	memset(plain, 'x', sizeof(plain));
	for (unsigned c = 0; c < 256; c++) {
		_cleanup_strbuf_ struct strbuf alone = {0};
		char byte = (char)c;

		json_add_escaped(&alone, (struct span){&byte, 1});
		for (size_t at = 0; at < sizeof(plain); at++) {
			_cleanup_strbuf_ struct strbuf b = {0}, want = {0};
			char in[sizeof(plain)];

			memcpy(in, plain, sizeof(in));
			in[at] = byte;
			json_add_escaped(&b, (struct span){in, sizeof(in)});
			strbuf_add(&want, plain, at);
			strbuf_add(&want, alone.p, alone.n);
			strbuf_add(&want, plain, sizeof(plain) - at - 1);
			assert_int_equal(b.n, want.n);
			assert_memory_equal(b.p, want.p, b.n);
		}
	}
}

static void test_utf8_is_valid__all_short_sequences__agrees_with_repair(void **state)
{
	(void)state;
	for (unsigned v = 0; v < 1u << 24; v += 251) {
		char in[3] = {(char)v, (char)(v >> 8), (char)(v >> 16)};
		struct span s = {.p = in, .n = 3};
		_cleanup_strbuf_ struct strbuf b = {0};

		utf8_add_valid(&b, s);
		assert_true(utf8_is_valid(strbuf_span(&b)));
		assert_int_equal(utf8_is_valid(s), b.n == 3 && memcmp(b.p, in, 3) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_add_escaped__any_bytes__valid_json),
		cmocka_unit_test(test_json_add_escaped__every_byte_at_every_place__as_alone),
		cmocka_unit_test(test_utf8_is_valid__all_short_sequences__agrees_with_repair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
