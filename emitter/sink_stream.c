/* SPDX-License-Identifier: Apache-2.0 */
/* Writing lines to a descriptor that others share: a terminal, a pipe, a file, a socket. O_NONBLOCK
 * on a shared description would change it for the other users as well, so it is never set there.
 * Before the seal a pipe or terminal is opened anew through /proc, which gives a description of our
 * own; where that fails (and after the seal) poll() goes before each write of at most PIPE_BUF
 * bytes, which a writable pipe takes without blocking. A regular file keeps its description:
 * another one would have an offset of its own and overwrite what the others write. */

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/macros.h>
#include <shm/stats.h>

#include "sink_stream.h"

#define PARTS_MAX 64 /* runs of lines that a write gathers */
#define WRITE_MAX (1u << 20)

static void open_own_description(struct sink *k, struct sink_stream *s)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", k->fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return; /* poll() before each write then */
	k->fd = fd_close(k->fd);
	k->fd = fd;
	s->is_nonblocking = true;
}

int sink_stream_attach(struct sink *k, struct sink_stream *s, bool may_open)
{
	struct stat st;

	if (fstat(k->fd, &st) < 0)
		return -errno;
	s->is_nonblocking = false;
	s->is_regular = S_ISREG(st.st_mode);
	s->is_socket = S_ISSOCK(st.st_mode);
	if (may_open && !s->is_regular && !s->is_socket)
		open_own_description(k, s);
	return 0;
}

void sink_stream_detach(struct sink_stream *s)
{
	s->n_written = 0;
	s->part = 0;
}

static ssize_t write_parts(
	struct sink *k, const struct sink_stream *s, struct iovec *iov, unsigned n)
{
	struct pollfd pfd = {.fd = k->fd, .events = POLLOUT};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = n};

	if (s->is_socket)
		return sendmsg(k->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (!s->is_regular && !s->is_nonblocking) {
		int r = poll(&pfd, 1, 0);

		if (r == 0)
			errno = EAGAIN;
		if (r <= 0)
			return -1;
		iov[0].iov_len = MIN(iov[0].iov_len, (size_t)PIPE_BUF);
		n = 1;
	}
	return writev(k->fd, iov, (int)n);
}

/* Whoever comes after us must not put his first line behind a half one. */
static void set_torn(struct sink *k, bool torn)
{
	if (k->torn)
		stats_set(k->torn, torn);
}

/* What a predecessor left of a line becomes a line of its own; the alert comes again whole. */
static int end_torn_line(struct sink *k, const struct sink_stream *s)
{
	struct iovec iov = {(void *)"\n", 1};
	ssize_t n;

	if (!k->has_torn)
		return 0;
	n = write_parts(k, s, &iov, 1);
	if (n < 0)
		return -errno;
	k->has_torn = n != 1;
	return 0;
}

/* Gathers what is not written; lines that stand in a row in memory are one part. */
static unsigned gather(const struct sink_stream *s, struct iovec iov[PARTS_MAX])
{
	size_t skip = s->part, total = 0;
	unsigned n = 0;

	for (unsigned i = s->n_written; i < s->fifo.n && total < WRITE_MAX; i++) {
		const struct sink_msg *m = sink_fifo_at(&s->fifo, i);
		char *p = (char *)m->text.p + skip;
		size_t len = m->text.n + 1 - skip;

		skip = 0;
		if (n && (char *)iov[n - 1].iov_base + iov[n - 1].iov_len == p) {
			iov[n - 1].iov_len += len;
		} else {
			if (n == PARTS_MAX)
				break;
			iov[n++] = (struct iovec){p, len};
		}
		total += len;
	}
	return n;
}

void sink_stream_mark_written(struct sink_stream *s, size_t n)
{
	n += s->part;
	while (n && s->n_written < s->fifo.n) {
		size_t len = sink_fifo_at(&s->fifo, s->n_written)->text.n + 1;

		if (n < len)
			break;
		n -= len;
		s->n_written++;
	}
	s->part = n;
}

int sink_stream_write(struct sink *k, struct sink_stream *s)
{
	struct iovec iov[PARTS_MAX];
	int r;

	if (s->n_written == s->fifo.n)
		return 0;
	r = end_torn_line(k, s);
	if (r < 0)
		return r;
	set_torn(k, true);
	while (s->n_written < s->fifo.n) {
		ssize_t n = write_parts(k, s, iov, gather(s, iov));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EIO;
		sink_stream_mark_written(s, (size_t)n);
	}
	set_torn(k, false);
	return 0;
}

void sink_stream_report(struct sink *k, struct sink_stream *s)
{
	for (; s->n_written; s->n_written--)
		sink_fifo_report(k, &s->fifo, SINK_DELIVERED, NULL);
}
