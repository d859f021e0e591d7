/* SPDX-License-Identifier: Apache-2.0 */
/* The block for the rules run: what of the configuration changes how rules are compiled. JSON, for
 * it goes to another process of the same program (options.c reads it). Holds no secret. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <base/macros.h>
#include <rules/compile.h>

#include "config_priv.h"
#include "config_value.h"

/* A list of texts; a single text counts as a list of one. Owned by the caller. */
static json_t *texts(const struct cfg_node *n)
{
	json_t *list = json_array();

	if (n && n->kind == CFG_SCALAR)
		(void)json_array_append_new(list, json_string(n->text));
	for (const struct cfg_item *i = n && n->kind == CFG_SEQ ? n->first : NULL; i; i = i->next)
		if (i->node->kind == CFG_SCALAR)
			(void)json_array_append_new(
				list, json_string(i->node->text)); /* a failed one is found by the
								      check of the dump */
	return list;
}

static json_t *text_or_null(const struct cfg_node *map, const char *path)
{
	const char *s = config_text(map, path, NULL);

	return s && *s ? json_string(s) : json_null();
}

static int capture(const struct plan_config *p, uint32_t output)
{
	if (p->outputs[output].kind != PLAN_OUT_CAPTURE)
		return RULES_CAPTURE_NONE;
	return p->record_all_rules ? RULES_CAPTURE_ALL : RULES_CAPTURE_RULES;
}

static json_t *outputs(const struct config_run *c)
{
	const struct plan_config *p = &c->result->plan;
	json_t *list = json_array();

	for (uint32_t i = 0; i < p->n_outputs; i++) {
		const struct config_filters *f = &c->filters[i];

		(void)json_array_append_new(list,
			json_pack("{s:s, s:i, s:i, s:o, s:o, s:o, s:o}", "name", p->outputs[i].name,
				"capture", capture(p, i), "min_priority", f->min_priority,
				"rules_include", texts(f->rules_include), "rules_exclude",
				texts(f->rules_exclude), "tags_include", texts(f->tags_include),
				"tags_exclude", texts(f->tags_exclude)));
	}
	return list;
}

static json_t *files(const struct config_run *c)
{
	const struct plan_config *p = &c->result->plan;
	json_t *list = json_array();

	for (uint32_t i = 0; i < p->n_rules; i++)
		(void)json_array_append_new(list, json_string(p->rules[i]));
	return list;
}

/* "raw.field", or "key=template" for {key: template}. */
static json_t *extra_fields(struct config_run *c, const struct cfg_node *n)
{
	json_t *list = json_array();

	for (const struct cfg_item *i = n && n->kind == CFG_SEQ ? n->first : NULL; i; i = i->next) {
		const struct cfg_item *pair = i->node->kind == CFG_MAP ? i->node->first : NULL;

		if (pair && strchr(pair->key, '='))
			cfg_error(c->diag, &pair->key_at, NULL,
				"the name of an extra field may not hold '='");
		else if (pair && pair->node->kind == CFG_SCALAR)
			(void)json_array_append_new(
				list, json_sprintf("%s=%s", pair->key, pair->node->text));
		else if (i->node->kind == CFG_SCALAR)
			(void)json_array_append_new(list, json_string(i->node->text));
	}
	return list;
}

static json_t *append(struct config_run *c)
{
	const struct cfg_node *all = cfg_find(c->root, "append_output");
	json_t *list = json_array();

	for (const struct cfg_item *i = all && all->kind == CFG_SEQ ? all->first : NULL; i;
		i = i->next) {
		const struct cfg_node *n = i->node;

		(void)json_array_append_new(
			list, json_pack("{s:o, s:o, s:o, s:o, s:b, s:o}", "source",
				      text_or_null(n, "match.source"), "rule",
				      text_or_null(n, "match.rule"), "tags",
				      texts(cfg_find(n, "match.tags")), "extra_output",
				      text_or_null(n, "extra_output"), "suggested_output",
				      config_bool(n, "suggested_output", false), "extra_fields",
				      extra_fields(c, cfg_find(n, "extra_fields"))));
	}
	/* Falco's -pc, -pk and -pcg chose formats that are automatic now */
	if (c->q->extra_output && cfg_choice(c->q->extra_output, "c|k|cg|container|kubernetes") < 0)
		(void)json_array_append_new(
			list, json_pack("{s:n, s:n, s:[], s:s, s:b, s:[]}", "source", "rule",
				      "tags", "extra_output", c->q->extra_output,
				      "suggested_output", false, "extra_fields"));
	return list;
}

static bool is_field_name(const char *s)
{
	while (isalpha((unsigned char)*s)) {
		while (isalnum((unsigned char)*s) || *s == '_')
			s++;
		if (*s != '.')
			break;
		s++;
	}
	return *s == '\0' && s[-1] != '.';
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* static_fields: "name=value" each, in the order of the names. */
static json_t *statics(struct config_run *c)
{
	const struct cfg_node *all = cfg_find(c->root, "static_fields");
	json_t *list = json_array();
	const char **names;
	size_t n = 0;

	for (const struct cfg_item *i = all && all->kind == CFG_MAP ? all->first : NULL; i;
		i = i->next)
		n++;
	names = arena_alloc(c->arena, (n + 1) * sizeof(*names));
	n = 0;
	for (const struct cfg_item *i = names && all && all->kind == CFG_MAP ? all->first : NULL; i;
		i = i->next) {
		if (!*i->key || !is_field_name(i->key))
			cfg_error(c->diag, &i->key_at, NULL,
				"'%s' cannot be the name of a field: letters, digits and _, parts "
				"between dots",
				i->key);
		else
			names[n++] = i->key;
	}
	if (n)
		qsort(names, n, sizeof(*names), compare_texts);
	for (size_t i = 0; i < n; i++) {
		const struct cfg_item *item = all->first;

		while (item->key != names[i])
			item = item->next;
		(void)json_array_append_new(
			list, json_sprintf("%s=%s", item->key,
				      item->node->kind == CFG_SCALAR ? item->node->text : ""));
	}
	return list;
}

static json_t *config_files(const struct config_run *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_files; i++)
		(void)json_array_append_new(list, json_string(c->files[i]));
	return list;
}

static json_t *select_rules(struct config_run *c)
{
	const struct cfg_node *all = cfg_find(c->root, "rules");
	json_t *list = json_array();

	for (const struct cfg_item *i = all && all->kind == CFG_SEQ ? all->first : NULL; i;
		i = i->next) {
		for (const struct cfg_item *k = i->node->kind == CFG_MAP ? i->node->first : NULL; k;
			k = k->next) {
			if (!config_text(k->node, "rule", NULL) &&
				!config_text(k->node, "tag", NULL))
				cfg_error(c->diag, &k->key_at, NULL, "'rule' or 'tag' is missing");
			(void)json_array_append_new(list,
				json_pack("{s:b, s:o, s:o}", "enable", !strcmp(k->key, "enable"),
					"rule", text_or_null(k->node, "rule"), "tag",
					text_or_null(k->node, "tag")));
		}
	}
	return list;
}

int config_options(struct config_run *c)
{
	json_auto_t *j = json_pack("{s:i, s:b, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o}",
		"min_priority", config_priority(c->root, "priority", 7), "match_all",
		!strcmp(config_text(c->root, "rule_matching", "first"), "all"), "iso_time",
		config_bool(c->root, "time_format_iso_8601", false), "exact",
		config_bool(c->root, "compat.exact", false), "json_output",
		config_bool(c->root, "json_output", false), "config_files", config_files(c),
		"outputs", outputs(c), "append", append(c), "select", select_rules(c), "statics",
		statics(c), "files", files(c));
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	c->result->rules_options = text ? arena_strdup(c->arena, text) : NULL;
	free(text);
	if (!c->result->rules_options &&
		c->diag->n_errors == 0) /* jansson refuses what is not UTF-8 */
		cfg_error(
			c->diag, &c->root->at, NULL, "configuration holds text that is not UTF-8");
	return 0;
}
