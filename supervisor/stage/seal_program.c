/* SPDX-License-Identifier: Apache-2.0 */
/* The seal of a program that is not ours: an operator's command, fed with alerts. It must find the
 * host's files and network as any user does, so it keeps those; it loses every right beyond: its own
 * uid, no capability, no way to gain one by exec, and none of the calls that change the system, look
 * into other processes or reach for the kernel's rarely used parts. */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include <base/macros.h>

#include "stage_priv.h"

#define FILES_MAX 4096

/* Newer than libseccomp 2.5 or some hosts' headers; the same on every architecture. */
#define NR_OPEN_TREE 428
#define NR_MOVE_MOUNT 429
#define NR_FSOPEN 430
#define NR_FSCONFIG 431
#define NR_FSMOUNT 432
#define NR_FSPICK 433
#define NR_PIDFD_GETFD 438
#define NR_MOUNT_SETATTR 442

static const int refused[] = {
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(kcmp),
	NR_PIDFD_GETFD,
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(quotactl),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	NR_OPEN_TREE,
	NR_MOVE_MOUNT,
	NR_FSOPEN,
	NR_FSCONFIG,
	NR_FSMOUNT,
	NR_FSPICK,
	NR_MOUNT_SETATTR,
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(syslog),
	SCMP_SYS(vhangup),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(modify_ldt),
};

static int filter(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	/* a process in a user namespace of its own would have capabilities there */
	const struct scmp_arg_cmp new_user =
		SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER);
	int r;

	if (!ctx)
		return -ENOMEM;
	(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: speed only */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(refused); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	if (r == 0)
		r = seccomp_rule_add_array(
			ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &new_user);
	/* whose flags a filter cannot see: the C library goes on with clone() */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

static int limits(void)
{
	const struct rlimit core = {0, 0};
	struct rlimit files;

	if (setrlimit(RLIMIT_CORE, &core) < 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	files.rlim_cur = MIN(files.rlim_cur, (rlim_t)FILES_MAX);
	files.rlim_max = MIN(files.rlim_max, (rlim_t)FILES_MAX);
	return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

static int take_step(uint32_t step, uint32_t uid, uint32_t *ret_landlock)
{
	switch (step) {
	case SEAL_NNP:
		return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
	case SEAL_RLIMITS:
		return limits();
	case SEAL_UID:
		(void)seal_drop_bounding(
			0); /* no_new_privs makes it meaningless where we may not */
		return uid ? seal_set_uid(uid, 0) : -EOPNOTSUPP;
	case SEAL_CAPS:
		return seal_drop_caps(0);
	case SEAL_PDEATHSIG:
		return prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0 ? -errno : 0;
	case SEAL_LANDLOCK:
		return seal_landlock_program(ret_landlock);
	case SEAL_SECCOMP:
		return filter();
	default:
		return -EOPNOTSUPP;
	}
}

int seal_program(uint32_t uid, uint32_t required, uint32_t *ret_done, uint32_t *ret_landlock,
	const char **reterr_step)
{
	static const uint32_t order[] = {SEAL_NNP, SEAL_RLIMITS, SEAL_UID, SEAL_CAPS,
		SEAL_PDEATHSIG, SEAL_LANDLOCK, SEAL_SECCOMP};

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		int r = take_step(order[i], uid, ret_landlock);

		if (r == 0) {
			*ret_done |= order[i];
		} else if (required & order[i]) {
			*reterr_step = seal_step_str(order[i]);
			return r;
		}
	}
	return 0;
}
