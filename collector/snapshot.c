/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the iterators at start: threads, then descriptors, as state records into the raw ring. The hooks are attached before, so what changes meanwhile follows
 * as events with later times. Input: records that our BPF programs made of kernel memory, with texts that processes chose; they pass the same door as events.
 * The descriptors are one-shot: what was read and could not be placed would be gone, so room is asked for first. */

#include "snapshot.h"

#include <errno.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>

#define REREAD_BATCH 64 /* of a batch, beside events */

void col_snapshot_init(struct col_snapshot *s, const int fds[COL_ITERS], uint64_t boot_to_epoch_ns)
{
	s->at = 0;
	s->boot_to_epoch_ns = boot_to_epoch_ns;
	for (unsigned i = 0; i < COL_ITERS; i++)
		s->iters[i] = (struct drv_iter){.buf = s->buf, .cap = sizeof(s->buf), .fd = fds[i]};
}

int col_snapshot_clock(struct col_snapshot *s, struct col_out *o)
{
	uint64_t buf[32];
	struct kev_builder b;
	struct rec_head *rec = NULL;
	const char *why;

	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_SAKER_CLOCK, 0);
	kev_build_head(&b)->ts_ns = clock_boot_ns();
	kev_build_int(&b, (int64_t)s->boot_to_epoch_ns);
	kev_build_int(&b, (int64_t)s->boot_to_epoch_ns);
	int len = kev_build_finish(&b);
	assert(len > 0);
	int r = col_out_reserve(o, sizeof(*rec) + (size_t)len, REC_STATE, &rec);
	if (r < 0)
		return r;
	return col_out_state(o, rec, buf, (size_t)len, clock_epoch_ns(), KEV_KIND_META, &why);
}

static void give_up(struct col_snapshot *s, int r)
{
	log_warning_errno(r, "read %s of the running processes, going on without the rest",
		s->at == 0 ? "the list" : "descriptors");
	s->at++;
}

/* 1 taken, 0 no room, -ENODATA, -EBADMSG. */
static int take_one(struct col_snapshot *s, struct col_out *o)
{
	while (s->at < COL_ITERS) {
		struct rec_head *rec = NULL;
		const void *p;
		size_t len;
		const char *why;

		if (s->iters[s->at].fd < 0) {
			s->at++;
			continue;
		}
		int r = col_out_reserve(o, COL_ROOM, REC_STATE, &rec);
		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		r = drv_iter_next(&s->iters[s->at], &p, &len);
		if (r != 1) {
			col_out_abandon(o);
			if (r < 0)
				give_up(s, r);
			else
				s->at++;
			continue;
		}
		uint64_t read_ns =
			len >= sizeof(struct kev_head) ? ((const struct kev_head *)p)->ts_ns : 0;
		if (col_out_state(o, rec, p, len, read_ns + s->boot_to_epoch_ns, KEV_KIND_ITER,
			    &why) < 0 &&
			stats_get(&o->stats->malformed) <= 5)
			log_warning("malformed record from an iterator (%s), passing over it", why);
		return 1;
	}
	return -ENODATA;
}

int col_snapshot_fill(struct col_snapshot *s, struct col_out *o, unsigned max)
{
	unsigned n = 0;

	while (o->n_batch + 1 < COL_BATCH_MAX && n < max) {
		int r = take_one(s, o);

		if (r < 0)
			return n ? (int)n : r; /* it comes again */
		if (r == 0)
			break;
		n++;
	}
	return (int)n;
}

static void close_iters(struct col_reread *r)
{
	for (unsigned i = 0; i < COL_ITERS; i++)
		r->fds[i] = fd_close(r->fds[i]);
}

void col_reread_begin(struct col_reread *r, const int fds[COL_ITERS])
{
	if (r->step != COL_REREAD_NONE)
		close_iters(r);
	for (unsigned i = 0; i < COL_ITERS; i++)
		r->fds[i] = fds[i];
	col_snapshot_init(&r->snapshot, r->fds, clock_epoch_ns() - clock_boot_ns());
	r->step = COL_REREAD_BEGIN;
}

static int go_on(struct col_reread *r, int k, enum col_reread_step next)
{
	if (k == -EAGAIN)
		return 0;
	if (k < 0)
		return k;
	r->step = next;
	return 1;
}

int col_reread_fill(struct col_reread *r, struct col_out *o)
{
	int k;

	switch (r->step) {
	case COL_REREAD_BEGIN:
		return go_on(r, col_out_snap(o, REC_SNAP_BEGIN, clock_epoch_ns()), COL_REREAD_FILL);
	case COL_REREAD_FILL:
		k = col_snapshot_fill(&r->snapshot, o, REREAD_BATCH);
		if (k != -ENODATA)
			return k;
		close_iters(r);
		r->step = COL_REREAD_END;
		return 1;
	case COL_REREAD_END:
		return go_on(r, col_out_snap(o, REC_SNAP_END, clock_epoch_ns()), COL_REREAD_NONE);
	default:
		return 0;
	}
}
