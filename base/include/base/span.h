/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A borrowed run of bytes. Not NUL-ended unless said so. */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
	const char *p; /* may be NULL when n == 0 */
	size_t n;
};

#define SPAN_LIT(s) ((struct span){.p = (s), .n = sizeof(s) - 1})

static inline struct span span_str(const char *s)
{
	return (struct span){.p = s, .n = s ? strlen(s) : 0};
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool span_eq_str(struct span a, const char *s)
{
	return span_eq(a, span_str(s));
}

static inline bool span_starts_with(struct span a, struct span prefix)
{
	return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

static inline bool span_ends_with(struct span a, struct span suffix)
{
	return a.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(a.p + a.n - suffix.n, suffix.p, suffix.n) == 0);
}
