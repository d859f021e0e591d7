/* SPDX-License-Identifier: Apache-2.0 */
/* Size classes over one block: 128, 192, 256, 384, … 49152, 65536 bytes. A request takes a piece of
 * its class, else cuts a new one, else takes a piece of the next larger classes (at most four times
 * as large), else is refused. Must not allocate after slab_init(). */
#include <base/slab.h>

#include <errno.h>
#include <stdlib.h>

#include <base/macros.h>

/* 128 << (c / 2), and half as much again for odd c. */
static size_t class_size(unsigned c)
{
	size_t base = (size_t)128 << (c / 2);

	return c & 1 ? base + base / 2 : base;
}

static unsigned class_of(size_t n)
{
	unsigned c = 0;

	while (class_size(c) < n)
		c++;
	return c;
}

int slab_init(struct slab *s, size_t cap)
{
	*s = (struct slab){.mem = calloc(1, cap), .cap = cap};
	return s->mem ? 0 : -ENOMEM;
}

void slab_done(struct slab *s)
{
	free(s->mem);
	*s = (struct slab){0};
}

static void *pop(struct slab *s, unsigned c)
{
	void *p = s->free[c];

	if (p)
		s->free[c] = *(void **)p;
	return p;
}

/* The true class stands in the 8 bytes before the piece, since a piece may come from a larger class
 * than its owner asked for. */
void *slab_get(struct slab *s, size_t n)
{
	unsigned want, c;
	uint64_t *p;

	if (n > SLAB_SIZE_MAX) {
		s->refused++;
		return NULL;
	}
	want = c = class_of(n + sizeof(*p));
	p = pop(s, c);
	if (!p && class_size(c) <= s->cap - s->used) {
		p = (uint64_t *)(s->mem + s->used);
		s->used += class_size(c);
	}
	while (!p && c + 1 < SLAB_CLASSES && c < want + 4)
		p = pop(s, ++c);
	if (!p) {
		s->refused++;
		return NULL;
	}
	p[0] = c;
	s->in_use += class_size(c);
	return p + 1;
}

void slab_put(struct slab *s, void *q)
{
	uint64_t *p = q;
	unsigned c;

	if (!p)
		return;
	c = (unsigned)*--p;
	assert(c < SLAB_CLASSES);
	s->in_use -= class_size(c);
	*(void **)p = s->free[c];
	s->free[c] = p;
}
