/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause OR Apache-2.0 */
#pragma once
/* Maps that BPF programs and user space share by mmap. Three maps, two owners: counters and interest are mapped by the supervisor alone, wake flags by the collector alone. */

#include <abi/kevent.h>

#define KSHM_CPUS_MAX 256
#define KSHM_SYSCALLS_MAX 512

/* map saker_interest (BPF_F_MMAPABLE array, one element): what is captured. A store changes it. */
#define KSHM_WANT 0x01              /* capture this event type */
#define KSHM_WANT_SUCCESS_ONLY 0x02 /* only if the return value is >= 0 */
#define KSHM_WANT_WRITE_OPEN 0x04   /* of opens only those that may write, … */
#define KSHM_WANT_READ_OPEN 0x08    /* … or may read; neither bit: all */
struct kshm_interest {
	kev_u8 by_ix[_KEV_IX_MAX]; /* KSHM_WANT_* by dense event index */
	kev_u8 pad[1024 - _KEV_IX_MAX];
	kev_u32 enabled;        /* 0: the programs return at once (before start, after stop) */
	kev_u32 snaplen;        /* bytes of I/O payload, 0..4096 */
	kev_u32 self_tgids[64]; /* processes of saker itself: not captured (0 ends) */
};
_Static_assert(_KEV_IX_MAX <= 1024, "interest by event index");

/* map saker_counters (BPF_F_MMAPABLE array, one element a CPU): written by BPF, read by the supervisor. Monotonic. */
struct kshm_counters {
	kev_u64 seen[KEV_CLASSES + 1]; /* selected by interest, by class (index 1..3) */
	kev_u64 submitted[KEV_CLASSES + 1];
	kev_u64 lost_full[KEV_CLASSES + 1];    /* no room for the class */
	kev_u64 lost_flood[KEV_CLASSES + 1];   /* thread group above its share */
	kev_u64 lost_scratch[KEV_CLASSES + 1]; /* per-CPU scratch in use (nested) */
	kev_u64 lost_size[KEV_CLASSES + 1];    /* larger than the largest size class */
	kev_u64 cut;                           /* records that lost part of a parameter */
	kev_u64 wakes;
	kev_u64 reserved[6];
};
_Static_assert(sizeof(struct kshm_counters) == 256, "one element a CPU");

/* map saker_wake (BPF_F_MMAPABLE array, one element): the collector stores 1 before it sleeps; the program that sees it stores 0 and wakes. */
struct kshm_wake {
	kev_u64 need[KSHM_CPUS_MAX * 8]; /* [cpu * 8]: one cache line a CPU */
};
