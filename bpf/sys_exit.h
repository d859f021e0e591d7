/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* The one program on every system call's return. What nobody wants leaves after three loads. */

#include "clone_exec.h"
#include "open.h"

#define TS_COMPAT_ 2
#define EINPROGRESS_ 115

static __always_inline bool is_compat_task(struct task_struct *t)
{
	if (HAVE_TASK_BTF)
		return t->thread_info.status & TS_COMPAT_;
	return BPF_CORE_READ(t, thread_info.status) & TS_COMPAT_;
}

static __always_inline __u32 tgid_of(struct task_struct *t)
{
	if (HAVE_TASK_BTF)
		return t->tgid;
	return BPF_CORE_READ(t, tgid);
}

/* 32-bit socketcall(2): its arguments are an array in memory; the row is the native call's. 0:
 * none. */
static __always_inline __u32 socketcall_row(struct pt_regs *regs, __u32 *ret_args)
{
	__u32 call = regs->bx;

	if (call >= 32 || bpf_probe_read_user(ret_args, 24, (void *)(__u64)(__u32)regs->cx))
		return 0;
	if (call == 9 || call == 10) /* send, recv: sendto, recvfrom without an address */
		ret_args[4] = ret_args[5] = 0;
	return saker_row_of_nr64[socketcall_nr64[call] & 511];
}

static __always_inline void args_native(struct scratch *s, struct pt_regs *regs)
{
	s->args[0] = regs->di;
	s->args[1] = regs->si;
	s->args[2] = regs->dx;
	s->args[3] = regs->r10;
	s->args[4] = regs->r8;
	s->args[5] = regs->r9;
}

static __always_inline void args_compat(struct scratch *s, struct pt_regs *regs)
{
	s->args[0] = (__u32)regs->bx;
	s->args[1] = (__u32)regs->cx;
	s->args[2] = (__u32)regs->dx;
	s->args[3] = (__u32)regs->si;
	s->args[4] = (__u32)regs->di;
	s->args[5] = (__u32)regs->bp;
}

static __always_inline bool want_result(__u32 want, const struct sys_row *row, __s64 ret)
{
	if (row->flags & ROW_FAILED_ONLY && ret >= 0)
		return false;
	if (want & KSHM_WANT_SUCCESS_ONLY && ret < 0)
		return row->flags & ROW_CONNECT && ret == -EINPROGRESS_;
	return true;
}

/* Fills and sends the record of a call whose arguments are in scratch. */
__noinline int call_record(__u32 slot, __u32 row_nr)
{
	struct scratch *s = scratch_get(slot);
	const struct sys_row *row;
	struct kev_head *h;
	__u32 extras, n;

	if (!s || row_nr >= _ROWS)
		return 0;
	row = &saker_rows[row_nr];
	extras = row->flags & ROW_OPEN && s->ret >= 0 ? KEV_X_REALPATH : 0;
	n = row->n + (extras ? 1 : 0);
	h = rec_start(s, row->code, row->cls, n, extras);
	head_fill_current(h);
	if (s->compat)
		h->flags |= KEV_F_COMPAT;
	s->file = 0;
	s->uaddr = 0;
	s->ualen = 0;
	if (s->ret >= 0 && row->cls == KEV_CLASS_FILE_NET)
		s->file = file_of_fd((struct task_struct *)s->task, s->ret);
	if (row->flags & ROW_MSG) {
		read_msghdr(s, s->args[1]);
		if (row->flags & ROW_MMSG)
			s->ret = mmsg_len(s);
	}
	if (row->flags & ROW_EXEC)
		put_failed_exec(slot, row->flags);
	else if (row->flags & ROW_CLONE)
		put_clone(slot, row->code);
	else
		fetch_row(slot, row_nr);
	if (row->flags & ROW_OPEN && !open_is_wanted(s->want, s->open_flags))
		return 0;
	if (extras)
		add_realpath(s, slot, row->flags);
	rec_finish(s);
	/* before the record, so that no close of it can be missed; forgotten only once it was sent */
	if (row->code != KEV_CODE_SYSCALL_CLOSE_X)
		known_learn((struct task_struct *)s->task, s->ret);
	if (send_record(slot) && row->code == KEV_CODE_SYSCALL_CLOSE_X)
		known_forget(s->args[0]);
	return 0;
}

#define IPPROTO_TCP_ 6
#define TCP_CLOSE_ 7
#define MSG_FASTOPEN_ 0x20000000

/* Did the call send over a TCP connection that was there before it? One with MSG_FASTOPEN may have made
 * it, and of a socket without one nothing is said. */
static __always_inline bool is_tcp_send(struct scratch *s, const struct sys_row *row)
{
	__u32 flags = row->ix == KEV_IX_SOCKET_SENDMSG_X ? s->args[2] : s->args[3];
	struct sock *sk = sock_of_fd((struct task_struct *)s->task, s->args[0]);
	__u16 family;

	if (!sk || flags & MSG_FASTOPEN_ || RD(struct sock, sk, sk_protocol) != IPPROTO_TCP_ ||
		RD(struct sock, sk, __sk_common.skc_state) == TCP_CLOSE_)
		return false;
	family = RD(struct sock, sk, __sk_common.skc_family);
	return family == AF_INET_ || family == AF_INET6_;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(saker_sys_exit, struct pt_regs *regs, long ret)
{
	__u32 nr = regs->orig_ax, row64, row32, row_nr, want, slot;
	struct kshm_interest *in = interest_get();
	const struct sys_row *row;
	__u32 call_args[6] = {};
	struct task_struct *t;
	struct scratch *s;
	bool compat;

	if (!in || !in->enabled || nr >= KSHM_SYSCALLS_MAX)
		return 0;
	/* Both tables first: whether the call is a 32-bit one costs a look at the task. */
	row64 = saker_row_of_nr64[nr];
	row32 = saker_row_of_nr32[nr];
	want = in->by_ix[saker_rows[row64].ix & 1023] * !!row64 |
	       in->by_ix[saker_rows[row32].ix & 1023] * !!row32;
	if (!want && nr != NR32_SOCKETCALL)
		return 0;
	t = task_current();
	compat = is_compat_task(t);
	row_nr = compat ? row32 : row64;
	if (compat && nr == NR32_SOCKETCALL)
		row_nr = socketcall_row(regs, call_args);
	if (!row_nr || row_nr >= _ROWS)
		return 0;
	row = &saker_rows[row_nr];
	want = in->by_ix[row->ix & 1023];
	if (compat)
		ret = (__s32)ret;
	if (!(want & KSHM_WANT) || !want_result(want, row, ret))
		return 0;
	if (is_self(in, tgid_of(t))) {
		if (in->canary && in->supervisor_tgid == tgid_of(t))
			emit_canary();
		return 0;
	}
	if (want & KSHM_WANT_KNOWN_FD) {
		close_call(t, compat ? regs->bx : regs->di, compat ? KEV_F_COMPAT : 0);
		return 0;
	}
	s = scratch_take(row->cls, &slot);
	if (!s)
		return 0;
	s->task = (__u64)t;
	s->ret = ret;
	s->nr = nr;
	s->want = want;
	s->compat = compat;
	s->open_flags = 0;
	s->snaplen = in->snaplen > KEV_ARGS_MAX ? KEV_ARGS_MAX : in->snaplen;
	if (!compat) {
		args_native(s, regs);
	} else if (nr == NR32_SOCKETCALL) {
		for (int i = 0; i < 6; i++)
			s->args[i] = call_args[i];
	} else {
		args_compat(s, regs);
	}
	if (want & KSHM_WANT_NOT_TCP && is_tcp_send(s, row))
		; /* the connection is known, and no rule asks for what goes over it */
	else if (row->ix == KEV_IX_SYSCALL_OPENAT_2_X || row->ix == KEV_IX_SYSCALL_OPEN_X)
		open_call(slot, row->flags & ROW_AT);
	else
		call_record(slot, row_nr);
	s->busy = 0;
	return 0;
}
