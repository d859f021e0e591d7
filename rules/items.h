/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Helpers of the readers of items. */

#include "collector.h"

#define YAML_VALIDATE "LOAD_ERR_YAML_VALIDATE"
#define VALIDATE "LOAD_ERR_VALIDATE"

/* What to do with an item that names something that may exist. */
enum item_mode { ITEM_DEFINE, ITEM_APPEND };

/* An error of a key's value. */
#define item_bad_value(c, key, node, ...)                                                          \
	cx_error_in((c)->cx, "value for", key, YAML_VALIDATE, (node)->pos, __VA_ARGS__)
/* A required scalar with text. NULL after reporting. */
const struct ynode *item_text(struct collector *c, const struct ynode *item, const char *key);
/* `append: true`; warns that it is deprecated. Negative after reporting. */
int item_append(struct collector *c, const struct ynode *item, bool *ret);
/* Warn of keys that are not in the NULL-ended table. */
void item_unknown_keys(struct collector *c, const struct ynode *item, const char *const *known);
/* Grow an array in the arena so that one more fits. */
int item_grow(struct cx *cx, void **arr, uint32_t n, uint32_t *cap, size_t size);

int item_list(struct collector *c, const struct ynode *item);
int item_macro(struct collector *c, const struct ynode *item);
int item_rule(struct collector *c, const struct ynode *item);
int item_engine_version(struct collector *c, const struct ynode *item);
int item_plugin_versions(struct collector *c, const struct ynode *item);
/* The exceptions of an item into the rule. @append: to those that are there. */
int item_exceptions(
	struct collector *c, struct rule_def *rule, const struct ynode *seq, bool append);
