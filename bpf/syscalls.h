/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* The rows of abi/syscalls.def as data. The program interprets a row in one loop (fetch.h): each
 * turn begins with the same verifier state, so that a new row costs the verifier nothing. */

#include "task.h"

#define NONE KSHM_SYSCALLS_MAX
#define ROW_OPEN 0x01
#define ROW_AT 0x02 /* the path is relative to the descriptor in argument 0 */
#define ROW_CREAT 0x04
#define ROW_CONNECT 0x08
#define ROW_FAILED_ONLY 0x10
#define ROW_EXEC 0x20
#define ROW_CLONE 0x40
#define ROW_MSG 0x80
#define ROW_MMSG 0x100
#define ROW_FETCH_MAX 9
#define AT_FDCWD_ (-100)

enum row_op {
	OP_ABSENT,
	OP_RET,
	OP_U8,
	OP_U16,
	OP_U32,
	OP_U64,
	OP_S32,
	OP_S64,
	OP_ZERO8,
	OP_ZERO16,
	OP_ZERO32,
	OP_ZERO64,
	OP_STR,
	OP_OPENFL,
	OP_OPENMODE,
	OP_FLAGS,
	OP_FLAGS16,
	OP_HOW,
	OP_DEV,
	OP_INO,
	OP_CREATFL,
	OP_DATA,
	OP_IOVSIZE,
	OP_IOVDATA,
	OP_MSGSIZE,
	OP_MSGDATA,
	OP_MSGCTL,
	OP_ADDR,
	OP_TUPLE,
	OP_PAIR0,
	OP_PAIR1,
	OP_PAIRINO,
	OP_PAIRSRC,
	OP_PAIRPEER,
	OP_FILEPATH, /* path of the file behind the returned descriptor */
	OP_FCNTLCMD,
	OP_MODE,
	OP_MOUNTFL,
	OP_POS,
	OP_SOCKTYPE,
	OP_SOCKFL,
	OP_QUEUEPCT,
	OP_QUEUELEN,
	OP_QUEUEMAX, /* of the listening socket in argument 0 */
	OP_MMSGRET,
	OP_URINGPARAM,
	OP_DYN64,
	OP_PTRACEDATA,
	OP_PTRACEREQ,
	OP_IMAGE,
	OP_CAPS,
	OP_PRCTLSTR,
	OP_PRCTLINT,
};

struct fetch {
	__u8 op; /* enum row_op */
	__u8 arg;
};

struct sys_row {
	__u16 ix; /* enum kev_ix */
	__u16 code;
	__u16 flags; /* ROW_* */
	__u8 cls;
	__u8 n; /* declared parameters */
	__u8 n_fetch;
	__u8 pad;
	struct fetch fetch[ROW_FETCH_MAX];
};

enum {
	ROW_NONE_,
#define SYS(nr64, nr32, ev, cls, flags, ...) ROW_##nr64##_##nr32,
#include <abi/syscalls.def>
	_ROWS,
};

enum {
#define EV(code, NAME, str, dir, cat, kind, flags, n) N_##NAME = (n),
#define EVP(NAME, i, str, type, base, ft)
#include <abi/events.def>
};

#define F(o, a)                                                                                    \
	{                                                                                          \
		OP_##o, (a)                                                                        \
	}
static const struct sys_row saker_rows[256] = {
/* any byte is an index */
#define SYS(nr64, nr32, ev, c, fl, ...)                                                            \
	[ROW_##nr64##_##nr32] = {.ix = KEV_IX_##ev,                                                \
		.code = KEV_CODE_##ev,                                                             \
		.flags = (fl),                                                                     \
		.cls = (c),                                                                        \
		.n = N_##ev,                                                                       \
		.n_fetch = sizeof((struct fetch[]){__VA_ARGS__}) / sizeof(struct fetch),           \
		.fetch = {__VA_ARGS__}},
#include <abi/syscalls.def>
};
/* A row fetches every declared parameter; exec and clone have functions of their own. */
#define SYS(nr64, nr32, ev, c, fl, ...)                                                            \
	_Static_assert(                                                                            \
		(fl) & (ROW_EXEC | ROW_CLONE) ||                                                   \
			sizeof((struct fetch[]){__VA_ARGS__}) / sizeof(struct fetch) == N_##ev,    \
		#ev);
#include <abi/syscalls.def>

/* System call number to row, 0: not ours. NONE is one past the last and overridden again and again.
 */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winitializer-overrides"
static const __u8 saker_row_of_nr64[KSHM_SYSCALLS_MAX + 1] = {
#define SYS(nr64, nr32, ev, c, fl, ...) [nr64] = ROW_##nr64##_##nr32,
#include <abi/syscalls.def>
	[NONE] = 0,
};
#define NR32_SOCKETCALL 102
static const __u8 saker_row_of_nr32[KSHM_SYSCALLS_MAX + 1] = {
#define SYS(nr64, nr32, ev, c, fl, ...) [nr32] = ROW_##nr64##_##nr32,
#include <abi/syscalls.def>
	[NONE] = 0,
};
#pragma clang diagnostic pop
_Static_assert(_ROWS < 256, "row numbers are bytes");

/* socketcall(2): call number to native number. */
static const __u16 socketcall_nr64[32] = {[1] = 41,
	[2] = 49,
	[3] = 42,
	[4] = 50,
	[5] = 43,
	[8] = 53,
	[9] = 44,
	[10] = 45,
	[11] = 44,
	[12] = 45,
	[13] = 48,
	[16] = 46,
	[17] = 47,
	[18] = 288,
	[19] = 299,
	[20] = 307};
