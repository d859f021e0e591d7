/* SPDX-License-Identifier: Apache-2.0 */
/* Spool folders: one an output, below the one that the configuration names, private to the uid of its
 * emitter. An output keeps the uid that owns its folder, whatever place it has in the configuration;
 * where that cannot be (another block of uids), the folder and what lies in it change owner. Names in
 * the folder are the emitter's: they are looked at as entries alone, never followed. */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>

#include "sup.h"

/* Each part of the path that is missing. */
static int make_path(const char *path)
{
	char part[PLAN_PATH_MAX];

	for (size_t i = 1; path[0] && path[i]; i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return mkdir(path, 0711) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_base(const struct sup *s)
{
	int r = make_path(s->config->spool_directory), fd;

	if (r < 0)
		return r;
	fd = open(s->config->spool_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int give_entries(int dir_fd, uint32_t uid)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		r = -errno;
		(void)fd_close(fd);
		return r;
	}
	for (const struct dirent *e; r == 0 && (e = readdir(d));)
		if (e->d_type == DT_REG &&
			fchownat(dir_fd, e->d_name, uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
	(void)closedir(d);
	return r;
}

int sup_spool_open(struct sup *s, const struct sup_child *c)
{
	const char *name = s->config->outputs[c->proc->index].name;
	_cleanup_close_ int base = open_base(s), fd = -1;
	struct stat st;
	int r;

	if (base < 0)
		return base;
	if (mkdirat(base, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (c->proc->uid && st.st_uid != c->proc->uid) {
		/* entries first: who was interrupted here begins again */
		r = give_entries(fd, c->proc->uid);
		if (r < 0)
			return r;
		if (fchown(fd, c->proc->uid, c->proc->uid) < 0)
			return -errno;
	}
	return TAKE_FD(fd);
}

static uint32_t owner_of(int base, const char *name)
{
	struct stat st;

	return fstatat(base, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) ? st.st_uid
											 : 0;
}

/* Who has this uid now gets the one that is given up for it. */
static void exchange(struct plan *p, struct plan_proc *q, uint32_t uid)
{
	for (size_t i = 1; i < p->n_procs; i++)
		if (p->procs[i].uid == uid)
			p->procs[i].uid = q->uid;
	q->uid = uid;
}

void sup_spool_keep_uids(struct sup *s)
{
	const struct plan_config *c = s->config;
	const uint32_t first = c->uids_first + plan_row(PLAN_EMITTER)->uid_slot;
	_cleanup_close_ int base = -1;

	if (s->mode == PLAN_MODE_USER)
		return;
	base = open(c->spool_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 1; base >= 0 && i < s->plan.n_procs; i++) {
		struct plan_proc *q = &s->plan.procs[i];
		uint32_t uid;

		if (q->type != PLAN_EMITTER || !(c->outputs[q->index].flags & PLAN_OUT_F_SPOOL))
			continue;
		uid = owner_of(base, c->outputs[q->index].name);
		if (uid >= first && uid - c->uids_first < c->uids_count && uid != q->uid)
			exchange(&s->plan, q, uid);
	}
}
