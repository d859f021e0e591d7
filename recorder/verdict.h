/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the evaluators think of the events that the recorder holds: which are judged, and which of
 * them some rule wants in a capture file. */

#include <stdbool.h>
#include <stdint.h>

#include <rules/image.h>
#include <shm/progress.h>
#include <shm/spsc.h>
#include <shm/stats.h>

struct verdict {
	const struct progress_tracker *tracker; /* mapped read-only; borrowed */
	struct verdict_ring {
		struct spsc_consumer in;
		const struct progress_evaluator *progress; /* likewise */
		bool has_head, is_ended;
		uint64_t seq; /* of the alert at the head */
		uint32_t rule;
	} rings[PROGRESS_EVALUATORS_MAX];
	unsigned n;
	uint64_t bound;           /* every event whose order is below is judged */
	struct stats_page *stats; /* malformed alerts are counted here; borrowed */
	unsigned fault_ring;
};

/* Once a batch. 0; -EBADMSG: ring fault_ring is broken. */
int verdict_look(struct verdict *v);
/* Does an alert of event @seq want a capture? Events must be asked about in their order; alerts of
 * earlier ones are passed over. @all, @default_ms: as img_rule_capture(); *ret_ms: the longest that
 * any of its rules wants. */
bool verdict_take(struct verdict *v, const struct img *img, uint64_t seq, bool all,
	uint32_t default_ms, uint32_t *ret_ms);
/* What was taken is done with. */
void verdict_commit(struct verdict *v);
