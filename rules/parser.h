/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the two halves of the parser share: parser_values.c (fields, functions, literals) and
 * parser.c (tests and trees). */

#include "lexer.h"

/* A growing array of pointers in the arena. */
struct ptrs {
	void **p;
	uint32_t n, cap;
};

/* False when out of memory or the item is NULL. */
bool parse_push(struct lexer *lx, struct ptrs *a, void *item);
/* A value of the text from the offset to the cursor. */
struct ast_val *parse_new_val(
	struct lexer *lx, enum ast_val_kind kind, size_t from, struct span text);
/* NULL if there is none, or with the lexer's error set. */
struct ast_val *parse_field(struct lexer *lx);
struct ast_val *parse_func(struct lexer *lx);
struct ast_val *parse_rhs_value(struct lexer *lx);
