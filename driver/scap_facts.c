/* SPDX-License-Identifier: Apache-2.0 */
/* Containers and names as events of the format. The texts are those of a user's file, a runtime or a
 * name server: they are escaped, and what is no UTF-8 in them replaced, so that every reader of JSON
 * takes them. */
#include <driver/scap_facts.h>

#include <arpa/inet.h>

#include <errno.h>
#include <string.h>

#include <base/macros.h>
#include <base/utf8.h>
#include <shm/crec.h>

/* With it an event, and the record that its reader makes of it, are far from the largest one. */
#define JSON_ROWS_MOST 20000
#define JSON_MOST 32000

enum kind { K_TEXT, K_FLAG, K_MOUNTS, K_LABELS };

static const struct fact {
	const char *key;
	enum kind kind;
	unsigned what;
} facts[] = {
#define CREC_FACT(key, event_key, KIND, WHAT) {event_key, K_##KIND, WHAT},
#include <shm/crec_facts.def>
};

static const char *const mount_keys[CREC_MOUNT_PARTS] = {
#define CREC_MOUNT_KEY(key, event_key) event_key,
#include <shm/crec_facts.def>
};
#define MOUNT_RW 3

static void add_key(struct strbuf *b, const char *key)
{
	if (b->n && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[')
		strbuf_add_char(b, ',');
	json_add_string(b, span_str(key));
	strbuf_add_char(b, ':');
}

/* The next string of a row. false: no more. */
static bool next_string(struct span *row, struct span *ret_s)
{
	size_t n;

	if (row->n == 0)
		return false;
	n = strnlen(row->p, row->n);
	*ret_s = (struct span){.p = row->p, .n = n};
	n = MIN(n + 1, row->n);
	*row = (struct span){.p = row->p + n, .n = row->n - n};
	return true;
}

/* What was added since @from is too much: left out as a whole. */
static bool keep(struct strbuf *b, size_t from)
{
	if (b->n <= JSON_ROWS_MOST || !strbuf_ok(b))
		return true;
	b->n = from;
	b->p[from] = '\0';
	return false;
}

static void add_labels(struct strbuf *b, struct span row)
{
	struct span key, value;

	strbuf_add_char(b, '{');
	while (next_string(&row, &key) && next_string(&row, &value)) {
		size_t from = b->n;

		if (b->p && b->p[b->n - 1] != '{')
			strbuf_add_char(b, ',');
		json_add_string(b, key);
		strbuf_add_char(b, ':');
		json_add_string(b, value);
		(void)keep(b, from); /* a smaller one may still fit */
	}
	strbuf_add_char(b, '}');
}

static void add_mounts(struct strbuf *b, struct span row)
{
	struct span part;

	strbuf_add_char(b, '[');
	while (row.n) {
		size_t from = b->n;

		if (b->p && b->p[b->n - 1] != '[')
			strbuf_add_char(b, ',');
		strbuf_add_char(b, '{');
		for (unsigned i = 0; i < CREC_MOUNT_PARTS && next_string(&row, &part); i++) {
			add_key(b, mount_keys[i]);
			if (i == MOUNT_RW)
				strbuf_add_str(b, span_eq_str(part, "true") ? "true" : "false");
			else
				json_add_string(b, part);
		}
		strbuf_add_char(b, '}');
		(void)keep(b, from);
	}
	strbuf_add_char(b, ']');
}

static void add_fact(struct strbuf *b, const struct fact *f, const struct kev *k)
{
	unsigned i = (unsigned)kev_param_find(k->info, "name") + f->what;

	if (f->kind == K_FLAG) {
		add_key(b, f->key);
		strbuf_add_str(b, kev_param_u64(k, 1) & f->what ? "true" : "false");
		return;
	}
	if (!kev_param_present(k, i))
		return;
	add_key(b, f->key);
	if (f->kind == K_TEXT)
		json_add_string(b, kev_param_text(k, i));
	else if (f->kind == K_LABELS)
		add_labels(b, k->param[i]);
	else
		add_mounts(b, k->param[i]);
}

static void container_json(const struct kev *k, struct strbuf *b)
{
	struct span id = kev_param_text(k, 0),
		    shown = {.p = id.p, .n = MIN(id.n, (size_t)CREC_SHORT_ID)};

	strbuf_add_str(b, "{\"container\":{");
	add_key(b, "id");
	json_add_string(b, shown);
	add_key(b, "full_id");
	json_add_string(b, id);
	for (size_t i = 0; i < ARRAY_LEN(facts); i++)
		if (!(kev_param_u64(k, 1) & CREC_GONE) ||
			(facts[i].kind == K_TEXT && facts[i].what == CREC_TYPE))
			add_fact(b, &facts[i], k);
	strbuf_add_str(b, "}}");
}

static void add_addresses(struct strbuf *b, int family, struct span ips)
{
	size_t n = family == AF_INET ? 4 : 16;
	char text[INET6_ADDRSTRLEN];

	for (size_t at = 0; at + n <= ips.n; at += n) {
		if (!inet_ntop(family, ips.p + at, text, sizeof(text)))
			continue;
		if (b->p && b->p[b->n - 1] != '[')
			strbuf_add_char(b, ',');
		json_add_string(b, span_str(text));
	}
}

static void name_json(const struct kev *k, struct strbuf *b)
{
	strbuf_add_char(b, '{');
	add_key(b, "name");
	json_add_string(b, kev_param_text(k, 0));
	add_key(b, "addresses");
	strbuf_add_char(b, '[');
	add_addresses(b, AF_INET, k->param[1]);
	add_addresses(b, AF_INET6, k->param[2]);
	strbuf_add_str(b, "]}");
}

int scap_fact_event(const struct kev *fact, struct strbuf *text, void *buf)
{
	bool is_name = fact->head->type == KEV_CODE_SAKER_NAME;
	struct kev_builder b;

	if (!is_name && fact->head->type != KEV_CODE_SAKER_CONTAINER)
		return 0;
	if (!is_name && kev_param_u64(fact, 1) & CREC_UNKNOWN)
		return 0; /* it tells nothing */
	strbuf_reset(text);
	if (is_name)
		name_json(fact, text);
	else
		container_json(fact, text);
	if (!strbuf_ok(text))
		return -ENOMEM;
	if (text->n > JSON_MOST)
		return -EMSGSIZE;
	kev_build_start(&b, buf, KEV_SIZE_MAX, KEV_CODE_ASYNCEVENT_E, 0);
	kev_build_head(&b)->flags = KEV_F_NO_TASK;
	kev_build_int(&b, 0); /* of no plugin's source, but of the system's */
	kev_build_text(&b, span_str(is_name                              ? SCAP_NAME_EVENT
				    : kev_param_u64(fact, 1) & CREC_GONE ? SCAP_REMOVED_EVENT
									 : SCAP_CONTAINER_EVENT));
	kev_build_raw(&b, text->p, text->n + 1);
	return kev_build_finish(&b);
}
