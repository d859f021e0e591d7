/* SPDX-License-Identifier: Apache-2.0 */
/* From YAML to tests. The text is a person's: every key and every shape is checked, all that is
 * wrong is said at once with its place. What the fields mean is judged later (tools_event.c). */
#include "tools_test_file.h"

#include <errno.h>
#include <string.h>

#include <base/macros.h>

#include "config_value.h"

#define TESTS_MAX 10000

struct reader {
	struct arena *arena;
	struct diag *diag;
	bool no_memory;
};

static void *room(struct reader *r, size_t n, size_t size)
{
	void *p = arena_alloc(r->arena, (n ? n : 1) * size);

	if (!p)
		r->no_memory = true;
	return p;
}

/* Is the key of a mapping one of these? Said if not, with the nearest. */
static bool check_key(
	struct reader *r, const struct cfg_item *i, const char *const *known, const char *where)
{
	const char *near;

	for (const char *const *k = known; *k; k++)
		if (strcmp(i->key, *k) == 0)
			return true;
	near = diag_nearest(i->key, strlen(i->key), known);
	cfg_error(r->diag, &i->key_at,
		near ? arena_printf(r->arena, "did you mean '%s'?", near) : NULL,
		"unknown key '%.100s' in %s", i->key, where);
	return false;
}

static bool is_list_of_scalars(const struct cfg_node *n)
{
	if (n->kind != CFG_SEQ)
		return false;
	for (const struct cfg_item *i = n->first; i; i = i->next)
		if (i->node->kind != CFG_SCALAR)
			return false;
	return true;
}

/* A mapping of fields. @base: fields that come first. */
static void read_fields(struct reader *r, const struct cfg_node *map, const struct test_field *base,
	size_t n_base, const struct test_field **ret, size_t *ret_n)
{
	struct test_field *f;
	size_t n = n_base;

	*ret = base;
	*ret_n = n_base;
	if (map->kind == CFG_NULL)
		return;
	if (map->kind != CFG_MAP) {
		cfg_error(r->diag, &map->at, NULL, "a mapping of field: value is wanted here");
		return;
	}
	f = room(r, n_base + map->n, sizeof(*f));
	if (!f)
		return;
	for (size_t i = 0; i < n_base; i++)
		f[i] = base[i];
	for (const struct cfg_item *i = map->first; i; i = i->next) {
		if (i->node->kind == CFG_MAP ||
			(i->node->kind == CFG_SEQ && !is_list_of_scalars(i->node)))
			cfg_error(r->diag, &i->node->at, NULL,
				"'%.100s' must be one value or a list of values", i->key);
		f[n++] = (struct test_field){.name = i->key, .at = i->key_at, .value = i->node};
	}
	*ret = f;
	*ret_n = n;
}

static const char *read_text(struct reader *r, const struct cfg_item *i)
{
	if (i->node->kind == CFG_SCALAR && *i->node->text)
		return i->node->text;
	cfg_error(r->diag, &i->node->at, NULL, "'%s' must be text", i->key);
	return NULL;
}

static void read_alert_map(struct reader *r, const struct cfg_node *n, struct test_alert *ret)
{
	static const char *const known[] = {"rule", "priority", "output", "fields", NULL};
	uint8_t priority;

	for (const struct cfg_item *i = n->first; i; i = i->next) {
		if (!check_key(r, i, known, "an expected alert"))
			continue;
		if (strcmp(i->key, "rule") == 0)
			ret->rule = read_text(r, i);
		else if (strcmp(i->key, "output") == 0)
			ret->output = read_text(r, i);
		else if (strcmp(i->key, "fields") == 0)
			read_fields(r, i->node, NULL, 0, &ret->fields, &ret->n_fields);
		else if ((ret->priority = read_text(r, i)) &&
			 !cfg_to_priority(ret->priority, &priority))
			cfg_error(r->diag, &i->node->at, NULL, "'%.100s' is no priority",
				ret->priority);
	}
	if (!cfg_find_item(n, "rule"))
		cfg_error(r->diag, &n->at, NULL, "'rule' is missing in an expected alert");
}

static void read_alert(struct reader *r, const struct cfg_node *n, struct test_alert *ret)
{
	*ret = (struct test_alert){.at = n->at};
	if (n->kind == CFG_MAP)
		read_alert_map(r, n, ret);
	else if (n->kind == CFG_SCALAR && *n->text)
		ret->rule = n->text;
	else
		cfg_error(r->diag, &n->at, NULL,
			"the name of a rule, or a mapping with 'rule', is wanted here");
}

/* none, a rule, or a list of rules. */
static void read_expect(struct reader *r, const struct cfg_node *n, struct test_case *ret)
{
	struct test_alert *a = room(r, n->kind == CFG_SEQ ? n->n : 1, sizeof(*a));
	size_t n_alerts = 0;

	if (!a || (n->kind == CFG_SCALAR && !n->is_quoted && strcmp(n->text, "none") == 0))
		return;
	if (n->kind == CFG_SEQ) {
		for (const struct cfg_item *i = n->first; i; i = i->next)
			read_alert(r, i->node, &a[n_alerts++]);
	} else {
		read_alert(r, n, &a[n_alerts++]);
	}
	ret->alerts = a;
	ret->n_alerts = n_alerts;
}

static void read_case(struct reader *r, const struct cfg_node *n, const struct test_field *base,
	size_t n_base, struct test_case *ret)
{
	static const char *const known[] = {"name", "event", "expect", NULL};

	*ret = (struct test_case){.at = n->at, .fields = base, .n_fields = n_base};
	if (n->kind != CFG_MAP) {
		cfg_error(r->diag, &n->at, NULL,
			"a test is a mapping with 'name', 'event' and 'expect'");
		return;
	}
	for (const struct cfg_item *i = n->first; i; i = i->next) {
		if (!check_key(r, i, known, "a test"))
			continue;
		if (strcmp(i->key, "name") == 0)
			ret->name = read_text(r, i);
		else if (strcmp(i->key, "event") == 0)
			read_fields(r, i->node, base, n_base, &ret->fields, &ret->n_fields);
		else
			read_expect(r, i->node, ret);
	}
	for (const char *const *k = known; *k; k++)
		if (!cfg_find_item(n, *k))
			cfg_error(r->diag, &n->at, NULL, "'%s' is missing in a test", *k);
}

static void read_rules(struct reader *r, const struct cfg_node *n, struct test_file *f)
{
	const char **paths = room(r, n->n, sizeof(*paths));
	struct cfg_place *at = room(r, n->n, sizeof(*at));

	if (!is_list_of_scalars(n) || n->n == 0) {
		cfg_error(r->diag, &n->at, NULL, "'rules' must be a list of rules files");
		return;
	}
	for (const struct cfg_item *i = n->first; paths && at && i; i = i->next) {
		paths[f->n_rules] = i->node->text;
		at[f->n_rules++] = i->node->at;
	}
	f->rules = paths;
	f->rules_at = at;
}

static void read_cases(struct reader *r, const struct cfg_node *n, const struct test_field *base,
	size_t n_base, struct test_file *f)
{
	struct test_case *c = room(r, n->n, sizeof(*c));

	if (n->kind != CFG_SEQ || n->n == 0) {
		cfg_error(r->diag, &n->at, NULL, "'tests' must be a list of tests");
		return;
	}
	if (n->n > TESTS_MAX) {
		cfg_error(r->diag, &n->at, NULL, "more than %d tests in one file", TESTS_MAX);
		return;
	}
	for (const struct cfg_item *i = n->first; c && i; i = i->next)
		read_case(r, i->node, base, n_base, &c[f->n_cases++]);
	f->cases = c;
}

static void read_root(struct reader *r, const struct cfg_node *root, struct test_file *f)
{
	static const char *const known[] = {"rules", "defaults", "tests", NULL};
	const struct cfg_item *rules = cfg_find_item(root, "rules"),
			      *defaults = cfg_find_item(root, "defaults"),
			      *tests = cfg_find_item(root, "tests");
	const struct test_field *base = NULL;
	size_t n_base = 0;

	for (const struct cfg_item *i = root->first; i; i = i->next)
		(void)check_key(r, i, known, "a file of tests");
	if (rules)
		read_rules(r, rules->node, f);
	if (defaults)
		read_fields(r, defaults->node, NULL, 0, &base, &n_base);
	if (tests)
		read_cases(r, tests->node, base, n_base, f);
	else
		cfg_error(r->diag, &(struct cfg_place){.pos = {.file = f->name}}, NULL,
			"there are no 'tests' in this file");
}

int test_file_parse(struct arena *a, struct diag *d, const char *name, const char *text, size_t n,
	struct test_file *ret)
{
	struct reader r = {.arena = a, .diag = d};
	struct test_file f = {.name = name};
	size_t n_errors = d->n_errors;
	const struct cfg_node *root = cfg_parse_yaml(a, d, name, text, n, false);

	if (!root)
		return d->n_errors > n_errors ? -EINVAL : -ENOMEM;
	read_root(&r, root, &f);
	if (r.no_memory)
		return -ENOMEM;
	if (d->n_errors > n_errors)
		return -EINVAL;
	*ret = f;
	return 0;
}
