/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sinks: one file each; a sink is a row in sink.c.
 *
 * The core gives every alert that goes to a sink a number that grows by one, and keeps it, in its
 * window, until the sink has said what became of it. A sink takes messages in that order
 * (submit), works on as many at once as it likes (turn), repeats what may be repeated by itself, and
 * reports each message once, in any order (sink_report). Nothing here may block, and after the seal
 * nothing may allocate by size of what comes from outside.
 *
 * How a sink fails:
 *  - a message that can never be delivered: report it SINK_REFUSED, it becomes a dead letter;
 *  - one descriptor from the supervisor (stdout, file, local syslog): turn() returns an errno and the
 *    core waits, watches or asks for a new descriptor, see there;
 *  - anything else (connections of its own, retries, back-off): the sink's own business. It returns
 *    0 from turn(), says what is wrong with sink_trouble() and that it is over with sink_well().
 *
 * Acts: init (before the seal: allocate, read keys, warm libraries up) → seal → open (library
 * handles and threads) → attach, submit, turn, on_ready … → close. Any of them may be NULL but
 * submit and turn. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/span.h>
#include <stage/seal.h>

#include "output.h"

struct alert;
struct dial;
struct io;
struct sink;

/* Borrowed from the window, and at its place there, until it has been reported. */
struct sink_msg {
	uint64_t n;                /* grows by one from message to message */
	struct span text;          /* the formatted line; text.p[text.n] is '\n' */
	const struct alert *alert; /* checked; NULL unless the sink needs_alert */
	uint64_t ts_ns;            /* event time, ns since the epoch */
	uint8_t priority;          /* 0..7 */
	bool is_test;              /* of the built-in test rule, or made by `saker output test` */
};

enum sink_outcome {
	SINK_PENDING,
	SINK_DELIVERED, /* the peer has it, by the strongest word that it gives */
	SINK_REFUSED,   /* never to be had by this sink: dead letter */
};

#define SINK_WINDOW_MSGS 512
#define SINK_WINDOW_BYTES (2u << 20)

struct sink_ops {
	const char *name;
	/* What it needs beside the core's list. `threads`: its library makes some, in open(). */
	struct seal_spec seal;
	bool needs_alert; /* messages carry the record, beside the text */
	bool needs_io;    /* reads and writes files: k->io */
	bool needs_fd;    /* works on one descriptor that the supervisor opens: while it has none,
			     the core asks for it */
	/* Window: unreported messages and bytes of their texts (and records) that the core keeps for
	 * it at most; 0: SINK_WINDOW_*. One message always fits. */
	unsigned window_msgs;
	size_t window_bytes;

	int (*init)(struct sink *k); /* 0 or negative errno, logged */
	int (*open)(struct sink *k); /* 0 or negative errno, logged */
	void (*close)(struct sink *k);
	/* A descriptor was given, k->fd: look at what it is. @may_open: before the seal, so a better
	 * description of it can be had. 0 or negative errno. */
	int (*attach)(struct sink *k, bool may_open);
	/* k->fd is about to be closed. What is unreported is begun anew with the next one. */
	void (*detach)(struct sink *k);
	/* A descriptor that takes the place of k->fd, which works: what was begun there is finished
	 * first. Takes @fd. NULL: as detach and attach. */
	void (*swap)(struct sink *k, int fd);
	/* Take messages, in order: how many of the @n were taken, 0..n; the others are offered
	 * again. msgs are in a row; each stays where it is until it is reported. */
	unsigned (*submit)(struct sink *k, const struct sink_msg *msgs, unsigned n);
	/* Do the I/O that is due and report what is finished. 0; 1: what is in flight will say
	 * whether it works; of a needs_fd sink also:
	 * -EAGAIN: when k->fd is writable; -ENOSPC, -EDQUOT, -ENOBUFS, -ENOMEM: after a while, with
	 * the same descriptor; another negative errno: a new descriptor is needed.
	 * @now_ns: CLOCK_MONOTONIC. */
	int (*turn)(struct sink *k, uint64_t now_ns);
	/* ms until turn() must be called even if nothing happens, -1: none. */
	int (*timeout_ms)(struct sink *k, uint64_t now_ns);
	/* A descriptor that was watched with sink_watch() is ready (EPOLL*); a turn follows. */
	void (*on_ready)(struct sink *k, int fd, uint32_t events);
	/* An answer from outside (a connected socket of the dialer): takes @fd, may be -1. */
	void (*on_fd)(struct sink *k, uint64_t token, int result, int fd);
	/* The program that read from what on_fd() brought has ended: wait status. */
	void (*on_ended)(struct sink *k, int status);
	/* The operator wants it opened anew. NULL: the supervisor sends a descriptor by itself. */
	void (*on_reopen)(struct sink *k);
	/* The end: what should still reach the disk, until then (CLOCK_MONOTONIC) at most. */
	void (*flush)(struct sink *k, uint64_t until_ns);
};
#define SINK_ASK_ROTATE 1 /* token of sink_ask(): the file is to be renamed first */

/* What the core does for a sink. */
struct sink_host {
	void (*report)(struct sink_host *h, uint64_t n, enum sink_outcome outcome, const char *why);
	void (*trouble)(struct sink_host *h, int error, const char *why);
	int (*watch)(struct sink_host *h, int fd, uint32_t events);
	/* Ask the supervisor (dialer) for a descriptor; the answer comes as on_fd(token). */
	int (*ask)(struct sink_host *h, uint64_t token, const char *what);
};

struct sink {
	const struct sink_ops *ops;
	const struct output *output; /* borrowed */
	struct sink_host *host;      /* borrowed */
	struct dial *dial;           /* borrowed; NULL: no network */
	struct io *io;               /* borrowed; needs_io */
	void *priv;                  /* the sink's own */
	int fd;                      /* needs_fd: -1 none; owned */
	/* A predecessor died in the middle of a line: it is ended first. */
	bool has_torn;
	uint64_t *torn; /* of the statistics page; NULL: nobody asks */
};

void sink_init(struct sink *k, const struct output *o, struct sink_host *host);
void sink_done(struct sink *k);
/* Takes @fd; the one before is closed. 0 or negative errno (the sink has none then). */
int sink_attach(struct sink *k, int fd, bool may_open);
void sink_detach(struct sink *k);

/* Message @n is finished. @why: one line for a person, of what was refused; NULL. */
static inline void sink_report(
	struct sink *k, uint64_t n, enum sink_outcome outcome, const char *why)
{
	k->host->report(k->host, n, outcome, why);
}
/* It does not work at present. @error: positive errno; @why: one line without a secret, NULL: the
 * errno's own text. Logged when it changes; shown by status. */
static inline void sink_trouble(struct sink *k, int error, const char *why)
{
	k->host->trouble(k->host, error, why);
}
/* It works (again). */
static inline void sink_well(struct sink *k)
{
	k->host->trouble(k->host, 0, NULL);
}
/* Wait for this descriptor as well (EPOLLIN, EPOLLOUT); 0 events: stop. 0 or negative errno. */
static inline int sink_watch(struct sink *k, int fd, uint32_t events)
{
	return k->host->watch(k->host, fd, events);
}
static inline int sink_ask(struct sink *k, uint64_t token, const char *what)
{
	return k->host->ask(k->host, token, what);
}

extern const struct sink_ops sink_stdout_ops, sink_file_ops, sink_syslog_ops, sink_syslog_net_ops,
	sink_http_ops, sink_kafka_ops, sink_program_ops;
/* The sink for this output, NULL: not in this program (sinks_*.c: one for each program). */
const struct sink_ops *sink_ops_of(const struct output *o);
