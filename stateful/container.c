/* SPDX-License-Identifier: Apache-2.0 */
/* The table of containers, and their records for evaluators. Slots are given by least recent use;
 * nothing is told when one changes hands, as a thread's record has the id beside the slot. The ids
 * come from cgroup paths, which others choose: whoever makes many can push real ones out, which are
 * then without facts until they are told again, and counted. Must not allocate after
 * st_containers_init(). */

#include "container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>

#include "core.h"

#define N_BUCKETS (2 * CREC_SLOTS_MAX)

int st_containers_init(struct st_containers *c)
{
	*c = (struct st_containers){.lru_first = ST_NONE, .lru_last = ST_NONE};
	c->slots = calloc(CREC_SLOTS_MAX, sizeof(*c->slots));
	c->buckets = malloc(N_BUCKETS * sizeof(*c->buckets));
	c->wanted = calloc(CREC_SLOTS_MAX, sizeof(*c->wanted));
	if (!c->slots || !c->buckets || !c->wanted) {
		st_containers_done(c);
		return -ENOMEM;
	}
	memset(c->buckets, 0xff, N_BUCKETS * sizeof(*c->buckets));
	return 0;
}

void st_containers_done(struct st_containers *c)
{
	free(c->slots);
	free(c->buckets);
	free(c->wanted);
	*c = (struct st_containers){0};
}

/* Hexadecimal ids are told apart by their beginnings, as some sources tell no more of them. */
#define HEX_ID 64

static struct span key_of(struct span id)
{
	id.n = id.n == HEX_ID ? CREC_SHORT_ID : id.n;
	return id;
}

static uint32_t *bucket(struct st_containers *c, struct span id)
{
	return &c->buckets[hash_bytes(id.p, id.n, 0) % N_BUCKETS];
}

static void lru_take(struct st_containers *c, uint32_t i)
{
	struct st_container *e = &c->slots[i];

	*(e->lru_prev == ST_NONE ? &c->lru_first : &c->slots[e->lru_prev].lru_next) = e->lru_next;
	*(e->lru_next == ST_NONE ? &c->lru_last : &c->slots[e->lru_next].lru_prev) = e->lru_prev;
}

static void lru_put(struct st_containers *c, uint32_t i)
{
	struct st_container *e = &c->slots[i];

	e->lru_prev = ST_NONE;
	e->lru_next = c->lru_first;
	*(c->lru_first == ST_NONE ? &c->lru_last : &c->slots[c->lru_first].lru_prev) = i;
	c->lru_first = i;
}

/* A slot to be filled: a fresh one, or that of the container longest unseen. */
static uint32_t vacant(struct st_containers *c)
{
	struct st_container *e;
	uint32_t i, *at;

	if (c->n_used < CREC_SLOTS_MAX)
		return c->n_used++;
	i = c->lru_last;
	e = &c->slots[i];
	lru_take(c, i);
	at = bucket(c, (struct span){e->id, e->n});
	while (*at != i)
		at = &c->slots[*at].hash_next;
	*at = e->hash_next;
	c->n_evicted++;
	return i;
}

uint32_t st_container_slot(struct st_containers *c, struct span id)
{
	struct st_container *e;
	struct span full = id;
	uint32_t i, *at;

	if (id.n == 0 || id.n > ST_CONTAINER_ID_MAX)
		return PREC_NO_SLOT;
	id = key_of(id);
	for (i = *bucket(c, id); i != ST_NONE; i = c->slots[i].hash_next) {
		if (!span_eq(id, (struct span){c->slots[i].id, c->slots[i].n}))
			continue;
		if (c->lru_first != i) {
			lru_take(c, i);
			lru_put(c, i);
		}
		return i;
	}
	i = vacant(c);
	e = &c->slots[i];
	e->has_facts = e->was_asked = e->has_waited = false;
	memcpy(e->id, full.p, full.n);
	e->n = (uint16_t)id.n;
	e->n_full = (uint16_t)full.n;
	at = bucket(c, id);
	e->hash_next = *at;
	*at = i;
	lru_put(c, i);
	return i;
}

/* A slot that changed hands since then asks for its new owner, once more at most. */
uint32_t st_container_seen(struct st_containers *c, struct span id)
{
	uint32_t i = st_container_slot(c, id);

	if (i == PREC_NO_SLOT || !c->asks || c->slots[i].has_facts || c->slots[i].was_asked)
		return i;
	if (c->n_wanted == CREC_SLOTS_MAX)
		return i; /* at another sight of it */
	c->slots[i].was_asked = true;
	c->wanted[c->n_wanted++] = i;
	return i;
}

bool st_container_may_wait(struct st_containers *c, uint32_t slot)
{
	struct st_container *e = &c->slots[slot];

	if (e->has_facts || e->has_waited)
		return false;
	e->has_waited = true;
	return true;
}

struct span st_container_wanted(const struct st_containers *c)
{
	const struct st_container *e = c->n_wanted ? &c->slots[c->wanted[0]] : NULL;

	return e ? (struct span){.p = e->id, .n = e->n_full} : (struct span){0};
}

void st_container_asked(struct st_containers *c)
{
	c->n_wanted--;
	memmove(c->wanted, c->wanted + 1, c->n_wanted * sizeof(*c->wanted));
}

/* Parameter i as the text of a record. An absent one is not told. */
static struct rec_str text(struct rec_writer *w, const struct kev *k, unsigned i, unsigned parts)
{
	if (!kev_param_present(k, i))
		return (struct rec_str){0};
	/* rows of strings end in a NUL of their own, which counts */
	return rec_add_text(w, parts ? k->param[i] : kev_param_text(k, i));
}

int st_container_told(struct st_ctx *c)
{
	struct st_core *core = c->core;
	struct crec *r = (struct crec *)core->rec_buf;
	struct rec_writer w = {.buf = core->rec_buf, .cap = SPSC_RECORD_MAX, .n = sizeof(*r)};
	const unsigned first = (unsigned)kev_param_find(c->kev.info, "name");
	struct span id = kev_param_text(&c->kev, 0);
	int n;

	memset(r, 0, sizeof(*r));
	r->slot = core->told_slot = st_container_slot(&core->containers, id);
	if (r->slot == PREC_NO_SLOT)
		return -EBADMSG;
	if (kev_param_u64(&c->kev, 1) & CREC_UNKNOWN)
		return 0; /* it stays as it is, and nobody waits any more */
	if (kev_param_u64(&c->kev, 1) & CREC_EARLY) {
		core->told_slot = PREC_NO_SLOT; /* who waits does so for all of it */
		if (core->containers.slots[r->slot].has_facts)
			return 0;
	} else {
		core->containers.slots[r->slot].has_facts = true;
	}
	r->flags = (uint32_t)kev_param_u64(&c->kev, 1) & CREC_FLAGS;
	r->id = rec_add_text(&w, id);
	for (unsigned i = 0; i < _CREC_TEXT_MAX; i++)
		r->text[i] = text(&w, &c->kev, first + i, crec_parts(i));
	n = rec_finish(&w);
	assert(n > 0); /* little more than the record that it is made of */
	r->h = (struct rec_head){.ring = {.len = (uint32_t)n, .type = REC_CONTAINER},
		.seq = c->rec->seq,
		.ts_ns = c->rec->ts_ns};
	if (crec_validate(&r->h) < 0)
		return -EBADMSG; /* mounts or labels are no whole rows */
	core->cfg.sink.emit(core->cfg.sink.arg, ST_ALL_RINGS, &r->h);
	return 0;
}
static_assert(SPSC_RECORD_MAX >= KEV_SIZE_MAX + sizeof(struct crec), "a container's record fits");
