/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sinks: one file each; a sink is a row in sink.c. No call here may block: a sink that cannot take
 * more says so and the loop waits for it. */

#include <stdbool.h>
#include <stdint.h>

#include "batch.h"
#include "output.h"

struct sink;

struct sink_ops {
	const char *name;
	/* A descriptor was given: look at what it is. @may_open: before the seal, so a better
	 * description of it can be had. 0 or negative errno. */
	int (*attach)(struct sink *k, bool may_open);
	/* Send what is left of the batch. 0: the sink has all of it. -EAGAIN: when the descriptor
	 * is writable. -ENOSPC, -EDQUOT, -ENOBUFS, -ENOMEM: after a while, with the same
	 * descriptor. Another negative errno: a new descriptor is needed. What was sent is marked
	 * in the batch. */
	int (*send)(struct sink *k, struct batch *b);
	/* Between batches, about once a second; may be NULL. */
	int (*tick)(struct sink *k, uint64_t now_ns);
};

struct sink {
	const struct sink_ops *ops;
	const struct output *output; /* borrowed */
	int fd;                      /* -1: none; owned */
	bool is_nonblocking;         /* our own description: write() gives -EAGAIN by itself */
	bool is_regular;             /* never blocks */
	bool is_socket;
	bool is_stream; /* of a socket */
	bool is_dirty;  /* file: written and not yet synchronised */
	bool has_torn;  /* a predecessor died in the middle of a line: it is ended first */
	uint64_t *torn; /* of the statistics page; NULL: nobody asks */
	uint64_t synced_ns;
	int pid; /* syslog: what stands in [] */
};

void sink_init(struct sink *k, const struct output *o);
void sink_done(struct sink *k);
/* Takes @fd; the one before is closed. 0 or negative errno (the sink has none then). */
int sink_attach(struct sink *k, int fd, bool may_open);

extern const struct sink_ops sink_stdout_ops, sink_file_ops, sink_syslog_ops;

/* For sinks that are byte streams (sink_stream.c). */
int sink_stream_attach(struct sink *k, bool may_open);
int sink_stream_send(struct sink *k, struct batch *b);
