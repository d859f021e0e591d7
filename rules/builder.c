/* SPDX-License-Identifier: Apache-2.0 */
/* Writes policy images: string pool, expressions, predicates, constants and sets, each equal thing
 * once. Input is checked conditions; the output goes through img_verify() at every reader all the
 * same. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <abi/events.h>
#include <base/hash.h>

#include "builder.h"

/* Room for n elements; the first, zeroed. */
static void *add_n(struct builder *b, enum img_section_id s, uint32_t n)
{
	struct table *t = &b->sec[s];
	uint32_t cap = t->cap ? t->cap : 64;
	void *p;

	if (b->failed || n > IMG_SIZE_MAX / t->size || t->n > IMG_SIZE_MAX / t->size - n) {
		b->failed = true;
		return NULL;
	}
	while (cap - t->n < n || cap < t->n)
		cap *= 2;
	if (cap != t->cap) {
		uint8_t *bigger = cx_alloc(b->cx, (size_t)cap * t->size);

		if (!bigger) {
			b->failed = true;
			return NULL;
		}
		if (t->n)
			memcpy(bigger, t->p, (size_t)t->n * t->size);
		t->p = bigger;
		t->cap = cap;
	}
	p = t->p + (size_t)t->n * t->size;
	t->n += n;
	return p;
}

void *builder_add(struct builder *b, enum img_section_id s)
{
	return add_n(b, s, 1);
}

void builder_init(struct builder *b, struct cx *cx)
{
	*b = (struct builder){.cx = cx};
	for (int s = 0; s < _IMG_SEC_MAX; s++)
		b->sec[s].size = img_element_size[s];
	(void)builder_str(
		b, "", 0); /* offset 0 is the empty text; a failure is kept in b->failed */
}

struct img_str builder_str(struct builder *b, const char *p, size_t n)
{
	uint32_t at = map_get(&b->strs, p ? p : "", n);
	char *to, *key;

	if (at != MAP_NONE)
		return (struct img_str){.off = at, .n = (uint32_t)n};
	at = b->sec[IMG_SEC_STR].n;
	to = add_n(b, IMG_SEC_STR, (uint32_t)n + 1);
	key = cx_strndup(b->cx, p, n); /* the pool moves when it grows */
	if (!to || !key || map_put(b->cx, &b->strs, key, n, at) < 0) {
		b->failed = true;
		return (struct img_str){0};
	}
	if (n)
		memcpy(to, p, n);
	to[n] = '\0';
	return (struct img_str){.off = at, .n = (uint32_t)n};
}

static struct img_const make_const(struct builder *b, const struct tconst *c)
{
	struct img_const k = {.type = c->type,
		.family = c->family,
		.prefix = c->prefix,
		.num = c->num,
		.str = builder_str(b, c->str, c->n)};

	memcpy(k.ip, c->ip, sizeof(k.ip));
	return k;
}

/* Store the element once, by its bytes. */
static uint32_t intern(struct builder *b, struct map *m, enum img_section_id s, const void *el,
	const void *key, size_t key_n)
{
	uint32_t at = map_get(m, key, key_n);
	void *copy, *to;

	if (at != MAP_NONE)
		return at;
	at = b->sec[s].n;
	copy = cx_alloc(b->cx, key_n);
	to = copy ? builder_add(b, s) : NULL;
	if (!to) {
		b->failed = true;
		return IMG_NONE;
	}
	memcpy(copy, key, key_n);
	memcpy(to, el, b->sec[s].size);
	if (map_put(b->cx, m, copy, key_n, at) < 0)
		b->failed = true;
	return at;
}

static uint32_t emit_const(struct builder *b, const struct tconst *c)
{
	struct img_const k = make_const(b, c);

	return intern(b, &b->consts, IMG_SEC_CONST, &k, &k, sizeof(k));
}

/* What the tracker must keep for a field. */
static uint64_t needs_of_param(const char *name)
{
	uint64_t needs = !strcmp(name, "data") ? IMG_NEED_IO_DATA : 0;

	for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++) {
		const struct kev_info *info = kev_info_get(ix);
		int i = kev_param_find(info, name);

		if (i < 0)
			continue;
		switch (info->params[i].type) {
		case KEV_T_FD:
		case KEV_T_FD32:
		case KEV_T_FDLIST:
		case KEV_T_PID:
		case KEV_T_PID32:
		case KEV_T_RELPATH:
			needs |= IMG_NEED_PARAM_FDS;
			break;
		default:
			break;
		}
	}
	return needs;
}

static uint64_t needs_of_field(const struct tval *t)
{
	const char *name = field_info_get((enum field_id)t->field)->name;

	switch ((enum field_id)t->field) {
	case FIELD_ID_EVT_ARG:
	case FIELD_ID_EVT_RAWARG:
		return t->arg_kind == IMG_ARG_KEY ? needs_of_param(t->key)
						  : IMG_NEED_PARAM_FDS | IMG_NEED_IO_DATA;
	case FIELD_ID_EVT_ARGS:
	case FIELD_ID_EVT_INFO:
		return IMG_NEED_PARAM_FDS | IMG_NEED_IO_DATA;
	case FIELD_ID_EVT_BUFFER:
		return IMG_NEED_IO_DATA;
	case FIELD_ID_EVT_ABSPATH:
		return IMG_NEED_PARAM_FDS;
	case FIELD_ID_FD_TYPES:
		return IMG_NEED_FDTYPES;
	case FIELD_ID_PROC_FDOPENCOUNT:
	case FIELD_ID_PROC_FDUSAGE:
		return IMG_NEED_FDCOUNT;
	case FIELD_ID_PROC_VMSIZE:
	case FIELD_ID_PROC_VMRSS:
	case FIELD_ID_PROC_VMSWAP:
	case FIELD_ID_THREAD_VMSIZE:
	case FIELD_ID_THREAD_VMRSS:
	case FIELD_ID_THREAD_VMSIZE_B:
	case FIELD_ID_THREAD_VMRSS_B:
	case FIELD_ID_THREAD_PFMAJOR:
	case FIELD_ID_THREAD_PFMINOR:
		return IMG_NEED_VM;
	case FIELD_ID_PROC_ENV:
	case FIELD_ID_PROC_AENV:
		return IMG_NEED_ENV;
	case FIELD_ID_FD_CIP_NAME:
	case FIELD_ID_FD_SIP_NAME:
	case FIELD_ID_FD_LIP_NAME:
	case FIELD_ID_FD_RIP_NAME:
		return IMG_NEED_NAMES;
	default:
		break;
	}
	if (!strncmp(name, "proc.std", 8))
		return IMG_NEED_STDIO;
	if (!strncmp(name, "evt.deltatime", 13))
		return IMG_NEED_DELTA;
	if (!strncmp(name, "evt.reltime", 11))
		return IMG_NEED_RELTIME;
	if (!strncmp(name, "fs.path.", 8) || !strncmp(name, "evt.count.error.", 16) ||
		!strncmp(name, "fdlist.", 7))
		return IMG_NEED_PARAM_FDS;
	return 0;
}

static uint32_t store_expr(struct builder *b, struct img_expr *e, const uint32_t *args, uint32_t n)
{
	size_t key_n = sizeof(struct img_expr) + n * sizeof(*args);
	uint8_t *key = cx_alloc(b->cx, key_n);
	uint32_t at, *to;

	if (!key) {
		b->failed = true;
		return IMG_NONE;
	}
	memcpy(key, e, sizeof(*e));
	if (n)
		memcpy(key + sizeof(*e), args, n * sizeof(*args));
	at = map_get(&b->exprs, key, key_n);
	if (at != MAP_NONE)
		return at;
	if (n) {
		e->args_first = b->sec[IMG_SEC_ARG].n;
		to = add_n(b, IMG_SEC_ARG, n);
		if (!to)
			return IMG_NONE;
		memcpy(to, args, n * sizeof(*args));
	}
	return intern(b, &b->exprs, IMG_SEC_EXPR, e, key, key_n);
}

uint32_t builder_expr(struct builder *b, const struct tval *t)
{
	struct img_expr e = {.kind = t->kind,
		.type = t->type,
		.arg_kind = t->arg_kind,
		.field = t->field,
		.n_args = (uint16_t)t->n_args,
		.index = t->index};
	uint32_t *args = cx_alloc(b->cx, (t->n_args + 1) * sizeof(*args));

	if (!args) {
		b->failed = true;
		return IMG_NONE;
	}
	e.key = builder_str(b, t->key, t->key_n);
	e.text = builder_str(b, t->text, strlen(t->text));
	if (t->kind == IMG_E_CONST)
		e.args_first = emit_const(b, t->konst);
	if (t->is_field)
		b->needs |= needs_of_field(t);
	for (uint32_t i = 0; i < t->n_args; i++) {
		args[i] = builder_expr(
			b, t->args[i]); /* as deep as functions nest: AST_FUNC_DEPTH_MAX */
		if (args[i] == IMG_NONE)
			return IMG_NONE;
	}
	return store_expr(b, &e, args, t->n_args);
}

static int compare_consts(const void *a, const void *b)
{
	const struct tconst *x = a, *y = b;
	int r = memcmp(x->str, y->str, MIN(x->n, y->n));

	if (r)
		return r;
	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	if (x->num != y->num)
		return x->num < y->num ? -1 : 1;
	if (x->family != y->family)
		return x->family - y->family;
	r = memcmp(x->ip, y->ip, sizeof(x->ip));
	return r ? r : x->prefix - y->prefix;
}

/* "/a/b" without doubled slashes, "/" for everything. */
static void canonical_path(struct builder *b, struct tconst *c)
{
	char *out = cx_alloc(b->cx, c->n + 2);
	size_t n = 0;

	if (!out) {
		b->failed = true;
		return;
	}
	for (size_t i = 0; i < c->n;) {
		while (i < c->n && c->str[i] == '/')
			i++;
		if (i == c->n)
			break;
		out[n++] = '/';
		while (i < c->n && c->str[i] != '/')
			out[n++] = c->str[i++];
	}
	if (n == 0)
		out[n++] = '/';
	c->str = out;
	c->n = n;
}

static bool is_pattern(const struct tconst *c)
{
	return memchr(c->str, '*', c->n) || memchr(c->str, '?', c->n) || memchr(c->str, '[', c->n);
}

/* Sorted, each once. */
static struct tconst *canonical_set(
	struct builder *b, const struct tcheck *tc, uint32_t *ret_n, uint8_t *ret_flags)
{
	struct tconst *c = cx_alloc(b->cx, tc->n_consts * sizeof(*c));
	uint32_t n = 0;

	if (!c) {
		b->failed = true;
		return NULL;
	}
	for (uint32_t i = 0; i < tc->n_consts; i++) {
		c[i] = tc->consts[i];
		if (tc->op == IMG_OP_PMATCH) {
			canonical_path(b, &c[i]);
			*ret_flags |= is_pattern(&c[i]) ? IMG_SET_GLOB : 0;
		}
	}
	if (tc->n_consts)
		qsort(c, tc->n_consts, sizeof(*c), compare_consts);
	for (uint32_t i = 0; i < tc->n_consts; i++) {
		/* oneof counts elements, so equal ones stay. */
		if (n && tc->modifier != IMG_MOD_ONEOF && compare_consts(&c[i], &c[n - 1]) == 0)
			continue;
		c[n++] = c[i];
	}
	*ret_n = n;
	return c;
}

static bool is_hashed(const struct tcheck *tc, enum img_type type)
{
	return (tc->op == IMG_OP_IN || tc->op == IMG_OP_INTERSECTS) && type <= IMG_T_U64;
}

static void fill_slots(struct builder *b, struct img_set *s)
{
	const struct img_const *consts = (const struct img_const *)b->sec[IMG_SEC_CONST].p;
	uint32_t *slots;

	for (s->n_slots = 2; s->n_slots / 2 < s->n;)
		s->n_slots *= 2;
	s->slots_first = b->sec[IMG_SEC_SETSLOT].n;
	slots = add_n(b, IMG_SEC_SETSLOT, s->n_slots);
	for (uint32_t k = s->first; slots && k < s->first + s->n; k++) {
		const struct img_const *c = &consts[k];
		const char *text = (const char *)b->sec[IMG_SEC_STR].p + c->str.off;
		uint64_t h = c->type <= IMG_T_BYTES ? hash_bytes(text, c->str.n, s->seed)
						    : hash_u64(c->num ^ s->seed);
		uint32_t i = (uint32_t)h & (s->n_slots - 1);

		while (slots[i])
			i = (i + 1) & (s->n_slots - 1);
		slots[i] = k + 1;
	}
}

static uint32_t emit_set(struct builder *b, const struct tcheck *tc)
{
	enum img_type type = img_type_of_element(tc->lhs->type);
	struct img_set s = {.type = (uint8_t)type};
	uint32_t n = 0, at;
	struct tconst *c = canonical_set(b, tc, &n, &s.flags);
	size_t key_n = 4 + n * sizeof(struct img_const);
	uint8_t *key = cx_alloc(b->cx, key_n);
	struct img_const *to;

	if (!c || !key) {
		b->failed = true;
		return IMG_NONE;
	}
	key[0] = s.type;
	key[1] = s.flags;
	key[2] = is_hashed(tc, type);
	for (uint32_t i = 0; i < n; i++) {
		struct img_const k = make_const(b, &c[i]);

		memcpy(key + 4 + i * sizeof(k), &k, sizeof(k));
	}
	at = map_get(&b->sets, key, key_n);
	if (at != MAP_NONE)
		return at;
	s.first = b->sec[IMG_SEC_CONST].n;
	s.n = n;
	to = add_n(b, IMG_SEC_CONST, n);
	if (!to)
		return IMG_NONE;
	memcpy(to, key + 4, n * sizeof(*to));
	if (is_hashed(tc, type))
		fill_slots(b, &s);
	return intern(b, &b->sets, IMG_SEC_SET, &s, key, key_n);
}

static bool is_proc_scope(const struct tval *t)
{
	if (t->is_field && field_info_get((enum field_id)t->field)->scope == FS_EVENT)
		return false;
	for (uint32_t i = 0; i < t->n_args; i++)
		if (!is_proc_scope(t->args[i]))
			return false;
	return true;
}

/* Rough order of work: numbers, short texts, sets, scans, patterns; ancestors multiply it. */
uint16_t builder_cost(const struct tcheck *tc)
{
	static const uint8_t op_cost[_IMG_OP_MAX] = {
		[IMG_OP_EXISTS] = 1,
		[IMG_OP_EQ] = 2,
		[IMG_OP_NE] = 2,
		[IMG_OP_LT] = 2,
		[IMG_OP_LE] = 2,
		[IMG_OP_GT] = 2,
		[IMG_OP_GE] = 2,
		[IMG_OP_CONTAINS] = 12,
		[IMG_OP_ICONTAINS] = 20,
		[IMG_OP_BCONTAINS] = 12,
		[IMG_OP_STARTSWITH] = 3,
		[IMG_OP_BSTARTSWITH] = 3,
		[IMG_OP_ENDSWITH] = 3,
		[IMG_OP_GLOB] = 25,
		[IMG_OP_IGLOB] = 30,
		[IMG_OP_REGEX] = 100,
		[IMG_OP_IN] = 5,
		[IMG_OP_INTERSECTS] = 5,
		[IMG_OP_PMATCH] = 20,
	};
	const struct field_info *f =
		tc->lhs->is_field ? field_info_get((enum field_id)tc->lhs->field) : NULL;
	uint32_t cost = op_cost[tc->op];

	if (tc->lhs->type >= IMG_T_BOOL && tc->lhs->type <= IMG_T_DOUBLE)
		cost = 1;
	if (!f)
		cost += 30;
	else if (f->cls == FIELD_PROCESS && tc->lhs->arg_kind == IMG_ARG_NONE &&
		 (f->arg & FAF_INDEX) && !strncmp(f->name, "proc.a", 6) &&
		 tc->lhs->field != FIELD_ID_PROC_ARGS)
		cost *= 8;
	else if (f->cls == FIELD_EVTS && (f->type == FT_CHARBUF) &&
		 tc->lhs->field != FIELD_ID_EVT_TYPE)
		cost += 10;
	if (tc->modifier != IMG_MOD_NONE || (tc->op == IMG_OP_PMATCH && tc->n_consts > 1))
		cost *= MIN(tc->n_consts, 50u) + 1;
	return (uint16_t)MIN(cost, (uint32_t)UINT16_MAX);
}

uint32_t builder_pred(struct builder *b, struct tcheck *tc)
{
	struct img_pred p = {.op = tc->op,
		.modifier = tc->modifier,
		.type = tc->lhs->type,
		.rhs_kind = tc->rhs_kind};

	if (tc->pred != IMG_NONE)
		return tc->pred;
	p.expr = builder_expr(b, tc->lhs);
	if (p.expr == IMG_NONE)
		return IMG_NONE;
	if (tc->rhs_kind == IMG_RHS_CONST)
		p.rhs = emit_const(b, &tc->consts[0]);
	else if (tc->rhs_kind == IMG_RHS_SET)
		p.rhs = emit_set(b, tc);
	else if (tc->rhs_kind == IMG_RHS_EXPR)
		p.rhs = builder_expr(b, tc->rhs);
	if (p.rhs == IMG_NONE)
		return IMG_NONE;
	if (is_proc_scope(tc->lhs) && (tc->rhs_kind != IMG_RHS_EXPR || is_proc_scope(tc->rhs)))
		p.flags |= IMG_PRED_PROC;
	p.cost = builder_cost(tc);
	tc->pred = intern(b, &b->preds, IMG_SEC_PRED, &p, &p, sizeof(p));
	return tc->pred;
}

int builder_finish(
	struct builder *b, uint32_t flags, uint32_t n_enabled, void **ret_image, size_t *ret_size)
{
	struct img_head h = {.magic = IMG_MAGIC,
		.version = IMG_VERSION,
		.flags = flags,
		.needs = b->needs,
		.n_rules_enabled = n_enabled};
	size_t size = ALIGN_UP(sizeof(h), 8);
	uint8_t *p;

	if (b->failed)
		return b->cx->oom ? -ENOMEM : -E2BIG;
	h.vocabulary = img_vocabulary();
	for (int s = 0; s < _IMG_SEC_MAX; s++) {
		h.sec[s] = (struct img_section){.off = (uint32_t)size, .n = b->sec[s].n};
		size += ALIGN_UP((size_t)b->sec[s].n * b->sec[s].size, 8);
		if (size > IMG_SIZE_MAX)
			return -E2BIG;
	}
	h.size = size;
	p = calloc(1, size);
	if (!p)
		return -ENOMEM;
	memcpy(p, &h, sizeof(h));
	for (int s = 0; s < _IMG_SEC_MAX; s++)
		if (b->sec[s].n)
			memcpy(p + h.sec[s].off, b->sec[s].p, (size_t)b->sec[s].n * b->sec[s].size);
	((struct img_head *)p)->checksum = img_checksum(p, size);
	*ret_image = p;
	*ret_size = size;
	return 0;
}
