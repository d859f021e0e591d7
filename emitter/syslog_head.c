/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of syslog messages. Texts of the alert are hostile: in structured data they are escaped as
 * RFC 5424 6.3.3 says, control characters become blanks; a host's name is printable ASCII. */

#include "syslog_head.h"

#include <stdio.h>
#include <time.h>

#include <base/clock.h>
#include <base/macros.h>
#include <base/utf8.h>
#include <base/uuid.h>
#include <shm/alert.h>

#define SD_ID "saker@32473" /* 32473: the number that IANA sets aside for examples */
#define HOST_MAX 255

static void add_host(const struct syslog_form *f, const struct alert *a, struct strbuf *b)
{
	struct span host = span_str(f->host);

	if (span_eq_str(host, "-") && a)
		host = rec_text(a, a->host);
	if (host.n == 0)
		host = span_str("-");
	for (size_t i = 0; i < MIN(host.n, (size_t)HOST_MAX); i++)
		strbuf_add_char(b, host.p[i] > 0x20 && host.p[i] < 0x7f ? host.p[i] : '_');
}

static void add_value(struct span s, struct strbuf *b)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\' || s.p[i] == ']')
			strbuf_add_char(b, '\\');
		strbuf_add_char(b, (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? ' ' : s.p[i]);
	}
}

static void add_structured_data(const struct alert *a, struct strbuf *b)
{
	char uuid[UUID_TEXT_LEN + 1];
	const struct rec_str *tags = alert_tags(a);

	uuid_format(a->id, uuid);
	strbuf_add_str(b, "[" SD_ID " rule=\"");
	add_value(rec_text(a, a->rule_name), b);
	strbuf_addf(b, "\" priority=\"%s\" tags=\"", alert_priority_str(a->priority));
	for (unsigned i = 0; i < a->n_tags; i++) {
		if (i)
			strbuf_add_char(b, ',');
		add_value(rec_text(a, tags[i]), b);
	}
	strbuf_addf(b, "\" uuid=\"%s\"]", uuid);
}

static void add_5424(const struct syslog_form *f, const struct sink_msg *m, struct strbuf *b)
{
	time_t sec = (time_t)(m->ts_ns / NS_PER_S);
	struct tm tm = {.tm_mday = 1};
	char when[40];

	(void)gmtime_r(&sec, &tm); /* on failure the first of January 1900 */
	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	strbuf_addf(b, "1 %s.%06uZ ", when, (unsigned)(m->ts_ns % NS_PER_S / NS_PER_US));
	add_host(f, m->alert, b);
	strbuf_addf(b, " %s %d alert ", f->app, f->pid);
	if (m->alert)
		add_structured_data(m->alert, b);
	else
		strbuf_add_char(b, '-');
	strbuf_add_char(b, ' ');
}

static void add_3164(const struct syslog_form *f, const struct sink_msg *m, struct strbuf *b)
{
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t sec = (time_t)(m->ts_ns / NS_PER_S);
	struct tm tm = {.tm_mday = 1};

	(void)localtime_r(&sec, &tm); /* on failure the first of January */
	strbuf_addf(b, "%s %2d %02d:%02d:%02d ", months[tm.tm_mon], tm.tm_mday, tm.tm_hour,
		tm.tm_min, tm.tm_sec);
	if (f->has_host) {
		add_host(f, m->alert, b);
		strbuf_add_char(b, ' ');
	}
	strbuf_addf(b, "%s[%d]: ", f->app, f->pid);
}

void syslog_head_add(const struct syslog_form *f, const struct sink_msg *m, struct strbuf *b)
{
	strbuf_addf(b, "<%u>", f->facility * 8 + m->priority);
	if (f->rfc == 5424)
		add_5424(f, m, b);
	else
		add_3164(f, m, b);
}
