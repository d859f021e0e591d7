/* SPDX-License-Identifier: Apache-2.0 */
/* Formats against literal lines: Falco's, byte for byte. The zone is not UTC, so that local and UTC
 * cannot be mixed up. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <base/utf8.h>

#include "alerts.h"
#include "format.h"

static const struct output all_on = {
	.name = "t",
	.include_output = true,
	.include_output_fields = true,
	.include_tags = true,
};

static const struct alert *falco_example(void)
{
	struct alert_builder *b = alerts_new();

	alert_add_tag(b, SPAN_LIT("z"));
	alert_add_tag(b, SPAN_LIT("a"));
	alert_add_field(b, SPAN_LIT("proc.pname"), ALERT_NULL, 0, (struct span){0});
	alert_add_field(b, SPAN_LIT("proc.name"), ALERT_STR, 0, SPAN_LIT("init"));
	alert_add_field(b, SPAN_LIT("fd.sip"), ALERT_NULL, 0, (struct span){0});
	alert_add_field(b, SPAN_LIT("fd.num"), ALERT_I64, 4, (struct span){0});
	alert_add_field(b, SPAN_LIT("fd.name"), ALERT_STR, 0, SPAN_LIT("/home/file.txt"));
	alert_add_field(
		b, SPAN_LIT("evt.time"), ALERT_U64, 1566230400020000000ULL, (struct span){0});
	alert_add_field(b, SPAN_LIT("evt.is_open_write"), ALERT_BOOL, 0, (struct span){0});
	alert_add_field(b, SPAN_LIT("evt.arg.flags"), ALERT_STR, 0, SPAN_LIT("O_NONE"));
	alert_add_field(b, SPAN_LIT("container.id"), ALERT_STR, 0, SPAN_LIT("host"));
	return alerts_finish(b, 7, 3, 4, "R", SPAN_LIT("hi"));
}

static void check(
	const struct output *o, const struct alert *a, enum output_format f, const char *want)
{
	_cleanup_strbuf_ struct strbuf b = {0};

	strbuf_add_str(&b, ">");
	format_get(f)->add(o, a, &b);
	assert_true(strbuf_ok(&b));
	assert_string_equal(b.p + 1, want);
}

static void test_json__falco_example__same_bytes(void **state)
{
	(void)state;
	check(&all_on, falco_example(), OUTPUT_JSON,
		"{\"hostname\":\"myhost\",\"output\":\"18:00:00.020000000: Warning "
		"hi\",\"output_fields\":{\"container.id\":\"host\","
		"\"evt.arg.flags\":\"O_NONE\",\"evt.is_open_write\":false,\"evt.time\":"
		"1566230400020000000,\"fd.name\":\"/home/file.txt\",\"fd.num\":4,"
		"\"fd.sip\":null,\"proc.name\":\"init\",\"proc.pname\":null},\"priority\":"
		"\"Warning\",\"rule\":\"R\",\"source\":\"syscall\","
		"\"tags\":[\"a\",\"z\"],\"time\":\"2019-08-19T16:00:00.020000000Z\"}");
}

static void test_json__iso_time__utc_in_output(void **state)
{
	struct output o = {.include_output = true, .iso_time = true};

	(void)state;
	check(&o, falco_example(), OUTPUT_JSON,
		"{\"hostname\":\"myhost\",\"output\":\"2019-08-19T16:00:00.020000000+0000: Warning "
		"hi\",\"priority\":\"Warning\",\"rule\":\"R\","
		"\"source\":\"syscall\",\"time\":\"2019-08-19T16:00:00.020000000Z\"}");
}

static void test_json__message_and_uuid__keys_in_order(void **state)
{
	struct output o = {.include_message = true, .include_uuid = true};

	(void)state;
	check(&o, falco_example(), OUTPUT_JSON,
		"{\"hostname\":\"myhost\",\"message\":\"hi\",\"priority\":\"Warning\",\"rule\":"
		"\"R\",\"source\":\"syscall\","
		"\"time\":\"2019-08-19T16:00:00.020000000Z\",\"uuid\":\"00112233-4455-6677-8899-"
		"aabbccddeeff\"}");
}

static void test_json__doubtful__said_if_asked_for(void **state)
{
	static const struct {
		uint8_t flags;
		bool is_asked;
		const char *begin;
	} cases[] = {
		{ALERT_DOUBTFUL, true, "{\"doubtful\":true,\"hostname\":\"myhost\","},
		{ALERT_DOUBTFUL, false, "{\"hostname\":\"myhost\","},
		{0, true, "{\"hostname\":\"myhost\","},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct output o = {.include_doubtful = cases[i].is_asked};
		struct alert *a =
			(struct alert *)alerts_finish(alerts_new(), 1, 0, 7, "R", SPAN_LIT("m"));
		_cleanup_strbuf_ struct strbuf b = {0};

		a->flags |= cases[i].flags;
		format_get(OUTPUT_JSON)->add(&o, a, &b);
		assert_true(strbuf_ok(&b));
		assert_memory_equal(b.p, cases[i].begin, strlen(cases[i].begin));
	}
}

static void test_json__no_tags__empty_list(void **state)
{
	struct output o = {.include_tags = true};

	(void)state;
	check(&o, alerts_finish(alerts_new(), 1, 0, 7, "R", SPAN_LIT("m")), OUTPUT_JSON,
		"{\"hostname\":\"myhost\",\"priority\":\"Debug\",\"rule\":\"R\",\"source\":"
		"\"syscall\",\"tags\":[],"
		"\"time\":\"2019-08-19T16:00:00.020000000Z\"}");
}

static void test_json__odd_values__exact(void **state)
{
	struct output o = {.include_output_fields = true};
	struct alert_builder *b = alerts_new();
	const double doubles[] = {0.1, 3, 1e300, -2.5};
	uint64_t bits[4];

	(void)state;
	memcpy(bits, doubles, sizeof(bits));
	alert_add_field(b, SPAN_LIT("a"), ALERT_DOUBLE, bits[0], (struct span){0});
	alert_add_field(b, SPAN_LIT("b"), ALERT_DOUBLE, bits[1], (struct span){0});
	alert_add_field(b, SPAN_LIT("c"), ALERT_DOUBLE, bits[2], (struct span){0});
	alert_add_field(b, SPAN_LIT("d"), ALERT_DOUBLE, bits[3], (struct span){0});
	alert_add_field(b, SPAN_LIT("e"), ALERT_I64, (uint64_t)INT64_MIN, (struct span){0});
	alert_add_field(b, SPAN_LIT("f"), ALERT_U64, UINT64_MAX, (struct span){0});
	alert_add_field(b, SPAN_LIT("g"), ALERT_LIST, 2, (struct span){"x\0\"y\"\0", 6});
	alert_add_field(b, SPAN_LIT("h"), ALERT_STR, 0, (struct span){"\xff\x01\n\"\\/", 6});
	check(&o, alerts_finish(b, 1, 0, 0, "R", SPAN_LIT("m")), OUTPUT_JSON,
		"{\"hostname\":\"myhost\",\"output_fields\":{\"a\":0.1,\"b\":3.0,\"c\":1e+300,"
		"\"d\":-2.5,\"e\":-9223372036854775808,"
		"\"f\":18446744073709551615,\"g\":[\"x\",\"\\\"y\\\"\"],\"h\":"
		"\"\xef\xbf\xbd\\u0001\\n\\\"\\\\/\"},\"priority\":\"Emergency\",\"rule\":\"R\","
		"\"source\":\"syscall\",\"time\":\"2019-08-19T16:00:00.020000000Z\"}");
}

static void test_text__quotes_and_bytes__escaped_line(void **state)
{
	(void)state;
	check(&all_on,
		alerts_finish(alerts_new(), 1, 0, 4, "R",
			SPAN_LIT("hi \"q\" \\ tab\tnl\n \xc3\xa4 \xff")),
		OUTPUT_TEXT,
		"18:00:00.020000000: Warning hi \\\"q\\\" \\\\ tab\\tnl\\n \xc3\xa4 \xef\xbf\xbd");
}

static void test_text__iso_time__utc(void **state)
{
	struct output o = {.iso_time = true};

	(void)state;
	check(&o, alerts_finish(alerts_new(), 1, 0, 6, "R", SPAN_LIT("m")), OUTPUT_TEXT,
		"2019-08-19T16:00:00.020000000+0000: Informational m");
}

static void test_text__internal__fields_in_brackets(void **state)
{
	struct output o = {.iso_time = true};
	struct alert_builder *b = alerts_new();

	(void)state;
	alert_add_field(b, SPAN_LIT("n"), ALERT_U64, 3, (struct span){0});
	alert_add_field(b, SPAN_LIT("k"), ALERT_STR, 0, SPAN_LIT("v"));
	alert_head(b)->flags = ALERT_INTERNAL;
	check(&o, alerts_finish(b, 1, 0, 7, "R", SPAN_LIT("m")), OUTPUT_TEXT,
		"18:00:00.020000000: Debug m (k=\"v\" n=3)");
}

static void test_json__internal__message_only(void **state)
{
	struct alert_builder *b = alerts_new();

	(void)state;
	alert_head(b)->flags = ALERT_INTERNAL;
	check(&all_on, alerts_finish(b, 1, 0, 7, "R", SPAN_LIT("m")), OUTPUT_JSON,
		"{\"hostname\":\"myhost\",\"output\":\"m\",\"output_fields\":{},\"priority\":"
		"\"Debug\",\"rule\":\"R\",\"source\":\"syscall\","
		"\"time\":\"2019-08-19T16:00:00.020000000Z\"}");
}

/* Any bytes that pass the door can be formatted: one line of valid UTF-8, no crash. Deterministic.
 */
static void test_formats__mutated_records__one_valid_line(void **state)
{
	static _Alignas(8) uint8_t copy[4096];
	struct output o = {.include_message = true,
		.include_output = true,
		.include_output_fields = true,
		.include_tags = true,
		.include_uuid = true};
	const struct alert *a = falco_example();
	size_t n = a->h.ring.len;
	uint64_t x = 88172645463325252ULL;
	unsigned n_valid = 0;

	(void)state;
	assert_true(n <= sizeof(copy));
	for (unsigned round = 0; round < 40000; round++) {
		_cleanup_strbuf_ struct strbuf b = {0};

		memcpy(copy, a, n);
		for (unsigned i = 0; i < 1 + round % 3; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			copy[8 + x % (n - 8)] = (uint8_t)(x >> 32);
		}
		if (alert_validate((const struct rec_head *)copy) < 0)
			continue;
		n_valid++;
		for (unsigned f = 0; f < _OUTPUT_FORMAT_MAX; f++) {
			strbuf_reset(&b);
			format_get(f)->add(&o, (const struct alert *)copy, &b);
			assert_true(strbuf_ok(&b) && utf8_is_valid(strbuf_span(&b)));
			assert_null(memchr(b.p, '\n', b.n));
		}
	}
	assert_true(n_valid > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json__falco_example__same_bytes),
		cmocka_unit_test(test_json__iso_time__utc_in_output),
		cmocka_unit_test(test_json__message_and_uuid__keys_in_order),
		cmocka_unit_test(test_json__doubtful__said_if_asked_for),
		cmocka_unit_test(test_json__no_tags__empty_list),
		cmocka_unit_test(test_json__odd_values__exact),
		cmocka_unit_test(test_text__quotes_and_bytes__escaped_line),
		cmocka_unit_test(test_text__iso_time__utc),
		cmocka_unit_test(test_text__internal__fields_in_brackets),
		cmocka_unit_test(test_json__internal__message_only),
		cmocka_unit_test(test_formats__mutated_records__one_valid_line),
	};

	setenv("TZ", "EET-2", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
