/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The event rings: order, shedding, waiting for room, progress. The sink of the core. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shm/progress.h>
#include <shm/spsc.h>

#include "core.h"

struct st_out {
	struct spsc_producer rings[PROGRESS_EVALUATORS_MAX];
	unsigned n_rings;
	struct progress_tracker *progress; /* mapped, its one writer are we */
	uint64_t next_ord;
	uint64_t last[PROGRESS_EVALUATORS_MAX];
	uint64_t forwarded[PROGRESS_EVALUATORS_MAX]; /* events written */
	uint64_t n_shed;                             /* events, since the start */
	uint64_t n_written;                          /* records, since the start */
	/* What found no room, in order. Nothing overtakes it. */
	uint8_t *box;
	size_t box_size, box_from, box_to;
	unsigned box_ring; /* the first record of the box is in the rings below this one already */
	int fault_ring;    /* -1; a ring whose consumer broke the protocol */
};

/* Goes on where the progress page says. The rings must be attached, all n. @threads_max bounds what
 * one record can set free. 0 or negative errno. */
int st_out_init(struct st_out *o, struct progress_tracker *progress, unsigned n_rings,
	uint32_t threads_max);
void st_out_done(struct st_out *o);
struct st_sink st_out_sink(struct st_out *o);
static inline bool st_out_is_blocked(const struct st_out *o)
{
	return o->box_to > 0;
}
/* Write what waits. True if nothing waits any more. */
bool st_out_flush(struct st_out *o);
/* Make everything written visible, then say so in the progress page. */
void st_out_publish(struct st_out *o);
