/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions into forward-only graphs. Built from the end: a test is made once both places it goes
 * to are known, so turning the order around makes every edge point forward. `not` swaps the two
 * places; what is statically true or false makes no node; within and/or the cheaper operand is
 * tested first, which no one can see, for tests have no side effects and a missing value is just
 * false. Recursion is bound by AST_HEIGHT_MAX. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codegen.h"

struct gen {
	struct builder *b;
	const struct evset *events;
	uint32_t id;
	struct img_node *nodes; /* in the order they are made: edges point down */
	uint32_t n, cap;
	struct map seen; /* {pred, true, false} */
	bool failed;
};

static enum ast_truth truth_of_check(const struct gen *g, const struct ast *n)
{
	enum tcheck_fold f =
		n->typed->fold != FOLD_NO ? n->typed->fold : evset_fold(n->typed, g->events);

	return f == FOLD_NO ? TRUTH_OPEN : f == FOLD_TRUE ? TRUTH_TRUE : TRUTH_FALSE;
}

static enum ast_truth invert(enum ast_truth t)
{
	return t == TRUTH_OPEN ? t : t == TRUTH_TRUE ? TRUTH_FALSE : TRUTH_TRUE;
}

/* Truth and cost of a tree for this rule, remembered in its nodes. */
static void settle(struct gen *g, struct ast *n)
{
	enum ast_truth decides = n->kind == AST_AND ? TRUTH_FALSE : TRUTH_TRUE;
	bool all = true;

	if (n->gen == g->id)
		return;
	n->gen = g->id;
	n->truth = TRUTH_OPEN;
	n->cost = 0;
	if (n->kind == AST_CHECK) {
		n->truth = (uint8_t)truth_of_check(g, n);
		n->cost = n->truth == TRUTH_OPEN ? builder_cost(n->typed) : 0;
		return;
	}
	for (uint32_t i = 0; i < n->n_kids; i++) {
		settle(g, n->kids[i]);
		n->cost = (uint32_t)MIN((uint64_t)n->cost + n->kids[i]->cost, (uint64_t)UINT32_MAX);
		all &= n->kids[i]->truth != TRUTH_OPEN;
	}
	if (n->kind == AST_NOT || n->kind == AST_MACRO) {
		n->truth =
			n->kind == AST_NOT ? (uint8_t)invert(n->kids[0]->truth) : n->kids[0]->truth;
		return;
	}
	for (uint32_t i = 0; i < n->n_kids; i++)
		if (n->kids[i]->truth == decides) {
			n->truth = (uint8_t)decides;
			return;
		}
	if (all)
		n->truth = (uint8_t)invert(decides);
}

/* Index in the order of making of a node that tests pred; an equal one is used again. */
static uint32_t make_node(struct gen *g, uint32_t pred, uint32_t if_true, uint32_t if_false)
{
	struct img_node *key;
	uint32_t at;

	if (if_true == if_false)
		return if_true;
	key = cx_alloc(g->b->cx, sizeof(*key));
	if (!key || pred == IMG_NONE) {
		g->failed = true;
		return IMG_REJECT;
	}
	*key = (struct img_node){.pred = pred, .if_true = if_true, .if_false = if_false};
	at = map_get(&g->seen, key, sizeof(*key));
	if (at != MAP_NONE)
		return at;
	if (g->n == g->cap) {
		uint32_t cap = g->cap ? g->cap * 2 : 32;
		struct img_node *p = cx_alloc(g->b->cx, cap * sizeof(*p));

		if (!p) {
			g->failed = true;
			return IMG_REJECT;
		}
		if (g->n)
			memcpy(p, g->nodes, g->n * sizeof(*p));
		g->nodes = p;
		g->cap = cap;
	}
	g->nodes[g->n] = *key;
	if (map_put(g->b->cx, &g->seen, key, sizeof(*key), g->n) < 0)
		g->failed = true;
	return g->n++;
}

struct ranked {
	struct ast *n;
	uint32_t at;
};

static int compare_cost(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->n->cost != y->n->cost)
		return x->n->cost < y->n->cost ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

static uint32_t emit(struct gen *g, struct ast *n, uint32_t t, uint32_t f);

static uint32_t emit_joined(struct gen *g, struct ast *n, uint32_t t, uint32_t f)
{
	struct ranked *kids = cx_alloc(g->b->cx, n->n_kids * sizeof(*kids));
	uint32_t count = 0, next;

	if (!kids) {
		g->failed = true;
		return IMG_REJECT;
	}
	for (uint32_t i = 0; i < n->n_kids; i++)
		if (n->kids[i]->truth == TRUTH_OPEN)
			kids[count++] = (struct ranked){.n = n->kids[i], .at = i};
	if (count)
		qsort(kids, count, sizeof(*kids), compare_cost);
	next = n->kind == AST_AND ? t : f;
	for (uint32_t i = count; i-- > 0;)
		next = n->kind == AST_AND ? emit(g, kids[i].n, next, f)
					  : emit(g, kids[i].n, t, next);
	return next;
}

/* The place where testing the tree begins, when it goes to t or f after it. */
static uint32_t emit(struct gen *g, struct ast *n, uint32_t t, uint32_t f)
{
	if (g->failed || g->b->failed || t == f)
		return t;
	if (n->truth != TRUTH_OPEN)
		return n->truth == TRUTH_TRUE ? t : f;
	switch (n->kind) {
	case AST_CHECK:
		return make_node(g, builder_pred(g->b, n->typed), t, f);
	case AST_NOT:
		return emit(g, n->kids[0], f, t);
	case AST_MACRO:
		return emit(g, n->kids[0], t, f);
	default:
		return emit_joined(g, n, t, f);
	}
}

static uint32_t forward(const struct gen *g, uint32_t to, uint32_t first)
{
	return to == IMG_ACCEPT || to == IMG_REJECT ? to : first + (g->n - 1 - to);
}

int codegen_rule(struct builder *b, struct ast *n, const struct evset *events, uint32_t gen,
	struct code *ret)
{
	struct gen g = {.b = b, .events = events, .id = gen};
	uint32_t entry, first = builder_n(b, IMG_SEC_NODE);

	settle(&g, n);
	entry = emit(&g, n, IMG_ACCEPT, IMG_REJECT);
	for (uint32_t i = g.n; i-- > 0 && !g.failed;) {
		struct img_node *to = builder_add(b, IMG_SEC_NODE);

		if (!to)
			break;
		*to = (struct img_node){.pred = g.nodes[i].pred,
			.if_true = forward(&g, g.nodes[i].if_true, first),
			.if_false = forward(&g, g.nodes[i].if_false, first)};
	}
	if (g.failed || b->failed)
		return -ENOMEM;
	*ret = (struct code){.entry = forward(&g, entry, first), .first = first, .n = g.n};
	return 0;
}
