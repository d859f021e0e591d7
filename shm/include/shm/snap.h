/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Snapshot segments (SEG_SNAPSHOT): state for a restarted stage, as the records that would have told it. struct snap_head, then records in a row, each 8-aligned.
 * One process writes, the supervisor seals, another reads; the reader copies each record before it looks at it and lets it through the same door as one from a ring. */

#include <stddef.h>
#include <stdint.h>

#include <shm/rec.h>

struct snap_head {
	uint64_t ord;       /* state as of the place before this order; 0: not by order */
	uint64_t n_records; /* that follow */
	uint64_t n_bytes;   /* of them */
	uint64_t
		whole_from; /* incomplete: everything that is missing is told before the first record of this order that needs it; 0: not before SNAP_BEGIN */
	uint32_t flags;     /* SNAP_F_* */
	uint32_t pad0;
};
_Static_assert(sizeof(struct snap_head) == 40, "layout");

#define SNAP_F_INCOMPLETE 1 /* part of the state is missing: what is judged with it is doubtful */

struct snap_writer {
	uint8_t *p; /* payload of the segment */
	size_t cap, n;
	uint64_t n_records;
	uint64_t whole_from; /* of the head */
	uint32_t flags;
};
/* @size: at least a head. */
int snap_write_begin(struct snap_writer *w, void *payload, size_t size);
/* Takes a copy of @rec, of rec->len bytes; without room the snapshot becomes incomplete. */
void snap_write(struct snap_writer *w, const struct spsc_rec *rec);
/* The place for a record of up to @len bytes, NULL: no room; then snap_written() with it. */
struct spsc_rec *snap_reserve(struct snap_writer *w, size_t len);
void snap_written(struct snap_writer *w, const struct spsc_rec *rec);
void snap_write_end(struct snap_writer *w, uint64_t ord);

struct snap_reader {
	const uint8_t *p;
	size_t n, at;
	uint64_t n_left;
};
/* 0 or -EBADMSG. */
int snap_read_begin(
	struct snap_reader *r, const void *payload, size_t size, struct snap_head *ret_head);
/* Copies the next record to @buf (SPSC_RECORD_MAX bytes, 8-aligned). 1; 0 the end; -EBADMSG. */
int snap_read(struct snap_reader *r, void *buf);
