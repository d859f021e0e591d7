/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions and predicates for people and golden files. What is printed came from rule files: it
 * may hold any bytes, so texts are quoted and escaped. Trees are walked by recursion, bound by
 * AST_HEIGHT_MAX. */

#include <arpa/inet.h>
#include <string.h>

#include "print.h"

const char *print_op(enum img_op op)
{
	static const char *const names[_IMG_OP_MAX] = {
		[IMG_OP_EXISTS] = "exists",
		[IMG_OP_EQ] = "=",
		[IMG_OP_NE] = "!=",
		[IMG_OP_LT] = "<",
		[IMG_OP_LE] = "<=",
		[IMG_OP_GT] = ">",
		[IMG_OP_GE] = ">=",
		[IMG_OP_CONTAINS] = "contains",
		[IMG_OP_ICONTAINS] = "icontains",
		[IMG_OP_BCONTAINS] = "bcontains",
		[IMG_OP_STARTSWITH] = "startswith",
		[IMG_OP_BSTARTSWITH] = "bstartswith",
		[IMG_OP_ENDSWITH] = "endswith",
		[IMG_OP_GLOB] = "glob",
		[IMG_OP_IGLOB] = "iglob",
		[IMG_OP_REGEX] = "regex",
		[IMG_OP_IN] = "in",
		[IMG_OP_INTERSECTS] = "intersects",
		[IMG_OP_PMATCH] = "pmatch",
	};

	return names[op];
}

const char *print_modifier(enum img_modifier m)
{
	static const char *const names[_IMG_MOD_MAX] = {[IMG_MOD_NONE] = "",
		[IMG_MOD_ONEOF] = "oneof",
		[IMG_MOD_ANYOF] = "anyof",
		[IMG_MOD_ALLOF] = "allof"};

	return names[m];
}

const char *print_priority(uint8_t priority)
{
	static const char *const names[] = {"Emergency", "Alert", "Critical", "Error", "Warning",
		"Notice", "Informational", "Debug"};

	return names[MIN(priority, (uint8_t)7)];
}

static bool ends_word(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f || strchr("=\"'\\(),", c);
}

static void add_escaped(struct strbuf *b, char c)
{
	static const char from[] = "\b\f\n\r\t\\\"", to[] = "bfnrt\\\"";
	const char *at = c ? strchr(from, c) : NULL;

	if (at)
		strbuf_addf(b, "\\%c", to[at - from]);
	else if ((unsigned char)c < ' ' || c == 0x7f)
		strbuf_addf(b, "\\x%02x", (unsigned char)c);
	else
		strbuf_add_char(b, c);
}

void print_quoted(struct strbuf *b, const char *p, size_t n)
{
	bool bare = n > 0;

	for (size_t i = 0; i < n && bare; i++)
		bare = !ends_word(p[i]);
	if (bare) {
		strbuf_add(b, p, n);
		return;
	}
	strbuf_add_char(b, '"');
	for (size_t i = 0; i < n; i++)
		add_escaped(b, p[i]);
	strbuf_add_char(b, '"');
}

static void print_value(struct strbuf *b, const struct ast_val *v);

static void print_values(struct strbuf *b, struct ast_val *const *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			strbuf_add_str(b, ", ");
		print_value(b, v[i]);
	}
}

static void print_value(struct strbuf *b, const struct ast_val *v)
{
	switch ((enum ast_val_kind)v->kind) {
	case VAL_TEXT:
		print_quoted(b, v->text, v->n);
		return;
	case VAL_FIELD:
		strbuf_add(b, v->text, v->n);
		break;
	case VAL_FUNC:
		strbuf_add(b, v->text, v->n);
		/* fall through */
	case VAL_LIST:
		strbuf_add_char(b, '(');
		print_values(b, v->args, v->n_args);
		strbuf_add_char(b, ')');
		break;
	}
	if (v->has_arg) {
		strbuf_add_char(b, '[');
		strbuf_add(b, v->arg, v->arg_n);
		strbuf_add_char(b, ']');
	}
}

static void print_check(struct strbuf *b, const struct ast_check *c)
{
	bool val = c->rhs_kind == AST_RHS_VALUE && c->rhs[0]->kind == VAL_FIELD;

	print_value(b, c->lhs);
	strbuf_addf(b, " %s", c->op_text);
	if (c->modifier != IMG_MOD_NONE)
		strbuf_addf(b, " %s", print_modifier(c->modifier));
	if (c->rhs_kind == AST_RHS_NONE)
		return;
	strbuf_add_char(b, ' ');
	if (val || c->rhs_kind == AST_RHS_LIST)
		strbuf_add_str(b, val ? "val(" : "(");
	print_values(b, c->rhs, c->n_rhs);
	if (val || c->rhs_kind == AST_RHS_LIST)
		strbuf_add_char(b, ')');
}

void print_condition(struct strbuf *b, const struct ast *n, bool expand)
{
	switch ((enum ast_kind)n->kind) {
	case AST_CHECK:
		print_check(b, n->check);
		break;
	case AST_MACRO:
		if (expand && n->n_kids)
			print_condition(b, n->kids[0], true);
		else
			strbuf_add(b, n->name, n->name_n);
		break;
	case AST_NOT:
		strbuf_add_str(b, "not ");
		print_condition(b, n->kids[0], expand);
		break;
	default:
		strbuf_add_char(b, '(');
		for (uint32_t i = 0; i < n->n_kids; i++) {
			if (i)
				strbuf_add_str(b, n->kind == AST_AND ? " and " : " or ");
			print_condition(b, n->kids[i], expand);
		}
		strbuf_add_char(b, ')');
		break;
	}
}

static void print_const(struct strbuf *b, const struct img *img, const struct img_const *c)
{
	char addr[INET6_ADDRSTRLEN] = "";
	double d;

	switch ((enum img_type)c->type) {
	case IMG_T_STR:
	case IMG_T_BYTES:
		print_quoted(b, img->str + c->str.off, c->str.n);
		break;
	case IMG_T_BOOL:
		strbuf_add_str(b, c->num ? "true" : "false");
		break;
	case IMG_T_I64:
		strbuf_addf(b, "%lld", (long long)c->num);
		break;
	case IMG_T_DOUBLE:
		memcpy(&d, &c->num, sizeof(d));
		strbuf_addf(b, "%g", d);
		break;
	case IMG_T_IPADDR:
	case IMG_T_IPNET:
		if (inet_ntop(c->family == 4 ? AF_INET : AF_INET6, c->ip, addr, sizeof(addr)))
			strbuf_add_str(b, addr);
		if (c->type == IMG_T_IPNET)
			strbuf_addf(b, "/%u", c->prefix);
		break;
	default:
		strbuf_addf(b, "%llu", (unsigned long long)c->num);
		break;
	}
}

void print_expr(struct strbuf *b, const struct img *img, uint32_t expr)
{
	static const char *const names[_IMG_E_MAX] = {[IMG_E_TOLOWER] = "tolower",
		[IMG_E_TOUPPER] = "toupper",
		[IMG_E_B64] = "b64",
		[IMG_E_BASENAME] = "basename",
		[IMG_E_LEN] = "len",
		[IMG_E_JOIN] = "join",
		[IMG_E_CONCAT] = "concat",
		[IMG_E_GETOPT] = "getopt",
		[IMG_E_LIST] = ""};
	const struct img_expr *e = &img->exprs[expr];

	if (e->kind == IMG_E_FIELD) {
		strbuf_add(b, img->str + e->text.off, e->text.n);
		return;
	}
	if (e->kind == IMG_E_CONST) {
		print_const(b, img, &img->consts[e->args_first]);
		return;
	}
	strbuf_addf(b, "%s(", names[e->kind]);
	for (uint32_t i = 0; i < e->n_args; i++) {
		if (i)
			strbuf_add_str(b, ", ");
		print_expr(b, img, img->args[e->args_first + i]);
	}
	strbuf_add_char(b, ')');
	if (e->arg_kind == IMG_ARG_KEY)
		strbuf_addf(b, "[%.*s]", (int)e->key.n, img->str + e->key.off);
}

void print_pred(struct strbuf *b, const struct img *img, uint32_t pred)
{
	const struct img_pred *p = &img->preds[pred];

	print_expr(b, img, p->expr);
	strbuf_addf(b, " %s", print_op(p->op));
	if (p->modifier != IMG_MOD_NONE)
		strbuf_addf(b, " %s", print_modifier(p->modifier));
	if (p->rhs_kind == IMG_RHS_NONE)
		return;
	strbuf_add_char(b, ' ');
	if (p->rhs_kind == IMG_RHS_CONST) {
		print_const(b, img, &img->consts[p->rhs]);
	} else if (p->rhs_kind == IMG_RHS_SET) {
		const struct img_set *s = &img->sets[p->rhs];

		strbuf_add_char(b, '(');
		for (uint32_t i = 0; i < s->n; i++) {
			if (i)
				strbuf_add_str(b, ", ");
			print_const(b, img, &img->consts[s->first + i]);
		}
		strbuf_add_char(b, ')');
	} else {
		strbuf_add_str(b, "val(");
		print_expr(b, img, p->rhs);
		strbuf_add_char(b, ')');
	}
}
