/* SPDX-License-Identifier: Apache-2.0 */
/* A file in append mode. The supervisor opens it (again on SIGUSR1); this process cannot open
 * anything. Data is synchronised as configured: never, about once a second, or before an alert
 * counts as delivered. A full disk is waited for: a line that was cut by it is finished later. */

#include <sys/syscall.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "sink_stream.h"

struct sink_file {
	struct sink_stream stream;
	bool is_dirty; /* written and not yet synchronised */
	uint64_t synced_ns;
};

static int sink_file_init(struct sink *k)
{
	k->priv = calloc(1, sizeof(struct sink_file));
	return k->priv ? 0 : log_err_errno(-ENOMEM, "set up the file");
}

static void sink_file_close(struct sink *k)
{
	free(k->priv);
	k->priv = NULL;
}

static int sink_file_attach(struct sink *k, bool may_open)
{
	struct sink_file *f = k->priv;

	f->is_dirty = false;
	return sink_stream_attach(k, &f->stream, may_open);
}

static void sink_file_detach(struct sink *k)
{
	struct sink_file *f = k->priv;

	sink_stream_detach(&f->stream);
	f->is_dirty = false;
}

static unsigned sink_file_submit(struct sink *k, const struct sink_msg *msgs, unsigned n)
{
	return sink_fifo_take(&((struct sink_file *)k->priv)->stream.fifo, msgs, n);
}

static int sync_now(struct sink *k, struct sink_file *f, uint64_t now_ns)
{
	if (!f->is_dirty || !f->stream.is_regular)
		return 0;
	f->synced_ns = now_ns;
	if (fdatasync(k->fd) < 0)
		return -errno;
	f->is_dirty = false;
	return 0;
}

static bool is_sync_due(const struct sink *k, const struct sink_file *f, uint64_t now_ns)
{
	switch (k->output->fsync) {
	case OUTPUT_FSYNC_BATCH:
		return true;
	case OUTPUT_FSYNC_SECOND:
		return now_ns - f->synced_ns >= NS_PER_S;
	default:
		return false;
	}
}

static int sink_file_turn(struct sink *k, uint64_t now_ns)
{
	struct sink_file *f = k->priv;
	unsigned n_before = f->stream.n_written;
	size_t part = f->stream.part;
	int r = sink_stream_write(k, &f->stream), r_sync = 0;

	f->is_dirty |= f->stream.n_written != n_before || f->stream.part != part;
	if (k->output->fsync != OUTPUT_FSYNC_BATCH)
		sink_stream_report(k, &f->stream); /* the sync below is of what readers see */
	if (is_sync_due(k, f, now_ns))
		r_sync = sync_now(k, f, now_ns);
	if (r_sync < 0) {
		/* written, but perhaps not on the disk: all of it again */
		k->has_torn = f->stream.part != 0;
		sink_stream_detach(&f->stream);
	}
	sink_stream_report(k, &f->stream);
	return r < 0 ? r : r_sync;
}

static int sink_file_timeout_ms(struct sink *k, uint64_t now_ns)
{
	const struct sink_file *f = k->priv;
	uint64_t past_ns = now_ns - f->synced_ns;

	if (!f->is_dirty || k->output->fsync != OUTPUT_FSYNC_SECOND)
		return -1;
	return past_ns >= NS_PER_S ? 0 : (int)((NS_PER_S - past_ns) / NS_PER_MS) + 1;
}

static const struct seal_call calls[] = {
	{__NR_writev, "lines"},
	{__NR_poll, "is a named pipe writable"},
	{__NR_fdatasync, "fsync"},
	{__NR_fstat, "what kind of descriptor a new one is"},
	{__NR_newfstatat, "the same, as newer C libraries do it"},
};

const struct sink_ops sink_file_ops = {
	.name = "file",
	.seal = {.calls = calls, .n_calls = ARRAY_LEN(calls), .files = 1},
	.needs_fd = true,
	.init = sink_file_init,
	.close = sink_file_close,
	.attach = sink_file_attach,
	.detach = sink_file_detach,
	.submit = sink_file_submit,
	.turn = sink_file_turn,
	.timeout_ms = sink_file_timeout_ms,
};
