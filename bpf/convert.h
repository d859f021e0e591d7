/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* From the kernel's flag and enum values to those of abi/flags.def. Kernel values: uapi headers of
 * x86. */

#include "maps.h"

struct conv {
	__u32 in, out;
};

enum {
	CONV_OPEN,
	CONV_CLONE,
	CONV_FCHOWNAT,
	CONV_EPOLL,
	CONV_PIDFD,
	CONV_DELMOD,
	CONV_RESOLVE,
	CONV_URING,
	_CONV_MAX
};
#define CONV_ROWS 26
#define bpf_ntohs_(v) __builtin_bswap16(v)

/* Zero ends a table. Bits that no row names are dropped. */
static const struct conv conv_tables[_CONV_MAX][CONV_ROWS] = {
	[CONV_OPEN] = {{0100, 0x4}, {02000, 0x8}, {010000, 0x10}, {0200, 0x20}, {04000, 0x40},
		{01000, 0x100}, {040000, 0x200}, {0200000, 0x400}, {0100000, 0x800},
		{02000000, 0x1000}, {020000000, 0x2000}},
	[CONV_CLONE] = {{0x400, 0x1}, {0x200, 0x2}, {0x80000000, 0x4}, {0x08000000, 0x8},
		{0x40000000, 0x10}, {0x20000, 0x20}, {0x20000000, 0x40}, {0x04000000, 0x80},
		{0x8000, 0x100}, {0x100000, 0x200}, {0x2000, 0x400}, {0x800, 0x800},
		{0x40000, 0x1000}, {0x10000, 0x2000}, {0x800000, 0x4000}, {0x100, 0x8000},
		{0x10000000, 0x100000}, {0x200000, 0x800000}, {0x1000000, 0x1000000},
		{0x80000, 0x2000000}, {0x4000, 0x8000000}, {0x02000000, 0x10000000}},
	[CONV_FCHOWNAT] = {{0x100, 0x400}, {0x1000, 0x1000}},
	[CONV_EPOLL] = {{02000000, 0x1}},
	[CONV_PIDFD] = {{04000, 0x1}},
	[CONV_DELMOD] = {{04000, 0x2}, {01000, 0x1}},
	[CONV_RESOLVE] = {{0x01, 0x10}, {0x02, 0x04}, {0x04, 0x08}, {0x08, 0x01}, {0x10, 0x02},
		{0x20, 0x20}},
	[CONV_URING] = {{0x1, 0x1}, {0x2, 0x2}, {0x4, 0x8}, {0x8, 0x10}, {0x10, 0x20}, {0x20, 0x40},
		{0x40, 0x80}},
};

__noinline __u32 conv_flags(__u32 table, __u32 v)
{
	__u32 out = 0;

	if (table >= _CONV_MAX)
		return v;
	for (int i = 0; i < CONV_ROWS; i++) {
		__u32 in = conv_tables[table][i].in;

		if (!in)
			break;
		if (v & in)
			out |= conv_tables[table][i].out;
	}
	return out;
}

/* Access mode and O_SYNC (two bits at once) are no single bits. */
static __always_inline __u32 conv_open(__u32 v)
{
	__u32 out = conv_flags(CONV_OPEN, v);

	if ((v & 04010000) == 04010000)
		out |= 0x80;
	if ((v & 3) == 1)
		out |= 0x2;
	else if ((v & 3) == 2)
		out |= 0x3;
	else
		out |= 0x1;
	return out;
}

static __always_inline __u8 conv_fcntl(__u32 cmd)
{
	switch (cmd) {
	case 0 ... 5: /* F_DUPFD … F_GETLK */
		return cmd + 1;
	case 6 ... 7:
		return cmd + 2;
	case 8:
		return 0xa;
	case 9:
		return 0xc;
	case 10:
		return 0xd;
	case 11:
		return 0xf;
	case 12 ... 14:
		return cmd - 12 + 0x11;
	case 15 ... 16:
		return cmd - 15 + 0x15;
	case 36 ... 38:
		return cmd - 36 + 0x1e;
	case 1024 ... 1025:
		return cmd - 1024 + 0x17;
	case 1026:
		return 0x1b;
	case 1029:
		return 0x19;
	case 1030:
		return 0x1a;
	case 1031 ... 1032:
		return cmd - 1031 + 0x1c;
	}
	return 0;
}

static __always_inline __u16 conv_ptrace(__u32 req)
{
	switch (req) {
	case 0 ... 9: /* TRACEME … SINGLESTEP */
		return req + 1;
	case 12 ... 15: /* GETREGS … SETFPREGS */
		return req - 12 + 26;
	case 16 ... 17: /* ATTACH, DETACH */
		return req - 16 + 11;
	case 18 ... 19:
		return req - 18 + 30;
	case 21:
		return 32;
	case 24:
		return 13;
	case 25 ... 26:
		return req - 25 + 33;
	case 30 ... 33:
		return req - 30 + 35;
	case 0x4200 ... 0x420b: /* SETOPTIONS … SETSIGMASK */
		return req - 0x4200 + 14;
	}
	return 0;
}

/* The kernel's dev_t (12:20) as user space writes it. */
static __always_inline __u32 conv_dev(__u32 dev)
{
	__u32 major = dev >> 20, minor = dev & 0xfffff;

	return (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
}
