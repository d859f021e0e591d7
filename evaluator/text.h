/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Texts of fixed room, and the scratch memory that values of one predicate or one output field live
 * in. Nothing here allocates after evl_scratch_init(); what does not fit is cut at the end and
 * remembered in `cut`. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/macros.h>
#include <base/span.h>

/* A text being written into memory of somebody else. Always has room for a NUL after n. */
struct evl_text {
	char *p;
	size_t cap; /* bytes of p, the NUL included */
	size_t n;
	bool cut;
};

void evl_text_init(struct evl_text *t, char *p, size_t cap);
void evl_text_add(struct evl_text *t, struct span s);
void evl_text_str(struct evl_text *t, const char *s);
void evl_text_char(struct evl_text *t, char c);
void evl_textf(struct evl_text *t, const char *fmt, ...) _printf_(2, 3);
void evl_text_u64(struct evl_text *t, uint64_t v);
void evl_text_i64(struct evl_text *t, int64_t v);
/* An address: @family 4 or 6, network order. */
void evl_text_ip(struct evl_text *t, unsigned family, const uint8_t *ip);
/* Bytes as printable text, others as '.'. */
void evl_text_printable(struct evl_text *t, struct span s);
/* @s normalised as a path: "//", "." and ".." collapsed, never above the root. A leading part that
 * is not '/' ("<UNKNOWN>x") is kept as it is. */
void evl_text_path(struct evl_text *t, struct span s);
/* NUL-separated strings joined by @sep. */
void evl_text_join0(struct evl_text *t, struct span strings, char sep);
static inline struct span evl_text_span(const struct evl_text *t)
{
	return (struct span){.p = t->p, .n = t->n};
}

struct evl_scratch {
	char *buf;
	size_t cap, used;
};
int evl_scratch_init(struct evl_scratch *s, size_t cap);
void evl_scratch_done(struct evl_scratch *s);
/* 8-aligned memory until the scratch is reset; NULL if there is no room. */
void *evl_scratch_alloc(struct evl_scratch *s, size_t n);
/* Write a text at the top of the scratch; nothing else may be taken from it until
 * evl_scratch_close(). */
struct evl_text evl_scratch_open(struct evl_scratch *s);
struct span evl_scratch_close(struct evl_scratch *s, const struct evl_text *t);
/* A NUL-ended copy; "" if there is no room. */
const char *evl_scratch_cstr(struct evl_scratch *s, struct span text);
