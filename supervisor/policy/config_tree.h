/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Configuration as a tree in which every key and value knows where it was written. Lives in an
 * arena. */

#include <stdbool.h>
#include <stddef.h>

#include <base/arena.h>
#include <rules/diag.h>

#define CFG_DEPTH_MAX 32

enum cfg_kind { CFG_NULL, CFG_SCALAR, CFG_SEQ, CFG_MAP };

struct cfg_place {
	struct diag_pos pos; /* file: name, or "-o key=value" with line 0 */
	const char *line;    /* source line or NULL */
};

struct cfg_node {
	enum cfg_kind kind;
	bool is_quoted;   /* scalar */
	bool is_from_env; /* scalar: some of it came from ${VAR} */
	const char *text; /* scalar: NUL-ended, expanded */
	struct cfg_place at;
	struct cfg_item *first, *last; /* map, sequence */
	size_t n;
};

struct cfg_item {
	struct cfg_item *next;
	const char *key; /* NULL in a sequence */
	struct cfg_place key_at;
	struct cfg_node *node;
};

/* NULL: out of memory. */
struct cfg_node *cfg_node_new(struct arena *a, enum cfg_kind kind, struct cfg_place at);
/* Append to a map (key, borrowed for the arena's life) or sequence (NULL). 0 or -ENOMEM. */
int cfg_add(struct arena *a, struct cfg_node *to, const char *key, struct cfg_place key_at,
	struct cfg_node *node);
struct cfg_item *cfg_find_item(const struct cfg_node *map, const char *key);
/* "engine.kind": through maps; NULL if any part is missing or null. */
struct cfg_node *cfg_find(const struct cfg_node *root, const char *path);

enum cfg_strategy { CFG_APPEND, CFG_OVERRIDE, CFG_ADD_ONLY };
/* Falco's config_files: append joins sequences (and maps, key by key) and replaces scalars;
 * override replaces keys of the top level; add-only adds keys that are not there. Nodes of @from
 * become part of @to. 0 or -ENOMEM. */
int cfg_merge(
	struct arena *a, struct cfg_node *to, const struct cfg_node *from, enum cfg_strategy how);

/* Parse YAML (config_yaml.c): errors go to @d. The root is a map (an empty text gives an empty
 * one). NULL after an error.
 * @file: name for messages; @line0: false for -o values, whose place is the file name alone. All
 * strings go to the arena. */
struct cfg_node *cfg_parse_yaml(struct arena *a, struct diag *d, const char *file, const char *text,
	size_t n, bool is_option);

/* `-o key=value` (config_override.c). 0, or -EINVAL with an error in @d. */
int cfg_override(struct arena *a, struct diag *d, struct cfg_node *root, const char *option);

/* Expand ${VAR} in every scalar ($${x} is a literal ${x}); @env returns NULL for an unset one. 0 or
 * -ENOMEM. */
int cfg_expand(struct arena *a, struct cfg_node *root,
	const char *(*env)(void *ctx, const char *name), void *ctx);

void cfg_error(struct diag *d, const struct cfg_place *at, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void cfg_warn(struct diag *d, const struct cfg_place *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
