/* SPDX-License-Identifier: Apache-2.0 */
/* Records in order: each is held until it is judged (where that matters), written if it is wanted, and
 * applied to the tables, which so are always the state before the record at hand: what a file that
 * begins there has to tell. Input: the tracker's ring; records are copied, and checked at the tables'
 * door and by kev_parse(). */

#include "recorder.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <base/strbuf.h>
#include <driver/scap_facts.h>
#include <shm/segment.h>
#include <table/table.h>

#include "facts.h"
#include "verdict.h"

#define BATCH 512
#define HELD_POLL_MS 2
#define CODES_OF_THE_FORMAT 512
#define FACT_TEXT_BYTES (256u << 10) /* more than the JSON of any fact */

struct recorder {
	enum settings_record mode;
	const struct settings *set;
	struct spsc_consumer in;
	struct verdict verdict;
	struct img img;
	struct table *table;
	struct facts facts;
	struct strbuf text; /* of a fact */
	struct scap_writer *writer;
	int fd; /* of the file; -1 none */
	bool is_writing, is_ended, is_held;
	bool is_asked;    /* for a file */
	bool is_full;     /* the file reached its size: nothing more until the window ends */
	bool has_verdict; /* of the record at hand, which waits for its file */
	bool is_wanted;
	uint32_t wanted_ms;
	uint64_t until_ns;  /* epoch: the window's end */
	uint64_t n_written; /* events of this file */
	uint64_t n_lost, n_states_lost, n_files;
	int error; /* of the last file */
	uint64_t buf[KEV_SIZE_MAX / sizeof(uint64_t)];
};

/* --- pre_seal --- */

static int map_page(
	struct stage *s, enum ctl_role role, unsigned index, size_t size, const void **ret)
{
	size_t n;
	void *p;
	int r = seg_map(stage_fd_get(s, role, index), SEG_PROGRESS, PROT_READ, &p, &n);

	if (r < 0 || n < size)
		return log_err_errno(r < 0 ? r : -EBADMSG, "map a progress page");
	*ret = p;
	return 0;
}

static int attach_alerts(struct stage *s, struct verdict *v, unsigned i)
{
	int r = spsc_consumer_attach(&v->rings[i].in, stage_fd_get(s, FD_RING_IN_DATA, i),
		stage_fd_get(s, FD_RING_IN_CURSOR, i));

	if (r < 0)
		return log_err_errno(r, "attach alert ring %u", i);
	return map_page(s, FD_PROGRESS_EVALUATOR, i, sizeof(*v->rings[i].progress),
		(const void **)&v->rings[i].progress);
}

static int attach(struct stage *s, struct recorder *c)
{
	int r = spsc_consumer_attach(&c->in, stage_fd_get(s, FD_RING_IN_DATA, CTL_INDEX_RECORD),
		stage_fd_get(s, FD_RING_IN_CURSOR, CTL_INDEX_RECORD));

	if (r < 0)
		return log_err_errno(r, "attach the record ring");
	c->verdict.n = s->settings->n_evaluators;
	c->verdict.stats = s->stats;
	if (c->verdict.n == 0 || c->verdict.n > PROGRESS_EVALUATORS_MAX)
		return log_err_errno(-EINVAL, "number of evaluators %u", c->verdict.n);
	r = map_page(s, FD_PROGRESS_TRACKER, 0, sizeof(*c->verdict.tracker),
		(const void **)&c->verdict.tracker);
	for (unsigned i = 0; r == 0 && i < c->verdict.n; i++)
		r = attach_alerts(s, &c->verdict, i);
	return r;
}

static int map_image(struct stage *s, struct img *ret_img)
{
	const char *why = "";
	void *image;
	size_t n;
	int r = seg_map(stage_fd_get(s, FD_IMAGE, 0), SEG_IMAGE, PROT_READ, &image, &n);

	if (r < 0)
		return log_err_errno(r, "map the policy image");
	r = img_verify(image, n, ret_img, &why);
	return r < 0 ? log_err_errno(r, "verify the policy image (%s)", why) : 0;
}

static int rec_pre_seal(struct stage *s)
{
	struct recorder *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return log_err_errno(-ENOMEM, "start");
	s->priv = c;
	c->set = s->settings;
	c->mode = (enum settings_record)s->settings->record_mode;
	c->fd = stage_fd_take(s, FD_SINK, 0);
	(void)signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error like others */
	r = attach(s, c);
	if (r == 0)
		r = map_image(s, &c->img);
	if (r < 0)
		return r;
	r = table_open(s->settings->threads_max, s->settings->descriptors_max, &c->table);
	if (r == 0)
		r = scap_writer_open(&c->writer);
	if (r == 0)
		r = facts_init(&c->facts);
	if (r == 0)
		r = strbuf_reserve(&c->text, FACT_TEXT_BYTES);
	if (r < 0)
		return log_err_errno(r, "allocate the tables");
	if (spsc_consumer_pos(&c->in) > 0)
		log_warning("recording was interrupted: what is written from here on begins with "
			    "what events tell");
	return 0;
}

/* --- files --- */

static void end_file(struct stage *s, struct recorder *c)
{
	int r;

	if (!c->is_writing)
		return;
	r = scap_write_end(c->writer);
	c->is_writing = c->is_full = false;
	if (r < 0) {
		c->error = r;
		log_err_errno(r, "write the capture file, which ends early");
		stats_set(&s->stats->last_error, (uint64_t)-r);
	} else {
		log_notice("capture file: %llu events, %llu bytes",
			(unsigned long long)c->n_written,
			(unsigned long long)scap_write_bytes(c->writer));
	}
	if (c->mode == RECORD_AROUND)
		c->fd = fd_close(c->fd);
}

/* A file of its own for this event. 0; -EAGAIN: it is being opened. */
static int ask_for_file(struct stage *s, struct recorder *c, const struct rec_head *rec)
{
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = CTL_NEED_SINK, .role = FD_SINK};

	if (c->fd >= 0)
		return 0;
	if (!c->is_asked) {
		m.value[0] = rec->ts_ns;
		m.value[1] = rec->seq;
		c->is_asked = ctl_send(s->ctl_fd, &m, -1) == 0;
	}
	return -EAGAIN;
}

/* --- events --- */

static void put(
	struct stage *s, struct recorder *c, const struct kev *k, uint64_t ts_ns, bool state_only)
{
	if (c->is_full)
		return;
	if (c->set->record_max_bytes && scap_write_bytes(c->writer) > c->set->record_max_bytes) {
		c->is_full = true;
		log_notice("capture file: the limit of %llu bytes is reached",
			(unsigned long long)c->set->record_max_bytes);
		(void)stage_send(s, CTL_CAPTURE_FULL, FD_NONE,
			(unsigned)(c->set->record_max_bytes >> 20), 0, 0, NULL,
			-1); /* a supervisor that is gone ends us */
		return;
	}
	scap_write_event(c->writer, k, ts_ns, state_only);
	c->n_written++;
	stats_add(&s->stats->records_out, 1);
	if (scap_write_error(c->writer) < 0)
		end_file(s, c);
}

/* A fact of the host in the words of the format. */
static void put_fact(struct stage *s, struct recorder *c, const struct kev *fact, uint64_t ts_ns)
{
	int n = scap_fact_event(fact, &c->text, c->buf);
	const char *why;
	struct kev k;

	if (n < 0)
		log_warning_errno(
			n, "a container's facts are too long for a capture file: left out");
	if (n > 0 && kev_parse(c->buf, (size_t)n, &k, &why) == 0)
		put(s, c, &k, ts_ns, true);
}

struct fact_at {
	struct stage *stage;
	uint64_t ts_ns;
};

static void put_each(void *arg, const struct kev *fact)
{
	const struct fact_at *at = arg;

	put_fact(at->stage, at->stage->priv, fact, at->ts_ns);
}

/* @ts_ns: epoch, of the record that it begins with. */
static void begin_file(struct stage *s, struct recorder *c, uint64_t ts_ns)
{
	struct scap_machine m = {.n_cpus = c->set->n_cpus,
		.memory_bytes = c->set->memory_bytes,
		.host = c->set->host,
		.boot_ns = table_boot_ns(c->table)};

	scap_write_begin(c->writer, c->fd, c->set->record_gzip);
	table_write(c->table, c->writer, &m);
	c->is_writing = true;
	c->is_asked = c->is_full = false;
	c->n_written = 0;
	c->n_files++;
	facts_each(&c->facts, put_each, &(struct fact_at){.stage = s, .ts_ns = ts_ns});
}

/* What the vocabulary of the format lacks is said in its words, or is nothing that a reader needs. */
static void put_birth(struct stage *s, struct recorder *c, const struct kev *fork, uint64_t ts_ns)
{
	int n = table_birth(c->table, fork, c->buf);
	const char *why;
	struct kev k;

	if (n > 0 && kev_parse(c->buf, (size_t)n, &k, &why) == 0)
		put(s, c, &k, ts_ns, true);
}

static bool is_user_or_group(uint16_t type)
{
	return type == KEV_CODE_USER_ADDED_E || type == KEV_CODE_USER_DELETED_E ||
	       type == KEV_CODE_GROUP_ADDED_E || type == KEV_CODE_GROUP_DELETED_E ||
	       type == KEV_CODE_CONTAINER_JSON_2_E;
}

/* Before the record is applied. */
static void write_event(
	struct stage *s, struct recorder *c, const struct rec_head *rec, const struct kev *k)
{
	bool state_only = k->head->flags & KEV_F_STATE_ONLY;

	if (!c->is_writing || k->head->type >= CODES_OF_THE_FORMAT)
		return;
	if (c->mode == RECORD_MATCHES && !c->is_wanted) {
		if (!(k->info->flags & KEV_MODIFIES_STATE) &&
			k->head->type != KEV_CODE_ASYNCEVENT_E) /* it may tell facts */
			return;
		state_only = true;
	}
	put(s, c, k, rec->ts_ns, state_only);
}

static void take_verdict(struct recorder *c, const struct rec_head *rec)
{
	if (c->has_verdict || c->mode == RECORD_ALL)
		return;
	c->is_wanted = verdict_take(&c->verdict, &c->img, rec->seq, c->set->record_all_rules,
		c->set->record_default_ms, &c->wanted_ms);
	c->has_verdict = true;
}

/* Around alerts: begins, prolongs or ends the file. 0 or -EAGAIN. */
static int move_window(struct stage *s, struct recorder *c, const struct rec_head *rec)
{
	if (c->is_writing && rec->ts_ns > c->until_ns && !c->is_wanted)
		end_file(s, c);
	if (!c->is_wanted)
		return 0;
	if (!c->is_writing) {
		int r = ask_for_file(s, c, rec);

		if (r < 0)
			return r;
		c->until_ns = 0;
		begin_file(s, c, rec->ts_ns);
	}
	c->until_ns = MAX(c->until_ns, rec->ts_ns + (uint64_t)c->wanted_ms * NS_PER_MS);
	return 0;
}

static int on_event(struct stage *s, struct recorder *c, struct rec_head *rec)
{
	const char *why;
	struct kev k;

	if (kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why) < 0) {
		stats_add(&s->stats->malformed, 1);
		return 0;
	}
	take_verdict(c, rec);
	if (c->mode == RECORD_AROUND) {
		int r = move_window(s, c, rec);

		if (r < 0)
			return r;
	}
	stats_add(&s->stats->events, 1); /* only now: it may have waited for its file */
	write_event(s, c, rec, &k);
	(void)table_apply(c->table, rec);
	if (c->is_writing && k.head->type == KEV_CODE_SAKER_FORK)
		put_birth(s, c, &k, rec->ts_ns);
	c->has_verdict = false;
	return 0;
}

static void on_state(struct stage *s, struct recorder *c, struct rec_head *rec)
{
	/* a capture that is replayed tells them as events, too */
	bool is_to_be_told = c->is_writing && c->set->engine != ENGINE_REPLAY;
	bool has_event = c->set->engine == ENGINE_BPF;
	const char *why;
	struct kev k;

	if (kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why) == 0) {
		if (facts_is_one(k.head->type))
			facts_take(&c->facts, &k);
		if (has_event && k.head->type == KEV_CODE_SAKER_CONTAINER)
			; /* its event follows */
		else if (is_to_be_told && facts_is_one(k.head->type))
			put_fact(s, c, &k, rec->ts_ns);
		else if (is_to_be_told && is_user_or_group(k.head->type))
			put(s, c, &k, rec->ts_ns, true);
	}
	(void)table_apply(c->table, rec);
}

static void on_loss(struct stage *s, struct recorder *c, const struct rec_head *rec)
{
	const struct rec_loss *loss = (const struct rec_loss *)rec;
	struct kev_builder b;
	const char *why;
	struct kev k;
	int n;

	if (rec->ring.len < sizeof(*loss))
		return;
	if (loss->reason == LOSS_OUT_RECORD_STATE) {
		/* no events: the file does not tell of them */
		c->n_states_lost += loss->n;
		stats_add(&s->stats->loss[LOSS_OUT_RECORD_STATE], loss->n);
		return;
	}
	/* what was lost before the tracker is told in the file alone */
	if (loss->reason == LOSS_OUT_RECORD_FULL) {
		c->n_lost += loss->n;
		stats_add(&s->stats->loss[LOSS_OUT_RECORD_FULL], loss->n);
	}
	kev_build_start(&b, c->buf, sizeof(c->buf), KEV_CODE_DROP_E, 0);
	kev_build_int(&b, (int64_t)MIN(loss->n, (uint64_t)UINT32_MAX));
	n = kev_build_finish(&b);
	if (c->is_writing && n > 0 && kev_parse(c->buf, (size_t)n, &k, &why) == 0)
		put(s, c, &k, rec->ts_ns, false);
}

/* One record. 0; -EAGAIN: not yet. */
static int take(struct stage *s, struct recorder *c, struct rec_head *rec)
{
	switch (rec->ring.type) {
	case REC_KEV:
		if (rec->ring.len < sizeof(*rec) + sizeof(struct kev_head))
			return 0;
		if (c->mode != RECORD_ALL && rec->ord > c->verdict.bound)
			return -EAGAIN;
		return on_event(s, c, rec);
	case REC_STATE:
		if (rec->ring.len >= sizeof(*rec) + sizeof(struct kev_head))
			on_state(s, c, rec);
		return 0;
	case REC_LOSS:
		on_loss(s, c, rec);
		return 0;
	case REC_SNAP_END:
		if (c->mode != RECORD_AROUND && !c->is_writing && c->fd >= 0)
			begin_file(s, c, rec->ts_ns);
		return 0;
	case REC_END:
		c->is_ended = true;
		return 0;
	default:
		return 0;
	}
}

static int finish(struct stage *s, struct recorder *c)
{
	end_file(s, c);
	if (c->facts.n_dropped)
		log_warning("recording: facts of %llu containers or names found no room",
			(unsigned long long)c->facts.n_dropped);
	if (c->n_lost)
		log_err("recording: %llu events were lost (%s)", (unsigned long long)c->n_lost,
			loss_str(LOSS_OUT_RECORD_FULL));
	if (c->n_states_lost)
		log_err("recording: %llu records of state were lost (%s)",
			(unsigned long long)c->n_states_lost, loss_str(LOSS_OUT_RECORD_STATE));
	return -ENODATA;
}

static int rec_turn(struct stage *s)
{
	struct recorder *c = s->priv;
	const struct spsc_rec *rec;
	int n = 0, r;

	if (c->is_ended)
		return finish(s, c);
	if (verdict_look(&c->verdict) < 0)
		stage_peer_fault(s, FD_RING_IN_DATA, c->verdict.fault_ring, "alert ring");
	c->is_held = false;
	while (n < BATCH && !c->is_ended && (r = spsc_peek(&c->in, &rec)) != 0) {
		if (r < 0)
			stage_peer_fault(s, FD_RING_IN_DATA, CTL_INDEX_RECORD, "record ring");
		if (take(s, c, (struct rec_head *)rec) < 0) {
			c->is_held = true;
			break;
		}
		(void)spsc_next(&c->in, &rec); /* the same record */
		stats_add(&s->stats->records_in, 1);
		n++;
	}
	if (n > 0) {
		spsc_consumer_commit(&c->in);
		verdict_commit(&c->verdict);
	}
	return n;
}

/* --- waiting --- */

static bool rec_arm(struct stage *s)
{
	struct recorder *c = s->priv;

	if (c->is_held)
		return true; /* progress pages move without a wake-up */
	if (c->is_writing && scap_write_flush(c->writer) < 0)
		end_file(s, c);
	return spsc_consumer_arm(&c->in);
}

static void rec_disarm(struct stage *s)
{
	spsc_consumer_disarm(&((struct recorder *)s->priv)->in);
}

static int rec_timeout_ms(struct stage *s)
{
	return ((struct recorder *)s->priv)->is_held ? HELD_POLL_MS : 1000;
}

static int rec_on_ctl(struct stage *s, const struct ctl_msg *msg, int fd)
{
	struct recorder *c = s->priv;

	if (msg->type == CTL_SINK && c->mode == RECORD_AROUND && c->fd < 0) {
		c->fd = fd;
		c->is_asked = false;
		if (fd < 0) { /* said by the supervisor; this one goes without */
			c->is_wanted = false;
		}
		return 0;
	}
	(void)fd_close(fd);
	return msg->type == CTL_STOP ? 0 : -EOPNOTSUPP; /* the end comes through the ring */
}

static const struct seal_call calls[] = {
	{__NR_write, "the capture file"},
	{__NR_close, "the capture file before"},
	{__NR_poll, "is a named pipe writable"},
};

const struct stage_ops recorder_ops = {
	.name = "recorder",
	.seal = {.calls = calls, .n_calls = ARRAY_LEN(calls), .files = 1},
	.pre_seal = rec_pre_seal,
	.turn = rec_turn,
	.arm = rec_arm,
	.disarm = rec_disarm,
	.timeout_ms = rec_timeout_ms,
	.on_ctl = rec_on_ctl,
};
