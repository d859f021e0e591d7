/* SPDX-License-Identifier: Apache-2.0 */
#include "util.h"

#include <base/strbuf.h>

static void show_value(struct strbuf *b, const struct ast_val *v)
{
	strbuf_add_str(b, v->text);
	if (v->kind == VAL_FUNC || v->kind == VAL_LIST) {
		strbuf_add_char(b, '(');
		for (uint32_t i = 0; i < v->n_args; i++) {
			if (i)
				strbuf_add_char(b, ',');
			show_value(b, v->args[i]);
		}
		strbuf_add_char(b, ')');
	}
	if (v->has_arg)
		strbuf_addf(b, "[%s]", v->arg);
}

/* A tree as text, every group in parentheses. */
static void show(struct strbuf *b, const struct ast *n)
{
	static const char *const mods[] = {"", " oneof", " anyof", " allof"};

	switch (n->kind) {
	case AST_MACRO:
		strbuf_add_str(b, n->name);
		return;
	case AST_NOT:
		strbuf_add_str(b, "!");
		show(b, n->kids[0]);
		return;
	case AST_CHECK:
		show_value(b, n->check->lhs);
		strbuf_addf(b, " %s%s", n->check->op_text, mods[n->check->modifier]);
		if (n->check->rhs_kind == AST_RHS_VALUE)
			strbuf_add_str(b, " val");
		strbuf_add_str(b, n->check->rhs_kind == AST_RHS_LIST ? " [" : " ");
		for (uint32_t i = 0; i < n->check->n_rhs; i++) {
			if (i)
				strbuf_add_char(b, ',');
			show_value(b, n->check->rhs[i]);
		}
		if (n->check->rhs_kind == AST_RHS_LIST)
			strbuf_add_char(b, ']');
		return;
	default:
		strbuf_add_char(b, '(');
		for (uint32_t i = 0; i < n->n_kids; i++) {
			if (i)
				strbuf_add_str(b, n->kind == AST_AND ? " & " : " | ");
			show(b, n->kids[i]);
		}
		strbuf_add_char(b, ')');
	}
}

struct parse_case {
	const char *in, *want; /* NULL: syntax error … */
	size_t at;             /* … there */
};

static void test_parse__table__tree_or_place_of_error(void **state)
{
	static const struct parse_case cases[] = {
		{"a", "a", 0},
		{"a and b or c", "((a & b) | c)", 0},
		{"a or b and not c", "(a | (b & !c))", 0},
		{"not not a", "a", 0},
		{"not not not a", "!a", 0},
		{"not(a or b) and c", "(!(a | b) & c)", 0},
		{"not", "not", 0},
		{"nota", "nota", 0},
		{"x and(y) and z", "(x & y & z)", 0},
		{"x or(y) and z", NULL, 8},
		{"x andy", NULL, 5},
		{"proc.name=bash", "proc.name = bash", 0},
		{"proc.name in (a, 'b c',d)", "proc.name in [a,b c,d]", 0},
		{"proc.name in()", "proc.name in []", 0},
		{"proc.name in x", "proc.name in [x]", 0},
		{"proc.name in a-b", NULL, 14},
		{"proc.name in (a,)", NULL, 16},
		{"proc.name exists", "proc.name exists ", 0},
		{"evt.num<=3", "evt.num <= 3", 0},
		{"proc.name < zzz", NULL, 12},
		{"proc.name startswith oneof (a, b)", "proc.name startswith oneof [a,b]", 0},
		{"proc.name = oneof", "proc.name = oneof", 0},
		{"proc.name = oneof and b", "(proc.name = oneof & b)", 0},
		{"proc.name = anyof l", "proc.name = anyof [l]", 0},
		{"proc.aname[2]=a", "proc.aname[2] = a", 0},
		{"proc.env[\"A B\"] = c", "proc.env[A B] = c", 0},
		{"tolower(toupper(proc.name))=a", "tolower(toupper(proc.name)) = a", 0},
		{"join(\",\", (proc.name, 'x')) = a", "join(,,(proc.name,x)) = a", 0},
		{"proc.name = val(proc.pname)", "proc.name = val proc.pname", 0},
		{"proc.name = tolower(proc.pname)", "proc.name = val tolower(proc.pname)", 0},
		{"proc.name in (val(proc.pname))", NULL, 17},
		{"proc.name contains", NULL, 10},
		{"proc.name containsx y", NULL, 10},
		{"(a", NULL, 2},
		{"a)", NULL, 1},
		{"proc.name = 'x", NULL, 12},
		{"proc.name = '\\q'", NULL, 13},
		{"", NULL, 0},
		{"a &&b", NULL, 2},
	};
	struct tcx t;

	(void)state;
	tcx_init(&t);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_strbuf_ struct strbuf b = {0};
		struct ast_error err = {0};
		struct ast *n = tcx_parse(&t, cases[i].in, &err);

		if ((n != NULL) != (cases[i].want != NULL))
			fail_msg("'%s': %s", cases[i].in, n ? "parsed" : err.message);
		if (!n) {
			if (err.at != cases[i].at)
				fail_msg("'%s': error at %zu (%s), not %zu", cases[i].in, err.at,
					err.message, cases[i].at);
			continue;
		}
		show(&b, n);
		assert_string_equal(b.p, cases[i].want);
	}
	tcx_done(&t);
}

static void add_nested(
	struct strbuf *b, size_t depth, const char *open, const char *middle, const char *end)
{
	for (size_t i = 0; i < depth; i++)
		strbuf_add_str(b, open);
	strbuf_add_str(b, middle);
	for (size_t i = 0; i < depth; i++)
		strbuf_add_char(b, ')');
	strbuf_add_str(b, end);
}

static void test_parse__nesting__bounded(void **state)
{
	static const struct {
		const char *open, *middle;
		size_t depth;
		bool ok;
	} cases[] = {
		{"(", "a", 999, true},
		{"(", "a", 1001, false},
		{"not(", "a", 999, true},
		{"not(", "a", 100000, false},
		{"tolower(", "proc.name", 15, true},
		{"tolower(", "proc.name", 40000, false},
	};
	struct tcx t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_strbuf_ struct strbuf b = {0};
		struct ast_error err = {0};

		tcx_init(&t);
		add_nested(&b, cases[i].depth, cases[i].open, cases[i].middle,
			cases[i].open[0] == 't' ? " = x" : "");
		if ((tcx_parse(&t, b.p, &err) != NULL) != cases[i].ok)
			fail_msg("case %zu: %s", i, err.message ? err.message : "parsed");
		tcx_done(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse__table__tree_or_place_of_error),
		cmocka_unit_test(test_parse__nesting__bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
