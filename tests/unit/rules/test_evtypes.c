/* SPDX-License-Identifier: Apache-2.0 */
#include "util.h"

#include <abi/events.h>

#include "evtypes.h"

static void type_all(struct tcx *t, struct ast *n)
{
	if (n->kind == AST_CHECK) {
		check_node(&t->cx, n);
		assert_null(n->problem);
	}
	for (uint32_t i = 0; i < n->n_kids; i++)
		type_all(t, n->kids[i]);
}

static void set_of(struct tcx *t, const char *cond, struct evset *ret)
{
	struct ast_error err = {0};
	struct ast *n = tcx_parse(t, cond, &err);

	assert_non_null(n);
	type_all(t, n);
	evset_of(n, ret);
}

/* Names separated by blanks; a leading ! : all but these; * : all. */
static void wanted(const char *names, struct evset *ret)
{
	bool invert = *names == '!';
	struct evset all, named = {0};
	char copy[200], *save = NULL;

	evset_all(&all);
	*ret = all;
	if (*names == '*')
		return;
	assert_true(snprintf(copy, sizeof(copy), "%s", names + invert) < (int)sizeof(copy));
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		bool found = false;

		for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++)
			if (!strcmp(kev_info_get(ix)->name, w) && evset_has(&all, ix)) {
				evset_add(&named, ix);
				found = true;
			}
		assert_true(found);
	}
	for (int i = 0; i < EVSET_WORDS; i++)
		ret->w[i] = invert ? all.w[i] & ~named.w[i] : named.w[i];
}

static void test_evset_of__table__as_specified(void **state)
{
	static const struct {
		const char *cond, *names;
	} cases[] = {
		{"evt.type = open", "open"},
		{"evt.type in (open, close) and proc.name = x", "open close"},
		{"evt.type = open or proc.name = x", "*"},
		{"evt.type = open or evt.type = close", "open close"},
		{"evt.type = open and evt.type = close", ""},
		{"not evt.type = open", "!open"},
		{"not not evt.type = open", "open"},
		{"evt.type != open", "!open"},
		{"not evt.type != open", "open"},
		{"not (evt.type = open or proc.name = x)", "!open"},
		{"not (evt.type = open and proc.name = x)", "*"},
		{"proc.name = x", "*"},
		{"not proc.name = x", "*"},
		{"evt.type exists", "*"},
		{"not evt.type exists", ""},
		{"evt.num = 0", ""},
		{"not evt.num = 0", "*"},
		{"evt.num > 0 and evt.type = open", "open"},
		{"evt.num in (0)", ""},
		{"evt.num in ()", ""},
		{"evt.num = 5 and evt.type = open", "open"},
		{"evt.type in (open, close) and not evt.type in (close)", "open"},
		{"evt.type startswith open and evt.type = open", "open"},
		{"evt.type.is.open = 1", "*"},
		{"syscall.type = mkdir", "mkdir"},
		{"evt.type = getpid", "syscall"},
		{"evt.type in (accept4, openat2)", "accept4 openat2"},
	};
	struct tcx t;

	(void)state;
	tcx_init(&t);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct evset have, want;

		set_of(&t, cases[i].cond, &have);
		wanted(cases[i].names, &want);
		if (memcmp(&have, &want, sizeof(have)) != 0)
			fail_msg("'%s': %u events, wanted %u", cases[i].cond, evset_count(&have),
				evset_count(&want));
	}
	tcx_done(&t);
}

static void test_evset_is_wide__few_and_all__told_apart(void **state)
{
	struct evset s;
	struct tcx t;

	(void)state;
	tcx_init(&t);
	set_of(&t, "evt.type in (open, openat, openat2, creat, close, read, write)", &s);
	assert_false(evset_is_wide(&s));
	set_of(&t, "evt.type != open", &s);
	assert_true(evset_is_wide(&s));
	set_of(&t, "evt.num = 0", &s);
	assert_false(evset_is_wide(&s));
	tcx_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evset_of__table__as_specified),
		cmocka_unit_test(test_evset_is_wide__few_and_all__told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
