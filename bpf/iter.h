/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* Iterators: every task and every open descriptor of the host as kev records with KEV_F_SNAPSHOT,
 * back to back in the reader's buffer. One reader of a kind at a time: each kind has one scratch.
 */

#include "process.h"

static __always_inline struct scratch *iter_start(
	__u32 slot, struct task_struct *t, __u32 code, __u32 n)
{
	struct scratch *s = scratch_get(slot);
	struct kev_head *h;

	if (!s)
		return NULL;
	h = rec_start(s, code, KEV_CLASS_STATE, n, 0);
	h->flags = KEV_F_SNAPSHOT;
	head_task(h, t);
	if (h->cgroup_id <= 1)
		h->cgroup_id = cgroup_id_v1(t);
	h->cpu = 0;
	h->ts_ns = bpf_ktime_get_boot_ns();
	s->task = (__u64)t;
	return s;
}

/* The record to the reader. -E2BIG makes the kernel come again with an empty buffer. */
static __always_inline int iter_write(struct scratch *s, struct seq_file *seq)
{
	struct kev_head *h = (struct kev_head *)s->rec;
	__u32 len;

	rec_finish(s);
	len = h->len;
	if (len < 8 || len > KEV_SIZE_MAX)
		return 0;
	bpf_seq_write(seq, s->rec, len);
	return 0;
}

/* A run of bytes of another task's memory; only sleepable programs may read it. */
static __always_inline void put_task_memory(
	struct scratch *s, struct task_struct *t, bool readable, __u64 from, __u64 to)
{
	__u32 len;

	if (!readable || !from || to <= from) {
		put_absent(s);
		return;
	}
	len = to - from > KEV_ARGS_MAX ? KEV_ARGS_MAX : to - from;
	barrier_var(len);
	if (len > KEV_ARGS_MAX)
		len = KEV_ARGS_MAX;
	if (bpf_copy_from_user_task(rec_at(s), len, (void *)from, t, 0))
		len = 0;
	else if (len)
		end_with_nul(s, len);
	put_done(s, len);
}

/* Parameters 9 … 31 of `task`. */
__noinline int put_task_rest(__u32 slot)
{
	struct scratch *s = scratch_get(slot);
	struct signal_struct *sig;
	struct task_struct *t;
	struct fs_struct *fs;
	struct mm_struct *mm;
	struct inode *inode;
	__u64 limit = 0, start;
	__u32 level;

	if (!s)
		return 0;
	t = (struct task_struct *)s->task;
	level = pidns_level(t);
	put_cwd(s, slot);
	sig = BPF_CORE_READ(t, signal);
	bpf_core_read(&limit, sizeof(limit), &sig->rlim[7].rlim_cur); /* RLIMIT_NOFILE */
	put_int(s, limit, 8);
	put_int(s, BPF_CORE_READ(t, cred, euid.val), 4);
	put_int(s, BPF_CORE_READ(t, cred, egid.val), 4);
	put_int(s, TASK_CAPS(t, cap_permitted), 8);
	put_int(s, TASK_CAPS(t, cap_effective), 8);
	put_int(s, TASK_CAPS(t, cap_inheritable), 8);
	mm = BPF_CORE_READ(t, mm);
	inode = BPF_CORE_READ(mm, exe_file, f_inode);
	put_int(s, inode ? BPF_CORE_READ(inode, i_ino) : 0, 8);
	put_int(s, inode ? inode_ctime(inode) : 0, 8);
	put_int(s, inode ? inode_mtime(inode) : 0, 8);
	put_int(s, mm_size_kb(mm), 4);
	put_int(s, mm_rss_kb(mm), 4);
	put_int(s, mm_swap_kb(mm), 4);
	put_int(s, BPF_CORE_READ(t, maj_flt), 8);
	put_int(s, BPF_CORE_READ(t, min_flt), 8);
	put_int(s, pid_nr(BPF_CORE_READ(t, group_leader, thread_pid), level), 4);
	put_int(s, pid_nr(BPF_CORE_READ(t, thread_pid), level), 4);
	start = pidns_start(t);
	put_int(s, start ? start + saker_boot_epoch_ns : 0, 8);
	put_cgroups(slot);
	fs = BPF_CORE_READ(t, fs);
	s->fpath = fs ? (__u64)&fs->root : 0;
	put_path(slot, 0);
	put_int(s, BPF_CORE_READ(t, start_boottime) + saker_boot_epoch_ns, 8);
	put_int(s, task_tty(t), 4);
	put_int(s, BPF_CORE_READ(t, loginuid.val), 4);
	return 0;
}

static __always_inline int dump_task(struct bpf_iter__task *ctx, bool readable)
{
	struct task_struct *t = ctx->task;
	__u32 slot = SLOT_ITER_TASK, level;
	struct scratch *s;
	struct mm_struct *mm;
	struct file *exe;

	if (!t)
		return 0;
	s = iter_start(slot, t, KEV_CODE_ITER_TASK_E, N_ITER_TASK_E);
	if (!s)
		return 0;
	level = pidns_level(t);
	mm = BPF_CORE_READ(t, mm);
	exe = BPF_CORE_READ(mm, exe_file);
	put_int(s, BPF_CORE_READ(t, real_parent, tgid), 4);
	put_int(s, signal_pid_nr(t, PIDTYPE_PGID, 0), 4);
	put_int(s, signal_pid_nr(t, PIDTYPE_PGID, level), 4);
	put_int(s, signal_pid_nr(t, PIDTYPE_SID, level), 4);
	put_kstr(s, &t->comm, KEV_COMM_LEN);
	put_task_memory(
		s, t, readable && mm, BPF_CORE_READ(mm, arg_start), BPF_CORE_READ(mm, arg_end));
	s->fpath = exe ? (__u64)&exe->f_path : 0;
	put_path(slot, 0);
	put_int(s, exe_flags(t, exe), 4);
	put_task_memory(
		s, t, readable && mm, BPF_CORE_READ(mm, env_start), BPF_CORE_READ(mm, env_end));
	put_task_rest(slot);
	return iter_write(s, ctx->meta->seq);
}

/* Since 5.18: with arguments and environment. The loader takes this or the one below. */
SEC("iter.s/task")
int saker_iter_task(struct bpf_iter__task *ctx)
{
	return dump_task(ctx, true);
}

SEC("iter/task")
int saker_iter_task_noargs(struct bpf_iter__task *ctx)
{
	return dump_task(ctx, false);
}

/* ---- descriptors ---- */

#define S_IFREG_ 0100000
#define S_IFDIR_ 0040000
#define S_IFIFO_ 0010000
#define PIPEFS_MAGIC_ 0x50495045
#define ANON_INODE_MAGIC 0x09041934

static __always_inline struct scratch *iter_file(
	__u32 code, __u32 n, struct task_struct *t, __s32 fd)
{
	struct scratch *s = iter_start(SLOT_ITER_FILE, t, code, n);

	if (s)
		put_int(s, fd, 4);
	return s;
}

static __always_inline int dump_inet(struct seq_file *seq, struct task_struct *t, __s32 fd,
	struct sock *sk, __u32 type, __u64 ino, bool v6)
{
	struct scratch *s = v6 ? iter_file(KEV_CODE_ITER_TASK_FILE_SOCKET_INET6_E,
					 N_ITER_TASK_FILE_SOCKET_INET6_E, t, fd)
			       : iter_file(KEV_CODE_ITER_TASK_FILE_SOCKET_INET_E,
					 N_ITER_TASK_FILE_SOCKET_INET_E, t, fd);
	struct in6_addr a = {};

	if (!s)
		return 0;
	put_int(s, type, 2);
	put_int(s, BPF_CORE_READ(sk, sk_protocol), 2);
	if (v6) {
		BPF_CORE_READ_INTO(&a, sk, __sk_common.skc_v6_rcv_saddr);
		__builtin_memcpy(rec_at(s), &a, 16);
		put_done(s, 16);
	} else {
		put_int(s, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr), 4);
	}
	put_int(s, BPF_CORE_READ(sk, __sk_common.skc_num), 2);
	if (v6) {
		BPF_CORE_READ_INTO(&a, sk, __sk_common.skc_v6_daddr);
		__builtin_memcpy(rec_at(s), &a, 16);
		put_done(s, 16);
	} else {
		put_int(s, BPF_CORE_READ(sk, __sk_common.skc_daddr), 4);
	}
	put_int(s, bpf_ntohs_(BPF_CORE_READ(sk, __sk_common.skc_dport)), 2);
	put_int(s, ino, 8);
	return iter_write(s, seq);
}

static __always_inline int dump_unix(struct seq_file *seq, struct task_struct *t, __s32 fd,
	struct sock *sk, __u32 type, __u64 ino)
{
	struct scratch *s = iter_file(
		KEV_CODE_ITER_TASK_FILE_SOCKET_UNIX_E, N_ITER_TASK_FILE_SOCKET_UNIX_E, t, fd);
	struct unix_sock *u = (struct unix_sock *)sk;
	struct unix_address *ua;
	struct unix_sock *peer;

	if (!s)
		return 0;
	put_int(s, type, 2);
	put_int(s, BPF_CORE_READ(sk, sk_protocol), 2);
	put_int(s, (__u64)sk, 8);
	ua = BPF_CORE_READ(u, addr);
	if (!ua) { /* a client has no name of its own: its server's */
		peer = (struct unix_sock *)BPF_CORE_READ(u, peer);
		ua = BPF_CORE_READ(peer, addr);
	}
	put_kstr(s, ua ? (const char *)ua->name->sun_path : NULL, 109);
	put_int(s, ino, 8);
	return iter_write(s, seq);
}

static __always_inline int dump_socket(
	struct seq_file *seq, struct task_struct *t, __s32 fd, struct file *f, __u64 ino)
{
	struct socket *sock = BPF_CORE_READ(f, private_data);
	struct sock *sk = BPF_CORE_READ(sock, sk);
	__u32 type = BPF_CORE_READ(sock, type), family;
	struct scratch *s;

	if (!sk)
		return 0;
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family == AF_INET_)
		return dump_inet(seq, t, fd, sk, type, ino, false);
	if (family == AF_INET6_)
		return dump_inet(seq, t, fd, sk, type, ino, true);
	if (family == AF_UNIX_)
		return dump_unix(seq, t, fd, sk, type, ino);
	if (family != 16) /* AF_NETLINK; others have no record */
		return 0;
	s = iter_file(
		KEV_CODE_ITER_TASK_FILE_SOCKET_NETLINK_E, N_ITER_TASK_FILE_SOCKET_NETLINK_E, t, fd);
	if (!s)
		return 0;
	put_int(s, type, 2);
	put_int(s, BPF_CORE_READ(sk, sk_protocol), 2);
	put_int(s, ino, 8);
	return iter_write(s, seq);
}

static __always_inline bool is_text(const char *a, const char *b, __u32 n)
{
	for (__u32 i = 0; i < n; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* ANON_INODE_FD_TYPE_* from the name the kernel gave: "[eventfd]", … */
static __always_inline __u8 anon_type(struct file *f)
{
	char n[16] = {};

	bpf_probe_read_kernel_str(n, sizeof(n), BPF_CORE_READ(f, f_path.dentry, d_name.name));
	if (is_text(n, "[eventfd]", 9))
		return 1;
	if (is_text(n, "[eventpoll]", 11))
		return 2;
	if (is_text(n, "inotify", 7))
		return 3;
	if (is_text(n, "[signalfd]", 10))
		return 4;
	if (is_text(n, "[timerfd]", 9))
		return 5;
	if (is_text(n, "[io_uring]", 10))
		return 6;
	if (is_text(n, "[userfaultfd]", 13))
		return 7;
	if (is_text(n, "[pidfd]", 7))
		return 8;
	if (is_text(n, "bpf-map", 7))
		return 9;
	if (is_text(n, "bpf-prog", 8))
		return 10;
	if (is_text(n, "bpf_link", 8))
		return 11;
	if (is_text(n, "bpf_iter", 8))
		return 12;
	if (is_text(n, "[perf_event]", 12))
		return 13;
	return 0;
}

static __always_inline void put_file_path(struct scratch *s, struct file *f)
{
	s->fpath = (__u64)&f->f_path;
	put_path(SLOT_ITER_FILE, 1);
}

SEC("iter/task_file")
int saker_iter_task_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *t = ctx->task;
	struct file *f = ctx->file;
	struct seq_file *seq = ctx->meta->seq;
	struct scratch *s;
	__s32 fd = ctx->fd;
	__u32 mode, magic;
	__u64 ino;

	if (!t || !f)
		return 0;
	known_learn(t, fd);
	mode = BPF_CORE_READ(f, f_inode, i_mode) & S_IFMT_;
	ino = file_ino((__u64)f);
	magic = BPF_CORE_READ(f, f_inode, i_sb, s_magic);
	if (mode == S_IFSOCK_)
		return dump_socket(seq, t, fd, f, ino);
	if (mode == S_IFDIR_) {
		s = iter_file(
			KEV_CODE_ITER_TASK_FILE_DIRECTORY_E, N_ITER_TASK_FILE_DIRECTORY_E, t, fd);
		if (!s)
			return 0;
		put_file_path(s, f);
	} else if (mode == S_IFIFO_ && magic == PIPEFS_MAGIC_) {
		s = iter_file(KEV_CODE_ITER_TASK_FILE_PIPE_E, N_ITER_TASK_FILE_PIPE_E, t, fd);
		if (!s)
			return 0;
		put_absent(s);
	} else if (magic == ANON_INODE_MAGIC || (is_pseudo(f) && !is_memfd(f))) {
		s = iter_file(
			KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, N_ITER_TASK_FILE_ANON_INODE_E, t, fd);
		if (!s)
			return 0;
		put_int(s, anon_type(f), 1);
		put_kstr(s, BPF_CORE_READ(f, f_path.dentry, d_name.name), 64);
	} else if (is_memfd(f)) {
		s = iter_file(KEV_CODE_ITER_TASK_FILE_MEMFD_E, N_ITER_TASK_FILE_MEMFD_E, t, fd);
		if (!s)
			return 0;
		put_kstr(s, BPF_CORE_READ(f, f_path.dentry, d_name.name), 256);
	} else {
		struct vfsmount *mnt = BPF_CORE_READ(f, f_path.mnt);
		struct mount *m = (struct mount *)mount_of((__u64)mnt);

		s = iter_file(KEV_CODE_ITER_TASK_FILE_REGULAR_E, N_ITER_TASK_FILE_REGULAR_E, t, fd);
		if (!s)
			return 0;
		put_file_path(s, f);
		put_int(s, conv_open(BPF_CORE_READ(f, f_flags)), 4);
		put_int(s, m ? BPF_CORE_READ(m, mnt_id) : 0, 4);
	}
	put_int(s, ino, 8);
	return iter_write(s, seq);
}
