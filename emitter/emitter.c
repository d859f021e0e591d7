/* SPDX-License-Identifier: Apache-2.0 */
/* The emitter's acts: take what came over the control socket, then merge, format, deliver, commit.
 * One batch is in hand at most; while the sink does not take it nothing more is read, so that
 * alerts wait where a restarted emitter finds them again: in the rings. */

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
#include "emitter.h"
#include "format.h"
#include "merge.h"

#define TEST_RULE "saker test alert"
/* Progress pages move without a wake-up: how often to look while an alert is held up. */
#define HELD_POLL_MS 2
/* One watchdog deadline (protocol line 9). */
#define PATIENCE_NS (2 * NS_PER_S)

struct emitter {
	struct output output;
	const struct format *format;
	struct merge merge;
	struct delivery delivery;
	bool is_ended;  /* every ring has ended */
	int watched_fd; /* -1: none */
};

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
	e->format = format_get(e->output.format);
	return 0;
}

static int attach_ring(struct stage *s, struct emitter *e, unsigned i)
{
	struct merge_ring *ring = &e->merge.rings[i];
	int r = spsc_consumer_attach(&ring->in, stage_fd_get(s, FD_RING_IN_DATA, i),
		stage_fd_get(s, FD_RING_IN_CURSOR, i));

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

static int em_pre_seal(struct stage *s)
{
	struct emitter *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return log_err_errno(-ENOMEM, "start");
	s->priv = e;
	e->watched_fd = -1;
	(void)signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error like others */
	tzset();                        /* the zone's file cannot be opened later */
	r = load_output(s, e);
	if (r == 0)
		r = attach_inputs(s, e);
	if (r < 0)
		return r;
	delivery_init(&e->delivery, &e->output, s->stats);
	e->delivery.sink.torn = &s->stats->torn;
	e->delivery.sink.has_torn = stats_get(&s->stats->torn);
	if (strbuf_reserve(&e->delivery.batch.text, BATCH_BYTES) < 0)
		return log_err_errno(-ENOMEM, "reserve the batch");
	delivery_new_sink(&e->delivery, stage_fd_take(s, FD_SINK, s->index), true, clock_mono_ns());
	if (e->delivery.sink.fd < 0)
		delivery_new_sink(
			&e->delivery, stage_fd_take(s, FD_SINK, 0), true, clock_mono_ns());
	return 0;
}

static void add_alert(struct emitter *e, const struct alert *a)
{
	struct batch *b = &e->delivery.batch;
	struct batch_msg *m = &b->msg[b->n];

	*m = (struct batch_msg){
		.off = b->text.n,
		.ts_ns = a->h.ts_ns,
		.priority = MIN(a->priority, 7),
		.is_test = span_eq(rec_text(a, a->rule_name), SPAN_LIT(TEST_RULE)),
	};
	e->format->add(&e->output, a, &b->text);
	strbuf_add_char(&b->text, '\n');
	m->end = b->text.n;
	b->n++;
}

/* Fill the batch with what may go. Number of alerts added, or negative errno. */
static int fill(struct stage *s, struct emitter *e, uint64_t now_ns)
{
	struct batch *b = &e->delivery.batch;
	const struct alert *a;
	int r = 1;

	merge_look(&e->merge);
	while (!batch_is_full(b) && (r = merge_next(&e->merge, now_ns, &a)) > 0)
		add_alert(e, a);
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_IN_DATA, e->merge.fault_ring, "alert ring");
	e->is_ended = r == -ENODATA;
	if (!strbuf_ok(&b->text))
		return log_err_errno(
			-ENOMEM, "format alerts"); /* the batch is sized so that this cannot be */
	return (int)b->n;
}

static void ask_for_sink(struct stage *s, struct emitter *e, uint64_t now_ns)
{
	if (delivery_wants_sink(&e->delivery, now_ns))
		(void)stage_send(s, CTL_NEED_SINK, FD_SINK, s->index, -e->delivery.error, 0,
			e->output.name, -1); /* asked again later */
}

/* Watched only while it is waited for: a descriptor of a shared description stays in an epoll after
 * its close. */
static void unwatch_sink(struct stage *s, struct emitter *e)
{
	if (e->watched_fd >= 0)
		(void)stage_watch(s, e->watched_fd, 0);
	e->watched_fd = -1;
}

static void watch_sink(struct stage *s, struct emitter *e)
{
	if (e->delivery.state == DELIVERY_WRITABLE &&
		stage_watch(s, e->delivery.sink.fd, EPOLLOUT) == 0)
		e->watched_fd = e->delivery.sink.fd;
}

/* Send what is in hand; the rings move on only when the sink has it. */
static void deliver(struct stage *s, struct emitter *e, uint64_t now_ns)
{
	struct delivery *d = &e->delivery;
	bool is_empty = d->batch.n == 0;

	unwatch_sink(s, e);
	if (delivery_push(d, now_ns) || is_empty) {
		merge_commit(&e->merge);
		batch_reset(&d->batch);
	}
	ask_for_sink(s, e, now_ns);
	watch_sink(s, e);
}

static int em_turn(struct stage *s)
{
	struct emitter *e = s->priv;
	uint64_t now_ns = clock_mono_ns();
	uint64_t in_before = s->stats->records_in;
	unsigned n;
	int r;

	if (e->delivery.batch.n == 0) {
		r = fill(s, e, now_ns);
		if (r < 0)
			return r;
	}
	n = e->delivery.batch.n;
	deliver(s, e, now_ns);
	if (e->delivery.batch.n)
		return 0;
	if (e->is_ended)
		return -ENODATA;
	return n || s->stats->records_in != in_before;
}

static bool em_arm(struct stage *s)
{
	struct emitter *e = s->priv;

	/* nothing is read while a batch is in hand: the sink, not the rings, is waited for */
	return e->delivery.batch.n || merge_arm(&e->merge);
}

static void em_disarm(struct stage *s)
{
	merge_disarm(&((struct emitter *)s->priv)->merge);
}

static int em_timeout_ms(struct stage *s)
{
	struct emitter *e = s->priv;
	int ms = delivery_timeout_ms(&e->delivery, clock_mono_ns());

	if (e->merge.is_held && e->delivery.batch.n == 0)
		return HELD_POLL_MS;
	if (e->delivery.state == DELIVERY_WRITABLE && e->watched_fd < 0)
		return 20;
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
	unwatch_sink(s, e);
	delivery_new_sink(&e->delivery, fd, false, clock_mono_ns());
	return 0;
}

static int em_on_ready(struct stage *s _unused_, int fd _unused_, uint32_t events _unused_)
{
	return 0; /* the next turn tries to write */
}

static void em_drain(struct stage *s)
{
	struct emitter *e = s->priv;

	if (e && e->delivery.sink.fd >= 0)
		deliver(s, e, clock_mono_ns());
}

static const struct seal_call calls[] = {
	{__NR_write, "lines to stdout or a file"},
	{__NR_poll, "is a shared pipe or terminal writable"},
	{__NR_sendto, "stdout that is a socket"},
	{__NR_sendmsg, "syslog"},
	{__NR_fstat, "what kind of descriptor a new sink is"},
	{__NR_newfstatat, "the same, as newer C libraries do it"},
	{__NR_getsockopt, "is a new syslog socket a stream"},
	{__NR_fdatasync, "file: fsync"},
	{__NR_close, "the sink before"},
};

const struct stage_ops emitter_ops = {
	.name = "emitter",
	.seal = {.calls = calls, .n_calls = ARRAY_LEN(calls), .files = 1},
	.pre_seal = em_pre_seal,
	.turn = em_turn,
	.arm = em_arm,
	.disarm = em_disarm,
	.timeout_ms = em_timeout_ms,
	.on_ctl = em_on_ctl,
	.on_ready = em_on_ready,
	.drain = em_drain,
};
