/* SPDX-License-Identifier: Apache-2.0 */
/* What conditions and templates name: fields, operators, macros, lists, events. */

#include <stdlib.h>
#include <string.h>

#include <abi/events.h>

#include "items.h"
#include "names.h"

void names_add(struct cx *cx, struct names *s, const char *name, size_t n)
{
	const char *copy;

	if (map_get(&s->seen, name, n) != MAP_NONE)
		return;
	copy = cx_strndup(cx, name, n);
	if (!copy || map_put(cx, &s->seen, copy, n, s->n) < 0 ||
		item_grow(cx, (void **)&s->p, s->n, &s->cap, sizeof(char *)) < 0)
		return; /* cx->oom says it */
	s->p[s->n++] = copy;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void names_sort(struct names *s)
{
	if (s->n)
		qsort(s->p, s->n, sizeof(char *), compare);
}

static void add_value(struct cx *cx, const struct ast_val *v, struct names *fields)
{
	if (v->kind == VAL_FIELD) {
		const char *name = v->has_arg ? cx_printf(cx, "%s[%s]", v->text, v->arg) : v->text;

		if (name)
			names_add(cx, fields, name, strlen(name));
	}
	for (uint32_t i = 0; i < v->n_args; i++)
		add_value(cx, v->args[i], fields);
}

static void walk(struct cx *cx, const struct ast *n, bool inside, struct facts *f, struct map *done)
{
	if (n->kind == AST_CHECK) {
		names_add(cx, &f->operators, n->check->op_text, strlen(n->check->op_text));
		add_value(cx, n->check->lhs, &f->fields);
		if (n->check->rhs_kind == AST_RHS_VALUE)
			add_value(cx, n->check->rhs[0], &f->fields);
		return;
	}
	if (n->kind == AST_MACRO) {
		if (!inside)
			names_add(cx, &f->macros, n->name, n->name_n);
		/* A macro that is named twice says nothing new. */
		if (map_get(done, n->name, n->name_n) != MAP_NONE)
			return;
		(void)map_put(cx, done, n->name, n->name_n, 1); /* cx->oom says it */
	}
	for (uint32_t i = 0; i < n->n_kids; i++)
		walk(cx, n->kids[i], inside || n->kind == AST_MACRO, f, done);
}

void names_of_condition(struct cx *cx, const struct ast *n, struct facts *ret)
{
	struct map done = {0};

	*ret = (struct facts){0};
	walk(cx, n, false, ret, &done);
	names_sort(&ret->macros);
	names_sort(&ret->operators);
	names_sort(&ret->fields);
}

void names_of_lists(struct collector *c, const struct ptext *t, struct names *ret)
{
	*ret = (struct names){0};
	for (size_t i = 0; i < t->n; i++) {
		size_t from = i;

		while (i < t->n && !strchr(" \t\n\r(),=", t->p[i]))
			i++;
		if (i > from && map_get(&c->list_by_name, t->p + from, i - from) != MAP_NONE)
			names_add(c->cx, ret, t->p + from, i - from);
	}
	names_sort(ret);
}

static void add_template_value(struct cx *cx, const struct tval *t, struct names *ret)
{
	if (t->is_field || t->is_static)
		names_add(cx, ret, t->text, strlen(t->text));
	for (uint32_t i = 0; i < t->n_args; i++)
		add_template_value(cx, t->args[i], ret);
}

void names_of_template(struct cx *cx, const struct ftemplate *f, struct names *ret)
{
	*ret = (struct names){0};
	for (uint32_t i = 0; i < f->n; i++)
		if (f->pieces[i].value)
			add_template_value(cx, f->pieces[i].value, ret);
	names_sort(ret);
}

void names_of_events(struct cx *cx, const struct evset *s, struct names *ret)
{
	*ret = (struct names){0};
	for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++)
		if (evset_has(s, ix)) {
			const char *name = kev_info_get(ix)->name;

			names_add(cx, ret, name, strlen(name));
		}
	names_sort(ret);
}
