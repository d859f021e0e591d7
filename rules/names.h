/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sorted sets of names, and what a condition names. In the context's arena. */

#include "expand.h"
#include "evtypes.h"
#include "format.h"

struct names {
	const char **p; /* n; sorted by names_sort() */
	uint32_t n, cap;
	struct map seen;
};

struct facts {                          /* of a condition */
	struct names macros;            /* that it names itself */
	struct names operators, fields; /* macros expanded */
};

void names_add(struct cx *cx, struct names *s, const char *name, size_t n);
void names_sort(struct names *s);
/* @n: macros resolved */
void names_of_condition(struct cx *cx, const struct ast *n, struct facts *ret);
/* The lists that the text names. */
void names_of_lists(struct collector *c, const struct ptext *t, struct names *ret);
void names_of_template(struct cx *cx, const struct ftemplate *f, struct names *ret);
void names_of_events(struct cx *cx, const struct evset *s, struct names *ret);
