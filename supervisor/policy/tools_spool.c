/* SPDX-License-Identifier: Apache-2.0 */
/* saker spool list|show|verify|export: looks into an output's spool folder, whether an emitter works
 * on it or not, and changes nothing. Everything in it is foreign: names, lengths, texts. Segments are
 * read a piece at a time; the three groups are merged by number, as the emitter does. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <base/utf8.h>
#include <base/uuid.h>
#include <shm/spool.h>

#include "policy.h"
#include "tools.h"

#define PIECE (256u << 10)
#define FLUSH_BYTES (256u << 10)
#define PROGRESS_NS (200 * NS_PER_MS)

struct row {
	uint64_t serial, first_place, end_place, n_records, n_damaged; /* damaged: bytes */
	unsigned group;
	bool has_head;
};

struct reader {
	struct row **rows; /* of one group, by serial */
	size_t n_rows, at; /* at: the open one, or the next */
	int fd;
	uint32_t seed;
	uint8_t *buf;
	uint64_t off, buf_off;
	size_t n;
	bool is_lost;
	const struct spool_rec *rec; /* NULL: none in hand */
	size_t rec_len;
};

struct look {
	struct tools *t;
	const char *folder;
	struct spool_state state;
	bool has_mark;
	struct row *rows;
	size_t n_rows, n_read; /* segments, and how many were read */
	struct reader readers[SPOOL_STREAMS];
	uint64_t began_ns, shown_ns;
	bool has_progress;
};

/* --- what is there --- */

static int ask_for(struct look *l, const char *name)
{
	char path[CTL_TEXT_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", l->folder, name);

	return n >= (int)sizeof(path) ? -ENAMETOOLONG : policy_ask(l->t->stage, path, false);
}

static int by_serial(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->serial < y->serial ? -1 : x->serial > y->serial;
}

static int read_mark(struct look *l)
{
	_Alignas(8) static uint8_t buf[SPOOL_MARK_SIZE];
	_cleanup_close_ int fd = ask_for(l, SPOOL_MARK_NAME);

	if (fd < 0)
		return fd == -ENOENT
			       ? 0
			       : log_err_errno(fd, "open '%s/%s'", l->folder, SPOOL_MARK_NAME);
	if (pread(fd, buf, sizeof(buf), 0) < 0)
		return log_err_errno(-errno, "read '%s/%s'", l->folder, SPOOL_MARK_NAME);
	l->has_mark = spool_mark_find(buf, &l->state) == 0;
	return 0;
}

static int list(struct look *l)
{
	struct config_source src = policy_source(l->t->stage);
	const char *const *names;
	size_t n;
	int r = src.list_dir(src.ctx, &l->t->arena, l->folder, &names, &n);

	if (r < 0)
		return log_err_errno(r, "open the spool folder '%s'", l->folder);
	l->rows = arena_alloc(&l->t->arena, (n + 1) * sizeof(*l->rows));
	for (size_t i = 0; l->rows && i < n; i++) {
		struct row row = {0};

		if (!spool_name_parse(names[i], &row.serial, &row.group))
			continue;
		l->rows[l->n_rows++] = row;
	}
	if (!l->rows)
		return log_err_errno(-ENOMEM, "list '%s'", l->folder);
	qsort(l->rows, l->n_rows, sizeof(*l->rows), by_serial);
	r = read_mark(l);
	if (r == 0 && !l->has_mark && l->n_rows == 0)
		return log_err_errno(-ENOENT,
			"'%s' is no spool folder (of one output): no mark, no segments", l->folder);
	return r;
}

static int set_up_readers(struct look *l)
{
	for (unsigned g = 0; g < SPOOL_STREAMS; g++) {
		struct reader *r = &l->readers[g];

		*r = (struct reader){.fd = -1};
		r->rows = arena_alloc(&l->t->arena, (l->n_rows + 1) * sizeof(*r->rows));
		r->buf = arena_alloc(&l->t->arena, PIECE);
		if (!r->rows || !r->buf)
			return log_err_errno(-ENOMEM, "read the spool");
		for (size_t i = 0; i < l->n_rows; i++)
			if (l->rows[i].group == g)
				r->rows[r->n_rows++] = &l->rows[i];
	}
	return 0;
}

/* --- reading --- */

static void show_progress(struct look *l)
{
	uint64_t now_ns = clock_mono_ns();
	char text[64];
	int n, fd = stage_fd_get(l->t->stage, FD_SINK, 1);

	if (fd < 0 || now_ns - l->began_ns < NS_PER_S || now_ns - l->shown_ns < PROGRESS_NS)
		return;
	l->shown_ns = now_ns;
	l->has_progress = true;
	n = snprintf(text, sizeof(text), "\rspool: %zu of %zu segments", l->n_read, l->n_rows);
	(void)!write(fd, text, (size_t)n); /* for show */
}

static void end_progress(struct look *l)
{
	if (l->has_progress)
		(void)!write(stage_fd_get(l->t->stage, FD_SINK, 1), "\r\033[K", 4);
}

static void leave(struct look *l, struct reader *r)
{
	r->fd = fd_close(r->fd);
	r->at++;
	l->n_read++;
	show_progress(l);
}

static bool open_row(struct look *l, struct reader *r)
{
	struct row *row = r->rows[r->at];
	char name[SPOOL_NAME_LEN + 1];
	struct spool_head h;

	spool_name_make(name, row->serial, row->group);
	r->fd = ask_for(l, name);
	r->off = sizeof(h);
	r->buf_off = 0;
	r->n = 0;
	r->is_lost = false;
	if (r->fd < 0)
		return false; /* the emitter has just removed it */
	row->has_head = pread(r->fd, &h, sizeof(h), 0) == sizeof(h) && spool_head_check(&h) == 0 &&
			h.serial == row->serial && h.group == row->group;
	r->seed = h.crc;
	if (row->has_head)
		row->first_place = row->end_place = h.first_place;
	return row->has_head;
}

/* The next whole record of the group to r->rec; NULL at the end. */
static void next(struct look *l, struct reader *r)
{
	r->off += r->rec ? r->rec_len : 0;
	r->rec = NULL;
	while (r->at < r->n_rows) {
		struct row *row = r->rows[r->at];
		size_t at;
		int rc;

		if (r->fd < 0 && !open_row(l, r)) {
			leave(l, r);
			continue;
		}
		at = (size_t)(r->off - r->buf_off);
		rc = at >= r->n ? -EAGAIN
				: spool_rec_check(
					  r->buf + at, r->n - at, r->seed, &r->rec, &r->rec_len);
		if (rc == -EAGAIN && (r->n == 0 || at > 0)) {
			ssize_t n = pread(r->fd, r->buf, PIECE, (off_t)r->off);

			if (n <= 0) {
				leave(l, r);
				continue;
			}
			r->buf_off = r->off;
			if ((size_t)n == r->n - MIN(at, r->n) && at < r->n)
				r->off += 8; /* the end of the file cuts it off */
			r->n = (size_t)n;
		} else if (rc == 1) {
			row->n_damaged += r->is_lost ? 1 : 0;
			r->is_lost = false;
			row->n_records++;
			row->end_place = MAX(row->end_place, r->rec->place + 1);
			return;
		} else {
			r->is_lost |= rc < 0; /* zeros: nothing was written there */
			r->off += 8;
			r->rec = NULL;
		}
	}
}

static const struct spool_rec *first_of(struct look *l, unsigned n_streams, unsigned *ret_stream)
{
	const struct spool_rec *best = NULL;

	for (unsigned g = 0; g < n_streams; g++) {
		const struct spool_rec *rec = l->readers[g].rec;

		if (rec && (!best || rec->n < best->n)) {
			best = rec;
			*ret_stream = g;
		}
	}
	return best;
}

static bool is_waiting(const struct look *l, unsigned stream, const struct spool_rec *rec)
{
	return !l->has_mark || (rec->place >= l->state.stream[stream].settled &&
				       !spool_is_dropped(&l->state, stream, rec->place));
}

/* --- printing --- */

static void add_time(struct strbuf *b, uint64_t ts_ns)
{
	time_t sec = (time_t)(ts_ns / NS_PER_S);
	struct tm tm = {0};
	char text[40] = "";

	(void)gmtime_r(&sec, &tm);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	strbuf_addf(b, "%s.%09uZ", text, (unsigned)(ts_ns % NS_PER_S));
}

static void add_key(struct strbuf *b, const char *key, bool is_first)
{
	strbuf_addf(b, "%s\"%s\":", is_first ? "" : ",", key);
}

static void add_value(struct strbuf *b, const struct alert *a, const struct alert_field *f)
{
	struct span s = rec_text(a, f->str);
	double d;

	switch ((enum alert_value_type)f->type) {
	case ALERT_STR:
		json_add_string(b, s);
		break;
	case ALERT_I64:
		strbuf_addf(b, "%lld", (long long)f->num);
		break;
	case ALERT_U64:
		strbuf_addf(b, "%llu", (unsigned long long)f->num);
		break;
	case ALERT_BOOL:
		strbuf_add_str(b, f->num ? "true" : "false");
		break;
	case ALERT_DOUBLE:
		memcpy(&d, &f->num, sizeof(d));
		if (d - d == 0)
			strbuf_addf(b, "%.17g", d);
		else
			strbuf_add_str(b, "null");
		break;
	case ALERT_LIST:
		strbuf_add_char(b, '[');
		for (uint64_t i = 0; i < f->num && s.n; i++) {
			size_t len = strnlen(s.p, s.n);

			if (i)
				strbuf_add_char(b, ',');
			json_add_string(b, (struct span){s.p, len});
			len = MIN(len + 1, s.n);
			s.p += len;
			s.n -= len;
		}
		strbuf_add_char(b, ']');
		break;
	case ALERT_NULL:
	case _ALERT_TYPE_MAX:
		strbuf_add_str(b, "null");
		break;
	}
}

/* Everything that the record holds, one object a line. */
static void add_json(struct strbuf *b, const struct spool_rec *rec, bool is_dead)
{
	const struct alert *a = spool_rec_alert(rec);
	char id[UUID_TEXT_LEN + 1];

	uuid_format(a->id, id);
	strbuf_add_char(b, '{');
	add_key(b, "hostname", true);
	json_add_string(b, rec_text(a, a->host));
	add_key(b, "message", false);
	json_add_string(b, rec_text(a, a->message));
	add_key(b, "output_fields", false);
	strbuf_add_char(b, '{');
	for (unsigned i = 0; i < a->n_fields; i++) {
		if (i)
			strbuf_add_char(b, ',');
		json_add_string(b, rec_text(a, alert_fields(a)[i].key));
		strbuf_add_char(b, ':');
		add_value(b, a, &alert_fields(a)[i]);
	}
	strbuf_add_char(b, '}');
	add_key(b, "priority", false);
	json_add_string(b, span_str(alert_priority_str(a->priority)));
	add_key(b, "rule", false);
	json_add_string(b, rec_text(a, a->rule_name));
	add_key(b, "source", false);
	json_add_string(b, rec_text(a, a->source));
	add_key(b, "spool_number", false);
	strbuf_addf(b, "%llu", (unsigned long long)rec->n);
	add_key(b, "refused", false);
	strbuf_add_str(b, is_dead ? "true" : "false");
	add_key(b, "tags", false);
	strbuf_add_char(b, '[');
	for (unsigned i = 0; i < a->n_tags; i++) {
		if (i)
			strbuf_add_char(b, ',');
		json_add_string(b, rec_text(a, alert_tags(a)[i]));
	}
	strbuf_add_str(b, "],\"time\":\"");
	add_time(b, a->h.ts_ns);
	strbuf_add_str(b, "\",\"uuid\":");
	json_add_string(b, span_str(id));
	strbuf_add_str(b, "}\n");
}

static void add_line(struct strbuf *b, const struct spool_rec *rec, bool is_dead)
{
	const struct alert *a = spool_rec_alert(rec);

	strbuf_addf(b, "%-10llu ", (unsigned long long)rec->n);
	add_time(b, a->h.ts_ns);
	strbuf_addf(b, "  %-13s ", alert_priority_str(a->priority));
	if (is_dead)
		strbuf_add_str(b, "(refused) ");
	json_add_escaped(b, rec_text(a, a->rule_name));
	strbuf_add_str(b, ": ");
	json_add_escaped(b, rec_text(a, a->message));
	strbuf_add_char(b, '\n');
}

/* --- the four --- */

static int show(struct look *l, bool as_json)
{
	struct strbuf *b = &l->t->out;
	const struct spool_rec *rec;
	unsigned stream = 0;
	int r = 0;

	for (unsigned g = 0; g < SPOOL_STREAMS; g++)
		next(l, &l->readers[g]);
	while (r == 0 && (rec = first_of(l, SPOOL_STREAMS, &stream)) != NULL) {
		bool is_dead = stream == SPOOL_DEAD;

		if (is_waiting(l, stream, rec) || is_dead) {
			if (as_json)
				add_json(b, rec, is_dead);
			else
				add_line(b, rec, is_dead);
		}
		if (b->n >= FLUSH_BYTES)
			r = tools_flush(l->t);
		next(l, &l->readers[stream]);
	}
	return r;
}

static void read_all(struct look *l)
{
	for (unsigned g = 0; g < SPOOL_STREAMS; g++) {
		do
			next(l, &l->readers[g]);
		while (l->readers[g].rec);
	}
}

static const char *state_of(const struct look *l, const struct row *row)
{
	if (!row->has_head)
		return "no header";
	if (row->n_damaged)
		return "damaged";
	if (row->group == SPOOL_DEAD)
		return "refused";
	if (!l->has_mark)
		return "waiting";
	if (row->end_place <= l->state.stream[row->group].settled)
		return "delivered";
	if (row->end_place > row->first_place &&
		spool_is_dropped(&l->state, row->group, row->first_place))
		return "dropped";
	return "waiting";
}

static uint64_t waiting(const struct look *l)
{
	uint64_t n = 0;

	for (unsigned g = 0; l->has_mark && g < SPOOL_GROUPS; g++)
		n += spool_count(&l->state, g, l->state.stream[g].settled);
	return n;
}

static int list_json(struct look *l)
{
	json_t *o = json_object(), *segments = json_array();

	for (size_t i = 0; i < l->n_rows; i++) {
		const struct row *row = &l->rows[i];

		json_array_append_new(
			segments, json_pack("{s:I, s:i, s:I, s:I, s:s}", "serial",
					  (json_int_t)row->serial, "group", (int)row->group,
					  "first_place", (json_int_t)row->first_place, "records",
					  (json_int_t)row->n_records, "state", state_of(l, row)));
	}
	json_object_set_new(o, "segments", segments);
	json_object_set_new(o, "accepted", json_integer((json_int_t)l->state.accepted));
	json_object_set_new(o, "delivered", json_integer((json_int_t)l->state.delivered));
	json_object_set_new(o, "waiting", json_integer((json_int_t)waiting(l)));
	return tools_add_json(l->t, o, true);
}

static int list_text(struct look *l)
{
	static const char *const groups[] = {"critical", "warning", "notice", "refused"};
	struct strbuf *b = &l->t->out;

	strbuf_addf(
		b, "%-16s %-8s %12s %9s  %s\n", "SEGMENT", "GROUP", "FIRST", "RECORDS", "STATE");
	for (size_t i = 0; i < l->n_rows; i++)
		strbuf_addf(b, "%016llx %-8s %12llu %9llu  %s\n",
			(unsigned long long)l->rows[i].serial, groups[l->rows[i].group],
			(unsigned long long)l->rows[i].first_place,
			(unsigned long long)l->rows[i].n_records, state_of(l, &l->rows[i]));
	if (l->has_mark)
		strbuf_addf(b, "at the last mark: %llu accepted, %llu delivered, %llu waiting\n",
			(unsigned long long)l->state.accepted,
			(unsigned long long)l->state.delivered, (unsigned long long)waiting(l));
	else
		strbuf_add_str(b, "no whole mark: everything in the segments counts as waiting\n");
	return 0;
}

static int verify(struct look *l)
{
	struct strbuf *b = &l->t->out;
	uint64_t n_records = 0, n_damaged = 0, n_no_head = 0;

	for (size_t i = 0; i < l->n_rows; i++) {
		const struct row *row = &l->rows[i];

		n_records += row->n_records;
		n_damaged += row->n_damaged;
		n_no_head += !row->has_head;
		if (row->n_damaged && !l->t->json)
			strbuf_addf(b, "%016llx-%u.seg: damage at %llu places\n",
				(unsigned long long)row->serial, row->group,
				(unsigned long long)row->n_damaged);
	}
	if (l->t->json)
		(void)tools_add_json(l->t,
			json_pack("{s:I, s:I, s:I, s:I, s:b}", "segments", (json_int_t)l->n_rows,
				"records", (json_int_t)n_records, "damaged", (json_int_t)n_damaged,
				"without_header", (json_int_t)n_no_head, "mark", l->has_mark),
			true);
	else
		strbuf_addf(b,
			"%zu segments, %llu whole records, %llu damaged places, %llu segments "
			"without a header, mark %s\n",
			l->n_rows, (unsigned long long)n_records, (unsigned long long)n_damaged,
			(unsigned long long)n_no_head,
			l->has_mark ? "whole" : "missing or damaged");
	return n_damaged || !l->has_mark ? -EINVAL : 0;
}

int tools_spool(struct tools *t)
{
	struct look l = {.t = t, .began_ns = clock_mono_ns()};
	const char *action = t->n_files ? t->files[0] : "";
	int r;

	l.folder = t->n_files > 1 ? t->files[1] : "";
	r = list(&l);
	if (r == 0)
		r = set_up_readers(&l);
	if (r < 0)
		return r;
	if (!strcmp(action, "show") || !strcmp(action, "export")) {
		r = show(&l, t->json || !strcmp(action, "export"));
	} else {
		read_all(&l);
		r = !strcmp(action, "verify") ? verify(&l)
		    : t->json                 ? list_json(&l)
					      : list_text(&l);
	}
	end_progress(&l);
	return r;
}
