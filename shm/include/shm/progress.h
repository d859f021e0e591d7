/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Progress pages (SEG_PROGRESS): how far a stage has come, for its neighbours (docs/protocol.md, lines 2-4). One writer; the segment outlives restarts. */

#include <stdint.h>

#define PROGRESS_EVALUATORS_MAX 64

/* Written by the tracker; emitters and the supervisor map it read-only. */
struct progress_tracker {
	uint64_t upto; /* release: every ord below has been sent */
	uint8_t pad0[56];
	uint64_t last[PROGRESS_EVALUATORS_MAX]; /* ord of the last record sent to ring i; 0: none */
	/* the ledger: events, moved together at the commit of the raw ring */
	uint64_t applied;     /* events taken from the raw ring and committed */
	uint64_t judged_here; /* of them: no rule was indexed, judged by the tracker alone */
	uint64_t forwarded[PROGRESS_EVALUATORS_MAX]; /* of them: sent to evaluator i */
	uint64_t last_seq;                           /* event number of the last applied */
	uint64_t ended;                              /* 1: the END record has been passed on */
	uint64_t
		epoch; /* counts trackers and cut-offs: a SNAP_BEGIN with a number of its own says that what was told before is void; 0: never started */
	uint8_t pad1[24];
	/* What a successor counts on from: the mark whose tail is that of the raw ring. Written before the tail moves. */
	struct progress_tracker_mark {
		uint64_t tail, applied, judged_here, malformed, last_seq;
	} marks[2];
	uint8_t pad2[48];
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
