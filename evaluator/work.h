/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The evaluator's work: records of the event ring one by one, each taken to its end before the
 * next. A record whose alert finds its ring full stays at hand and is gone on with at the next
 * turn. */

#include <shm/progress.h>
#include <shm/spsc.h>

#include "eval.h"
#include "output.h"
#include "raise.h"

enum work_busy { WORK_IDLE, WORK_EVENT, WORK_SKIP, WORK_END, WORK_NOTICE };

struct work {
	struct evl evl;
	struct raise raise;
	struct outputs outputs;
	struct spsc_consumer in;
	struct progress_evaluator *progress;
	struct stage *stage;
	uint32_t n_rules_counted; /* rules that the statistics page has a counter for */

	/* the record at hand */
	enum work_busy busy;
	const struct rec_head *rec; /* in the ring's private buffer */
	struct ev_view view;
	bool is_idle; /* an event that no rule is about */
	bool has_matched;
	uint32_t rule; /* whose alert is built; todo: outputs that still wait for it */
	uint64_t todo;

	/* handled and not yet committed */
	uint64_t done_pos, done_taken;
	struct progress_evaluator_mark done; /* totals, with what predecessors did */
	uint64_t committed_pos;
	bool must_commit; /* at once: a successor must not meet this record again */

	unsigned notice_mb; /* a capture file reached that limit: to be said between two records; 0:
			       nothing */
	uint64_t skip_ord;  /* the record that ended predecessors twice (protocol line 8); 0 none */
	bool is_incomplete; /* the state before this record is not known: until SNAP_BEGIN, or
			       whole_from, alerts are doubtful */
	uint64_t whole_from; /* an order; 0: none */
#ifdef SAKER_TEST_HOOKS
	uint64_t poison_seq; /* this event ends us; 0: none */
#endif
};

/* Attaches and allocates everything: before the seal. The error was logged. */
int work_open(struct work *w, struct stage *s);
/* After the seal: what a predecessor knew, if there was one. 0 or negative errno, logged. */
int work_load(struct work *w);
void work_close(struct work *w);
/* A record of a snapshot: through the same door as those of the ring. */
void work_take_state(struct work *w, const struct rec_head *rec);
/* One batch. As stage_ops.turn. */
int work_turn(struct work *w);
