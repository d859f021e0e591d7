/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A program that does nothing on every system call's return: what benchmarks compare saker with. */

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

SEC("tp_btf/sys_exit")
int BPF_PROG(empty_sys_exit, struct pt_regs *regs, long ret)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
