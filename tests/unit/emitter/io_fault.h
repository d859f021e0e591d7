/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The backend of emitter/io.h for tests: does each request at once, by plain calls, and reports it
 * with the next reap; fails on demand, and keeps a record of what changed the folder, so that any
 * prefix of it can be done again elsewhere. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io.h"

struct io_trace {
	enum io_op op;
	int file; /* as in the recorded run */
	int64_t result;
	uint64_t off;
	size_t n;
	uint8_t *bytes; /* IO_WRITE */
	char name[IO_NAME_MAX];
	int flags;
};

struct io_fault {
	/* What becomes of this request: 0 it is done; negative: fails with this errno; positive: a
	 * write of so many bytes only. May be NULL. */
	int64_t (*decide)(struct io_fault *f, const struct io_req *q);
	void *owner;
	unsigned n_requests; /* so far; decide() sees the number of those before */
	bool hangs;          /* nothing is reported */
	bool keeps_trace;
	struct io_trace *trace;
	size_t n_trace, cap_trace;
};

int io_open_fault(struct io *io, int dir_fd, struct io_fault *f);
void io_fault_done(struct io_fault *f);
