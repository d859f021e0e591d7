/* SPDX-License-Identifier: Apache-2.0 */
#include "util.h"

#include <abi/kshared.h>
#include <base/strbuf.h>

#define RULE(name, cond)                                                                           \
	"- rule: " name                                                                            \
	"\n  desc: d\n  output: o %proc.name\n  priority: INFO\n  condition: " cond "\n"

static const struct img_rule *rule_of(const struct compiled *c, const char *name)
{
	for (uint32_t i = 0; i < c->img.n[IMG_SEC_RULE]; i++)
		if (span_eq_str(img_text(&c->img, c->img.rules[i].name), name))
			return &c->img.rules[i];
	return NULL;
}

static bool has_code(const struct compiled *c, const char *code)
{
	for (const struct diag_item *it = c->d.first; it; it = it->next)
		if (it->code && !strcmp(it->code, code))
			return true;
	return false;
}

struct file_case {
	const char *text;
	const char *code;      /* NULL: compiles without a word */
	unsigned line, column; /* 0: not looked at */
	const char *message;   /* part of it */
};

static void run_cases(const struct file_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct file_case *k = &cases[i];
		const struct diag_item *it;
		struct compiled c;

		compile_texts(&c, &k->text, 1, NULL);
		it = c.d.first;
		if (!k->code) {
			if (it)
				fail_msg("case %zu: %s", i, it->message);
		} else if (!it || !it->code || strcmp(it->code, k->code) != 0 ||
			   (k->line && (it->pos.line != k->line || it->pos.column != k->column)) ||
			   !strstr(it->message, k->message)) {
			fail_msg("case %zu: %s at %u:%u: %s", i, it && it->code ? it->code : "-",
				it ? it->pos.line : 0, it ? it->pos.column : 0,
				it ? it->message : "nothing");
		}
		compiled_done(&c);
	}
}

static void test_errors__table__code_place_message(void **state)
{
	static const struct file_case cases[] = {
		{RULE("R", "evt.type = open and proc.name = x"), NULL, 0, 0, NULL},
		{RULE("R", "evt.type = open and proc.nmae = x"), "LOAD_ERR_COMPILE_CONDITION", 5,
			34, "unknown field 'proc.nmae' in condition of rule 'R'"},
		{"- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition: >\n    "
		 "evt.type = open\n    and proc.name = x and\n    foo.bar = 1\n",
			"LOAD_ERR_COMPILE_CONDITION", 8, 5, "foo.bar"},
		{"- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition: 'evt.type = "
		 "open and\n\n     foo.bar = 1'\n",
			"LOAD_ERR_COMPILE_CONDITION", 7, 6, "foo.bar"},
		{"- list: l\n  items: [a, '(b)']\n" RULE(
			 "R", "evt.type = open and proc.name in (l)"),
			"LOAD_ERR_COMPILE_CONDITION", 2, 14, "expected"},
		{RULE("R", "evt.type = opn"), "LOAD_ERR_COMPILE_CONDITION", 5, 25,
			"unknown event type 'opn'"},
		{RULE("R", "evt.type = open and nosuch"), "LOAD_ERR_VALIDATE", 5, 34,
			"Undefined macro 'nosuch'"},
		{RULE("R", "evt.type = open and (proc.name = x"), "LOAD_ERR_COMPILE_CONDITION", 5,
			47, "expected ')'"},
		{"- rule: R\n  desc: d\n  output: a %foo b\n  priority: INFO\n  condition: "
		 "evt.type = open\n",
			"LOAD_ERR_COMPILE_OUTPUT", 3, 13, "unknown filter: 'foo'"},
		{"- rule: R\n  desc: d\n  output: a %\n  priority: INFO\n  condition: evt.type = "
		 "open\n",
			"LOAD_ERR_COMPILE_OUTPUT", 3, 13, "'%' at the end of the output"},
		{"- rule: R\n  desc: d\n  output: a\n  priority: NOTIC\n  condition: evt.type = "
		 "open\n",
			"LOAD_ERR_YAML_VALIDATE", 4, 13, "Invalid priority"},
		{"- rule: R\n  output: a\n  priority: INFO\n  condition: evt.type = open\n",
			"LOAD_ERR_YAML_VALIDATE", 1, 3, "no mapping for key 'desc'"},
		{"- rule: R\n  desc:\n  output: a\n  priority: INFO\n  condition: evt.type = "
		 "open\n",
			"LOAD_ERR_YAML_VALIDATE", 2, 8, "is empty"},
		{"a: b\n", "LOAD_ERR_YAML_VALIDATE", 1, 1, "not yaml array"},
		{"- x\n", "LOAD_ERR_YAML_VALIDATE", 1, 3, "associative"},
		{"- [\n", "LOAD_ERR_YAML_PARSE", 2, 1, ""},
		{"- &a\n  x: *a\n", "LOAD_ERR_YAML_PARSE", 2, 6, "unknown alias"},
		{"- foo: 1\n", "LOAD_UNKNOWN_ITEM", 1, 3, "Unknown top level"},
		{"-\n- required_engine_version: 99\n", "LOAD_ERR_VALIDATE", 2, 28,
			"Rules require engine version 0.99.0, but engine version is 0.63.0"},
		{"- required_engine_version: 1.0.0\n", "LOAD_ERR_VALIDATE", 1, 28, "1.0.0"},
		{"- required_engine_version: 0.57.0\n", NULL, 0, 0, NULL},
		{"- required_engine_version: abc\n", "LOAD_ERR_YAML_VALIDATE", 1, 28,
			"Unable to parse engine version"},
		{"- required_plugin_versions:\n  - name: container\n    version: 0.4.0\n", NULL, 0,
			0, NULL},
		{"- required_plugin_versions:\n  - name: k8saudit\n    version: 0.4.0\n",
			"LOAD_ERR_VALIDATE", 2, 5, "must load one of: k8saudit (>= 0.4.0)"},
		{"- required_plugin_versions:\n  - name: x\n    version: 1.0.0\n    alternatives: "
		 "[{name: container, version: 0.1.0}]\n",
			NULL, 0, 0, NULL},
		{"- macro: m\n  condition: m2 and proc.name = a\n- macro: m2\n  condition: "
		 "proc.name = x\n" RULE("R", "evt.type = open and m"),
			"LOAD_ERR_VALIDATE", 2, 14, "Undefined macro 'm2'"},
		{"- list: l\n  items: [a]\n  append: true\n", "LOAD_DEPRECATED_ITEM", 0, 0,
			"append"},
		{RULE("R", "evt.type = open") "  sourc: x\n", "LOAD_UNKNOWN_KEY", 6, 3,
			"Unknown key 'sourc'"},
		{RULE("R", "evt.type = open") "  source: k8s\n", "LOAD_UNKNOWN_SOURCE", 6, 11,
			"k8s"},
		{RULE("R", "proc.name = a"), "LOAD_NO_EVTTYPE", 1, 9, "too many evt.type"},
		{"- list: l\n  items: [a]\n" RULE("R", "evt.type = open"), "LOAD_UNUSED_LIST", 1, 9,
			"'l'"},
		{"- macro: m\n  condition: proc.name = a\n" RULE("R", "evt.type = open"),
			"LOAD_UNUSED_MACRO", 1, 10, "'m'"},
		{RULE("R", "evt.type = open and proc.name = proc.pname"), "LOAD_COMPILE_CONDITION",
			5, 46, "may be a valid field misused"},
		{RULE("R", "evt.type = open and foo.bar = 1") "  skip-if-unknown-filter: true\n",
			"LOAD_UNKNOWN_FILTER", 5, 34, "foo.bar"},
		{RULE("R", "evt.type = open and evt.dir = <"), "LOAD_DEPRECATED_ITEM", 0, 0,
			"evt.dir"},
	};

	(void)state;
	run_cases(cases, ARRAY_LEN(cases));
}

static void test_override__table__code_or_silence(void **state)
{
	static const char base[] = RULE("R", "evt.type = open") "  tags: [a]\n";
	static const struct {
		const char *more, *code, *message;
	} cases[] = {
		{"- rule: R\n  condition: and proc.name = x\n  override: {condition: append}\n",
			NULL, NULL},
		{"- rule: R\n  priority: DEBUG\n  tags: [b]\n  override: {priority: replace, tags: "
		 "append}\n",
			NULL, NULL},
		{"- rule: R\n  enabled: false\n  override: {enabled: replace}\n", NULL, NULL},
		{"- rule: R\n  priority: DEBUG\n  override: {priority: append}\n",
			"LOAD_ERR_YAML_VALIDATE", "use 'replace' instead"},
		{"- rule: R\n  desc: x\n  override: {desc: add}\n", "LOAD_ERR_YAML_VALIDATE",
			"Allowed values"},
		{"- rule: R\n  override: {condition: append}\n", "LOAD_ERR_YAML_VALIDATE",
			"An append override for 'condition' was specified"},
		{"- rule: R\n  output: x\n  condition: and a\n  override: {condition: append}\n",
			"LOAD_ERR_YAML_VALIDATE", "Unexpected key 'output'"},
		{"- rule: S\n  condition: and a\n  override: {condition: append}\n",
			"LOAD_ERR_VALIDATE", "no rule by the name 'S'"},
		{"- rule: R\n  append: true\n  condition: and x\n  override: {condition: append}\n",
			"LOAD_DEPRECATED_ITEM", ""},
		{"- rule: R\n  source: other\n  condition: and a\n  override: {condition: "
		 "append}\n",
			"LOAD_ERR_VALIDATE", "different source"},
		{"- rule: R\n  enabled: false\n", "LOAD_DEPRECATED_ITEM", "standalone"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[1000];
		struct file_case k = {
			.text = text, .code = cases[i].code, .message = cases[i].message};

		(void)snprintf(text, sizeof(text), "%s%s", base, cases[i].more);
		run_cases(&k, 1);
	}
}

static void test_override__append_and_replace__take_effect(void **state)
{
	const char *text =
		RULE("R", "evt.type = open") "  tags: [b]\n- rule: R\n  priority: ALERT\n  tags: "
					     "[a, b]\n  condition: and proc.name = x\n"
					     "  override: {priority: replace, tags: append, "
					     "condition: append}\n";
	const struct img_rule *r;
	struct compiled c;

	(void)state;
	compile_texts(&c, &text, 1, NULL);
	assert_int_equal(c.r, 0);
	r = rule_of(&c, "R");
	assert_non_null(r);
	assert_int_equal(r->priority, 1);
	assert_int_equal(r->n_tags, 2);
	assert_true(span_eq_str(img_text(&c.img, c.img.tags[r->tags_first]), "a"));
	assert_int_equal(r->n_nodes, 1); /* evt.type is settled by the index */
	compiled_done(&c);
}

static void test_all_errors__of_a_file__in_one_run(void **state)
{
	const char *text = RULE("A", "evt.type = open and foo.bar = 1")
		RULE("B", "evt.type = open and (x") RULE("C", "evt.type = open and m")
			RULE("D", "evt.type = open and proc.pid = y") "- rule: E\n  desc: d\n";
	struct compiled c;

	(void)state;
	compile_texts(&c, &text, 1, NULL);
	assert_int_equal(c.r, -EINVAL);
	assert_int_equal(c.d.n_errors, 7); /* E lacks three keys */
	compiled_done(&c);
}

static void test_compile__diagnostics_with_errors_of_others__compiles(void **state)
{
	const struct rules_options opt = {.min_priority = 7};
	const char *text = RULE("A", "evt.type = open");
	const struct rules_file f = {.name = "t.yaml", .text = text, .n = strlen(text)};
	struct rules_result res = {0};
	struct diag d;

	(void)state;
	diag_init(&d);
	diag_add(&d, DIAG_ERROR, NULL, (struct diag_pos){0}, NULL, NULL, "of the configuration");
	assert_int_equal(rules_compile(&f, 1, &opt, &d, &res), 0);
	assert_non_null(res.image);
	free(res.image);
	diag_done(&d);
}

static void test_broken_macro__rules_using_it__not_complained_of(void **state)
{
	const char *text = "- macro: m\n  condition: [x]\n" RULE("A", "evt.type = open and m");
	struct compiled c;

	(void)state;
	compile_texts(&c, &text, 1, NULL);
	assert_int_equal(c.d.n_errors, 1);
	compiled_done(&c);
}

static void test_files__forward_reference_into_later_file__refused(void **state)
{
	const char *texts[] = {
		RULE("A", "evt.type = open and m"), "- macro: m\n  condition: proc.name = x\n"};
	struct compiled c;

	(void)state;
	compile_texts(&c, texts, 2, NULL);
	assert_int_equal(c.r, -EINVAL);
	compiled_done(&c);
	texts[0] = "- macro: m\n  condition: proc.name = x\n";
	texts[1] = RULE("A", "evt.type = open and m");
	compile_texts(&c, texts, 2, NULL);
	assert_int_equal(c.r, 0);
	compiled_done(&c);
}

static void test_output__pieces_and_fields__in_image(void **state)
{
	const char *text = "- rule: R\n  desc: d\n  output: '*x=%10proc.name, %fd.name. "
			   "y=%toupper(proc.pname) %proc.aname[2] %proc.name'\n"
			   "  priority: INFO\n  condition: evt.type = open\n";
	static const char *const keys[] = {
		"evt.time", "fd.name", "proc.aname[2]", "proc.name", "proc.pname"};
	const struct img_rule *r;
	const struct img_fmt *f;
	struct compiled c;

	(void)state;
	compile_texts(&c, &text, 1, NULL);
	assert_int_equal(c.r, 0);
	r = rule_of(&c, "R");
	f = &c.img.fmts[r->fmt_first];
	assert_int_equal(r->n_fmt, 10);
	assert_true(span_eq_str(img_text(&c.img, f[0].lit), "x="));
	assert_int_equal(f[1].width, 10);
	assert_true(span_eq_str(img_text(&c.img, f[4].lit), ". y="));
	assert_int_equal(c.img.exprs[f[5].expr].kind, IMG_E_TOUPPER);
	assert_int_equal(f[1].expr, f[9].expr);
	assert_int_equal(r->n_out, ARRAY_LEN(keys));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_true(span_eq_str(
			img_text(&c.img, c.img.outfields[r->out_first + i].key), keys[i]));
	compiled_done(&c);
}

static void test_sharing__equal_tests_of_rules__one_predicate(void **state)
{
	const char *text = RULE(
		"A", "evt.type = open and proc.name in (a, b, a) and fd.name startswith /x")
		RULE("B", "evt.type = open and fd.name startswith /x and proc.name in (b, a)");
	struct compiled c;

	(void)state;
	compile_texts(&c, &text, 1, NULL);
	assert_int_equal(c.r, 0);
	assert_int_equal(c.img.n[IMG_SEC_PRED], 2);
	assert_int_equal(c.img.n[IMG_SEC_SET], 1);
	assert_int_equal(c.img.sets[0].n, 2);
	compiled_done(&c);
}

static void test_index__rules_under_their_events__and_interest(void **state)
{
	const char *text = RULE("A", "evt.type in (open, connect)") RULE("B", "evt.type = open")
		RULE("Never", "evt.type = open and evt.num = 0") RULE("Off",
			"evt.type = mkdir") "  enabled: false\n" RULE("Read", "evt.type = read");
	const struct img_event *e;
	struct compiled c;

	(void)state;
	compile_texts(&c, &text, 1, NULL);
	assert_int_equal(c.r, 0);
	e = &c.img.events[KEV_IX_SYSCALL_OPEN_X];
	assert_int_equal(e->n_refs, 2);
	assert_int_equal(c.img.rulerefs[e->refs_first], 0);
	assert_int_equal(c.img.rulerefs[e->refs_first + 1], 1);
	assert_int_equal(e->flags, IMG_EV_RULES | IMG_EV_STATE);
	assert_int_equal(c.img.events[KEV_IX_SYSCALL_OPEN_E].n_refs, 0);
	assert_int_equal(c.img.events[KEV_IX_SYSCALL_MKDIR_2_X].want, 0);
	assert_int_equal(c.img.events[KEV_IX_SYSCALL_READ_X].want, KSHM_WANT);
	assert_int_equal(c.img.events[KEV_IX_SYSCALL_WRITE_X].want, 0);
	assert_int_equal(c.img.events[KEV_IX_SAKER_FORK].flags, IMG_EV_STATE);
	assert_int_equal(c.img.events[KEV_IX_SOCKET_SENDTO_X].want, 0);
	assert_int_equal(rule_of(&c, "Never")->entry, IMG_REJECT);
	assert_int_equal(rule_of(&c, "A")->entry, IMG_ACCEPT);
	compiled_done(&c);
}

static void test_interest__failed_calls__only_if_a_rule_can_match_them(void **state)
{
	static const struct {
		const char *cond;
		uint16_t ix;
		bool success_only;
	} cases[] = {
		{"evt.type = open", KEV_IX_SYSCALL_OPEN_X, false},
		{"evt.type = open and fd.num >= 0", KEV_IX_SYSCALL_OPEN_X, true},
		{"evt.type = open and fd.num >= -1", KEV_IX_SYSCALL_OPEN_X, false},
		{"evt.type = open and not fd.num >= 0", KEV_IX_SYSCALL_OPEN_X, false},
		{"evt.type = open and evt.rawres >= 0 and proc.name = x", KEV_IX_SYSCALL_OPEN_X,
			true},
		{"evt.type = open and (evt.rawres >= 0 or proc.name = x)", KEV_IX_SYSCALL_OPEN_X,
			false},
		{"evt.type = open and not evt.rawres < 0", KEV_IX_SYSCALL_OPEN_X, true},
		{"evt.type = open and evt.res = SUCCESS", KEV_IX_SYSCALL_OPEN_X, true},
		{"evt.type = open and evt.res != SUCCESS", KEV_IX_SYSCALL_OPEN_X, false},
		{"evt.type = open and evt.rawres in (0, -13)", KEV_IX_SYSCALL_OPEN_X, false},
		{"evt.type = open and evt.rawres in (0, 1)", KEV_IX_SYSCALL_OPEN_X, true},
		{"(evt.type = open and evt.rawres >= 0) or evt.type = mkdir", KEV_IX_SYSCALL_OPEN_X,
			true},
		{"(evt.type = open and evt.rawres >= 0) or evt.type = mkdir",
			KEV_IX_SYSCALL_MKDIR_2_X, false},
		{"evt.type = mkdir and fd.num >= 0", KEV_IX_SYSCALL_MKDIR_2_X, false},
		{"evt.type = open", KEV_IX_SYSCALL_CHDIR_X, true}, /* state alone */
		{"evt.type = open", KEV_IX_SOCKET_CONNECT_X, false},
		{"evt.type = connect and evt.rawres = 0", KEV_IX_SOCKET_CONNECT_X, false},
		{"evt.type = open", KEV_IX_PROCEXIT_1_E, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct compiled c;
		uint8_t want;

		compile_condition(&c, cases[i].cond);
		assert_int_equal(c.r, 0);
		want = c.img.events[cases[i].ix].want;
		assert_true(want & KSHM_WANT);
		if (!!(want & KSHM_WANT_SUCCESS_ONLY) != cases[i].success_only)
			fail_msg("'%s': want %x", cases[i].cond, want);
		compiled_done(&c);
	}
}

static void test_interest__not_over_tcp__only_if_no_rule_can_match(void **state)
{
	static const struct {
		const char *cond;
		uint16_t ix;
		bool not_tcp;
	} cases[] = {
		{"evt.type in (sendto, sendmsg) and fd.l4proto != tcp", KEV_IX_SOCKET_SENDTO_X,
			true},
		{"evt.type in (sendto, sendmsg) and fd.l4proto != tcp", KEV_IX_SOCKET_SENDMSG_X,
			true},
		{"evt.type = sendto and not fd.l4proto = tcp", KEV_IX_SOCKET_SENDTO_X, true},
		{"evt.type = sendto and fd.l4proto in (udp, icmp)", KEV_IX_SOCKET_SENDTO_X, true},
		{"evt.type = sendto and fd.l4proto in (udp, tcp)", KEV_IX_SOCKET_SENDTO_X, false},
		{"evt.type = sendto and fd.l4proto = tcp", KEV_IX_SOCKET_SENDTO_X, false},
		{"evt.type = sendto and fd.l4proto startswith t", KEV_IX_SOCKET_SENDTO_X, false},
		{"evt.type = sendto and (fd.l4proto = udp or proc.name = x)",
			KEV_IX_SOCKET_SENDTO_X, false},
		{"evt.type = sendto or (evt.type = connect and fd.l4proto = udp)",
			KEV_IX_SOCKET_SENDTO_X, false},
		{"evt.type = connect and fd.l4proto = udp", KEV_IX_SOCKET_CONNECT_X, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct compiled c;
		uint8_t want;

		compile_condition(&c, cases[i].cond);
		assert_int_equal(c.r, 0);
		want = c.img.events[cases[i].ix].want;
		if (!!(want & KSHM_WANT_NOT_TCP) != cases[i].not_tcp)
			fail_msg("'%s': want %x", cases[i].cond, want);
		compiled_done(&c);
	}
}

static void test_outputs__filters__bits(void **state)
{
	static const char *const shells[] = {"Sh*", NULL}, *const tag[] = {"t", NULL};
	const struct rules_output outs[] = {
		{.name = "all", .min_priority = 7},
		{.name = "high", .min_priority = 4},
		{.name = "shells", .min_priority = 7, .rules_include = shells},
		{.name = "not-t", .min_priority = 7, .tags_exclude = tag},
	};
	const struct rules_select sel[] = {{.rule = "*b*"}, {.enable = true, .tag = "t"}};
	const struct rules_options opt = {
		.min_priority = 6, .outputs = outs, .n_outputs = 4, .select = sel, .n_select = 2};
	const char *texts[2] = {
		NULL, RULE("Shell", "evt.type = open") RULE("bad",
			      "evt.type = open") "  tags: [t]\n" RULE("b2", "evt.type = open")};
	struct compiled c;
	size_t n;

	(void)state;
	texts[0] = rules_builtin_text(&n);
	assert_int_equal(strlen(texts[0]), n);
	compile_texts(&c, texts, 2, &opt);
	assert_int_equal(c.r, 0);
	assert_int_equal(rule_of(&c, "saker test alert")->outputs, 0xf);
	assert_int_equal(rule_of(&c, "Shell")->outputs, 0xd);
	assert_int_equal(rule_of(&c, "bad")->outputs, 0x1);
	assert_int_equal(rule_of(&c, "bad")->enabled, 1);
	assert_int_equal(rule_of(&c, "b2")->enabled, 0);
	compiled_done(&c);
}

static void test_needs__fields_used__bits(void **state)
{
	static const struct {
		const char *cond;
		uint64_t needs;
	} cases[] = {
		{"evt.type = open and proc.name = a", 0},
		{"evt.type = open and proc.stdin.type = file", IMG_NEED_STDIO},
		{"evt.type = open and fd.types intersects (file)", IMG_NEED_FDTYPES},
		{"evt.type = open and proc.env contains X", IMG_NEED_ENV},
		{"evt.type = open and proc.fdopencount > 3", IMG_NEED_FDCOUNT},
		{"evt.type = open and evt.deltatime > 3", IMG_NEED_DELTA},
		{"evt.type = open and evt.reltime.s > 3", IMG_NEED_RELTIME},
		{"evt.type = recvfrom and evt.buffer contains x", IMG_NEED_IO_DATA},
		{"evt.type = linkat and evt.arg.olddir = x", IMG_NEED_PARAM_FDS},
		{"evt.type = connect and fd.sip.name = example.org", IMG_NEED_NAMES},
		{"evt.type = open and thread.vmsize > 3", IMG_NEED_VM},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct compiled c;

		compile_condition(&c, cases[i].cond);
		assert_int_equal(c.r, 0);
		if (c.img.head->needs != cases[i].needs)
			fail_msg("'%s': needs %llx", cases[i].cond,
				(unsigned long long)c.img.head->needs);
		compiled_done(&c);
	}
}

static void test_append_output__entries__text_and_fields(void **state)
{
	static const char *const extra[] = {"proc.ppid", "mykey=%evt.num-%proc.name", NULL};
	const struct rules_append app[] = {{.match_rule = "other", .extra_output = "%foo.bar"},
		{.extra_output = "EXTRA %proc.pid",
			.suggested_output = true,
			.extra_fields = extra}};
	const struct rules_options opt = {.min_priority = 7, .append = app, .n_append = 2};
	const char *text = RULE("R", "evt.type = open");
	const struct img_rule *r;
	struct compiled c;
	bool formatted = false;

	(void)state;
	compile_texts(&c, &text, 1, &opt);
	assert_int_equal(c.r, 0);
	r = rule_of(&c, "R");
	/* evt.time, mykey, proc.name, proc.pid, proc.ppid and the suggested six */
	assert_int_equal(r->n_out, 5 + 6);
	for (uint32_t i = 0; i < r->n_out; i++) {
		const struct img_outfield *f = &c.img.outfields[r->out_first + i];

		if (span_eq_str(img_text(&c.img, f->key), "mykey")) {
			assert_int_equal(f->n_fmt, 3);
			formatted = true;
		}
	}
	assert_true(formatted);
	compiled_done(&c);
}

static void expect_refused(const struct strbuf *b)
{
	const char *p = b->p;
	struct compiled c;

	compile_texts(&c, &p, 1, NULL);
	assert_int_equal(c.r, -EINVAL);
	assert_int_equal(c.d.n_errors, 1);
	assert_true(
		has_code(&c, "LOAD_ERR_COMPILE_CONDITION") || has_code(&c, "LOAD_ERR_YAML_PARSE"));
	compiled_done(&c);
}

static void test_hostile__macros_that_double__refused(void **state)
{
	_cleanup_strbuf_ struct strbuf b = {0};

	(void)state;
	strbuf_add_str(&b, "- macro: m0\n  condition: proc.name = x\n");
	for (int i = 1; i <= 18; i++)
		strbuf_addf(&b, "- macro: m%d\n  condition: m%d or m%d\n", i, i - 1, i - 1);
	strbuf_add_str(&b, RULE("R", "evt.type = open and m18"));
	expect_refused(&b);
}

static void test_hostile__lists_that_double_in_the_text__refused(void **state)
{
	_cleanup_strbuf_ struct strbuf b = {0};

	(void)state;
	for (int i = 0; i < 40; i++)
		strbuf_addf(&b, "- list: l%02d\n  items: [l%02d, l%02d]\n", i, i + 1, i + 1);
	strbuf_add_str(&b, RULE("R", "evt.type = open and proc.name in (l00)"));
	expect_refused(&b);
}

static void test_hostile__deep_yaml__refused(void **state)
{
	_cleanup_strbuf_ struct strbuf b = {0};

	(void)state;
	for (int i = 0; i < 100000; i++)
		strbuf_add_char(&b, '[');
	expect_refused(&b);
}

static void test_exceptions__shapes__expand_as_specified(void **state)
{
	static const struct {
		const char *exc;
		bool ok;
		uint32_t n_preds;
	} cases[] = {
		{"  - {name: a, fields: proc.name, values: [x, y z]}\n", true, 1},
		{"  - {name: a, fields: [proc.name, fd.name], comps: [in, startswith], values: "
		 "[[[a, b], /x], [c, /y z]]}\n",
			true, 4},
		{"  - {name: a, fields: [proc.name], values: [[x], [y]]}\n", true, 2},
		{"  - {name: a, fields: proc.name, comps: startswith oneof, values: [x]}\n", true,
			1},
		{"  - {name: a, fields: [proc.name, fd.name], values: [[x]]}\n", false, 0},
		{"  - {name: a, fields: [proc.name, fd.name], comps: [=], values: [[x, y]]}\n",
			false, 0},
		{"  - {name: a, fields: [proc.nam], values: [[x]]}\n", false, 0},
		{"  - {name: a, fields: proc.name, comps: =, values: [x]}\n", false, 0},
		{"  - {name: a, values: [x]}\n", false, 0},
		{"  - {name: a, fields: proc.name}\n", true, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[1000];
		const char *p = text;
		struct compiled c;

		(void)snprintf(text, sizeof(text), "%s  exceptions:\n%s",
			RULE("R", "evt.type = open"), cases[i].exc);
		compile_texts(&c, &p, 1, NULL);
		if ((c.r == 0) != cases[i].ok ||
			(c.r == 0 && c.img.n[IMG_SEC_PRED] != cases[i].n_preds))
			fail_msg("case %zu: %d %u %s", i, c.r, c.r ? 0 : c.img.n[IMG_SEC_PRED],
				c.d.first ? c.d.first->message : "");
		compiled_done(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors__table__code_place_message),
		cmocka_unit_test(test_override__table__code_or_silence),
		cmocka_unit_test(test_override__append_and_replace__take_effect),
		cmocka_unit_test(test_all_errors__of_a_file__in_one_run),
		cmocka_unit_test(test_compile__diagnostics_with_errors_of_others__compiles),
		cmocka_unit_test(test_broken_macro__rules_using_it__not_complained_of),
		cmocka_unit_test(test_files__forward_reference_into_later_file__refused),
		cmocka_unit_test(test_output__pieces_and_fields__in_image),
		cmocka_unit_test(test_sharing__equal_tests_of_rules__one_predicate),
		cmocka_unit_test(test_index__rules_under_their_events__and_interest),
		cmocka_unit_test(test_interest__failed_calls__only_if_a_rule_can_match_them),
		cmocka_unit_test(test_interest__not_over_tcp__only_if_no_rule_can_match),
		cmocka_unit_test(test_outputs__filters__bits),
		cmocka_unit_test(test_needs__fields_used__bits),
		cmocka_unit_test(test_append_output__entries__text_and_fields),
		cmocka_unit_test(test_hostile__macros_that_double__refused),
		cmocka_unit_test(test_hostile__lists_that_double_in_the_text__refused),
		cmocka_unit_test(test_hostile__deep_yaml__refused),
		cmocka_unit_test(test_exceptions__shapes__expand_as_specified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
