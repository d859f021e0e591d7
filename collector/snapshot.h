/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The state of the host at start, from the BPF iterators' descriptors. */

#include <stdint.h>

#include <driver/iter.h>

#include "out.h"

#define COL_ITERS 2 /* task, task_file: threads come before their descriptors */

/* The same while events flow: after a loss, into the raw ring, between SNAP_BEGIN and SNAP_END. */
enum col_reread_step { COL_REREAD_NONE, COL_REREAD_BEGIN, COL_REREAD_FILL, COL_REREAD_END };

struct col_snapshot {
	struct drv_iter iters[COL_ITERS];
	unsigned at; /* iterator being read; COL_ITERS: all done */
	uint64_t boot_to_epoch_ns;
	uint64_t buf[2 * KEV_SIZE_MAX / sizeof(uint64_t)];
};

/* @fds: borrowed, -1: there is none. */
void col_snapshot_init(struct col_snapshot *s, const int fds[COL_ITERS], uint64_t boot_to_epoch_ns);
/* The clock record, which explains every other time. 0, -EAGAIN, -EBADMSG (ring fault). */
int col_snapshot_clock(struct col_snapshot *s, struct col_out *o);
/* Up to @max records, not published. Returns how many; 0 no room; -ENODATA all is read; -EBADMSG ring fault. An iterator that breaks is given up with a warning: a
 * snapshot with holes is better than none. */
int col_snapshot_fill(struct col_snapshot *s, struct col_out *o, unsigned max);

struct col_reread {
	enum col_reread_step step;
	int fds[COL_ITERS]; /* owned; -1 none */
	struct col_snapshot snapshot;
};

/* Begins, or begins anew. Takes the descriptors. */
void col_reread_begin(struct col_reread *r, const int fds[COL_ITERS]);
/* A few records, not published, so that events are not held up. > 0 something was done, 0 nothing to do or no room; -EBADMSG ring fault. */
int col_reread_fill(struct col_reread *r, struct col_out *o);
