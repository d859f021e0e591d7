/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What evaluators hold: the records of threads, users, groups and containers as of the lowest commit of all of
 * them (the shadow), and every such record since (the journal). From both a dead evaluator's
 * successor gets the state as of its predecessor's commit. Memory is fixed at start. */

#include <stdbool.h>
#include <stdint.h>

#include <base/slab.h>
#include <shm/rec.h>
#include <shm/snap.h>

struct st_shadow_entry {
	uint64_t ord;
	struct rec_head *rec; /* of the slab; NULL: slot is forgotten */
	uint32_t slot, pad0;
};

struct st_shadow_id {
	struct rec_head *rec; /* of the slab; NULL: free */
	uint64_t key;         /* hash of what it is about */
	uint32_t next, pad0;
};

struct st_shadow {
	struct slab slab;
	struct rec_head **slots; /* by slot; NULL: vacant */
	uint32_t n_slots;
	struct st_shadow_id *ids;
	uint32_t *id_buckets;
	uint32_t n_ids, id_free;
	uint32_t id_hand;                /* where room is looked for in a full table */
	struct st_shadow_entry *journal; /* in a circle */
	uint32_t journal_mask, journal_first, journal_n;
	uint64_t ord;       /* the shadow is the state before this order */
	uint64_t n_refused; /* records that found no room */
	/* What they leave are holes, until their threads are told again. */
	uint64_t *holes; /* bit by slot: to be told again */
	bool has_holes;
	uint64_t
		whole_from; /* whoever is past this order misses nothing: holes were told again; 0: there were none */
	bool has_lost_ids; /* a user or group is missing, and nobody tells it again */
};

/* @backlog_bytes: the most state that may be between the lowest commit and now: one event ring. */
int st_shadow_init(struct st_shadow *s, uint32_t threads_max, size_t backlog_bytes);
void st_shadow_done(struct st_shadow *s);
/* Is there room for this record? false: something must be let go first, by st_shadow_advance(). */
bool st_shadow_has_room(const struct st_shadow *s);
/* Takes a copy of a record that evaluators keep (REC_PROC, REC_FORGET, REC_STATE,
 * REC_CONTAINER), whose order is set; others are passed over. Without room the shadow gets a hole. */
void st_shadow_add(struct st_shadow *s, const struct rec_head *rec);
/* Calls @tell for the slot of every hole, which is to be told before the next event that needs it;
 * from order @ord on it is. */
void st_shadow_mend(
	struct st_shadow *s, uint64_t ord, void (*tell)(void *arg, uint32_t slot), void *arg);
/* Nobody needs the state before this order any more. */
void st_shadow_advance(struct st_shadow *s, uint64_t ord);
/* The state before @ord; incomplete if that is gone already. */
void st_shadow_write(const struct st_shadow *s, uint64_t ord, struct snap_writer *w);
/* Users, groups and containers as of now, one call each. Ends at the first false. */
void st_shadow_each_id(
	struct st_shadow *s, bool (*each)(void *arg, const struct rec_head *rec), void *arg);
