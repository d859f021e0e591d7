/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's reading side. Each stream is read from where it is settled to where it is committed, a
 * piece at a time; records are checked when they are read back, as if a stranger had written them.
 * Damage: what lies between it and the next whole record is lost by name when its place is passed,
 * and its segment is set aside. The next record in order is known only when every stream with
 * something to read has its own next one in hand. */

#include <errno.h>
#include <fcntl.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "spool.h"

#define RETRY_NS (200 * NS_PER_MS)
#define READ_TRIES 5 /* then the next block */
#define BLOCK 4096u
#define RESYNC_STEPS 4096 /* places that are tried in one turn after a damaged record */

static void reader_done(struct io_req *q);

void spool_reader_init(struct spool_stream *t)
{
	t->r.place = t->spool->state.stream[t->group].settled;
	t->r.req.done = reader_done;
	t->r.req.owner = t;
}

/* The first segment that holds something at or behind the reader's place. */
static struct spool_segment *next_segment(struct spool_stream *t)
{
	for (unsigned i = 0; i < t->n_segs; i++) {
		struct spool_segment *g = &t->segs[i];

		if (g->serial > t->r.serial && !g->is_dropped && !g->is_going &&
			g->end_place > t->r.place && g->end_place > g->first_place)
			return g;
	}
	return NULL;
}

static void retry_later(struct spool_stream *t, int r, const char *what)
{
	t->r.step = SPOOL_R_IDLE;
	t->r.retry_ns = t->spool->now_ns + RETRY_NS;
	spool_note(t->spool, r, what);
}

static void open_next(struct spool_stream *t, struct spool_segment *g)
{
	struct spool_reader *r = &t->r;

	r->serial = g->serial;
	r->off = sizeof(struct spool_head);
	r->is_fresh = r->is_lost = false;
	spool_name_make(r->name, g->serial, t->group);
	r->req.op = IO_OPEN;
	r->req.name = r->name;
	r->req.flags = O_RDONLY;
	r->step = SPOOL_R_OPENING;
	io_submit(t->spool->io, &r->req);
}

static void read_more(struct spool_stream *t, const struct spool_segment *g)
{
	struct spool_reader *r = &t->r;

	r->buf_off = r->off;
	r->limit = g->end;
	r->req.op = IO_READ;
	r->req.file = r->file;
	r->req.buf = r->buf;
	r->req.off = r->off;
	r->req.n = MIN(g->end - r->off, (uint64_t)SPOOL_READ);
	r->step = SPOOL_R_READING;
	io_submit(t->spool->io, &r->req);
}

static void leave(struct spool_stream *t)
{
	struct spool_segment *g = spool_find(t, t->r.serial);

	spool_close_file(t->spool, t->r.file);
	t->r.file = -1;
	t->r.is_fresh = t->r.is_lost = false;
	if (!g)
		return;
	if (t->r.place < g->end_place) {
		g->is_damaged = true;
		t->r.place = g->end_place;
	}
	spool_mark_dirty(t->spool, false); /* it may go now */
}

/* The disk cannot read it: whatever stands there is lost. */
static void pass_bad_block(struct spool_stream *t)
{
	struct spool_segment *g = spool_find(t, t->r.serial);

	if (g)
		g->is_damaged = true;
	t->r.is_lost = true;
	t->r.off = (t->r.off | (BLOCK - 1)) + 1;
}

static void reader_done(struct io_req *q)
{
	struct spool_stream *t = q->owner;
	struct spool_reader *r = &t->r;
	bool was_opening = r->step == SPOOL_R_OPENING;

	r->step = SPOOL_R_IDLE;
	if (was_opening && q->result >= 0) {
		r->file = (int)q->result;
	} else if (was_opening && q->result == -ENOENT) {
		leave(t); /* somebody took it away: all of it is lost */
	} else if (q->result < 0) {
		if (was_opening)
			r->serial--; /* the same again */
		else if (++r->n_fails % READ_TRIES == 0)
			pass_bad_block(t);
		retry_later(t, (int)q->result,
			was_opening ? "open a segment to read" : "read a segment");
	} else {
		r->n_fails = 0;
		r->buf_n = (size_t)q->result;
		r->is_fresh = true;
		if (r->buf_n == 0) /* shorter than it was */
			leave(t);
	}
}

/* The rest of this segment holds nothing that could be told from damage. */
static bool is_at_end(const struct spool_reader *r, const struct spool_segment *g)
{
	return !g->is_active && (r->off >= g->end || r->place >= g->end_place);
}

static void step_over(struct spool_stream *t, struct spool_segment *g)
{
	if (!t->r.is_lost)
		log_warning(
			"spool: damage in segment %llu at byte %llu, looking for the next record",
			(unsigned long long)g->serial, (unsigned long long)t->r.off);
	t->r.is_lost = true;
	g->is_damaged = true;
	t->r.off += 8;
}

/* A whole record: is it the next, or a later one? */
static bool take(
	struct spool_stream *t, struct spool_segment *g, const struct spool_rec *rec, size_t len)
{
	struct spool_reader *r = &t->r;

	if (rec->place < r->place || rec->place >= g->end_place ||
		spool_is_dropped(&t->spool->state, t->group, rec->place)) {
		r->off += len; /* delivered before, or written again elsewhere */
		return false;
	}
	r->is_lost = false;
	r->head = rec;
	r->head_len = len;
	return true;
}

/* Look for the head in what is in memory. */
static void parse(struct spool_stream *t, struct spool_segment *g)
{
	struct spool_reader *r = &t->r;

	for (unsigned steps = 0; r->is_fresh && !r->head && steps < RESYNC_STEPS; steps++) {
		const struct spool_rec *rec;
		size_t at = (size_t)(r->off - r->buf_off), len;
		int rc;

		if (at >= r->buf_n || is_at_end(r, g)) { /* zeros may follow, as allocated */
			r->is_fresh = false;
			return;
		}
		rc = spool_rec_check(r->buf + at, r->buf_n - at, g->seed, &rec, &len);
		if (rc == 1)
			(void)take(t, g, rec, len);
		else if (rc == -EAGAIN && at > 0 && r->buf_off + r->buf_n < r->limit)
			r->is_fresh = false; /* read on from this record */
		else
			step_over(t, g);
	}
}

static void read_stream(struct spool_stream *t)
{
	struct spool_reader *r = &t->r;
	struct spool_segment *g;

	if (r->step != SPOOL_R_IDLE || r->head || t->spool->now_ns < r->retry_ns)
		return;
	g = r->file < 0 ? NULL : spool_find(t, r->serial);
	if (g && r->is_fresh)
		parse(t, g);
	if (r->head || r->is_fresh)
		return; /* more of the resync in the next turn */
	if (r->file >= 0 && (!g || is_at_end(r, g))) {
		leave(t);
		g = NULL;
	}
	if (g) {
		if (r->off < g->end)
			read_more(t, g);
		return;
	}
	if (r->file >= 0)
		return;
	g = next_segment(t);
	if (g) {
		r->place = MAX(r->place, g->first_place);
		open_next(t, g);
	}
}

/* What was passed without a record in hand is settled when nothing before it is on its way. */
static void settle_passed(struct spool_stream *t)
{
	if (t->in_flight == 0 && !t->r.head &&
		t->r.place > t->spool->state.stream[t->group].settled)
		spool_settle_upto(t->spool, t->group, t->r.place);
}

void spool_read_turn(struct spool *s)
{
	for (unsigned i = 0; i < SPOOL_GROUPS; i++) {
		read_stream(&s->streams[i]);
		settle_passed(&s->streams[i]);
	}
}

/* Is there something committed that is not in hand yet? */
static bool is_awaited(struct spool_stream *t)
{
	const struct spool_reader *r = &t->r;
	const struct spool_segment *g;

	if (r->step != SPOOL_R_IDLE)
		return true;
	if (r->file < 0)
		return next_segment(t) != NULL;
	g = spool_find(t, r->serial);
	return r->is_fresh || (g && r->off < g->end) || next_segment(t) != NULL;
}

bool spool_next(struct spool *s, const struct alert **ret_alert, struct spool_ref *ret_ref)
{
	struct spool_stream *best = NULL;

	for (unsigned i = 0; i < SPOOL_GROUPS; i++) {
		struct spool_stream *t = &s->streams[i];

		if (!t->r.head)
			read_stream(t);
		if (!t->r.head && is_awaited(t))
			return false;
		if (t->r.head && (!best || t->r.head->n < best->r.head->n))
			best = t;
	}
	if (!best)
		return false;
	*ret_alert = spool_rec_alert(best->r.head);
	*ret_ref = (struct spool_ref){.stream = (uint8_t)best->group, .place = best->r.head->place};
	best->r.place = best->r.head->place + 1;
	best->r.off += best->r.head_len;
	best->r.head = NULL; /* its bytes stay until the next read of the stream */
	best->in_flight++;
	return true;
}
