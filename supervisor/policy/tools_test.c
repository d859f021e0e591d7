/* SPDX-License-Identifier: Apache-2.0 */
/* saker test: each file's rules compiled as they are for a run, each test's event built and judged
 * by the evaluator's own core, and what came of it compared with what was expected.
 *
 * Every field that a test names is also asked back from the evaluator, by a rule of our own behind
 * the others whose template names them all: a test cannot describe an event that is not so. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <base/cleanup.h>
#include <base/log.h>
#include <base/macros.h>
#include <judge/judge.h>
#include <rules/compile.h>

#include "config_value.h"
#include "policy.h"
#include "tools.h"
#include "tools_event.h"

#define OWN_RULE "saker test: fields of the events"
#define OWN_FILE "(fields of the tests)"
#define SHOWN 200 /* bytes of a text in a message */
#define RULES_FILES_MAX 256
#define NAMES_MAX 1024 /* different fields in a file */

struct run {
	struct tools *t;
	struct test_file file;
	struct test_event *event; /* of the test at hand */
	struct judge *judge;
	void *image;
	uint32_t own; /* number of our own rule */
	json_t *results;
	unsigned n_passed, n_failed;
};

/* --- rules --- */

static bool has_name(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Names are checked before they are put into text: letters that mean something there are refused. */
static int own_rule(struct run *r, struct diag *d, struct strbuf *b)
{
	_cleanup_free_ const char **names = calloc(NAMES_MAX, sizeof(*names));
	size_t n_errors = d->n_errors, n = 0;

	if (!names)
		return -ENOMEM;
	strbuf_add_str(b, "- rule: \"" OWN_RULE "\"\n  desc: d\n  condition: evt.type = close and "
			  "evt.num = 0\n  priority: DEBUG\n  output: \"f");
	for (size_t c = 0; c < r->file.n_cases; c++) {
		for (size_t i = 0; i < r->file.cases[c].n_fields; i++) {
			const struct test_field *f = &r->file.cases[c].fields[i];
			enum field_id id;
			const char *key;

			if (has_name(names, n, f->name) ||
				!event_find_field(&r->t->arena, d, f, &id, &key))
				continue;
			if (n == NAMES_MAX) {
				cfg_error(d, &f->at, NULL,
					"more than %d fields in one file of tests", NAMES_MAX);
				return -EINVAL;
			}
			names[n++] = f->name;
			strbuf_addf(b, " %%%s", f->name);
		}
	}
	strbuf_add_str(b, "\"\n");
	return d->n_errors > n_errors ? -EINVAL : 0;
}

/* Paths in a test file count from its folder. */
static int read_rules(struct run *r, struct diag *d, struct rules_file *files, size_t *ret_n)
{
	struct config_source src = policy_source(r->t->stage);
	const char *slash = strrchr(r->file.name, '/');
	int dir = slash ? (int)(slash - r->file.name) + 1 : 0, worst = 0;

	if (r->t->rules_given || r->file.n_rules == 0) {
		*ret_n = MIN(r->t->n_rules, (size_t)RULES_FILES_MAX);
		memcpy(files, r->t->rules, *ret_n * sizeof(*files));
		return 0;
	}
	*ret_n = MIN(r->file.n_rules, (size_t)RULES_FILES_MAX);
	for (size_t i = 0; i < *ret_n; i++) {
		struct rules_file *f = &files[i];
		const char *path = r->file.rules[i];
		int k;

		f->name = *path == '/'
				  ? path
				  : arena_printf(&r->t->arena, "%.*s%s", dir, r->file.name, path);
		k = f->name ? src.read_file(src.ctx, &r->t->arena, f->name, &f->text, &f->n)
			    : -ENOMEM;
		if (k < 0) {
			cfg_error(d, &r->file.rules_at[i], NULL, "cannot read rules file '%s': %s",
				path, strerror(-k));
			worst = -EINVAL;
		}
	}
	return worst;
}

static int make_judge(struct run *r, struct diag *d)
{
	_cleanup_free_ struct rules_file *files = calloc(RULES_FILES_MAX + 1, sizeof(*files));
	_cleanup_strbuf_ struct strbuf own = {0};
	struct rules_options opt = r->t->opt.rules;
	struct rules_result res = {0};
	const char *why = "";
	size_t n = 0;
	int k;

	if (!files)
		return -ENOMEM;
	k = read_rules(r, d, files, &n);
	if (own_rule(r, d, &own) < 0)
		k = -EINVAL;
	if (k < 0)
		return k;
	if (!strbuf_ok(&own))
		return -ENOMEM;
	files[n] = (struct rules_file){.name = OWN_FILE, .text = own.p, .n = own.n};
	opt.min_priority = 7; /* an output's taste says nothing of a rule */
	k = rules_compile(files, n + 1, &opt, d, &res);
	if (k < 0)
		return k;
	r->image = res.image;
	k = judge_new(res.image, res.size, &r->judge, &why);
	if (k < 0)
		return log_err_errno(k, "take up the compiled rules: %s", why);
	r->own = (uint32_t)judge_find(r->judge, OWN_RULE);
	return r->own == UINT32_MAX ? -EINVAL : 0;
}

/* --- one test --- */

static int take_up(struct run *r, const struct test_event *e)
{
	int k = 0;

	judge_forget(r->judge);
	for (unsigned i = 0; k == 0 && i < ARRAY_LEN(e->id); i++)
		if (e->id[i])
			k = judge_put_id(r->judge, e->id[i], e->id_n[i]);
	for (unsigned i = 0; k == 0 && i < _THREAD_MAX; i++)
		if (e->thread[i])
			k = judge_put_thread(r->judge, e->thread[i]);
	return k < 0 ? k : judge_take_event(r->judge, e->event);
}

static bool is_same(const char *wanted, struct span is)
{
	bool on;
	int64_t a, b;
	char text[32];

	if (span_eq_str(is, wanted))
		return true;
	if (span_eq_str(is, "true") || span_eq_str(is, "false"))
		return cfg_to_bool(wanted, &on) && span_eq_str(is, on ? "true" : "false");
	if (is.n >= sizeof(text))
		return false;
	(void)snprintf(text, sizeof(text), "%.*s", (int)is.n, is.p);
	return event_number(wanted, &a) && event_number(text, &b) && a == b;
}

/* Is the event what the test says? Replaced defaults are not asked for. */
static void check_fields(struct run *r, const struct test_case *c, struct strbuf *why)
{
	for (size_t i = 0; i < c->n_fields; i++) {
		const struct test_field *f = &c->fields[i];
		const char *key, *wanted = f->value->kind == CFG_SCALAR ? f->value->text : "<NA>";
		bool is_last = true;
		enum field_id id;
		struct span is;

		for (size_t k = i + 1; k < c->n_fields; k++)
			is_last = is_last && strcmp(c->fields[k].name, f->name) != 0;
		if (!is_last || !event_find_field(&r->t->arena, NULL, f, &id, &key) ||
			!event_is_checked(id, f) || !judge_field(r->judge, r->own, f->name, &is) ||
			is_same(wanted, is))
			continue;
		strbuf_addf(why, "%sthe event cannot be so: %s is '%.*s' in it, not '%.*s'%s",
			why->n ? "; " : "", f->name, (int)MIN(is.n, (size_t)SHOWN), is.p, SHOWN,
			wanted, judge_absent(id) ? ": " : "");
		if (judge_absent(id))
			strbuf_add_str(why, judge_absent(id));
	}
}

/* Do priority, output and fields of an alert fit? */
static void check_alert(
	struct run *r, const struct test_alert *a, uint32_t rule, struct strbuf *why)
{
	struct span text = judge_message(r->judge, rule);
	uint8_t priority;

	if (a->output && !memmem(text.p, text.n, a->output, strlen(a->output)))
		strbuf_addf(why, "%sthe output of '%s' does not contain '%.*s': '%.*s'",
			why->n ? "; " : "", a->rule, SHOWN, a->output,
			(int)MIN(text.n, (size_t)SHOWN), text.p);
	if (a->priority && cfg_to_priority(a->priority, &priority) &&
		judge_priority(r->judge, rule) != priority)
		strbuf_addf(why, "%sthe priority of '%s' is not %s", why->n ? "; " : "", a->rule,
			a->priority);
	for (size_t i = 0; i < a->n_fields; i++) {
		const struct test_field *f = &a->fields[i];
		const char *wanted = f->value->kind == CFG_SCALAR ? f->value->text : "<NA>";
		struct span is;

		if (!judge_field(r->judge, rule, f->name, &is))
			strbuf_addf(why, "%sthe alert of '%s' has no output field '%s'",
				why->n ? "; " : "", a->rule, f->name);
		else if (!is_same(wanted, is))
			strbuf_addf(why, "%s%s of '%s' is '%.*s', not '%.*s'", why->n ? "; " : "",
				f->name, a->rule, (int)MIN(is.n, (size_t)SHOWN), is.p, SHOWN,
				wanted);
	}
}

/* An expected alert that did not come. */
static void say_missing(struct run *r, const struct test_alert *a, struct strbuf *why)
{
	int64_t rule = judge_find(r->judge, a->rule);

	strbuf_addf(why, "%sno alert of '%s'", why->n ? "; " : "", a->rule);
	if (rule < 0)
		strbuf_add_str(why, ": there is no such rule");
	else if (!judge_is_enabled(r->judge, (uint32_t)rule))
		strbuf_add_str(why, ": the rule is disabled");
	else if (judge_holds(r->judge, (uint32_t)rule))
		strbuf_add_str(why, ": its condition holds, but an earlier rule gives the alert "
				    "(rule_matching: first)");
}

/* Alerts in any order: each expected one comes, and no other. @got: their names. */
static void compare_alerts(
	struct run *r, const struct test_case *c, json_t *got, struct strbuf *why)
{
	_cleanup_free_ bool *met = calloc(c->n_alerts + 1, sizeof(*met));
	uint32_t rule;

	while (met && judge_next(r->judge, r->own, &rule) > 0) {
		struct span name = judge_name(r->judge, rule);
		size_t i = 0;

		(void)json_array_append_new(got, json_stringn(name.p, name.n));
		while (i < c->n_alerts && (met[i] || !span_eq_str(name, c->alerts[i].rule)))
			i++;
		if (i == c->n_alerts) {
			strbuf_addf(why, "%san alert of '%.*s' that was not expected",
				why->n ? "; " : "", (int)name.n, name.p);
			continue;
		}
		met[i] = true;
		check_alert(r, &c->alerts[i], rule, why);
	}
	for (size_t i = 0; met && i < c->n_alerts; i++)
		if (!met[i])
			say_missing(r, &c->alerts[i], why);
}

static json_t *expected_json(const struct test_case *c)
{
	json_t *all = json_array();

	for (size_t i = 0; i < c->n_alerts; i++)
		(void)json_array_append_new(all, json_string(c->alerts[i].rule));
	return all;
}

static void report(struct run *r, const struct test_case *c, json_t *got, const struct strbuf *why)
{
	bool is_fine = why->n == 0 && strbuf_ok(why);

	r->n_passed += is_fine;
	r->n_failed += !is_fine;
	if (r->results) {
		(void)json_array_append_new(r->results,
			json_pack("{s:s, s:i, s:b, s:o, s:O, s:s?}", "name", c->name, "line",
				c->at.pos.line, "passed", is_fine, "expected", expected_json(c),
				"got", got, "message", is_fine ? NULL : why->p));
		return;
	}
	if (is_fine && r->t->verbose)
		strbuf_addf(&r->t->out, "ok      %s\n", c->name);
	else if (!is_fine)
		strbuf_addf(&r->t->out, "FAILED  %s:%u: %s\n        %s\n", r->file.name,
			c->at.pos.line, c->name, why->p ? why->p : "out of memory");
}

/* All events before any rule is compiled: what is wrong with tests is said at once. */
static int check_events(struct run *r, struct diag *d)
{
	int worst = 0;

	for (size_t i = 0; i < r->file.n_cases; i++) {
		int k = event_build(&r->t->arena, d, &r->file.cases[i], r->event);

		worst = k < 0 ? k : worst;
	}
	return worst;
}

static int run_case(struct run *r, struct diag *d, const struct test_case *c)
{
	_cleanup_strbuf_ struct strbuf why = {0};
	json_t *got = json_array();
	int k = event_build(&r->t->arena, d, c, r->event);

	if (k == 0)
		k = take_up(r, r->event);
	if (k == 0) {
		check_fields(r, c, &why);
		compare_alerts(r, c, got, &why);
		report(r, c, got, &why);
	}
	json_decref(got);
	return k;
}

/* --- files --- */

static int run_file(struct run *r, struct diag *d, const char *name)
{
	struct config_source src = policy_source(r->t->stage);
	struct cfg_place at = {.pos = {.file = name}};
	const char *text;
	size_t n;
	int k = src.read_file(src.ctx, &r->t->arena, name, &text, &n);

	if (k < 0) {
		cfg_error(d, &at, NULL, "cannot read the tests: %s", strerror(-k));
		return -EINVAL;
	}
	k = test_file_parse(&r->t->arena, d, name, text, n, &r->file);
	if (k == 0)
		k = check_events(r, d);
	if (k == 0)
		k = make_judge(r, d);
	for (size_t i = 0; k == 0 && i < r->file.n_cases; i++)
		k = run_case(r, d, &r->file.cases[i]);
	return k;
}

static void add_file_json(struct run *r, json_t *files, const char *name, bool is_valid)
{
	(void)json_array_append_new(files,
		json_pack("{s:s, s:b, s:i, s:i, s:o}", "name", name, "valid", is_valid, "passed",
			(int)r->n_passed, "failed", (int)r->n_failed, "tests", r->results));
}

int tools_test(struct tools *t)
{
	json_auto_t *files = t->json ? json_array() : NULL;
	unsigned passed = 0, failed = 0;
	int worst = 0;

	for (size_t i = 0; i < t->n_files; i++) {
		struct run r = {.t = t, .results = files ? json_array() : NULL};
		struct diag d;
		int k;

		diag_init(&d);
		r.event = calloc(1, sizeof(*r.event));
		k = r.event ? run_file(&r, &d, t->files[i]) : -ENOMEM;
		policy_print(&d);
		if (k < 0 && d.n_errors == 0)
			(void)log_err_errno(k, "run the tests of '%s'", t->files[i]);
		diag_done(&d);
		if (files)
			add_file_json(&r, files, t->files[i], k == 0);
		else if (k == 0)
			strbuf_addf(&t->out, "%s: %u passed, %u failed\n", t->files[i], r.n_passed,
				r.n_failed);
		passed += r.n_passed;
		failed += r.n_failed;
		worst = k < 0 ? k : worst;
		r.judge = judge_free(r.judge);
		free(r.image);
		free(r.event);
	}
	if (files && tools_add_json(t,
			     json_pack("{s:O, s:i, s:i}", "files", files, "passed", (int)passed,
				     "failed", (int)failed),
			     false) < 0)
		return log_err_errno(-ENOMEM, "print");
	return worst < 0 ? worst : failed ? -EINVAL : 0;
}
