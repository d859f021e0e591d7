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

void strbuf_add(struct strbuf *b, const void *p, size_t n)
{
	if (strbuf_reserve(b, n) < 0)
		return;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void strbuf_add_str(struct strbuf *b, const char *s)
{
	strbuf_add(b, s, strlen(s));
}

void strbuf_add_span(struct strbuf *b, struct span s)
{
	strbuf_add(b, s.p, s.n);
}

void strbuf_add_char(struct strbuf *b, char c)
{
	strbuf_add(b, &c, 1);
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
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
