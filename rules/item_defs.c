/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of `list` and `macro` items. */

#include <errno.h>
#include <string.h>

#include "items.h"

static const char *const override_ops[] = {"append", "replace", NULL};

/* `override: {key: append|replace}` of an item with one such key. *ret_append as told; untouched
 * without override. */
static int read_override(
	struct collector *c, const struct ynode *item, const char *key, bool *ret_append)
{
	const struct ynode *o = ynode_get(item, "override");

	if (!o || o->is_null)
		return 0;
	if (o->kind != YN_MAP) {
		cx_error(c->cx, YAML_VALIDATE, o->pos, "Value of 'override' must be a mapping");
		return -EINVAL;
	}
	for (size_t i = 0; i < o->n; i++) {
		const struct ynode *k = o->kids[2 * i], *v = o->kids[2 * i + 1];

		if (k->kind != YN_SCALAR || strcmp(k->text, key) != 0) {
			cx_error(c->cx, YAML_VALIDATE, k->pos,
				"Key '%s' cannot be appended to or replaced",
				k->kind == YN_SCALAR ? k->text : "");
			return -EINVAL;
		}
		if (v->kind != YN_SCALAR ||
			(strcmp(v->text, "append") != 0 && strcmp(v->text, "replace") != 0)) {
			cx_report(c->cx, DIAG_ERROR, YAML_VALIDATE, v->pos, v->n,
				v->kind == YN_SCALAR
					? cx_did_you_mean(
						  c->cx, diag_nearest(v->text, v->n, override_ops))
					: NULL,
				"Invalid override operation for key '%s': '%s'. Allowed values "
				"are: append, replace",
				key, v->kind == YN_SCALAR ? v->text : "");
			return -EINVAL;
		}
		if (!ynode_get(item, key)) {
			cx_error(c->cx, YAML_VALIDATE, k->pos,
				"An %s override for '%s' was specified but '%s' is not defined",
				v->text, key, key);
			return -EINVAL;
		}
		*ret_append = v->text[0] == 'a';
	}
	return 0;
}

static int read_list_items(struct collector *c, const struct ynode *seq, struct litem **ret)
{
	struct litem *items = cx_alloc(c->cx, seq->n * sizeof(*items));

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < seq->n; i++) {
		const struct ynode *n = seq->kids[i];

		if (n->kind != YN_SCALAR || memchr(n->text, '\0', n->n)) {
			cx_error_in(c->cx, "list item", "", YAML_VALIDATE, n->pos,
				"A list item must be a text or number");
			return -EINVAL;
		}
		items[i] = (struct litem){.text = n->text, .n = (uint32_t)n->n, .pos = n->pos};
	}
	*ret = items;
	return 0;
}

static bool is_odd_list_name(const char *s)
{
	return strpbrk(s, "()\"' \t\r\n\v\f=,") != NULL;
}

static int define_list(struct collector *c, const struct ynode *name, struct list_def **ret)
{
	uint32_t i = map_get(&c->list_by_name, name->text, name->n);
	int r;

	if (i == MAP_NONE) {
		r = item_grow(
			c->cx, (void **)&c->lists, c->n_lists, &c->cap_lists, sizeof(*c->lists));
		if (r < 0)
			return r;
		i = c->n_lists;
		r = map_put(c->cx, &c->list_by_name, name->text, name->n, i);
		if (r < 0)
			return r;
		c->n_lists++;
	}
	c->lists[i] = (struct list_def){
		.name = name->text, .pos = name->pos, .odd_name = is_odd_list_name(name->text)};
	*ret = &c->lists[i];
	return 0;
}

static int append_list(
	struct collector *c, const struct ynode *name, struct litem *items, uint32_t n)
{
	uint32_t i = map_get(&c->list_by_name, name->text, name->n);
	struct list_def *l = i == MAP_NONE ? NULL : &c->lists[i];
	struct litem *all;

	if (!l) {
		if (collector_is_broken(c, name->text))
			return -EINVAL;
		cx_error(c->cx, VALIDATE, name->pos,
			"List uses 'append' or 'override.items: append' but no list by that name "
			"already exists");
		return -EINVAL;
	}
	all = cx_alloc(c->cx, (l->n_items + n) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	if (l->n_items)
		memcpy(all, l->items, l->n_items * sizeof(*all));
	if (n)
		memcpy(all + l->n_items, items, n * sizeof(*all));
	l->items = all;
	l->n_items += n;
	l->visibility = c->id++;
	return 0;
}

int item_list(struct collector *c, const struct ynode *item)
{
	static const char *const keys[] = {"list", "items", "append", "override", NULL};
	const struct ynode *name = item_text(c, item, "list"), *seq = ynode_get(item, "items");
	struct litem *items = NULL;
	struct list_def *l;
	bool append;
	int r;

	item_unknown_keys(c, item, keys);
	if (!name)
		return -EINVAL;
	if (!seq || seq->is_null || seq->kind != YN_SEQ) {
		cx_error(c->cx, YAML_VALIDATE, seq ? seq->pos : item->pos,
			seq ? "Value of 'items' must be a sequence"
			    : "Item has no mapping for key 'items'");
		return -EINVAL;
	}
	if (is_odd_list_name(name->text))
		cx_warning(c->cx, "LOAD_INVALID_LIST_NAME", name->pos,
			"List has an invalid name. List names should match a regular expression: "
			"[^()\"'[:space:]=,]+");
	if ((r = item_append(c, item, &append)) < 0 ||
		(r = read_override(c, item, "items", &append)) < 0 ||
		(r = read_list_items(c, seq, &items)) < 0)
		return r;
	if (append)
		return append_list(c, name, items, (uint32_t)seq->n);
	r = define_list(c, name, &l);
	if (r < 0)
		return r;
	l->items = items;
	l->n_items = (uint32_t)seq->n;
	l->visibility = c->id++;
	l->place = (struct item_place){.content = c->content, .item = item->pos};
	return 0;
}

static bool is_macro_name(const char *s)
{
	size_t n = strlen(s), i = 0;

	while (i < n && ((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
				(i && ((s[i] >= '0' && s[i] <= '9') || s[i] == '_'))))
		i++;
	return n > 0 && i == n;
}

static int append_macro(struct collector *c, const struct ynode *name, const struct ptext *cond)
{
	uint32_t i = map_get(&c->macro_by_name, name->text, name->n);
	struct ptext all = {0};
	struct macro_def *m;
	int r;

	if (i == MAP_NONE) {
		if (!collector_is_broken(c, name->text))
			cx_error(c->cx, VALIDATE, name->pos,
				"Macro uses 'append' or 'override.condition: append' but no macro "
				"by that name already exists");
		return -EINVAL;
	}
	m = &c->macros[i];
	r = ptext_add_text(c->cx, &all, &m->cond, 0, m->cond.n);
	if (r >= 0)
		r = ptext_add_str(c->cx, &all, " ", cond->n ? ptext_pos(cond, 0) : m->pos);
	if (r >= 0)
		r = ptext_add_text(c->cx, &all, cond, 0, cond->n);
	if (r < 0)
		return r;
	m->cond = all;
	m->visibility = c->id++;
	return 0;
}

int item_macro(struct collector *c, const struct ynode *item)
{
	static const char *const keys[] = {"macro", "condition", "append", "override", NULL};
	const struct ynode *name = item_text(c, item, "macro"),
			   *cond = name ? item_text(c, item, "condition") : NULL;
	struct ptext text = {0};
	uint32_t i;
	bool append;
	int r;

	item_unknown_keys(c, item, keys);
	if (!cond)
		return -EINVAL;
	if (!is_macro_name(name->text))
		cx_warning(c->cx, "LOAD_INVALID_MACRO_NAME", name->pos,
			"Macro has an invalid name. Macro names should match a regular expression: "
			"[a-zA-Z]+[a-zA-Z0-9_]*");
	if ((r = item_append(c, item, &append)) < 0 ||
		(r = read_override(c, item, "condition", &append)) < 0 ||
		(r = ynode_text(c->cx, cond, &text)) < 0)
		return r;
	if (append)
		return append_macro(c, name, &text);
	i = map_get(&c->macro_by_name, name->text, name->n);
	if (i == MAP_NONE) {
		i = c->n_macros;
		if ((r = item_grow(c->cx, (void **)&c->macros, c->n_macros, &c->cap_macros,
			     sizeof(*c->macros))) < 0 ||
			(r = map_put(c->cx, &c->macro_by_name, name->text, name->n, i)) < 0)
			return r;
		c->n_macros++;
	}
	c->macros[i] = (struct macro_def){.name = name->text,
		.pos = name->pos,
		.cond = text,
		.place = {.content = c->content, .item = item->pos, .condition = cond->pos},
		.visibility = c->id++};
	return 0;
}
