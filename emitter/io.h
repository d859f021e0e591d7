/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* File I/O that never stops the loop: requests are submitted, and found finished later. One
 * interface, several backends: io_uring, one writer thread where io_uring is refused, and, in tests,
 * one that fails on demand. Requests that are in flight together may finish in any order.
 *
 * Files are named within one folder, whose descriptor the supervisor gave; nothing else can be
 * reached. */

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stage/seal.h>

#define IO_DEPTH 64 /* requests in flight at most */
#define IO_FILES 32 /* files open at once, descriptors that were given included */

enum io_op {
	IO_WRITE,     /* file, buf, n, off (IO_APPEND: at the end) → bytes */
	IO_READ,      /* file, buf, n, off → bytes */
	IO_SYNC,      /* file: fdatasync */
	IO_DIR_SYNC,  /* the folder: fsync, so that names last */
	IO_OPEN,      /* name, flags (O_RDONLY, O_RDWR|O_CREAT|O_EXCL, …) → file */
	IO_UNLINK,    /* name */
	IO_SET_ASIDE, /* name: renamed, ".bad" instead of its end ".seg" */
	IO_ALLOC,     /* file, off, n: reserve; the file grows to off + n */
	IO_PUNCH,     /* file, off, n: give the blocks back, the size stays */
	IO_CLOSE,     /* file */
	_IO_OP_MAX,
};
#define IO_APPEND UINT64_MAX

/* Belongs to the caller; untouched between io_submit() and done. */
struct io_req {
	enum io_op op;
	int file;
	void *buf;
	size_t n;
	uint64_t off;
	const char *name;
	int flags;
	int64_t result; /* as read(2) and the like; negative errno */
	bool is_busy;
	void (*done)(struct io_req *q); /* from io_reap(); NULL */
	void *owner;                    /* the caller's */
	struct io_req *next;            /* the backend's */
};

struct io;
struct io_ops {
	const char *name;
	struct seal_spec seal; /* what it calls after the seal */
	void (*submit)(struct io *io, struct io_req *q);
	unsigned (*reap)(struct io *io); /* calls io_finish() for what is finished */
	int (*add_file)(struct io *io, int fd);
	void (*drop_file)(struct io *io, int fd); /* may be NULL */
	int (*post_seal)(struct io *io);          /* may be NULL */
	void (*close)(struct io *io);
};

struct io {
	const struct io_ops *ops;
	void *priv;
	int dir_fd;       /* borrowed; -1: none, then IO_OPEN and IO_UNLINK fail */
	int wake_fd;      /* readable when something has finished; owned */
	unsigned n_busy;  /* in flight */
	unsigned n_files; /* open */
};

/* io_uring, or where the kernel or a container's profile refuses it, the writer thread; each may be
 * asked for. Before the seal, then io_post_seal() after it. 0 or negative errno, nothing logged. */
int io_open(struct io *io, int dir_fd);
int io_open_uring(struct io *io, int dir_fd);
int io_open_thread(struct io *io, int dir_fd);
int io_post_seal(struct io *io);
void io_close(struct io *io); /* waits for what is in flight */

/* A descriptor that was handed over becomes a file; it stays the caller's to close, after
 * io_drop_file(). 0 or negative errno. */
int io_add_file(struct io *io, int fd);
void io_drop_file(struct io *io, int fd);
/* @q: everything but result, is_busy and next set. Never fails: failures are results. */
void io_submit(struct io *io, struct io_req *q);
/* Handle what has finished: how many. */
unsigned io_reap(struct io *io);
/* Waits until this request is finished; others may finish on the way. Start, stop and tools only. */
int64_t io_run(struct io *io, struct io_req *q);
/* Waits until something has finished, at most @ms, and handles it. */
void io_wait(struct io *io, int ms);
/* The name after IO_SET_ASIDE. */
#define IO_NAME_MAX 64
void io_aside_name(const char *name, char buf[IO_NAME_MAX]);
/* For backends: q is finished. */
void io_finish(struct io *io, struct io_req *q, int64_t result);
/* For backends that work by plain calls: does the request, blocking. */
int64_t io_perform(int dir_fd, const struct io_req *q);
extern const struct seal_call io_plain_calls[];
extern const unsigned io_plain_n_calls;
