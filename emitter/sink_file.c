/* SPDX-License-Identifier: Apache-2.0 */
/* A file in append mode. The supervisor opens it, and again when it was renamed or removed, when the
 * operator asks (SIGUSR1) or when it is to be rotated, which this process asks for by its size or
 * age; this process cannot open anything. Writes and syncs are requests (io.h), so a disk that hangs
 * holds up this file's alerts and nothing else. Data is synchronised as configured: never, about once
 * a second, or before an alert counts as delivered. A full disk is waited for: a line that was cut by
 * it is finished later. What is no regular file (a named pipe, a terminal) is written to directly. */

#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <shm/stats.h>

#include "io.h"
#include "sink_stream.h"

#define WRITE_MAX (1u << 20)
/* At the limit of its size the file waits that long for the next one, then it grows. */
#define ROTATE_WAIT_NS (2 * NS_PER_S)
#define ROTATE_AGAIN_NS (10 * NS_PER_S)
#define HANGS_NS (5 * NS_PER_S) /* a request that takes longer is trouble */

struct sink_file {
	struct sink_stream stream;
	struct io_req write, sync, close;
	unsigned n_syncing; /* written messages that the sync in flight covers */
	unsigned n_synced;  /* messages that are on the disk: fsync batch */
	int error;          /* of a request that has finished, for the next turn; 0 none */
	bool has_sync_failed;
	uint64_t began_ns; /* the request that is in flight */
	bool is_dirty;     /* written and not yet synchronised */
	uint64_t synced_ns;
	int next_fd; /* takes over when what is in flight has finished; -1 none */
	/* rotation */
	uint64_t max_size, max_age_ns; /* 0: not by this */
	uint64_t size, born_ns;        /* bytes; CLOCK_REALTIME */
	uint64_t asked_ns;             /* for the next file, 0: not */
};

static int sink_file_init(struct sink *k)
{
	const json_t *own = k->output->own;
	struct sink_file *f = calloc(1, sizeof(*f));

	if (!f)
		return log_err_errno(-ENOMEM, "set up the file");
	f->next_fd = -1;
	f->max_size = (uint64_t)json_integer_value(json_object_get(own, "rotate_size"));
	f->max_age_ns = (uint64_t)json_integer_value(json_object_get(own, "rotate_age_ns"));
	k->priv = f;
	return 0;
}

static bool is_busy(const struct sink_file *f)
{
	return f->write.is_busy || f->sync.is_busy;
}

static void sink_file_close(struct sink *k)
{
	struct sink_file *f = k->priv;

	while (k->io && (is_busy(f) || f->close.is_busy))
		io_wait(k->io, 1000);
	(void)fd_close(f->next_fd);
	free(f);
	k->priv = NULL;
}

/* How large it is and since when, from the file itself: the one before us may have begun it. */
static int look_at(struct sink *k, struct sink_file *f)
{
	struct statx st;

	if (statx(k->fd, "", AT_EMPTY_PATH, STATX_SIZE | STATX_MTIME | STATX_BTIME, &st) < 0)
		return -errno;
	f->size = st.stx_size;
	f->born_ns = st.stx_mask & STATX_BTIME
			     ? (uint64_t)st.stx_btime.tv_sec * NS_PER_S + st.stx_btime.tv_nsec
			     : (uint64_t)st.stx_mtime.tv_sec * NS_PER_S + st.stx_mtime.tv_nsec;
	return io_add_file(k->io, k->fd);
}

static int sink_file_attach(struct sink *k, bool may_open)
{
	struct sink_file *f = k->priv;
	int r;

	f->is_dirty = false;
	f->error = 0;
	r = sink_stream_attach(k, &f->stream, may_open);
	return r < 0 || !f->stream.is_regular ? r : look_at(k, f);
}

/* Closing may wait for a disk as well. */
static void leave(struct sink *k, struct sink_file *f)
{
	if (!f->stream.is_regular || f->close.is_busy) {
		if (f->stream.is_regular)
			io_drop_file(k->io, k->fd);
		k->fd = fd_close(k->fd);
		return;
	}
	f->close = (struct io_req){.op = IO_CLOSE, .file = k->fd};
	k->fd = -1;
	io_submit(k->io, &f->close);
}

static void sink_file_detach(struct sink *k)
{
	struct sink_file *f = k->priv;

	f->next_fd = fd_close(f->next_fd);
	k->has_torn |= f->stream.is_regular && f->stream.part;
	sink_stream_detach(&f->stream);
	f->n_synced = f->n_syncing = 0;
	f->is_dirty = false;
	while (k->io && is_busy(f) && f->error == 0)
		io_wait(k->io, 1000); /* cannot be: it is detached after a failure, or at the end */
	leave(k, f);
}

static void sink_file_swap(struct sink *k, int fd)
{
	struct sink_file *f = k->priv;

	(void)fd_close(f->next_fd);
	f->next_fd = fd;
}

static unsigned sink_file_submit(struct sink *k, const struct sink_msg *msgs, unsigned n)
{
	return sink_fifo_take(&((struct sink_file *)k->priv)->stream.fifo, msgs, n);
}

static void set_torn(struct sink *k, bool torn)
{
	if (k->torn)
		stats_set(k->torn, torn);
}

/* --- writing --- */

static void write_done(struct io_req *q)
{
	struct sink *k = q->owner;
	struct sink_file *f = k->priv;

	if (q->result <= 0) {
		f->error = q->result < 0 ? (int)-q->result : EIO;
		return;
	}
	f->size += (uint64_t)q->result;
	f->is_dirty = true;
	if (k->has_torn) {
		k->has_torn = false; /* the cut line is ended */
		return;
	}
	sink_stream_mark_written(&f->stream, (size_t)q->result);
	if (f->stream.part == 0)
		set_torn(k, false);
}

/* Lines that stand in a row in memory, whole ones as far as the file's limit allows; at least one. */
static size_t run_of(const struct sink_file *f, char **ret_p)
{
	const struct sink_stream *s = &f->stream;
	uint64_t left = f->max_size > f->size ? f->max_size - f->size : 0;
	size_t total = 0;

	for (unsigned i = s->n_written; i < s->fifo.n && total < WRITE_MAX; i++) {
		const struct sink_msg *m = sink_fifo_at(&s->fifo, i);
		size_t skip = total ? 0 : s->part, len = m->text.n + 1 - skip;
		char *p = (char *)m->text.p + skip;

		if (total && (*ret_p + total != p || (f->max_size && total + len > left)))
			break;
		if (!total)
			*ret_p = p;
		total += len;
	}
	return total;
}

static void begin_write(struct sink *k, struct sink_file *f)
{
	static char newline = '\n';
	char *p = &newline;
	size_t n = k->has_torn ? 1 : run_of(f, &p);

	set_torn(k, true);
	f->write = (struct io_req){.op = IO_WRITE,
		.file = k->fd,
		.buf = p,
		.n = n,
		.off = IO_APPEND,
		.done = write_done,
		.owner = k};
	io_submit(k->io, &f->write);
}

/* --- synchronising --- */

static void sync_done(struct io_req *q)
{
	struct sink *k = q->owner;
	struct sink_file *f = k->priv;

	if (q->result < 0) {
		/* written, but perhaps not on the disk: what is not reported goes once more */
		f->error = (int)-q->result;
		f->has_sync_failed = true;
		return;
	}
	f->n_synced += f->n_syncing;
	f->n_syncing = 0;
}

static void begin_sync(struct sink *k, struct sink_file *f, uint64_t now_ns)
{
	f->synced_ns = f->began_ns = now_ns;
	f->is_dirty = false;
	f->n_syncing = f->stream.n_written - f->n_synced;
	f->sync = (struct io_req){.op = IO_SYNC, .file = k->fd, .done = sync_done, .owner = k};
	io_submit(k->io, &f->sync);
}

static bool is_sync_due(const struct sink *k, const struct sink_file *f, uint64_t now_ns)
{
	if (!f->is_dirty || f->sync.is_busy)
		return false;
	switch (k->output->fsync) {
	case OUTPUT_FSYNC_BATCH:
		return true;
	case OUTPUT_FSYNC_SECOND: /* or it is left */
		return now_ns - f->synced_ns >= NS_PER_S || f->next_fd >= 0;
	default:
		return false;
	}
}

static void report(struct sink *k, struct sink_file *f)
{
	unsigned n = k->output->fsync == OUTPUT_FSYNC_BATCH ? f->n_synced : f->stream.n_written;

	for (; n; n--) {
		sink_fifo_report(k, &f->stream.fifo, SINK_DELIVERED, NULL);
		f->stream.n_written--;
		if (f->n_synced)
			f->n_synced--;
	}
}

/* --- rotation --- */

static bool is_too_large(const struct sink_file *f)
{
	const struct sink_stream *s = &f->stream;

	if (!f->max_size || !f->size)
		return false;
	return f->size >= f->max_size ||
	       (s->n_written < s->fifo.n && s->part == 0 &&
		       f->size + sink_fifo_at(&s->fifo, s->n_written)->text.n + 1 > f->max_size);
}

static bool is_too_old(const struct sink_file *f)
{
	uint64_t now_ns = clock_epoch_ns();

	return f->max_age_ns && f->size && now_ns > f->born_ns &&
	       now_ns - f->born_ns >= f->max_age_ns;
}

/* True: writing waits for the next file. */
static bool rotate(struct sink *k, struct sink_file *f, uint64_t now_ns)
{
	bool is_large = is_too_large(f);

	if (!is_large && !is_too_old(f))
		return false;
	if (!f->asked_ns || now_ns - f->asked_ns >= ROTATE_AGAIN_NS) {
		f->asked_ns = now_ns;
		(void)sink_ask(k, SINK_ASK_ROTATE, k->output->name); /* asked again later */
	}
	return is_large && now_ns - f->asked_ns < ROTATE_WAIT_NS;
}

static int take_over(struct sink *k, struct sink_file *f)
{
	int r;

	leave(k, f);
	k->fd = f->next_fd;
	f->next_fd = -1;
	r = sink_file_attach(k, false);
	if (!is_too_large(f) && !is_too_old(f)) /* else it was not renamed: asked for later */
		f->asked_ns = 0;
	return r;
}

static int fail(struct sink *k, struct sink_file *f)
{
	int r = -f->error;

	f->error = 0;
	if (f->has_sync_failed && k->output->fsync == OUTPUT_FSYNC_BATCH) {
		k->has_torn = f->stream.part != 0;
		sink_stream_detach(&f->stream);
		f->n_synced = f->n_syncing = 0;
	}
	f->has_sync_failed = false;
	return r;
}

/* What is in flight decides: not known yet. */
static int in_flight(struct sink *k, const struct sink_file *f, uint64_t now_ns)
{
	if (now_ns - f->began_ns >= HANGS_NS)
		sink_trouble(k, ETIMEDOUT, "the disk has not answered for 5 s");
	return 1;
}

/* Everything that is due for a regular file. */
static int work(struct sink *k, struct sink_file *f, uint64_t now_ns)
{
	struct sink_stream *s = &f->stream;
	int r = 0;

	for (;;) {
		(void)io_reap(k->io);
		report(k, f);
		if (f->error && !is_busy(f))
			return fail(k, f);
		if (f->error || f->write.is_busy)
			return in_flight(k, f, now_ns);
		if (is_sync_due(k, f, now_ns))
			begin_sync(k, f, now_ns);
		if (f->next_fd >= 0 && s->part == 0) {
			if (f->sync.is_busy)
				return in_flight(k, f, now_ns);
			r = take_over(k, f);
			if (r < 0 || !s->is_regular)
				return r;
		}
		if (s->n_written == s->fifo.n || (s->part == 0 && rotate(k, f, now_ns)))
			return f->sync.is_busy ? in_flight(k, f, now_ns) : 0;
		f->began_ns = now_ns;
		begin_write(k, f);
	}
}

static int sink_file_turn(struct sink *k, uint64_t now_ns)
{
	struct sink_file *f = k->priv;
	int r;

	if (f->stream.is_regular)
		return work(k, f, now_ns);
	if (f->next_fd >= 0 && f->stream.part == 0) {
		r = take_over(k, f);
		if (r < 0 || f->stream.is_regular)
			return r;
	}
	r = sink_stream_write(k, &f->stream);
	sink_stream_report(k, &f->stream);
	return r;
}

static int sink_file_timeout_ms(struct sink *k, uint64_t now_ns)
{
	const struct sink_file *f = k->priv;
	uint64_t past_ns = now_ns - f->synced_ns, at_ns = UINT64_MAX;

	if (!f->stream.is_regular)
		return -1;
	if (is_busy(f))
		return 1000; /* its end wakes us; this is for the word that it hangs */
	if (f->is_dirty && !f->sync.is_busy && k->output->fsync == OUTPUT_FSYNC_SECOND)
		at_ns = past_ns >= NS_PER_S ? 0 : NS_PER_S - past_ns;
	if (f->asked_ns) /* what waits goes on then */
		at_ns = MIN(at_ns, f->asked_ns + ROTATE_WAIT_NS > now_ns
					   ? f->asked_ns + ROTATE_WAIT_NS - now_ns
					   : NS_PER_S);
	else if (f->max_age_ns && f->size)
		at_ns = MIN(at_ns, (uint64_t)NS_PER_S);
	return at_ns == UINT64_MAX ? -1 : (int)(at_ns / NS_PER_MS) + 1;
}

static void sink_file_flush(struct sink *k, uint64_t until_ns)
{
	struct sink_file *f = k->priv;
	uint64_t now_ns = clock_mono_ns();

	if (k->fd < 0 || !f->stream.is_regular || k->output->fsync == OUTPUT_FSYNC_NEVER)
		return;
	while ((f->is_dirty || is_busy(f)) && !f->error && now_ns < until_ns) {
		if (f->is_dirty && !is_busy(f))
			begin_sync(k, f, now_ns);
		io_wait(k->io, 10);
		now_ns = clock_mono_ns();
	}
}

static const struct seal_call calls[] = {
	{__NR_writev, "lines to a named pipe"},
	{__NR_poll, "is a named pipe writable; waiting for a request at the end"},
	{__NR_fstat, "what kind of descriptor a new one is"},
	{__NR_newfstatat, "the same, as newer C libraries do it"},
	{__NR_statx, "size and age of a new one"},
};

const struct sink_ops sink_file_ops = {
	.name = "file",
	.seal = {.calls = calls, .n_calls = ARRAY_LEN(calls), .files = 1},
	.needs_fd = true,
	.needs_io = true,
	.window_msgs = SINK_FIFO_MAX,
	.init = sink_file_init,
	.close = sink_file_close,
	.attach = sink_file_attach,
	.detach = sink_file_detach,
	.swap = sink_file_swap,
	.submit = sink_file_submit,
	.turn = sink_file_turn,
	.timeout_ms = sink_file_timeout_ms,
	.flush = sink_file_flush,
};
