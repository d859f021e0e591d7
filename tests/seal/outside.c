/* SPDX-License-Identifier: Apache-2.0 */
/* A sealed process as /proc shows it, and Landlock alone. Needs no right but to look at one's own
 * children; as root more is visible, and more is looked at. */
#include "outside.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/capability.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/macros.h>

#include <stage_priv.h>

#define LOADER_CAPS (1ULL << 38 | 1ULL << 39) /* CAP_PERFMON, CAP_BPF */

static void bad(const struct probe *p, const char *what, const char *detail)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "%s, %s, from outside: %s",
		probe_program_str(p->program), plan_mode_str(p->mode), what);
	seal_fail(text, detail);
}

static void read_proc(pid_t pid, const char *name, char *text, size_t cap)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, text, cap - 1);
	text[n > 0 ? n : 0] = 0;
}

static void expect_line(const struct probe *p, const char *text, const char *line)
{
	if (!strstr(text, line))
		bad(p, "its status lacks", line);
}

static void look_at_ids(const struct probe *p, const char *text)
{
	unsigned uid = p->mode != PLAN_MODE_USER ? PROBE_UID + p->program
		       : geteuid() == 0          ? PROBE_NOBODY
						 : geteuid();
	char line[96];

	(void)snprintf(line, sizeof(line), "\nUid:\t%u\t%u\t%u\t%u\n", uid, uid, uid, uid);
	expect_line(p, text, line);
	if (geteuid() != 0)
		return;
	(void)snprintf(line, sizeof(line), "\nGid:\t%u\t%u\t%u\t%u\n", uid, uid, uid, uid);
	expect_line(p, text, line);
	expect_line(p, text, "\nGroups:\t \n");
}

static void look_at_caps(const struct probe *p, const char *text)
{
	static const char *const empty[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};

	for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
		bool is_loader = p->program == PROG_LOADER && p->mode != PLAN_MODE_USER;
		uint64_t want = is_loader && i >= 1 && i <= 3 ? LOADER_CAPS : 0;
		char line[64];

		/* without CAP_SETPCAP nobody can empty it; no_new_privs makes it meaningless */
		if (i == 3 && p->mode == PLAN_MODE_USER)
			continue;
		(void)snprintf(
			line, sizeof(line), "\n%s:\t%016llx\n", empty[i], (unsigned long long)want);
		expect_line(p, text, line);
	}
}

static void look_at_limits(const struct probe *p)
{
	const bool is_short = p->program >= PROG_POLICY;
	char text[4096];

	read_proc(p->pid, "limits", text, sizeof(text));
	expect_line(p, text, "Max core file size        0                    0 ");
	/* which make threads */
	if (p->program != PROG_LOADER && p->program != PROG_EMITTER_KAFKA &&
		!((SPOOLED | ONLY(EMITTER_FILE)) >> p->program & 1))
		expect_line(p, text, "Max processes             0                    0 ");
	expect_line(p, text, "Max open files            4096                 4096 ");
	if (!is_short &&
		!((ONLY(EMITTER) | SPOOLED | ONLY(EMITTER_FILE) | ONLY(RECORDER)) >> p->program &
			1))
		expect_line(p, text, "Max file size             0                    0 ");
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

static void look_at_world(const struct probe *p)
{
	static const char *const spaces[] = {"mnt", "ipc", "uts", "cgroup", "net"};
	const bool has_own = p->mode == PLAN_MODE_FULL && p->program != PROG_LOADER;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)p->pid);
	if (has_own && count_entries(path) != 0)
		bad(p, "its root folder", "is not empty");
	for (size_t i = 0; has_own && i < ARRAY_LEN(spaces); i++) {
		char ours[64] = "", theirs[64] = "";

		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)p->pid, spaces[i]);
		if (readlink(path, theirs, sizeof(theirs) - 1) < 0)
			bad(p, path, strerror(errno));
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", spaces[i]);
		if (readlink(path, ours, sizeof(ours) - 1) < 0)
			bad(p, path, strerror(errno));
		/* the dialer's network is the host's: that is what it is for */
		if ((strcmp(ours, theirs) == 0) !=
			(p->program == PROG_DIALER && strcmp(spaces[i], "net") == 0))
			bad(p, "the wrong namespace", spaces[i]);
	}
}

static void look_at_owner(const struct probe *p)
{
	char path[64];
	struct stat st;

	/* a process that is not dumpable belongs to root in /proc, whatever its uid */
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)p->pid);
	if (stat(path, &st) < 0 || st.st_uid != 0)
		bad(p, path, "is not root's: it is dumpable");
}

void outside_look(struct probe *p)
{
	uint32_t required =
		plan_required_seal(probe_plan_type(p->program), p->mode, seal_landlock_abi() > 0);
	char text[4096], line[64];
	struct ctl_msg m;
	int status;

	if (probe_start(p, "wait") < 0 || !probe_wait(p, CTL_READY, &m)) {
		bad(p, "start", "does not become ready");
		(void)probe_end(p);
		return;
	}
	if ((p->steps & required) != required)
		bad(p, "steps", "required ones are missing in its report");
	if (p->program != PROG_LOADER && seal_landlock_abi() != p->landlock)
		bad(p, "landlock", "not in force although the kernel has it");
	read_proc(p->pid, "status", text, sizeof(text));
	(void)snprintf(line, sizeof(line), "Name:\tsaker-%.*s\n",
		(int)MIN(strcspn(probe_program_str(p->program), "-"), (size_t)9),
		probe_program_str(p->program));
	expect_line(p, text, line);
	expect_line(p, text, "\nNoNewPrivs:\t1\n");
	expect_line(p, text, "\nSeccomp:\t2\n");
	look_at_ids(p, text);
	look_at_caps(p, text);
	look_at_limits(p);
	look_at_owner(p);
	look_at_world(p);
	/* the other end goes away: so does the probe, by itself */
	status = probe_end(p);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
		bad(p, "end of file on the control socket", "does not end it");
}

/* --- Landlock alone --- */

static int try_open(void)
{
	_cleanup_close_ int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? errno : 0;
}

static int try_list(void)
{
	_cleanup_close_ int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? errno : 0;
}

static int try_create(void)
{
	return mkdir("/tmp/saker-seal", 0700) < 0 ? errno : 0;
}

static int try_exec(void)
{
	char *argv[] = {(char *)"true", NULL}, *env[] = {NULL};

	(void)execve("/bin/true", argv, env);
	return errno;
}

static int try_tcp(bool is_connect)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = is_connect ? connect(fd, (struct sockaddr *)&a, sizeof(a))
			   : bind(fd, (struct sockaddr *)&a, sizeof(a));

	return r < 0 ? errno : 0;
}

static int try_connect(void)
{
	return try_tcp(true);
}

static int try_bind(void)
{
	return try_tcp(false);
}

static int try_abstract(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0" ATTEMPT_ABSTRACT};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&a,
		       offsetof(struct sockaddr_un, sun_path) + sizeof(ATTEMPT_ABSTRACT)) < 0
		       ? errno
		       : 0;
}

static int try_signal(void)
{
	return kill(getppid(), 0) < 0 ? errno : 0;
}

static const struct {
	const char *name;
	unsigned abi; /* from which on */
	int want;
	int (*run)(void);
} landlock_tries[] = {
	{"open a file", 1, EACCES, try_open},
	{"list the root folder", 1, EACCES, try_list},
	{"make a folder", 1, EACCES, try_create},
	{"execute a program", 1, EACCES, try_exec},
	{"bind to a TCP port", 4, EACCES, try_bind},
	{"connect to a TCP port", 4, EACCES, try_connect},
	{"connect to an abstract address", 6, EPERM, try_abstract},
	{"signal a process outside", 6, EPERM, try_signal},
};

static int run_landlocked(int (*try)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		uint32_t abi;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seal_landlock(false, 0, &abi) < 0)
			_exit(255);
		_exit(try());
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void landlock_alone(FILE *table)
{
	const unsigned abi = seal_landlock_abi();

	for (size_t i = 0; i < ARRAY_LEN(landlock_tries); i++) {
		int got;

		if (table)
			(void)fprintf(table, "landlock\t%s\t%u\t%s\n", landlock_tries[i].name,
				landlock_tries[i].abi, strerrorname_np(landlock_tries[i].want));
		if (abi < landlock_tries[i].abi)
			continue;
		got = run_landlocked(landlock_tries[i].run);
		if (got != landlock_tries[i].want) {
			char detail[64];

			(void)snprintf(detail, sizeof(detail), "error %d, wanted %d", got,
				landlock_tries[i].want);
			seal_fail(landlock_tries[i].name, detail);
		}
	}
	if (abi == 0)
		printf("this kernel has no Landlock: not tried\n");
}
