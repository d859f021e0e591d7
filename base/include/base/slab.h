/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Memory of fixed size for records that come and go: size classes over one block, taken before the
 * seal. A full slab refuses; nothing is ever given back to the system. */

#include <stddef.h>
#include <stdint.h>

#define SLAB_CLASSES 24
#define SLAB_SIZE_MAX 65536

struct slab {
	uint8_t *mem;
	size_t cap, used;         /* bytes cut off so far; the rest was never touched */
	void *free[SLAB_CLASSES]; /* by class: the first free piece, each begins with the pointer to
				     the next */
	size_t in_use;            /* bytes handed out, by class size */
	uint64_t refused;
};

int slab_init(struct slab *s, size_t cap);
void slab_done(struct slab *s);
/* 8-aligned, not zeroed; NULL if there is no room or n > SLAB_SIZE_MAX. */
void *slab_get(struct slab *s, size_t n);

/* Give it back. p may be NULL. */
void slab_put(struct slab *s, void *p);
