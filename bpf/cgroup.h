/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* The paths of a task's cgroups, from which user space tells its container. */

#include "sock.h"

/* kernfs_node.parent is __parent since 6.15 (633488947ef6). */
struct kernfs_node___old {
	struct kernfs_node___old *parent;
} __attribute__((preserve_access_index));

static __always_inline __u32 kernfs_parent_offset(void)
{
	if (bpf_core_field_exists(((struct kernfs_node___old *)0)->parent))
		return bpf_core_field_offset(struct kernfs_node___old, parent);
	return bpf_core_field_offset(struct kernfs_node, __parent);
}

/* Path of the cgroup whose kernfs node is in s->walk_dentry, into the tail of tmp. */
__noinline int walk_cgroup(__u32 slot)
{
	struct scratch *s = scratch_get(slot);
	__u32 parent_offset = kernfs_parent_offset();

	if (!s)
		return 0;
	s->walk_pos = TMP_SIZE - 1;
	s->tmp[TMP_SIZE - 1] = 0;
	for (int i = 0; i < 16; i++) {
		struct kernfs_node *k = (struct kernfs_node *)s->walk_dentry, *parent = NULL;
		const char *name;
		__u8 *text =
			s->tmp +
			TMP_SIZE; /* not on the stack, of which all calls together have 512 bytes */
		__u32 pos = s->walk_pos;
		long n;

		if (!k)
			break;
		bpf_probe_read_kernel(&parent, sizeof(parent), (const char *)k + parent_offset);
		if (!parent) /* the root has no name */
			break;
		name = BPF_CORE_READ(k, name);
		n = bpf_probe_read_kernel_str(text, 128, name);
		if (n <= 1 || n > 128 || pos < n)
			break;
		n--; /* without its NUL */
		pos -= n + 1;
		s->walk_pos = pos;
		barrier_var(pos);
		pos &= TMP_SIZE - 1;
		s->tmp[pos] = '/';
		barrier_var(n);
		if (n < 0 || n > 127)
			break;
		bpf_probe_read_kernel(&s->tmp[pos + 1], n & 127, text);
		s->walk_dentry = (__u64)parent;
	}
	return 0;
}

/* Appends "name=" and the walked path at pos; the caller makes one parameter of all. */
static __always_inline void add_cgroup(struct scratch *s, const char *name, __u32 name_len)
{
	__u8 *out = rec_at(s);
	__u32 pos = s->walk_pos, len;

	for (__u32 i = 0; i < 8; i++)
		if (i < name_len)
			out[i] = name[i];
	out[name_len] = '=';
	s->pos += name_len + 1;
	barrier_var(pos);
	pos &= TMP_SIZE - 1;
	len = TMP_SIZE - pos;
	if (len <= 1) {
		*(__u16 *)rec_at(s) = '/';
		s->pos += 2;
		return;
	}
	if (len > 1024)
		len = 1024;
	barrier_var(len);
	if (len > 1024)
		return;
	bpf_probe_read_kernel(rec_at(s), len, &s->tmp[pos]);
	s->pos += len;
}

#define ADD_SUBSYS(id, text)                                                                       \
	do {                                                                                       \
		if (bpf_core_enum_value_exists(enum cgroup_subsys_id, id)) {                       \
			struct cgroup_subsys_state *css = NULL;                                    \
			bpf_core_read(&css, sizeof(css),                                           \
				&cset->subsys[bpf_core_enum_value(enum cgroup_subsys_id, id)]);    \
			s->walk_dentry = (__u64)BPF_CORE_READ(css, cgroup, kn);                    \
			if (s->walk_dentry) {                                                      \
				walk_cgroup(slot);                                                 \
				add_cgroup(s, text, sizeof(text) - 1);                             \
			}                                                                          \
		}                                                                                  \
	} while (0)

/* "cpuset=/…", "cpu=/…", …, NUL after each; last the default hierarchy as "unified=/…". */
__noinline int put_cgroups(__u32 slot)
{
	struct scratch *s = scratch_get(slot);
	struct task_struct *t;
	struct css_set *cset;
	__u32 start, len;

	if (!s)
		return 0;
	start = s->pos;
	t = (struct task_struct *)s->task;
	cset = BPF_CORE_READ(t, cgroups);
	if (cset) {
		ADD_SUBSYS(cpuset_cgrp_id, "cpuset");
		ADD_SUBSYS(cpu_cgrp_id, "cpu");
		ADD_SUBSYS(cpuacct_cgrp_id, "cpuacct");
		ADD_SUBSYS(io_cgrp_id, "io");
		ADD_SUBSYS(memory_cgrp_id, "memory");
		s->walk_dentry = (__u64)BPF_CORE_READ(cset, dfl_cgrp, kn);
		walk_cgroup(slot);
		add_cgroup(s, "unified", 7);
	}
	len = s->pos - start;
	s->pos = start;
	put_done(s, len);
	return 0;
}
