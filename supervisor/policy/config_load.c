/* SPDX-License-Identifier: Apache-2.0 */
/* Which files make the configuration: the one of -c, or saker.yaml and config.d in the standard
 * place where they exist; then what config_files names; then the environment, then the options.
 * Files are the user's: only their form is doubted. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>

#include "config_priv.h"
#include "config_value.h"

#define CONFIG_FILE_MAX (1u << 20) /* a whole falco.yaml with its comments has 80 KiB */

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_yaml_name(const char *name)
{
	size_t n = strlen(name);

	return (n > 5 && !strcmp(name + n - 5, ".yaml")) ||
	       (n > 4 && !strcmp(name + n - 4, ".yml"));
}

int config_list_yaml(struct config_run *c, const char *dir, const char ***ret_paths, size_t *ret_n)
{
	const char *const *names;
	const char **paths;
	size_t n, n_paths = 0, len = strlen(dir);
	int r = c->src->list_dir(c->src->ctx, c->arena, dir, &names, &n);

	if (r < 0)
		return r;
	paths = arena_alloc(c->arena, (n + 1) * sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!is_yaml_name(names[i]))
			continue;
		paths[n_paths] = arena_printf(
			c->arena, "%s%s%s", dir, len && dir[len - 1] == '/' ? "" : "/", names[i]);
		if (!paths[n_paths++])
			return -ENOMEM;
	}
	qsort(paths, n_paths, sizeof(*paths), compare_texts);
	*ret_paths = paths;
	*ret_n = n_paths;
	return 0;
}

/* Read and merge one file. @at: who named it, for messages. -ENOENT and nothing said if it may be
 * missing and is. */
static int add_file(struct config_run *c, const char *path, const struct cfg_place *at,
	enum cfg_strategy how, bool may_miss, bool is_main)
{
	struct cfg_node *root;
	struct cfg_item *nested;
	const char *text;
	size_t n;
	int r = c->src->read_file(c->src->ctx, c->arena, path, &text, &n);

	if (r == -ENOENT && may_miss)
		return r;
	if (r < 0) {
		cfg_error(c->diag, at, NULL, "cannot read configuration file '%s': %s", path,
			strerror(-r));
		return -EINVAL;
	}
	c->has_file = true;
	if (c->n_files < CONFIG_FILES_MAX)
		c->files[c->n_files++] = path;
	if (n > CONFIG_FILE_MAX) {
		cfg_error(c->diag, at, NULL, "configuration file '%s' is larger than %u bytes",
			path, CONFIG_FILE_MAX);
		return -EINVAL;
	}
	root = cfg_parse_yaml(c->arena, c->diag, path, text, n, false);
	if (!root)
		return -EINVAL;
	nested = is_main ? NULL : cfg_find_item(root, "config_files");
	if (nested) {
		cfg_error(c->diag, &nested->key_at, NULL,
			"config_files may stand in the main configuration file only");
		return -EINVAL;
	}
	return cfg_merge(c->arena, c->root, root, how);
}

static int add_path(struct config_run *c, const char *path, const struct cfg_place *at,
	enum cfg_strategy how, bool may_miss)
{
	const char **paths;
	size_t n;
	int r = config_list_yaml(c, path, &paths, &n), worst = 0;

	if (r == -ENOTDIR)
		return add_file(c, path, at, how, may_miss, false);
	if (r == -ENOENT)
		return 0; /* as Falco: a place that is not there adds nothing */
	if (r < 0) {
		cfg_error(c->diag, at, NULL, "cannot list '%s': %s", path, strerror(-r));
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		r = add_file(c, paths[i], at, how, false, false);
		worst = r < 0 ? r : worst;
	}
	return worst;
}

/* One element of config_files: a path, or {path, strategy}. */
static int add_entry(struct config_run *c, const struct cfg_node *entry)
{
	static const enum cfg_strategy ways[] = {CFG_APPEND, CFG_OVERRIDE, CFG_ADD_ONLY};
	const char *path =
		entry->kind == CFG_SCALAR ? entry->text : config_text(entry, "path", NULL);
	int way = cfg_choice(config_text(entry, "strategy", "append"), "append|override|add-only");

	if (!path) {
		cfg_error(c->diag, &entry->at, NULL, "a path is missing");
		return -EINVAL;
	}
	return way < 0 ? 0
		       : add_path(c, path, &entry->at, ways[way],
				 true); /* a wrong strategy is reported by the check */
}

static int add_config_files(struct config_run *c)
{
	struct cfg_item *item = cfg_find_item(c->root, "config_files");
	struct cfg_node *list = item ? item->node : NULL;
	int worst = 0;

	if (!list || cfg_expand(c->arena, list, c->src->env, c->src->ctx) < 0)
		return list ? -ENOMEM : 0;
	if (list->kind == CFG_SCALAR)
		return add_entry(c, list);
	for (struct cfg_item *i = list->kind == CFG_SEQ ? list->first : NULL; i; i = i->next) {
		int r = i->node->kind == CFG_NULL ? 0 : add_entry(c, i->node);

		worst = r < 0 ? r : worst;
	}
	return worst;
}

static int add_standard_files(struct config_run *c)
{
	struct cfg_place nowhere = {0};
	const char *path = arena_printf(c->arena, "%s/saker.yaml", c->q->etc_dir),
		   *dir = arena_printf(c->arena, "%s/config.d", c->q->etc_dir);
	int r, s;

	if (!path || !dir)
		return -ENOMEM;
	r = add_file(c, path, &nowhere, CFG_APPEND, true, true);
	if (r == 0)
		r = add_config_files(c);
	s = add_path(c, dir, &nowhere, CFG_APPEND, true);
	return r < 0 && r != -ENOENT ? r : s;
}

static int add_files(struct config_run *c)
{
	struct cfg_place option = {.pos = {.file = "-c"}};
	int r;

	if (!c->q->config)
		return add_standard_files(c);
	r = add_file(c, c->q->config, &option, CFG_APPEND, false, true);
	return r < 0 ? r : add_config_files(c);
}

int config_load(struct config_run *c)
{
	int r, worst;

	c->root = cfg_node_new(c->arena, CFG_MAP, (struct cfg_place){0});
	if (!c->root)
		return -ENOMEM;
	worst = add_files(c);
	r = cfg_expand(c->arena, c->root, c->src->env, c->src->ctx);
	worst = r < 0 ? r : worst;
	for (size_t i = 0; i < c->q->n_options; i++) {
		r = cfg_override(c->arena, c->diag, c->root, c->q->options[i]);
		worst = r < 0 ? r : worst;
	}
	return worst;
}
