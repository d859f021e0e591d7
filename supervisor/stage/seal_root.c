/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces of one's own and a root folder with nothing in it. Runs once, as root, before the
 * first hostile byte. */
#include <sys/mount.h>
#include <sys/syscall.h>

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <unistd.h>

#include "stage_priv.h"

/* A folder that every running host has: only the place where the empty root is mounted for a
 * moment, in a mount namespace of our own. */
#define SEAL_MOUNT_POINT "/proc"

int seal_namespaces(bool keep_net)
{
	/* The network namespace too: no stage but the dialer opens a socket after its seal,
	 * connected ones are handed over. */
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
		    (keep_net ? 0 : CLONE_NEWNET)) < 0)
		return -errno;
	/* What we mount and unmount from here on must not reach the host. */
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return 0;
	/* In a chroot the root is no mount and the one that it lies in has no name. The only mount
	 * that we add stands upon the one below, so that it is enough when this one is private. */
	if (errno != EINVAL || mount("none", SEAL_MOUNT_POINT, NULL, MS_PRIVATE, NULL) < 0)
		return -errno;
	return 0;
}

int seal_empty_root(void)
{
	const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (mount("saker", SEAL_MOUNT_POINT, "tmpfs", flags, "size=4k,nr_inodes=2,mode=0555") < 0)
		return -errno;
	if (chdir(SEAL_MOUNT_POINT) < 0)
		return -errno;
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		if (umount2(".", MNT_DETACH) < 0)
			return -errno;
	} else if (errno != EINVAL || chroot(".") < 0) {
		return -errno; /* EINVAL: the root is the initial ramdisk, which cannot be moved,
				  or the folder of a chroot */
	}
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | flags, NULL) < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}
