/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *   saker-gate - the sockets of container runtimes
 * SYNOPSIS
 *   started by saker(8) alone
 * DESCRIPTION
 *   Asks container runtimes what saker-metadata wants to know of containers: their list, one of them, an image; and listens to the reports of each. Who asks says a kind and an id; the request is written
 *   here, from a fixed text and an id of hexadecimal digits alone. Answers are handed on unread. Sockets come connected from the supervisor, which opens them by the names of the configuration; one that is not
 *   there is asked for again every half second. It ends at CTL_STOP.
 * SECURITY
 *   A runtime's socket is root by another name. This process has them, and reads of what comes only the framing (status line, headers, chunks: libcurl). Holds those sockets and two rings; no capability, no
 *   file, no socket of its own making, its own uid. An attacker in it is root; that is why nothing of what runtimes say about containers, which others chose, is looked at here. An attacker in saker-metadata can have
 *   containers listed and looked at, which it is for, and nothing else.
 * DIAGNOSTICS
 *   0 stopped; 1 failure (one line in the log); 3 a peer broke the protocol. */

#include <sys/epoll.h>
#include <sys/syscall.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <shm/gate.h>
#include <shm/settings.h>
#include <stage/stage.h>

#include "transfer.h"

#define ASKS_A_TURN 64
#define RETRY_MIN_NS (50 * NS_PER_MS)
#define RETRY_MAX_NS (500 * NS_PER_MS)
#define ALIVE_NS NS_PER_S
#define ANSWER_ROOM (sizeof(struct gate_answer) + GATE_PART_MAX)
#define REPORTS_AGAIN_NS NS_PER_S
#define ENDS_MAX (GATE_ASKS_MAX + 3 * GATE_RUNTIMES_MAX)

struct gate_runtime {
	bool listens;  /* what shows that it is there is asked for: its reports, or its version */
	bool is_up;    /* and comes */
	bool was_said; /* that it is not there */
	uint64_t retry_ns; /* when it is tried again */
	uint64_t delay_ns;
	/* of one whose version is asked for: its reports */
	enum gate_reports { REPORTS_WANTED, REPORTS_COME, REPORTS_NONE } reports;
	uint64_t reports_ns; /* wanted from then on */
};

struct gate {
	struct stage *stage;
	const struct settings *set;
	struct spsc_consumer in;
	struct spsc_producer out;
	struct transfers *transfers;
	struct gate_runtime runtimes[GATE_RUNTIMES_MAX];
	/* last words that found no room yet */
	struct gate_answer ends[ENDS_MAX];
	unsigned n_ends;
	bool is_full, is_armed;
};

/* --- answers --- */

/* One record. false: no room. */
static bool put(struct gate *g, const struct gate_answer *a, struct span body)
{
	struct spsc_rec *rec = NULL;
	struct gate_answer *to;
	int r = spsc_reserve(&g->out, sizeof(*a) + body.n, REC_GATE_ANSWER, &rec);

	if (r == -EBADMSG)
		stage_peer_fault(g->stage, FD_RING_OUT_CURSOR, 0, "position in the answer ring");
	g->is_full = r < 0;
	if (r < 0)
		return false;
	to = container_of(rec, struct gate_answer, h.ring);
	to->h.seq = to->h.ord = 0;
	to->h.ts_ns = clock_epoch_ns();
	to->cookie = a->cookie;
	to->runtime = a->runtime;
	to->what = a->what;
	to->status = a->status;
	to->flags = a->flags;
	to->n = (uint32_t)body.n;
	to->pad0 = 0;
	if (body.n)
		memcpy(to + 1, body.p, body.n);
	spsc_commit(&g->out, sizeof(*a) + body.n);
	stats_add(&g->stage->stats->records_out, 1);
	return true;
}

static void put_ends(struct gate *g)
{
	unsigned n = 0;

	while (n < g->n_ends && put(g, &g->ends[n], (struct span){0}))
		n++;
	g->n_ends -= n;
	memmove(g->ends, g->ends + n, g->n_ends * sizeof(g->ends[0]));
}

/* In order behind what was put; kept where there is no room. There are not more than asks, for none is taken while some are kept, and one word a runtime. */
static void say(struct gate *g, const struct gate_answer *a)
{
	if (g->n_ends == 0 && put(g, a, (struct span){0}))
		return;
	if (g->n_ends < ENDS_MAX)
		g->ends[g->n_ends++] = *a;
}

static void say_end(
	struct gate *g, unsigned runtime, unsigned what, uint64_t cookie, unsigned status)
{
	say(g, &(struct gate_answer){.cookie = cookie,
		       .runtime = runtime,
		       .what = what,
		       .status = status,
		       .flags = GATE_F_END | (status == GATE_OK ? 0 : GATE_F_FAILED)});
}

/* --- what transfers tell --- */

static bool on_body(void *ctx, unsigned runtime, unsigned what, uint64_t cookie, struct span part)
{
	struct gate *g = ctx;

	return g->n_ends == 0 &&
	       put(g, &(struct gate_answer){.cookie = cookie, .runtime = runtime, .what = what},
		       part);
}

static void on_up(void *ctx, unsigned runtime)
{
	struct gate *g = ctx;
	struct gate_runtime *rt = &g->runtimes[runtime];

	if (rt->is_up)
		return; /* asked once more, it still answers */

	log_notice("%s at '%s' answers", gate_kind_str(g->set->runtimes[runtime].kind),
		g->set->runtimes[runtime].path);
	rt->is_up = true;
	rt->was_said = false;
	rt->delay_ns = RETRY_MIN_NS;
	say(g, &(struct gate_answer){.runtime = runtime, .what = GATE_EVENTS, .flags = GATE_F_UP});
}

/* Its reports ended: whatever else was asked of it is void. */
static void lost(struct gate *g, unsigned runtime, unsigned status)
{
	struct gate_runtime *rt = &g->runtimes[runtime];
	const char *path = g->set->runtimes[runtime].path;

	if (rt->is_up)
		log_warning("%s at '%s' went away (%s), trying again",
			gate_kind_str(g->set->runtimes[runtime].kind), path,
			gate_status_str(status));
	else if (status != GATE_DOWN && !rt->was_said)
		log_warning("%s at '%s': %s (status %u), trying again",
			gate_kind_str(g->set->runtimes[runtime].kind), path,
			gate_status_str(status), status);
	rt->was_said = rt->is_up || status != GATE_DOWN;
	if (rt->is_up)
		say(g, &(struct gate_answer){
			       .runtime = runtime, .what = GATE_EVENTS, .flags = GATE_F_DOWN});
	rt->is_up = rt->listens = false;
	rt->reports = REPORTS_WANTED;
	rt->reports_ns = 0;
	transfers_drop(g->transfers, runtime);
	rt->retry_ns = clock_mono_ns() + rt->delay_ns;
	rt->delay_ns = MIN(rt->delay_ns * 2, (uint64_t)RETRY_MAX_NS);
}

/* Not every runtime of Kubernetes has reports; containers are found by their cgroups too. */
static void reports_ended(struct gate *g, unsigned runtime, unsigned status)
{
	struct gate_runtime *rt = &g->runtimes[runtime];

	rt->reports = status == 501 ? REPORTS_NONE : REPORTS_WANTED;
	rt->reports_ns = clock_mono_ns() + REPORTS_AGAIN_NS;
	if (status == 501)
		log_info("%s at '%s' has no reports of containers, going on without",
			gate_kind_str(g->set->runtimes[runtime].kind),
			g->set->runtimes[runtime].path);
	else
		say(g, &(struct gate_answer){
			       .runtime = runtime, .what = GATE_EVENTS, .flags = GATE_F_MISSED});
}

static void on_done(void *ctx, unsigned runtime, unsigned what, uint64_t cookie, unsigned status)
{
	struct gate *g = ctx;
	bool is_call = gate_is_call(g->set->runtimes[runtime].kind);

	if (what == GATE_VERSION && status == GATE_OK) {
		g->runtimes[runtime].listens = false;
		g->runtimes[runtime].retry_ns = clock_mono_ns() + ALIVE_NS;
	} else if (what == GATE_EVENTS && is_call)
		reports_ended(g, runtime, status);
	else if (gate_is_unasked(what))
		lost(g, runtime, status == GATE_OK ? GATE_DOWN : status);
	else
		say_end(g, runtime, what, cookie, status);
}

static void on_want_socket(void *ctx, unsigned runtime)
{
	struct gate *g = ctx;

	/* a supervisor that is gone shows at the next turn */
	(void)stage_send(g->stage, CTL_NEED_SINK, FD_RUNTIME, runtime, 0, 0, "runtime", -1);
}

static void on_watch(void *ctx, int fd, uint32_t events)
{
	struct gate *g = ctx;

	(void)stage_watch(g->stage, fd, events); /* not watched: its time runs out */
}

/* --- pre_seal --- */

static int attach_rings(struct stage *s, struct gate *g)
{
	int r = spsc_consumer_attach(
		&g->in, stage_fd_get(s, FD_RING_IN_DATA, 0), stage_fd_get(s, FD_RING_IN_CURSOR, 0));

	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_IN_DATA, 0, "ask ring");
	if (r < 0)
		return log_err_errno(r, "attach the ask ring");
	r = spsc_producer_attach(&g->out, stage_fd_get(s, FD_RING_OUT_DATA, 0),
		stage_fd_get(s, FD_RING_OUT_CURSOR, 0), stage_fd_get(s, FD_WAKE_PEER, 0));
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_OUT_DATA, 0, "answer ring");
	return r < 0 ? log_err_errno(r, "attach the answer ring") : 0;
}

static int gate_pre_seal(struct stage *s)
{
	struct gate *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return log_err_errno(-ENOMEM, "start");
	s->priv = g;
	g->stage = s;
	g->set = s->settings;
	if (g->set->n_runtimes > GATE_RUNTIMES_MAX)
		return log_err_errno(-EINVAL, "settings are out of range");
	for (unsigned i = 0; i < GATE_RUNTIMES_MAX; i++)
		g->runtimes[i].delay_ns = RETRY_MIN_NS;
	r = attach_rings(s, g);
	if (r < 0)
		return r;
	r = transfers_init();
	return r < 0 ? log_err_errno(r, "set up libcurl") : 0;
}

/* The library's handles are made where its calls are filtered already. */
static int gate_post_seal(struct stage *s)
{
	struct gate *g = s->priv;
	struct transfer_env env = {.body = on_body,
		.done = on_done,
		.up = on_up,
		.want_socket = on_want_socket,
		.watch = on_watch,
		.ctx = g};
	uint32_t kinds[GATE_RUNTIMES_MAX];

	for (unsigned i = 0; i < g->set->n_runtimes; i++)
		kinds[i] = g->set->runtimes[i].kind;
	g->transfers = transfers_new(kinds, g->set->n_runtimes, &env);
	return g->transfers ? 0 : log_err_errno(-ENOMEM, "set up libcurl");
}

/* --- work --- */

static void start_ask(struct gate *g, const struct gate_ask *a)
{
	struct span id = span_str(a->id);
	unsigned status = GATE_OK;
	int r = 0;

	if (a->runtime >= g->set->n_runtimes ||
		!gate_id_fits(g->set->runtimes[a->runtime].kind, a->what, id))
		status = GATE_REFUSED;
	else if (!g->runtimes[a->runtime].is_up)
		status = GATE_DOWN;
	else
		r = transfers_start(g->transfers, a->runtime, a->what, a->cookie, id);
	if (r < 0) /* that kind of runtime has no such request; or there are too many */
		status = r == -EINVAL ? GATE_REFUSED : GATE_BUSY;
	if (status == GATE_REFUSED)
		log_warning("saker-metadata asked for what may not be asked for, refusing");
	/* the runtime of an answer must be one that there is */
	if (status != GATE_OK && !gate_is_unasked(a->what))
		say_end(g, MIN(a->runtime, GATE_RUNTIMES_MAX - 1U), a->what, a->cookie, status);
}

static int take_asks(struct stage *s, struct gate *g)
{
	int n = 0;

	while (n < ASKS_A_TURN && g->n_ends == 0 && transfers_has_room(g->transfers)) {
		const struct spsc_rec *rec;
		int r = spsc_next(&g->in, &rec);

		if (r < 0 || (r > 0 && gate_ask_validate((const struct rec_head *)rec) < 0))
			stage_peer_fault(s, FD_RING_IN_DATA, 0, "ask ring or a record in it");
		if (r == 0)
			break;
		start_ask(g, (const struct gate_ask *)rec);
		n++;
	}
	if (n)
		spsc_consumer_commit(&g->in);
	return n;
}

static bool wants_reports(const struct gate *g, unsigned runtime)
{
	const struct gate_runtime *rt = &g->runtimes[runtime];

	return rt->is_up && rt->reports == REPORTS_WANTED &&
	       gate_is_call(g->set->runtimes[runtime].kind);
}

static bool start_unasked(struct gate *g, unsigned runtime, enum gate_what what)
{
	return transfers_start(g->transfers, runtime, what, 0, (struct span){0}) == 0;
}

static void listen_to_all(struct gate *g, uint64_t now_ns)
{
	for (unsigned i = 0; i < g->set->n_runtimes; i++) {
		struct gate_runtime *rt = &g->runtimes[i];
		bool is_call = gate_is_call(g->set->runtimes[i].kind);

		if (!rt->listens && now_ns >= rt->retry_ns)
			rt->listens = start_unasked(g, i, is_call ? GATE_VERSION : GATE_EVENTS);
		if (wants_reports(g, i) && now_ns >= rt->reports_ns &&
			start_unasked(g, i, GATE_EVENTS))
			rt->reports = REPORTS_COME;
	}
}

static int gate_turn(struct stage *s)
{
	struct gate *g = s->priv;
	uint64_t now = clock_mono_ns();
	int n;

	if (s->stopping)
		return -ENODATA;
	put_ends(g);
	listen_to_all(g, now);
	n = take_asks(s, g);
	n += transfers_turn(g->transfers, now);
	spsc_publish(&g->out);
	return n;
}

static bool gate_arm(struct stage *s)
{
	struct gate *g = s->priv;

	if (g->n_ends || !transfers_has_room(g->transfers))
		return true; /* asks wait: time helps */
	g->is_armed = spsc_consumer_arm(&g->in);
	return g->is_armed;
}

static void gate_disarm(struct stage *s)
{
	struct gate *g = s->priv;

	if (g->is_armed)
		spsc_consumer_disarm(&g->in);
	g->is_armed = false;
}

static int until_ms(uint64_t then_ns, uint64_t now_ns)
{
	return then_ns > now_ns ? (int)((then_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

static int gate_timeout_ms(struct stage *s)
{
	struct gate *g = s->priv;
	uint64_t now = clock_mono_ns();
	int ms = transfers_timeout_ms(g->transfers, now);

	ms = ms < 0 ? 1000 : MIN(ms, 1000);
	for (unsigned i = 0; i < g->set->n_runtimes; i++) {
		const struct gate_runtime *rt = &g->runtimes[i];

		if (!rt->listens)
			ms = MIN(ms, until_ms(rt->retry_ns, now));
		if (wants_reports(g, i))
			ms = MIN(ms, until_ms(rt->reports_ns, now));
	}
	return g->n_ends ? MIN(ms, 2) : ms;
}

static int gate_on_ctl(struct stage *s, const struct ctl_msg *msg, int fd)
{
	struct gate *g = s->priv;
	_cleanup_close_ int own = fd;

	if (msg->type == CTL_SINK && msg->role == FD_RUNTIME && msg->index < g->set->n_runtimes) {
		transfers_socket(g->transfers, msg->index, TAKE_FD(own));
		return 0;
	}
	return msg->type == CTL_STOP ? 0 : -EOPNOTSUPP;
}

static int gate_on_ready(struct stage *s, int fd, uint32_t events)
{
	struct gate *g = s->priv;

	transfers_ready(g->transfers, fd, events);
	return 0;
}

static const struct seal_call calls[] = {
	{__NR_recvfrom, "libcurl"},
	{__NR_getsockopt, "libcurl"},
	{__NR_getsockname, "libcurl"},
	{__NR_getpeername, "libcurl"},
	{__NR_socketpair, "libcurl's own wake-up; it reaches nobody"},
	{__NR_rt_sigaction, "libcurl"},
};

static const struct stage_ops ops = {
	.name = "gate",
	.seal = {.calls = calls,
		.n_calls = ARRAY_LEN(calls),
		.net = SEAL_NET_USES | SEAL_NET_PRETENDS},
	.pre_seal = gate_pre_seal,
	.post_seal = gate_post_seal,
	.turn = gate_turn,
	.arm = gate_arm,
	.disarm = gate_disarm,
	.timeout_ms = gate_timeout_ms,
	.on_ctl = gate_on_ctl,
	.on_ready = gate_on_ready,
};

int main(int argc, char **argv)
{
	return stage_main(&ops, argc, argv);
}
