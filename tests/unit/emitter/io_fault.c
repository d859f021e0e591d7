/* SPDX-License-Identifier: Apache-2.0 */
/* See io_fault.h. */

#include <sys/eventfd.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/macros.h>

#include "io_fault.h"

struct fault_queue {
	struct io_fault *fault;
	struct io_req *first, **last;
};

static void record(struct io_fault *f, const struct io_req *q, int64_t result)
{
	struct io_trace *t;

	if (!f->keeps_trace || q->op == IO_READ || result < 0)
		return;
	if (f->n_trace == f->cap_trace) {
		f->cap_trace = f->cap_trace ? f->cap_trace * 2 : 256;
		f->trace = reallocarray(f->trace, f->cap_trace, sizeof(*f->trace));
		if (!f->trace)
			abort();
	}
	t = &f->trace[f->n_trace++];
	*t = (struct io_trace){.op = q->op,
		.file = q->file,
		.result = result,
		.off = q->off,
		.n = q->op == IO_WRITE ? (size_t)result : q->n,
		.flags = q->flags};
	if (q->name)
		strncpy(t->name, q->name, sizeof(t->name) - 1);
	if (q->op == IO_WRITE) {
		t->bytes = malloc(t->n ? t->n : 1);
		if (!t->bytes)
			abort();
		memcpy(t->bytes, q->buf, t->n);
	}
}

static void fault_submit(struct io *io, struct io_req *q)
{
	struct fault_queue *l = io->priv;
	struct io_req part = *q;
	int64_t d = l->fault->decide ? l->fault->decide(l->fault, q) : 0;

	l->fault->n_requests++;
	if (d > 0)
		part.n = MIN(part.n, (size_t)d);
	q->result = d < 0 ? d : io_perform(io->dir_fd, &part);
	record(l->fault, q, q->result);
	*l->last = q;
	l->last = &q->next;
}

static unsigned fault_reap(struct io *io)
{
	struct fault_queue *l = io->priv;
	struct io_req *q = l->first, *next;
	unsigned n = 0;

	if (l->fault->hangs)
		return 0;
	l->first = NULL;
	l->last = &l->first;
	for (; q; q = next, n++) {
		next = q->next;
		io_finish(io, q, q->result);
	}
	return n;
}

static void fault_close(struct io *io)
{
	free(io->priv);
}

static const struct io_ops fault_ops = {
	.name = "fault", .submit = fault_submit, .reap = fault_reap, .close = fault_close};

int io_open_fault(struct io *io, int dir_fd, struct io_fault *f)
{
	struct fault_queue *l = calloc(1, sizeof(*l));
	uint64_t one = 1;

	if (!l)
		return -ENOMEM;
	l->fault = f;
	l->last = &l->first;
	*io = (struct io){.ops = &fault_ops, .priv = l, .dir_fd = dir_fd};
	io->wake_fd = eventfd(0, EFD_CLOEXEC); /* always readable: nothing is waited for */
	return write(io->wake_fd, &one, sizeof(one)) == sizeof(one) ? 0 : -errno;
}

void io_fault_done(struct io_fault *f)
{
	for (size_t i = 0; i < f->n_trace; i++)
		free(f->trace[i].bytes);
	free(f->trace);
	*f = (struct io_fault){0};
}
