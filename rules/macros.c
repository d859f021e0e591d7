/* SPDX-License-Identifier: Apache-2.0 */
/* Macros: parsing their own text and putting their trees where they are named. Trees are shared, so
 * expansion costs nothing; their expanded height and size are tracked here and bound, which is what
 * lets later passes walk them by recursion. */

#include <errno.h>
#include <string.h>

#include "expand.h"
#include "items.h"

static const char *nearest_macro(struct collector *c, const char *name)
{
	const char **names = cx_alloc(c->cx, (c->n_macros + 1) * sizeof(*names));

	if (!names)
		return NULL;
	for (uint32_t i = 0; i < c->n_macros; i++)
		names[i] = c->macros[i].name;
	return diag_nearest(name, strlen(name), names);
}

/* Sum up from the children; false when too large. */
static bool measure(struct collector *c, struct ast *n)
{
	uint64_t size = 0;
	uint32_t height = 0;

	for (uint32_t i = 0; i < n->n_kids; i++) {
		size += n->kids[i]->size;
		height = MAX(height, n->kids[i]->height);
	}
	n->height = height + 1;
	n->size = (uint32_t)MIN(MAX(size, 1ull), (uint64_t)UINT32_MAX);
	if (n->height <= AST_HEIGHT_MAX && n->size <= AST_SIZE_MAX)
		return true;
	cx_error(c->cx, "LOAD_ERR_COMPILE_CONDITION", n->pos,
		"condition of %s is too large with its macros expanded", n->owner);
	return false;
}

static bool resolve_macro(struct collector *c, struct macro_def *m);

static bool resolve_name(struct collector *c, struct ast *n, uint32_t visibility)
{
	uint32_t i = map_get(&c->macro_by_name, n->name, n->name_n);
	struct macro_def *m = i == MAP_NONE ? NULL : &c->macros[i];

	if (!m || i >= visibility) {
		if (collector_is_broken(c, n->name))
			return false;
		cx_report(c->cx, DIAG_ERROR, VALIDATE, n->pos, n->name_n,
			m ? NULL : cx_did_you_mean(c->cx, nearest_macro(c, n->name)),
			"Undefined macro '%s' used in filter.%s (in condition of %s)", n->name,
			m ? " It is defined only later." : "", n->owner);
		return false;
	}
	m->used = true;
	if (m->state == MACRO_BUSY) {
		cx_report(c->cx, DIAG_ERROR, VALIDATE, n->pos, n->name_n, NULL,
			"reference loop in macro '%s'", m->name);
		return false;
	}
	if (!resolve_macro(c, m))
		return false;
	n->kids = &m->ast;
	n->n_kids = 1;
	return true;
}

bool expand_macros(struct collector *c, struct ast *n, uint32_t visibility)
{
	bool ok = true;

	if (n->kind == AST_MACRO) {
		if (!resolve_name(c, n, visibility))
			return false;
	} else {
		for (uint32_t i = 0; i < n->n_kids; i++)
			ok &= expand_macros(c, n->kids[i], visibility);
	}
	return ok && measure(c, n);
}

/* The recursion is as deep as the longest chain of macros that were not resolved yet. */
static bool resolve_macro(struct collector *c, struct macro_def *m)
{
	if (m->state == MACRO_DONE)
		return true;
	if (m->state == MACRO_BAD)
		return false;
	if (c->macro_depth == AST_HEIGHT_MAX / 2) {
		cx_error(c->cx, VALIDATE, m->pos, "macros nested too deeply at '%s'", m->name);
		return false;
	}
	c->macro_depth++;
	m->state = MACRO_BUSY;
	m->state = expand_macros(c, m->ast, m->visibility) ? MACRO_DONE : MACRO_BAD;
	c->macro_depth--;
	return m->state == MACRO_DONE;
}

void expand_parse_macros(struct collector *c)
{
	for (uint32_t i = 0; i < c->n_macros; i++) {
		struct macro_def *m = &c->macros[i];
		struct ptext t = m->cond;
		struct ast_error err = {0};
		int r = expand_lists(c, &t);

		m->used = false;
		m->state = MACRO_BAD;
		if (r == -E2BIG)
			cx_error(c->cx, "LOAD_ERR_COMPILE_CONDITION", m->pos,
				"condition of macro '%s' is too large with its lists expanded",
				m->name);
		if (r < 0)
			continue;
		m->ast = ast_parse(c->cx, &t, cx_printf(c->cx, "macro '%s'", m->name), &err);
		if (m->ast)
			m->state = MACRO_NEW;
		else if (!err.is_memory)
			cx_error(c->cx, "LOAD_ERR_COMPILE_CONDITION",
				t.n ? t.at[MIN(err.at, t.n - 1)] : m->pos,
				"%s, in condition of macro '%s'", err.message, m->name);
	}
	for (uint32_t i = 0; i < c->n_macros; i++)
		(void)resolve_macro(
			c, &c->macros[i]); /* what is wrong has been reported and marked */
}
