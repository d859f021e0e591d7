/* SPDX-License-Identifier: Apache-2.0 */
/* A message's key. The template is the user's; values are hostile bytes and go into the key as they
 * are: a key is bytes. */

#include "kafka_key.h"

#include <stdbool.h>
#include <string.h>

#include <base/macros.h>

static const struct alert_field *find_field(const struct alert *a, struct span name)
{
	const struct alert_field *f = alert_fields(a);

	for (unsigned i = 0; i < a->n_fields; i++)
		if (span_eq(rec_text(a, f[i].key), name))
			return &f[i];
	return NULL;
}

static void add_list(struct span s, uint64_t n, struct strbuf *b)
{
	for (uint64_t i = 0; i < n && s.n; i++) {
		size_t len = strnlen(s.p, s.n);

		if (i)
			strbuf_add_char(b, ',');
		strbuf_add(b, s.p, len);
		len += len < s.n; /* its NUL */
		s.p += len;
		s.n -= len;
	}
}

static void add_field(const struct alert *a, struct span name, struct strbuf *b)
{
	const struct alert_field *f = find_field(a, name);
	double d;

	if (!f)
		return;
	switch (f->type) {
	case ALERT_STR:
		strbuf_add_span(b, rec_text(a, f->str));
		break;
	case ALERT_I64:
		strbuf_addf(b, "%lld", (long long)f->num);
		break;
	case ALERT_U64:
		strbuf_addf(b, "%llu", (unsigned long long)f->num);
		break;
	case ALERT_BOOL:
		strbuf_add_str(b, f->num ? "true" : "false");
		break;
	case ALERT_DOUBLE:
		memcpy(&d, &f->num, sizeof(d));
		strbuf_addf(b, "%.17g", d);
		break;
	case ALERT_LIST:
		add_list(rec_text(a, f->str), f->num, b);
		break;
	default:
		break;
	}
}

static void add_named(const struct alert *a, struct span name, struct strbuf *b)
{
	if (span_eq_str(name, "host"))
		strbuf_add_span(b, rec_text(a, a->host));
	else if (span_eq_str(name, "rule"))
		strbuf_add_span(b, rec_text(a, a->rule_name));
	else if (span_eq_str(name, "priority"))
		strbuf_add_str(b, alert_priority_str(a->priority));
	else
		add_field(a, name, b);
}

/* How long is the name that begins at p? Names are lower-case words joined by '.' and '_', with an
 * index in brackets perhaps. */
static size_t name_length(const char *p)
{
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_.");

	while (n && p[n - 1] == '.') /* the end of a sentence, not of a name */
		n--;
	if (n && p[n] == '[') {
		size_t inner = strcspn(p + n, "]");

		if (p[n + inner] == ']')
			n += inner + 1;
	}
	return n;
}

void kafka_key_add(const char *template, const struct alert *a, struct strbuf *b)
{
	for (const char *p = template; *p;) {
		size_t n = *p == '%' ? name_length(p + 1) : 0;

		if (n == 0) {
			strbuf_add_char(b, *p);
			p += 1 + (p[0] == '%' && p[1] == '%'); /* %% is one */
			continue;
		}
		add_named(a, (struct span){p + 1, n}, b);
		p += n + 1;
	}
}
