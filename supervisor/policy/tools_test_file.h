/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A file of rule tests (docs/rule-tests.md), read and checked for its form. */

#include <stdbool.h>
#include <stddef.h>

#include <base/arena.h>
#include <rules/diag.h>

#include "config_tree.h"

/* One field of an event, as it stands in the file. */
struct test_field {
	const char *name;
	struct cfg_place at;          /* of the name */
	const struct cfg_node *value; /* scalar, list of scalars, or null: no value */
};

struct test_alert { /* what an expected alert must be */
	const char *rule;
	struct cfg_place at;
	const char *priority;            /* or NULL */
	const char *output;              /* text that the message contains, or NULL */
	const struct test_field *fields; /* output fields */
	size_t n_fields;
};

struct test_case {
	const char *name;
	struct cfg_place at;
	const struct test_field
		*fields; /* the file's defaults first, those of the test after them */
	size_t n_fields;
	const struct test_alert *alerts;
	size_t n_alerts; /* 0: expect: none */
};

struct test_file {
	const char *name;
	const char *const *rules; /* paths as written; none: the configured rules */
	const struct cfg_place *rules_at;
	size_t n_rules;
	const struct test_case *cases;
	size_t n_cases;
};

/* Read n bytes of YAML. Everything lives in @a. 0; -EINVAL with every error in @d; -ENOMEM. */
int test_file_parse(struct arena *a, struct diag *d, const char *name, const char *text, size_t n,
	struct test_file *ret);
