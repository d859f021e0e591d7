/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A growing text buffer. Errors stick: after a failed allocation every further call does nothing and strbuf_ok() is false. Always NUL-ended. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <base/macros.h>
#include <base/span.h>

struct strbuf {
	char *p;  /* NULL until the first byte */
	size_t n; /* bytes without the NUL */
	size_t cap;
	bool failed;
};

void strbuf_done(struct strbuf *b);
void strbuf_reset(struct strbuf *b); /* keeps the memory */
/* What strbuf_add() does where there is no room yet. */
void strbuf_add_grow(struct strbuf *b, const void *p, size_t n);
/* Inline, because formats are made of many short pieces. */
static inline void strbuf_add(struct strbuf *b, const void *p, size_t n)
{
	if (b->failed || n == 0 || b->cap - b->n <= n) { /* n <= cap, always */
		strbuf_add_grow(b, p, n);
		return;
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}
static inline void strbuf_add_str(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}
static inline void strbuf_add_span(struct strbuf *b, struct span s)
{
	strbuf_add(b, s.p, s.n);
}
static inline void strbuf_add_char(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}
void strbuf_add_u64(struct strbuf *b, uint64_t v); /* in decimal */
void strbuf_add_i64(struct strbuf *b, int64_t v);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) _printf_(2, 3);
/* Makes room for n more bytes so that adding them cannot fail. 0 or -ENOMEM. */
int strbuf_reserve(struct strbuf *b, size_t n);
static inline bool strbuf_ok(const struct strbuf *b)
{
	return !b->failed;
}
static inline struct span strbuf_span(const struct strbuf *b)
{
	return (struct span){.p = b->p, .n = b->n};
}
/* Moves the text out (caller frees); NULL if it failed. An empty buffer gives "". */
char *strbuf_take(struct strbuf *b);

#define _cleanup_strbuf_ __attribute__((cleanup(strbuf_done)))
