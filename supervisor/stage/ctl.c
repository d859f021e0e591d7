/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages between the supervisor and its children: one fixed-size message and at most one
 * descriptor a packet.
 *
 * Both ends treat the other as hostile: a packet of the wrong size, with a wrong magic, an unknown
 * role, a text without end or more than one descriptor is refused and its descriptors are closed.
 * What a message means, and whether its sender may send it, is the receiver's business. */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

#include <base/cleanup.h>
#include <base/macros.h>
#include <stage/ctl.h>

#define CTL_FDS_MAX 8         /* room to receive (and close) more than the one that is allowed */
#define CTL_SEND_WAIT_MS 2000 /* a peer that does not read for so long is treated as dead */

static int ctl_send_once(int sock, const struct ctl_msg *msg, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)msg, .iov_len = sizeof(*msg)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *cm;

		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(int));
	}
	n = sendmsg(sock, &mh, MSG_NOSIGNAL);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(*msg) ? 0 : -EIO;
}

int ctl_send(int sock, const struct ctl_msg *msg, int fd)
{
	struct pollfd pfd = {.fd = sock, .events = POLLOUT};
	bool waited = false;
	int r;

	for (;;) {
		r = ctl_send_once(sock, msg, fd);
		if (r == -EINTR)
			continue;
		if ((r != -EAGAIN && r != -ETOOMANYREFS) || waited)
			return r;
		waited = poll(&pfd, 1, CTL_SEND_WAIT_MS) <= 0;
		if (waited)
			return -EAGAIN;
	}
}

/* Collects every descriptor that came; returns how many. */
static unsigned ctl_take_fds(struct msghdr *mh, int fds[CTL_FDS_MAX])
{
	unsigned n = 0;

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		size_t bytes;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		bytes = cm->cmsg_len - CMSG_LEN(0);
		for (size_t i = 0; i + sizeof(int) <= bytes && n < CTL_FDS_MAX; i += sizeof(int))
			memcpy(&fds[n++], CMSG_DATA(cm) + i, sizeof(int));
	}
	return n;
}

static bool ctl_is_valid(const struct ctl_msg *m)
{
	return m->magic == CTL_MAGIC && m->role < _FD_ROLE_MAX &&
	       memchr(m->text, 0, sizeof(m->text)) != NULL;
}

int ctl_recv(int sock, struct ctl_msg *ret_msg, int *ret_fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * CTL_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct ctl_msg m;
	struct iovec iov = {.iov_base = &m, .iov_len = sizeof(m)};
	struct msghdr mh = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf)};
	int fds[CTL_FDS_MAX];
	unsigned n_fds;
	ssize_t n;

	do {
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	n_fds = ctl_take_fds(&mh, fds);
	if (n == 0 && n_fds == 0)
		return 0;
	if (n != (ssize_t)sizeof(m) || (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || n_fds > 1 ||
		!ctl_is_valid(&m)) {
		for (unsigned i = 0; i < n_fds; i++)
			(void)fd_close(fds[i]);
		return -EBADMSG;
	}
	*ret_msg = m;
	*ret_fd = n_fds == 1 ? fds[0] : -1;
	return 1;
}
