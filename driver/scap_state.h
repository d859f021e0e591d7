/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The lists at the head of a capture file (interfaces, users, groups, processes, descriptors), entry
 * by entry, as the records that the kernel's iterators and saker-metadata would have sent. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest entry: eight texts of 64 KiB and numbers. */
#define SCAP_ENTRY_MAX (640u << 10)

struct scap_list {
	uint32_t block;  /* enum scap_block */
	bool has_tid;    /* descriptors: the process was read */
	int64_t tid;     /* whose descriptors */
	const char *why; /* static text, after an error */
};

bool scap_list_is(uint32_t block);

/* The entry at p, which is followed by n - (its length) bytes of the block's body.
 * @buf: KEV_SIZE_MAX bytes, 8-aligned. Returns the length of the record in it; 0: an entry that says
 * nothing; *ret_used: bytes of the entry (> 0). -ENODATA: only padding is left. -EBADMSG, ->why. */
int scap_list_next(struct scap_list *l, const uint8_t *p, size_t n, size_t *ret_used, void *buf);

/* saker_clock from the machine info's body; its length, or 0: it does not say when the host booted.
 * *ret_boot_ns: epoch, 0 unknown. */
int scap_clock(const uint8_t *p, size_t n, uint64_t *ret_boot_ns, void *buf);
