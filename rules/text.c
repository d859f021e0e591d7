/* SPDX-License-Identifier: Apache-2.0 */
/* Text with places. Contents are the user's and untrusted; sizes are
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

char *cx_join(struct cx *cx, const char *a, const char *b)
{
	size_t an = strlen(a), bn = strlen(b);
	char *p = cx_alloc(cx, an + bn + 2);

	if (p) {
		memcpy(p, a, an);
		p[an] = ' ';
		memcpy(p + an + 1, b, bn);
	}
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

#define COMPARED_MAX 1000000

bool cx_may_suggest(struct cx *cx, size_t n_names)
{
	if (cx->n_compared > COMPARED_MAX || n_names > COMPARED_MAX)
		return false;
	cx->n_compared += n_names;
	return true;
}

const char *cx_did_you_mean(struct cx *cx, const char *name)
{
	return name ? cx_printf(cx, "did you mean '%s'?", name) : NULL;
}

static int grow_bytes(struct cx *cx, struct ptext *t, size_t n)
{
	size_t cap = t->cap ? t->cap : 64;
	char *p;

	if (n > CX_TEXT_MAX || t->n > CX_TEXT_MAX - n)
		return -E2BIG;
	if (t->cap && n < t->cap - t->n)
		return 0;
	while (cap <= t->n + n)
		cap *= 2;
	p = cx_alloc(cx, cap);
	if (!p)
		return -ENOMEM;
	if (t->n)
		memcpy(p, t->p, t->n);
	t->p = p;
	t->cap = cap;
	return 0;
}

static int grow_runs(struct cx *cx, struct ptext *t, uint32_t n)
{
	uint32_t cap = t->cap_runs ? t->cap_runs : 2;
	struct prun *runs;

	if (n <= t->cap_runs - t->n_runs)
		return 0;
	while (cap - t->n_runs < n)
		cap *= 2;
	runs = cx_alloc(cx, cap * sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	if (t->n_runs)
		memcpy(runs, t->runs, t->n_runs * sizeof(*runs));
	t->runs = runs;
	t->cap_runs = cap;
	return 0;
}

static struct spos moved(struct spos p, size_t by)
{
	p.col = (uint16_t)MIN(p.col + by, (size_t)UINT16_MAX);
	return p;
}

/* The run that holds the byte; NULL of an empty text. */
static const struct prun *run_of(const struct ptext *t, size_t at)
{
	uint32_t lo = 0, hi = t->n_runs;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (t->runs[mid].off <= at)
			lo = mid;
		else
			hi = mid;
	}
	return t->n_runs ? &t->runs[lo] : NULL;
}

struct spos ptext_pos(const struct ptext *t, size_t at)
{
	const struct prun *r;

	if (at >= t->n && t->n)
		at = t->n - 1;
	r = run_of(t, at);
	if (!r)
		return (struct spos){0};
	return r->is_fixed || !r->pos.line ? r->pos : moved(r->pos, at - r->off);
}

const struct origin *ptext_origin(const struct ptext *t, size_t at)
{
	const struct prun *r = run_of(t, at);

	return r ? r->origin : NULL;
}

/* Does the run go on where the last one of the text ends? */
static bool goes_on(const struct ptext *t, const struct prun *next)
{
	const struct prun *last = &t->runs[t->n_runs - 1];
	struct spos want = last->is_fixed ? last->pos : moved(last->pos, t->n - last->off);

	return last->is_fixed == next->is_fixed && last->origin == next->origin &&
	       want.line == next->pos.line && want.col == next->pos.col &&
	       want.file == next->pos.file && want.col < UINT16_MAX;
}

static int add_run(struct cx *cx, struct ptext *t, const struct prun *run)
{
	int r;

	if (t->n_runs && goes_on(t, run))
		return 0;
	r = grow_runs(cx, t, 1);
	if (r >= 0)
		t->runs[t->n_runs++] = *run;
	return r;
}

static int add_bytes(
	struct cx *cx, struct ptext *t, const char *p, size_t n, const struct prun *run)
{
	int r = grow_bytes(cx, t, n);

	if (r < 0 || n == 0)
		return r;
	r = add_run(cx, t, run);
	if (r < 0)
		return r;
	memcpy(t->p + t->n, p, n);
	t->n += n;
	t->p[t->n] = '\0';
	return 0;
}

int ptext_add_item(struct cx *cx, struct ptext *t, const char *p, size_t n, struct spos at,
	const struct origin *origin)
{
	struct prun run = {.off = (uint32_t)t->n, .pos = at, .origin = origin};

	return add_bytes(cx, t, p, n, &run);
}

int ptext_add(struct cx *cx, struct ptext *t, const char *p, size_t n, struct spos at)
{
	struct prun run = {.off = (uint32_t)t->n, .pos = at, .is_fixed = true};

	return add_bytes(cx, t, p, n, &run);
}

int ptext_add_text(struct cx *cx, struct ptext *t, const struct ptext *from, size_t off, size_t n)
{
	size_t base = t->n;
	int r = grow_bytes(cx, t, n);

	if (r < 0 || n == 0)
		return r;
	for (const struct prun *k = run_of(from, off); k < from->runs + from->n_runs && r >= 0;
		k++) {
		struct prun run = *k;

		if (k->off >= off + n)
			break;
		if (k->off < off && !k->is_fixed && k->pos.line)
			run.pos = moved(k->pos, off - k->off);
		run.off = (uint32_t)(base + (k->off > off ? k->off - off : 0));
		t->n = run.off; /* where the last run ends now */
		r = add_run(cx, t, &run);
	}
	t->n = base;
	if (r < 0)
		return r;
	memcpy(t->p + t->n, from->p + off, n);
	t->n += n;
	t->p[t->n] = '\0';
	return 0;
}

int ptext_glue(struct cx *cx, struct ptext *t, const char *s)
{
	size_t n = strlen(s);
	int r = grow_bytes(cx, t, n);

	if (r < 0)
		return r;
	memcpy(t->p + t->n, s, n + 1);
	t->n += n;
	return 0;
}

int ptext_add_str(struct cx *cx, struct ptext *t, const char *s, struct spos at)
{
	return ptext_add(cx, t, s, strlen(s), at);
}
