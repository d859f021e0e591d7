/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for the skeleton's main in the real stage programs: their main.c is linked with this
 * file, so that the seal is applied from the real table of the real program, by the skeleton's own
 * code; only then the attempts are made in place of the stage's work.
 *
 * Usage as started by test_seal.c: PROBE all|wait|NUMBER PID. `all` makes every attempt that the
 * process should live through, NUMBER one, `wait` none. Each result goes back over the control
 * socket. */
#include "probe.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <linux/rtnetlink.h>

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attempts.h"
#ifdef PROBE_SINK
#include <sink.h>
#endif
#if defined(PROBE_SPOOL) || defined(PROBE_FILES)
#include <liburing.h>

#include <spool.h>

static struct io probe_io;
#endif

static struct {
	const char *what; /* all, wait or a number */
	long sibling;
	bool is_done;
	char in_path[64];
	void *in_map, *memory;
	int memfd;
} probe = {.memfd = -1};

/* --- its io_uring rings --- */

#if defined(PROBE_SPOOL) || defined(PROBE_FILES)
/* The backend's two stand first in what it keeps. */
static struct io_uring *probe_rings(void)
{
	return probe_io.ops && strcmp(probe_io.ops->name, "io_uring") == 0 ? probe_io.priv : NULL;
}

static int probe_ring(bool is_b)
{
	return probe_rings() ? probe_rings()[is_b].ring_fd : -1;
}

static long ring_request(const unsigned long *x)
{
	struct io_uring *ring = &probe_rings()[(long)x[0] != probe_ring(false)];
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	long r;

	io_uring_prep_rw((int)x[1], sqe, (int)x[2], (const void *)x[3],
		x[1] == IORING_OP_OPENAT ? 0600 : 1, 0);
	sqe->open_flags = (unsigned)x[4];
	sqe->flags = (uint8_t)x[5];
	r = io_uring_submit_and_wait(ring, 1);
	if (r < 0)
		return r;
	r = io_uring_peek_cqe(ring, &cqe);
	if (r < 0)
		return r;
	r = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return r < 0 ? r : 0;
}
#else
static int probe_ring(bool is_b)
{
	(void)is_b;
	return -1;
}

static long ring_request(const unsigned long *x)
{
	(void)x;
	return -ENOSYS;
}
#endif

/* --- arguments --- */

static long probe_fd(const struct stage *s, enum attempt_arg arg)
{
	switch (arg) {
	case ARG_IN_DATA:
	case ARG_IN_MAP:
	case ARG_IN_PATH:
		return stage_fd_get(s, FD_RING_IN_DATA, 0);
	case ARG_IN_CURSOR:
		return stage_fd_get(s, FD_RING_IN_CURSOR, 0);
	case ARG_OUT_DATA:
		return stage_fd_get(s, FD_RING_OUT_DATA, 0);
	case ARG_OUT_CURSOR:
		return stage_fd_get(s, FD_RING_OUT_CURSOR, 0);
	case ARG_WAKE_OWN:
		return stage_fd_get(s, FD_WAKE_OWN, 0);
	case ARG_WAKE_PEER:
		return stage_fd_get(s, FD_WAKE_PEER, 0);
	case ARG_SETTINGS:
		return stage_fd_get(s, FD_SETTINGS, 0);
	case ARG_SINK:
		return stage_fd_get(s, FD_SINK, 0);
	case ARG_FOLDER:
		return stage_fd_get(s, FD_SPOOL, 0);
	case ARG_RING_A:
	case ARG_RING_B:
		return probe_ring(arg == ARG_RING_B);
	case ARG_ROUTE:
		return stage_fd_get(s, FD_NETLINK, 0);
	case ARG_MEMFD:
		return probe.memfd;
	default:
		return 0;
	}
}

/* false: this stage does not hold it. */
static bool probe_arg(const struct stage *s, unsigned long *arg)
{
	if (*arg < ARG_FIRST || *arg >= _ARG_END)
		return true;
	enum attempt_arg which = (enum attempt_arg) * arg;
	long fd = probe_fd(s, which);

	if (fd < 0)
		return false;
	*arg = which == ARG_IN_MAP    ? (unsigned long)probe.in_map
	       : which == ARG_IN_PATH ? (unsigned long)probe.in_path
	       : which == ARG_MEMORY  ? (unsigned long)probe.memory
	       : which == ARG_SIBLING ? (unsigned long)probe.sibling
				      : (unsigned long)fd;
	return true;
}

static void probe_prepare(const struct stage *s)
{
	int in = stage_fd_get(s, FD_RING_IN_DATA, 0);

	probe.memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (in >= 0)
		probe.in_map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, in, 0);
	(void)snprintf(probe.in_path, sizeof(probe.in_path), "/proc/self/fd/%d", in);
	/* only who may make one gets beyond the filter's first word */
	probe.memfd = (int)syscall(SYS_memfd_create, "x", 0);
	if (probe.memfd >= 0)
		(void)!write(probe.memfd, "x", 1);
}

/* --- attempts of more than one call --- */

/* The counter is filled to the brim: the next who rings must not wait. */
static long fill_wake(int fd)
{
	const uint64_t most = UINT64_MAX - 1, one = 1;

	for (int i = 0; i < 2; i++)
		if (write(fd, &most, sizeof(most)) < 0 && errno != EAGAIN)
			return -errno;
	if (write(fd, &one, sizeof(one)) >= 0)
		return -EOVERFLOW;
	return errno == EAGAIN ? 0 : -errno;
}

static long send_abstract(int fd)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "\0" ATTEMPT_ABSTRACT};
	struct iovec iov = {.iov_base = (char[]){"x"}, .iov_len = 1};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_name = &addr,
		.msg_namelen = offsetof(struct sockaddr_un, sun_path) + sizeof(ATTEMPT_ABSTRACT)};

	return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* What the kernel answers to "set interface 1 up as it is". */
static long set_link(int fd)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
	} q = {.head = {.nlmsg_len = sizeof(q),
		       .nlmsg_type = RTM_SETLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.link = {.ifi_family = AF_UNSPEC, .ifi_index = 1}};
	struct iovec iov = {.iov_base = &q, .iov_len = sizeof(q)};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_name = &kernel,
		.msg_namelen = sizeof(kernel)};
	char answer[4096];

	if (sendmsg(fd, &m, 0) < 0)
		return -errno;
	iov = (struct iovec){.iov_base = answer, .iov_len = sizeof(answer)};
	m = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
	if (recvmsg(fd, &m, 0) < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)))
		return -EBADMSG;
	const struct nlmsghdr *h = (const struct nlmsghdr *)answer;
	const struct nlmsgerr *e = NLMSG_DATA(h);

	return h->nlmsg_type == NLMSG_ERROR ? e->error : -EBADMSG;
}

static long int80(void)
{
#ifdef __x86_64__
	long r;

	/* getpid of the 32-bit table */
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory");
	return r < 0 ? r : 0;
#else
	return -ENOSYS;
#endif
}

static void *do_nothing(void *arg)
{
	return arg;
}

static long thread(void)
{
	pthread_t t;
	int r = pthread_create(&t, NULL, do_nothing, NULL);

	return r ? -r : -pthread_join(t, NULL);
}

static long probe_do(const struct attempt *a, const unsigned long *x)
{
	long r;

	switch (a->nr) {
	case DO_FILL_WAKE:
		return fill_wake((int)x[0]);
	case DO_THREAD:
		return thread();
	case DO_INT80:
		return int80();
	case DO_SEND_ABSTRACT:
		return send_abstract((int)x[0]);
	case DO_RING:
		return ring_request(x);
	case DO_SET_LINK:
		return set_link((int)x[0]);
	default:
		r = syscall(a->nr, x[0], x[1], x[2], x[3], x[4], x[5]);
		return r < 0 ? -errno : 0;
	}
}

static void probe_try(struct stage *s, unsigned n)
{
	const struct attempt *a = &attempts[n];
	unsigned long x[6];
	bool is_held = true;
	long r = 0;

	memcpy(x, a->args, sizeof(x));
	for (int i = 0; i < 6; i++)
		is_held = probe_arg(s, &x[i]) && is_held;
	if (is_held)
		r = probe_do(a, x);
	/* the test sees that it is missing */
	(void)stage_send(s, CTL_RESULT, FD_NONE, n, (int)r, is_held, a->name, -1);
}

static void probe_run(struct stage *s)
{
	probe_prepare(s);
	if (strcmp(probe.what, "all") != 0) {
		unsigned n = (unsigned)strtoul(probe.what, NULL, 10);

		if (n < n_attempts)
			probe_try(s, n);
		return;
	}
	for (unsigned n = 0; n < n_attempts; n++)
		if (attempts[n].want != WANT_KILL)
			probe_try(s, n);
}

/* --- the skeleton's mains --- */

static void probe_args(int argc, char **argv)
{
	probe.what = argc > 1 ? argv[1] : "wait";
	probe.sibling = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
}

static int probe_turn(struct stage *s)
{
	if (strcmp(probe.what, "wait") == 0)
		return s->stopping ? -ENODATA : 0;
	probe_run(s);
	return -ENODATA;
}

static int probe_pre_seal(struct stage *s)
{
#ifdef PROBE_FILES
	int r = PROBE_FILES(&probe_io, -1);

	if (r == 0)
		r = stage_allow(s, &probe_io.ops->seal);
	return r < 0 ? r : stage_allow(s, &PROBE_SINK.seal); /* as the emitter's own */
#elif defined(PROBE_SINK)
	return stage_allow(s, &PROBE_SINK.seal); /* likewise */
#elif defined(PROBE_SPOOL)
	int r = PROBE_SPOOL(&probe_io, stage_fd_get(s, FD_SPOOL, 0));

	return r < 0 ? r : spool_allow(s, &probe_io); /* likewise */
#else
	(void)s;
	return 0;
#endif
}

int probe_stage_main(const struct stage_ops *ops, int argc, char **argv)
{
	const struct stage_ops tries = {.name = ops->name,
		.seal = ops->seal,
		.pre_seal = probe_pre_seal,
		.turn = probe_turn};

	probe_args(argc, argv);
	return stage_main(&tries, argc, argv);
}

static int probe_short(struct stage *s, int argc, char **argv)
{
	struct ctl_msg m;
	int fd = -1;

	(void)argc;
	(void)argv;
	if (strcmp(probe.what, "wait") != 0) {
		probe_run(s);
		return 0;
	}
	if (stage_send(s, CTL_READY, FD_NONE, 0, 0, 0, NULL, -1) < 0)
		return 1;
	while (ctl_recv(s->ctl_fd, &m, &fd) == 1)
		;
	return 1;
}

int probe_stage_run_main(const struct stage_run_ops *ops, int argc, char **argv)
{
	const struct stage_run_ops tries = {.name = ops->name,
		.seal = ops->seal,
		.keep_caps = ops->keep_caps,
		.run = probe_short};

	probe_args(argc, argv);
	return stage_run_main(&tries, argc, argv);
}
