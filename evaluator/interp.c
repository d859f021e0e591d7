/* SPDX-License-Identifier: Apache-2.0 */
/* Walking a rule's condition: nodes of one predicate each, edges forward only (img_verify() saw to
 * that), so that every walk ends. */
#include "eval.h"

bool evl_rule_matches(struct evl *e, const struct img_rule *rule)
{
	uint32_t at = rule->entry;

	while (at != IMG_ACCEPT && at != IMG_REJECT) {
		const struct img_node *n = &e->img.nodes[at];
		uint32_t known = e->memo[n->pred];
		bool v = known >> 1 == e->memo_gen ? known & 1 : evl_pred(e, n->pred);

		at = v ? n->if_true : n->if_false;
	}
	return at == IMG_ACCEPT;
}
