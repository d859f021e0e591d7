/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a capture file, block by block. Input: a file that anyone may have made up. Lengths are
 * believed only after they have been compared with what is there; a file that contradicts itself is
 * given up with the place where it does, an event that cannot be is passed on without what is wrong
 * with it, so that the numbers of all others stay right. Must not allocate after
 * scap_reader_open(). */

#include <driver/scap.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <base/macros.h>
#include <driver/kev.h>

#include "scap_convert.h"
#include "scap_format.h"
#include "scap_input.h"
#include "scap_state.h"

#define TRAILER 4
#define PATH_MOST ((size_t)KEV_PATH_MAX - 1)
#define PARAMS_TRIED 64 /* an event with more than we know keeps those we know */

/* What the parameters of a code must be to be taken as they stand. */
struct shape {
	bool is_plain; /* they can be, at all */
	uint8_t n;
	uint8_t widths
		[KEV_PARAMS_MAX]; /* bytes; 0 any number, SHAPE_TEXT any with a NUL at the end */
};
#define SHAPE_TEXT 255

struct scap_reader {
	struct scap_input in;
	bool has_section, has_events;
	bool is_in_list;
	uint64_t left; /* of the block's body and trailer, while in a list or to be passed over */
	uint64_t block_at; /* where it began */
	uint64_t boot_ns;
	struct scap_list list;
	struct scap_convert convert;
	struct shape shapes[SCAP_CODES];
	struct scap_record
		pending; /* the event behind the state record that it is at the same time */
	bool has_pending;
	char error[160];
	uint64_t buf[KEV_SIZE_MAX / sizeof(uint64_t)];
	uint64_t state_buf[KEV_SIZE_MAX / sizeof(uint64_t)];
};

static bool is_text(uint8_t type)
{
	return type == KEV_T_STR || type == KEV_T_PATH || type == KEV_T_RELPATH;
}

static void init_shapes(struct scap_reader *r)
{
	for (unsigned ix = 0; ix < _KEV_IX_MAX; ix++) {
		const struct kev_info *info = kev_info_get((uint16_t)ix);
		struct shape *s = info->code < SCAP_CODES ? &r->shapes[info->code] : NULL;

		if (!s || info->kind == KEV_KIND_META || info->kind == KEV_KIND_ITER ||
			info->dir == KEV_ENTER)
			continue;
		s->is_plain = true;
		s->n = info->n_params;
		for (unsigned i = 0; i < info->n_params; i++)
			s->widths[i] = is_text(info->params[i].type)
					       ? SHAPE_TEXT
					       : (uint8_t)kev_type_width(
							 (enum kev_type)info->params[i].type);
	}
}

int scap_reader_open(int fd, struct scap_reader **ret_reader)
{
	struct scap_reader *r = calloc(1, sizeof(*r));
	int k = r ? scap_input_open(&r->in, fd) : -ENOMEM;

	if (k == 0)
		k = scap_convert_init(&r->convert);
	if (k < 0) {
		scap_reader_free(r);
		return k;
	}
	init_shapes(r);
	*ret_reader = r;
	return 0;
}

struct scap_reader *scap_reader_free(struct scap_reader *r)
{
	if (!r)
		return NULL;
	scap_input_done(&r->in);
	scap_convert_done(&r->convert);
	free(r);
	return NULL;
}

const char *scap_reader_error(const struct scap_reader *r)
{
	return r->error;
}

static int fail(struct scap_reader *r, uint64_t at, const char *why)
{
	(void)snprintf(r->error, sizeof(r->error), "at byte %llu: %s", (unsigned long long)at, why);
	return -EBADMSG;
}

/* n bytes in one piece. 1; -EAGAIN; or the error, at the block's begin if the file ends. */
static int need(struct scap_reader *r, size_t n)
{
	int k = scap_input_need(&r->in, n);

	if (k == 1 || k == -EAGAIN)
		return k;
	if (k < 0 && k != -EBADMSG) {
		(void)snprintf(r->error, sizeof(r->error), "at byte %llu: %s: %s",
			(unsigned long long)scap_input_offset(&r->in) + scap_input_left(&r->in),
			r->in.why, strerror(-k));
		return k;
	}
	return fail(r, k < 0 ? scap_input_offset(&r->in) + scap_input_left(&r->in) : r->block_at,
		r->in.why ? r->in.why : "the file ends in the middle of a block");
}

/* --- events --- */

static bool is_large(uint32_t type)
{
	return type == SCAP_EV_V2_LARGE || type == SCAP_EVF_V2_LARGE;
}

static bool is_v1(uint32_t type)
{
	return type == SCAP_EV_V1 || type == SCAP_EVF_V1;
}

static bool has_flags(uint32_t type)
{
	return type == SCAP_EVF_V1 || type == SCAP_EVF_V2 || type == SCAP_EVF_V2_LARGE;
}

static bool is_event(uint32_t type)
{
	return is_v1(type) || has_flags(type) || is_large(type) || type == SCAP_EV_V2;
}

static uint16_t u16_at(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t u64_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The file does not say how many parameters there are: so many that their lengths fill the event.
 * -1: no number does. */
static int count_params(const struct scap_reader *r, uint16_t type, const uint8_t *p, size_t n)
{
	for (int k = (int)scap_convert_most(&r->convert, type); k >= 0; k--) {
		size_t sum = (size_t)k * 2;

		if (sum > n)
			continue;
		for (int i = 0; i < k; i++)
			sum += u16_at(p + i * 2);
		if (sum == n)
			return k;
	}
	return -1;
}

/* Takes the parameters apart. @p: lengths, then bytes; n of both. false: they do not fit. */
static bool split_params(
	struct scap_event *e, const uint8_t *p, size_t n, unsigned n_params, unsigned width)
{
	const uint8_t *len = p;

	if (n_params > n / width)
		return false;
	p += (size_t)n_params * width;
	n -= (size_t)n_params * width;
	e->n = MIN(n_params, (unsigned)SCAP_PARAMS_MAX);
	for (unsigned i = 0; i < e->n; i++) {
		size_t k = width == 2 ? u16_at(len + (size_t)i * 2) : u32_at(len + (size_t)i * 4);

		if (k > n)
			return false;
		e->p[i] = (struct span){.p = (const char *)p, .n = k};
		p += k;
		n -= k;
	}
	return true;
}

/* Behind the event, n bytes: options; ours says what the format has no word for. Others are passed
 * over, and what makes no sense is the end. */
static void read_options(struct scap_event *e, const uint8_t *p, size_t n)
{
	while (n >= SCAP_OPT_HEAD) {
		unsigned code = u16_at(p);
		size_t len = u16_at(p + 2), whole = ALIGN_UP(len, 4);

		if (code == 0 || whole > n - SCAP_OPT_HEAD)
			return;
		p += SCAP_OPT_HEAD;
		if (code == SCAP_OPT_CUSTOM && len >= SCAP_OPT_OWN_HEAD &&
			u32_at(p) == SCAP_OPT_OWNER) {
			e->kev_flags = (uint8_t)(u16_at(p + 4) & (KEV_F_COMPAT | KEV_F_IO_URING));
			e->realpath.p = (const char *)p + SCAP_OPT_OWN_HEAD;
			e->realpath.n =
				strnlen(e->realpath.p, MIN(len - SCAP_OPT_OWN_HEAD, PATH_MOST));
		}
		p += whole;
		n -= SCAP_OPT_HEAD + whole;
	}
}

/* An event's block, whole. 0; -EBADMSG. */
static int read_event(
	struct scap_reader *r, uint32_t block, const uint8_t *p, size_t n, struct scap_event *e)
{
	size_t head = is_v1(block) ? SCAP_EVENT_HEAD_V1 : SCAP_EVENT_HEAD_V2;
	size_t before = has_flags(block) ? 6 : 2, len;
	unsigned width = is_large(block) ? 4 : 2;
	int n_params;

	if (n < before + head)
		return fail(r, r->block_at, "the block is too small for an event");
	e->cpu = u16_at(p);
	e->flags = has_flags(block) ? u32_at(p + 2) : 0;
	e->is_converted = false;
	e->realpath = (struct span){0};
	e->kev_flags = 0;
	p += before;
	n -= before;
	e->ts_ns = u64_at(p);
	e->tid = u64_at(p + 8);
	len = u32_at(p + 16);
	e->type = u16_at(p + 20);
	if (is_v1(block) &&
		(e->type == KEV_CODE_NOTIFICATION_E ||
			e->type == KEV_CODE_INFRASTRUCTURE_EVENT_E) &&
		len >= 3)
		len -= 3; /* writers of that time counted them wrong */
	if (len < head || len > n)
		return fail(r, r->block_at, "the event's length is not that of its block");
	/* an event without options has less than 4 bytes of padding behind it */
	if (ALIGN_UP(before + len, 4) - before < n)
		read_options(e, p + ALIGN_UP(before + len, 4) - before,
			n - (ALIGN_UP(before + len, 4) - before));
	if (e->type >= SCAP_CODES) {
		e->n = 0; /* of a newer vocabulary */
		return 0;
	}
	if (is_v1(block))
		n_params = count_params(r, e->type, p + head, len - head);
	else
		n_params = (int)MIN(u32_at(p + 22), (uint32_t)INT32_MAX);
	if (n_params < 0 || !split_params(e, p + head, len - head, (unsigned)n_params, width))
		return fail(r, r->block_at, "the event's parameters do not fit its length");
	return 0;
}

static bool is_signed(uint8_t type)
{
	return type <= KEV_T_INT64 || (type >= KEV_T_FD && type <= KEV_T_ERRNO);
}

/* An integer of another width, as older tables declared it. */
static void put_int(struct kev_builder *b, uint8_t type, unsigned width, struct span v)
{
	uint8_t wide[16] = {0};

	memcpy(wide, v.p, MIN(v.n, sizeof(wide)));
	if (is_signed(type) && v.n < sizeof(wide) && wide[v.n - 1] & 0x80)
		memset(wide + v.n, 0xff, sizeof(wide) - v.n);
	kev_build_raw(b, wide, width);
}

static void put_param(struct kev_builder *b, uint8_t type, struct span v)
{
	unsigned width = kev_type_width((enum kev_type)type);

	if (v.n && width && v.n != width)
		put_int(b, type, width, v);
	else if (v.n && is_text(type) && v.p[v.n - 1] != 0)
		kev_build_text(b, v);
	else
		kev_build_raw(b, v.p, v.n);
}

/* Too long for a record: the longest parameters are cut, one after the other. */
static void cut_longest(struct scap_event *e, const struct kev_info *info)
{
	unsigned longest = 0;

	for (unsigned i = 1; i < e->n; i++)
		if (e->p[i].n > e->p[longest].n)
			longest = i;
	e->p[longest].n = info->params[longest].type == KEV_T_SOCKTUPLE || e->p[longest].n < 64
				  ? 0
				  : e->p[longest].n / 2;
}

static void fill_head(const struct scap_reader *r, const struct scap_event *e, struct kev_head *h)
{
	h->ts_ns = e->ts_ns >= r->boot_ns ? e->ts_ns - r->boot_ns : 0;
	h->tid = e->tid <= INT32_MAX ? (uint32_t)e->tid : 0;
	h->uid = h->gid = UINT32_MAX;
	h->cpu = e->cpu;
	h->cls = KEV_CLASS_OTHER;
	if (!h->tid)
		h->flags |= KEV_F_NO_TASK;
	h->flags |= e->kev_flags;
	if (e->flags & SCAP_EVF_STATE_ONLY)
		h->flags |= KEV_F_STATE_ONLY;
}

/* Births and execs say which process their thread is of: parameter 4. */
static bool tells_pid(uint16_t type)
{
	switch (type) {
	case KEV_CODE_SYSCALL_CLONE_20_X:
	case KEV_CODE_SYSCALL_FORK_20_X:
	case KEV_CODE_SYSCALL_VFORK_20_X:
	case KEV_CODE_SYSCALL_CLONE3_X:
	case KEV_CODE_SYSCALL_EXECVE_19_X:
	case KEV_CODE_SYSCALL_EXECVEAT_X:
		return true;
	default:
		return false;
	}
}

/* @h: the record, whole. */
static void fill_tgid(struct kev_head *h)
{
	const uint16_t *lens = (const uint16_t *)(h + 1);
	const uint8_t *p = (const uint8_t *)(h + 1) + ALIGN_UP(h->n_params * sizeof(*lens), 8);
	int64_t pid = 0;

	if (!tells_pid(h->type) || h->n_params <= 4 || lens[4] != sizeof(pid) || !h->tid)
		return;
	for (unsigned i = 0; i < 4; i++)
		p += lens[i];
	memcpy(&pid, p, sizeof(pid));
	if (pid > 0 && pid <= INT32_MAX)
		h->tgid = (uint32_t)pid;
}

static int build(
	const struct scap_reader *r, struct scap_event *e, const struct kev_info *info, void *buf)
{
	struct kev_builder b;
	bool is_cut = false;
	int len;

	e->n = MIN(e->n, (unsigned)info->n_params);
	for (;; is_cut = true) {
		kev_build_start(&b, buf, KEV_SIZE_MAX, e->type, e->realpath.n > 0);
		for (unsigned i = 0; i < e->n; i++)
			put_param(&b, info->params[i].type, e->p[i]);
		/* extras stand behind all that are declared */
		for (unsigned i = e->n; e->realpath.n && i < info->n_params; i++)
			kev_build_absent(&b);
		if (e->realpath.n)
			kev_build_text(&b, e->realpath);
		len = kev_build_finish(&b);
		if (len > 0)
			break;
		cut_longest(e, info);
	}
	struct kev_head *h = kev_build_head(&b);
	fill_head(r, e, h);
	fill_tgid(h);
	if (is_cut)
		h->flags |= KEV_F_TRUNC;
	return len;
}

/* Users and groups are told by events, too: those are state and events at the same
 * time. */
static bool is_also_state(uint16_t type)
{
	switch (type) {
	case KEV_CODE_USER_ADDED_E:
	case KEV_CODE_USER_DELETED_E:
	case KEV_CODE_GROUP_ADDED_E:
	case KEV_CODE_GROUP_DELETED_E:
		return true;
	default:
		return false;
	}
}

/* 1 an event; 0 none that anybody has to see. */
static int make_event(struct scap_reader *r, struct scap_event *e, struct scap_record *ret)
{
	const struct kev_info *info;

	/* codes that the format does not have are ours, and mean what only we may say */
	if (e->type >= SCAP_CODES || !scap_convert(&r->convert, e))
		return 0;
	info = kev_info_find(e->type);
	if (!info ||
		info->kind == KEV_KIND_ITER) /* what iterators tell is no event of the file's */
		return 0;
	*ret = (struct scap_record){.p = r->buf, .epoch_ns = e->ts_ns};
	ret->len = (size_t)build(r, e, info, r->buf);
	if (is_also_state(e->type)) {
		r->pending = *ret;
		r->has_pending = true;
		memcpy(r->state_buf, r->buf, ret->len);
		ret->p = r->state_buf;
		ret->is_state = true;
	}
	return 1;
}

/* Do the parameters' lengths and ends suit the shape? @lens: s->n of them; the bytes stand behind, n of
 * both. Returns how many bytes they are, or -1. */
static ssize_t sum_plain(const struct shape *s, const uint8_t *lens, size_t n)
{
	const uint8_t *p = lens + (size_t)s->n * 2, *end = lens + n;

	for (unsigned i = 0; i < s->n; i++) {
		uint8_t width = s->widths[i];
		size_t k = u16_at(lens + (size_t)i * 2);

		if (k > (size_t)(end - p))
			return -1;
		p += k;
		if (k == 0 || width == 0)
			continue;
		if (width == SHAPE_TEXT ? p[-1] != 0 : k != width)
			return -1;
	}
	return p - (lens + (size_t)s->n * 2);
}

/* An event of today's vocabulary whose parameters stand in the file as they shall stand in the
 * record: nearly all are, so they are neither taken apart nor built. @p: behind the block's head, n
 * bytes. False: take the long way, which also says what is wrong. */
static bool take_plain(
	struct scap_reader *r, uint32_t block, const uint8_t *p, size_t n, struct scap_record *ret)
{
	const size_t before = block == SCAP_EVF_V2 ? 6 : 2;
	struct scap_event e;
	struct kev_head *h = (struct kev_head *)r->buf;
	const struct shape *s;
	const uint8_t *lens;
	size_t len, off;
	ssize_t bytes;

	if ((block != SCAP_EV_V2 && block != SCAP_EVF_V2) || n < before + SCAP_EVENT_HEAD_V2)
		return false;
	e.cpu = u16_at(p);
	e.flags = before == 6 ? u32_at(p + 2) : 0;
	p += before;
	e.ts_ns = u64_at(p);
	e.tid = u64_at(p + 8);
	len = u32_at(p + 16);
	e.type = u16_at(p + 20);
	e.kev_flags = 0;
	if (len < SCAP_EVENT_HEAD_V2 || len > n - before || e.type >= SCAP_CODES ||
		ALIGN_UP(before + len, 4) < n) /* options stand behind it */
		return false;
	s = &r->shapes[e.type];
	lens = p + SCAP_EVENT_HEAD_V2;
	len -= SCAP_EVENT_HEAD_V2;
	if (!s->is_plain || u32_at(p + 22) != s->n || s->n * sizeof(uint16_t) > len)
		return false;
	bytes = sum_plain(s, lens, len);
	off = sizeof(*h) + ALIGN_UP(s->n * sizeof(uint16_t), 8);
	if (bytes < 0 || ALIGN_UP(off + (size_t)bytes, 8) > KEV_SIZE_MAX)
		return false;
	*h = (struct kev_head){.len = (uint32_t)ALIGN_UP(off + (size_t)bytes, 8),
		.type = e.type,
		.n_params = s->n};
	fill_head(r, &e, h);
	if (s->n) { /* what fills up the lengths, and the bytes */
		*(uint64_t *)((uint8_t *)h + off - 8) = 0;
		*(uint64_t *)((uint8_t *)h + h->len - 8) = 0;
	}
	memcpy(h + 1, lens, s->n * sizeof(uint16_t));
	memcpy((uint8_t *)h + off, lens + s->n * sizeof(uint16_t), (size_t)bytes);
	fill_tgid(h);
	*ret = (struct scap_record){.p = h, .len = h->len, .epoch_ns = e.ts_ns};
	return true;
}

/* The event of a block that is there in one piece. 1, 0 none, negative. */
static int on_event(struct scap_reader *r, uint32_t block, size_t total, struct scap_record *ret)
{
	const uint8_t *p = scap_input_at(&r->in) + SCAP_BLOCK_HEAD;
	size_t n = total - SCAP_BLOCK_HEAD - TRAILER;
	struct scap_event e;
	bool is_plain = take_plain(r, block, p, n, ret);
	int k = is_plain ? 0 : read_event(r, block, p, n, &e);

	if (k < 0)
		return k;
	if (u32_at(scap_input_at(&r->in) + total - TRAILER) != total)
		return fail(r, r->block_at, "the block's two lengths differ");
	scap_input_take(&r->in, total);
	r->has_events = true;
	return is_plain ? 1 : make_event(r, &e, ret);
}

/* --- other blocks --- */

static int pass_over(struct scap_reader *r)
{
	while (r->left > 0) {
		size_t n = scap_input_left(&r->in);

		if (n == 0) {
			int k = need(r, 1);

			if (k < 0)
				return k;
			continue;
		}
		n = (size_t)MIN((uint64_t)n, r->left);
		scap_input_take(&r->in, n);
		r->left -= n;
	}
	return 0;
}

static int begin_section(struct scap_reader *r, size_t total, struct scap_record *ret)
{
	const uint8_t *p = scap_input_at(&r->in) + SCAP_BLOCK_HEAD;
	bool is_another = r->has_section;
	struct kev_builder b;

	if (total < SCAP_BLOCK_MIN + 8)
		return fail(r, r->block_at, "the section header is too small");
	if (u32_at(p) == SCAP_MAGIC_SWAPPED)
		return fail(r, r->block_at, "written on a machine of the other byte order");
	if (u32_at(p) != SCAP_MAGIC)
		return fail(r, r->block_at, "not a capture file (no section header)");
	if (u16_at(p + 4) > SCAP_MAJOR)
		return fail(r, r->block_at, "a newer format than version 1");
	r->has_section = true;
	r->has_events = false;
	r->boot_ns = 0;
	if (!is_another)
		return 0;
	kev_build_start(&b, r->buf, sizeof(r->buf), KEV_CODE_SAKER_SECTION, 0);
	*ret = (struct scap_record){.p = r->buf, .is_state = true};
	ret->len = (size_t)kev_build_finish(&b);
	return 1;
}

static int on_machine(struct scap_reader *r, size_t total, struct scap_record *ret)
{
	int n = scap_clock(scap_input_at(&r->in) + SCAP_BLOCK_HEAD, total - SCAP_BLOCK_MIN,
		&r->boot_ns, r->buf);

	*ret = (struct scap_record){.p = r->buf, .is_state = true, .epoch_ns = r->boot_ns};
	ret->len = (size_t)MAX(n, 0);
	return n > 0;
}

static int next_of_list(struct scap_reader *r, struct scap_record *ret)
{
	size_t n = (size_t)MIN(r->left, (uint64_t)SCAP_ENTRY_MAX), used = 0;
	int k = need(r, n);

	if (k < 0)
		return k;
	n = MIN(n, (size_t)(r->left - MIN(r->left, (uint64_t)TRAILER)));
	k = scap_list_next(&r->list, scap_input_at(&r->in), n, &used, r->buf);
	if (k == -ENODATA) {
		r->is_in_list = false;
		return 0;
	}
	if (k < 0)
		return fail(r, scap_input_offset(&r->in), r->list.why);
	scap_input_take(&r->in, used);
	r->left -= used;
	if (k == 0)
		return 0;
	*ret = (struct scap_record){
		.p = r->buf, .len = (size_t)k, .is_state = true, .epoch_ns = r->boot_ns};
	return 1;
}

static int begin_block(
	struct scap_reader *r, uint32_t type, uint32_t total, struct scap_record *ret)
{
	int k = 0;

	if (type == SCAP_SHB || type == SCAP_MI) {
		k = need(r, MIN(total, (uint32_t)SCAP_BLOCK_MIN + SCAP_MI_SIZE));
		if (k < 0)
			return k;
		k = type == SCAP_SHB ? begin_section(r, total, ret) : on_machine(r, total, ret);
		if (k < 0)
			return k;
	}
	scap_input_take(&r->in, SCAP_BLOCK_HEAD);
	r->left = total - SCAP_BLOCK_HEAD;
	if (scap_list_is(type) && !r->has_events) {
		r->is_in_list = true;
		r->list = (struct scap_list){.block = type};
	}
	return k;
}

/* The next block. 1 a record, 0 go on, -ENODATA the file has ended, other negative. */
static int next_block(struct scap_reader *r, struct scap_record *ret)
{
	uint32_t type, total;
	int k;

	r->block_at = scap_input_offset(&r->in);
	k = scap_input_need(&r->in, SCAP_BLOCK_HEAD);
	if (k == -EAGAIN) /* what comes next may be the end */
		return k;
	if (k == 0 && scap_input_left(&r->in) == 0 && r->has_section && !r->in.why)
		return -ENODATA;
	if (k == 0 && !r->has_section && !r->in.why)
		return fail(r, 0, "not a capture file (no section header)");
	if (k != 1) {
		k = need(r, SCAP_BLOCK_HEAD);
		if (k < 0)
			return k;
	}
	type = u32_at(scap_input_at(&r->in));
	total = u32_at(scap_input_at(&r->in) + 4);
	if (!r->has_section && type != SCAP_SHB)
		return fail(r, 0, "not a capture file (no section header)");
	if (total < SCAP_BLOCK_MIN)
		return fail(r, r->block_at, "a block's length is too small");
	if (!is_event(type))
		return begin_block(r, type, total, ret);
	if (total > SCAP_WINDOW)
		return fail(r, r->block_at, "an event's block is too large");
	k = need(r, total);
	return k < 0 ? k : on_event(r, type, total, ret);
}

int scap_reader_next(struct scap_reader *r, struct scap_record *ret)
{
	int k = 0;

	if (r->has_pending) {
		r->has_pending = false;
		*ret = r->pending;
		return 1;
	}
	while (k == 0) {
		if (r->is_in_list)
			k = next_of_list(r, ret);
		else if (r->left)
			k = pass_over(r);
		else
			k = next_block(r, ret);
	}
	return k == -ENODATA ? 0 : k;
}
