/* SPDX-License-Identifier: Apache-2.0 */
/* Collects errors and warnings of files and prints them for people. Texts come from the files that
 * are complained of, so what is printed is made safe for a terminal: control characters never pass.
 * Out of memory loses a message but never the count of errors. */

#include <stdarg.h>
#include <string.h>

#include <base/macros.h>
#include <rules/diag.h>

#define LINE_SHOWN_MAX 160

void diag_init(struct diag *d)
{
	*d = (struct diag){0};
	arena_init(&d->arena, 0);
	d->last = &d->first;
}

void diag_done(struct diag *d)
{
	arena_done(&d->arena);
	*d = (struct diag){0};
}

static const char *dup_or_null(struct diag *d, const char *s)
{
	return s ? arena_strdup(&d->arena, s) : NULL;
}

struct diag_item *diag_add(struct diag *d, enum diag_severity sev, const char *code,
	struct diag_pos pos, const char *source_line, const char *hint, const char *fmt, ...)
{
	struct diag_item *it = arena_alloc(&d->arena, sizeof(*it));
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a message that is too long is cut */
	va_end(ap);
	if (sev == DIAG_ERROR)
		d->n_errors++;
	else if (sev == DIAG_WARNING)
		d->n_warnings++;
	if (!it)
		return NULL;
	it->severity = sev;
	it->code = dup_or_null(d, code);
	it->pos = pos;
	it->pos.file = dup_or_null(d, pos.file);
	it->message = arena_strdup(&d->arena, text);
	it->source_line = dup_or_null(d, source_line);
	it->hint = dup_or_null(d, hint);
	if (!it->message)
		it->message = "out of memory";
	*d->last = it;
	d->last = &it->next;
	return it;
}

/* Bytes to show of a line around the column: a window when the line is long. */
static void window_of(const char *line, unsigned column, size_t *ret_from, size_t *ret_n)
{
	size_t n = strlen(line), at = column ? column - 1 : 0, from = 0;

	if (n > LINE_SHOWN_MAX && at > LINE_SHOWN_MAX / 2)
		from = MIN(at - LINE_SHOWN_MAX / 2, n - LINE_SHOWN_MAX);
	/* Do not start inside a character. */
	while (from > 0 && from < n && ((unsigned char)line[from] & 0xc0) == 0x80)
		from--;
	*ret_from = from;
	*ret_n = MIN(n - from, (size_t)LINE_SHOWN_MAX);
}

static void put_safe(FILE *f, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		fputc(c == '\t' ? '\t' : c < 0x20 || c == 0x7f ? '?' : c, f);
	}
}

static void put_caret(FILE *f, const struct diag_item *it, const char *line, size_t from, size_t n)
{
	size_t at = it->pos.column - 1, shown = MAX(it->pos.length, 1u);

	fputs("       | ", f);
	for (size_t i = from; i < at && i < from + n; i++) {
		if (line[i] == '\t')
			fputc('\t', f);
		else if (((unsigned char)line[i] & 0xc0) != 0x80)
			fputc(' ', f);
	}
	fputc('^', f);
	for (size_t i = 1; i < shown && at + i < from + n; i++)
		fputc('~', f);
	if (it->hint) {
		fputc(' ', f);
		put_safe(f, it->hint, strlen(it->hint));
	}
	fputc('\n', f);
}

static void put_pos(const struct diag_pos *p, FILE *f)
{
	put_safe(f, p->file, strlen(p->file));
	if (p->line)
		fprintf(f, ":%u", p->line);
	if (p->line && p->column)
		fprintf(f, ":%u", p->column);
}

static void print_notes(const struct diag_item *it, FILE *f)
{
	for (size_t i = 0; i < it->n_notes; i++) {
		fputs("       = ", f);
		put_safe(f, it->notes[i].text, strlen(it->notes[i].text));
		if (it->notes[i].pos.file) {
			fputs(" at ", f);
			put_pos(&it->notes[i].pos, f);
		}
		fputc('\n', f);
	}
}

static void print_item(const struct diag_item *it, FILE *f)
{
	static const char *const words[] = {
		[DIAG_ERROR] = "error", [DIAG_WARNING] = "warning", [DIAG_NOTE] = "note"};
	size_t from, n;

	if (it->pos.file) {
		put_pos(&it->pos, f);
		fputs(": ", f);
	}
	fprintf(f, "%s: ", words[it->severity]);
	put_safe(f, it->message, strlen(it->message));
	if (it->code)
		fprintf(f, " [%s]", it->code);
	if (!it->source_line || !it->pos.line) {
		if (it->hint) {
			fputs("; ", f);
			put_safe(f, it->hint, strlen(it->hint));
		}
		fputc('\n', f);
		return;
	}
	window_of(it->source_line, it->pos.column, &from, &n);
	fprintf(f, "\n%6u | ", it->pos.line);
	put_safe(f, it->source_line + from, n);
	fputc('\n', f);
	if (it->pos.column)
		put_caret(f, it, it->source_line, from, n);
}

void diag_print(const struct diag *d, FILE *f)
{
	for (const struct diag_item *it = d->first; it; it = it->next)
		if (!it->is_repeat) {
			print_item(it, f);
			print_notes(it, f);
		}
}

static char low(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edit distance, case ignored; over max when it gives up. */
static unsigned distance(const char *a, size_t an, const char *b, size_t bn, unsigned max)
{
	unsigned row[65], before[65] = {0}; /* before: the row above the one above */

	if (an > 64 || bn > 64 || (an > bn ? an - bn : bn - an) > max)
		return max + 1;
	for (size_t j = 0; j <= bn; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= an; i++) {
		unsigned diagonal = row[0], above[65];

		memcpy(above, row, (bn + 1) * sizeof(*row));
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= bn; j++) {
			unsigned up = row[j], best = diagonal + (low(a[i - 1]) != low(b[j - 1]));

			best = MIN(best, up + 1);
			if (i > 1 && j > 1 && low(a[i - 1]) == low(b[j - 2]) &&
				low(a[i - 2]) == low(b[j - 1]))
				best = MIN(best, before[j - 2] + 1); /* two letters swapped */
			row[j] = MIN(best, row[j - 1] + 1);
			diagonal = up;
		}
		memcpy(before, above, (bn + 1) * sizeof(*row));
	}
	return row[bn];
}

/* Someone who writes WARN means WARNING. */
static bool is_beginning(const char *text, size_t n, const char *name)
{
	size_t i = 0;

	while (i < n && name[i] && low(text[i]) == low(name[i]))
		i++;
	return n >= 4 && i == n && strlen(name) <= 2 * n;
}

const char *diag_nearest(const char *text, size_t n, const char *const *names)
{
	unsigned limit = (unsigned)(n < 4 ? 1 : n < 8 ? 2 : n / 4 + 1), best_d = limit + 1;
	const char *best = NULL;

	for (; *names; names++) {
		unsigned d = is_beginning(text, n, *names)
				     ? 1
				     : distance(text, n, *names, strlen(*names), limit);

		if (d < best_d) {
			best_d = d;
			best = *names;
		}
	}
	return best;
}
