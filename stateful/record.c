/* SPDX-License-Identifier: Apache-2.0 */
/* Writing to the recorder's ring. The records passed the core's door. A slow recorder holds up only a
 * source that waits; live, what finds no room is counted and told in its place. */

#include "record.h"

#include <errno.h>
#include <string.h>

#include <base/macros.h>
#include <shm/stats.h>

bool st_record_may_take(struct st_record *r)
{
	struct spsc_rec *room;
	int k;

	if (!r->is_on || r->can_lose)
		return true;
	k = spsc_reserve(&r->ring, SPSC_RECORD_MAX, REC_KEV, &room);
	if (k == 0)
		spsc_abandon(&r->ring);
	else if (k != -EAGAIN)
		r->is_fault = true;
	return k == 0;
}

static int put(struct st_record *r, const struct rec_head *rec, size_t len)
{
	struct spsc_rec *room;
	int k = spsc_reserve(&r->ring, len, rec->ring.type, &room);

	if (k < 0) {
		r->is_fault |= k != -EAGAIN;
		return k;
	}
	memcpy(room, rec, len);
	spsc_commit(&r->ring, len);
	return 0;
}

/* *n of them. */
static void tell_loss(struct st_record *r, const struct rec_head *rec, uint64_t ord,
	enum loss_id reason, uint64_t *n)
{
	struct rec_loss loss = {.h = {.ring = {.len = sizeof(loss), .type = REC_LOSS},
					.seq = rec->seq,
					.ord = ord,
					.ts_ns = rec->ts_ns},
		.reason = reason,
		.n = *n};

	if (*n && put(r, &loss.h, sizeof(loss)) == 0)
		*n = 0;
}

/* Live, the last part of the ring is for state and for what tells of a loss. */
static bool has_headroom(struct st_record *r, size_t len)
{
	return !r->can_lose || spsc_producer_free(&r->ring) >= len + r->ring.size / 16;
}

void st_record_put(struct st_record *r, const struct rec_head *rec, uint64_t ord)
{
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];
	struct rec_head *copy = (struct rec_head *)buf;

	if (!r->is_on)
		return;
	if (rec->ring.type == REC_KEV && !has_headroom(r, rec->ring.len)) {
		r->n_lost++;
		return;
	}
	tell_loss(r, rec, ord, LOSS_OUT_RECORD_FULL, &r->n_lost);
	tell_loss(r, rec, ord, LOSS_OUT_RECORD_STATE, &r->n_states_lost);
	if (r->n_lost && rec->ring.type == REC_KEV) {
		r->n_lost++;
		return;
	}
	memcpy(buf, rec, rec->ring.len);
	copy->ord = ord;
	if (put(r, copy, rec->ring.len) < 0)
		(*(rec->ring.type == REC_KEV ? &r->n_lost : &r->n_states_lost))++;
}
