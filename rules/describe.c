/* SPDX-License-Identifier: Apache-2.0 */
/* Falco's description of what is loaded: rules, macros and lists with what they use. Texts come
 * from rule files; JSON is always valid UTF-8, tables never carry control characters. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/cleanup.h>

#include "json.h"
#include "names.h"
#include "print.h"
#include "session.h"

#define COLUMN_NAME 50
#define COLUMN_DESC 110

struct describe {
	struct session *s;
	struct cx *cx;
	struct strbuf *b;
	struct names *macros, *lists; /* those to describe; NULL: all */
};

int session_find_rule(struct session *s, const char *name, uint32_t *ret)
{
	uint32_t at = map_get(&s->c.rule_by_name, name, strlen(name));
	const char **names, *near;

	if (at != MAP_NONE && s->rules[at].ok) {
		*ret = at;
		return 0;
	}
	names = cx_alloc(&s->cx, (s->c.n_rules + 1) * sizeof(*names));
	if (!names)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->c.n_rules; i++)
		names[i] = s->c.rules[i].name;
	near = diag_nearest(name, strlen(name), names);
	diag_add(s->cx.d, DIAG_ERROR, NULL, (struct diag_pos){0}, NULL,
		near ? cx_did_you_mean(&s->cx, near) : NULL, "there is no rule '%s'", name);
	return -ENOENT;
}

static void add_names(struct strbuf *b, const char *key, const struct names *s)
{
	json_key(b, key);
	json_open(b, '[');
	for (uint32_t i = 0; i < s->n; i++)
		json_item(b, s->p[i]);
	json_close(b, ']');
}

static void add_condition(struct describe *d, const struct ast *n)
{
	_cleanup_strbuf_ struct strbuf text = {0};

	print_condition(&text, n, true);
	json_key(d->b, "condition_compiled");
	json_text_n(d->b, text.p ? text.p : "", text.n);
}

static void add_exceptions(struct describe *d, const struct rule_def *r)
{
	struct names names = {0}, fields = {0}, comps = {0};

	for (const struct exception_def *e = r->exceptions; e; e = e->next) {
		names_add(d->cx, &names, e->name, strlen(e->name));
		for (uint32_t i = 0; i < e->n_fields; i++)
			names_add(d->cx, &fields, e->fields[i].text, e->fields[i].n);
		for (uint32_t i = 0; i < e->n_comps; i++)
			names_add(d->cx, &comps, e->comps[i].text, e->comps[i].n);
	}
	names_sort(&names);
	names_sort(&fields);
	names_sort(&comps);
	add_names(d->b, "exception_fields", &fields);
	add_names(d->b, "exception_names", &names);
	add_names(d->b, "exception_operators", &comps);
}

static void add_extra(struct describe *d, const struct checked_rule *cr)
{
	if (!cr->n_extra)
		return;
	json_key(d->b, "extra_output_formatted_fields");
	json_open(d->b, '[');
	for (uint32_t i = 0; i < cr->n_extra; i++)
		json_item(d->b, cr->extra[i].key);
	json_close(d->b, ']');
}

static void add_rule_details(struct describe *d, const struct checked_rule *cr)
{
	struct names lists, output, events, none = {0};
	struct facts facts;

	names_of_condition(d->cx, cr->ast, &facts);
	names_of_lists(&d->s->c, &cr->def->cond, &lists);
	names_of_template(d->cx, &cr->fmt, &output);
	names_of_events(d->cx, &cr->events, &events);
	json_key(d->b, "details");
	json_open(d->b, '{');
	add_condition(d, cr->ast);
	add_names(d->b, "condition_fields", &facts.fields);
	add_names(d->b, "condition_operators", &facts.operators);
	add_names(d->b, "events", &events);
	add_exceptions(d, cr->def);
	add_extra(d, cr);
	add_names(d->b, "lists", &lists);
	add_names(d->b, "macros", &facts.macros);
	json_key(d->b, "output_compiled");
	json_text_n(d->b, cr->output.p, cr->output.n);
	add_names(d->b, "output_fields", &output);
	add_names(d->b, "plugins", &none);
	json_close(d->b, '}');
}

static void add_rule(struct describe *d, const struct checked_rule *cr)
{
	const struct rule_def *r = cr->def;

	json_open(d->b, '{');
	add_rule_details(d, cr);
	json_key(d->b, "info");
	json_open(d->b, '{');
	json_bool(d->b, "capture", r->capture);
	json_num(d->b, "capture_duration", r->capture_ms);
	json_key(d->b, "condition");
	json_text_n(d->b, r->cond.p, r->cond.n);
	json_str(d->b, "description", r->desc);
	json_bool(d->b, "enabled", r->enabled);
	json_str(d->b, "name", r->name);
	json_key(d->b, "output");
	json_text_n(d->b, r->output.p, r->output.n);
	json_str(d->b, "priority", print_priority(r->priority));
	json_str(d->b, "source", r->source);
	json_key(d->b, "tags");
	json_open(d->b, '[');
	for (uint32_t i = 0; i < r->n_tags; i++)
		json_item(d->b, r->tags[i]);
	json_close(d->b, ']');
	json_close(d->b, '}');
	json_close(d->b, '}');
}

/* The events of a macro's condition, if all of it can be typed: no rule may have looked at it. */
static bool type_all(struct cx *cx, struct ast *n)
{
	bool ok = true;

	if (n->kind == AST_CHECK) {
		check_node(cx, n);
		return n->typed != NULL;
	}
	for (uint32_t i = 0; i < n->n_kids; i++)
		ok &= type_all(cx, n->kids[i]);
	return ok;
}

static void add_macro(struct describe *d, struct macro_def *m)
{
	struct names lists, events = {0}, none = {0};
	struct facts facts;
	struct evset set;

	names_of_condition(d->cx, m->ast, &facts);
	names_of_lists(&d->s->c, &m->cond, &lists);
	if (type_all(d->cx, m->ast)) {
		evset_of(m->ast, &set);
		names_of_events(d->cx, &set, &events);
	}
	json_open(d->b, '{');
	json_key(d->b, "details");
	json_open(d->b, '{');
	add_condition(d, m->ast);
	add_names(d->b, "condition_fields", &facts.fields);
	add_names(d->b, "condition_operators", &facts.operators);
	add_names(d->b, "events", &events);
	add_names(d->b, "lists", &lists);
	add_names(d->b, "macros", &facts.macros);
	add_names(d->b, "plugins", &none);
	json_bool(d->b, "used", m->used);
	json_close(d->b, '}');
	json_key(d->b, "info");
	json_open(d->b, '{');
	json_key(d->b, "condition");
	json_text_n(d->b, m->cond.p, m->cond.n);
	json_str(d->b, "name", m->name);
	json_close(d->b, '}');
	json_close(d->b, '}');
}

static void add_items(
	struct describe *d, const char *key, const struct litem *items, uint32_t n, bool lists_only)
{
	json_key(d->b, key);
	json_open(d->b, '[');
	for (uint32_t i = 0; i < n; i++) {
		bool is_list =
			map_get(&d->s->c.list_by_name, items[i].text, items[i].n) != MAP_NONE;

		if (lists_only && !is_list)
			continue;
		json_next(d->b);
		json_text_n(d->b, items[i].text, items[i].n);
	}
	json_close(d->b, ']');
}

static void add_list(struct describe *d, const struct list_def *l)
{
	struct names none = {0};

	json_open(d->b, '{');
	json_key(d->b, "details");
	json_open(d->b, '{');
	add_items(d, "items_compiled", l->flat, l->n_flat, false);
	add_items(d, "lists", l->items, l->n_items, true);
	add_names(d->b, "plugins", &none);
	json_bool(d->b, "used", l->used);
	json_close(d->b, '}');
	json_key(d->b, "info");
	json_open(d->b, '{');
	add_items(d, "items", l->items, l->n_items, false);
	json_str(d->b, "name", l->name);
	json_close(d->b, '}');
	json_close(d->b, '}');
}

/* The macros and lists that a condition uses, and those that these use. */
static void gather(struct describe *d, const struct ast *n, const struct ptext *text)
{
	struct collector *c = &d->s->c;
	struct facts facts;
	struct names lists;
	uint32_t from = d->macros->n;

	names_of_condition(d->cx, n, &facts);
	names_of_lists(c, text, &lists);
	for (uint32_t i = 0; i < lists.n; i++)
		names_add(d->cx, d->lists, lists.p[i], strlen(lists.p[i]));
	for (uint32_t i = 0; i < facts.macros.n; i++)
		names_add(d->cx, d->macros, facts.macros.p[i], strlen(facts.macros.p[i]));
	for (; from < d->macros->n; from++) {
		const char *name = d->macros->p[from];
		const struct macro_def *m =
			&c->macros[map_get(&c->macro_by_name, name, strlen(name))];

		names_of_condition(d->cx, m->ast, &facts);
		names_of_lists(c, &m->cond, &lists);
		for (uint32_t i = 0; i < lists.n; i++)
			names_add(d->cx, d->lists, lists.p[i], strlen(lists.p[i]));
		for (uint32_t i = 0; i < facts.macros.n; i++)
			names_add(d->cx, d->macros, facts.macros.p[i], strlen(facts.macros.p[i]));
	}
	for (from = 0; from < d->lists->n; from++) {
		const char *name = d->lists->p[from];
		const struct list_def *l = &c->lists[map_get(&c->list_by_name, name, strlen(name))];

		for (uint32_t i = 0; i < l->n_items; i++)
			if (map_get(&c->list_by_name, l->items[i].text, l->items[i].n) != MAP_NONE)
				names_add(d->cx, d->lists, l->items[i].text, l->items[i].n);
	}
}

static bool is_wanted(const struct names *wanted, const char *name)
{
	return !wanted || map_get(&wanted->seen, name, strlen(name)) != MAP_NONE;
}

static void add_plugin(struct strbuf *b, const struct ynode *n, bool with_alternatives)
{
	const struct ynode *alt = ynode_get(n, "alternatives"), *name = ynode_get(n, "name"),
			   *version = ynode_get(n, "version");

	json_open(b, '{');
	if (with_alternatives) {
		json_key(b, "alternatives");
		json_open(b, '[');
		for (size_t i = 0; alt && alt->kind == YN_SEQ && i < alt->n; i++)
			add_plugin(b, alt->kids[i], false);
		json_close(b, ']');
	}
	json_str(b, "name", name->text);
	json_str(b, "version", version->text);
	json_close(b, '}');
}

static void add_requirements(struct describe *d)
{
	const struct collector *c = &d->s->c;
	char version[80];

	(void)snprintf(
		version, sizeof(version), "%lu.%lu.%lu", c->engine[0], c->engine[1], c->engine[2]);
	json_key(d->b, "required_engine_version");
	json_text(d->b, version);
	json_key(d->b, "required_plugin_versions");
	json_open(d->b, '[');
	for (uint32_t i = 0; i < c->n_plugins; i++)
		add_plugin(d->b, c->plugins[i], true);
	json_close(d->b, ']');
}

static void add_all(struct describe *d, uint32_t only)
{
	struct collector *c = &d->s->c;

	json_open(d->b, '{');
	json_key(d->b, "lists");
	json_open(d->b, '[');
	for (uint32_t i = 0; i < c->n_lists; i++)
		if (is_wanted(d->lists, c->lists[i].name))
			add_list(d, &c->lists[i]);
	json_close(d->b, ']');
	json_key(d->b, "macros");
	json_open(d->b, '[');
	for (uint32_t i = 0; i < c->n_macros; i++)
		if (is_wanted(d->macros, c->macros[i].name))
			add_macro(d, &c->macros[i]);
	json_close(d->b, ']');
	add_requirements(d);
	json_key(d->b, "rules");
	json_open(d->b, '[');
	for (uint32_t i = 0; i < c->n_rules; i++)
		if (d->s->rules[i].ok && (only == MAP_NONE || only == i))
			add_rule(d, &d->s->rules[i]);
	json_close(d->b, ']');
	json_close(d->b, '}');
}

static int take(struct session *s, struct strbuf *b, char **ret)
{
	char *p = s->cx.oom ? NULL : strbuf_take(b);

	if (!p)
		return -ENOMEM;
	*ret = p;
	return 0;
}

static int write_json(struct session *s, const char *only, struct strbuf *b, unsigned what)
{
	struct names macros = {0}, lists = {0};
	struct describe d = {.s = s, .cx = &s->cx, .b = b};
	uint32_t at = MAP_NONE;
	int r;

	(void)what;
	if (only) {
		r = session_find_rule(s, only, &at);
		if (r < 0)
			return r;
		d.macros = &macros;
		d.lists = &lists;
		gather(&d, s->rules[at].ast, &s->rules[at].def->cond);
	}
	add_all(&d, at);
	return 0;
}

int session_write(const struct rules_source *src, const char *only, unsigned what, struct diag *d,
	char **ret, session_writer write)
{
	_cleanup_strbuf_ struct strbuf b = {0};
	struct session s;
	int r = session_init(&s, src->files, src->n, src->opt, d);

	if (r >= 0)
		r = session_load_all(&s);
	if (r >= 0)
		r = write(&s, only, &b, what);
	if (r >= 0)
		r = take(&s, &b, ret);
	session_done(&s);
	return r;
}

int rules_describe_json(
	const struct rules_source *src, const char *only_rule, struct diag *d, char **ret)
{
	return session_write(src, only_rule, 0, d, ret, write_json);
}

/* Words of the description, wrapped below each other in the second column. */
static void add_wrapped(struct strbuf *b, const char *text)
{
	size_t col = 0;

	while (*text) {
		size_t n = strcspn(text, " \t\r\n");

		if (col && col + 1 + n > COLUMN_DESC - COLUMN_NAME - 1) {
			strbuf_addf(b, "\n%*s", COLUMN_NAME + 1, "");
			col = 0;
		}
		if (col && n) {
			strbuf_add_char(b, ' ');
			col++;
		}
		for (size_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)text[i];

			strbuf_add_char(b, c < 0x20 || c == 0x7f ? '?' : (char)c);
		}
		col += n;
		text += n;
		text += strspn(text, " \t\r\n");
	}
}

static void add_row(struct strbuf *b, const char *name, const char *desc)
{
	size_t n = 0;

	for (; name[n]; n++) {
		unsigned char c = (unsigned char)name[n];

		strbuf_add_char(b, c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
	for (; n < COLUMN_NAME; n++)
		strbuf_add_char(b, ' ');
	strbuf_add_char(b, ' ');
	add_wrapped(b, desc);
	strbuf_add_char(b, '\n');
}

static int write_text(struct session *s, const char *only, struct strbuf *b, unsigned what)
{
	uint32_t at = MAP_NONE;
	int r = only ? session_find_rule(s, only, &at) : 0;

	(void)what;
	if (r < 0)
		return r;
	add_row(b, "Rule", "Description");
	add_row(b, "----", "-----------");
	for (uint32_t i = 0; i < s->c.n_rules; i++) {
		if (!s->rules[i].ok || (only && i != at))
			continue;
		add_row(b, s->c.rules[i].name, s->c.rules[i].desc);
		strbuf_add_char(b, '\n');
	}
	return 0;
}

int rules_describe_text(
	const struct rules_source *src, const char *only_rule, struct diag *d, char **ret)
{
	return session_write(src, only_rule, 0, d, ret, write_text);
}
