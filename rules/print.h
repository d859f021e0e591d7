/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Conditions, values and predicates as text. */

#include <base/strbuf.h>

#include "check.h"

/* Canonical: "(a and not b)". @expand: macros' trees in the place of their names. */
void print_condition(struct strbuf *b, const struct ast *n, bool expand);
/* Of a verified image. */
void print_expr(struct strbuf *b, const struct img *img, uint32_t expr);
void print_pred(struct strbuf *b, const struct img *img, uint32_t pred);
const char *print_op(enum img_op op);
const char *print_modifier(enum img_modifier m); /* "" for none */
const char *print_priority(uint8_t priority);
/* In double quotes if it holds anything that would end a bare word. */
void print_quoted(struct strbuf *b, const char *p, size_t n);
