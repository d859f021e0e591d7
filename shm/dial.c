/* SPDX-License-Identifier: Apache-2.0 */
/* The dialer's protocol. Either end takes the other for hostile: a packet of another size, without
 * its magic, with a text that has no end or a number out of range is refused, and descriptors that
 * came with it are closed. */

#include <shm/dial.h>

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <base/cleanup.h>
#include <base/macros.h>

#define DIAL_PORT_ADVERTISED_MIN 1024
#define DIAL_FDS_MAX 4 /* room for more than one, so that too many are seen and closed */

static bool has_end(const char *s, size_t cap)
{
	return memchr(s, 0, cap) != NULL;
}

static bool is_host(const char *s)
{
	return has_end(s, DIAL_HOST_MAX) && s[0] != 0;
}

static int check_output(const struct dial_output *o)
{
	if (!has_end(o->name, sizeof(o->name)) || o->n_targets > DIAL_TARGETS_MAX ||
		o->n_hosts > DIAL_PATTERNS_MAX || o->n_ports > DIAL_PORTS_MAX || o->advertises > 1)
		return -EBADMSG;
	for (uint32_t i = 0; i < o->n_targets; i++)
		if (!is_host(o->targets[i].host) || o->targets[i].port == 0 ||
			(o->targets[i].proto != DIAL_TCP && o->targets[i].proto != DIAL_UDP))
			return -EBADMSG;
	for (uint32_t i = 0; i < o->n_hosts; i++)
		if (!is_host(o->hosts[i]))
			return -EBADMSG;
	return 0;
}

int dial_rules_check(const struct dial_rules *r, size_t size)
{
	if (size < sizeof(*r) || r->n_outputs > DIAL_OUTPUTS_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < r->n_outputs; i++)
		if (check_output(&r->outputs[i]) < 0)
			return -EBADMSG;
	return 0;
}

static bool port_may_be_advertised(const struct dial_output *o, uint16_t port)
{
	for (uint32_t i = 0; i < o->n_ports; i++)
		if (o->ports[i] == port)
			return true;
	return o->n_ports == 0 && port >= DIAL_PORT_ADVERTISED_MIN;
}

enum dial_verdict dial_judge(const struct dial_output *o, const struct dial_request *q)
{
	bool is_target_host = false;

	for (uint32_t i = 0; i < o->n_targets; i++) {
		if (o->targets[i].proto != q->proto || strcasecmp(o->targets[i].host, q->host) != 0)
			continue;
		if (o->targets[i].port == q->port)
			return DIAL_YES;
		is_target_host = true;
	}
	if (!o->advertises || q->proto != DIAL_TCP || !port_may_be_advertised(o, q->port))
		return DIAL_NO;
	if (is_target_host)
		return DIAL_YES;
	for (uint32_t i = 0; i < o->n_hosts; i++)
		if (fnmatch(o->hosts[i], q->host, FNM_CASEFOLD | FNM_NOESCAPE) == 0)
			return DIAL_YES;
	return o->n_hosts == 0 ? DIAL_IF_NEAR : DIAL_NO;
}

static int send_packet(int sock, const void *p, size_t n, int fd)
{
	struct iovec iov = {(void *)p, n};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t r;

	if (fd >= 0) {
		m.msg_control = control.room;
		m.msg_controllen = sizeof(control.room);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	do
		r = sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* The first descriptor that came; any other is closed. */
static unsigned take_fds(struct msghdr *m, int *ret_fd)
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n_here = 0;

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			n_here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n_here; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n++ == 0)
				*ret_fd = fd;
			else
				(void)fd_close(fd);
		}
	}
	return n;
}

/* 1, 0, -EAGAIN, -EBADMSG, other negative errno. */
static int recv_packet(int sock, void *p, size_t n, int *ret_fd)
{
	struct iovec iov = {p, n};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(DIAL_FDS_MAX * sizeof(int))];
	} control;
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	_cleanup_close_ int fd = -1;
	unsigned n_fds;
	ssize_t r;

	do
		r = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	n_fds = take_fds(&m, &fd);
	if (r == 0 && n_fds == 0)
		return 0;
	if ((size_t)r != n || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || n_fds > 1)
		return -EBADMSG;
	*ret_fd = TAKE_FD(fd);
	return 1;
}

int dial_send_request(int sock, const struct dial_request *q)
{
	return send_packet(sock, q, sizeof(*q), -1);
}

int dial_send_answer(int sock, const struct dial_answer *a, int fd)
{
	return send_packet(sock, a, sizeof(*a), fd);
}

int dial_recv_request(int sock, struct dial_request *ret_q)
{
	_cleanup_close_ int fd = -1;
	struct dial_request q = {0};
	int r = recv_packet(sock, &q, sizeof(q), &fd);

	if (r <= 0)
		return r;
	if (fd >= 0 || q.magic != DIAL_MAGIC || q.id == 0 || q.port == 0 || !is_host(q.host) ||
		(q.proto != DIAL_TCP && q.proto != DIAL_UDP) || q.timeout_ms == 0 ||
		q.timeout_ms > DIAL_TIMEOUT_MAX_MS)
		return -EBADMSG;
	*ret_q = q;
	return 1;
}

int dial_recv_answer(int sock, struct dial_answer *ret_a, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct dial_answer a = {0};
	int r = recv_packet(sock, &a, sizeof(a), &fd);

	if (r <= 0)
		return r;
	if (a.magic != DIAL_MAGIC || a.result > 0 || (a.result == 0) != (fd >= 0) ||
		(a.id == 0 && a.result == 0) || !has_end(a.text, sizeof(a.text)))
		return -EBADMSG;
	*ret_a = a;
	*ret_fd = TAKE_FD(fd);
	return 1;
}
