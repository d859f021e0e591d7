/* SPDX-License-Identifier: Apache-2.0 */
/* Making a class of events (sift.c says what that is): the predicates that are its type's keys, and
 * of each rule the program without what they settle. Every step follows the programs' nodes in their
 * order, forward or backward, so that it ends. Must not allocate. */
#include "sift.h"

#include <errno.h>

#include <abi/events.h>
#include <base/macros.h>

#include "field.h"

#define TRIED_NODES_MAX 256 /* longer programs are not searched for what to test first */

/* --- predicates --- */

/* Operands have lower numbers than what they belong to: the recursion ends. */
static bool counts(const struct img *img, uint32_t expr)
{
	const struct img_expr *x = &img->exprs[expr];

	if (x->kind == IMG_E_FIELD)
		return x->field == FIELD_ID_UTIL_CNT;
	for (unsigned i = 0; x->kind != IMG_E_CONST && i < x->n_args; i++)
		if (counts(img, img->args[x->args_first + i]))
			return true;
	return false;
}

static bool is_counting(const struct img *img, uint32_t pred)
{
	const struct img_pred *p = &img->preds[pred];

	return counts(img, p->expr) || (p->rhs_kind == IMG_RHS_EXPR && counts(img, p->rhs));
}

/* Does the event's type alone tell the outcome? */
static bool is_of_type(const struct evl *e, uint32_t pred)
{
	uint16_t type = e->view->ev->type;

	if (type == KEV_CODE_GENERIC_X || type == KEV_CODE_ASYNCEVENT_E)
		return false; /* they carry a name of their own */
	switch (evl_pred_field(&e->img, pred)) {
	case FIELD_ID_EVT_TYPE:
	case FIELD_ID_EVT_TYPE_IS:
	case FIELD_ID_EVT_DIR:
	case FIELD_ID_SYSCALL_TYPE:
		return true;
	default:
		return false;
	}
}

/* --- keys of an event type --- */

static void add_key(const struct evl *e, struct key_preds *k, uint32_t pred)
{
	const struct evl_sift *s = e->sift;
	unsigned at;

	for (unsigned i = 0; i < k->n; i++)
		if (k->key[i].pred == pred)
			return;
	if (k->n < EVL_SIFT_KEYS)
		k->n++;
	else if (s->n_uses[k->key[k->n - 1].pred] >= s->n_uses[pred])
		return;
	/* those with most rules first */
	for (at = k->n - 1u; at > 0 && s->n_uses[k->key[at - 1].pred] < s->n_uses[pred]; at--)
		k->key[at] = k->key[at - 1];
	evl_key_make(e, pred, &k->key[at]);
}

/* At the first event of the type: the predicates that are keys and stand in two rules or more. */
void evl_sift_find_keys(struct evl *e, struct key_preds *k)
{
	struct evl_sift *s = e->sift;
	const struct img_event *ix = &e->img.events[e->view->info->ix];

	memset(s->n_uses, 0, e->img.n[IMG_SEC_PRED] * sizeof(*s->n_uses));
	memset(s->last_rule, 0xff, e->img.n[IMG_SEC_PRED] * sizeof(*s->last_rule));
	*k = (struct key_preds){.is_known = true, .last = EVL_SIFT_CLASSES};
	for (unsigned pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < ix->n_refs; i++) {
			uint32_t rule = e->img.rulerefs[ix->refs_first + i];
			const struct img_rule *r = &e->img.rules[rule];

			for (uint32_t n = 0; n < r->n_nodes; n++) {
				uint32_t pred = e->img.nodes[r->nodes_first + n].pred;

				if (pass == 0 && s->last_rule[pred] != rule) {
					s->last_rule[pred] = rule;
					s->n_uses[pred]++;
				} else if (pass == 1 && s->n_uses[pred] > 1 &&
					   evl_key_is_one(e, pred) && !is_of_type(e, pred)) {
					add_key(e, k, pred);
				}
			}
		}
}

/* --- making a class --- */

static uint32_t where(const struct evl_sift *s, const struct img_rule *r, uint32_t to)
{
	return to == IMG_ACCEPT || to == IMG_REJECT ? to : s->leads_to[to - r->nodes_first];
}

static unsigned outcome(struct evl *e, uint32_t pred)
{
	struct evl_sift *s = e->sift;

	if (s->settled[pred] == OPEN && is_of_type(e, pred))
		return evl_pred(e, pred) ? IS_TRUE : IS_FALSE;
	return s->settled[pred];
}

/* From the end: where each node leads, itself if its test is still open and matters. */
static bool settle_program(struct evl *e, const struct img_rule *r)
{
	struct evl_sift *s = e->sift;
	bool has_counting = false;

	for (uint32_t i = r->n_nodes; i-- > 0;) {
		const struct img_node *n = &e->img.nodes[r->nodes_first + i];
		uint32_t t = where(s, r, n->if_true), f = where(s, r, n->if_false);
		unsigned v = outcome(e, n->pred);
		bool counting = v == OPEN && is_counting(&e->img, n->pred);

		has_counting |= counting;
		s->leads_to[i] = v == IS_TRUE          ? t
				 : v == IS_FALSE       ? f
				 : t == f && !counting ? t
						       : r->nodes_first + i;
	}
	return has_counting;
}

static void reach(struct evl_sift *s, const struct img_rule *r, uint32_t to)
{
	if (to != IMG_ACCEPT && to != IMG_REJECT)
		s->reached[to - r->nodes_first] = true;
}

/* Gives the nodes that can still be come to their places in the pool, in their order. */
static uint32_t place_nodes(struct evl *e, const struct img_rule *r, uint32_t entry)
{
	struct evl_sift *s = e->sift;
	uint32_t end = s->n_nodes;

	reach(s, r, entry);
	for (uint32_t i = 0; i < r->n_nodes; i++) {
		const struct img_node *n = &e->img.nodes[r->nodes_first + i];

		if (!s->reached[i])
			continue;
		reach(s, r, where(s, r, n->if_true));
		reach(s, r, where(s, r, n->if_false));
		s->place[i] = end++;
	}
	return end;
}

static uint32_t placed(const struct evl_sift *s, const struct img_rule *r, uint32_t to)
{
	to = where(s, r, to);
	return to == IMG_ACCEPT || to == IMG_REJECT ? to : s->place[to - r->nodes_first];
}

/* What is settled, or what is remembered of the process alone; -1: nothing, or it is not of the
 * process. BY_PROCESS_ALL finds it out. */
static int known_outcome(struct evl *e, const struct node *n, enum known_by by)
{
	bool find_out = by == BY_PROCESS_ALL;
	int v;

	if (by == BY_SETTLED)
		return e->sift->settled[n->pred] == OPEN ? -1
							 : e->sift->settled[n->pred] == IS_TRUE;
	v = n->remembered != IMG_NONE && e->row ? replica_memo_bit(e->row, n->remembered) : -1;

	if (v >= 0 || !find_out || n->remembered == IMG_NONE)
		return v;
	(void)evl_pred(e, n->pred);
	/* it may be one that must not be remembered yet */
	return e->row ? replica_memo_bit(e->row, n->remembered) : -1;
}

bool evl_sift_can_accept(struct evl *e, const struct left *left, enum known_by by)
{
	struct evl_sift *s = e->sift;
	bool can = left->entry == IMG_ACCEPT;
	uint32_t first = left->entry;

	if (can)
		return true;
	s->reached[0] = true;
	for (uint32_t i = first; i < left->end; i++) {
		const struct node *n = &s->nodes[i];
		int v;

		if (!s->reached[i - first])
			continue;
		s->reached[i - first] = false;
		if (can)
			continue;
		v = known_outcome(e, n, by);
		for (int way = 0; way < 2; way++) {
			uint32_t to = way ? n->if_true : n->if_false;

			if (v == !way)
				continue;
			if (to == IMG_ACCEPT)
				can = true;
			else if (to != IMG_REJECT)
				s->reached[to - first] = true;
		}
	}
	return can;
}

/* --- what a program is to test first --- */

static bool rejects(struct evl *e, const struct left *left, uint32_t pred, bool is)
{
	bool can;

	e->sift->settled[pred] = is ? IS_TRUE : IS_FALSE;
	can = evl_sift_can_accept(e, left, BY_SETTLED);
	e->sift->settled[pred] = OPEN;
	return !can;
}

/* One test of the event, or two that follow each other, without which nothing is accepted: programs
 * begin with what is cheap, not with what rejects most, and ask the process again and again. */
static void find_first(struct evl *e, struct left *left)
{
	struct evl_sift *s = e->sift;
	unsigned best = UINT32_MAX;

	if (left->entry == IMG_ACCEPT || left->has_counting ||
		left->end - left->entry > TRIED_NODES_MAX)
		return;
	for (uint32_t i = left->entry; i < left->end; i++) {
		const struct node *n = &s->nodes[i], *then;
		unsigned cost = e->img.preds[n->pred].cost;

		if (n->remembered != IMG_NONE || cost >= best)
			continue;
		for (int is = 0; is < 2; is++) {
			uint32_t to = is ? n->if_true : n->if_false;

			if (to == IMG_REJECT && cost < best && rejects(e, left, n->pred, is)) {
				best = cost;
				left->n_first = 1;
				left->first[0] = n->pred;
				left->first_is[0] = is;
			}
			if (to == IMG_REJECT || to == IMG_ACCEPT)
				continue;
			then = &s->nodes[to];
			if (then->remembered != IMG_NONE ||
				cost + e->img.preds[then->pred].cost >= best)
				continue;
			for (int is2 = 0; is2 < 2; is2++) {
				bool found;

				if ((is2 ? then->if_true : then->if_false) != IMG_REJECT)
					continue;
				s->settled[n->pred] = is ? IS_TRUE : IS_FALSE;
				found = rejects(e, left, then->pred, is2);
				s->settled[n->pred] = OPEN;
				if (!found)
					continue;
				best = cost + e->img.preds[then->pred].cost;
				left->n_first = 2;
				left->first[0] = n->pred;
				left->first_is[0] = is;
				left->first[1] = then->pred;
				left->first_is[1] = is2;
			}
		}
	}
}

/* 0, or -ENOSPC. */
static int add_rule(struct evl *e, uint32_t rule)
{
	struct evl_sift *s = e->sift;
	const struct img_rule *r = &e->img.rules[rule];
	bool has_counting = settle_program(e, r);
	uint32_t entry = where(s, r, r->entry), end;

	if (entry == IMG_REJECT)
		return 0;
	if (s->n_left == s->left_max)
		return -ENOSPC;
	end = place_nodes(e, r, entry);
	for (uint32_t i = 0; i < r->n_nodes; i++) {
		const struct img_node *n = &e->img.nodes[r->nodes_first + i];

		if (s->reached[i] && end <= s->nodes_max)
			s->nodes[s->place[i]] = (struct node){.pred = n->pred,
				.remembered = e->slot_pred[n->pred],
				.if_true = placed(s, r, n->if_true),
				.if_false = placed(s, r, n->if_false)};
		s->reached[i] = false;
	}
	if (end > s->nodes_max)
		return -ENOSPC;
	s->left[s->n_left++] = (struct left){.rule = rule,
		.entry = placed(s, r, r->entry),
		.end = end,
		.has_counting = has_counting};
	s->n_nodes = end;
	return 0;
}

int evl_sift_fill(struct evl *e, const struct key_preds *k, uint32_t key, struct sift_class *c)
{
	struct evl_sift *s = e->sift;
	const struct img_event *ix = &e->img.events[c->ix];
	uint32_t nodes_before = s->n_nodes;
	int r = 0;

	for (unsigned i = 0; i < k->n; i++)
		s->settled[k->key[i].pred] = key >> i & 1 ? IS_TRUE : IS_FALSE;
	for (uint32_t i = 0; i < ix->n_refs && r == 0; i++) {
		uint32_t rule = e->img.rulerefs[ix->refs_first + i];

		if (e->img.rules[rule].enabled)
			r = add_rule(e, rule);
	}
	for (unsigned i = 0; i < k->n; i++)
		s->settled[k->key[i].pred] = OPEN;
	if (r < 0) {
		s->n_nodes = nodes_before;
		s->n_left = c->left_first;
		return r;
	}
	c->n_left = s->n_left - c->left_first;
	for (uint32_t i = 0; i < c->n_left; i++)
		find_first(e, &s->left[c->left_first + i]);
	for (uint32_t i = 0; i < MIN(c->n_left, 64u); i++)
		if (!s->left[c->left_first + i].has_counting)
			c->maskable |= 1ULL << i;
	return 0;
}
