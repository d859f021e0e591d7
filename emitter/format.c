/* SPDX-License-Identifier: Apache-2.0 */
/* What the formats share: the table of them, times, the prefix of Falco's output, typed values as
 * JSON. The alert was checked by alert_validate(); its texts may hold any byte, invalid UTF-8
 * included, and are made valid here. localtime_r() uses the zone that was loaded before the seal.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <base/clock.h>
#include <base/macros.h>
#include <base/utf8.h>

#include "format.h"

static const struct format formats[] = {
	[OUTPUT_TEXT] = {"text", format_text_add},
	[OUTPUT_JSON] = {"json", format_json_add},
	[OUTPUT_ECS] = {"ecs", format_ecs_add},
	[OUTPUT_OCSF] = {"ocsf", format_ocsf_add},
	[OUTPUT_CEF] = {"cef", format_cef_add},
};
_Static_assert(ARRAY_LEN(formats) == _OUTPUT_FORMAT_MAX, "a row for each format");

const struct format *format_get(enum output_format f)
{
	assert(f < _OUTPUT_FORMAT_MAX);
	return &formats[f];
}

/* A second as text: many alerts fall into each, so the last one is kept. */
struct second {
	time_t sec;
	char text[64];
	size_t n; /* 0: none yet */
};

static void add_second(const struct second *s, uint64_t ts_ns, struct strbuf *b)
{
	unsigned ns = (unsigned)(ts_ns % NS_PER_S);
	char text[10];

	for (unsigned i = sizeof(text); i-- > 1; ns /= 10)
		text[i] = (char)('0' + ns % 10);
	text[0] = '.';
	strbuf_add(b, s->text, s->n);
	strbuf_add(b, text, sizeof(text));
}

void format_add_utc(uint64_t ts_ns, struct strbuf *b)
{
	static struct second last;
	time_t sec = (time_t)(ts_ns / NS_PER_S);
	struct tm tm = {0};

	if (!last.n || last.sec != sec) {
		/* 64 bits of ns end in the year 2554: neither call can fail */
		(void)gmtime_r(&sec, &tm);
		last.n = strftime(last.text, sizeof(last.text), "%Y-%m-%dT%H:%M:%S", &tm);
		last.sec = sec;
	}
	add_second(&last, ts_ns, b);
}

static void add_local_clock(uint64_t ts_ns, struct strbuf *b)
{
	static struct second last;
	time_t sec = (time_t)(ts_ns / NS_PER_S);
	struct tm tm = {0};

	if (!last.n || last.sec != sec) {
		(void)localtime_r(&sec, &tm); /* on failure midnight is printed */
		last.n = strftime(last.text, sizeof(last.text), "%H:%M:%S", &tm);
		last.sec = sec;
	}
	add_second(&last, ts_ns, b);
}

void format_add_prefix(bool iso_time, const struct alert *a, struct strbuf *b)
{
	if (iso_time && !(a->flags & ALERT_INTERNAL)) {
		format_add_utc(a->h.ts_ns, b);
		strbuf_add_str(b, "+0000");
	} else {
		add_local_clock(a->h.ts_ns, b);
	}
	strbuf_add_str(b, ": ");
	strbuf_add_str(b, alert_priority_str(a->priority));
	strbuf_add_char(b, ' ');
}

/* The shortest decimal that reads back as the same number; always recognisable as not an integer,
 * as the reference's library prints it. */
static void add_double(uint64_t bits, struct strbuf *b)
{
	char text[40];
	double d;

	memcpy(&d, &bits, sizeof(d));
	if (!isfinite(d)) {
		strbuf_add_str(b, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	strbuf_add_str(b, text);
	if (!strpbrk(text, ".e"))
		strbuf_add_str(b, ".0");
}

static void add_list(struct span texts, uint64_t n, struct strbuf *b)
{
	strbuf_add_char(b, '[');
	for (uint64_t i = 0; i < n && texts.n; i++) {
		size_t len = strnlen(texts.p, texts.n);

		if (i)
			strbuf_add_char(b, ',');
		json_add_string(b, (struct span){texts.p, len});
		len = MIN(len + 1, texts.n);
		texts.p += len;
		texts.n -= len;
	}
	strbuf_add_char(b, ']');
}

void format_add_value(const struct alert *a, const struct alert_field *f, struct strbuf *b)
{
	switch ((enum alert_value_type)f->type) {
	case ALERT_STR:
		json_add_string(b, rec_text(a, f->str));
		break;
	case ALERT_I64:
		strbuf_add_i64(b, (int64_t)f->num);
		break;
	case ALERT_U64:
		strbuf_add_u64(b, f->num);
		break;
	case ALERT_BOOL:
		strbuf_add_str(b, f->num ? "true" : "false");
		break;
	case ALERT_DOUBLE:
		add_double(f->num, b);
		break;
	case ALERT_LIST:
		add_list(rec_text(a, f->str), f->num, b);
		break;
	case ALERT_NULL:
	case _ALERT_TYPE_MAX:
		strbuf_add_str(b, "null");
		break;
	}
}
