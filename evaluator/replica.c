/* SPDX-License-Identifier: Apache-2.0 */
/* The thread table's replica. What is remembered about a slot (predicates that depend on the
 * process alone) holds while r->gen stands still and the slot's own record does: whatever is read
 * of other slots is marked by replica_find_other(), and a change of a marked slot, vacant ones
 * included, moves r->gen. That is coarse (all slots forget at once) but cheap and never wrong. Must
 * not allocate after replica_init(); input was checked at the door. */
#include "replica.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>

#define SLAB_MIN (4u << 20)
#define SLAB_PER_THREAD 2048 /* bytes; a thread's record has typically 400 to 1500 */
#define SLAB_MAX ((size_t)768 << 20)
#define MEMO_MAX ((size_t)256 << 20)

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 64;

	while (p < n && p < (1u << 30))
		p <<= 1;
	return p;
}

static void put_engines(struct replica *r)
{
	for (unsigned i = 0; i < _CTR_MAX; i++) {
		struct replica_engine *e = &r->engines[i];
		size_t n = ctr_engines[i].type ? strlen(ctr_engines[i].type) : 0;

		assert(n < sizeof(e->type));
		memcpy(e->type, n ? ctr_engines[i].type : "", n);
		if (n)
			e->c.text[CREC_TYPE] = (struct rec_str){
				.off = offsetof(struct replica_engine, type), .n = (uint32_t)n};
	}
}

int replica_init(struct replica *r, uint32_t threads_max, uint32_t memo_preds, uint32_t extra_words)
{
	size_t memo;
	int k;

	*r = (struct replica){.n_slots = threads_max, .gen = 1};
	put_engines(r);
	r->slots = calloc(MAX(threads_max, 1u), sizeof(*r->slots));
	r->bucket_mask = power_of_two(threads_max) - 1;
	r->buckets = malloc(((size_t)r->bucket_mask + 1) * sizeof(*r->buckets));
	k = slab_init(&r->slab,
		MIN(MAX((size_t)threads_max * SLAB_PER_THREAD, (size_t)SLAB_MIN), SLAB_MAX));
	r->containers = calloc(CREC_SLOTS_MAX, sizeof(struct crec *));
	if (!r->slots || !r->buckets || !r->containers || k < 0 || replica_ids_init(r) < 0) {
		replica_done(r);
		return -ENOMEM;
	}
	memset(r->buckets, 0xff, ((size_t)r->bucket_mask + 1) * sizeof(*r->buckets));
	r->extra_at = (memo_preds + 31) / 32;
	r->memo_words = memo_preds ? r->extra_at + extra_words : 0;
	memo = (size_t)threads_max * r->memo_words * sizeof(*r->memo);
	if (memo > 0 && memo <= MEMO_MAX)
		r->memo =
			calloc(1, memo); /* without it everything is evaluated: slower, not wrong */
	return 0;
}

void replica_done(struct replica *r)
{
	free(r->slots);
	free(r->buckets);
	free(r->containers);
	free(r->ids);
	free(r->id_buckets);
	free(r->memo);
	replica_names_done(r);
	slab_done(&r->slab);
	*r = (struct replica){0};
}

static uint32_t *bucket(struct replica *r, int64_t tid)
{
	return &r->buckets[hash_u64((uint64_t)tid) & r->bucket_mask];
}

static void changed(struct replica *r, uint32_t slot)
{
	if (r->slots[slot].used_gen == r->gen)
		r->gen++;
	r->slots[slot].memo_gen = 0;
}

static void drop(struct replica *r, uint32_t slot)
{
	struct replica_slot *s = &r->slots[slot];
	uint32_t *at;

	if (!s->rec)
		return;
	for (at = bucket(r, s->rec->tid); *at != slot; at = &r->slots[*at].next)
		assert(*at != PREC_NO_SLOT); /* an occupied slot is in its chain */
	*at = s->next;
	slab_put(&r->slab, s->rec);
	s->rec = NULL;
	r->n_threads--;
}

/* The record without its long texts, for when memory is short: what most rules look at stays. */
static struct prec *copy_short(struct replica *r, const struct prec *rec)
{
	const struct rec_str *const keep[] = {
		&rec->comm, &rec->exe, &rec->exepath, &rec->cwd, &rec->container_id};
	struct prec *p = slab_get(&r->slab, 2048);
	struct rec_str *to[ARRAY_LEN(keep)];
	size_t n = sizeof(*p);

	if (!p)
		return NULL;
	memcpy(p, rec, sizeof(*p));
	p->n_args = 0;
	p->args = p->env = p->root = p->cgroups = (struct rec_str){0, 0};
	to[0] = &p->comm;
	to[1] = &p->exe;
	to[2] = &p->exepath;
	to[3] = &p->cwd;
	to[4] = &p->container_id;
	for (unsigned i = 0; i < ARRAY_LEN(keep); i++) {
		size_t k = MIN((size_t)keep[i]->n, (size_t)255);

		if (keep[i]->off == 0)
			continue;
		memcpy((char *)p + n, (const char *)rec + keep[i]->off, k);
		((char *)p)[n + k] = '\0';
		*to[i] = (struct rec_str){.off = (uint32_t)n, .n = (uint32_t)k};
		n += k + 1;
	}
	return p;
}

void replica_put(struct replica *r, const struct prec *rec)
{
	struct replica_slot *s;
	struct prec *p;
	uint32_t *at;

	assert(rec->slot < r->n_slots); /* prec_validate() saw to it */
	s = &r->slots[rec->slot];
	changed(r, rec->slot);
	drop(r, rec->slot);
	p = slab_get(&r->slab, rec->h.ring.len);
	if (p) {
		memcpy(p, rec, rec->h.ring.len);
	} else {
		r->n_cut++;
		p = copy_short(r, rec);
		if (!p)
			return;
	}
	s->rec = p;
	at = bucket(r, p->tid);
	for (uint32_t i = *at; i != PREC_NO_SLOT; i = r->slots[i].next)
		if (r->slots[i].rec->tid == p->tid)
			changed(r, i); /* from now on the id means another slot */
	s->next = *at;
	*at = rec->slot;
	r->n_threads++;
}

void replica_forget(struct replica *r, uint32_t slot)
{
	if (slot >= r->n_slots)
		return;
	changed(r, slot);
	drop(r, slot);
	r->slots[slot].cpu_user = r->slots[slot].cpu_system = 0;
}

void replica_put_container(struct replica *r, const struct crec *rec)
{
	struct crec **at = &r->containers[rec->slot];

	assert(rec->slot < CREC_SLOTS_MAX); /* crec_validate() saw to it */
	r->gen++;                           /* any thread may be in it */
	r->n_containers = MAX(r->n_containers, rec->slot + 1);
	r->last_container = rec->slot;
	slab_put(&r->slab, *at);
	*at = slab_get(&r->slab, rec->h.ring.len);
	if (*at)
		memcpy(*at, rec, rec->h.ring.len);
	else
		r->n_cut++;
}

const struct crec *replica_container(const struct replica *r, const struct prec *thread)
{
	const struct crec *c;

	if (thread->container_slot >= CREC_SLOTS_MAX)
		return NULL;
	c = r->containers[thread->container_slot];
	/* the slot may have been given to another container since the thread was told */
	if (c && crec_same_id(rec_text(c, c->id), rec_text(thread, thread->container_id)))
		return c;
	c = &r->engines[thread->container_engine].c;
	return c->text[CREC_TYPE].off ? c : NULL;
}

const struct crec *replica_last_container(const struct replica *r)
{
	return r->containers[r->last_container];
}

const struct crec *replica_find_container(const struct replica *r, struct span id)
{
	for (uint32_t i = 0; i < r->n_containers; i++) {
		const struct crec *c = r->containers[i];

		if (c && crec_same_id(rec_text(c, c->id), id))
			return c;
	}
	return NULL;
}

void replica_epoch(struct replica *r, uint64_t epoch)
{
	if (r->epoch == epoch)
		return;
	for (uint32_t i = 0; i < r->n_slots; i++)
		replica_forget(r, i);
	for (uint32_t i = 0; i < CREC_SLOTS_MAX; i++) {
		slab_put(&r->slab, r->containers[i]);
		r->containers[i] = NULL;
	}
	r->epoch = epoch;
}

const struct prec *replica_find(const struct replica *r, uint32_t slot)
{
	return slot < r->n_slots ? r->slots[slot].rec : NULL;
}

const struct prec *replica_find_other(struct replica *r, uint32_t slot)
{
	if (slot >= r->n_slots)
		return NULL;
	r->slots[slot].used_gen = r->gen;
	return r->slots[slot].rec;
}

uint32_t replica_find_tid(struct replica *r, int64_t tid)
{
	for (uint32_t i = *bucket(r, tid); i != PREC_NO_SLOT; i = r->slots[i].next) {
		if (r->slots[i].rec->tid == tid) {
			r->slots[i].used_gen = r->gen;
			return i;
		}
	}
	return PREC_NO_SLOT;
}

static uint64_t *memo_row(const struct replica *r, uint32_t slot)
{
	return r->memo + (size_t)slot * r->memo_words;
}

const uint64_t *replica_memo_row(const struct replica *r, uint32_t slot)
{
	if (!r->memo || slot >= r->n_slots || r->slots[slot].memo_gen != r->gen)
		return NULL;
	return memo_row(r, slot);
}

int replica_memo_get(struct replica *r, uint32_t slot, uint32_t pred)
{
	const uint64_t *row = replica_memo_row(r, slot);

	return row ? replica_memo_bit(row, pred) : -1;
}

void replica_memo_set(struct replica *r, uint32_t slot, uint32_t pred, bool v)
{
	if (!r->memo || slot >= r->n_slots)
		return;
	if (r->slots[slot].memo_gen != r->gen) {
		memset(memo_row(r, slot), 0, r->memo_words * sizeof(*r->memo));
		r->slots[slot].memo_gen = r->gen;
	}
	memo_row(r, slot)[pred / 32] &= ~(3ULL << (pred % 32 * 2));
	memo_row(r, slot)[pred / 32] |= (2ULL | (v ? 1 : 0)) << (pred % 32 * 2);
}
