/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's writing side. Two batches: one is filled while the other is written and synchronised.
 * Each stream goes through its steps by itself; when all are done the batch is committed. A batch of
 * a stream stands in one segment. What happens when there is no room: the policy, here. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "spool.h"

#define DELAY_MIN_NS (100 * NS_PER_MS)
#define DELAY_MAX_NS (5 * NS_PER_S)
#define SEGMENT_LEAST (512u << 10)
#define PUNCH_MIN 65536u /* a tail that is smaller stays allocated */

static void advance(struct spool_stream *t);

static bool is_space(int r)
{
	return r == -ENOSPC || r == -EDQUOT;
}

static struct spool_segment *active(struct spool_stream *t)
{
	return t->n_segs && t->segs[t->n_segs - 1].is_active ? &t->segs[t->n_segs - 1] : NULL;
}

static unsigned committing(const struct spool *s)
{
	return s->fill ^ 1;
}

/* --- filling --- */

bool spool_has_room(const struct spool *s)
{
	for (unsigned i = 0; i < SPOOL_GROUPS; i++)
		if (SPOOL_BATCH - s->streams[i].w.n[s->fill] < SPOOL_REC_MAX)
			return false;
	return true;
}

static void add(struct spool *s, struct spool_stream *t, const struct alert *a, uint64_t n)
{
	struct spool_writer *w = &t->w;

	if (w->n[s->fill] == 0)
		w->first_place[s->fill] = t->append_next;
	/* the seed goes in when its segment is known */
	w->n[s->fill] += spool_rec_put(w->buf[s->fill] + w->n[s->fill], n, t->append_next++, a);
	w->n_records[s->fill]++;
}

void spool_append(struct spool *s, const struct alert *a)
{
	add(s, &s->streams[spool_group(a->priority)], a, s->append_n++);
	s->n_fill++;
	s->n_accepted[s->fill]++;
}

void spool_append_nothing(struct spool *s)
{
	s->n_fill++;
	s->n_accepted[s->fill]++;
}

void spool_bury(struct spool *s, const struct alert *a, uint64_t n)
{
	struct spool_stream *t = &s->streams[SPOOL_DEAD];

	if (SPOOL_BATCH - t->w.n[s->fill] < SPOOL_REC_MAX)
		return;
	add(s, t, a, n);
	s->n_fill++;
}

/* --- no room --- */

/* Neither read nor written at present, so that all its records can be lost at once. */
static bool may_drop(const struct spool_stream *t, const struct spool_segment *g)
{
	return !g->is_active && !g->is_going && !g->is_dropped && g->serial > t->r.serial &&
	       g->first_place >= t->r.place && g->end_place > g->first_place;
}

static struct spool_segment *oldest(struct spool_stream *t)
{
	for (unsigned i = 0; i < t->n_segs; i++)
		if (may_drop(t, &t->segs[i]))
			return &t->segs[i];
	return NULL;
}

/* Adds the places to those that are dropped. False: there are too many ranges already. */
static bool add_range(struct spool *s, unsigned i, uint64_t lo, uint64_t hi)
{
	struct spool_range *d = s->state.stream[i].dropped;
	uint64_t n = s->state.stream[i].n_ranges;

	if (n && d[n - 1].hi == lo) {
		d[n - 1].hi = hi;
		return true;
	}
	if (n == SPOOL_RANGES_MAX || (n && d[n - 1].hi > lo))
		return false;
	d[n] = (struct spool_range){lo, hi};
	s->state.stream[i].n_ranges++;
	return true;
}

static void count_dropped(struct spool *s, uint64_t n)
{
	if (stats_get(&s->stats->loss[LOSS_OUT_SPOOL_FULL]) == 0)
		log_warning("spool: full, alerts are dropped by policy from now on");
	stats_add(&s->stats->loss[LOSS_OUT_SPOOL_FULL], n);
	spool_mark_dirty(s, true);
}

static bool drop_segment(struct spool *s, struct spool_stream *t, struct spool_segment *g)
{
	uint64_t n = spool_count(&s->state, t->group, g->first_place) -
		     spool_count(&s->state, t->group, g->end_place);

	if (!add_range(s, t->group, g->first_place, g->end_place))
		return false;
	g->is_dropped = true;
	count_dropped(s, n);
	return true;
}

/* For an alert of @group: is a segment on its way out, or was one found? */
static bool make_room(struct spool *s, unsigned group)
{
	struct spool_stream *dead = &s->streams[SPOOL_DEAD], *best = NULL;
	struct spool_segment *g;

	for (unsigned i = 0; i < SPOOL_STREAMS; i++)
		for (unsigned k = 0; k < s->streams[i].n_segs; k++)
			if (s->streams[i].segs[k].is_dropped &&
				s->streams[i].segs[k].end_place > s->streams[i].segs[k].first_place)
				return true;
	if (dead->n_segs && !dead->segs[0].is_active) { /* counted when they were refused */
		dead->segs[0].is_dropped = true;
		s->state.stream[SPOOL_DEAD].settled = dead->segs[0].end_place;
		spool_mark_dirty(s, true);
		return true;
	}
	for (unsigned i = SPOOL_GROUPS; i-- > 0;) {
		struct spool_stream *t = &s->streams[i];

		g = oldest(t);
		if (!g)
			continue;
		if (s->config.when_full == SPOOL_DROP_LOWEST) {
			best = i >= group || group == SPOOL_DEAD ? t : NULL;
			break;
		}
		if (!best || g->serial < oldest(best)->serial)
			best = t;
	}
	return best && drop_segment(s, best, oldest(best));
}

/* The stream's part of the batch goes instead. */
static void drop_batch(struct spool_stream *t)
{
	struct spool *s = t->spool;
	struct spool_writer *w = &t->w;
	unsigned b = committing(s);
	uint64_t lo = w->first_place[b], hi = lo + w->n_records[b];

	if (t->group == SPOOL_DEAD) {
		s->state.stream[t->group].next = hi;
		s->state.stream[t->group].settled = hi;
	} else {
		/* next moves on with them, so they are not missed where the stream goes on */
		s->state.stream[t->group].next = hi;
		if (!add_range(s, t->group, lo, hi)) {
			s->state.stream[t->group].next = lo;
			w->step = SPOOL_W_RETRY;
			w->retry_ns = s->now_ns + DELAY_MIN_NS;
			return;
		}
		count_dropped(s, w->n_records[b]);
	}
	w->n[b] = 0;
	w->step = SPOOL_W_DONE;
}

/* --- failing --- */

static void abandon(struct spool_stream *t)
{
	struct spool *s = t->spool;
	struct spool_segment *g = active(t);

	if (g && g->is_active) {
		g->is_active = false;
		g->end_place = s->state.stream[t->group].next;
		if (g->end_place == g->first_place) {
			g->is_dropped = true; /* nothing in it is committed */
			spool_mark_dirty(s, true);
		}
	}
	spool_close_file(s, t->w.file);
	t->w.file = -1;
}

static void open_segment(struct spool_stream *t);

static void fail(struct spool_stream *t, int r, const char *what)
{
	struct spool *s = t->spool;
	struct spool_writer *w = &t->w;

	spool_note(s, r, what);
	abandon(t);
	/* a smaller one may still fit; a batch stands in one segment */
	if (is_space(r) && w->step == SPOOL_W_ALLOC && w->size / 2 >= SEGMENT_LEAST) {
		w->size /= 2;
		open_segment(t);
		return;
	}
	if (is_space(r) && s->config.when_full != SPOOL_BLOCK && !make_room(s, t->group)) {
		drop_batch(t);
		if (w->step == SPOOL_W_DONE)
			return;
	}
	w->step = SPOOL_W_RETRY;
	w->delay_ns = w->delay_ns ? MIN(w->delay_ns * 2, DELAY_MAX_NS) : DELAY_MIN_NS;
	w->retry_ns = s->now_ns + w->delay_ns;
}

/* --- the steps --- */

static void submit(struct spool_stream *t, enum spool_writer_step step, enum io_op op)
{
	t->w.step = step;
	t->w.req.op = op;
	io_submit(t->spool->io, &t->w.req);
}

static void writer_done(struct io_req *q)
{
	advance(q->owner);
}

static void open_segment(struct spool_stream *t)
{
	struct spool *s = t->spool;
	struct spool_writer *w = &t->w;

	if (!w->size)
		w->size = s->segment_size;
	spool_head_make(&w->head, t->group, s->next_serial++, w->first_place[committing(s)],
		s->append_n, w->size, clock_epoch_ns());
	spool_name_make(w->name, w->head.serial, t->group);
	w->req.name = w->name;
	w->req.flags = O_RDWR | O_CREAT | O_EXCL;
	submit(t, SPOOL_W_OPEN, IO_OPEN);
}

static void write_batch(struct spool_stream *t)
{
	struct spool_writer *w = &t->w;
	struct spool_segment *g = active(t);
	unsigned b = committing(t->spool);

	if (w->n_written == 0)
		spool_recs_seal(w->buf[b], w->n[b], g->seed);
	w->req.file = w->file;
	w->req.buf = w->buf[b] + w->n_written;
	w->req.n = w->n[b] - w->n_written;
	w->req.off = g->end + w->n_written;
	submit(t, SPOOL_W_WRITE, IO_WRITE);
}

static void close_active(struct spool_stream *t)
{
	struct spool *s = t->spool;
	struct spool_segment *g = active(t);
	uint64_t end = ALIGN_UP(g->end, UINT64_C(4096));
	struct spool_aside *a = g->size - end >= PUNCH_MIN ? spool_aside(s, IO_PUNCH) : NULL;

	g->is_active = false;
	g->end_place = s->state.stream[t->group].next;
	if (a) { /* closed when that is done */
		a->stream = t->group;
		a->serial = g->serial;
		a->req.file = t->w.file;
		a->req.off = end;
		a->req.n = g->size - end;
		io_submit(s->io, &a->req);
	} else {
		spool_close_file(s, t->w.file);
	}
	t->w.file = -1;
}

static bool fits_bound(struct spool_stream *t)
{
	struct spool *s = t->spool;

	return t->n_segs < t->cap && s->bytes <= s->config.max_size &&
	       s->config.max_size - s->bytes >= s->segment_size;
}

/* Where may the batch go? */
static void begin(struct spool_stream *t)
{
	struct spool *s = t->spool;
	struct spool_segment *g = active(t);
	size_t n = t->w.n[committing(s)];

	t->w.n_written = 0;
	if (g && g->size - g->end >= n) {
		write_batch(t);
		return;
	}
	if (g)
		close_active(t);
	if (fits_bound(t)) {
		open_segment(t);
		return;
	}
	t->w.step = SPOOL_W_ROOM;
	t->w.retry_ns = s->now_ns + DELAY_MIN_NS;
	if (s->config.when_full == SPOOL_BLOCK || make_room(s, t->group)) {
		spool_mark_dirty(s, true);
		return;
	}
	drop_batch(t);
}

static void opened(struct spool_stream *t)
{
	struct spool_writer *w = &t->w;

	w->file = (int)w->req.result;
	t->segs[t->n_segs++] = (struct spool_segment){
		.serial = w->head.serial,
		.first_place = w->head.first_place,
		.end_place = w->head.first_place,
		.end = sizeof(w->head),
		.size = w->head.size,
		.seed = w->head.crc,
		.is_active = true,
	};
	t->spool->bytes += w->head.size;
	w->req.file = w->file;
	w->req.off = 0;
	w->req.n = w->head.size;
	submit(t, SPOOL_W_ALLOC, IO_ALLOC);
}

static void written(struct spool_stream *t)
{
	struct spool_writer *w = &t->w;

	w->n_written += (size_t)w->req.result;
	if (w->n_written < w->n[committing(t->spool)])
		write_batch(t);
	else
		submit(t, SPOOL_W_SYNC, IO_SYNC);
}

/* The batch is safe in all its streams: only now may its records be read, or a later one of a faster
 * stream would be delivered before an earlier one of a slower. */
static void publish(struct spool_stream *t, unsigned b)
{
	struct spool_writer *w = &t->w;
	struct spool_segment *g = active(t);

	g->end += w->n[b];
	t->spool->state.stream[t->group].next = w->first_place[b] + w->n_records[b];
	g->end_place = t->spool->state.stream[t->group].next;
}

static void advance(struct spool_stream *t)
{
	static const char *const whats[] = {
		[SPOOL_W_OPEN] = "make a segment",
		[SPOOL_W_ALLOC] = "allocate a segment",
		[SPOOL_W_HEAD] = "write a segment's header",
		[SPOOL_W_DIR_SYNC] = "synchronise the folder",
		[SPOOL_W_WRITE] = "write alerts",
		[SPOOL_W_SYNC] = "synchronise alerts",
	};
	struct spool_writer *w = &t->w;
	int64_t r = w->req.result;

	if (r == 0 && (w->step == SPOOL_W_WRITE || w->step == SPOOL_W_HEAD))
		r = -ENOSPC; /* a write that takes nothing */
	if (r >= 0 && w->step == SPOOL_W_HEAD && r != sizeof(w->head))
		r = -ENOSPC;
	if (r < 0) {
		fail(t, (int)r, whats[w->step]);
		return;
	}
	switch (w->step) {
	case SPOOL_W_OPEN:
		opened(t);
		break;
	case SPOOL_W_ALLOC:
		w->req.buf = &w->head;
		w->req.n = sizeof(w->head);
		submit(t, SPOOL_W_HEAD, IO_WRITE);
		break;
	case SPOOL_W_HEAD:
		submit(t, SPOOL_W_DIR_SYNC, IO_DIR_SYNC);
		break;
	case SPOOL_W_DIR_SYNC:
		write_batch(t);
		break;
	case SPOOL_W_WRITE:
		written(t);
		break;
	case SPOOL_W_SYNC:
		w->delay_ns = w->size = 0;
		w->step = SPOOL_W_DONE;
		break;
	default:
		assert(false);
	}
}

static bool all_done(const struct spool *s)
{
	for (unsigned i = 0; i < SPOOL_STREAMS; i++)
		if (s->streams[i].w.step != SPOOL_W_DONE)
			return false;
	return true;
}

static void finish_commit(struct spool *s)
{
	unsigned b = committing(s);

	for (unsigned i = 0; i < SPOOL_STREAMS; i++) {
		if (s->streams[i].w.n[b])
			publish(&s->streams[i], b);
		s->streams[i].w.step = SPOOL_W_IDLE;
		s->streams[i].w.n[b] = 0;
		s->streams[i].w.n_records[b] = 0;
	}
	if (s->error)
		spool_note(s, 0, NULL);
	s->is_committing = false;
	s->state.next = s->committing_n;
	stats_add(&s->stats->alerts, s->n_accepted[b]);
	stats_add(&s->stats->records_out, s->n_accepted[b]);
	s->n_accepted[b] = 0;
	spool_publish_state(s);
	s->on_commit(s, b);
}

static void start_commit(struct spool *s)
{
	unsigned b = s->fill;

	s->fill ^= 1;
	s->is_committing = true;
	s->n_fill = 0;
	s->committing_n = s->append_n;
	for (unsigned i = 0; i < SPOOL_STREAMS; i++) {
		struct spool_stream *t = &s->streams[i];

		t->w.req.done = writer_done;
		t->w.delay_ns = 0;
		if (t->w.n[b])
			begin(t);
		else
			t->w.step = SPOOL_W_DONE;
	}
}

void spool_write_turn(struct spool *s)
{
	for (unsigned i = 0; i < SPOOL_STREAMS; i++) {
		struct spool_writer *w = &s->streams[i].w;

		/* room comes with an unlink, so it is looked for each time */
		if (w->step == SPOOL_W_ROOM ||
			(w->step == SPOOL_W_RETRY && s->now_ns >= w->retry_ns))
			begin(&s->streams[i]);
	}
	if (s->is_committing && all_done(s))
		finish_commit(s);
	if (!s->is_committing && s->n_fill)
		start_commit(s);
}
