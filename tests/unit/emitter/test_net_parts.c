/* SPDX-License-Identifier: Apache-2.0 */
/* What network outputs make of an alert: heads of syslog, keys of Kafka, bodies and signatures of
 * HTTP. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <zlib.h>
#include <zstd.h>

#include <base/macros.h>

#include "alerts.h"
#include "http_body.h"
#include "kafka_key.h"
#include "syslog_head.h"

static struct sink_msg make_msg(const char *rule, const char *text)
{
	struct alert_builder *b = alerts_new();

	alert_add_tag(b, SPAN_LIT("a"));
	alert_add_tag(b, SPAN_LIT("b\"]\\\n"));
	alert_add_field(b, SPAN_LIT("proc.name"), ALERT_STR, 0, SPAN_LIT("cat"));
	alert_add_field(b, SPAN_LIT("proc.pid"), ALERT_I64, (uint64_t)-7, (struct span){0});
	alert_add_field(b, SPAN_LIT("proc.aname[2]"), ALERT_STR, 0, SPAN_LIT("sh"));
	alert_add_field(b, SPAN_LIT("evt.is_x"), ALERT_BOOL, 1, (struct span){0});
	alert_add_field(b, SPAN_LIT("fd.types"), ALERT_LIST, 2, (struct span){"ab\0c\0", 5});
	return (struct sink_msg){.n = 1,
		.text = span_str(text),
		.ts_ns = 1566230400020000000ULL,
		.priority = 4,
		.alert = alerts_finish(b, 1, 0, 4, rule, SPAN_LIT("message"))};
}

static void test_syslog_head__5424__facts_escaped(void **state)
{
	struct syslog_form f = {.facility = 10, .rfc = 5424, .app = "saker", .host = "-", .pid = 7};
	struct sink_msg m = make_msg("R \"1\" [x]", "text");
	_cleanup_strbuf_ struct strbuf b = {0};

	(void)state;
	syslog_head_add(&f, &m, &b);
	assert_string_equal(b.p,
		"<84>1 2019-08-19T16:00:00.020000Z myhost saker 7 alert [saker@32473 rule=\"R "
		"\\\"1\\\" [x\\]\" priority=\"Warning\" tags=\"a,b\\\"\\]\\\\ \" "
		"uuid=\"00112233-4455-6677-8899-aabbccddeeff\"] ");
}

static void test_syslog_head__3164__host_where_asked(void **state)
{
	struct syslog_form f = {
		.facility = 1, .rfc = 3164, .app = "saker", .host = "gate", .pid = 7};
	struct sink_msg m = make_msg("R", "text");
	_cleanup_strbuf_ struct strbuf b = {0};

	(void)state;
	syslog_head_add(&f, &m, &b);
	assert_string_equal(b.p, "<12>Aug 19 16:00:00 saker[7]: ");
	strbuf_reset(&b);
	f.has_host = true;
	syslog_head_add(&f, &m, &b);
	assert_string_equal(b.p, "<12>Aug 19 16:00:00 gate saker[7]: ");
}

static void test_kafka_key__templates(void **state)
{
	static const struct {
		const char *template, *want;
	} rows[] = {
		{"%host", "myhost"},
		{"%rule/%priority", "R/Warning"},
		{"%proc.name.", "cat."},
		{"%proc.aname[2]-%proc.pid", "sh--7"},
		{"%evt.is_x %fd.types", "true ab,c"},
		{"%no.such", ""},
		{"100%% %", "100% %"},
		{"", ""},
	};
	struct sink_msg m = make_msg("R", "text");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_strbuf_ struct strbuf b = {0};

		strbuf_add_str(&b, "");
		kafka_key_add(rows[i].template, m.alert, &b);
		assert_string_equal(b.p ? b.p : "", rows[i].want);
	}
}

static struct span make_body(struct http_body *b, const struct sink_msg *m, unsigned n)
{
	struct span body = {0};

	http_body_begin(b);
	for (unsigned i = 0; i < n; i++)
		assert_true(http_body_add(b, m));
	assert_int_equal(http_body_end(b, &body), 0);
	return body;
}

static void test_http_body__framings(void **state)
{
	static const struct {
		enum http_batch batch;
		bool is_json;
		const char *want;
	} rows[] = {
		{HTTP_SINGLE, true, "{\"a\":1}{\"a\":1}"},
		{HTTP_ARRAY, true, "[{\"a\":1},{\"a\":1}]"},
		{HTTP_ARRAY, false, "[\"{\\\"a\\\":1}\",\"{\\\"a\\\":1}\"]"},
		{HTTP_NDJSON, true, "{\"a\":1}\n{\"a\":1}\n"},
		{HTTP_HEC, true,
			"{\"time\":1566230400.020000,\"source\":\"saker\",\"sourcetype\":\"_json\","
			"\"host\":\"myhost\",\"event\":{\"a\":1}}{\"time\":1566230400.020000,"
			"\"source\":\"saker\",\"sourcetype\":\"_json\",\"host\":\"myhost\","
			"\"event\":{"
			"\"a\":1}}"},
	};
	struct sink_msg m = make_msg("R", "{\"a\":1}");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_body *b = NULL;
		struct span body;

		assert_int_equal(
			http_body_new(rows[i].batch, HTTP_PLAIN, rows[i].is_json, 4096, &b), 0);
		body = make_body(b, &m, 2);
		assert_int_equal(body.n, strlen(rows[i].want));
		assert_memory_equal(body.p, rows[i].want, body.n);
		b = http_body_free(b);
	}
}

static void test_http_body__codings__come_back(void **state)
{
	struct sink_msg m = make_msg("R", "{\"a\":1}");
	static char plain[4096];
	struct http_body *b = NULL;
	struct span body;
	z_stream z = {0};

	(void)state;
	assert_int_equal(http_body_new(HTTP_NDJSON, HTTP_ZSTD, true, 4096, &b), 0);
	for (unsigned round = 0; round < 3; round++) {
		body = make_body(b, &m, 20);
		assert_int_equal(ZSTD_decompress(plain, sizeof(plain), body.p, body.n), 160);
		assert_memory_equal(plain + 152, "{\"a\":1}\n", 8);
	}
	b = http_body_free(b);
	assert_int_equal(http_body_new(HTTP_NDJSON, HTTP_GZIP, true, 4096, &b), 0);
	for (unsigned round = 0; round < 3; round++) {
		body = make_body(b, &m, 20);
		assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
		z.next_in = (Bytef *)body.p;
		z.avail_in = (uInt)body.n;
		z.next_out = (Bytef *)plain;
		z.avail_out = sizeof(plain);
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
		assert_int_equal(z.total_out, 160);
		(void)inflateEnd(&z);
	}
	b = http_body_free(b);
}

static void test_http_body__full__says_so(void **state)
{
	struct sink_msg m = make_msg("R", "0123456789");
	struct http_body *b = NULL;

	(void)state;
	assert_int_equal(http_body_new(HTTP_NDJSON, HTTP_PLAIN, false, 25, &b), 0);
	http_body_begin(b);
	assert_true(http_body_add(b, &m));
	assert_true(http_body_add(b, &m));
	assert_false(http_body_add(b, &m));
	b = http_body_free(b);
}

/* RFC 4231, test case 2. */
static void test_http_sign__known_answer(void **state)
{
	char text[HTTP_SIGNATURE_LEN + 1];

	(void)state;
	http_sign(SPAN_LIT("Jefe"), SPAN_LIT("what do ya want for nothing?"), text);
	assert_string_equal(
		text, "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syslog_head__5424__facts_escaped),
		cmocka_unit_test(test_syslog_head__3164__host_where_asked),
		cmocka_unit_test(test_kafka_key__templates),
		cmocka_unit_test(test_http_body__framings),
		cmocka_unit_test(test_http_body__codings__come_back),
		cmocka_unit_test(test_http_body__full__says_so),
		cmocka_unit_test(test_http_sign__known_answer),
	};

	(void)setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
