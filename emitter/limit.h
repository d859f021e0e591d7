/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Fewer alerts, by wish: repeats within a window of time, and what is above a rate. What is held back
 * is counted (`limited`) and summed up: "N more". Memory is fixed; when the table of repeats is full
 * the oldest is summed up early. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shm/alert.h>

#define LIMIT_KEYS 1024
#define LIMIT_TEXT_MAX 256

struct limit_entry {
	uint64_t key;             /* of rule and message; 0: free */
	uint64_t since_ns;        /* CLOCK_MONOTONIC of the one that went through */
	uint64_t n;               /* held back since */
	uint64_t ts_ns, seq, ord; /* of the last of them */
	uint8_t priority;
	char rule[LIMIT_TEXT_MAX], message[LIMIT_TEXT_MAX], source[64], host[128];
};

struct limit {
	uint64_t dedup_ns, rate; /* 0: off */
	struct limit_entry *entries;
	unsigned hand; /* next one to look at for its end */
	/* rate: a bucket of one second */
	uint64_t filled_ns;
	double tokens;
	struct limit_entry over; /* what was above the rate since the last summary */
	uint8_t run_id[16];
	uint8_t *record; /* of the summary, SPSC_RECORD_MAX bytes */
};

/* 0 or -ENOMEM. */
int limit_init(struct limit *l, uint64_t dedup_ns, uint64_t rate, const uint8_t run_id[16]);
void limit_done(struct limit *l);
static inline bool limit_is_on(const struct limit *l)
{
	return l->dedup_ns || l->rate;
}
/* May it go? */
bool limit_passes(struct limit *l, const struct alert *a, uint64_t now_ns);
/* A summary that is due, or NULL. Borrowed until the next call. @at_end: all that are left. */
const struct alert *limit_summary(struct limit *l, uint64_t now_ns, bool at_end);
