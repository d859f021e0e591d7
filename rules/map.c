/* SPDX-License-Identifier: Apache-2.0 */
/* The compiler's hash table. Keys come from rule files; a crafted set of colliding names costs time
 * of the compiling process alone. */

#include <errno.h>
#include <string.h>

#include <base/hash.h>

#include "map.h"

static struct map_slot *slot_of(const struct map *m, const void *key, size_t n, uint64_t hash)
{
	for (uint32_t i = (uint32_t)hash & (m->n_slots - 1);; i = (i + 1) & (m->n_slots - 1)) {
		struct map_slot *s = &m->slots[i];

		if (!s->key || (s->hash == hash && s->n == n && memcmp(s->key, key, n) == 0))
			return s;
	}
}

uint32_t map_get(const struct map *m, const void *key, size_t n)
{
	const struct map_slot *s;

	if (!m->n_slots)
		return MAP_NONE;
	s = slot_of(m, key, n, hash_bytes(key, n, 0));
	return s->key ? s->value : MAP_NONE;
}

static int grow(struct cx *cx, struct map *m)
{
	struct map bigger = {.n_slots = m->n_slots ? m->n_slots * 2 : 64, .n = m->n};

	bigger.slots = cx_alloc(cx, bigger.n_slots * sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_slots; i++)
		if (m->slots[i].key)
			*slot_of(&bigger, m->slots[i].key, m->slots[i].n, m->slots[i].hash) =
				m->slots[i];
	*m = bigger;
	return 0;
}

int map_put(struct cx *cx, struct map *m, const void *key, size_t n, uint32_t value)
{
	uint64_t hash = hash_bytes(key, n, 0);
	int r;

	if (m->n >= m->n_slots / 2) {
		r = grow(cx, m);
		if (r < 0)
			return r;
	}
	*slot_of(m, key, n, hash) =
		(struct map_slot){.key = key, .hash = hash, .n = (uint32_t)n, .value = value};
	m->n++;
	return 0;
}
