/* SPDX-License-Identifier: Apache-2.0 */
/* A socket in a user's own folder, connected to as that user: the name may lead anywhere, and as root it would lead to what the user may not have. A child of a moment takes the user's uid, connects
 * and hands the descriptor back; it does nothing else, and we wait for it no longer than a moment. */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/macros.h>

#include "sup.h"

#define WAIT_MS 500
#define NOGROUP 65534 /* a folder of the user's is his by uid */

/* In the child: only calls that are safe after a fork. Its exit status is an errno. */
static int connect_as(uint32_t uid, const struct sockaddr_un *addr, int line)
{
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = CTL_OPENED};
	int fd;

	/* the user may look into what runs as him: nothing of ours is left there */
	if ((line > 0 && syscall(SYS_close_range, 0, line - 1, 0) < 0) ||
		syscall(SYS_close_range, line + 1, ~0U, 0) < 0)
		return errno;
	if (setgroups(0, NULL) < 0 || setresgid(NOGROUP, NOGROUP, NOGROUP) < 0 ||
		setresuid(uid, uid, uid) < 0)
		return errno;
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		return errno;
	return -ctl_send(line, &m, fd);
}

static int take(int line)
{
	struct pollfd p = {.fd = line, .events = POLLIN};
	struct ctl_msg m;
	int fd = -1, r;

	if (poll(&p, 1, WAIT_MS) <= 0)
		return -ETIMEDOUT;
	r = ctl_recv(line, &m, &fd);
	if (r > 0 && fd >= 0)
		return fd;
	return r < 0 ? r : -ECONNREFUSED;
}

int sup_user_socket_open(uint32_t uid, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2], fd, status = 0;
	pid_t pid;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	if (access(path, F_OK) < 0)
		return -errno; /* nothing there, as nearly always: no child for that */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(connect_as(uid, &addr, theirs));
	theirs = fd_close(theirs);
	fd = take(ours);
	if (fd < 0)
		(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	if (fd < 0 && WIFEXITED(status) && WEXITSTATUS(status) != 0)
		return -WEXITSTATUS(status);
	return fd;
}
