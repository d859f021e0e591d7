/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Writing JSON into a text. Callers write keys in the order of their bytes. */

#include <string.h>

#include <base/strbuf.h>
#include <base/utf8.h>

/* A comma unless the value is the first of its object or array. */
static inline void json_next(struct strbuf *b)
{
	char last = b->n ? b->p[b->n - 1] : '[';

	if (last != '{' && last != '[' && last != ':' && last != ',')
		strbuf_add_char(b, ',');
}

static inline void json_text_n(struct strbuf *b, const char *s, size_t n)
{
	json_add_string(b, (struct span){.p = s, .n = n});
}

static inline void json_text(struct strbuf *b, const char *s)
{
	json_text_n(b, s, strlen(s));
}

static inline void json_key(struct strbuf *b, const char *key)
{
	json_next(b);
	json_text(b, key);
	strbuf_add_char(b, ':');
}

static inline void json_open(struct strbuf *b, char bracket)
{
	json_next(b);
	strbuf_add_char(b, bracket);
}

static inline void json_close(struct strbuf *b, char bracket)
{
	strbuf_add_char(b, bracket);
}

static inline void json_item(struct strbuf *b, const char *s)
{
	json_next(b);
	json_text(b, s);
}

static inline void json_str(struct strbuf *b, const char *key, const char *s)
{
	json_key(b, key);
	json_text(b, s);
}

static inline void json_num(struct strbuf *b, const char *key, size_t v)
{
	json_key(b, key);
	strbuf_addf(b, "%zu", v);
}

static inline void json_bool(struct strbuf *b, const char *key, bool v)
{
	json_key(b, key);
	strbuf_add_str(b, v ? "true" : "false");
}
