/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* io_uring operations under the name of the system call they stand for, so that rules see them. At
 * submission the names are read from the kernel's own copies, at completion the result is known: in
 * between the operation is kept by its request. Kernels since 5.19, where a request has its
 * operation in `cmd` (older ones are not covered: their tracepoints do not carry the request). */

#include "iter.h"
#include "sys_exit.h"

#define PF_IO_WORKER_ 0x10
#define REQ_F_FIXED_FILE_ 0x01
#define REQ_F_CQE_SKIP_ 0x40
#define CQE_F_MORE 0x02
/* "Descriptor" of an open whose result is not one of the process: into the ring's own table, or
 * without a completion. Not negative: it succeeded. */
#define URING_NO_FD 0x7fffffff

/* Operation to native system call; 0: not covered. Numbers are ABI (linux/io_uring.h). */
static const __u16 uring_nr64[64] = {[9] = 46,
	[10] = 47,
	[13] = 288,
	[16] = 42,
	[18] = 257,
	[19] = 3,
	[26] = 44,
	[27] = 45,
	[28] = 437,
	[34] = 48,
	[35] = 316,
	[36] = 263,
	[37] = 258,
	[38] = 266,
	[39] = 265,
	[45] = 41,
	[57] = 50};

static __always_inline __u64 name_of(struct filename *f)
{
	return f ? (__u64)BPF_CORE_READ(f, name) : 0;
}

/* Arguments of calls with names; false: it has none. */
static __always_inline bool uring_args_named(struct scratch *s, __u32 op, const void *cmd)
{
	switch (op) {
	case 18:
	case 28: {
		const struct io_open *o = cmd;

		s->args[0] = (__s64)BPF_CORE_READ(o, dfd);
		s->args[1] = name_of(BPF_CORE_READ(o, filename));
		s->how[0] = BPF_CORE_READ(o, how.flags);
		s->how[1] = BPF_CORE_READ(o, how.mode);
		s->how[2] = BPF_CORE_READ(o, how.resolve);
		s->args[2] = s->how[0];
		s->args[3] = s->how[1];
		return true;
	}
	case 35: {
		const struct io_rename *o = cmd;

		s->args[0] = (__s64)BPF_CORE_READ(o, old_dfd);
		s->args[1] = name_of(BPF_CORE_READ(o, oldpath));
		s->args[2] = (__s64)BPF_CORE_READ(o, new_dfd);
		s->args[3] = name_of(BPF_CORE_READ(o, newpath));
		s->args[4] = BPF_CORE_READ(o, flags);
		return true;
	}
	case 36: {
		const struct io_unlink *o = cmd;

		s->args[0] = (__s64)BPF_CORE_READ(o, dfd);
		s->args[1] = name_of(BPF_CORE_READ(o, filename));
		s->args[2] = BPF_CORE_READ(o, flags);
		return true;
	}
	case 37: {
		const struct io_mkdir *o = cmd;

		s->args[0] = (__s64)BPF_CORE_READ(o, dfd);
		s->args[1] = name_of(BPF_CORE_READ(o, filename));
		s->args[2] = BPF_CORE_READ(o, mode);
		return true;
	}
	case 38: /* symlinkat is kept in struct io_link: oldpath at new_dfd, newpath */
	case 39: {
		const struct io_link *o = cmd;

		if (op == 38) {
			s->args[0] = name_of(BPF_CORE_READ(o, oldpath));
			s->args[1] = (__s64)BPF_CORE_READ(o, new_dfd);
			s->args[2] = name_of(BPF_CORE_READ(o, newpath));
			return true;
		}
		s->args[0] = (__s64)BPF_CORE_READ(o, old_dfd);
		s->args[1] = name_of(BPF_CORE_READ(o, oldpath));
		s->args[2] = (__s64)BPF_CORE_READ(o, new_dfd);
		s->args[3] = name_of(BPF_CORE_READ(o, newpath));
		s->args[4] = BPF_CORE_READ(o, flags);
		return true;
	}
	}
	return false;
}

/* Arguments of the others, as the system call has them. */
static __always_inline void uring_args_plain(struct scratch *s, __u32 op, const void *cmd, __s64 fd)
{
	s->args[0] = fd;
	switch (op) {
	case 19:
		s->args[0] = (__s64)BPF_CORE_READ((const struct io_close *)cmd, fd);
		break;
	case 16:
		s->args[1] = (__u64)BPF_CORE_READ((const struct io_connect *)cmd, addr);
		s->args[2] = BPF_CORE_READ((const struct io_connect *)cmd, addr_len);
		break;
	case 13:
		s->args[3] = BPF_CORE_READ((const struct io_accept *)cmd, flags);
		break;
	case 9:
	case 10:
	case 26:
	case 27:
		s->args[1] = (__u64)BPF_CORE_READ((const struct io_sr_msg *)cmd, buf);
		s->args[2] = BPF_CORE_READ((const struct io_sr_msg *)cmd, len);
		break;
	case 34:
		s->args[1] = BPF_CORE_READ((const struct io_shutdown *)cmd, how);
		break;
	case 45:
		s->args[0] = BPF_CORE_READ((const struct io_socket *)cmd, domain);
		s->args[1] = BPF_CORE_READ((const struct io_socket *)cmd, type) |
			     BPF_CORE_READ((const struct io_socket *)cmd, flags);
		s->args[2] = BPF_CORE_READ((const struct io_socket *)cmd, protocol);
		break;
	case 57: /* since 6.11 */
		if (bpf_core_type_exists(struct io_listen))
			s->args[1] = BPF_CORE_READ((const struct io_listen *)cmd, backlog);
		break;
	}
}

/* Is the result no descriptor of the process: opened into the ring's own table? */
static __always_inline bool uring_is_slot(__u32 op, const void *cmd)
{
	if (op == 18 || op == 28)
		return BPF_CORE_READ((const struct io_open *)cmd, file_slot) != 0;
	if (op == 13)
		return BPF_CORE_READ((const struct io_accept *)cmd, file_slot) != 0;
	if (op == 45)
		return BPF_CORE_READ((const struct io_socket *)cmd, file_slot) != 0;
	return op == 19 && BPF_CORE_READ((const struct io_close *)cmd, file_slot) != 0;
}

/* Head of the doer: a kernel thread that polls a ring submits in the name of its process. */
static __always_inline void uring_head(struct kev_head *h)
{
	struct task_struct *t = task_current();

	head_fill_current(h);
	h->flags |= KEV_F_IO_URING;
	if (!(BPF_CORE_READ(t, flags) & PF_IO_WORKER_))
		return;
	h->flags |= KEV_F_NO_TASK;
	h->tid = h->tgid;
	bpf_probe_read_kernel(h->comm, sizeof(h->comm), &BPF_CORE_READ(t, group_leader)->comm);
}

/* The record of an open is complete but for what the opened file tells. */
static __always_inline void uring_opened(struct scratch *s, __u32 slot, __u64 row_flags)
{
	__u64 f = s->file;

	if (f && s->fixed_pos) {
		__u32 p = s->fixed_pos & REC_MASK;

		*(__u32 *)(s->rec + p) = file_dev(f);
		*(__u64 *)(s->rec + p + 4) = file_ino(f);
		s->open_flags |= file_open_flags(f);
		p = s->flags_pos & REC_MASK;
		*(__u32 *)(s->rec + p) = s->open_flags;
	}
	add_realpath(s, slot, row_flags);
}

/* Keeps what is in scratch until the request completes. Returns 1; 0: too long, or too many at
 * once. */
__noinline int uring_keep(__u32 slot, __u32 row_nr)
{
	struct scratch *s = scratch_get(slot);
	struct uring_op *op;
	__u64 req;
	__u32 len;

	if (!s)
		return 0;
	req = s->req;
	op = (struct uring_op *)s->tmp;
	len = s->pos;
	if (len > URING_REC_MAX)
		return 0;
	op->len = len;
	op->row = row_nr;
	op->n = s->n;
	op->pos = s->pos;
	op->str_pos = s->str_pos;
	op->str_len = s->str_len;
	op->fixed_pos = s->fixed_pos;
	op->flags_pos = s->flags_pos;
	op->open_flags = s->open_flags;
	op->want = s->want;
	op->no_fd = s->no_fd;
	op->pad = 0;
	for (int i = 0; i < 6; i++)
		op->args[i] = s->args[i];
	bpf_probe_read_kernel(op->rec, len, s->rec);
	return bpf_map_update_elem(&saker_uring, &req, op, BPF_ANY) == 0;
}

/* Told at submission, as if it succeeded: no completion will tell of it (the caller wants none on
 * success), or it could not be kept. */
static __always_inline void uring_emit_now(struct scratch *s, __u32 slot, const struct sys_row *row)
{
	struct kev_head *h = (struct kev_head *)s->rec;

	if (row->flags & ROW_OPEN) {
		if (!open_is_wanted(s->want, s->open_flags))
			return;
		*(__u64 *)(s->rec + ((HEAD_BYTES + LENS_BYTES(h->n_params & 63)) & REC_MASK)) =
			URING_NO_FD; /* the first parameter */
		put_absent(s);
	}
	rec_finish(s);
	send_record(slot);
}

static __always_inline int uring_submit(struct io_kiocb *req)
{
	struct kshm_interest *in = interest_get();
	__u32 op, row_nr, want, slot, flags;
	const struct sys_row *row;
	struct scratch *s;
	struct kev_head *h;
	__u32 extras;
	const void *cmd;

	if (!in || !in->enabled || !bpf_core_field_exists(req->cmd))
		return 0;
	op = BPF_CORE_READ(req, opcode);
	row_nr = saker_row_of_nr64[uring_nr64[op & 63] & 511];
	if (op >= 64 || !uring_nr64[op & 63] || !row_nr)
		return 0;
	row = &saker_rows[row_nr];
	want = in->by_ix[row->ix & 1023];
	if (!(want & KSHM_WANT) || is_self(in, bpf_get_current_pid_tgid() >> 32))
		return 0;
	s = scratch_take(row->cls, &slot);
	if (!s)
		return 0;
	cmd = &req->cmd;
	s->req = (__u64)req;
	flags = BPF_CORE_READ(req, flags);
	s->ret = 0;
	s->want = want;
	s->compat = 0;
	s->file = 0;
	s->open_flags = 0;
	s->snaplen = 0;
	s->uaddr = 0;
	s->no_fd = uring_is_slot(op, cmd);
	extras = row->flags & ROW_OPEN ? KEV_X_REALPATH : 0;
	h = rec_start(s, row->code, row->cls, row->n + !!extras, extras);
	uring_head(h);
	s->kern = 1;
	s->task = (__u64)task_current();
	for (int i = 0; i < 6; i++)
		s->args[i] = 0;
	if (uring_args_named(s, op, cmd))
		fetch_row(slot, row_nr);
	else
		uring_args_plain(
			s, op, cmd, flags & REQ_F_FIXED_FILE_ ? -1 : BPF_CORE_READ(req, cqe.fd));
	if ((flags & REQ_F_CQE_SKIP_ && s->n) || !uring_keep(slot, row_nr)) {
		if (!s->n)
			fetch_row(slot, row_nr);
		uring_emit_now(s, slot, row);
	}
	s->busy = 0;
	return 0;
}

/* The rest of a record whose names were taken at submission. */
__noinline int uring_finish(__u32 slot, __u32 row_nr)
{
	struct scratch *s = scratch_get(slot);
	struct kev_head *h;
	__u32 first;

	if (!s || row_nr >= _ROWS)
		return 0;
	h = (struct kev_head *)s->rec;
	first = HEAD_BYTES + LENS_BYTES(h->n_params & 63);
	*(__u64 *)(s->rec + (first & REC_MASK)) = s->ret;
	if (saker_rows[row_nr].flags & ROW_OPEN) {
		if (!open_is_wanted(s->want, s->open_flags))
			return 0;
		if (s->ret >= 0 && s->ret != URING_NO_FD)
			s->file = file_of_fd((struct task_struct *)s->task, s->ret);
		uring_opened(s, slot, saker_rows[row_nr].flags);
	}
	rec_finish(s);
	known_learn((struct task_struct *)s->task, s->ret);
	send_record(slot);
	return 0;
}

/* A record of arguments alone: its parameters are fetched now. */
__noinline int uring_fetch(__u32 slot, __u32 row_nr)
{
	struct scratch *s = scratch_get(slot);
	const struct sys_row *row;
	struct kev_head *h;

	if (!s || row_nr >= _ROWS)
		return 0;
	row = &saker_rows[row_nr];
	h = (struct kev_head *)s->rec;
	s->n = 0;
	s->pos = HEAD_BYTES + LENS_BYTES(h->n_params & 63);
	s->kern = 0;
	if (row->flags & ROW_MSG)
		read_msghdr(s, s->args[1]);
	fetch_row(slot, row_nr);
	rec_finish(s);
	known_learn((struct task_struct *)s->task, s->ret);
	send_record(slot);
	return 0;
}

static __always_inline void uring_restore(struct scratch *s, struct uring_op *op)
{
	__u32 len = op->len;

	if (len > URING_REC_MAX)
		len = URING_REC_MAX;
	barrier_var(len);
	if (len > URING_REC_MAX)
		return;
	bpf_probe_read_kernel(s->rec, len, op->rec);
	s->n = op->n;
	s->pos = op->pos;
	s->trunc = 0;
	s->str_pos = op->str_pos;
	s->str_len = op->str_len;
	s->fixed_pos = op->fixed_pos;
	s->flags_pos = op->flags_pos;
	s->open_flags = op->open_flags;
	s->want = op->want;
	for (int i = 0; i < 6; i++)
		s->args[i] = op->args[i];
}

static __always_inline int uring_complete(__u64 req, __s64 res, __u32 cflags)
{
	struct kshm_interest *in = interest_get();
	struct uring_op *op;
	struct scratch *s;
	__u32 slot, row_nr;

	if (!in || !in->enabled || !req)
		return 0;
	op = bpf_map_lookup_elem(&saker_uring, &req);
	if (!op)
		return 0;
	row_nr = op->row & 255;
	if (want_result(op->want, &saker_rows[row_nr], res)) {
		s = scratch_take(saker_rows[row_nr].cls, &slot);
		if (s) {
			uring_restore(s, op);
			s->ret = res;
			if (op->no_fd && res >= 0)
				s->ret = saker_rows[row_nr].code == KEV_CODE_SYSCALL_CLOSE_X
						 ? res
						 : URING_NO_FD;
			s->compat = 0;
			s->file = 0;
			s->uaddr = 0;
			s->ualen = 0;
			s->snaplen = in->snaplen > KEV_ARGS_MAX ? KEV_ARGS_MAX : in->snaplen;
			s->task = (__u64)task_current();
			if (op->n)
				uring_finish(slot, row_nr);
			else
				uring_fetch(slot, row_nr);
			s->busy = 0;
		}
	}
	if (!(cflags & CQE_F_MORE)) /* accept and recv may complete again and again */
		bpf_map_delete_elem(&saker_uring, &req);
	return 0;
}

/* Since 6.3 (1ad555c6ae6e); before it io_uring_submit_sqe with the request as first argument
 * since 5.18. */
SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(saker_uring_submit, struct io_kiocb *req)
{
	return uring_submit(req);
}

SEC("tp_btf/io_uring_submit_sqe")
int BPF_PROG(saker_uring_submit_old, struct io_kiocb *req, bool force_nonblock)
{
	return uring_submit(req);
}

/* The completion as one pointer since 6.11; its fields as arguments before. */
SEC("tp_btf/io_uring_complete")
int BPF_PROG(saker_uring_complete, struct io_ring_ctx *ctx_, void *req, struct io_uring_cqe *cqe)
{
	return uring_complete((__u64)req, BPF_CORE_READ(cqe, res), BPF_CORE_READ(cqe, flags));
}

SEC("tp_btf/io_uring_complete")
int BPF_PROG(saker_uring_complete_old, void *ctx_, void *req, __u64 user_data, int res,
	unsigned int cflags)
{
	return uring_complete((__u64)req, res, cflags);
}
