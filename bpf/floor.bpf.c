/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The least that a program can do which tells user space of every open and close: a record of a head's
 * size, with the time and who it was, into the CPU's own ring buffer. No name, no flags, no counters,
 * no filter: what benchmarks compare saker with. */

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <abi/kevent.h>

struct floor_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};
/* Made by the benchmark, one a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 256);
	__type(key, __u32);
	__array(values, struct floor_ring);
} floor_rings SEC(".maps");

#define NR_CLOSE 3
#define NR_OPENAT 257

SEC("tp_btf/sys_exit")
int BPF_PROG(floor_sys_exit, struct pt_regs *regs, long ret)
{
	__u32 nr = regs->orig_ax, cpu;
	struct kev_head *r;
	void *rb;

	if (nr != NR_CLOSE && nr != NR_OPENAT)
		return 0;
	cpu = bpf_get_smp_processor_id();
	rb = bpf_map_lookup_elem(&floor_rings, &cpu);
	if (!rb)
		return 0;
	r = bpf_ringbuf_reserve(rb, sizeof(*r), 0);
	if (!r)
		return 0;
	r->tgid = bpf_get_current_pid_tgid() >> 32;
	r->type = nr;
	r->ts_ns = bpf_ktime_get_boot_ns();
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
