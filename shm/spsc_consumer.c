/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer's end of a ring, and the observer. Everything in the data segment belongs to another
 * process that may be hostile and may change it at any moment: each word is read once, checked by
 * subtraction, and a record is copied whole to private memory before anybody looks at it. A ring
 * that cannot be gives -EBADMSG and nothing is consumed. Bodies are the caller's to check. */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <base/atomics.h>
#include <base/macros.h>
#include <shm/segment.h>
#include <shm/spsc.h>

#include "spsc_map.h"

int spsc_consumer_attach(struct spsc_consumer *c, int data_ro, int cursor_rw)
{
	struct spsc_consumer n = {0};
	struct spsc_map m;
	int r;

	r = spsc_map_data(data_ro, PROT_READ, &m);
	if (r < 0)
		return r;
	n.page = n.data_map = m.map;
	n.data_map_size = m.n;
	n.data = m.data;
	n.size = m.shape.size;
	n.mask = n.size - 1;
	r = spsc_map_cursor(cursor_rw, PROT_READ | PROT_WRITE, &n.cursor_map, &n.cursor_map_size);
	if (r < 0)
		goto out;
	n.cursor = n.cursor_map;
	n.buf = aligned_alloc(64, SPSC_RECORD_MAX);
	if (!n.buf) {
		r = -ENOMEM;
		goto out;
	}
	n.pos = n.head_seen =
		atomic_load_relaxed(&n.cursor->tail); /* our own field; its last writer is dead */
	n.n_taken = atomic_load_relaxed(&n.cursor->n_records);
	/* acquire: pairs with the release of head in spsc_publish() */
	if (!spsc_positions_ok(atomic_load_acquire(&n.page->head), n.pos, n.size)) {
		r = -EBADMSG;
		goto out;
	}
	/* a dead process may have left them set */
	atomic_store_relaxed(&n.cursor->sleeping, 0);
	atomic_store_relaxed(&n.cursor->stalled, 0);
	*c = n;
	return 0;
out:
	spsc_consumer_done(&n);
	return r;
}

void spsc_consumer_done(struct spsc_consumer *c)
{
	if (c->data_map)
		(void)munmap(c->data_map, c->data_map_size);
	if (c->cursor_map)
		(void)munmap(c->cursor_map, c->cursor_map_size);
	free(c->buf);
	*c = (struct spsc_consumer){0};
}

/* Takes the producer's head if it can be true: not behind what was seen, not further than the ring
 * is long. Called when all that was seen is taken. */
static int head_refresh(struct spsc_consumer *c)
{
	/* acquire: pairs with the release of head in spsc_publish(): the records below it are
	 * written */
	uint64_t head = atomic_load_acquire(&c->page->head);

	if (!spsc_positions_ok(head, c->pos, c->size))
		return -EBADMSG;
	c->head_seen = head;
	return 0;
}

int spsc_peek(struct spsc_consumer *c, const struct spsc_rec **ret_rec)
{
	const struct spsc_rec *in_ring;
	struct spsc_rec *copy = (struct spsc_rec *)c->buf;
	uint32_t len;

	if (c->peeked) {
		*ret_rec = copy;
		return 1;
	}
	if (c->pos == c->head_seen) {
		if (head_refresh(c) < 0)
			return -EBADMSG;
		if (c->pos == c->head_seen)
			return 0;
	}
	in_ring = (const struct spsc_rec *)(c->data + (c->pos & c->mask));
	/* relaxed: once; what is copied below may differ if the producer cheats, so the copy gets
	 * the value that was checked */
	len = atomic_load_relaxed(&in_ring->len);
	if (len < sizeof(*copy) || len > SPSC_RECORD_MAX || len % 8 != 0 ||
		len > c->head_seen - c->pos)
		return -EBADMSG;
	memcpy(copy, in_ring, len);
	copy->len = len;
	c->peeked = true;
	*ret_rec = copy;
	return 1;
}

int spsc_next(struct spsc_consumer *c, const struct spsc_rec **ret_rec)
{
	int r = spsc_peek(c, ret_rec);

	if (r <= 0)
		return r;
	c->pos += (*ret_rec)->len;
	c->n_taken++;
	c->peeked = false;
	return 1;
}

void spsc_consumer_commit(struct spsc_consumer *c)
{
	spsc_consumer_commit_to(c, c->pos, c->n_taken);
}

void spsc_consumer_commit_to(struct spsc_consumer *c, uint64_t pos, uint64_t n_taken)
{
	uint64_t tail = atomic_load_relaxed(&c->cursor->tail);

	assert(pos >= tail && pos <= c->pos);
	if (pos == tail)
		return;
	atomic_store_relaxed(&c->cursor->n_records, n_taken);
	/* release: pairs with the acquire of tail in tail_refresh() of the producer: our reads of
	 * these bytes are done */
	atomic_store_release(&c->cursor->tail, pos);
}

bool spsc_consumer_has_data(struct spsc_consumer *c)
{
	if (c->peeked || c->pos != c->head_seen)
		return true;
	/* acquire: as in head_refresh(). A head that cannot be counts as data: the next spsc_next()
	 * reports it */
	return atomic_load_acquire(&c->page->head) != c->pos;
}

unsigned spsc_consumer_fill(const struct spsc_consumer *c)
{
	/* relaxed: a figure. A head that cannot be counts as full: the next spsc_next() reports it
	 */
	uint64_t used = atomic_load_relaxed(&c->page->head) - c->pos;

	return used < c->size ? (unsigned)(used * 100 / c->size) : 100;
}

bool spsc_consumer_arm(struct spsc_consumer *c)
{
	atomic_store_relaxed(&c->cursor->sleeping, 1);
	/* seq_cst: pairs with the fence in spsc_publish(): either the producer sees sleeping, or we
	 * see its head */
	atomic_fence_seq_cst();
	if (spsc_consumer_has_data(c)) {
		spsc_consumer_disarm(c);
		return false;
	}
	return true;
}

void spsc_consumer_disarm(struct spsc_consumer *c)
{
	/* relaxed: a late look by the producer costs one needless wake-up */
	atomic_store_relaxed(&c->cursor->sleeping, 0);
}

void spsc_consumer_set_stalled(struct spsc_consumer *c, bool is_stalled)
{
	/* relaxed: nothing else goes with it; a late look costs the producer one more wait */
	atomic_store_relaxed(&c->cursor->stalled, is_stalled);
}

/* One page at most; a segment's file cannot shrink, so a short read is a wrong file. */
static int read_payload(int fd, void *p, size_t n)
{
	return pread(fd, p, n, SEG_PAYLOAD_OFF) == (ssize_t)n ? 0 : -EBADMSG;
}

int spsc_view_read(int data_ro, int cursor_ro, struct spsc_view *ret_view)
{
	struct spsc_cursor_page cursor;
	struct spsc_data_page page;
	struct spsc_shape shape;
	struct seg_head head;
	int r;

	r = seg_check(cursor_ro, SEG_RING_CURSOR, &head);
	if (r < 0)
		return r;
	r = seg_check(data_ro, SEG_RING_DATA, &head);
	if (r < 0)
		return r;
	/* The cursor first: then the head cannot be behind the tail. It may be ahead by more than
	 * the size, if much happened in between. */
	if (read_payload(cursor_ro, &cursor, sizeof(cursor)) < 0 ||
		read_payload(data_ro, &page, sizeof(page)) < 0)
		return -EBADMSG;
	if (spsc_shape(head.payload_size, &shape) < 0 || !spsc_shape_fits(&shape, &page))
		return -EBADMSG;
	if (page.head < cursor.tail)
		return -EBADMSG;
	*ret_view = (struct spsc_view){
		.size = shape.size,
		.used = MIN(page.head - cursor.tail, shape.size),
		.high_water = page.high_water,
		.head = page.head,
		.tail = cursor.tail,
		.full = page.full,
		.wakes = page.wakes,
		.n_records = cursor.n_records,
	};
	return 0;
}
