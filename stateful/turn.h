/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One turn of the tracker: raw ring -> core -> event rings, and the ledger. Apart from main.c so
 * that a test can run it with real rings. */

#include <shm/progress.h>
#include <shm/spsc.h>
#include <shm/stats.h>

#include "core.h"
#include "hold.h"
#include "out.h"
#include "record.h"

#define ST_BATCH 256

struct st_stage {
	struct st_core core;
	struct st_out out;
	struct st_record record;
	struct st_holds holds;
	struct spsc_producer lookups; /* containers whose facts are asked for */
	bool has_lookups, lookup_fault;
	struct spsc_consumer in;
	struct progress_tracker *progress;
	struct stats_page *stats;
	struct st_counters done;           /* up to the place that is committed next */
	struct progress_tracker_mark base; /* the ledger at our start */
	uint64_t cursor_pos;               /* where the raw ring is committed */
	struct stats_page stats_base;
	uint64_t held_lost; /* with predecessors, ever */
	bool is_armed;
	bool ended;
};

/* The rings are attached, progress and stats mapped, cfg.sink is set here. 0 or negative errno. */
/* @wait_ns: longest time that a new container's records are held back; 0: none are. */
int st_stage_init(struct st_stage *s, const struct st_config *cfg, uint64_t wait_ns);
void st_stage_done(struct st_stage *s);
/* The state of the host, for a tracker whose predecessor died: a snapshot's payload. Its content is
 * checked as what comes by the raw ring is. 0 or -EBADMSG (what stood before is taken). */
int st_stage_load(struct st_stage *s, const void *payload, size_t size);
/* The state at the commit of evaluator @ring, for its successor. 0 or negative errno. */
int st_stage_snapshot(struct st_stage *s, unsigned ring, void *payload, size_t size);
/* When it has to be called again although nothing came: epoch ns; 0: not. */
uint64_t st_stage_until(const struct st_stage *s);
/* > 0 records were taken, 0 none (or no room downstream), -ENODATA the end was passed on, -EBADMSG
 * the raw ring is at fault, -EPROTO out ring s->out.fault_ring is, or s->lookup_fault. */
int st_stage_turn(struct st_stage *s);
