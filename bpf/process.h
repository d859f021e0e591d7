/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* Birth, exec and death of tasks, and cgroups for them: state that everything else stands on, so these are always sent
 * while capture is enabled. */

#include "clone_exec.h"
#include "close.h"

static __always_inline struct scratch *state_take(__u32 cls, __u32 *ret_slot)
{
	struct kshm_interest *in = interest_get();

	if (!in || !in->enabled || is_self(in, bpf_get_current_pid_tgid() >> 32))
		return NULL;
	return scratch_take(cls, ret_slot);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(saker_exec, struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)
{
	__u32 slot;
	struct scratch *s = state_take(KEV_CLASS_STATE, &slot);
	struct kev_head *h;

	if (!s)
		return 0;
	h = rec_start(s, KEV_CODE_SYSCALL_EXECVE_19_X, KEV_CLASS_STATE, N_SYSCALL_EXECVE_19_X, 0);
	head_fill_current(h);
	s->task = (__u64)task_current();
	s->ret = 0;
	s->compat = 0;
	put_int(s, 0, 8);
	put_exe_args(slot);
	put_task_common(slot);
	put_exec_rest(slot);
	put_kstr(s, BPF_CORE_READ(bprm, filename), KEV_PATH_MAX);
	rec_finish(s);
	send_record(slot);
	s->busy = 0;
	return 0;
}

/* Clone flags as far as the two tasks show them: the tracepoint does not carry them. */
static __always_inline __u32 fork_flags(struct task_struct *parent, struct task_struct *child)
{
	__u32 flags = 0;

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		flags |= 0x2000; /* CLONE_THREAD */
	if (BPF_CORE_READ(child, files) == BPF_CORE_READ(parent, files))
		flags |= 0x1; /* CLONE_FILES */
	if (BPF_CORE_READ(child, fs) == BPF_CORE_READ(parent, fs))
		flags |= 0x2; /* CLONE_FS */
	if (BPF_CORE_READ(child, sighand) == BPF_CORE_READ(parent, sighand))
		flags |= 0x800; /* CLONE_SIGHAND */
	if (BPF_CORE_READ(child, mm) && BPF_CORE_READ(child, mm) == BPF_CORE_READ(parent, mm))
		flags |= 0x8000; /* CLONE_VM */
	if (BPF_CORE_READ(child, vfork_done))
		flags |= 0x8000000; /* CLONE_VFORK */
	if (pidns_level(child) > pidns_level(parent))
		flags |= 0x40; /* CLONE_NEWPID */
	if (pidns_level(child))
		flags |= CLONE_IN_PIDNS;
	return flags;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(saker_fork, struct task_struct *parent, struct task_struct *child)
{
	__u32 slot, level;
	struct scratch *s;
	struct kev_head *h;

	closed_flush(); /* even if the fork itself gets no record: from now on nothing may wait */
	s = state_take(KEV_CLASS_STATE, &slot);
	if (BPF_CORE_READ(child, files) == BPF_CORE_READ(parent, files) &&
		BPF_CORE_READ(child, tgid) != BPF_CORE_READ(parent, tgid))
		known_drop(parent);
	if (!s)
		return 0;
	h = rec_start(s, KEV_CODE_SAKER_FORK, KEV_CLASS_STATE, N_SAKER_FORK, 0);
	head_fill_current(h);
	level = pidns_level(child);
	s->task = (__u64)child;
	put_int(s, BPF_CORE_READ(child, pid), 8);
	put_int(s, BPF_CORE_READ(child, tgid), 8);
	put_int(s, BPF_CORE_READ(child, real_parent, pid), 8);
	put_int(s, pid_nr(BPF_CORE_READ(child, thread_pid), level), 8);
	put_int(s, pid_nr(BPF_CORE_READ(child, group_leader, thread_pid), level), 8);
	put_int(s, fork_flags(parent, child), 4);
	put_int(s, BPF_CORE_READ(child, cred, euid.val), 4);
	put_int(s, BPF_CORE_READ(child, cred, egid.val), 4);
	put_kstr(s, &child->comm, KEV_COMM_LEN);
	put_int(s, BPF_CORE_READ(child, start_boottime), 8);
	put_int(s, pidns_start(child), 8);
	put_int(s, signal_pid_nr(child, PIDTYPE_SID, level), 8);
	put_int(s, signal_pid_nr(child, PIDTYPE_PGID, level), 8);
	put_cgroups(slot);
	rec_finish(s);
	send_record(slot);
	s->busy = 0;
	return 0;
}

/* A cgroup is made or gone: a container's, before its first process or after its last, perhaps; user space tells. */
static __always_inline void cgroup_is(struct cgroup *cgrp, const char *what)
{
	__u32 slot, start;
	struct scratch *s = state_take(KEV_CLASS_STATE, &slot);
	struct kev_head *h;

	if (!s)
		return;
	h = rec_start(s, KEV_CODE_SAKER_CGROUP, KEV_CLASS_STATE, N_SAKER_CGROUP, 0);
	head_fill_current(h);
	start = s->pos;
	s->walk_dentry = (__u64)BPF_CORE_READ(cgrp, kn);
	walk_cgroup(slot);
	add_cgroup(s, what, 4);
	start = s->pos - start;
	s->pos -= start;
	put_done(s, start);
	rec_finish(s);
	send_record(slot);
	s->busy = 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(saker_cgroup, struct cgroup *cgrp)
{
	cgroup_is(cgrp, "made");
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(saker_cgroup_gone, struct cgroup *cgrp)
{
	cgroup_is(cgrp, "gone");
	return 0;
}

/* Who inherits the children of a process that ends: another of its threads, the nearest child
 * subreaper, or the init of its pid namespace; 0: it has none. */
static __always_inline __s64 reaper_of(struct task_struct *t)
{
	struct list_head *children = &t->children;
	struct task_struct *p = BPF_CORE_READ(t, real_parent), *init;
	struct pid *pid = BPF_CORE_READ(t, thread_pid);
	struct signal_struct *sig = BPF_CORE_READ(t, signal);
	struct upid u = {};

	if (BPF_CORE_READ(t, children.next) == children)
		return 0;
	if (BPF_CORE_READ(t, signal, live.counter) > 0)
		return BPF_CORE_READ(t, group_leader, pid);
	if (pid)
		bpf_core_read(&u, sizeof(u), &pid->numbers[pidns_level(t)]);
	init = u.ns ? BPF_CORE_READ(u.ns, child_reaper) : NULL;
	if (init == t) /* the init itself: its namespace dies with it */
		return 0;
	if (BPF_CORE_READ_BITFIELD_PROBED(sig, has_child_subreaper)) {
		for (int i = 0; i < 24; i++) {
			if (!p || p == init || BPF_CORE_READ(p, real_parent) == p)
				break;
			sig = BPF_CORE_READ(p, signal);
			if (BPF_CORE_READ_BITFIELD_PROBED(sig, is_child_subreaper))
				return BPF_CORE_READ(p, group_leader, pid);
			p = BPF_CORE_READ(p, real_parent);
		}
	}
	return init ? BPF_CORE_READ(init, pid) : 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(saker_exit, struct task_struct *p)
{
	__u32 slot;
	struct scratch *s;
	struct kev_head *h;
	__u32 code;

	if (BPF_CORE_READ(p, signal, live.counter) == 0)
		known_drop(p);
	s = state_take(KEV_CLASS_STATE, &slot);
	if (!s)
		return 0;
	h = rec_start(s, KEV_CODE_PROCEXIT_1_E, KEV_CLASS_STATE, N_PROCEXIT_1_E, 0);
	head_fill_current(h);
	code = BPF_CORE_READ(p, exit_code);
	put_int(s, code, 8);
	put_int(s, code & 0x7f ? 0 : (code >> 8) & 0xff, 8);
	put_int(s, code & 0x7f, 1);
	put_int(s, !!(code & 0x80), 1);
	put_int(s, reaper_of(p), 8);
	rec_finish(s);
	send_record(slot);
	s->busy = 0;
	return 0;
}
