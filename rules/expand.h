/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Conditions before parsing: exceptions pasted in, list names replaced by their items. */

#include "collector.h"

/* "(" condition ")" and not (...) for every exception that has values. -EINVAL after reporting. */
int expand_exceptions(struct collector *c, const struct rule_def *r, struct ptext *ret);
/* Every list one level deep; marks the lists used by lists. */
int expand_flatten(struct collector *c);
/* List names in the text by their items, once over all lists in order. -E2BIG: the text is too long;
 * -EDQUOT: too many lists for the memory and time that one condition may take. */
int expand_lists(struct collector *c, struct ptext *t);
/* The bound that -E2BIG or -EDQUOT stands for, in words. */
const char *expand_bound(struct cx *cx, int err);
/* Macro names of a parsed condition to their trees. @visibility: only macros first defined below it
 * are seen (UINT32_MAX: all). */
bool expand_macros(struct collector *c, struct ast *n, uint32_t visibility);
/* The place of an item's condition, for messages; NULL when out of memory. */
const struct where *expand_where(struct cx *cx, const char *kind, const char *name,
	const struct item_place *place, struct spos part);
void expand_syntax_error(struct cx *cx, const struct ast_owner *owner, const struct ast_error *err,
	struct spos otherwise);
/* Parse and resolve all macros. */
void expand_parse_macros(struct collector *c);
