/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol line 4 and line 7. An evaluator's silence is not an answer: an empty ring lets an alert
 * of another pass only below what its evaluator has certainly judged. Pages and rings are written
 * by other processes; records are copied and checked before use, numbers are only compared, so a
 * lying evaluator can disturb the order of alerts and nothing else. */

#include <errno.h>
#include <string.h>

#include <base/atomics.h>
#include <base/macros.h>

#include "merge.h"

void merge_look(struct merge *m)
{
	uint64_t upto, last[PROGRESS_EVALUATORS_MAX];

	/* acquire: pairs with the tracker's release of upto; what is below it has been sent, so
	 * last[] read after it covers it */
	upto = atomic_load_acquire(&m->tracker->upto);
	/* acquire: no at[] may be read before its last[] */
	for (unsigned i = 0; i < m->n; i++)
		last[i] = atomic_load_acquire(&m->tracker->last[i]);
	for (unsigned i = 0; i < m->n; i++) {
		struct merge_ring *r = &m->rings[i];
		/* acquire: pairs with the evaluator's release of at; what it published below is
		 * visible in its ring from here */
		uint64_t at = atomic_load_acquire(&r->progress->at);
		/* nothing was ever sent to it: there is nothing that it could still judge */
		uint64_t bound = at > last[i] || last[i] == 0 ? upto : at;

		if (bound != r->bound)
			r->is_bounding = false;
		r->bound = bound;
	}
}

static void drop_malformed(struct merge *m)
{
	stats_add(&m->stats->malformed, 1);
	stats_add(&m->stats->alerts, 1);
	stats_add(&m->stats->loss[LOSS_OUT_MALFORMED], 1);
}

static bool is_repeat(const struct merge_ring *r, const struct alert *a)
{
	return r->has_last &&
	       (a->h.ord < r->last_ord || (a->h.ord == r->last_ord && a->rule <= r->last_rule));
}

/* Consume the record that was peeked at. */
static void skip(struct merge_ring *r)
{
	const struct spsc_rec *rec;

	(void)spsc_next(&r->in, &rec); /* gives the same record: it cannot fail */
	r->head = NULL;
	r->is_taken = false;
}

/* END may have been taken by a predecessor that died before it could end itself. */
static bool has_ended(struct merge_ring *r)
{
	/* acquire: pairs with the evaluator's release of ended: END stands in the ring, or did */
	return atomic_load_acquire(&r->progress->ended) && !spsc_consumer_has_data(&r->in);
}

/* Look for the head of ring r. 0 (head may be NULL) or -EBADMSG. */
static int find_head(struct merge *m, struct merge_ring *r)
{
	if (r->is_taken)
		skip(r);
	while (!r->head && !r->is_ended) {
		const struct spsc_rec *rec;
		const struct rec_head *h;
		int n = spsc_peek(&r->in, &rec);

		if (n == 0 && has_ended(r))
			r->is_ended = true;
		if (n <= 0)
			return n;
		stats_add(&m->stats->records_in, 1);
		h = (const struct rec_head *)rec;
		if (rec->type == REC_END && rec->len == sizeof(*h)) {
			r->is_ended = true;
			skip(r);
		} else if (rec->type != REC_ALERT || alert_validate(h) < 0) {
			drop_malformed(m);
			skip(r);
		} else if (is_repeat(r, (const struct alert *)h)) {
			stats_add(&m->stats->repeats, 1);
			skip(r);
		} else {
			r->head = (const struct alert *)h;
		}
	}
	return 0;
}

static bool is_before(const struct alert *a, const struct alert *b)
{
	return a->h.ord < b->h.ord || (a->h.ord == b->h.ord && a->rule < b->rule);
}

/* May an alert of this order pass by the empty ring? Without shedding an evaluator that stands
 * still is waited for; live, for a while only: it is hung or dead, and the supervisor replaces it.
 * What it raises later comes late, but it comes. */
static bool passes(const struct merge *m, struct merge_ring *r, uint64_t ord, uint64_t now_ns)
{
	if (r->head || r->is_ended || ord < r->bound)
		return true;
	if (!r->is_bounding) {
		r->is_bounding = true;
		r->bound_since_ns = now_ns;
	}
	return m->patience_ns && now_ns - r->bound_since_ns >= m->patience_ns;
}

int merge_next(struct merge *m, uint64_t now_ns, const struct alert **ret_alert)
{
	struct merge_ring *best = NULL;
	bool all_ended = true;

	m->is_held = false;
	for (unsigned i = 0; i < m->n; i++) {
		struct merge_ring *r = &m->rings[i];

		if (find_head(m, r) < 0) {
			m->fault_ring = i;
			return -EBADMSG;
		}
		all_ended &= r->is_ended;
		if (r->head && (!best || is_before(r->head, best->head)))
			best = r;
	}
	if (!best)
		return all_ended ? -ENODATA : 0;
	for (unsigned i = 0; i < m->n; i++)
		if (!passes(m, &m->rings[i], best->head->h.ord, now_ns))
			m->is_held = true;
	if (m->is_held)
		return 0;
	best->is_taken = best->has_last = true;
	best->last_ord = best->head->h.ord;
	best->last_rule = best->head->rule;
	m->last_ring = (unsigned)(best - m->rings);
	*ret_alert = best->head;
	return 1;
}

void merge_mark(const struct merge *m, struct merge_mark *ret_mark)
{
	const struct merge_ring *r = &m->rings[m->last_ring];

	*ret_mark = (struct merge_mark){
		.pos = r->in.pos + ALIGN_UP((uint64_t)r->head->h.ring.len, 8),
		.n_taken = r->in.n_taken + 1,
		.ring = m->last_ring,
	};
}

void merge_commit(struct merge *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (m->rings[i].is_taken)
			skip(&m->rings[i]);
		spsc_consumer_commit(&m->rings[i].in);
		m->rings[i].passed_pos = 0;
	}
}

void merge_pass(struct merge *m, const struct merge_mark *mark)
{
	m->rings[mark->ring].passed_pos = mark->pos;
	m->rings[mark->ring].passed_taken = mark->n_taken;
}

void merge_commit_passed(struct merge *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct merge_ring *r = &m->rings[i];

		if (!r->passed_pos)
			continue;
		if (r->is_taken)
			skip(r);
		spsc_consumer_commit_to(&r->in, r->passed_pos, r->passed_taken);
		r->passed_pos = 0;
	}
}

void merge_disarm(struct merge *m)
{
	for (unsigned i = 0; i < m->n; i++)
		spsc_consumer_disarm(&m->rings[i].in);
}

void merge_set_stalled(struct merge *m, bool is_stalled)
{
	for (unsigned i = 0; i < m->n; i++)
		spsc_consumer_set_stalled(&m->rings[i].in, is_stalled);
}

bool merge_arm(struct merge *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		struct merge_ring *r = &m->rings[i];

		/* a ring whose head waits for others has data by definition: only empty ones can
		 * bring news */
		if (r->is_ended || (r->head && !r->is_taken))
			continue;
		if (!spsc_consumer_arm(&r->in)) {
			merge_disarm(m);
			return false;
		}
	}
	return true;
}
