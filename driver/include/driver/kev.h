/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Reading and building kernel events (abi/kevent.h) in user space: the door for bytes from the
 * kernel, from iterators and from captures. */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <abi/events.h>
#include <abi/kevent.h>
#include <base/span.h>

/* A checked view. Everything points into the caller's private copy and lives as long as it. */
struct kev {
	const struct kev_head *head;
	const struct kev_info *info;
	uint8_t n_params; /* = head->n_params */
	struct span param[KEV_PARAMS_MAX];
};

/* Check a whole record once: length, alignment, known type, parameter count (declared + extras, or
 * fewer for older captures: missing ones get length 0), sum of lengths, widths of fixed-width
 * parameters (0 or exact), NUL at the end of texts.
 * @p: 8-aligned private copy of n bytes. Returns 0; -EBADMSG with *reterr_why (static text)
 * otherwise, and then *ret_kev names no record (head is NULL); it is too large to be built
 * elsewhere and copied. */
int kev_parse(const void *p, size_t n, struct kev *ret_kev, const char **reterr_why);
/* The same into a view that was zeroed once and since then filled by this function alone: only what
 * the record before left behind is cleared, not all. */
int kev_parse_again(const void *p, size_t n, struct kev *kev, const char **reterr_why);
/* The first part of it, for who numbers records and passes them on to one who parses: length,
 * alignment, and all of the head. The parameters stay unchecked and must not be looked at. */
int kev_check_head(
	const void *p, size_t n, const struct kev_info **ret_info, const char **reterr_why);

/* Accessors; the parameter index is one of the event's. In the header: every event is read by a dozen
 * of them, most with an index that the compiler knows. */

/* Type of parameter i, extras behind the declared ones. Today's extras are all texts. */
static inline enum kev_type kev_param_type(const struct kev_info *info, unsigned i)
{
	return i < info->n_params ? (enum kev_type)info->params[i].type : KEV_T_STR;
}

static inline bool kev_param_present(const struct kev *k, unsigned i)
{
	assert(i < KEV_PARAMS_MAX);
	return k->param[i].n > 0;
}

/* Zero-extended by its type; 0 if absent or no integer. Bytes are little-endian and unaligned. */
static inline uint64_t kev_param_u64(const struct kev *k, unsigned i)
{
	const char *p;
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	if (!kev_param_present(k, i))
		return 0;
	p = k->param[i].p;
	switch (kev_type_width(kev_param_type(k->info, i))) { /* the door let no other through */
	case 8:
		memcpy(&v64, p, sizeof(v64));
		return v64;
	case 4:
		memcpy(&v32, p, sizeof(v32));
		return v32;
	case 2:
		memcpy(&v16, p, sizeof(v16));
		return v16;
	case 1:
		return (uint8_t)*p;
	default:
		return 0;
	}
}

/* Sign-extended by its type; 0 if absent. */
static inline int64_t kev_param_i64(const struct kev *k, unsigned i)
{
	uint64_t v = kev_param_u64(k, i);
	enum kev_type type = kev_param_type(k->info, i);
	unsigned shift = 64 - 8 * kev_type_width(type);

	if (!kev_type_is_signed(type))
		return (int64_t)v;
	/* the width of signed types is 1..8, so shift is 0..56 */
	return (int64_t)(v << shift) >> shift;
}

static inline struct span kev_strip_nul(struct span s)
{
	if (s.n > 0 && s.p[s.n - 1] == '\0')
		s.n--;
	return s;
}

/* Without the trailing NUL. */
static inline struct span kev_param_text(const struct kev *k, unsigned i)
{
	assert(i < KEV_PARAMS_MAX);
	return kev_strip_nul(k->param[i]);
}

/* The extra parameter of a KEV_X_* bit, {NULL,0} if absent; texts without NUL. */
struct span kev_extra(const struct kev *k, uint8_t bit);
/* The return value (parameter 0 of exit events, errno/fd/pid typed). false if the event has none.
 */
bool kev_rawres(const struct kev *k, int64_t *ret_res);

/* Building (synthetic source, metadata, replay, tests). The buffer is the caller's, KEV_SIZE_MAX
 * bytes, 8-aligned. */
struct kev_builder {
	uint8_t *buf;
	size_t cap;
	uint32_t data_off;
	uint32_t data_len;
	uint8_t n; /* parameters added so far */
	bool overflow;
};

/* Starts a record with room for n_params lengths; the head is zeroed but for type and n_params. */
void kev_build_start(
	struct kev_builder *b, void *buf, size_t cap, uint16_t code, unsigned n_extras);
struct kev_head *kev_build_head(struct kev_builder *b);
void kev_build_raw(
	struct kev_builder *b, const void *p, size_t n); /* next parameter, bytes as they are */
void kev_build_int(
	struct kev_builder *b, int64_t v); /* next parameter, in the width of its declared type */
void kev_build_text(struct kev_builder *b, struct span s); /* adds the NUL; a NULL span: absent */
void kev_build_absent(struct kev_builder *b);
/* Missing parameters become absent; sets head->len. Returns the length, or -EMSGSIZE. */
int kev_build_finish(struct kev_builder *b);
