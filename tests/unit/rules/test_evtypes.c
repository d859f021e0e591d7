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

/* The border is a hundred codes of the reference's table: names count with all their rows. */
static void test_evset_codes__names__rows_of_the_reference(void **state)
{
	static const struct {
		const char *cond;
		unsigned codes;
	} cases[] = {
		{"proc.name = x", 454},
		{"evt.num = 0", 0},
		{"evt.type = open", 2},
		{"evt.type = openat", 4},
		{"evt.type = openat2", 2},
		{"evt.type in (execve, execveat)", 18},
		{"evt.type in (clone, clone3, fork, vfork)", 22},
		{"evt.type in (accept, accept4)", 10},
		{"evt.type = getpid", 2},
		{"evt.type = getpid or evt.type = sysinfo", 2},
		{"evt.type = container_removed", 1},
		{"evt.type in (k8s, tracer)", 0},
		{"not evt.type = openat", 450},
		{"evt.type != execve", 438},
		{"evt.type != execve and evt.type = open", 2},
	};
	struct tcx t;

	(void)state;
	tcx_init(&t);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct evset s;

		set_of(&t, cases[i].cond, &s);
		if (evset_codes(&s) != cases[i].codes)
			fail_msg("'%s': %u codes, wanted %u", cases[i].cond, evset_codes(&s),
				cases[i].codes);
	}
	tcx_done(&t);
}

/* Fifty names with an enter and an exit row are a hundred codes: not more than that. */
static void test_evset_is_wide__at_the_border__more_than_a_hundred(void **state)
{
	static const char fifty[] =
		"evt.type in (open, creat, close, read, write, socket, bind, connect, listen, "
		"send, "
		"sendto, recv, recvfrom, shutdown, getsockname, getpeername, socketpair, "
		"setsockopt, getsockopt, sendmsg, sendmmsg, recvmsg, recvmmsg, pipe, eventfd, "
		"futex, stat, lstat, fstat, poll, lseek, getcwd, chdir, fchdir, pread, pwrite, "
		"readv, writev, preadv, pwritev, signalfd, kill, tkill, tgkill, nanosleep, "
		"timerfd_create, inotify_init, getrlimit, setrlimit, fcntl)";
	char more[sizeof(fifty) + 40];
	struct evset s;
	struct tcx t;

	(void)state;
	tcx_init(&t);
	set_of(&t, fifty, &s);
	assert_int_equal(evset_codes(&s), 100);
	assert_false(evset_is_wide(&s));
	assert_true(snprintf(more, sizeof(more), "%s or evt.type = keyctl", fifty) > 0);
	set_of(&t, more, &s);
	assert_int_equal(evset_codes(&s), 101);
	assert_true(evset_is_wide(&s));
	tcx_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evset_of__table__as_specified),
		cmocka_unit_test(test_evset_is_wide__few_and_all__told_apart),
		cmocka_unit_test(test_evset_codes__names__rows_of_the_reference),
		cmocka_unit_test(test_evset_is_wide__at_the_border__more_than_a_hundred),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
