/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* Closes that no rule wants, but of which user space has to know. Most descriptors are opened, used and
 * closed, and the next open gets the same number: then the close tells nothing that the open does not
 * tell. So of a process with one thread one close waits. An open that is sent and got the number makes
 * it void; before every other record of the process it is sent. User space never sees an order of
 * things that was not. With a second thread nothing waits: who came first could not be told. */

#include "known.h"
#include "syscalls.h"

#define CLOSE_BYTES (HEAD_BYTES + LENS_BYTES(2) + 16)

/* Sends the record of a close by the current task. Straight into the buffer, not over scratch, in
 * which another record may be under construction. */
__noinline int close_record(__u32 fd, __u32 flags)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct kshm_counters *c = counters_get();
	void *rb = bpf_map_lookup_elem(&saker_rings, &cpu);
	struct task_struct *t = task_current();
	struct kev_head *r;

	if (!c)
		return 0;
	COUNT(c->seen[KEV_CLASS_STATE]);
	if (!rb) {
		COUNT(c->lost_full[KEV_CLASS_STATE]);
		return 0;
	}
	if (!ring_admit(rb, cpu, c, RD(struct task_struct, t, tgid), KEV_CLASS_STATE, CLOSE_BYTES))
		return 0;
	r = bpf_ringbuf_reserve(rb, CLOSE_BYTES, 0);
	if (!r) {
		COUNT(c->lost_full[KEV_CLASS_STATE]);
		return 0;
	}
	r->len = CLOSE_BYTES;
	r->type = KEV_CODE_SYSCALL_CLOSE_X;
	r->flags = flags;
	r->extras = 0;
	r->n_params = 2;
	r->cls = KEV_CLASS_STATE;
	r->cpu = cpu;
	head_fill_current(r);
	*(__u64 *)(r + 1) = 8 | 8 << 16;
	*(__u64 *)((__u8 *)(r + 1) + 8) = 0;
	*(__u64 *)((__u8 *)(r + 1) + 16) = fd;
	r->ts_ns = bpf_ktime_get_boot_ns();
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	COUNT(c->submitted[KEV_CLASS_STATE]);
	wake(rb, cpu, c);
	return 1;
}

/* Sends the close that waits. */
static __always_inline void closed_send(struct known *k)
{
	__u32 fd = k->waiting - 1;

	k->waiting = 0;
	if (close_record(fd, 0))
		*known_fd(k, fd) = 0;
}

/* Before a record of the current process: the close that waits comes first. */
static __always_inline void closed_flush(void)
{
	struct known *k = known_get(task_current());

	if (k && k->waiting)
		closed_send(k);
}

/* Sends the record of the slot, after the close that waits; 1: it is in the buffer. */
static __always_inline int send_record(__u32 slot)
{
	closed_flush();
	return emit_record(slot);
}

/* A successful close which is nothing but a change of state. */
static __always_inline void close_call(struct task_struct *t, __u32 fd, __u32 flags)
{
	struct signal_struct *sig;
	struct known *k;

	if (fd >= KNOWN_FDS) {
		closed_flush();
		close_record(fd, flags);
		return;
	}
	k = known_get(t);
	if (!k) {
		close_record(fd, flags);
		known_make(KNOWN_FDS);
		return;
	}
	if (!*known_fd(k, fd))
		return;
	sig = RD(struct task_struct, t, signal);
	if (RD(struct signal_struct, sig, nr_threads) == 1) {
		/* the lowest number is the next one that is given away */
		if (!k->waiting || fd + 1 < k->waiting) {
			__u32 before = k->waiting;

			if (before)
				closed_send(k);
			k->waiting = fd + 1;
			return;
		}
	} else if (k->waiting) {
		closed_send(k);
	}
	if (close_record(fd, flags))
		*known_fd(k, fd) = 0;
}

/* An open of that descriptor is to leave no record; false: user space may have an old name for it,
 * or cannot be told what it knows. */
static __always_inline bool known_skip(struct task_struct *t, __s64 fd)
{
	struct known *k;

	if (fd < 0 || fd >= KNOWN_FDS)
		return false;
	k = known_get(t);
	if (!k)
		return known_make(fd);
	if (k->waiting == fd + 1)
		closed_send(k);
	return !*known_fd(k, fd);
}
