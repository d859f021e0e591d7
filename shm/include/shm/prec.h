/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The thread record: everything evaluators know of a thread. Written by the tracker before the first event that needs it and after every change. */

#include <stddef.h>
#include <stdint.h>

#include <base/span.h>
#include <shm/rec.h>

#define PREC_NO_SLOT UINT32_MAX

/* prec.exe_flags: as the event vocabulary's EXE_* */
#define PREC_EXE_WRITABLE 1
#define PREC_EXE_UPPER_LAYER 2
#define PREC_EXE_FROM_MEMFD 4
#define PREC_EXE_LOWER_LAYER 8

/* prec.flags */
#define PREC_MAIN 1           /* group leader */
#define PREC_PLACEHOLDER 2    /* nothing is known of it but what the event's head said */
#define PREC_IN_CHILD_PIDNS 4 /* its pid namespace is not the initial one */
#define PREC_DEAD 8           /* it ended: a leader whose threads live on, or at its own end */

struct prec {
	struct rec_head h; /* REC_PROC */
	uint32_t slot;     /* dense, 0..threads-1 */
	uint32_t
		leader_slot; /* its group leader's; = slot for the leader; the leader's record holds what the group shares: cwd, root, env, fd limit */
	uint32_t
		parent_slot; /* of the thread `ptid`; PREC_NO_SLOT if unknown. A change of it is another record */
	uint32_t flags;         /* PREC_* */
	int64_t tid, pid, ptid; /* initial pid namespace; -1 unknown */
	int64_t vtid, vpid;     /* own namespace; -1 unknown */
	int64_t sid, vpgid, pgid;
	uint32_t uid, gid;
	int64_t loginuid; /* -1: unset */
	uint32_t tty;
	uint32_t exe_flags; /* PREC_EXE_* */
	uint64_t cap_inheritable, cap_permitted, cap_effective;
	uint64_t exe_ino, exe_ctime_ns, exe_mtime_ns; /* 0: unknown */
	uint64_t clone_ts_ns;                         /* epoch; 0 unknown */
	uint64_t pidns_start_ns;                      /* epoch; 0 unknown */
	uint64_t vm_size_kb, vm_rss_kb, vm_swap_kb;
	uint64_t pf_major, pf_minor;
	int64_t fd_limit;   /* -1 unknown */
	uint32_t n_args;    /* strings in args */
	uint32_t n_threads; /* live threads of the group; in the leader's record */
	struct rec_str comm, exe, exepath;
	struct rec_str args; /* n_args NUL-ended strings in a row, argv[1..]; n counts the NULs */
	struct rec_str env;  /* NUL-ended strings in a row; leader's record only */
	struct rec_str cwd;  /* ends in '/'; leader's record only */
	struct rec_str root; /* leader's record only */
	struct rec_str cgroups;      /* "subsys=path" NUL-ended strings in a row */
	struct rec_str container_id; /* full id; {0,0}: host */
	uint32_t
		container_slot; /* where that container's record stands, if one is told; PREC_NO_SLOT: host. A slot is used again: compare the id */
	uint32_t container_engine; /* enum ctr_engine: whose its cgroup is by its name */
};
_Static_assert(sizeof(struct prec) % 8 == 0, "no tail padding");

/* Check a record of ring.len bytes once: size, texts inside it and NUL-ended, slots < max_slots. Returns 0 or -EBADMSG. */
int prec_validate(const struct rec_head *rec, uint32_t max_slots);

static inline struct span rec_text(const void *rec, struct rec_str s)
{
	return (struct span){.p = s.off ? (const char *)rec + s.off : NULL, .n = s.n};
}
/* Is the text inside [from, len), NUL-ended, or absent? */
int rec_str_check(const void *rec, size_t from, size_t len, struct rec_str s);
/* Strings in a row, after rec_str_check(): each ends in a NUL that n counts. 0 and their number, or -EBADMSG. */
int rec_strings_check(const void *rec, struct rec_str s, uint32_t *ret_n);

/* Appending texts to a record under construction. */
struct rec_writer {
	uint8_t *buf; /* the record, 8-aligned */
	size_t cap;
	size_t n; /* used; starts at the size of the fixed part */
	int failed;
};
struct rec_str rec_add_text(struct rec_writer *w, struct span s); /* s.p == NULL: {0,0} */
/* Pads to 8 with zeros, writes the length into the ring header (the type is the caller's) and returns it, or -EMSGSIZE. */
int rec_finish(struct rec_writer *w);
