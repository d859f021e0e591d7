/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Bytes to a number; open addressing, in the context's arena. Keys are borrowed and must live as
 * long. */

#include "text.h"

struct map_slot {
	const void *key; /* NULL: free */
	uint64_t hash;
	uint32_t n, value;
};

struct map {
	struct map_slot *slots;
	uint32_t n_slots, n;
};

#define MAP_NONE UINT32_MAX
uint32_t map_get(const struct map *m, const void *key, size_t n); /* MAP_NONE if absent */
int map_put(struct cx *cx, struct map *m, const void *key, size_t n,
	uint32_t value); /* key absent before */
