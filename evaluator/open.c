/* SPDX-License-Identifier: Apache-2.0 */
/* Before the seal: the image is mapped and verified, rings are attached, everything is allocated.
 * Descriptors come from the supervisor; what they hold is checked by the segments' and the image's
 * own doors. */
#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <base/atomics.h>
#include <base/log.h>
#include <base/macros.h>
#include <shm/segment.h>
#include <shm/snap.h>

#include "work.h"

static int open_image(struct work *w, struct stage *s, struct img *ret_img)
{
	const char *why;
	void *p;
	size_t n;
	int r;

	r = seg_map(stage_fd_get(s, FD_IMAGE, 0), SEG_IMAGE, PROT_READ, &p, &n);
	if (r < 0)
		return log_err_errno(r, "map the policy image");
	r = img_verify(p, n, ret_img, &why);
	if (r < 0) {
		log_err("the policy image is refused: %s", why);
		seg_unmap(p, n);
		return r;
	}
	r = evl_init(&w->evl, ret_img, s->settings, &why);
	if (r < 0) {
		log_err("cannot evaluate the policy: %s", why);
		seg_unmap(p, n);
	}
	return r;
}

static int open_progress(struct work *w, struct stage *s)
{
	void *p;
	size_t n;
	int r;

	r = seg_map(
		stage_fd_get(s, FD_PROGRESS_OWN, 0), SEG_PROGRESS, PROT_READ | PROT_WRITE, &p, &n);
	if (r < 0)
		return log_err_errno(r, "map the progress page");
	if (n < sizeof(*w->progress))
		return log_err_errno(-EBADMSG, "map the progress page");
	w->progress = p;
	return 0;
}

/* Figures go on from the mark that fits the ring's tail, so that nothing is counted twice or not at
 * all, whenever a predecessor died. */
static void find_mark(struct work *w)
{
	w->committed_pos = w->done_pos;
	w->done = progress_evaluator_find(w->progress, w->stage->stats, w->done_pos);
	atomic_store_relaxed(&w->progress->judged, w->done.judged);
	stats_set(&w->stage->stats->loss[LOSS_EVALUATOR_MALFORMED], w->done.malformed);
	stats_set(&w->stage->stats->loss[LOSS_EVALUATOR_POISON], w->done.poison);
}

static int load_records(struct work *w, const void *payload, size_t size)
{
	_Alignas(8) static uint8_t buf[SPSC_RECORD_MAX];
	struct snap_head head;
	struct snap_reader r;
	int k = snap_read_begin(&r, payload, size, &head);

	if (k == 0)
		w->is_incomplete = head.flags & SNAP_F_INCOMPLETE;
	if (k == 0)
		w->whole_from = head.whole_from;
	while (k >= 0 && (k = snap_read(&r, buf)) > 0)
		work_take_state(w, (const struct rec_head *)buf);
	return k;
}

int work_load(struct work *w)
{
	int fd = stage_fd_take(w->stage, FD_SNAPSHOT, 0), r;
	void *payload;
	size_t n;

	/* whatever comes with an epoch of its own makes this void */
	w->evl.replica.epoch = UINT64_MAX;
	if (fd < 0) {
		w->is_incomplete = w->in.n_taken > 0;
		return 0;
	}
	r = seg_map(fd, SEG_SNAPSHOT, PROT_READ, &payload, &n);
	(void)close(fd);
	if (r < 0)
		return log_err_errno(r, "map the snapshot");
	r = load_records(w, payload, n);
	seg_unmap(payload, n);
	if (r < 0)
		return log_err_errno(r, "read the snapshot");
	log_notice("going on at order %llu with %llu threads%s",
		(unsigned long long)w->progress->at, (unsigned long long)w->evl.replica.n_threads,
		w->is_incomplete ? "; part of the state is gone, alerts are marked" : "");
	return 0;
}

int work_open(struct work *w, struct stage *s)
{
	struct img img;
	int r;

	w->stage = s;
	r = open_image(w, s, &img);
	if (r < 0)
		return r;
	r = open_progress(w, s);
	if (r < 0)
		return r;
	r = raise_init(&w->raise);
	if (r < 0)
		return log_err_errno(r, "allocate the alert");
	r = spsc_consumer_attach(
		&w->in, stage_fd_get(s, FD_RING_IN_DATA, 0), stage_fd_get(s, FD_RING_IN_CURSOR, 0));
	if (r == -EBADMSG)
		stage_peer_fault(s, FD_RING_IN_DATA, 0, "event ring");
	if (r < 0)
		return log_err_errno(r, "attach the event ring");
	w->done_pos = spsc_consumer_pos(&w->in);
	w->done_taken = w->in.n_taken;
	w->skip_ord = s->value;
	if (s->stats_size > sizeof(*s->stats))
		w->n_rules_counted =
			(uint32_t)((s->stats_size - sizeof(*s->stats)) / sizeof(uint64_t));
#ifdef SAKER_TEST_HOOKS
	const char *poison = getenv("SAKER_TEST_POISON");

	w->poison_seq = poison ? strtoull(poison, NULL, 10) : 0;
#endif
	find_mark(w);
	atomic_store_relaxed(&w->progress->hand, (uint64_t)0);
	return outputs_open(&w->outputs, s);
}

void work_close(struct work *w)
{
	outputs_close(&w->outputs);
	spsc_consumer_done(&w->in);
	raise_done(&w->raise);
	evl_done(&w->evl);
}
