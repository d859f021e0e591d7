/* SPDX-License-Identifier: Apache-2.0 */
/* Images are damaged in a hundred thousand ways, checksum made good again: img_verify() must answer
 * without reading beyond, and what it accepts must be walkable by a reader that checks nothing. Run
 * under ASan, where the image lies in a block of exactly its size. */
#include "util.h"

#include <base/hash.h>

#define N_MUTANTS 100000

static const char rules_text[] =
	"- list: l\n  items: [a, b, c, d]\n"
	"- rule: A\n  desc: d\n  output: x %proc.name %10fd.name %toupper(proc.pname) "
	"%proc.aname[2] %evt.arg.flags\n  priority: INFO\n  tags: [t, u]\n"
	"  condition: evt.type in (open, openat) and (proc.name in (l) or fd.name startswith /x or "
	"not proc.aname[2] = y) and fd.snet in (10.0.0.0/8, fe80::/10)\n"
	"- rule: B\n  desc: d\n  output: y %proc.env[PATH]\n  priority: ALERT\n"
	"  condition: evt.type = connect and (fd.sport in (1, 2, 3) or proc.name = val(proc.pname) "
	"or len(concat(proc.name, '-', proc.pname)) > 3)\n"
	"    and fd.name pmatch (/a, /b/c*) and fd.name startswith oneof (/q, /r) and evt.buffer "
	"bcontains cafe and fd.types intersects (file)\n";

static uint32_t rnd(uint64_t *state)
{
	*state = hash_u64(*state + 1);
	return (uint32_t)(*state >> 16);
}

static uint64_t touch(const struct img *i, struct img_str s)
{
	return hash_bytes(i->str + s.off, (size_t)s.n + 1, 0) + (i->str[s.off + s.n] != '\0');
}

static uint64_t touch_expr(const struct img *i, uint32_t at)
{
	const struct img_expr *e = &i->exprs[at];
	uint64_t sum = touch(i, e->key) + touch(i, e->text) + 1;

	if (e->kind == IMG_E_FIELD)
		return sum + (uint64_t)field_info_get(e->field)->name[0];
	if (e->kind == IMG_E_CONST)
		return sum + touch(i, i->consts[e->args_first].str);
	for (uint32_t k = 0; k < e->n_args; k++)
		sum += touch_expr(i, i->args[e->args_first + k]);
	return sum;
}

static uint64_t touch_set(const struct img *i, const struct img_set *s)
{
	uint64_t sum = 0;

	for (uint32_t k = 0; k < s->n; k++)
		sum += touch(i, i->consts[s->first + k].str);
	if (!s->n_slots)
		return sum;
	/* A probe for something absent ends. */
	for (uint32_t k = 12345 & (s->n_slots - 1); i->setslots[s->slots_first + k];
		k = (k + 1) & (s->n_slots - 1))
		sum += i->consts[i->setslots[s->slots_first + k] - 1].num;
	return sum;
}

static uint64_t touch_pred(const struct img *i, const struct img_pred *p)
{
	uint64_t sum = touch_expr(i, p->expr);

	switch (p->rhs_kind) {
	case IMG_RHS_CONST:
		return sum + touch(i, i->consts[p->rhs].str);
	case IMG_RHS_SET:
		return sum + touch_set(i, &i->sets[p->rhs]);
	case IMG_RHS_EXPR:
		return sum + touch_expr(i, p->rhs);
	default:
		return sum;
	}
}

static uint64_t touch_fmt(const struct img *i, uint32_t first, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t k = first; k < first + n; k++)
		sum += i->fmts[k].expr == IMG_NONE ? touch(i, i->fmts[k].lit)
						   : touch_expr(i, i->fmts[k].expr);
	return sum;
}

static uint64_t walk_rule(const struct img *i, const struct img_rule *r, uint64_t seed)
{
	uint64_t sum =
		touch(i, r->name) + touch(i, r->source) + touch_fmt(i, r->fmt_first, r->n_fmt);
	uint32_t at = r->entry, steps = 0;

	for (uint32_t k = 0; k < r->n_tags; k++)
		sum += touch(i, i->tags[r->tags_first + k]);
	for (uint32_t k = r->out_first; k < r->out_first + r->n_out; k++) {
		const struct img_outfield *o = &i->outfields[k];

		sum += touch(i, o->key) + (o->expr == IMG_NONE
							  ? touch_fmt(i, o->fmt_first, o->n_fmt)
							  : touch_expr(i, o->expr));
	}
	while (at != IMG_ACCEPT && at != IMG_REJECT) {
		sum += touch_pred(i, &i->preds[i->nodes[at].pred]);
		at = rnd(&seed) & 1 ? i->nodes[at].if_true : i->nodes[at].if_false;
		assert_true(++steps <= r->n_nodes);
	}
	return sum;
}

static uint64_t walk_all(const struct img *i)
{
	uint64_t sum = 0;

	for (uint32_t ix = 0; ix < _KEV_IX_MAX; ix++)
		for (uint32_t k = 0; k < i->events[ix].n_refs; k++)
			sum += walk_rule(
				i, &i->rules[i->rulerefs[i->events[ix].refs_first + k]], k);
	for (uint32_t k = 0; k < i->n[IMG_SEC_RULE]; k++)
		for (int s = 0; s < 4; s++)
			sum += walk_rule(i, &i->rules[k], (uint64_t)s);
	for (uint32_t k = 0; k < i->n[IMG_SEC_OUTPUT]; k++)
		sum += touch(i, i->outputs[k]);
	return sum;
}

static void mend(uint8_t *p, size_t n)
{
	((struct img_head *)p)->checksum = img_checksum(p, n);
}

/* Somewhere: mostly in the sections that hold indices, sometimes in the header. */
static size_t place(const struct img_head *h, size_t n, uint64_t *seed)
{
	unsigned s = rnd(seed) % (_IMG_SEC_MAX + 2);
	size_t from, end;

	if (s >= _IMG_SEC_MAX)
		return rnd(seed) % (s == _IMG_SEC_MAX ? sizeof(*h) : n);
	from = h->sec[s].off;
	end = s + 1 < _IMG_SEC_MAX ? h->sec[s + 1].off : n;
	return end > from ? from + rnd(seed) % (end - from) : from % n;
}

static void mutate(uint8_t *p, const struct img_head *original, size_t n, uint64_t *seed)
{
	static const uint32_t values[] = {0, 1, 2, 3, 0x7f, 0xff, 0xffff, 0x7fffffff, 0x80000000,
		0xfffffffc, IMG_REJECT, IMG_ACCEPT, IMG_NONE};
	unsigned edits = 1 + rnd(seed) % 3;

	for (unsigned k = 0; k < edits; k++) {
		size_t at = place(original, n, seed);
		uint32_t v;

		switch (rnd(seed) % 4) {
		case 0:
			p[at] ^= (uint8_t)(1u << (rnd(seed) % 8));
			break;
		case 1:
			p[at] = (uint8_t)rnd(seed);
			break;
		case 2:
			at = MIN(at & ~(size_t)3, n - 4);
			memcpy(p + at, &values[rnd(seed) % ARRAY_LEN(values)], 4);
			break;
		default:
			at = MIN(at & ~(size_t)3, n - 4);
			memcpy(&v, p + at, 4);
			v += rnd(seed) % 5 - 2;
			memcpy(p + at, &v, 4);
			break;
		}
	}
}

static void test_verify__damaged_images__no_crash_and_accepted_are_walkable(void **state)
{
	const char *text = rules_text, *why;
	uint32_t accepted = 0, refused = 0;
	volatile uint64_t sum = 0;
	uint64_t seed = 42;
	struct compiled c;
	uint8_t *p;

	(void)state;
	compile_texts(&c, &text, 1, NULL);
	assert_int_equal(c.r, 0);
	p = malloc(c.res.size);
	assert_non_null(p);
	for (uint32_t k = 0; k < N_MUTANTS; k++) {
		struct img i;

		memcpy(p, c.res.image, c.res.size);
		mutate(p, c.res.image, c.res.size, &seed);
		mend(p, c.res.size);
		if (img_verify(p, c.res.size, &i, &why) < 0) {
			refused++;
			continue;
		}
		accepted++;
		sum += walk_all(&i);
	}
	/* Both happen, or the test shows nothing. */
	assert_true(accepted > N_MUTANTS / 100);
	assert_true(refused > N_MUTANTS / 10);
	free(p);
	compiled_done(&c);
}

static void test_verify__cut_short__refused(void **state)
{
	const char *text = rules_text, *why = NULL;
	struct compiled c;
	struct img i;

	(void)state;
	compile_texts(&c, &text, 1, NULL);
	assert_int_equal(c.r, 0);
	for (size_t n = 0; n < c.res.size; n += 1 + n / 50) {
		uint8_t *p = malloc(n ? n : 1);

		assert_non_null(p);
		memcpy(p, c.res.image, n);
		if (n >= sizeof(struct img_head)) {
			((struct img_head *)p)->size = n;
			mend(p, n);
		}
		assert_int_equal(img_verify(p, n, &i, &why), -EBADMSG);
		free(p);
	}
	compiled_done(&c);
}

static void test_verify__flipped_bit_without_mending__refused(void **state)
{
	const char *text = rules_text, *why = NULL;
	struct compiled c;
	struct img i;

	(void)state;
	compile_texts(&c, &text, 1, NULL);
	for (size_t at = 0; at < c.res.size; at += 37) {
		((uint8_t *)c.res.image)[at] ^= 4;
		assert_int_equal(img_verify(c.res.image, c.res.size, &i, &why), -EBADMSG);
		((uint8_t *)c.res.image)[at] ^= 4;
	}
	assert_int_equal(img_verify(c.res.image, c.res.size, &i, &why), 0);
	assert_true(walk_all(&i) != 0);
	compiled_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verify__damaged_images__no_crash_and_accepted_are_walkable),
		cmocka_unit_test(test_verify__cut_short__refused),
		cmocka_unit_test(test_verify__flipped_bit_without_mending__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
