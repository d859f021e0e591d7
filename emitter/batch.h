/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Alerts in hand: formatted, taken from the rings, not yet at the sink. Sized before the seal;
 * nothing here allocates in work. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/strbuf.h>

#define BATCH_MAX 64
#define BATCH_FULL_BYTES (256u << 10) /* no further alert is added beyond this */
/* One alert record (64 KiB) whose every byte is escaped to six and whose message stands in it twice
 * fits above BATCH_FULL_BYTES. */
#define BATCH_BYTES (2u << 20)

struct batch_msg {
	size_t off, end;  /* in text; end is after the newline */
	uint64_t ts_ns;   /* event time */
	uint8_t priority; /* 0..7 */
	bool is_test;     /* of the built-in test rule */
};

struct batch {
	struct strbuf text; /* one line an alert, back to back */
	struct batch_msg msg[BATCH_MAX];
	unsigned n;
	unsigned n_sent;    /* whole messages that the sink has */
	size_t sent_bytes;  /* stream sinks: bytes of text that the sink has */
	uint64_t n_refused; /* of n_sent: refused for good by the sink */
	uint64_t refused;   /* bit i: msg[i] */
};

static inline bool batch_is_full(const struct batch *b)
{
	return b->n == BATCH_MAX || b->text.n >= BATCH_FULL_BYTES;
}

static inline void batch_reset(struct batch *b)
{
	strbuf_reset(&b->text);
	b->n = b->n_sent = 0;
	b->sent_bytes = 0;
	b->n_refused = b->refused = 0;
}

/* A fresh sink begins with a whole line: what the old one has of a message is sent again. */
static inline void batch_rewind(struct batch *b)
{
	b->sent_bytes = b->n_sent < b->n ? b->msg[b->n_sent].off : b->text.n;
}
