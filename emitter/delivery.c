/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery: what happens when a sink is slow, full, gone. Alerts stay in the window (and in their
 * ring or spool) until the sink has reported them; a failed try is repeated with growing delays
 * (100 ms to 5 s). A sink with connections of its own does that by itself and only tells how it is. */

#include <sys/epoll.h>

#include <errno.h>
#include <string.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "delivery.h"

#define REFUSED_SHOWN_MAX 200
#define TEST_RULE "saker test alert"

static void count_message(struct delivery *d, const struct sink_msg *m)
{
	uint64_t now_ns = clock_epoch_ns(), latency_ns = now_ns > m->ts_ns ? now_ns - m->ts_ns : 0;

	stats_add(&d->stats->latency[stats_latency_bucket(latency_ns)], 1);
	if (m->is_test) {
		stats_set(&d->stats->test_latency_ns, latency_ns);
		stats_add(&d->stats->test_delivered, 1);
	}
}

static void note_refused(struct delivery *d, const char *why)
{
	if (!d->has_refused)
		log_warning("output '%s' (%s) refused an alert for good: %.*s",
			d->sink.output->name, d->sink.ops->name, REFUSED_SHOWN_MAX,
			why ? why : "no reason given");
	d->has_refused = true;
}

static void on_report(struct sink_host *h, uint64_t n, enum sink_outcome outcome, const char *why)
{
	struct delivery *d = container_of(h, struct delivery, host);

	assert(outcome != SINK_PENDING);
	if (!window_settle(&d->window, n, outcome))
		return; /* an answer to what was answered before, by a peer's doing */
	if (outcome == SINK_DELIVERED)
		count_message(d, window_msg(&d->window, n));
	else
		note_refused(d, why);
}

static void on_trouble(struct sink_host *h, int error, const char *why)
{
	struct delivery *d = container_of(h, struct delivery, host);

	if (error) {
		stats_set(&d->stats->last_error, (uint64_t)error);
		stats_set(&d->stats->last_error_ns, clock_epoch_ns());
	}
	if (d->error == error)
		return;
	d->error = error;
	if (!error)
		log_notice("output '%s' takes alerts again", d->sink.output->name);
	else if (why)
		log_warning("deliver to output '%s' (%s), will try again: %s", d->sink.output->name,
			d->sink.ops->name, why);
	else
		log_warning_errno(-error, "deliver to output '%s' (%s), will try again",
			d->sink.output->name, d->sink.ops->name);
}

static int on_watch(struct sink_host *h, int fd, uint32_t events)
{
	struct delivery *d = container_of(h, struct delivery, host);

	return d->watcher ? d->watcher->watch(d->watcher, fd, events) : -EOPNOTSUPP;
}

static int on_ask(struct sink_host *h, uint64_t token, const char *what)
{
	struct delivery *d = container_of(h, struct delivery, host);

	return d->watcher ? d->watcher->ask(d->watcher, token, what) : -EOPNOTSUPP;
}

int delivery_init(
	struct delivery *d, const struct output *o, bool keeps_records, struct stats_page *stats)
{
	const struct sink_ops *ops;
	int r;

	*d = (struct delivery){
		.host = {on_report, on_trouble, on_watch, on_ask},
		.delay_ns = DELIVERY_DELAY_MIN_NS,
		.format = format_get(o->format),
		.stats = stats,
	};
	sink_init(&d->sink, o, &d->host);
	ops = d->sink.ops;
	if (!ops)
		return log_err_errno(-EBADMSG, "output '%s' is for another program", o->name);
	r = window_init(&d->window, ops->window_msgs ? ops->window_msgs : SINK_WINDOW_MSGS,
		ops->window_bytes ? ops->window_bytes : SINK_WINDOW_BYTES,
		ops->needs_alert || keeps_records);
	if (r < 0)
		return log_err_errno(r, "reserve the window");
	return ops->init ? ops->init(&d->sink) : 0;
}

int delivery_open(struct delivery *d)
{
	return d->sink.ops->open ? d->sink.ops->open(&d->sink) : 0;
}

/* Watched only while it is waited for: a descriptor of a shared description stays in an epoll after
 * its close. */
static void unwatch(struct delivery *d)
{
	if (d->is_watched)
		(void)on_watch(&d->host, d->sink.fd, 0);
	d->is_watched = false;
}

void delivery_done(struct delivery *d)
{
	unwatch(d);
	sink_done(&d->sink);
	window_done(&d->window);
}

static void wait_for(struct delivery *d, enum delivery_state state, uint64_t now_ns)
{
	d->state = state;
	d->retry_ns = now_ns + d->delay_ns;
	d->delay_ns = MIN(d->delay_ns * 2, DELIVERY_DELAY_MAX_NS);
}

static void handle_failure(struct delivery *d, int r, uint64_t now_ns)
{
	switch (-r) {
	case EAGAIN:
		d->state = DELIVERY_WRITABLE;
		return;
	case ENOSPC:
	case EDQUOT:
	case ENOBUFS:
	case ENOMEM:
		wait_for(d, DELIVERY_PAUSE, now_ns);
		break;
	default:
		sink_detach(&d->sink);
		wait_for(d, DELIVERY_NO_SINK, now_ns);
		break;
	}
	on_trouble(&d->host, -r, NULL);
}

static bool may_try(const struct delivery *d, uint64_t now_ns)
{
	if (d->sink.ops->needs_fd && d->sink.fd < 0)
		return false;
	return d->state != DELIVERY_PAUSE || now_ns >= d->retry_ns;
}

int delivery_add(struct delivery *d, const struct alert *a)
{
	struct strbuf *text;
	struct sink_msg *m = window_begin(&d->window, &text);

	m->ts_ns = a->h.ts_ns;
	m->priority = MIN(a->priority, 7);
	m->is_test =
		a->flags & ALERT_TEST || span_eq(rec_text(a, a->rule_name), SPAN_LIT(TEST_RULE));
	d->format->add(d->sink.output, a, text);
	window_add(&d->window, m, d->window.has_records ? a : NULL);
	return strbuf_ok(text) ? 0 : -ENOMEM;
}

static void submit(struct delivery *d)
{
	const struct sink_msg *msgs;
	unsigned n, n_taken;

	do {
		n = window_unsubmitted(&d->window, &msgs);
		d->window.submitted += n; /* what it takes it may report at once */
		n_taken = n ? d->sink.ops->submit(&d->sink, msgs, n) : 0;
		assert(n_taken <= n);
		d->window.submitted -= n - n_taken;
	} while (n && n_taken == n);
}

static void retire(struct delivery *d)
{
	for (;;) {
		uint64_t n = d->window.first;
		enum sink_outcome o = window_oldest(&d->window);

		if (o != SINK_PENDING && d->on_retire)
			d->on_retire(d, window_msg(&d->window, n), o);
		switch (window_retire(&d->window)) {
		case SINK_PENDING:
			return;
		case SINK_DELIVERED:
			d->n_delivered++;
			break;
		case SINK_REFUSED:
			d->n_refused++;
			break;
		}
	}
}

void delivery_turn(struct delivery *d, uint64_t now_ns)
{
	bool had_messages = !window_is_empty(&d->window);
	int r;

	unwatch(d);
	if (!may_try(d, now_ns))
		return;
	submit(d);
	r = d->sink.ops->turn(&d->sink, now_ns);
	retire(d);
	if (!d->sink.ops->needs_fd)
		return;
	if (r < 0) {
		handle_failure(d, r, now_ns);
	} else if (r == 0 && (had_messages || d->state != DELIVERY_WORKS)) {
		d->state = DELIVERY_WORKS;
		d->delay_ns = DELIVERY_DELAY_MIN_NS;
		on_trouble(&d->host, 0, NULL);
	}
	d->is_watched =
		d->state == DELIVERY_WRITABLE && on_watch(&d->host, d->sink.fd, EPOLLOUT) == 0;
}

bool delivery_wants_sink(struct delivery *d, uint64_t now_ns)
{
	if (!d->sink.ops->needs_fd || d->sink.fd >= 0 || now_ns < d->retry_ns)
		return false;
	wait_for(d, DELIVERY_NO_SINK, now_ns);
	return true;
}

void delivery_new_sink(struct delivery *d, int fd, bool may_open, uint64_t now_ns)
{
	int r;

	if (fd < 0)
		return; /* the delay goes on */
	unwatch(d);
	r = sink_attach(&d->sink, fd, may_open);
	if (r < 0) {
		wait_for(d, DELIVERY_NO_SINK, now_ns);
		on_trouble(&d->host, -r, NULL);
		return;
	}
	d->state = DELIVERY_WORKS;
}

int delivery_timeout_ms(const struct delivery *d, uint64_t now_ns)
{
	const struct sink_ops *ops = d->sink.ops;
	uint64_t left_ns;

	switch (d->state) {
	case DELIVERY_PAUSE:
	case DELIVERY_NO_SINK:
		left_ns = d->retry_ns > now_ns ? d->retry_ns - now_ns : 0;
		return (int)(left_ns / NS_PER_MS) + 1;
	case DELIVERY_WRITABLE:
		if (!d->is_watched)
			return 20;
		break;
	case DELIVERY_WORKS:
		break;
	}
	if (ops->needs_fd && d->sink.fd < 0)
		return -1;
	return ops->timeout_ms ? ops->timeout_ms((struct sink *)&d->sink, now_ns) : -1;
}
