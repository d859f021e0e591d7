/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The event rings: order, shedding, waiting for room, progress. The sink of the core. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shm/progress.h>
#include <shm/spsc.h>

#include "core.h"
#include "shadow.h"

struct st_out {
	struct spsc_producer rings[PROGRESS_EVALUATORS_MAX];
	unsigned n_rings;
	struct progress_tracker *progress; /* mapped, its one writer are we */
	uint64_t next_ord;
	uint64_t last[PROGRESS_EVALUATORS_MAX];
	/* Events of each ring. These figures, `last` and the next order also stand in the ring's
	 * restart slot, so they are always those of what was published, whenever we die. */
	uint64_t forwarded[PROGRESS_EVALUATORS_MAX]; /* written */
	uint64_t shed[PROGRESS_EVALUATORS_MAX], too_big[PROGRESS_EVALUATORS_MAX];
	uint64_t cut_off[PROGRESS_EVALUATORS_MAX];
	uint64_t held[PROGRESS_EVALUATORS_MAX];   /* of all these: events that had been held back */
	bool is_release;                          /* what comes now had been */
	uint64_t passed[PROGRESS_EVALUATORS_MAX]; /* of no rule after all: judged here */
	uint64_t sent_seq[PROGRESS_EVALUATORS_MAX]; /* number of the last event written */
	uint64_t settled[PROGRESS_EVALUATORS_MAX];  /* a predecessor has seen to all up to this */
	uint64_t done_seq; /* all events up to this number are in the rings, lost or not for them */
	uint64_t n_written; /* records, since the start */
	struct st_shadow shadow;
	uint64_t shadowed_ord; /* of the last record that the shadow has */
	uint64_t abandoned;    /* bit i: the state at ring i's commit was let go of */
	/* Protocol line 9. */
	bool can_cut; /* live: a ring without room for state is cut off instead of waited for */
	uint64_t cut; /* bit i: nothing is written to ring i */
	uint64_t
		ended; /* bit i: END was written to ring i, by us or a predecessor: nothing may follow */
	/* What found no room, in order. Nothing overtakes it. */
	uint8_t *box;
	size_t box_size, box_from, box_to;
	unsigned box_ring; /* the first record of the box is in the rings below this one already */
	int fault_ring;    /* -1; a ring whose consumer broke the protocol */
};

/* Goes on where the rings' restart slots and the progress page say. The rings must be attached, all
 * n. @threads_max bounds what one record can set free. 0 or negative errno. */
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
/* Says to all evaluators that what they were told is void: a new epoch begins here. */
void st_out_new_epoch(struct st_out *o);
/* END for the rings that have none yet: a predecessor ended, and since then a ring was replaced. */
void st_out_end(struct st_out *o);
static inline bool st_out_has_ended(const struct st_out *o)
{
	return o->ended == (UINT64_MAX >> (64 - o->n_rings));
}
/* What no evaluator needs any more is let go of: once a batch. */
void st_out_trim(struct st_out *o);
/* Rings that were cut off and whose evaluators have taken all that was left get a new beginning;
 * returns them as bits: their evaluators know no thread. */
uint64_t st_out_rejoin(struct st_out *o);
/* Has every evaluator committed all that was sent? */
bool st_out_is_drained(const struct st_out *o);
/* The state at ring i's commit, for a successor of its evaluator. */
void st_out_snapshot(const struct st_out *o, unsigned ring, struct snap_writer *w);
