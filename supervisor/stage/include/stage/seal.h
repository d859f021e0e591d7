/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The seal: what a stage gives up before it reads its first hostile byte. It fails closed. */

#include <stdint.h>

/* Steps, reported by CTL_SEALED and compared with what plan.c requires for the start mode and
 * kernel. */
#define SEAL_NNP 0x001        /* no_new_privs */
#define SEAL_UID 0x002        /* own uid and gid, no supplementary groups */
#define SEAL_CAPS 0x004       /* empty capability sets, empty bounding set */
#define SEAL_NAMESPACES 0x008 /* own mount, ipc, uts, cgroup and (network stages) net namespace */
#define SEAL_ROOT 0x010       /* empty root */
#define SEAL_RLIMITS 0x020    /* no files created, no core, no processes */
#define SEAL_LANDLOCK 0x040
#define SEAL_SECCOMP 0x080
#define SEAL_DUMPABLE 0x100 /* dumpable off */
#define SEAL_PDEATHSIG 0x200

/* One allowed system call with the reason why. */
struct seal_call {
	int nr;
	const char *why;
};

struct seal_spec {
	const struct seal_call *calls; /* beside the skeleton's own base list */
	unsigned n_calls;
	int threads; /* 1: the stage's library makes threads (clone with CLONE_THREAD is allowed) */
	int files;   /* 1: writes regular files (RLIMIT_FSIZE stays; else 0) */
	uint32_t net; /* SEAL_NET_* */
	int pipes;    /* 1: asks what waits in a pipe */
	int workers; /* 1: the kernel makes workers in its name (io_uring); no process of its own */
	int folder;  /* descriptor of the one folder in which it may make, read, write and remove
			files, 0: none */
};

/* The dialer: the host's network namespace; makes internet sockets and connects them. */
#define SEAL_NET_DIALS 1
/* Works with connected sockets that it was given: sends without an address, sets options of the
 * socket and of TCP, and O_NONBLOCK. sendmsg, whose address a filter cannot see, only to the control
 * socket. */
#define SEAL_NET_USES 2
/* With SEAL_NET_USES: sendmsg on any socket. Not where one of them may be UDP or of the UNIX
 * domain, which would take the address. */
#define SEAL_NET_SENDMSG 4
/* connect() succeeds and does nothing: for a library that insists on calling it. */
#define SEAL_NET_PRETENDS 8

/* "uid", "seccomp", …; one bit. */
const char *seal_step_str(uint32_t step);
#define SEAL_STEPS_ALL 0x3ff
/* The Landlock ABI of this kernel, 0: none. */
unsigned seal_landlock_abi(void);
/* The seal of an operator's program, in the child between fork and exec: steps in order. A @required
 * one that fails: negative errno and its name. ret_done, ret_landlock: 0 before. */
int seal_program(uint32_t uid, uint32_t required, uint32_t *ret_done, uint32_t *ret_landlock,
	const char **reterr_step);
