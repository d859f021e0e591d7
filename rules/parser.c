/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions into trees, by recursive descent with a depth bound. The text is hostile; on any
 * failure the first error is kept with its offset. */

#include <string.h>

#include "parser.h"

struct op_word {
	const char *text;
	uint8_t op;
};

/* In the order they are tried: longer before what they start with. */
static const struct op_word number_ops[] = {
	{"<=", IMG_OP_LE}, {"<", IMG_OP_LT}, {">=", IMG_OP_GE}, {">", IMG_OP_GT}, {0}};
static const struct op_word symbol_ops[] = {
	{"==", IMG_OP_EQ}, {"=", IMG_OP_EQ}, {"!=", IMG_OP_NE}, {0}};
static const struct op_word text_ops[] = {
	{"glob", IMG_OP_GLOB},
	{"iglob", IMG_OP_IGLOB},
	{"contains", IMG_OP_CONTAINS},
	{"icontains", IMG_OP_ICONTAINS},
	{"bcontains", IMG_OP_BCONTAINS},
	{"startswith", IMG_OP_STARTSWITH},
	{"bstartswith", IMG_OP_BSTARTSWITH},
	{"endswith", IMG_OP_ENDSWITH},
	{"regex", IMG_OP_REGEX},
	{0},
};
static const struct op_word list_ops[] = {
	{"intersects", IMG_OP_INTERSECTS}, {"in", IMG_OP_IN}, {"pmatch", IMG_OP_PMATCH}, {0}};
static const struct op_word modifiers[] = {
	{"oneof", IMG_MOD_ONEOF}, {"anyof", IMG_MOD_ANYOF}, {"allof", IMG_MOD_ALLOF}, {0}};

enum img_op ast_op_find(const char *s, size_t n)
{
	static const struct op_word *const tables[] = {number_ops, symbol_ops, text_ops, list_ops};

	for (size_t k = 0; k < ARRAY_LEN(tables); k++)
		for (const struct op_word *w = tables[k]; w->text; w++)
			if (strlen(w->text) == n && memcmp(w->text, s, n) == 0)
				return w->op;
	return _IMG_OP_MAX;
}

static struct ast_val *parse_word(struct lexer *lx)
{
	size_t from = lx->i;
	struct ast_val *v;
	struct span text;

	if (lex_quoted(lx, &text)) {
		v = parse_new_val(lx, VAL_TEXT, from, text);
		if (v)
			v->quoted = true;
		return v;
	}
	if (lex_failed(lx) || !lex_bare(lx, &text))
		return NULL;
	return parse_new_val(lx, VAL_TEXT, from, text);
}

/* Behind "(". */
static bool parse_word_list(struct lexer *lx, struct ast_check *c)
{
	struct ptrs items = {0};

	c->rhs_kind = AST_RHS_LIST;
	lex_blank(lx);
	if (lex_word(lx, ")"))
		return true;
	for (;;) {
		lex_blank(lx);
		if (!parse_push(lx, &items, parse_word(lx))) {
			lex_fail(lx, "expected a value in the list");
			return false;
		}
		lex_blank(lx);
		if (lex_word(lx, ")"))
			break;
		if (!lex_word(lx, ",")) {
			lex_fail(lx, "expected ',' or ')' in the list");
			return false;
		}
	}
	c->rhs = (struct ast_val **)items.p;
	c->n_rhs = items.n;
	return true;
}

static bool set_rhs(struct lexer *lx, struct ast_check *c, enum ast_rhs kind, struct ast_val *v)
{
	if (!v)
		return false;
	c->rhs = cx_alloc(lx->cx, sizeof(*c->rhs));
	if (!c->rhs)
		return false;
	c->rhs[0] = v;
	c->n_rhs = 1;
	c->rhs_kind = (uint8_t)kind;
	return true;
}

/* A single identifier stands for a list of one. */
static bool parse_list_or_ident(struct lexer *lx, struct ast_check *c)
{
	size_t from = lx->i;
	struct span id;

	if (lex_word(lx, "("))
		return parse_word_list(lx, c);
	if (!lex_ident(lx, &id)) {
		lex_fail(lx, "expected a list in parentheses");
		return false;
	}
	return set_rhs(lx, c, AST_RHS_LIST, parse_new_val(lx, VAL_TEXT, from, id));
}

/* oneof, anyof or allof, if what follows makes it one; else the cursor stays. */
static bool take_modifier(struct lexer *lx, struct ast_check *c)
{
	size_t from = lx->i;

	if (!lex_blank(lx))
		return false;
	for (const struct op_word *m = modifiers; m->text; m++) {
		struct span id;
		size_t list_at;

		if (!lex_word(lx, m->text))
			continue;
		if (!lex_blank(lx))
			break;
		list_at = lx->i;
		if (!lex_word(lx, "(") && (!lex_ident(lx, &id) || span_eq_str(id, "and") ||
						  span_eq_str(id, "or") || span_eq_str(id, "not")))
			break;
		lx->i = list_at;
		c->modifier = m->op;
		return true;
	}
	lx->i = from;
	return false;
}

static bool parse_text_rhs(struct lexer *lx, struct ast_check *c)
{
	struct ast_val *v;

	if (take_modifier(lx, c))
		return parse_list_or_ident(lx, c);
	lex_blank(lx);
	v = parse_rhs_value(lx);
	if (v)
		return set_rhs(lx, c, AST_RHS_VALUE, v);
	if (lex_failed(lx))
		return false;
	v = parse_word(lx);
	if (!v)
		lex_fail(lx, "expected a value after the operator");
	return set_rhs(lx, c, AST_RHS_ONE, v);
}

static bool parse_number_rhs(struct lexer *lx, struct ast_check *c)
{
	size_t from;
	struct ast_val *v;
	struct span num;

	lex_blank(lx);
	v = parse_rhs_value(lx);
	if (v)
		return set_rhs(lx, c, AST_RHS_VALUE, v);
	if (lex_failed(lx))
		return false;
	from = lx->i;
	if (!lex_number(lx, &num)) {
		lex_fail(lx, "expected a number after the operator");
		return false;
	}
	return set_rhs(lx, c, AST_RHS_ONE, parse_new_val(lx, VAL_TEXT, from, num));
}

static bool parse_list_rhs(struct lexer *lx, struct ast_check *c)
{
	struct ast_val *v;

	lex_blank(lx);
	v = parse_rhs_value(lx);
	if (v)
		return set_rhs(lx, c, AST_RHS_VALUE, v);
	return !lex_failed(lx) && parse_list_or_ident(lx, c);
}

static bool take_op(
	struct lexer *lx, const struct op_word *ops, bool wants_blank, struct ast_check *c)
{
	size_t from = lx->i;

	for (; ops->text; ops++) {
		if (!lex_word(lx, ops->text))
			continue;
		if (!wants_blank || (lx->i < lx->t->n && strchr(" \t\b\r\n", lx->t->p[lx->i]) &&
					    lx->t->p[lx->i])) {
			c->op = ops->op;
			c->op_text = ops->text;
			return true;
		}
		lx->i = from;
	}
	return false;
}

static bool parse_cond(struct lexer *lx, struct ast_check *c)
{
	lex_blank(lx);
	c->op_pos = lex_pos(lx, lx->i);
	if (lex_word(lx, "exists")) {
		c->op = IMG_OP_EXISTS;
		c->op_text = "exists";
		return true;
	}
	if (take_op(lx, number_ops, false, c))
		return parse_number_rhs(lx, c);
	if (take_op(lx, symbol_ops, false, c) || take_op(lx, text_ops, true, c))
		return parse_text_rhs(lx, c);
	if (take_op(lx, list_ops, false, c))
		return parse_list_rhs(lx, c);
	lex_fail(lx, "expected an operator (exists, =, !=, <, <=, >, >=, contains, startswith, "
		     "endswith, glob, in, ...)");
	return false;
}

static struct ast *new_node(struct lexer *lx, enum ast_kind kind, size_t from)
{
	struct ast *n = cx_alloc(lx->cx, sizeof(*n));

	if (!n)
		return NULL;
	n->kind = (uint8_t)kind;
	n->pos = lex_pos(lx, from);
	n->at = (uint32_t)from;
	n->owner = lx->owner;
	n->height = n->size = 1;
	return n;
}

static struct ast *parse_check(struct lexer *lx, struct ast_val *lhs, size_t from)
{
	struct ast *n = new_node(lx, AST_CHECK, from);

	if (!n)
		return NULL;
	n->check = cx_alloc(lx->cx, sizeof(*n->check));
	if (!n->check)
		return NULL;
	n->check->lhs = lhs;
	return parse_cond(lx, n->check) ? n : NULL;
}

static struct ast *parse_or(struct lexer *lx);

/* Behind "(". */
static struct ast *parse_group(struct lexer *lx)
{
	struct ast *n;

	if (lx->depth == AST_DEPTH_MAX) {
		lex_fail(lx, "nested too deeply");
		return NULL;
	}
	lx->depth++;
	n = parse_or(lx);
	lx->depth--;
	if (!n)
		return NULL;
	lex_blank(lx);
	if (!lex_word(lx, ")")) {
		lex_fail(lx, "expected ')'");
		return NULL;
	}
	return n;
}

static struct ast *parse_primary(struct lexer *lx)
{
	struct ast_val *v;
	struct span id;
	struct ast *n;
	size_t from;

	lex_blank(lx);
	if (lex_word(lx, "("))
		return parse_group(lx);
	from = lx->i;
	v = parse_func(lx);
	if (!v && !lex_failed(lx))
		v = parse_field(lx);
	if (v)
		return parse_check(lx, v, from);
	if (lex_failed(lx))
		return NULL;
	if (!lex_ident(lx, &id)) {
		lex_fail(lx, "expected a field, a macro, 'not' or '('");
		return NULL;
	}
	n = new_node(lx, AST_MACRO, from);
	if (!n)
		return NULL;
	n->name = cx_strndup(lx->cx, id.p, id.n);
	n->name_n = id.n;
	return n->name ? n : NULL;
}

static struct ast *negate(struct lexer *lx, struct ast *kid, size_t from)
{
	struct ast *n = kid ? new_node(lx, AST_NOT, from) : NULL;

	if (!n)
		return NULL;
	n->kids = cx_alloc(lx->cx, sizeof(*n->kids));
	if (!n->kids)
		return NULL;
	n->kids[0] = kid;
	n->n_kids = 1;
	return n;
}

static struct ast *parse_not(struct lexer *lx)
{
	struct ast *n = NULL;
	bool is_not = false;
	size_t from;

	lex_blank(lx);
	from = lx->i;
	for (;;) {
		size_t at = lx->i;

		if (!lex_word(lx, "not"))
			break;
		if (lex_blank(lx)) {
			is_not = !is_not;
			continue;
		}
		if (lex_word(lx, "(")) {
			is_not = !is_not;
			n = parse_group(lx);
			if (!n)
				return NULL;
			break;
		}
		lx->i = at;
		break;
	}
	if (!n)
		n = parse_primary(lx);
	return is_not ? negate(lx, n, from) : n;
}

/* and: parse_not joined by "and"; or: parse_and joined by "or". */
static struct ast *parse_joined(struct lexer *lx, enum ast_kind kind)
{
	struct ptrs kids = {0};
	struct ast *n;
	size_t from;

	lex_blank(lx);
	from = lx->i;
	for (;;) {
		n = kind == AST_OR ? parse_joined(lx, AST_AND) : parse_not(lx);
		if (!n)
			return NULL;
		for (;;) {
			if (!parse_push(lx, &kids, n))
				return NULL;
			lex_blank(lx);
			if (!lex_word(lx, kind == AST_OR ? "or" : "and"))
				goto joined;
			if (lex_blank(lx))
				break;
			if (!lex_word(lx, "(")) {
				lex_fail(lx, kind == AST_OR
						     ? "expected a blank or '(' after 'or'"
						     : "expected a blank or '(' after 'and'");
				return NULL;
			}
			n = parse_group(lx);
			if (!n)
				return NULL;
		}
	}
joined:
	if (kids.n == 1)
		return kids.p[0];
	n = new_node(lx, kind, from);
	if (!n)
		return NULL;
	n->kids = (struct ast **)kids.p;
	n->n_kids = kids.n;
	return n;
}

static struct ast *parse_or(struct lexer *lx)
{
	return parse_joined(lx, AST_OR);
}

struct ast *ast_parse(struct cx *cx, const struct ast_owner *owner, struct ast_error *reterr)
{
	const struct ptext *t = &owner->text;
	struct lexer lx = {.cx = cx, .t = t, .owner = owner};
	struct ast *n;

	if (t->n == 0) {
		*reterr = (struct ast_error){.message = "empty condition"};
		return NULL;
	}
	n = parse_or(&lx);
	if (n) {
		lex_blank(&lx);
		if (lx.i < t->n) {
			lex_fail(&lx, "unexpected text after the condition (expected 'and', 'or' "
				      "or the end)");
			n = NULL;
		}
	}
	if (n)
		return n;
	*reterr = lx.err;
	if (!reterr->message)
		*reterr = (struct ast_error){.message = "out of memory", .is_memory = true};
	return NULL;
}
