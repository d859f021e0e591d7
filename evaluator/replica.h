/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The evaluator's private copy of the tracker's thread table, in arrays by slot, the users and
 * groups, the containers, and the addresses of names. Fed by the records of the event ring that the caller has checked; read by field access.
 * Everything is allocated by replica_init(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/slab.h>
#include <driver/kev.h>
#include <shm/crec.h>
#include <shm/engines.h>
#include <shm/prec.h>

struct replica_slot {
	struct prec *rec; /* own copy, NULL: vacant */
	uint32_t next;    /* chain of the tid hash, PREC_NO_SLOT ends */
	uint32_t pad0;
	uint64_t used_gen; /* = replica.gen: something remembered for another slot depends on this
			      one */
	uint64_t memo_gen; /* = replica.gen: the remembered predicates of this slot hold */
	uint64_t cpu_user, cpu_system; /* of its last procinfo event; 0: none */
};

/* One user or group: the key, then NUL-ended texts in a row. */
struct replica_id {
	uint32_t next; /* chain, REPLICA_NO_ID ends; also of the free list */
	uint32_t id;   /* uid or gid */
	bool is_group;
	uint32_t name_off, home_off, shell_off; /* in text; texts are NUL-ended */
	uint32_t name_n, home_n, shell_n;
	uint32_t container_n; /* text begins with the container's short id; empty: host */
	char *text;           /* of the slab */
};
#define REPLICA_NO_ID UINT32_MAX

struct replica {
	struct replica_slot *slots;
	uint32_t n_slots;
	uint32_t *buckets; /* tid -> first slot of the chain */
	uint32_t bucket_mask;
	struct slab slab;
	uint64_t gen; /* moves when anything that was remembered about other slots may have changed;
			 starts at 1 */
	uint64_t epoch;     /* of the tracker */
	uint64_t n_threads; /* live */
	uint64_t n_cut; /* records kept without arguments and environment, or not at all: no memory
			 */
	struct replica_id *ids;
	uint32_t n_ids, ids_used; /* entries; those never used are not touched */
	uint32_t id_free;
	uint32_t id_hand; /* where room is looked for in a full table */
	uint32_t *id_buckets;
	uint32_t id_mask;
	struct crec **containers; /* CREC_SLOTS_MAX own copies; NULL: nothing is told */
	struct replica_engine {   /* what is known of an engine's containers that nobody tells of */
		struct crec c;
		char type[24];
	} engines[_CTR_MAX];
	uint32_t n_containers;       /* slots from here on were never told */
	uint32_t last_container;     /* the slot told last */
	struct replica_names *names; /* NULL: no rule asks for names */
	/* remembered predicates: two bits each, by slot */
	uint64_t *memo;      /* NULL: none are remembered */
	uint32_t memo_words; /* uint64_t of one slot, extra ones included */
	uint32_t extra_at;   /* the first of those */
};

/* @memo_preds: how many predicates may be remembered per slot; the memory for them is given up when
 * it would exceed its quota. @extra_words: uint64_t of the caller's beside them, if there are any. */
int replica_init(
	struct replica *r, uint32_t threads_max, uint32_t memo_preds, uint32_t extra_words);
void replica_done(struct replica *r);
int replica_ids_init(struct replica *r); /* part of replica_init() */

/* A checked record. The copy replaces the slot's old one. */
void replica_put(struct replica *r, const struct prec *rec);
void replica_forget(struct replica *r, uint32_t slot);
/* A new tracker counts slots anew: everything that another epoch told is dropped. */
void replica_epoch(struct replica *r, uint64_t epoch);
/* A parsed useradded, userdeleted, groupadded or groupdeleted. -EINVAL: another kind of state. */
int replica_put_id(struct replica *r, const struct kev *k);

/* A checked record. The copy replaces what the slot held. */
void replica_put_container(struct replica *r, const struct crec *rec);
/* What is told of the thread's container, or else follows from its engine, without an id; NULL: it is on the host, or nothing is known. */
const struct crec *replica_container(const struct replica *r, const struct prec *thread);
/* The one told last, NULL: none. */
const struct crec *replica_last_container(const struct replica *r);
/* By full or short id: looks at all. */
const struct crec *replica_find_container(const struct replica *r, struct span id);

/* After replica_init(), where rules ask for names of addresses. 0 or -ENOMEM. */
int replica_names_init(struct replica *r);
void replica_names_done(struct replica *r); /* part of replica_done() */
/* A parsed saker_name: from now on these are its addresses. */
void replica_put_name(struct replica *r, const struct kev *k);
/* The names of an address, one after the other. @family: 4 or 6; @ip: 4 or 16 bytes; *at: REPLICA_NO_ID
 * at first. false: no more. */
bool replica_names_of(const struct replica *r, unsigned family, const uint8_t *ip, uint32_t *at,
	struct span *ret_name);

/* NULL if vacant or not a slot. */
const struct prec *replica_find(const struct replica *r, uint32_t slot);
/* The same for what is read on behalf of another slot: a later change of this one ends what is
 * remembered. */
const struct prec *replica_find_other(struct replica *r, uint32_t slot);
/* By thread id; marks as replica_find_other() does. PREC_NO_SLOT if unknown. */
uint32_t replica_find_tid(struct replica *r, int64_t tid);
/* NULL if unknown. container: full id or empty. */
const struct replica_id *replica_find_user(
	const struct replica *r, struct span container, uint32_t uid);
const struct replica_id *replica_find_group(
	const struct replica *r, struct span container, uint32_t gid);

/* Remembered result of a predicate: -1 unknown, 0 or 1. */
int replica_memo_get(struct replica *r, uint32_t slot, uint32_t pred);
/* All of them of a slot, two bits each as replica_memo_bit() reads them; NULL if nothing is
 * remembered. Holds until a record is put or forgotten. */
const uint64_t *replica_memo_row(const struct replica *r, uint32_t slot);
/* The slot's extra words, only for a slot of which something is remembered (it has a row): they are zero when the first
 * predicate is, and forgotten with it. */
static inline uint64_t *replica_memo_extra(struct replica *r, uint32_t slot)
{
	return r->memo + (size_t)slot * r->memo_words + r->extra_at;
}
static inline int replica_memo_bit(const uint64_t *row, uint32_t pred)
{
	unsigned bits = (unsigned)(row[pred / 32] >> (pred % 32 * 2)) & 3;

	return bits & 2 ? (int)(bits & 1) : -1;
}
void replica_memo_set(struct replica *r, uint32_t slot, uint32_t pred, bool v);
