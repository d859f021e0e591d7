/* SPDX-License-Identifier: Apache-2.0 */
/* Which rule files are loaded, in order: those of -r; else those of rules_files; else the shipped
 * ones and the machine's own. Folders are listed here, the files themselves are read by the rules
 * run alone. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/macros.h>
#include <base/utf8.h>

#include "config_priv.h"

static int add_rule_file(struct config_run *c, const struct cfg_place *at, const char *path)
{
	struct plan_config *p = &c->result->plan;

	if (strlen(path) >= PLAN_PATH_MAX) {
		cfg_error(c->diag, at, NULL, "the path is longer than %d bytes: '%.60s…'",
			PLAN_PATH_MAX - 1, path);
		return -EINVAL;
	}
	if (!utf8_is_valid(span_str(path))) {
		cfg_error(c->diag, at, NULL, "the path is not UTF-8: '%s'", path);
		return -EINVAL;
	}
	if (p->n_rules == PLAN_RULES_MAX) {
		cfg_error(c->diag, at, NULL, "more than %d rules files", PLAN_RULES_MAX);
		return -EINVAL;
	}
	memcpy(p->rules[p->n_rules++], path, strlen(path) + 1);
	return 0;
}

/* A file or a folder. */
static int add_rules(
	struct config_run *c, const struct cfg_place *at, const char *path, bool may_miss)
{
	const char **paths;
	size_t n;
	int r = config_list_yaml(c, path, &paths, &n);

	if (r == -ENOTDIR)
		return add_rule_file(c, at, path);
	if (r == -ENOENT && may_miss)
		return 0;
	if (r < 0) {
		cfg_error(c->diag, at, NULL, "cannot open rules '%s': %s", path, strerror(-r));
		return r == -ENOMEM ? r : -EINVAL;
	}
	if (n == 0 && !may_miss)
		cfg_error(c->diag, at, NULL, "no rules files (*.yaml, *.yml) in folder '%s'", path);
	for (size_t i = 0; i < n; i++) {
		r = add_rule_file(c, at, paths[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct cfg_item *configured_rules(const struct config_run *c)
{
	static const char *const names[] = {"rules_files", "rules_file", "rule_files"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct cfg_item *item = cfg_find_item(c->root, names[i]);

		if (item && item->node->kind != CFG_NULL)
			return item;
	}
	return NULL;
}

static int add_configured(struct config_run *c, const struct cfg_item *item)
{
	const struct cfg_node *list = item->node;

	if (list->kind == CFG_SCALAR)
		return add_rules(c, &list->at, list->text, true);
	for (const struct cfg_item *i = list->kind == CFG_SEQ ? list->first : NULL; i;
		i = i->next) {
		int r = i->node->kind == CFG_SCALAR
				? add_rules(c, &i->node->at, i->node->text, true)
				: 0;

		if (r < 0)
			return r;
	}
	if (c->result->plan.n_rules == 0)
		cfg_error(c->diag, &item->key_at, NULL, "none of these rules files exists");
	return 0;
}

static int add_shipped(struct config_run *c)
{
	struct cfg_place nowhere = {0};
	const char *shipped = arena_printf(c->arena, "%s/rules", c->q->share_dir),
		   *own = arena_printf(c->arena, "%s/rules.d", c->q->etc_dir);
	int r;

	if (!shipped || !own)
		return -ENOMEM;
	r = add_rules(c, &nowhere, shipped, true);
	if (r == 0)
		r = add_rules(c, &nowhere, own, true);
	if (r == 0 && c->result->plan.n_rules == 0)
		cfg_error(c->diag, &nowhere, NULL,
			"no rules: neither in '%s' nor in '%s', and no -r", shipped, own);
	return r;
}

int config_rules(struct config_run *c)
{
	const struct cfg_item *item = configured_rules(c);
	int worst = 0;

	if (c->q->record_file) /* the supervisor writes it: a rule with that condition */
		return add_rule_file(c, &c->root->at, "--filter");

	for (size_t i = 0; i < c->q->n_rules; i++) {
		struct cfg_place at = {.pos = {.file = arena_printf(c->arena, "%s %s",
						       c->q->rules_flag ? c->q->rules_flag : "-r",
						       c->q->rules[i])}};
		int r = add_rules(c, &at, c->q->rules[i], false);

		worst = r < 0 ? r : worst;
	}
	if (c->q->n_rules)
		return worst;
	return item ? add_configured(c, item) : add_shipped(c);
}
