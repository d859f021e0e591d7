/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration tree: nodes, look-up, merging of several files, expansion of the environment.
 * Its input was parsed from files that the user named; depth is bounded by the parser, so walking
 * may recurse. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <base/macros.h>
#include <base/strbuf.h>

#include "config_tree.h"

struct cfg_node *cfg_node_new(struct arena *a, enum cfg_kind kind, struct cfg_place at)
{
	struct cfg_node *n = arena_alloc(a, sizeof(*n));

	if (n) {
		n->kind = kind;
		n->at = at;
	}
	return n;
}

int cfg_add(struct arena *a, struct cfg_node *to, const char *key, struct cfg_place key_at,
	struct cfg_node *node)
{
	struct cfg_item *item = arena_alloc(a, sizeof(*item));

	if (!item || !node)
		return -ENOMEM;
	*item = (struct cfg_item){.key = key, .key_at = key_at, .node = node};
	if (to->last)
		to->last->next = item;
	else
		to->first = item;
	to->last = item;
	to->n++;
	return 0;
}

struct cfg_item *cfg_find_item(const struct cfg_node *map, const char *key)
{
	for (struct cfg_item *i = map->kind == CFG_MAP ? map->first : NULL; i; i = i->next)
		if (!strcmp(i->key, key))
			return i;
	return NULL;
}

struct cfg_node *cfg_find(const struct cfg_node *root, const char *path)
{
	struct cfg_node *n = (struct cfg_node *)root;
	char key[128];

	while (n && *path) {
		size_t len = strcspn(path, ".");
		struct cfg_item *item;

		assert(len < sizeof(key));
		memcpy(key, path, len);
		key[len] = 0;
		item = cfg_find_item(n, key);
		n = item ? item->node : NULL;
		path += len + (path[len] == '.');
	}
	return n && n->kind != CFG_NULL ? n : NULL;
}

static int append_items(struct arena *a, struct cfg_node *to, const struct cfg_node *from)
{
	for (struct cfg_item *i = from->first; i; i = i->next) {
		int r = cfg_add(a, to, i->key, i->key_at, i->node);

		if (r < 0)
			return r;
	}
	return 0;
}

int cfg_merge(
	struct arena *a, struct cfg_node *to, const struct cfg_node *from, enum cfg_strategy how)
{
	for (struct cfg_item *i = from->first; i; i = i->next) {
		struct cfg_item *old = cfg_find_item(to, i->key);
		int r = 0;

		if (!old)
			r = cfg_add(a, to, i->key, i->key_at, i->node);
		else if (how == CFG_APPEND && old->node->kind == CFG_SEQ &&
			 i->node->kind == CFG_SEQ)
			r = append_items(a, old->node, i->node);
		else if (how == CFG_APPEND && old->node->kind == CFG_MAP &&
			 i->node->kind == CFG_MAP)
			r = cfg_merge(a, old->node, i->node, how);
		else if (how != CFG_ADD_ONLY)
			*old = (struct cfg_item){.next = old->next,
				.key = old->key,
				.key_at = i->key_at,
				.node = i->node};
		if (r < 0)
			return r;
	}
	return 0;
}

/* The end of "${VAR}" that begins at p, or NULL. */
static const char *variable_end(const char *p)
{
	return p[0] == '$' && p[1] == '{' ? strchr(p, '}') : NULL;
}

static const char *variable_value(
	const char *p, const char *end, const char *(*env)(void *ctx, const char *name), void *ctx)
{
	char name[256];
	const char *from = p + 2, *to = end;

	while (from < to && (*from == ' ' || *from == '\t'))
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
		to--;
	if ((size_t)(to - from) >= sizeof(name))
		return "";
	memcpy(name, from, (size_t)(to - from));
	name[to - from] = 0;
	from = env(ctx, name);
	return from ? from : "";
}

static int expand_text(struct arena *a, struct cfg_node *n,
	const char *(*env)(void *ctx, const char *name), void *ctx)
{
	_cleanup_strbuf_ struct strbuf b = {0};

	if (!strstr(n->text, "${"))
		return 0;
	for (const char *p = n->text, *end; *p;) {
		if (p[0] == '$' && (end = variable_end(p + 1))) {
			strbuf_add(&b, p + 1, (size_t)(end - p)); /* without the first $ */
			p = end + 1;
		} else if ((end = variable_end(p))) {
			strbuf_add_str(&b, variable_value(p, end, env, ctx));
			n->is_from_env = true;
			p = end + 1;
		} else {
			strbuf_add_char(&b, *p++);
		}
	}
	n->text = strbuf_ok(&b) ? arena_strndup(a, b.p ? b.p : "", b.n) : NULL;
	if (!n->text)
		return -ENOMEM;
	if (!n->is_quoted && !*n->text)
		n->kind = CFG_NULL; /* an unset variable: as if nothing stood there */
	return 0;
}

int cfg_expand(struct arena *a, struct cfg_node *root,
	const char *(*env)(void *ctx, const char *name), void *ctx)
{
	if (root->kind == CFG_SCALAR)
		return expand_text(a, root, env, ctx);
	for (struct cfg_item *i = root->first; i; i = i->next) {
		int r = cfg_expand(a, i->node, env, ctx);

		if (r < 0)
			return r;
	}
	return 0;
}

static void add_message(struct diag *d, enum diag_severity sev, const struct cfg_place *at,
	const char *hint, const char *fmt, va_list ap)
{
	char text[1024];

	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a longer message is cut */
	diag_add(d, sev, NULL, at->pos, at->line, hint, "%s", text);
}

void cfg_error(struct diag *d, const struct cfg_place *at, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_message(d, DIAG_ERROR, at, hint, fmt, ap);
	va_end(ap);
}

void cfg_warn(struct diag *d, const struct cfg_place *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_message(d, DIAG_WARNING, at, NULL, fmt, ap);
	va_end(ap);
}
