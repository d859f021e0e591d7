/* SPDX-License-Identifier: Apache-2.0 */
/* The emitter's acts: take what came over the control socket, then merge, format, deliver, commit.
 * Alerts on their way are in the delivery's window; they leave their ring only when the sink has
 * them, so that a restarted emitter finds the others again, and while the window is full nothing
 * more is read. */

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <shm/segment.h>

#include "delivery.h"
#include "dial.h"
#include "emitter.h"
#include "io.h"
#include "limit.h"
#include "merge.h"
#include "spool.h"
#include "test_alert.h"

/* Progress pages move without a wake-up: how often to look while an alert is held up. */
#define HELD_POLL_MS 2
/* One watchdog deadline (protocol line 9). */
#define PATIENCE_NS (2 * NS_PER_S)

/* A sink that has taken nothing for so long while there was no room: evaluators are not to wait. */
#define STALL_NS (100 * NS_PER_MS)
/* Summaries are looked for so often. */
#define SUMMARY_NS (100 * NS_PER_MS)
/* When the source has ended: how long a sink that takes nothing is waited for. When saker is told to
 * stop: the same, and any sink. What is in the spool then is for the next run. */
#define END_IDLE_NS (30 * NS_PER_S)
#define STOP_IDLE_NS NS_PER_S
#define STOP_MAX_NS (3 * NS_PER_S + 500 * NS_PER_MS)

struct emitter {
	struct output output;
	struct merge merge;
	struct limit limit;
	struct delivery delivery;
	struct delivery_watcher watcher;
	struct stage *stage;
	struct dial *dial; /* NULL: the output needs no network */
	uint64_t asked;    /* token of the sink's open question to the supervisor */
	bool has_spool;
	struct io io;
	struct spool spool;
	/* Memory only: by number, as the window's messages: where each one ends in its ring. */
	struct merge_mark *marks;
	uint64_t n_committed; /* alerts below this number have left their rings */
	/* With a spool: where each message of the window stands in it, and where each batch ends. */
	struct spool_ref *refs;
	struct merge_mark batch_marks[2][PROGRESS_EVALUATORS_MAX]; /* pos 0: nothing of this ring */
	uint64_t summary_ns;                                       /* of the last look */
	uint64_t n_tests;
	bool is_ended;               /* every ring has ended */
	bool is_summed_up;           /* and what was held back until then was told */
	uint64_t ended_ns, moved_ns; /* since when; when something was last delivered */
	uint64_t stop_ns;            /* when a stop was asked for */
	uint64_t room_ns;            /* when there was room, or something was delivered, last */
	uint64_t n_seen_done;        /* window.first then */
	bool is_stalled;
};

static int on_watch(struct delivery_watcher *w, int fd, uint32_t events)
{
	return stage_watch(container_of(w, struct emitter, watcher)->stage, fd, events);
}

/* A sink without a descriptor of its own wants the one that the supervisor opens. */
static int on_ask(struct delivery_watcher *w, uint64_t token, const char *what)
{
	struct emitter *e = container_of(w, struct emitter, watcher);

	e->asked = token;
	return stage_send(e->stage, CTL_NEED_SINK, FD_SINK, e->stage->index, 0, token, what, -1);
}

static int map_page(struct stage *s, enum ctl_role role, unsigned index, size_t size,
	const char *what, const void **ret_page)
{
	void *p;
	size_t n;
	int r = seg_map(stage_fd_get(s, role, index), SEG_PROGRESS, PROT_READ, &p, &n);

	if (r == 0 && n < size) {
		seg_unmap(p, n);
		r = -EBADMSG;
	}
	if (r < 0)
		return log_err_errno(r, "map progress page of %s %u", what, index);
	*ret_page = p;
	return 0;
}

static int load_output(struct stage *s, struct emitter *e)
{
	void *text;
	size_t n;
	const char *why = NULL;
	int r = seg_map(stage_fd_get(s, FD_OUTPUT, s->index), SEG_OUTPUT, PROT_READ, &text, &n);

	if (r < 0) /* given without a number */
		r = seg_map(stage_fd_get(s, FD_OUTPUT, 0), SEG_OUTPUT, PROT_READ, &text, &n);
	if (r < 0)
		return log_err_errno(r, "map the output's configuration");
	r = output_parse(text, strnlen(text, n), &e->output, &why);
	seg_unmap(text, n);
	if (r < 0)
		return log_err_errno(r, "read the output's configuration: %s", why);
	return 0;
}

static int attach_ring(struct stage *s, struct emitter *e, unsigned i)
{
	struct merge_ring *ring = &e->merge.rings[i];
	int r = spsc_consumer_attach(&ring->in, stage_fd_get(s, FD_RING_IN_DATA, i),
		stage_fd_get(s, FD_RING_IN_CURSOR, i));

	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_IN_DATA, i, "alert ring");
	if (r < 0)
		return log_err_errno(r, "attach alert ring %u", i);
	return map_page(s, FD_PROGRESS_EVALUATOR, i, sizeof(*ring->progress), "evaluator",
		(const void **)&ring->progress);
}

static int attach_inputs(struct stage *s, struct emitter *e)
{
	struct merge *m = &e->merge;
	int r;

	m->n = s->settings->n_evaluators;
	if (m->n == 0 || m->n > PROGRESS_EVALUATORS_MAX)
		return log_err_errno(-EINVAL, "number of evaluators %u", m->n);
	m->stats = s->stats;
	m->patience_ns = s->settings->engine == ENGINE_BPF ? PATIENCE_NS : 0;
	r = map_page(s, FD_PROGRESS_TRACKER, 0, sizeof(*m->tracker), "tracker",
		(const void **)&m->tracker);
	for (unsigned i = 0; r == 0 && i < m->n; i++)
		r = attach_ring(s, e, i);
	return r;
}

static struct emitter *emitter_of; /* the spool's call-back has no owner */

/* The batch is on the disk: the rings may move on. */
static void on_commit(struct spool *s _unused_, unsigned batch)
{
	struct emitter *e = emitter_of;

	for (unsigned i = 0; i < e->merge.n; i++) {
		struct merge_mark *m = &e->batch_marks[batch][i];

		if (m->pos)
			merge_pass(&e->merge, m);
		*m = (struct merge_mark){0};
	}
	merge_commit_passed(&e->merge);
}

static void on_retire(struct delivery *d, const struct sink_msg *m, enum sink_outcome outcome)
{
	struct emitter *e = container_of(d, struct emitter, delivery);

	if (!e->has_spool)
		return;
	spool_settle(&e->spool, &e->refs[m->n & (d->window.n_msgs - 1)]);
	if (outcome == SINK_REFUSED)
		spool_bury(&e->spool, m->alert, m->n);
}

static int set_up_io(struct stage *s, struct emitter *e, int dir_fd)
{
	int r = io_open(&e->io, dir_fd);

	if (r == 0)
		r = stage_allow(s, &e->io.ops->seal);
	return r < 0 ? r : stage_watch(s, e->io.wake_fd, EPOLLIN);
}

static int set_up_spool(struct stage *s, struct emitter *e)
{
	const struct spool_config c = {.max_size = e->output.spool_max,
		.when_full = (enum spool_when_full)e->output.when_full};
	int fd = stage_fd_get(s, FD_SPOOL, 0), r;

	if (!e->output.has_spool || fd < 0)
		return 0;
	r = set_up_io(s, e, fd);
	if (r == 0)
		r = spool_init(&e->spool, &c, &e->io, s->stats);
	if (r == 0)
		r = spool_allow(s, &e->io);
	if (r < 0)
		return log_err_errno(r, "set up the spool");
	emitter_of = e;
	e->spool.on_commit = on_commit;
	e->has_spool = true;
	return 0;
}

static int set_up_delivery(struct stage *s, struct emitter *e)
{
	struct delivery *d = &e->delivery;
	int r = delivery_init(d, &e->output, e->has_spool, s->stats), fd;

	if (r < 0)
		return r;
	e->stage = s;
	e->watcher = (struct delivery_watcher){on_watch, on_ask};
	d->watcher = &e->watcher;
	d->on_retire = on_retire;
	d->sink.torn = &s->stats->torn;
	d->sink.has_torn = stats_get(&s->stats->torn);
	e->marks = calloc(d->window.n_msgs, sizeof(*e->marks));
	e->refs = calloc(d->window.n_msgs, sizeof(*e->refs));
	if (!e->marks || !e->refs)
		return log_err_errno(-ENOMEM, "reserve the window");
	fd = stage_fd_take(s, FD_DIAL, 0);
	if (fd >= 0) {
		e->dial = d->sink.dial = dial_new(fd);
		if (!e->dial)
			return log_err_errno(-ENOMEM, "set up the line to the dialer");
		r = stage_watch(s, dial_fd(e->dial), EPOLLIN);
		if (r < 0)
			return log_err_errno(r, "watch the line to the dialer");
	}
	r = stage_allow(s, &d->sink.ops->seal);
	if (r == 0 && d->sink.ops->needs_io && !e->io.ops)
		r = set_up_io(s, e, -1);
	if (r < 0)
		return log_err_errno(r, "prepare the seal");
	d->sink.io = &e->io;
	fd = stage_fd_take(s, FD_SINK, s->index);
	if (fd < 0) /* given without a number */
		fd = stage_fd_take(s, FD_SINK, 0);
	if (d->sink.ops->needs_fd)
		delivery_new_sink(d, fd, true, clock_mono_ns());
	else
		(void)fd_close(fd);
	return 0;
}

static int set_up_limit(struct stage *s, struct emitter *e)
{
	struct seg_head h;
	int r = seg_check(stage_fd_get(s, FD_STATS, 0), SEG_STATS, &h);

	if (r == 0)
		r = limit_init(&e->limit, e->output.dedup_ns, e->output.rate, h.run_id);
	return r < 0 ? log_err_errno(r, "set up the limits") : 0;
}

static int em_pre_seal(struct stage *s)
{
	struct emitter *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return log_err_errno(-ENOMEM, "start");
	s->priv = e;
	(void)signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error like others */
	tzset();                        /* the zone's file cannot be opened later */
	r = load_output(s, e);
	if (r == 0)
		r = attach_inputs(s, e);
	if (r == 0)
		r = set_up_limit(s, e);
	if (r == 0)
		r = set_up_spool(s, e);
	return r < 0 ? r : set_up_delivery(s, e);
}

static int em_post_seal(struct stage *s)
{
	struct emitter *e = s->priv;
	int r = 0;

	if (e->io.ops)
		r = io_post_seal(&e->io);
	if (r < 0)
		return log_err_errno(r, "start the writer of files");
	if (e->has_spool)
		r = spool_recover(&e->spool, clock_mono_ns());
	return r < 0 ? r : delivery_open(&e->delivery);
}

static bool has_room(struct emitter *e)
{
	return e->has_spool ? spool_has_room(&e->spool) : delivery_has_room(&e->delivery);
}

/* Accept one alert. @mark: of its ring, NULL: it is our own. */
static int accept_one(struct emitter *e, const struct alert *a, const struct merge_mark *mark)
{
	struct window *w = &e->delivery.window;

	if (e->has_spool) {
		if (mark)
			e->batch_marks[e->spool.fill][mark->ring] = *mark;
		spool_append(&e->spool, a);
		return 0;
	}
	e->marks[w->next & (w->n_msgs - 1)] = mark ? *mark : (struct merge_mark){0};
	return delivery_add(&e->delivery, a) < 0 ? log_err_errno(-ENOMEM, "format an alert") : 0;
}

/* It is accepted and lost, and leaves its ring with the next one that is not. */
static void hold_back(struct stage *s, struct emitter *e, const struct merge_mark *mark)
{
	stats_add(&s->stats->loss[LOSS_OUT_LIMITED], 1);
	if (e->has_spool) {
		e->batch_marks[e->spool.fill][mark->ring] = *mark;
		spool_append_nothing(&e->spool);
	} else {
		stats_add(&s->stats->alerts, 1);
	}
}

static int sum_up(struct emitter *e, uint64_t now_ns)
{
	int n = 0;

	if (!limit_is_on(&e->limit))
		e->is_summed_up = e->is_ended;
	if (!limit_is_on(&e->limit) || (!e->is_ended && now_ns - e->summary_ns < SUMMARY_NS))
		return 0;
	e->summary_ns = now_ns;
	while (has_room(e)) {
		const struct alert *a = limit_summary(&e->limit, now_ns, e->is_ended);
		int r;

		if (!a) {
			e->is_summed_up = e->is_ended;
			break;
		}
		r = accept_one(e, a, NULL);
		if (r < 0)
			return r;
		n++;
	}
	return n;
}

/* Accept what may go. Number of alerts, or negative errno. */
static int fill(struct stage *s, struct emitter *e, uint64_t now_ns)
{
	const struct alert *a;
	int r = 0, n = sum_up(e, now_ns);

	if (n < 0 || !has_room(e))
		return n;
	merge_look(&e->merge);
	while (has_room(e) && (r = merge_next(&e->merge, now_ns, &a)) > 0) {
		struct merge_mark mark;

		merge_mark(&e->merge, &mark);
		n++;
		if (limit_is_on(&e->limit) && !limit_passes(&e->limit, a, now_ns))
			hold_back(s, e, &mark);
		else if (accept_one(e, a, &mark) < 0)
			return -ENOMEM;
	}
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_IN_DATA, e->merge.fault_ring, "alert ring");
	if (r == -ENODATA && !e->is_ended) {
		e->is_ended = true;
		e->ended_ns = e->moved_ns = now_ns;
		return n + 1; /* once more, for the summaries */
	}
	return n;
}

/* From the spool to the window. */
static int feed(struct emitter *e)
{
	struct window *w = &e->delivery.window;
	const struct alert *a;
	int n = 0;

	while (delivery_has_room(&e->delivery) &&
		spool_next(&e->spool, &a, &e->refs[w->next & (w->n_msgs - 1)])) {
		if (delivery_add(&e->delivery, a) < 0)
			return log_err_errno(-ENOMEM, "format an alert");
		n++;
	}
	return n;
}

static void count_retired(struct stage *s, struct emitter *e, uint64_t now_ns)
{
	struct delivery *d = &e->delivery;

	if (!d->n_delivered && !d->n_refused)
		return;
	e->moved_ns = now_ns;
	if (!e->has_spool) {
		stats_add(&s->stats->alerts, d->n_delivered + d->n_refused);
		stats_add(&s->stats->records_out, d->n_delivered);
	}
	stats_add(&s->stats->delivered, d->n_delivered);
	stats_add(&s->stats->loss[LOSS_OUT_SINK_FAILED], d->n_refused);
	d->n_delivered = d->n_refused = 0;
	if (e->has_spool)
		spool_publish_state(&e->spool);
}

/* Memory only: the rings move on to behind the last alert that the sink is done with. */
static void commit(struct emitter *e)
{
	const struct window *w = &e->delivery.window;

	if (window_is_empty(w)) {
		merge_commit(&e->merge);
	} else if (e->n_committed != w->first) {
		for (uint64_t n = e->n_committed; n != w->first; n++)
			if (e->marks[n & (w->n_msgs - 1)].pos)
				merge_pass(&e->merge, &e->marks[n & (w->n_msgs - 1)]);
		merge_commit_passed(&e->merge);
	}
	e->n_committed = w->first;
}

static void deliver(struct stage *s, struct emitter *e, uint64_t now_ns)
{
	struct delivery *d = &e->delivery;

	delivery_turn(d, now_ns);
	count_retired(s, e, now_ns);
	if (!e->has_spool)
		commit(e);
	else if (spool_is_idle(&e->spool))
		merge_commit(&e->merge); /* what was passed over without an alert */
	if (delivery_wants_sink(d, now_ns))
		(void)stage_send(s, CTL_NEED_SINK, FD_SINK, s->index, -d->error, 0, e->output.name,
			-1); /* asked again later */
}

/* The rings have ended: is there nothing left that could be done? What is in the spool stays. */
static bool is_finished(const struct stage *s, const struct emitter *e, uint64_t now_ns)
{
	if (!e->is_ended)
		return false;
	if (!e->has_spool)
		return e->is_summed_up && window_is_empty(&e->delivery.window);
	if (!spool_is_idle(&e->spool))
		return false;
	if (e->is_summed_up && spool_is_empty(&e->spool))
		return true;
	if (!s->stopping)
		return now_ns - e->moved_ns >= END_IDLE_NS;
	return now_ns - e->moved_ns >= STOP_IDLE_NS ||
	       now_ns - MAX(e->ended_ns, e->stop_ns) >= STOP_MAX_NS;
}

/* Where room comes with the sink alone, its evaluators need not wait for one that takes nothing. A
 * spool with another policy makes room by itself, and one commit may take long. */
static void look_for_stall(struct emitter *e, uint64_t now_ns)
{
	bool is_stalled;

	if (e->has_spool && e->output.when_full != OUTPUT_BLOCK)
		return;
	if (has_room(e) || e->delivery.window.first != e->n_seen_done || !e->room_ns)
		e->room_ns = now_ns;
	e->n_seen_done = e->delivery.window.first;
	is_stalled = now_ns - e->room_ns >= STALL_NS;
	if (is_stalled != e->is_stalled)
		merge_set_stalled(&e->merge, is_stalled);
	e->is_stalled = is_stalled;
}

static int em_turn(struct stage *s)
{
	struct emitter *e = s->priv;
	uint64_t now_ns = clock_mono_ns();
	uint64_t in_before = s->stats->records_in, first = e->delivery.window.first;
	int n = fill(s, e, now_ns), n_fed = 0;

	if (n < 0)
		return n;
	if (e->has_spool) {
		uint64_t n_before = e->spool.state.next;

		spool_turn(&e->spool, now_ns);
		n_fed = feed(e) + (e->spool.state.next != n_before);
	}
	if (n_fed < 0)
		return n_fed;
	deliver(s, e, now_ns);
	look_for_stall(e, now_ns);
	if (is_finished(s, e, now_ns))
		return -ENODATA;
	s->waits_for_io = e->io.ops && e->io.n_busy;
	return n || n_fed || s->stats->records_in != in_before || e->delivery.window.first != first;
}

static bool em_arm(struct stage *s)
{
	struct emitter *e = s->priv;

	/* nothing is read while there is no room: the sink or the disk, not the rings, is waited
	 * for; likewise while a batch is being committed and the next one has begun */
	if (!has_room(e) || (e->has_spool && e->spool.is_committing && e->spool.n_fill))
		return true;
	return merge_arm(&e->merge);
}

static void em_disarm(struct stage *s)
{
	merge_disarm(&((struct emitter *)s->priv)->merge);
}

static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : MIN(a, b);
}

static int em_timeout_ms(struct stage *s)
{
	struct emitter *e = s->priv;
	uint64_t now_ns = clock_mono_ns();
	int ms = delivery_timeout_ms(&e->delivery, now_ns);

	if (e->merge.is_held && has_room(e))
		return HELD_POLL_MS;
	if (e->has_spool)
		ms = sooner(ms, spool_timeout_ms(&e->spool, now_ns));
	if (!e->is_stalled && !has_room(e))
		ms = sooner(ms, (int)(STALL_NS / NS_PER_MS));
	if (limit_is_on(&e->limit) || e->is_ended)
		ms = sooner(ms, (int)(SUMMARY_NS / NS_PER_MS));
	return sooner(ms, 1000);
}

/* `saker output test`: one alert of our own. It takes the way of all others, but no limit. */
static int test_output(struct stage *s, struct emitter *e)
{
	static uint8_t buf[TEST_ALERT_MAX] __attribute__((aligned(8)));
	const struct alert *a;

	if (!has_room(e)) {
		log_warning("output '%s' takes no test alert now: it has not delivered what came "
			    "before",
			e->output.name);
		return 0;
	}
	a = test_alert_make(buf, e->limit.run_id, s->settings->host, e->output.name,
		clock_epoch_ns(), e->n_tests++);
	return a ? accept_one(e, a, NULL) : -ENOMEM;
}

static int em_on_ctl(struct stage *s, const struct ctl_msg *msg, int fd)
{
	struct emitter *e = s->priv;

	if (msg->type == CTL_STOP) {
		/* the end comes through the rings; this says how long there is time after it */
		e->stop_ns = clock_mono_ns();
		(void)fd_close(fd);
		return 0;
	}
	if (msg->type == CTL_TEST) {
		(void)fd_close(fd);
		return test_output(s, e);
	}
	if (msg->type == CTL_REOPEN || msg->type == CTL_ENDED) {
		const struct sink_ops *ops = e->delivery.sink.ops;

		(void)fd_close(fd);
		if (msg->type == CTL_REOPEN && ops->on_reopen)
			ops->on_reopen(&e->delivery.sink);
		if (msg->type == CTL_ENDED && ops->on_ended)
			ops->on_ended(&e->delivery.sink, (int)msg->value[0]);
		return 0;
	}
	if (msg->type != CTL_SINK) {
		(void)fd_close(fd);
		return -EBADMSG;
	}
	if (e->delivery.sink.ops->needs_fd && fd < 0 && e->delivery.sink.fd < 0 && msg->result < 0)
		sink_trouble(&e->delivery.sink, -msg->result, NULL);
	if (e->delivery.sink.ops->needs_fd)
		delivery_new_sink(&e->delivery, fd, false, clock_mono_ns());
	else if (e->delivery.sink.ops->on_fd)
		e->delivery.sink.ops->on_fd(&e->delivery.sink, e->asked,
			fd < 0 && msg->result >= 0 ? -EIO : msg->result, fd);
	else
		(void)fd_close(fd);
	return 0;
}

static int em_on_ready(struct stage *s, int fd, uint32_t events)
{
	struct emitter *e = s->priv;
	struct sink *k = &e->delivery.sink;

	if (e->dial && fd == dial_fd(e->dial)) {
		dial_ready(e->dial);
		return 0;
	}
	if (k->ops->on_ready && !(k->ops->needs_fd && fd == k->fd) && fd != e->io.wake_fd)
		k->ops->on_ready(k, fd, events);
	return 0; /* the next turn does the I/O */
}

static void em_drain(struct stage *s)
{
	struct emitter *e = s->priv;
	uint64_t now_ns = clock_mono_ns();

	deliver(s, e, now_ns);
	if (e->delivery.sink.ops->flush)
		e->delivery.sink.ops->flush(&e->delivery.sink, now_ns + NS_PER_S);
	if (!e->has_spool)
		return;
	spool_stop(&e->spool, now_ns + NS_PER_S);
	if (!spool_is_empty(&e->spool))
		log_notice("%llu alerts stay in the spool",
			(unsigned long long)stats_get(&s->stats->in_spool));
}

static const struct seal_call calls[] = {
	{__NR_close, "the sink's descriptor before"},
};

const struct stage_ops emitter_ops = {
	.name = "emitter",
	.seal = {.calls = calls, .n_calls = ARRAY_LEN(calls)}, /* and the sink's: stage_allow() */
	.pre_seal = em_pre_seal,
	.post_seal = em_post_seal,
	.turn = em_turn,
	.arm = em_arm,
	.disarm = em_disarm,
	.timeout_ms = em_timeout_ms,
	.on_ctl = em_on_ctl,
	.on_ready = em_on_ready,
	.drain = em_drain,
};
