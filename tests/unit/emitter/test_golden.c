/* SPDX-License-Identifier: Apache-2.0 */
/* The reference's own JSON alerts, taken apart, put into alert records and formatted again: the
 * same bytes. The lines are not part of this tree: without SAKER_SHARED (or ../shared beside the
 * source) the test is skipped. */

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <jansson.h>

#include <base/cleanup.h>
#include <base/strbuf.h>

#include "alerts.h"
#include "format.h"

static unsigned n_lines;

static struct span text_of(const json_t *j)
{
	return (struct span){json_string_value(j), json_string_length(j)};
}

static void add_list(struct alert_builder *b, const char *key, const json_t *list)
{
	_cleanup_strbuf_ struct strbuf texts = {0};

	for (size_t i = 0; i < json_array_size(list); i++)
		strbuf_add(&texts, json_string_value(json_array_get(list, i)),
			json_string_length(json_array_get(list, i)) + 1);
	alert_add_field(b, span_str(key), ALERT_LIST, json_array_size(list), strbuf_span(&texts));
}

static void add_field(struct alert_builder *b, const char *key, const json_t *v)
{
	struct span k = span_str(key), none = {0};
	double d = json_real_value(v);
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	switch (json_typeof(v)) {
	case JSON_NULL:
		alert_add_field(b, k, ALERT_NULL, 0, none);
		break;
	case JSON_STRING:
		alert_add_field(b, k, ALERT_STR, 0, text_of(v));
		break;
	case JSON_INTEGER:
		alert_add_field(b, k, ALERT_I64, (uint64_t)json_integer_value(v), none);
		break;
	case JSON_REAL:
		alert_add_field(b, k, ALERT_DOUBLE, bits, none);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		alert_add_field(b, k, ALERT_BOOL, json_is_true(v), none);
		break;
	case JSON_ARRAY:
		add_list(b, key, v);
		break;
	case JSON_OBJECT:
		fail_msg("field '%s' is an object", key);
	}
}

static uint64_t time_of(const char *s)
{
	struct tm tm = {0};
	const char *rest = strptime(s, "%Y-%m-%dT%H:%M:%S.", &tm);

	assert_non_null(rest);
	return (uint64_t)timegm(&tm) * 1000000000 + strtoull(rest, NULL, 10);
}

static unsigned priority_of(const char *s)
{
	unsigned p = 0;

	while (p < 8 && strcmp(alert_priority_str(p), s) != 0)
		p++;
	assert_true(p < 8);
	return p;
}

/* The message behind "HH:MM:SS.nnnnnnnnn: Priority ". */
static struct span message_of(const json_t *line)
{
	const json_t *message = json_object_get(line, "message"),
		     *output = json_object_get(line, "output");
	struct span s = text_of(message ? message : output);
	size_t skip = strlen("00:00:00.000000000: ") +
		      strlen(json_string_value(json_object_get(line, "priority"))) + 1;

	if (!message) {
		assert_true(s.n >= skip);
		s.p += skip;
		s.n -= skip;
	}
	return s;
}

static void check_line(const char *text, size_t n)
{
	_cleanup_strbuf_ struct strbuf b = {0};
	json_auto_t *j = json_loadb(text, n, 0, NULL);
	struct alert_builder *builder = alerts_new();
	struct output o = {0};
	struct alert *a;
	const char *key;
	json_t *v;
	size_t i;

	assert_non_null(j);
	o.include_output = json_object_get(j, "output") != NULL;
	o.include_message = json_object_get(j, "message") != NULL;
	o.include_tags = json_object_get(j, "tags") != NULL;
	o.include_output_fields = json_object_get(j, "output_fields") != NULL;
	json_array_foreach(json_object_get(j, "tags"), i, v) alert_add_tag(builder, text_of(v));
	json_object_foreach(json_object_get(j, "output_fields"), key, v) add_field(builder, key, v);
	alert_head(builder)->host =
		alert_add_text(builder, text_of(json_object_get(j, "hostname")));
	a = (struct alert *)alerts_finish(builder, 1, 0,
		(uint8_t)priority_of(json_string_value(json_object_get(j, "priority"))),
		json_string_value(json_object_get(j, "rule")), message_of(j));
	a->h.ts_ns = time_of(json_string_value(json_object_get(j, "time")));
	format_get(OUTPUT_JSON)->add(&o, a, &b);
	assert_true(strbuf_ok(&b));
	if (b.n != n || memcmp(b.p, text, n) != 0)
		fail_msg("got  %s\nwant %.*s", b.p, (int)n, text);
	n_lines++;
}

static void check_folder(const char *path)
{
	DIR *dir = opendir(path);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		size_t len = strlen(e->d_name);
		_cleanup_fclose_ FILE *f = NULL;
		_cleanup_free_ char *line = NULL;
		char name[4096];
		size_t cap = 0;

		if (len < 6 || strcmp(e->d_name + len - 6, ".jsonl") != 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		f = fopen(name, "r");
		assert_non_null(f);
		for (ssize_t n; (n = getline(&line, &cap, f)) > 0;)
			if (line[0] == '{')
				check_line(line, (size_t)n - (line[n - 1] == '\n'));
	}
	if (dir)
		closedir(dir);
}

static void test_json__reference_alerts__same_bytes(void **state)
{
	const char *shared = getenv("SAKER_SHARED");
	char path[4096];

	(void)state;
	shared = shared ? shared : SAKER_SHARED_DEFAULT;
	snprintf(path, sizeof(path), "%s/data/golden", shared);
	check_folder(path);
	snprintf(path, sizeof(path), "%s/data/golden/formats", shared);
	check_folder(path);
	print_message("%u alerts of the reference\n", n_lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json__reference_alerts__same_bytes),
	};
	int r;

	setenv("TZ", "UTC", 1);
	tzset();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	if (r == 0 && n_lines == 0) {
		puts("skipped: no reference alerts (set SAKER_SHARED)");
		return 77;
	}
	return r;
}
