/* SPDX-License-Identifier: Apache-2.0 */
/* Output templates. A token is the longest text behind '%' that is a field or function: found by
 * trying the longest and shortening. Templates are the user's; a width is bound so that an alert
 * cannot be blown up. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

struct parse {
	struct cx *cx;
	const struct ptext *t;
	struct ftemplate *out;
};

static bool add_piece(struct parse *p, const struct fpiece *piece)
{
	struct ftemplate *f = p->out;

	if (f->n == f->cap) {
		uint32_t cap = f->cap ? f->cap * 2 : 16;
		struct fpiece *bigger = cx_alloc(p->cx, cap * sizeof(*bigger));

		if (!bigger)
			return false;
		if (f->n)
			memcpy(bigger, f->pieces, f->n * sizeof(*bigger));
		f->pieces = bigger;
		f->cap = cap;
	}
	f->pieces[f->n++] = *piece;
	return true;
}

static bool add_literal(struct parse *p, size_t from, size_t end)
{
	struct fpiece piece = {.lit = p->t->p + from, .n = end - from};

	return end == from || add_piece(p, &piece);
}

/* A field name of exactly that length, with an argument behind it if it has one. */
static struct tval *try_field(struct parse *p, size_t at, size_t n, bool with_arg, size_t *ret_end)
{
	struct ast_val v = {.kind = VAL_FIELD, .pos = ptext_pos(p->t, at), .n = n};
	struct ast_problem *problem;
	struct tval *t;
	size_t end = at + n;

	v.text = cx_strndup(p->cx, p->t->p + at, n);
	if (!v.text || (with_arg && !ast_parse_arg_at(p->cx, p->t, end, &v, &end)))
		return NULL;
	v.length = (uint32_t)(end - at);
	t = check_value(p->cx, &v, &problem);
	if (t)
		*ret_end = end;
	return t;
}

static struct tval *parse_token(struct parse *p, size_t at, size_t *ret_end)
{
	struct ast_val *func = ast_parse_func_at(p->cx, p->t, at, ret_end);
	size_t n = ast_field_name_len(p->t->p + at, p->t->n - at);
	struct ast_problem *problem;
	struct tval *t = func ? check_value(p->cx, func, &problem) : NULL;

	if (t)
		return t;
	if (n && p->t->p[at + n] == '[') {
		t = try_field(p, at, n, true, ret_end);
		if (t)
			return t;
	}
	for (; n > 0; n--) {
		size_t used = 0;
		enum field_id id;

		/* Shorten at once to what can be a field at all. */
		if (!field_find_prefix(p->t->p + at, n, &id, &used) &&
			strncmp(p->t->p + at, STATIC_PREFIX, strlen(STATIC_PREFIX)) != 0)
			return NULL;
		t = try_field(p, at, n, false, ret_end);
		if (t)
			return t;
	}
	return NULL;
}

static struct ast_problem *unknown_token(struct parse *p, size_t at)
{
	size_t n = ast_field_name_len(p->t->p + at, p->t->n - at), i = at;
	const char *near, *text;

	if (!n) {
		while (i < p->t->n && i - at < 32 && !strchr(" \t\n%", p->t->p[i]))
			i++;
		n = i - at;
	}
	near = field_suggest(p->t->p + at, n);
	text = cx_strndup(p->cx, p->t->p + at, n);
	return check_problem(p->cx, ptext_pos(p->t, at - 1), (uint32_t)n + 1,
		cx_did_you_mean(p->cx, near), true, "unknown filter: '%s' in output",
		text ? text : "");
}

/* Behind '%' at `at - 1`. */
static struct ast_problem *parse_value(struct parse *p, size_t at, size_t *ret_end)
{
	struct fpiece piece = {0};
	size_t i = at;
	uint32_t width = 0;

	while (i < p->t->n && p->t->p[i] >= '0' && p->t->p[i] <= '9') {
		width = width * 10 + (uint32_t)(p->t->p[i++] - '0');
		if (width > IMG_WIDTH_MAX)
			return check_problem(p->cx, ptext_pos(p->t, at), (uint32_t)(i - at), NULL,
				false, "width larger than %d in output", IMG_WIDTH_MAX);
	}
	if (i == p->t->n)
		return check_problem(p->cx, ptext_pos(p->t, at - 1), 1, NULL, false,
			"invalid formatting syntax: '%%' at the end of the output");
	piece.value = parse_token(p, i, ret_end);
	piece.width = width;
	if (!piece.value)
		return unknown_token(p, i);
	return add_piece(p, &piece)
		       ? NULL
		       : check_problem(p->cx, ptext_pos(p->t, at), 1, NULL, false, "out of memory");
}

struct ast_problem *format_compile(struct cx *cx, const struct ptext *t, struct ftemplate *ret)
{
	struct parse p = {.cx = cx, .t = t, .out = ret};
	size_t from = 0, i;

	*ret = (struct ftemplate){0};
	if (t->n == 0)
		return check_problem(cx, (struct spos){0}, 1, NULL, false, "empty output");
	if (t->p[0] == '*')
		from = 1; /* lenient mode is the only one */
	if (t->n == from)
		return check_problem(cx, ptext_pos(t, 0), 1, NULL, false, "empty output");
	for (i = from; i < t->n;) {
		struct ast_problem *problem;
		size_t end = 0;

		if (t->p[i] != '%') {
			i++;
			continue;
		}
		if (!add_literal(&p, from, i))
			return check_problem(cx, ptext_pos(t, i), 1, NULL, false, "out of memory");
		problem = parse_value(&p, i + 1, &end);
		if (problem)
			return problem;
		i = from = end;
	}
	return add_literal(&p, from, i)
		       ? NULL
		       : check_problem(cx, ptext_pos(t, 0), 1, NULL, false, "out of memory");
}

void format_emit(struct builder *b, const struct ftemplate *f, uint32_t *ret_first, uint32_t *ret_n)
{
	*ret_first = builder_n(b, IMG_SEC_FMT);
	*ret_n = f->n;
	for (uint32_t i = 0; i < f->n; i++) {
		const struct fpiece *p = &f->pieces[i];
		struct img_fmt fmt = {.expr = IMG_NONE, .width = p->width}, *to;

		if (p->value)
			fmt.expr = builder_expr(b, p->value);
		else
			fmt.lit = builder_str(b, p->lit, p->n);
		to = builder_add(b, IMG_SEC_FMT);
		if (!to)
			return;
		*to = fmt;
	}
}
