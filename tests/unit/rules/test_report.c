/* SPDX-License-Identifier: Apache-2.0 */
/* Validation results: every code, places, Falco's JSON and text forms, the chain of macros and
 * lists, descriptions and explanations. */

#include <rules/describe.h>
#include <rules/report.h>

#include "util.h"

#define RULE "- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition: "
#define OK_RULE RULE "evt.type=open\n"

static void check(struct rules_report *rep, const char *const *texts, size_t n)
{
	struct rules_file f[4];

	for (size_t i = 0; i < n; i++)
		f[i] = (struct rules_file){
			.name = i ? "g.yaml" : "f.yaml", .text = texts[i], .n = strlen(texts[i])};
	assert_int_equal(rules_check(f, n, NULL, rep), 0);
}

static const struct diag_item *find(const struct rules_file_result *f, const char *code)
{
	for (size_t i = 0; i < f->n_errors; i++)
		if (!strcmp(f->errors[i]->code, code))
			return f->errors[i];
	for (size_t i = 0; i < f->n_warnings; i++)
		if (!strcmp(f->warnings[i]->code, code))
			return f->warnings[i];
	return NULL;
}

/* Every code that rule files can cause, with the place it is told of. */
static void test_rules_check__table__every_code_and_place(void **state)
{
	static const struct {
		const char *code, *text;
		unsigned line, column;
		bool is_valid;
	} cases[] = {
		{"LOAD_ERR_YAML_PARSE", "- list: [a\n", 2, 1, false},
		{"LOAD_ERR_YAML_PARSE", "- list: *nope\n", 1, 9, false},
		{"LOAD_ERR_YAML_VALIDATE", "a: b\n", 1, 1, false},
		{"LOAD_ERR_YAML_VALIDATE", "text\n", 1, 1, false},
		{"LOAD_ERR_YAML_VALIDATE", "- text\n", 1, 3, false},
		{"LOAD_ERR_YAML_VALIDATE", "- list: l\n", 1, 3, false},
		{"LOAD_ERR_YAML_VALIDATE", "- list:\n  items: []\n", 1, 8, false},
		{"LOAD_ERR_YAML_VALIDATE", "- list: l\n  items: a\n", 2, 10, false},
		{"LOAD_ERR_YAML_VALIDATE", "- list: l\n  items: [[a]]\n", 2, 11, false},
		{"LOAD_ERR_YAML_VALIDATE", "- macro: m\n", 1, 3, false},
		{"LOAD_ERR_YAML_VALIDATE", "- required_engine_version: x\n", 1, 28, false},
		{"LOAD_ERR_YAML_VALIDATE", OK_RULE "- rule: R\n  enabled: 7\n", 7, 12, false},
		{"LOAD_ERR_YAML_VALIDATE",
			"- rule: R\n  desc: d\n  output: o\n  priority: LOUD\n  condition: a.b=1\n",
			4, 13, false},
		{"LOAD_ERR_YAML_VALIDATE",
			OK_RULE "- rule: R\n  tags: x\n  override: {tags: replace}\n", 7, 9, false},
		{"LOAD_ERR_YAML_VALIDATE",
			OK_RULE "- rule: R\n  priority: INFO\n  override: {priority: append}\n", 8,
			14, false},
		{"LOAD_ERR_YAML_VALIDATE",
			OK_RULE "- rule: R\n  desc: x\n  override: {desc: add}\n", 8, 20, false},
		{"LOAD_ERR_YAML_VALIDATE", OK_RULE "- rule: R\n  override: {desc: append}\n", 7, 14,
			false},
		{"LOAD_ERR_YAML_VALIDATE",
			OK_RULE "- rule: R\n  desc: x\n  output: y\n  override: {desc: append}\n",
			8, 3, false},
		{"LOAD_ERR_COMPILE_CONDITION", RULE "evt.type=open and\n", 5, 30, false},
		{"LOAD_ERR_COMPILE_CONDITION", RULE "evt.type=open and foo.bar=1\n", 5, 32, false},
		{"LOAD_ERR_COMPILE_CONDITION", RULE "evt.type=opem\n", 5, 23, false},
		{"LOAD_ERR_COMPILE_CONDITION", RULE "fd.num contains 1\n", 5, 21, false},
		{"LOAD_ERR_COMPILE_CONDITION", RULE "fd.num=abc\n", 5, 21, false},
		{"LOAD_ERR_COMPILE_CONDITION", RULE "proc.name regex \"a(b\"\n", 5, 32, false},
		{"LOAD_ERR_COMPILE_OUTPUT",
			"- rule: R\n  desc: d\n  output: x %foo.bar\n  priority: INFO\n  "
			"condition: "
			"evt.type=open\n",
			3, 13, false},
		{"LOAD_ERR_VALIDATE", RULE "nope\n", 5, 14, false},
		{"LOAD_ERR_VALIDATE", "- required_engine_version: 99\n", 1, 28, false},
		{"LOAD_ERR_VALIDATE",
			"- required_plugin_versions:\n  - {name: json, version: 1.0.0}\n", 2, 5,
			false},
		{"LOAD_ERR_VALIDATE",
			"- required_plugin_versions:\n  - name: container\n    version: 0.1.0\n    "
			"alternatives: [{name: a, version: 1.0.0}, {name: a, version: 1.0.0}]\n",
			4, 54, false},
		{"LOAD_ERR_VALIDATE", "- list: l\n  items: [a]\n  append: true\n", 1, 9, false},
		{"LOAD_ERR_VALIDATE", "- rule: X\n  enabled: true\n", 1, 9, false},
		{"LOAD_ERR_VALIDATE",
			RULE "evt.type=open\n  exceptions:\n  - {name: e, fields: [no.pe]}\n", 7,
			24, false},
		{"LOAD_ERR_VALIDATE",
			RULE "evt.type=open\n  exceptions:\n  - {name: e, fields: [proc.name], "
			     "values: [[a, "
			     "b]]}\n",
			7, 45, false},
		{"LOAD_ERR_VALIDATE",
			OK_RULE "- rule: R\n  append: true\n  exceptions:\n  - {name: e, fields: "
				"[proc.name]}\n",
			9, 5, false},
		{"LOAD_UNKNOWN_SOURCE", RULE "a.b=1\n  source: k8s\n", 6, 11, true},
		{"LOAD_NO_EVTTYPE", RULE "proc.name=a\n", 1, 9, true},
		{"LOAD_UNKNOWN_FILTER", RULE "foo.bar=1\n  skip-if-unknown-filter: true\n", 5, 14,
			true},
		{"LOAD_UNUSED_MACRO", "- macro: m\n  condition: evt.type=open\n", 1, 10, true},
		{"LOAD_UNUSED_LIST", "- list: l\n  items: [a]\n", 1, 9, true},
		{"LOAD_UNKNOWN_ITEM", "- foo: 1\n", 1, 3, true},
		{"LOAD_DEPRECATED_ITEM", RULE "evt.type=open and evt.dir=<\n", 5, 32, true},
		{"LOAD_DEPRECATED_ITEM", OK_RULE "- rule: R\n  enabled: false\n", 6, 3, true},
		{"LOAD_DEPRECATED_ITEM",
			OK_RULE "- rule: R\n  append: true\n  condition: and proc.name=a\n", 7, 11,
			true},
		{"LOAD_APPEND_NO_VALUES",
			RULE "evt.type=open\n  exceptions:\n  - {name: e, fields: [proc.name], "
			     "values: [[a]]}\n"
			     "- rule: R\n  exceptions:\n  - {name: e}\n  override: {exceptions: "
			     "append}\n",
			10, 5, true},
		{"LOAD_EXCEPTION_NAME_NOT_UNIQUE",
			RULE "evt.type=open\n  exceptions:\n  - {name: e, fields: [proc.name]}\n  "
			     "- {name: e, "
			     "fields: [proc.name]}\n",
			8, 12, true},
		{"LOAD_INVALID_MACRO_NAME", "- macro: a-b\n  condition: evt.type=open\n", 1, 10,
			true},
		{"LOAD_INVALID_LIST_NAME", "- list: a b\n  items: [a]\n", 1, 9, true},
		{"LOAD_COMPILE_CONDITION", RULE "evt.type=open and proc.name=proc.pname\n", 5, 42,
			true},
		{"LOAD_COMPILE_CONDITION", RULE "evt.type=open and proc.name regex abc\n", 5, 48,
			true},
		{"LOAD_COMPILE_CONDITION",
			"- list: shell_names\n  items: [sh]\n" RULE
			"evt.type=open and proc.name in (shel_names) and not proc.name in "
			"(shell_names)\n",
			7, 46, true},
		{"LOAD_UNKNOWN_KEY", OK_RULE "  outptu: x\n", 6, 3, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rules_report rep;
		const struct diag_item *it;

		check(&rep, &cases[i].text, 1);
		it = find(&rep.files[0], cases[i].code);
		if (!it)
			fail_msg("case %zu: no %s", i, cases[i].code);
		if (it->pos.line != cases[i].line || it->pos.column != cases[i].column)
			fail_msg("case %zu: %s at %u:%u: %s", i, cases[i].code, it->pos.line,
				it->pos.column, it->message);
		if (rep.is_valid != cases[i].is_valid || rep.files[0].is_valid != cases[i].is_valid)
			fail_msg("case %zu: valid %d", i, rep.is_valid);
		if (it->pos.line && !it->n_locations &&
			strcmp(it->code, "LOAD_ERR_YAML_PARSE") != 0)
			fail_msg("case %zu: no locations", i);
		rules_report_done(&rep);
	}
}

/* The parts of items that messages are about, outermost first. */
static void test_rules_check__locations__of_the_part(void **state)
{
	static const struct {
		const char *text, *locations;
	} cases[] = {
		{"a: b\n", "rules content"},
		{"- text\n", "rules content/rules content item"},
		{"- foo: 1\n", "rules content/rules content item"},
		{"- required_engine_version: x\n", "rules content/required_engine_version"},
		{"- required_plugin_versions: x\n", "rules content/required plugin versions"},
		{"- required_plugin_versions:\n  - {name: json, version: 1.0.0}\n",
			"rules content/required plugin versions/required plugin versions entry"},
		{"- required_plugin_versions:\n  - {name: container, version: 0.1.0, "
		 "alternatives: [{name: a}]}\n",
			"rules content/required plugin versions/required plugin versions entry/"
			"required plugin versions alternative"},
		{"- list: l\n", "rules content/list l"},
		{"- list: l\n  items: [[a]]\n", "rules content/list l/list item"},
		{"- macro: m\n  condition:\n", "rules content/macro m/value for condition"},
		{"- macro: m\n  condition: a.b=\n",
			"rules content/macro m/macro condition/condition expression"},
		{RULE "a.b=\n", "rules content/rule R/rule condition/condition expression"},
		{"- rule: R\n  desc: d\n  output: []\n  priority: INFO\n  condition: a.b=1\n",
			"rules content/rule R/value for output"},
		{"- rule: R\n  desc: d\n  output: o\n  priority: LOUD\n  condition: a.b=1\n",
			"rules content/rule R/rule priority"},
		{"- rule: R\n  desc: d\n  output: x %foo.bar\n  priority: INFO\n  condition: "
		 "evt.type=open\n",
			"rules content/rule R/rule output"},
		{OK_RULE "  tags: [[]]\n", "rules content/rule R/value for tags"},
		{OK_RULE "  enabled: 7\n", "rules content/rule R/value for enabled"},
		{OK_RULE "- rule: R\n  desc: x\n  override: {desc: add}\n",
			"rules content/rule R/overrides"},
		{OK_RULE "  exceptions:\n  - e\n", "rules content/rule R/exceptions/exception"},
		{OK_RULE "  exceptions:\n  - {name: e, fields: [proc.name], values: x}\n",
			"rules content/rule R/exceptions/exception e/exception values"},
		{OK_RULE "  exceptions:\n  - {name: e, fields: [proc.name], values: [[a, b]]}\n",
			"rules content/rule R/exception e/exception values"},
		{OK_RULE "  exceptions:\n  - {name: e, fields: proc.name, values: [[a]]}\n",
			"rules content/rule R/exception e/exception value"},
		{OK_RULE "  exceptions:\n  - {name: e, fields: [proc.name], values: [[{a: b}]]}\n",
			"rules content/rule R/exception e/exception value"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct diag_item *it;
		struct rules_report rep;
		char have[400] = "";
		size_t n = 0;

		check(&rep, &cases[i].text, 1);
		it = rep.files[0].n_errors ? rep.files[0].errors[0] : rep.files[0].warnings[0];
		for (size_t k = 0; k < it->n_locations; k++)
			n += (size_t)snprintf(have + n, sizeof(have) - n, "%s%s%s%s", k ? "/" : "",
				it->locations[k].item_type, *it->locations[k].item_name ? " " : "",
				it->locations[k].item_name);
		if (strcmp(have, cases[i].locations) != 0)
			fail_msg("%s\nhas %s", cases[i].text, have);
		rules_report_done(&rep);
	}
}

/* The reference's own answer for this file, but for the message. */
static void test_rules_report_json__unknown_field__as_falco(void **state)
{
	static const char *const text =
		"\n- rule: R\n  desc: d\n  condition: evt.type=open and foo.bar=1\n  output: o\n  "
		"priority: INFO\n";
	static const char *const want =
		"\"context\":{\"locations\":[{\"item_name\":\"\",\"item_type\":\"rules content\","
		"\"position\":{\"column\":0,\"line\":1,\"name\":\"f.yaml\",\"offset\":1}},"
		"{\"item_name\":\"R\",\"item_type\":\"rule\",\"position\":{\"column\":2,\"line\":1,"
		"\"name\":\"f.yaml\",\"offset\":3}},{\"item_name\":\"\",\"item_type\":\"rule "
		"condition\","
		"\"position\":{\"column\":13,\"line\":3,\"name\":\"f.yaml\",\"offset\":34}},"
		"{\"item_name\":\"\",\"item_type\":\"condition "
		"expression\",\"position\":{\"column\":32,"
		"\"line\":4,\"name\":\"\\\"evt.type=open and...\\\"\",\"offset\":52}}],"
		"\"snippet\":\"evt.type=open and foo.bar=1\\n                          ^\\n\"}";
	struct rules_report rep;
	char *json = NULL;

	(void)state;
	check(&rep, &text, 1);
	assert_int_equal(rules_report_json(&rep, NULL, &json), 0);
	if (!strstr(json, want))
		fail_msg("%s", json);
	assert_non_null(
		strstr(json, "{\"falco_load_results\":[{\"errors\":[{\"code\":"
			     "\"LOAD_ERR_COMPILE_CONDITION\",\"codedesc\":\"Error compiling "
			     "condition\""));
	assert_non_null(strstr(json, "\"position\":{\"column\":32,\"file\":\"f.yaml\",\"length\":7,"
				     "\"line\":4}"));
	assert_non_null(
		strstr(json, "\"name\":\"f.yaml\",\"schema_valid\":true,\"schema_warnings\":[],"
			     "\"successful\":false,\"warnings\":[]"));
	free(json);
	rules_report_done(&rep);
}

static void test_rules_check__two_files__results_apart(void **state)
{
	static const char *const texts[] = {
		"- list: l\n  items: [a]\n", "- rule: X\n  append: true\n  condition: and a.b=1\n"};
	struct rules_report rep;
	char *text = NULL;

	(void)state;
	check(&rep, texts, 2);
	assert_true(rep.files[0].is_valid);
	assert_int_equal(rep.files[0].n_warnings, 1);
	assert_false(rep.files[1].is_valid);
	assert_int_equal(rules_report_text(&rep, false, &text), 0);
	assert_non_null(
		strstr(text, "f.yaml: Ok, with warnings\n 1 warnings: [LOAD_UNUSED_LIST "
			     "(Unused list)]\ng.yaml: Invalid\n 1 errors: [LOAD_ERR_VALIDATE"));
	free(text);
	rules_report_done(&rep);
}

/* Warnings of what was collected come again with every further file. */
static void test_rules_check__second_file__repeats_warnings_of_the_first(void **state)
{
	static const char *const texts[] = {
		"- list: l\n  items: [a]\n", "- list: m\n  items: [l]\n"};
	struct rules_report rep;

	(void)state;
	check(&rep, texts, 2);
	assert_int_equal(rep.files[0].n_warnings, 1);
	assert_int_equal(rep.files[1].n_warnings, 1);
	rules_report_done(&rep);
	check(&rep, (const char *const[]){texts[0], "- list: n\n  items: [b]\n"}, 2);
	assert_int_equal(rep.files[1].n_warnings, 2);
	rules_report_done(&rep);
}

static void test_rules_check__error_over_list_and_macros__chain(void **state)
{
	static const char *const text =
		"- list: inner\n  items: [nope]\n- list: outer\n  items: [inner]\n"
		"- macro: a\n  condition: evt.type in (outer)\n- macro: b\n  condition: a\n" RULE
		"b\n";
	const struct diag_item *it;
	struct rules_report rep;

	(void)state;
	check(&rep, &text, 1);
	it = find(&rep.files[0], "LOAD_ERR_COMPILE_CONDITION");
	assert_non_null(it);
	assert_int_equal(it->pos.line, 2);
	assert_int_equal(it->pos.column, 11);
	assert_int_equal(it->n_notes, 4);
	assert_string_equal(it->notes[0].text, "in list 'inner', used");
	assert_int_equal(it->notes[0].pos.line, 4);
	assert_string_equal(it->notes[1].text, "in list 'outer', used");
	assert_int_equal(it->notes[1].pos.line, 6);
	assert_int_equal(it->notes[1].pos.column, 27);
	assert_string_equal(it->notes[2].text, "in macro 'a', used");
	assert_int_equal(it->notes[2].pos.line, 8);
	assert_string_equal(it->notes[3].text, "in macro 'b', used");
	assert_int_equal(it->notes[3].pos.line, 13);
	rules_report_done(&rep);
}

/* Names near to what was written: letters missing, swapped, or the rest of a word. */
static void test_diag_nearest__table__meant(void **state)
{
	static const char *const names[] = {
		"Warning", "Notice", "bad", "shell_binaries", "proc.name", NULL};
	static const struct {
		const char *text, *near;
	} cases[] = {{"WARN", "Warning"}, {"warnign", "Warning"}, {"bda", "bad"},
		{"proc.nmae", "proc.name"}, {"shell_binary", "shell_binaries"}, {"notce", "Notice"},
		{"xyz", NULL}, {"", NULL}, {"w", NULL}, {"shell_binarise", "shell_binaries"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *near = diag_nearest(cases[i].text, strlen(cases[i].text), names);

		if (!near != !cases[i].near || (near && strcmp(near, cases[i].near) != 0))
			fail_msg("'%s': %s", cases[i].text, near ? near : "none");
	}
}

/* A wrong priority does not hide what else is wrong with the rule. */
static void test_rules_check__rule_with_many_errors__all_told(void **state)
{
	static const char *const text =
		"- rule: R\n  desc: d\n  condition: evt.type=opem and bda and a.b=1\n"
		"  output: x %fd.nam\n  priority: WARN\n  enabled: 7\n  tags: x\n";
	struct rules_report rep;

	(void)state;
	check(&rep, &text, 1);
	/* enabled, priority, tags; output; the macro that there is not, and what is wrong beside it */
	assert_int_equal(rep.files[0].n_errors, 7);
	rules_report_done(&rep);
}

static void test_rules_check__schema__advice_only(void **state)
{
	static const char *const text =
		"- rule: R\n  desc: d\n  output: o\n  priority: info\n  condition: evt.type=open\n"
		"  exceptions: [{name: a, fields: [proc.name], bogus: 1}]\n  colour: red\n";
	struct rules_report rep;

	(void)state;
	check(&rep, &text, 1);
	assert_true(rep.is_valid);
	assert_false(rep.files[0].schema_valid);
	assert_int_equal(rep.files[0].n_schema_warnings, 3);
	rules_report_done(&rep);
}

static void describe(const char *text, const char *only, char **ret, int want)
{
	struct rules_file f = {.name = "f.yaml", .text = text, .n = strlen(text)};
	struct rules_source src = {.files = &f, .n = 1};
	struct diag d;

	diag_init(&d);
	assert_int_equal(rules_describe_json(&src, only, &d, ret), want);
	assert_int_equal(want<0, d.n_errors> 0);
	diag_done(&d);
}

static void test_rules_describe_json__rule__shape(void **state)
{
	static const char *const text =
		"- required_engine_version: 0.31.0\n- list: l\n  items: [a, b c]\n- macro: m\n"
		"  condition: proc.name in (l)\n"
		"- rule: R\n  desc: d\n  output: o %fd.name\n  priority: warning\n  tags: [y, x]\n"
		"  condition: evt.type = open and (m or not fd.num<3)\n"
		"- rule: Other\n  desc: d\n  output: o\n  priority: info\n  condition: "
		"evt.type=close\n";
	char *json = NULL;

	(void)state;
	describe(text, NULL, &json, 0);
	assert_non_null(strstr(json,
		"\"rules\":[{\"details\":{\"condition_compiled\":\"(evt.type = open and (proc.name "
		"in (a, "
		"\\\"b c\\\") or not fd.num < 3))\",\"condition_fields\":[\"evt.type\",\"fd.num\","
		"\"proc.name\"],\"condition_operators\":[\"<\",\"=\",\"in\"],\"events\":[\"open\"],"
		"\"exception_fields\":[],\"exception_names\":[],\"exception_operators\":[],"
		"\"lists\":[],"
		"\"macros\":[\"m\"],\"output_compiled\":\"o "
		"%fd.name\",\"output_fields\":[\"fd.name\"],"
		"\"plugins\":[]},\"info\":{\"capture\":false,\"capture_duration\":0,"
		"\"condition\":"));
	assert_non_null(
		strstr(json, "\"priority\":\"Warning\",\"source\":\"syscall\",\"tags\":[\"x\","
			     "\"y\"]}}"));
	assert_non_null(strstr(json, "\"required_engine_version\":\"0.31.0\""));
	assert_non_null(
		strstr(json, "{\"details\":{\"items_compiled\":[\"a\",\"b c\"],\"lists\":[],"
			     "\"plugins\":[],\"used\":true},\"info\":{\"items\":[\"a\",\"b c\"],"
			     "\"name\":\"l\"}}"));
	free(json);
	json = NULL;
	describe(text, "Other", &json, 0);
	assert_null(strstr(json, "\"name\":\"R\""));
	assert_non_null(strstr(json, "\"lists\":[],\"macros\":[],"));
	free(json);
	json = NULL;
	describe(text, "Othr", &json, -ENOENT);
	assert_null(json);
	describe("- rule: x\n", NULL, &json, -EINVAL);
}

static void test_rules_explain__rule__both_forms(void **state)
{
	static const char *const text =
		RULE "evt.type=open and proc.name=a and fd.name contains b\n";
	struct rules_file f = {.name = "f.yaml", .text = text, .n = strlen(text)};
	struct rules_source src = {.files = &f, .n = 1};
	char *out = NULL;
	struct diag d;

	(void)state;
	diag_init(&d);
	assert_int_equal(rules_explain_json(&src, "R", &d, &out), 0);
	assert_non_null(
		strstr(out, "{\"condition\":\"(evt.type = open and proc.name = a and fd.name "
			    "contains b)\",\"cost\":{\"least\":"));
	assert_non_null(strstr(out, "\"text\":\"proc.name = a\""));
	assert_non_null(strstr(out, "\"kernel\":[{\"event\":\"open\""));
	free(out);
	assert_int_equal(rules_explain_text(&src, "R", &d, &out), 0);
	assert_non_null(strstr(out, "fd.name contains b"));
	free(out);
	diag_done(&d);
}

/* A rule that the configuration turns on is tried after those that were on. */
static void test_rules_compile__enabled_by_config__last(void **state)
{
	static const char *const text =
		"- rule: A\n  desc: d\n  output: o\n  priority: INFO\n  condition: evt.type=open\n "
		" "
		"enabled: false\n"
		"- rule: B\n  desc: d\n  output: o\n  priority: INFO\n  condition: evt.type=open\n";
	static const struct rules_select on = {.enable = true, .rule = "A"};
	struct rules_options opt = {.min_priority = 7, .select = &on, .n_select = 1};
	struct compiled c;

	(void)state;
	compile_texts(&c, &text, 1, &opt);
	assert_int_equal(c.r, 0);
	assert_int_equal(c.img.n[IMG_SEC_RULE], 2);
	assert_string_equal(c.img.str + c.img.rules[0].name.off, "B");
	assert_string_equal(c.img.str + c.img.rules[1].name.off, "A");
	free(c.res.image);
	diag_done(&c.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_check__table__every_code_and_place),
		cmocka_unit_test(test_rules_check__locations__of_the_part),
		cmocka_unit_test(test_rules_report_json__unknown_field__as_falco),
		cmocka_unit_test(test_rules_check__two_files__results_apart),
		cmocka_unit_test(test_rules_check__second_file__repeats_warnings_of_the_first),
		cmocka_unit_test(test_rules_check__error_over_list_and_macros__chain),
		cmocka_unit_test(test_diag_nearest__table__meant),
		cmocka_unit_test(test_rules_check__rule_with_many_errors__all_told),
		cmocka_unit_test(test_rules_check__schema__advice_only),
		cmocka_unit_test(test_rules_describe_json__rule__shape),
		cmocka_unit_test(test_rules_explain__rule__both_forms),
		cmocka_unit_test(test_rules_compile__enabled_by_config__last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
