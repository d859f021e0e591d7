/* SPDX-License-Identifier: Apache-2.0 */
/* Rule tests: the file's form, with every error at its place, and the event that fields make. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <judge/judge.h>

#include "tools_event.h"

struct fixture {
	struct arena arena;
	struct diag diag;
	struct test_file file;
	char *printed;
	int r;
};

static void parse(struct fixture *f, const char *text)
{
	size_t n;
	FILE *out;

	arena_init(&f->arena, 0);
	diag_init(&f->diag);
	f->file = (struct test_file){0};
	f->r = test_file_parse(&f->arena, &f->diag, "t.yaml", text, strlen(text), &f->file);
	out = open_memstream(&f->printed, &n);
	assert_non_null(out);
	diag_print(&f->diag, out);
	assert_int_equal(fclose(out), 0);
}

static void done(struct fixture *f)
{
	free(f->printed);
	diag_done(&f->diag);
	arena_done(&f->arena);
}

static void test_test_file_parse__whole_file__every_part(void **state)
{
	struct fixture f;

	(void)state;
	parse(&f, "rules: [a.yaml, b.yaml]\n"
		  "defaults: {evt.type: openat, proc.name: cat}\n"
		  "tests:\n"
		  "  - name: one\n"
		  "    event: {fd.name: /etc/shadow, proc.args: [-a, b c]}\n"
		  "    expect: R\n"
		  "  - name: two\n"
		  "    event: {proc.name: ~}\n"
		  "    expect: none\n"
		  "  - name: three\n"
		  "    event:\n"
		  "    expect: [{rule: R, priority: Warning, output: x, fields: {fd.name: y}}, "
		  "'none']\n");
	assert_string_equal(f.printed, "");
	assert_int_equal(f.r, 0);
	assert_int_equal(f.file.n_rules, 2);
	assert_string_equal(f.file.rules[1], "b.yaml");
	assert_int_equal(f.file.n_cases, 3);
	assert_int_equal(f.file.cases[0].n_fields, 4);
	assert_string_equal(f.file.cases[0].fields[2].name, "fd.name");
	assert_int_equal(f.file.cases[0].n_alerts, 1);
	assert_string_equal(f.file.cases[0].alerts[0].rule, "R");
	assert_int_equal(f.file.cases[1].n_alerts, 0);
	assert_int_equal(f.file.cases[1].fields[2].value->kind, CFG_NULL);
	assert_int_equal(f.file.cases[2].n_fields, 2);
	assert_int_equal(f.file.cases[2].n_alerts, 2);
	assert_string_equal(f.file.cases[2].alerts[0].priority, "Warning");
	assert_int_equal(f.file.cases[2].alerts[0].n_fields, 1);
	assert_string_equal(f.file.cases[2].alerts[1].rule, "none"); /* quoted: a rule's name */
	assert_int_equal(f.file.cases[2].at.pos.line, 10);
	done(&f);
}

static void test_test_file_parse__wrong_form__said_with_its_place(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", "t.yaml: error: there are no 'tests' in this file"},
		{"tests: []\n", "t.yaml:1:8: error: 'tests' must be a list of tests"},
		{"tests: x\n", "t.yaml:1:8: error: 'tests' must be a list of tests"},
		{"test: [a]\n", "did you mean 'tests'?"},
		{"tests: [x]\n", "t.yaml:1:9: error: a test is a mapping"},
		{"tests: [{name: x, event: {}}]\n", "t.yaml:1:9: error: 'expect' is missing"},
		{"tests: [{name: x, expect: none}]\n", "'event' is missing"},
		{"tests: [{event: {}, expect: none}]\n", "'name' is missing"},
		{"tests: [{name: [], event: {}, expect: none}]\n",
			"t.yaml:1:16: error: 'name' must be text"},
		{"tests: [{name: x, event: [], expect: none}]\n",
			"t.yaml:1:26: error: a mapping of field: value"},
		{"tests: [{name: x, event: {a: {b: c}}, expect: none}]\n",
			"'a' must be one value or a list"},
		{"tests: [{name: x, event: {a: [[b]]}, expect: none}]\n",
			"'a' must be one value or a list"},
		{"tests: [{name: x, event: {}, expct: none}]\n", "did you mean 'expect'?"},
		{"tests: [{name: x, event: {}, expect: }]\n", "the name of a rule"},
		{"tests: [{name: x, event: {}, expect: {}}]\n", "'rule' is missing"},
		{"tests: [{name: x, event: {}, expect: {rule: R, priority: loud}}]\n",
			"t.yaml:1:58: error: 'loud' is no priority"},
		{"tests: [{name: x, event: {}, expect: {rule: R, tag: x}}]\n",
			"unknown key 'tag' in an expected alert"},
		{"rules: x\ntests: [{name: x, event: {}, expect: none}]\n",
			"t.yaml:1:8: error: 'rules' must be a list"},
		{"rules: [[x]]\ntests: [{name: x, event: {}, expect: none}]\n",
			"'rules' must be a list"},
		{"tests: [{name: x\n", "error"},
		{"- a\n", "error"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;

		parse(&f, cases[i].text);
		if (f.r != -EINVAL || !strstr(f.printed, cases[i].want))
			fail_msg("%s gave %d and\n%s", cases[i].text, f.r, f.printed);
		done(&f);
	}
}

/* Nothing but a clear result, whatever the bytes. */
static void test_test_file_parse__mutated_text__never_crashes(void **state)
{
	static const char whole[] = "rules: [a.yaml]\ndefaults: {evt.type: openat}\ntests:\n"
				    "  - name: one\n    event: {fd.name: /x, proc.args: [a]}\n"
				    "    expect: [{rule: R, fields: {a: b}}]\n";
	uint64_t x = 88172645463325252ULL;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		char text[sizeof(whole)];
		struct fixture f;

		memcpy(text, whole, sizeof(whole));
		for (unsigned k = 0; k < 1 + round % 4; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			text[x % (sizeof(whole) - 1)] =
				" \n-:[]{},'\"#&*!|>~\t\x01\xff"[(x >> 20) % 22];
		}
		parse(&f, text);
		assert_true(f.r == 0 || (f.r == -EINVAL && f.diag.n_errors > 0));
		for (size_t i = 0; f.r == 0 && i < f.file.n_cases; i++) {
			struct test_event *e = calloc(1, sizeof(*e));

			assert_non_null(e);
			(void)event_build(&f.arena, &f.diag, &f.file.cases[i], e);
			free(e);
		}
		done(&f);
	}
}

static struct test_event *build(struct fixture *f, const char *event)
{
	struct test_event *e = calloc(1, sizeof(*e));
	char text[1024];
	size_t n;
	FILE *out;

	assert_non_null(e);
	(void)snprintf(
		text, sizeof(text), "tests: [{name: x, expect: none, event: {%s}}]\n", event);
	parse(f, text);
	assert_int_equal(f->r, 0);
	f->r = event_build(&f->arena, &f->diag, &f->file.cases[0], e);
	free(f->printed);
	out = open_memstream(&f->printed, &n);
	assert_non_null(out);
	diag_print(&f->diag, out);
	assert_int_equal(fclose(out), 0);
	return e;
}

static void test_event_build__an_open__as_a_tracker_would_send_it(void **state)
{
	struct fixture f;
	struct test_event *e =
		build(&f, "evt.type: openat, fd.name: /etc/shadow, evt.is_open_read: on, "
			  "proc.cmdline: cat -n /etc/shadow, proc.pname: bash, "
			  "'proc.aname[3]': sshd, user.name: bob, container.id: abc");
	const struct prec *p;
	const struct ev *ev;
	struct ev_view v;
	uint32_t flags;
	int i;

	(void)state;
	assert_int_equal(f.r, 0);
	assert_int_equal(e->n_ancestors, 3);
	for (unsigned t = 0; t <= 3; t++)
		assert_int_equal(prec_validate(e->thread[t], JUDGE_SLOTS), 0);
	assert_null(e->thread[4]);
	p = (const struct prec *)e->thread[0];
	assert_string_equal(rec_text(p, p->comm).p, "cat");
	assert_int_equal(p->n_args, 2);
	assert_memory_equal(rec_text(p, p->args).p, "-n\0/etc/shadow", 15);
	assert_int_equal(p->uid, 1000);
	assert_string_equal(rec_text(p, p->container_id).p, "abc");
	assert_int_equal(p->parent_slot, 1);
	p = (const struct prec *)e->thread[3];
	assert_string_equal(rec_text(p, p->comm).p, "sshd");
	assert_int_equal(p->parent_slot, PREC_NO_SLOT);
	assert_non_null(e->id[0]);
	ev = (const struct ev *)e->event;
	assert_int_equal(ev_validate(e->event, JUDGE_SLOTS, &v), 0);
	assert_int_equal(ev->type, KEV_CODE_SYSCALL_OPENAT_2_X);
	assert_int_equal(ev->rawres, 4);
	assert_int_equal(v.fd->num, 4);
	assert_int_equal(v.fd->type, EV_FD_FILE);
	assert_string_equal(rec_text(ev, v.fd->name).p, "/etc/shadow");
	i = kev_param_find(v.info, "flags");
	memcpy(&flags, v.param[i].p, sizeof(flags));
	assert_int_equal(flags, 1);
	free(e);
	done(&f);
}

static void test_event_build__what_cannot_be_set__said(void **state)
{
	static const struct {
		const char *event, *want;
	} cases[] = {
		{"proc.name: x", "'evt.type' is missing"},
		{"evt.type: opennat", "unknown event type 'opennat'"},
		{"evt.type: openat, proc.nmae: x", "did you mean 'proc.name'?"},
		{"evt.type: openat, proc.pid: x", "'proc.pid' must be a whole number, not 'x'"},
		{"evt.type: openat, proc.aname: x", "with an index from 0 to"},
		{"evt.type: openat, 'proc.aname[99]': x", "with an index from 0 to"},
		{"evt.type: openat, evt.arg.colour: x", "has no parameter 'colour'"},
		{"evt.type: openat, evt.arg.flags: O_X", "names of the event's flags"},
		{"evt.type: openat, fd.ip: 1.2.3.4", "has no value"},
		{"evt.type: openat, evt.failed: maybe", "true or false"},
		{"evt.type: openat, 'evt.arg[x%proc.name]': y", "unknown field"},
		{"evt.type: connect, evt.arg.tuple: x", "cannot set 'evt.arg.tuple'"},
		{"evt.type: close, evt.buffer: x", "carries no data"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		struct test_event *e = build(&f, cases[i].event);

		if (f.r != -EINVAL || !strstr(f.printed, cases[i].want))
			fail_msg("%s gave %d and\n%s", cases[i].event, f.r, f.printed);
		free(e);
		done(&f);
	}
}

/* Every event type can be described, with nothing but its name. */
static void test_event_build__every_type__a_valid_record(void **state)
{
	(void)state;
	for (unsigned i = 0; i < _KEV_IX_MAX; i++) {
		const struct kev_info *k = kev_info_get((uint16_t)i);
		char text[128];
		struct fixture f;
		struct test_event *e;
		struct ev_view v;

		if (k->kind == KEV_KIND_ITER || k->code == KEV_CODE_GENERIC_X)
			continue;
		(void)snprintf(text, sizeof(text), "evt.type: %s, fd.name: /x", k->name);
		e = build(&f, text);
		if (f.r < 0 || ev_validate(e->event, JUDGE_SLOTS, &v) < 0)
			fail_msg("event '%s': %d %s", k->name, f.r, f.printed);
		free(e);
		done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_test_file_parse__whole_file__every_part),
		cmocka_unit_test(test_test_file_parse__wrong_form__said_with_its_place),
		cmocka_unit_test(test_test_file_parse__mutated_text__never_crashes),
		cmocka_unit_test(test_event_build__an_open__as_a_tracker_would_send_it),
		cmocka_unit_test(test_event_build__what_cannot_be_set__said),
		cmocka_unit_test(test_event_build__every_type__a_valid_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
