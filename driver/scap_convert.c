/* SPDX-License-Identifier: Apache-2.0 */
/* Events of older capture files. A system call was once two events; today its exit has all. So the
 * enter event is remembered for its thread, and the exit takes from it what it lacks. Which event
 * lacks what is data: scap_convert.def. Input: events of a file, lengths checked, values not. Must
 * not allocate after scap_convert_init(). */

#include "scap_convert.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>

#define PROBES 16
#define STEPS_MAX 32 /* the longest chain of today's table has 9 */
#define RULE_PARAMS 24

/* Names of both vocabularies as numbers: the macro of a row does not know which it has. */
enum scap_code {
#define OLD(code, NAME) SCAP_CODE_##NAME = (code),
#include "scap_convert.def"
#define EV(code, NAME, str, dir, cat, kind, flags, n) SCAP_CODE_##NAME = (code),
#define EVP(NAME, i, str, type, base, ft)
#include <abi/events.def>
};

enum act { ACT_STORE, ACT_STORE_PASS, ACT_ADD, ACT_CHANGE };

/* A parameter of a rule: kind in the high bits, index in the low ones. */
enum { P_NONE = 0, P_OLD = 0x20, P_ENT = 0x40, P_OPT = 0x60, P_ABSENT = 0x80, P_ZERO = 0xa0 };
#define P_KIND 0xe0
#define P_INDEX 0x1f

struct rule {
	uint16_t from, to;
	uint8_t n, act;
	uint8_t params[RULE_PARAMS];
};

static const struct rule rules[] = {
#define OLD_(i) (P_OLD | (i))
#define ENT(i) (P_ENT | (i))
#define OPT(i) (P_OPT | (i))
#define ABSENT P_ABSENT
#define ZERO P_ZERO
#define NOTHING P_NONE
#define STORE(NAME, n_) {.from = SCAP_CODE_##NAME, .n = (n_), .act = ACT_STORE},
#define STORE_PASS(NAME, n_) {.from = SCAP_CODE_##NAME, .n = (n_), .act = ACT_STORE_PASS},
#define ADD(NAME, n_, ...)                                                                         \
	{.from = SCAP_CODE_##NAME, .n = (n_), .act = ACT_ADD, .params = {__VA_ARGS__}},
#define CHANGE(NAME, n_, NEW, ...)                                                                 \
	{.from = SCAP_CODE_##NAME,                                                                 \
		.n = (n_),                                                                         \
		.act = ACT_CHANGE,                                                                 \
		.to = SCAP_CODE_##NEW,                                                             \
		.params = {__VA_ARGS__}},
#include "scap_convert.def"
};
static_assert(ARRAY_LEN(rules) < SCAP_CODES, "room in the lists");

int scap_convert_init(struct scap_convert *c)
{
	*c = (struct scap_convert){0};
	c->enters = calloc(SCAP_ENTERS, sizeof(*c->enters));
	if (!c->enters)
		return -ENOMEM;
	for (unsigned i = 0; i < _KEV_IX_MAX; i++) {
		const struct kev_info *info = kev_info_get((uint16_t)i);

		if (info->code < SCAP_CODES) {
			c->is_known[info->code] = true;
			c->most[info->code] = info->n_params;
		}
	}
	for (unsigned i = 0; i < ARRAY_LEN(rules); i++) {
		uint16_t from = rules[i].from;

		c->next[i] = c->first[from];
		c->first[from] = (uint16_t)(i + 1);
		c->most[from] = MAX(c->most[from], rules[i].n);
	}
	c->most[SCAP_CODE_CONTAINER_E] = 4;
	return 0;
}

void scap_convert_done(struct scap_convert *c)
{
	free(c->enters);
	c->enters = NULL;
}

unsigned scap_convert_most(const struct scap_convert *c, uint16_t type)
{
	return type < SCAP_CODES ? c->most[type] : 0;
}

static const struct rule *rule_find(const struct scap_convert *c, uint16_t type, unsigned n)
{
	for (unsigned i = c->first[type]; i; i = c->next[i - 1])
		if (rules[i - 1].n == n)
			return &rules[i - 1];
	return NULL;
}

/* --- enter events --- */

/* Among the places of thread @tid the one that @holder has; holder 0: a free one. */
static struct scap_enter *enter_place(struct scap_convert *c, uint64_t tid, uint64_t holder)
{
	size_t at = hash_u64(tid);

	for (unsigned i = 0; i < PROBES; i++) {
		struct scap_enter *e = &c->enters[(at + i) % SCAP_ENTERS];

		if (e->tid == holder)
			return e;
	}
	return NULL;
}

static struct scap_enter *enter_find(struct scap_convert *c, uint64_t tid)
{
	return enter_place(c, tid, tid);
}

static void enter_store(struct scap_convert *c, const struct scap_event *e)
{
	struct scap_enter *s = enter_find(c, e->tid);
	size_t n = 0;

	if (!s)
		s = enter_place(c, e->tid, 0);
	if (!s) { /* somebody's last call never ended */
		s = &c->enters[hash_u64(e->tid) % SCAP_ENTERS];
		c->n_forgotten++;
	}
	s->tid = 0;
	if (e->n > SCAP_ENTER_PARAMS)
		return;
	for (unsigned i = 0; i < e->n; i++) {
		if (e->p[i].n > sizeof(s->data) - n) {
			c->n_forgotten++;
			return;
		}
		if (e->p[i].n)
			memcpy(s->data + n, e->p[i].p, e->p[i].n);
		s->len[i] = (uint16_t)e->p[i].n;
		n += e->p[i].n;
	}
	s->tid = e->tid;
	s->type = e->type;
	s->n = (uint16_t)e->n;
}

static bool enter_param(const struct scap_enter *s, unsigned i, struct span *ret)
{
	size_t off = 0;

	if (!s || i >= s->n)
		return false;
	for (unsigned k = 0; k < i; k++)
		off += s->len[k];
	*ret = (struct span){.p = s->len[i] ? (const char *)s->data + off : NULL, .n = s->len[i]};
	return true;
}

/* --- rules --- */

static struct span zero_of(uint16_t type, unsigned i)
{
	static const char zeros[16];
	const struct kev_info *info = kev_info_find(type);
	unsigned width = info && i < info->n_params
				 ? kev_type_width((enum kev_type)info->params[i].type)
				 : 0;

	return (struct span){.p = width ? zeros : NULL, .n = width};
}

static struct span make(
	const struct scap_event *e, const struct scap_enter *s, uint8_t p, uint16_t to, unsigned i)
{
	unsigned index = p & P_INDEX;
	struct span v = {0};

	switch (p & P_KIND) {
	case P_OLD:
		return index < e->n ? e->p[index] : v;
	case P_ENT:
		return enter_param(s, index, &v) ? v : zero_of(to, i);
	case P_OPT:
		(void)enter_param(s, index, &v);
		return v;
	case P_ZERO:
		return zero_of(to, i);
	default:
		return v;
	}
}

static void apply(struct scap_convert *c, struct scap_event *e, const struct rule *r)
{
	struct scap_enter *s = enter_find(c, e->tid);
	struct span p[SCAP_PARAMS_MAX];
	unsigned n = 0;

	if (s && (!e->tid || s->type != (e->type & ~1u)))
		s = NULL;
	if (r->act == ACT_ADD)
		for (; n < e->n; n++)
			p[n] = e->p[n];
	uint16_t to = r->act == ACT_ADD ? e->type : r->to;
	for (unsigned i = 0; i < RULE_PARAMS && r->params[i] && n < SCAP_PARAMS_MAX; i++, n++)
		p[n] = make(e, s, r->params[i], to, n);
	memcpy(e->p, p, n * sizeof(p[0]));
	e->n = n;
	e->type = to;
	e->is_converted = true;
}

/* Text as the inside of a JSON string. */
static size_t json_put(char *to, size_t cap, size_t at, struct span s)
{
	while (s.n && s.p[s.n - 1] == 0)
		s.n--;
	for (size_t i = 0; i < s.n && at + 8 < cap; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		if (ch == '"' || ch == '\\')
			to[at++] = '\\';
		if (ch < 0x20)
			at += (size_t)snprintf(to + at, cap - at, "\\u%04x", ch);
		else
			to[at++] = (char)ch;
	}
	return at;
}

/* The first event that told of containers had four parameters: id, type, name, image. */
static void from_container(struct scap_convert *c, struct scap_event *e)
{
	static const char *const keys[] = {
		"{\"container\":{\"id\":\"", "\",\"type\":", ",\"name\":\"", "\",\"image\":\""};
	size_t cap = sizeof(c->json) - 8, at = 0;

	for (unsigned i = 0; i < 4; i++) {
		uint32_t type = 0;

		at += (size_t)snprintf(c->json + at, cap - at, "%s", keys[i]);
		if (i == 1) {
			memcpy(&type, e->p[i].p ? e->p[i].p : "\0\0\0",
				MIN(e->p[i].n, sizeof(type)));
			at += (size_t)snprintf(c->json + at, cap - at, "%u", type);
		} else {
			at = json_put(c->json, (cap / 4) * (i + 1), at, e->p[i]);
		}
	}
	memcpy(c->json + at, "\"}}", 4);
	e->type = KEV_CODE_CONTAINER_JSON_2_E;
	e->p[0] = (struct span){.p = c->json, .n = at + 4};
	e->n = 1;
	e->is_converted = true;
}

/* The call is over. What the event took from its enter event stays readable until the next call. */
static void enter_drop(struct scap_convert *c, const struct scap_event *e)
{
	struct scap_enter *s =
		e->type & 1 && e->is_converted && e->tid ? enter_find(c, e->tid) : NULL;

	if (s)
		s->tid = 0;
}

bool scap_convert(struct scap_convert *c, struct scap_event *e)
{
	if (e->type >= SCAP_CODES)
		return false;
	if (e->type == SCAP_CODE_CONTAINER_E && e->n == 4)
		from_container(c, e);
	for (unsigned step = 0; step < STEPS_MAX; step++) {
		const struct rule *r = rule_find(c, e->type, e->n);

		if (!r)
			break;
		if (r->act == ACT_STORE || r->act == ACT_STORE_PASS) {
			enter_store(c, e);
			if (r->act == ACT_STORE)
				return false;
			break;
		}
		apply(c, e, r);
	}
	enter_drop(c, e);
	return c->is_known[e->type];
}
