/* SPDX-License-Identifier: Apache-2.0 */
#include "util.h"

struct expand_case {
	const char *lists; /* "name=item|item;..." in order */
	const char *in, *want;
};

static void read_lists(struct tcx *t, struct collector *c, const char *text)
{
	static struct list_def lists[8];
	static struct litem items[8][8];
	char *copy = cx_strndup(&t->cx, text, strlen(text)), *save = NULL;

	memset(c, 0, sizeof(*c));
	memset(lists, 0, sizeof(lists));
	c->cx = &t->cx;
	c->lists = lists;
	for (char *def = strtok_r(copy, ";", &save); def; def = strtok_r(NULL, ";", &save)) {
		struct list_def *l = &lists[c->n_lists];
		char *eq = strchr(def, '='), *p = eq + 1;

		*eq = '\0';
		*l = (struct list_def){
			.name = def, .visibility = c->n_lists, .items = items[c->n_lists]};
		while (*p) {
			size_t n = strcspn(p, "|");

			l->items[l->n_items++] = (struct litem){.text = p, .n = n};
			p += n + (p[n] == '|');
		}
		assert_int_equal(
			map_put(&t->cx, &c->list_by_name, def, strlen(def), c->n_lists), 0);
		c->n_lists++;
	}
	assert_int_equal(expand_flatten(c), 0);
}

static void test_expand_lists__table__as_specified(void **state)
{
	static const struct expand_case cases[] = {
		{"l=a|b", "x in (l)", "x in ( a, b )"},
		{"l=a|b", "x in (l, c)", "x in ( a, b , c)"},
		{"l=a b|'c d'", "x in (l)", "x in ( \"a b\", 'c d' )"},
		{"l=a", "x=l and y=lx", "x= a and y=lx"},
		{"l=a", "x in (\"l\")", "x in (\"l\")"},
		{"l=a", "x = \"( l )\"", "x = \"( a )\""},
		{"l=a", "l", "a"},
		{"l=", "x in (l)", "x in (  )"},
		{"l=", "x in (a, l)", "x in (a  )"},
		{"l=", "x in (l, a)", "x in (   a)"},
		{"l1=a;l2=l1|b", "x in (l2)", "x in ( a, b )"},
		{"l2=l1|b;l1=a", "x in (l2)", "x in ( a , b )"},
		{"l1=a;l2=l1;l3=l2", "x in (l3)", "x in ( l1 )"},
		{"l=a", "x in (l.b)", "x in (l.b)"},
	};
	struct tcx t;

	(void)state;
	tcx_init(&t);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct collector c;
		struct ptext p = tcx_text(&t, cases[i].in);

		read_lists(&t, &c, cases[i].lists);
		assert_int_equal(expand_lists(&c, &p), 0);
		if (strcmp(p.p, cases[i].want) != 0)
			fail_msg("case %zu: '%s', wanted '%s'", i, p.p, cases[i].want);
	}
	tcx_done(&t);
}

static void test_expand_lists__text_after_a_list__keeps_its_place(void **state)
{
	struct tcx t;
	struct collector c;
	struct ptext p;
	const char *at;

	(void)state;
	tcx_init(&t);
	read_lists(&t, &c, "l=aaaaaa|bbbbbb");
	p = tcx_text(&t, "x in (l) and y");
	assert_int_equal(expand_lists(&c, &p), 0);
	at = strchr(p.p, 'y');
	assert_non_null(at);
	assert_int_equal(ptext_pos(&p, (size_t)(at - p.p)).col, 14);
	tcx_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expand_lists__table__as_specified),
		cmocka_unit_test(test_expand_lists__text_after_a_list__keeps_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
