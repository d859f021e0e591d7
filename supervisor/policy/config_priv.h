/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the steps of config_run() share. */

#include <stdint.h>

#include "config.h"
#include "config_tree.h"

#define CONFIG_FILES_MAX 256

struct config_run {
	const struct config_request *q;
	const struct config_source *src;
	struct arena *arena;
	struct diag *diag;
	struct cfg_node *root;               /* merged, expanded, overridden */
	bool has_file;                       /* some configuration file was read */
	const char *files[CONFIG_FILES_MAX]; /* those read, in order; more are not told */
	size_t n_files;
	struct config_result *result; /* under construction */
	struct config_filters {       /* of output i */
		uint8_t min_priority;
		const struct cfg_node *rules_include, *rules_exclude, *tags_include,
			*tags_exclude; /* lists or NULL */
	} filters[PLAN_OUTPUTS_MAX];
};

/* The steps, in order. Each adds errors to the diagnostics and goes on where it can; negative
 * errno: nothing more can be said. */
int config_load(struct config_run *c);      /* files, environment, options: root */
int config_rules(struct config_run *c);     /* plan.rules */
int config_outputs(struct config_run *c);   /* plan.outputs, output blocks, filters */
int config_options(struct config_run *c);   /* rules options block */
void config_runtimes(struct config_run *c); /* plan.runtimes and how containers are looked at */

/* Names *.yaml and *.yml of a folder, sorted, as paths. */
int config_list_yaml(struct config_run *c, const char *dir, const char ***ret_paths, size_t *ret_n);

/* Values that passed cfg_check(), or the default. */
bool config_bool(const struct cfg_node *root, const char *path, bool otherwise);
int64_t config_int(const struct cfg_node *root, const char *path, int64_t otherwise);
uint64_t config_size(const struct cfg_node *root, const char *path, uint64_t otherwise);
uint64_t config_duration(const struct cfg_node *root, const char *path, uint64_t otherwise);
const char *config_text(const struct cfg_node *root, const char *path, const char *otherwise);
uint8_t config_priority(const struct cfg_node *root, const char *path, uint8_t otherwise);

/* Copy into a fixed field; an error at the node if it is too long. */
void config_copy(
	struct config_run *c, const struct cfg_node *at, const char *text, char *to, size_t cap);
