/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The merge: one sequence of alerts, by order, from the rings of all evaluators, as if one
 * evaluator had judged everything. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shm/alert.h>
#include <shm/progress.h>
#include <shm/spsc.h>
#include <shm/stats.h>

struct merge_ring {
	struct spsc_consumer in;
	const struct progress_evaluator *progress; /* mapped read-only; borrowed */
	const struct alert *head; /* checked, in the consumer's private copy; NULL: none seen */
	bool is_taken;            /* head was handed out: move past it before the next look */
	bool is_ended;            /* REC_END was read */
	uint64_t bound;           /* by protocol line 4, valid while head is NULL */
	uint64_t bound_since_ns; /* how long the bound has stood still while it held the merge up */
	bool is_bounding;
	uint64_t last_ord; /* last taken: repeats are at or below it */
	uint32_t last_rule;
	bool has_last;
	uint64_t passed_pos, passed_taken; /* of merge_pass(); 0: nothing since the last commit */
};

/* Where in its ring an alert ends. */
struct merge_mark {
	uint64_t pos, n_taken;
	unsigned ring;
};

struct merge {
	const struct progress_tracker *tracker; /* mapped read-only; borrowed */
	struct merge_ring rings[PROGRESS_EVALUATORS_MAX];
	unsigned n;
	uint64_t patience_ns; /* longest time that one silent evaluator holds the others' alerts up;
				 0: for ever (replay, synthetic) */
	struct stats_page *stats; /* repeats, malformed and their loss are counted here; borrowed */
	bool is_held;             /* there is an alert that may not go yet */
	unsigned fault_ring;      /* of merge_next() == -EBADMSG */
	unsigned last_ring;       /* of the alert that was handed out last */
};

/* Read the progress pages: once a batch, before merge_next(). */
void merge_look(struct merge *m);
/* The next alert in order. 1 and the alert (borrowed until the next call); 0 none may go now;
 * -ENODATA every ring has ended and is empty; -EBADMSG ring fault_ring is broken. @now_ns:
 * CLOCK_MONOTONIC. */
int merge_next(struct merge *m, uint64_t now_ns, const struct alert **ret_alert);
/* The place behind the alert that was handed out last. */
void merge_mark(const struct merge *m, struct merge_mark *ret_mark);
/* Everything that was handed out is safely downstream. */
void merge_commit(struct merge *m);
/* Or only a part of it: pass the marks, in the order of the alerts, then commit what was passed. */
void merge_pass(struct merge *m, const struct merge_mark *mark);
void merge_commit_passed(struct merge *m);
/* Before waiting; false: there is something new to look at, nothing is armed. */
bool merge_arm(struct merge *m);
void merge_disarm(struct merge *m);
/* Tell the evaluators whether room is worth waiting for. */
void merge_set_stalled(struct merge *m, bool is_stalled);
