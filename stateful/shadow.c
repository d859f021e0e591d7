/* SPDX-License-Identifier: Apache-2.0 */
/* The shadow and the journal (docs/protocol.md, line 5). The records are our own: they come from
 * the core, which has checked what it made them of. Must not allocate after st_shadow_init(). */

#include "shadow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>
#include <driver/kev.h>
#include <shm/crec.h>
#include <shm/prec.h>

#define IDS_MAX 32768 /* as many as an evaluator keeps */
#define NO_ID UINT32_MAX
#define HAND_STEPS 64 /* as an evaluator takes to find room for a user of a container */
#define CONTAINER_KEYS (1ULL << 32) /* numbers behind those of slots */
#define NAME_KEYS (1ULL << 33)      /* behind those of users and groups */
#define SLAB_PER_THREAD 2048        /* as an evaluator has */
#define SLAB_MIN ((size_t)8 << 20)
#define SLAB_MAX ((size_t)1 << 30)
#define JOURNAL_MIN 16384u
#define JOURNAL_MAX (1u << 20)

int st_shadow_init(struct st_shadow *s, uint32_t threads_max, size_t backlog_bytes)
{
	size_t n_journal = MIN(backlog_bytes / sizeof(struct rec_forget), (size_t)JOURNAL_MAX);
	uint32_t journal = JOURNAL_MIN;

	while (journal < n_journal)
		journal *= 2;
	*s = (struct st_shadow){
		.n_slots = threads_max, .journal_mask = journal - 1, .id_free = NO_ID};
	s->slots = calloc(threads_max, sizeof(*s->slots));
	s->ids = calloc(IDS_MAX, sizeof(*s->ids));
	s->id_buckets = malloc(IDS_MAX * sizeof(*s->id_buckets));
	s->journal = calloc(journal, sizeof(*s->journal));
	s->holes = calloc(threads_max / 64 + 1, sizeof(*s->holes));
	/* twice the backlog: a piece of the slab is up to half as large again as what is in it */
	if (!s->slots || !s->ids || !s->id_buckets || !s->journal || !s->holes ||
		slab_init(&s->slab,
			MIN(SLAB_MIN + (size_t)threads_max * SLAB_PER_THREAD + 2 * backlog_bytes,
				SLAB_MAX)) < 0) {
		st_shadow_done(s);
		return -ENOMEM;
	}
	memset(s->id_buckets, 0xff, IDS_MAX * sizeof(*s->id_buckets));
	return 0;
}

void st_shadow_done(struct st_shadow *s)
{
	free(s->slots);
	free(s->ids);
	free(s->id_buckets);
	free(s->journal);
	free(s->holes);
	slab_done(&s->slab);
	*s = (struct st_shadow){0};
}

static struct st_shadow_entry *entry_at(const struct st_shadow *s, uint32_t i)
{
	return &s->journal[(s->journal_first + i) & s->journal_mask];
}

bool st_shadow_has_room(const struct st_shadow *s)
{
	return s->journal_n <= s->journal_mask && s->slab.in_use <= s->slab.cap - s->slab.cap / 8;
}

static void make_hole(struct st_shadow *s, uint32_t slot)
{
	s->n_refused++;
	if (slot == PREC_NO_SLOT) {
		s->has_lost_ids = true;
		return;
	}
	s->holes[slot / 64] |= UINT64_C(1) << slot % 64;
	s->has_holes = true;
}

void st_shadow_mend(
	struct st_shadow *s, uint64_t ord, void (*tell)(void *arg, uint32_t slot), void *arg)
{
	if (!s->has_holes || !st_shadow_has_room(s))
		return;
	for (uint32_t i = 0; i <= s->n_slots / 64; i++) {
		for (uint64_t left = s->holes[i]; left; left &= left - 1)
			tell(arg, i * 64 + (uint32_t)__builtin_ctzll(left));
		s->holes[i] = 0;
	}
	s->has_holes = false;
	s->whole_from = ord;
}

void st_shadow_add(struct st_shadow *s, const struct rec_head *rec)
{
	struct st_shadow_entry e = {.ord = rec->ord, .slot = PREC_NO_SLOT};

	if (rec->ring.type == REC_PROC)
		e.slot = ((const struct prec *)rec)->slot;
	else if (rec->ring.type == REC_FORGET)
		e.slot = ((const struct rec_forget *)rec)->slot;
	else if (rec->ring.type != REC_STATE && rec->ring.type != REC_CONTAINER)
		return;
	if (rec->ring.type != REC_FORGET) {
		/* the last part of the slab is for users and groups, which nobody tells again */
		if (e.slot == PREC_NO_SLOT || st_shadow_has_room(s))
			e.rec = slab_get(&s->slab, rec->ring.len);
		if (!e.rec)
			make_hole(s, e.slot);
		else
			memcpy(e.rec, rec, rec->ring.len);
	}
	if (s->journal_n > s->journal_mask) {
		make_hole(s, e.slot);
		slab_put(&s->slab, e.rec);
		return;
	}
	*entry_at(s, s->journal_n++) = e;
}

/* What a record of a user, group, name or container is about. 0: nothing that is kept. */
static uint64_t id_key(const struct rec_head *rec, bool *ret_is_added)
{
	struct span container = {0};
	bool is_group = false;
	const char *why;
	struct kev k;
	int id, ctr;

	*ret_is_added = rec->ring.type == REC_CONTAINER;
	if (*ret_is_added) /* a slot's next container takes the place of this one */
		return hash_u64(CONTAINER_KEYS + ((const struct crec *)rec)->slot) | 1;
	if (kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why) < 0)
		return 0;
	switch (k.head->type) {
	case KEV_CODE_SAKER_NAME: /* one without addresses is kept: it takes the place of what was */
		*ret_is_added = true;
		container = kev_param_text(&k, 0);
		return hash_bytes(container.p, container.n, NAME_KEYS) | 1;
	case KEV_CODE_GROUP_ADDED_E:
	case KEV_CODE_USER_ADDED_E:
		*ret_is_added = true;
		break;
	case KEV_CODE_GROUP_DELETED_E:
	case KEV_CODE_USER_DELETED_E:
		break;
	default:
		return 0;
	}
	is_group =
		k.head->type == KEV_CODE_GROUP_ADDED_E || k.head->type == KEV_CODE_GROUP_DELETED_E;
	id = kev_param_find(k.info, is_group ? "gid" : "uid");
	ctr = kev_param_find(k.info, "container_id");
	if (id < 0 || !kev_param_present(&k, (unsigned)id))
		return 0;
	if (ctr >= 0)
		container = kev_param_text(&k, (unsigned)ctr);
	return hash_bytes(container.p, container.n,
		       (uint32_t)kev_param_u64(&k, (unsigned)id) | (uint64_t)is_group << 32) |
	       1;
}

static void remove_id(struct st_shadow *s, uint32_t *at)
{
	uint32_t i = *at;

	slab_put(&s->slab, s->ids[i].rec);
	s->ids[i].rec = NULL;
	*at = s->ids[i].next;
	s->ids[i].next = s->id_free;
	s->id_free = i;
}

static uint32_t *find_id(struct st_shadow *s, uint64_t key)
{
	uint32_t *at = &s->id_buckets[hash_u64(key) % IDS_MAX];

	while (*at != NO_ID && s->ids[*at].key != key)
		at = &s->ids[*at].next;
	return at;
}

/* A user or group of a container: those make room for each other, as at the evaluators. */
static bool is_of_container(const struct rec_head *rec)
{
	const char *why;
	struct kev k;
	int ctr;

	if (rec->ring.type != REC_STATE ||
		kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why) < 0 ||
		k.head->type == KEV_CODE_SAKER_NAME)
		return false;
	ctr = kev_param_find(k.info, "container_id");
	return ctr >= 0 && kev_param_text(&k, (unsigned)ctr).n > 0;
}

static void evict_id(struct st_shadow *s)
{
	for (unsigned i = 0; i < HAND_STEPS; i++) {
		s->id_hand = (s->id_hand + 1) % IDS_MAX;
		if (!s->ids[s->id_hand].rec || !is_of_container(s->ids[s->id_hand].rec))
			continue;
		remove_id(s, find_id(s, s->ids[s->id_hand].key));
		return;
	}
}

/* Takes the record. Two keys with the same 63 bits of hash would be one entry: as good as never. */
static void apply_id(struct st_shadow *s, struct rec_head *rec)
{
	bool is_added = false;
	uint64_t key = id_key(rec, &is_added);
	uint32_t *at = find_id(s, key), i;

	if (*at != NO_ID)
		remove_id(s, at);
	if (key && is_added && s->id_free == NO_ID && s->n_ids == IDS_MAX)
		evict_id(s);
	if (!key || !is_added || (s->id_free == NO_ID && s->n_ids == IDS_MAX)) {
		slab_put(&s->slab, rec);
		return;
	}
	i = s->id_free;
	if (i == NO_ID)
		i = s->n_ids++;
	else
		s->id_free = s->ids[i].next;
	at = &s->id_buckets[hash_u64(key) % IDS_MAX];
	s->ids[i] = (struct st_shadow_id){.rec = rec, .key = key, .next = *at};
	*at = i;
}

static void apply(struct st_shadow *s, const struct st_shadow_entry *e)
{
	if (e->slot == PREC_NO_SLOT) {
		if (e->rec)
			apply_id(s, e->rec);
		return;
	}
	assert(e->slot < s->n_slots);
	slab_put(&s->slab, s->slots[e->slot]);
	s->slots[e->slot] = e->rec;
}

void st_shadow_advance(struct st_shadow *s, uint64_t ord)
{
	while (s->journal_n > 0 && entry_at(s, 0)->ord < ord) {
		apply(s, entry_at(s, 0));
		s->journal_first = (s->journal_first + 1) & s->journal_mask;
		s->journal_n--;
	}
	s->ord = MAX(s->ord, ord);
}

static void write_entry(const struct st_shadow_entry *e, struct snap_writer *w)
{
	const struct rec_forget f = {
		.h = {.ring = {.len = sizeof(f), .type = REC_FORGET}, .ord = e->ord},
		.slot = e->slot};

	if (e->rec)
		snap_write(w, &e->rec->ring);
	else if (e->slot != PREC_NO_SLOT)
		snap_write(w, &f.h.ring);
}

void st_shadow_write(const struct st_shadow *s, uint64_t ord, struct snap_writer *w)
{
	if (ord < s->ord || s->has_holes || s->has_lost_ids || ord < s->whole_from)
		w->flags |= SNAP_F_INCOMPLETE;
	if (ord < s->ord)
		return; /* what we have is of later: worse than nothing */
	w->whole_from = s->has_holes || s->has_lost_ids ? 0 : s->whole_from;
	for (uint32_t i = 0; i < s->n_ids; i++)
		if (s->ids[i].rec)
			snap_write(w, &s->ids[i].rec->ring);
	for (uint32_t i = 0; i < s->n_slots; i++)
		if (s->slots[i])
			snap_write(w, &s->slots[i]->ring);
	for (uint32_t i = 0; i < s->journal_n && entry_at(s, i)->ord < ord; i++)
		write_entry(entry_at(s, i), w);
}

void st_shadow_each_id(
	struct st_shadow *s, bool (*each)(void *arg, const struct rec_head *rec), void *arg)
{
	for (uint32_t i = 0; i < s->n_ids; i++)
		if (s->ids[i].rec && !each(arg, s->ids[i].rec))
			return;
	for (uint32_t i = 0; i < s->journal_n; i++)
		if (entry_at(s, i)->rec && entry_at(s, i)->slot == PREC_NO_SLOT &&
			!each(arg, entry_at(s, i)->rec))
			return;
}
