/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The one table of containers: which slot a container's record has in every evaluator. A container
 * has one from the first sight of it, be it a thread's cgroup or a record. */

#include <stdbool.h>
#include <stdint.h>

#include <base/span.h>
#include <shm/crec.h>

#define ST_CONTAINER_ID_MAX 255 /* bytes; names of lxc are the longest */

struct st_container {
	uint32_t hash_next, lru_prev, lru_next;
	uint16_t n;
	char id[ST_CONTAINER_ID_MAX + 1];
};

struct st_containers {
	struct st_container *slots; /* CREC_SLOTS_MAX; those never used are not touched */
	uint32_t *buckets;
	uint32_t n_used;
	uint32_t lru_first, lru_last; /* most and least recently seen */
	uint64_t n_evicted;
};

int st_containers_init(struct st_containers *c);
void st_containers_done(struct st_containers *c);
/* The slot of a full id, as just seen. A new one may take the place of the one longest unseen.
 * PREC_NO_SLOT: no id, or too long for one. */
uint32_t st_container_slot(struct st_containers *c, struct span id);
