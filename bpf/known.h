/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* Which descriptors user space may know, so that closing the others costs nothing and a number that
 * is used again never keeps an old name; and one close that waits (close.h). For a process of which opens were rejected: a byte for
 * each of its first descriptors. A byte that is set without need costs a record; one that is not set
 * means that user space cannot have an entry. So it starts with everything that is open, every
 * record about a descriptor sets it, and only a close that was sent, or the rejected open itself,
 * takes it back. Processes without an entry, and higher numbers: everything may be known. */

#include "file.h"

#define KNOWN_FDS 128
#define KNOWN_SLOTS 4096

struct known {
	__u64 start_ns; /* of the leader: with tgid it names the process */
	__u64 files;    /* its table: a thread may have left it */
	__u32 tgid;     /* 0: free */
	__u32 used;     /* counts up; an atomic addition to it is the barrier */
	__u32 waiting;  /* descriptor whose close is not sent yet, + 1; 0: none */
	__u32 pad;
	__u8 fds[KNOWN_FDS];
};
/* By the low bits of tgid; a later process takes the slot over if no close waits in it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KNOWN_SLOTS);
	__type(key, __u32);
	__type(value, struct known);
} saker_known SEC(".maps");

static __always_inline struct known *known_slot(__u32 tgid)
{
	__u32 i = tgid & (KNOWN_SLOTS - 1);

	return bpf_map_lookup_elem(&saker_known, &i);
}

/* The entry of the task's process, NULL: none. */
static __always_inline struct known *known_get(struct task_struct *t)
{
	__u32 tgid = RD(struct task_struct, t, tgid);
	struct known *k = known_slot(tgid);
	struct task_struct *leader;

	if (!k || k->tgid != tgid || k->files != (__u64)RD(struct task_struct, t, files))
		return NULL;
	leader = RD(struct task_struct, t, group_leader);
	return k->start_ns == RD(struct task_struct, leader, start_boottime) ? k : NULL;
}

/* The mark of that descriptor. The mask stands right before its use: where clang leaves it out because
 * of an earlier comparison, the verifiers of 5.10 and 6.1 do not follow. */
static __always_inline __u8 *known_fd(struct known *k, __u32 fd)
{
	barrier_var(fd);
	return &k->fds[fd & (KNOWN_FDS - 1)];
}

/* Eight bits as eight bytes, each zero or not. */
static __always_inline __u64 spread(__u64 bits)
{
	return ((bits & 0xff) * 0x0101010101010101ULL) & 0x8040201008040201ULL;
}

static __always_inline void read_open_fds(struct files_struct *files, __u64 ret_words[2])
{
	struct fdtable *fdt = RD(struct files_struct, files, fdt);
	const unsigned long *open = RD(struct fdtable, fdt, open_fds);

	ret_words[0] = ret_words[1] = ~0ULL;
	if (RD(struct fdtable, fdt, max_fds) >= KNOWN_FDS)
		bpf_probe_read_kernel(ret_words, 16, open);
	else
		bpf_probe_read_kernel(ret_words, 8, open); /* never smaller than a word */
}

/* Makes the current process's entry of what is open now, all but @but (KNOWN_FDS: all). Not for a
 * table that other processes share. Two threads may do so at once, or one may learn of a descriptor meanwhile: what is
 * open is looked at again once the entry can be found. */
__noinline int known_make(__u32 but)
{
	struct task_struct *t = task_current();
	struct files_struct *files = RD(struct task_struct, t, files);
	struct signal_struct *sig = RD(struct task_struct, t, signal);
	struct task_struct *leader = RD(struct task_struct, t, group_leader);
	struct known *k = known_slot(RD(struct task_struct, t, tgid));
	__u64 open[2];

	if (!k || but > KNOWN_FDS || k->waiting ||
		RD(struct files_struct, files, count.counter) !=
			RD(struct signal_struct, sig, nr_threads))
		return 0;
	k->tgid = 0;
	read_open_fds(files, open);
	for (__u32 i = 0; i < KNOWN_FDS / 8; i++)
		*(__u64 *)(k->fds + i * 8) = spread(open[i >> 3 & 1] >> ((i & 7) * 8));
	if (but < KNOWN_FDS)
		*known_fd(k, but) = 0;
	k->start_ns = RD(struct task_struct, leader, start_boottime);
	k->files = (__u64)files;
	k->tgid = RD(struct task_struct, t, tgid);
	__sync_fetch_and_add(&k->used, 1);
	read_open_fds(files, open);
	if (but == KNOWN_FDS)
		;
	else if (but & 64)
		open[1] &= ~(1ULL << (but & 63));
	else
		open[0] &= ~(1ULL << (but & 63));
	for (__u32 i = 0; i < KNOWN_FDS / 8; i++)
		*(__u64 *)(k->fds + i * 8) |= spread(open[i >> 3 & 1] >> ((i & 7) * 8));
	return 1;
}

/* User space is told of the descriptor. */
static __always_inline void known_learn(struct task_struct *t, __s64 fd)
{
	struct known *k;

	if (fd < 0 || fd >= KNOWN_FDS)
		return;
	k = known_get(t);
	if (k)
		*known_fd(k, fd) = 1;
}

/* Its close was sent. */
static __always_inline void known_forget(__s64 fd)
{
	struct known *k;

	if (fd < 0 || fd >= KNOWN_FDS)
		return;
	k = known_get(task_current());
	if (k)
		*known_fd(k, fd) = 0;
}

/* Nothing is kept for the process: it ends, or shares its table with another one from now on, and
 * then none is made again (see known_make). */
static __always_inline void known_drop(struct task_struct *t)
{
	struct known *k = known_get(t);

	if (!k)
		return;
	k->tgid = 0;
	k->waiting = 0;
}
