/* SPDX-License-Identifier: Apache-2.0 */
/* Writing to the event rings.
 *
 * A record gets its order when it is written. State goes to every ring, an event to one. State is
 * never dropped, so what finds no room waits in a private box, and the stage takes no further input
 * until the box is empty: nothing is sent twice, nothing is overtaken. Events are shed before that,
 * the least important classes first, so that there is headroom for state. The consumers' pages are
 * read through <shm/spsc.h>, which refuses what cannot be.
 *
 * Live, nobody is waited for: a ring without room for state is cut off (docs/protocol.md, line 9).
 * When its evaluator has taken what was left, it begins anew: SNAP_BEGIN with an epoch of its own,
 * users and groups, and each thread's record before the first event that needs it.
 *
 * What was published when we die stands in the restart slots of the rings: a successor neither
 * writes an event twice nor counts one twice. */

#include "out.h"

#include <sys/mman.h>

#include <errno.h>
#include <string.h>

#include <base/atomics.h>
#include <base/log.h>
#include <base/macros.h>

#define BOX_BYTES                                                                                  \
	(12u << 20) /* the records of one lineage (announce.c) and the event after them            \
		     */

struct box_entry {
	int32_t ring;
	uint32_t pad0;
	/* the record follows */
};

static uint64_t bit(unsigned ring)
{
	return UINT64_C(1) << ring;
}

/* Where a predecessor left the ring; a fresh ring has no slot. */
static void resume(struct st_out *o, unsigned i)
{
	struct spsc_slot slot;

	if (spsc_slot_read(&o->rings[i], &slot) < 0 || slot.n_cpus < _EVENT_SLOT_MAX)
		return;
	o->settled[i] = o->sent_seq[i] = slot.cpu_pos[EVENT_SLOT_SEQ];
	o->forwarded[i] = slot.cpu_pos[EVENT_SLOT_FORWARDED];
	o->shed[i] = slot.cpu_pos[EVENT_SLOT_SHED];
	o->too_big[i] = slot.cpu_pos[EVENT_SLOT_TOO_BIG];
	o->cut_off[i] = slot.cpu_pos[EVENT_SLOT_CUT_OFF];
	o->held[i] = slot.cpu_pos[EVENT_SLOT_HELD];
	o->passed[i] = slot.cpu_pos[EVENT_SLOT_PASSED];
	o->last[i] = slot.cpu_pos[EVENT_SLOT_LAST];
	if (slot.cpu_pos[EVENT_SLOT_ENDED])
		o->ended |= bit(i);
	o->next_ord = MAX(o->next_ord, slot.cpu_pos[EVENT_SLOT_ORD]);
}

int st_out_init(
	struct st_out *o, struct progress_tracker *progress, unsigned n_rings, uint32_t threads_max)
{
	void *box;
	int r;

	assert(n_rings > 0 && n_rings <= PROGRESS_EVALUATORS_MAX);
	o->progress = progress;
	o->n_rings = n_rings;
	o->fault_ring = -1;
	o->next_ord = MAX(progress->upto, (uint64_t)1);
	o->done_seq = progress->last_seq;
	memcpy(o->last, progress->last, sizeof(o->last));
	memcpy(o->forwarded, progress->forwarded, sizeof(o->forwarded));
	memcpy(o->passed, progress->passed, sizeof(o->passed));
	for (unsigned i = 0; i < n_rings; i++)
		resume(o, i);
	r = st_shadow_init(&o->shadow, threads_max, o->rings[0].size);
	if (r < 0)
		return r;
	o->shadow.ord = o->next_ord;
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
	st_shadow_done(&o->shadow);
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

/* The order of the first record that ring i's evaluator has not committed. The tail is the
 * evaluator's word: a lie gives a number that harms only its own successor. */
static uint64_t commit_ord(const struct st_out *o, unsigned i)
{
	const struct spsc_producer *p = &o->rings[i];
	/* acquire: pairs with the release of tail in spsc_consumer_commit_to() */
	uint64_t tail = atomic_load_acquire(&p->cursor->tail);
	uint64_t ord;

	if (tail % 8 != 0 || tail - p->tail_seen > p->published - p->tail_seen)
		tail = p->tail_seen;
	if (tail == p->head)
		return o->last[i] + 1;
	ord = ((const struct rec_head *)(p->data + (tail & p->mask)))->ord;
	return MIN(ord, o->next_ord);
}

/* Of the rings that are not in @but. */
static uint64_t lowest_commit(const struct st_out *o, uint64_t but, unsigned *ret_ring)
{
	uint64_t lowest = o->next_ord;

	for (unsigned i = 0; i < o->n_rings; i++) {
		uint64_t ord = but & bit(i) ? UINT64_MAX : commit_ord(o, i);

		if (ord <= lowest) {
			lowest = ord;
			*ret_ring = i;
		}
	}
	return lowest;
}

void st_out_trim(struct st_out *o)
{
	unsigned ring = 0;

	for (unsigned i = 0; o->abandoned && i < o->n_rings; i++)
		if (o->abandoned & bit(i) && commit_ord(o, i) >= o->shadow.ord)
			o->abandoned &= ~bit(i);
	st_shadow_advance(&o->shadow, lowest_commit(o, o->abandoned, &ring));
}

/* An evaluator that is far behind must not make the journal grow without bound: if it dies, its
 * successor begins without state, and its alerts say so. */
static void remember(struct st_out *o, const struct rec_head *rec)
{
	if (o->shadowed_ord == rec->ord)
		return; /* tried before, and waiting since */
	o->shadowed_ord = rec->ord;
	for (unsigned n = 0; !st_shadow_has_room(&o->shadow) && n <= o->n_rings; n++) {
		unsigned ring = o->n_rings;

		st_shadow_advance(&o->shadow, lowest_commit(o, o->abandoned, &ring));
		if (ring < o->n_rings && !st_shadow_has_room(&o->shadow))
			o->abandoned |= bit(ring);
	}
	st_shadow_add(&o->shadow, rec);
}

static void cut_off(struct st_out *o, unsigned ring)
{
	o->cut |= bit(ring);
	log_warning("evaluator %u does not take its events: cut off until it does", ring);
}

/* Rings from @from on. Returns the first ring without room, or n_rings. */
static unsigned write_all(struct st_out *o, struct rec_head *rec, unsigned from)
{
	/* END has to reach all: who was cut off takes what is left and it, and needs no state */
	bool is_end = rec->ring.type == REC_END;

	rec->ord = o->next_ord;
	remember(o, rec);
	for (; from < o->n_rings; from++) {
		if (o->ended & bit(from) || (o->cut & bit(from) && !is_end))
			continue;
		if (write_one(o, from, rec) == 0)
			o->ended |= is_end ? bit(from) : 0;
		else if (!o->can_cut || is_end || o->fault_ring >= 0)
			return from;
		else
			cut_off(o, from);
	}
	o->next_ord++;
	o->n_written++;
	return from;
}

/* State for one ring: its evaluator was cut off. True if it is done with. */
static bool write_again(struct st_out *o, unsigned ring, struct rec_head *rec)
{
	rec->ord = o->next_ord;
	if ((o->cut | o->ended) & bit(ring))
		return true;
	if (write_one(o, ring, rec) < 0) {
		if (!o->can_cut || o->fault_ring >= 0)
			return false;
		cut_off(o, ring);
		return true;
	}
	o->next_ord++;
	o->n_written++;
	return true;
}

/* True if it is done with: written, or shed for good. */
static bool write_event(struct st_out *o, unsigned ring, struct rec_head *rec)
{
	bool was_held = rec->ring.flags & REC_F_HELD;

	if (rec->ring.type != REC_EVENT)
		return write_again(o, ring, rec);
	rec->ord = o->next_ord;
	if (o->cut & bit(ring)) {
		o->cut_off[ring]++;
		o->held[ring] += was_held;
		return true;
	}
	if (write_one(o, ring, rec) < 0) {
		if (rec->ring.flags & REC_F_NO_SHED)
			return false;
		o->shed[ring]++;
		o->held[ring] += was_held;
		return true;
	}
	o->held[ring] += was_held;
	o->next_ord++;
	o->n_written++;
	o->forwarded[ring]++;
	o->sent_seq[ring] = rec->seq;
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

	/* the collector's: what begins and ends in the raw ring says nothing to evaluators */
	if (rec->ring.type == REC_SNAP_BEGIN || rec->ring.type == REC_SNAP_END)
		return;
	rec->ring.flags |= o->is_release && rec->ring.type == REC_EVENT ? REC_F_HELD : 0;
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
						     : p->size / 16;

	if (no_shed || o->cut & bit(ring) || p->size - (p->head - p->tail_seen) >= floor + len)
		return true;
	if (spsc_producer_free(&o->rings[ring]) >= floor + len)
		return true;
	o->shed[ring]++;
	o->held[ring] += o->is_release;
	return false;
}

/* What was held back is never settled by a predecessor: those that it held are lost. */
static bool is_settled(void *arg, unsigned ring, uint64_t seq)
{
	const struct st_out *o = arg;

	return !o->is_release && seq <= o->settled[ring];
}

static void lose(void *arg, unsigned ring)
{
	struct st_out *o = arg;

	o->too_big[ring]++;
	o->held[ring] += o->is_release;
}

/* As if it had been written: what stands before it in the rings is there, or waits and is repeated
 * by a successor. */
static void pass(void *arg, unsigned ring, uint64_t seq)
{
	struct st_out *o = arg;

	o->passed[ring]++;
	o->held[ring] += o->is_release;
	o->sent_seq[ring] = MAX(o->sent_seq[ring], seq);
}

struct st_sink st_out_sink(struct st_out *o)
{
	return (struct st_sink){.arg = o,
		.admit = admit,
		.emit = emit,
		.is_settled = is_settled,
		.lose = lose,
		.pass = pass};
}

static struct rec_snap next_epoch(struct st_out *o)
{
	atomic_store_relaxed(&o->progress->epoch, o->progress->epoch + 1);
	return (struct rec_snap){
		.h = {.ring = {.len = sizeof(struct rec_snap), .type = REC_SNAP_BEGIN},
			.seq = o->done_seq},
		.epoch = o->progress->epoch};
}

void st_out_new_epoch(struct st_out *o)
{
	struct rec_snap begin = next_epoch(o);

	/* whoever is behind this holds what another tracker said, and we do not know that */
	o->shadow.ord = o->next_ord;
	o->box_ring = write_all(o, &begin.h, 0);
	if (o->box_ring < o->n_rings)
		box_add(o, ST_ALL_RINGS, &begin.h);
	else
		o->box_ring = 0;
}

void st_out_end(struct st_out *o)
{
	struct rec_head end = {.ring = {.len = sizeof(end), .type = REC_END}, .seq = o->done_seq};

	o->box_ring = write_all(o, &end, 0);
	if (o->box_ring < o->n_rings)
		box_add(o, ST_ALL_RINGS, &end);
	else
		o->box_ring = 0;
}

struct one_ring {
	struct st_out *o;
	unsigned ring;
};

static bool send_id(void *arg, const struct rec_head *rec)
{
	static uint64_t room[SPSC_RECORD_MAX / 8];
	struct one_ring *one = arg;
	struct rec_head *copy = (struct rec_head *)room;

	memcpy(room, rec, rec->ring.len);
	return write_again(one->o, one->ring, copy) && !(one->o->cut & bit(one->ring));
}

uint64_t st_out_rejoin(struct st_out *o)
{
	uint64_t back = 0;

	for (uint64_t left = st_out_is_blocked(o) ? 0 : o->cut & ~o->ended; left;
		left &= left - 1) {
		struct one_ring one = {.o = o, .ring = (unsigned)__builtin_ctzll(left)};
		struct rec_snap begin;

		if (spsc_producer_used(&o->rings[one.ring]) > 0)
			continue;
		o->cut &= ~bit(one.ring);
		back |= bit(one.ring);
		begin = next_epoch(o);
		if (write_again(o, one.ring, &begin.h))
			st_shadow_each_id(&o->shadow, send_id, &one);
		log_notice("evaluator %u takes events again", one.ring);
	}
	return back;
}

bool st_out_is_drained(const struct st_out *o)
{
	for (unsigned i = 0; i < o->n_rings; i++)
		if (atomic_load_acquire(&o->rings[i].cursor->tail) != o->rings[i].published)
			return false; /* acquire: as in commit_ord() */
	return true;
}

void st_out_snapshot(const struct st_out *o, unsigned ring, struct snap_writer *w)
{
	uint64_t ord = commit_ord(o, ring);

	st_shadow_write(&o->shadow, ord, w);
	snap_write_end(w, ord);
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

static void publish_ring(struct st_out *o, unsigned i)
{
	uint64_t pos[_EVENT_SLOT_MAX] = {
		[EVENT_SLOT_SEQ] = MAX(o->done_seq, o->sent_seq[i]),
		[EVENT_SLOT_FORWARDED] = o->forwarded[i],
		[EVENT_SLOT_SHED] = o->shed[i],
		[EVENT_SLOT_TOO_BIG] = o->too_big[i],
		[EVENT_SLOT_CUT_OFF] = o->cut_off[i],
		[EVENT_SLOT_HELD] = o->held[i],
		[EVENT_SLOT_PASSED] = o->passed[i],
		/* what waits may be in some rings already, under the order at hand */
		[EVENT_SLOT_ORD] = o->next_ord + (o->box_ring > 0),
		[EVENT_SLOT_LAST] = o->last[i],
		[EVENT_SLOT_ENDED] = o->ended & bit(i) ? 1 : 0,
	};

	(void)spsc_slot_write(
		&o->rings[i], pos[EVENT_SLOT_SEQ] + 1, pos, _EVENT_SLOT_MAX); /* a ring without
		slots: a successor goes by the progress page */
	spsc_publish(&o->rings[i]);
}

void st_out_publish(struct st_out *o)
{
	for (unsigned i = 0; i < o->n_rings; i++)
		publish_ring(o, i);
	for (unsigned i = 0; i < o->n_rings; i++)
		atomic_store_relaxed(&o->progress->last[i], o->last[i]);
	/* release: pairs with the acquire of upto in the emitters' merge: the records below it and
	 * last[] are there */
	atomic_store_release(&o->progress->upto, o->next_ord);
}
