/* SPDX-License-Identifier: Apache-2.0 */
/* Fields and functions as written, into typed values: names, arguments, operand types. Texts are
 * the user's; every refusal carries its place. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <abi/events.h>

#include "check.h"

struct ast_problem *check_problem(struct cx *cx, struct spos pos, uint32_t length, const char *hint,
	bool unknown, const char *fmt, ...)
{
	static struct ast_problem no_memory = {.message = "out of memory"};
	struct ast_problem *p = cx_alloc(cx, sizeof(*p));
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut: it is a message */
	va_end(ap);
	if (!p)
		return &no_memory;
	*p = (struct ast_problem){.unknown = unknown, .pos = pos, .length = length, .hint = hint};
	p->message = cx_strndup(cx, text, strlen(text));
	return p->message ? p : &no_memory;
}

static struct ast_problem *bad_value(struct cx *cx, const struct ast_val *v, const char *why)
{
	return check_problem(cx, v->pos, v->length, NULL, false, "%s", why);
}

static struct ast_problem *unknown_field(struct cx *cx, const struct ast_val *v)
{
	const char *near = cx_may_suggest(cx, _FIELD_ID_MAX) ? field_suggest(v->text, v->n) : NULL;

	return check_problem(cx, v->pos, v->length, cx_did_you_mean(cx, near), true,
		"unknown field '%s%s%s%s'", v->text, v->has_arg ? "[" : "",
		v->has_arg ? v->arg : "", v->has_arg ? "]" : "");
}

/* Type of a parameter for comparing; -1 if it has none. */
static int ft_of_param(enum kev_type t)
{
	switch (t) {
	case KEV_T_INT8:
	case KEV_T_INT16:
		return FT_INT16;
	case KEV_T_INT32:
	case KEV_T_FD32:
	case KEV_T_PID32:
		return FT_INT32;
	case KEV_T_INT64:
	case KEV_T_FD:
	case KEV_T_PID:
	case KEV_T_ERRNO:
		return FT_INT64;
	case KEV_T_UINT8:
	case KEV_T_UINT16:
	case KEV_T_UINT32:
	case KEV_T_UID:
	case KEV_T_GID:
	case KEV_T_MODE:
	case KEV_T_FLAGS8:
	case KEV_T_FLAGS16:
	case KEV_T_FLAGS32:
	case KEV_T_ENUM8:
	case KEV_T_ENUM16:
	case KEV_T_ENUM32:
		return FT_UINT32;
	case KEV_T_UINT64:
		return FT_UINT64;
	case KEV_T_RELTIME:
		return FT_RELTIME;
	case KEV_T_ABSTIME:
		return FT_ABSTIME;
	case KEV_T_PORT:
		return FT_PORT;
	case KEV_T_STR:
	case KEV_T_PATH:
	case KEV_T_RELPATH:
		return FT_CHARBUF;
	case KEV_T_BYTES:
		return FT_BYTEBUF;
	default:
		return -1;
	}
}

/* evt.rawarg.NAME: the type of the first event's parameter of that name. */
static void type_rawarg(struct tval *t)
{
	for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++) {
		const struct kev_info *info = kev_info_get(ix);
		int i = kev_param_find(info, t->key);
		int ft;

		if (i < 0)
			continue;
		ft = ft_of_param(info->params[i].type);
		t->incomparable = ft < 0;
		t->ft = ft < 0 ? FT_BYTEBUF : (uint8_t)ft;
		t->type = (uint8_t)img_type_of_field(&(struct field_info){.type = t->ft});
		return;
	}
}

static bool is_digits(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return n > 0;
}

static struct ast_problem *set_index(struct cx *cx, const struct ast_val *v, struct tval *t)
{
	if (!is_digits(v->arg, v->arg_n) || v->arg_n > 9)
		return check_problem(cx, v->pos, v->length, NULL, false,
			"filter syntax error: the argument of '%s' must be a number", t->text);
	t->arg_kind = IMG_ARG_INDEX;
	t->index = strtol(v->arg, NULL, 10);
	return NULL;
}

static struct ast_problem *set_key(
	struct cx *cx, const struct ast_val *v, struct tval *t, const char *key, size_t n)
{
	if (memchr(key, '\0', n))
		return bad_value(cx, v, "an argument cannot hold a NUL character");
	t->arg_kind = IMG_ARG_KEY;
	t->key = key;
	t->key_n = n;
	return NULL;
}

static bool is_numbered(const char *p, size_t n)
{
	return is_digits(p, n) && n <= 9;
}

/* The part behind the dot: a parameter, event, subsystem or label name. */
static struct ast_problem *set_suffix(
	struct cx *cx, const struct ast_val *v, struct tval *t, const char *key, size_t n)
{
	enum field_id id = (enum field_id)t->field;

	if ((id == FIELD_ID_EVT_ARG || id == FIELD_ID_EVT_RAWARG) &&
		!kev_param_name_exists(key, (unsigned)n))
		return check_problem(
			cx, v->pos, v->length, NULL, true, "unknown event argument '%s'", key);
	if (id == FIELD_ID_EVT_TYPE_IS && !evname_is_known(key, n))
		return check_problem(cx, v->pos, v->length,
			cx_did_you_mean(cx,
				cx_may_suggest(cx, _KEV_IX_MAX) ? evname_nearest(key, n) : NULL),
			true, "unknown event type '%s'", key);
	if (id == FIELD_ID_EVT_ABSPATH && strcmp(key, "src") != 0 && strcmp(key, "dst") != 0)
		return unknown_field(cx, v);
	return set_key(cx, v, t, key, n);
}

static struct ast_problem *set_arg(struct cx *cx, const struct ast_val *v,
	const struct field_info *f, size_t used, struct tval *t)
{
	size_t rest = v->n - used;

	if (rest && (!(f->arg & FAF_SUFFIX) || v->text[used] != '.' || rest < 2 || v->has_arg))
		return unknown_field(cx, v);
	if (rest)
		return set_suffix(cx, v, t, v->text + used + 1, rest - 1);
	if (!v->has_arg)
		return (f->arg & 0x0f) != FA_REQ
			       ? NULL
			       : check_problem(cx, v->pos, v->length, NULL, false,
					 "filter syntax error: field '%s' needs an argument",
					 f->name);
	if ((f->arg & FAF_INDEX) && (!(f->arg & FAF_KEY) || is_numbered(v->arg, v->arg_n)))
		return set_index(cx, v, t);
	if (f->arg & FAF_KEY)
		return set_key(cx, v, t, v->arg, v->arg_n);
	return unknown_field(cx, v);
}

/* static.NAME: a constant of the configuration. */
static struct tval *check_static(struct cx *cx, const struct ast_val *v)
{
	const char *name = v->text + strlen(STATIC_PREFIX);
	size_t n = v->n - strlen(STATIC_PREFIX);
	struct tval *t = cx_alloc(cx, sizeof(*t));
	struct tconst *k = cx_alloc(cx, sizeof(*k));

	for (size_t i = 0; t && k && i < cx->n_statics; i++) {
		const char *value = cx->statics[i] + n + 1;

		if (strncmp(cx->statics[i], name, n) != 0 || value[-1] != '=')
			continue;
		*k = (struct tconst){.type = IMG_T_STR, .str = value, .n = strlen(value)};
		*t = (struct tval){.kind = IMG_E_CONST,
			.type = IMG_T_STR,
			.ft = FT_CHARBUF,
			.is_static = true,
			.text = v->text,
			.konst = k};
		return t;
	}
	return NULL;
}

static struct tval *check_field(
	struct cx *cx, const struct ast_val *v, struct ast_problem **ret_problem)
{
	const struct field_info *f;
	enum field_id id = 0;
	size_t used = 0;
	struct tval *t = cx_alloc(cx, sizeof(*t));
	int type;

	if (!t) {
		*ret_problem = bad_value(cx, v, "out of memory");
		return NULL;
	}
	f = field_find_prefix(v->text, v->n, &id, &used);
	if (!f && !v->has_arg && !strncmp(v->text, STATIC_PREFIX, strlen(STATIC_PREFIX))) {
		struct tval *constant = check_static(cx, v);

		if (constant)
			return constant;
	}
	if (!f) {
		*ret_problem = unknown_field(cx, v);
		return NULL;
	}
	type = img_type_of_field(f);
	*t = (struct tval){.kind = IMG_E_FIELD,
		.type = (uint8_t)type,
		.ft = f->type,
		.flags = f->flags,
		.field = (uint16_t)id,
		.is_field = true};
	t->text = v->has_arg ? cx_printf(cx, "%s[%s]", v->text, v->arg) : v->text;
	*ret_problem = set_arg(cx, v, f, used, t);
	if (*ret_problem)
		return NULL;
	if (type < 0)
		type_rawarg(t);
	return t;
}

static bool is_list_type(const struct tval *t)
{
	return t->type == IMG_T_LIST_STR || t->type == IMG_T_LIST_U64;
}

static struct tval *new_tval(
	struct cx *cx, enum img_expr_kind kind, enum img_type type, enum field_type ft)
{
	struct tval *t = cx_alloc(cx, sizeof(*t));

	if (t)
		*t = (struct tval){.kind = (uint8_t)kind,
			.type = (uint8_t)type,
			.ft = (uint8_t)ft,
			.text = ""};
	return t;
}

static struct tval *check_text(
	struct cx *cx, const struct ast_val *v, struct ast_problem **ret_problem)
{
	struct tval *t = new_tval(cx, IMG_E_CONST, IMG_T_STR, FT_CHARBUF);
	const char *why = NULL;

	if (t)
		t->konst = cx_alloc(cx, sizeof(*t->konst));
	if (!t || !t->konst ||
		check_const(cx, FT_CHARBUF, IMG_T_STR, IMG_OP_EQ, v->text, v->n, t->konst, &why) <
			0) {
		*ret_problem = bad_value(cx, v, why ? why : "out of memory");
		return NULL;
	}
	return t;
}

static struct tval *check_operand(
	struct cx *cx, const struct ast_val *v, struct ast_problem **ret_problem);

static bool check_operands(
	struct cx *cx, const struct ast_val *v, struct tval *t, struct ast_problem **ret_problem)
{
	t->args = cx_alloc(cx, v->n_args * sizeof(struct tval *));
	if (!t->args) {
		*ret_problem = bad_value(cx, v, "out of memory");
		return false;
	}
	for (uint32_t i = 0; i < v->n_args; i++) {
		t->args[i] = check_operand(cx, v->args[i], ret_problem);
		if (!t->args[i])
			return false;
	}
	t->n_args = v->n_args;
	return true;
}

static struct tval *check_list(
	struct cx *cx, const struct ast_val *v, struct ast_problem **ret_problem)
{
	struct tval *t = new_tval(cx, IMG_E_LIST, IMG_T_LIST_STR, FT_CHARBUF);

	if (v->n_args > IMG_EXPR_WORK_MAX / 2) {
		*ret_problem = bad_value(cx, v, "too many values in the list");
		return NULL;
	}
	if (!t || !check_operands(cx, v, t, ret_problem))
		return NULL;
	for (uint32_t i = 0; i < t->n_args; i++)
		if (t->args[i]->type != IMG_T_STR) {
			*ret_problem =
				bad_value(cx, v->args[i], "elements of a list must be texts");
			return NULL;
		}
	return t;
}

static struct tval *check_func(
	struct cx *cx, const struct ast_val *v, struct ast_problem **ret_problem);

static struct tval *check_operand(
	struct cx *cx, const struct ast_val *v, struct ast_problem **ret_problem)
{
	struct tval *t;

	switch (v->kind) {
	case VAL_TEXT:
		return check_text(cx, v, ret_problem);
	case VAL_LIST:
		return check_list(cx, v, ret_problem);
	case VAL_FUNC:
		return check_func(cx, v, ret_problem);
	default:
		t = check_field(cx, v, ret_problem);
		if (t && (t->flags & FF_NO_TRANSFORMER)) {
			*ret_problem = check_problem(cx, v->pos, v->length, NULL, false,
				"field '%s' cannot be used in a function", t->text);
			return NULL;
		}
		return t;
	}
}

/* Operand types; the result's type into t. */
static const char *type_func(const struct ast_val *v, struct tval *t)
{
	const struct tval *a = t->n_args > 0 ? t->args[0] : NULL,
			  *b = t->n_args > 1 ? t->args[1] : NULL;

	if ((v->func <= FN_LEN && t->n_args != 1) ||
		((v->func == FN_JOIN || v->func == FN_GETOPT) && t->n_args != 2) ||
		(v->func == FN_CONCAT && t->n_args < 2))
		return "wrong number of arguments";
	if (v->has_arg && v->func != FN_GETOPT)
		return "this function takes no argument in brackets";
	switch (v->func) {
	case FN_TOLOWER:
	case FN_TOUPPER:
	case FN_BASENAME:
		return a->type == IMG_T_STR ? NULL : "this function takes a text";
	case FN_B64:
		t->type = a->type;
		t->ft = a->ft;
		return a->type == IMG_T_STR || a->type == IMG_T_BYTES
			       ? NULL
			       : "this function takes a text or bytes";
	case FN_LEN:
		t->type = IMG_T_U64;
		t->ft = FT_UINT64;
		return a->type == IMG_T_STR || a->type == IMG_T_BYTES || is_list_type(a)
			       ? NULL
			       : "this function takes a text, bytes or a list";
	case FN_JOIN:
		return a->type == IMG_T_STR && is_list_type(b)
			       ? NULL
			       : "join takes a separator and a list";
	case FN_GETOPT:
		t->type = v->has_arg ? IMG_T_STR : IMG_T_LIST_STR;
		return a->type == IMG_T_LIST_STR && b->type == IMG_T_STR
			       ? NULL
			       : "getopt takes a list and an option text";
	default:
		for (uint32_t i = 0; i < t->n_args; i++)
			if (t->args[i]->type != IMG_T_STR)
				return "concat takes texts";
		return NULL;
	}
}

static struct tval *check_func(
	struct cx *cx, const struct ast_val *v, struct ast_problem **ret_problem)
{
	static const uint8_t kinds[_FN_MAX] = {[FN_TOLOWER] = IMG_E_TOLOWER,
		[FN_TOUPPER] = IMG_E_TOUPPER,
		[FN_B64] = IMG_E_B64,
		[FN_BASENAME] = IMG_E_BASENAME,
		[FN_LEN] = IMG_E_LEN,
		[FN_JOIN] = IMG_E_JOIN,
		[FN_CONCAT] = IMG_E_CONCAT,
		[FN_GETOPT] = IMG_E_GETOPT};
	struct tval *t = new_tval(cx, kinds[v->func], IMG_T_STR, FT_CHARBUF);
	const char *why;

	if (!t || !check_operands(cx, v, t, ret_problem))
		return NULL;
	if (t->n_args > IMG_EXPR_WORK_MAX / 2)
		why = "too many arguments";
	else
		why = type_func(v, t);
	if (!why && v->has_arg) {
		*ret_problem = set_key(cx, v, t, v->arg, v->arg_n);
		return *ret_problem ? NULL : t;
	}
	if (!why)
		return t;
	*ret_problem = check_problem(cx, v->pos, v->length, NULL, false, "%s(): %s", v->text, why);
	return NULL;
}

struct tval *check_value(struct cx *cx, const struct ast_val *v, struct ast_problem **ret_problem)
{
	*ret_problem = NULL;
	if (v->kind == VAL_FUNC)
		return check_func(cx, v, ret_problem);
	if (v->kind == VAL_FIELD)
		return check_field(cx, v, ret_problem);
	*ret_problem = bad_value(cx, v, "a field or function is needed here");
	return NULL;
}

bool check_is_lhs(struct cx *cx, const struct ast_val *v)
{
	struct ast_problem *p;

	return check_value(cx, v, &p) != NULL;
}
