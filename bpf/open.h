/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* open and openat: what most processes do most, so they are not interpreted from their rows. The name is
 * read once, to where the record has it, and looked at there by the filter. */

#include "clone_exec.h"
#include "filter.h"

#define OPEN_N N_SYSCALL_OPEN_X
#define OPENAT_N N_SYSCALL_OPENAT_2_X
_Static_assert(LENS_BYTES(OPEN_N) == LENS_BYTES(OPEN_N + 1) &&
		       LENS_BYTES(OPENAT_N) == LENS_BYTES(OPENAT_N + 1) &&
		       LENS_BYTES(OPENAT_N) == 16,
	"the real path finds its place in the table of lengths");
#define OPEN_NAME_AT (HEAD_BYTES + 16 + 8)
#define OPENAT_NAME_AT (HEAD_BYTES + 16 + 16)

/* Values of four lengths of the table. */
#define LENS(a, b, c, d) ((__u64)(a) | (__u64)(b) << 16 | (__u64)(c) << 32 | (__u64)(d) << 48)

/* Flags as events carry them. */
static __always_inline __u32 open_flags(__u32 v)
{
	__u32 out = (v & 3) == 1 ? 0x2 : (v & 3) == 2 ? 0x3 : 0x1;

	if (!(v & ~3u))
		return out;
	return conv_open(v);
}

/* What comes behind the name: flags, mode, device, inode. */
static __always_inline void put_opened(struct scratch *s, __u32 mode)
{
	__u32 p = s->pos;
	__u8 *to;

	barrier_var(p);
	to = s->rec + (p & REC_MASK);
	*(__u32 *)to = s->open_flags;
	*(__u32 *)(to + 4) = s->open_flags & (0x4 | 0x2000) ? mode & 07777 : 0; /* it can create */
	*(__u32 *)(to + 8) = s->file ? file_dev(s->file) : 0;
	*(__u64 *)(to + 12) = s->file ? file_ino(s->file) : 0;
	s->pos = p + 20;
}

/* The record, of which the name is in its place; name_n: bytes with the NUL, 0: it cannot be read. */
static __always_inline struct kev_head *open_head(struct scratch *s, __u32 is_at, __u32 name_n)
{
	__u64 *lens = (__u64 *)(s->rec + HEAD_BYTES);
	struct kev_head *h;

	h = rec_start(s, is_at ? KEV_CODE_SYSCALL_OPENAT_2_X : KEV_CODE_SYSCALL_OPEN_X,
		KEV_CLASS_FILE_NET, is_at ? OPENAT_N : OPEN_N, 0);
	head_fill_current(h);
	if (s->compat)
		h->flags |= KEV_F_COMPAT;
	if (!name_n)
		s->trunc = 1;
	lens[2] = s->ret;
	if (is_at) {
		lens[0] = LENS(8, 8, name_n, 4);
		lens[1] = LENS(4, 4, 8, 0);
		lens[3] = (__s64)(__s32)s->args[0];
		s->n = OPENAT_N;
		s->str_pos = OPENAT_NAME_AT;
	} else {
		lens[0] = LENS(8, name_n, 4, 4);
		lens[1] = LENS(4, 8, 0, 0);
		s->n = OPEN_N;
		s->str_pos = OPEN_NAME_AT;
	}
	s->str_len = name_n;
	s->pos = s->str_pos + name_n;
	return h;
}

/* Sends the record of an open. A close of the same number that waits is void by it; only if it is lost
 * the close is needed after all. */
static __always_inline void open_send(struct scratch *s, __u32 slot)
{
	struct known *k = known_get((struct task_struct *)s->task);
	bool is_void = false;

	if (k && k->waiting) {
		is_void = s->ret >= 0 && k->waiting == s->ret + 1;
		if (is_void)
			k->waiting = 0;
		else
			closed_send(k);
	}
	/* before the record, so that no close of it can be missed */
	if (k && s->ret >= 0 && s->ret < KNOWN_FDS)
		*known_fd(k, s->ret) = 1;
	if (!emit_record(slot) && is_void)
		k->waiting = s->ret + 1;
}

/* An open or openat whose arguments are in scratch. */
__noinline int open_call(__u32 slot, __u32 is_at)
{
	struct scratch *s = scratch_get(slot);
	struct kev_head *h;
	__u32 raw;
	long n;

	if (!s)
		return 0;
	if (is_at)
		n = bpf_probe_read_user_str(
			s->rec + OPENAT_NAME_AT, KEV_PATH_MAX, (void *)s->args[1]);
	else
		n = bpf_probe_read_user_str(
			s->rec + OPEN_NAME_AT, KEV_PATH_MAX, (void *)s->args[0]);
	if (n < 0 || n > KEV_PATH_MAX)
		n = 0;
	raw = is_at ? s->args[2] : s->args[1];
	s->file = s->ret >= 0 ? file_of_fd((struct task_struct *)s->task, s->ret) : 0;
	if (s->want & KSHM_WANT_PATHS &&
		open_is_boring(s, slot, is_at ? OPENAT_NAME_AT : OPEN_NAME_AT, n - 1, raw))
		return 0;
	s->open_flags = open_flags(raw);
	if (s->file)
		s->open_flags |= file_open_flags(s->file);
	if (!open_is_wanted(s->want, s->open_flags))
		return 0;
	h = open_head(s, is_at, n);
	put_opened(s, is_at ? s->args[3] : s->args[2]);
	if (s->ret >= 0) {
		h->extras = KEV_X_REALPATH;
		h->n_params++;
		add_realpath(s, slot, is_at ? ROW_AT : 0);
	}
	rec_finish(s);
	open_send(s, slot);
	return 0;
}
