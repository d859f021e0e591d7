/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Pieces of the condition language at a cursor. Each lex_x() moves the cursor behind what it took
 * and says whether there was anything. */

#include "ast.h"

struct lexer {
	struct cx *cx;
	const struct ptext *t;
	size_t i; /* cursor */
	const struct ast_owner *owner;
	unsigned depth, func_depth;
	struct ast_error err; /* first error; message NULL: none */
};

bool lex_blank(struct lexer *lx);
/* The exact text at the cursor (no word boundary: the language has none). */
bool lex_word(struct lexer *lx, const char *w);
bool lex_ident(struct lexer *lx, struct span *ret);
bool lex_field_name(struct lexer *lx, struct span *ret);
bool lex_number(struct lexer *lx, struct span *ret);
bool lex_bare(struct lexer *lx, struct span *ret);
/* Unescaped; false also with lx->err set. */
bool lex_quoted(struct lexer *lx, struct span *ret);
bool lex_field_arg(struct lexer *lx, struct span *ret);
void lex_fail(struct lexer *lx, const char *message);

static inline bool lex_failed(const struct lexer *lx)
{
	return lx->err.message != NULL;
}
static inline struct spos lex_pos(const struct lexer *lx, size_t at)
{
	return ptext_pos(lx->t, at);
}
