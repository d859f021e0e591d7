/* SPDX-License-Identifier: Apache-2.0 */
/* The io_uring backend. Two rings, set up and restricted before the seal: ring A reads, writes and
 * synchronises files that are registered, nothing else; ring B opens, unlinks, allocates and closes,
 * where Landlock leaves the one folder. No kernel thread polls them (SQPOLL's would keep the rights of
 * before the seal), no personalities. Restrictions are set by the raw call: the shared library of
 * Debian 12 does not export it. Both rings ring one eventfd. */

#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <liburing.h>

#include <base/cleanup.h>
#include <base/macros.h>

#include "io.h"

#define NO_FD (-1)

struct io_rings {
	struct io_uring a, b;
	char aside[IO_NAME_MAX]; /* new name of the IO_SET_ASIDE that is being submitted */
	int slots[IO_FILES];     /* descriptor registered in each slot of ring A, -1: free */
};

static int ring_restrict(
	struct io_uring *ring, const unsigned *ops, unsigned n_ops, unsigned flag, bool may_update)
{
	struct io_uring_restriction res[16] = {0};
	unsigned n = 0;

	for (unsigned i = 0; i < n_ops; i++)
		res[n++] = (struct io_uring_restriction){
			.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = (uint8_t)ops[i]};
	if (may_update)
		res[n++] = (struct io_uring_restriction){.opcode = IORING_RESTRICTION_REGISTER_OP,
			.register_op = IORING_REGISTER_FILES_UPDATE};
	if (flag) {
		res[n++] = (struct io_uring_restriction){
			.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = (uint8_t)flag};
		res[n++] = (struct io_uring_restriction){
			.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED,
			.sqe_flags = (uint8_t)flag};
	}
	if (syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, res, n) <
		0)
		return -errno;
	if (syscall(__NR_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) <
		0)
		return -errno;
	return 0;
}

static int find_slot(const struct io_rings *r, int fd)
{
	for (int i = 0; i < IO_FILES; i++)
		if (r->slots[i] == fd)
			return i;
	return -1;
}

static int set_slot(struct io_rings *r, int slot, int fd)
{
	struct io_uring_files_update up = {.offset = (unsigned)slot, .fds = (uintptr_t)&fd};

	if (syscall(__NR_io_uring_register, r->a.ring_fd, IORING_REGISTER_FILES_UPDATE, &up, 1) < 0)
		return -errno;
	r->slots[slot] = fd;
	return 0;
}

static int io_uring_add_file(struct io *io, int fd)
{
	struct io_rings *r = io->priv;
	int slot = find_slot(r, fd);

	if (slot < 0)
		slot = find_slot(r, NO_FD);
	return slot < 0 ? -EMFILE : set_slot(r, slot, fd);
}

static void io_uring_drop_file(struct io *io, int fd)
{
	struct io_rings *r = io->priv;
	int slot = find_slot(r, fd);

	if (slot < 0)
		return;
	(void)set_slot(r, slot, NO_FD); /* free all the same */
	r->slots[slot] = NO_FD;
}

static bool is_for_a(enum io_op op)
{
	return op == IO_WRITE || op == IO_READ || op == IO_SYNC || op == IO_DIR_SYNC;
}

/* False: the file is not one of ours. */
static bool prepare_a(struct io *io, struct io_uring_sqe *sqe, const struct io_req *q)
{
	int slot = find_slot(io->priv, q->op == IO_DIR_SYNC ? io->dir_fd : q->file);

	if (slot < 0)
		return false;
	switch (q->op) {
	case IO_WRITE:
		io_uring_prep_write(sqe, slot, q->buf, (unsigned)q->n, q->off);
		break;
	case IO_READ:
		io_uring_prep_read(sqe, slot, q->buf, (unsigned)q->n, q->off);
		break;
	default:
		io_uring_prep_fsync(sqe, slot, q->op == IO_SYNC ? IORING_FSYNC_DATASYNC : 0);
		break;
	}
	sqe->flags |= IOSQE_FIXED_FILE;
	return true;
}

static bool prepare_b(struct io *io, struct io_uring_sqe *sqe, const struct io_req *q)
{
	struct io_rings *r = io->priv;

	switch (q->op) {
	case IO_OPEN:
		io_uring_prep_openat(sqe, io->dir_fd, q->name,
			q->flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
		return true;
	case IO_UNLINK:
		io_uring_prep_unlinkat(sqe, io->dir_fd, q->name, 0);
		return true;
	case IO_SET_ASIDE:
		io_aside_name(q->name, r->aside); /* the kernel copies names at the submit */
		io_uring_prep_renameat(sqe, io->dir_fd, q->name, io->dir_fd, r->aside, 0);
		return true;
	case IO_ALLOC:
		io_uring_prep_fallocate(sqe, q->file, 0, (off_t)q->off, (off_t)q->n);
		return true;
	case IO_PUNCH:
		io_uring_prep_fallocate(sqe, q->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)q->off, (off_t)q->n);
		return true;
	case IO_CLOSE:
		if (find_slot(r, q->file) < 0)
			return false;
		io_uring_drop_file(io, q->file);
		io_uring_prep_close(sqe, q->file);
		return true;
	default:
		return false;
	}
}

static void io_uring_submit_one(struct io *io, struct io_req *q)
{
	struct io_rings *r = io->priv;
	struct io_uring *ring = is_for_a(q->op) ? &r->a : &r->b;
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	assert(sqe); /* the rings hold IO_DEPTH */
	if (!(is_for_a(q->op) ? prepare_a(io, sqe, q) : prepare_b(io, sqe, q)))
		/* answered by the kernel: such a request has no file */
		io_uring_prep_fsync(sqe, IO_FILES, 0);
	io_uring_sqe_set_data(sqe, q);
	/* -EBUSY, -EAGAIN: it stands in the ring, the next submit takes it along */
	(void)io_uring_submit(ring);
}

static int64_t take_opened(struct io *io, int64_t fd)
{
	int r = fd < 0 ? 0 : io_uring_add_file(io, (int)fd);

	if (r < 0)
		(void)close((int)fd);
	return r < 0 ? r : fd;
}

static unsigned reap_ring(struct io *io, struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	unsigned n = 0;

	if (io_uring_sq_ready(ring))
		(void)io_uring_submit(ring);
	while (io_uring_peek_cqe(ring, &cqe) == 0) {
		struct io_req *q = io_uring_cqe_get_data(cqe);
		int64_t result = cqe->res;

		io_uring_cqe_seen(ring, cqe);
		io_finish(io, q, q->op == IO_OPEN ? take_opened(io, result) : result);
		n++;
	}
	return n;
}

static unsigned io_uring_reap(struct io *io)
{
	struct io_rings *r = io->priv;
	uint64_t n_wakes;

	(void)!read(io->wake_fd, &n_wakes, sizeof(n_wakes)); /* only to make it silent again */
	return reap_ring(io, &r->a) + reap_ring(io, &r->b);
}

static void io_uring_close_rings(struct io *io)
{
	struct io_rings *r = io->priv;

	io_uring_queue_exit(&r->a);
	io_uring_queue_exit(&r->b);
	free(r);
}

static const struct seal_call calls[] = {
	{__NR_io_uring_enter, "its two restricted rings"},
	{__NR_io_uring_register, "files of ring A; the rings' restrictions refuse all else"},
	{__NR_close, "a file too many"},
};

static const struct io_ops io_uring_ops = {
	.name = "io_uring",
	.seal = {.calls = calls, .n_calls = ARRAY_LEN(calls), .files = 1, .workers = 1},
	.submit = io_uring_submit_one,
	.reap = io_uring_reap,
	.add_file = io_uring_add_file,
	.drop_file = io_uring_drop_file,
	.close = io_uring_close_rings,
};

static int set_up_a(struct io_rings *r, int dir_fd, int wake_fd)
{
	static const unsigned ops[] = {IORING_OP_WRITE, IORING_OP_READ, IORING_OP_FSYNC};
	int rc;

	for (unsigned i = 0; i < IO_FILES; i++)
		r->slots[i] = NO_FD;
	r->slots[0] = dir_fd;
	rc = io_uring_register_files(&r->a, r->slots, IO_FILES);
	if (rc == 0)
		rc = io_uring_register_eventfd(&r->a, wake_fd);
	if (rc == 0)
		rc = ring_restrict(&r->a, ops, ARRAY_LEN(ops), IOSQE_FIXED_FILE, true);
	return rc;
}

static int set_up_b(struct io_rings *r, int wake_fd)
{
	static const unsigned ops[] = {IORING_OP_OPENAT, IORING_OP_UNLINKAT, IORING_OP_RENAMEAT,
		IORING_OP_FALLOCATE, IORING_OP_CLOSE};
	int rc = io_uring_register_eventfd(&r->b, wake_fd);

	return rc == 0 ? ring_restrict(&r->b, ops, ARRAY_LEN(ops), 0, false) : rc;
}

int io_open_uring(struct io *io, int dir_fd)
{
	_cleanup_free_ struct io_rings *r = calloc(1, sizeof(*r));
	_cleanup_close_ int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct io_uring_probe *probe;
	int rc;

	if (!r || wake_fd < 0)
		return r ? -errno : -ENOMEM;
	rc = io_uring_queue_init(IO_DEPTH, &r->a, IORING_SETUP_R_DISABLED);
	if (rc < 0)
		return rc;
	rc = io_uring_queue_init(IO_DEPTH, &r->b, IORING_SETUP_R_DISABLED);
	if (rc < 0) {
		io_uring_queue_exit(&r->a);
		return rc;
	}
	/* unlink and rename came with 5.11 */
	probe = io_uring_get_probe_ring(&r->a);
	rc = probe && io_uring_opcode_supported(probe, IORING_OP_UNLINKAT) &&
			     io_uring_opcode_supported(probe, IORING_OP_RENAMEAT)
		     ? 0
		     : -EOPNOTSUPP;
	io_uring_free_probe(probe);
	if (rc == 0)
		rc = set_up_a(r, dir_fd, wake_fd);
	if (rc == 0)
		rc = set_up_b(r, wake_fd);
	if (rc < 0) {
		io_uring_queue_exit(&r->a);
		io_uring_queue_exit(&r->b);
		return rc;
	}
	*io = (struct io){.ops = &io_uring_ops,
		.priv = TAKE_PTR(r),
		.dir_fd = dir_fd,
		.wake_fd = TAKE_FD(wake_fd)};
	return 0;
}
