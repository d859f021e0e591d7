/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* Paths from the kernel's own objects: dentries upwards over mounts, into the tail of scratch.tmp.
 * bpf_d_path is refused in tracing programs of system calls, hence by hand. State is in scratch, so
 * that a walk can be continued. */

#include "params.h"

static __always_inline __u64 mount_of(__u64 vfsmount)
{
	return vfsmount ? vfsmount - bpf_core_field_offset(struct mount, mnt) : 0;
}

#define WALK_STEPS 40
#define WALK_BASE 1
#define WALK_ROOT 2

/* One name in front of what is there. */
static __always_inline bool walk_name(struct scratch *s, const struct dentry *d)
{
	const unsigned char *name = RD(struct dentry, d, d_name.name);
	__u32 len = RD(struct dentry, d, d_name.len);
	__u32 pos = s->walk_pos;

	if (len > 255 || pos < len + 1)
		return false;
	pos -= len + 1;
	s->walk_pos = pos;
	barrier_var(pos);
	pos &= TMP_SIZE - 1;
	s->tmp[pos] = '/';
	barrier_var(len);
	len &= 255;
	bpf_probe_read_kernel(&s->tmp[pos + 1], len, name);
	return true;
}

/* Goes up from walk_dentry until the base, the process's root or the top of the mounts; walk_end
 * says which. -1: more than the steps of one call, or no room; may be called again in the first
 * case. */
__noinline int walk_up(__u32 slot)
{
	struct scratch *s = scratch_get(slot);

	if (!s)
		return -1;
	for (int i = 0; i < WALK_STEPS; i++) {
		struct dentry *d = (struct dentry *)s->walk_dentry, *parent, *root;
		struct mount *m = (struct mount *)s->walk_mnt, *up;

		if (!d || !m)
			return -1;
		if (s->walk_dentry == s->root_dentry && s->walk_mnt == s->root_mnt) {
			s->walk_end = WALK_ROOT;
			return 0;
		}
		if (s->walk_dentry == s->base_dentry && s->walk_mnt == s->base_mnt) {
			s->walk_end = WALK_BASE;
			return 0;
		}
		parent = RD(struct dentry, d, d_parent);
		root = RD(struct mount, m, mnt.mnt_root);
		if (d == root || d == parent) {
			up = RD(struct mount, m, mnt_parent);
			if (up == m || d != root) {
				s->walk_end = WALK_ROOT;
				return 0;
			}
			s->walk_dentry = (__u64)RD(struct mount, m, mnt_mountpoint);
			s->walk_mnt = (__u64)up;
			continue;
		}
		if (!walk_name(s, d))
			return -1;
		s->walk_dentry = (__u64)parent;
	}
	return -1;
}

static __always_inline void walk_start(struct scratch *s, __u64 dentry, __u64 vfsmount)
{
	s->walk_dentry = dentry;
	s->walk_mnt = mount_of(vfsmount);
	s->walk_pos = TMP_SIZE - 1;
	s->tmp[TMP_SIZE - 1] = 0;
	s->walk_end = 0;
	s->base_dentry = 0;
	s->base_mnt = 0;
	s->root_dentry = 0;
	s->root_mnt = 0;
}

static __always_inline void walk_set_root(struct scratch *s, struct task_struct *t)
{
	struct fs_struct *fs = RD(struct task_struct, t, fs);

	s->root_dentry = (__u64)RD(struct fs_struct, fs, root.dentry);
	s->root_mnt = mount_of((__u64)RD(struct fs_struct, fs, root.mnt));
}

/* The walked path as a parameter; "/" if no name was met. */
static __always_inline void put_walked(struct scratch *s)
{
	__u32 pos = s->walk_pos;
	__u32 len;

	barrier_var(pos);
	pos &= TMP_SIZE - 1;
	len = TMP_SIZE - pos;
	if (len <= 1) {
		*(__u16 *)rec_at(s) = '/';
		put_done(s, 2);
		return;
	}
	barrier_var(len);
	if (len > TMP_SIZE)
		len = TMP_SIZE;
	bpf_probe_read_kernel(rec_at(s), len, &s->tmp[pos]);
	put_done(s, len);
}

/* A pseudo file without place in any tree (memfd, pipe): its parent is itself. */
static __always_inline bool is_unrooted(__u64 dentry)
{
	struct dentry *d = (struct dentry *)dentry;

	return d && RD(struct dentry, d, d_parent) == d;
}

/* Puts the path of s->fpath (struct path *); of a pseudo file its bare name ("memfd:x"). @in_root:
 * stop at the root of s->task. */
__noinline int put_path(__u32 slot, __u32 in_root)
{
	struct scratch *s = scratch_get(slot);
	struct vfsmount *mnt;
	struct path *p;
	__u64 dentry;

	if (!s)
		return 0;
	p = (struct path *)s->fpath;
	dentry = (__u64)RD(struct path, p, dentry);
	if (!p || !dentry) {
		put_absent(s);
		return 0;
	}
	mnt = RD(struct path, p, mnt);
	walk_start(s, dentry, (__u64)mnt);
	if (in_root)
		walk_set_root(s, (struct task_struct *)s->task);
	if (is_unrooted(dentry) && (__u64)RD(struct vfsmount, mnt, mnt_root) != dentry) {
		put_kstr(s, RD(struct dentry, dentry, d_name.name), 256);
		return 0;
	}
	if (walk_up(slot) < 0 && walk_up(slot) < 0)
		s->trunc = 1;
	put_walked(s);
	return 0;
}
