/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files define, in order, with appends and overrides applied: lists, macros and rules
 * before expansion. */

#include "ast.h"
#include "map.h"
#include "schema.h"
#include "yaml_doc.h"

#define RULES_ENGINE_MAJOR 0
#define RULES_ENGINE_MINOR 63
#define RULES_ENGINE_PATCH 0

struct litem {
	const char *text;
	struct spos pos;
	uint32_t n;
	const struct litem
		*via; /* the item that named the list it comes from; NULL: its own list's */
};

/* Where an item stands, for messages. */
struct item_place {
	struct spos content, item, condition, output;
};

struct list_def {
	const char *name;
	struct spos pos;
	struct litem *items;
	uint32_t n_items;
	uint32_t visibility; /* id of the last define or append */
	struct item_place place;
	bool used, odd_name; /* odd: holds a character that ends words */
	struct litem *flat;  /* this pass */
	uint32_t n_flat;
};

enum macro_state { MACRO_NEW, MACRO_BUSY, MACRO_DONE, MACRO_BAD };
struct macro_def {
	const char *name;
	struct spos pos;
	struct ptext cond;
	struct item_place place;
	uint32_t visibility;
	bool used;
	uint8_t state; /* this pass: enum macro_state */
	struct ast *ast;
};

struct exc_name {
	const char *text;
	size_t n;
	struct spos pos;
};

struct exception_def {
	const char *name;
	struct spos pos;
	bool is_scalar; /* fields given as a scalar */
	struct exc_name *fields, *comps;
	uint32_t n_fields, n_comps;
	const struct ynode **values;
	uint32_t n_values;
	struct exception_def *next;
};

struct rule_def {
	const char *name;
	struct spos pos;
	struct ptext cond, output;
	struct item_place place;
	const char *desc, *source;
	uint8_t priority;
	bool enabled, warn_evttypes, skip_unknown, capture, known_source;
	uint32_t capture_ms;
	const char **tags; /* sorted, unique */
	uint32_t n_tags;
	struct exception_def *exceptions;
};

struct collector {
	struct cx *cx;
	struct list_def *lists;
	struct macro_def *macros;
	struct rule_def *rules;
	uint32_t n_lists, n_macros, n_rules, cap_lists, cap_macros, cap_rules;
	struct map list_by_name, macro_by_name, rule_by_name;
	struct map broken; /* names of items that were refused: nothing more is said about them */
	uint32_t id;       /* grows by every define and append */
	unsigned macro_depth;         /* of resolving */
	struct schema_result schema;  /* of the file read last */
	struct spos content;          /* of the document that is being read */
	unsigned long engine[3];      /* highest required_engine_version */
	const struct ynode **plugins; /* entries of required_plugin_versions */
	uint32_t n_plugins, cap_plugins;
};

/* Read the items of a file. Errors are reported; what is right is kept. */
int collector_read(struct collector *c, uint16_t file);
bool collector_is_broken(const struct collector *c, const char *name);
/* Does the comparison of an exception take a list on its right? */
bool exception_comp_takes_list(const char *comp);
