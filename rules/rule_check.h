/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One rule, checked and ready for code. */

#include "codegen.h"
#include "expand.h"
#include "format.h"

struct extra_field {
	const char *key;
	struct tval *raw; /* or NULL: */
	struct ftemplate fmt;
};

struct checked_rule {
	const struct rule_def *def;
	struct ast *ast;
	const struct ast_owner *owner; /* the condition as it was parsed */
	struct evset events;
	struct ptext output; /* with what the configuration appends */
	struct ftemplate fmt;
	struct extra_field *extra;
	uint32_t n_extra;
	bool ok; /* false: refused, or dropped with a warning */
	bool enabled;
	uint32_t turn; /* when the configuration turned it on: rules are tried in this order */
	uint64_t outputs;
};

/* Compile condition and output of c->rules[at] as far as the image; errors and warnings are
 * reported. */
void rule_check(struct collector *c, uint32_t at, const struct rules_options *opt,
	struct checked_rule *ret);

/* select.c */
bool select_matches(const char *pattern, const char *name);
bool select_has_tag(const struct rule_def *r, const char *tag);
/* *ret_turn: 0 if it was on from the beginning, else one more than the entry that turned it on. */
bool select_is_enabled(
	const struct rule_def *r, const struct rules_options *opt, uint32_t *ret_turn);
uint64_t select_outputs(const struct rule_def *r, const struct rules_options *opt);
bool select_appends(const struct rule_def *r, const struct rules_append *a);
