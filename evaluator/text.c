/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of fixed room and the scratch memory of an evaluation. The bytes come from events
 * (hostile): they are copied, never interpreted. Must not allocate after evl_scratch_init(). */
#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void evl_text_init(struct evl_text *t, char *p, size_t cap)
{
	assert(cap > 0);
	*t = (struct evl_text){.p = p, .cap = cap};
	p[0] = '\0';
}

void evl_text_add(struct evl_text *t, struct span s)
{
	size_t room = t->cap - 1 - t->n;
	size_t n = s.n;

	if (n > room) {
		n = room;
		t->cut = true;
	}
	if (n == 0)
		return;
	memcpy(t->p + t->n, s.p, n);
	t->n += n;
	t->p[t->n] = '\0';
}

void evl_text_str(struct evl_text *t, const char *s)
{
	evl_text_add(t, span_str(s));
}

void evl_text_char(struct evl_text *t, char c)
{
	evl_text_add(t, (struct span){.p = &c, .n = 1});
}

void evl_textf(struct evl_text *t, const char *fmt, ...)
{
	char buf[256]; /* numbers and names of tables only; longer texts go through evl_text_add()
			*/
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n > 0)
		evl_text_add(t, (struct span){.p = buf, .n = MIN((size_t)n, sizeof(buf) - 1)});
}

void evl_text_u64(struct evl_text *t, uint64_t v)
{
	char buf[24];
	size_t i = sizeof(buf);

	do
		buf[--i] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	evl_text_add(t, (struct span){.p = buf + i, .n = sizeof(buf) - i});
}

void evl_text_i64(struct evl_text *t, int64_t v)
{
	if (v < 0)
		evl_text_char(t, '-');
	evl_text_u64(t, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void evl_text_ip(struct evl_text *t, unsigned family, const uint8_t *ip)
{
	char buf[INET6_ADDRSTRLEN];

	if (inet_ntop(family == 4 ? AF_INET : AF_INET6, ip, buf, sizeof(buf)))
		evl_text_str(t, buf);
}

void evl_text_printable(struct evl_text *t, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		evl_text_char(t, c >= 0x20 && c < 0x7f ? (char)c : '.');
	}
}

/* Drop the last component of what was written after @floor. */
static void path_up(struct evl_text *t, size_t floor)
{
	while (t->n > floor && t->p[t->n - 1] != '/')
		t->n--;
	if (t->n > floor)
		t->n--;
	t->p[t->n] = '\0';
}

void evl_text_path(struct evl_text *t, struct span s)
{
	size_t i = 0, floor;

	while (i < s.n && s.p[i] != '/')
		i++;
	evl_text_add(t, (struct span){.p = s.p, .n = i});
	floor = t->n;
	while (i < s.n) {
		size_t from;

		while (i < s.n && s.p[i] == '/')
			i++;
		from = i;
		while (i < s.n && s.p[i] != '/')
			i++;
		if (i == from || (i - from == 1 && s.p[from] == '.'))
			continue;
		if (i - from == 2 && s.p[from] == '.' && s.p[from + 1] == '.') {
			path_up(t, floor);
			continue;
		}
		evl_text_char(t, '/');
		evl_text_add(t, (struct span){.p = s.p + from, .n = i - from});
	}
	if (t->n == floor && floor == 0 && s.n > 0)
		evl_text_char(t, '/');
}

void evl_text_join0(struct evl_text *t, struct span strings, char sep)
{
	const char *p = strings.p, *end = p + strings.n;

	while (p < end) {
		size_t n = strnlen(p, (size_t)(end - p));

		if (p != strings.p)
			evl_text_char(t, sep);
		evl_text_add(t, (struct span){.p = p, .n = n});
		p += n + 1;
	}
}

int evl_scratch_init(struct evl_scratch *s, size_t cap)
{
	s->buf = malloc(cap);
	if (!s->buf)
		return -ENOMEM;
	s->cap = cap;
	s->used = 0;
	return 0;
}

void evl_scratch_done(struct evl_scratch *s)
{
	free(s->buf);
	*s = (struct evl_scratch){0};
}

void *evl_scratch_alloc(struct evl_scratch *s, size_t n)
{
	size_t at = ALIGN_UP(s->used, 8);

	if (at > s->cap || n > s->cap - at)
		return NULL;
	s->used = at + n;
	return s->buf + at;
}

struct evl_text evl_scratch_open(struct evl_scratch *s)
{
	static char nowhere[1]; /* a full scratch: every text is cut to nothing */
	struct evl_text t;

	if (s->used < s->cap)
		evl_text_init(&t, s->buf + s->used, s->cap - s->used);
	else
		evl_text_init(&t, nowhere, sizeof(nowhere));
	return t;
}

struct span evl_scratch_close(struct evl_scratch *s, const struct evl_text *t)
{
	if (s->used < s->cap)
		s->used += t->n + 1;
	return evl_text_span(t);
}

const char *evl_scratch_cstr(struct evl_scratch *s, struct span text)
{
	struct evl_text t = evl_scratch_open(s);

	evl_text_add(&t, text);
	return evl_scratch_close(s, &t).p;
}
