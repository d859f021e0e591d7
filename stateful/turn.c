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
#include <base/clock.h>
#include <base/macros.h>
#include <shm/gate.h>

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
	m->held = s->done.held;
	m->held_here = s->done.held_here;
	atomic_store_release(&m->tail, pos);
	s->cursor_pos = pos;
}

void st_stage_done(struct st_stage *s)
{
	st_core_done(&s->core);
	st_out_done(&s->out);
	spsc_consumer_done(&s->in);
	st_holds_done(&s->holds);
	if (s->record.is_on)
		spsc_producer_done(&s->record.ring);
	if (s->has_lookups)
		spsc_producer_done(&s->lookups);
}

static uint64_t sum(const uint64_t *v, unsigned n)
{
	uint64_t r = 0;

	while (n--)
		r += v[n];
	return r;
}

/* Events that were held back and are neither judged nor lost. */
static uint64_t held_now(const struct st_stage *s)
{
	return s->done.held - s->done.held_here - sum(s->out.held, s->out.n_rings) - s->held_lost;
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
	stats_set(&st->loss[LOSS_TRACKER_HELD], s->held_lost);
	stats_set(&st->held_containers, b->held_containers + s->holds.n_containers);
	stats_set(&st->held_events, s->done.held);
	stats_set(&st->loss[LOSS_TRACKER_CUT_OFF], sum(s->out.cut_off, s->out.n_rings));
}

static void ledger(struct st_stage *s)
{
	struct progress_tracker *p = s->progress;

	for (unsigned i = 0; i < s->out.n_rings; i++) {
		atomic_store_relaxed(&p->forwarded[i], s->out.forwarded[i]);
		atomic_store_relaxed(&p->passed[i], s->out.passed[i]);
	}
	atomic_store_relaxed(&p->held, s->done.held);
	atomic_store_relaxed(&p->held_here, s->done.held_here);
	atomic_store_relaxed(&p->held_now, held_now(s));
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

int st_stage_init(struct st_stage *s, const struct st_config *cfg, uint64_t wait_ns)
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
	s->core.containers.asks = s->has_lookups;
	r = st_holds_init(&s->holds, s->has_lookups ? wait_ns : 0);
	if (r < 0)
		return r;
	s->base = progress_tracker_find(s->progress, s->stats, s->in.pos);
	s->cursor_pos = s->in.pos;
	s->stats_base = *s->stats;
	s->core.counters.last_seq = s->base.last_seq;
	s->core.counters.held = s->base.held;
	s->core.counters.held_here = s->base.held_here;
	s->held_lost = s->base.held - s->base.held_here - sum(s->out.held, s->out.n_rings);
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

/* A record goes into the tables and out. A refusal was counted. */
static void apply(struct st_stage *s, struct rec_head *rec)
{
	if (st_core_apply(&s->core, rec) == 0)
		st_record_put(&s->record, rec, s->out.next_ord);
	if (s->core.told_slot != PREC_NO_SLOT)
		st_holds_told(&s->holds, s->core.told_slot);
}

/* How long a container was held back. */
static void tell_wait(struct st_stage *s)
{
	uint64_t now_ns = clock_epoch_ns(), since_ns = s->holds.ended_since_ns;

	if (since_ns && now_ns > since_ns)
		stats_add(&s->stats->latency[stats_latency_bucket(now_ns - since_ns)], 1);
	s->holds.ended_since_ns = 0;
}

/* The next of the records whose time has come. */
static void let_go(struct st_stage *s)
{
	struct rec_head *rec = st_holds_take(&s->holds);

	if (!rec) {
		tell_wait(s);
		return;
	}
	s->core.is_release = s->out.is_release = rec->ring.type == REC_KEV;
	apply(s, rec);
	s->core.is_release = s->out.is_release = false;
}

/* Held back: copied, so that the raw ring goes on. */
static void hold_back(struct st_stage *s, const struct rec_head *rec)
{
	if (rec->ring.type != REC_KEV)
		return;
	s->core.counters.events++;
	s->core.counters.held++;
}

enum taken {
	TAKEN_NONE, /* or waiting for room: blocked */
	TAKEN,
	TAKEN_HELD, /* and the raw ring is to be committed behind it before anything else is written */
};

/* Take one record: a held one whose time has come, or the raw ring's next. -EBADMSG. */
static int take(struct st_stage *s)
{
	const struct spsc_rec *rec;
	enum st_hold_verdict verdict;
	int r;

	if (!st_record_may_take(&s->record))
		return TAKEN_NONE;
	if (st_holds_is_over(&s->holds)) {
		let_go(s);
		return st_out_is_blocked(&s->out) ? TAKEN_NONE : TAKEN;
	}
	r = spsc_peek(&s->in, &rec);
	if (r <= 0)
		return r;
	verdict = st_holds_look(&s->holds, &s->core, (const struct rec_head *)rec);
	if (verdict == ST_HOLD_OVER)
		return TAKEN;
	(void)spsc_next(&s->in, &rec); /* the one that was looked at: our private copy */
	if (verdict == ST_HOLD_KEPT) {
		hold_back(s, (const struct rec_head *)rec);
		return TAKEN_HELD;
	}
	apply(s, (struct rec_head *)rec);
	return st_out_is_blocked(&s->out) ? TAKEN_NONE : TAKEN;
}

/* False: no room now. */
static bool send_lookup(struct st_stage *s, struct span id, uint32_t pid)
{
	struct spsc_rec *rec = NULL;
	struct lookup *to;
	int r = spsc_reserve(&s->lookups, sizeof(*to) + id.n, REC_LOOKUP, &rec);

	s->lookup_fault |= r < 0 && r != -EAGAIN;
	if (r < 0)
		return false;
	to = container_of(rec, struct lookup, h.ring);
	to->h.seq = s->core.counters.last_seq;
	to->h.ord = 0;
	to->h.ts_ns = clock_epoch_ns();
	to->n = (uint32_t)id.n;
	to->pid = pid;
	memcpy(to + 1, id.p, id.n);
	spsc_commit(&s->lookups, sizeof(*to) + id.n);
	return true;
}

/* Which facts are wanted, and whose users: what finds no room is asked for later. */
static void send_lookups(struct st_stage *s)
{
	struct st_containers *all = &s->core.containers;
	uint32_t pid = 0;
	struct span id;

	if (!s->has_lookups)
		return;
	while ((id = st_container_wanted(all)).n && send_lookup(s, id, 0))
		st_container_asked(all);
	while ((id = st_container_running(all, &pid)).n && send_lookup(s, id, pid))
		st_container_running_told(all);
	spsc_publish(&s->lookups);
}

uint64_t st_stage_until(const struct st_stage *s)
{
	return st_holds_until(&s->holds);
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
	/* live, nothing may come for long; where a record's time decided it the result is the same */
	if (s->holds.n_used)
		st_holds_time(&s->holds, clock_epoch_ns());
	while (!s->done.ended && n < ST_BATCH && (r = take(s)) > 0) {
		pos = s->in.pos;
		n_taken = s->in.n_taken;
		s->done = s->core.counters;
		n++;
		if (r == TAKEN_HELD)
			break;
	}
	send_lookups(s);
	if (n == 0 && !st_out_is_blocked(&s->out))
		return r;
	s->ended = s->done.ended;
	commit(s, pos, n_taken);
	if (s->out.fault_ring >= 0 || s->record.is_fault || s->lookup_fault)
		return -EPROTO;
	if (r < 0)
		return r;
	return s->ended ? -ENODATA : n;
}
