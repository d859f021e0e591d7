/* SPDX-License-Identifier: Apache-2.0 */
/* Predicates: one test of one expression. Evaluated at most once per event, and once per process
 * for those that depend on the process alone. A predicate on a value that is not there is false,
 * whatever its operator. */
#include <errno.h>
#include <stdlib.h>

#include "field.h"

/* Most predicates compare one field with one constant, or look a text up in a set. For these all
 * that does not depend on the event is found out once. */
enum plan_kind { PLAN_UNMADE, PLAN_GENERAL, PLAN_CONST, PLAN_CONTAINS, PLAN_TEXTS };

struct evl_plan {
	enum plan_kind kind;
	const struct evl_field_row *row;
	struct evl_field_arg arg;
	struct evl_value rhs; /* PLAN_CONST, PLAN_CONTAINS */
	size_t rare;          /* PLAN_CONTAINS: evl_rarest() */
	uint64_t marks;       /* PLAN_TEXTS: evl_set_marks() */
};

int evl_plans_init(struct evl *e)
{
	uint32_t n = e->img.n[IMG_SEC_PRED];

	e->plans = calloc(n ? n : 1, sizeof(*e->plans));
	return e->plans ? 0 : -ENOMEM;
}

static void make_plan(struct evl *e, const struct img_pred *p, struct evl_plan *plan)
{
	const struct img_expr *x = &e->img.exprs[p->expr];
	unsigned prefix;

	plan->kind = PLAN_GENERAL;
	if (x->kind != IMG_E_FIELD || evl_field_is_custom(x))
		return;
	plan->row = evl_field_row(x->field);
	if (!plan->row || p->op == IMG_OP_EXISTS || p->modifier != IMG_MOD_NONE)
		return;
	plan->arg =
		(struct evl_field_arg){.x = x, .field = x->field, .variant = plan->row->variant};
	if (p->rhs_kind == IMG_RHS_CONST) {
		evl_const(&e->img, p->rhs, &plan->rhs, &prefix);
		plan->kind = plan->rhs.is_net ? PLAN_GENERAL : PLAN_CONST;
		if (p->op == IMG_OP_CONTAINS && plan->rhs.type == EVL_STR) {
			plan->kind = PLAN_CONTAINS;
			plan->rare = evl_rarest(plan->rhs.s);
		}
	} else if (p->rhs_kind == IMG_RHS_SET && p->op == IMG_OP_IN &&
		   e->img.sets[p->rhs].type == IMG_T_STR) {
		plan->marks = evl_set_marks(&e->img, &e->img.sets[p->rhs]);
		plan->kind = PLAN_TEXTS;
	}
}

bool evl_pred(struct evl *e, uint32_t pred)
{
	uint32_t remembered = e->slot_pred[pred];
	bool is_proc = remembered != IMG_NONE && e->thread && !e->tells_container;
	bool v;
	int known;

	if (e->memo[pred] >> 1 == e->memo_gen)
		return e->memo[pred] & 1;
	known = is_proc && e->row ? replica_memo_bit(e->row, remembered) : -1;
	if (known >= 0) {
		v = known;
	} else {
		e->unstable = false;
		v = evl_pred_eval(e, &e->img.preds[pred]);
		if (is_proc && !e->unstable) {
			replica_memo_set(&e->replica, e->view->ev->slot, remembered, v);
			e->row = replica_memo_row(&e->replica, e->view->ev->slot);
		}
	}
	e->memo[pred] = e->memo_gen << 1 | v;
	return v;
}

/* oneof, anyof, allof: the operator against each element. Zero elements: false. */
static bool by_modifier(struct evl *e, const struct img_pred *p, const struct evl_value *l)
{
	const struct img_set *set = &e->img.sets[p->rhs];
	uint32_t n_true = 0;

	for (uint32_t i = 0; i < set->n; i++) {
		struct evl_value r;
		unsigned prefix;
		bool v;

		evl_const(&e->img, set->first + i, &r, &prefix);
		if (r.type == EVL_IP && r.is_net && l->type == EVL_IP)
			v = evl_ip_in(l, &e->img.consts[set->first + i]) == (p->op != IMG_OP_NE);
		else
			v = evl_compare(e, p->op, l, &r);
		n_true += v;
		if (v && p->modifier == IMG_MOD_ANYOF)
			return true;
	}
	return p->modifier == IMG_MOD_ONEOF
		       ? n_true == 1
		       : p->modifier == IMG_MOD_ALLOF && set->n > 0 && n_true == set->n;
}

static bool in_set(struct evl *e, const struct img_pred *p, const struct evl_value *l)
{
	const struct img_set *set = &e->img.sets[p->rhs];

	if (p->op == IMG_OP_PMATCH)
		return l->type == EVL_STR && evl_path_match(e, set, l->s);
	if (l->type != EVL_LIST)
		return evl_set_has(&e->img, set, l);
	for (uint32_t i = 0; i < l->n; i++) {
		struct evl_value one;

		evl_set_str(&one, l->list[i]);
		/* in: every element of the value; intersects: one of them */
		if (evl_set_has(&e->img, set, &one) != (p->op == IMG_OP_IN))
			return p->op != IMG_OP_IN;
	}
	return p->op == IMG_OP_IN;
}

static bool list_in_list(
	const struct img_pred *p, const struct evl_value *l, const struct evl_value *r)
{
	for (uint32_t i = 0; i < l->n; i++) {
		bool found = false;

		for (uint32_t j = 0; j < r->n && !found; j++)
			found = span_eq(l->list[i], r->list[j]);
		if (found != (p->op == IMG_OP_IN))
			return p->op != IMG_OP_IN;
	}
	return p->op == IMG_OP_IN;
}

static bool against_expr(struct evl *e, const struct img_pred *p, const struct evl_value *l)
{
	struct evl_value r, one = *l;

	evl_expr(e, p->rhs, &r);
	if (r.type == EVL_NULL)
		return false;
	if (p->op != IMG_OP_IN && p->op != IMG_OP_INTERSECTS)
		return evl_compare(e, p->op, l, &r);
	if (r.type != EVL_LIST)
		return evl_compare(e, IMG_OP_EQ, l, &r);
	if (l->type == EVL_STR)
		one = (struct evl_value){.type = EVL_LIST, .n = 1, .list = &l->s};
	return one.type == EVL_LIST && list_in_list(p, &one, &r);
}

static bool eval_general(struct evl *e, const struct img_pred *p)
{
	struct evl_value l, r;
	unsigned prefix;
	bool custom;

	if (evl_field_custom(e, p, &custom))
		return custom;
	evl_expr(e, p->expr, &l);
	if (l.type == EVL_NULL)
		return false;
	if (p->op == IMG_OP_EXISTS)
		return true;
	switch (p->rhs_kind) {
	case IMG_RHS_CONST:
		evl_const(&e->img, p->rhs, &r, &prefix);
		if (r.is_net && l.type == EVL_IP)
			return (p->op == IMG_OP_EQ || p->op == IMG_OP_NE) &&
			       evl_ip_in(&l, &e->img.consts[p->rhs]) == (p->op == IMG_OP_EQ);
		return evl_compare(e, p->op, &l, &r);
	case IMG_RHS_SET:
		return p->modifier != IMG_MOD_NONE ? by_modifier(e, p, &l) : in_set(e, p, &l);
	case IMG_RHS_EXPR:
		return against_expr(e, p, &l);
	default:
		return false;
	}
}

bool evl_pred_eval(struct evl *e, const struct img_pred *p)
{
	struct evl_plan *plan = &e->plans[p - e->img.preds];
	struct evl_value l;

	e->scratch.used = 0;
	if (plan->kind == PLAN_UNMADE)
		make_plan(e, p, plan);
	if (plan->kind == PLAN_GENERAL)
		return eval_general(e, p);
	l = (struct evl_value){.type = EVL_NULL};
	plan->row->get(e, &plan->arg, &l);
	if (l.type == EVL_NULL)
		return false;
	if (plan->kind == PLAN_CONTAINS && l.type == EVL_STR)
		return evl_contains(l.s, plan->rhs.s, plan->rare);
	if (plan->kind != PLAN_TEXTS)
		return evl_compare(e, p->op, &l, &plan->rhs);
	if (l.type == EVL_STR && !(plan->marks & evl_text_mark(l.s)))
		return false;
	return in_set(e, p, &l);
}
