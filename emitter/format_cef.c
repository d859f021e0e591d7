/* SPDX-License-Identifier: Apache-2.0 */
/* ArcSight's Common Event Format, version 0: a header and an extension of key=value pairs. What the
 * dictionary has a key for uses it; every other output field has a key of its own that begins with
 * "saker" (proc.aname[2] is sakerProcAname2). */

#include <inttypes.h>

#include <base/clock.h>
#include <base/macros.h>
#include <base/utf8.h>
#include <base/uuid.h>

#include "format.h"
#include "format_nest.h"

/* Of the dictionary; these fields have no key of their own besides. */
static const struct {
	const char *key, *field;
} keys[] = {
	{"act", "evt.type"},
	{"filePath", "fd.name"},
	{"fname", "fd.filename"},
	{"proto", "fd.l4proto"},
	{"spid", "proc.pid"},
	{"sproc", "proc.name"},
	{"spriv", "group.name"},
	{"suid", "user.uid"},
	{"suser", "user.name"},
};

/* 0 to 10, by priority, Emergency first. */
static const unsigned char severities[8] = {10, 9, 8, 7, 5, 4, 2, 1};

/* Text with the given characters behind a backslash; control characters, which would end a line or
 * a record, become blanks but for the line's end, which has a form of its own in an extension. */
static void add_escaped(struct span s, const char *special, bool is_header, struct strbuf *b)
{
	while (s.n) {
		uint32_t rune;
		size_t n = utf8_decode(s.p, s.n, &rune);

		if (rune == '\n' && !is_header)
			strbuf_add_str(b, "\\n");
		else if (rune == '\r' && !is_header)
			strbuf_add_str(b, "\\r");
		else if (rune < ' ' || rune == 0x7f)
			strbuf_add_char(b, ' ');
		else {
			if (rune < 0x80 && strchr(special, (int)rune))
				strbuf_add_char(b, '\\');
			utf8_add_valid(b, (struct span){s.p, n});
		}
		s.p += n;
		s.n -= n;
	}
}

static void add_header(struct span s, struct strbuf *b)
{
	add_escaped(s, "\\|", true, b);
	strbuf_add_char(b, '|');
}

static void add_pair(const char *key, struct span s, struct strbuf *b)
{
	strbuf_add_char(b, ' ');
	strbuf_add_str(b, key);
	strbuf_add_char(b, '=');
	add_escaped(s, "\\=", false, b);
}

/* A field's value; lists are joined by commas. */
static void add_field(const struct alert *a, const struct alert_field *f, struct strbuf *b)
{
	struct span s = rec_text(a, f->str);

	switch (f->type) {
	case ALERT_STR:
		add_escaped(s, "\\=", false, b);
		break;
	case ALERT_LIST:
		for (uint64_t i = 0; i < f->num && s.n; i++) {
			size_t n = strnlen(s.p, s.n);

			strbuf_add_str(b, i ? "," : "");
			add_escaped((struct span){s.p, n}, "\\=", false, b);
			n = MIN(n + 1, s.n);
			s = (struct span){s.p + n, s.n - n};
		}
		break;
	default: /* numbers and truth need no escape */
		format_add_value(a, f, b);
		break;
	}
}

static bool has_key(struct span field)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (span_eq_str(field, keys[i].field))
			return true;
	return false;
}

/* " sakerProcAname2=" of proc.aname[2]. */
static void add_own_key(struct span field, struct strbuf *b)
{
	bool upper = true;

	strbuf_add_str(b, " saker");
	for (size_t i = 0; i < field.n; i++) {
		char c = field.p[i];
		bool is_lower = c >= 'a' && c <= 'z', is_upper = c >= 'A' && c <= 'Z';

		if (!is_lower && !is_upper && !(c >= '0' && c <= '9')) {
			upper = true;
			continue;
		}
		strbuf_add_char(b, upper && is_lower ? (char)(c - 'a' + 'A') : c);
		upper = false;
	}
	strbuf_add_char(b, '=');
}

/* The dictionary has keys of its own for IPv6. */
static void add_ip(
	struct span ip, const char *key, const char *label6, const char *key6, struct strbuf *b)
{
	bool is_v6 = ip.n && memchr(ip.p, ':', ip.n);

	if (!ip.n)
		return;
	strbuf_add_str(b, is_v6 ? label6 : "");
	add_pair(is_v6 ? key6 : key, ip, b);
}

static void add_ends(const struct alert *a, struct strbuf *b)
{
	struct nest_ends e = nest_ends(a);

	add_ip(e.src_ip, "src", " c6a2Label=Source IPv6 Address", "c6a2", b);
	if (e.has_src_port)
		strbuf_addf(b, " spt=%" PRIu64, e.src_port);
	add_ip(e.dst_ip, "dst", " c6a3Label=Destination IPv6 Address", "c6a3", b);
	if (e.has_dst_port)
		strbuf_addf(b, " dpt=%" PRIu64, e.dst_port);
}

static void add_fields(const struct alert *a, struct strbuf *b)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct alert_field *f = nest_find(a, span_str(keys[i].field));

		if (!f)
			continue;
		strbuf_addf(b, " %s=", keys[i].key);
		add_field(a, f, b);
	}
	for (unsigned i = 0; i < a->n_fields; i++) {
		struct span key = rec_text(a, alert_fields(a)[i].key);
		const struct alert_field *f = has_key(key) ? NULL : nest_find(a, key);

		if (!f)
			continue;
		add_own_key(key, b);
		add_field(a, f, b);
	}
}

static void add_tags(const struct alert *a, struct strbuf *b)
{
	if (!a->n_tags)
		return;
	strbuf_add_str(b, " cs1Label=tags cs1=");
	for (unsigned i = 0; i < a->n_tags; i++) {
		strbuf_add_str(b, i ? "," : "");
		add_escaped(rec_text(a, alert_tags(a)[i]), "\\=", false, b);
	}
}

void format_cef_add(const struct output *o _unused_, const struct alert *a, struct strbuf *b)
{
	char id[UUID_TEXT_LEN + 1];

	uuid_format(a->id, id);
	strbuf_add_str(b, "CEF:0|saker|saker|" SAKER_VERSION "|");
	add_header(rec_text(a, a->rule_name), b); /* the event class: stable, as rules' names are */
	add_header(rec_text(a, a->rule_name), b);
	strbuf_addf(b, "%u|rt=%" PRIu64 " externalId=%s", severities[MIN(a->priority, 7U)],
		(uint64_t)(a->h.ts_ns / NS_PER_MS), id);
	add_pair("dvchost", rec_text(a, a->host), b);
	add_pair("cat", rec_text(a, a->source), b);
	add_tags(a, b);
	add_ends(a, b);
	add_fields(a, b);
	add_pair("msg", rec_text(a, a->message), b);
}
