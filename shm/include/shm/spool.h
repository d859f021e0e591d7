/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What stands in an output's spool folder: written by its emitter, read by it and by `saker spool`.
 * The bytes are foreign when they are read: a disk, a crash or a person may have changed them.
 *
 *   mark            two slots; the newer whole one counts: what is settled, and the counters
 *   SERIAL-G.seg    a segment: 16 hex digits, then the group. Header, then records without gaps; where
 *                   no record begins there are zeros, or what was being written when the machine
 *                   stopped
 *
 * Alerts are in groups by priority, each a stream of segments; records are counted in their group
 * (place) and numbered over all groups (n, the order of delivery). A record counts if its checksum,
 * which its segment's header goes into, is right. Numbers are little-endian. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/span.h>
#include <shm/alert.h>
#include <shm/stats.h>

#define SPOOL_VERSION 1 /* of all of this and of struct alert: another is not read */
#define SPOOL_GROUPS 3
#define SPOOL_DEAD 3 /* a fourth stream: what the sink refused for good; never delivered */
#define SPOOL_STREAMS 4
#define SPOOL_NAME_LEN 22 /* of a segment */
#define SPOOL_MARK_NAME "mark"
#define SPOOL_SEGMENT_MAX (64u << 20)
#define SPOOL_SEGMENTS_MAX 65536

/* Emergency, Alert, Critical; Error, Warning; Notice, Informational, Debug. */
unsigned spool_group(unsigned priority);

struct spool_head {
	uint64_t magic;
	uint32_t version, group;
	uint64_t serial;
	uint64_t first_place; /* of its first record */
	uint64_t first_n;
	uint64_t size;       /* bytes that were allocated */
	uint64_t made_ns;    /* ns since the epoch */
	uint32_t alert_size; /* sizeof(struct alert) */
	uint32_t crc;        /* of what stands above, and the seed of the records' */
};
_Static_assert(sizeof(struct spool_head) == 64, "layout");

struct spool_rec {
	uint32_t len; /* of the alert record behind it, a multiple of 8 */
	uint32_t crc; /* of len, n, place and the alert record */
	uint64_t n, place;
};
_Static_assert(sizeof(struct spool_rec) == 24, "layout");
#define SPOOL_REC_MAX (sizeof(struct spool_rec) + SPSC_RECORD_MAX)

void spool_head_make(struct spool_head *h, unsigned group, uint64_t serial, uint64_t first_place,
	uint64_t first_n, uint64_t size, uint64_t made_ns);
/* 0 or -EBADMSG. */
int spool_head_check(const struct spool_head *h);

/* Write record and alert to @buf (SPOOL_REC_MAX bytes suffice), without a checksum yet. Returns the
 * length. */
size_t spool_rec_put(void *buf, uint64_t n, uint64_t place, const struct alert *a);
/* The checksums of the records in the n_buf bytes: they go into the segment with this seed. */
void spool_recs_seal(void *buf, size_t n_buf, uint32_t seed);
/* Is there a record in the n_buf bytes at buf (8-aligned)? 1 and its whole length, checked with all
 * of its alert; 0 nothing was written here (zeros as far as a record's head goes); -EAGAIN more bytes
 * are needed; -EBADMSG damaged. */
int spool_rec_check(const void *buf, size_t n_buf, uint32_t seed, const struct spool_rec **ret_rec,
	size_t *ret_len);
static inline const struct alert *spool_rec_alert(const struct spool_rec *r)
{
	return (const struct alert *)(r + 1);
}

/* "000000000000001f-2.seg". @buf: SPOOL_NAME_LEN + 1. */
void spool_name_make(char *buf, uint64_t serial, unsigned group);
/* False: not the name of a segment. */
bool spool_name_parse(const char *name, uint64_t *ret_serial, unsigned *ret_group);

/* Places of one stream: [lo, hi). */
struct spool_range {
	uint64_t lo, hi;
};
#define SPOOL_RANGES_MAX 16

/* What must outlive the emitter, at one moment. Also kept in its statistics page, which outlives a
 * crash of the emitter but not of the machine. */
struct spool_state {
	uint64_t gen;  /* grows with every one; 0: none */
	uint64_t id;   /* of the spool, random */
	uint64_t next; /* number of the next record */
	struct {
		uint64_t settled; /* every record before this place was delivered or is a named
				     loss */
		uint64_t next;    /* place of the next record */
		uint64_t n_ranges;
		struct spool_range dropped[SPOOL_RANGES_MAX]; /* by policy; beyond settled */
	} stream[SPOOL_STREAMS];
	uint64_t accepted, delivered, loss[64]; /* as in struct stats_page */
};
_Static_assert(
	sizeof(struct spool_state) == 40 + SPOOL_STREAMS * (24 + 16 * SPOOL_RANGES_MAX) + 512,
	"layout");
_Static_assert(sizeof(struct spool_state) <= STATS_SPOOL_BYTES, "fits into the statistics page");

#define SPOOL_MARK_SLOT 4096
#define SPOOL_MARK_SIZE (2 * SPOOL_MARK_SLOT)
struct spool_mark {
	uint64_t magic;
	uint32_t version, crc; /* crc: of what follows */
	struct spool_state state;
};
_Static_assert(sizeof(struct spool_mark) <= SPOOL_MARK_SLOT, "fits a slot");

/* The slot goes to offset (state.gen % 2) * SPOOL_MARK_SLOT. */
void spool_mark_make(struct spool_mark *m, const struct spool_state *s);
/* Checks the sums and every range. 0 or -EBADMSG. */
int spool_mark_check(const struct spool_mark *m);
/* The newer of the two whole slots in SPOOL_MARK_SIZE bytes. 0, or -ENOENT. */
int spool_mark_find(const void *buf, struct spool_state *ret_state);
int spool_state_check(const struct spool_state *s);

/* Is this place dropped? */
bool spool_is_dropped(const struct spool_state *s, unsigned stream, uint64_t place);
/* Records of the stream in [from, next) that are not dropped. */
uint64_t spool_count(const struct spool_state *s, unsigned stream, uint64_t from);
