/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The two runs of saker-policy, and what they share. */

#include <stddef.h>

#include <base/arena.h>
#include <rules/diag.h>
#include <stage/stage.h>

#include "config.h"

#define POLICY_FILE_MAX (16u << 20)

/* Exit status each. */
int policy_config(struct stage *s, int argc, char **argv);
int policy_rules(struct stage *s);

/* Files by the supervisor: s is the context. */
struct config_source policy_source(struct stage *s);
/* Ask the supervisor for a file or folder by name. A descriptor or negative errno. */
int policy_ask(struct stage *s, const char *path, bool is_folder);
/* Read an open file from its beginning, at most POLICY_FILE_MAX. 0 and text in @a, NUL-ended beyond
 * n; negative errno (-EFBIG). */
int policy_read_fd(struct arena *a, int fd, const char **ret_text, size_t *ret_n);
/* All diagnostics as lines for people, through the log descriptor. */
void policy_print(const struct diag *d);
/* Seal bytes into a segment and hand it to the supervisor. 0 or negative errno after one line was
 * logged. */
int policy_give(struct stage *s, enum ctl_role role, unsigned index, const char *name, int kind,
	const void *p, size_t n);
/* The last word. */
void policy_result(struct stage *s, int result, const uint64_t value[3], const char *text);

/* How many processors there are: asked before the seal. */
extern unsigned policy_n_cpus;
