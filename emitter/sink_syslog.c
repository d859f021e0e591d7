/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's own syslog: a UNIX socket, connected by the supervisor, as datagrams or as a
 * stream. The form is the one that syslog(3) sends and every local daemon reads (RFC 5424 on request);
 * a stream's messages end in NUL. */

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/log.h>
#include <base/macros.h>

#include "sink_fifo.h"
#include "syslog_head.h"

/* What every local daemon takes where a datagram is too long for the socket. */
#define SYSLOG_CUT 8000
#define HEAD_MAX (64u << 10) /* of an alert of the largest size */

struct sink_syslog {
	struct sink_fifo fifo;
	size_t part; /* bytes of the oldest message that a stream has taken */
	bool is_stream;
	struct syslog_form form;
	struct strbuf head;
	char app[64], host[256];
};

static int sink_syslog_init(struct sink *k)
{
	struct sink_syslog *s = k->priv = calloc(1, sizeof(*s));

	const char *rfc, *app, *host;

	if (!s || strbuf_reserve(&s->head, HEAD_MAX) < 0)
		return log_err_errno(-ENOMEM, "set up syslog");
	rfc = json_string_value(json_object_get(k->output->own, "rfc"));
	app = json_string_value(json_object_get(k->output->own, "app_name"));
	host = json_string_value(json_object_get(k->output->own, "hostname"));
	(void)snprintf(s->app, sizeof(s->app), "%s", app ? app : "saker");
	(void)snprintf(s->host, sizeof(s->host), "%s", host ? host : "-");
	s->form = (struct syslog_form){.facility = k->output->facility,
		.rfc = rfc && !strcmp(rfc, "5424") ? 5424 : 3164,
		.app = s->app,
		.host = s->host,
		.pid = (int)getpid()};
	return 0;
}

static void sink_syslog_close(struct sink *k)
{
	struct sink_syslog *s = k->priv;

	if (s)
		strbuf_done(&s->head);
	free(s);
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
	struct iovec iov[3];
	ssize_t n;

	strbuf_reset(&s->head);
	syslog_head_add(&s->form, m, &s->head);
	iov[0] = (struct iovec){s->head.p, s->head.n};
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
	.needs_alert = true,
	.needs_fd = true,
	.init = sink_syslog_init,
	.close = sink_syslog_close,
	.attach = sink_syslog_attach,
	.detach = sink_syslog_detach,
	.submit = sink_syslog_submit,
	.turn = sink_syslog_turn,
};
