/* SPDX-License-Identifier: Apache-2.0 */
/* Passwd and group files of a container, for saker-metadata. A child of a moment looks the process up, enters nothing, resolves both names below the process's root
 * (no link leads out of it), opens only what is a regular file, copies at most a megabyte of each into memory of its own and sends that: whoever parses it touches no
 * file system of the container's, which may be one that never answers. The child keeps the two capabilities that this takes; it parses nothing but the kernel's own
 * text, to see that the process is the container's. One that hangs is killed, and there are few at a time, so a hostile container costs its own names. */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/capability.h>
#include <linux/openat2.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "sup.h"

#define FILE_BYTES_MAX (1u << 20)
#define PATIENCE_NS (2 * NS_PER_S)
#define SAY_AGAIN_NS (600 * NS_PER_S)
#define ROOT_TRIES 40 /* the runtime's helper still has the host's root for a moment */
#define ROOT_TRY_MS 5
#define ID_MIN 2 /* bytes; shorter ones tell nothing apart */

static const char *const names[SUP_ROOT_FILES] = {"etc/passwd", "etc/group"};

/* A copy of the first megabyte. */
static int copy_of(int file)
{
	_cleanup_close_ int copy = memfd_create("names", MFD_CLOEXEC);
	char buf[16384];
	size_t n = 0;

	if (copy < 0)
		return -errno;
	while (n < FILE_BYTES_MAX) {
		ssize_t r = read(file, buf, MIN(sizeof(buf), FILE_BYTES_MAX - n));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		if (write(copy, buf, (size_t)r) != r)
			return -EIO;
		n += (size_t)r;
	}
	return TAKE_FD(copy);
}

int sup_root_file_copy(int root, const char *name)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	/* looked at before it is opened: opening a device may do something, and a pipe waits */
	_cleanup_close_ int place = (int)syscall(SYS_openat2, root, name, &how, sizeof(how));
	_cleanup_close_ int file = -1;
	char self[40];
	struct stat st;

	if (place < 0 || fstat(place, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", place);
	file = open(self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return file < 0 ? -errno : copy_of(file);
}

/* Does the process's cgroup name that container? */
static bool is_of(int process, const char *id)
{
	_cleanup_close_ int fd = openat(process, "cgroup", O_RDONLY | O_CLOEXEC);
	char text[8192];
	size_t n = 0;
	ssize_t r;

	while (fd >= 0 && n < sizeof(text) - 1 &&
		(r = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = 0;
	return strstr(text, id);
}

/* Ours, or init's: in a pod they are not the same. */
static bool is_host_root(const struct stat *st)
{
	static const char *const roots[] = {"/", "/proc/1/root"};
	struct stat host;

	for (size_t i = 0; i < ARRAY_LEN(roots); i++)
		if (stat(roots[i], &host) == 0 && st->st_dev == host.st_dev &&
			st->st_ino == host.st_ino)
			return true;
	return false;
}

/* A process that has ended is told apart from a file that is not there. */
static int gone(int error)
{
	return error == ENOENT ? -ESRCH : -error;
}

/* The process's root, once it is not the host's any more; one that stays so is the container's. */
static int open_root(int process)
{
	struct stat st;

	for (unsigned i = 0;; i++) {
		_cleanup_close_ int root =
			openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (root < 0 || fstat(root, &st) < 0)
			return gone(errno);
		if (i == ROOT_TRIES || !is_host_root(&st))
			return TAKE_FD(root);
		(void)poll(NULL, 0, ROOT_TRY_MS);
	}
}

static int keep_two_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const uint32_t bits = 1u << CAP_SYS_PTRACE | 1u << CAP_DAC_READ_SEARCH;
	struct __user_cap_data_struct data[2] = {{.effective = bits, .permitted = bits}};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &head, data) < 0)
		return -errno;
	return 0;
}

/* Both files, or why not: always as many messages. */
static void send_files(int line, struct ctl_msg *m, int root, int why)
{
	for (unsigned i = 0; i < SUP_ROOT_FILES; i++) {
		_cleanup_close_ int fd = root < 0 ? -1 : sup_root_file_copy(root, names[i]);

		m->value[0] = i;
		m->result = root < 0 ? why : MIN(fd, 0);
		(void)ctl_send(
			line, m, fd < 0 ? -1 : fd); /* it has ended: its successor asks again */
	}
}

static void _noreturn_ run_child(const struct sup_child *c, const struct ctl_msg *ask)
{
	struct ctl_msg m = {
		.magic = CTL_MAGIC, .type = CTL_SINK, .role = FD_USERS, .index = ask->index};
	char path[40];
	int line = c->ctl.fd, process, root = -1, r;

	/* nothing of ours is left but the line */
	if ((line > 0 && syscall(SYS_close_range, 0, line - 1, 0) < 0) ||
		syscall(SYS_close_range, line + 1, ~0U, 0) < 0)
		_exit(1);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)prctl(PR_SET_NAME, "saker-opener", 0, 0, 0);
	/* also in a pod the host's: it has its pid namespace */
	(void)snprintf(path, sizeof(path), "/proc/%llu", (unsigned long long)ask->value[0]);
	r = keep_two_capabilities();
	process = r < 0 ? r : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && process < 0)
		r = gone(errno);
	if (r == 0 && !is_of(process, ask->text))
		r = -ESRCH; /* ended, and the number is another's now */
	if (r == 0)
		root = open_root(process);
	send_files(line, &m, root, r < 0 ? r : root);
	_exit(0);
}

/* What can be the id of a container in a cgroup's name, and no more. */
static bool is_id(const char *id)
{
	size_t n = strlen(id);

	return n >= ID_MIN && n <= UINT8_MAX &&
	       strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:@") ==
		       n;
}

static struct sup_opener *free_place(struct sup_openers *all)
{
	struct sup_opener *place = NULL;
	unsigned n_working = 0;

	for (unsigned i = 0; i < SUP_OPENERS_ALL; i++) {
		n_working += all->all[i].pid && !all->all[i].is_killed;
		if (!all->all[i].pid && !place)
			place = &all->all[i];
	}
	return n_working < SUP_OPENERS ? place : NULL;
}

static void refuse(struct sup_child *c, uint32_t index, int why)
{
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = CTL_SINK, .role = FD_USERS, .index = index};

	send_files(c->ctl.fd, &m, -1, why);
}

void sup_opener_ask(struct sup *s, struct sup_child *c, const struct ctl_msg *ask)
{
	struct sup_opener *o = free_place(&s->openers);
	pid_t pid;

	if (!is_id(ask->text) || ask->value[0] == 0 || ask->value[0] > INT32_MAX) {
		refuse(c, ask->index, -EINVAL);
		return;
	}
	pid = o ? fork() : -1;
	if (pid == 0)
		run_child(c, ask);
	if (pid > 0) {
		*o = (struct sup_opener){.pid = pid,
			.index = ask->index,
			.until_ns = clock_mono_ns() + PATIENCE_NS,
			.asker = c,
			.asker_restarts = c->restarts};
		return;
	}
	if (o)
		log_warning_errno(
			-errno, "start a helper for the users of container %s", ask->text);
	s->openers.n_refused++;
	refuse(c, ask->index, -EAGAIN); /* it asks again */
}

/* Its place is another's once it has ended; the wait for it is over now. */
static void give_up(struct sup *s, struct sup_opener *o, uint64_t now_ns)
{
	(void)kill(o->pid, SIGKILL);
	o->is_killed = true;
	o->until_ns = now_ns + PATIENCE_NS;
	s->openers.n_killed++;
	if (o->asker->ctl.fd >= 0 && o->asker->restarts == o->asker_restarts)
		refuse(o->asker, o->index, -ETIMEDOUT);
}

void sup_openers_tick(struct sup *s, uint64_t now_ns)
{
	struct sup_openers *all = &s->openers;

	for (unsigned i = 0; i < SUP_OPENERS_ALL; i++) {
		struct sup_opener *o = &all->all[i];

		if (o->pid <= 0 || now_ns < o->until_ns)
			continue;
		if (!o->is_killed) {
			give_up(s, o, now_ns);
			continue;
		}
		o->until_ns = UINT64_MAX;
		/* whoever can make file systems hang must not fill the log too */
		if (all->said_ns && now_ns - all->said_ns < SAY_AGAIN_NS)
			continue;
		all->said_ns = now_ns;
		log_warning("a helper for the users of containers does not end although it was "
			    "killed (a file system does not answer): it keeps its place, %u of %u "
			    "are taken so; without one containers' users have no names",
			sup_openers_stuck(s), SUP_OPENERS_ALL);
	}
}

void sup_openers_reap(struct sup *s)
{
	for (unsigned i = 0; i < SUP_OPENERS_ALL; i++) {
		struct sup_opener *o = &s->openers.all[i];

		if (o->pid > 0 && waitpid(o->pid, NULL, WNOHANG) == o->pid)
			*o = (struct sup_opener){0};
	}
}

unsigned sup_openers_stuck(const struct sup *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SUP_OPENERS_ALL; i++)
		n += s->openers.all[i].pid && s->openers.all[i].is_killed;
	return n;
}
