/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From rule files to a policy image. Used by saker-policy (and later the tools). Allocates; runs
 * before anything is sealed or in a process of its own. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rules/diag.h>

struct rules_file {
	const char *name; /* for messages */
	const char *text; /* not NUL-ended */
	size_t n;
};

/* Which alerts an output takes. Wildcards: '*' only. */
struct rules_output {
	const char *name;
	uint8_t min_priority; /* 0..7; takes alerts whose number is <= it */
	const char *const *rules_include,
		*const *rules_exclude; /* NULL-ended; NULL or empty include: all */
	const char *const *tags_include, *const *tags_exclude;
	uint8_t capture; /* RULES_CAPTURE_* */
};
#define RULES_CAPTURE_NONE 0  /* a common output */
#define RULES_CAPTURE_RULES 1 /* the recorder: rules with `capture: true` */
#define RULES_CAPTURE_ALL 2   /* the recorder: every rule */

struct rules_append {                          /* append_output entry */
	const char *match_source, *match_rule; /* NULL: any */
	const char *const *match_tags;         /* NULL-ended or NULL */
	const char *extra_output;              /* or NULL */
	bool suggested_output;
	const char *const
		*extra_fields; /* NULL-ended "raw.field" or "key=template" (first '='), or NULL */
};

struct rules_select { /* `rules:` enable/disable, in order */
	bool enable;
	const char *rule; /* wildcard or NULL */
	const char *tag;  /* or NULL */
};

struct rules_options {
	uint8_t min_priority; /* 0..7, default 7 */
	bool match_all;
	bool iso_time; /* affects evt.time in output_fields of alerts */
	bool exact;    /* state is kept with the reference's errors (IMG_F_EXACT) */
	const struct rules_output *outputs;
	size_t n_outputs;
	const struct rules_append *append;
	size_t n_append;
	const struct rules_select *select;
	size_t n_select;
	const char *const
		*statics; /* static_fields: "name=value" (first '='), sorted by name; a field
				       static.NAME each */
	size_t n_statics;
};

struct rules_result {
	void *image; /* malloc'd, size bytes; freed by the caller */
	size_t size;
	uint32_t n_rules, n_enabled;
};

/* Compile all files in order. Errors and warnings go to @d, all of them. 0 and a result; -EINVAL if
 * there was any error (result untouched). */
int rules_compile(const struct rules_file *files, size_t n_files, const struct rules_options *opt,
	struct diag *d, struct rules_result *ret_result);
/* The rule that `saker test-alert` triggers: to be compiled as the first file. Tagged
 * saker_test_alert: goes to all outputs, cannot be disabled. */
const char *rules_builtin_text(size_t *ret_n);
