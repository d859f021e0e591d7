/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Conditions as trees. Nodes live in the context's arena. A macro's tree is shared by everything
 * that names the macro. */

#include <rules/image.h>

#include "text.h"

#define AST_DEPTH_MAX 1000  /* nesting of one text */
#define AST_HEIGHT_MAX 3000 /* with macros expanded: bounds the recursion of what walks trees */
#define AST_SIZE_MAX 200000 /* tests with macros expanded */
#define AST_FUNC_DEPTH_MAX 16

enum ast_func {
	FN_TOLOWER,
	FN_TOUPPER,
	FN_B64,
	FN_BASENAME,
	FN_LEN,
	FN_JOIN,
	FN_CONCAT,
	FN_GETOPT,
	_FN_MAX
};
enum ast_val_kind { VAL_FIELD, VAL_FUNC, VAL_TEXT, VAL_LIST };

struct ast_val {
	uint8_t kind; /* enum ast_val_kind */
	uint8_t func; /* enum ast_func */
	bool has_arg; /* [arg] was written */
	bool quoted;  /* VAL_TEXT */
	bool number;  /* VAL_TEXT: lexically a number, bare */
	struct spos pos;
	uint32_t at, length; /* in the expanded text: offset and bytes written */
	const char *text;    /* field name or literal, NUL-ended after n bytes */
	size_t n;
	const char *arg;
	size_t arg_n;
	struct ast_val **args; /* VAL_FUNC, VAL_LIST */
	uint32_t n_args;
};

enum ast_rhs { AST_RHS_NONE, AST_RHS_ONE, AST_RHS_LIST, AST_RHS_VALUE };

struct tcheck;
struct macro_def;

struct ast_check {
	struct ast_val *lhs;
	uint8_t op, modifier; /* enum img_op, enum img_modifier */
	uint8_t rhs_kind;     /* enum ast_rhs */
	struct spos op_pos;
	const char *op_text;
	struct ast_val **rhs; /* ONE, VALUE: one */
	uint32_t n_rhs;
};

/* What checking found wrong; reported once whoever meets it. */
struct ast_problem {
	bool unknown; /* unknown field or event type: skip-if-unknown-filter may drop the rule for
			 it */
	struct spos pos;
	uint32_t length;
	uint32_t at; /* offset in the expanded text of the value; 0: the test's */
	const char *message, *hint;
	struct ast_problem *next;
};

/* Whose condition it is. */
struct ast_owner {
	const char *label; /* "rule 'x'" or "macro 'x'" */
	struct ptext text; /* lists expanded */
	const struct where *where;
};

enum ast_kind { AST_AND, AST_OR, AST_NOT, AST_CHECK, AST_MACRO };

enum ast_truth { TRUTH_OPEN, TRUTH_TRUE, TRUTH_FALSE };
struct ast {
	uint8_t kind;       /* enum ast_kind */
	bool is_typed;      /* AST_CHECK: typed or problem is set */
	uint8_t truth;      /* enum ast_truth, for the rule of generation gen */
	uint32_t gen, cost; /* cost: estimate, same validity as truth */
	uint32_t height, size;
	struct spos pos;
	uint32_t at;       /* offset in the owner's text */
	struct ast **kids; /* AND, OR: n_kids; NOT: one; MACRO: one once resolved */
	uint32_t n_kids;
	const char *name; /* AST_MACRO */
	size_t name_n;
	struct ast_check *check;
	struct tcheck *typed;
	struct ast_problem *problem, *warnings;
	const struct ast_owner *owner;
	const void *checked_for; /* the root of a macro: the rule that is_right is known for */
	bool is_right;
	bool is_names_checked; /* for names of lists that there are not */
};

struct ast_error {
	size_t at; /* offset in the text */
	const char *message;
	bool is_memory;
};

/* The whole text of the owner is one condition. NULL with *reterr. @owner is borrowed. */
struct ast *ast_parse(struct cx *cx, const struct ast_owner *owner, struct ast_error *reterr);
/* A left-hand value that makes up the whole text. */
struct ast_val *ast_parse_lhs(struct cx *cx, const struct ptext *t);
/* A function call at the offset; *ret_end behind it. NULL if there is none. */
struct ast_val *ast_parse_func_at(struct cx *cx, const struct ptext *t, size_t at, size_t *ret_end);
/* [arg] at the offset into v; false if there is none. */
bool ast_parse_arg_at(
	struct cx *cx, const struct ptext *t, size_t at, struct ast_val *v, size_t *ret_end);
/* Longest field name at the offset: bytes, 0 if none. */
size_t ast_field_name_len(const char *p, size_t n);
/* Operator by its text (whole); _IMG_OP_MAX if unknown. */
enum img_op ast_op_find(const char *s, size_t n);
const char *ast_func_str(enum ast_func f);
