/* SPDX-License-Identifier: Apache-2.0 */
/* Fields, functions and literals of conditions and templates, by recursive descent with a bound on
 * nested functions. The text is hostile. */

#include <string.h>

#include "parser.h"

static const char *const func_names[] = {
	"tolower", "toupper", "b64", "basename", "len", "join", "concat", "getopt", NULL};
_Static_assert(ARRAY_LEN(func_names) == _FN_MAX + 1, "one name a function");

const char *ast_func_str(enum ast_func f)
{
	return func_names[f];
}

bool parse_push(struct lexer *lx, struct ptrs *a, void *item)
{
	if (!item)
		return false;
	if (a->n == a->cap) {
		uint32_t cap = a->cap ? a->cap * 2 : 4;
		void **p = cx_alloc(lx->cx, cap * sizeof(*p));

		if (!p)
			return false;
		if (a->n)
			memcpy(p, a->p, a->n * sizeof(*p));
		a->p = p;
		a->cap = cap;
	}
	a->p[a->n++] = item;
	return true;
}

struct ast_val *parse_new_val(
	struct lexer *lx, enum ast_val_kind kind, size_t from, struct span text)
{
	struct ast_val *v = cx_alloc(lx->cx, sizeof(*v));

	if (!v)
		return NULL;
	v->kind = (uint8_t)kind;
	v->pos = lex_pos(lx, from);
	v->at = (uint32_t)from;
	v->length = (uint32_t)(lx->i - from);
	v->text = cx_strndup(lx->cx, text.p, text.n);
	v->n = text.n;
	return v->text ? v : NULL;
}

/* [arg] */
static bool parse_arg(struct lexer *lx, struct ast_val *v)
{
	struct span arg;

	if (!lex_word(lx, "["))
		return true;
	if (!lex_field_arg(lx, &arg)) {
		lex_fail(lx, "expected an argument after '['");
		return false;
	}
	if (!lex_word(lx, "]")) {
		lex_fail(lx, "expected ']'");
		return false;
	}
	v->has_arg = true;
	v->arg = cx_strndup(lx->cx, arg.p, arg.n);
	v->arg_n = arg.n;
	return v->arg != NULL;
}

struct ast_val *parse_field(struct lexer *lx)
{
	size_t from = lx->i;
	struct ast_val *v;
	struct span name;

	if (!lex_field_name(lx, &name))
		return NULL;
	v = parse_new_val(lx, VAL_FIELD, from, name);
	if (!v || !parse_arg(lx, v))
		return NULL;
	v->length = (uint32_t)(lx->i - from);
	return v;
}

static struct ast_val *parse_literal(struct lexer *lx)
{
	size_t from = lx->i;
	struct ast_val *v;
	struct span text;

	if (lex_number(lx, &text)) {
		v = parse_new_val(lx, VAL_TEXT, from, text);
		if (v)
			v->number = true;
		return v;
	}
	if (!lex_quoted(lx, &text))
		return NULL;
	v = parse_new_val(lx, VAL_TEXT, from, text);
	if (v)
		v->quoted = true;
	return v;
}

/* Literal, function or field. */
static struct ast_val *parse_operand(struct lexer *lx)
{
	struct ast_val *v = parse_literal(lx);

	if (v || lex_failed(lx))
		return v;
	v = parse_func(lx);
	if (v || lex_failed(lx))
		return v;
	return parse_field(lx);
}

/* Behind "(": operands up to ")". */
static struct ast_val *parse_operand_list(struct lexer *lx, size_t from)
{
	struct ptrs items = {0};
	struct ast_val *v;

	lex_blank(lx);
	if (!lex_word(lx, ")")) {
		for (;;) {
			lex_blank(lx);
			if (!parse_push(lx, &items, parse_operand(lx))) {
				lex_fail(lx, "expected a value in the list");
				return NULL;
			}
			lex_blank(lx);
			if (lex_word(lx, ")"))
				break;
			if (!lex_word(lx, ",")) {
				lex_fail(lx, "expected ',' or ')' in the list");
				return NULL;
			}
		}
	}
	v = parse_new_val(lx, VAL_LIST, from, SPAN_LIT(""));
	if (!v)
		return NULL;
	v->args = (struct ast_val **)items.p;
	v->n_args = items.n;
	return v;
}

static struct ast_val *parse_func_operand(struct lexer *lx)
{
	size_t from;

	lex_blank(lx);
	from = lx->i;
	if (lex_word(lx, "("))
		return parse_operand_list(lx, from);
	return parse_operand(lx);
}

static struct ast_val *parse_func_args(struct lexer *lx, enum ast_func func, size_t from)
{
	struct ptrs args = {0};
	struct ast_val *v;

	for (;;) {
		if (!parse_push(lx, &args, parse_func_operand(lx))) {
			lex_fail(lx, "expected a field, a value or a function as argument");
			return NULL;
		}
		lex_blank(lx);
		if (lex_word(lx, ")"))
			break;
		if (!lex_word(lx, ",")) {
			lex_fail(lx, "expected ',' or ')' after the argument");
			return NULL;
		}
	}
	v = parse_new_val(lx, VAL_FUNC, from, span_str(func_names[func]));
	if (!v)
		return NULL;
	v->func = (uint8_t)func;
	v->args = (struct ast_val **)args.p;
	v->n_args = args.n;
	if (!parse_arg(lx, v))
		return NULL;
	v->length = (uint32_t)(lx->i - from);
	return v;
}

struct ast_val *parse_func(struct lexer *lx)
{
	size_t from = lx->i;

	for (int f = 0; f < _FN_MAX; f++) {
		struct ast_val *v;

		if (!lex_word(lx, func_names[f]))
			continue;
		if (!lex_word(lx, "(")) {
			lx->i = from;
			continue;
		}
		if (lx->func_depth == AST_FUNC_DEPTH_MAX) {
			lex_fail(lx, "functions nested too deeply");
			return NULL;
		}
		lx->func_depth++;
		v = parse_func_args(lx, (enum ast_func)f, from);
		lx->func_depth--;
		return v;
	}
	return NULL;
}

/* val(field) or function */
struct ast_val *parse_rhs_value(struct lexer *lx)
{
	struct ast_val *v;

	if (!lex_word(lx, "val("))
		return parse_func(lx);
	lex_blank(lx);
	v = parse_func(lx);
	if (!v && !lex_failed(lx))
		v = parse_field(lx);
	lex_blank(lx);
	if (!v || !lex_word(lx, ")")) {
		lex_fail(lx, "expected a field and ')' after 'val('");
		return NULL;
	}
	return v;
}

struct ast_val *ast_parse_lhs(struct cx *cx, const struct ptext *t)
{
	struct lexer lx = {.cx = cx, .t = t};
	struct ast_val *v;

	if (t->n == 0)
		return NULL;
	v = parse_func(&lx);
	if (!v && !lex_failed(&lx))
		v = parse_field(&lx);
	return v && lx.i == t->n ? v : NULL;
}

struct ast_val *ast_parse_func_at(struct cx *cx, const struct ptext *t, size_t at, size_t *ret_end)
{
	struct lexer lx = {.cx = cx, .t = t, .i = at};
	struct ast_val *v = parse_func(&lx);

	if (v)
		*ret_end = lx.i;
	return v;
}

bool ast_parse_arg_at(
	struct cx *cx, const struct ptext *t, size_t at, struct ast_val *v, size_t *ret_end)
{
	struct lexer lx = {.cx = cx, .t = t, .i = at};

	if (!parse_arg(&lx, v) || !v->has_arg)
		return false;
	*ret_end = lx.i;
	return true;
}
