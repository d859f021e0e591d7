/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which keys there are, and what may stand in them (config_keys.def). */

#include "config_tree.h"

/* Check every key and value of the tree: unknown keys, wrong types, values out of range are errors;
 * keys without effect one warning each reason. */
void cfg_check(struct arena *a, struct diag *d, const struct cfg_node *root);
