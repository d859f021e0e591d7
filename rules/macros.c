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
	const char **names = cx_may_suggest(c->cx, c->n_macros)
				     ? cx_alloc(c->cx, (c->n_macros + 1) * sizeof(*names))
				     : NULL;

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
		"condition of %s is too large with its macros expanded", n->owner->label);
	return false;
}

static bool resolve_macro(struct collector *c, struct macro_def *m);

static struct report report_of(const struct ast *n, const char *hint)
{
	return (struct report){.sev = DIAG_ERROR,
		.code = VALIDATE,
		.hint = hint,
		.pos = n->pos,
		.length = n->name_n,
		.expr = &n->owner->text,
		.expr_at = n->at};
}

static bool resolve_name(struct collector *c, struct ast *n, uint32_t visibility)
{
	uint32_t i = map_get(&c->macro_by_name, n->name, n->name_n);
	struct macro_def *m = i == MAP_NONE ? NULL : &c->macros[i];

	if (!m || i >= visibility) {
		struct report rep;

		if (collector_is_broken(c, n->name))
			return false;
		rep = report_of(n, m ? NULL : cx_did_you_mean(c->cx, nearest_macro(c, n->name)));
		cx_report_at(c->cx, &rep,
			"Undefined macro '%s' used in filter.%s (in condition of %s)", n->name,
			m ? " It is defined only later." : "", n->owner->label);
		return false;
	}
	m->used = true;
	if (m->state == MACRO_BUSY) {
		struct report rep = report_of(n, NULL);

		cx_report_at(c->cx, &rep, "reference loop in macro '%s'", m->name);
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
	const struct where *outer;

	if (m->state == MACRO_DONE)
		return true;
	if (m->state == MACRO_BAD)
		return false;
	if (c->macro_depth == AST_HEIGHT_MAX / 2) {
		cx_error(c->cx, VALIDATE, m->pos, "macros nested too deeply at '%s'", m->name);
		return false;
	}
	outer = c->cx->where;
	c->cx->where = m->ast->owner->where;
	c->macro_depth++;
	m->state = MACRO_BUSY;
	m->state = expand_macros(c, m->ast, m->visibility) ? MACRO_DONE : MACRO_BAD;
	c->macro_depth--;
	c->cx->where = outer;
	return m->state == MACRO_DONE;
}

const struct where *expand_where(struct cx *cx, const char *kind, const char *name,
	const struct item_place *place, struct spos part)
{
	struct where *w = cx_alloc(cx, 3 * sizeof(*w));

	if (!w)
		return NULL;
	w[0] = (struct where){.type = "rules content", .pos = place->content};
	w[1] = (struct where){.type = kind, .name = name, .pos = place->item, .parent = &w[0]};
	w[2] = (struct where){.type = !strcmp(kind, "rule") ? "rule condition" : "macro condition",
		.pos = part,
		.parent = &w[1]};
	return &w[2];
}

static void parse_macro(struct collector *c, struct macro_def *m)
{
	struct ast_owner *owner = cx_alloc(c->cx, sizeof(*owner));
	struct ast_error err = {0};
	int r;

	m->used = false;
	m->state = MACRO_BAD;
	if (!owner)
		return;
	*owner = (struct ast_owner){.label = cx_printf(c->cx, "macro '%s'", m->name),
		.text = m->cond,
		.where = expand_where(c->cx, "macro", m->name, &m->place, m->place.condition)};
	c->cx->where = owner->where;
	r = expand_lists(c, &owner->text);
	if (r == -E2BIG || r == -EDQUOT)
		cx_error(c->cx, "LOAD_ERR_COMPILE_CONDITION", m->pos,
			"condition of macro '%s' is too large with its lists expanded (%s)",
			m->name, expand_bound(c->cx, r));
	if (r < 0 || !owner->label)
		return;
	m->ast = ast_parse(c->cx, owner, &err);
	if (m->ast)
		m->state = MACRO_NEW;
	else if (!err.is_memory)
		expand_syntax_error(c->cx, owner, &err, m->pos);
}

void expand_syntax_error(struct cx *cx, const struct ast_owner *owner, const struct ast_error *err,
	struct spos otherwise)
{
	struct report rep = {.sev = DIAG_ERROR,
		.code = "LOAD_ERR_COMPILE_CONDITION",
		.pos = owner->text.n ? ptext_pos(&owner->text, err->at) : otherwise,
		.length = 1,
		.expr = &owner->text,
		.expr_at = err->at};

	cx_report_at(cx, &rep, "%s, in condition of %s", err->message, owner->label);
}

void expand_parse_macros(struct collector *c)
{
	for (uint32_t i = 0; i < c->n_macros; i++)
		parse_macro(c, &c->macros[i]);
	for (uint32_t i = 0; i < c->n_macros; i++)
		(void)resolve_macro(
			c, &c->macros[i]); /* what is wrong has been reported and marked */
	c->cx->where = NULL;
}
