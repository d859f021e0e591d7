/* SPDX-License-Identifier: Apache-2.0 */
/* Tools over rules files: what the library finds in them and says of them, printed. */

#include <errno.h>
#include <string.h>

#include <base/cleanup.h>
#include <base/log.h>
#include <rules/describe.h>
#include <rules/report.h>

#include "policy.h"
#include "tools.h"

struct rules_source tools_source(const struct tools *t)
{
	return (struct rules_source){.files = t->rules, .n = t->n_rules, .opt = &t->opt.rules};
}

static void add_line(struct tools *t, const char *text)
{
	size_t n = strlen(text);

	strbuf_add(&t->out, text, n);
	if (n == 0 || text[n - 1] != '\n')
		strbuf_add_char(&t->out, '\n');
}

int tools_finish(struct tools *t, struct diag *d, int r, const char *text, const char *what)
{
	policy_print(d);
	if (r == 0)
		add_line(t, text);
	else if (d->n_errors == 0)
		(void)log_err_errno(r, "%s", what);
	diag_done(d);
	return r;
}

static int describe_into(struct tools *t, bool json, char **ret)
{
	struct rules_source src = tools_source(t);
	struct diag d;
	int r;

	diag_init(&d);
	r = json ? rules_describe_json(&src, t->rule, &d, ret)
		 : rules_describe_text(&src, t->rule, &d, ret);
	if (r < 0) /* warnings were shown by the validation */
		policy_print(&d);
	diag_done(&d);
	return r;
}

/* Falco's lines on standard output; of invalid files the errors as they are shown everywhere. */
static int validate_text(struct tools *t, const struct rules_report *rep)
{
	_cleanup_free_ char *text = NULL, *described = NULL;
	int r = rules_report_text(rep, t->verbose, &text);

	if (r < 0)
		return log_err_errno(r, "validate");
	if (!t->verbose)
		policy_print(&rep->diag);
	if (rep->is_valid && t->describe) {
		r = describe_into(t, false, &described);
		if (r < 0)
			return r;
		add_line(t, described);
	}
	add_line(t, text);
	return rep->is_valid ? 0 : -EINVAL;
}

static int validate_json(struct tools *t, const struct rules_report *rep)
{
	_cleanup_free_ char *text = NULL, *described = NULL;
	int r = 0;

	if (rep->is_valid && t->describe)
		r = describe_into(t, true, &described);
	if (r == 0)
		r = rules_report_json(rep, described, &text);
	if (r < 0)
		return log_err_errno(r, "validate");
	add_line(t, text);
	return rep->is_valid ? 0 : -EINVAL;
}

int tools_validate(struct tools *t)
{
	struct rules_report rep;
	int r = rules_check(t->rules, t->n_rules, &t->opt.rules, &rep);

	if (r < 0)
		(void)log_err_errno(r, "validate");
	else
		r = t->json ? validate_json(t, &rep) : validate_text(t, &rep);
	rules_report_done(&rep);
	return r;
}

int tools_describe(struct tools *t)
{
	struct rules_source src = tools_source(t);
	_cleanup_free_ char *text = NULL;
	struct diag d;
	int r;

	diag_init(&d);
	r = t->json ? rules_describe_json(&src, t->rule, &d, &text)
		    : rules_describe_text(&src, t->rule, &d, &text);
	return tools_finish(t, &d, r, text, "describe the rules");
}

int tools_rule_schema(struct tools *t)
{
	add_line(t, rules_schema_json());
	return 0;
}
