/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's own syslog: a UNIX socket, connected by the supervisor, as datagrams or as a
 * stream. The form is the one that syslog(3) sends and every local daemon reads: "<PRI>Mmm dd
 * hh:mm:ss saker[pid]: text", a stream's messages end in NUL. Severity is the alert's priority: the
 * numbers are the same. */

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <base/clock.h>
#include <base/macros.h>

#include "sink.h"

/* What every local daemon takes where a datagram is too long for the socket. */
#define SYSLOG_CUT 8000

static int sink_syslog_attach(struct sink *k, bool may_open _unused_)
{
	int type;
	socklen_t n = sizeof(type);

	if (getsockopt(k->fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
		return -errno;
	k->is_socket = true;
	k->is_stream = type == SOCK_STREAM;
	return 0;
}

static size_t make_head(const struct sink *k, const struct batch_msg *m, char *buf, size_t cap)
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
		k->pid);
	return MIN((size_t)n, cap - 1);
}

/* Returns bytes sent of head, text and end together. */
static ssize_t send_parts(const struct sink *k, struct iovec *iov, size_t n_iov)
{
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = n_iov};

	return sendmsg(k->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int send_one(struct sink *k, struct batch *b)
{
	const struct batch_msg *m = &b->msg[b->n_sent];
	size_t n_text = m->end - m->off - 1, skip = b->sent_bytes - m->off, whole;
	char head[128];
	struct iovec iov[3];
	ssize_t n;

	iov[0] = (struct iovec){head, make_head(k, m, head, sizeof(head))};
	iov[1] = (struct iovec){b->text.p + m->off, n_text};
	iov[2] = (struct iovec){(void *)"", k->is_stream ? 1 : 0};
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
		b->sent_bytes += (size_t)n;
		return -EAGAIN;
	}
	return 0;
}

static int sink_syslog_send(struct sink *k, struct batch *b)
{
	while (b->n_sent < b->n) {
		int r = send_one(k, b);

		if (r == -EINTR)
			continue;
		if (r == -EMSGSIZE) {
			b->refused |= UINT64_C(1) << b->n_sent;
			b->n_refused++;
		} else if (r < 0) {
			return r;
		}
		b->n_sent++;
		batch_rewind(b);
	}
	return 0;
}

const struct sink_ops sink_syslog_ops = {
	.name = "syslog",
	.attach = sink_syslog_attach,
	.send = sink_syslog_send,
};
