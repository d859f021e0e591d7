/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions of rules: their shape is checked when they are read, their values are pasted into the
 * condition later (expand.c). */

#include <errno.h>
#include <string.h>

#include "check.h"
#include "items.h"

#define EXCEPTIONS_MAX 10000 /* of one item: names are compared with each other */

static bool is_modifier(const char *s, size_t n)
{
	return n == 5 &&
	       (!memcmp(s, "oneof", 5) || !memcmp(s, "anyof", 5) || !memcmp(s, "allof", 5));
}

/* "op" or "op modifier"; *ret_list: takes a list on its right. */
static bool is_comparison(const char *s, bool *ret_list)
{
	const char *end = s + strlen(s), *blank;
	enum img_op op;

	while (*s == ' ')
		s++;
	while (end > s && end[-1] == ' ')
		end--;
	blank = memchr(s, ' ', (size_t)(end - s));
	if (!blank) {
		op = ast_op_find(s, (size_t)(end - s));
		*ret_list = op == IMG_OP_IN || op == IMG_OP_INTERSECTS || op == IMG_OP_PMATCH;
		return op != _IMG_OP_MAX;
	}
	op = ast_op_find(s, (size_t)(blank - s));
	while (*blank == ' ')
		blank++;
	*ret_list = true;
	return is_modifier(blank, (size_t)(end - blank)) && op != _IMG_OP_MAX && op != IMG_OP_IN &&
	       op != IMG_OP_INTERSECTS && op != IMG_OP_PMATCH && (op < IMG_OP_LT || op > IMG_OP_GE);
}

bool exception_comp_takes_list(const char *comp)
{
	bool list = false;

	return is_comparison(comp, &list) && list;
}

/* A scalar or a sequence of scalars. */
static int read_names(struct collector *c, const struct ynode *n, const char *what,
	struct exc_name **ret, uint32_t *ret_n)
{
	size_t count = n->kind == YN_SEQ ? n->n : 1;
	struct exc_name *names = cx_alloc(c->cx, count * sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const struct ynode *k = n->kind == YN_SEQ ? n->kids[i] : n;

		if (k->kind != YN_SCALAR || k->n == 0) {
			item_bad_value(c, what, k,
				"Value of exception '%s' must be a text or a sequence of texts",
				what);
			return -EINVAL;
		}
		names[i] = (struct exc_name){.text = k->text, .n = k->n, .pos = k->pos};
	}
	*ret = names;
	*ret_n = (uint32_t)count;
	return 0;
}

static int default_comps(struct collector *c, struct exception_def *e)
{
	uint32_t n = e->is_scalar ? 1 : e->n_fields;

	e->comps = cx_alloc(c->cx, n * sizeof(*e->comps));
	if (!e->comps)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		e->comps[i] = (struct exc_name){.text = e->is_scalar ? "in" : "=",
			.n = e->is_scalar ? 2 : 1,
			.pos = e->pos};
	e->n_comps = n;
	return 0;
}

static int check_shape(struct collector *c, const struct exception_def *e)
{
	for (uint32_t i = 0; i < e->n_comps; i++) {
		bool list = false;

		if (!is_comparison(e->comps[i].text, &list)) {
			cx_error(c->cx, VALIDATE, e->comps[i].pos,
				"Rule exception '%s': comparison operator '%s' is not a supported "
				"comparison operator",
				e->name, e->comps[i].text);
			return -EINVAL;
		}
		if (e->is_scalar && !list) {
			cx_error(c->cx, VALIDATE, e->comps[i].pos,
				"Rule exception '%s': if fields is a single string, comps must be "
				"in, pmatch, intersects or an operator with oneof, anyof or allof",
				e->name);
			return -EINVAL;
		}
	}
	for (uint32_t i = 0; i < e->n_fields; i++) {
		struct ptext t = {0};
		int r = ptext_add(c->cx, &t, e->fields[i].text, e->fields[i].n, e->fields[i].pos);
		struct ast_val *v = r < 0 ? NULL : ast_parse_lhs(c->cx, &t);

		if (!v || !check_is_lhs(c->cx, v)) {
			const char *near = field_suggest(e->fields[i].text, e->fields[i].n);

			cx_report(c->cx, DIAG_ERROR, VALIDATE, e->fields[i].pos, e->fields[i].n,
				cx_did_you_mean(c->cx, near),
				"Rule exception '%s': '%s' is not a supported filter field",
				e->name, e->fields[i].text);
			return -EINVAL;
		}
	}
	return 0;
}

static int read_fields(struct collector *c, const struct ynode *n, struct exception_def *e)
{
	const struct ynode *fields = ynode_get(n, "fields"), *comps = ynode_get(n, "comps");
	int r;

	if (!fields || fields->is_null ||
		(fields->kind != YN_SCALAR && (fields->kind != YN_SEQ || !fields->n))) {
		cx_error(c->cx, VALIDATE, fields ? fields->pos : n->pos,
			"Rule exception item '%s' must have fields property with a list of fields",
			e->name);
		return -EINVAL;
	}
	e->is_scalar = fields->kind == YN_SCALAR;
	r = read_names(c, fields, "fields", &e->fields, &e->n_fields);
	if (r < 0)
		return r;
	if (!comps || comps->is_null)
		return default_comps(c, e);
	if (e->is_scalar && comps->kind != YN_SCALAR) {
		cx_error(c->cx, VALIDATE, comps->pos,
			"Rule exception '%s': if fields is a single string, comps must also be a "
			"single string",
			e->name);
		return -EINVAL;
	}
	r = read_names(c, comps, "comps", &e->comps, &e->n_comps);
	if (r < 0)
		return r;
	if (e->n_comps != e->n_fields) {
		cx_error(c->cx, VALIDATE, comps->pos,
			"Rule exception '%s': Fields and comps lists must have equal length",
			e->name);
		return -EINVAL;
	}
	return 0;
}

/* Values behind those that are there. */
static int read_values(struct collector *c, const struct ynode *n, struct exception_def *e)
{
	const struct ynode *values = ynode_get(n, "values");
	const struct ynode **all;

	if (!values || values->is_null)
		return 0;
	if (values->kind != YN_SEQ) {
		cx_error_in(c->cx, "exception values", "", YAML_VALIDATE, values->pos,
			"Value of exception 'values' must be a sequence");
		return -EINVAL;
	}
	all = cx_alloc(c->cx, (e->n_values + values->n) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	if (e->n_values)
		memcpy(all, e->values, e->n_values * sizeof(*all));
	if (values->n)
		memcpy(all + e->n_values, values->kids, values->n * sizeof(*all));
	e->values = all;
	e->n_values += (uint32_t)values->n;
	return 0;
}

static int new_exception(
	struct collector *c, struct rule_def *rule, const struct ynode *n, const struct ynode *name)
{
	struct exception_def *e = cx_alloc(c->cx, sizeof(*e)), **last = &rule->exceptions;
	int r;

	if (!e)
		return -ENOMEM;
	e->name = name->text;
	e->pos = name->pos;
	if ((r = read_fields(c, n, e)) < 0 || (r = check_shape(c, e)) < 0 ||
		(r = read_values(c, n, e)) < 0)
		return r;
	while (*last)
		last = &(*last)->next;
	*last = e;
	return 0;
}

/* The chain is copied before it is changed: the rule it was copied from may still be in force. */
static int copy_chain(struct collector *c, struct rule_def *rule)
{
	struct exception_def **to = &rule->exceptions;

	for (const struct exception_def *e = rule->exceptions; e; e = e->next) {
		struct exception_def *copy = cx_alloc(c->cx, sizeof(*copy));

		if (!copy)
			return -ENOMEM;
		*copy = *e;
		*to = copy;
		to = &copy->next;
	}
	return 0;
}

static int append_exception(
	struct collector *c, struct rule_def *rule, const struct ynode *n, const struct ynode *name)
{
	const struct ynode *values = ynode_get(n, "values");

	if (!values || values->is_null)
		cx_warning(c->cx, "LOAD_APPEND_NO_VALUES", n->pos,
			"Overriding/appending exception with no values");
	for (struct exception_def *e = rule->exceptions; e; e = e->next) {
		if (strcmp(e->name, name->text) != 0)
			continue;
		if (ynode_get(n, "fields") || ynode_get(n, "comps")) {
			cx_error(c->cx, VALIDATE, n->pos,
				"Can not append exception fields/comps to existing exception, only "
				"values");
			return -EINVAL;
		}
		return read_values(c, n, e);
	}
	if (!ynode_get(n, "fields") || !values || values->kind != YN_SEQ || !values->n) {
		cx_error(c->cx, VALIDATE, n->pos,
			"Rule exception '%s' must have fields and values: there is none of that "
			"name to append to",
			name->text);
		return -EINVAL;
	}
	return new_exception(c, rule, n, name);
}

/* The names of exceptions so far, for telling of those that come twice. */
static int warn_twice(struct collector *c, struct map *seen, const struct ynode *name)
{
	if (map_get(seen, name->text, name->n) == MAP_NONE)
		return map_put(c->cx, seen, name->text, name->n, 1);
	cx_warning(c->cx, "LOAD_EXCEPTION_NAME_NOT_UNIQUE", name->pos,
		"Multiple definitions of exception '%s' in the same definition", name->text);
	return 0;
}

static int read_exception(struct collector *c, struct rule_def *rule, const struct ynode *n,
	struct map *seen, bool append)
{
	struct where here = {.type = "exception", .pos = n->pos, .parent = c->cx->where};
	const struct ynode *name;
	int r = -EINVAL;

	c->cx->where = &here;
	if (n->kind != YN_MAP) {
		cx_error(c->cx, YAML_VALIDATE, n->pos, "A rule exception must be a mapping");
	} else if ((name = item_text(c, n, "name"))) {
		here.name = name->text;
		r = warn_twice(c, seen, name);
		if (r >= 0)
			r = append ? append_exception(c, rule, n, name)
				   : new_exception(c, rule, n, name);
	}
	c->cx->where = here.parent;
	return r;
}

int item_exceptions(
	struct collector *c, struct rule_def *rule, const struct ynode *seq, bool append)
{
	struct where here = {.type = "exceptions", .pos = seq->pos, .parent = c->cx->where};
	struct map seen = {0};
	int r = copy_chain(c, rule);

	if (r < 0 || seq->is_null)
		return r;
	if (seq->kind != YN_SEQ) {
		cx_error(c->cx, YAML_VALIDATE, seq->pos, "Rule exceptions must be a sequence");
		return -EINVAL;
	}
	if (seq->n > EXCEPTIONS_MAX) {
		cx_error(c->cx, YAML_VALIDATE, seq->pos, "more than %d exceptions", EXCEPTIONS_MAX);
		return -EINVAL;
	}
	c->cx->where = &here;
	for (size_t i = 0; i < seq->n && r >= 0; i++)
		r = read_exception(c, rule, seq->kids[i], &seen, append);
	c->cx->where = here.parent;
	return r;
}
