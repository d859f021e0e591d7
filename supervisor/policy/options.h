/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The rules run's block of options, as the config run wrote it (config_options.c). */

#include <stddef.h>

#include <base/arena.h>
#include <rules/compile.h>

struct policy_options {
	struct rules_options rules;
	const char *const *files; /* names of the rules files, NULL-ended */
	size_t n_files;
	/* for the tools */
	bool json_output;
	const char *const *config_files; /* that were read, NULL-ended */
};

/* Read JSON text of n bytes; everything lives in @a. 0, -EBADMSG, -ENOMEM. */
int policy_options_parse(
	struct arena *a, const void *text, size_t n, struct policy_options *ret_options);
