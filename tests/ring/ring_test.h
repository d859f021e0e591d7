/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the ring tests share: a failed check ends the process, a small random generator, and records
 * whose every byte follows from their number. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shm/spsc.h>

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			(void)fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static inline uint64_t rnd(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (*state >> 33) ^ (*state << 15);
}

/* Body: number, checksum of the filling, then filling. */
struct test_rec {
	struct spsc_rec ring;
	uint64_t seq;
	uint64_t sum;
	uint64_t fill[];
};

#define SEQ_SHORT (UINT64_C(1) << 63) /* numbers of records without filling */

/* Mostly small, now and then the largest; never depends on anything but the number. */
static inline size_t test_rec_len(uint64_t seq)
{
	uint64_t s = seq * 2654435761U + 1;
	uint64_t r = rnd(&s);

	if (seq & SEQ_SHORT)
		return sizeof(struct test_rec);
	if (r % 1021 == 0)
		return SPSC_RECORD_MAX;
	return sizeof(struct test_rec) + r % (r % 7 == 0 ? 6000 : 300);
}

static inline void test_rec_fill(struct test_rec *rec, uint64_t seq, size_t len)
{
	size_t n = (len - sizeof(*rec)) / 8;
	uint64_t sum = seq;

	rec->seq = seq;
	for (size_t i = 0; i < n; i++) {
		rec->fill[i] = seq * 31 + i;
		sum = sum * 3 + rec->fill[i];
	}
	memset((uint8_t *)(rec + 1) + n * 8, 0, len - sizeof(*rec) - n * 8);
	rec->sum = sum;
}

static inline void test_rec_check(const struct spsc_rec *r, uint64_t seq)
{
	const struct test_rec *rec = (const struct test_rec *)r;
	size_t len = test_rec_len(seq), n = (len - sizeof(*rec)) / 8;
	uint64_t sum = seq;

	CHECK(r->len == (len + 7) / 8 * 8);
	CHECK(rec->seq == seq);
	for (size_t i = 0; i < n; i++)
		sum = sum * 3 + rec->fill[i];
	CHECK(rec->sum == sum);
}
