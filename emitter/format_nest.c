/* SPDX-License-Identifier: Apache-2.0 */
/* Output fields as nested objects. The texts were chosen by whoever was watched: what another
 * schema types as an address, a port or a number is checked before it is called so. */

#include <arpa/inet.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <base/macros.h>
#include <base/utf8.h>

#include "format.h"
#include "format_nest.h"

static bool has_value(const struct alert *a, const struct alert_field *f)
{
	struct span s;

	if (f->type == ALERT_NULL)
		return false;
	if (f->type != ALERT_STR)
		return true;
	s = rec_text(a, f->str);
	return s.n && !span_eq(s, SPAN_LIT("<NA>"));
}

const struct alert_field *nest_find(const struct alert *a, struct span name)
{
	const struct alert_field *fields = alert_fields(a);
	unsigned lo = 0, hi = a->n_fields;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		struct span key = rec_text(a, fields[mid].key);
		int d = memcmp(key.p, name.p, MIN(key.n, name.n));

		if (d == 0 && key.n == name.n)
			return has_value(a, &fields[mid]) ? &fields[mid] : NULL;
		if (d < 0 || (d == 0 && key.n < name.n))
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* The first of "a|b|c" that has a value. */
static const struct alert_field *find_any(const struct alert *a, const char *names)
{
	const struct alert_field *f = NULL;

	while (!f && *names) {
		size_t n = strcspn(names, "|");

		f = nest_find(a, (struct span){names, n});
		names += n + (names[n] == '|');
	}
	return f;
}

static struct span text_of(const struct alert *a, const char *name)
{
	const struct alert_field *f = nest_find(a, span_str(name));

	return f && f->type == ALERT_STR ? rec_text(a, f->str) : (struct span){0};
}

static bool is_ip(struct span s)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char ip[16];

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return inet_pton(AF_INET, text, ip) == 1 || inet_pton(AF_INET6, text, ip) == 1;
}

static bool to_number(struct span s, uint64_t max, uint64_t *ret_v)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 19) /* no overflow in 19 digits */
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret_v = v;
	return v <= max;
}

/* "address:port". */
static bool split_end(struct span s, struct span *ret_ip, uint64_t *ret_port)
{
	size_t at = s.n;

	while (at && s.p[at - 1] != ':')
		at--;
	if (at < 2)
		return false;
	*ret_ip = (struct span){s.p, at - 1};
	return is_ip(*ret_ip) && to_number((struct span){s.p + at, s.n - at}, UINT16_MAX, ret_port);
}

/* "client:port->server:port", what fd.name is for a connection. */
static struct nest_ends split_tuple(struct span name)
{
	struct nest_ends e = {0};
	const char *arrow = name.n ? memmem(name.p, name.n, "->", 2) : NULL;
	struct span left, right;

	if (!arrow)
		return e;
	left = (struct span){name.p, (size_t)(arrow - name.p)};
	right = (struct span){arrow + 2, name.n - left.n - 2};
	if (!split_end(left, &e.src_ip, &e.src_port) || !split_end(right, &e.dst_ip, &e.dst_port))
		return (struct nest_ends){0};
	e.has_src_port = e.has_dst_port = true;
	return e;
}

static void take_ip(const struct alert *a, const char *name, struct span *ip)
{
	struct span s = text_of(a, name);

	if (is_ip(s))
		*ip = s;
}

static void take_port(const struct alert *a, const char *name, bool *has, uint64_t *port)
{
	const struct alert_field *f = nest_find(a, span_str(name));

	if (!f || (f->type != ALERT_I64 && f->type != ALERT_U64) || f->num > UINT16_MAX)
		return;
	*has = true;
	*port = f->num;
}

struct nest_ends nest_ends(const struct alert *a)
{
	struct nest_ends e = split_tuple(text_of(a, "fd.name"));

	take_ip(a, "fd.cip", &e.src_ip);
	take_ip(a, "fd.sip", &e.dst_ip);
	take_port(a, "fd.cport", &e.has_src_port, &e.src_port);
	take_port(a, "fd.sport", &e.has_dst_port, &e.dst_port);
	return e;
}

static void add_path(struct strbuf *b, struct span name)
{
	json_add_string(b, name);
	strbuf_add_char(b, ':');
}

static bool is_numeric(const struct alert *a, const struct alert_field *f)
{
	uint64_t v;

	return f->type == ALERT_I64 || f->type == ALERT_U64 ||
	       (f->type == ALERT_STR && to_number(rec_text(a, f->str), INT64_MAX, &v));
}

static struct span first_text(struct span list)
{
	return (struct span){list.p, list.n ? strnlen(list.p, list.n) : 0};
}

/* A value as text, without quotes. */
static void add_text(const struct alert *a, const struct alert_field *f, struct strbuf *b)
{
	switch (f->type) {
	case ALERT_STR:
		json_add_escaped(b, rec_text(a, f->str));
		break;
	case ALERT_I64:
		strbuf_add_i64(b, (int64_t)f->num);
		break;
	case ALERT_LIST: /* its first text */
		json_add_escaped(b, first_text(rec_text(a, f->str)));
		break;
	case ALERT_BOOL:
		strbuf_add_str(b, f->num ? "true" : "false");
		break;
	default:
		strbuf_add_u64(b, f->num);
		break;
	}
}

/* Without leading zeros, which are no JSON. */
static void add_number(const struct alert *a, const struct alert_field *f, struct strbuf *b)
{
	uint64_t v = f->num;

	if (f->type == ALERT_STR)
		(void)to_number(rec_text(a, f->str), INT64_MAX, &v); /* is_numeric() */
	if (f->type == ALERT_I64)
		strbuf_addf(b, "%" PRId64, (int64_t)v);
	else
		strbuf_addf(b, "%" PRIu64, v);
}

/* "/" of "/". */
static struct span basename_of(struct span path)
{
	size_t at = path.n;

	while (at > 1 && path.p[at - 1] != '/')
		at--;
	return at < path.n ? (struct span){path.p + at, path.n - at} : path;
}

static bool has_end(const struct nest_ends *e, enum nest_as as)
{
	switch (as) {
	case NEST_SRC_IP:
		return e->src_ip.n;
	case NEST_DST_IP:
		return e->dst_ip.n;
	case NEST_SRC_PORT:
		return e->has_src_port;
	default:
		return e->has_dst_port;
	}
}

/* Has the row something to say of this alert? */
static bool find_row(const struct alert *a, const struct nest_ends *e, const struct nest_row *row,
	const struct alert_field **ret_f)
{
	struct span text;

	*ret_f = NULL;
	if (!row->fields)
		return has_end(e, row->as);
	*ret_f = find_any(a, row->fields);
	if (!*ret_f)
		return false;
	if (row->as == NEST_NUMBER)
		return is_numeric(a, *ret_f);
	if (row->as != NEST_PATH && row->as != NEST_BASENAME && row->as != NEST_IF_PATH)
		return true;
	text = (*ret_f)->type == ALERT_STR ? rec_text(a, (*ret_f)->str) : (struct span){0};
	return text.n && text.p[0] == '/';
}

static void add_value(const struct alert *a, const struct nest_ends *e, const struct nest_row *row,
	const struct alert_field *f, struct strbuf *b)
{
	switch (row->as) {
	case NEST_VALUE:
	case NEST_PATH:
		format_add_value(a, f, b);
		break;
	case NEST_TEXT:
		strbuf_add_char(b, '"');
		add_text(a, f, b);
		strbuf_add_char(b, '"');
		break;
	case NEST_TEXTS:
		strbuf_add_str(b, "[\"");
		add_text(a, f, b);
		strbuf_add_str(b, "\"]");
		break;
	case NEST_NUMBER:
		add_number(a, f, b);
		break;
	case NEST_BASENAME:
		json_add_string(b, basename_of(rec_text(a, f->str)));
		break;
	case NEST_IF_PATH:
	case NEST_CONSTANT:
		strbuf_add_str(b, row->constant);
		break;
	case NEST_SRC_IP:
		json_add_string(b, e->src_ip);
		break;
	case NEST_DST_IP:
		json_add_string(b, e->dst_ip);
		break;
	case NEST_SRC_PORT:
		strbuf_addf(b, "%" PRIu64, e->src_port);
		break;
	case NEST_DST_PORT:
		strbuf_addf(b, "%" PRIu64, e->dst_port);
		break;
	}
}

/* The names of a path. */
static unsigned split_path(const char *path, struct span *ret_names)
{
	unsigned n = 0;

	for (;;) {
		size_t len = strcspn(path, ".");

		assert(n < NEST_DEPTH_MAX);
		ret_names[n++] = (struct span){path, len};
		if (!path[len])
			return n;
		path += len + 1;
	}
}

/* Objects that are open now. */
struct nest {
	struct span open[NEST_DEPTH_MAX];
	unsigned depth;
};

static void close_to(struct nest *n, unsigned depth, struct strbuf *b)
{
	for (; n->depth > depth; n->depth--)
		strbuf_add_char(b, '}');
}

/* Opens what the path has and is not open yet; the comma goes before whatever is not the first. */
static void open_path(struct nest *n, const struct span *names, unsigned n_names, struct strbuf *b)
{
	unsigned same = 0;

	while (same < n->depth && same + 1 < n_names && span_eq(n->open[same], names[same]))
		same++;
	close_to(n, same, b);
	strbuf_add_char(b, ',');
	while (n->depth + 1 < n_names) {
		n->open[n->depth] = names[n->depth];
		add_path(b, names[n->depth]);
		strbuf_add_char(b, '{');
		n->depth++;
	}
	add_path(b, names[n_names - 1]);
}

static bool is_on_host(const struct alert *a)
{
	return span_eq(text_of(a, "container.id"), SPAN_LIT("host"));
}

void nest_add(const struct alert *a, const struct nest_row *rows, size_t n_rows, struct strbuf *b)
{
	struct nest_ends ends = nest_ends(a);
	bool on_host = is_on_host(a);
	struct nest n = {0};

	for (size_t i = 0; i < n_rows; i++) {
		struct span names[NEST_DEPTH_MAX];
		unsigned n_names;
		const struct alert_field *f;

		if (on_host && rows[i].fields && !strncmp(rows[i].fields, "container.", 10))
			continue;
		if (!find_row(a, &ends, &rows[i], &f))
			continue;
		n_names = split_path(rows[i].path, names);
		open_path(&n, names, n_names, b);
		add_value(a, &ends, &rows[i], f, b);
	}
	close_to(&n, 0, b);
}

void nest_add_fields(const struct alert *a, struct strbuf *b)
{
	strbuf_add_char(b, '{');
	for (unsigned i = 0; i < a->n_fields; i++) {
		const struct alert_field *f = &alert_fields(a)[i];

		if (i)
			strbuf_add_char(b, ',');
		add_path(b, rec_text(a, f->key));
		format_add_value(a, f, b);
	}
	strbuf_add_char(b, '}');
}

void nest_add_tags(const struct alert *a, struct strbuf *b)
{
	strbuf_add_char(b, '[');
	for (unsigned i = 0; i < a->n_tags; i++) {
		if (i)
			strbuf_add_char(b, ',');
		json_add_string(b, rec_text(a, alert_tags(a)[i]));
	}
	strbuf_add_char(b, ']');
}

bool nest_is_technique(struct span tag)
{
	static const char forms[2][10] = {"Tdddd", "Tdddd.ddd"};

	for (size_t k = 0; k < ARRAY_LEN(forms); k++) {
		size_t i = 0;

		if (tag.n != strlen(forms[k]))
			continue;
		while (i < tag.n && (forms[k][i] == 'd' ? tag.p[i] >= '0' && tag.p[i] <= '9'
							: tag.p[i] == forms[k][i]))
			i++;
		if (i == tag.n)
			return true;
	}
	return false;
}

bool nest_is_tactic(struct span tag, struct span *ret_name)
{
	static const struct span prefix = {"mitre_", 6};

	if (!span_starts_with(tag, prefix) || tag.n == prefix.n)
		return false;
	*ret_name = (struct span){tag.p + prefix.n, tag.n - prefix.n};
	return true;
}

unsigned nest_n_techniques(const struct alert *a)
{
	unsigned n = 0;

	for (unsigned i = 0; i < a->n_tags; i++)
		n += nest_is_technique(rec_text(a, alert_tags(a)[i]));
	return n;
}
