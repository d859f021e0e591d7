/* SPDX-License-Identifier: Apache-2.0 */
/* Is a block of uids free? A process that shares a stage's uid could send it signals; so a block in
 * use is refused. Reads the kernel's lists of processes. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>

#include "sup.h"

static void closedirp(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

/* Real, effective, saved and file-system uid of a process, from the kernel's text; 0 if it is gone
 * or only waits to be buried. */
static int read_uids(int proc_fd, const char *pid, unsigned long ret[4])
{
	_cleanup_close_ int fd = -1;
	char path[64], text[2048], *p;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%.32s/status", pid);
	fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = 0;
	p = strstr(text, "\nState:\t"); /* a newline in the name is escaped by the kernel */
	if (p && (p[8] == 'Z' || p[8] == 'X'))
		return 0;
	p = strstr(text, "\nUid:");
	if (!p)
		return 0;
	p += 5;
	for (int i = 0; i < 4; i++)
		ret[i] = strtoul(p, &p, 10);
	return 1;
}

int sup_uids_check(uint32_t first, uint32_t count, uint32_t *reterr_uid, int *reterr_pid)
{
	_cleanup_(closedirp) DIR *d = opendir("/proc");
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		unsigned long uids[4];

		if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
			!read_uids(dirfd(d), e->d_name, uids))
			continue;
		for (int i = 0; i < 4; i++) {
			if (uids[i] < first || uids[i] - first >= count)
				continue;
			*reterr_uid = (uint32_t)uids[i];
			*reterr_pid = atoi(e->d_name);
			return -EADDRINUSE;
		}
	}
	return 0;
}
