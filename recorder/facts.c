/* SPDX-License-Identifier: Apache-2.0 */
/* Records by what they are about. Input: kernel events of the record ring, checked by the caller; the
 * ids and names in them are others' choice: whoever makes many pushes out the ones told longest ago,
 * which is counted. Must not allocate after facts_init(). */

#include "facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>
#include <shm/crec.h>

#define SLAB_BYTES ((size_t)24 << 20)
#define NONE UINT32_MAX

struct fact {
	struct kev_head *rec; /* own copy */
	uint64_t key;
	uint32_t next; /* chain; NONE ends */
};

int facts_init(struct facts *f)
{
	*f = (struct facts){0};
	f->all = calloc(FACTS_MAX, sizeof(*f->all));
	f->buckets = malloc(FACTS_MAX * sizeof(*f->buckets));
	if (!f->all || !f->buckets || slab_init(&f->slab, SLAB_BYTES) < 0) {
		facts_done(f);
		return -ENOMEM;
	}
	memset(f->buckets, 0xff, FACTS_MAX * sizeof(*f->buckets));
	return 0;
}

void facts_done(struct facts *f)
{
	free(f->all);
	free(f->buckets);
	slab_done(&f->slab);
	*f = (struct facts){0};
}

bool facts_is_one(uint16_t type)
{
	return type == KEV_CODE_SAKER_CONTAINER || type == KEV_CODE_SAKER_NAME;
}

static uint32_t *bucket(struct facts *f, uint64_t key)
{
	return &f->buckets[hash_u64(key) % FACTS_MAX];
}

static uint32_t find(struct facts *f, uint64_t key)
{
	uint32_t i = *bucket(f, key);

	while (i != NONE && f->all[i].key != key)
		i = f->all[i].next;
	return i;
}

/* The place of a new one: a fresh one, or that of the one told longest ago. */
static uint32_t place(struct facts *f, uint64_t key)
{
	uint32_t i = f->n, *at;

	if (f->n < FACTS_MAX) {
		f->n++;
	} else {
		i = f->oldest;
		f->oldest = (f->oldest + 1) % FACTS_MAX;
		at = bucket(f, f->all[i].key);
		while (*at != i)
			at = &f->all[*at].next;
		*at = f->all[i].next;
		f->n_dropped++;
	}
	slab_put(&f->slab, f->all[i].rec);
	at = bucket(f, key);
	f->all[i] = (struct fact){.key = key, .next = *at};
	*at = i;
	return i;
}

void facts_take(struct facts *f, const struct kev *k)
{
	struct span about = kev_param_text(k, 0);
	uint64_t key = hash_bytes(about.p, about.n, k->head->type);
	uint32_t i = find(f, key);
	uint64_t flags = k->head->type == KEV_CODE_SAKER_CONTAINER ? kev_param_u64(k, 1) : 0;

	if (flags & CREC_UNKNOWN || (flags & CREC_GONE && i == NONE))
		return; /* it tells nothing */
	if (flags & CREC_GONE) {
		slab_put(&f->slab, f->all[i].rec);
		f->all[i].rec = NULL;
		return;
	}
	if (i == NONE)
		i = place(f, key);
	slab_put(&f->slab, f->all[i].rec);
	f->all[i].rec = slab_get(&f->slab, k->head->len);
	if (f->all[i].rec)
		memcpy(f->all[i].rec, k->head, k->head->len);
	else
		f->n_dropped++;
}

void facts_each(const struct facts *f, void (*each)(void *arg, const struct kev *k), void *arg)
{
	for (uint32_t n = 0; n < f->n; n++) {
		const struct fact *e = &f->all[(f->oldest + n) % f->n];
		const char *why;
		struct kev k;

		if (e->rec && kev_parse(e->rec, e->rec->len, &k, &why) == 0)
			each(arg, &k);
	}
}
