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
#define KSHM_WANT_PATHS                                                                            \
	0x10 /* of opens only those that `paths` names under one of their two names */
#define KSHM_WANT_KNOWN_FD                                                                         \
	0x20 /* of closes only those of descriptors that user space may know; before the next record of the process at the latest, and not at
		all if the next one is an open that got the same number */
#define KSHM_WANT_NOT_TCP                                                                          \
	0x40 /* of what is sent over sockets not what goes over TCP connections that there are already */

/* Paths of opens that some rule may want. What the table cannot say counts as wanted, so a collision of hashes costs a record and loses none. Made by the
 * rules compiler, stored by the supervisor, looked up by the programs.
 * A class of opens: access mode (0 read, 1 write, 2 both), + KSHM_OPEN_TRUNC with O_TRUNC, + KSHM_OPEN_FAILED. */
#define KSHM_OPEN_TRUNC 3
#define KSHM_OPEN_FAILED 6
#define KSHM_OPEN_CLASSES 12
#define KSHM_PATH_MAX 256    /* bytes with the NUL; longer ones are wanted */
#define KSHM_PATH_SLOTS 2048 /* power of two */
#define KSHM_PATH_PROBES 8
#define KSHM_PATH_PREFIXES 8 /* different lengths of prefixes */
enum kshm_path_kind {
	KSHM_PATH_ANY = 0x01,    /* every open of the class */
	KSHM_PATH_EXACT = 0x02,  /* the whole name */
	KSHM_PATH_DIR = 0x04,    /* all up to the last slash, "/" for names in the root */
	KSHM_PATH_BASE = 0x08,   /* what follows the last slash */
	KSHM_PATH_PREFIX = 0x10, /* its first bytes */
	KSHM_PATH_DOTDOT = 0x20, /* two dots in a row anywhere in the argument */
};
struct kshm_paths {
	kev_u8 kinds[16];                       /* enum kshm_path_kind by class of opens */
	kev_u8 prefix_lens[KSHM_PATH_PREFIXES]; /* 0 ends */
	kev_u64 slots
		[KSHM_PATH_SLOTS]; /* high 48 bits of the hash, then a bit for each class; 0: free. Probed from KSHM_HASH_SLOT on */
};

/* The hash goes over words, the last one filled up with zeros. */
#define KSHM_HASH_K 0x9e3779b97f4a7c15ULL
#define KSHM_HASH_SLOT(h) ((kev_u32)((h) >> 40) & (KSHM_PATH_SLOTS - 1))
#define KSHM_HASH_TAG(h) ((h) & ~0xffffULL)
static inline kev_u64 kshm_hash_start(kev_u64 n, kev_u64 kind)
{
	return (n << 8 | kind) * KSHM_HASH_K;
}
static inline kev_u64 kshm_hash_word(kev_u64 h, kev_u64 word)
{
	h = (h ^ word) * KSHM_HASH_K;
	return h ^ h >> 29;
}

#define KSHM_SELF_SLOTS 64
#define KSHM_SELF_SLOT(tgid) ((tgid) & (KSHM_SELF_SLOTS - 1))

struct kshm_interest {
	kev_u8 by_ix[_KEV_IX_MAX]; /* KSHM_WANT_* by dense event index */
	kev_u8 pad[1024 - _KEV_IX_MAX];
	kev_u32 enabled; /* 0: the programs return at once (before start, after stop) */
	kev_u32 snaplen; /* bytes of I/O payload, 0..4096 */
	kev_u32 self_tgids[KSHM_SELF_SLOTS]; /* processes of saker itself, not captured: a table
		by KSHM_SELF_SLOT(tgid), the next place where that one is taken, 0: free */
	kev_u32 supervisor_tgid;
	kev_u32 pad0;
	kev_u64 canary; /* not 0: the supervisor's next call of a wanted type is answered with saker_canary of this number, once */
	struct kshm_paths paths;
};
_Static_assert(_KEV_IX_MAX <= 1024, "interest by event index");

/* User space: these processes, the supervisor first, are saker's own. At most KSHM_SELF_SLOTS - 1 count: a search ends at a free place. A program that reads
 * meanwhile may miss one: an event of our own more, judged like any other. */
static inline void kshm_exclude(struct kshm_interest *in, const kev_u32 *tgids, unsigned n)
{
	kev_u32 table[KSHM_SELF_SLOTS] = {0};

	for (unsigned i = 0; i < n && i < KSHM_SELF_SLOTS - 1; i++) {
		kev_u32 at = tgids[i];

		while (table[KSHM_SELF_SLOT(at)])
			at++;
		table[KSHM_SELF_SLOT(at)] = tgids[i];
	}
	__atomic_store_n(&in->supervisor_tgid, n ? tgids[0] : 0, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < KSHM_SELF_SLOTS; i++)
		__atomic_store_n(&in->self_tgids[i], table[i], __ATOMIC_RELAXED);
}

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
