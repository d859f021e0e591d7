/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* System calls whose parameters are the task's facts: failed exec, clone and its family. A
 * successful exec is reported by its tracepoint. */

#include "fetch.h"

/* Puts the strings of a user array of pointers, from the first-th on, as one run of texts. Of up to
 * 64 strings. */
__noinline int put_strings(__u32 slot, __u64 array, __u32 first)
{
	struct scratch *s = scratch_get(slot);
	__u32 start, have;

	if (!s)
		return 0;
	start = s->pos;
	s->have = 0;
	for (__u32 i = 0; i < 64; i++) {
		__u64 p = 0;
		long n;

		have = s->have;
		if (s->compat)
			bpf_probe_read_user(&p, 4, (void *)(array + (first + i) * 4));
		else
			bpf_probe_read_user(&p, 8, (void *)(array + (first + i) * 8));
		if (!p || have >= KEV_ARGS_MAX)
			break;
		s->pos = start + have;
		n = bpf_probe_read_user_str(rec_at(s), KEV_ARGS_MAX, (void *)p);
		if (n <= 0)
			break;
		s->have = have + n;
	}
	s->pos = start;
	have = s->have;
	if (have > KEV_ARGS_MAX) {
		have = KEV_ARGS_MAX;
		s->trunc = 1;
	}
	if (have)
		end_with_nul(s, have);
	put_done(s, have);
	return 0;
}

__noinline int put_failed_exec(__u32 slot, __u32 row_flags)
{
	struct scratch *s = scratch_get(slot);
	__u64 argv, argv0 = 0;

	if (!s)
		return 0;
	argv = row_flags & ROW_AT ? s->args[2] : s->args[1];
	bpf_probe_read_user(&argv0, s->compat ? 4 : 8, (void *)argv);
	put_int(s, s->ret, 8);
	put_str(s, argv0);
	put_strings(slot, argv, 1);
	put_task_common(slot);
	put_exec_rest(slot);
	if (!(row_flags & ROW_AT))
		put_str(s, s->args[0]); /* filename */
	return 0;
}

#define CLONE_IN_PIDNS 0x20000000

__noinline int put_clone(__u32 slot, __u32 code)
{
	struct scratch *s = scratch_get(slot);
	struct task_struct *t;
	__u32 level, flags = 0;
	__u64 raw = 0, start;

	if (!s)
		return 0;
	t = (struct task_struct *)s->task;
	level = pidns_level(t);
	if (code == KEV_CODE_SYSCALL_CLONE3_X)
		bpf_probe_read_user(&raw, sizeof(raw), (void *)s->args[0]);
	else if (code == KEV_CODE_SYSCALL_CLONE_20_X)
		raw = s->args[0];
	else if (code == KEV_CODE_SYSCALL_VFORK_20_X)
		raw = 0x4100; /* CLONE_VFORK | CLONE_VM */
	flags = conv_flags(CONV_CLONE, raw);
	if (level)
		flags |= CLONE_IN_PIDNS;
	put_int(s, s->ret, 8);
	put_exe_args(slot);
	put_task_common(slot);
	put_int(s, flags, 4);
	put_int(s, BPF_CORE_READ(t, cred, euid.val), 4);
	put_int(s, BPF_CORE_READ(t, cred, egid.val), 4);
	put_int(s, pid_nr(BPF_CORE_READ(t, thread_pid), level), 8);
	put_int(s, pid_nr(BPF_CORE_READ(t, group_leader, thread_pid), level), 8);
	start = pidns_start(t);
	put_int(s, start ? start + saker_boot_epoch_ns : 0, 8);
	return 0;
}
