/* SPDX-License-Identifier: Apache-2.0 */
/* Random conditions over evt.type and a dozen other tests: the compiled graph, walked under random
 * truth of its predicates for every event type, must say what the tree says when it is evaluated
 * directly. */
#include "util.h"

#include <base/strbuf.h>

#define N_LEAVES 12
#define N_CONDITIONS 400
#define N_ASSIGNMENTS 40

static const struct {
	const char *name;
	uint16_t ix;
} events[] = {
	{"open", KEV_IX_SYSCALL_OPEN_X},
	{"openat", KEV_IX_SYSCALL_OPENAT_2_X},
	{"connect", KEV_IX_SOCKET_CONNECT_X},
	{"mkdir", KEV_IX_SYSCALL_MKDIR_2_X},
};

static uint32_t rnd(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* A tree of our own: not the compiler's. */
struct tree {
	enum { T_AND, T_OR, T_NOT, T_LEAF, T_TYPE, T_NEVER, T_MACRO } kind;
	uint32_t leaf;
	bool negated; /* T_TYPE: != */
	int kids[3], n_kids;
};

struct forest {
	struct tree t[400];
	int n;
	uint32_t seed;
};

static int grow(struct forest *f, int depth)
{
	int at = f->n++;
	struct tree *t = &f->t[at];
	uint32_t pick = rnd(&f->seed) % 10;

	assert_true(f->n < 390);
	*t = (struct tree){.kind = T_LEAF, .leaf = rnd(&f->seed) % N_LEAVES};
	if (depth == 0 || pick < 2) {
		uint32_t leaf = rnd(&f->seed) % 8;

		if (leaf == 0)
			t->kind = T_NEVER;
		else if (leaf == 1)
			t->kind = T_MACRO;
		else if (leaf < 4) {
			t->kind = T_TYPE;
			t->leaf = rnd(&f->seed) % (1u << ARRAY_LEN(events));
			t->negated = rnd(&f->seed) % 4 == 0 && __builtin_popcount(t->leaf) == 1;
		}
		return at;
	}
	t->kind = pick < 5 ? T_AND : pick < 8 ? T_OR : T_NOT;
	t->n_kids = t->kind == T_NOT ? 1 : 2 + (int)(rnd(&f->seed) % 2);
	for (int i = 0; i < t->n_kids; i++) {
		int kid = grow(f, depth - 1);

		f->t[at].kids[i] = kid;
	}
	return at;
}

/* The macro is `leaf 0 or not leaf 1`. */
static bool eval(const struct forest *f, int at, const bool *truth, size_t event)
{
	const struct tree *t = &f->t[at];
	bool is_and = t->kind == T_AND;

	switch (t->kind) {
	case T_LEAF:
		return truth[t->leaf];
	case T_TYPE:
		return ((t->leaf >> event) & 1) != t->negated;
	case T_NEVER:
		return false;
	case T_MACRO:
		return truth[0] || !truth[1];
	case T_NOT:
		return !eval(f, t->kids[0], truth, event);
	default:
		for (int i = 0; i < t->n_kids; i++)
			if (eval(f, t->kids[i], truth, event) != is_and)
				return !is_and;
		return is_and;
	}
}

static void write_tree(const struct forest *f, int at, struct strbuf *b)
{
	const struct tree *t = &f->t[at];
	bool first = true;

	switch (t->kind) {
	case T_LEAF:
		/* Of different cost, so that they are put in another order. */
		strbuf_addf(b, t->leaf % 3 ? "fd.name glob L%u" : "fd.num = %u", t->leaf);
		return;
	case T_NEVER:
		strbuf_add_str(b, "evt.num = 0");
		return;
	case T_MACRO:
		strbuf_add_str(b, "mac");
		return;
	case T_TYPE:
		strbuf_add_str(b, t->negated ? "evt.type != " : "evt.type in (");
		for (size_t i = 0; i < ARRAY_LEN(events); i++) {
			if (!(t->leaf >> i & 1))
				continue;
			strbuf_addf(b, "%s%s", first ? "" : ", ", events[i].name);
			first = false;
		}
		strbuf_add_str(b, t->negated ? "" : ")");
		return;
	default:
		strbuf_add_str(b, t->kind == T_NOT ? "not (" : "(");
		for (int i = 0; i < t->n_kids; i++) {
			if (i)
				strbuf_add_str(b, t->kind == T_AND ? " and " : " or ");
			write_tree(f, t->kids[i], b);
		}
		strbuf_add_char(b, ')');
	}
}

/* Which leaf a predicate is, by its constant; evt.type tests by their names. */
static bool pred_truth(
	const struct img *i, const struct img_pred *p, const bool *truth, size_t event)
{
	const struct img_expr *e = &i->exprs[p->expr];

	if (e->field == FIELD_ID_FD_NUM)
		return truth[i->consts[p->rhs].num];
	if (e->field == FIELD_ID_FD_NAME)
		return truth[strtoul(i->str + i->consts[p->rhs].str.off + 1, NULL, 10)];
	assert_int_equal(e->field, FIELD_ID_EVT_TYPE);
	if (p->rhs_kind == IMG_RHS_CONST) {
		bool same = span_eq_str(img_text(i, i->consts[p->rhs].str), events[event].name);

		return p->op == IMG_OP_NE ? !same : same;
	}
	for (uint32_t k = 0; k < i->sets[p->rhs].n; k++)
		if (span_eq_str(img_text(i, i->consts[i->sets[p->rhs].first + k].str),
			    events[event].name))
			return true;
	return false;
}

static bool walk(const struct img *i, const bool *truth, size_t event)
{
	const struct img_rule *r = &i->rules[0];
	const struct img_event *e = &i->events[events[event].ix];
	uint32_t at = r->entry;

	if (e->n_refs == 0)
		return false; /* the index itself says no */
	while (at != IMG_ACCEPT && at != IMG_REJECT) {
		const struct img_node *n = &i->nodes[at];

		at = pred_truth(i, &i->preds[n->pred], truth, event) ? n->if_true : n->if_false;
	}
	return at == IMG_ACCEPT;
}

static void test_program__random_conditions__agree_with_tree(void **state)
{
	uint32_t seed = 1, accepted = 0;

	(void)state;
	for (int k = 0; k < N_CONDITIONS; k++) {
		_cleanup_strbuf_ struct strbuf b = {0};
		struct forest f = {.seed = (uint32_t)k * 7919u + 1};
		int root = grow(&f, 4);
		struct compiled c;
		const char *text;

		strbuf_add_str(
			&b, "- macro: mac\n  condition: fd.num = 0 or not fd.name glob L1\n");
		strbuf_add_str(&b, "- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  "
				   "warn_evttypes: false\n  condition: \"");
		write_tree(&f, root, &b);
		strbuf_add_str(&b, "\"\n");
		text = b.p;
		compile_texts(&c, &text, 1, NULL);
		if (c.r < 0)
			fail_msg("%s\n%s", c.d.first->message, text);
		for (int a = 0; a < N_ASSIGNMENTS; a++) {
			bool truth[N_LEAVES];
			uint32_t bits = rnd(&seed);

			for (int i = 0; i < N_LEAVES; i++)
				truth[i] = bits >> i & 1;
			for (size_t e = 0; e < ARRAY_LEN(events); e++) {
				bool want = eval(&f, root, truth, e);

				accepted += want;
				if (walk(&c.img, truth, e) != want)
					fail_msg("event %s, truth %x: wanted %d\n%s",
						events[e].name, bits & 0xfff, want, text);
			}
		}
		compiled_done(&c);
	}
	/* The test says nothing if nearly all are the same. */
	assert_in_range(accepted, N_CONDITIONS * N_ASSIGNMENTS / 5,
		N_CONDITIONS * N_ASSIGNMENTS * 4 - N_CONDITIONS * N_ASSIGNMENTS / 5);
}

static void test_rules_compile__capture_keys__in_the_image(void **state)
{
	static const char *const text =
		"- rule: A\n  desc: d\n  output: o\n  priority: INFO\n  condition: "
		"evt.type=open\n"
		"- rule: B\n  desc: d\n  output: o\n  priority: INFO\n  condition: "
		"evt.type=open\n"
		"  capture: true\n  capture_duration: 250\n"
		"- rule: C\n  desc: d\n  output: o\n  priority: INFO\n  condition: "
		"evt.type=open\n"
		"- rule: C\n  capture: yes\n  override: {capture: replace}\n";
	struct rules_options opt = {.min_priority = 7};
	struct compiled c;
	uint32_t ms = 1;

	(void)state;
	compile_texts(&c, &text, 1, &opt);
	assert_int_equal(c.r, 0);
	assert_false(img_rule_capture(&c.img.rules[0], false, 5000, &ms));
	assert_int_equal(ms, 1);
	assert_true(img_rule_capture(&c.img.rules[0], true, 5000, &ms));
	assert_int_equal(ms, 5000);
	assert_true(img_rule_capture(&c.img.rules[1], false, 5000, &ms));
	assert_int_equal(ms, 250);
	assert_true(img_rule_capture(&c.img.rules[2], false, 5000, &ms));
	assert_int_equal(ms, 5000);
	free(c.res.image);
	diag_done(&c.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_program__random_conditions__agree_with_tree),
		cmocka_unit_test(test_rules_compile__capture_keys__in_the_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
