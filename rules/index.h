/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The image's tables of rules and events. */

#include "rule_check.h"

/* All rules into the builder's tables; *ret_enabled of them run. */
int index_rules(struct builder *b, const struct checked_rule *rules, uint32_t n,
	const struct rules_options *opt, uint32_t *ret_n, uint32_t *ret_enabled);
