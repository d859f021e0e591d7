/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *   saker-dialer - connect outputs to where their configuration says
 *
 * SYNOPSIS
 *   Started by saker where an output needs the network; of no use by hand.
 *
 * DESCRIPTION
 *   Emitters of network outputs live in an empty network namespace and can neither make nor connect
 * a socket. They ask here, each over a line of its own: host, port, TCP or UDP. What the output's
 * configuration permits is resolved and connected, and the socket handed over; anything else is
 * refused and said in the log. Many requests are worked on at once; none waits for another.
 *
 * SECURITY
 *   Requests come from processes that read hostile bytes, answers of name servers from anywhere.
 * Holds the resolver's files as descriptors, the lines to the emitters, the host's network: no
 * alert, no secret, no file by name, no capability, its own uid. In here an attacker can connect to
 * anything and hand emitters wrong peers (TLS then refuses them), and see no alert.
 *
 * DIAGNOSTICS
 *   0 stopped; 1 error, one line in saker's log. */

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <shm/dial.h>
#include <shm/segment.h>
#include <stage/stage.h>

#include "dialer_jobs.h"
#include "dialer_names.h"

#define FILES_NS (5 * NS_PER_S) /* how old what we know of the resolver's files may be */
#define REQUESTS_A_TURN 32

struct dialer {
	const struct dial_rules *rules;
	struct names *names;
	struct jobs *jobs;
	struct stage *stage;
	int lines[DIAL_OUTPUTS_MAX]; /* borrowed; -1 none, or broken */
	uint64_t files_ns;
};

static void watch(void *ctx, int fd, uint32_t events)
{
	struct dialer *d = ctx;

	(void)stage_watch(d->stage, fd, events); /* not watched: its time runs out */
}

static void done(void *ctx, unsigned line, const struct dial_answer *a, int fd)
{
	struct dialer *d = ctx;
	_cleanup_close_ int own = fd;

	if (d->lines[line] < 0)
		return;
	/* one that does not read its answers asks again when its patience ends */
	(void)dial_send_answer(d->lines[line], a, own);
	stats_add(&d->stage->stats->records_out, 1);
	log_debug("output '%s': %s", d->rules->outputs[line].name, a->text);
}

static int load_rules(struct stage *s, struct dialer *d)
{
	void *p;
	size_t n;
	int r = seg_map(stage_fd_get(s, FD_DIAL_RULES, 0), SEG_OUTPUT, PROT_READ, &p, &n);

	if (r == 0)
		r = dial_rules_check(p, n);
	if (r < 0)
		return log_err_errno(r, "read where outputs may be connected to");
	d->rules = p;
	return 0;
}

static int dialer_pre_seal(struct stage *s)
{
	struct dialer *d = calloc(1, sizeof(*d));
	struct jobs_env env = {.watch = watch, .done = done, .ctx = d};
	int r;

	if (!d)
		return log_err_errno(-ENOMEM, "start");
	s->priv = d;
	d->stage = s;
	r = load_rules(s, d);
	if (r < 0)
		return r;
	r = names_new(watch, d, &d->names);
	if (r == 0)
		r = jobs_new(d->rules, d->names, &env, &d->jobs);
	for (unsigned i = 0; r == 0 && i < DIAL_OUTPUTS_MAX; i++) {
		d->lines[i] = stage_fd_get(s, FD_DIAL, i);
		if (d->lines[i] >= 0)
			r = stage_watch(s, d->lines[i], EPOLLIN);
	}
	return r < 0 ? log_err_errno(r, "start") : 0;
}

static void read_file(struct dialer *d, enum names_file f, int fd)
{
	int r = names_read(d->names, f, fd);

	if (r < 0)
		log_warning_errno(r, "read '%s', going on with what is known", names_file_str(f));
}

/* What is read from here on is not trusted. */
static int dialer_post_seal(struct stage *s)
{
	static const struct dial_answer hello = {
		.magic = DIAL_MAGIC, .result = -ECONNRESET, .text = "a new dialer works"};
	struct dialer *d = s->priv;

	for (unsigned i = 0; i < _NAMES_FILE_MAX; i++)
		if (stage_fd_get(s, FD_FILE, i) >= 0)
			read_file(d, i, stage_fd_get(s, FD_FILE, i));
	d->files_ns = clock_mono_ns();
	for (unsigned i = 0; i < DIAL_OUTPUTS_MAX; i++)
		if (d->lines[i] >= 0)
			(void)dial_send_answer(d->lines[i], &hello, -1); /* it may not be up yet */
	return 0;
}

/* Somebody wants a name, and what we know is old: ask for the files again. Meanwhile what is known
 * must do. */
static void refresh_files(struct stage *s, struct dialer *d, uint64_t now_ns)
{
	if (now_ns - d->files_ns < FILES_NS)
		return;
	d->files_ns = now_ns;
	for (unsigned i = 0; i < _NAMES_FILE_MAX; i++)
		(void)stage_send(s, CTL_NEED_SINK, FD_FILE, i, 0, 0, names_file_str(i), -1);
}

/* Requests of one output. An emitter that sends nonsense loses its line until it is replaced. */
static int read_line(struct stage *s, struct dialer *d, unsigned line, uint64_t now_ns)
{
	int n = 0, r = 1;

	while (n < REQUESTS_A_TURN) {
		struct dial_request q;

		r = dial_recv_request(d->lines[line], &q);
		if (r == -EBADMSG) {
			stats_add(&s->stats->malformed, 1);
			n++;
			continue;
		}
		if (r <= 0)
			break;
		n++;
		stats_add(&s->stats->records_in, 1);
		refresh_files(s, d, now_ns);
		jobs_add(d->jobs, line, &q, now_ns);
	}
	if (r <= 0 && r != -EAGAIN) {
		(void)stage_watch(s, d->lines[line], 0);
		d->lines[line] = -1;
	}
	return n;
}

static int dialer_turn(struct stage *s)
{
	struct dialer *d = s->priv;
	uint64_t now_ns = clock_mono_ns();
	int n = 0;

	if (s->stopping)
		return -ENODATA;
	for (unsigned i = 0; i < DIAL_OUTPUTS_MAX; i++)
		if (d->lines[i] >= 0)
			n += read_line(s, d, i, now_ns);
	jobs_tick(d->jobs, now_ns);
	names_ready(d->names, -1, 0);
	return n;
}

static int dialer_timeout_ms(struct stage *s)
{
	struct dialer *d = s->priv;
	int jobs = jobs_timeout_ms(d->jobs, clock_mono_ns()), names = names_timeout_ms(d->names);

	if (jobs < 0 || (names >= 0 && names < jobs))
		return names;
	return jobs;
}

static int dialer_on_ready(struct stage *s, int fd, uint32_t events)
{
	struct dialer *d = s->priv;

	for (unsigned i = 0; i < DIAL_OUTPUTS_MAX; i++)
		if (d->lines[i] == fd)
			return 0; /* the next turn reads it */
	if (!jobs_ready(d->jobs, fd, clock_mono_ns()))
		names_ready(d->names, fd, events);
	return 0;
}

static int dialer_on_ctl(struct stage *s, const struct ctl_msg *msg, int fd)
{
	struct dialer *d = s->priv;
	_cleanup_close_ int own = fd;

	if (msg->type == CTL_STOP)
		return 0;
	if (msg->type != CTL_SINK || msg->role != FD_FILE || msg->index >= _NAMES_FILE_MAX)
		return -EOPNOTSUPP;
	if (own >= 0)
		read_file(d, msg->index, own);
	return 0;
}

static const struct seal_call calls[] = {
	{__NR_getsockname, "c-ares: which of the addresses has a route"},
	{__NR_getsockopt, "has a connection come about"},
	{__NR_recvfrom, "answers of name servers"},
};

static const struct stage_ops ops = {
	.name = "dialer",
	.seal = {.calls = calls, .n_calls = ARRAY_LEN(calls), .net = SEAL_NET_DIALS},
	.pre_seal = dialer_pre_seal,
	.post_seal = dialer_post_seal,
	.turn = dialer_turn,
	.timeout_ms = dialer_timeout_ms,
	.on_ready = dialer_on_ready,
	.on_ctl = dialer_on_ctl,
};

int main(int argc, char **argv)
{
	return stage_main(&ops, argc, argv);
}
