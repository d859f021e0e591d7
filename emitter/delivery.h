/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Delivery: a batch, its sink, and when to try again. */

#include <stdbool.h>
#include <stdint.h>

#include <shm/stats.h>

#include "batch.h"
#include "sink.h"

enum delivery_state {
	DELIVERY_IDLE,     /* the sink takes what it is given */
	DELIVERY_WRITABLE, /* waits until the descriptor is writable */
	DELIVERY_PAUSE,    /* waits until retry_ns, then tries the same descriptor */
	DELIVERY_NO_SINK,  /* waits until retry_ns, then asks for a new descriptor */
};

#define DELIVERY_DELAY_MIN_NS UINT64_C(100000000)
#define DELIVERY_DELAY_MAX_NS UINT64_C(5000000000)

struct delivery {
	struct sink sink;
	struct batch batch;
	enum delivery_state state;
	uint64_t delay_ns; /* of the next wait; doubles */
	uint64_t retry_ns; /* CLOCK_MONOTONIC */
	int error;         /* of the last failure, 0 none: one line is logged when it changes */
	struct stats_page *stats; /* borrowed */
};

void delivery_init(struct delivery *d, const struct output *o, struct stats_page *stats);
void delivery_done(struct delivery *d);
/* Send what is in hand. True: the sink has all of it and it is counted; the caller commits the
 * rings and resets the batch. */
bool delivery_push(struct delivery *d, uint64_t now_ns);
/* Is it time to ask for a new descriptor? True at most once per wait. */
bool delivery_wants_sink(struct delivery *d, uint64_t now_ns);
/* Takes @fd, -1: there was none to be had. */
void delivery_new_sink(struct delivery *d, int fd, bool may_open, uint64_t now_ns);
/* ms until it wants to be called again, -1: only when woken. */
int delivery_timeout_ms(const struct delivery *d, uint64_t now_ns);
