/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The bytes of a capture file, plain or gzip, through a window: a part of any length up to
 * SCAP_WINDOW can be asked for in one piece. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zlib.h>

#define SCAP_WINDOW (1u << 20)      /* most that can be asked for at once */
#define SCAP_CHUNK (128u << 10)     /* read at once */
#define SCAP_INFLATE_IN (64u << 10) /* compressed bytes read at once */

struct scap_input {
	int fd; /* owned */
	bool is_known, is_gzip;
	bool is_at_end;  /* of the file */
	bool is_between; /* gzip: a member has ended, another may follow */
	z_stream z;
	uint8_t *packed; /* SCAP_INFLATE_IN: z.next_in points here */
	uint8_t *buf;    /* SCAP_WINDOW + SCAP_CHUNK */
	size_t at, have; /* of buf: taken, filled */
	uint64_t base;   /* offset of buf[0] in the (inflated) file */
	const char *why; /* static text, after an error */
};

/* Takes the descriptor. All memory is taken here. 0 or negative errno. */
int scap_input_open(struct scap_input *in, int fd);
void scap_input_done(struct scap_input *in);

/* Makes n bytes stand in one piece at scap_input_at(). n <= SCAP_WINDOW. Returns 1; 0: the file
 * ends before (what is left can be used: scap_input_left()); -EAGAIN: not yet; other negative: the
 * file cannot be read, ->why. */
int scap_input_refill(struct scap_input *in, size_t n);

static inline size_t scap_input_left(const struct scap_input *in)
{
	return in->have - in->at;
}
static inline int scap_input_need(struct scap_input *in, size_t n)
{
	return scap_input_left(in) >= n ? 1 : scap_input_refill(in, n);
}
static inline const uint8_t *scap_input_at(const struct scap_input *in)
{
	return in->buf + in->at;
}
/* n of the bytes that are there. */
static inline void scap_input_take(struct scap_input *in, size_t n)
{
	in->at += n;
}
/* Where the next byte stands in the file, as if it were not compressed. */
static inline uint64_t scap_input_offset(const struct scap_input *in)
{
	return in->base + in->at;
}
