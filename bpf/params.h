/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* Building a record in scratch: the head, then one put_* for each parameter in order.
 * Positions live in memory, not in registers: every put starts from the same verifier state, which
 * keeps the interpreted table cheap to verify. */

#include "emit.h"

#define HEAD_BYTES sizeof(struct kev_head)
#define LENS_BYTES(n) ((2 * (n) + 7) & ~7u)

static __always_inline void *rec_at(struct scratch *s)
{
	__u32 p = s->pos;

	barrier_var(p);
	return s->rec + (p & REC_MASK);
}

/* The bytes at rec_at() are a parameter of that length. */
static __always_inline void put_done(struct scratch *s, __u32 len)
{
	__u32 n = s->n;

	if (s->pos + len > KEV_SIZE_MAX - 16) {
		s->trunc = 1;
		len = 0;
	}
	if (n < KEV_PARAMS_MAX)
		*(__u16 *)(s->rec + HEAD_BYTES + 2 * n) = len;
	s->n = n + 1;
	s->pos += len;
}

static __always_inline void put_int(struct scratch *s, __u64 v, __u32 width)
{
	*(__u64 *)rec_at(s) = v;
	put_done(s, width);
}

static __always_inline void put_absent(struct scratch *s)
{
	put_done(s, 0);
}

/* Text of the caller's memory (or the kernel's for io_uring), with its NUL. */
static __always_inline void put_str(struct scratch *s, __u64 ptr)
{
	long n = 0;

	s->str_pos = s->pos;
	s->str_len = 0;
	if (ptr) {
		if (s->kern)
			n = bpf_probe_read_kernel_str(rec_at(s), KEV_PATH_MAX, (void *)ptr);
		else
			n = bpf_probe_read_user_str(rec_at(s), KEV_PATH_MAX, (void *)ptr);
		if (n <= 0 || n > KEV_PATH_MAX) {
			s->trunc = 1;
			n = 0;
		}
	}
	s->str_len = n;
	put_done(s, n);
}

static __always_inline void put_kstr(struct scratch *s, const void *ptr, __u32 max)
{
	long n = ptr ? bpf_probe_read_kernel_str(rec_at(s), max, ptr) : 0;

	if (n < 0 || n > max)
		n = 0;
	put_done(s, n);
}

/* Raw bytes of the caller's memory, cut at max. */
static __always_inline void put_user_bytes(struct scratch *s, __u64 ptr, __u64 len, __u32 max)
{
	__u32 n = len > max ? max : len;

	if (n > KEV_ARGS_MAX)
		n = KEV_ARGS_MAX;
	barrier_var(n);
	if (!ptr || n == 0 || n > KEV_ARGS_MAX) {
		put_absent(s);
		return;
	}
	if (bpf_probe_read_user(rec_at(s), n, (void *)ptr)) {
		s->trunc = 1;
		n = 0;
	}
	put_done(s, n);
}

/* The bytes of w before its first zero byte; ret_ended: there is one. */
static __always_inline __u64 text_word(__u64 w, __u64 *ret_ended)
{
	__u64 zero = (w - 0x0101010101010101ULL) & ~w & 0x8080808080808080ULL;

	*ret_ended = zero;
	return zero ? w & (((zero & -zero) >> 7) - 1) : w;
}

/* The current task's name. Older kernels leave the rest of a longer one behind its NUL. */
static __always_inline void head_comm(struct kev_head *h)
{
	__u64 *to = (__u64 *)h->comm, at, ended, first;

	if (!saker_has_cast) {
		bpf_get_current_comm(h->comm, sizeof(h->comm));
		return;
	}
	at = (__u64)&bpf_get_current_task_btf()->comm;
	first = rd_word(at);
	to[0] = text_word(first, &ended);
	to[1] = ended ? 0 : text_word(rd_word(at + 8), &ended);
}

/* Head from the current task. Direct loads where the kernel gives a typed pointer, probe reads
 * before 5.11. */
static __always_inline void head_current(struct kev_head *h)
{
	if (HAVE_TASK_BTF) {
		struct task_struct *t = bpf_get_current_task_btf();

		h->tid = t->pid;
		h->tgid = t->tgid;
		h->leader_start_ns = t->group_leader->start_boottime;
		h->ppid = t->real_parent->tgid;
		h->uid = t->cred->euid.val;
		h->gid = t->cred->egid.val;
		h->cgroup_id = t->cgroups->dfl_cgrp->kn->id;
	} else {
		struct task_struct *t = (struct task_struct *)bpf_get_current_task();

		h->tid = BPF_CORE_READ(t, pid);
		h->tgid = BPF_CORE_READ(t, tgid);
		h->leader_start_ns = BPF_CORE_READ(t, group_leader, start_boottime);
		h->ppid = BPF_CORE_READ(t, real_parent, tgid);
		h->uid = BPF_CORE_READ(t, cred, euid.val);
		h->gid = BPF_CORE_READ(t, cred, egid.val);
		h->cgroup_id = BPF_CORE_READ(t, cgroups, dfl_cgrp, kn, id);
	}
	head_comm(h);
}

/* The memory controller's cgroup, for hosts whose default hierarchy is unused (v1): everybody is in
 * its root, id 1. */
static __always_inline __u64 cgroup_id_v1(struct task_struct *t)
{
	struct css_set *cset = RD(struct task_struct, t, cgroups);
	struct cgroup_subsys_state *css;
	struct kernfs_node *kn;
	struct cgroup *cgrp;

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return 0;
	css = (struct cgroup_subsys_state *)rd_word(
		(__u64)&cset->subsys[bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id)]);
	cgrp = RD(struct cgroup_subsys_state, css, cgroup);
	kn = RD(struct cgroup, cgrp, kn);
	return RD(struct kernfs_node, kn, id);
}

/* Head of any task, for iterators. */
static __always_inline void head_task(struct kev_head *h, struct task_struct *t)
{
	h->tid = BPF_CORE_READ(t, pid);
	h->tgid = BPF_CORE_READ(t, tgid);
	h->leader_start_ns = BPF_CORE_READ(t, group_leader, start_boottime);
	h->ppid = BPF_CORE_READ(t, real_parent, tgid);
	h->uid = BPF_CORE_READ(t, cred, euid.val);
	h->gid = BPF_CORE_READ(t, cred, egid.val);
	h->cgroup_id = BPF_CORE_READ(t, cgroups, dfl_cgrp, kn, id);
	bpf_probe_read_kernel(h->comm, sizeof(h->comm), &t->comm);
	h->comm[KEV_COMM_LEN - 1] = 0;
}

/* Starts a record: n parameters, extras included. The caller fills tid … comm by head_*(). */
static __always_inline struct kev_head *rec_start(
	struct scratch *s, __u32 code, __u32 cls, __u32 n, __u32 extras)
{
	struct kev_head *h = (struct kev_head *)s->rec;

	h->type = code;
	h->flags = 0;
	h->extras = extras;
	h->n_params = n;
	h->cls = cls;
	s->n_declared = n;
	s->n = 0;
	s->pos = HEAD_BYTES + LENS_BYTES(n);
	s->trunc = 0;
	s->fixed_pos = 0;
	s->flags_pos = 0;
	s->kern = 0;
	s->str_len = 0;
	return h;
}

/* The length table ends with zeros, and so does the record. Parameters that were not put are
 * absent. */
static __always_inline void rec_finish(struct scratch *s)
{
	struct kev_head *h = (struct kev_head *)s->rec;
	__u32 n = h->n_params;

	for (int i = 0; i < 4; i++) { /* padding of the table */
		if (n < KEV_PARAMS_MAX + 4 && (n & 3))
			*(__u16 *)(s->rec + HEAD_BYTES + 2 * n) = 0;
		else
			break;
		n++;
	}
	*(__u64 *)rec_at(s) = 0;
	h->len = (s->pos + 7) & ~7u;
	if (s->trunc)
		h->flags |= KEV_F_TRUNC;
}

static __always_inline void head_fill_current(struct kev_head *h)
{
	head_current(h);
	if (h->cgroup_id <= 1)
		h->cgroup_id = cgroup_id_v1(task_current());
}
