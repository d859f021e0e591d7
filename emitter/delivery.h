/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Delivery: a window of alerts, their sink, and when to try again. */

#include <stdbool.h>
#include <stdint.h>

#include <shm/alert.h>
#include <shm/stats.h>

#include "format.h"
#include "sink.h"
#include "window.h"

enum delivery_state {
	DELIVERY_WORKS,    /* the sink takes what it is given */
	DELIVERY_WRITABLE, /* waits until the descriptor is writable */
	DELIVERY_PAUSE,    /* waits until retry_ns, then tries the same descriptor */
	DELIVERY_NO_SINK,  /* waits until retry_ns, then asks for a new descriptor */
};

#define DELIVERY_DELAY_MIN_NS UINT64_C(100000000)
#define DELIVERY_DELAY_MAX_NS UINT64_C(5000000000)

/* Where the core puts things for the sink. */
struct delivery_watcher {
	int (*watch)(struct delivery_watcher *w, int fd, uint32_t events);
	int (*ask)(struct delivery_watcher *w, uint64_t token, const char *what);
};

struct delivery {
	struct sink_host host; /* first: the sink's view of us */
	struct sink sink;
	struct window window;
	const struct format *format;
	enum delivery_state state;
	bool is_watched;   /* sink.fd, for writing */
	uint64_t delay_ns; /* of the next wait; doubles */
	uint64_t retry_ns; /* CLOCK_MONOTONIC */
	int error;         /* of the last failure, 0 none: one line is logged when it changes */
	bool has_refused;  /* a refusal was logged; the next ones are only counted */
	/* Each message that is finished, in order; the window still holds it. May be NULL. */
	void (*on_retire)(struct delivery *d, const struct sink_msg *m, enum sink_outcome outcome);
	uint64_t n_delivered,
		n_refused;        /* of what was retired; the caller counts them and resets */
	struct stats_page *stats; /* borrowed */
	struct delivery_watcher *watcher; /* borrowed; NULL: nothing is watched */
};

/* 0 or negative errno, logged. Before the seal. @keeps_records: also if the sink needs none. */
int delivery_init(
	struct delivery *d, const struct output *o, bool keeps_records, struct stats_page *stats);
void delivery_done(struct delivery *d);
int delivery_open(struct delivery *d); /* after the seal */

static inline bool delivery_has_room(struct delivery *d)
{
	return window_has_room(&d->window);
}
/* Format the alert and put it into the window; it gets window.next as its number. 0, or -ENOMEM:
 * that cannot be, the window's blocks are sized for the largest alert. */
int delivery_add(struct delivery *d, const struct alert *a);
/* Give the sink what it has not got, let it work, and retire what is finished: window.first moves
 * on and n_delivered, n_refused with it. */
void delivery_turn(struct delivery *d, uint64_t now_ns);
/* Is it time to ask for a new descriptor? True at most once per wait. */
bool delivery_wants_sink(struct delivery *d, uint64_t now_ns);
/* Takes @fd, -1: there was none to be had. */
void delivery_new_sink(struct delivery *d, int fd, bool may_open, uint64_t now_ns);
/* ms until it wants to be called again, -1: only when woken. */
int delivery_timeout_ms(const struct delivery *d, uint64_t now_ns);
