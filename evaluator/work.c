/* SPDX-License-Identifier: Apache-2.0 */
/* Taking records from the event ring. Each is checked once, here, before anything looks at it:
 * events by ev_validate(), threads by prec_validate(), containers by crec_validate(), users and
 * groups and names by kev_parse(); a bad one
 * is counted and passed over.
 *
 * Progress (docs/protocol.md, line 3): `at` = s before the record of order s is judged, s + 1 when
 * everything that came of it is published. It only grows: after a restart records between the
 * commit and `at` are judged again, and their alerts are dropped by the emitters as repeats. The
 * commit follows at the end of the batch and never includes a record that is still at hand. `hand`
 * names the record that is being judged; the one that ends two processes is skipped (line 8). */
#include "work.h"

#include <errno.h>
#include <unistd.h>

#include <base/atomics.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <driver/kev.h>

#define BATCH 256

static bool no_limit(const struct work *w)
{
	return w->rec && (w->rec->ring.flags & REC_F_NO_SHED) && !w->stage->stopping;
}

static void set_at(struct work *w, uint64_t at)
{
	if (at > w->progress->at)
		atomic_store_release(&w->progress->at,
			at); /* pairs with the acquire of at in the emitters' merge */
}

static void count_loss(struct work *w, unsigned output, enum loss_id id)
{
	struct stats_page *st = w->stage->stats;

	stats_add(&st->loss[id], 1);
	stats_add(
		id == LOSS_OUT_TOO_BIG ? &st->out[output].too_big : &st->out[output].ring_full, 1);
}
static_assert(OUTPUTS_MAX <= STATS_OUTPUTS, "a place for every output");

static void refuse(struct work *w, const struct rec_head *rec)
{
	stats_add(&w->stage->stats->malformed, 1);
	if (rec->ring.type == REC_EVENT)
		w->done.malformed++;
}

/* The alert at hand goes to the outputs that still wait for it. 0, or -EAGAIN. */
static int put_alert(struct work *w)
{
	uint64_t now = 0;

	while (w->todo) {
		unsigned i = (unsigned)__builtin_ctzll(w->todo);
		int r;

		if (now == 0)
			now = clock_mono_ns();
		r = output_put(&w->outputs.out[i], (const struct rec_head *)w->raise.rec,
			no_limit(w), now);
		if (r == -EAGAIN)
			return r;
		if (r == -EBADMSG)
			stage_peer_fault(
				w->stage, FD_RING_OUT_DATA, i, "impossible consumer position");
		if (r == 0)
			stats_add(&w->stage->stats->records_out, 1);
		else
			count_loss(w, i, r == -EMSGSIZE ? LOSS_OUT_TOO_BIG : LOSS_OUT_RING_FULL);
		w->todo &= w->todo - 1;
	}
	return 0;
}

static void raise_alert(struct work *w, uint32_t rule)
{
	w->has_matched = true;
	w->todo = w->evl.img.rules[rule].outputs & w->outputs.given;
	stats_add(&w->stage->stats->alerts, 1);
	if (rule < w->n_rules_counted)
		stats_add(&stats_rules(w->stage->stats)[rule], 1);
	if (!w->todo)
		return;
	if (raise_build(&w->raise, &w->evl, rule) < 0) {
		for (; w->todo; w->todo &= w->todo - 1)
			count_loss(w, (unsigned)__builtin_ctzll(w->todo), LOSS_OUT_TOO_BIG);
	}
}

/* Judge the event at hand from where it stands. 0 finished, -EAGAIN: an alert waits. */
static int judge(struct work *w)
{
	bool all = w->evl.img.head->flags & IMG_F_MATCH_ALL;

	for (;;) {
		uint32_t rule;
		int r = put_alert(w);

		if (r < 0)
			return r;
		if (w->has_matched && !all)
			return 0;
		if (evl_match_next(&w->evl, &rule)) {
			raise_alert(w, rule);
			continue;
		}
		if (w->has_matched || !w->evl.realpath.p || w->evl.second_name)
			return 0;
		/* nothing matched the name that the caller gave: the same rules under the one that
		 * the kernel walked */
		evl_event_second_name(&w->evl);
	}
}

/* If we die now, whose fault was it? */
static void set_hand(struct work *w, uint64_t ord)
{
	atomic_store_relaxed(&w->progress->hand, ord);
}

static void finish_record(struct work *w)
{
	set_hand(w, 0);
	outputs_publish(&w->outputs);
	set_at(w, w->rec->ord + 1);
	w->busy = WORK_IDLE;
	w->done_pos = spsc_consumer_pos(&w->in);
	w->done_taken = w->in.n_taken;
}

static int go_on_event(struct work *w)
{
	int r;

	set_hand(w, w->rec->ord);
#ifdef SAKER_TEST_HOOKS
	if (w->poison_seq == w->rec->seq)
		_exit(1);
#endif
	r = w->is_idle ? 0 : judge(w);
	if (r < 0) {
		set_hand(w, 0); /* it waits for room: that is nobody's fault */
		return r;
	}
	w->done.judged++;
	stats_add(&w->stage->stats->events, 1);
	finish_record(w);
	return 0;
}

static int take_event(struct work *w, const struct rec_head *rec)
{
	if (w->whole_from && rec->ord >= w->whole_from)
		w->is_incomplete = false;
	if (w->is_incomplete) /* in our private copy */
		((struct rec_head *)rec)->ring.flags |= REC_F_DOUBTFUL;
	if (ev_validate(rec, w->evl.replica.n_slots, &w->view) < 0) {
		refuse(w, rec);
		finish_record(w);
		return 0;
	}
	if (w->view.ev->flags & EV_DOUBTFUL)
		stats_add(&w->stage->stats->doubtful, 1);
	w->has_matched = false;
	w->todo = 0;
	w->busy = WORK_EVENT;
	w->is_idle = evl_event_is_idle(&w->evl, &w->view);
	if (!w->is_idle)
		evl_event_begin(&w->evl, &w->view);
	return go_on_event(w);
}

/* The record at hand ended two processes: it is passed over, with an alert instead. */
static int go_on_skip(struct work *w)
{
	int r = put_alert(w);

	if (r < 0)
		return r;
	if (w->rec->ring.type == REC_EVENT)
		w->done.poison++;
	w->skip_ord = 0;
	w->must_commit = true;
	finish_record(w);
	return 0;
}

static int skip(struct work *w, const struct rec_head *rec)
{
	log_err("the record of order %llu (event %llu) ended this stage twice: skipped",
		(unsigned long long)rec->ord, (unsigned long long)rec->seq);
	w->busy = WORK_SKIP;
	w->todo = w->outputs.given;
	stats_add(&w->stage->stats->alerts, 1);
	if (raise_skipped(&w->raise, w->evl.settings, rec) < 0)
		w->todo = 0; /* cannot be: its texts are short */
	return go_on_skip(w);
}

/* An alert of our own, between two records: behind everything that is judged. */
static int go_on_notice(struct work *w)
{
	int r = put_alert(w);

	if (r < 0)
		return r;
	outputs_publish(&w->outputs);
	w->busy = WORK_IDLE;
	return 0;
}

static int begin_notice(struct work *w)
{
	uint64_t at = w->progress->at;
	int r = raise_capture_full(
		&w->raise, w->evl.settings, at ? at - 1 : 0, w->progress->at_seq, w->notice_mb);

	w->notice_mb = 0;
	if (r < 0)
		return 0; /* cannot be: its texts are short */
	stats_add(&w->stage->stats->alerts, 1);
	w->busy = WORK_NOTICE;
	w->todo = w->outputs.given;
	return go_on_notice(w);
}

/* END goes into every alert ring. */
static int go_on_end(struct work *w)
{
	struct rec_head end = {.ring = {.len = sizeof(end), .type = REC_END},
		.seq = w->rec->seq,
		.ord = w->rec->ord,
		.ts_ns = w->rec->ts_ns};

	for (; w->todo; w->todo &= w->todo - 1) {
		unsigned i = (unsigned)__builtin_ctzll(w->todo);
		int r = output_put(&w->outputs.out[i], &end, no_limit(w), clock_mono_ns());

		if (r == -EAGAIN)
			return r;
		if (r == -EBADMSG)
			stage_peer_fault(
				w->stage, FD_RING_OUT_DATA, i, "impossible consumer position");
	}
	finish_record(w);
	return -ENODATA;
}

static void take_state(struct work *w, const struct rec_head *rec)
{
	const struct kev_head *head = (const struct kev_head *)(rec + 1);
	const char *why;
	struct kev k;

	if (rec->ring.len < sizeof(*rec) + sizeof(*head) ||
		kev_parse(head, rec->ring.len - sizeof(*rec), &k, &why) < 0)
		refuse(w, rec);
	else if (k.head->type == KEV_CODE_SAKER_NAME)
		replica_put_name(&w->evl.replica, &k);
	else
		(void)replica_put_id(
			&w->evl.replica, &k); /* other kinds of state say nothing to an evaluator */
}

static void take_other(struct work *w, const struct rec_head *rec)
{
	switch (rec->ring.type) {
	case REC_PROC:
		if (prec_validate(rec, w->evl.replica.n_slots) < 0)
			refuse(w, rec);
		else
			replica_put(&w->evl.replica, (const struct prec *)rec);
		return;
	case REC_STATE:
		take_state(w, rec);
		return;
	case REC_CONTAINER:
		if (crec_validate(rec) < 0)
			refuse(w, rec);
		else
			replica_put_container(&w->evl.replica, (const struct crec *)rec);
		return;
	case REC_FORGET:
	case REC_SNAP_BEGIN:
	case REC_SNAP_END:
	case REC_LOSS:
	case REC_MARK:
		break;
	default:
		refuse(w, rec);
		return;
	}
	if (rec_validate_fixed(rec) < 0)
		refuse(w, rec);
	else if (rec->ring.type == REC_FORGET)
		replica_forget(&w->evl.replica, ((const struct rec_forget *)rec)->slot);
	else if (rec->ring.type == REC_SNAP_BEGIN) {
		replica_epoch(&w->evl.replica, ((const struct rec_snap *)rec)->epoch);
		w->is_incomplete = false;
	}
}

void work_take_state(struct work *w, const struct rec_head *rec)
{
	if (rec->ring.type == REC_PROC || rec->ring.type == REC_STATE ||
		rec->ring.type == REC_CONTAINER || rec->ring.type == REC_FORGET)
		take_other(w, rec);
	else
		refuse(w, rec);
}

/* Before the tail moves, so that there always is a mark that fits it. */
static void write_mark(struct work *w)
{
	struct progress_evaluator_mark *m = w->progress->marks;

	if (m->tail == w->committed_pos)
		m++;
	/* release: pairs with the reads in find_mark() after our death */
	atomic_store_release(&m->tail, UINT64_MAX);
	m->judged = w->done.judged;
	m->malformed = w->done.malformed;
	m->poison = w->done.poison;
	atomic_store_release(&m->tail, w->done_pos);
}

static void commit(struct work *w)
{
	struct stats_page *st = w->stage->stats;

	w->must_commit = false;
	if (w->done_pos == w->committed_pos)
		return;
	write_mark(w);
	spsc_consumer_commit_to(&w->in, w->done_pos, w->done_taken);
	w->committed_pos = w->done_pos;
	atomic_store_relaxed(&w->progress->judged, w->done.judged);
	stats_set(&st->loss[LOSS_EVALUATOR_MALFORMED], w->done.malformed);
	stats_set(&st->loss[LOSS_EVALUATOR_POISON], w->done.poison);
	stats_set(&w->stage->stats->threads, w->evl.replica.n_threads);
	stats_set(&w->stage->stats->evicted_threads, w->evl.replica.n_cut);
}

/* 0 done, -EAGAIN it stays at hand, -ENODATA the end. */
static int take(struct work *w, const struct rec_head *rec)
{
	w->rec = rec;
	stats_add(&w->stage->stats->records_in, 1);
	if (rec->ring.len < sizeof(*rec)) { /* not even an order */
		refuse(w, rec);
		w->done_pos = spsc_consumer_pos(&w->in);
		w->done_taken = w->in.n_taken;
		return 0;
	}
	atomic_store_relaxed(&w->progress->at_seq, rec->seq);
	set_at(w, rec->ord);
	if (rec->ord == w->skip_ord && w->skip_ord && rec->ring.type != REC_END)
		return skip(w, rec);
	set_hand(w, rec->ord);
	if (rec->ring.type == REC_EVENT)
		return take_event(w, rec);
	if (rec->ring.type == REC_END) {
		/* emitters that have seen END take no repeats any more: there must not be any */
		commit(w);
		w->busy = WORK_END;
		w->todo = w->outputs.given;
		return go_on_end(w);
	}
	take_other(w, rec);
	finish_record(w);
	return 0;
}

static int go_on(struct work *w)
{
	switch (w->busy) {
	case WORK_EVENT:
		return go_on_event(w);
	case WORK_SKIP:
		return go_on_skip(w);
	case WORK_NOTICE:
		return go_on_notice(w);
	default:
		return go_on_end(w);
	}
}

int work_turn(struct work *w)
{
	unsigned n = 0;
	int r = 0;

	if (w->progress->ended && w->busy == WORK_IDLE && !spsc_consumer_has_data(&w->in))
		return -ENODATA; /* a predecessor had done everything but to end */
	if (w->busy != WORK_IDLE) {
		r = go_on(w);
		n = r == 0;
	}
	if (r == 0 && w->notice_mb)
		r = begin_notice(w);
	while (r == 0 && n < BATCH && !w->must_commit) {
		const struct spsc_rec *rec;

		r = spsc_next(&w->in, &rec);
		if (r < 0) {
			commit(w); /* nobody reads these again: the ring is replaced */
			stage_peer_fault(w->stage, FD_RING_IN_DATA, 0, "record that cannot be");
		}
		if (r == 0)
			break;
		r = take(w, (const struct rec_head *)rec);
		n += r != -EAGAIN;
	}
	/* release: pairs with the acquire of ended in the emitters: all alerts are visible */
	if (r == -ENODATA)
		atomic_store_release(&w->progress->ended, 1);
	if (n > 0 || r == -ENODATA)
		commit(w);
	return r == -ENODATA ? r : n > 0;
}
