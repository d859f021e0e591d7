/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Reading a BPF iterator descriptor: kev records back to back (KEV_F_SNAPSHOT), as the saker
 * iterators write them. */

#include <stddef.h>

/* The next record of an iterator descriptor. The caller owns the buffer and three numbers that
 * start at zero.
 * @buf, @cap: 8-aligned, at least 2 * KEV_SIZE_MAX bytes.
 * Returns 1 and a record (8-aligned, borrowed from buf until the next call; only its length is
 * checked: the caller's door is kev_parse()), 0 at the end of the iterator, -EBADMSG when the
 * stream is not made of records, another negative errno from read(). */
struct drv_iter {
	void *buf;
	size_t cap;
	size_t have; /* bytes in buf */
	size_t at;   /* bytes of them handed over */
	int fd;
};

int drv_iter_next(struct drv_iter *it, const void **ret_rec, size_t *ret_len);
