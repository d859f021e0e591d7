/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Typed values and predicates: what a parsed check means, in the image's terms but with pointers.
 * In the context's arena. */

#include <rules/fields.h>

#include "ast.h"

struct evset;

struct tval {
	uint8_t kind;     /* enum img_expr_kind */
	uint8_t type;     /* enum img_type */
	uint8_t ft;       /* enum field_type: how constants beside it are read */
	uint8_t arg_kind; /* enum img_arg_kind */
	uint16_t flags;   /* FF_* of the field */
	uint16_t field;   /* enum field_id */
	bool is_field;
	bool is_static;    /* static.NAME: a constant that is listed like a field */
	bool incomparable; /* a parameter whose type has no comparisons */
	int64_t index;
	const char *key;
	size_t key_n;
	const char *text;     /* canonical: "proc.aname[2]" */
	struct tconst *konst; /* IMG_E_CONST */
	struct tval **args;
	uint32_t n_args;
};

struct tconst {
	uint8_t type, family, prefix;
	uint64_t num;
	uint8_t ip[16];
	const char *str;
	size_t n;
};

enum tcheck_fold { FOLD_NO, FOLD_TRUE, FOLD_FALSE };

struct tcheck {
	struct tval *lhs;
	uint8_t op, modifier, fold; /* enum img_op, img_modifier, tcheck_fold */
	uint8_t rhs_kind;           /* enum img_rhs */
	struct tconst *consts;      /* CONST: one; SET: n */
	uint32_t n_consts;
	struct tval *rhs;    /* EXPR */
	struct evset *codes; /* of a test of evt.type: the events it names, once asked for */
	uint32_t pred;       /* once emitted, else IMG_NONE */
};

#define STATIC_PREFIX "static." /* of the fields that the configuration makes */

/* A field or function as written. NULL with *ret_problem. */
struct tval *check_value(struct cx *cx, const struct ast_val *v, struct ast_problem **ret_problem);
/* Is it a field or function that a condition may start with? */
bool check_is_lhs(struct cx *cx, const struct ast_val *v);
/* Type the check of a node: sets n->typed or n->problem. Once. */
void check_node(struct cx *cx, struct ast *n);
/* A constant for comparing with values of that field type; NULL with *reterr. @op: bcontains and
 * bstartswith take hex. */
int check_const(struct cx *cx, enum field_type ft, enum img_type type, enum img_op op,
	const char *text, size_t n, struct tconst *ret, const char **reterr);
/* Problem at a place. */
struct ast_problem *check_problem(struct cx *cx, struct spos pos, uint32_t length, const char *hint,
	bool unknown, const char *fmt, ...) _printf_(6, 7);

/* Events an evt.type name stands for. True if it is known. */
bool evname_is_known(const char *name, size_t n);
const char *evname_nearest(const char *name, size_t n);
