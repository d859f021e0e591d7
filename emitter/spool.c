/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's own bookkeeping: memory, segments, what is settled, the mark and what may go after it.
 * The mark is written to the older of its two slots, so that a torn write leaves the other one. */

#include <sys/syscall.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <stage/stage.h>

#include "spool.h"

#define RETRY_NS (200 * NS_PER_MS)

static int init_stream(struct spool *s, unsigned i)
{
	struct spool_stream *t = &s->streams[i];

	*t = (struct spool_stream){.spool = s, .group = i};
	t->w.file = t->r.file = -1;
	t->w.req.owner = t->r.req.owner = t;
	/* every segment is at least a sixteenth of one of full size, or it is removed soon */
	t->cap = (unsigned)MIN(
		s->config.max_size / s->segment_size * 16 + 64, (uint64_t)SPOOL_SEGMENTS_MAX);
	t->segs = calloc(t->cap, sizeof(*t->segs));
	t->w.buf[0] = malloc(SPOOL_BATCH);
	t->w.buf[1] = malloc(SPOOL_BATCH);
	t->r.buf = i == SPOOL_DEAD ? NULL : malloc(SPOOL_READ);
	return t->segs && t->w.buf[0] && t->w.buf[1] && (t->r.buf || i == SPOOL_DEAD) ? 0 : -ENOMEM;
}

int spool_init(
	struct spool *s, const struct spool_config *c, struct io *io, struct stats_page *stats)
{
	int r = 0;

	*s = (struct spool){
		.io = io, .config = *c, .stats = stats, .mark_file = -1, .next_serial = 1};
	s->segment_size = c->max_size / 32 & ~UINT64_C(65535);
	s->segment_size = MAX(s->segment_size, UINT64_C(512) << 10);
	s->segment_size = MIN(s->segment_size, UINT64_C(16) << 20);
	s->mark_req.owner = s;
	s->mark_buf = calloc(1, SPOOL_MARK_SIZE);
	s->marked = calloc(1, sizeof(*s->marked));
	for (unsigned i = 0; i < SPOOL_STREAMS; i++)
		r |= init_stream(s, i);
	return r < 0 || !s->mark_buf || !s->marked ? -ENOMEM : 0;
}

static const struct seal_call calls[] = {
	{__NR_getdents64, "what is in the spool folder at start"},
	{__NR_lseek, "the same"},
	{__NR_getrandom, "a new spool's number"},
};

int spool_allow(struct stage *stage, const struct io *io)
{
	const struct seal_spec own = {
		.calls = calls, .n_calls = ARRAY_LEN(calls), .files = 1, .folder = io->dir_fd};
	int r = stage_allow(stage, &io->ops->seal);

	return r < 0 ? r : stage_allow(stage, &own);
}

void spool_done(struct spool *s)
{
	for (unsigned i = 0; i < SPOOL_STREAMS; i++) {
		struct spool_stream *t = &s->streams[i];

		free(t->segs);
		free(t->w.buf[0]);
		free(t->w.buf[1]);
		free(t->r.buf);
	}
	free(s->mark_buf);
	free(s->marked);
}

void spool_note(struct spool *s, int r, const char *what)
{
	if (r < 0) {
		stats_set(&s->stats->last_error, (uint64_t)-r);
		stats_set(&s->stats->last_error_ns, clock_epoch_ns());
	}
	if (s->error == -r)
		return;
	s->error = -r;
	if (r < 0)
		log_warning_errno(r, "spool: %s, will try again", what);
	else
		log_notice("spool: works again");
}

struct spool_segment *spool_find(struct spool_stream *t, uint64_t serial)
{
	for (unsigned i = 0; i < t->n_segs; i++)
		if (t->segs[i].serial == serial)
			return &t->segs[i];
	return NULL;
}

void spool_remove(struct spool_stream *t, struct spool_segment *g)
{
	unsigned i = (unsigned)(g - t->segs);

	t->spool->bytes -= g->size;
	memmove(g, g + 1, (t->n_segs - i - 1) * sizeof(*g));
	t->n_segs--;
}

/* --- requests on the side --- */

static void aside_done(struct io_req *q)
{
	struct spool_aside *a = q->owner;
	struct spool_segment *g;

	if (q->op == IO_PUNCH) {
		g = spool_find(&a->spool->streams[a->stream], a->serial);
		if (g && q->result >= 0) {
			a->spool->bytes -= g->size - q->off;
			g->size = q->off;
		}
		a->is_used = false;
		spool_close_file(a->spool, q->file);
		return;
	}
	if (a->is_unlink) {
		g = spool_find(&a->spool->streams[a->stream], a->serial);
		if (g && (q->result >= 0 || q->result == -ENOENT))
			spool_remove(&a->spool->streams[a->stream], g);
		else if (g)
			g->is_going = false; /* the next mark tries again */
		if (q->result < 0)
			spool_note(a->spool, (int)q->result, "remove a segment");
	}
	a->is_used = false;
}

struct spool_aside *spool_aside(struct spool *s, enum io_op op)
{
	for (unsigned i = 0; i < SPOOL_ASIDES; i++) {
		struct spool_aside *a = &s->asides[i];

		if (a->is_used || s->io->n_busy >= IO_DEPTH - SPOOL_STREAMS * 2 - 2)
			continue;
		*a = (struct spool_aside){.spool = s, .is_used = true};
		a->req = (struct io_req){.op = op, .done = aside_done, .owner = a};
		return a;
	}
	return NULL;
}

void spool_close_file(struct spool *s, int file)
{
	struct spool_aside *a = file < 0 ? NULL : spool_aside(s, IO_CLOSE);

	if (a) {
		a->req.file = file;
		io_submit(s->io, &a->req);
	} else if (file >= 0 && s->n_to_close < ARRAY_LEN(s->to_close)) {
		s->to_close[s->n_to_close++] = file; /* the next turn tries again */
	}
}

static void close_files(struct spool *s)
{
	unsigned n = s->n_to_close;

	s->n_to_close = 0;
	for (unsigned i = 0; i < n; i++)
		spool_close_file(s, s->to_close[i]);
}

/* --- what is settled --- */

static void pass_ranges(struct spool_state *st, unsigned i)
{
	while (st->stream[i].n_ranges && st->stream[i].dropped[0].lo <= st->stream[i].settled) {
		st->stream[i].settled = MAX(st->stream[i].settled, st->stream[i].dropped[0].hi);
		st->stream[i].n_ranges--;
		memmove(st->stream[i].dropped, st->stream[i].dropped + 1,
			st->stream[i].n_ranges * sizeof(st->stream[i].dropped[0]));
	}
}

/* What lies between and was not dropped by policy was damaged. */
void spool_settle_upto(struct spool *s, unsigned i, uint64_t place)
{
	struct spool_state *st = &s->state;
	uint64_t n_lost;

	pass_ranges(st, i);
	if (place <= st->stream[i].settled)
		return;
	n_lost = spool_count(st, i, st->stream[i].settled) - spool_count(st, i, place);
	if (n_lost && i != SPOOL_DEAD) {
		stats_add(&s->stats->loss[LOSS_OUT_SPOOL_CORRUPT], n_lost);
		log_warning("spool: %llu records were damaged, their segment is kept aside",
			(unsigned long long)n_lost);
	}
	while (st->stream[i].n_ranges && st->stream[i].dropped[0].hi <= place) {
		st->stream[i].n_ranges--;
		memmove(st->stream[i].dropped, st->stream[i].dropped + 1,
			st->stream[i].n_ranges * sizeof(st->stream[i].dropped[0]));
	}
	st->stream[i].settled = place;
	pass_ranges(st, i);
	spool_mark_dirty(s, false);
}

void spool_settle(struct spool *s, const struct spool_ref *ref)
{
	struct spool_stream *t = &s->streams[ref->stream];

	assert(t->in_flight);
	t->in_flight--;
	spool_settle_upto(s, ref->stream, ref->place);
	s->state.stream[ref->stream].settled = ref->place + 1;
	pass_ranges(&s->state, ref->stream);
	spool_mark_dirty(s, false);
}

bool spool_is_empty(const struct spool *s)
{
	for (unsigned i = 0; i < SPOOL_GROUPS; i++)
		if (spool_count(&s->state, i, s->state.stream[i].settled))
			return false;
	return true;
}

/* --- the mark --- */

static void take_counters(struct spool *s)
{
	s->state.accepted = s->stats->alerts;
	s->state.delivered = s->stats->delivered;
	memcpy(s->state.loss, s->stats->loss, sizeof(s->state.loss));
}

void spool_publish_state(struct spool *s)
{
	uint64_t sel = s->stats->spool_sel & 1, n = 0;

	take_counters(s);
	s->state.gen++;
	memcpy(s->stats->spool_state[!sel], &s->state, sizeof(s->state));
	/* only a crash of this process can come between: the compiler must keep the order */
	__asm__ volatile("" ::: "memory");
	stats_set(&s->stats->spool_sel, !sel);
	for (unsigned i = 0; i < SPOOL_GROUPS; i++)
		n += spool_count(&s->state, i, s->state.stream[i].settled);
	stats_set(&s->stats->in_spool, n);
	stats_set(&s->stats->spool_bytes, s->bytes);
}

void spool_mark_dirty(struct spool *s, bool is_urgent)
{
	s->mark_is_dirty = true;
	s->mark_is_urgent |= is_urgent;
}

static bool may_go(
	const struct spool *s, const struct spool_stream *t, const struct spool_segment *g)
{
	const struct spool_state *m = s->marked;

	if (g->is_active || g->is_going ||
		(t->r.serial == g->serial && (t->r.file >= 0 || t->r.step != SPOOL_R_IDLE)))
		return false;
	if (g->is_dropped)
		return g->end_place <= m->stream[t->group].settled ||
		       (g->end_place == g->first_place) ||
		       (spool_is_dropped(m, t->group, g->first_place) &&
			       spool_is_dropped(m, t->group, g->end_place - 1));
	return t->group != SPOOL_DEAD && g->end_place <= m->stream[t->group].settled;
}

/* After the mark: segments that it does not need. A damaged one is kept for whoever looks. */
static void remove_segments(struct spool *s)
{
	for (unsigned i = 0; i < SPOOL_STREAMS; i++) {
		struct spool_stream *t = &s->streams[i];

		for (unsigned k = 0; k < t->n_segs; k++) {
			struct spool_segment *g = &t->segs[k];
			struct spool_aside *a;
			bool keep = g->is_damaged && s->n_quarantined < SPOOL_QUARANTINE_MAX;

			if (!may_go(s, t, g))
				continue;
			a = spool_aside(s, keep ? IO_SET_ASIDE : IO_UNLINK);
			if (!a)
				return; /* with the next mark */
			s->n_quarantined += keep;
			g->is_going = true;
			a->is_unlink = true;
			a->stream = i;
			a->serial = g->serial;
			spool_name_make(a->name, g->serial, i);
			a->req.name = a->name;
			io_submit(s->io, &a->req);
		}
	}
}

static void mark_failed(struct spool *s, int r)
{
	s->mark_is_dirty = true;
	s->mark_retry_ns = s->now_ns + RETRY_NS;
	spool_note(s, r, "write the mark");
}

static void mark_done(struct io_req *q)
{
	struct spool *s = q->owner;

	if (q->result < 0 || (!s->mark_is_syncing && q->result != SPOOL_MARK_SLOT)) {
		s->mark_is_syncing = false;
		mark_failed(s, q->result < 0 ? (int)q->result : -ENOSPC);
		return;
	}
	if (!s->mark_is_syncing) {
		s->mark_is_syncing = true;
		*q = (struct io_req){
			.op = IO_SYNC, .file = s->mark_file, .done = mark_done, .owner = s};
		io_submit(s->io, q);
		return;
	}
	s->mark_is_syncing = false;
	*s->marked = ((const struct spool_mark *)s->mark_buf)->state;
	remove_segments(s);
}

void spool_mark_turn(struct spool *s)
{
	bool is_due = s->mark_is_urgent || s->now_ns - s->mark_ns >= SPOOL_MARK_NS;

	if (!s->mark_is_dirty || !is_due || s->mark_req.is_busy || s->mark_is_syncing ||
		s->now_ns < s->mark_retry_ns || s->mark_file < 0)
		return;
	s->mark_is_dirty = s->mark_is_urgent = false;
	s->mark_ns = s->now_ns;
	spool_publish_state(s);
	spool_mark_make((struct spool_mark *)s->mark_buf, &s->state);
	s->mark_req = (struct io_req){
		.op = IO_WRITE,
		.file = s->mark_file,
		.buf = s->mark_buf,
		.n = SPOOL_MARK_SLOT,
		.off = (s->state.gen & 1) * SPOOL_MARK_SLOT,
		.done = mark_done,
		.owner = s,
	};
	io_submit(s->io, &s->mark_req);
}

/* --- the turn --- */

void spool_turn(struct spool *s, uint64_t now_ns)
{
	s->now_ns = now_ns;
	(void)io_reap(s->io);
	close_files(s);
	spool_write_turn(s);
	spool_read_turn(s);
	spool_mark_turn(s);
}

int spool_timeout_ms(const struct spool *s, uint64_t now_ns)
{
	uint64_t at = UINT64_MAX;

	if (s->mark_is_dirty && !s->mark_req.is_busy)
		at = MAX(s->mark_ns + SPOOL_MARK_NS, s->mark_retry_ns);
	for (unsigned i = 0; i < SPOOL_STREAMS; i++) {
		const struct spool_stream *t = &s->streams[i];

		if (t->w.step == SPOOL_W_RETRY || t->w.step == SPOOL_W_ROOM)
			at = MIN(at, t->w.retry_ns);
		if (t->r.retry_ns > now_ns)
			at = MIN(at, t->r.retry_ns);
	}
	if (at == UINT64_MAX)
		return -1;
	return at <= now_ns ? 0 : (int)((at - now_ns) / NS_PER_MS) + 1;
}

static bool is_at_rest(const struct spool *s)
{
	return spool_is_idle(s) && !s->mark_is_dirty && s->io->n_busy == 0;
}

void spool_stop(struct spool *s, uint64_t deadline_ns)
{
	uint64_t now_ns = clock_mono_ns();

	spool_mark_dirty(s, true);
	while (!is_at_rest(s) && now_ns < deadline_ns) {
		spool_turn(s, now_ns);
		if (!is_at_rest(s))
			io_wait(s->io, 10);
		now_ns = clock_mono_ns();
	}
}
