/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* The fetchers that rows name, and the loop over a row. */

#include "known.h"
#include "syscalls.h"

static __always_inline __u64 arg_get(struct scratch *s, __u32 i)
{
	return i < 6 ? s->args[i] : 0;
}

static __always_inline __s32 pair_get(struct scratch *s, __u32 arg, __u32 i)
{
	__s32 fds[2] = {-1, -1};

	if (s->ret >= 0)
		bpf_probe_read_user(fds, sizeof(fds), (void *)arg_get(s, arg));
	return fds[i & 1];
}

__noinline int fetch_open(__u32 slot, __u32 op, __u32 arg)
{
	struct scratch *s = scratch_get(slot);
	__u64 f, v;

	if (!s)
		return 0;
	f = s->file;
	v = arg_get(s, arg);
	switch (op) {
	case OP_OPENFL:
		s->open_flags = conv_open(v);
		if (f)
			s->open_flags |= file_open_flags(f);
		s->flags_pos = s->pos;
		put_int(s, s->open_flags, 4);
		break;
	case OP_HOW:
		if (arg == 0) {
			if (!s->kern &&
				bpf_probe_read_user(s->how, sizeof(s->how), (void *)s->args[2]))
				s->trunc = 1;
			s->open_flags = conv_open(s->how[0]);
			if (f)
				s->open_flags |= file_open_flags(f);
			s->flags_pos = s->pos;
			put_int(s, s->open_flags, 4);
		} else if (arg == 1) {
			put_int(s, s->how[1], 4);
		} else {
			put_int(s, conv_flags(CONV_RESOLVE, s->how[2]), 4);
		}
		break;
	case OP_DEV:
		s->fixed_pos = s->pos;
		put_int(s, f ? file_dev(f) : 0, 4);
		break;
	case OP_INO:
		put_int(s, f ? file_ino(f) : 0, 8);
		break;
	case OP_CREATFL:
		s->open_flags = 0x2 | 0x4 | 0x100; /* O_WRONLY | O_CREAT | O_TRUNC */
		put_int(s, f ? file_layer(f) : 0,
			2); /* FD_UPPER_LAYER_CREAT 1, FD_LOWER_LAYER_CREAT 2 */
		break;
	case OP_FILEPATH:
		s->task = (__u64)task_current();
		s->fpath = f ? (__u64) & ((struct file *)f)->f_path : 0;
		put_path(slot, 1);
		break;
	}
	return 0;
}

__noinline int fetch_sock(__u32 slot, __u32 op, __u32 arg)
{
	struct scratch *s = scratch_get(slot);
	struct sock *sk;
	__u32 len, max;

	if (!s)
		return 0;
	if (op == OP_TUPLE) {
		s->sockfd = s->args[0];
		switch (arg) {
		case TUPLE_CONNECT:
			/* what the kernel connected; of a failed one what was asked for */
			if (s->ret < 0 && s->ret != -115) {
				s->uaddr = s->args[1];
				s->ualen = s->args[2];
			}
			return put_tuple(slot, 0);
		case TUPLE_ACCEPT:
			s->sockfd = s->ret;
			return put_tuple(slot, 1);
		case TUPLE_SENDTO:
			s->uaddr = s->args[4];
			s->ualen = s->args[5];
			return put_tuple(slot, 0);
		case TUPLE_RECVFROM:
			s->uaddr = s->ret >= 0 ? s->args[4] : 0;
			s->ualen = 28; /* what is there is judged by its family */
			return put_tuple(slot, 1);
		case TUPLE_SENDMSG:
			return put_tuple(slot, 0);
		case TUPLE_RECVMSG:
			return put_tuple(slot, 1);
		}
		return 0;
	}
	sk = sock_of_fd(task_current(), s->args[0]);
	len = sk ? BPF_CORE_READ(sk, sk_ack_backlog) : 0;
	max = sk ? BPF_CORE_READ(sk, sk_max_ack_backlog) : 0;
	if (op == OP_QUEUEPCT)
		put_int(s, max ? len * 100 / max : 0, 1);
	else
		put_int(s, op == OP_QUEUELEN ? len : max, 4);
	return 0;
}

static __always_inline void put_pair_fd(struct scratch *s, struct task_struct *t, __s32 fd)
{
	known_learn(t, fd);
	put_int(s, (__s64)fd, 8);
}

__noinline int fetch_pair(__u32 slot, __u32 op, __u32 arg)
{
	struct scratch *s = scratch_get(slot);
	struct task_struct *t = task_current();
	__u64 f;

	if (!s)
		return 0;
	switch (op) {
	case OP_PAIR0:
		put_pair_fd(s, t, pair_get(s, arg, 0));
		break;
	case OP_PAIR1:
		put_pair_fd(s, t, pair_get(s, arg, 1));
		break;
	case OP_PAIRINO:
		f = file_of_fd(t, pair_get(s, arg, 0));
		put_int(s, f ? file_ino(f) : 0, 8);
		break;
	case OP_PAIRSRC:
		put_int(s, (__u64)sock_of_fd(t, pair_get(s, arg, 0)), 8);
		break;
	case OP_PAIRPEER:
		put_int(s, (__u64)sock_of_fd(t, pair_get(s, arg, 1)), 8);
		break;
	}
	return 0;
}

/* Those that are rare and need neither files nor sockets. */
__noinline int fetch_other(__u32 slot, __u32 op, __u32 arg)
{
	struct scratch *s = scratch_get(slot);
	struct task_struct *t = task_current();
	__u64 v;
	__u8 *out;

	if (!s)
		return 0;
	v = arg_get(s, arg);
	switch (op) {
	case OP_MOUNTFL:
		if ((v & 0xffff0000) == 0xc0ed0000) /* MS_MGC_VAL */
			v &= 0xffff;
		put_int(s, v, 4);
		break;
	case OP_URINGPARAM: {
		__u32 p[6] = {}; /* struct io_uring_params */

		bpf_probe_read_user(p, sizeof(p), (void *)s->args[1]);
		if (arg == 2)
			put_int(s, conv_flags(CONV_URING, p[2]), 4);
		else
			put_int(s, arg < 6 ? p[arg] : 0, 4);
		break;
	}
	case OP_DYN64:
		out = rec_at(s);
		out[0] = 0; /* tag: 64-bit number */
		*(__u64 *)(out + 1) = v;
		put_done(s, 9);
		break;
	case OP_PTRACEDATA: {
		__u32 req = conv_ptrace(s->args[0]);

		out = rec_at(s);
		if (req == 8 || req == 10 || req == 12 ||
			req == 13) { /* CONT, SINGLESTEP, DETACH, SYSCALL: a signal */
			out[0] = 1;
			out[1] = v;
			put_done(s, 2);
		} else {
			out[0] = 0;
			*(__u64 *)(out + 1) = v;
			put_done(s, 9);
		}
		break;
	}
	case OP_PTRACEREQ:
		put_int(s, conv_ptrace(v), 2);
		break;
	case OP_IMAGE:
		put_user_bytes(s, v, s->args[1], s->snaplen);
		break;
	case OP_CAPS:
		if (arg == 0)
			put_int(s, TASK_CAPS(t, cap_inheritable), 8);
		else if (arg == 1)
			put_int(s, TASK_CAPS(t, cap_permitted), 8);
		else
			put_int(s, TASK_CAPS(t, cap_effective), 8);
		break;
	case OP_PRCTLSTR:
		put_str(s, s->args[0] == 15 ? v : 0); /* PR_SET_NAME */
		break;
	case OP_PRCTLINT:
		if (s->args[0] == 37) { /* PR_GET_CHILD_SUBREAPER: the answer */
			__s32 answer = 0;

			bpf_probe_read_user(&answer, sizeof(answer), (void *)v);
			v = answer;
		}
		put_int(s, s->args[0] == 15 ? 0 : v, 8);
		break;
	case OP_MSGCTL:
		put_user_bytes(s, s->msg_control, s->msg_controllen, s->snaplen);
		break;
	case OP_FCNTLCMD:
		put_int(s, conv_fcntl(v), 1);
		break;
	}
	return 0;
}

/* ret as 64 bits of what a mmsg call moved in its first message: msg_len stands behind the header.
 */
static __always_inline __s64 mmsg_len(struct scratch *s)
{
	__u32 len = 0;

	if (s->ret <= 0)
		return s->ret;
	bpf_probe_read_user(&len, sizeof(len), (void *)(s->args[1] + (s->compat ? 28 : 56)));
	return len;
}

/* A function that is verified on its own, because the loop over a row would have it verified for
 * every turn. */
__noinline int fetch_one(__u32 slot, __u32 op, __u32 arg)
{
	struct scratch *s = scratch_get(slot);
	__u64 v;

	if (!s)
		return 0;
	v = arg_get(s, arg);

	switch (op) {
	case OP_ABSENT:
		put_absent(s);
		break;
	case OP_RET:
	case OP_MMSGRET:
		put_int(s, s->ret, 8);
		break;
	case OP_U8:
		put_int(s, v, 1);
		break;
	case OP_U16:
		put_int(s, v, 2);
		break;
	case OP_U32:
	case OP_S32:
		put_int(s, v, 4);
		break;
	case OP_U64:
		put_int(s, v, 8);
		break;
	case OP_POS: /* 32-bit callers give it in two halves */
		put_int(s, s->compat ? (v & 0xffffffff) | arg_get(s, arg + 1) << 32 : v, 8);
		break;
	case OP_S64:
		put_int(s, (__s64)(__s32)v, 8);
		break;
	case OP_MODE:
		put_int(s, v & 07777, 4);
		break;
	case OP_ZERO8:
		put_int(s, 0, 1);
		break;
	case OP_ZERO16:
		put_int(s, 0, 2);
		break;
	case OP_ZERO32:
		put_int(s, 0, 4);
		break;
	case OP_ZERO64:
		put_int(s, 0, 8);
		break;
	case OP_STR:
		put_str(s, v);
		break;
	case OP_OPENMODE:
		put_int(s, s->open_flags & (0x4 | 0x2000) ? v & 07777 : 0, 4);
		break;
	case OP_FLAGS:
		put_int(s, conv_flags(arg >> 3, arg_get(s, arg & 7)), 4);
		break;
	case OP_FLAGS16:
		put_int(s, conv_flags(arg >> 3, arg_get(s, arg & 7)), 2);
		break;
	case OP_SOCKTYPE:
		put_int(s, v & 0xf, 4);
		break;
	case OP_SOCKFL:
		put_int(s, conv_flags(CONV_OPEN, v & ~0xfULL), 4);
		break;
	case OP_DATA:
		put_user_bytes(s, v, s->ret > 0 ? s->ret : 0, s->snaplen);
		break;
	case OP_IOVSIZE:
		s->iov = v;
		s->iovcnt = arg_get(s, arg + 1);
		put_iov_size(slot);
		break;
	case OP_IOVDATA:
		s->iov = v;
		s->iovcnt = arg_get(s, arg + 1);
		put_iov_data(slot);
		break;
	case OP_MSGSIZE:
		put_iov_size(slot);
		break;
	case OP_MSGDATA:
		put_iov_data(slot);
		break;
	case OP_ADDR:
		put_sockaddr(slot, v, arg_get(s, arg + 1));
		break;
	case OP_OPENFL:
	case OP_HOW:
	case OP_DEV:
	case OP_INO:
	case OP_CREATFL:
	case OP_FILEPATH:
		fetch_open(slot, op, arg);
		break;
	case OP_TUPLE:
	case OP_QUEUEPCT:
	case OP_QUEUELEN:
	case OP_QUEUEMAX:
		fetch_sock(slot, op, arg);
		break;
	case OP_PAIR0:
	case OP_PAIR1:
	case OP_PAIRINO:
	case OP_PAIRSRC:
	case OP_PAIRPEER:
		fetch_pair(slot, op, arg);
		break;
	default:
		fetch_other(slot, op, arg);
		break;
	}
	return 0;
}

/* All declared parameters of a row. */
__noinline int fetch_row(__u32 slot, __u32 row_nr)
{
	struct scratch *s = scratch_get(slot);
	const struct sys_row *row;

	if (!s || row_nr >= _ROWS)
		return 0;
	row = &saker_rows[row_nr];
	for (__u32 i = 0; i < ROW_FETCH_MAX; i++) {
		if (i >= row->n_fetch)
			break;
		fetch_one(slot, row->fetch[i].op, row->fetch[i].arg);
	}
	return 0;
}

/* The real path as the extra parameter, for which the record was started; one that is absent is
 * taken out again where the table of lengths keeps its size. */
static __always_inline void add_realpath(struct scratch *s, __u32 slot, __u32 row_flags)
{
	struct kev_head *h = (struct kev_head *)s->rec;
	__u32 before = s->pos, n = h->n_params;

	if (s->open_flags &
		0x2000) /* O_TMPFILE: the file has no name, the argument is its directory */
		put_absent(s);
	else
		put_realpath(slot, row_flags & ROW_AT ? (__s32)s->args[0] : AT_FDCWD_);
	if (s->pos == before && LENS_BYTES(n) == LENS_BYTES(n - 1)) {
		h->extras = 0;
		h->n_params = n - 1;
	}
}

/* Is an open of these flags (as events carry them) among those wanted? */
static __always_inline bool open_is_wanted(__u32 want, __u32 flags)
{
	if (!(want & (KSHM_WANT_WRITE_OPEN | KSHM_WANT_READ_OPEN)))
		return true;
	return (want & KSHM_WANT_WRITE_OPEN && flags & 0x2) ||
	       (want & KSHM_WANT_READ_OPEN && flags & 0x1) || flags & (0x4 | 0x100 | 0x2000);
}
