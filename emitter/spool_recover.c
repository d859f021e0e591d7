/* SPDX-License-Identifier: Apache-2.0 */
/* What is there when an emitter starts. Names and bytes are foreign. The mark (or, after a crash of
 * the emitter alone, the statistics page, which is newer) says what is settled; what is there, the
 * segments themselves say. A segment's header names its first place, so the next one's tells where
 * it ends; only the last of each stream is read through, a piece at a time, and nothing is kept in
 * memory but a row for each segment. New records never go into a segment that was found. */

#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "spool.h"

struct dent {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

struct listing {
	bool has_mark;
	unsigned n_bad;
};

static int64_t run(struct spool *s, struct io_req q)
{
	return io_run(s->io, &q);
}

static int add_segment(struct spool *s, const char *name)
{
	struct spool_stream *t;
	uint64_t serial;
	unsigned group, i;

	if (!spool_name_parse(name, &serial, &group))
		return 0;
	t = &s->streams[group];
	if (t->n_segs == t->cap) {
		unsigned cap = t->cap * 2;
		struct spool_segment *segs =
			cap > SPOOL_SEGMENTS_MAX ? NULL : reallocarray(t->segs, cap, sizeof(*segs));

		if (!segs)
			return -EMFILE;
		t->segs = segs;
		t->cap = cap;
	}
	for (i = t->n_segs; i && t->segs[i - 1].serial > serial; i--)
		t->segs[i] = t->segs[i - 1];
	t->segs[i] = (struct spool_segment){.serial = serial};
	t->n_segs++;
	s->next_serial = MAX(s->next_serial, serial + 1);
	return 0;
}

static int list(struct spool *s, struct listing *ret)
{
	_Alignas(8) char buf[8192];

	if (lseek(s->io->dir_fd, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		long n = syscall(SYS_getdents64, s->io->dir_fd, buf, sizeof(buf));

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (long at = 0; at < n;) {
			const struct dent *d = (const struct dent *)(buf + at);
			size_t len = strlen(d->name);
			int r = add_segment(s, d->name);

			if (r < 0)
				return r;
			ret->has_mark |= !strcmp(d->name, SPOOL_MARK_NAME);
			ret->n_bad += len > 4 && !strcmp(d->name + len - 4, ".bad");
			at += d->len;
		}
	}
}

/* --- the mark --- */

static int make_mark(struct spool *s)
{
	int64_t r = run(s,
		(struct io_req){.op = IO_OPEN, .name = SPOOL_MARK_NAME, .flags = O_RDWR | O_CREAT});

	if (r < 0)
		return (int)r;
	s->mark_file = (int)r;
	/* its room is taken for good: a full disk must not keep what was delivered from being
	 * removed */
	r = run(s, (struct io_req){.op = IO_ALLOC, .file = s->mark_file, .n = SPOOL_MARK_SIZE});
	if (r == -EOPNOTSUPP)
		r = 0;
	return (int)r;
}

static int read_mark(struct spool *s, struct spool_state *ret)
{
	int64_t r = run(s, (struct io_req){.op = IO_READ,
				   .file = s->mark_file,
				   .buf = s->mark_buf,
				   .n = SPOOL_MARK_SIZE});

	if (r < 0)
		return (int)r;
	memset(s->mark_buf + r, 0, SPOOL_MARK_SIZE - (size_t)r);
	return spool_mark_find(s->mark_buf, ret);
}

/* The statistics page's copy, if it is of this spool and newer. */
static void read_page(struct spool *s)
{
	struct spool_state page;

	memcpy(&page, s->stats->spool_state[s->stats->spool_sel & 1], sizeof(page));
	if (spool_state_check(&page) == 0 && page.id == s->state.id && page.gen > s->state.gen)
		s->state = page;
}

static int load_state(struct spool *s, bool *ret_is_new)
{
	int r = read_mark(s, &s->state);

	*ret_is_new = r == -ENOENT;
	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0) {
		*s->marked = s->state;
		read_page(s);
		return 0;
	}
	s->state = (struct spool_state){.next = 1};
	return getrandom(&s->state.id, sizeof(s->state.id), 0) < 0 ? -errno : 0;
}

/* --- segments --- */

static int look_at(struct spool *s, struct spool_stream *t, struct spool_segment *g, int file)
{
	struct spool_head h = {0};
	struct stat st;
	int64_t r;

	if (fstat(file, &st) < 0)
		return -errno;
	g->size = (uint64_t)st.st_blocks * 512;
	g->end = MIN((uint64_t)st.st_size, (uint64_t)SPOOL_SEGMENT_MAX);
	s->bytes += g->size;
	r = run(s, (struct io_req){.op = IO_READ, .file = file, .buf = &h, .n = sizeof(h)});
	if (r < 0)
		return (int)r;
	if (r != sizeof(h) || spool_head_check(&h) < 0 || h.serial != g->serial ||
		h.group != t->group) {
		g->is_damaged = true;
		return 0;
	}
	g->seed = h.crc;
	g->first_place = g->end_place = h.first_place;
	return 0;
}

/* Reads the header; is_damaged: it is none. 0 or negative errno. */
static int read_head(struct spool *s, struct spool_stream *t, struct spool_segment *g)
{
	char name[SPOOL_NAME_LEN + 1];
	int64_t file;
	int r;

	spool_name_make(name, g->serial, t->group);
	file = run(s, (struct io_req){.op = IO_OPEN, .name = name, .flags = O_RDONLY});
	if (file < 0)
		return (int)file;
	r = look_at(s, t, g, (int)file);
	(void)run(s, (struct io_req){.op = IO_CLOSE, .file = (int)file});
	return r;
}

struct scan {
	uint64_t end, end_place, end_n; /* after the last whole record */
};

/* Reads through a segment. What follows the last whole record was being written when the machine
 * stopped: it was never accepted. */
static int scan(struct spool *s, struct spool_segment *g, uint8_t *buf, int file, struct scan *ret)
{
	uint64_t off = sizeof(struct spool_head), buf_off = 0;
	size_t n = 0;

	*ret = (struct scan){.end = off, .end_place = g->first_place};
	while (off < g->end) {
		const struct spool_rec *rec;
		size_t at = (size_t)(off - buf_off), len;
		int r = n <= at ? -EAGAIN : spool_rec_check(buf + at, n - at, g->seed, &rec, &len);

		if (r == -EAGAIN && buf_off + n < g->end && (n == 0 || at > 0)) {
			int64_t got = run(s, (struct io_req){.op = IO_READ,
						     .file = file,
						     .buf = buf,
						     .n = SPOOL_READ,
						     .off = off});

			if (got < 0)
				return (int)got;
			if (got == 0)
				break;
			n = (size_t)got;
			buf_off = off;
		} else if (r == 1) {
			off += len;
			if (rec->place >= ret->end_place) {
				ret->end = off;
				ret->end_place = rec->place + 1;
				ret->end_n = MAX(ret->end_n, rec->n + 1);
			}
		} else {
			off += 8;
		}
	}
	return 0;
}

/* A mark that says more than the segments hold: the rest was damaged, and is counted when it is
 * passed. One that says less is older than the last commit. */
static void end_stream(struct spool *s, struct spool_stream *t, const struct scan *last)
{
	struct spool_segment *g = t->n_segs ? &t->segs[t->n_segs - 1] : NULL;
	uint64_t next = MAX(s->state.stream[t->group].next, last->end_place);

	if (t->group != SPOOL_DEAD)
		stats_add(&s->stats->alerts, next - s->state.stream[t->group].next);
	s->state.stream[t->group].next = next;
	t->append_next = next;
	if (g && g->end_place != next) {
		g->end_place = next;
		g->is_damaged |= last->end_place < next;
	}
}

static int scan_one(struct spool *s, struct spool_stream *t, struct spool_segment *g, uint8_t *buf,
	struct scan *ret)
{
	char name[SPOOL_NAME_LEN + 1];
	int64_t file;
	int r;

	spool_name_make(name, g->serial, t->group);
	file = run(s, (struct io_req){.op = IO_OPEN, .name = name, .flags = O_RDONLY});
	if (file < 0)
		return (int)file;
	r = scan(s, g, buf, (int)file, ret);
	(void)run(s, (struct io_req){.op = IO_CLOSE, .file = (int)file});
	g->end = ret->end;
	g->end_place = ret->end_place;
	return r;
}

/* A segment without a header holds what lies between its neighbours: nothing, if the machine stopped
 * before it was written. */
static int find_ends(struct spool *s, struct spool_stream *t, uint8_t *buf)
{
	struct scan last = {0};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < t->n_segs; i++)
		r = read_head(s, t, &t->segs[i]);
	for (unsigned i = 0; r == 0 && i < t->n_segs; i++) {
		struct spool_segment *g = &t->segs[i];
		const struct spool_segment *next = i + 1 < t->n_segs ? g + 1 : NULL;

		if (g->is_damaged) {
			g->first_place = last.end_place;
			g->end_place =
				next && !next->is_damaged && next->first_place > g->first_place
					? next->first_place
					: g->first_place;
			last.end_place = g->end_place;
		} else if (next && !next->is_damaged) {
			g->end_place = MAX(next->first_place, g->first_place);
			last = (struct scan){.end_place = g->end_place, .end_n = last.end_n};
		} else {
			r = scan_one(s, t, g, buf, &last);
		}
		s->append_n = MAX(s->append_n, last.end_n);
	}
	if (r == 0)
		end_stream(s, t, &last);
	return r;
}

/* A segment whose places were dropped, but whose unlink did not happen any more. */
static void note_dropped(struct spool *s, struct spool_stream *t)
{
	for (unsigned i = 0; i < t->n_segs; i++) {
		struct spool_segment *g = &t->segs[i];

		g->is_dropped = g->end_place == g->first_place ||
				(spool_is_dropped(&s->state, t->group, g->first_place) &&
					spool_is_dropped(&s->state, t->group, g->end_place - 1));
	}
}

static void load_counters(struct spool *s)
{
	stats_set(&s->stats->alerts, s->state.accepted);
	stats_set(&s->stats->delivered, s->state.delivered);
	for (unsigned i = 0; i < _LOSS_MAX; i++)
		if (loss_is_output(i))
			stats_set(&s->stats->loss[i], s->state.loss[i]);
}

/* The mark is gone but segments are there: what is in them is all that is known. */
static void begin_at_segments(struct spool *s)
{
	for (unsigned i = 0; i < SPOOL_STREAMS; i++) {
		struct spool_stream *t = &s->streams[i];
		uint64_t first = UINT64_MAX, n;

		for (unsigned k = 0; k < t->n_segs; k++)
			if (!t->segs[k].is_damaged)
				first = MIN(first, t->segs[k].first_place);
		n = MIN(first, s->state.stream[i].next);
		if (i != SPOOL_DEAD)
			stats_add(&s->stats->alerts, -n);
		s->state.stream[i].settled = n;
	}
}

static int sync_mark(struct spool *s)
{
	int64_t r;

	spool_publish_state(s);
	spool_mark_make((struct spool_mark *)s->mark_buf, &s->state);
	r = run(s, (struct io_req){.op = IO_WRITE,
			   .file = s->mark_file,
			   .buf = s->mark_buf,
			   .n = SPOOL_MARK_SLOT,
			   .off = (s->state.gen & 1) * SPOOL_MARK_SLOT});
	if (r >= 0 && r != SPOOL_MARK_SLOT)
		r = -ENOSPC;
	if (r >= 0)
		r = run(s, (struct io_req){.op = IO_SYNC, .file = s->mark_file});
	if (r >= 0)
		r = run(s, (struct io_req){.op = IO_DIR_SYNC});
	if (r < 0)
		return (int)r;
	*s->marked = s->state;
	return 0;
}

int spool_recover(struct spool *s, uint64_t now_ns)
{
	struct listing l = {0};
	bool is_new = false;
	uint64_t n = 0;
	int r = list(s, &l);

	s->now_ns = now_ns;
	if (r == 0)
		r = make_mark(s);
	if (r == 0)
		r = load_state(s, &is_new);
	if (r < 0)
		return log_err_errno(r, "spool: read the mark");
	load_counters(s);
	s->append_n = s->state.next;
	s->n_quarantined = MIN(l.n_bad, SPOOL_QUARANTINE_MAX);
	s->bytes = SPOOL_MARK_SIZE;
	for (unsigned i = 0; r == 0 && i < SPOOL_STREAMS; i++)
		r = find_ends(s, &s->streams[i], s->streams[0].r.buf);
	if (r < 0)
		return log_err_errno(r, "spool: read the segments");
	if (is_new)
		begin_at_segments(s);
	for (unsigned i = 0; i < SPOOL_STREAMS; i++) {
		note_dropped(s, &s->streams[i]);
		spool_reader_init(&s->streams[i]);
	}
	s->state.next = s->append_n;
	/* without it nothing could ever be removed */
	r = sync_mark(s);
	if (r < 0)
		return log_err_errno(r, "spool: write the mark");
	for (unsigned i = 0; i < SPOOL_GROUPS; i++)
		n += spool_count(&s->state, i, s->state.stream[i].settled);
	if (n)
		log_notice("spool: %llu alerts are waiting from before", (unsigned long long)n);
	spool_mark_dirty(s, true);
	return 0;
}
