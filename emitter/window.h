/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The window: alerts on their way, numbered, formatted, each at one place in memory from its adding
 * until it and all before it are settled. Sized before the seal; nothing here allocates in work.
 *
 * Texts (and records, for sinks that want them) stand in blocks, back to back; a block is used again
 * when everything in it is settled. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/strbuf.h>
#include <shm/alert.h>

#include "sink.h"

#define WINDOW_BLOCKS 8
/* One alert record (64 KiB) whose every byte is escaped to six and stands in the line five times fits
 * behind what a block holds. */
#define WINDOW_MESSAGE_MAX (2u << 20)

struct window_block {
	struct strbuf text;
	uint8_t *records; /* NULL: the sink wants none */
	size_t records_n;
	uint64_t end; /* number after its last message */
};

struct window {
	struct sink_msg *msgs; /* n_msgs of them, by n % n_msgs */
	uint8_t *outcomes;     /* likewise: enum sink_outcome */
	unsigned n_msgs;       /* a power of two */
	bool has_records;
	size_t block_full; /* bytes: nothing is added to a block beyond this */
	struct window_block blocks[WINDOW_BLOCKS];
	unsigned first_block, n_blocks; /* those in use */
	/* numbers: settled are those below first, given to the sink those below submitted */
	uint64_t first, submitted, next;
};

/* @first: number of the first message. 0 or -ENOMEM. */
int window_init(struct window *w, unsigned n_msgs, size_t n_bytes, bool has_records);
void window_done(struct window *w);
void window_start(struct window *w, uint64_t first); /* empty, numbers from here */

/* May another message be added? */
bool window_has_room(struct window *w);
/* A place for the next message; its text is added to *ret_text, without newline, and window_add()
 * called. Only after window_has_room(). */
struct sink_msg *window_begin(struct window *w, struct strbuf **ret_text);
/* @a: NULL or the record to keep. */
void window_add(struct window *w, struct sink_msg *m, const struct alert *a);

/* What the sink has not been given: a run of messages, 0: none. */
unsigned window_unsubmitted(const struct window *w, const struct sink_msg **ret_msgs);
/* Message n is finished. False: no such message, or it was before. */
bool window_settle(struct window *w, uint64_t n, enum sink_outcome outcome);
/* What became of the oldest message; SINK_PENDING: nothing yet, or there is none. */
enum sink_outcome window_oldest(const struct window *w);
/* The oldest message, if it is finished: its outcome, and it is forgotten. SINK_PENDING: none. */
enum sink_outcome window_retire(struct window *w);

static inline const struct sink_msg *window_msg(const struct window *w, uint64_t n)
{
	return &w->msgs[n & (w->n_msgs - 1)];
}
static inline bool window_is_empty(const struct window *w)
{
	return w->first == w->next;
}
