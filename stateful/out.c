/* SPDX-License-Identifier: Apache-2.0 */
/* Writing to the event rings.
 *
 * A record gets its order when it is written. State goes to every ring, an event to one. State is
 * never dropped, so what finds no room waits in a private box, and the stage takes no further input
 * until the box is empty: nothing is sent twice, nothing is overtaken. Events are shed before that,
 * the least important classes first, so that there is headroom for state. The consumers' pages are
 * read through <shm/spsc.h>, which refuses what cannot be. */

#include "out.h"

#include <sys/mman.h>

#include <errno.h>
#include <string.h>

#include <base/atomics.h>
#include <base/macros.h>

#define BOX_BYTES                                                                                  \
	(12u << 20) /* the records of one lineage (announce.c) and the event after them            \
		     */

struct box_entry {
	int32_t ring;
	uint32_t pad0;
	/* the record follows */
};

int st_out_init(
	struct st_out *o, struct progress_tracker *progress, unsigned n_rings, uint32_t threads_max)
{
	void *box;

	assert(n_rings > 0 && n_rings <= PROGRESS_EVALUATORS_MAX);
	o->progress = progress;
	o->n_rings = n_rings;
	o->fault_ring = -1;
	o->next_ord = MAX(progress->upto, (uint64_t)1);
	memcpy(o->last, progress->last, sizeof(o->last));
	memcpy(o->forwarded, progress->forwarded, sizeof(o->forwarded));
	o->box_size = BOX_BYTES + (size_t)threads_max * 2 *
					  (sizeof(struct box_entry) + sizeof(struct rec_forget));
	box = mmap(NULL, o->box_size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (box == MAP_FAILED)
		return -errno;
	o->box = box;
	st_out_publish(o); /* upto begins at 1 */
	return 0;
}

void st_out_done(struct st_out *o)
{
	for (unsigned i = 0; i < o->n_rings; i++)
		spsc_producer_done(&o->rings[i]);
	if (o->box)
		(void)munmap(o->box, o->box_size); /* cannot fail for what mmap gave */
	*o = (struct st_out){.fault_ring = -1};
}

/* 0 written, -EAGAIN no room (or the ring is at fault). */
static int write_one(struct st_out *o, unsigned ring, const struct rec_head *rec)
{
	struct spsc_producer *p = &o->rings[ring];
	struct spsc_rec *room;
	int r = spsc_reserve(p, rec->ring.len, rec->ring.type, &room);

	if (r < 0) {
		if (r != -EAGAIN && o->fault_ring < 0)
			o->fault_ring = (int)ring;
		return -EAGAIN;
	}
	memcpy(room, rec, rec->ring.len);
	spsc_commit(p, rec->ring.len);
	o->last[ring] = rec->ord;
	return 0;
}

/* Rings from @from on. Returns the first ring without room, or n_rings. */
static unsigned write_all(struct st_out *o, struct rec_head *rec, unsigned from)
{
	rec->ord = o->next_ord;
	for (; from < o->n_rings; from++)
		if (write_one(o, from, rec) < 0)
			return from;
	o->next_ord++;
	o->n_written++;
	return from;
}

/* True if it is done with: written, or shed for good. */
static bool write_event(struct st_out *o, unsigned ring, struct rec_head *rec)
{
	rec->ord = o->next_ord;
	if (write_one(o, ring, rec) < 0) {
		if (rec->ring.flags & REC_F_NO_SHED)
			return false;
		o->n_shed++;
		return true;
	}
	o->next_ord++;
	o->n_written++;
	o->forwarded[ring]++;
	return true;
}

static void box_add(struct st_out *o, int ring, const struct rec_head *rec)
{
	struct box_entry *e = (struct box_entry *)(o->box + o->box_to);

	assert(rec->ring.len <=
		o->box_size - o->box_to - sizeof(*e)); /* one raw record makes no more than that */
	*e = (struct box_entry){.ring = ring};
	memcpy(e + 1, rec, rec->ring.len);
	o->box_to += sizeof(*e) + ALIGN_UP(rec->ring.len, 8u);
}

static void emit(void *arg, int ring, struct rec_head *rec)
{
	struct st_out *o = arg;

	if (st_out_is_blocked(o)) {
		box_add(o, ring, rec);
		return;
	}
	if (ring != ST_ALL_RINGS) {
		if (!write_event(o, (unsigned)ring, rec))
			box_add(o, ring, rec);
		return;
	}
	o->box_ring = write_all(o, rec, 0);
	if (o->box_ring < o->n_rings)
		box_add(o, ring, rec);
	else
		o->box_ring = 0;
}

static bool admit(void *arg, unsigned ring, unsigned cls, size_t len, bool no_shed)
{
	struct st_out *o = arg;
	const struct spsc_producer *p = &o->rings[ring];
	uint64_t floor = cls == KEV_CLASS_OTHER      ? p->size / 4
			 : cls == KEV_CLASS_FILE_NET ? p->size / 8
						     : 0;

	/* Class 1 is always tried: write_event() sheds it when there is no room at all, and behind
	 * waiting state it waits too. */
	if (no_shed || floor == 0 || p->size - (p->head - p->tail_seen) >= floor + len)
		return true;
	if (spsc_producer_free(&o->rings[ring]) >= floor + len)
		return true;
	o->n_shed++;
	return false;
}

struct st_sink st_out_sink(struct st_out *o)
{
	return (struct st_sink){.arg = o, .admit = admit, .emit = emit};
}

bool st_out_flush(struct st_out *o)
{
	while (o->box_from < o->box_to) {
		const struct box_entry *e = (const struct box_entry *)(o->box + o->box_from);
		struct rec_head *rec = (struct rec_head *)(o->box + o->box_from + sizeof(*e));

		if (e->ring != ST_ALL_RINGS) {
			if (!write_event(o, (unsigned)e->ring, rec))
				return false;
		} else {
			o->box_ring = write_all(o, rec, o->box_ring);
			if (o->box_ring < o->n_rings)
				return false;
			o->box_ring = 0;
		}
		o->box_from += sizeof(*e) + ALIGN_UP(rec->ring.len, 8u);
	}
	o->box_from = 0;
	o->box_to = 0;
	return true;
}

void st_out_publish(struct st_out *o)
{
	for (unsigned i = 0; i < o->n_rings; i++)
		spsc_publish(&o->rings[i]);
	for (unsigned i = 0; i < o->n_rings; i++)
		atomic_store_relaxed(&o->progress->last[i], o->last[i]);
	/* release: pairs with the acquire of upto in the emitters' merge: the records below it and
	 * last[] are there */
	atomic_store_release(&o->progress->upto, o->next_ord);
}
