/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The collector's end of the raw ring: numbering, headers, the batch. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <driver/kev.h>
#include <shm/rec.h>
#include <shm/spsc.h>
#include <shm/stats.h>

#define COL_BATCH_MAX 256 /* records between two publishes */
/* Room asked for before a record of unknown size is taken from its source, so that none is ever in hand without a place; with space for the mark that ends a snapshot. */
#define COL_ROOM (sizeof(struct rec_head) + KEV_SIZE_MAX + sizeof(struct rec_snap))

struct col_out {
	struct spsc_producer ring;
	struct stats_page *stats; /* borrowed */
	uint64_t seq;             /* number of the last event; 0 before the first */
	uint64_t n_told;          /* of them, those that no kernel made */
	uint16_t flags;           /* REC_F_* of every record */
	bool is_full;             /* the last attempt found no room */
	unsigned n_batch;         /* records not yet published */
	uint64_t n_state;         /* state records since the snapshot began */
	struct {
		uint16_t ix;
		uint8_t cls;
	} counted[COL_BATCH_MAX]; /* events of the batch, for the statistics */
	unsigned n_counted;
	unsigned n_lost; /* malformed events since the last publish */
};

/* Room for one record of up to @max bytes (header included). 0; -EAGAIN: no room; -EBADMSG: the reader's cursor cannot be (ring fault). */
int col_out_reserve(struct col_out *o, size_t max, uint16_t type, struct rec_head **ret_rec);
void col_out_abandon(struct col_out *o);

/* Copies @len bytes of a kev record behind the reserved header, checks the head there (nobody else writes there) and makes it part of the batch;
 * the parameters are left to the tracker's door.
 * @ts_ns: epoch. 0; -EBADMSG and *reterr_why when the record is malformed: counted, the reservation is gone. */
int col_out_event(struct col_out *o, struct rec_head *rec, const void *p, size_t len,
	uint64_t ts_ns, const char **reterr_why);
/* The same for state, which is checked whole and gets no number. @kind: the only kind of event type allowed (enum kev_kind), -1: any. */
int col_out_state(struct col_out *o, struct rec_head *rec, const void *p, size_t len,
	uint64_t ts_ns, int kind, const char **reterr_why);

/* Whole small records. 0, -EAGAIN, -EBADMSG as col_out_reserve(). */
int col_out_snap(struct col_out *o, uint16_t type, uint64_t ts_ns);
int col_out_end(struct col_out *o, uint64_t ts_ns);
int col_out_loss(struct col_out *o, const struct rec_loss *loss, uint64_t ts_ns);

/* Makes the batch visible. @pos, @n_pos: positions of the source after everything in the batch, for the restart slot; n_pos 0: no slot is written, so that a
 * successor begins anew. */
void col_out_publish(struct col_out *o, const uint64_t *pos, unsigned n_pos);
/* Goes on where the last incarnation was. 0 and its positions; -ENOENT: a fresh start. */
int col_out_resume(struct col_out *o, struct spsc_slot *ret_slot);
