/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* Opens that no rule can want, by the table of the rules' necessary conditions (struct kshm_paths):
 * rejected only if neither the name that the caller gave nor the path that the kernel walked is in
 * it. What cannot be decided here is captured: relative names, names that are written in a way the
 * kernel would not, long ones, directories (later names start at them), files without a place. */

#include "close.h"

#define NAME_DOTDOT 1 /* two dots in a row */
#define NAME_ODD 2    /* "//" or "/.": need not be what the kernel would write */
#define REP8(c) ((c)*0x0101010101010101ULL)
#define O_TRUNC_ 01000

/* 0x80 in every byte of w that is c. */
static __always_inline __u64 bytes_equal(__u64 w, __u64 c)
{
	w ^= REP8(c);
	return ~(((w & REP8(0x7f)) + REP8(0x7f)) | w | REP8(0x7f));
}

/* Number of the highest byte that is not 0. */
static __always_inline __u32 top_byte(__u64 w)
{
	__u32 n = 0;

	if (w >> 32) {
		n = 4;
		w >>= 32;
	}
	if (w >> 16) {
		n += 2;
		w >>= 16;
	}
	return n + !!(w >> 8);
}

/* Eight bytes of a record; of the last, partial word of n bytes those that belong to it. */
static __always_inline __u64 rec_word(struct scratch *s, __u32 at)
{
	return *(__u64 *)(s->rec + (at & REC_MASK));
}

static __always_inline __u64 rec_rest(struct scratch *s, __u32 at, __u32 n)
{
	return rec_word(s, at + (n & ~7u)) & ((1ULL << ((n & 7) * 8)) - 1);
}

/* What is known of a name up to some word. */
struct name_scan {
	__u64 hash, last, odd, two, dots, slashes;
	__u32 last_at;
};

static __always_inline void scan_word(struct name_scan *c, __u64 w, __u32 at)
{
	__u64 d = bytes_equal(w, '.'), sl = bytes_equal(w, '/');

	c->hash = kshm_hash_word(c->hash, w);
	c->two |= d & (d << 8 | c->dots >> 56);
	c->odd |= (d | sl) & (sl << 8 | c->slashes >> 56);
	c->dots = d;
	c->slashes = sl;
	if (sl) {
		c->last = sl;
		c->last_at = at;
	}
}

/* Hash, peculiarities and last slash of the name rec[from, from + n). Loops here go over whole words,
 * with one way through them, and the rest comes behind: what is in a loop the verifier goes through
 * as often as the loop turns. */
__noinline int scan_name(__u32 slot, __u32 from, __u32 n)
{
	struct scratch *s = scratch_get(slot);
	struct name_scan c = {.hash = kshm_hash_start(n, KSHM_PATH_EXACT)};
	__u32 words = n >> 3;

	if (!s)
		return 0;
	for (__u32 i = 0; i < KSHM_PATH_MAX / 8; i++) {
		if (i >= words)
			break;
		scan_word(&c, rec_word(s, from + i * 8), i * 8);
	}
	if (n & 7)
		scan_word(&c, rec_rest(s, from, n), n & ~7u);
	s->name_hash = c.hash;
	s->name_flags = (c.two ? NAME_DOTDOT : 0) | (c.odd ? NAME_ODD : 0);
	s->name_slash = c.last_at + top_byte(c.last);
	return 0;
}

__noinline __u64 hash_part(__u32 slot, __u32 from, __u32 n, __u32 kind)
{
	struct scratch *s = scratch_get(slot);
	__u64 h = kshm_hash_start(n, kind);
	__u32 words = n >> 3;

	if (!s)
		return 0;
	for (__u32 i = 0; i < KSHM_PATH_MAX / 8; i++) {
		if (i >= words)
			break;
		h = kshm_hash_word(h, rec_word(s, from + i * 8));
	}
	return n & 7 ? kshm_hash_word(h, rec_rest(s, from, n)) : h;
}

static __always_inline bool in_table(const struct kshm_paths *p, __u64 h, __u32 cls)
{
	__u32 at = KSHM_HASH_SLOT(h);

	for (__u32 i = 0; i < KSHM_PATH_PROBES; i++) {
		__u64 v = p->slots[(at + i) & (KSHM_PATH_SLOTS - 1)];

		if (!v)
			return false;
		if (KSHM_HASH_TAG(v) == KSHM_HASH_TAG(h))
			return v >> cls & 1;
	}
	return false;
}

/* Is the name rec[from, from + n) in the table for opens of that class? It has been scanned. */
__noinline int name_is_listed(__u32 slot, __u32 from, __u32 n, __u32 cls)
{
	struct scratch *s = scratch_get(slot);
	struct kshm_interest *in = interest_get();
	__u32 kinds, slash;

	if (!s || !in)
		return 1;
	cls &= 15;
	kinds = in->paths.kinds[cls];
	slash = s->name_slash;
	if (kinds & KSHM_PATH_EXACT && in_table(&in->paths, s->name_hash, cls))
		return 1;
	if (kinds & KSHM_PATH_DIR &&
		in_table(&in->paths, hash_part(slot, from, slash ? slash : 1, KSHM_PATH_DIR), cls))
		return 1;
	if (kinds & KSHM_PATH_BASE &&
		in_table(&in->paths,
			hash_part(slot, from + slash + 1, n - slash - 1, KSHM_PATH_BASE), cls))
		return 1;
	if (!(kinds & KSHM_PATH_PREFIX))
		return 0;
	for (__u32 i = 0; i < KSHM_PATH_PREFIXES; i++) {
		__u32 len = in->paths.prefix_lens[i];

		if (!len)
			break;
		if (len <= n &&
			in_table(&in->paths, hash_part(slot, from, len, KSHM_PATH_PREFIX), cls))
			return 1;
	}
	return 0;
}

static __always_inline __u32 open_class(struct scratch *s, __u32 flags)
{
	__u32 cls = (flags & 3) == 1 ? 1 : (flags & 3) == 2 ? 2 : 0;

	if (flags & O_TRUNC_)
		cls += KSHM_OPEN_TRUNC;
	return s->ret < 0 ? cls + KSHM_OPEN_FAILED : cls;
}

#define S_IFMT__ 0170000
#define S_IFDIR__ 0040000

/* Where a walked path is looked at: in the record's memory, behind all that an open puts into it. */
#define WALKED_AT 16384

/* May the opened file's walked path be passed over? The argument, rec[at, at + n), may; it is compared
 * where @is_plain, that is, where it may be what the kernel walked. */
static __always_inline bool walked_is_boring(
	struct scratch *s, __u32 slot, __u32 at, __u32 n, __u32 cls, bool is_plain)
{
	struct file *f = (struct file *)s->file;
	struct inode *inode;
	__u32 len, pos;

	if (!f)
		return 0;
	inode = RD(struct file, f, f_inode);
	if ((RD(struct inode, inode, i_mode) & S_IFMT__) == S_IFDIR__ || is_pseudo(f))
		return 0;
	if (!n) /* no rule asks for names */
		return 1;
	walk_start(
		s, (__u64)RD(struct file, f, f_path.dentry), (__u64)RD(struct file, f, f_path.mnt));
	walk_set_root(s, (struct task_struct *)s->task);
	if (lies_at(slot, at, n))
		return 1;
	if (walk_up(slot) < 0)
		return 0;
	len = TMP_SIZE - 1 - s->walk_pos;
	s->str_pos = at;
	if (!saker_has_cast && len == n && same_text(slot, s->walk_pos, n + 1))
		return 1;
	if (!is_plain || !len || len >= KSHM_PATH_MAX)
		return 0;
	pos = s->walk_pos;
	barrier_var(pos);
	bpf_probe_read_kernel(s->rec + WALKED_AT, KSHM_PATH_MAX, &s->tmp[pos & (TMP_SIZE - 1)]);
	scan_name(slot, WALKED_AT, len);
	return !name_is_listed(slot, WALKED_AT, len, cls);
}

/* Shall the open in scratch, of rec[at, at + n), leave no record? */
static __always_inline bool open_is_boring(
	struct scratch *s, __u32 slot, __u32 at, __u32 n, __u32 raw_flags)
{
	struct kshm_interest *in = interest_get();
	__u32 cls, kinds, names, flags = 0;

	if (!in)
		return 0;
	cls = open_class(s, raw_flags);
	kinds = in->paths.kinds[cls & 15];
	names = kinds & (KSHM_PATH_EXACT | KSHM_PATH_DIR | KSHM_PATH_BASE | KSHM_PATH_PREFIX);
	if (kinds & KSHM_PATH_ANY)
		return 0;
	if (kinds) {
		if (n < 1 || n >= KSHM_PATH_MAX - 1)
			return 0;
		scan_name(slot, at, n);
		flags = s->name_flags;
		if (kinds & KSHM_PATH_DOTDOT && flags & NAME_DOTDOT)
			return 0;
	}
	if (names) {
		if (s->rec[at & REC_MASK] != '/' || flags & NAME_DOTDOT || s->name_slash == n - 1 ||
			name_is_listed(slot, at, n, cls))
			return 0;
		if (s->ret < 0 && flags & NAME_ODD)
			return 0;
	}
	return s->ret < 0 ||
	       (walked_is_boring(s, slot, at, names ? n : 0, cls, !(flags & NAME_ODD)) &&
		       known_skip((struct task_struct *)s->task, s->ret));
}
