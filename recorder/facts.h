/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What was told of containers and names, the last of each: a file that begins in the middle of a run
 * has to tell it again. */

#include <stdbool.h>
#include <stdint.h>

#include <base/slab.h>
#include <driver/kev.h>

#define FACTS_MAX 8192 /* as many containers and names as the other tables hold */

struct facts {
	struct slab slab;
	struct fact *all; /* FACTS_MAX */
	uint32_t *buckets;
	uint32_t n;
	uint32_t oldest;    /* where the next one without room is put */
	uint64_t n_dropped; /* for want of room */
};

/* Takes all memory. 0 or -ENOMEM. */
int facts_init(struct facts *f);
void facts_done(struct facts *f);
/* Is it one that is kept here: a saker_container or saker_name? */
bool facts_is_one(uint16_t type);
/* A parsed one takes the place of what was told before. */
void facts_take(struct facts *f, const struct kev *k);
/* Every one that is known, in the order in which they were first told. */
void facts_each(const struct facts *f, void (*each)(void *arg, const struct kev *k), void *arg);
