/* SPDX-License-Identifier: Apache-2.0 */
/* Falco's JSON format: one object a line, keys in the order of their bytes, which the sequence of
 * calls below is. saker adds two keys, uuid and (of a doubtful alert) doubtful, where the output's configuration asks for them. Texts
 * come from the alert and may hold any byte. */

#include <base/utf8.h>
#include <base/uuid.h>

#include "format.h"
#include "format_nest.h"

/* hostname comes first, but for `doubtful`, and is the one key without a comma. */
static void add_key(struct strbuf *b, const char *key)
{
	strbuf_add_str(b, ",\"");
	strbuf_add_str(b, key);
	strbuf_add_str(b, "\":");
}

static void add_output(const struct output *o, const struct alert *a, struct strbuf *b)
{
	add_key(b, "output");
	strbuf_add_char(b, '"');
	if (!(a->flags & ALERT_INTERNAL))
		format_add_prefix(o->iso_time, a, b); /* needs no escape */
	json_add_escaped(b, rec_text(a, a->message));
	strbuf_add_char(b, '"');
}

static void add_output_fields(const struct alert *a, struct strbuf *b)
{
	add_key(b, "output_fields");
	nest_add_fields(a, b);
}

static void add_tags(const struct alert *a, struct strbuf *b)
{
	add_key(b, "tags");
	nest_add_tags(a, b);
}

static void add_uuid(const struct alert *a, struct strbuf *b)
{
	char text[UUID_TEXT_LEN + 1];

	uuid_format(a->id, text);
	add_key(b, "uuid");
	json_add_string(b, span_str(text));
}

void format_json_add(const struct output *o, const struct alert *a, struct strbuf *b)
{
	bool is_internal = a->flags & ALERT_INTERNAL;

	strbuf_add_str(b, o->include_doubtful && a->flags & ALERT_DOUBTFUL
				  ? "{\"doubtful\":true,\"hostname\":"
				  : "{\"hostname\":");
	json_add_string(b, rec_text(a, a->host));
	if (o->include_message && !is_internal) {
		add_key(b, "message");
		json_add_string(b, rec_text(a, a->message));
	}
	if (o->include_output || is_internal)
		add_output(o, a, b);
	if (o->include_output_fields || is_internal)
		add_output_fields(a, b);
	add_key(b, "priority");
	json_add_string(b, span_str(alert_priority_str(a->priority)));
	add_key(b, "rule");
	json_add_string(b, rec_text(a, a->rule_name));
	add_key(b, "source");
	json_add_string(b, rec_text(a, a->source));
	if (o->include_tags && !is_internal)
		add_tags(a, b);
	add_key(b, "time");
	strbuf_add_char(b, '"');
	format_add_utc(a->h.ts_ns, b);
	strbuf_add_str(b, "Z\"");
	if (o->include_uuid)
		add_uuid(a, b);
	strbuf_add_char(b, '}');
}
