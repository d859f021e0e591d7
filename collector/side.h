/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The state of the host once more, beside the raw ring: for a tracker whose predecessor died. In
 * the ring it would stand behind the events that it explains. */

#include <stdbool.h>
#include <stdint.h>

#include <abi/kevent.h>
#include <driver/iter.h>
#include <shm/snap.h>

#define COL_SIDE_ITERS 2 /* task, task_file */

struct col_side {
	bool is_active;
	int fds[COL_SIDE_ITERS]; /* owned; -1 none */
	unsigned at;             /* iterator being read */
	uint64_t boot_to_epoch_ns;
	struct drv_iter iter;
	struct snap_writer w;
	void *payload;
	size_t size;
	uint64_t n_malformed;
	uint64_t buf[2 * KEV_SIZE_MAX / sizeof(uint64_t)];
};

void col_side_init(struct col_side *s);
/* A fresh iterator for the next snapshot. Takes the descriptor. */
int col_side_iter(struct col_side *s, unsigned index, int fd);
/* The iterators that came, for another purpose; -1: none. They are the caller's now. */
void col_side_take_iters(struct col_side *s, int ret_fds[COL_SIDE_ITERS]);
/* Begin to fill this segment. Takes the descriptor. 0 or negative errno. */
int col_side_begin(struct col_side *s, int fd);
/* A batch of records. 1 there is more, 0 all is read: the segment is let go of. */
int col_side_fill(struct col_side *s);
