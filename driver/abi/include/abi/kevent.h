/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause OR Apache-2.0 */
#pragma once
/* A kernel event as it crosses from BPF to user space and through the raw ring: the one encoding of events of events.def.
 *
 *   struct kev_head | u16 param_len[n_params] padded with zeros to 8 | parameter bytes, back to back, no padding | zeros to 8
 *
 * Also used for state that is not an event (iterator snapshots `task`, `task_file_*`; useradded, groupadded, saker_iface, …).
 * An absent parameter has length 0. Integers are little-endian in the width of their type and unaligned. Included by BPF programs: no libc. */

#ifndef __KERNEL_BPF__
#include <stdint.h>
typedef uint8_t kev_u8;
typedef uint16_t kev_u16;
typedef uint32_t kev_u32;
typedef uint64_t kev_u64;
#else
typedef __u8 kev_u8;
typedef __u16 kev_u16;
typedef __u32 kev_u32;
typedef __u64 kev_u64;
#endif

#define KEV_COMM_LEN 16
#define KEV_PARAMS_MAX 40  /* most parameters of one event, extras included */
#define KEV_SIZE_MAX 32768 /* whole record, head included */
#define KEV_ARGS_MAX                                                                               \
	4096 /* bytes of arguments or environment at exec, NULs included; cut at the end */
#define KEV_PATH_MAX 4096

/* kev_head.flags */
#define KEV_F_COMPAT 0x01   /* 32-bit system call */
#define KEV_F_IO_URING 0x02 /* an io_uring operation under the name of the call it stands for */
#define KEV_F_TRUNC 0x04    /* a parameter was cut or could not be read */
#define KEV_F_SNAPSHOT 0x08 /* state from an iterator, not an event */
#define KEV_F_NO_TASK 0x10  /* tid and comm are not those of the doer (kernel worker) */
#define KEV_F_DEV                                                                                  \
	0x20 /* task_file_regular from a capture: mnt_id holds the device's number instead */
#define KEV_F_STATE_ONLY                                                                           \
	0x40 /* an event that changes the state and that no rule shall see (captures) */

/* kev_head.extras: parameters that follow the declared ones of events.def, in this order; each set bit adds one. */
#define KEV_X_REALPATH                                                                             \
	0x01 /* str: path of the opened file as the kernel walked it; present only where it differs from the resolved argument or the kernel
			       saw a symlink */

/* Why a record was lost or in which order it is shed. */
#define KEV_CLASS_STATE 1 /* exec, credentials, modules, ptrace, fork, exit, close and dup, chdir */
#define KEV_CLASS_FILE_NET 2 /* open, connect */
#define KEV_CLASS_OTHER 3    /* everything else; the first to go */
#define KEV_CLASSES 3

struct kev_head {
	kev_u32 len;   /* bytes used, head included, multiple of 8 */
	kev_u16 type;  /* code of events.def */
	kev_u8 flags;  /* KEV_F_* */
	kev_u8 extras; /* KEV_X_* */
	kev_u64 ts_ns; /* CLOCK_BOOTTIME, stamped after the ring buffer's reserve; for snapshots when it was read */
	kev_u32 tid;  /* in the initial pid namespace */
	kev_u32 tgid; /* 0 where tid is not: not told (captures); the tracker knows it by tid */
	kev_u64 leader_start_ns; /* start_boottime of the group leader: with tgid it names a process for good */
	kev_u32 ppid; /* tgid of the real parent; 0: none or unknown */
	kev_u32 uid; /* effective, initial user namespace; UINT32_MAX not told (captures), as gid */
	kev_u64 cgroup_id;       /* default hierarchy, or the memory controller's on v1 */
	char comm[KEV_COMM_LEN]; /* NUL-ended */
	kev_u16 cpu;
	kev_u8 n_params; /* declared + extras */
	kev_u8 cls;      /* KEV_CLASS_* */
	kev_u32 gid;     /* effective */
};

_Static_assert(sizeof(struct kev_head) == 72, "layout of kev_head");
_Static_assert(__builtin_offsetof(struct kev_head, comm) == 48, "layout of kev_head");

/* Type of a parameter's bytes. Fixed widths where the name has them. */
enum kev_type {
	KEV_T_INT8,
	KEV_T_INT16,
	KEV_T_INT32,
	KEV_T_INT64,
	KEV_T_UINT8,
	KEV_T_UINT16,
	KEV_T_UINT32,
	KEV_T_UINT64,
	KEV_T_STR,     /* text with its NUL, as in .scap; length 0 = absent */
	KEV_T_PATH,    /* path as passed, with its NUL */
	KEV_T_RELPATH, /* path relative to the descriptor parameter before it */
	KEV_T_BYTES, /* raw bytes; for `args`, `env`, `cgroups`: NUL-separated strings, the last with its NUL */
	KEV_T_STRARRAY, /* NUL-separated strings */
	KEV_T_DYN,   /* u8 tag, then value: tag 0 u64 address or value, 1 i64; sockopts by option */
	KEV_T_FD,    /* i64 */
	KEV_T_FD32,  /* i32 */
	KEV_T_PID,   /* i64 */
	KEV_T_PID32, /* i32 */
	KEV_T_ERRNO, /* i64 */
	KEV_T_UID,
	KEV_T_GID,  /* u32 */
	KEV_T_MODE, /* u32 */
	KEV_T_FLAGS8,
	KEV_T_FLAGS16,
	KEV_T_FLAGS32,
	KEV_T_ENUM8,
	KEV_T_ENUM16,
	KEV_T_ENUM32,
	KEV_T_SOCKADDR, /* u8 family (AF_*), then INET: u32 ip, u16 port; INET6: 16 bytes, u16 port; UNIX: path with NUL. ip in network order, port in host order */
	KEV_T_SOCKTUPLE, /* u8 family, then INET: u32 sip, u16 sport, u32 dip, u16 dport; INET6: the same with 16 bytes; UNIX: u64 source, u64 dest, path */
	KEV_T_FDLIST,    /* u16 n, then n of (i64 fd, i16 flags) */
	KEV_T_RELTIME,
	KEV_T_ABSTIME,   /* u64 ns */
	KEV_T_SYSCALLID, /* u16 */
	KEV_T_SIGTYPE,   /* u8 */
	KEV_T_SIGSET,    /* u32 */
	KEV_T_IPV4ADDR,  /* u32, network order */
	KEV_T_IPV6ADDR,  /* 16 bytes */
	KEV_T_PORT,      /* u16 */
	_KEV_T_MAX,
};

enum kev_cat {
	KEV_CAT_FILE,
	KEV_CAT_INTERNAL,
	KEV_CAT_IO_OTHER,
	KEV_CAT_IO_READ,
	KEV_CAT_IO_WRITE,
	KEV_CAT_IPC,
	KEV_CAT_MEMORY,
	KEV_CAT_NET,
	KEV_CAT_OTHER,
	KEV_CAT_PROCESS,
	KEV_CAT_SCHEDULER,
	KEV_CAT_SIGNAL,
	KEV_CAT_SLEEP,
	KEV_CAT_SYSTEM,
	KEV_CAT_TIME,
	KEV_CAT_USER,
	KEV_CAT_WAIT,
	_KEV_CAT_MAX,
};

enum kev_kind {
	KEV_KIND_SYSCALL,
	KEV_KIND_TRACEPOINT,
	KEV_KIND_ITER,
	KEV_KIND_META,
	KEV_KIND_PLUGIN,
	_KEV_KIND_MAX
};

/* flags of an event type */
#define KEV_CREATES_FD 0x01
#define KEV_DESTROYS_FD 0x02
#define KEV_USES_FD 0x04
#define KEV_MODIFIES_STATE 0x08
#define KEV_READS 0x10
#define KEV_WRITES 0x20
#define KEV_WAITS 0x40
#define KEV_SKIP_RESET 0x80
#define KEV_LARGE_PAYLOAD 0x100

/* Codes by name: KEV_CODE_SYSCALL_OPENAT_2_X = 307, … */
enum kev_code {
#define EV(code, NAME, str, dir, cat, kind, flags, n) KEV_CODE_##NAME = code,
#define EVP(NAME, i, str, type, base, ft)
#include <abi/events.def>
};

/* Dense index of an event type, 0.._KEV_IX_MAX-1, in table order: what arrays by event type are indexed with. */
enum kev_ix {
#define EV(code, NAME, str, dir, cat, kind, flags, n) KEV_IX_##NAME,
#define EVP(NAME, i, str, type, base, ft)
#include <abi/events.def>
	_KEV_IX_MAX,
};
