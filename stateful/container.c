/* SPDX-License-Identifier: Apache-2.0 */
/* The table of containers, and their records for evaluators. Slots are given again when their container has been gone for a while, in a full table by least recent use;
 * nothing is told when one changes hands, as a thread's record has the id beside the slot. The ids
 * come from cgroup paths, which others choose: whoever makes many can push real ones out, which are
 * then without facts until they are told again, and counted. Must not allocate after
 * st_containers_init(). */

#include "container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/clock.h>
#include <base/hash.h>
#include <base/macros.h>

#include "container_id.h"
#include "core.h"
#include "families.h"

#define N_BUCKETS (2 * CREC_SLOTS_MAX)
#define GONE_KEEP_NS (10 * NS_PER_S) /* for late events of it */

int st_containers_init(struct st_containers *c)
{
	*c = (struct st_containers){.lru_first = ST_NONE, .lru_last = ST_NONE};
	c->slots = calloc(CREC_SLOTS_MAX, sizeof(*c->slots));
	c->buckets = malloc(N_BUCKETS * sizeof(*c->buckets));
	c->wanted = calloc(CREC_SLOTS_MAX, sizeof(*c->wanted));
	c->gone = calloc(CREC_SLOTS_MAX, sizeof(*c->gone));
	if (!c->slots || !c->buckets || !c->wanted || !c->gone) {
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
	free(c->gone);
	*c = (struct st_containers){0};
}

/* Hexadecimal ids are told apart by their beginnings, as some sources tell no more of them. */
static struct span key_of(struct span id)
{
	id.n = id.n == CREC_HEX_ID ? CREC_SHORT_ID : id.n;
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

static void forget(struct st_containers *c, uint32_t i)
{
	struct st_container *e = &c->slots[i];
	uint32_t *at = bucket(c, (struct span){e->id, e->n});

	lru_take(c, i);
	while (*at != i)
		at = &c->slots[*at].hash_next;
	*at = e->hash_next;
}

/* The next of those that are gone, if it has been for long enough. PREC_NO_SLOT: none. */
static uint32_t take_gone(struct st_containers *c)
{
	while (c->n_gone) {
		uint32_t i = c->gone[c->gone_first];
		struct st_container *e = &c->slots[i];

		if (e->is_listed && e->gone_ns && c->now_ns < e->gone_ns + GONE_KEEP_NS)
			break;
		c->gone_first = (c->gone_first + 1) % CREC_SLOTS_MAX;
		c->n_gone--;
		e->is_listed = false;
		if (e->gone_ns)
			return i;
	}
	return PREC_NO_SLOT;
}

static void set_gone(struct st_containers *c, uint32_t i)
{
	struct st_container *e = &c->slots[i];

	e->gone_ns = e->gone_ns ? e->gone_ns : c->now_ns;
	if (e->is_listed)
		return;
	e->is_listed = true;
	c->gone[(c->gone_first + c->n_gone++) % CREC_SLOTS_MAX] = i;
}

/* A slot to be filled: of one that is gone, a fresh one, or that of the container longest unseen. */
static uint32_t vacant(struct st_containers *c)
{
	uint32_t i = take_gone(c);

	if (i == PREC_NO_SLOT && c->n_used < CREC_SLOTS_MAX)
		return c->n_used++;
	if (i == PREC_NO_SLOT) {
		i = c->lru_last;
		c->n_evicted++;
	}
	forget(c, i);
	return i;
}

/* PREC_NO_SLOT: it has none. @id: as key_of() gives it. */
static uint32_t find(struct st_containers *c, struct span id)
{
	uint32_t i = *bucket(c, id);

	while (i != ST_NONE && !span_eq(id, (struct span){c->slots[i].id, c->slots[i].n}))
		i = c->slots[i].hash_next;
	return i == ST_NONE ? PREC_NO_SLOT : i;
}

static void forget_users(struct st_container *e)
{
	e->has_users = false;
	e->n_runs = 0;
	e->runs_ns = 0;
}

uint32_t st_container_slot(struct st_containers *c, struct span id)
{
	struct st_container *e;
	struct span full = id;
	uint32_t i, *at;

	if (id.n == 0 || id.n > ST_CONTAINER_ID_MAX)
		return PREC_NO_SLOT;
	id = key_of(id);
	i = find(c, id);
	if (i != PREC_NO_SLOT) {
		if (c->lru_first != i) {
			lru_take(c, i);
			lru_put(c, i);
		}
		return i;
	}
	i = vacant(c);
	e = &c->slots[i];
	e->gone_ns = 0; /* it may stand in the list still, which passes over it */
	e->has_facts = e->was_asked = e->is_early = e->has_waited = false;
	forget_users(e);
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
uint32_t st_container_seen(struct st_containers *c, struct span id, enum ctr_engine engine)
{
	uint32_t i = st_container_slot(c, id);

	if (i != PREC_NO_SLOT && c->slots[i].gone_ns) {
		/* it is back, and may be another one now */
		c->slots[i].gone_ns = 0;
		c->slots[i].has_facts = c->slots[i].was_asked = false;
		forget_users(&c->slots[i]);
	}
	if (i == PREC_NO_SLOT || !c->asks || ctr_engines[engine].type || c->slots[i].has_facts ||
		c->slots[i].was_asked)
		return i;
	if (c->n_wanted == CREC_SLOTS_MAX)
		return i; /* at another sight of it */
	c->slots[i].was_asked = true;
	c->wanted[c->n_wanted++] = i;
	return i;
}

static void on_gone(struct st_containers *c, struct span id)
{
	uint32_t i = find(c, key_of(id));

	if (i != PREC_NO_SLOT)
		set_gone(c, i);
}

/* Its lookup begins before its first process does; it is gone after its last. */
void st_on_cgroup(struct st_ctx *c)
{
	struct st_containers *all = &c->core->containers;
	struct st_container_found f = st_container_find(c->kev.param[0], c->core->cfg.engines_off);
	uint32_t n = all->n_wanted, i;

	all->now_ns = c->rec->ts_ns;
	if (!f.id.n || f.id.n > ST_CONTAINER_ID_MAX)
		return;
	if (span_starts_with(c->kev.param[0], SPAN_LIT("gone="))) {
		on_gone(all, f.id);
		return;
	}
	if (!all->asks || ctr_engines[f.engine].type)
		return;
	i = st_container_seen(all, f.id, f.engine);
	if (all->n_wanted > n)
		all->slots[i].is_early = true;
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

void st_container_runs(struct st_containers *c, struct span id, int64_t pid, uint64_t ts_ns)
{
	uint32_t i = c->asks && id.n ? find(c, key_of(id)) : PREC_NO_SLOT;
	struct st_container *e = i == PREC_NO_SLOT ? NULL : &c->slots[i];

	if (!e || e->has_users || e->n_runs == ST_RUNS_MAX || ts_ns < e->runs_ns || pid <= 0 ||
		pid > INT32_MAX)
		return;
	/* repeats leave room for those that were not told at all */
	if (c->n_running >= (e->n_runs ? ST_RUNNING_MAX / 2 : ST_RUNNING_MAX))
		return;
	e->n_runs++;
	if (e->n_runs >= ST_RUNS_AT_ONCE)
		e->runs_ns = ts_ns + (NS_PER_S << (e->n_runs - ST_RUNS_AT_ONCE));
	c->running[c->n_running++] = (struct st_running){.slot = i, .pid = (uint32_t)pid};
}

void st_container_has_users(struct st_containers *c, struct span id)
{
	uint32_t i = c->asks && id.n ? find(c, key_of(id)) : PREC_NO_SLOT;

	if (i != PREC_NO_SLOT)
		c->slots[i].has_users = true;
}

struct span st_container_running(const struct st_containers *c, uint32_t *ret_pid)
{
	const struct st_container *e = c->n_running ? &c->slots[c->running[0].slot] : NULL;

	if (!e)
		return (struct span){0};
	*ret_pid = c->running[0].pid;
	return (struct span){.p = e->id, .n = e->n_full};
}

void st_container_running_told(struct st_containers *c)
{
	c->n_running--;
	memmove(c->running, c->running + 1, c->n_running * sizeof(*c->running));
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
	core->containers.now_ns = c->rec->ts_ns;
	if (kev_param_u64(&c->kev, 1) & CREC_GONE) {
		if (id.n == 0 || id.n > ST_CONTAINER_ID_MAX)
			return -EBADMSG;
		on_gone(&core->containers, id);
		return 0;
	}
	r->slot = core->told_slot = st_container_slot(&core->containers, id);
	if (r->slot == PREC_NO_SLOT)
		return -EBADMSG;
	if (kev_param_u64(&c->kev, 1) & CREC_UNKNOWN) {
		struct st_container *e = &core->containers.slots[r->slot];

		/* unless it is to be asked for once more, nobody is going to tell of it */
		e->has_waited |= !e->is_early;
		e->was_asked &= !e->is_early;
		e->is_early = false;
		return 0; /* it stays as it is, and nobody waits any more */
	}
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
