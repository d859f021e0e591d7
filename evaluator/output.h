/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The alert rings: one per output, the evaluator at the producer end. */

#include <stdbool.h>
#include <stdint.h>

#include <shm/rec.h>
#include <shm/spsc.h>
#include <stage/stage.h>

#define OUTPUTS_MAX 64
#define OUTPUT_DEADLINE_NS                                                                         \
	(2 * 1000000000ULL) /* the watchdog's: a ring that stands still so long is given up */

struct output {
	struct spsc_producer ring;
	bool is_given;
	bool is_dirty;   /* written, not yet published */
	bool is_waiting; /* full since waiting_ns, its consumer then at waiting_used */
	bool is_alone;   /* there is no other output that a wait for this one could hold up */
	bool is_stuck;   /* stood still for the deadline: dropped at once until it moves */
	uint64_t waiting_ns, waiting_used;
};

struct outputs {
	struct output out[OUTPUTS_MAX];
	uint64_t given; /* bit set */
};

/* Takes the rings that the stage was given. 0 or negative errno, logged. */
int outputs_open(struct outputs *o, struct stage *s);
void outputs_close(struct outputs *o);
/* Put the record into the ring. 0; -EAGAIN wait (the ring is full but may move); -ENOSPC given up;
 * -EBADMSG its consumer broke the protocol; -EMSGSIZE.
 * @no_limit: never give up. */
int output_put(struct output *o, const struct rec_head *rec, bool no_limit, uint64_t now_ns);
/* Make everything put visible. */
void outputs_publish(struct outputs *o);
