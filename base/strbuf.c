/* SPDX-License-Identifier: Apache-2.0 */
/* The growing text buffer; see the header. */
#include <base/strbuf.h>

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_done(struct strbuf *b)
{
	free(b->p);
	*b = (struct strbuf){0};
}

void strbuf_reset(struct strbuf *b)
{
	b->n = 0;
	b->failed = false;
	if (b->p)
		b->p[0] = '\0';
}

int strbuf_reserve(struct strbuf *b, size_t n)
{
	size_t want, cap;
	char *p;

	if (b->failed)
		return -ENOMEM;
	if (n > SIZE_MAX / 4 - b->n - 1) {
		b->failed = true;
		return -ENOMEM;
	}
	want = b->n + n + 1;
	if (want <= b->cap)
		return 0;
	cap = MAX(want, b->cap * 2);
	cap = MAX(cap, (size_t)64);
	p = realloc(b->p, cap);
	if (!p) {
		b->failed = true;
		return -ENOMEM;
	}
	b->p = p;
	b->cap = cap;
	b->p[b->n] = '\0';
	return 0;
}

void strbuf_add_grow(struct strbuf *b, const void *p, size_t n)
{
	if (strbuf_reserve(b, n) < 0)
		return;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

static void add_decimal(struct strbuf *b, bool is_negative, uint64_t v)
{
	char text[24];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + v % 10);
	while (v /= 10);
	if (is_negative)
		text[--at] = '-';
	strbuf_add(b, text + at, sizeof(text) - at);
}

void strbuf_add_u64(struct strbuf *b, uint64_t v)
{
	add_decimal(b, false, v);
}

void strbuf_add_i64(struct strbuf *b, int64_t v)
{
	add_decimal(b, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	size_t room = b->p ? b->cap - b->n : 0;
	va_list ap;
	int n;

	if (b->failed)
		return;
	va_start(ap, fmt);
	n = vsnprintf(b->p ? b->p + b->n : NULL, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < room) {
		b->n += (size_t)n;
		return;
	}
	if (b->p)
		b->p[b->n] = '\0'; /* as if nothing had been tried */
	if (n < 0 || strbuf_reserve(b, (size_t)n) < 0) {
		b->failed = true;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap); /* the size was just measured */
	va_end(ap);
	b->n += (size_t)n;
}

char *strbuf_take(struct strbuf *b)
{
	char *p;

	if (strbuf_reserve(b, 0) < 0)
		return NULL;
	p = b->p;
	*b = (struct strbuf){0};
	return p;
}
