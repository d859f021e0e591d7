/* SPDX-License-Identifier: Apache-2.0 */
/* Slabs of texts.
 *
 * One mapping is cut into blocks; a block serves one size class while anything in it is alive and
 * goes back to the common list after that. The mapping is made before the seal and touched only
 * where it is used, so memory is bounded by the quota and flat once the working set is known. A
 * full pool refuses and counts; the caller evicts. The bytes come from hostile processes and are
 * never looked into here. */

#include "text.h"

#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>

#define BLOCK_BYTES 65536u
#define UNIT 32u /* handles count units */
#define NONE UINT32_MAX
#define NO_ITEM UINT16_MAX

struct text_head {
	uint32_t n_refs;
	uint32_t n; /* bytes, without the NUL */
};

struct st_text_block {
	uint32_t prev, next; /* in the list of its class or of free blocks */
	uint16_t n_used;     /* items alive */
	uint16_t n_made;     /* items ever handed out since the block got its class */
	uint16_t free_item;  /* first of the freed items */
	uint8_t cls;
	uint8_t in_partial;
};

static size_t class_bytes(unsigned cls)
{
	return (size_t)UNIT << cls;
}

static unsigned class_of(size_t n)
{
	return n <= UNIT ? 0 : 64 - (unsigned)__builtin_clzll((n - 1) / UNIT);
}

int st_texts_init(struct st_texts *p, size_t bytes)
{
	size_t n_blocks = MAX(bytes / BLOCK_BYTES, (size_t)ST_TEXT_CLASSES * 2);
	void *base;

	*p = (struct st_texts){.free_block = NONE};
	if (n_blocks > UINT32_MAX / (BLOCK_BYTES / UNIT) - 1)
		return -EINVAL;
	base = mmap(NULL, n_blocks * BLOCK_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	p->blocks = calloc(n_blocks, sizeof(*p->blocks));
	if (!p->blocks) {
		(void)munmap(base, n_blocks * BLOCK_BYTES); /* cannot fail for what mmap gave */
		return -ENOMEM;
	}
	p->base = base;
	p->n_blocks = (uint32_t)n_blocks;
	p->n_free_blocks = p->n_blocks;
	for (uint32_t i = 0; i < p->n_blocks; i++)
		p->blocks[i].next = i + 1 < p->n_blocks ? i + 1 : NONE;
	p->free_block = 0;
	for (unsigned i = 0; i < ST_TEXT_CLASSES; i++)
		p->partial[i] = NONE;
	return 0;
}

void st_texts_done(struct st_texts *p)
{
	if (p->base)
		(void)munmap(p->base,
			(size_t)p->n_blocks * BLOCK_BYTES); /* cannot fail for what mmap gave */
	free(p->blocks);
	*p = (struct st_texts){0};
}

static struct text_head *head_of(const struct st_texts *p, uint32_t text)
{
	assert(text > 0 && (text - 1) / (BLOCK_BYTES / UNIT) < p->n_blocks);
	return (struct text_head *)(p->base + (size_t)(text - 1) * UNIT);
}

static void partial_add(struct st_texts *p, uint32_t ix)
{
	struct st_text_block *b = &p->blocks[ix];

	b->prev = NONE;
	b->next = p->partial[b->cls];
	if (b->next != NONE)
		p->blocks[b->next].prev = ix;
	p->partial[b->cls] = ix;
	b->in_partial = 1;
}

static void partial_remove(struct st_texts *p, uint32_t ix)
{
	struct st_text_block *b = &p->blocks[ix];

	if (b->prev != NONE)
		p->blocks[b->prev].next = b->next;
	else
		p->partial[b->cls] = b->next;
	if (b->next != NONE)
		p->blocks[b->next].prev = b->prev;
	b->in_partial = 0;
}

/* A block of the class with room for one item, NONE if the quota is used up. */
static uint32_t block_with_room(struct st_texts *p, unsigned cls)
{
	uint32_t ix = p->partial[cls];

	if (ix != NONE)
		return ix;
	ix = p->free_block;
	if (ix == NONE)
		return NONE;
	p->free_block = p->blocks[ix].next;
	p->n_free_blocks--;
	p->blocks[ix] = (struct st_text_block){.free_item = NO_ITEM, .cls = (uint8_t)cls};
	partial_add(p, ix);
	return ix;
}

uint32_t st_text_new(struct st_texts *p, struct span s)
{
	size_t n = MIN(s.n, (size_t)ST_TEXT_MAX);
	unsigned cls = class_of(sizeof(struct text_head) + n + 1);
	struct st_text_block *b;
	struct text_head *h;
	uint32_t ix, item;

	if (!s.p)
		return 0;
	ix = block_with_room(p, cls);
	if (ix == NONE) {
		p->n_refused++;
		return 0;
	}
	b = &p->blocks[ix];
	item = b->free_item != NO_ITEM ? b->free_item : b->n_made++;
	h = (struct text_head *)(p->base + (size_t)ix * BLOCK_BYTES + item * class_bytes(cls));
	if (b->free_item != NO_ITEM)
		b->free_item = (uint16_t)h->n; /* the list of freed items runs through n */
	if (++b->n_used == BLOCK_BYTES / UNIT >> cls)
		partial_remove(p, ix);
	*h = (struct text_head){.n_refs = 1, .n = (uint32_t)n};
	memcpy(h + 1, s.p, n);
	((char *)(h + 1))[n] = '\0';
	p->n_live++;
	return (uint32_t)(((uint8_t *)h - p->base) / UNIT) + 1;
}

uint32_t st_text_ref(struct st_texts *p, uint32_t text)
{
	if (text)
		head_of(p, text)->n_refs++;
	return text;
}

void st_text_drop(struct st_texts *p, uint32_t *text)
{
	struct st_text_block *b;
	struct text_head *h;
	uint32_t ix;

	if (!*text)
		return;
	h = head_of(p, *text);
	assert(h->n_refs > 0);
	if (--h->n_refs == 0) {
		ix = (*text - 1) / (BLOCK_BYTES / UNIT);
		b = &p->blocks[ix];
		h->n = b->free_item;
		b->free_item =
			(uint16_t)((size_t)((uint8_t *)h - (p->base + (size_t)ix * BLOCK_BYTES)) /
					   UNIT >>
				   b->cls);
		if (!b->in_partial)
			partial_add(p, ix);
		p->n_live--;
		if (--b->n_used == 0) {
			partial_remove(p, ix);
			b->next = p->free_block;
			p->free_block = ix;
			p->n_free_blocks++;
		}
	}
	*text = 0;
}

struct span st_text_get(const struct st_texts *p, uint32_t text)
{
	const struct text_head *h;

	if (!text)
		return (struct span){0};
	h = head_of(p, text);
	return (struct span){.p = (const char *)(h + 1), .n = h->n};
}

bool st_text_set(struct st_texts *p, uint32_t *text, struct span s)
{
	struct span old = st_text_get(p, *text);
	uint32_t fresh;

	if (!old.p == !s.p && span_eq(old, (struct span){s.p, MIN(s.n, (size_t)ST_TEXT_MAX)}))
		return false;
	fresh = st_text_new(p, s);
	st_text_drop(p, text);
	*text = fresh;
	return true;
}

void st_text_share(struct st_texts *p, uint32_t *to, uint32_t from)
{
	uint32_t kept = st_text_ref(p, from);

	st_text_drop(p, to);
	*to = kept;
}
