/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *   saker-tracker - the state of threads and descriptors, and events with everything resolved
 * SYNOPSIS
 *   started by saker(8) alone
 * DESCRIPTION
 *   Takes the raw ring (events, snapshots, facts of the host, in one stream), keeps the one true
 * table of threads and descriptors, and writes one event ring for each evaluator: every event that
 * some rule looks at goes to one of them, by process, with the descriptors, paths and pids that it
 * names resolved; every thread's record goes to all of them before the first event that needs it.
 * Events that no rule looks at, or none can match by their result, connection or name, end here. What it writes depends on what it reads alone. Tables are
 * fixed at start (memory.threads, memory.descriptors); a full one forgets what was not seen for
 * longest, and counts. A full event ring makes it shed events by class, named tracker.event_full,
 * or wait, if the source can wait. SECURITY Reads what processes chose (names, arguments, paths,
 * addresses) through kernel events, checked once at the door. Holds rings and its tables; no
 *   capability, no file, no socket but the control socket, its own uid. An attacker in it can hide
 * or invent events for the rules; it cannot stop capture, reach an output or raise privileges.
 * DIAGNOSTICS
 *   0 drained; 1 failure (one line in the log); 3 a peer broke the protocol. */

#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <rules/image.h>
#include <shm/segment.h>
#include <stage/stage.h>

#include "turn.h"

/* --- pre_seal --- */

static int attach_rings(struct stage *s, struct st_stage *t)
{
	int r = spsc_consumer_attach(
		&t->in, stage_fd_get(s, FD_RING_IN_DATA, 0), stage_fd_get(s, FD_RING_IN_CURSOR, 0));

	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_IN_DATA, 0, "raw ring");
	if (r < 0)
		return log_err_errno(r, "attach the raw ring");
	for (unsigned i = 0; i < s->settings->n_evaluators; i++) {
		r = spsc_producer_attach(&t->out.rings[i], stage_fd_get(s, FD_RING_OUT_DATA, i),
			stage_fd_get(s, FD_RING_OUT_CURSOR, i), stage_fd_get(s, FD_WAKE_PEER, i));
		if (r == -EBADMSG)
			stage_peer_fault(s, FD_RING_OUT_DATA, i, "event ring");
		if (r < 0)
			return log_err_errno(r, "attach event ring %u", i);
	}
	if (stage_fd_get(s, FD_RING_OUT_DATA, CTL_INDEX_LOOKUP) >= 0) {
		r = spsc_producer_attach(&t->lookups,
			stage_fd_get(s, FD_RING_OUT_DATA, CTL_INDEX_LOOKUP),
			stage_fd_get(s, FD_RING_OUT_CURSOR, CTL_INDEX_LOOKUP),
			stage_fd_get(s, FD_WAKE_PEER, CTL_INDEX_LOOKUP));
		if (r == -EBADMSG)
			stage_peer_fault(s, FD_RING_OUT_DATA, CTL_INDEX_LOOKUP, "request ring");
		if (r < 0)
			return log_err_errno(r, "attach the request ring");
		t->has_lookups = true;
	}
	if (s->settings->record_mode == RECORD_NONE)
		return 0;
	r = spsc_producer_attach(&t->record.ring,
		stage_fd_get(s, FD_RING_OUT_DATA, CTL_INDEX_RECORD),
		stage_fd_get(s, FD_RING_OUT_CURSOR, CTL_INDEX_RECORD),
		stage_fd_get(s, FD_WAKE_PEER, CTL_INDEX_RECORD));
	if (r < 0)
		return log_err_errno(r, "attach the record ring");
	t->record.is_on = true;
	t->record.can_lose = s->settings->engine == ENGINE_BPF;
	return 0;
}

static int map_progress(struct stage *s, struct st_stage *t)
{
	void *page;
	size_t n;
	int r = seg_map(stage_fd_get(s, FD_PROGRESS_OWN, 0), SEG_PROGRESS, PROT_READ | PROT_WRITE,
		&page, &n);

	if (r < 0 || n < sizeof(*t->progress))
		return log_err_errno(r < 0 ? r : -EBADMSG, "map the progress page");
	t->progress = page;
	return 0;
}

static int map_image(struct stage *s, struct img *ret_img)
{
	const char *why = "";
	void *image;
	size_t n;
	int r = seg_map(stage_fd_get(s, FD_IMAGE, 0), SEG_IMAGE, PROT_READ, &image, &n);

	if (r < 0)
		return log_err_errno(r, "map the policy image");
	r = img_verify(image, n, ret_img, &why);
	return r < 0 ? log_err_errno(r, "verify the policy image (%s)", why) : 0;
}

static int tracker_pre_seal(struct stage *s)
{
	const struct settings *set = s->settings;
	struct st_stage *t;
	struct img img;
	int r;

	if (set->n_evaluators == 0 || set->n_evaluators > PROGRESS_EVALUATORS_MAX ||
		set->threads_max < ST_THREADS_MIN || set->descriptors_max < ST_FDS_MIN)
		return log_err_errno(-EINVAL,
			"settings are out of range: %u evaluators, %u threads, %u descriptors",
			set->n_evaluators, set->threads_max, set->descriptors_max);
	t = calloc(1, sizeof(*t));
	if (!t)
		return log_err_errno(-ENOMEM, "allocate");
	s->priv = t;
	t->stats = s->stats;
	t->out.can_cut = set->engine == ENGINE_BPF;
	r = attach_rings(s, t);
	if (r == 0)
		r = map_progress(s, t);
	if (r == 0)
		r = map_image(s, &img);
	if (r < 0)
		return r;
	r = st_stage_init(t,
		&(struct st_config){.events = img.events,
			.paths = set->engine == ENGINE_BPF ? NULL : img.kpaths,
			.needs = img.head->needs,
			.exact = img.head->flags & IMG_F_EXACT,
			.n_rings = set->n_evaluators,
			.threads_max = set->threads_max,
			.descriptors_max = set->descriptors_max,
			.engines_off = set->engines_off},
		set->metadata_wait_ns);
	return r < 0 ? log_err_errno(r, "allocate tables for %u threads, %u descriptors",
			       set->threads_max, set->descriptors_max)
		     : 0;
}

/* --- post_seal: what a predecessor knew is gone; this is the state of the host of just now --- */

static int tracker_post_seal(struct stage *s)
{
	struct st_stage *t = s->priv;
	int fd = stage_fd_take(s, FD_SNAPSHOT, 0), r;
	void *payload;
	size_t n;

	if (fd < 0) {
		if (t->core.is_successor && !t->ended)
			log_warning("no snapshot of the system's state: events are judged with "
				    "what they tell themselves");
		return 0;
	}
	r = seg_map(fd, SEG_SNAPSHOT, PROT_READ, &payload, &n);
	(void)close(fd);
	if (r < 0)
		return log_err_errno(r, "map the snapshot");
	r = st_stage_load(t, payload, n);
	seg_unmap(payload, n);
	if (r < 0)
		log_warning_errno(r, "read the snapshot, going on with what it had before");
	log_notice("going on at event %llu with %u threads and %u descriptors of a new snapshot",
		(unsigned long long)t->base.last_seq + 1, t->core.threads.n_live,
		t->core.fds.n_live);
	return 0;
}

/* --- work --- */

/* An evaluator died: its successor needs what it knew. The segment is written, let go of, and then
 * sealed by the supervisor. */
static int answer_snapshot(struct stage *s, unsigned ring, int fd)
{
	struct st_stage *t = s->priv;
	void *payload;
	size_t n;
	int r = seg_map_open(fd, SEG_SNAPSHOT, &payload, &n);

	(void)close(fd);
	if (r == 0) {
		r = st_stage_snapshot(t, ring, payload, n);
		seg_unmap(payload, n);
	}
	if (r < 0)
		log_err_errno(r, "write a snapshot for evaluator %u", ring);
	return stage_send(s, CTL_SNAPSHOT_DONE, FD_SNAPSHOT, ring, r, 0, NULL, -1);
}

static int tracker_on_ctl(struct stage *s, const struct ctl_msg *msg, int fd)
{
	if (msg->type == CTL_SNAPSHOT && fd >= 0)
		return answer_snapshot(s, msg->index, fd);
	if (fd >= 0)
		(void)close(fd);
	return msg->type == CTL_STOP ? 0 : -EOPNOTSUPP;
}

static int tracker_timeout_ms(struct stage *s)
{
	const struct st_stage *t = s->priv;

	uint64_t until_ns = st_stage_until(t), now_ns = until_ns ? clock_epoch_ns() : 0;

	if (t->ended)
		return 5; /* evaluators do not ring when they have taken the last */
	if (!until_ns)
		return 1000;
	return until_ns > now_ns ? (int)MIN((until_ns - now_ns) / NS_PER_MS + 1, (uint64_t)1000)
				 : 0;
}

static int tracker_turn(struct stage *s)
{
	struct st_stage *t = s->priv;
	int r;

	s->fill_percent = MAX(s->fill_percent, spsc_consumer_fill(&t->in));
	r = st_stage_turn(t);

	if (r == -EBADMSG)
		stage_peer_fault(
			s, FD_RING_IN_DATA, 0, "a record or the head of the raw ring cannot be");
	if (t->record.is_fault)
		stage_peer_fault(s, FD_RING_OUT_DATA, CTL_INDEX_RECORD,
			"the tail of the record ring cannot be");
	if (t->lookup_fault)
		stage_peer_fault(s, FD_RING_OUT_DATA, CTL_INDEX_LOOKUP,
			"the tail of the request ring cannot be");
	if (r == -EPROTO)
		stage_peer_fault(s, FD_RING_OUT_DATA, (unsigned)t->out.fault_ring,
			"the tail of the event ring cannot be");
	/* an evaluator that dies before it has taken everything needs us once more */
	if (r == -ENODATA && !st_out_is_drained(&t->out))
		return 0;
	return r;
}

static bool tracker_arm(struct stage *s)
{
	struct st_stage *t = s->priv;

	if (st_out_is_blocked(&t->out) || !st_record_may_take(&t->record))
		return false; /* nobody wakes us when there is room: look again soon */
	t->is_armed = spsc_consumer_arm(&t->in);
	return t->is_armed;
}

static void tracker_disarm(struct stage *s)
{
	struct st_stage *t = s->priv;

	if (t->is_armed)
		spsc_consumer_disarm(&t->in);
	t->is_armed = false;
}

static const struct stage_ops ops = {
	.name = "tracker",
	/* Nothing beside the skeleton's list: rings and tables are memory, waiting is the
	   skeleton's. */
	.seal = {.calls = NULL, .n_calls = 0},
	.pre_seal = tracker_pre_seal,
	.post_seal = tracker_post_seal,
	.on_ctl = tracker_on_ctl,
	.timeout_ms = tracker_timeout_ms,
	.turn = tracker_turn,
	.arm = tracker_arm,
	.disarm = tracker_disarm,
};

int main(int argc, char **argv)
{
	return stage_main(&ops, argc, argv);
}
