/* SPDX-License-Identifier: Apache-2.0 */
/* A batch: take, apply, write, publish, tell, commit, in this order.
 *
 * The raw ring is committed only up to a record whose results are all in the rings; a record that
 * waits for room is taken but not committed. The ledger moves with the commit, so that a dying
 * tracker neither loses an event nor counts it twice. The raw ring's producer is not trusted: its
 * records are copied before they are looked at and checked at the core's door. */

#include "turn.h"

#include <errno.h>
#include <string.h>

#include <base/atomics.h>
#include <base/macros.h>

int st_stage_init(struct st_stage *s, const struct st_config *cfg)
{
	struct st_config with_sink = *cfg;
	int r;

	r = st_out_init(&s->out, s->progress, cfg->n_rings,
		MAX(cfg->threads_max, (uint32_t)ST_THREADS_MIN));
	if (r < 0)
		return r;
	with_sink.sink = st_out_sink(&s->out);
	r = st_core_init(&s->core, &with_sink);
	if (r < 0)
		return r;
	s->base = *s->progress;
	s->stats_base = *s->stats;
	s->core.counters.last_seq = s->base.last_seq;
	s->done = s->core.counters;
	return 0;
}

void st_stage_done(struct st_stage *s)
{
	st_core_done(&s->core);
	st_out_done(&s->out);
	spsc_consumer_done(&s->in);
}

static void tell(struct st_stage *s)
{
	const struct st_core *core = &s->core;
	const struct stats_page *b = &s->stats_base;
	struct stats_page *st = s->stats;

	stats_set(&st->events, b->events + s->done.events);
	stats_set(&st->malformed, b->malformed + s->done.malformed);
	stats_set(&st->doubtful, b->doubtful + s->done.doubtful);
	stats_set(&st->records_out, b->records_out + s->out.n_written);
	stats_set(&st->evicted_threads, b->evicted_threads + core->threads.n_evicted);
	/* A text that found no room is an entry without its name. */
	stats_set(&st->evicted_fds, b->evicted_fds + core->fds.n_evicted + core->texts.n_refused);
	stats_set(&st->threads, core->threads.n_live);
	stats_set(&st->fds, core->fds.n_live);
	stats_set(&st->loss[LOSS_TRACKER_MALFORMED],
		b->loss[LOSS_TRACKER_MALFORMED] + s->done.lost_malformed);
	stats_set(&st->loss[LOSS_TRACKER_TOO_BIG],
		b->loss[LOSS_TRACKER_TOO_BIG] + s->done.lost_too_big);
	stats_set(&st->loss[LOSS_TRACKER_EVENT_FULL],
		b->loss[LOSS_TRACKER_EVENT_FULL] + s->out.n_shed);
}

static void ledger(struct st_stage *s)
{
	struct progress_tracker *p = s->progress;

	for (unsigned i = 0; i < s->out.n_rings; i++)
		atomic_store_relaxed(&p->forwarded[i], s->out.forwarded[i]);
	atomic_store_relaxed(&p->judged_here, s->base.judged_here + s->done.judged_here);
	atomic_store_relaxed(&p->last_seq, s->done.last_seq);
	atomic_store_relaxed(&p->applied, s->base.applied + s->done.events);
	if (s->ended)
		atomic_store_relaxed(&p->ended, (uint64_t)1);
}

/* Up to @pos everything is in the rings. */
static void commit(struct st_stage *s, uint64_t pos, uint64_t n_taken)
{
	st_out_publish(&s->out);
	ledger(s);
	tell(s);
	stats_set(&s->stats->records_in, s->stats_base.records_in + n_taken);
	spsc_consumer_commit_to(&s->in, pos, n_taken);
}

/* Take one record. 1 done, 0 none, or taken but waiting for room (blocked), -EBADMSG. */
static int take(struct st_stage *s)
{
	const struct spsc_rec *rec;
	int r = spsc_next(&s->in, &rec);

	if (r <= 0)
		return r;
	(void)st_core_apply(
		&s->core, (struct rec_head *)rec); /* our private copy; a refusal was counted */
	if (st_out_is_blocked(&s->out))
		return 0;
	return 1;
}

int st_stage_turn(struct st_stage *s)
{
	uint64_t pos = s->in.pos, n_taken = s->in.n_taken;
	int r = 0, n = 0;

	if (s->ended)
		return -ENODATA;
	if (st_out_is_blocked(&s->out)) {
		if (!st_out_flush(&s->out)) {
			st_out_publish(&s->out);
			return s->out.fault_ring >= 0 ? -EPROTO : 0;
		}
		s->done = s->core.counters;
		n++;
	}
	while (!s->done.ended && n < ST_BATCH && (r = take(s)) > 0) {
		pos = s->in.pos;
		n_taken = s->in.n_taken;
		s->done = s->core.counters;
		n++;
	}
	if (n == 0 && !st_out_is_blocked(&s->out))
		return r;
	s->ended = s->done.ended;
	commit(s, pos, n_taken);
	if (s->out.fault_ring >= 0)
		return -EPROTO;
	if (r < 0)
		return r;
	return s->ended ? -ENODATA : n;
}
