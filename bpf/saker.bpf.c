/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* All kernel programs of saker, one object. Split by purpose: maps, emit, params (building
 * records), convert, path, file, sock, cgroup, task (facts), syscalls (the table), fetch (its
 * fetchers), sys_exit, process, uring, iter. Optional ones are switched off by the loader after a
 * probe. Inputs are the kernel's own objects and the memory of the calling process; the latter is
 * hostile and only copied. */

#include "sys_exit.h"
#include "uring.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
