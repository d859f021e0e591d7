/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which opens the kernel need not report, by their paths. */

#include <abi/kshared.h>

#include "rule_check.h"

/* May an enabled rule of these, under an event other than an open by path, tell a descriptor that
 * some open made from one that nobody knows? Then every open has to be captured. @needs: IMG_NEED_*
 * of all rules. */
bool paths_matter(const struct checked_rule *rules, uint32_t n, uint64_t needs);
/* The table for open and openat: what is not in it satisfies no rule. 0, -ENOMEM; *ret_useful:
 * false if nothing can be left out. */
int paths_derive(struct cx *cx, const struct checked_rule *rules, uint32_t n,
	struct kshm_paths *ret_paths, bool *ret_useful);
