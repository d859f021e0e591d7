/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a sealed process is made to try, and what must come of it. Shared by the probe, which tries,
 * and the test, which judges. */

#include <stdint.h>

/* The real programs whose seal is tried, and what they are given here as there. */
enum program {
	PROG_COLLECTOR,
	PROG_TRACKER,
	PROG_EVALUATOR,
	PROG_EMITTER,
	PROG_EMITTER_SPOOL,        /* with a spool, by io_uring */
	PROG_EMITTER_SPOOL_THREAD, /* likewise, where io_uring is refused */
	PROG_EMITTER_FILE,         /* of a file, by io_uring */
	PROG_EMITTER_PROGRAM,      /* of a program's pipe */
	PROG_EMITTER_SYSLOG,
	PROG_EMITTER_HTTP,
	PROG_EMITTER_KAFKA,
	PROG_METADATA,
	PROG_GATE,
	PROG_DIALER,
	PROG_RECORDER,
	PROG_POLICY,
	PROG_TOOLS,
	PROG_LOADER,
	_PROG_MAX,
};
#define ONLY(p) (1U << PROG_##p)
#define SPOOLED (ONLY(EMITTER_SPOOL) | ONLY(EMITTER_SPOOL_THREAD))
#define LINED (ONLY(EMITTER_FILE) | ONLY(EMITTER_PROGRAM))
#define NET_EMITTERS (ONLY(EMITTER_SYSLOG) | ONLY(EMITTER_HTTP) | ONLY(EMITTER_KAFKA))
#define WITH_CURL (ONLY(EMITTER_HTTP) | ONLY(GATE))

enum attempt_want {
	WANT_OK,      /* a control: the seal does not break what it needs */
	WANT_REFUSED, /* with that error */
	WANT_KILL,    /* the process ends by SIGSYS */
	WANT_NOTHING, /* the call is there, but what it does reaches nobody */
};

/* Arguments that only the probe knows, in place of a number. */
enum attempt_arg {
	ARG_FIRST = 0x5ea10000,
	ARG_IN_DATA = ARG_FIRST, /* descriptors: its input ring */
	ARG_IN_CURSOR,
	ARG_OUT_DATA, /* its output ring */
	ARG_OUT_CURSOR,
	ARG_WAKE_OWN,
	ARG_WAKE_PEER, /* the wake-up descriptor of who reads its output ring */
	ARG_SETTINGS,
	ARG_SINK,
	ARG_ROUTE,
	ARG_FOLDER,  /* its spool folder */
	ARG_RING_A,  /* its io_uring ring for reads and writes */
	ARG_RING_B,  /* that for names */
	ARG_IN_MAP,  /* address: its map of the input ring */
	ARG_IN_PATH, /* text: the input ring's name below /proc */
	ARG_MEMORY,  /* address: a page of its own */
	ARG_MEMFD,   /* descriptor: one that it made itself */
	ARG_SIBLING, /* pid of another process */
	_ARG_END,
};

/* Not one system call but a few lines in probe.c, in place of its number. */
enum attempt_special {
	DO_FIRST = 100000,
	DO_FILL_WAKE = DO_FIRST,
	DO_THREAD,
	DO_INT80,
	DO_SEND_ABSTRACT,
	DO_SET_LINK,
	DO_RING, /* ring, operation, descriptor, text, flags: one request */
};

struct attempt {
	const char *name;
	enum attempt_want want;
	int error; /* of WANT_REFUSED */
	long nr;   /* raw system call, or enum attempt_special */
	unsigned long args[6];
	unsigned given; /* ONLY() bits: the row of the plan gives it to these */
	unsigned other; /* ONLY() bits: these get other_error instead */
	int other_error;
	unsigned
		hidden; /* ONLY() bits: the call is there and finds nothing: ENOENT; where the start
			    mode allows no empty root, Landlock's EACCES */
	int error_bare; /* not 0: this error (-1: success, without effect) where the start mode
			      allows no empty root */
	unsigned landlock; /* refused by Landlock alone, of at least this ABI */
};

extern const struct attempt attempts[];
extern const unsigned n_attempts;

/* What is made in the spool folder. */
#define ATTEMPT_FILE "attempt"
/* The abstract address that the test listens on for DO_SEND_ABSTRACT. */
#define ATTEMPT_ABSTRACT "saker-test-seal"
