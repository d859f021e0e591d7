/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For sinks that work on their messages one after the other: those taken and not yet reported, in
 * order. The messages themselves stay in the core's window. */

#include <base/macros.h>

#include "sink.h"

#define SINK_FIFO_MAX 1024 /* a power of two */

struct sink_fifo {
	const struct sink_msg *msgs[SINK_FIFO_MAX];
	unsigned first, n; /* first: index of the oldest */
};

static inline unsigned sink_fifo_take(struct sink_fifo *f, const struct sink_msg *msgs, unsigned n)
{
	n = MIN(n, SINK_FIFO_MAX - f->n);
	for (unsigned i = 0; i < n; i++)
		f->msgs[(f->first + f->n++) & (SINK_FIFO_MAX - 1)] = &msgs[i];
	return n;
}

static inline const struct sink_msg *sink_fifo_at(const struct sink_fifo *f, unsigned i)
{
	return f->msgs[(f->first + i) & (SINK_FIFO_MAX - 1)];
}

/* The oldest is finished. */
static inline void sink_fifo_report(
	struct sink *k, struct sink_fifo *f, enum sink_outcome outcome, const char *why)
{
	uint64_t n = sink_fifo_at(f, 0)->n;

	f->first = (f->first + 1) & (SINK_FIFO_MAX - 1);
	f->n--;
	sink_report(k, n, outcome, why);
}
