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
	uint8_t pad1[32];
};

/* Written by evaluator i; emitters, tracker and supervisor map it read-only. */
struct progress_evaluator {
	uint64_t at; /* release: every ord below is judged and its alerts are published */
	uint8_t pad0[56];
	uint64_t judged; /* events judged and committed */
	uint64_t at_seq; /* event number at `at`, for poison */
	uint64_t ended;  /* 1: END was reached and everything is published */
	uint8_t pad1[40];
};
