/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* What the kernel knows of a file: by descriptor, device, inode, overlay layer; and the comparison
 * of an open's argument with where it led. */

#include "convert.h"
#include "path.h"

#define OVERLAYFS_MAGIC 0x794c7630
#define F_CREATED_BIT 0x100000 /* FMODE_CREATED */
#define LAYER_UPPER 1
#define LAYER_LOWER 2

/* The current task's file of a descriptor; 0 none. */
static __always_inline __u64 file_of_fd(struct task_struct *t, __s32 fd)
{
	struct files_struct *files = RD(struct task_struct, t, files);
	struct fdtable *fdt = RD(struct files_struct, files, fdt);
	struct file **fds;

	if (fd < 0 || !fdt || (__u32)fd >= RD(struct fdtable, fdt, max_fds))
		return 0;
	fds = RD(struct fdtable, fdt, fd);
	return rd_word((__u64)&fds[(__u32)fd]);
}

static __always_inline bool is_overlay(struct inode *inode)
{
	struct super_block *sb = RD(struct inode, inode, i_sb);

	return RD(struct super_block, sb, s_magic) == OVERLAYFS_MAGIC;
}

/* Layer of an overlay file, 0: not on an overlay. The upper dentry stands behind the vfs inode in
 * struct ovl_inode (a module's private type). */
static __always_inline __u32 file_layer(__u64 file)
{
	struct inode *inode = RD(struct file, file, f_inode);
	struct dentry *dentry, *upper = NULL;

	if (!is_overlay(inode)) {
		/* an opened file of an overlay may carry the dentry of the overlay, but the inode
		 * of the layer below */
		dentry = RD(struct file, file, f_path.dentry);
		inode = RD(struct dentry, dentry, d_inode);
		if (!is_overlay(inode))
			return 0;
	}
	bpf_probe_read_kernel(
		&upper, sizeof(upper), (void *)inode + bpf_core_type_size(struct inode));
	return upper ? LAYER_UPPER : LAYER_LOWER;
}

static __always_inline __u32 file_dev(__u64 file)
{
	struct inode *inode = RD(struct file, file, f_inode);
	struct super_block *sb = RD(struct inode, inode, i_sb);

	return conv_dev(RD(struct super_block, sb, s_dev));
}

static __always_inline __u64 file_ino(__u64 file)
{
	struct inode *inode = RD(struct file, file, f_inode);

	return RD(struct inode, inode, i_ino);
}

/* Flags of an open that only the opened file knows. */
static __always_inline __u32 file_open_flags(__u64 file)
{
	__u32 layer = file_layer(file), out = 0;

	if (RD(struct file, file, f_mode) & F_CREATED_BIT)
		out |= 0x4000;
	if (layer == LAYER_UPPER)
		out |= 0x8000;
	else if (layer == LAYER_LOWER)
		out |= 0x10000;
	return out;
}

/* Is tmp from `from` to its end the text at rec[str_pos]? Both have n bytes with their NULs. In
 * words: a byte loop is too much for the verifier. */
__noinline int same_text(__u32 slot, __u32 from, __u32 n)
{
	struct scratch *s = scratch_get(slot);
	__u32 at, words = n >> 3, i;
	__u64 a, b;

	if (!s || n > TMP_SIZE)
		return 0;
	at = s->str_pos;
	for (i = 0; i < TMP_SIZE / 8; i++) {
		if (i >= words)
			break;
		a = *(__u64 *)(s->rec + ((at + i * 8) & REC_MASK));
		b = *(__u64 *)(s->tmp + ((from + i * 8) & (TMP_SIZE - 1)));
		if (a != b)
			return 0;
	}
	a = *(__u64 *)(s->rec + ((at + words * 8) & REC_MASK));
	b = *(__u64 *)(s->tmp + ((from + words * 8) & (TMP_SIZE - 1)));
	return !((a ^ b) & ((1ULL << ((n & 7) * 8)) - 1)); /* the bytes of the last, partial word */
}

/* Is the name rec[at, at + n) what the kernel calls cmp_dentry? */
__noinline int is_name_of(__u32 slot, __u32 at, __u32 n)
{
	struct scratch *s = scratch_get(slot);
	__u32 words = n >> 3;
	__u64 name, a, b;
	struct dentry *d;

	if (!s)
		return 0;
	d = (struct dentry *)s->cmp_dentry;
	name = (__u64)RD(struct dentry, d, d_name.name);
	for (__u32 i = 0; i < 256 / 8; i++) {
		if (i >= words)
			break;
		if (rd_word(name + i * 8) != *(__u64 *)(s->rec + ((at + i * 8) & REC_MASK)))
			return 0;
	}
	if (!(n & 7))
		return 1;
	a = rd_word(name + words * 8); /* of a name's last bytes and what follows: always mapped */
	b = *(__u64 *)(s->rec + ((at + words * 8) & REC_MASK));
	return !((a ^ b) & ((1ULL << ((n & 7) * 8)) - 1));
}

/* The same of a name of at most 16 bytes, as most are, without a call. */
static __always_inline bool is_short_name_of(struct scratch *s, struct dentry *d, __u32 at, __u32 n)
{
	__u64 name = (__u64)RD(struct dentry, d, d_name.name);
	__u64 diff = rd_word(name) ^ *(__u64 *)(s->rec + (at & REC_MASK));

	if (n < 8)
		return !(diff & ((1ULL << (n * 8)) - 1));
	if (diff)
		return 0;
	if (n == 8)
		return 1;
	diff = rd_word(name + n - 8) ^ *(__u64 *)(s->rec + ((at + n - 8) & REC_MASK));
	return !diff;
}

#define LIES_STEPS 12 /* names and mounts; deeper ones are walked */

/* Is rec[at, at + n), an absolute name or one below the base, the path of the file that a walk has been
 * prepared for (walk_start and so on; nothing of it is changed), letter for letter as the kernel writes
 * it? From the end to the beginning, and nothing is copied: walk_up() costs two calls for each name.
 * 0: no, or not without it. */
__noinline int lies_at(__u32 slot, __u32 at, __u32 n)
{
	struct scratch *s = scratch_get(slot);
	__u32 len, end = n;
	bool is_absolute, is_through = false;

	if (!s || !saker_has_cast)
		return 0;
	is_absolute = s->rec[at & REC_MASK] == '/';
	s->cmp_dentry = s->walk_dentry;
	s->cmp_mnt = s->walk_mnt;
	for (int i = 0; i < LIES_STEPS; i++) {
		struct dentry *d = (struct dentry *)s->cmp_dentry, *parent, *root;
		struct mount *m = (struct mount *)s->cmp_mnt, *up;

		if (!d || !m)
			return 0;
		if (s->cmp_dentry == s->root_dentry && s->cmp_mnt == s->root_mnt)
			return is_absolute ? end == 0 : is_through && !s->base_dentry;
		if (s->cmp_dentry == s->base_dentry && s->cmp_mnt == s->base_mnt)
			return !is_absolute && is_through;
		parent = RD(struct dentry, d, d_parent);
		root = RD(struct mount, m, mnt.mnt_root);
		if (d == root || d == parent) {
			up = RD(struct mount, m, mnt_parent);
			if (up == m || d != root)
				return is_absolute ? end == 0 : is_through && !s->base_dentry;
			s->cmp_dentry = (__u64)RD(struct mount, m, mnt_mountpoint);
			s->cmp_mnt = (__u64)up;
			continue;
		}
		len = RD(struct dentry, d, d_name.len);
		if (is_through || len > end)
			return 0;
		if (!(len <= 16 ? is_short_name_of(s, d, at + end - len, len)
				: is_name_of(slot, at + end - len, len)))
			return 0;
		end -= len;
		if (end == 0)
			is_through = true;
		else if (s->rec[(at + end - 1) & REC_MASK] == '/')
			end--;
		else
			return 0;
		s->cmp_dentry = (__u64)parent;
	}
	return 0;
}

/* Without place in any tree and not the root of a mount either. */
static __always_inline bool is_pseudo(struct file *f)
{
	struct dentry *d = RD(struct file, f, f_path.dentry);
	struct vfsmount *mnt = RD(struct file, f, f_path.mnt);

	return is_unrooted((__u64)d) && RD(struct vfsmount, mnt, mnt_root) != d;
}

/* The real path of the opened file s->file, if it is not what the argument (the last text put)
 * says; relative arguments are compared below the directory they start at (dirfd or the working
 * directory). Adds KEV_X_REALPATH's parameter, absent where equal. */
__noinline int put_realpath(__u32 slot, __s32 dirfd)
{
	struct scratch *s = scratch_get(slot);
	struct task_struct *t = task_current();
	struct file *f, *df;
	__u32 skip = 0, n;

	if (!s)
		return 0;
	f = (struct file *)s->file;
	n = s->str_len;
	if (!f || n < 2 || is_pseudo(f)) {
		put_absent(s);
		return 0;
	}
	walk_start(
		s, (__u64)RD(struct file, f, f_path.dentry), (__u64)RD(struct file, f, f_path.mnt));
	walk_set_root(s, t);
	if (s->rec[s->str_pos & REC_MASK] != '/') {
		skip = 1; /* the walked path has a slash in front of the first name */
		if (dirfd == -100) {
			struct fs_struct *fs = RD(struct task_struct, t, fs);

			s->base_dentry = (__u64)RD(struct fs_struct, fs, pwd.dentry);
			s->base_mnt = mount_of((__u64)RD(struct fs_struct, fs, pwd.mnt));
		} else {
			df = (struct file *)file_of_fd(t, dirfd);
			s->base_dentry = (__u64)RD(struct file, df, f_path.dentry);
			s->base_mnt = mount_of((__u64)RD(struct file, df, f_path.mnt));
		}
		if (s->base_dentry == s->root_dentry && s->base_mnt == s->root_mnt)
			s->base_dentry = 0; /* the root ends the walk anyway */
	}
	if (lies_at(slot, s->str_pos, n - 1)) {
		put_absent(s);
		return 0;
	}
	if (walk_up(slot) < 0 && walk_up(slot) < 0) {
		s->trunc = 1; /* deeper than we follow */
		put_absent(s);
		return 0;
	}
	if ((s->walk_end == WALK_BASE || !skip || !s->base_dentry) &&
		TMP_SIZE - s->walk_pos - skip == n && same_text(slot, s->walk_pos + skip, n)) {
		put_absent(s);
		return 0;
	}
	s->base_dentry = 0;
	if (s->walk_end == WALK_BASE && walk_up(slot) < 0) {
		put_absent(s);
		return 0;
	}
	put_walked(s);
	return 0;
}
