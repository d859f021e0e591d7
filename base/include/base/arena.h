/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Memory that is freed all at once: compilers and parsers. Not for hot paths after the seal unless sized before it. */

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *head; /* newest block */
	size_t used_bytes;        /* over all blocks */
	size_t max_bytes;         /* 0: no quota */
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_done(struct arena *a);
/* 8-aligned, zeroed; NULL when out of memory or over the quota. */
void *arena_alloc(struct arena *a, size_t n);
char *arena_strndup(struct arena *a, const char *s, size_t n); /* NUL-ended */
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define _cleanup_arena_ __attribute__((cleanup(arena_done)))
