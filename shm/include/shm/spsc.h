/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The ring: one producer process, one consumer process, two memfds.
 *
 * data (SEG_RING_DATA): payload = struct spsc_data_page (one page, written by the producer), then `size` bytes of records, mapped twice in a row so that
 * records never wrap. cursor (SEG_RING_CURSOR): payload = struct spsc_cursor_page, written by the consumer. Each side maps the other's segment read-only.
 * Positions are byte counts that only grow; offset = position & (size - 1). A record: 8-byte header {len, type, flags}, then body; 8-aligned.
 * The consumer copies a record to private memory before it looks at it. See ARCHITECTURE.md "Rings". */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPSC_RECORD_MAX 65536 /* bytes of one record, header included */
#define SPSC_SIZE_MIN (2 * SPSC_RECORD_MAX)
#define SPSC_SLOTS 2
#define SPSC_CPUS_MAX 256

/* Every record of every ring begins so. */
struct spsc_rec {
	uint32_t len;   /* whole record with this header, multiple of 8, 8..SPSC_RECORD_MAX */
	uint16_t type;  /* enum rec_type, <shm/rec.h> */
	uint16_t flags; /* of the type */
};

/* What a restarted collector goes on from: the slot whose head equals the published head is the truth. */
struct spsc_slot {
	uint64_t head;
	uint64_t next_seq;
	uint32_t n_cpus;
	uint32_t pad0;
	uint64_t cpu_pos[SPSC_CPUS_MAX]; /* consumer position of each CPU's BPF ring */
};

struct spsc_data_page {
	/* constant */
	uint64_t size; /* bytes of records, power of two >= SPSC_SIZE_MIN */
	uint64_t
		slots_off; /* offset of struct spsc_slot[SPSC_SLOTS] from the start of this page; 0: the ring has none */
	uint8_t pad0[48];
	/* written by the producer */
	uint64_t head; /* release: everything below is written */
	uint8_t pad1[56];
	uint64_t full;       /* times the producer found no room */
	uint64_t high_water; /* most bytes ever in use */
	uint64_t wakes;      /* times it rang */
	uint64_t n_records;  /* published, ever */
	uint8_t pad2[32];
};

struct spsc_cursor_page {
	/* written by the consumer */
	uint64_t tail; /* release: everything below may be overwritten; = the commit */
	uint8_t pad0[56];
	uint32_t sleeping; /* 1: ring the eventfd after the next publish */
	uint32_t
		stalled; /* 1: full, and nobody knows when there will be room: not worth waiting for */
	uint8_t pad2[56];
	uint64_t n_records; /* records taken and committed */
	uint8_t pad3[56];
};

/* The four descriptions of a new ring; the supervisor keeps them all and hands out two to each side. */
struct spsc_fds {
	int data_rw, data_ro, cursor_rw, cursor_ro;
};
int spsc_create(const char *name, size_t size, bool has_slots, const uint8_t run_id[16],
	struct spsc_fds *ret_fds);
void spsc_fds_close(struct spsc_fds *f);

/* What a ring at fault leaves behind. Both sides may have lied: every figure is bounded, none is followed, no record is looked at. */
struct spsc_left {
	uint64_t pos;     /* where its successor begins: the consumer's commit, if it can be true */
	uint64_t n_taken; /* records that the consumer had committed, by its own count */
	uint64_t
		n_records; /* published and not committed, by both sides' counts; at most what the ring has room for */
	bool has_slot; /* of a ring with restart slots: `slot` is the newest, by its head at most the published one */
	struct spsc_slot slot;
};
/* 0; -EBADMSG when not even the sizes are those of a ring. */
int spsc_left_read(int data_ro, int cursor_ro, struct spsc_left *ret_left);
/* A fresh, empty ring in its place: positions and counts go on where @left says, and the restart slot (unless has_slot is false) is that of the new ring's
 * head, so that both sides' successors find the marks that fit. The old descriptions stay the caller's. */
int spsc_renew(const char *name, size_t size, bool has_slots, const uint8_t run_id[16],
	const struct spsc_left *left, struct spsc_fds *ret_fds);

/* --- producer --- */
struct spsc_producer {
	struct spsc_data_page *page;
	const struct spsc_cursor_page *cursor;
	uint8_t *data; /* 2 * size bytes mapped */
	uint64_t size, mask;
	uint64_t head; /* reserved and not yet published ends here */
	uint64_t published;
	uint64_t tail_seen; /* last tail taken from the cursor, clamped */
	uint64_t n_records; /* committed, ever */
	int wake_fd;        /* borrowed; -1: never ring */
	void *data_map, *cursor_map;
	size_t data_map_size, cursor_map_size;
	uint32_t reserved; /* bytes of the open reservation, 0: none */
	uint16_t reserved_type;
};

/* Maps both segments after checking them; the head goes on where it was. @data_rw, @cursor_ro, @wake_fd: borrowed (wake_fd until done; an eventfd).
 * The tail must lie in [head - size, head], and the records from it must end at the head exactly: the one time that a tail which is not a record's start
 * is noticed. While running, a tail must lie in [last one seen, published head] and be a multiple of 8; one that does not is refused and the last one seen
 * stays in force. A consumer that lies within these bounds harms only what it reads itself.
 * 0, -EBADMSG, -ESTALE, or negative errno. */
int spsc_producer_attach(struct spsc_producer *p, int data_rw, int cursor_ro, int wake_fd);
void spsc_producer_done(struct spsc_producer *p);

/* Room for one record of @len bytes (header included; rounded up to 8). *ret_rec is inside the ring, 8-aligned, valid until the next publish;
 * len and type of the header are already written (and again at the commit). One reservation at a time. Returns 0; -EAGAIN full (caller counts it); -EMSGSIZE; -EBADMSG the peer's tail cannot be (ring fault). */
int spsc_reserve(struct spsc_producer *p, size_t len, uint16_t type, struct spsc_rec **ret_rec);
/* The open reservation becomes part of the next publish, shortened to @len bytes (<= reserved). Bytes up to the multiple of 8 are zeroed. */
void spsc_commit(struct spsc_producer *p, size_t len);
/* Drops the open reservation. */
void spsc_abandon(struct spsc_producer *p);
/* Make all committed records visible and ring if the consumer sleeps: once per batch. */
void spsc_publish(struct spsc_producer *p);
/* Bytes in use (committed but unread) and free, by the producer's latest view. */
uint64_t spsc_producer_used(struct spsc_producer *p);
uint64_t spsc_producer_free(struct spsc_producer *p);
/* Does the consumer say that it is stalled? A hint: it may lie, to its own harm. */
bool spsc_producer_is_stalled(const struct spsc_producer *p);
/* Restart slots (raw ring): written before publish so that the slot with the published head is always whole: after the last commit of a batch, directly before
 * every spsc_publish(), or no slot fits the published head. It may also be written alone, when the source moved on without a record.
 * -ENOTSUP if the ring has none; -EINVAL too many CPUs. */
int spsc_slot_write(
	struct spsc_producer *p, uint64_t next_seq, const uint64_t *cpu_pos, unsigned n_cpus);
/* The slot of the published head. 0 and a copy, -ENOENT if neither fits (a fresh ring). */
int spsc_slot_read(struct spsc_producer *p, struct spsc_slot *ret_slot);

/* --- consumer --- */
struct spsc_consumer {
	const struct spsc_data_page *page;
	struct spsc_cursor_page *cursor;
	const uint8_t *data;
	uint64_t size, mask;
	uint64_t head_seen;
	uint64_t pos; /* next record to take */
	uint64_t n_taken;
	void *data_map, *cursor_map;
	size_t data_map_size, cursor_map_size;
	uint8_t *buf; /* private copy of the record, SPSC_RECORD_MAX bytes, 8-aligned */
	bool peeked;  /* buf holds the record at pos */
};

/* Goes on at the committed tail. */
int spsc_consumer_attach(struct spsc_consumer *c, int data_ro, int cursor_rw);
void spsc_consumer_done(struct spsc_consumer *c);

/* Copy the next record to the private buffer. Returns 1 and the record (borrowed until the next call); 0 empty; -EBADMSG the producer broke the protocol
 * (length, alignment, head): a ring fault, nothing was consumed. The body is the caller's to validate. */
int spsc_next(struct spsc_consumer *c, const struct spsc_rec **ret_rec);
/* Look at the next record's copy without moving on: the merge at the emitter. The following spsc_next() gives the same one. */
int spsc_peek(struct spsc_consumer *c, const struct spsc_rec **ret_rec);
/* Commit everything taken so far. */
void spsc_consumer_commit(struct spsc_consumer *c);
/* Commit up to a position that spsc_consumer_pos() gave earlier. */
void spsc_consumer_commit_to(struct spsc_consumer *c, uint64_t pos, uint64_t n_taken);
static inline uint64_t spsc_consumer_pos(const struct spsc_consumer *c)
{
	return c->pos;
}
bool spsc_consumer_has_data(struct spsc_consumer *c);
/* How full the ring is, in percent: by what was published and not taken yet. */
unsigned spsc_consumer_fill(const struct spsc_consumer *c);
/* Before waiting: arm, then wait only if it returned true (still empty after the flag was visible). disarm after. */
bool spsc_consumer_arm(struct spsc_consumer *c);
void spsc_consumer_disarm(struct spsc_consumer *c);
/* Tell the producer whether waiting for room is worth it. False at the attach. */
void spsc_consumer_set_stalled(struct spsc_consumer *c, bool is_stalled);

/* --- observer (supervisor, status, ringdump): read-only views of both segments --- */
struct spsc_view {
	uint64_t size, used, high_water, head, tail, full, wakes, n_records;
};
int spsc_view_read(int data_ro, int cursor_ro, struct spsc_view *ret_view);
