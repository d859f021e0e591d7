/* SPDX-License-Identifier: Apache-2.0 */
/* Files of outputs that were renamed aside: their names, their number, their compression. All of it
 * runs in a short-lived child (files.c). Compressing is work on bytes that others chose: its process
 * has two descriptors and, by seccomp's strict mode, three system calls. Only names of the form that
 * rotation gives are removed or compressed, and symbolic links are not followed there. */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/seccomp.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "sup.h"

#define NAME_LEN 20 /* of "20261127T134520.123Z" */
#define RENAME_TRIES 1000
#define OLD_MAX 4096 /* rotated files that are looked at in one round */

/* "/var/log/saker/alerts.jsonl" as folder and name. */
struct place {
	char dir[PLAN_PATH_MAX];
	const char *base;
};

static void split(const char *path, struct place *ret)
{
	const char *slash = strrchr(path, '/');

	ret->base = slash ? slash + 1 : path;
	if (!slash)
		memcpy(ret->dir, ".", 2);
	else
		(void)snprintf(ret->dir, sizeof(ret->dir), "%.*s",
			slash == path ? 1 : (int)(slash - path), path);
}

static int open_dir(const struct place *p)
{
	int fd = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

bool sup_old_is_due(const struct plan_output *o)
{
	uint64_t now_ns = clock_epoch_ns(), born_ns;
	struct statx st;

	if (statx(AT_FDCWD, o->path, AT_SYMLINK_NOFOLLOW,
		    STATX_SIZE | STATX_MTIME | STATX_BTIME | STATX_TYPE, &st) < 0 ||
		!S_ISREG(st.stx_mode) || st.stx_size == 0)
		return false;
	born_ns = st.stx_mask & STATX_BTIME ? (uint64_t)st.stx_btime.tv_sec * NS_PER_S
					    : (uint64_t)st.stx_mtime.tv_sec * NS_PER_S;
	/* the next line did not fit: it may have been a long one */
	if (o->rotate_size && st.stx_size >= o->rotate_size / 2)
		return true;
	return o->rotate_age_ns && now_ns > born_ns && now_ns - born_ns >= o->rotate_age_ns;
}

static int rename_aside(int dir, const char *base)
{
	uint64_t ms = clock_epoch_ns() / NS_PER_MS;
	char name[NAME_MAX + 1];
	int r = -EEXIST;

	for (unsigned i = 0; i < RENAME_TRIES && r == -EEXIST; i++, ms++) {
		time_t t = (time_t)(ms / 1000);
		char stamp[24];
		struct tm tm;

		if (!gmtime_r(&t, &tm))
			return -EOVERFLOW;
		(void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
		if (snprintf(name, sizeof(name), "%s.%s.%03uZ", base, stamp,
			    (unsigned)(ms % 1000)) >= (int)sizeof(name) - 8)
			return -ENAMETOOLONG;
		r = renameat2(dir, base, dir, name, RENAME_NOREPLACE) < 0 ? -errno : 0;
		if (r == -EINVAL) /* the file system cannot promise it */
			r = faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? -EEXIST
			    : renameat(dir, base, dir, name) < 0                 ? -errno
										 : 0;
	}
	return r;
}

/* "BASE.20261127T134520.123Z", with or without ".gz": its length without that, else 0. */
static size_t match_old(const char *name, const char *base, bool *ret_gz)
{
	static const char form[NAME_LEN + 1] = "00000000T000000.000Z";
	size_t n = strlen(base);
	const char *p = name + n + 1;

	if (strncmp(name, base, n) != 0 || name[n] != '.')
		return 0;
	for (size_t i = 0; i < NAME_LEN; i++)
		if (form[i] == '0' ? p[i] < '0' || p[i] > '9' : p[i] != form[i])
			return 0;
	*ret_gz = strcmp(p + NAME_LEN, ".gz") == 0;
	return p[NAME_LEN] == 0 || *ret_gz ? n + 1 + NAME_LEN : 0;
}

struct old_file {
	char name[NAME_MAX + 1];
	bool is_gz;
};

/* Their stamps sort as times do. */
static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct old_file *)a)->name, ((const struct old_file *)b)->name);
}

/* Rotated files, oldest first. How many, or negative errno. */
static int list_old(int dir, const char *base, struct old_file *ret_old)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		n = -errno;
		(void)fd_close(fd);
		return n;
	}
	for (const struct dirent *e; n < OLD_MAX && (e = readdir(d));)
		if (match_old(e->d_name, base, &ret_old[n].is_gz))
			(void)snprintf(ret_old[n++].name, sizeof(ret_old[0].name), "%s", e->d_name);
	(void)closedir(d);
	qsort(ret_old, (size_t)n, sizeof(*ret_old), by_name);
	return n;
}

static void remove_oldest(const struct plan_output *o, int dir, const char *base)
{
	struct old_file *old = calloc(OLD_MAX, sizeof(*old)); /* this process ends soon */
	int n = old ? list_old(dir, base, old) : -ENOMEM;

	if (n < 0)
		log_warning_errno(n, "look for old files of '%s'", o->path);
	for (int i = 0; n >= 0 && i < n - (int)o->rotate_keep; i++) {
		char part[NAME_MAX + 16];

		if (unlinkat(dir, old[i].name, 0) < 0 && errno != ENOENT)
			log_warning_errno(-errno, "remove '%s', old file of output '%s'",
				old[i].name, o->name);
		(void)snprintf(part, sizeof(part), "%s.gz.part", old[i].name);
		(void)unlinkat(dir, part, 0); /* of a compressor that was ended; seldom there */
	}
}

int sup_old_rotate(const struct plan_output *o)
{
	_cleanup_close_ int dir = -1;
	struct place p;
	int r;

	split(o->path, &p);
	dir = open_dir(&p);
	r = dir < 0 ? dir : rename_aside(dir, p.base);
	if (r == -ENOENT)
		return 0; /* it is gone already */
	if (r < 0)
		return log_err_errno(r, "rotate '%s'", o->path);
	remove_oldest(o, dir, p.base);
	(void)fsync(dir); /* not every file system has it for folders */
	return 0;
}

/* Reads 0, writes 1. Nothing but read, write and exit is allowed from the mark on. */
static void _noreturn_ deflate_all(void)
{
	static unsigned char in[65536], out[65536];
	z_stream z = {0};
	int flush = Z_NO_FLUSH,
	    r = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);

	if (r != Z_OK || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
		_exit(1);
	while (r != Z_STREAM_END) {
		ssize_t n = 0;

		if (z.avail_in == 0 && flush == Z_NO_FLUSH) {
			n = read(STDIN_FILENO, in, sizeof(in));
			if (n < 0)
				break;
			flush = n == 0 ? Z_FINISH : Z_NO_FLUSH;
			z.next_in = in;
			z.avail_in = (uInt)n;
		}
		z.next_out = out;
		z.avail_out = sizeof(out);
		r = deflate(&z, flush);
		for (size_t done = 0, len = sizeof(out) - z.avail_out; done < len;
			done += (size_t)n) {
			n = write(STDOUT_FILENO, out + done, len - done);
			if (n <= 0) {
				(void)syscall(SYS_exit, 1);
				__builtin_trap();
			}
		}
	}
	(void)syscall(SYS_exit, r != Z_STREAM_END);
	__builtin_trap();
}

static bool zip(int from, int to)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(from, STDIN_FILENO) < 0 || dup2(to, STDOUT_FILENO) < 0 ||
			syscall(SYS_close_range, STDERR_FILENO, ~0U, 0) < 0)
			_exit(1);
		deflate_all();
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static int zip_one(int dir, const char *name)
{
	char part[NAME_MAX + 16], done[NAME_MAX + 16];
	_cleanup_close_ int from = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), to = -1;
	struct stat st;

	if (from < 0 || fstat(from, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	(void)snprintf(part, sizeof(part), "%s.gz.part", name);
	(void)snprintf(done, sizeof(done), "%s.gz", name);
	if (unlinkat(dir, part, 0) < 0 && errno != ENOENT)
		return -errno;
	to = openat(dir, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	if (!zip(from, to)) {
		(void)unlinkat(dir, part, 0);
		return -EIO;
	}
	if (fsync(to) < 0 || renameat(dir, part, dir, done) < 0)
		return -errno;
	(void)fsync(dir); /* not every file system has it for folders */
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int sup_old_zip_one(const struct plan_output *o)
{
	struct old_file *old = calloc(OLD_MAX, sizeof(*old)); /* this process ends soon */
	_cleanup_close_ int dir = -1;
	struct place p;
	int n, r;

	split(o->path, &p);
	dir = open_dir(&p);
	n = !old ? -ENOMEM : dir < 0 ? dir : list_old(dir, p.base, old);
	if (n < 0)
		return log_warning_errno(n, "look for old files of '%s'", o->path);
	for (int i = 0; i < n; i++) {
		if (old[i].is_gz)
			continue;
		r = zip_one(dir, old[i].name);
		if (r < 0)
			return log_warning_errno(r, "compress '%s/%s'", p.dir, old[i].name);
		return 1;
	}
	return 0;
}
