/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The advisory schema of rule files. */

#include "yaml_doc.h"

struct schema_result {
	bool is_parsed;
	const char **warnings; /* n, in the arena of the context */
	uint32_t n, cap;
};

/* What the documents have that the schema (rules_schema_json()) does not allow. 0 or -ENOMEM. */
int schema_check(struct cx *cx, struct ynode *const *docs, size_t n, struct schema_result *ret);
