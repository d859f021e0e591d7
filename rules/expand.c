/* SPDX-License-Identifier: Apache-2.0 */
/* The textual passes over conditions. They are textual in the reference too: a list name is
 * replaced wherever it stands between delimiters, quoted or not, and lists are passed over once in
 * their order, so that what a list brings in is only expanded by later lists. Sizes are bound by
 * CX_TEXT_MAX. */

#include <errno.h>
#include <string.h>

#include "expand.h"
#include "items.h"

#define SCANNED_MAX (2ull << 30)  /* bytes gone over for list names in one pass */
#define EXPANSION_MAX (96u << 20) /* bytes of memory that one condition's lists may take */
#define VALUE "exception value"
#define VALUES_MAX (1u << 20) /* values of one rule's exceptions: aliases could multiply them */

static bool ends_word(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || ch == '(' || ch == ')' ||
	       ch == ',' || ch == '=';
}

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

static int add_quoted(struct cx *cx, struct ptext *t, const char *p, size_t n, struct spos at)
{
	bool quote = n && memchr(p, ' ', n) && *p != '"' && *p != '\'';
	int r = quote ? ptext_add(cx, t, "\"", 1, at) : 0;

	if (r >= 0)
		r = ptext_add(cx, t, p, n, at);
	if (r >= 0 && quote)
		r = ptext_add(cx, t, "\"", 1, at);
	return r;
}

struct exc_out {
	struct collector *c;
	struct ptext *t;
	const struct rule_def *rule;
	const struct exception_def *e;
	uint32_t n_values;
};

/* @part: "exception values" for a row of them, "exception value" for one */
static int bad_values(struct exc_out *o, const char *part, const struct ynode *n, const char *why)
{
	const struct item_place *place = &o->rule->place;
	struct where content = {.type = "rules content", .pos = place->content};
	struct where item = {
		.type = "rule", .name = o->rule->name, .pos = place->item, .parent = &content};
	struct where exception = {
		.type = "exception", .name = o->e->name, .pos = o->e->pos, .parent = &item};
	const struct where *outer = o->c->cx->where;

	o->c->cx->where = &exception;
	cx_error_in(o->c->cx, part, "", VALIDATE, n->pos, "Exception '%s': %s", o->e->name, why);
	o->c->cx->where = outer;
	return -EINVAL;
}

static int count_value(struct exc_out *o, const struct ynode *n)
{
	return ++o->n_values > VALUES_MAX ? bad_values(o, VALUE, n, "too many values") : 0;
}

/* "(a, b)" of scalars */
static int add_scalars(
	struct exc_out *o, const struct ynode *const *nodes, size_t n, const char *why)
{
	int r = ptext_add_str(o->c->cx, o->t, "(", o->e->pos);

	for (size_t i = 0; i < n && r >= 0; i++) {
		if (nodes[i]->kind != YN_SCALAR)
			return bad_values(o, VALUE, nodes[i], why);
		r = count_value(o, nodes[i]);
		if (r >= 0 && i)
			r = ptext_add_str(o->c->cx, o->t, ", ", nodes[i]->pos);
		if (r >= 0)
			r = add_quoted(o->c->cx, o->t, nodes[i]->text, nodes[i]->n, nodes[i]->pos);
	}
	return r < 0 ? r : ptext_add_str(o->c->cx, o->t, ")", o->e->pos);
}

static int add_field(struct exc_out *o, uint32_t i)
{
	const struct exc_name *f = &o->e->fields[i], *comp = &o->e->comps[i];
	int r = ptext_add(o->c->cx, o->t, f->text, f->n, f->pos);

	if (r >= 0)
		r = ptext_add_str(o->c->cx, o->t, " ", f->pos);
	if (r >= 0)
		r = ptext_add(o->c->cx, o->t, comp->text, comp->n, comp->pos);
	return r < 0 ? r : ptext_add_str(o->c->cx, o->t, " ", comp->pos);
}

static int add_value(struct exc_out *o, const struct ynode *v, const char *comp)
{
	int r = count_value(o, v);

	if (r < 0)
		return r;
	if (v->kind == YN_SEQ)
		return add_scalars(
			o, (const struct ynode *const *)v->kids, v->n, "values nested too deeply");
	if (v->kind != YN_SCALAR)
		return bad_values(o, VALUE, v, "a value must be a text or a sequence of texts");
	if (!exception_comp_takes_list(comp))
		return add_quoted(o->c->cx, o->t, v->text, v->n, v->pos);
	if (v->n && v->text[0] == '(')
		return ptext_add(o->c->cx, o->t, v->text, v->n, v->pos);
	r = ptext_add_str(o->c->cx, o->t, "(", v->pos);
	if (r >= 0)
		r = ptext_add(o->c->cx, o->t, v->text, v->n, v->pos);
	return r < 0 ? r : ptext_add_str(o->c->cx, o->t, ")", v->pos);
}

/* (f1 c1 v1 and f2 c2 v2 ...) */
static int add_row(struct exc_out *o, const struct ynode *row)
{
	int r = ptext_add_str(o->c->cx, o->t, "(", row->pos);

	if (row->kind != YN_SEQ)
		return bad_values(o, "exception values", row,
			"Fields and values lists must have equal length");
	if (row->n != o->e->n_fields)
		return bad_values(o, "exception values", row,
			"Fields and values lists must have equal length");
	for (uint32_t i = 0; i < o->e->n_fields && r >= 0; i++) {
		if (i)
			r = ptext_add_str(o->c->cx, o->t, " and ", row->pos);
		if (r >= 0)
			r = add_field(o, i);
		if (r >= 0)
			r = add_value(o, row->kids[i], o->e->comps[i].text);
	}
	return r < 0 ? r : ptext_add_str(o->c->cx, o->t, ")", row->pos);
}

static int add_exception(struct exc_out *o)
{
	const struct exception_def *e = o->e;
	int r = ptext_add_str(o->c->cx, o->t, " and not (", e->pos);

	if (e->is_scalar) {
		if (r >= 0)
			r = add_field(o, 0);
		if (r >= 0)
			r = add_scalars(o, e->values, e->n_values,
				"values of an exception with one field must be a list of texts");
	} else {
		for (uint32_t i = 0; i < e->n_values && r >= 0; i++) {
			if (i)
				r = ptext_add_str(o->c->cx, o->t, " or ", e->pos);
			if (r >= 0)
				r = add_row(o, e->values[i]);
		}
	}
	return r < 0 ? r : ptext_add_str(o->c->cx, o->t, ")", e->pos);
}

int expand_exceptions(struct collector *c, const struct rule_def *rule, struct ptext *ret)
{
	struct exc_out o = {.c = c, .t = ret, .rule = rule};
	bool any = false;
	int r;

	*ret = (struct ptext){0};
	for (const struct exception_def *e = rule->exceptions; e; e = e->next)
		any |= e->n_values > 0;
	if (!any) {
		*ret = rule->cond;
		return 0;
	}
	if ((r = ptext_add_str(c->cx, ret, "(", rule->pos)) < 0 ||
		(r = ptext_add_text(c->cx, ret, &rule->cond, 0, rule->cond.n)) < 0 ||
		(r = ptext_add_str(c->cx, ret, ")", rule->pos)) < 0)
		return r;
	for (o.e = rule->exceptions; o.e && r >= 0; o.e = o.e->next)
		if (o.e->n_values)
			r = add_exception(&o);
	return r;
}

/* Items of the list, with the names of lists defined before it replaced by their raw items. */
static int flatten(struct collector *c, uint32_t at)
{
	struct list_def *l = &c->lists[at];
	size_t n = 0;

	for (uint32_t i = 0; i < l->n_items; i++) {
		uint32_t k = map_get(&c->list_by_name, l->items[i].text, l->items[i].n);

		n += k != MAP_NONE && k < l->visibility ? c->lists[k].n_items : 1;
		if (n > CX_TEXT_MAX / 4) {
			cx_error(c->cx, VALIDATE, l->pos, "list '%s' has more than %u items",
				l->name, CX_TEXT_MAX / 4);
			return -EINVAL;
		}
	}
	l->flat = cx_alloc(c->cx, n * sizeof(*l->flat));
	if (!l->flat)
		return -ENOMEM;
	l->n_flat = 0;
	for (uint32_t i = 0; i < l->n_items; i++) {
		uint32_t k = map_get(&c->list_by_name, l->items[i].text, l->items[i].n);

		if (k == MAP_NONE || k >= l->visibility) {
			l->flat[l->n_flat++] = l->items[i];
			continue;
		}
		c->lists[k].used = true;
		if (c->lists[k].n_items)
			memcpy(&l->flat[l->n_flat], c->lists[k].items,
				c->lists[k].n_items * sizeof(*l->flat));
		for (uint32_t m = 0; m < c->lists[k].n_items; m++)
			l->flat[l->n_flat + m].via = &l->items[i];
		l->n_flat += c->lists[k].n_items;
	}
	return 0;
}

int expand_flatten(struct collector *c)
{
	for (uint32_t i = 0; i < c->n_lists; i++)
		c->lists[i].used = false;
	for (uint32_t i = 0; i < c->n_lists; i++) {
		int r = flatten(c, i);

		if (r < 0)
			return r;
	}
	return 0;
}

static const struct origin *new_origin(
	struct cx *cx, const char *list, struct spos at, const struct origin *parent)
{
	struct origin *o = cx_alloc(cx, sizeof(*o));

	if (o)
		*o = (struct origin){.list = list, .at = at, .parent = parent};
	return o;
}

static int add_item(
	struct cx *cx, struct ptext *t, const struct litem *item, const struct origin *origin)
{
	bool quote = item->n && memchr(item->text, ' ', item->n) && *item->text != '"' &&
		     *item->text != '\'';
	int r = quote ? ptext_add_item(cx, t, "\"", 1, item->pos, origin) : 0;

	if (r >= 0)
		r = ptext_add_item(cx, t, item->text, item->n, item->pos, origin);
	return r >= 0 && quote ? ptext_glue(cx, t, "\"") : r;
}

/* @origin: of the list's name */
static int add_items(
	struct collector *c, const struct list_def *l, struct ptext *t, const struct origin *origin)
{
	const struct litem *via = NULL;
	const struct origin *inner = NULL;
	int r = 0;

	for (uint32_t i = 0; i < l->n_flat && r >= 0; i++) {
		const struct litem *item = &l->flat[i];

		if (item->via && item->via != via) {
			via = item->via;
			inner = new_origin(c->cx, via->text, via->pos, origin);
		}
		if (i)
			r = ptext_glue(c->cx, t, ", ");
		if (r >= 0)
			r = add_item(c->cx, t, item, item->via ? inner : origin);
	}
	return r;
}

/* Where the name stands as a word at or behind the offset; t->n if nowhere. */
static size_t find_word(const struct ptext *t, size_t from, const char *name, size_t n)
{
	while (from < t->n) {
		const char *hit = memmem(t->p + from, t->n - from, name, n);
		size_t at;

		if (!hit)
			break;
		at = (size_t)(hit - t->p);
		if ((at == 0 || ends_word(t->p[at - 1])) &&
			(at + n == t->n || ends_word(t->p[at + n])))
			return at;
		from = at + 1;
	}
	return t->n;
}

/* The text with one list's name replaced everywhere; @t unchanged if it does not occur. */
static int substitute(struct collector *c, struct list_def *l, struct ptext *t)
{
	size_t n = strlen(l->name), at = find_word(t, 0, l->name, n), done = 0;
	struct ptext out = {0};
	int r = 0;

	if (n == 0 || at == t->n)
		return 0;
	l->used = true;
	while (at < t->n && r >= 0) {
		const struct origin *origin =
			new_origin(c->cx, l->name, ptext_pos(t, at), ptext_origin(t, at));
		size_t from = at, end = at + n;

		while (from > done && is_blank(t->p[from - 1]))
			from--;
		while (end < t->n && is_blank(t->p[end]))
			end++;
		if (l->n_flat == 0) {
			/* An empty list takes one of its commas along. */
			if (from > done && t->p[from - 1] == ',')
				from--;
			else if (end < t->n && t->p[end] == ',')
				end++;
		}
		r = ptext_add_text(c->cx, &out, t, done, from - done);
		if (r >= 0 && from > 0)
			r = ptext_add_str(c->cx, &out, " ", ptext_pos(t, at));
		if (r >= 0)
			r = add_items(c, l, &out, origin);
		if (r >= 0 && end < t->n)
			r = ptext_add_str(c->cx, &out, " ", ptext_pos(t, at));
		done = end;
		at = find_word(t, done, l->name, n);
	}
	if (r >= 0)
		r = ptext_add_text(c->cx, &out, t, done, t->n - done);
	if (r >= 0)
		*t = out;
	return r;
}

/* The lowest list above @after (MAP_NONE: any) that a word of the text names; MAP_NONE if none. */
static uint32_t next_list(struct collector *c, const struct ptext *t, uint32_t after)
{
	uint32_t best = MAP_NONE;

	c->cx->n_scanned += t->n;
	for (size_t i = 0; i < t->n;) {
		size_t from = i;
		uint32_t k;

		while (i < t->n && !ends_word(t->p[i]))
			i++;
		k = i > from ? map_get(&c->list_by_name, t->p + from, i - from) : MAP_NONE;
		if (k != MAP_NONE && (after == MAP_NONE || k > after) && k < best)
			best = k;
		i++;
	}
	/* Names with delimiters inside are not words. */
	for (uint32_t k = after == MAP_NONE ? 0 : after + 1; k < c->n_lists && k < best; k++)
		if (c->lists[k].odd_name &&
			find_word(t, 0, c->lists[k].name, strlen(c->lists[k].name)) < t->n)
			return k;
	return best;
}

int expand_lists(struct collector *c, struct ptext *t)
{
	size_t from = c->cx->arena.used_bytes;
	uint32_t k = next_list(c, t, MAP_NONE);

	while (k != MAP_NONE) {
		bool is_much = c->cx->n_scanned > SCANNED_MAX ||
			       c->cx->arena.used_bytes - from > EXPANSION_MAX;
		int r = is_much ? -EDQUOT : substitute(c, &c->lists[k], t);

		if (r < 0)
			return r;
		k = next_list(c, t, k);
	}
	return 0;
}

const char *expand_bound(struct cx *cx, int err)
{
	const char *s = err == -E2BIG ? cx_printf(cx, "more than %u KiB of text", CX_TEXT_MAX >> 10)
				      : "too many lists";

	return s ? s : "";
}
