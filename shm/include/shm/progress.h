/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Progress pages (SEG_PROGRESS): how far a stage has come, for its neighbours (docs/protocol.md, lines 2-4). One writer; the segment outlives restarts. */

#include <stdint.h>

#include <shm/spsc.h>
#include <shm/stats.h>

#define PROGRESS_EVALUATORS_MAX 64

/* Figures in an event ring's restart slot (struct spsc_slot.cpu_pos), the tracker's: always those of what was published. All of them only grow. */
enum event_slot {
	EVENT_SLOT_SEQ,       /* all events up to this number are settled for this ring */
	EVENT_SLOT_FORWARDED, /* events written */
	EVENT_SLOT_SHED,
	EVENT_SLOT_TOO_BIG,
	EVENT_SLOT_CUT_OFF,
	EVENT_SLOT_HELD,  /* of all these: events that had been held back */
	EVENT_SLOT_ORD,   /* no order from here on was published in this ring */
	EVENT_SLOT_LAST,  /* order of the last record written */
	EVENT_SLOT_ENDED, /* 1: END was written, nothing may follow */
	EVENT_SLOT_PASSED, /* events of this ring that no rule can match after all: judged by the tracker */
	_EVENT_SLOT_MAX
};

/* Written by the tracker; emitters and the supervisor map it read-only. */
struct progress_tracker {
	uint64_t upto; /* release: every ord below has been sent */
	uint8_t pad0[56];
	uint64_t last[PROGRESS_EVALUATORS_MAX]; /* ord of the last record sent to ring i; 0: none */
	/* the ledger: events, moved together at the commit of the raw ring */
	uint64_t applied;     /* events taken from the raw ring and committed */
	uint64_t judged_here; /* of them: no rule was indexed, judged by the tracker alone */
	uint64_t passed
		[PROGRESS_EVALUATORS_MAX]; /* of them: evaluator i's, but no rule can match them: judged by the tracker, too */
	uint64_t forwarded[PROGRESS_EVALUATORS_MAX]; /* of them: sent to evaluator i */
	uint64_t last_seq;                           /* event number of the last applied */
	uint64_t ended;                              /* 1: the END record has been passed on */
	uint64_t
		epoch; /* counts trackers and cut-offs: a SNAP_BEGIN with a number of its own says that what was told before is void; 0: never started */
	uint64_t first_ts_ns; /* time of the first event of the run; 0: none yet */
	/* Events that are held back were applied when they came. */
	uint64_t held_now; /* and are not settled yet */
	uint64_t held,
		held_here; /* held back, ever; of them: judged or lost by the tracker itself */
	uint8_t pad1[56];
	/* What a successor counts on from: the mark whose tail is that of the raw ring. Written before the tail moves. */
	struct progress_tracker_mark {
		uint64_t tail, applied, judged_here, malformed, last_seq, held, held_here;
	} marks[2];
	uint8_t pad2[16];
};
_Static_assert(sizeof(struct progress_tracker) % 64 == 0, "layout");

/* Written by evaluator i; emitters, tracker and supervisor map it read-only. */
struct progress_evaluator {
	uint64_t at; /* release: every ord below is judged and its alerts are published */
	uint8_t pad0[56];
	uint64_t judged; /* events judged and committed */
	uint64_t at_seq; /* event number at `at`, for poison */
	uint64_t ended;  /* 1: END was reached and everything is published */
	uint64_t
		hand; /* ord of the record that is being judged just now, 0: none. If the process dies, this one did it */
	uint8_t pad1[32];
	/* What a successor counts on from: the mark whose tail is that of the event ring. Written before the tail moves. */
	struct progress_evaluator_mark {
		uint64_t tail, judged, malformed, poison;
	} marks[2];
};
_Static_assert(sizeof(struct progress_evaluator) % 64 == 0, "layout");

/* The counts at the place where the ring is committed: those of the mark that fits @tail; if none does (the first start, a ring that was replaced after a
 * fault of its reader), what the pages say. */
struct progress_tracker_mark progress_tracker_find(
	const struct progress_tracker *p, const struct stats_page *stats, uint64_t tail);
struct progress_evaluator_mark progress_evaluator_find(
	const struct progress_evaluator *p, const struct stats_page *stats, uint64_t tail);
