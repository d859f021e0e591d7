/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From a typed condition to nodes of the image. */

#include "builder.h"
#include "evtypes.h"

struct code {
	uint32_t entry, first, n;
};

/* @events: what the rule is indexed under; tests of evt.type are settled by it. @gen: a number of
 * its own for every rule. 0 or -ENOMEM. */
int codegen_rule(struct builder *b, struct ast *n, const struct evset *events, uint32_t gen,
	struct code *ret);
