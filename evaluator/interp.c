/* SPDX-License-Identifier: Apache-2.0 */
/* Walking a rule's condition: nodes of one predicate each, edges forward only (img_verify() saw to
 * that), so that every walk ends. */
#include "eval.h"

/* What is remembered of the predicate, for this event or for its process; -1: nothing. */
static inline int remembered(const struct evl *e, uint32_t pred)
{
	uint32_t memo = e->memo[pred], slot_pred;

	if (memo >> 1 == e->memo_gen)
		return (int)(memo & 1);
	slot_pred = e->slot_pred[pred];
	return slot_pred != IMG_NONE && e->row ? replica_memo_bit(e->row, slot_pred) : -1;
}

bool evl_rule_matches(struct evl *e, const struct img_rule *rule)
{
	uint32_t at = rule->entry;

	while (at != IMG_ACCEPT && at != IMG_REJECT) {
		const struct img_node *n = &e->img.nodes[at];
		int v = remembered(e, n->pred);

		if (v < 0)
			v = evl_pred(e, n->pred);
		at = v ? n->if_true : n->if_false;
	}
	return at == IMG_ACCEPT;
}
