/* SPDX-License-Identifier: Apache-2.0 */
/* Writing lines to a descriptor that others share: a terminal, a pipe, a file, a socket. O_NONBLOCK
 * on a shared description would change it for the other users as well, so it is never set there.
 * Before the seal a pipe or terminal is opened anew through /proc, which gives a description of our
 * own; where that fails (and after the seal) poll() goes before each write of at most PIPE_BUF
 * bytes, which a writable pipe takes without blocking. A regular file keeps its description:
 * another one would have an offset of its own and overwrite what the others write. */

#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/macros.h>
#include <shm/stats.h>

#include "sink.h"

static void open_own_description(struct sink *k)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", k->fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return; /* poll() before each write then */
	k->fd = fd_close(k->fd);
	k->fd = fd;
	k->is_nonblocking = true;
}

int sink_stream_attach(struct sink *k, bool may_open)
{
	struct stat st;

	if (fstat(k->fd, &st) < 0)
		return -errno;
	k->is_regular = S_ISREG(st.st_mode);
	k->is_socket = S_ISSOCK(st.st_mode);
	if (may_open && !k->is_regular && !k->is_socket)
		open_own_description(k);
	return 0;
}

static ssize_t write_some(struct sink *k, const char *p, size_t n)
{
	struct pollfd pfd = {.fd = k->fd, .events = POLLOUT};

	if (k->is_socket)
		return send(k->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (!k->is_regular && !k->is_nonblocking) {
		int r = poll(&pfd, 1, 0);

		if (r == 0)
			errno = EAGAIN;
		if (r <= 0)
			return -1;
		n = MIN(n, (size_t)PIPE_BUF);
	}
	return write(k->fd, p, n);
}

static void mark_sent(struct batch *b)
{
	while (b->n_sent < b->n && b->msg[b->n_sent].end <= b->sent_bytes)
		b->n_sent++;
}

/* Whoever comes after us must not put his first line behind a half one. */
static void set_torn(struct sink *k, bool torn)
{
	if (k->torn)
		stats_set(k->torn, torn);
}

/* What a predecessor left of a line becomes a line of its own; the alert comes again whole. */
static int end_torn_line(struct sink *k)
{
	ssize_t n;

	if (!k->has_torn)
		return 0;
	n = write_some(k, "\n", 1);
	if (n < 0)
		return -errno;
	k->has_torn = n != 1;
	return 0;
}

int sink_stream_send(struct sink *k, struct batch *b)
{
	int r = end_torn_line(k);

	if (r < 0)
		return r;
	set_torn(k, true);
	while (b->sent_bytes < b->text.n) {
		ssize_t n = write_some(k, b->text.p + b->sent_bytes, b->text.n - b->sent_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
			mark_sent(b);
			return r;
		}
		if (n == 0)
			return -EIO;
		b->sent_bytes += (size_t)n;
		k->is_dirty = true;
	}
	set_torn(k, false);
	mark_sent(b);
	return 0;
}
