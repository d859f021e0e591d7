/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Output templates: "%field" and "%function(...)" with an optional width, in literal text. */

#include "builder.h"

struct fpiece {
	const char *lit; /* NULL: a value */
	size_t n;
	struct tval *value;
	uint32_t width;
};

struct ftemplate {
	struct fpiece *pieces;
	uint32_t n, cap;
};

/* NULL or what is wrong. */
struct ast_problem *format_compile(struct cx *cx, const struct ptext *t, struct ftemplate *ret);
/* First index and number of pieces in the image. */
void format_emit(
	struct builder *b, const struct ftemplate *f, uint32_t *ret_first, uint32_t *ret_n);
