/* SPDX-License-Identifier: Apache-2.0 */
/* The seal, looked at from outside and tried from inside: a probe stage is started as the
 * supervisor would, once for each attempt, and its end compared with the table. As root all steps
 * are required; otherwise those of an unprivileged start. Usage: test_seal PROBE */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <shm/segment.h>
#include <shm/settings.h>
#include <shm/stats.h>
#include <stage/ctl.h>
#include <stage/seal.h>

#include "attempts.h"

#define PROBE_UID 60990

struct probe {
	pid_t pid;
	int sock;
	uint32_t steps, landlock;
};

static bool is_root;
static int failures;

static void fail(const char *what, const char *detail)
{
	printf("BAD  %s: %s\n", what, detail);
	failures++;
}

static int send_msg(int sock, enum ctl_type type, enum ctl_role role, int fd)
{
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = type, .role = role, .text = "probe"};

	if (type == CTL_HELLO) {
		m.value[0] = seg_abi_hash();
		m.value[1] = is_root ? PROBE_UID : 0;
		m.value[2] =
			SEAL_STEPS_ALL & ~(is_root ? 0U : SEAL_UID | SEAL_NAMESPACES | SEAL_ROOT);
		if (seal_landlock_abi() == 0)
			m.value[2] &= ~(uint64_t)SEAL_LANDLOCK;
	}
	return ctl_send(sock, &m, fd);
}

static int hand_over(int sock)
{
	static const uint8_t run_id[16];
	struct settings settings = {.n_evaluators = 1};
	_cleanup_close_ int set = -1, stats_rw = -1, stats_ro = -1;
	int r;

	r = seg_create_sealed("settings", SEG_SETTINGS, &settings, sizeof(settings), run_id, &set);
	if (r == 0)
		r = seg_create("stats", SEG_STATS, sizeof(struct stats_page), run_id, &stats_rw,
			&stats_ro);
	if (r == 0)
		r = send_msg(sock, CTL_HELLO, FD_NONE, -1);
	if (r == 0)
		r = send_msg(sock, CTL_FD, FD_SETTINGS, set);
	if (r == 0)
		r = send_msg(sock, CTL_FD, FD_STATS, stats_rw);
	return r < 0 ? r : send_msg(sock, CTL_START, FD_NONE, -1);
}

static int start(const char *program, int attempt, struct probe *ret)
{
	char number[16], *argv[] = {(char *)program, number, NULL}, *env[] = {NULL};
	int pair[2];

	(void)snprintf(number, sizeof(number), "%d", attempt);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ret->pid = fork();
	if (ret->pid < 0)
		return -errno;
	if (ret->pid == 0) {
		int high = fcntl(pair[1], F_DUPFD_CLOEXEC, 20);
		int log = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)dup2(log, 4);
		(void)dup2(high, 3);
		(void)execve(program, argv, env);
		_exit(127);
	}
	(void)close(pair[1]);
	ret->sock = pair[0];
	return hand_over(ret->sock);
}

/* Until a message of that type; false when the probe is gone first. */
static bool wait_for(struct probe *p, enum ctl_type type, struct ctl_msg *ret)
{
	int fd = -1;

	while (ctl_recv(p->sock, ret, &fd) == 1) {
		if (ret->type == CTL_SEALED) {
			p->steps = (uint32_t)ret->value[0];
			p->landlock = (uint32_t)ret->value[1];
		}
		if (ret->type == type)
			return true;
	}
	return false;
}

static void try_one(const char *program, unsigned n)
{
	const struct attempt *a = &attempts[n];
	struct probe p = {.sock = -1};
	struct ctl_msg m = {0};
	char detail[128];
	bool has_result, ok = false;
	int status = 0;

	if (start(program, (int)n, &p) < 0) {
		fail(a->name, "cannot start the probe");
		return;
	}
	has_result = wait_for(&p, CTL_RESULT, &m);
	(void)close(p.sock);
	if (waitpid(p.pid, &status, 0) != p.pid) {
		fail(a->name, "the probe is lost");
		return;
	}
	switch (a->want) {
	case WANT_OK:
		ok = has_result && m.result == 0;
		break;
	case WANT_EPERM:
		ok = has_result && m.result == -EPERM;
		break;
	case WANT_KILL:
		ok = !has_result && p.steps & SEAL_SECCOMP && WIFSIGNALED(status) &&
		     WTERMSIG(status) == SIGSYS;
		break;
	}
	(void)snprintf(detail, sizeof(detail), "steps %#x, result %s %d, wait status %#x", p.steps,
		has_result ? "is" : "none", m.result, (unsigned)status);
	if (!ok)
		fail(a->name, detail);
	else
		printf("ok   %s\n", a->name);
}

static void expect_line(const char *status, const char *line)
{
	if (!strstr(status, line))
		fail("state of the sealed process lacks", line);
}

static unsigned count_entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	if (!d)
		return 999;
	for (const struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static void expect_own_namespace(pid_t pid, const char *name)
{
	char path[64], ours[64] = "", theirs[64] = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	if (readlink(path, theirs, sizeof(theirs) - 1) < 0)
		fail(path, strerror(errno));
	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	if (readlink(path, ours, sizeof(ours) - 1) < 0 || strcmp(ours, theirs) == 0)
		fail("not a namespace of its own", name);
}

static void look_from_outside(const char *program)
{
	struct probe p = {.sock = -1};
	struct ctl_msg m;
	char path[64], text[4096];
	ssize_t n = -1;
	int fd, status = 0;

	if (start(program, -1, &p) < 0 || !wait_for(&p, CTL_READY, &m)) {
		fail("probe", "does not become ready");
		return;
	}
	if (seal_landlock_abi() != p.landlock)
		fail("landlock", "not in force although the kernel has it");
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)p.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, text, sizeof(text) - 1);
	(void)fd_close(fd);
	text[n > 0 ? n : 0] = 0;
	expect_line(text, "NoNewPrivs:\t1");
	expect_line(text, "Seccomp:\t2");
	expect_line(text, "CapEff:\t0000000000000000");
	expect_line(text, "CapPrm:\t0000000000000000");
	expect_line(text, "CapInh:\t0000000000000000");
	expect_line(text, "Name:\tsaker-probe");
	if (is_root) {
		static const char *const spaces[] = {"mnt", "ipc", "uts", "cgroup", "net"};

		expect_line(text, "CapBnd:\t0000000000000000");
		expect_line(text, "Uid:\t60990\t60990\t60990\t60990");
		expect_line(text, "Gid:\t60990\t60990\t60990\t60990");
		expect_line(text, "Groups:\t \n");
		(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)p.pid);
		if (count_entries(path) != 0)
			fail("root folder", "is not empty");
		for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
			expect_own_namespace(p.pid, spaces[i]);
	}
	/* the other end goes away: so does the probe, by itself */
	(void)close(p.sock);
	if (waitpid(p.pid, &status, 0) != p.pid || !WIFEXITED(status) || WEXITSTATUS(status) != 1)
		fail("end of file on the control socket", "does not end the stage");
	else
		printf("ok   state from outside, end with the supervisor\n");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s PROBE\n", argv[0]);
		return 2;
	}
	is_root = geteuid() == 0;
	(void)signal(SIGPIPE, SIG_IGN);
	look_from_outside(argv[1]);
	for (unsigned i = 0; i < n_attempts; i++)
		try_one(argv[1], i);
	printf("%u attempts as %s, %d bad\n", n_attempts, is_root ? "root" : "user", failures);
	return failures ? 1 : 0;
}
