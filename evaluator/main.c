/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *	saker-evaluator - judges events against the rules
 * SYNOPSIS
 *	Started by saker(8) alone; takes everything over its control socket.
 * DESCRIPTION
 *	Reads the tracker's records from its event ring: threads, users and groups into a private
 *	replica, events to be judged by the rules of the policy image. For each rule that matches,
 *	an alert is put into the ring of every output that takes it. The first match ends an event
 *	unless rule_matching is `all`. An event whose kernel path differs from the one asked for is
 *	judged under both.
 * SECURITY
 *	Its input carries bytes that any process on the host chose: names, arguments, paths,
 *	addresses. Records are copied before they are looked at and checked once. After the seal it
 *	holds no file, no socket but the control socket, no capability; it writes its rings and
 *	pages. An attacker in it can invent or withhold alerts of its share of processes, no more.
 * DIAGNOSTICS
 *	0 drained; 1 error, logged; 3 a neighbour broke the protocol of a ring. Statistics:
 *	records_in, records_out, events, alerts, malformed, doubtful, threads, evicted_threads (kept
 *	without arguments and environment for want of memory); losses: evaluator.malformed,
 *	OUTPUT.ring_full, OUTPUT.too_big. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <base/log.h>
#include <base/macros.h>
#include <stage/stage.h>

#include "work.h"

static int pre_seal(struct stage *s)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		return log_err_errno(-ENOMEM, "start");
	tzset(); /* the zone's file cannot be opened after the seal */
	s->priv = w;
	return work_open(w, s);
}

static int post_seal(struct stage *s)
{
	return work_load(s->priv);
}

static int turn(struct stage *s)
{
	struct work *w = s->priv;

	s->fill_percent = MAX(s->fill_percent, spsc_consumer_fill(&w->in));
	return work_turn(w);
}

static bool arm(struct stage *s)
{
	struct work *w = s->priv;

	/* With a record at hand nothing in the ring helps: what is waited for is room, and that has
	 * no descriptor. */
	return w->busy != WORK_IDLE || spsc_consumer_arm(&w->in);
}

static void disarm(struct stage *s)
{
	struct work *w = s->priv;

	spsc_consumer_disarm(&w->in);
}

static int timeout_ms(struct stage *s)
{
	const struct work *w = s->priv;

	return w->busy != WORK_IDLE ? 2 : 1000;
}

static int on_ctl(struct stage *s, const struct ctl_msg *msg, int fd)
{
	struct work *w = s->priv;

	if (fd >= 0)
		(void)close(fd);
	if (msg->type == CTL_CAPTURE_FULL && msg->index > 0)
		w->notice_mb = msg->index;
	return msg->type == CTL_CAPTURE_FULL || msg->type == CTL_STOP ? 0 : -EOPNOTSUPP;
}

static const struct stage_ops ops = {
	.name = "evaluator",
	.pre_seal = pre_seal,
	.post_seal = post_seal,
	.turn = turn,
	.arm = arm,
	.disarm = disarm,
	.timeout_ms = timeout_ms,
	.on_ctl = on_ctl,
};

int main(int argc, char **argv)
{
	return stage_main(&ops, argc, argv);
}
