/* SPDX-License-Identifier: Apache-2.0 */
/* Starting probes. What they get is what supervisor/give.c gives the real ones, as far as attempts
 * use it; what runs in them is judged by the test, so nothing here trusts it. */
#include "probes.h"

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/capability.h>
#include <linux/netlink.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/macros.h>
#include <shm/segment.h>
#include <shm/settings.h>
#include <shm/spsc.h>
#include <shm/stats.h>

static const uint8_t run_id[16];

static struct {
	int programs[_PROG_MAX]; /* O_PATH */
	struct spsc_fds in, out;
	int wake_own, wake_peer, settings, sink, abstract, route;
	char folder_name[32];
	int folder;
	pid_t sibling;
} world;

static const struct {
	const char *name;
	enum plan_type type;
} programs[_PROG_MAX] = {
	[PROG_COLLECTOR] = {"collector", PLAN_COLLECTOR},
	[PROG_TRACKER] = {"tracker", PLAN_TRACKER},
	[PROG_EVALUATOR] = {"evaluator", PLAN_EVALUATOR},
	[PROG_EMITTER] = {"emitter", PLAN_EMITTER},
	[PROG_EMITTER_SPOOL] = {"emitter-spool", PLAN_EMITTER},
	[PROG_EMITTER_SPOOL_THREAD] = {"emitter-spool-thread", PLAN_EMITTER},
	[PROG_EMITTER_FILE] = {"emitter-file", PLAN_EMITTER},
	[PROG_EMITTER_PROGRAM] = {"emitter-program", PLAN_EMITTER},
	[PROG_EMITTER_SYSLOG] = {"emitter-syslog", PLAN_EMITTER},
	[PROG_EMITTER_HTTP] = {"emitter-http", PLAN_EMITTER},
	[PROG_EMITTER_KAFKA] = {"emitter-kafka", PLAN_EMITTER},
	[PROG_METADATA] = {"metadata", PLAN_METADATA},
	[PROG_GATE] = {"gate", PLAN_GATE},
	[PROG_DIALER] = {"dialer", PLAN_DIALER},
	[PROG_RECORDER] = {"recorder", PLAN_RECORDER},
	[PROG_POLICY] = {"policy", PLAN_POLICY},
	[PROG_TOOLS] = {"tools", PLAN_TOOLS},
	[PROG_LOADER] = {"loader", PLAN_LOADER},
};

const char *probe_program_str(enum program program)
{
	return programs[program].name;
}

enum plan_type probe_plan_type(enum program program)
{
	return programs[program].type;
}

/* --- set-up --- */

/* A connected datagram socket, as to a system logger; and one that waits under an abstract name. */
static int open_sockets(void)
{
	struct sockaddr_un log = {.sun_family = AF_UNIX, .sun_path = "\0saker-test-log"},
			   other = {.sun_family = AF_UNIX, .sun_path = "\0" ATTEMPT_ABSTRACT};
	const socklen_t base = offsetof(struct sockaddr_un, sun_path);
	int logger = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	world.sink = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	world.abstract = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	world.route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (logger < 0 || world.sink < 0 || world.abstract < 0 || world.route < 0)
		return -errno;
	if (bind(logger, (struct sockaddr *)&log, base + sizeof("\0saker-test-log") - 1) < 0 ||
		connect(world.sink, (struct sockaddr *)&log,
			base + sizeof("\0saker-test-log") - 1) < 0 ||
		bind(world.abstract, (struct sockaddr *)&other, base + sizeof(ATTEMPT_ABSTRACT)) <
			0)
		return -errno;
	return 0;
}

/* As a spool folder. The probes of all modes use the same one. */
static int open_folder(void)
{
	(void)snprintf(world.folder_name, sizeof(world.folder_name), "/tmp/saker-seal-XXXXXX");
	if (!mkdtemp(world.folder_name) || chmod(world.folder_name, 0777) < 0)
		return -errno;
	world.folder = open(world.folder_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return world.folder < 0 ? -errno : 0;
}

static void remove_folder(void)
{
	(void)unlinkat(world.folder, ATTEMPT_FILE, 0);
	(void)rmdir(world.folder_name);
}

int probes_open(char *const *paths)
{
	struct settings settings = {.n_evaluators = 1};
	int r;

	for (unsigned i = 0; i < _PROG_MAX; i++) {
		world.programs[i] = open(paths[i], O_PATH | O_CLOEXEC);
		if (world.programs[i] < 0)
			return -errno;
	}
	r = open_sockets();
	if (r == 0)
		r = open_folder();
	if (r == 0)
		r = spsc_create("in", SPSC_SIZE_MIN, false, run_id, &world.in);
	if (r == 0)
		r = spsc_create("out", SPSC_SIZE_MIN, false, run_id, &world.out);
	if (r == 0)
		r = seg_create_sealed("settings", SEG_SETTINGS, &settings, sizeof(settings), run_id,
			&world.settings);
	world.wake_own = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	world.wake_peer = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r < 0 || world.wake_own < 0 || world.wake_peer < 0)
		return r < 0 ? r : -errno;
	world.sibling = fork();
	if (world.sibling == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* of the probes' uid, so that no right but the seal protects it */
		(void)!setuid(geteuid() == 0 ? PROBE_UID : geteuid());
		for (;;)
			(void)pause();
	}
	return world.sibling < 0 ? -errno : 0;
}

bool probes_are_unhurt(void)
{
	char byte;
	bool is_alive = waitpid(world.sibling, NULL, WNOHANG) == 0;
	bool is_quiet = recv(world.abstract, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;

	remove_folder();
	(void)kill(world.sibling, SIGKILL);
	(void)waitpid(world.sibling, NULL, 0);
	return is_alive && is_quiet;
}

/* --- one probe --- */

static int send_one(const struct probe *p, enum ctl_type type, enum ctl_role role, int fd)
{
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = type, .role = role};

	(void)snprintf(m.text, sizeof(m.text), "%s", probe_program_str(p->program));
	if (type == CTL_HELLO) {
		m.value[0] = seg_abi_hash();
		m.value[1] = p->mode == PLAN_MODE_USER ? 0 : PROBE_UID + p->program;
		m.value[2] = plan_required_seal(
			probe_plan_type(p->program), p->mode, seal_landlock_abi() > 0);
	}
	return ctl_send(p->sock, &m, fd);
}

/* Which of the descriptors a program has by its row of the plan. */
static bool has_role(enum program program, enum ctl_role role)
{
	const unsigned in = ONLY(COLLECTOR) | ONLY(TRACKER) | ONLY(EVALUATOR) | ONLY(EMITTER) |
			    SPOOLED | LINED | NET_EMITTERS | ONLY(RECORDER) | ONLY(METADATA) |
			    ONLY(GATE),
		       out = ONLY(COLLECTOR) | ONLY(TRACKER) | ONLY(EVALUATOR) | ONLY(METADATA) |
			     ONLY(GATE),
		       stages = in | out | ONLY(DIALER), bit = 1U << program;

	switch (role) {
	case FD_RING_IN_DATA:
	case FD_RING_IN_CURSOR:
		return in & bit;
	case FD_RING_OUT_DATA:
	case FD_RING_OUT_CURSOR:
	case FD_WAKE_PEER:
		return out & bit;
	case FD_STATS:
	case FD_WAKE_OWN:
		return stages & bit;
	case FD_SETTINGS:
		return (stages | ONLY(LOADER)) & bit;
	case FD_SINK:
		return (ONLY(EMITTER) | SPOOLED | LINED) & bit;
	case FD_SPOOL:
		return SPOOLED & bit;
	case FD_NETLINK:
		return program == PROG_METADATA;
	default:
		return false;
	}
}

static int hand_over(const struct probe *p)
{
	_cleanup_close_ int stats_rw = -1, stats_ro = -1;
	int r = seg_create(
		"stats", SEG_STATS, sizeof(struct stats_page), run_id, &stats_rw, &stats_ro);
	const struct {
		enum ctl_role role;
		int fd;
	} all[] = {
		{FD_SETTINGS, world.settings},
		{FD_STATS, stats_rw},
		{FD_RING_IN_DATA, world.in.data_ro},
		{FD_RING_IN_CURSOR, world.in.cursor_rw},
		{FD_RING_OUT_DATA, world.out.data_rw},
		{FD_RING_OUT_CURSOR, world.out.cursor_ro},
		{FD_WAKE_OWN, world.wake_own},
		{FD_WAKE_PEER, world.wake_peer},
		{FD_SINK, world.sink},
		{FD_SPOOL, world.folder},
		{FD_NETLINK, world.route},
	};

	if (r == 0)
		r = send_one(p, CTL_HELLO, FD_NONE, -1);
	for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++)
		if (has_role(p->program, all[i].role))
			r = send_one(p, CTL_FD, all[i].role, all[i].fd);
	return r < 0 ? r : send_one(p, CTL_START, FD_NONE, -1);
}

/* Rights as at a start in that mode; exec makes it so. */
static int enter_mode(enum plan_mode mode)
{
	if (geteuid() != 0 || mode == PLAN_MODE_FULL)
		return 0;
	if (mode == PLAN_MODE_CONTAINER)
		return prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0);
	return setgroups(0, NULL) < 0 || setresgid(PROBE_NOBODY, PROBE_NOBODY, PROBE_NOBODY) < 0 ||
			       setresuid(PROBE_NOBODY, PROBE_NOBODY, PROBE_NOBODY) < 0
		       ? -1
		       : 0;
}

static void _noreturn_ become(const struct probe *p, int sock, const char *what)
{
	char sibling[16],
		*argv[] = {(char *)probe_program_str(p->program), (char *)what, sibling, NULL},
		*env[] = {NULL};
	int program = fcntl(world.programs[p->program], F_DUPFD_CLOEXEC, 20);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int high = fcntl(sock, F_DUPFD_CLOEXEC, 20);

	(void)snprintf(sibling, sizeof(sibling), "%d", (int)world.sibling);
	for (int fd = 0; fd <= CTL_FD_LOG; fd++)
		if (fd != CTL_FD_SOCKET)
			(void)dup2(null, fd);
	(void)dup2(high, CTL_FD_SOCKET);
	if (enter_mode(p->mode) == 0)
		(void)syscall(SYS_execveat, program, "", argv, env, AT_EMPTY_PATH);
	_exit(127);
}

int probe_start(struct probe *p, const char *what)
{
	int pair[2];

	p->steps = p->landlock = 0;
	(void)unlinkat(world.folder, ATTEMPT_FILE, 0); /* another one's, perhaps of another uid */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	p->pid = fork();
	if (p->pid < 0)
		return -errno;
	if (p->pid == 0)
		become(p, pair[1], what);
	(void)close(pair[1]);
	p->sock = pair[0];
	return hand_over(p);
}

bool probe_wait(struct probe *p, enum ctl_type type, struct ctl_msg *ret)
{
	int fd = -1;

	while (ctl_recv(p->sock, ret, &fd) == 1) {
		(void)fd_close(fd);
		if (ret->type == CTL_SEALED) {
			p->steps = (uint32_t)ret->value[0];
			p->landlock = (uint32_t)ret->value[1];
		}
		if (ret->type == type)
			return true;
	}
	return false;
}

int probe_end(struct probe *p)
{
	int status;

	p->sock = fd_close(p->sock);
	return waitpid(p->pid, &status, 0) == p->pid ? status : -1;
}
