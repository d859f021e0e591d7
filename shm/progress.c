/* SPDX-License-Identifier: Apache-2.0 */
/* What a stage's counts were at a position of its input (docs/protocol.md, "Counts"). For the
 * stage's successor, and for the supervisor when it replaces the ring. */

#include <base/macros.h>
#include <shm/progress.h>

struct progress_tracker_mark progress_tracker_find(
	const struct progress_tracker *p, const struct stats_page *stats, uint64_t tail)
{
	for (unsigned i = 0; i < ARRAY_LEN(p->marks); i++)
		if (p->marks[i].tail == tail)
			return p->marks[i];
	return (struct progress_tracker_mark){.tail = tail,
		.applied = stats_get(&p->applied),
		.judged_here = stats_get(&p->judged_here),
		.malformed = stats_get(&stats->loss[LOSS_TRACKER_MALFORMED]),
		.last_seq = stats_get(&p->last_seq),
		.held = stats_get(&p->held),
		.held_here = stats_get(&p->held_here)};
}

struct progress_evaluator_mark progress_evaluator_find(
	const struct progress_evaluator *p, const struct stats_page *stats, uint64_t tail)
{
	for (unsigned i = 0; i < ARRAY_LEN(p->marks); i++)
		if (p->marks[i].tail == tail)
			return p->marks[i];
	return (struct progress_evaluator_mark){.tail = tail,
		.judged = stats_get(&p->judged),
		.malformed = stats_get(&stats->loss[LOSS_EVALUATOR_MALFORMED]),
		.poison = stats_get(&stats->loss[LOSS_EVALUATOR_POISON])};
}
