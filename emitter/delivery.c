/* SPDX-License-Identifier: Apache-2.0 */
/* Delivery: what happens when a sink is slow, full, gone. Alerts stay in hand and in their rings
 * until the sink has them; a failed try is repeated with growing delays (100 ms to 5 s). Numbers
 * move only here, when the sink has the batch, so that accepted = delivered + losses at any time.
 */

#include <errno.h>
#include <string.h>

#include <base/clock.h>
#include <base/log.h>

#include "delivery.h"

void delivery_init(struct delivery *d, const struct output *o, struct stats_page *stats)
{
	*d = (struct delivery){.delay_ns = DELIVERY_DELAY_MIN_NS, .stats = stats};
	sink_init(&d->sink, o);
}

void delivery_done(struct delivery *d)
{
	sink_done(&d->sink);
	strbuf_done(&d->batch.text);
}

static void wait_for(struct delivery *d, enum delivery_state state, uint64_t now_ns)
{
	d->state = state;
	d->retry_ns = now_ns + d->delay_ns;
	d->delay_ns =
		d->delay_ns * 2 < DELIVERY_DELAY_MAX_NS ? d->delay_ns * 2 : DELIVERY_DELAY_MAX_NS;
}

static void note_failure(struct delivery *d, int r)
{
	stats_set(&d->stats->last_error, (uint64_t)-r);
	stats_set(&d->stats->last_error_ns, clock_epoch_ns());
	if (d->error == -r)
		return;
	d->error = -r;
	log_warning_errno(r, "deliver to output '%s' (%s), will try again", d->sink.output->name,
		d->sink.ops->name);
}

static void note_success(struct delivery *d)
{
	d->state = DELIVERY_IDLE;
	d->delay_ns = DELIVERY_DELAY_MIN_NS;
	if (d->error)
		log_notice("output '%s' takes alerts again", d->sink.output->name);
	d->error = 0;
}

static void count_message(struct delivery *d, const struct batch_msg *m, uint64_t now_epoch_ns)
{
	uint64_t latency_ns = now_epoch_ns > m->ts_ns ? now_epoch_ns - m->ts_ns : 0;

	stats_add(&d->stats->latency[stats_latency_bucket(latency_ns)], 1);
	if (m->is_test) {
		stats_set(&d->stats->test_latency_ns, latency_ns);
		stats_add(&d->stats->test_delivered, 1);
	}
}

static void count_batch(struct delivery *d)
{
	const struct batch *b = &d->batch;
	uint64_t now_epoch_ns = clock_epoch_ns();

	for (unsigned i = 0; i < b->n; i++)
		if (!(b->refused & UINT64_C(1) << i))
			count_message(d, &b->msg[i], now_epoch_ns);
	stats_add(&d->stats->alerts, b->n);
	stats_add(&d->stats->delivered, b->n - b->n_refused);
	stats_add(&d->stats->records_out, b->n - b->n_refused);
	stats_add(&d->stats->loss[LOSS_OUT_SINK_FAILED], b->n_refused);
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
		sink_done(&d->sink);
		batch_rewind(&d->batch);
		wait_for(d, DELIVERY_NO_SINK, now_ns);
		break;
	}
	note_failure(d, r);
}

static bool may_try(const struct delivery *d, uint64_t now_ns)
{
	if (d->sink.fd < 0)
		return false;
	return d->state != DELIVERY_PAUSE || now_ns >= d->retry_ns;
}

bool delivery_push(struct delivery *d, uint64_t now_ns)
{
	int r;

	if (!may_try(d, now_ns))
		return false;
	r = d->batch.n_sent < d->batch.n ? d->sink.ops->send(&d->sink, &d->batch) : 0;
	if (r == 0 && d->sink.ops->tick)
		r = d->sink.ops->tick(&d->sink, now_ns);
	if (r < 0) {
		handle_failure(d, r, now_ns);
		return false;
	}
	if (d->batch.n || d->state != DELIVERY_IDLE)
		note_success(d);
	count_batch(d);
	return true;
}

bool delivery_wants_sink(struct delivery *d, uint64_t now_ns)
{
	if (d->sink.fd >= 0 || now_ns < d->retry_ns)
		return false;
	wait_for(d, DELIVERY_NO_SINK, now_ns);
	return true;
}

void delivery_new_sink(struct delivery *d, int fd, bool may_open, uint64_t now_ns)
{
	int r;

	if (fd < 0)
		return; /* the delay goes on */
	batch_rewind(&d->batch);
	r = sink_attach(&d->sink, fd, may_open);
	if (r < 0) {
		wait_for(d, DELIVERY_NO_SINK, now_ns);
		note_failure(d, r);
		return;
	}
	d->state = DELIVERY_IDLE;
}

int delivery_timeout_ms(const struct delivery *d, uint64_t now_ns)
{
	uint64_t left_ns;

	if (d->state != DELIVERY_PAUSE && d->state != DELIVERY_NO_SINK)
		return d->sink.is_dirty && d->sink.output->fsync == OUTPUT_FSYNC_SECOND ? 1000 : -1;
	left_ns = d->retry_ns > now_ns ? d->retry_ns - now_ns : 0;
	return (int)(left_ns / NS_PER_MS) + 1;
}
