/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *   saker-collector - everything known about the world, in one stream
 * SYNOPSIS
 *   started by saker(8) alone
 * DESCRIPTION
 *   Takes kernel events from the per-CPU BPF ring buffers (or from the synthetic source or a capture file), the state of the host from BPF iterators, and facts from
 *   saker-metadata and saker-dialer; gives every event its number and writes all of it into the raw ring for saker-tracker. First comes the snapshot (SNAP_BEGIN, state,
 *   SNAP_END), then events. A full raw ring stops the draining. With each batch the ring's restart slot says where a successor goes on: the same kernel records get
 *   the same numbers again. After CTL_STOP, or when the source ends, the rest is drained, END is written and the program exits.
 * SECURITY
 *   Reads bytes that any process of the host can choose. Holds ring buffers, iterator descriptors and three rings; no capability, no file, no socket but the
 *   control socket, its own uid. An attacker in it can blind or feed the detection, which the supervisor notices by the kernel's own counters; it cannot detach it.
 * DIAGNOSTICS
 *   0 drained; 1 failure (one line in the log); 3 a peer broke the protocol. */

#include <sys/epoll.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <driver/source.h>
#include <stage/stage.h>

#include "batch.h"
#include "meta.h"
#include "out.h"
#include "side.h"
#include "snapshot.h"

#define META_BATCH 64
#define META_WAIT_NS                                                                               \
	(500 * NS_PER_MS) /* for the first list of users, so that the first alerts have names */
#define LOSSES_MAX 8
#define FACTS_WAIT_NS                                                                              \
	(30 * NS_PER_S) /* for the first facts of containers, where nothing is lost by waiting */
#define QUIET_NS (5 * NS_PER_MS) /* after stop: a source that stays empty for so long is drained */

enum phase {
	PHASE_BEGIN,
	PHASE_CLOCK,
	PHASE_ITERS,
	PHASE_META,
	PHASE_EVENTS,
	PHASE_END,
	_PHASE_MAX
};

struct collector {
	enum phase phase;
	bool is_live; /* bpf: the source never ends by itself */
	bool is_armed;
	bool is_watched;                        /* the source's descriptor is in the epoll set */
	int wait_fd;                            /* of the source, borrowed; -1 none */
	uint64_t meta_until_ns, quiet_since_ns; /* CLOCK_MONOTONIC; 0: not set */
	struct drv_source *source;
	struct col_out out;
	struct col_batch batch;
	struct col_meta tellers[_COL_TELLER_MAX];
	struct col_snapshot snapshot;
	struct col_side side;     /* for a new tracker */
	struct col_reread reread; /* after a loss */
	struct rec_loss loss[LOSSES_MAX];
	unsigned n_loss; /* told by the supervisor, and not written yet */
};

/* --- pre_seal --- */

static int open_bpf(struct stage *s, const struct spsc_slot *slot, struct drv_source **ret_source)
{
	int fds[SPSC_CPUS_MAX];
	unsigned n = s->settings->n_cpus;

	if (n == 0 || n > SPSC_CPUS_MAX || stage_fd_count(s, FD_BPF_RING) < n)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++)
		fds[i] = stage_fd_get(s, FD_BPF_RING, i);
	/* behind the positions stands how many events the kernel did not make */
	const uint64_t *resume = slot && slot->n_cpus >= n ? slot->cpu_pos : NULL;
	return drv_bpf_open(fds, n, s->settings->bpf_ring_bytes, stage_fd_get(s, FD_BPF_WAKE, 0),
		resume, ret_source);
}

static int open_source(struct stage *s, struct collector *c, const struct spsc_slot *slot)
{
	const struct settings *set = s->settings;
	struct drv_synthetic_config syn = {
		.seed = set->synthetic_seed,
		.n_events = set->synthetic_events,
		.n_procs = set->synthetic_procs,
		.rate = set->synthetic_rate,
		.n_unthrottled = slot ? slot->cpu_pos[0] : 0,
	};

	switch (set->engine) {
	case ENGINE_BPF:
		c->is_live = true;
		return open_bpf(s, slot, &c->source);
	case ENGINE_SYNTHETIC:
		c->batch.in_snapshot = !slot;
		c->batch.skip_to = slot ? slot->cpu_pos[0] : 0;
		c->out.flags = REC_F_NO_SHED;
		return drv_synthetic_open(&syn, &c->source);
	case ENGINE_REPLAY:
		c->batch.in_snapshot = !slot;
		c->batch.skip_to = slot ? slot->cpu_pos[0] : 0;
		c->out.flags = REC_F_NO_SHED;
		c->batch.tells_containers = true;
		md_container_init();
		return drv_replay_open(stage_fd_take(s, FD_CAPTURE, 0), &c->source);
	default:
		return -EOPNOTSUPP;
	}
}

static const struct {
	unsigned index; /* of FD_RING_IN_* */
	const char *name, *what;
} teller_rings[_COL_TELLER_MAX] = {
	[COL_METADATA] = {0, "meta ring or a record in it", "the meta ring"},
	[COL_DIALER] = {CTL_INDEX_NAMES, "names ring or a record in it", "the names ring"},
};

static int attach_teller(struct stage *s, struct col_meta *m, unsigned i)
{
	unsigned index = teller_rings[i].index;
	int r;

	m->teller = (enum col_teller)i;
	if (stage_fd_get(s, FD_RING_IN_DATA, index) < 0)
		return 0;
	r = spsc_consumer_attach(&m->ring, stage_fd_get(s, FD_RING_IN_DATA, index),
		stage_fd_get(s, FD_RING_IN_CURSOR, index));
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_IN_DATA, index, teller_rings[i].name);
	if (r < 0)
		return log_err_errno(r, "attach %s", teller_rings[i].what);
	m->is_attached = true;
	return 0;
}

static int attach_rings(struct stage *s, struct collector *c)
{
	int r = spsc_producer_attach(&c->out.ring, stage_fd_get(s, FD_RING_OUT_DATA, 0),
		stage_fd_get(s, FD_RING_OUT_CURSOR, 0), stage_fd_get(s, FD_WAKE_PEER, 0));
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_OUT_DATA, 0, "raw ring");
	if (r < 0)
		return log_err_errno(r, "attach the raw ring");
	for (unsigned i = 0; r == 0 && i < _COL_TELLER_MAX; i++)
		r = attach_teller(s, &c->tellers[i], i);
	return r;
}

static int col_pre_seal(struct stage *s)
{
	struct collector *c = calloc(1, sizeof(*c));
	struct spsc_slot slot;

	if (!c)
		return log_err_errno(-ENOMEM, "allocate");
	s->priv = c;
	c->out.stats = s->stats;
	col_side_init(&c->side);
	int r = attach_rings(s, c);
	if (r < 0)
		return r;
	bool resumes = col_out_resume(&c->out, &slot) == 0;
	if (resumes) {
		if (s->settings->engine == ENGINE_BPF && slot.n_cpus > s->settings->n_cpus)
			c->out.n_told = slot.cpu_pos[s->settings->n_cpus];
		stats_set(&s->stats->told_events, c->out.n_told);
		log_notice("going on at event %llu", (unsigned long long)slot.next_seq);
		c->phase = PHASE_EVENTS;
	}
	r = open_source(s, c, resumes ? &slot : NULL);
	if (r < 0)
		return log_err_errno(r, "open the event source");
	c->batch.source = c->source;
	for (unsigned i = 0; i < _COL_TELLER_MAX; i++)
		c->tellers[i].has_first = resumes; /* a predecessor has waited for it */
	/* a live run is ended by the supervisor, which turns the kernel's interest off first, so that nothing stays behind in the buffers */
	c->batch.max_event_ns = c->is_live ? 0 : s->settings->max_event_ns;
	int iters[COL_ITERS] = {stage_fd_get(s, FD_ITER, 0), stage_fd_get(s, FD_ITER, 1)};
	col_snapshot_init(&c->snapshot, iters, clock_epoch_ns() - clock_boot_ns());
	c->wait_fd = c->source->ops->wait_fd(c->source);
	if (c->wait_fd >= 0) {
		r = stage_watch(s, c->wait_fd, EPOLLIN);
		if (r < 0)
			return log_err_errno(r, "watch the event source");
		c->is_watched = true;
	}
	return 0;
}

/* --- work: one function a phase. > 0 something was done, 0 nothing to do or no room, negative as turn() --- */

/* A small record is to be written: without room the phase waits. */
static int step(struct collector *c, int r, enum phase next)
{
	if (r == -EAGAIN)
		return 0;
	if (r == 0)
		c->phase = next;
	return r < 0 ? r : 1;
}

static int do_begin(struct stage *s, struct collector *c)
{
	(void)s;
	return step(c, col_out_snap(&c->out, REC_SNAP_BEGIN, clock_epoch_ns()),
		c->is_live ? PHASE_CLOCK : PHASE_EVENTS);
}

static int do_clock(struct stage *s, struct collector *c)
{
	(void)s;
	return step(c, col_snapshot_clock(&c->snapshot, &c->out), PHASE_ITERS);
}

static int do_iters(struct stage *s, struct collector *c)
{
	int r = col_snapshot_fill(&c->snapshot, &c->out, COL_BATCH_MAX);

	(void)s;
	if (r != -ENODATA)
		return r;
	c->meta_until_ns = clock_mono_ns() + META_WAIT_NS;
	c->phase = PHASE_META;
	return 1;
}

static bool is_awaited(const struct col_meta *m)
{
	return m->is_attached && !m->has_first;
}

static int do_meta(struct stage *s, struct collector *c)
{
	bool users = is_awaited(&c->tellers[COL_METADATA]),
	     names = is_awaited(&c->tellers[COL_DIALER]);

	if ((users || names) && !s->stopping && clock_mono_ns() < c->meta_until_ns)
		return 0;
	if (users)
		log_warning("no list of users yet, going on without names");
	if (names)
		log_warning("no addresses of the rules' names yet, going on without");
	return step(c, col_out_snap(&c->out, REC_SNAP_END, clock_epoch_ns()), PHASE_EVENTS);
}

/* The source is empty: after a stop, is it drained? A record may still be young or being written. */
static bool is_drained(struct stage *s, struct collector *c)
{
	uint64_t now = clock_mono_ns();

	if (!s->stopping)
		return false;
	if (c->quiet_since_ns == 0)
		c->quiet_since_ns = now;
	return now - c->quiet_since_ns >= QUIET_NS;
}

/* An input that is broken for good: what came before is judged, and the supervisor ends the run as
 * one that failed. */
static int source_failed(struct stage *s, struct collector *c, int r)
{
	if (!c->source->ops->error)
		return log_err_errno(r, "read the event source");
	log_err("the capture file cannot be read on %s", c->source->ops->error(c->source));
	stats_set(&s->stats->last_error, (uint64_t)-r);
	stats_set(&s->stats->last_error_ns, clock_epoch_ns());
	c->phase = PHASE_END;
	return 1;
}

/* What was lost, before what comes after it; then what is doubted since, read again. */
static int do_losses(struct collector *c)
{
	while (c->n_loss) {
		int r = col_out_loss(&c->out, &c->loss[0], clock_epoch_ns());

		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		c->n_loss--;
		memmove(&c->loss[0], &c->loss[1], c->n_loss * sizeof(c->loss[0]));
		c->loss[c->n_loss] = (struct rec_loss){0};
	}
	return col_reread_fill(&c->reread, &c->out);
}

/* A source that can wait does so until everything is told that a file tells: its first events are judged with it. */
static bool waits_for_meta(struct stage *s, struct collector *c)
{
	struct col_meta *meta = &c->tellers[COL_METADATA];

	if (!is_awaited(meta) || s->stopping)
		return false;
	if (c->meta_until_ns == 0)
		c->meta_until_ns = clock_mono_ns() + FACTS_WAIT_NS;
	if (clock_mono_ns() < c->meta_until_ns)
		return true;
	log_warning("no facts of containers yet, going on without");
	meta->has_first = true;
	return false;
}

static int do_events(struct stage *s, struct collector *c)
{
	if (s->stopping && !c->is_live) {
		c->phase = PHASE_END; /* what is made up on demand has no rest to drain */
		c->batch.skip_to = 0; /* nothing more will be taken: END may be published */
		return 1;
	}
	if (!c->is_live && waits_for_meta(s, c))
		return 0;
	int n = do_losses(c);
	if (n < 0)
		return n;
	int r = col_batch_fill(&c->batch, &c->out);
	if (r == -ENODATA || (r == 0 && !c->out.is_full && is_drained(s, c))) {
		c->phase = PHASE_END;
		return 1;
	}
	if (r > 0)
		c->quiet_since_ns = 0;
	if (r < 0 && r != -EBADMSG)
		return source_failed(s, c, r);
	return r < 0 ? r : r + n;
}

static int do_end(struct stage *s, struct collector *c)
{
	int r = 0;

	(void)s;
	if (c->batch.in_snapshot)
		r = col_out_snap(&c->out, REC_SNAP_END, clock_epoch_ns());
	if (r == 0) {
		c->batch.in_snapshot = false;
		r = col_out_end(&c->out, clock_epoch_ns());
	}
	if (r == -EAGAIN)
		return 0;
	return r < 0 ? r : -ENODATA;
}

static void publish(struct collector *c)
{
	uint64_t pos[SPSC_CPUS_MAX];
	unsigned n_pos = 0;

	/* before the snapshot is complete there is no slot: a successor begins anew */
	if (c->phase >= PHASE_EVENTS && !c->batch.in_snapshot)
		n_pos = c->source->ops->positions(c->source, pos, ARRAY_LEN(pos));
	if (c->is_live && n_pos && n_pos < ARRAY_LEN(pos))
		pos[n_pos++] = c->out.n_told;
	col_out_publish(&c->out, pos, n_pos);
	/* only now: what was given back to the kernel is safe in the raw ring */
	c->source->ops->commit(c->source);
	for (unsigned i = 0; i < _COL_TELLER_MAX; i++)
		if (c->tellers[i].is_attached)
			col_meta_commit(&c->tellers[i]);
}

/* What has been told. How much was taken, or negative errno. */
static int take_told(struct stage *s, struct collector *c)
{
	int n = 0;

	if (c->phase <= PHASE_CLOCK || c->batch.skip_to)
		return 0;
	c->tellers[COL_METADATA].tells_events = c->is_live && c->phase == PHASE_EVENTS;
	for (unsigned i = 0; i < _COL_TELLER_MAX; i++) {
		int r = col_meta_fill(&c->tellers[i], &c->out, META_BATCH);

		if (r == -EPROTO)
			stage_peer_fault(
				s, FD_RING_IN_DATA, teller_rings[i].index, teller_rings[i].name);
		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

/* > 0: something was done. */
static int do_side(struct stage *s, struct collector *c)
{
	if (!c->side.is_active)
		return 0;
	if (col_side_fill(&c->side) == 0)
		(void)stage_send(s, CTL_SNAPSHOT_DONE, FD_SNAPSHOT, 0, 0, 0, NULL,
			-1); /* a supervisor that is gone shows at the next turn */
	return 1;
}

static int col_turn(struct stage *s)
{
	static int (*const phases[_PHASE_MAX])(struct stage *, struct collector *) = {
		[PHASE_BEGIN] = do_begin,
		[PHASE_CLOCK] = do_clock,
		[PHASE_ITERS] = do_iters,
		[PHASE_META] = do_meta,
		[PHASE_EVENTS] = do_events,
		[PHASE_END] = do_end,
	};
	struct collector *c = s->priv;
	int n = take_told(s, c);

	if (c->phase == PHASE_EVENTS && c->source->ops->fill)
		s->fill_percent = MAX(s->fill_percent, c->source->ops->fill(c->source));
	int r = n < 0 ? n : phases[c->phase](s, c);
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_OUT_CURSOR, 0, "position in the raw ring");
	if ((r != 0 || n > 0 || c->out.n_batch > 0) && c->batch.skip_to == 0)
		publish(c);
	return r < 0 ? r : r + n + do_side(s, c);
}

/* --- waiting --- */

static void watch_source(struct stage *s, struct collector *c, bool on)
{
	if (c->wait_fd < 0 || c->is_watched == on)
		return;
	int r = stage_watch(s, c->wait_fd, on ? EPOLLIN : 0);
	if (r < 0)
		log_warning_errno(r, "watch the event source, ignoring");
	else
		c->is_watched = on;
}

static void disarm_tellers(struct collector *c)
{
	for (unsigned i = 0; i < _COL_TELLER_MAX; i++)
		if (c->tellers[i].is_attached)
			spsc_consumer_disarm(&c->tellers[i].ring);
}

static bool arm_tellers(struct collector *c)
{
	for (unsigned i = 0; i < _COL_TELLER_MAX; i++)
		if (c->tellers[i].is_attached && !spsc_consumer_arm(&c->tellers[i].ring)) {
			disarm_tellers(c);
			return false;
		}
	return true;
}

static bool col_arm(struct stage *s)
{
	struct collector *c = s->priv;

	/* What the source has cannot be taken now: only time helps, as the reader does not ring when it makes room. */
	if (c->out.is_full || c->phase != PHASE_EVENTS) {
		watch_source(s, c, false);
		return true;
	}
	watch_source(s, c, true);
	if (!arm_tellers(c))
		return false;
	if (!c->source->ops->arm(c->source)) {
		disarm_tellers(c);
		return false;
	}
	c->is_armed = true;
	return true;
}

static void col_disarm(struct stage *s)
{
	struct collector *c = s->priv;

	if (!c->is_armed)
		return;
	c->is_armed = false;
	c->source->ops->disarm(c->source);
	disarm_tellers(c);
}

static int col_timeout_ms(struct stage *s)
{
	struct collector *c = s->priv;

	if (c->out.is_full || c->phase != PHASE_EVENTS || s->stopping || c->wait_fd < 0)
		return 1;
	return 1000;
}

static int begin_side(struct stage *s, struct collector *c, int fd)
{
	int r = col_side_begin(&c->side, fd);

	if (r < 0) {
		log_err_errno(r, "begin a snapshot for a new tracker");
		return stage_send(s, CTL_SNAPSHOT_DONE, FD_SNAPSHOT, 0, r, 0, NULL, -1);
	}
	return 0;
}

static int note_loss(struct collector *c, const struct ctl_msg *msg)
{
	struct rec_loss *to = NULL;

	for (unsigned i = 0; i < c->n_loss && !to; i++)
		if (c->loss[i].reason == msg->index && c->loss[i].cls == (uint32_t)msg->value[1])
			to = &c->loss[i];
	if (!to)
		to = &c->loss[c->n_loss < LOSSES_MAX ? c->n_loss++ : LOSSES_MAX - 1];
	to->reason = msg->index;
	to->cls = (uint32_t)msg->value[1];
	to->n += msg->value[0];
	return 0;
}

static int begin_reread(struct collector *c)
{
	int fds[COL_SIDE_ITERS];

	col_side_take_iters(&c->side, fds);
	if (fds[0] < 0)
		return -EINVAL; /* nothing to read: that would look as if all was well */
	col_reread_begin(&c->reread, fds);
	return 0;
}

static int col_on_ctl(struct stage *s, const struct ctl_msg *msg, int fd)
{
	struct collector *c = s->priv;

	if (msg->type == CTL_FD && msg->role == FD_ITER && fd >= 0)
		return col_side_iter(&c->side, msg->index, fd);
	if (msg->type == CTL_SNAPSHOT && fd >= 0)
		return begin_side(s, c, fd);
	if (msg->type == CTL_LOSS && fd < 0)
		return note_loss(c, msg);
	if (msg->type == CTL_REREAD && fd < 0)
		return begin_reread(c);
	if (fd >= 0)
		(void)close(fd);
	return msg->type == CTL_STOP ? 0 : -EOPNOTSUPP; /* stopping is looked at in every turn */
}

static const struct stage_ops ops = {
	.name = "collector",
	/* Nothing beside the skeleton's list: rings are memory, iterators are read(2), waiting is the skeleton's. */
	.seal = {.calls = NULL, .n_calls = 0},
	.pre_seal = col_pre_seal,
	.turn = col_turn,
	.arm = col_arm,
	.disarm = col_disarm,
	.timeout_ms = col_timeout_ms,
	.on_ctl = col_on_ctl,
};

int main(int argc, char **argv)
{
	return stage_main(&ops, argc, argv);
}
