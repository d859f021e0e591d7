/* SPDX-License-Identifier: Apache-2.0 */
/* -P FILE: our process id for service managers that want one. The file is the administrator's; it is
 * removed at the end only while it still names us. */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/log.h>

int pidfile_write(const char *path)
{
	_cleanup_close_ int fd =
		open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
	char text[32];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (fd < 0)
		return log_err_errno(-errno, "write the process id to '%s'", path);
	if (write(fd, text, (size_t)n) != n)
		return log_err_errno(-EIO, "write the process id to '%s'", path);
	return 0;
}

void pidfile_remove(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char text[32] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || atoi(text) != (int)getpid())
		return;
	(void)unlink(path); /* a stale one does no harm */
}
