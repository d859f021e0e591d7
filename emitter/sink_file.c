/* SPDX-License-Identifier: Apache-2.0 */
/* A file in append mode. The supervisor opens it (again on SIGUSR1); this process cannot open
 * anything. Data is synchronised as configured: never, about once a second, or before a batch
 * counts as delivered. A full disk is waited for: a line that was cut by it is finished later. */

#include <errno.h>
#include <unistd.h>

#include <base/clock.h>

#include "sink.h"

static int sync_now(struct sink *k, uint64_t now_ns)
{
	if (!k->is_dirty || !k->is_regular)
		return 0;
	k->synced_ns = now_ns;
	if (fdatasync(k->fd) < 0)
		return -errno;
	k->is_dirty = false;
	return 0;
}

static int sink_file_send(struct sink *k, struct batch *b)
{
	int r = sink_stream_send(k, b);

	if (r == 0 && k->output->fsync == OUTPUT_FSYNC_BATCH)
		r = sync_now(k, 0);
	if (r < 0 && b->n_sent == b->n)
		b->sent_bytes = b->n_sent =
			0; /* written, but perhaps not on the disk: all of it again */
	return r;
}

static int sink_file_tick(struct sink *k, uint64_t now_ns)
{
	if (k->output->fsync != OUTPUT_FSYNC_SECOND || now_ns - k->synced_ns < NS_PER_S)
		return 0;
	return sync_now(k, now_ns);
}

const struct sink_ops sink_file_ops = {
	.name = "file",
	.attach = sink_stream_attach,
	.send = sink_file_send,
	.tick = sink_file_tick,
};
