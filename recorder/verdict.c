/* SPDX-License-Identifier: Apache-2.0 */
/* Protocol line 4, as in the emitters' merge: an evaluator's silence is an answer only below what it
 * has certainly judged. Pages and rings are written by other processes: numbers are only compared,
 * records are copied and checked; a lying evaluator can have too much or too little recorded. */

#include "verdict.h"

#include <errno.h>

#include <base/atomics.h>
#include <base/macros.h>
#include <shm/alert.h>

/* The alert at the ring's head, if there is one. 0 or -EBADMSG. */
static int find_head(struct verdict *v, struct verdict_ring *r)
{
	while (!r->has_head && !r->is_ended) {
		const struct spsc_rec *rec;
		const struct alert *a;
		int k = spsc_peek(&r->in, &rec);

		if (k <= 0)
			return k;
		stats_add(&v->stats->records_in, 1);
		a = (const struct alert *)rec;
		if (rec->type == REC_END) {
			r->is_ended = true;
		} else if (rec->type == REC_ALERT && alert_validate(&a->h) == 0) {
			r->has_head = true;
			r->seq = a->h.seq;
			r->rule = a->rule;
			return 0;
		} else {
			stats_add(&v->stats->malformed, 1);
			stats_add(&v->stats->loss[LOSS_OUT_MALFORMED], 1);
		}
		(void)spsc_next(&r->in, &rec); /* the same record */
	}
	return 0;
}

static uint64_t bound_of(
	const struct verdict *v, const struct verdict_ring *r, uint64_t last, uint64_t upto)
{
	/* acquire: pairs with the evaluator's release of at; what it published below is in its ring */
	uint64_t at = atomic_load_acquire(&r->progress->at);

	(void)v;
	/* acquire: END stands in the ring, or did */
	if (atomic_load_acquire(&r->progress->ended))
		return UINT64_MAX;
	return at > last || last == 0 ? upto : at;
}

int verdict_look(struct verdict *v)
{
	uint64_t bound = UINT64_MAX, last[PROGRESS_EVALUATORS_MAX];
	/* acquire: last[] read after upto covers it */
	uint64_t upto = atomic_load_acquire(&v->tracker->upto);

	for (unsigned i = 0; i < v->n; i++)
		last[i] = atomic_load_acquire(&v->tracker->last[i]);
	for (unsigned i = 0; i < v->n; i++)
		bound = MIN(bound, bound_of(v, &v->rings[i], last[i], upto));
	/* the rings after the pages: an alert of what is judged is there by then */
	for (unsigned i = 0; i < v->n; i++) {
		int r = find_head(v, &v->rings[i]);

		if (r < 0) {
			v->fault_ring = i;
			return r;
		}
	}
	v->bound = bound;
	return 0;
}

static void pass(struct verdict *v, struct verdict_ring *r)
{
	const struct spsc_rec *rec;

	(void)spsc_next(&r->in, &rec); /* the one that was peeked at */
	r->has_head = false;
	(void)find_head(v, r); /* a fault shows at the next look */
}

bool verdict_take(struct verdict *v, const struct img *img, uint64_t seq, bool all,
	uint32_t default_ms, uint32_t *ret_ms)
{
	bool is_wanted = false;

	*ret_ms = 0;
	for (unsigned i = 0; i < v->n; i++) {
		struct verdict_ring *r = &v->rings[i];

		for (; r->has_head && r->seq <= seq; pass(v, r)) {
			uint32_t ms;

			if (r->seq < seq || r->rule >= img->n[IMG_SEC_RULE] ||
				!img_rule_capture(&img->rules[r->rule], all, default_ms, &ms))
				continue;
			is_wanted = true;
			*ret_ms = MAX(*ret_ms, ms);
		}
	}
	return is_wanted;
}

void verdict_commit(struct verdict *v)
{
	for (unsigned i = 0; i < v->n; i++)
		spsc_consumer_commit(&v->rings[i].in);
}
