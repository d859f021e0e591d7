/* SPDX-License-Identifier: Apache-2.0 */
/* A ring at fault (docs/protocol.md, "Ring fault"): both its ends are ended, the ring is replaced
 * by a fresh one, and what stood in it becomes a named loss.
 *
 * Whoever reports may lie, and so may its neighbour: a report is believed only for a ring that the
 * reporter has an end of, and the most that a liar gains is that its neighbour starts again. No
 * record of the old ring is looked at; what is lost is the difference of counts that are kept
 * beside positions, so that the ledger adds up whoever died where. */
#include <errno.h>
#include <stdlib.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "sup.h"

#define POLL_NS (2 * NS_PER_MS)
#define SEQ_AHEAD_MAX (1U << 20) /* more than any raw ring holds */

/* The ring that child @n means by this role. NULL: it has no such end. */
static struct plan_ring *ring_of(struct sup *s, size_t n, const struct ctl_msg *m)
{
	for (size_t i = 0; i < s->plan.n_rings; i++) {
		struct plan_ring *r = &s->plan.rings[i];

		if ((m->role == FD_RING_IN_DATA || m->role == FD_RING_IN_CURSOR) && r->to == n &&
			r->in_index == m->index)
			return r;
		if ((m->role == FD_RING_OUT_DATA || m->role == FD_RING_OUT_CURSOR) &&
			r->from == n && r->out_index == m->index)
			return r;
	}
	return NULL;
}

void sup_ringfault_report(struct sup *s, struct sup_child *c, const struct ctl_msg *m)
{
	struct plan_ring *r = ring_of(s, (size_t)(c - s->children), m);

	if (!r) {
		log_err("%s reports a fault of a ring that it does not have, ending it",
			c->proc->name);
		sup_child_kill(c);
		return;
	}
	log_err("%s: the ring '%s' is at fault (%.200s): %s and %s are replaced, with a fresh ring",
		c->proc->name, r->name, m->text, s->children[r->from].proc->name,
		s->children[r->to].proc->name);
	s->faults[r - s->plan.rings].is_open = true;
	sup_child_kill(&s->children[r->from]);
	sup_child_kill(&s->children[r->to]);
}

static uint64_t ahead(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static const struct spsc_fds *event_ring(const struct sup *s, unsigned evaluator)
{
	for (size_t i = 0; i < s->plan.n_rings; i++)
		if (s->children[s->plan.rings[i].to].proc->type == PLAN_EVALUATOR &&
			s->plan.rings[i].out_index == evaluator)
			return &s->rings[i];
	return NULL;
}

/* Events that the tracker has seen to, by the restart slots of its rings. */
static uint64_t settled(const struct sup *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->config->n_evaluators; i++) {
		const struct spsc_fds *f = event_ring(s, i);
		struct spsc_left left;

		if (!f || spsc_left_read(f->data_ro, f->cursor_ro, &left) < 0 || !left.has_slot)
			continue;
		n += left.slot.cpu_pos[EVENT_SLOT_FORWARDED] + left.slot.cpu_pos[EVENT_SLOT_SHED] +
		     left.slot.cpu_pos[EVENT_SLOT_TOO_BIG] + left.slot.cpu_pos[EVENT_SLOT_CUT_OFF] +
		     left.slot.cpu_pos[EVENT_SLOT_PASSED];
	}
	return n;
}

/* Of those: events that the tracker had held back, and counted as applied when they came. */
static uint64_t settled_held(const struct sup *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->config->n_evaluators; i++) {
		const struct spsc_fds *f = event_ring(s, i);
		struct spsc_left left;

		if (f && spsc_left_read(f->data_ro, f->cursor_ro, &left) == 0 && left.has_slot)
			n += left.slot.cpu_pos[EVENT_SLOT_HELD];
	}
	return n;
}

/* Numbers go on behind everything that anybody has heard of. */
static void fit_raw_slot(const struct sup *s, const struct sup_child *tracker,
	const struct sup_child *collector, struct spsc_left *left)
{
	uint64_t told = stats_get(&collector->stats->raw_events);
	uint64_t taken = stats_get(&((const struct progress_tracker *)tracker->progress)->last_seq);
	uint64_t least = MAX(told, taken) + 1;

	if (left->has_slot && left->slot.next_seq >= taken + 1 &&
		left->slot.next_seq <= least + SEQ_AHEAD_MAX)
		return;
	if (!left->has_slot && least == 1)
		return; /* there was no event yet: it begins anew, with the state of the host */
	left->has_slot = true;
	left->slot = (struct spsc_slot){.next_seq = least, .n_cpus = s->plan.n_cpus};
}

/* Events that were numbered, and are neither applied nor seen to in part by the tracker. */
static void count_raw(struct sup *s, struct sup_fault *f, const struct sup_child *tracker,
	const struct spsc_left *left)
{
	struct progress_tracker_mark m =
		progress_tracker_find(tracker->progress, tracker->stats, left->pos);
	uint64_t numbered = left->has_slot ? left->slot.next_seq - 1 : 0;
	uint64_t gone = ahead(numbered, m.applied + f->gone);

	f->gone += gone;
	f->lost += ahead(gone,
		ahead(ahead(settled(s), settled_held(s)),
			ahead(m.applied + m.held_here, m.judged_here + m.malformed + m.held)));
}

static void count_event(
	struct sup_fault *f, const struct sup_child *evaluator, const struct spsc_left *left)
{
	struct progress_evaluator_mark m =
		progress_evaluator_find(evaluator->progress, evaluator->stats, left->pos);
	uint64_t sent = left->has_slot ? left->slot.cpu_pos[EVENT_SLOT_FORWARDED] : 0;
	uint64_t gone = ahead(sent, m.judged + m.malformed + m.poison + f->gone);

	f->gone += gone;
	f->lost += gone;
}

/* Alerts; END is none of them. */
static void count_alert(
	struct sup_fault *f, const struct sup_child *evaluator, const struct spsc_left *left)
{
	const struct progress_evaluator *p = evaluator->progress;

	f->lost += ahead(left->n_records, stats_get(&p->ended) ? 1 : 0);
}

static void take_stock(struct sup *s, size_t n, struct spsc_left *left)
{
	const struct plan_ring *r = &s->plan.rings[n];
	const struct sup_child *from = &s->children[r->from], *to = &s->children[r->to];
	struct sup_fault *f = &s->faults[n];

	switch (to->proc->type) {
	case PLAN_TRACKER:
		fit_raw_slot(s, to, from, left);
		count_raw(s, f, to, left);
		return;
	case PLAN_EVALUATOR:
		count_event(f, to, left);
		/* what stood there may have been the END */
		if (!stats_get(&((const struct progress_evaluator *)to->progress)->ended))
			left->slot.cpu_pos[EVENT_SLOT_ENDED] = 0;
		return;
	case PLAN_EMITTER:
		count_alert(f, from, left);
		return;
	default:
		return; /* nothing that is counted */
	}
}

/* Both ends are dead. */
static int replace(struct sup *s, size_t n)
{
	const struct plan_ring *r = &s->plan.rings[n];
	struct spsc_fds fresh;
	struct spsc_left left;
	int k;

	k = spsc_left_read(s->rings[n].data_ro, s->rings[n].cursor_ro, &left);
	if (k < 0)
		return k;
	take_stock(s, n, &left);
	k = spsc_renew(r->name, r->size, r->row->flags & PLAN_SLOTS, s->run_id, &left, &fresh);
	if (k < 0)
		return k;
	spsc_fds_close(&s->rings[n]);
	s->rings[n] = fresh;
	log_notice("the ring '%s' is a fresh one", r->name);
	return 0;
}

bool sup_ringfault_may_start(struct sup *s, struct sup_child *c, uint64_t now_ns)
{
	const unsigned self = (unsigned)(c - s->children);

	for (size_t i = 0; i < s->plan.n_rings; i++) {
		const struct plan_ring *r = &s->plan.rings[i];
		struct sup_child *other;
		int k;

		if (!s->faults[i].is_open || (r->from != self && r->to != self))
			continue;
		other = &s->children[r->from == self ? r->to : r->from];
		if (other->pid > 0) {
			c->deadline_ns = now_ns + POLL_NS;
			return false;
		}
		s->faults[i].is_open = false;
		k = replace(s, i);
		if (k < 0)
			log_err_errno(
				k, "replace the ring '%s', going on with the old one", r->name);
		/* it had done its work, but its last words were in that ring */
		if (other->proc->type == PLAN_COLLECTOR && other->state == LC_STOPPED)
			sup_child_start(s, other);
	}
	return true;
}

uint64_t sup_ringfault_lost(const struct sup *s, const struct sup_child *emitter)
{
	uint64_t n = 0;

	for (size_t i = 0; s->faults && i < s->plan.n_rings; i++)
		if (&s->children[s->plan.rings[i].to] == emitter)
			n += s->faults[i].lost;
	return n;
}
