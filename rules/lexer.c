/* SPDX-License-Identifier: Apache-2.0 */
/* The lexical elements of conditions: condition-language rules of the reference, character by
 * character. Input is hostile text of bounded size. */

#include <string.h>

#include "lexer.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\b' || c == '\r' || c == '\n';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return is_alpha(c) || is_digit(c) || c == '_';
}

/* Space as [:space:] has it; NUL ends any token too, for texts are C strings further on. */
static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

void lex_fail(struct lexer *lx, const char *message)
{
	if (!lx->err.message)
		lx->err = (struct ast_error){.at = lx->i, .message = message};
}

bool lex_blank(struct lexer *lx)
{
	size_t from = lx->i;

	while (lx->i < lx->t->n && is_blank(lx->t->p[lx->i]))
		lx->i++;
	return lx->i > from;
}

bool lex_word(struct lexer *lx, const char *w)
{
	size_t n = strlen(w);

	if (n > lx->t->n - lx->i || memcmp(lx->t->p + lx->i, w, n) != 0)
		return false;
	lx->i += n;
	return true;
}

static bool take(struct lexer *lx, size_t n, struct span *ret)
{
	if (n == 0)
		return false;
	*ret = (struct span){.p = lx->t->p + lx->i, .n = n};
	lx->i += n;
	return true;
}

static size_t ident_len(const char *p, size_t n)
{
	size_t i = 0;

	if (n == 0 || !is_alpha(p[0]))
		return 0;
	while (i < n && is_word(p[i]))
		i++;
	return i;
}

size_t ast_field_name_len(const char *p, size_t n)
{
	size_t i = ident_len(p, n), dots = 0, part;

	if (i == 0)
		return 0;
	while (i < n && p[i] == '.' && (part = ident_len(p + i + 1, n - i - 1))) {
		i += 1 + part;
		dots++;
	}
	return dots ? i : 0;
}

bool lex_ident(struct lexer *lx, struct span *ret)
{
	return take(lx, ident_len(lx->t->p + lx->i, lx->t->n - lx->i), ret);
}

bool lex_field_name(struct lexer *lx, struct span *ret)
{
	return take(lx, ast_field_name_len(lx->t->p + lx->i, lx->t->n - lx->i), ret);
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static size_t hex_len(const char *p, size_t n)
{
	size_t i = 2;

	if (n < 3 || p[0] != '0' || (p[1] != 'x' && p[1] != 'X') || !is_hex(p[2]))
		return 0;
	while (i < n && is_hex(p[i]))
		i++;
	return i;
}

static size_t decimal_len(const char *p, size_t n)
{
	size_t i = 0, digits;

	if (i < n && (p[i] == '+' || p[i] == '-'))
		i++;
	digits = i;
	while (i < n && is_digit(p[i]))
		i++;
	if (i == digits)
		return 0;
	if (i < n && p[i] == '.')
		i++;
	while (i < n && is_digit(p[i]))
		i++;
	if (n - i >= 3 && (p[i] == 'e' || p[i] == 'E') && (p[i + 1] == '+' || p[i + 1] == '-') &&
		is_digit(p[i + 2])) {
		i += 3;
		while (i < n && is_digit(p[i]))
			i++;
	}
	return i;
}

bool lex_number(struct lexer *lx, struct span *ret)
{
	const char *p = lx->t->p + lx->i;
	size_t n = lx->t->n - lx->i, h = hex_len(p, n);

	return take(lx, h ? h : decimal_len(p, n), ret);
}

bool lex_bare(struct lexer *lx, struct span *ret)
{
	const char *p = lx->t->p + lx->i;
	size_t n = lx->t->n - lx->i, i = 0;

	while (i < n && !is_space(p[i]) && !strchr("()\"'=,", p[i]))
		i++;
	return take(lx, i, ret);
}

static int hex_value(char c)
{
	return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* One escape behind the backslash at p[0]; bytes used, 0 if it is none. */
static size_t unescape(const char *p, size_t n, char quote, char *ret)
{
	static const char from[] = "bfnrt\\/ ", to[] = "\b\f\n\r\t\\/\\";
	const char *at;

	if (n == 0)
		return 0;
	if (p[0] == quote) {
		*ret = quote;
		return 1;
	}
	if (p[0] == 'x' && n >= 3 && is_hex(p[1]) && is_hex(p[2])) {
		*ret = (char)(hex_value(p[1]) * 16 + hex_value(p[2]));
		return 3;
	}
	at = p[0] ? strchr(from, p[0]) : NULL;
	if (!at)
		return 0;
	*ret = to[at - from];
	return 1;
}

bool lex_quoted(struct lexer *lx, struct span *ret)
{
	const char *p = lx->t->p + lx->i;
	size_t n = lx->t->n - lx->i, end = 1, out = 0;
	char *text;

	if (n == 0 || (p[0] != '"' && p[0] != '\''))
		return false;
	while (end < n && !(p[end] == p[0] && p[end - 1] != '\\'))
		end++;
	if (end == n) {
		lex_fail(lx, "text without closing quote");
		return false;
	}
	text = cx_alloc(lx->cx, end);
	if (!text)
		return false;
	for (size_t i = 1; i < end; i++) {
		size_t used;

		if (p[i] != '\\') {
			text[out++] = p[i];
			continue;
		}
		used = unescape(p + i + 1, end - i - 1, p[0], &text[out]);
		if (!used) {
			lx->i += i;
			lex_fail(lx, "unknown escape in quoted text");
			return false;
		}
		out++;
		i += used;
	}
	text[out] = '\0';
	*ret = (struct span){.p = text, .n = out};
	lx->i += end + 1;
	return true;
}

bool lex_field_arg(struct lexer *lx, struct span *ret)
{
	const char *p = lx->t->p + lx->i;
	size_t n = lx->t->n - lx->i, i = 0;

	if (n && (p[0] == '"' || p[0] == '\''))
		return lex_quoted(lx, ret);
	while (i < n && !is_space(p[i]) && !strchr("[]\"'", p[i]))
		i++;
	return take(lx, i, ret);
}
