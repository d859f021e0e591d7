/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Numbers of the .scap format: blocks, and what their entries are made of. All integers are
 * little-endian and packed. */

#include <stdint.h>

#define SCAP_MAGIC 0x1A2B3C4Du
#define SCAP_MAGIC_SWAPPED 0x4D3C2B1Au
#define SCAP_MAJOR 1
#define SCAP_MINOR 2

enum scap_block {
	SCAP_SHB = 0x0A0D0D0A,
	SCAP_MI = 0x201,
	SCAP_PL_V1 = 0x202,
	SCAP_FDL_V1 = 0x203,
	SCAP_EV_V1 = 0x204,
	SCAP_IL_V1 = 0x205,
	SCAP_UL_V1 = 0x206,
	SCAP_PL_V2 = 0x207,
	SCAP_EVF_V1 = 0x208,
	SCAP_PL_V3 = 0x209,
	SCAP_PL_V4 = 0x210,
	SCAP_PL_V9 = 0x215,
	SCAP_EV_V2 = 0x216,
	SCAP_EVF_V2 = 0x217,
	SCAP_FDL_V2 = 0x218,
	SCAP_IL_V2 = 0x219,
	SCAP_UL_V2 = 0x220,
	SCAP_EV_V2_LARGE = 0x221,
	SCAP_EVF_V2_LARGE = 0x222,
};

/* A block: type, total length, body padded to 4, total length. */
#define SCAP_BLOCK_HEAD 8
#define SCAP_BLOCK_MIN 12

#define SCAP_MI_SIZE 180
#define SCAP_MI_HOST 128

/* Event: u64 ts, u64 tid, u32 len, u16 type, and in v2 u32 parameters. */
#define SCAP_EVENT_HEAD_V1 22
#define SCAP_EVENT_HEAD_V2 26
#define SCAP_EVF_STATE_ONLY 1u

/* Kinds of interface entries. */
enum { SCAP_IFACE_V4 = 1, SCAP_IFACE_V6, SCAP_IFACE_V4_SHORT, SCAP_IFACE_V6_SHORT };

enum { SCAP_UL_USER = 0, SCAP_UL_GROUP = 1 };

/* Types of descriptors. */
enum scap_fd_type {
	SCAP_FD_FILE = 1,
	SCAP_FD_DIRECTORY,
	SCAP_FD_IPV4,
	SCAP_FD_IPV6,
	SCAP_FD_IPV4_SERVER,
	SCAP_FD_IPV6_SERVER,
	SCAP_FD_FIFO,
	SCAP_FD_UNIX,
	SCAP_FD_EVENT,
	SCAP_FD_UNSUPPORTED,
	SCAP_FD_SIGNALFD,
	SCAP_FD_EVENTPOLL,
	SCAP_FD_INOTIFY,
	SCAP_FD_TIMERFD,
	SCAP_FD_NETLINK,
	SCAP_FD_FILE_V2,
	SCAP_FD_BPF,
	SCAP_FD_USERFAULTFD,
	SCAP_FD_IO_URING,
	SCAP_FD_MEMFD,
	SCAP_FD_PIDFD,
	_SCAP_FD_MAX,
};

enum { SCAP_L4_UNKNOWN, SCAP_L4_NA, SCAP_L4_TCP, SCAP_L4_UDP, SCAP_L4_ICMP, SCAP_L4_RAW };

/* Options behind an event, as pcap-ng has them: code, length, bytes padded to 4; code 0 ends them.
 * Readers go by the event's own length and pass over them. Ours is a custom one: this number, then the
 * kernel events' flags (u16) that the format has no word for, then the path that the kernel walked, or
 * nothing. */
#define SCAP_OPT_CUSTOM 2989
#define SCAP_OPT_OWNER 32473u
#define SCAP_OPT_OWN_HEAD 6
#define SCAP_OPT_HEAD 4
