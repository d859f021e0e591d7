/* SPDX-License-Identifier: Apache-2.0 */
/* User, group, capabilities and resource limits of a sealed process. Raw capset(): what matters is
 * the kernel's answer, not a library's view of it. */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/capability.h>

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "stage_priv.h"

#define SEAL_CAPS_MAX 64 /* more than any kernel knows; the unknown ones are EINVAL */

int seal_drop_bounding(uint64_t keep_caps)
{
	for (unsigned cap = 0; cap < SEAL_CAPS_MAX; cap++) {
		if (keep_caps >> cap & 1)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return -errno;
	}
	return 0;
}

bool seal_is_bounding_empty(uint64_t keep_caps)
{
	for (unsigned cap = 0; cap < SEAL_CAPS_MAX; cap++)
		if (!(keep_caps >> cap & 1) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			return false;
	return true;
}

int seal_set_uid(uint32_t uid, uint64_t keep_caps)
{
	if (keep_caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	if (keep_caps && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

int seal_drop_caps(uint64_t keep_caps)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct have[2] = {0}, data[2] = {0};

	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0,
		0); /* emptied with the permitted set anyway */
	if (syscall(SYS_capget, &head, have) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		/* what is not there cannot be kept: its use says so later, in words that fit */
		data[i].permitted = (uint32_t)(keep_caps >> (32 * i)) & have[i].permitted;
		data[i].effective = data[i].permitted;
	}
	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

#define SEAL_WORKERS 64

static int seal_limit(int resource, rlim_t max)
{
	struct rlimit l;

	if (getrlimit(resource, &l) < 0)
		return -errno;
	if (l.rlim_max != RLIM_INFINITY && l.rlim_max < max)
		max = l.rlim_max;
	l.rlim_cur = max;
	l.rlim_max = max;
	return setrlimit(resource, &l) < 0 ? -errno : 0;
}

/* Before 5.11 maps and programs are locked memory of who makes them, beyond any usual limit. Needs
 * CAP_SYS_RESOURCE; without it a newer kernel does not mind, and an older one says so at the load. */
static void seal_free_locked_memory(void)
{
	const struct rlimit l = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};

	(void)setrlimit(RLIMIT_MEMLOCK, &l);
}

int seal_rlimits(const struct seal_request *q)
{
	int r;

	if (q->keep_caps)
		seal_free_locked_memory();
	r = seal_limit(RLIMIT_CORE, 0);
	if (r == 0 && !q->spec->files && !q->makes_segments)
		r = seal_limit(RLIMIT_FSIZE, 0);
	if (r == 0 && !q->spec->threads)
		/* io_uring's workers count; the calls that make a process stay refused */
		r = seal_limit(RLIMIT_NPROC, q->spec->workers ? SEAL_WORKERS : 0);
	if (r == 0)
		r = seal_limit(RLIMIT_NOFILE, 4096);
	return r;
}
