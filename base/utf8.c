/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 decoding as Unicode's table 3-7 and JSON escaping. Input is any bytes, hostile ones included. */
#include <base/utf8.h>

#include <stdint.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* Length of the well-formed sequence at p, 0 if there is none; *ret_bad = bytes of the maximal broken part (>= 1). */
static size_t sequence(const uint8_t *p, size_t n, size_t *ret_bad)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t want;

	*ret_bad = 1;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		want = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		want = 3;
		if (p[0] == 0xe0)
			lo = 0xa0;
		if (p[0] == 0xed)
			hi = 0x9f;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		want = 4;
		if (p[0] == 0xf0)
			lo = 0x90;
		if (p[0] == 0xf4)
			hi = 0x8f;
	} else {
		return 0;
	}
	for (size_t i = 1; i < want; i++) {
		if (i >= n || p[i] < lo || p[i] > hi) {
			*ret_bad = i;
			return 0;
		}
		lo = 0x80;
		hi = 0xbf;
	}
	return want;
}

size_t utf8_decode(const char *p, size_t n, uint32_t *ret_rune)
{
	static const uint8_t lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	const uint8_t *b = (const uint8_t *)p;
	size_t bad, k = sequence(b, n, &bad);
	uint32_t rune;

	if (k == 0) {
		*ret_rune = 0xfffd;
		return bad;
	}
	rune = b[0] & lead_mask[k];
	for (size_t i = 1; i < k; i++)
		rune = rune << 6 | (b[i] & 0x3f);
	*ret_rune = rune;
	return k;
}

bool utf8_is_valid(struct span s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t bad;

	for (size_t i = 0; i < s.n;) {
		size_t k = sequence(p + i, s.n - i, &bad);

		if (k == 0)
			return false;
		i += k;
	}
	return true;
}

void utf8_add_valid(struct strbuf *b, struct span s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t start = 0, bad;

	for (size_t i = 0; i < s.n;) {
		size_t k = sequence(p + i, s.n - i, &bad);

		if (k) {
			i += k;
			continue;
		}
		strbuf_add(b, s.p + start, i - start);
		strbuf_add_str(b, REPLACEMENT);
		i += bad;
		start = i;
	}
	if (s.n > start)
		strbuf_add(b, s.p + start, s.n - start);
}

static const char *short_escape(uint8_t c)
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\b':
		return "\\b";
	case '\f':
		return "\\f";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		return NULL;
	}
}

/* How many of the bytes at p stand in JSON as they are, seen eight at a time: ASCII that is no control
 * character, quote or backslash. A byte's high bit marks one that is something else; borrows may mark
 * too many, never too few. */
static size_t plain_run(const uint8_t *p, size_t n)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		uint64_t v, quote, slash;

		memcpy(&v, p + i, sizeof(v));
		quote = v ^ (ones * '"');
		slash = v ^ (ones * '\\');
		if ((v | (v - ones * 0x20) | ((quote - ones) & ~quote) |
			    ((slash - ones) & ~slash)) &
			high)
			break;
	}
	return i;
}

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void json_add_escaped(struct strbuf *b, struct span s)
{
	const uint8_t *p = (const uint8_t *)s.p;
	size_t start = 0, i = plain_run(p, s.n), bad;

	while (i < s.n) {
		size_t k;
		const char *esc;

		if (is_plain(p[i])) {
			i++;
			continue;
		}
		k = sequence(p + i, s.n - i, &bad);
		if (k > 1) {
			i += k;
			continue;
		}
		esc = k == 1 ? short_escape(p[i]) : REPLACEMENT;
		strbuf_add(b, s.p + start, i - start);
		if (esc)
			strbuf_add_str(b, esc);
		else
			strbuf_addf(b, "\\u%04x", p[i]);
		i += k ? k : bad;
		start = i;
		i += plain_run(p + i, s.n - i);
	}
	if (s.n > start)
		strbuf_add(b, s.p + start, s.n - start);
}

void json_add_string(struct strbuf *b, struct span s)
{
	strbuf_add_char(b, '"');
	json_add_escaped(b, s);
	strbuf_add_char(b, '"');
}
