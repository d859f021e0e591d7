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

/* Before the raw ring's tail moves to @pos, so that there always is a mark that fits it. */
static void mark_write(struct st_stage *s, uint64_t pos)
{
	struct progress_tracker_mark *m = s->progress->marks;

	if (pos == s->cursor_pos)
		return;
	if (m->tail == s->cursor_pos)
		m++;
	/* release: pairs with the reads in progress_tracker_find() after our death */
	atomic_store_release(&m->tail, UINT64_MAX);
	m->applied = s->base.applied + s->done.events;
	m->judged_here = s->base.judged_here + s->done.judged_here;
	m->malformed = s->base.malformed + s->done.lost_malformed;
	m->last_seq = s->done.last_seq;
	atomic_store_release(&m->tail, pos);
	s->cursor_pos = pos;
}

void st_stage_done(struct st_stage *s)
{
	st_core_done(&s->core);
	st_out_done(&s->out);
	spsc_consumer_done(&s->in);
	if (s->record.is_on)
		spsc_producer_done(&s->record.ring);
}

static uint64_t sum(const uint64_t *v, unsigned n)
{
	uint64_t r = 0;

	while (n--)
		r += v[n];
	return r;
}

static void tell(struct st_stage *s)
{
	const struct st_core *core = &s->core;
	const struct stats_page *b = &s->stats_base;
	struct stats_page *st = s->stats;

	stats_set(&st->events, s->base.applied + s->done.events);
	stats_set(&st->malformed, b->malformed + s->done.malformed);
	stats_set(&st->doubtful, b->doubtful + s->done.doubtful);
	stats_set(&st->records_out, b->records_out + s->out.n_written);
	stats_set(&st->evicted_threads, b->evicted_threads + core->threads.n_evicted);
	/* A text that found no room is an entry without its name. */
	stats_set(&st->evicted_fds, b->evicted_fds + core->fds.n_evicted + core->texts.n_refused);
	stats_set(&st->threads, core->threads.n_live);
	stats_set(&st->fds, core->fds.n_live);
	stats_set(&st->loss[LOSS_TRACKER_MALFORMED], s->base.malformed + s->done.lost_malformed);
	stats_set(&st->loss[LOSS_TRACKER_TOO_BIG], sum(s->out.too_big, s->out.n_rings));
	stats_set(&st->loss[LOSS_TRACKER_EVENT_FULL], sum(s->out.shed, s->out.n_rings));
	stats_set(&st->loss[LOSS_TRACKER_CUT_OFF], sum(s->out.cut_off, s->out.n_rings));
}

static void ledger(struct st_stage *s)
{
	struct progress_tracker *p = s->progress;

	for (unsigned i = 0; i < s->out.n_rings; i++)
		atomic_store_relaxed(&p->forwarded[i], s->out.forwarded[i]);
	atomic_store_relaxed(&p->judged_here, s->base.judged_here + s->done.judged_here);
	atomic_store_relaxed(&p->last_seq, s->done.last_seq);
	atomic_store_relaxed(&p->first_ts_ns, s->core.first_ts_ns);
	atomic_store_relaxed(&p->applied, s->base.applied + s->done.events);
	if (s->ended)
		atomic_store_relaxed(&p->ended, (uint64_t)1);
}

/* A predecessor had passed END on. If a ring was replaced since then, END is missing there. */
static void go_on_ended(struct st_stage *s)
{
	if (!st_out_has_ended(&s->out))
		st_out_end(&s->out);
	s->core.counters.ended = true;
	s->done = s->core.counters;
	s->ended = !st_out_is_blocked(&s->out);
	st_out_publish(&s->out);
}

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
	s->base = progress_tracker_find(s->progress, s->stats, s->in.pos);
	s->cursor_pos = s->in.pos;
	s->stats_base = *s->stats;
	s->core.counters.last_seq = s->base.last_seq;
	s->core.first_ts_ns = s->progress->first_ts_ns;
	s->done = s->core.counters;
	s->core.is_successor = s->progress->epoch > 0;
	if (s->progress->ended)
		go_on_ended(s);
	else if (s->core.is_successor)
		st_out_new_epoch(&s->out);
	else
		atomic_store_relaxed(&s->progress->epoch, (uint64_t)1);
	ledger(s);
	tell(s);
	return 0;
}

int st_stage_load(struct st_stage *s, const void *payload, size_t size)
{
	_Alignas(8) static uint8_t buf[SPSC_RECORD_MAX];
	struct rec_head *rec = (struct rec_head *)buf;
	struct snap_head head;
	struct snap_reader r;
	int k = snap_read_begin(&r, payload, size, &head);

	while (k >= 0 && (k = snap_read(&r, buf)) > 0) {
		const struct kev_head *kh = (const struct kev_head *)(rec + 1);

		if (rec->ring.type != REC_STATE || st_core_apply(&s->core, rec) < 0)
			continue; /* counted, if it is bad */
		s->core.snap_end_ns = MAX(s->core.snap_end_ns, kh->ts_ns);
	}
	return k;
}

int st_stage_snapshot(struct st_stage *s, unsigned ring, void *payload, size_t size)
{
	struct snap_writer w;
	int r = ring < s->out.n_rings ? snap_write_begin(&w, payload, size) : -EINVAL;

	if (r == 0)
		st_out_snapshot(&s->out, ring, &w);
	return r;
}

static void tell_again(void *arg, uint32_t slot)
{
	struct st_threads *p = arg;

	p->slots[slot].dirty = true;
	p->gen++;
}

/* Up to @pos everything is in the rings. */
static void commit(struct st_stage *s, uint64_t pos, uint64_t n_taken)
{
	s->out.done_seq = s->done.last_seq;
	st_out_publish(&s->out);
	if (s->record.is_on)
		spsc_publish(&s->record.ring);
	ledger(s);
	tell(s);
	stats_set(&s->stats->records_in, s->stats_base.records_in + n_taken);
	mark_write(s, pos);
	spsc_consumer_commit_to(&s->in, pos, n_taken);
	st_out_trim(&s->out);
	if (!st_out_is_blocked(&s->out))
		st_shadow_mend(&s->out.shadow, s->out.next_ord, tell_again, &s->core.threads);
}

/* Evaluators that were cut off and are back know no thread. */
static void rejoin(struct st_stage *s)
{
	uint64_t back = s->out.cut ? st_out_rejoin(&s->out) : 0;
	struct st_threads *p = &s->core.threads;

	if (!back)
		return;
	for (uint32_t i = 0; i < p->n_fresh; i++)
		p->slots[i].unsent |= back;
	p->gen++;
}

/* Take one record. 1 done, 0 none, or taken but waiting for room (blocked), -EBADMSG. */
static int take(struct st_stage *s)
{
	const struct spsc_rec *rec;
	int r = st_record_may_take(&s->record) ? spsc_next(&s->in, &rec) : 0;

	if (r <= 0)
		return r;
	/* our private copy; a refusal was counted */
	if (st_core_apply(&s->core, (struct rec_head *)rec) == 0)
		st_record_put(&s->record, (const struct rec_head *)rec, s->out.next_ord);
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
	rejoin(s);
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
	if (s->out.fault_ring >= 0 || s->record.is_fault)
		return -EPROTO;
	if (r < 0)
		return r;
	return s->ended ? -ENODATA : n;
}
