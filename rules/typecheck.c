/* SPDX-License-Identifier: Apache-2.0 */
/* Checks into typed predicates: operator against type, constants by type, static folding, warnings
 * on suspicious constants. */

#include <errno.h>
#include <string.h>

#include <abi/kevent.h>
#include <rules/regex.h>

#include "check.h"
#include "evtypes.h"

static const char *kind_str(const struct tval *t)
{
	static const char *const names[_IMG_T_MAX] = {
		[IMG_T_STR] = "text",
		[IMG_T_BYTES] = "bytes",
		[IMG_T_BOOL] = "boolean",
		[IMG_T_I64] = "numeric",
		[IMG_T_U64] = "numeric",
		[IMG_T_DOUBLE] = "numeric",
		[IMG_T_IPADDR] = "address",
		[IMG_T_IPNET] = "network",
		[IMG_T_LIST_STR] = "list",
		[IMG_T_LIST_U64] = "list",
	};

	return names[t->type];
}

static struct ast_problem *check_op(struct cx *cx, const struct ast *n, const struct tval *lhs)
{
	const struct ast_check *c = n->check;

	if (lhs->is_field && (lhs->flags & FF_PRINT_ONLY))
		return check_problem(cx, c->lhs->pos, c->lhs->length, NULL, false,
			"field '%s' can only be printed, not tested", lhs->text);
	if (lhs->incomparable && c->op != IMG_OP_EXISTS)
		return check_problem(cx, c->lhs->pos, c->lhs->length, NULL, false,
			"the type of '%s' cannot be compared", lhs->text);
	if (!img_op_takes(c->op, lhs->type))
		return check_problem(cx, c->op_pos, (uint32_t)strlen(c->op_text), NULL, false,
			"'%s' operator not supported for %s filters", c->op_text, kind_str(lhs));
	return NULL;
}

static bool is_evt_type(const struct tval *t)
{
	return t->is_field && t->field == FIELD_ID_EVT_TYPE;
}

/* Is the value, blanks removed, itself a field or a function call? Then it was probably meant as
 * one. */
static const char *looks_like(struct cx *cx, const struct ast_val *v)
{
	struct ptext t = {0};
	struct ast_val *as_value;
	enum field_id id;
	size_t end;

	if (!memchr(v->text, '.', v->n) && !memchr(v->text, '(', v->n))
		return NULL;
	for (size_t i = 0; i < v->n; i++)
		if (!strchr(" \t\r\n", v->text[i]) && ptext_add(cx, &t, &v->text[i], 1, v->pos) < 0)
			return NULL;
	if (!t.n)
		return NULL;
	as_value = ast_parse_lhs(cx, &t);
	if (as_value && as_value->kind == VAL_FIELD && field_find_prefix(t.p, t.n, &id, &end) &&
		check_is_lhs(cx, as_value))
		return "field";
	return ast_parse_func_at(cx, &t, 0, &end) ? "field transformer" : NULL;
}

static void add_warning(struct ast *n, struct ast_problem *p)
{
	struct ast_problem **last = &n->warnings;

	while (*last)
		last = &(*last)->next;
	*last = p;
}

static void warn_value(struct cx *cx, struct ast *n, const struct ast_val *v)
{
	const char *what = looks_like(cx, v);

	if (what)
		add_warning(n, check_problem(cx, v->pos, v->length, NULL, false,
				       "'%s' may be a valid %s misused as a const string value",
				       v->text, what));
}

/* Nothing in it but text, anchors and "anything" at its ends. */
static bool is_plain_regex(const char *p, size_t n)
{
	if (n && p[0] == '^') {
		p++;
		n--;
	}
	if (n && p[n - 1] == '$')
		n--;
	if (n >= 2 && p[0] == '.' && strchr("*+?", p[1])) {
		p += 2;
		n -= 2;
	}
	if (n >= 2 && p[n - 2] == '.' && strchr("*+?", p[n - 1]))
		n -= 2;
	for (size_t i = 0; i < n; i++)
		if (strchr("\\^$.|?*+()[]{}", p[i]))
			return false;
	return true;
}

static struct ast_problem *check_regex(struct cx *cx, struct ast *n, const struct ast_val *v)
{
	struct regex *re = NULL;
	const char *why = "out of memory";
	struct spos pos = v->pos;
	size_t at = 0;
	int r = regex_compile(v->text, v->n, &re, &at, &why);

	regex_free(re);
	if (r == -ENOMEM)
		cx->oom = true;
	if (r < 0) {
		pos.col = (uint16_t)MIN(pos.col + at + v->quoted, (size_t)UINT16_MAX);
		return check_problem(
			cx, pos, 1, NULL, false, "invalid regex '%.300s': %s", v->text, why);
	}
	if (is_plain_regex(v->text, v->n))
		add_warning(n, check_problem(cx, v->pos, v->length, NULL, false,
				       "regex check with '%s' may be optimized with simpler "
				       "operators such as '=', 'contains', 'startswith', "
				       "'endswith'",
				       v->text));
	return NULL;
}

static struct ast_problem *check_one_const(struct cx *cx, struct ast *n, const struct tval *lhs,
	const struct ast_val *v, struct tconst *ret)
{
	const struct ast_check *c = n->check;
	const char *why = "out of memory";

	if (check_const(cx, lhs->ft, img_type_of_element(lhs->type), c->op, v->text, v->n, ret,
		    &why) < 0)
		return check_problem(cx, v->pos, v->length, NULL, false, "%s (compared with '%s')",
			why, lhs->text);
	if (is_evt_type(lhs) && !evname_is_known(v->text, v->n))
		return check_problem(cx, v->pos, v->length,
			cx_did_you_mean(cx, cx_may_suggest(cx, _KEV_IX_MAX)
						    ? evname_nearest(v->text, v->n)
						    : NULL),
			true, "unknown event type '%s'", v->text);
	warn_value(cx, n, v);
	return c->op == IMG_OP_REGEX ? check_regex(cx, n, v) : NULL;
}

static struct ast_problem *check_consts(struct cx *cx, struct ast *n, struct tcheck *tc)
{
	const struct ast_check *c = n->check;

	tc->consts = cx_alloc(cx, c->n_rhs * sizeof(*tc->consts));
	if (!tc->consts)
		return check_problem(cx, n->pos, 1, NULL, false, "out of memory");
	for (uint32_t i = 0; i < c->n_rhs; i++) {
		struct ast_problem *p = check_one_const(cx, n, tc->lhs, c->rhs[i], &tc->consts[i]);

		if (p) {
			p->at = c->rhs[i]->at;
			return p;
		}
	}
	tc->n_consts = c->n_rhs;
	tc->rhs_kind = c->rhs_kind == AST_RHS_LIST ? IMG_RHS_SET : IMG_RHS_CONST;
	return NULL;
}

static struct ast_problem *check_rhs_value(struct cx *cx, const struct ast *n, struct tcheck *tc)
{
	const struct ast_check *c = n->check;
	const struct ast_val *v = c->rhs[0];
	struct ast_problem *p = NULL;

	tc->rhs = check_value(cx, v, &p);
	if (!tc->rhs)
		return p;
	tc->rhs_kind = IMG_RHS_EXPR;
	if (is_evt_type(tc->lhs) &&
		(c->op == IMG_OP_EQ || c->op == IMG_OP_NE || c->op == IMG_OP_IN))
		return check_problem(cx, v->pos, v->length, NULL, false,
			"'evt.type' can only be compared with constants");
	if ((tc->lhs->flags | tc->rhs->flags) & FF_NO_RHS)
		return check_problem(cx, v->pos, v->length, NULL, false,
			"'%s' cannot be compared with another field",
			tc->lhs->flags & FF_NO_RHS ? tc->lhs->text : tc->rhs->text);
	if (c->op == IMG_OP_PMATCH || c->op == IMG_OP_REGEX || tc->lhs->type == IMG_T_IPNET)
		return check_problem(cx, c->op_pos, (uint32_t)strlen(c->op_text), NULL, false,
			"'%s' needs constants here, not a field", c->op_text);
	if (tc->lhs->type != tc->rhs->type)
		return check_problem(cx, v->pos, v->length, NULL, false,
			"incompatible types: %s on the left, %s on the right", kind_str(tc->lhs),
			kind_str(tc->rhs));
	return NULL;
}

static bool all_zero(const struct tcheck *tc)
{
	for (uint32_t i = 0; i < tc->n_consts; i++)
		if (tc->consts[i].num != 0)
			return false;
	return true;
}

/* evt.num counts from 1: rules use `evt.num=0` for "never". */
static enum tcheck_fold fold_evt_num(const struct tcheck *tc)
{
	uint64_t v = tc->n_consts ? tc->consts[0].num : 0;

	if (tc->modifier != IMG_MOD_NONE)
		return FOLD_NO;
	switch (tc->op) {
	case IMG_OP_EXISTS:
		return FOLD_TRUE;
	case IMG_OP_EQ:
		return v == 0 ? FOLD_FALSE : FOLD_NO;
	case IMG_OP_NE:
		return v == 0 ? FOLD_TRUE : FOLD_NO;
	case IMG_OP_LT:
		return v <= 1 ? FOLD_FALSE : FOLD_NO;
	case IMG_OP_LE:
		return v == 0 ? FOLD_FALSE : FOLD_NO;
	case IMG_OP_GT:
		return v == 0 ? FOLD_TRUE : FOLD_NO;
	case IMG_OP_GE:
		return v <= 1 ? FOLD_TRUE : FOLD_NO;
	case IMG_OP_IN:
	case IMG_OP_INTERSECTS:
		return all_zero(tc) ? FOLD_FALSE : FOLD_NO;
	default:
		return FOLD_NO;
	}
}

static enum tcheck_fold fold(const struct tcheck *tc)
{
	bool is_list = tc->lhs->type == IMG_T_LIST_STR || tc->lhs->type == IMG_T_LIST_U64;

	/* Nothing is in an empty list; but all of no values are. */
	if (tc->rhs_kind == IMG_RHS_SET && tc->n_consts == 0 && !(is_list && tc->op == IMG_OP_IN))
		return FOLD_FALSE;
	if (tc->lhs->is_field && tc->lhs->field == FIELD_ID_EVT_NUM && tc->rhs_kind != IMG_RHS_EXPR)
		return fold_evt_num(tc);
	return FOLD_NO;
}

static struct ast_problem *check_into(struct cx *cx, struct ast *n, struct tcheck *tc)
{
	const struct ast_check *c = n->check;
	struct ast_problem *p = NULL;

	tc->lhs = check_value(cx, c->lhs, &p);
	if (!tc->lhs)
		return p ? p : check_problem(cx, n->pos, 1, NULL, false, "out of memory");
	p = check_op(cx, n, tc->lhs);
	if (p)
		return p;
	tc->op = c->op;
	tc->modifier = c->modifier;
	if (c->rhs_kind == AST_RHS_VALUE)
		p = check_rhs_value(cx, n, tc);
	else if (c->rhs_kind != AST_RHS_NONE)
		p = check_consts(cx, n, tc);
	if (p)
		return p;
	tc->fold = (uint8_t)fold(tc);
	evset_prepare(cx, tc);
	return NULL;
}

void check_node(struct cx *cx, struct ast *n)
{
	struct tcheck *tc;

	if (n->is_typed)
		return;
	n->is_typed = true;
	tc = cx_alloc(cx, sizeof(*tc));
	if (!tc) {
		n->problem = check_problem(cx, n->pos, 1, NULL, false, "out of memory");
		return;
	}
	tc->pred = IMG_NONE;
	n->problem = check_into(cx, n, tc);
	if (!n->problem)
		n->typed = tc;
}
