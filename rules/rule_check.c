/* SPDX-License-Identifier: Apache-2.0 */
/* A rule from text to a typed condition and templates, in the order in which the reference finds
 * faults. Everything comes from the user's files. */

#include <errno.h>
#include <string.h>

#include "items.h"
#include "rule_check.h"

#define WARNING "LOAD_COMPILE_CONDITION"
#define COMPILE_CONDITION "LOAD_ERR_COMPILE_CONDITION"
#define COMPILE_OUTPUT "LOAD_ERR_COMPILE_OUTPUT"

static const char *const deprecated[] = {"evt.latency.human", "evt.latency.ns", "evt.latency.s",
	"evt.latency", "evt.wait_latency", "evt.dir", NULL};

struct rule_run {
	struct collector *c;
	struct cx *cx;
	const struct rule_def *r;
	const struct rules_options *opt;
	struct checked_rule *out;
	uint32_t deprecated_seen; /* bits by index of the table */
	bool is_partial; /* the condition, of which a macro could not be expanded: the rest is looked at still */
};

static const struct spos from_config = {.file = UINT16_MAX};

/* "name=%field", dots of the name as underscores. */
static int add_suggested(struct cx *cx, struct ptext *t, const char *field, size_t n)
{
	char *name = cx_printf(cx, "%s%.*s=%%%.*s", t->n ? " " : "", (int)n, field, (int)n, field);

	if (!name)
		return -ENOMEM;
	for (char *p = name; *p && *p != '='; p++)
		if (*p == '.')
			*p = '_';
	return ptext_add_str(cx, t, name, from_config);
}

static const char *suggested_text(struct cx *cx)
{
	struct ptext t = {0};

	for (size_t i = 0; i < cx->n_statics; i++) {
		const char *name = cx_printf(cx, STATIC_PREFIX "%s", cx->statics[i]);

		if (!name || add_suggested(cx, &t, name, strcspn(name, "=")) < 0)
			return NULL;
	}

	for (unsigned i = 0; i < _FIELD_ID_MAX; i++) {
		const struct field_info *f = field_info_get((enum field_id)i);

		if ((f->flags & FF_SUGGESTED) &&
			add_suggested(cx, &t, f->name, strlen(f->name)) < 0)
			return NULL;
	}
	return t.p;
}

static int append_part(struct rule_run *run, struct ptext *t, const char *text)
{
	int r = text ? ptext_add_str(run->cx, t, " ", from_config) : 0;

	return r < 0 || !text ? r : ptext_add_str(run->cx, t, text, from_config);
}

/* The rule's output with what the configuration adds, without %container.info. */
static int output_text(struct rule_run *run, struct ptext *ret)
{
	struct ptext all = {0};
	size_t from = 0;
	int r = ptext_add_text(run->cx, &all, &run->r->output, 0, run->r->output.n);

	for (size_t i = 0; i < run->opt->n_append && r >= 0; i++) {
		const struct rules_append *a = &run->opt->append[i];

		if (!select_appends(run->r, a))
			continue;
		r = append_part(run, &all, a->extra_output);
		if (r >= 0 && a->suggested_output)
			r = append_part(run, &all, suggested_text(run->cx));
	}
	*ret = (struct ptext){0};
	while (r >= 0) {
		static const char info[] = "%container.info";
		const char *hit = all.n > from
					  ? memmem(all.p + from, all.n - from, info, strlen(info))
					  : NULL;
		size_t at = hit ? (size_t)(hit - all.p) : all.n;

		r = ptext_add_text(run->cx, ret, &all, from, at - from);
		if (!hit)
			break;
		cx_warning(run->cx, "LOAD_DEPRECATED_ITEM", ptext_pos(&all, at),
			"%%container.info is deprecated and no longer useful, and will be dropped");
		from = at + strlen(info);
	}
	return r;
}

static void warn_deprecated(struct rule_run *run, unsigned i, struct spos pos, const char *where)
{
	if (run->deprecated_seen & (1u << i))
		return;
	run->deprecated_seen |= 1u << i;
	cx_report_at(run->cx,
		&(struct report){.sev = DIAG_WARNING,
			.code = "LOAD_DEPRECATED_ITEM",
			.pos = pos,
			.length = strlen(deprecated[i]),
			.deprecated_field = deprecated[i]},
		"Used deprecated item: field '%s' in %s of rule '%s'", deprecated[i], where,
		run->r->name);
}

static void warn_deprecated_output(struct rule_run *run, const struct ptext *t)
{
	for (unsigned i = 0; deprecated[i]; i++) {
		const char *hit = strstr(t->p, deprecated[i]);

		if (hit)
			warn_deprecated(run, i, ptext_pos(t, (size_t)(hit - t->p)), "output");
	}
}

/* A failure of a template. False: the rule is not made. */
static bool refuse_output(struct rule_run *run, const struct ast_problem *p)
{
	if (p->pos.file ==
		from_config.file) /* the same for every rule, so said once: without a rule's name */
		cx_report(run->cx, DIAG_ERROR, COMPILE_OUTPUT, from_config, p->length, p->hint,
			"%s that '-p' or 'append_output' adds", p->message);
	else if (p->unknown && run->r->skip_unknown)
		cx_report(run->cx, DIAG_WARNING, "LOAD_UNKNOWN_FILTER", p->pos, p->length, p->hint,
			"%s of rule '%s'", p->message, run->r->name);
	else
		cx_report(run->cx, DIAG_ERROR, COMPILE_OUTPUT,
			p->pos.line || p->pos.file ? p->pos : run->r->pos, p->length, p->hint,
			"%s of rule '%s'", p->message, run->r->name);
	return false;
}

static bool check_output(struct rule_run *run)
{
	struct ptext t = {0};
	struct ast_problem *p;
	int r = output_text(run, &t);

	if (r == -E2BIG)
		cx_error(run->cx, COMPILE_OUTPUT, run->r->pos, "output of rule '%s' is too large",
			run->r->name);
	if (r < 0)
		return false;
	run->out->output = t;
	p = format_compile(run->cx, &t, &run->out->fmt);
	if (p)
		return refuse_output(run, p);
	warn_deprecated_output(run, &t);
	return true;
}

/* "raw.field" or "key=template" */
static bool check_extra(struct rule_run *run, const char *spec)
{
	struct extra_field *x = &run->out->extra[run->out->n_extra];
	const char *eq = strchr(spec, '=');
	struct ast_problem *p = NULL;
	struct ptext t = {0};
	struct ast_val *v;

	if (ptext_add_str(run->cx, &t, eq ? eq + 1 : spec, from_config) < 0)
		return false;
	x->key = cx_strndup(run->cx, spec, eq ? (size_t)(eq - spec) : strlen(spec));
	if (eq) {
		p = format_compile(run->cx, &t, &x->fmt);
	} else {
		v = ast_parse_lhs(run->cx, &t);
		x->raw = v ? check_value(run->cx, v, &p) : NULL;
		if (!v)
			p = check_problem(
				run->cx, from_config, 1, NULL, true, "unknown field '%s'", spec);
	}
	if (p) {
		cx_error(run->cx, COMPILE_OUTPUT, from_config, "%s in append_output's extra fields",
			p->message);
		return false;
	}
	run->out->n_extra++;
	return x->key != NULL;
}

static bool check_extras(struct rule_run *run)
{
	size_t n = 0;

	for (size_t i = 0; i < run->opt->n_append; i++)
		for (const char *const *f = run->opt->append[i].extra_fields; f && *f; f++)
			n++;
	run->out->extra = cx_alloc(run->cx, n * sizeof(*run->out->extra));
	if (!run->out->extra)
		return false;
	for (size_t i = 0; i < run->opt->n_append; i++) {
		if (!select_appends(run->r, &run->opt->append[i]))
			continue;
		for (const char *const *f = run->opt->append[i].extra_fields; f && *f; f++)
			if (!check_extra(run, *f))
				return false;
	}
	return true;
}

static void warn_deprecated_value(struct rule_run *run, const struct tval *t, struct spos pos)
{
	for (unsigned i = 0; t->is_field && deprecated[i]; i++)
		if (!strcmp(t->text, deprecated[i]))
			warn_deprecated(run, i, pos, "condition");
	for (uint32_t i = 0; i < t->n_args; i++)
		warn_deprecated_value(run, t->args[i], pos);
}

/* Type every check below the node. Problems are gathered: the unknown ones apart, when the rule may
 * be dropped for them. */
static void report_problem(struct rule_run *run, const struct ast *n, const struct ast_problem *p,
	const char *code, const struct macro_ref *via)
{
	const struct where *outer = run->cx->where;
	bool is_error = !strcmp(code, COMPILE_CONDITION);
	struct report rep = {.sev = is_error ? DIAG_ERROR : DIAG_WARNING,
		.code = code,
		.hint = p->hint,
		.pos = p->pos,
		.length = p->length,
		.expr = &n->owner->text,
		.expr_at = p->at ? p->at : n->at,
		.via = via};

	run->cx->where = n->owner->where;
	if (is_error)
		cx_report_at(run->cx, &rep, "%s in condition of %s", p->message, n->owner->label);
	else
		cx_report_at(run->cx, &rep, "%s", p->message);
	run->cx->where = outer;
}

static bool ends_like_a_list(const char *s, size_t n)
{
	static const char *const ends[] = {"_binaries", "_commands", "_dirs", "_directories",
		"_domains", "_files", "_images", "_list", "_lists", "_names", "_paths", "_ports",
		"_processes", "_procs", "_programs", "_repos", "_users", NULL};

	for (const char *const *e = ends; *e; e++)
		if (n > strlen(*e) && !memcmp(s + n - strlen(*e), *e, strlen(*e)))
			return true;
	return false;
}

/* A word in a list that was probably meant as the name of a list. */
static void warn_list_name(struct rule_run *run, const struct ast *n, const struct ast_val *v,
	bool alone, const struct macro_ref *via)
{
	struct collector *c = run->c;
	const char *near = NULL;
	struct ast_problem p = {.pos = v->pos, .length = v->length, .at = v->at};

	if (v->quoted)
		return;
	if (map_get(&c->list_by_name, v->text, v->n) != MAP_NONE) {
		p.message = cx_printf(run->cx,
			"list '%s' is not expanded here, where another list brings it in: it is "
			"nested too deeply or defined too early",
			v->text);
	} else {
		const char **names;

		if (!memchr(v->text, '_', v->n) || ptext_origin(&n->owner->text, v->at) ||
			!cx_may_suggest(run->cx, c->n_lists))
			return;
		names = cx_alloc(run->cx, (c->n_lists + 1) * sizeof(*names));
		for (uint32_t i = 0; names && i < c->n_lists; i++)
			names[i] = c->lists[i].name;
		near = names ? diag_nearest(v->text, v->n, names) : NULL;
		if (!near && !(alone && ends_like_a_list(v->text, v->n)))
			return;
		p.hint = cx_did_you_mean(run->cx, near);
		p.message = cx_printf(
			run->cx, "'%s' is taken as a text: there is no list of that name", v->text);
	}
	if (p.message)
		report_problem(run, n, &p, WARNING, via);
}

static void warn_list_names(struct rule_run *run, struct ast *n, const struct macro_ref *via)
{
	const struct ast_check *k = n->check;

	if (n->is_names_checked || k->rhs_kind != AST_RHS_LIST || n->typed->lhs->type != IMG_T_STR)
		return;
	n->is_names_checked = true;
	for (uint32_t i = 0; i < k->n_rhs; i++)
		warn_list_name(run, n, k->rhs[i], k->n_rhs == 1, via);
}

static bool type_tree(struct rule_run *run, struct ast *n, const struct macro_ref *via,
	const struct ast_problem **ret_unknown);

static bool type_kids(struct rule_run *run, struct ast *n, const struct macro_ref *via,
	const struct ast_problem **ret_unknown)
{
	struct macro_ref here = {.name = n->name, .pos = n->pos, .parent = via};
	bool ok = true;

	if (n->kind == AST_MACRO && run->is_partial)
		return true;
	/* What a macro of this rule was found to be, it is for this rule everywhere. */
	if (n->kind == AST_MACRO && n->kids[0]->checked_for == run->out)
		return n->kids[0]->is_right;
	for (uint32_t i = 0; i < n->n_kids; i++)
		ok &= type_tree(run, n->kids[i], n->kind == AST_MACRO ? &here : via, ret_unknown);
	if (n->kind == AST_MACRO) {
		n->kids[0]->checked_for = run->out;
		n->kids[0]->is_right = ok;
	}
	return ok;
}

/* Fields of the audit and JSON sources say "<NA>" for "no value" to those who compare with it. */
static void warn_na(struct rule_run *run, const struct ast *n, const struct macro_ref *via)
{
	const struct ast_check *k = n->check;
	struct ast_problem p = {.message = "Comparing a field with '<NA>' is unsafe, for it may "
					   "have no value at all: use "
					   "'exists' or 'not ... exists'"};

	if (k->lhs->kind != VAL_FIELD ||
		(strncmp(k->lhs->text, "ka.", 3) != 0 && strncmp(k->lhs->text, "jevt.", 5) != 0) ||
		(k->op != IMG_OP_EQ && k->op != IMG_OP_NE && k->op != IMG_OP_IN &&
			k->op != IMG_OP_INTERSECTS && k->op != IMG_OP_PMATCH))
		return;
	for (uint32_t i = 0; i < k->n_rhs; i++)
		if (!strcmp(k->rhs[i]->text, "<NA>")) {
			p.pos = k->rhs[i]->pos;
			p.length = k->rhs[i]->length;
			p.at = k->rhs[i]->at;
			report_problem(run, n, &p, "LOAD_UNSAFE_NA_CHECK", via);
			return;
		}
}

static bool type_tree(struct rule_run *run, struct ast *n, const struct macro_ref *via,
	const struct ast_problem **ret_unknown)
{
	if (n->kind != AST_CHECK)
		return type_kids(run, n, via, ret_unknown);
	warn_na(run, n, via);
	check_node(run->cx, n);
	for (const struct ast_problem *w = n->warnings; w; w = w->next)
		report_problem(run, n, w, WARNING, via);
	if (!n->problem) {
		warn_deprecated_value(run, n->typed->lhs, n->pos);
		if (n->typed->rhs)
			warn_deprecated_value(run, n->typed->rhs, n->pos);
		warn_list_names(run, n, via);
		return true;
	}
	if (n->problem->unknown && run->r->skip_unknown)
		*ret_unknown = n->problem;
	else
		report_problem(run, n, n->problem, COMPILE_CONDITION, via);
	return false;
}

/* Sets run->is_partial when a macro could not be expanded; that was reported. */
static struct ast *parse_condition(struct rule_run *run)
{
	struct ast_owner *owner = cx_alloc(run->cx, sizeof(*owner));
	struct ast_error err = {0};
	struct ast *n;
	int r;

	if (!owner)
		return NULL;
	owner->label = cx_printf(run->cx, "rule '%s'", run->r->name);
	owner->where = run->cx->where;
	run->out->owner = owner;
	r = expand_exceptions(run->c, run->r, &owner->text);
	if (r >= 0)
		r = expand_lists(run->c, &owner->text);
	if (r == -E2BIG || r == -EDQUOT)
		cx_error(run->cx, COMPILE_CONDITION, run->r->pos,
			"condition of rule '%s' is too large with its lists and exceptions "
			"expanded (%s)",
			run->r->name, expand_bound(run->cx, r));
	if (r < 0 || !owner->label)
		return NULL;
	n = ast_parse(run->cx, owner, &err);
	if (!n && !err.is_memory)
		expand_syntax_error(run->cx, owner, &err, run->r->pos);
	run->is_partial = n && !expand_macros(run->c, n, UINT32_MAX);
	return n;
}

static bool check_condition(struct rule_run *run)
{
	const struct ast_problem *unknown = NULL;
	struct ast *n = parse_condition(run);

	if (!n)
		return false;
	if (!type_tree(run, n, NULL, &unknown)) {
		if (unknown)
			cx_report(run->cx, DIAG_WARNING, "LOAD_UNKNOWN_FILTER", unknown->pos,
				unknown->length, unknown->hint, "%s in condition of rule '%s'",
				unknown->message, run->r->name);
		return false;
	}
	if (run->is_partial)
		return false;
	run->out->ast = n;
	evset_of(n, &run->out->events);
	if (run->r->warn_evttypes && evset_is_wide(&run->out->events))
		cx_warning(run->cx, "LOAD_NO_EVTTYPE", run->r->pos,
			"Rule '%s' matches too many evt.type values. This has a significant "
			"performance penalty.",
			run->r->name);
	return true;
}

void rule_check(
	struct collector *c, uint32_t at, const struct rules_options *opt, struct checked_rule *ret)
{
	struct rule_run run = {.c = c, .cx = c->cx, .r = &c->rules[at], .opt = opt, .out = ret};
	const struct item_place *place = &run.r->place;
	struct where content = {.type = "rules content", .pos = place->content};
	struct where rule = {
		.type = "rule", .name = run.r->name, .pos = place->item, .parent = &content};
	struct where output = {.type = "rule output", .pos = place->output, .parent = &rule};
	bool ok;

	*ret = (struct checked_rule){.def = run.r};
	if (!run.r->known_source)
		return;
	/* Both are looked at, so that one run shows all errors. */
	c->cx->where = &output;
	ok = check_output(&run) && check_extras(&run);
	c->cx->where = expand_where(c->cx, "rule", run.r->name, place, place->condition);
	ok &= check_condition(&run);
	c->cx->where = NULL;
	ret->ok = ok && !c->cx->oom;
	ret->enabled = ret->ok && select_is_enabled(run.r, opt, &ret->turn);
	ret->outputs = select_outputs(run.r, opt);
}
