/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's own syslog: a UNIX socket, connected by the supervisor, as datagrams or as a
 * stream. The form is the one that syslog(3) sends and every local daemon reads: "<PRI>Mmm dd
 * hh:mm:ss saker[pid]: text", a stream's messages end in NUL. Severity is the alert's priority: the
 * numbers are the same. */

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "sink_fifo.h"

/* What every local daemon takes where a datagram is too long for the socket. */
#define SYSLOG_CUT 8000

struct sink_syslog {
	struct sink_fifo fifo;
	size_t part; /* bytes of the oldest message that a stream has taken */
	bool is_stream;
	int pid; /* what stands in [] */
};

static int sink_syslog_init(struct sink *k)
{
	struct sink_syslog *s = k->priv = calloc(1, sizeof(*s));

	if (!s)
		return log_err_errno(-ENOMEM, "set up syslog");
	s->pid = (int)getpid();
	return 0;
}

static void sink_syslog_close(struct sink *k)
{
	free(k->priv);
	k->priv = NULL;
}

static int sink_syslog_attach(struct sink *k, bool may_open _unused_)
{
	struct sink_syslog *s = k->priv;
	int type;
	socklen_t n = sizeof(type);

	if (getsockopt(k->fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
		return -errno;
	s->is_stream = type == SOCK_STREAM;
	s->part = 0;
	return 0;
}

static void sink_syslog_detach(struct sink *k)
{
	((struct sink_syslog *)k->priv)->part = 0;
}

static size_t make_head(const struct sink *k, const struct sink_msg *m, char *buf, size_t cap)
{
	static const char months[12][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t sec = (time_t)(m->ts_ns / NS_PER_S);
	struct tm tm = {.tm_mday = 1};
	int n;

	(void)localtime_r(&sec, &tm); /* on failure the first of January */
	n = snprintf(buf, cap,
		"<%u>%s %2d %02d:%02d:%02d %s[%d]: ", k->output->facility * 8 + m->priority,
		months[tm.tm_mon], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, k->output->ident,
		((const struct sink_syslog *)k->priv)->pid);
	return MIN((size_t)n, cap - 1);
}

/* Returns bytes sent of head, text and end together. */
static ssize_t send_parts(const struct sink *k, struct iovec *iov, size_t n_iov)
{
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = n_iov};

	return sendmsg(k->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int send_one(struct sink *k, struct sink_syslog *s)
{
	const struct sink_msg *m = sink_fifo_at(&s->fifo, 0);
	size_t n_text = m->text.n, skip = s->part, whole;
	char head[128];
	struct iovec iov[3];
	ssize_t n;

	iov[0] = (struct iovec){head, make_head(k, m, head, sizeof(head))};
	iov[1] = (struct iovec){(void *)m->text.p, n_text};
	iov[2] = (struct iovec){(void *)"", s->is_stream ? 1 : 0};
	whole = iov[0].iov_len + iov[1].iov_len + iov[2].iov_len;
	/* a stream may have taken a part of it: go on there */
	for (unsigned i = 0; i < ARRAY_LEN(iov) && skip; i++) {
		size_t cut = MIN(skip, iov[i].iov_len);

		iov[i].iov_base = (char *)iov[i].iov_base + cut;
		iov[i].iov_len -= cut;
		whole -= cut;
		skip -= cut;
	}
	n = send_parts(k, iov, ARRAY_LEN(iov));
	if (n < 0 && errno == EMSGSIZE && n_text > SYSLOG_CUT) {
		iov[1].iov_len = SYSLOG_CUT;
		n = send_parts(k, iov, ARRAY_LEN(iov));
		if (n >= 0)
			n = (ssize_t)whole;
	}
	if (n < 0)
		return -errno;
	if ((size_t)n < whole) {
		s->part += (size_t)n;
		return -EAGAIN;
	}
	return 0;
}

static unsigned sink_syslog_submit(struct sink *k, const struct sink_msg *msgs, unsigned n)
{
	return sink_fifo_take(&((struct sink_syslog *)k->priv)->fifo, msgs, n);
}

static int sink_syslog_turn(struct sink *k, uint64_t now_ns _unused_)
{
	struct sink_syslog *s = k->priv;

	while (s->fifo.n) {
		int r = send_one(k, s);

		if (r == -EINTR)
			continue;
		if (r < 0 && r != -EMSGSIZE)
			return r;
		s->part = 0;
		sink_fifo_report(k, &s->fifo, r == 0 ? SINK_DELIVERED : SINK_REFUSED,
			"longer than the socket takes");
	}
	return 0;
}

static const struct seal_call calls[] = {
	{__NR_sendmsg, "messages"},
	{__NR_getsockopt, "is a new socket a stream"},
};

const struct sink_ops sink_syslog_ops = {
	.name = "syslog",
	.seal = {.calls = calls, .n_calls = ARRAY_LEN(calls)},
	.needs_fd = true,
	.init = sink_syslog_init,
	.close = sink_syslog_close,
	.attach = sink_syslog_attach,
	.detach = sink_syslog_detach,
	.submit = sink_syslog_submit,
	.turn = sink_syslog_turn,
};
