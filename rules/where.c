/* SPDX-License-Identifier: Apache-2.0 */
/* Messages with everything that is known of their place: in the file, in its structure, in the
 * condition as it was expanded, and over which lists and macros one comes there. Each is made once;
 * a flood of them is cut off, for files are hostile. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "map.h"

#define SNIPPET_WIDTH 160
#define NOTES_MAX 16
#define EXPR_NAME_MAX 20

static char *line_text(struct cx *cx, const struct source_file *f, uint32_t line)
{
	size_t from, end;

	if (line == 0 || line > f->n_lines)
		return NULL;
	from = f->line_at[line - 1];
	end = line < f->n_lines ? f->line_at[line] : f->n;
	while (end > from && (f->text[end - 1] == '\n' || f->text[end - 1] == '\r'))
		end--;
	return arena_strndup(&cx->d->arena, f->text + from, MIN(end - from, (size_t)65535));
}

static struct diag_pos diag_pos_of(const struct cx *cx, struct spos pos, size_t length)
{
	struct diag_pos dp = {
		.line = pos.line, .column = pos.col, .length = (unsigned)MIN(length, (size_t)1000)};

	if (pos.file < cx->n_files)
		dp.file = cx->files[pos.file].name;
	return dp;
}

/* Put a message into the table of those that were made, with the file it was made for (0: any).
 * True if it was there. The table outlives the passes. */
static bool remember(struct cx *cx, const struct report *r, const char *text, uint32_t load)
{
	struct {
		struct spos pos;
		uint32_t sev, load;
	} head = {.pos = r->pos, .sev = r->sev, .load = load};
	size_t text_n = strlen(text) + 1, code_n = r->code ? strlen(r->code) : 0;
	size_t n = sizeof(head) + text_n + code_n;
	struct arena outer = cx->arena;
	bool known = false;
	char *key;

	cx->arena = cx->lasting;
	if (!cx->reported)
		cx->reported = cx_alloc(cx, sizeof(*cx->reported));
	key = cx_alloc(cx, n);
	if (key && cx->reported) {
		memcpy(key, &head, sizeof(head));
		memcpy(key + sizeof(head), text, text_n);
		if (code_n)
			memcpy(key + sizeof(head) + text_n, r->code, code_n);
		known = map_get(cx->reported, key, n) != MAP_NONE;
		if (!known)
			(void)map_put(cx, cx->reported, key, n, 1); /* a failure is in cx->oom */
	}
	cx->lasting = cx->arena;
	cx->arena = outer;
	return known;
}

/* Was it said before? *ret_repeat: with an earlier file, and is to be said again with this one. */
static bool is_known(struct cx *cx, const struct report *r, const char *text, bool *ret_repeat)
{
	bool known = remember(cx, r, text, 0);

	*ret_repeat = known && cx->repeats && r->sev != DIAG_ERROR;
	if (!cx->repeats)
		return known;
	if (known && !*ret_repeat)
		return true;
	return remember(cx, r, text, (uint32_t)cx->loading + 1);
}

static size_t offset_of(const struct source_file *f, struct spos pos)
{
	if (pos.line == 0 || pos.line > f->n_lines)
		return 0;
	return MIN(f->line_at[pos.line - 1] + (pos.col ? pos.col - 1u : 0u), f->n);
}

/* At most the line that holds the byte, SNIPPET_WIDTH wide, and a caret below it. */
static const char *snippet_of(struct arena *a, const char *text, size_t n, size_t at)
{
	size_t from, to, pos = n ? MIN(at, n - 1) : 0;
	char line[SNIPPET_WIDTH + 8], caret[SNIPPET_WIDTH + 8];
	bool cut_front, cut_back;

	if (n == 0)
		return NULL;
	for (from = pos; from > 0 && text[from - 1] != '\n' && pos - from < SNIPPET_WIDTH / 2;)
		from--;
	for (to = pos; to < n && text[to] != '\n' && to - pos < SNIPPET_WIDTH / 2;)
		to++;
	cut_front = from > 0 && text[from - 1] != '\n';
	cut_back = to < n && text[to] != '\n';
	memcpy(line, text + from, to - from);
	line[to - from] = '\0';
	if (cut_front && to - from > 6)
		memcpy(line, "...", 3);
	if (cut_back && to - from > 6)
		memcpy(line + (to - from) - 3, "...", 3);
	memset(caret, ' ', sizeof(caret));
	caret[pos - from] = '\0';
	return arena_printf(a, "%s\n%s^\n", line, caret);
}

/* "proc.name=a and..." in quotes, newlines as blanks */
static const char *expr_name(struct arena *a, const struct ptext *t)
{
	bool cut = t->n > EXPR_NAME_MAX;
	char *s = arena_printf(
		a, "\"%.*s%s\"", cut ? EXPR_NAME_MAX - 3 : (int)t->n, t->p, cut ? "..." : "");

	for (char *p = s; p && *p; p++)
		if (*p == '\n')
			*p = ' ';
	return s;
}

static void set_expr_location(struct cx *cx, const struct report *r, struct diag_location *l,
	const struct diag_location *up)
{
	size_t at = MIN(r->expr_at, r->expr->n), line = 1, col = 1;

	for (size_t i = 0; i < at; i++) {
		col++;
		if (r->expr->p[i] == '\n') {
			line++;
			col = 1;
		}
	}
	*l = (struct diag_location){.item_type = "condition expression",
		.item_name = "",
		.name = expr_name(&cx->d->arena, r->expr),
		.line = up->line + line,
		.column = up->column + col,
		.offset = up->offset + at};
}

static void set_locations(struct cx *cx, const struct report *r, struct diag_item *it)
{
	struct diag_location *l;
	size_t n = 0, i;

	for (const struct where *w = cx->where; w; w = w->parent)
		n++;
	if (n == 0)
		return;
	i = n;
	l = arena_alloc(&cx->d->arena, (n + 1) * sizeof(*l));
	if (!l)
		return;
	for (const struct where *w = cx->where; w; w = w->parent) {
		const struct source_file *f = &cx->files[MIN(w->pos.file, cx->n_files - 1)];

		l[--i] = (struct diag_location){.item_type = w->type,
			.item_name = arena_strdup(&cx->d->arena, w->name ? w->name : ""),
			.name = arena_strdup(&cx->d->arena, f->name),
			.line = w->pos.line ? w->pos.line - 1 : 0,
			.column = w->pos.col ? w->pos.col - 1 : 0,
			.offset = offset_of(f, w->pos)};
	}
	if (r->expr) {
		set_expr_location(cx, r, &l[n], &l[n - 1]);
		it->snippet = snippet_of(&cx->d->arena, r->expr->p, r->expr->n, l[n].offset);
		n++;
	} else {
		const struct source_file *f = &cx->files[MIN(cx->where->pos.file, cx->n_files - 1)];

		it->snippet = snippet_of(&cx->d->arena, f->text, f->n, l[n - 1].offset);
	}
	it->locations = l;
	it->n_locations = n;
}

static void add_note(struct cx *cx, struct diag_note *notes, size_t *n, const char *what,
	const char *name, struct spos pos)
{
	struct diag_note *note = &notes[*n];

	if (*n == NOTES_MAX)
		return;
	note->text = arena_printf(&cx->d->arena, "in %s '%.200s', used", what, name);
	note->pos = diag_pos_of(cx, pos, 1);
	if (note->pos.file)
		note->pos.file = arena_strdup(&cx->d->arena, note->pos.file);
	if (note->text)
		(*n)++;
}

static void set_notes(struct cx *cx, const struct report *r, struct diag_item *it)
{
	struct diag_note notes[NOTES_MAX], *copy;
	size_t n = 0;

	for (const struct origin *o = r->expr ? ptext_origin(r->expr, r->expr_at) : NULL; o;
		o = o->parent)
		add_note(cx, notes, &n, "list", o->list, o->at);
	for (const struct macro_ref *m = r->via; m; m = m->parent)
		add_note(cx, notes, &n, "macro", m->name, m->pos);
	copy = n ? arena_alloc(&cx->d->arena, n * sizeof(*copy)) : NULL;
	if (!copy)
		return;
	memcpy(copy, notes, n * sizeof(*copy));
	it->notes = copy;
	it->n_notes = n;
}

static void report_text(struct cx *cx, const struct report *r, const char *text)
{
	struct diag_pos dp = diag_pos_of(cx, r->pos, r->length);
	struct diag_item *it;
	const char *line = NULL;
	bool repeat = false;

	if (cx->n_reports > CX_REPORTS_MAX) {
		/* Not one by one any more; but an error stays one. */
		cx->d->n_errors += r->sev == DIAG_ERROR;
		return;
	}
	if (is_known(cx, r, text, &repeat))
		return;
	if (cx->n_reports++ == CX_REPORTS_MAX) {
		it = diag_add(cx->d, r->sev, r->code, (struct diag_pos){0}, NULL, NULL,
			"more than %d messages: further ones are not shown", CX_REPORTS_MAX);
		if (it)
			it->load = cx->loading;
		return;
	}
	if (r->pos.file < cx->n_files)
		line = line_text(cx, &cx->files[r->pos.file], r->pos.line);
	it = diag_add(cx->d, r->sev, r->code, dp, NULL, r->hint, "%s", text);
	if (!it)
		return;
	it->source_line = line;
	it->load = cx->loading;
	it->is_repeat = repeat;
	it->deprecated_field = r->deprecated_field;
	set_locations(cx, r, it);
	set_notes(cx, r, it);
}

void cx_report_at(struct cx *cx, const struct report *r, const char *fmt, ...)
{
	char text[900];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a message that is too long is cut */
	va_end(ap);
	report_text(cx, r, text);
}

void cx_report(struct cx *cx, enum diag_severity sev, const char *code, struct spos pos,
	size_t length, const char *hint, const char *fmt, ...)
{
	struct report r = {.sev = sev, .code = code, .pos = pos, .length = length, .hint = hint};
	char text[900];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a message that is too long is cut */
	va_end(ap);
	report_text(cx, &r, text);
}
