/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a capture file: read(2) into a window, inflated by zlib where the file is gzip. Input:
 * bytes that anyone may have made up. Must not allocate after scap_input_open(), nor map the file:
 * whoever can write it could cut it under us. */

#include "scap_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/macros.h>

int scap_input_open(struct scap_input *in, int fd)
{
	*in = (struct scap_input){.fd = fd};
	in->buf = malloc(SCAP_WINDOW + SCAP_CHUNK);
	in->packed = malloc(SCAP_INFLATE_IN);
	if (!in->buf || !in->packed || inflateInit2(&in->z, 15 + 16) != Z_OK) {
		scap_input_done(in);
		return -ENOMEM;
	}
	return 0;
}

void scap_input_done(struct scap_input *in)
{
	if (in->packed)
		(void)inflateEnd(&in->z);
	free(in->packed);
	free(in->buf);
	if (in->fd >= 0)
		(void)close(in->fd);
	*in = (struct scap_input){.fd = -1};
}

/* Bytes read; 0 at the end. */
static ssize_t read_some(struct scap_input *in, uint8_t *to, size_t n)
{
	ssize_t r;

	do
		r = read(in->fd, to, n);
	while (r < 0 && errno == EINTR);
	if (r < 0 && errno != EAGAIN)
		in->why = "cannot be read";
	return r < 0 ? -errno : r;
}

static int fill_plain(struct scap_input *in, size_t room)
{
	ssize_t r = read_some(in, in->buf + in->have, room);

	if (r < 0)
		return (int)r;
	in->is_at_end = r == 0;
	in->have += (size_t)r;
	return 0;
}

/* More compressed bytes, if there are none. */
static int fill_packed(struct scap_input *in)
{
	ssize_t r;

	if (in->z.avail_in)
		return 0;
	r = read_some(in, in->packed, SCAP_INFLATE_IN);
	if (r < 0)
		return (int)r;
	in->z.next_in = in->packed;
	in->z.avail_in = (unsigned)r;
	if (r > 0)
		return 0;
	in->is_at_end = true;
	if (in->is_between)
		return 0;
	in->why = "gzip data ends early";
	return 0; /* what was inflated is used; then the block that is cut is the error */
}

static int fill_gzip(struct scap_input *in, size_t room)
{
	int r = fill_packed(in);

	if (r < 0 || in->is_at_end)
		return r;
	if (in->is_between) {
		/* other bytes behind the last member are padding of whoever stored the file */
		if (in->z.next_in[0] != 0x1f || inflateReset(&in->z) != Z_OK) {
			in->is_at_end = true;
			return 0;
		}
		in->is_between = false;
	}
	in->z.next_out = in->buf + in->have;
	in->z.avail_out = (unsigned)room;
	r = inflate(&in->z, Z_NO_FLUSH);
	in->have += room - in->z.avail_out;
	if (r == Z_STREAM_END) {
		in->is_between = true;
	} else if (r != Z_OK && r != Z_BUF_ERROR) {
		in->why = "gzip data is damaged";
		return -EBADMSG;
	}
	return 0;
}

static void tell_kind(struct scap_input *in)
{
	if (in->have < 2 && !in->is_at_end)
		return;
	in->is_known = true;
	in->is_gzip = in->have >= 2 && in->buf[0] == 0x1f && in->buf[1] == 0x8b;
	if (!in->is_gzip)
		return;
	/* the first bytes were read as if they were plain */
	memcpy(in->packed, in->buf, in->have);
	in->z.next_in = in->packed;
	in->z.avail_in = (unsigned)in->have;
	in->have = 0;
	in->is_at_end = false;
}

int scap_input_refill(struct scap_input *in, size_t n)
{
	assert(n <= SCAP_WINDOW);
	if (in->at) {
		memmove(in->buf, in->buf + in->at, in->have - in->at);
		in->base += in->at;
		in->have -= in->at;
		in->at = 0;
	}
	while (in->have < n) {
		size_t room = in->is_known ? MIN((size_t)SCAP_WINDOW + SCAP_CHUNK - in->have,
						     (size_t)SCAP_CHUNK)
					   : SCAP_INFLATE_IN - in->have;
		int r;

		if (in->is_at_end)
			return 0;
		r = in->is_gzip ? fill_gzip(in, room) : fill_plain(in, room);
		if (r < 0)
			return r;
		if (!in->is_known)
			tell_kind(in);
	}
	return 1;
}
