/* SPDX-License-Identifier: Apache-2.0 */
/* Text with places, and reporting at these places. Contents are the user's and untrusted; sizes are
 * bound by CX_TEXT_MAX and the arena's quota. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

void *cx_alloc(struct cx *cx, size_t n)
{
	void *p = arena_alloc(&cx->arena, n ? n : 1);

	if (!p)
		cx->oom = true;
	return p;
}

char *cx_strndup(struct cx *cx, const char *s, size_t n)
{
	char *p = cx_alloc(cx, n + 1);

	if (p && n)
		memcpy(p, s, n);
	return p;
}

char *cx_printf(struct cx *cx, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* only for messages: cut */
	va_end(ap);
	return cx_strndup(cx, text, strlen(text));
}

static bool is_known(const struct diag *d, enum diag_severity sev, const struct diag_pos *pos,
	const char *code, const char *text)
{
	for (const struct diag_item *it = d->first; it; it = it->next) {
		if (it->severity != sev || it->pos.line != pos->line ||
			it->pos.column != pos->column)
			continue;
		if (!it->code || !code || strcmp(it->code, code) != 0 ||
			strcmp(it->message, text) != 0)
			continue;
		if (it->pos.file && pos->file && strcmp(it->pos.file, pos->file) == 0)
			return true;
	}
	return false;
}

static char *line_text(struct cx *cx, const struct source_file *f, uint32_t line)
{
	size_t from, end;

	if (line == 0 || line > f->n_lines)
		return NULL;
	from = f->line_at[line - 1];
	end = line < f->n_lines ? f->line_at[line] : f->n;
	while (end > from && (f->text[end - 1] == '\n' || f->text[end - 1] == '\r'))
		end--;
	return cx_strndup(cx, f->text + from, MIN(end - from, (size_t)65535));
}

void cx_report(struct cx *cx, enum diag_severity sev, const char *code, struct spos pos,
	size_t length, const char *hint, const char *fmt, ...)
{
	struct diag_pos dp = {
		.line = pos.line, .column = pos.col, .length = (unsigned)MIN(length, (size_t)1000)};
	char *line = NULL, text[900];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a message that is too long is cut */
	va_end(ap);
	if (pos.file < cx->n_files) {
		dp.file = cx->files[pos.file].name;
		line = line_text(cx, &cx->files[pos.file], pos.line);
	}
	if (is_known(cx->d, sev, &dp, code, text))
		return;
	diag_add(cx->d, sev, code, dp, line, hint, "%s", text);
}

const char *cx_did_you_mean(struct cx *cx, const char *name)
{
	return name ? cx_printf(cx, "did you mean '%s'?", name) : NULL;
}

static int ptext_grow(struct cx *cx, struct ptext *t, size_t n)
{
	size_t cap = t->cap ? t->cap : 64;
	struct spos *at;
	char *p;

	if (n > CX_TEXT_MAX || t->n > CX_TEXT_MAX - n)
		return -E2BIG;
	if (t->cap && n < t->cap - t->n)
		return 0;
	while (cap <= t->n + n)
		cap *= 2;
	p = cx_alloc(cx, cap);
	at = cx_alloc(cx, cap * sizeof(*at));
	if (!p || !at)
		return -ENOMEM;
	if (t->n) {
		memcpy(p, t->p, t->n);
		memcpy(at, t->at, t->n * sizeof(*at));
	}
	t->p = p;
	t->at = at;
	t->cap = cap;
	return 0;
}

int ptext_add(struct cx *cx, struct ptext *t, const char *p, size_t n, struct spos at)
{
	int r = ptext_grow(cx, t, n);

	if (r < 0)
		return r;
	if (n)
		memcpy(t->p + t->n, p, n);
	for (size_t i = 0; i < n; i++)
		t->at[t->n + i] = at;
	t->n += n;
	t->p[t->n] = '\0';
	return 0;
}

int ptext_add_text(struct cx *cx, struct ptext *t, const struct ptext *from, size_t off, size_t n)
{
	int r = ptext_grow(cx, t, n);

	if (r < 0)
		return r;
	if (n) {
		memcpy(t->p + t->n, from->p + off, n);
		memcpy(t->at + t->n, from->at + off, n * sizeof(*t->at));
	}
	t->n += n;
	t->p[t->n] = '\0';
	return 0;
}

int ptext_add_str(struct cx *cx, struct ptext *t, const char *s, struct spos at)
{
	return ptext_add(cx, t, s, strlen(s), at);
}
