/* SPDX-License-Identifier: Apache-2.0 */
/* The producer's end of a ring. It trusts its own data segment (nobody else can write it) except at
 * attach, where a dead process's positions are checked, and takes two words from the consumer's
 * page: the tail, which is refused unless it lies in [last seen, published], and the sleeping flag,
 * which can at worst cause a needless wake-up. It never waits and never allocates after attach. */

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <base/atomics.h>
#include <base/macros.h>
#include <shm/segment.h>
#include <shm/spsc.h>

#include "spsc_map.h"

/* Do records follow each other from tail to head? */
static bool chain_ok(const struct spsc_producer *p, uint64_t tail)
{
	uint64_t at = tail;

	while (at != p->published) {
		uint32_t len = ((const struct spsc_rec *)(p->data + (at & p->mask)))->len;

		if (len < sizeof(struct spsc_rec) || len > SPSC_RECORD_MAX || len % 8 != 0 ||
			len > p->published - at)
			return false;
		at += len;
	}
	return true;
}

static struct spsc_slot *slots(const struct spsc_producer *p)
{
	return p->page->slots_off != 0 ? (struct spsc_slot *)((uint8_t *)p->page + SPSC_SLOTS_OFF)
				       : NULL;
}

/* A slot of a batch that was never published must not fit a later head by chance. */
static void slots_forget_unpublished(struct spsc_producer *p)
{
	struct spsc_slot *s = slots(p);

	for (unsigned i = 0; s && i < SPSC_SLOTS; i++) {
		if (s[i].head != p->published || s[i].n_cpus > SPSC_CPUS_MAX)
			s[i] = (struct spsc_slot){.head = UINT64_MAX};
	}
}

static void ring_eventfd(struct spsc_producer *p)
{
	const uint64_t one = 1;
	ssize_t r;

	atomic_store_relaxed(&p->page->wakes, p->page->wakes + 1);
	do
		r = write(p->wake_fd, &one, sizeof(one));
	while (r < 0 && errno == EINTR);
	/* EAGAIN: the counter is full, so the consumer is woken anyway */
}

int spsc_producer_attach(struct spsc_producer *p, int data_rw, int cursor_ro, int wake_fd)
{
	struct spsc_producer n = {.wake_fd = wake_fd};
	struct spsc_map m;
	uint64_t tail;
	int r;

	r = spsc_map_data(data_rw, PROT_READ | PROT_WRITE, &m);
	if (r < 0)
		return r;
	n.page = n.data_map = m.map;
	n.data_map_size = m.n;
	n.data = m.data;
	n.size = m.shape.size;
	n.mask = n.size - 1;
	r = spsc_map_cursor(cursor_ro, PROT_READ, &n.cursor_map, &n.cursor_map_size);
	if (r < 0) {
		(void)munmap(m.map, m.n);
		return r;
	}
	n.cursor = n.cursor_map;
	n.n_records = atomic_load_relaxed(&n.page->n_records);
	n.head = n.published =
		atomic_load_relaxed(&n.page->head); /* our own field; its last writer is dead */
	/* acquire: pairs with the release of tail in spsc_consumer_commit_to() */
	tail = atomic_load_acquire(&n.cursor->tail);
	if (!spsc_positions_ok(n.published, tail, n.size) || !chain_ok(&n, tail)) {
		spsc_producer_done(&n);
		return -EBADMSG;
	}
	n.tail_seen = tail;
	slots_forget_unpublished(&n);
	/* The predecessor may have died between publishing and ringing. */
	if (n.published != tail && wake_fd >= 0 && atomic_load_relaxed(&n.cursor->sleeping) == 1)
		ring_eventfd(&n);
	*p = n;
	return 0;
}

void spsc_producer_done(struct spsc_producer *p)
{
	if (p->data_map)
		(void)munmap(p->data_map, p->data_map_size);
	if (p->cursor_map)
		(void)munmap(p->cursor_map, p->cursor_map_size);
	*p = (struct spsc_producer){.wake_fd = -1};
}

/* Takes the consumer's tail if it can be true. */
static int tail_refresh(struct spsc_producer *p)
{
	/* acquire: pairs with the release of tail in spsc_consumer_commit_to(): the consumer's
	 * reads of what we overwrite are done */
	uint64_t tail = atomic_load_acquire(&p->cursor->tail);

	if (tail % 8 != 0 || tail - p->tail_seen > p->published - p->tail_seen)
		return -EBADMSG;
	p->tail_seen = tail;
	return 0;
}

int spsc_reserve(struct spsc_producer *p, size_t len, uint16_t type, struct spsc_rec **ret_rec)
{
	struct spsc_rec *rec;
	size_t n;

	assert(p->reserved == 0);
	if (len < sizeof(*rec) || len > SPSC_RECORD_MAX)
		return -EMSGSIZE;
	n = ALIGN_UP(len, 8);
	if (p->size - (p->head - p->tail_seen) < n) {
		if (tail_refresh(p) < 0)
			return -EBADMSG;
		if (p->size - (p->head - p->tail_seen) < n) {
			atomic_store_relaxed(&p->page->full, p->page->full + 1);
			return -EAGAIN;
		}
	}
	rec = (struct spsc_rec *)(p->data + (p->head & p->mask));
	*rec = (struct spsc_rec){.len = (uint32_t)n, .type = type};
	p->reserved = (uint32_t)n;
	p->reserved_type = type;
	*ret_rec = rec;
	return 0;
}

void spsc_commit(struct spsc_producer *p, size_t len)
{
	struct spsc_rec *rec = (struct spsc_rec *)(p->data + (p->head & p->mask));
	size_t n = ALIGN_UP(len, 8);

	assert(len >= sizeof(*rec) && len <= p->reserved);
	if (n != len)
		memset((uint8_t *)rec + len, 0, n - len);
	rec->len = (uint32_t)n;
	rec->type = p->reserved_type;
	p->head += n;
	p->n_records++;
	p->reserved = 0;
}

void spsc_abandon(struct spsc_producer *p)
{
	p->reserved = 0;
}

void spsc_publish(struct spsc_producer *p)
{
	uint64_t used;

	if (p->head == p->published)
		return;
	p->published = p->head;
	atomic_store_relaxed(&p->page->n_records, p->n_records);
	/* release: pairs with the acquire of head in head_refresh() of the consumer: the records
	 * are written */
	atomic_store_release(&p->page->head, p->head);
	/* seq_cst: pairs with the fence in spsc_consumer_arm(): either we see sleeping, or the
	 * consumer sees the head */
	atomic_fence_seq_cst();
	(void)tail_refresh(
		p); /* only for the figure; a wrong tail is reported when room is needed */
	used = p->head - p->tail_seen;
	if (used > p->page->high_water)
		atomic_store_relaxed(&p->page->high_water, used);
	if (p->wake_fd >= 0 && atomic_load_relaxed(&p->cursor->sleeping) == 1)
		ring_eventfd(p);
}

uint64_t spsc_producer_used(struct spsc_producer *p)
{
	(void)tail_refresh(p); /* a wrong tail is reported when room is needed */
	return p->head - p->tail_seen;
}

bool spsc_producer_is_stalled(const struct spsc_producer *p)
{
	return atomic_load_relaxed(&p->cursor->stalled) == 1;
}

uint64_t spsc_producer_free(struct spsc_producer *p)
{
	return p->size - spsc_producer_used(p);
}

static uint64_t slot_progress(const struct spsc_slot *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->n_cpus; i++)
		sum += s->cpu_pos[i];
	return sum;
}

/* Of the slots that fit the published head the one that is further: both fit when one was written
 * without records. All its figures only grow. */
static struct spsc_slot *slot_best(struct spsc_producer *p)
{
	struct spsc_slot *s = slots(p), *best = NULL;

	for (unsigned i = 0; i < SPSC_SLOTS; i++) {
		if (s[i].head != p->published || s[i].n_cpus > SPSC_CPUS_MAX || s[i].n_cpus == 0)
			continue;
		if (!best || s[i].next_seq > best->next_seq ||
			(s[i].next_seq == best->next_seq &&
				slot_progress(&s[i]) > slot_progress(best)))
			best = &s[i];
	}
	return best;
}

int spsc_slot_write(
	struct spsc_producer *p, uint64_t next_seq, const uint64_t *cpu_pos, unsigned n_cpus)
{
	struct spsc_slot *s = slots(p), *out;

	if (!s)
		return -ENOTSUP;
	if (n_cpus > SPSC_CPUS_MAX)
		return -EINVAL;
	out = slot_best(p) == &s[0] ? &s[1] : &s[0];
	/* Not valid while half written; the reader is the next incarnation, so program order, kept
	 * by release, is enough. release: pairs with the reads in spsc_slot_read() after our death
	 */
	atomic_store_relaxed(&out->head, UINT64_MAX);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	out->next_seq = next_seq;
	out->n_cpus = n_cpus;
	memcpy(out->cpu_pos, cpu_pos, n_cpus * sizeof(*cpu_pos));
	atomic_store_release(&out->head, p->head);
	return 0;
}

int spsc_slot_read(struct spsc_producer *p, struct spsc_slot *ret_slot)
{
	const struct spsc_slot *best;

	if (!slots(p))
		return -ENOTSUP;
	best = slot_best(p);
	if (!best)
		return -ENOENT;
	*ret_slot = *best;
	return 0;
}
