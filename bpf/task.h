/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* Facts of a task (s->task) that exec, clone, fork and the task iterator report. */

#include "cgroup.h"

/* i_ctime and i_mtime: struct timespec64 before 6.6 (13bc24457850), __i_ctime in 6.6 to 6.10, two
 * integers since 6.11 (3aa63a569c64). */
struct inode___old {
	struct timespec64 i_ctime, i_mtime;
} __attribute__((preserve_access_index));
struct inode___mid {
	struct timespec64 __i_ctime, __i_mtime;
} __attribute__((preserve_access_index));

static __always_inline __u64 inode_ctime(struct inode *i)
{
	struct timespec64 ts = {};

	if (bpf_core_field_exists(i->i_ctime_sec))
		return BPF_CORE_READ(i, i_ctime_sec) * 1000000000ULL +
		       BPF_CORE_READ(i, i_ctime_nsec);
	if (bpf_core_field_exists(((struct inode___mid *)0)->__i_ctime))
		BPF_CORE_READ_INTO(&ts, (struct inode___mid *)i, __i_ctime);
	else
		BPF_CORE_READ_INTO(&ts, (struct inode___old *)i, i_ctime);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static __always_inline __u64 inode_mtime(struct inode *i)
{
	struct timespec64 ts = {};

	if (bpf_core_field_exists(i->i_mtime_sec))
		return BPF_CORE_READ(i, i_mtime_sec) * 1000000000ULL +
		       BPF_CORE_READ(i, i_mtime_nsec);
	if (bpf_core_field_exists(((struct inode___mid *)0)->__i_mtime))
		BPF_CORE_READ_INTO(&ts, (struct inode___mid *)i, __i_mtime);
	else if (bpf_core_field_exists(((struct inode___old *)0)->i_mtime))
		BPF_CORE_READ_INTO(&ts, (struct inode___old *)i, i_mtime);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* rss_stat: an array of percpu_counter since 6.2 (f1a7941243c1), struct mm_rss_stat before. */
struct mm_rss_stat___old {
	atomic_long_t count[4];
} __attribute__((preserve_access_index));
struct mm_struct___old {
	struct mm_rss_stat___old rss_stat;
} __attribute__((preserve_access_index));

static __always_inline __s64 mm_counter(struct mm_struct *mm, int i)
{
	__s64 v = 0;

	if (bpf_core_type_exists(struct mm_rss_stat___old))
		bpf_core_read(&v, sizeof(v), &((struct mm_struct___old *)mm)->rss_stat.count[i]);
	else
		bpf_core_read(&v, sizeof(v), &mm->rss_stat[i].count);
	return v > 0 ? v : 0;
}

static __always_inline __u32 mm_size_kb(struct mm_struct *mm)
{
	return mm ? BPF_CORE_READ(mm, total_vm) * 4 : 0;
}

static __always_inline __u32 mm_rss_kb(struct mm_struct *mm)
{
	return mm ? (mm_counter(mm, 0) + mm_counter(mm, 1) + mm_counter(mm, 3)) * 4
		  : 0; /* file, anon, shmem */
}

static __always_inline __u32 mm_swap_kb(struct mm_struct *mm)
{
	return mm ? mm_counter(mm, 2) * 4 : 0;
}

/* Level of the task's own pid namespace. */
static __always_inline __u32 pidns_level(struct task_struct *t)
{
	return BPF_CORE_READ(t, thread_pid, level) & 31;
}

static __always_inline __s32 pid_nr(struct pid *pid, __u32 level)
{
	struct upid u = {};

	if (pid)
		bpf_core_read(&u, sizeof(u), &pid->numbers[level]);
	return u.nr;
}

/* Process group or session as seen at that level. */
static __always_inline __s32 signal_pid_nr(struct task_struct *t, enum pid_type type, __u32 level)
{
	struct signal_struct *sig = BPF_CORE_READ(t, signal);
	struct pid *pid = NULL;

	bpf_core_read(&pid, sizeof(pid), &sig->pids[type]);
	return pid_nr(pid, level);
}

/* When the first process of the task's pid namespace started, CLOCK_BOOTTIME. */
static __always_inline __u64 pidns_start(struct task_struct *t)
{
	struct pid *pid = BPF_CORE_READ(t, thread_pid);
	struct upid u = {};

	if (pid)
		bpf_core_read(&u, sizeof(u), &pid->numbers[pidns_level(t)]);
	return u.ns ? BPF_CORE_READ(u.ns, child_reaper, start_boottime) : 0;
}

static __always_inline __u32 task_tty(struct task_struct *t)
{
	struct tty_struct *tty = BPF_CORE_READ(t, signal, tty);
	__u32 major, minor;

	if (!tty)
		return 0;
	major = BPF_CORE_READ(tty, driver, major);
	minor = BPF_CORE_READ(tty, driver, minor_start) + BPF_CORE_READ(tty, index);
	return conv_dev((major << 20) | minor);
}

/* 64 bits in either layout: two words before 6.3 (f122a08b197d), one integer since. */
static __always_inline __u64 caps_at(const void *p)
{
	__u64 v = 0;

	bpf_probe_read_kernel(&v, sizeof(v), p);
	return v;
}
#define TASK_CAPS(t, set)                                                                          \
	({                                                                                         \
		const struct cred *cred_ = BPF_CORE_READ(t, cred);                                 \
		caps_at(&cred_->set);                                                              \
	})

/* ---- arguments ---- */

/* The last byte of a cut run of texts becomes its NUL. */
static __always_inline void end_with_nul(struct scratch *s, __u32 len)
{
	__u32 p = s->pos + len - 1;

	barrier_var(p);
	s->rec[p & REC_MASK] = 0;
}

/* Puts exe (argv[0]) and args (the others) of the current task's memory. */
__noinline int put_exe_args(__u32 slot)
{
	struct scratch *s = scratch_get(slot);
	struct task_struct *t;
	__u64 from, to;
	__u32 len;
	long n;

	if (!s)
		return 0;
	t = (struct task_struct *)s->task;
	from = BPF_CORE_READ(t, mm, arg_start);
	to = BPF_CORE_READ(t, mm, arg_end);
	if (!from || to <= from) {
		put_absent(s);
		put_absent(s);
		return 0;
	}
	n = bpf_probe_read_user_str(rec_at(s), KEV_PATH_MAX, (void *)from);
	if (n <= 0 || n > KEV_PATH_MAX) {
		s->trunc = 1;
		n = 0;
	}
	put_done(s, n);
	from += n;
	if (to <= from || !n) {
		put_absent(s);
		return 0;
	}
	len = to - from > KEV_ARGS_MAX ? KEV_ARGS_MAX : to - from;
	if (to - from > KEV_ARGS_MAX)
		s->trunc = 1;
	barrier_var(len);
	if (len > KEV_ARGS_MAX)
		len = KEV_ARGS_MAX;
	if (bpf_probe_read_user(rec_at(s), len, (void *)from)) {
		s->trunc = 1;
		len = 0;
	} else if (len) {
		end_with_nul(s, len);
	}
	put_done(s, len);
	return 0;
}

static __always_inline void put_env(struct scratch *s)
{
	struct task_struct *t = (struct task_struct *)s->task;
	__u64 from = BPF_CORE_READ(t, mm, env_start), to = BPF_CORE_READ(t, mm, env_end);
	__u32 len;

	if (!from || to <= from) {
		put_absent(s);
		return;
	}
	len = to - from > KEV_ARGS_MAX ? KEV_ARGS_MAX : to - from;
	barrier_var(len);
	if (len > KEV_ARGS_MAX)
		len = KEV_ARGS_MAX;
	if (bpf_probe_read_user(rec_at(s), len, (void *)from))
		len = 0;
	else if (len)
		end_with_nul(s, len);
	put_done(s, len);
}

/* Working directory of s->task. */
static __always_inline void put_cwd(struct scratch *s, __u32 slot)
{
	struct task_struct *t = (struct task_struct *)s->task;
	struct fs_struct *fs = BPF_CORE_READ(t, fs);

	s->fpath = fs ? (__u64)&fs->pwd : 0;
	put_path(slot, 1);
}

/* tid … comm, cgroups: what exec and clone share after exe and args. */
__noinline int put_task_common(__u32 slot)
{
	struct scratch *s = scratch_get(slot);
	struct task_struct *t;
	struct mm_struct *mm;
	__u64 limit = 0;
	struct signal_struct *sig;

	if (!s)
		return 0;
	t = (struct task_struct *)s->task;
	put_int(s, BPF_CORE_READ(t, pid), 8);
	put_int(s, BPF_CORE_READ(t, tgid), 8);
	put_int(s, BPF_CORE_READ(t, real_parent, pid), 8);
	put_cwd(s, slot);
	sig = BPF_CORE_READ(t, signal);
	bpf_core_read(&limit, sizeof(limit), &sig->rlim[7].rlim_cur); /* RLIMIT_NOFILE */
	put_int(s, limit, 8);
	put_int(s, BPF_CORE_READ(t, maj_flt), 8);
	put_int(s, BPF_CORE_READ(t, min_flt), 8);
	mm = BPF_CORE_READ(t, mm);
	put_int(s, mm_size_kb(mm), 4);
	put_int(s, mm_rss_kb(mm), 4);
	put_int(s, mm_swap_kb(mm), 4);
	put_kstr(s, &t->comm, KEV_COMM_LEN);
	put_cgroups(slot);
	return 0;
}

/* ---- the executable ---- */

#define EXE_WRITABLE 1
#define EXE_UPPER 2
#define EXE_MEMFD 4
#define EXE_LOWER 8
#define CAP_DAC_OVERRIDE_BIT (1ULL << 1)

/* Could the task write the file: mode bits as its fsuid and fsgid see them, or by right; never on a
 * read-only file system or an immutable inode. */
static __always_inline bool exe_is_writable(struct task_struct *t, struct inode *i)
{
	__u32 mode = BPF_CORE_READ(i, i_mode);

	if (BPF_CORE_READ(i, i_sb, s_flags) & 1 ||
		BPF_CORE_READ(i, i_flags) & 8) /* SB_RDONLY, S_IMMUTABLE */
		return false;
	if (BPF_CORE_READ(t, cred, fsuid.val) == BPF_CORE_READ(i, i_uid.val) && mode & 0200)
		return true;
	if (BPF_CORE_READ(t, cred, fsgid.val) == BPF_CORE_READ(i, i_gid.val) && mode & 0020)
		return true;
	return mode & 0002 || TASK_CAPS(t, cap_effective) & CAP_DAC_OVERRIDE_BIT;
}

static __always_inline bool is_memfd(struct file *f)
{
	char name[8] = {};
	struct dentry *d = BPF_CORE_READ(f, f_path.dentry);

	if (!is_unrooted((__u64)d))
		return false;
	bpf_probe_read_kernel(name, 6, BPF_CORE_READ(d, d_name.name));
	return name[0] == 'm' && name[1] == 'e' && name[2] == 'm' && name[3] == 'f' &&
	       name[4] == 'd' && name[5] == ':';
}

static __always_inline __u32 exe_flags(struct task_struct *t, struct file *f)
{
	__u32 flags = 0, layer;

	if (!f)
		return 0;
	if (exe_is_writable(t, BPF_CORE_READ(f, f_inode)))
		flags |= EXE_WRITABLE;
	layer = file_layer((__u64)f);
	if (layer == LAYER_UPPER)
		flags |= EXE_UPPER;
	else if (layer == LAYER_LOWER)
		flags |= EXE_LOWER;
	if (is_memfd(f))
		flags |= EXE_MEMFD;
	return flags;
}

/* tty … gid of exec. */
__noinline int put_exec_rest(__u32 slot)
{
	struct scratch *s = scratch_get(slot);
	struct task_struct *t;
	struct inode *inode;
	struct file *exe;

	if (!s)
		return 0;
	t = (struct task_struct *)s->task;
	exe = BPF_CORE_READ(t, mm, exe_file);
	inode = BPF_CORE_READ(exe, f_inode);
	put_env(s);
	put_int(s, task_tty(t), 4);
	put_int(s, signal_pid_nr(t, PIDTYPE_PGID, pidns_level(t)), 8);
	put_int(s, BPF_CORE_READ(t, loginuid.val), 4);
	put_int(s, exe_flags(t, exe), 4);
	put_int(s, TASK_CAPS(t, cap_inheritable), 8);
	put_int(s, TASK_CAPS(t, cap_permitted), 8);
	put_int(s, TASK_CAPS(t, cap_effective), 8);
	put_int(s, BPF_CORE_READ(inode, i_ino), 8);
	put_int(s, inode_ctime(inode), 8);
	put_int(s, inode_mtime(inode), 8);
	put_int(s, BPF_CORE_READ(t, cred, euid.val), 4);
	s->fpath = exe ? (__u64)&exe->f_path : 0;
	put_path(slot, 0);
	put_int(s, signal_pid_nr(t, PIDTYPE_PGID, 0), 8);
	put_int(s, BPF_CORE_READ(t, cred, egid.val), 4);
	return 0;
}
