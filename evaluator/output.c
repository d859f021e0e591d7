/* SPDX-License-Identifier: Apache-2.0 */
/* Putting records into alert rings, and what happens when one is full: wait while it moves, at most
 * the watchdog's deadline without movement, then drop for that output only; at once, if its emitter
 * says that its sink takes nothing and there are others to be served. The rings' cursors come from
 * emitters and are checked by the ring's own code. */
#include "output.h"

#include <errno.h>
#include <string.h>

#include <base/log.h>

int outputs_open(struct outputs *o, struct stage *s)
{
	int r;

	o->given = 0;
	for (unsigned i = 0; i < OUTPUTS_MAX; i++) {
		int data = stage_fd_get(s, FD_RING_OUT_DATA, i),
		    cursor = stage_fd_get(s, FD_RING_OUT_CURSOR, i);

		o->out[i].is_given = false;
		if (data < 0 || cursor < 0)
			continue;
		r = spsc_producer_attach(
			&o->out[i].ring, data, cursor, stage_fd_get(s, FD_WAKE_PEER, i));
		if (r == -EBADMSG)
			stage_peer_fault(s, FD_RING_OUT_DATA, i, "alert ring");
		if (r < 0)
			return log_err_errno(r, "attach the alert ring of output %u", i);
		o->out[i].is_given = true;
		o->given |= 1ULL << i;
	}
	for (unsigned i = 0; i < OUTPUTS_MAX; i++)
		o->out[i].is_alone = (o->given & (o->given - 1)) == 0;
	return 0;
}

void outputs_close(struct outputs *o)
{
	for (unsigned i = 0; i < OUTPUTS_MAX; i++)
		if (o->out[i].is_given)
			spsc_producer_done(&o->out[i].ring);
	o->given = 0;
}

/* Full: go on waiting, or give up? */
static int wait_or_drop(struct output *o, bool no_limit, uint64_t now_ns)
{
	uint64_t used = spsc_producer_used(&o->ring);

	if (!no_limit && !o->is_alone && spsc_producer_is_stalled(&o->ring)) {
		o->is_waiting = false;
		return -ENOSPC;
	}
	if (!o->is_waiting || used < o->waiting_used) {
		if (o->is_stuck && used >= o->waiting_used && !no_limit)
			return -ENOSPC;
		o->is_waiting = true;
		o->is_stuck = false;
		o->waiting_ns = now_ns;
		o->waiting_used = used;
		return -EAGAIN;
	}
	if (no_limit || now_ns - o->waiting_ns < OUTPUT_DEADLINE_NS)
		return -EAGAIN;
	o->is_waiting = false;
	o->is_stuck = true;
	return -ENOSPC;
}

int output_put(struct output *o, const struct rec_head *rec, bool no_limit, uint64_t now_ns)
{
	struct spsc_rec *to;
	int r;

	r = spsc_reserve(&o->ring, rec->ring.len, rec->ring.type, &to);
	if (r == -EAGAIN) {
		if (o->is_dirty) {
			spsc_publish(&o->ring); /* else its consumer would wait for us */
			o->is_dirty = false;
		}
		return wait_or_drop(o, no_limit, now_ns);
	}
	if (r < 0)
		return r;
	to->flags = rec->ring.flags;
	memcpy(to + 1, (const char *)rec + sizeof(*to), rec->ring.len - sizeof(*to));
	spsc_commit(&o->ring, rec->ring.len);
	o->is_dirty = true;
	o->is_waiting = false;
	o->is_stuck = false;
	return 0;
}

void outputs_publish(struct outputs *o)
{
	for (uint64_t left = o->given; left; left &= left - 1) {
		struct output *one = &o->out[__builtin_ctzll(left)];

		if (one->is_dirty) {
			spsc_publish(&one->ring);
			one->is_dirty = false;
		}
	}
}
