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
#include "merge.h"

/* Progress pages move without a wake-up: how often to look while an alert is held up. */
#define HELD_POLL_MS 2
/* One watchdog deadline (protocol line 9). */
#define PATIENCE_NS (2 * NS_PER_S)

struct emitter {
	struct output output;
	struct merge merge;
	struct delivery delivery;
	struct delivery_watcher watcher;
	struct stage *stage;
	struct dial *dial;        /* NULL: the output needs no network */
	uint64_t asked;           /* token of the sink's open question to the supervisor */
	struct merge_mark *marks; /* by number, as the window's messages: where each one ends */
	uint64_t n_committed;     /* alerts below this number have left their rings */
	bool is_ended;            /* every ring has ended */
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
	return stage_send(e->stage, CTL_NEED_SINK, FD_SINK, e->stage->index, 0, 0, what, -1);
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

static int set_up_delivery(struct stage *s, struct emitter *e)
{
	struct delivery *d = &e->delivery;
	int r = delivery_init(d, &e->output, s->stats), fd;

	if (r < 0)
		return r;
	e->stage = s;
	e->watcher = (struct delivery_watcher){on_watch, on_ask};
	d->watcher = &e->watcher;
	d->sink.torn = &s->stats->torn;
	d->sink.has_torn = stats_get(&s->stats->torn);
	e->marks = calloc(d->window.n_msgs, sizeof(*e->marks));
	if (!e->marks)
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
	if (r < 0)
		return log_err_errno(r, "prepare the seal");
	fd = stage_fd_take(s, FD_SINK, s->index);
	if (fd < 0) /* given without a number */
		fd = stage_fd_take(s, FD_SINK, 0);
	if (d->sink.ops->needs_fd)
		delivery_new_sink(d, fd, true, clock_mono_ns());
	else
		(void)fd_close(fd);
	return 0;
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
	return r < 0 ? r : set_up_delivery(s, e);
}

static int em_post_seal(struct stage *s)
{
	return delivery_open(&((struct emitter *)s->priv)->delivery);
}

/* Fill the window with what may go. Number of alerts added, or negative errno. */
static int fill(struct stage *s, struct emitter *e, uint64_t now_ns)
{
	struct window *w = &e->delivery.window;
	const struct alert *a;
	int r = 0, n = 0;

	if (!delivery_has_room(&e->delivery))
		return 0;
	merge_look(&e->merge);
	while (delivery_has_room(&e->delivery) && (r = merge_next(&e->merge, now_ns, &a)) > 0) {
		merge_mark(&e->merge, &e->marks[w->next & (w->n_msgs - 1)]);
		if (delivery_add(&e->delivery, a) < 0)
			return log_err_errno(-ENOMEM, "format an alert");
		n++;
	}
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_IN_DATA, e->merge.fault_ring, "alert ring");
	e->is_ended = r == -ENODATA;
	return n;
}

static void count_retired(struct stage *s, struct delivery *d)
{
	stats_add(&s->stats->alerts, d->n_delivered + d->n_refused);
	stats_add(&s->stats->delivered, d->n_delivered);
	stats_add(&s->stats->records_out, d->n_delivered);
	stats_add(&s->stats->loss[LOSS_OUT_SINK_FAILED], d->n_refused);
	d->n_delivered = d->n_refused = 0;
}

/* The rings move on to behind the last alert that the sink is done with. */
static void commit(struct emitter *e)
{
	const struct window *w = &e->delivery.window;

	if (window_is_empty(w)) {
		merge_commit(&e->merge);
	} else if (e->n_committed != w->first) {
		for (uint64_t n = e->n_committed; n != w->first; n++)
			merge_pass(&e->merge, &e->marks[n & (w->n_msgs - 1)]);
		merge_commit_passed(&e->merge);
	}
	e->n_committed = w->first;
}

static void deliver(struct stage *s, struct emitter *e, uint64_t now_ns)
{
	struct delivery *d = &e->delivery;

	delivery_turn(d, now_ns);
	count_retired(s, d);
	commit(e);
	if (delivery_wants_sink(d, now_ns))
		(void)stage_send(s, CTL_NEED_SINK, FD_SINK, s->index, -d->error, 0, e->output.name,
			-1); /* asked again later */
}

static int em_turn(struct stage *s)
{
	struct emitter *e = s->priv;
	uint64_t now_ns = clock_mono_ns();
	uint64_t in_before = s->stats->records_in, first = e->delivery.window.first;
	int n = fill(s, e, now_ns);

	if (n < 0)
		return n;
	deliver(s, e, now_ns);
	if (e->is_ended && window_is_empty(&e->delivery.window))
		return -ENODATA;
	return n || s->stats->records_in != in_before || e->delivery.window.first != first;
}

static bool em_arm(struct stage *s)
{
	struct emitter *e = s->priv;

	/* nothing is read while the window is full: the sink, not the rings, is waited for */
	return !delivery_has_room(&e->delivery) || merge_arm(&e->merge);
}

static void em_disarm(struct stage *s)
{
	merge_disarm(&((struct emitter *)s->priv)->merge);
}

static int em_timeout_ms(struct stage *s)
{
	struct emitter *e = s->priv;
	int ms = delivery_timeout_ms(&e->delivery, clock_mono_ns());

	if (e->merge.is_held && delivery_has_room(&e->delivery))
		return HELD_POLL_MS;
	return ms >= 0 ? MIN(ms, 1000) : 1000;
}

static int em_on_ctl(struct stage *s, const struct ctl_msg *msg, int fd)
{
	struct emitter *e = s->priv;

	if (msg->type == CTL_STOP) {
		/* the end comes through the rings */
		(void)fd_close(fd);
		return 0;
	}
	if (msg->type != CTL_SINK) {
		(void)fd_close(fd);
		return -EBADMSG;
	}
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
	if (k->ops->on_ready && fd != k->fd)
		k->ops->on_ready(k, fd, events);
	return 0; /* the next turn does the I/O */
}

static void em_drain(struct stage *s)
{
	deliver(s, s->priv, clock_mono_ns());
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
