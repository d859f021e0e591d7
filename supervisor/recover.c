/* SPDX-License-Identifier: Apache-2.0 */
/* State for replacements (docs/protocol.md). An evaluator gets from the tracker what its predecessor
 * knew at its commit; a tracker gets from the collector the state of the system of just now. Who
 * makes it fills a segment that we made and seals it by telling us; we look at nothing in it. And
 * the record that ended two evaluators is named to the third (line 8). */
#include <errno.h>
#include <stdio.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <shm/segment.h>

#include "sup.h"

#define WAIT_NS (15 * NS_PER_S) /* a maker that hangs is replaced by then */
#define POLL_NS (5 * NS_PER_MS)
#define MIB ((size_t)1 << 20)

static bool needs_snapshot(const struct sup *s, const struct sup_child *c)
{
	if (!c->was_ready)
		return false;
	return c->proc->type == PLAN_EVALUATOR ||
	       (c->proc->type == PLAN_TRACKER && s->config->engine == ENGINE_BPF &&
		       s->phase != SUP_STOPPING);
}

static struct sup_child *maker_of(struct sup *s, const struct sup_child *c)
{
	return sup_find_child(
		s, c->proc->type == PLAN_EVALUATOR ? PLAN_TRACKER : PLAN_COLLECTOR, 0);
}

void sup_recover_done(struct sup_child *c)
{
	c->snap_rw = fd_close(c->snap_rw);
	c->snap_ro = fd_close(c->snap_ro);
	c->snap = SNAP_NONE;
}

/* A bound; pages are taken as they are written. */
static size_t snapshot_bytes(const struct sup *s, const struct sup_child *c)
{
	size_t n = 64 * MIB + (size_t)s->config->threads_max * 4096;

	if (c->proc->type == PLAN_TRACKER)
		return n + (size_t)s->config->descriptors_max * 512;
	return n + s->config->rings_bytes;
}

int sup_recover_iterators(struct sup *s, struct sup_child *collector)
{
	int r = 0;

	for (unsigned i = 0; i < 2 && r == 0; i++) {
		_cleanup_close_ int fd = -1;

		if (s->bpf.iter_links[i] < 0)
			continue;
		fd = sup_bpf_iter(s->bpf.iter_links[i]);
		r = fd < 0 ? fd : sup_send(collector, CTL_FD, FD_ITER, i, "iterator", fd);
	}
	return r;
}

static int ask(struct sup *s, struct sup_child *c, struct sup_child *maker)
{
	char name[SEG_NAME_LEN];
	int r;

	(void)snprintf(name, sizeof(name), "snapshot.%.36s", c->proc->name);
	r = seg_create_open(name, SEG_SNAPSHOT, snapshot_bytes(s, c), s->run_id, &c->snap_rw);
	if (r == 0 && c->proc->type == PLAN_TRACKER)
		r = sup_recover_iterators(s, maker);
	if (r == 0)
		r = sup_send(maker, CTL_SNAPSHOT, FD_SNAPSHOT, c->proc->index, name, c->snap_rw);
	if (r < 0)
		c->snap_rw = fd_close(c->snap_rw);
	return r;
}

static void try_to_ask(struct sup *s, struct sup_child *c)
{
	struct sup_child *maker = maker_of(s, c);
	int r;

	if (!maker || maker->pid <= 0 ||
		(maker->state != LC_RUNNING && maker->state != LC_DRAINING))
		return;
	r = ask(s, c, maker);
	if (r < 0)
		log_err_errno(
			r, "ask %s for the state that %s needs", maker->proc->name, c->proc->name);
	c->snap = r < 0 ? SNAP_GIVEN_UP : SNAP_ASKED;
}

void sup_recover_begin(struct sup *s, struct sup_child *c)
{
	static const enum plan_type tellers[] = {PLAN_METADATA, PLAN_DIALER};

	sup_recover_done(c);
	if (!needs_snapshot(s, c))
		return;
	c->snap_until_ns = clock_mono_ns() + WAIT_NS;
	for (size_t i = 0; c->proc->type == PLAN_TRACKER && i < ARRAY_LEN(tellers); i++) {
		struct sup_child *teller = sup_find_child(s, tellers[i], 0);

		if (teller && teller->ctl.fd >= 0)
			(void)sup_send(teller, CTL_AGAIN, FD_NONE, 0, NULL,
				-1); /* one that is being replaced tells everything anyway */
	}
	try_to_ask(s, c);
}

bool sup_recover_may_start(struct sup *s, struct sup_child *c, uint64_t now_ns)
{
	const struct sup_child *maker = maker_of(s, c);

	if (!needs_snapshot(s, c) || c->snap == SNAP_READY || c->snap == SNAP_GIVEN_UP)
		return true;
	/* A tracker ends when all rings are empty: nothing is left to judge. */
	if (c->proc->type == PLAN_EVALUATOR && (!maker || maker->state == LC_STOPPED)) {
		sup_recover_done(c);
		return true;
	}
	if (now_ns >= c->snap_until_ns) {
		log_warning("%s is started without the state of its predecessor", c->proc->name);
		sup_recover_done(c);
		return true;
	}
	if (c->snap == SNAP_NONE)
		try_to_ask(s, c);
	c->deadline_ns = now_ns + POLL_NS;
	return false;
}

void sup_recover_answer(struct sup *s, struct sup_child *maker, const struct ctl_msg *m)
{
	struct sup_child *c = maker->proc->type == PLAN_TRACKER
				      ? sup_find_child(s, PLAN_EVALUATOR, m->index)
				      : sup_find_child(s, PLAN_TRACKER, 0);
	int r = m->result;

	if (!c || c->snap != SNAP_ASKED)
		return; /* an answer to what is not asked any more */
	if (r == 0)
		r = seg_finish(c->snap_rw, &c->snap_ro);
	if (r < 0)
		log_warning_errno(r, "no state from %s for %s", maker->proc->name, c->proc->name);
	c->snap_rw = fd_close(c->snap_rw);
	c->snap = r < 0 ? SNAP_GIVEN_UP : SNAP_READY;
}

/* Which record it died of: its page says so, if it had got that far. */
static void name_record(struct sup_child *c)
{
	const struct progress_evaluator *p = c->progress;
	uint64_t hand = p ? stats_get(&p->hand) : 0;

	if (hand && hand == c->hand) {
		log_err("%s ended twice at the record of order %llu: it is skipped", c->proc->name,
			(unsigned long long)hand);
		c->skip = hand;
	}
	c->hand = hand;
}

void sup_recover_end(struct sup *s, struct sup_child *c)
{
	if (c->proc->type == PLAN_EVALUATOR && (c->state == LC_RUNNING || c->state == LC_DRAINING))
		name_record(c);
	for (size_t i = 1; i < s->n_children; i++) {
		struct sup_child *other = &s->children[i];

		if (other->snap == SNAP_ASKED && maker_of(s, other) == c)
			sup_recover_done(other); /* its successor is asked */
	}
}
