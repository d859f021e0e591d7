/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Capture files (.scap, plain or gzip) as kev records: the lists at the head as state, then events
 * in the file's order. Where another capture begins in the same file stands a saker_section record:
 * nothing of before holds. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scap_reader;

struct scap_record {
	const void *p; /* a kev record, 8-aligned; borrowed until the next call */
	size_t len;    /* bytes; well-formed unless the file is not */
	uint64_t
		epoch_ns; /* the event's time; of state: when the recorded host booted, 0 unknown */
	bool is_state;
};

/* Takes the descriptor, also on failure. It may be a pipe without waiting (O_NONBLOCK). All memory
 * is taken here. 0 or negative errno. */
int scap_reader_open(int fd, struct scap_reader **ret_reader);
/* Accepts NULL; returns NULL. */
struct scap_reader *scap_reader_free(struct scap_reader *r);
/* The next record. Returns 1; 0 at the end; -EAGAIN: nothing now; other negative: the file cannot
 * be read on, scap_reader_error() says why. */
int scap_reader_next(struct scap_reader *r, struct scap_record *ret);
/* One line: "at byte N: …". Valid until the next call on the reader. */
const char *scap_reader_error(const struct scap_reader *r);
