/* SPDX-License-Identifier: Apache-2.0 */
#include "util.h"

#include "lexer.h"

typedef bool (*lex_fn)(struct lexer *lx, struct span *ret);

struct lex_case {
	lex_fn fn;
	const char *in, *want; /* want NULL: nothing taken */
	size_t used;
};

static void test_tokens__table__as_specified(void **state)
{
	static const struct lex_case cases[] = {
		{lex_ident, "abc_1.x", "abc_1", 5},
		{lex_ident, "1abc", NULL, 0},
		{lex_ident, "_a", NULL, 0},
		{lex_field_name, "proc.name=x", "proc.name", 9},
		{lex_field_name, "proc", NULL, 0},
		{lex_field_name, "evt.arg.1", "evt.arg", 7},
		{lex_field_name, "evt.arg.fd_1x.y z", "evt.arg.fd_1x.y", 15},
		{lex_number, "0x1Fg", "0x1F", 4},
		{lex_number, "0x", "0", 1},
		{lex_number, "-12.5e+3x", "-12.5e+3", 8},
		{lex_number, "1e5", "1", 1},
		{lex_number, "1.", "1.", 2},
		{lex_number, "+", NULL, 0},
		{lex_bare, "a-b/c[d] e", "a-b/c[d]", 8},
		{lex_bare, "a=b", "a", 1},
		{lex_bare, "(a", NULL, 0},
		{lex_quoted, "'a b' c", "a b", 5},
		{lex_quoted, "\"a\\\"b\"x", "a\"b", 6},
		{lex_quoted, "'a\\'b'", "a'b", 6},
		{lex_quoted, "'\\x41\\n\\t\\\\ '", "A\n\t\\ ", 13},
		{lex_quoted, "'a\\ b'", "a\\b", 6},
		{lex_quoted, "'abc", NULL, 0},
		{lex_quoted, "'\\q'", NULL, 0},
		{lex_quoted, "\"\\'\"", NULL, 0},
		{lex_quoted, "'\\x4'", NULL, 0},
		{lex_field_arg, "/etc/*]", "/etc/*", 6},
		{lex_field_arg, "\"a]b\"]", "a]b", 5},
		{lex_field_arg, "]", NULL, 0},
	};
	struct tcx t;

	(void)state;
	tcx_init(&t);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ptext p = tcx_text(&t, cases[i].in);
		struct lexer lx = {.cx = &t.cx, .t = &p};
		struct span s = {0};
		bool ok = cases[i].fn(&lx, &s);

		if (ok != (cases[i].want != NULL) ||
			(ok && (!span_eq_str(s, cases[i].want) || lx.i != cases[i].used)))
			fail_msg("case %zu '%s': %d '%.*s' used %zu", i, cases[i].in, ok, (int)s.n,
				s.p ? s.p : "", lx.i);
	}
	tcx_done(&t);
}

static void test_blank__all_five__skipped(void **state)
{
	struct tcx t;
	struct ptext p;
	struct lexer lx;

	(void)state;
	tcx_init(&t);
	p = tcx_text(&t, " \t\b\r\n\vx");
	lx = (struct lexer){.cx = &t.cx, .t = &p};
	assert_true(lex_blank(&lx));
	assert_int_equal(lx.i, 5); /* vertical tab is none */
	assert_false(lex_blank(&lx));
	tcx_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens__table__as_specified),
		cmocka_unit_test(test_blank__all_five__skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
