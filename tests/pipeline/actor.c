/* SPDX-License-Identifier: Apache-2.0 */
/* Performs one real, harmless action that a rule looks for; copied under the name that the rule wants to see. Static, so that it runs in any container.
 * Prints nothing; exit status 0: the action was tried. Input: its own arguments, from the test. */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int act_open(char **a)
{
	static const struct {
		const char *name;
		int flags;
	} modes[] = {
		{"r", O_RDONLY},
		{"w", O_WRONLY | O_CREAT},
		{"t", O_WRONLY | O_CREAT | O_TRUNC},
	};
	char byte;
	int fd = -1;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(a[1], modes[i].name) == 0)
			fd = open(a[0], modes[i].flags, 0600);
	if (fd >= 0)
		(void)!read(fd, &byte, 1);
	return 0;
}

/* The system call open(2) itself, which libc no longer makes. */
static int act_open_old(char **a)
{
#ifdef SYS_open
	(void)syscall(SYS_open, a[0], O_RDONLY);
#endif
	return 0;
}

static int act_sleep_open(char **a)
{
	sleep((unsigned)atoi(a[0]));
	return act_open(a + 1);
}

static int act_uring_open(char **a)
{
	struct io_uring_params p = {0};
	int ring = (int)syscall(SYS_io_uring_setup, 4, &p);
	struct io_uring_sqe *sqes;
	unsigned *tail, *array, *mask;
	char *sq;

	if (ring < 0)
		return 2;
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(unsigned), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	sqes = mmap(NULL, p.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || sqes == MAP_FAILED)
		return 2;
	tail = (unsigned *)(sq + p.sq_off.tail);
	mask = (unsigned *)(sq + p.sq_off.ring_mask);
	array = (unsigned *)(sq + p.sq_off.array);
	memset(&sqes[0], 0, sizeof(sqes[0]));
	sqes[0].opcode = IORING_OP_OPENAT;
	sqes[0].fd = AT_FDCWD;
	sqes[0].addr = (uint64_t)(uintptr_t)a[0];
	sqes[0].open_flags = O_RDONLY;
	array[*tail & *mask] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	return syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1 ? 0
											     : 2;
}

static int act_link(char **a)
{
	return link(a[0], a[1]) < 0 && errno != EXDEV && errno != EPERM && errno != EEXIST;
}

static int act_symlink(char **a)
{
	return symlink(a[0], a[1]) < 0;
}

static int tcp_listener(struct sockaddr_in *ret_addr)
{
	socklen_t n = sizeof(*ret_addr);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	*ret_addr = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (s < 0 || bind(s, (struct sockaddr *)ret_addr, sizeof(*ret_addr)) < 0 ||
		listen(s, 1) < 0 || getsockname(s, (struct sockaddr *)ret_addr, &n) < 0)
		return -1;
	return s;
}

static int act_dup_socket(char **a)
{
	struct sockaddr_in addr;
	int s = socket(AF_INET, SOCK_STREAM, 0);

	(void)a;
	if (s < 0 || tcp_listener(&addr) < 0 ||
		connect(s, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return 2;
	return dup2(s, 0) < 0;
}

/* To an address that the test put on its own loopback device, in its own network namespace. */
static int act_connect(char **a)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(a[1]))};
	int s = socket(AF_INET, SOCK_STREAM, 0);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	if (s < 0 || l < 0 || inet_pton(AF_INET, a[0], &addr.sin_addr) != 1)
		return 2;
	if (bind(l, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(l, 1) < 0)
		return 2;
	return connect(s, (struct sockaddr *)&addr, sizeof(addr)) < 0;
}

static int act_packet(char **a)
{
	(void)a;
	return socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno != EPERM;
}

static int act_ptrace_attach(char **a)
{
	pid_t pid = fork();

	(void)a;
	if (pid < 0)
		return 2;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0)
		return 2;
	(void)waitpid(pid, NULL, 0);
	(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return 0;
}

static int act_ptrace_me(char **a)
{
	(void)a;
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0;
}

static int act_init_module(char **a)
{
	(void)a;
	(void)syscall(SYS_init_module, "not a module", 12UL,
		""); /* refused by every kernel: the attempt is what counts */
	return 0;
}

static int act_memfd_exec(char **a)
{
	char buf[65536];
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int fd = (int)syscall(SYS_memfd_create, "payload", 0);
	char *argv[] = {(char *)"payload", (char *)"nothing", NULL};
	ssize_t n;

	(void)a;
	if (in < 0 || fd < 0)
		return 2;
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(fd, buf, (size_t)n) != n)
			return 2;
	fexecve(fd, argv, environ);
	return 2;
}

/* Run a[0] with the rest as arguments, as a child, so that this program is its parent. */
static int spawn(char **a, uid_t uid)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return 2;
	if (pid == 0) {
		if (uid && (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0))
			_exit(2);
		execv(a[0], a);
		_exit(2);
	}
	return waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) ? 2 : WEXITSTATUS(status);
}

static int act_spawn(char **a)
{
	return spawn(a, 0);
}

static int act_spawn_daemon(char **a)
{
	return spawn(a, 1);
}

/* As an unprivileged user, opens and closes as fast as it can until it is killed. */
static int act_flood(char **a)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setgroups(0, NULL) < 0 || setgid(65534) < 0 ||
		setuid(65534) < 0)
		return 2;
	for (;;) {
		int fd = open(a[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0)
			return 2;
		(void)close(fd);
	}
}

static int act_nothing(char **a)
{
	(void)a;
	return 0;
}

static const struct {
	const char *name;
	int n_args; /* at least */
	int (*act)(char **args);
} acts[] = {
	{"open", 2, act_open},
	{"open-old", 1, act_open_old},
	{"sleep-open", 3, act_sleep_open},
	{"uring-open", 1, act_uring_open},
	{"link", 2, act_link},
	{"symlink", 2, act_symlink},
	{"dup-socket", 0, act_dup_socket},
	{"connect", 2, act_connect},
	{"packet", 0, act_packet},
	{"ptrace-attach", 0, act_ptrace_attach},
	{"ptrace-me", 0, act_ptrace_me},
	{"init-module", 0, act_init_module},
	{"memfd-exec", 0, act_memfd_exec},
	{"spawn", 1, act_spawn},
	{"spawn-daemon", 1, act_spawn_daemon},
	{"flood", 1, act_flood},
	{"nothing", 0, act_nothing},
};

int main(int argc, char **argv)
{
	if (argc < 2)
		return 0; /* started only to have been started */
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		if (strcmp(argv[1], acts[i].name) == 0 && argc - 2 >= acts[i].n_args)
			return acts[i].act(argv + 2);
	return 0; /* arguments that only the rule reads */
}
