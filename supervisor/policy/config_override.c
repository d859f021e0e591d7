/* SPDX-License-Identifier: Apache-2.0 */
/* `-o key=value`: a dotted path with [n] and [] (append), backslash before . [ ] \ ; the value is
 * text, or JSON where it begins with { [ or a quote. Applied after all files. Messages name the
 * option as it was given. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>

#include "config_tree.h"

struct step {
	const char *key; /* NULL: index */
	long index;      /* -1: append */
};

#define STEPS_MAX 16

struct override {
	struct arena *arena;
	struct diag *diag;
	struct cfg_place at;
	struct step steps[STEPS_MAX];
	size_t n;
};

static int refuse(struct override *o, const char *what)
{
	cfg_error(o->diag, &o->at, NULL, "%s", what);
	return -EINVAL;
}

static int add_step(struct override *o, const char *key, long index)
{
	if (o->n == STEPS_MAX)
		return refuse(o, "the key has too many parts");
	o->steps[o->n++] = (struct step){key, index};
	return 0;
}

static int parse_index(struct override *o, const char **io_p, const char *end)
{
	const char *close = memchr(*io_p, ']', (size_t)(end - *io_p));
	long index = -1;
	char *stop;

	if (!close)
		return refuse(o, "']' is missing");
	if (close > *io_p) {
		index = strtol(*io_p, &stop, 10);
		if (stop != close || index < 0 || index > 4096)
			return refuse(
				o, "between [ and ] must stand a number, or nothing to append");
	}
	*io_p = close + 1;
	return add_step(o, NULL, index);
}

static int parse_name(struct override *o, const char **io_p, const char *end)
{
	char name[256];
	size_t n = 0;
	const char *p = *io_p;

	while (p < end && *p != '.' && *p != '[') {
		if (*p == '\\' && p + 1 < end)
			p++;
		if (n == sizeof(name) - 1)
			return refuse(o, "the key is too long");
		name[n++] = *p++;
	}
	if (n == 0)
		return refuse(o, "a part of the key is empty");
	*io_p = p;
	return add_step(o, arena_strndup(o->arena, name, n), 0);
}

static int parse_path(struct override *o, const char *p, const char *end)
{
	int r = parse_name(o, &p, end);

	while (r == 0 && p < end) {
		char c = *p++;

		if (c == '[')
			r = parse_index(o, &p, end);
		else if (c == '.')
			r = parse_name(o, &p, end);
		else
			r = refuse(o, "after ']' must stand '.' or '['");
	}
	return r;
}

/* The place of a step inside n, made if it is not there. */
static struct cfg_node **step_into(struct override *o, struct cfg_node *n, const struct step *s)
{
	enum cfg_kind want = s->key ? CFG_MAP : CFG_SEQ;
	struct cfg_item *item = NULL;

	if (n->kind == CFG_NULL || (n->kind != want && !n->first && n->kind != CFG_SCALAR)) {
		n->kind = want;
		n->at = o->at;
	}
	if (n->kind != want) {
		(void)refuse(o, s->key ? "the part before '.' is not a mapping"
				       : "the part before '[' is not a list");
		return NULL;
	}
	if (s->key) {
		item = cfg_find_item(n, s->key);
	} else if (s->index >= 0) {
		item = n->first;
		for (long i = 0; item && i < s->index; i++)
			item = item->next;
		if (!item && (size_t)s->index != n->n) {
			(void)refuse(o, "the list has fewer elements");
			return NULL;
		}
	}
	if (!item) {
		if (cfg_add(o->arena, n, s->key, o->at, cfg_node_new(o->arena, CFG_NULL, o->at)) <
			0)
			return NULL;
		item = n->last;
	}
	item->key_at = o->at;
	return &item->node;
}

static struct cfg_node *parse_value(struct override *o, const char *text)
{
	const char *p = text + strspn(text, " \t");
	struct cfg_node *n;

	if (*p == '{' || *p == '[' || *p == '"' || *p == '\'')
		return cfg_parse_yaml(o->arena, o->diag, o->at.pos.file, text, strlen(text), true);
	n = cfg_node_new(o->arena, *text ? CFG_SCALAR : CFG_NULL, o->at);
	if (n)
		n->text = arena_strdup(o->arena, text);
	return n && n->text ? n : NULL;
}

int cfg_override(struct arena *a, struct diag *d, struct cfg_node *root, const char *option)
{
	struct override o = {
		.arena = a, .diag = d, .at = {.pos = {.file = arena_printf(a, "-o %s", option)}}};
	const char *eq = strchr(option, '=');
	struct cfg_node *n = root, **place = NULL, *value;
	int r;

	if (!eq)
		return refuse(&o, "must have the form key=value");
	r = parse_path(&o, option, eq);
	if (r < 0)
		return r;
	for (size_t i = 0; i < o.n; i++) {
		place = step_into(&o, n, &o.steps[i]);
		if (!place)
			return -EINVAL;
		n = *place;
	}
	value = parse_value(&o, eq + 1);
	if (!value)
		return -EINVAL;
	*place = value;
	return 0;
}
