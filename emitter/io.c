/* SPDX-License-Identifier: Apache-2.0 */
/* What the backends share: the choice, counting, waiting, and the plain calls. */

#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/macros.h>

#include "io.h"

int io_open(struct io *io, int dir_fd)
{
	int r = io_open_uring(io, dir_fd);

	return r < 0 ? io_open_thread(io, dir_fd) : r;
}

int io_post_seal(struct io *io)
{
	return io->ops->post_seal ? io->ops->post_seal(io) : 0;
}

void io_wait(struct io *io, int ms)
{
	struct pollfd p = {.fd = io->wake_fd, .events = POLLIN};

	if (io_reap(io))
		return;
	(void)poll(&p, 1, ms); /* in vain: the caller looks again */
	(void)io_reap(io);
}

void io_aside_name(const char *name, char buf[IO_NAME_MAX])
{
	size_t n = strnlen(name, IO_NAME_MAX - 1);

	memcpy(buf, name, n);
	buf[n] = 0;
	if (n > 4)
		memcpy(buf + n - 4, ".bad", 4);
}

void io_close(struct io *io)
{
	if (!io->ops)
		return;
	while (io->n_busy)
		io_wait(io, 1000);
	io->ops->close(io);
	io->wake_fd = fd_close(io->wake_fd);
	io->ops = NULL;
}

int io_add_file(struct io *io, int fd)
{
	return io->ops->add_file ? io->ops->add_file(io, fd) : 0;
}

void io_drop_file(struct io *io, int fd)
{
	if (io->ops->drop_file)
		io->ops->drop_file(io, fd);
}

void io_submit(struct io *io, struct io_req *q)
{
	assert(!q->is_busy && io->n_busy < IO_DEPTH);
	q->is_busy = true;
	q->next = NULL;
	io->n_busy++;
	io->ops->submit(io, q);
}

void io_finish(struct io *io, struct io_req *q, int64_t result)
{
	q->result = result;
	q->is_busy = false;
	io->n_busy--;
	if (q->done)
		q->done(q);
}

unsigned io_reap(struct io *io)
{
	return io->ops->reap(io);
}

int64_t io_run(struct io *io, struct io_req *q)
{
	io_submit(io, q);
	while (q->is_busy)
		io_wait(io, 1000);
	return q->result;
}

static int64_t perform(int dir_fd, const struct io_req *q)
{
	char aside[IO_NAME_MAX];

	switch (q->op) {
	case IO_WRITE:
		return q->off == IO_APPEND ? write(q->file, q->buf, q->n)
					   : pwrite(q->file, q->buf, q->n, (off_t)q->off);
	case IO_READ:
		return pread(q->file, q->buf, q->n, (off_t)q->off);
	case IO_SYNC:
		return fdatasync(q->file);
	case IO_DIR_SYNC:
		return fsync(dir_fd);
	case IO_OPEN:
		return openat(
			dir_fd, q->name, q->flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	case IO_UNLINK:
		return unlinkat(dir_fd, q->name, 0);
	case IO_SET_ASIDE:
		io_aside_name(q->name, aside);
		return renameat(dir_fd, q->name, dir_fd, aside);
	case IO_ALLOC:
		return fallocate(q->file, 0, (off_t)q->off, (off_t)q->n);
	case IO_PUNCH:
		return fallocate(q->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)q->off,
			(off_t)q->n);
	case IO_CLOSE:
		return close(q->file);
	case _IO_OP_MAX:
		break;
	}
	errno = EINVAL;
	return -1;
}

int64_t io_perform(int dir_fd, const struct io_req *q)
{
	int64_t r;

	do
		r = perform(dir_fd, q);
	while (r < 0 && errno == EINTR && q->op != IO_CLOSE);
	return r < 0 ? -errno : r;
}

const struct seal_call io_plain_calls[] = {
	{__NR_openat, "files of its own folder: Landlock and the empty root hide all others"},
	{__NR_unlinkat, "segments that were delivered"},
	{__NR_renameat, "damaged segments are set aside"},
	{__NR_fallocate, "segments are preallocated"},
	{__NR_pwrite64, "segments"},
	{__NR_pread64, "segments"},
	{__NR_write, "a file in append mode"},
	{__NR_fdatasync, "group commit"},
	{__NR_fsync, "names in the folder"},
	{__NR_close, "segments"},
};
const unsigned io_plain_n_calls = ARRAY_LEN(io_plain_calls);
