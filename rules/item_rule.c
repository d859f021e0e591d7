/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of `rule` items: definition, override, legacy append, enable-only. Values are the
 * user's and checked for shape only; conditions and templates are compiled later, when everything
 * is known. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "items.h"

struct rule_key {
	const char *name;
	bool can_append, can_replace;
};

static const struct rule_key rule_keys[] = {
	{"condition", true, true},
	{"output", true, true},
	{"desc", true, true},
	{"priority", false, true},
	{"enabled", false, true},
	{"tags", true, true},
	{"exceptions", true, true},
	{"warn_evttypes", false, true},
	{"skip-if-unknown-filter", false, true},
	{"capture", false, true},
	{"capture_duration", false, true},
	{0},
};
static const char *const item_keys[] = {"rule", "condition", "output", "desc", "priority", "source",
	"enabled", "tags", "exceptions", "warn_evttypes", "append", "override",
	"skip-if-unknown-filter", "capture", "capture_duration", NULL};
static const char *const priorities[] = {"Emergency", "Alert", "Critical", "Error", "Warning",
	"Notice", "Informational", "Debug", "Info", NULL};

static char low(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_word(const char *a, const char *b)
{
	while (*a && low(*a) == low(*b)) {
		a++;
		b++;
	}
	return *a == *b;
}

static int read_priority(struct collector *c, const struct ynode *n, uint8_t *ret)
{
	struct where here = {.type = "rule priority", .pos = n->pos, .parent = c->cx->where};

	for (uint8_t i = 0; priorities[i]; i++)
		if (same_word(n->text, priorities[i])) {
			*ret = i == 8 ? 6 : i;
			return 0;
		}
	c->cx->where = &here;
	cx_report(c->cx, DIAG_ERROR, YAML_VALIDATE, n->pos, n->n,
		cx_did_you_mean(c->cx, diag_nearest(n->text, n->n, priorities)),
		"Invalid priority '%s'", n->text);
	c->cx->where = here.parent;
	return -EINVAL;
}

static int compare_tags(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int read_tags(struct collector *c, const struct ynode *seq, struct rule_def *r)
{
	const char **all;
	uint32_t n = 0;

	if (seq->is_null)
		return 0;
	if (seq->kind != YN_SEQ) {
		item_bad_value(c, "tags", seq, "Value of 'tags' must be a sequence");
		return -EINVAL;
	}
	all = cx_alloc(c->cx, (r->n_tags + seq->n) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->n_tags; i++)
		all[n++] = r->tags[i];
	for (size_t i = 0; i < seq->n; i++) {
		if (seq->kids[i]->kind != YN_SCALAR) {
			item_bad_value(c, "tags", seq->kids[i], "A tag must be a text");
			return -EINVAL;
		}
		all[n++] = seq->kids[i]->text;
	}
	if (n)
		qsort(all, n, sizeof(*all), compare_tags);
	r->tags = all;
	r->n_tags = 0;
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || strcmp(all[i], all[i - 1]) != 0)
			all[r->n_tags++] = all[i];
	return 0;
}

static int read_flag(struct collector *c, const struct ynode *item, const char *key, bool *ret)
{
	const struct ynode *n = ynode_get(item, key);

	if (!n)
		return 0;
	if (n->is_null || ynode_bool(n, ret) < 0) {
		item_bad_value(c, key, n, "Value of '%s' must be true or false", key);
		return -EINVAL;
	}
	return 0;
}

/* The keys that only exist as a whole: all but condition, output, desc, tags, exceptions. */
static int read_plain_keys(struct collector *c, const struct ynode *item, struct rule_def *r)
{
	const struct ynode *n = ynode_get(item, "capture_duration");

	bool bad = read_flag(c, item, "enabled", &r->enabled) < 0;

	bad |= read_flag(c, item, "warn_evttypes", &r->warn_evttypes) < 0;
	bad |= read_flag(c, item, "skip-if-unknown-filter", &r->skip_unknown) < 0;
	bad |= read_flag(c, item, "capture", &r->capture) < 0;
	if (n && ynode_u32(n, &r->capture_ms) < 0) {
		item_bad_value(c, "capture_duration", n,
			"Value of 'capture_duration' must be a number of milliseconds");
		bad = true;
	}
	n = ynode_get(item, "priority");
	if (n) {
		n = item_text(c, item, "priority");
		bad |= !n || read_priority(c, n, &r->priority) < 0;
	}
	return bad ? -EINVAL : 0;
}

static struct rule_def *find_rule(struct collector *c, const struct ynode *name)
{
	uint32_t i = map_get(&c->rule_by_name, name->text, name->n);

	return i == MAP_NONE ? NULL : &c->rules[i];
}

static int put_rule(struct collector *c, const struct rule_def *r)
{
	uint32_t i = map_get(&c->rule_by_name, r->name, strlen(r->name));
	int res;

	if (i == MAP_NONE) {
		i = c->n_rules;
		res = item_grow(
			c->cx, (void **)&c->rules, c->n_rules, &c->cap_rules, sizeof(*c->rules));
		if (res >= 0)
			res = map_put(c->cx, &c->rule_by_name, r->name, strlen(r->name), i);
		if (res < 0)
			return res;
		c->n_rules++;
	}
	c->rules[i] = *r;
	c->id++;
	return 0;
}

static int trim_output(struct collector *c, const struct ptext *in, struct ptext *ret)
{
	size_t from = 0, end = in->n;

	while (from < end && strchr(" \t\r\n\v\f", in->p[from]))
		from++;
	while (end > from && strchr(" \t\r\n\v\f", in->p[end - 1]))
		end--;
	*ret = (struct ptext){0};
	return ptext_add_text(c->cx, ret, in, from, end - from);
}

static int check_source(struct collector *c, const struct ynode *item, const struct rule_def *old,
	const char *source)
{
	const struct ynode *n = ynode_get(item, "source");

	if (!old || !strcmp(old->source, source))
		return 0;
	cx_error(c->cx, VALIDATE, n ? n->pos : item->pos,
		"Rule has been re-defined with a different source");
	return -EINVAL;
}

static int define_rule(struct collector *c, const struct ynode *item, const struct ynode *name)
{
	struct rule_def r = {.name = name->text,
		.pos = name->pos,
		.source = "syscall",
		.enabled = true,
		.warn_evttypes = true};
	const struct ynode *cond = item_text(c, item, "condition"),
			   *output = item_text(c, item, "output");
	const struct ynode *desc = item_text(c, item, "desc"),
			   *prio = item_text(c, item, "priority");
	const struct ynode *source = ynode_get(item, "source"), *tags = ynode_get(item, "tags"),
			   *exc = ynode_get(item, "exceptions");
	struct ptext text = {0};
	bool bad;
	int res;

	if (!cond || !output || !desc || !prio)
		return -EINVAL;
	if (source && !(source = item_text(c, item, "source")))
		return -EINVAL;
	if (source)
		r.source = source->text;
	r.known_source = !strcmp(r.source, "syscall");
	r.desc = desc->text;
	if (check_source(c, item, find_rule(c, name), r.source) < 0)
		return -EINVAL;
	/* A wrong one of these does not keep the condition and the output from being looked at. */
	bad = read_plain_keys(c, item, &r) < 0;
	bad |= tags && read_tags(c, tags, &r) < 0;
	r.place = (struct item_place){.content = c->content,
		.item = item->pos,
		.condition = cond->pos,
		.output = output->pos};
	if (!r.known_source)
		cx_warning(c->cx, "LOAD_UNKNOWN_SOURCE", source->pos, "Unknown source %s, skipping",
			r.source);
	if ((res = ynode_text(c->cx, cond, &r.cond)) < 0 ||
		(res = ynode_text(c->cx, output, &text)) < 0 ||
		(res = trim_output(c, &text, &r.output)) < 0)
		return res;
	if (exc && r.known_source && (res = item_exceptions(c, &r, exc, false)) < 0)
		return res;
	res = put_rule(c, &r);
	return res < 0 ? res : bad ? -EINVAL : 0;
}

/* old + " " + more */
static int append_text(struct collector *c, struct ptext *t, const struct ynode *n)
{
	struct ptext all = {0}, more = {0};
	int r = ynode_text(c->cx, n, &more);

	if (r < 0 || more.n == 0)
		return r;
	if ((r = ptext_add_text(c->cx, &all, t, 0, t->n)) < 0 ||
		(r = ptext_add_str(c->cx, &all, " ", ptext_pos(&more, 0))) < 0 ||
		(r = ptext_add_text(c->cx, &all, &more, 0, more.n)) < 0)
		return r;
	*t = all;
	return 0;
}

static int missing_rule(struct collector *c, const struct ynode *name, const char *what)
{
	if (!collector_is_broken(c, name->text))
		cx_error(c->cx, VALIDATE, name->pos,
			"%s but no rule by the name '%s' already exists", what, name->text);
	return -EINVAL;
}

static int legacy_append(struct collector *c, const struct ynode *item, const struct ynode *name)
{
	const struct ynode *cond = ynode_get(item, "condition"),
			   *exc = ynode_get(item, "exceptions");
	struct rule_def *old = find_rule(c, name), r;
	int res;

	if (!old)
		return missing_rule(c, name, "Rule uses 'append'");
	r = *old;
	if (!cond && !exc) {
		cx_error(c->cx, VALIDATE, item->pos,
			"Appended rule must have exceptions or condition property");
		return -EINVAL;
	}
	if (cond && (!item_text(c, item, "condition") || append_text(c, &r.cond, cond) < 0))
		return -EINVAL;
	if (exc && r.known_source && (res = item_exceptions(c, &r, exc, true)) < 0)
		return res;
	return put_rule(c, &r);
}

static int enable_only(struct collector *c, const struct ynode *item, const struct ynode *name)
{
	struct rule_def *r = find_rule(c, name);

	if (!ynode_get(item, "enabled")) {
		static const char *const required[] = {"condition", "output", "desc", "priority"};

		for (size_t i = 0; i < ARRAY_LEN(required); i++)
			(void)item_text(c, item, required[i]); /* reports what is missing */
		return -EINVAL;
	}
	cx_warning(c->cx, "LOAD_DEPRECATED_ITEM", item->pos,
		"The standalone 'enabled' key usage is deprecated. The correct approach requires "
		"also a 'replace' entry under the 'override' key (i.e. 'enabled: replace').");
	if (!r)
		return missing_rule(c, name, "Rule has 'enabled' key only");
	return read_flag(c, item, "enabled", &r->enabled);
}

static const struct rule_key *find_key(const char *name)
{
	for (const struct rule_key *k = rule_keys; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

/* One `key: operation`; 0, with *ret_append. */
static int check_override(struct collector *c, const struct ynode *item, const struct ynode *key,
	const struct ynode *op, bool *ret_append)
{
	const struct rule_key *k = key->kind == YN_SCALAR ? find_key(key->text) : NULL;
	const char *op_text = op->kind == YN_SCALAR ? op->text : "";

	if (strcmp(op_text, "append") != 0 && strcmp(op_text, "replace") != 0) {
		cx_error(c->cx, YAML_VALIDATE, op->pos,
			"Invalid override operation for key '%s': '%s'. Allowed values are: "
			"append, replace",
			key->kind == YN_SCALAR ? key->text : "", op_text);
		return -EINVAL;
	}
	*ret_append = op_text[0] == 'a';
	if (!k) {
		cx_error(c->cx, YAML_VALIDATE, key->pos, "Key '%s' cannot be %s",
			key->kind == YN_SCALAR ? key->text : "",
			*ret_append ? "appended to" : "replaced");
		return -EINVAL;
	}
	if (*ret_append && !k->can_append) {
		cx_error(c->cx, YAML_VALIDATE, key->pos,
			"Key '%s' cannot be appended to, use 'replace' instead", k->name);
		return -EINVAL;
	}
	if (!ynode_get(item, k->name)) {
		cx_error(c->cx, YAML_VALIDATE, key->pos,
			"%s override for '%s' was specified but '%s' is not defined",
			*ret_append ? "An append" : "A replace", k->name, k->name);
		return -EINVAL;
	}
	return 0;
}

static int check_unlisted(
	struct collector *c, const struct ynode *item, const struct ynode *override)
{
	int r = 0;

	for (size_t i = 0; i < item->n; i++) {
		const struct ynode *k = item->kids[2 * i];

		if (k->kind != YN_SCALAR || !find_key(k->text) || ynode_get(override, k->text))
			continue;
		cx_error(c->cx, YAML_VALIDATE, k->pos,
			"Unexpected key '%s': no corresponding entry under 'override' is defined.",
			k->text);
		r = -EINVAL;
	}
	return r;
}

static int apply_append(
	struct collector *c, const struct ynode *item, struct rule_def *r, const char *key)
{
	const struct ynode *n = ynode_get(item, key);

	if (!strcmp(key, "tags"))
		return read_tags(c, n, r);
	if (!strcmp(key, "exceptions"))
		return item_exceptions(c, r, n, true);
	if (!item_text(c, item, key))
		return -EINVAL;
	if (!strcmp(key, "condition"))
		return append_text(c, &r->cond, n);
	if (!strcmp(key, "output"))
		return append_text(c, &r->output, n);
	r->desc = cx_join(c->cx, r->desc, n->text);
	return r->desc ? 0 : -ENOMEM;
}

static int apply_replace(
	struct collector *c, const struct ynode *item, struct rule_def *r, const char *key)
{
	const struct ynode *n = ynode_get(item, key);

	if (!strcmp(key, "tags")) {
		r->n_tags = 0;
		return read_tags(c, n, r);
	}
	if (!strcmp(key, "exceptions")) {
		r->exceptions = NULL;
		return item_exceptions(c, r, n, false);
	}
	if (!strcmp(key, "condition")) {
		r->place.content = c->content;
		r->place.item = item->pos;
		r->place.condition = n->pos;
		return item_text(c, item, key) ? ynode_text(c->cx, n, &r->cond) : -EINVAL;
	}
	if (!strcmp(key, "output")) {
		r->place.output = n->pos;
		return item_text(c, item, key) ? ynode_text(c->cx, n, &r->output) : -EINVAL;
	}
	if (!strcmp(key, "desc")) {
		if (!item_text(c, item, key))
			return -EINVAL;
		r->desc = n->text;
	}
	return 0; /* the plain keys are read together */
}

static int apply_override(struct collector *c, const struct ynode *item, const struct ynode *name,
	const struct ynode *o)
{
	struct rule_def *old = find_rule(c, name), r;
	const struct ynode *source = ynode_get(item, "source");
	bool any_append = false, append;

	for (size_t i = 0; i < o->n; i++) {
		if (check_override(c, item, o->kids[2 * i], o->kids[2 * i + 1], &append) < 0)
			return -EINVAL;
		any_append |= append;
	}
	if (check_unlisted(c, item, o) < 0)
		return -EINVAL;
	if (!old)
		return missing_rule(c, name,
			any_append ? "Rule uses 'append' in override"
				   : "Rule uses 'replace' in override");
	if (source && source->kind == YN_SCALAR && source->n && ynode_get(o, "condition") &&
		check_source(c, item, old, source->text) < 0)
		return -EINVAL;
	r = *old;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < o->n; i++) {
			const char *key = o->kids[2 * i]->text;
			int res = 0;

			append = o->kids[2 * i + 1]->text[0] == 'a';
			if (append == (pass == 0))
				res = append ? apply_append(c, item, &r, key)
					     : apply_replace(c, item, &r, key);
			if (res < 0)
				return res;
		}
	}
	if (read_plain_keys(c, item, &r) < 0)
		return -EINVAL;
	return put_rule(c, &r);
}

static int override_rule(struct collector *c, const struct ynode *item, const struct ynode *name,
	const struct ynode *o)
{
	struct where here = {.type = "overrides", .pos = o->pos, .parent = c->cx->where};
	int r;

	c->cx->where = &here;
	r = apply_override(c, item, name, o);
	c->cx->where = here.parent;
	return r;
}

int item_rule(struct collector *c, const struct ynode *item)
{
	const struct ynode *name = item_text(c, item, "rule"), *o = ynode_get(item, "override");
	bool append;

	item_unknown_keys(c, item, item_keys);
	if (!name || item_append(c, item, &append) < 0)
		return -EINVAL;
	if (o && !o->is_null && o->kind != YN_MAP) {
		cx_error(c->cx, YAML_VALIDATE, o->pos, "Value of 'override' must be a mapping");
		return -EINVAL;
	}
	if (o && o->kind == YN_MAP && o->n)
		return override_rule(c, item, name, o);
	if (append)
		return legacy_append(c, item, name);
	if (!ynode_get(item, "condition") && !ynode_get(item, "output") &&
		!ynode_get(item, "desc") && !ynode_get(item, "priority"))
		return enable_only(c, item, name);
	return define_rule(c, item, name);
}
