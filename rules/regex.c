/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns into programs and their matching: all places that the pattern can be at are followed at
 * once (Thompson's construction), so that no text takes more steps than its length times the
 * program's. Texts are hostile; patterns come from the verified image or from rule files. Nothing is
 * captured, so which of several matches is taken does not matter. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/cleanup.h>
#include <base/macros.h>
#include <base/utf8.h>

#include "regex_parse.h"

enum regex_op { RX_RUNE, RX_ANY, RX_CLASS, RX_BOL, RX_EOL, RX_SPLIT, RX_JUMP, RX_MATCH };

struct regex_inst {
	uint8_t op;
	uint16_t x, y; /* SPLIT: both ways; JUMP: x */
	uint32_t rune; /* RUNE; CLASS: index */
};

struct regex {
	struct regex_inst *insts;
	struct regex_class *classes;
	struct regex_range *ranges;
	uint32_t n;
};

struct emitter {
	const struct regex_tree *t;
	struct regex_inst *insts; /* REGEX_INSTS_MAX */
	uint32_t n;
	bool full;
};

static uint32_t put(struct emitter *e, enum regex_op op, uint32_t rune)
{
	if (e->n == REGEX_INSTS_MAX) {
		e->full = true;
		return 0;
	}
	e->insts[e->n] = (struct regex_inst){.op = (uint8_t)op, .rune = rune};
	return e->n++;
}

static void emit(struct emitter *e, uint16_t at);

static void emit_repeat(struct emitter *e, const struct regex_node *r)
{
	uint32_t last = e->n, first_split, split, n_more;

	for (uint32_t k = 0; k < r->lo && !e->full; k++) {
		last = e->n;
		emit(e, r->a);
	}
	if (r->hi == REGEX_INFINITE) {
		split = put(e, RX_SPLIT, 0);
		if (r->lo == 0) {
			emit(e, r->a);
			e->insts[put(e, RX_JUMP, 0)].x = (uint16_t)split;
			last = split + 1;
		}
		e->insts[split].x = (uint16_t)last;
		e->insts[split].y = (uint16_t)e->n;
		return;
	}
	/* Every optional copy can leave to the end; x leads on, y is set when the end is known. */
	n_more = r->hi - r->lo;
	first_split = e->n;
	for (uint32_t k = 0; k < n_more && !e->full; k++) {
		split = put(e, RX_SPLIT, 1);
		e->insts[split].x = (uint16_t)(split + 1);
		emit(e, r->a);
	}
	for (uint32_t k = first_split; k < e->n; k++)
		if (e->insts[k].op == RX_SPLIT && e->insts[k].rune == 1) {
			e->insts[k].rune = 0;
			e->insts[k].y = (uint16_t)e->n;
		}
}

/* As deep as the tree: a few times the pattern's length. */
static void emit(struct emitter *e, uint16_t at)
{
	const struct regex_node *n = &e->t->nodes[at];
	uint32_t split, jump;

	if (e->full)
		return;
	switch ((enum regex_node_kind)n->kind) {
	case RN_EMPTY:
		break;
	case RN_RUNE:
		put(e, RX_RUNE, n->lo);
		break;
	case RN_ANY:
		put(e, RX_ANY, 0);
		break;
	case RN_CLASS:
		put(e, RX_CLASS, n->lo);
		break;
	case RN_BOL:
		put(e, RX_BOL, 0);
		break;
	case RN_EOL:
		put(e, RX_EOL, 0);
		break;
	case RN_CAT:
		emit(e, n->a);
		emit(e, n->b);
		break;
	case RN_ALT:
		split = put(e, RX_SPLIT, 0);
		e->insts[split].x = (uint16_t)e->n;
		emit(e, n->a);
		jump = put(e, RX_JUMP, 0);
		e->insts[split].y = (uint16_t)e->n;
		emit(e, n->b);
		e->insts[jump].x = (uint16_t)e->n;
		break;
	case RN_REP:
		emit_repeat(e, n);
		break;
	}
}

static int make_program(const struct regex_tree *t, struct regex *re)
{
	struct emitter e = {.t = t};
	struct regex_inst *fit;

	re->insts = e.insts = calloc(REGEX_INSTS_MAX, sizeof(*e.insts));
	re->classes = calloc(t->n_classes + 1, sizeof(*re->classes));
	re->ranges = calloc(t->n_ranges + 1, sizeof(*re->ranges));
	if (!re->insts || !re->classes || !re->ranges)
		return -ENOMEM;
	memcpy(re->classes, t->classes, t->n_classes * sizeof(*re->classes));
	memcpy(re->ranges, t->ranges, t->n_ranges * sizeof(*re->ranges));
	emit(&e, t->root);
	put(&e, RX_MATCH, 0);
	if (e.full)
		return -E2BIG;
	re->n = e.n;
	fit = realloc(re->insts, e.n * sizeof(*fit));
	if (fit)
		re->insts = fit;
	return 0;
}

struct regex *regex_free(struct regex *re)
{
	if (re) {
		free(re->insts);
		free(re->classes);
		free(re->ranges);
		free(re);
	}
	return NULL;
}

int regex_compile(const char *pattern, size_t n, struct regex **ret, size_t *reterr_at,
	const char **reterr_why)
{
	_cleanup_free_ struct regex_tree *t = calloc(1, sizeof(*t));
	struct regex *re = calloc(1, sizeof(*re));
	int r = t && re ? regex_parse(pattern, n, t, reterr_at, reterr_why) : -ENOMEM;

	if (r >= 0) {
		r = make_program(t, re);
		if (r == -E2BIG) {
			*reterr_at = 0;
			*reterr_why = "the pattern is too large with its repetitions written out";
		}
	}
	if (r < 0) {
		regex_free(re);
		return r;
	}
	*ret = re;
	return 0;
}

/* Two lists of places, a place's index in each, and a stack. */
#define WORK_ARRAYS 5

int regex_work_fit(struct regex_work *w, const struct regex *re)
{
	uint16_t *p;

	if (w->p && re->n <= w->n_insts)
		return 0;
	p = calloc((size_t)re->n * WORK_ARRAYS, sizeof(*p));
	if (!p)
		return -ENOMEM;
	free(w->p);
	*w = (struct regex_work){.p = p, .n_insts = re->n};
	return 0;
}

void regex_work_done(struct regex_work *w)
{
	free(w->p);
	*w = (struct regex_work){0};
}

/* A set of instructions: dense[0..n) and where each stands in it. Nothing has to be cleared. */
struct places {
	uint16_t *dense, *at;
	uint32_t n;
};

static bool places_has(const struct places *s, uint16_t pc)
{
	return s->at[pc] < s->n && s->dense[s->at[pc]] == pc;
}

static void places_add(struct places *s, uint16_t pc)
{
	s->at[pc] = (uint16_t)s->n;
	s->dense[s->n++] = pc;
}

struct edge { /* between two characters */
	bool is_bol, is_eol;
};

/* Everything that can be reached from pc without taking a character. */
static void follow(
	const struct regex *re, struct places *s, uint16_t pc, struct edge here, uint16_t *stack)
{
	uint32_t depth = 0;

	if (places_has(s, pc))
		return;
	places_add(s, pc);
	stack[depth++] = pc;
	while (depth) {
		uint16_t from = stack[--depth];
		const struct regex_inst *i = &re->insts[from];
		uint16_t to[2];
		uint32_t n_to = 0;

		if (i->op == RX_SPLIT || i->op == RX_JUMP)
			to[n_to++] = i->x;
		if (i->op == RX_SPLIT)
			to[n_to++] = i->y;
		if ((i->op == RX_BOL && here.is_bol) || (i->op == RX_EOL && here.is_eol))
			to[n_to++] = (uint16_t)(from + 1);
		for (uint32_t k = 0; k < n_to; k++)
			if (!places_has(s, to[k])) {
				places_add(s, to[k]);
				stack[depth++] = to[k];
			}
	}
}

static bool in_class(const struct regex *re, const struct regex_class *c, uint32_t rune)
{
	if (rune < 128)
		return c->ascii[rune / 64] >> (rune % 64) & 1;
	for (uint32_t k = 0; k < c->n; k++) {
		const struct regex_range *r = &re->ranges[c->first + k];

		if (rune >= r->lo && rune <= r->hi)
			return !c->is_negated;
	}
	return c->is_negated;
}

static bool takes(const struct regex *re, const struct regex_inst *i, uint32_t rune)
{
	switch ((enum regex_op)i->op) {
	case RX_RUNE:
		return i->rune == rune;
	case RX_ANY:
		return rune != '\n';
	case RX_CLASS:
		return in_class(re, &re->classes[i->rune], rune);
	default:
		return false;
	}
}

bool regex_match(const struct regex *re, const char *text, size_t n, struct regex_work *w)
{
	struct places now = {.dense = w->p, .at = w->p + w->n_insts};
	struct places next = {.dense = w->p + 2 * w->n_insts, .at = w->p + 3 * w->n_insts};
	uint16_t *stack = w->p + 4 * w->n_insts;
	size_t at = 0;

	follow(re, &now, 0, (struct edge){.is_bol = true, .is_eol = n == 0 || text[0] == '\n'},
		stack);
	while (at < n && now.n) {
		struct places swap = now;
		struct edge here;
		uint32_t rune;

		at += utf8_decode(text + at, n - at, &rune);
		here = (struct edge){.is_bol = rune == '\n', .is_eol = at == n || text[at] == '\n'};
		next.n = 0;
		for (uint32_t k = 0; k < now.n; k++)
			if (takes(re, &re->insts[now.dense[k]], rune))
				follow(re, &next, (uint16_t)(now.dense[k] + 1), here, stack);
		now = next;
		next = swap;
	}
	/* The last instruction is the match. */
	return at == n && places_has(&now, (uint16_t)(re->n - 1));
}
