/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *   saker-dialer - connect outputs to where their configuration says, resolve names of rules
 *
 * SYNOPSIS
 *   Started by saker where an output needs the network or a rule compares addresses with names; of
 * no use by hand.
 *
 * DESCRIPTION
 *   Emitters of network outputs live in an empty network namespace and can neither make nor connect
 * a socket. They ask here, each over a line of its own: host, port, TCP or UDP. What the output's
 * configuration permits is resolved and connected, and the socket handed over; anything else is
 * refused and said in the log. Many requests are worked on at once; none waits for another.
 *   The names that rules compare addresses with (fd.sip.name and its like) it reads from the policy
 * image, asks for them again and again, and tells the collector what has changed.
 *
 * SECURITY
 *   Requests come from processes that read hostile bytes, answers of name servers from anywhere.
 * Holds the resolver's files as descriptors, the lines to the emitters, the policy image, a ring to
 * the collector, the host's network: no alert, no secret, no file by name, no capability, its own
 * uid. In here an attacker can connect to anything and hand emitters wrong peers (TLS then refuses
 * them), give rules wrong addresses for names (the collector takes nothing else), and see no alert.
 *
 * DIAGNOSTICS
 *   0 stopped; 1 error, one line in saker's log; 3 the ring's reader broke the protocol. */

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
#include <shm/rec.h>
#include <shm/segment.h>
#include <stage/stage.h>

#include "dialer_jobs.h"
#include "dialer_names.h"
#include "resolve/resolve.h"

#define FILES_NS (5 * NS_PER_S) /* how old what we know of the resolver's files may be */
#define REQUESTS_A_TURN 32
#define RECORDS_A_TURN 64
#define FULL_MS 10 /* the reader does not ring when it makes room */

struct dialer {
	const struct dial_rules *rules;
	struct names *names;
	struct jobs *jobs;
	struct stage *stage;
	int lines[DIAL_OUTPUTS_MAX]; /* borrowed; -1 none, or broken */
	uint64_t files_ns;
	struct resolve *resolve; /* NULL: no rule compares with names */
	struct spsc_producer ring;
	bool is_full, first_done;
	uint64_t buf[SPSC_RECORD_MAX / sizeof(uint64_t)];
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
	static const struct dial_rules none;
	int fd = stage_fd_get(s, FD_DIAL_RULES, 0), r;
	void *p;
	size_t n;

	d->rules = &none;
	if (fd < 0)
		return 0; /* no output needs the network */
	r = seg_map(fd, SEG_OUTPUT, PROT_READ, &p, &n);
	if (r == 0)
		r = dial_rules_check(p, n);
	if (r < 0)
		return log_err_errno(r, "read where outputs may be connected to");
	d->rules = p;
	return 0;
}

static int load_names(struct stage *s, struct dialer *d)
{
	int fd = stage_fd_get(s, FD_IMAGE, 0), r;
	unsigned n, n_left_out;
	const char *why = "";
	void *p;
	size_t size;

	if (fd < 0)
		return 0;
	r = seg_map(fd, SEG_IMAGE, PROT_READ, &p, &size);
	if (r == 0)
		r = resolve_new(p, size, d->names, &d->resolve, &why);
	if (r < 0)
		return log_err_errno(r, "read the rules' names from the policy image%s%s",
			why[0] ? ": " : "", why);
	n = resolve_count(d->resolve, &n_left_out);
	log_debug("%u names that rules compare addresses with", n);
	if (n_left_out)
		log_warning(
			"%u names that rules compare addresses with are never resolved: at most "
			"%u, of at most 255 bytes",
			n_left_out, RESOLVE_NAMES_MAX);
	r = spsc_producer_attach(&d->ring, stage_fd_get(s, FD_RING_OUT_DATA, 0),
		stage_fd_get(s, FD_RING_OUT_CURSOR, 0), stage_fd_get(s, FD_WAKE_PEER, 0));
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_OUT_DATA, 0, "names ring");
	return r < 0 ? log_err_errno(r, "attach the names ring") : 0;
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
	if (r == 0) {
		r = load_names(s, d);
		if (r < 0)
			return r;
	}
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
	if (r > 0 && d->resolve)
		resolve_ask_all(d->resolve);
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

/* One record into the names ring. 0, or -EAGAIN: later. */
static int put(struct stage *s, struct dialer *d, uint16_t type, const void *body, size_t n)
{
	struct spsc_rec *rec = NULL;
	struct rec_head *h;
	int r = spsc_reserve(&d->ring, sizeof(*h) + n, type, &rec);

	d->is_full = r == -EAGAIN;
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_OUT_CURSOR, 0, "position in the names ring");
	if (r < 0)
		return r;
	h = container_of(rec, struct rec_head, ring);
	h->seq = h->ord = 0;
	h->ts_ns = clock_epoch_ns();
	if (n)
		memcpy(h + 1, body, n);
	spsc_commit(&d->ring, sizeof(*h) + n);
	stats_add(&s->stats->records_out, 1);
	return 0;
}

/* Behind the first answers the collector need not wait any longer: what a name server still owes
 * follows when it comes. */
static int tell_names(struct stage *s, struct dialer *d, uint64_t now_ns)
{
	int n = 0, len;

	if (!d->resolve)
		return 0;
	n = (int)resolve_tick(d->resolve, now_ns);
	if (n > 0)
		refresh_files(s, d, now_ns);
	for (unsigned i = 0; i < RECORDS_A_TURN; i++, n++) {
		len = resolve_record(d->resolve, d->buf);
		if (len <= 0 || put(s, d, REC_STATE, d->buf, (size_t)len) < 0)
			break;
		resolve_taken(d->resolve);
	}
	if (!d->first_done && resolve_is_first_done(d->resolve) &&
		put(s, d, REC_SNAP_END, NULL, 0) == 0)
		d->first_done = true;
	spsc_publish(&d->ring);
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
	return n + tell_names(s, d, now_ns);
}

static int sooner(int a_ms, int b_ms)
{
	return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static int dialer_timeout_ms(struct stage *s)
{
	struct dialer *d = s->priv;
	uint64_t now_ns = clock_mono_ns();
	int ms = sooner(jobs_timeout_ms(d->jobs, now_ns), names_timeout_ms(d->names));

	if (d->resolve)
		ms = sooner(ms, d->is_full ? FULL_MS : resolve_timeout_ms(d->resolve, now_ns));
	return ms;
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
	if (msg->type == CTL_AGAIN && own < 0) {
		if (d->resolve)
			resolve_tell_all(d->resolve);
		return 0;
	}
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
