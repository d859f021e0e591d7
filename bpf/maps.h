/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* Maps, constants that the loader sets, and the scratch in which a record is built.
 * Who maps what in user space: saker_interest and saker_counters the supervisor, saker_wake the
 * collector (abi/kshared.h). */

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <abi/kshared.h>

#define REC_MASK (KEV_SIZE_MAX - 1)
#define REC_SLACK 8192 /* one parameter may be written past KEV_SIZE_MAX before it is refused */
#define TMP_SIZE 4096
#define TMP_SLACK 256

/* Set by the loader before load. */
const volatile __u32 saker_n_cpus = 1;
const volatile __u64 saker_ring_bytes = 4096;
const volatile __u64 saker_boot_epoch_ns = 0; /* CLOCK_REALTIME - CLOCK_BOOTTIME at load */

/* Typed pointers from numbers: since 6.2 (a35b9af4ec2c). Loads through them are plain instructions,
 * ten times cheaper than a probe read each. */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;
const volatile __u32 saker_has_cast =
	0; /* set by the loader: the other branch is dead code for the verifier */

/* One field of a kernel object. */
#define RD(T, p, field)                                                                            \
	(saker_has_cast ? ((T *)bpf_rdonly_cast((const void *)(p), bpf_core_type_id_kernel(T)))    \
				  ->field                                                          \
			: BPF_CORE_READ((T *)(p), field))

/* A word of kernel memory, 0 where there is none. */
static __always_inline __u64 rd_word(__u64 at)
{
	__u64 v = 0;

	if (saker_has_cast)
		return RD(struct timespec64, at, tv_sec);
	bpf_probe_read_kernel(&v, sizeof(v), (const void *)at);
	return v;
}

/* One record under construction. A slot of an array, not of a per-CPU array: those are limited to
 * 32 KiB an element. */
struct scratch {
	__u32 busy; /* a program on this CPU is using it: a nested one (interrupt) must not */
	__u32 pos;  /* next free byte of rec */
	__u32 n;    /* parameters put so far */
	__u32 n_declared;
	__u32 kern;   /* texts are in kernel memory (io_uring) */
	__u32 compat; /* pointers and structs of the caller are 32-bit */
	__u32 nr;
	__u32 want; /* KSHM_WANT_* of the event */
	__u32 trunc;
	__u32 open_flags;       /* of an open, as events carry them */
	__u32 str_pos, str_len; /* last text put: where in rec, bytes with its NUL */
	__u32 fixed_pos;        /* where DEV of a record starts, 0: none */
	__u32 flags_pos;        /* where the flags of an open start, 0: none */
	__u32 walk_pos;         /* start of the path in tmp */
	__u32 walk_end;         /* 0 not finished, 1 at the base, 2 at the root */
	__u32 snaplen;
	__u64 task; /* struct task_struct * whose facts are put */
	__u64 args[6];
	__s64 ret;
	__u64 file;                  /* struct file * of the returned descriptor, 0 unknown */
	__u64 walk_dentry, walk_mnt; /* struct dentry *, struct mount * */
	__u64 base_dentry, base_mnt;
	__u64 root_dentry, root_mnt;
	__u64 cmp_dentry, cmp_mnt; /* of a comparison that goes up beside the walk */
	__u64 uaddr;               /* peer's address in the caller's memory, 0 none */
	__u32 ualen;
	__s32 sockfd;
	__u64 iov; /* iovec in the caller's memory */
	__u32 iovcnt;
	__u32 have, goal,
		start; /* bytes gathered of several pieces, bytes wanted, where they begin; in
			  memory, so that every turn of a loop looks the same to the verifier */
	__u32 no_fd;   /* of an io_uring operation: its result is no descriptor of the process */
	__u64 how[3];  /* openat2's struct open_how */
	__u64 msg_control;
	__u64 msg_controllen;
	__u64 fpath;     /* struct path * being walked */
	__u64 req;       /* io_uring request */
	__u64 name_hash; /* of the name scanned last: KSHM_PATH_EXACT's hash */
	__u32 name_flags;
	__u32 name_slash; /* where its last slash is */
	__s64 credit;     /* bytes that this CPU may send before the ring is asked how full it is */
	__u8 rec[KEV_SIZE_MAX + REC_SLACK] __attribute__((aligned(8)));
	__u8 tmp[TMP_SIZE + TMP_SLACK] __attribute__((aligned(8)));
};

/* n_cpus slots for events, then one for each iterator (one reader of a kind at a time). */
#define SLOT_ITER_TASK saker_n_cpus
#define SLOT_ITER_FILE (saker_n_cpus + 1)
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, struct scratch);
} saker_scratch SEC(".maps");

struct saker_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};
/* The loader makes the rings, one a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct saker_ring);
} saker_rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kshm_interest);
} saker_interest SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kshm_counters);
} saker_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kshm_wake);
} saker_wake SEC(".maps");

/* io_uring operations between submission and completion, by request. Names are gone at completion,
 * so the record of a call with names is kept as far as it is known; of other calls the arguments
 * are kept. Not an LRU map: what it threw out would be a loss without a name. */
#define URING_REC_MAX 2560
struct uring_op {
	__u32 len;    /* bytes of rec in use; sizeof(struct kev_head): arguments only */
	__u32 row;    /* index in saker_rows */
	__u32 n, pos; /* of the record under construction */
	__u32 str_pos, str_len;
	__u32 fixed_pos, flags_pos;
	__u32 open_flags, want;
	__u32 no_fd; /* the result is no descriptor of the process */
	__u32 pad;
	__u64 args[6];
	__u8 rec[URING_REC_MAX] __attribute__((aligned(8)));
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2048);
	__type(key, __u64);
	__type(value, struct uring_op);
} saker_uring SEC(".maps");

static __always_inline struct scratch *scratch_get(__u32 slot)
{
	return bpf_map_lookup_elem(&saker_scratch, &slot);
}

static __always_inline struct kshm_interest *interest_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&saker_interest, &zero);
}

/* bpf_get_current_task_btf: since 5.11 (3ca1032ab7ab). Decided at load: the other branch is dead
 * code for the verifier. */
#define HAVE_TASK_BTF bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)

static __always_inline struct task_struct *task_current(void)
{
	if (HAVE_TASK_BTF)
		return bpf_get_current_task_btf();
	return (struct task_struct *)bpf_get_current_task();
}

static __always_inline bool is_self(const struct kshm_interest *in, __u32 tgid)
{
	for (__u32 i = 0; i < KSHM_SELF_SLOTS; i++) {
		__u32 self = in->self_tgids[KSHM_SELF_SLOT(tgid + i)];

		if (!self)
			return false;
		if (self == tgid)
			return true;
	}
	return false;
}
