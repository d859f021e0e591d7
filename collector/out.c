/* SPDX-License-Identifier: Apache-2.0 */
/* The collector's end of the raw ring: gives events their numbers, writes the headers, checks each record at the door, publishes batches.
 *
 * What is copied in comes from the kernel, from a capture or from saker-metadata and is not trusted: it is checked after it has been copied to where only
 * this process writes. Of an event only the head is looked at, here and further on in this process; its parameters pass the tracker's door, which trusts
 * nobody. State is checked whole. Malformed records are counted and passed over; they get no number. A record is never dropped for want of room: the caller asks for room
 * first. Figures that the ledger uses are set from the event number, which survives a restart, so they can neither be lost nor doubled. */

#include "out.h"

#include <errno.h>
#include <string.h>

#include <base/macros.h>

int col_out_reserve(struct col_out *o, size_t max, uint16_t type, struct rec_head **ret_rec)
{
	struct spsc_rec *rec = NULL;
	int r = spsc_reserve(&o->ring, max, type, &rec);

	o->is_full = r == -EAGAIN;
	if (r < 0)
		return r;
	rec->flags = o->flags;
	*ret_rec = container_of(rec, struct rec_head, ring);
	return 0;
}

void col_out_abandon(struct col_out *o)
{
	spsc_abandon(&o->ring);
}

static void commit(struct col_out *o, struct rec_head *rec, size_t len, uint64_t ts_ns)
{
	rec->seq = o->seq;
	rec->ord = 0;
	rec->ts_ns = ts_ns;
	spsc_commit(&o->ring, len);
	o->n_batch++;
}

static int refuse(struct col_out *o)
{
	stats_add(&o->stats->malformed, 1);
	spsc_abandon(&o->ring);
	return -EBADMSG;
}

static bool copy(struct rec_head *rec, const void *p, size_t len, const char **reterr_why)
{
	*reterr_why = "too long";
	if (len > KEV_SIZE_MAX)
		return false;
	memcpy(rec + 1, p, len);
	return true;
}

int col_out_event(struct col_out *o, struct rec_head *rec, const void *p, size_t len,
	uint64_t ts_ns, const char **reterr_why)
{
	const struct kev_info *info;

	if (!copy(rec, p, len, reterr_why) || kev_check_head(rec + 1, len, &info, reterr_why) < 0) {
		o->n_lost++; /* counted when it cannot be taken again any more */
		return refuse(o);
	}
	o->seq++;
	if (o->n_counted < COL_BATCH_MAX) {
		o->counted[o->n_counted].ix = info->ix;
		o->counted[o->n_counted++].cls = ((const struct kev_head *)(rec + 1))->cls;
	}
	commit(o, rec, sizeof(*rec) + len, ts_ns);
	return 0;
}

int col_out_state(struct col_out *o, struct rec_head *rec, const void *p, size_t len,
	uint64_t ts_ns, int kind, const char **reterr_why)
{
	struct kev k;

	if (!copy(rec, p, len, reterr_why) || kev_parse(rec + 1, len, &k, reterr_why) < 0)
		return refuse(o);
	if (kind >= 0 && k.info->kind != kind) {
		*reterr_why = "not the kind of record that may come from there";
		return refuse(o);
	}
	o->n_state++;
	commit(o, rec, sizeof(*rec) + len, ts_ns);
	return 0;
}

int col_out_snap(struct col_out *o, uint16_t type, uint64_t ts_ns)
{
	struct rec_head *rec = NULL;
	int r = col_out_reserve(o, sizeof(struct rec_snap), type, &rec);

	if (r < 0)
		return r;
	if (type == REC_SNAP_BEGIN)
		o->n_state = 0;
	struct rec_snap *snap = container_of(rec, struct rec_snap, h);
	snap->epoch =
		1; /* a tracker's later epochs are read into segments of their own, not into the ring */
	snap->n_records = o->n_state;
	commit(o, rec, sizeof(*snap), ts_ns);
	return 0;
}

int col_out_loss(struct col_out *o, const struct rec_loss *loss, uint64_t ts_ns)
{
	struct rec_head *rec = NULL;
	int r = col_out_reserve(o, sizeof(*loss), REC_LOSS, &rec);

	if (r < 0)
		return r;
	struct rec_loss *to = container_of(rec, struct rec_loss, h);
	to->reason = loss->reason;
	to->cls = loss->cls;
	to->n = loss->n;
	commit(o, rec, sizeof(*to), ts_ns);
	return 0;
}

int col_out_end(struct col_out *o, uint64_t ts_ns)
{
	struct rec_head *rec = NULL;
	int r = col_out_reserve(o, sizeof(*rec), REC_END, &rec);

	if (r < 0)
		return r;
	commit(o, rec, sizeof(*rec), ts_ns);
	return 0;
}

static void count_batch(struct col_out *o)
{
	for (unsigned i = 0; i < o->n_counted; i++) {
		stats_add(&o->stats->by_type[o->counted[i].ix], 1);
		stats_add(&o->stats->by_class[o->counted[i].cls], 1);
	}
	stats_add(&o->stats->records_out, o->n_batch);
	stats_add(&o->stats->loss[LOSS_COLLECTOR_MALFORMED], o->n_lost);
	stats_set(&o->stats->told_events, o->n_told);
	stats_set(&o->stats->raw_events, o->seq);
	stats_set(&o->stats->events, o->seq + stats_get(&o->stats->loss[LOSS_COLLECTOR_MALFORMED]));
	o->n_counted = 0;
	o->n_lost = 0;
	o->n_batch = 0;
}

void col_out_publish(struct col_out *o, const uint64_t *pos, unsigned n_pos)
{
	if (n_pos)
		(void)spsc_slot_write(&o->ring, o->seq + 1, pos,
			n_pos); /* a ring without slots: a successor begins anew */
	spsc_publish(&o->ring);
	count_batch(o);
}

int col_out_resume(struct col_out *o, struct spsc_slot *ret_slot)
{
	int r = spsc_slot_read(&o->ring, ret_slot);

	if (r < 0 || ret_slot->next_seq == 0)
		return -ENOENT;
	o->seq = ret_slot->next_seq - 1;
	/* the predecessor may have died between publishing and counting */
	count_batch(o);
	return 0;
}
