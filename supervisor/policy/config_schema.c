/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a configuration tree against the table of keys. Nothing is read from the tree before
 * it has passed here; everything wrong is said at once. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <base/macros.h>
#include <base/utf8.h>

#include "config_schema.h"
#include "config_value.h"

enum key_type {
	T_STR,
	T_BOOL,
	T_INT,
	T_NUM,
	T_ENUM,
	T_PRIORITY,
	T_LEVEL,
	T_FACILITY,
	T_SIZE,
	T_DURATION,
	T_FALCO_DURATION,
	T_COUNT_OR_AUTO,
	T_NAME,
	T_STRMAP,    /* any keys, scalars */
	T_SECRETMAP, /* any keys, scalars or {file: PATH} */
	T_ANY,
	T_EMPTY, /* an empty mapping */
};

struct key {
	const char *path;
	enum key_type type;
	double min, max;         /* of INT, NUM, SIZE, DURATION */
	const char *choices;     /* of ENUM */
	const char *quiet, *why; /* why != NULL: without effect */
};

static const struct key keys[] = {
#define KEY(path, type, min, max, choices) {path, T_##type, min, max, choices, NULL, NULL},
#define IDLE(path, type, min, max, choices, quiet, why)                                            \
	{path, T_##type, min, max, choices, quiet, why},
#include "config_keys.def"
#undef KEY
#undef IDLE
};

#define PATH_MAX_BYTES 512
#define NAMES_MAX 128

struct checker {
	struct arena *arena;
	struct diag *diag;
	const char *warned[ARRAY_LEN(keys)];
	size_t n_warned;
};

static const struct key *find_key(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(keys[i].path, path))
			return &keys[i];
	return NULL;
}

/* Is there a row below path + what ("." or "[]")? */
static bool has_below(const char *path, const char *what)
{
	size_t n = strlen(path), m = strlen(what);

	if (n == 0)
		return *what == '.';
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strncmp(keys[i].path, path, n) && !strncmp(keys[i].path + n, what, m))
			return true;
	return false;
}

static bool has_name(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* The nearest key that may stand in the mapping at path, as a hint, or NULL. */
static const char *suggest(struct checker *c, const char *path, const char *key)
{
	const char *names[NAMES_MAX + 1] = {NULL};
	size_t n = strlen(path), n_names = 0;
	const char *best;

	for (size_t i = 0; i < ARRAY_LEN(keys) && n_names < NAMES_MAX; i++) {
		const char *rest = keys[i].path;
		char *name;

		if (n && (strncmp(rest, path, n) != 0 || rest[n] != '.'))
			continue;
		rest += n ? n + 1 : 0;
		name = arena_strndup(c->arena, rest, strcspn(rest, ".["));
		if (name && !has_name(names, n_names, name))
			names[n_names++] = name;
	}
	best = diag_nearest(key, strlen(key), names);
	return best ? arena_printf(c->arena, "did you mean '%s'?", best) : NULL;
}

static void warn_idle(struct checker *c, const struct key *k, const struct cfg_place *at,
	const struct cfg_node *n)
{
	const char *text = n->kind == CFG_SCALAR ? n->text : "";

	if (!k->why || n->kind == CFG_NULL || (n->kind != CFG_SCALAR && !n->first))
		return;
	if (k->quiet && (!strcmp(k->quiet, "*") || cfg_choice(text, k->quiet) >= 0))
		return;
	if (has_name(c->warned, c->n_warned, k->why))
		return;
	c->warned[c->n_warned++] = k->why;
	cfg_warn(c->diag, at, "'%s' has no effect here: %s", k->path, k->why);
}

static void check_range(
	struct checker *c, const struct key *k, const struct cfg_node *n, double value)
{
	if (value < k->min || value > k->max)
		cfg_error(c->diag, &n->at, NULL, "'%s' is out of range for '%s' (%.15g to %.15g)",
			n->text, k->path, k->min, k->max);
}

static void wrong_type(
	struct checker *c, const struct key *k, const struct cfg_node *n, const char *what)
{
	if (n->kind == CFG_SCALAR)
		cfg_error(
			c->diag, &n->at, NULL, "'%s' must be %s, not '%s'", k->path, what, n->text);
	else
		cfg_error(c->diag, &n->at, NULL, "'%s' must be %s", k->path, what);
}

static void check_choice(struct checker *c, const struct key *k, const struct cfg_node *n)
{
	const char *names[32] = {NULL}, *best, *p = k->choices;

	if (cfg_choice(n->text, k->choices) >= 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(names) - 1; i++) {
		size_t len = strcspn(p, "|");

		names[i] = arena_strndup(c->arena, p, len);
		if (!names[i] || !p[len])
			break;
		p += len + 1;
	}
	best = diag_nearest(n->text, strlen(n->text), names);
	cfg_error(c->diag, &n->at, best ? arena_printf(c->arena, "did you mean '%s'?", best) : NULL,
		"'%s' must be one of %s, not '%s'", k->path, k->choices, n->text);
}

static void check_number(struct checker *c, const struct key *k, const struct cfg_node *n)
{
	int64_t i;
	double d;

	if (k->type == T_COUNT_OR_AUTO && !strcmp(n->text, "auto"))
		return;
	if (k->type == T_NUM) {
		if (cfg_to_num(n->text, &d))
			check_range(c, k, n, d);
		else
			wrong_type(c, k, n, "a number");
		return;
	}
	if (cfg_to_int(n->text, &i))
		check_range(c, k, n, (double)i);
	else
		wrong_type(c, k, n, k->type == T_INT ? "a whole number" : "a whole number or auto");
}

static void check_scaled(struct checker *c, const struct key *k, const struct cfg_node *n)
{
	uint64_t v;

	if (k->type == T_SIZE) {
		if (cfg_to_size(n->text, &v))
			check_range(c, k, n, (double)v);
		else
			wrong_type(c, k, n, "a size (B, KiB, MiB, GiB)");
	} else if (cfg_to_duration(n->text, &v)) {
		check_range(c, k, n, (double)v);
	} else {
		wrong_type(c, k, n, "a duration (ms, s, m, h)");
	}
}

static void check_scalar(struct checker *c, const struct key *k, const struct cfg_node *n)
{
	unsigned facility;
	uint8_t priority;
	bool b;

	switch (k->type) {
	case T_STR:
		break;
	case T_BOOL:
		if (!cfg_to_bool(n->text, &b))
			wrong_type(c, k, n, "true or false");
		break;
	case T_INT:
	case T_NUM:
	case T_COUNT_OR_AUTO:
		check_number(c, k, n);
		break;
	case T_ENUM:
		check_choice(c, k, n);
		break;
	case T_PRIORITY:
	case T_LEVEL:
		if (!cfg_to_priority(n->text, &priority))
			wrong_type(c, k, n,
				"a priority (emergency, alert, critical, error, warning, notice, "
				"informational, debug)");
		break;
	case T_FACILITY:
		if (!cfg_to_facility(n->text, &facility))
			wrong_type(
				c, k, n, "a syslog facility (user, daemon, authpriv, local0, …)");
		break;
	case T_SIZE:
	case T_DURATION:
		check_scaled(c, k, n);
		break;
	case T_FALCO_DURATION:
		if (!cfg_is_falco_duration(n->text))
			wrong_type(c, k, n, "a duration (1h, 30m, 500ms, or a number of ms)");
		break;
	case T_NAME:
		if (!cfg_is_name(n->text))
			wrong_type(c, k, n, "1 to 32 of the characters a-z 0-9 _ -");
		break;
	case T_STRMAP:
	case T_SECRETMAP:
	case T_EMPTY:
		wrong_type(c, k, n, "a mapping");
		break;
	case T_ANY:
		break;
	}
}

static void check_free_map(struct checker *c, const struct key *k, const struct cfg_node *n)
{
	for (const struct cfg_item *i = n->first; i; i = i->next) {
		const struct cfg_node *v = i->node;
		bool is_file = k->type == T_SECRETMAP && v->kind == CFG_MAP && v->n == 1 &&
			       !strcmp(v->first->key, "file") && v->first->node->kind == CFG_SCALAR;

		if (k->type == T_EMPTY)
			cfg_error(c->diag, &i->key_at, NULL, "unknown key '%s': '%s' takes none",
				i->key, k->path);
		else if (v->kind != CFG_SCALAR && v->kind != CFG_NULL && !is_file)
			cfg_error(c->diag, &v->at, NULL, "'%s' in '%s' must be text%s", i->key,
				k->path, k->type == T_SECRETMAP ? " or {file: PATH}" : "");
	}
}

/* append_output[].extra_fields[] may be {name: template}. */
static bool is_formatted_field(const char *path, const struct cfg_node *n)
{
	return !strcmp(path, "append_output[].extra_fields[]") && n->kind == CFG_MAP && n->n == 1 &&
	       n->first->node->kind == CFG_SCALAR;
}

static void check_node(struct checker *c, const char *path, const struct cfg_place *key_at,
	const struct cfg_node *n);

static void check_map(struct checker *c, const char *path, const struct cfg_node *n)
{
	char below[PATH_MAX_BYTES];

	for (const struct cfg_item *i = n->first; i; i = i->next) {
		int len = snprintf(below, sizeof(below), "%s%s%s", path, *path ? "." : "", i->key);

		/* '[' in a key would look like an element */
		if (len >= (int)sizeof(below) || strpbrk(i->key, ".[") ||
			(!find_key(below) && !has_below(below, ".") && !has_below(below, "[]")))
			cfg_error(c->diag, &i->key_at, suggest(c, path, i->key),
				"unknown key '%.100s'%s%s", i->key, *path ? " in " : "", path);
		else
			check_node(c, below, &i->key_at, i->node);
	}
}

/* An element whose name has rows of its own: "plugins[container]". */
static const char *own_rows(const char *path, const struct cfg_node *n)
{
	const struct cfg_node *name = n->kind == CFG_MAP ? cfg_find(n, "name") : NULL;

	if (!strcmp(path, "plugins") && name && name->kind == CFG_SCALAR &&
		!strcmp(name->text, "container"))
		return name->text;
	return "";
}

static void check_seq(struct checker *c, const char *path, const struct cfg_node *n)
{
	char below[PATH_MAX_BYTES];

	for (const struct cfg_item *i = n->first; i; i = i->next) {
		/* path is a row's: short */
		(void)snprintf(below, sizeof(below), "%s[%s]", path, own_rows(path, i->node));
		check_node(c, below, &i->node->at, i->node);
	}
}

static void check_node(struct checker *c, const char *path, const struct cfg_place *key_at,
	const struct cfg_node *n)
{
	const struct key *k = find_key(path);
	bool takes_map = has_below(path, "."), takes_seq = has_below(path, "[]");

	if (k)
		warn_idle(c, k, key_at, n);
	if (n->kind == CFG_NULL || (k && k->type == T_ANY) || is_formatted_field(path, n))
		return;
	if (n->kind == CFG_MAP && takes_map)
		check_map(c, path, n);
	else if (n->kind == CFG_SEQ && takes_seq)
		check_seq(c, path, n);
	else if (n->kind == CFG_SCALAR && k)
		check_scalar(c, k, n);
	else if (n->kind == CFG_MAP && k &&
		 (k->type == T_STRMAP || k->type == T_SECRETMAP || k->type == T_EMPTY))
		check_free_map(c, k, n);
	else if (!n->first && n->kind != CFG_SCALAR && (takes_map || takes_seq))
		return; /* {} for [] or the other way round: empty is empty */
	else
		cfg_error(c->diag, &n->at, NULL, "'%s' must be %s", path,
			takes_seq         ? "a list"
			: takes_map || !k ? "a mapping"
					  : "one value");
}

/* Blocks for other processes are JSON, which holds UTF-8 alone. Files are UTF-8 (libyaml refuses
 * others), the command line and the environment may not be. */
static void check_texts(struct checker *c, const struct cfg_node *n)
{
	if (n->kind == CFG_SCALAR && !utf8_is_valid(span_str(n->text)))
		cfg_error(c->diag, &n->at, NULL, "the value is not UTF-8");
	for (const struct cfg_item *i = n->first; i; i = i->next) {
		if (i->key && !utf8_is_valid(span_str(i->key)))
			cfg_error(c->diag, &i->key_at, NULL, "the key is not UTF-8");
		check_texts(c, i->node);
	}
}

void cfg_check(struct arena *a, struct diag *d, const struct cfg_node *root)
{
	struct checker c = {.arena = a, .diag = d};

	check_map(&c, "", root);
	check_texts(&c, root);
}
