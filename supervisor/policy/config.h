/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From configuration files and the command line to what the supervisor, the emitters and the rules
 * run need. No processes in here: files come through an interface, so that tests use texts. */

#include <stdbool.h>
#include <stddef.h>

#include <base/arena.h>
#include <rules/diag.h>
#include <shm/dial.h>
#include <stage/plan_config.h>

/* Where files come from. Results are negative errno on failure. */
struct config_source {
	/* The whole file; *ret_text lives in @a, NUL-ended beyond n. */
	int (*read_file)(
		void *ctx, struct arena *a, const char *path, const char **ret_text, size_t *ret_n);
	/* Names in a folder, unsorted, without . and ..; *ret_names and what it holds live in @a.
	 * -ENOTDIR: it is something else. */
	int (*list_dir)(void *ctx, struct arena *a, const char *path, const char *const **ret_names,
		size_t *ret_n);
	const char *(*env)(void *ctx, const char *name); /* NULL: unset */
	void *ctx;
};

struct config_request {
	const char *config;       /* -c, or NULL: the standard places, which may be missing */
	const char *const *rules; /* -r, or -V */
	size_t n_rules;
	const char *rules_flag;     /* which of them, for messages; NULL: -r */
	const char *extra_output;   /* -p: appended to every rule's output */
	const char *const *options; /* -o */
	size_t n_options;
	bool verbose; /* -v */
	bool is_verb; /* who asks a running saker needs the control socket alone: what else stands
			 in the files is not judged, no rules are looked for */
	const char *record_file; /* `saker record`: -w; NULL: a run */
	bool record_filter;      /* it has a condition, which stands in the one rules file */
	const char *share_dir, *etc_dir; /* "/usr/share/saker", "/etc/saker" */
	unsigned n_cpus;
};

struct config_result {
	struct plan_config plan;
	const char *output[PLAN_OUTPUTS_MAX]; /* JSON: that output's block */
	struct dial_rules dial;               /* where outputs may be connected to */
	const char *rules_options; /* JSON: for the rules run, with the rules files' names */
};

/* 0 and a result whose texts live in @a; -EINVAL with errors in @d; -ENOMEM. Texts of diagnostics
 * live in @a too: print before arena_done(). */
int config_run(const struct config_request *q, const struct config_source *src, struct arena *a,
	struct diag *d, struct config_result *ret_result);
