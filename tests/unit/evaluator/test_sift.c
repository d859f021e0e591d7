/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of the rules in a class of events gives the same verdicts as the rules themselves, in
 * the same order: on random programs over random predicates, random events, and processes that
 * change in between. The random numbers are always the same. */
#include "bench.h"

#include <stdio.h>

#include <base/hash.h>
#include <base/macros.h>

#define RULES_MAX 120

static uint32_t n_of_8_rejected = 4, classes_max = UINT32_MAX;
static uint64_t seed;
static uint32_t rnd(uint32_t n)
{
	return (uint32_t)(hash_u64(seed++) % n);
}

static const char *const names[] = {"/etc/shadow", "/etc/passwd", "/etc/pam.d/su",
	"/root/.ssh/id_rsa", "/proc/1/environ", "/usr/lib/libc.so.6", "/dev/null", "/etc", ""};
static const char *const comms[] = {"cat", "bash", "dpkg", "sshd"};

/* A predicate as a policy has them. */
static uint32_t random_pred(struct bench *b)
{
	static const char *const texts[] = {"fd.name", "fd.directory", "fd.filename", "fd.typechar",
		"evt.type", "proc.name", "proc.pname", "proc.aname[2]", "proc.sname",
		"proc.cmdline", "container.id", "user.name"};
	static const char *const numbers[] = {
		"evt.rawres", "fd.num", "proc.vpid", "user.uid", "proc.sid"};
	static const char *const bools[] = {"evt.is_open_read", "evt.is_open_write", "evt.failed"};
	static const char *const values[] = {"f", "d", "openat", "open", "close", "/etc",
		"/root/.ssh", "/etc/shadow", "host", "cat", "bash", "root", "su", "tmux"};
	static const enum img_op ops[] = {
		IMG_OP_EQ, IMG_OP_NE, IMG_OP_STARTSWITH, IMG_OP_CONTAINS, IMG_OP_EXISTS, IMG_OP_IN};
	uint32_t kind = rnd(8), p, first = b->img.n[IMG_SEC_CONST];
	const char *field = kind < 5    ? texts[rnd(ARRAY_LEN(texts))]
			    : kind == 5 ? numbers[rnd(ARRAY_LEN(numbers))]
					: bools[rnd(ARRAY_LEN(bools))];
	uint32_t x = bench_field(b, field);

	if (kind < 5) {
		enum img_op op = ops[rnd(ARRAY_LEN(ops))];

		for (uint32_t n = op == IMG_OP_IN ? rnd(4) : 1; n > 0; n--)
			(void)bench_const_str(b, rnd(2) ? values[rnd(ARRAY_LEN(values))]
							: names[rnd(ARRAY_LEN(names))]);
		p = op == IMG_OP_EXISTS ? bench_pred(b, x, op, IMG_RHS_NONE, 0)
		    : op == IMG_OP_IN
			    ? bench_pred(b, x, op, IMG_RHS_SET, bench_set(b, first, rnd(2)))
			    : bench_pred(b, x, op, IMG_RHS_CONST, first);
	} else if (kind == 5) {
		(void)bench_const_num(b, b->exprs[x].type, rnd(3));
		p = bench_pred(b, x, rnd(2) ? IMG_OP_GE : IMG_OP_EQ, IMG_RHS_CONST, first);
	} else {
		(void)bench_const_num(b, IMG_T_BOOL, rnd(2));
		p = bench_pred(b, x, IMG_OP_EQ, IMG_RHS_CONST, first);
	}
	if (!strncmp(field, "proc.", 5) || !strncmp(field, "user.", 5) ||
		!strncmp(field, "container.", 10))
		b->preds[p].flags = IMG_PRED_PROC;
	return p;
}

/* util.cnt < n: true for the first n that ask. */
static uint32_t counting_pred(struct bench *b)
{
	uint32_t x = bench_field(b, "util.cnt");

	return bench_pred(b, x, IMG_OP_LT, IMG_RHS_CONST, bench_const_num(b, IMG_T_U64, 3000));
}

static uint32_t random_edge(uint32_t at, uint32_t end)
{
	uint32_t k = rnd(8);

	if (k == 0 || at + 1 == end)
		return rnd(n_of_8_rejected) ? IMG_REJECT : IMG_ACCEPT;
	return k < n_of_8_rejected ? IMG_REJECT : at + 1 + rnd(MIN(end - at - 1, 4u));
}

static void random_rule(struct bench *b, uint32_t n_nodes_max, uint32_t n_preds, uint32_t counting)
{
	uint32_t i = b->img.n[IMG_SEC_RULE]++, first = b->img.n[IMG_SEC_NODE],
		 n = 1 + rnd(n_nodes_max);

	b->img.n[IMG_SEC_NODE] += n;
	assert_true(b->img.n[IMG_SEC_NODE] <= BENCH_MAX);
	for (uint32_t k = first; k < first + n; k++) {
		b->nodes[k] = (struct img_node){.pred = rnd(n_preds),
			.if_true = random_edge(k, first + n),
			.if_false = random_edge(k, first + n)};
		if (counting != IMG_NONE && rnd(12) == 0)
			b->nodes[k].pred = counting;
	}
	b->rules[i] = (struct img_rule){.entry = rnd(20) ? first : IMG_ACCEPT,
		.nodes_first = first,
		.n_nodes = n,
		.enabled = rnd(10) > 0,
		.outputs = 1};
}

static void random_policy(struct bench *b, uint32_t n_rules, bool with_counting)
{
	static const enum kev_ix types[] = {
		KEV_IX_SYSCALL_OPEN_X, KEV_IX_SYSCALL_OPENAT_2_X, KEV_IX_SYSCALL_CLOSE_X};
	uint32_t n_preds = 20 + rnd(20), counting = IMG_NONE;

	for (uint32_t i = 0; i < n_preds; i++)
		(void)random_pred(b);
	if (with_counting)
		counting = counting_pred(b);
	for (uint32_t i = 0; i < n_rules; i++)
		random_rule(b, 11, n_preds, counting);
	for (unsigned t = 0; t < ARRAY_LEN(types); t++) {
		uint32_t refs[RULES_MAX], n = 0;

		for (uint32_t i = 0; i < n_rules; i++)
			if (rnd(8))
				refs[n++] = i;
		bench_index(b, types[t], n, refs);
	}
}

static void random_thread(struct bench *b)
{
	static const char *const args[] = {"/etc/shadow", NULL};
	uint32_t slot = 2 + rnd(5);

	if (rnd(6) == 0) {
		replica_forget(&b->e.replica, slot);
		return;
	}
	bench_thread(b, &(struct bench_thread){.slot = slot,
				.parent = rnd(3) ? 2 + rnd(5) : PREC_NO_SLOT,
				.tid = 100 + (int64_t)slot,
				.sid = 100 + (int64_t)rnd(6),
				.uid = rnd(2),
				.comm = comms[rnd(ARRAY_LEN(comms))],
				.args = rnd(2) ? args : NULL});
}

static void random_event(struct bench *b)
{
	static const uint16_t codes[] = {KEV_CODE_SYSCALL_OPEN_X, KEV_CODE_SYSCALL_OPENAT_2_X,
		KEV_CODE_SYSCALL_CLOSE_X, KEV_CODE_SYSCALL_GETCWD_X};
	uint16_t code = codes[rnd(ARRAY_LEN(codes))];
	struct ev_fd fd = {.num = (int64_t)rnd(2) - 1,
		.type = rnd(8) ? EV_FD_FILE : EV_FD_DIRECTORY,
		.flags = rnd(8) ? EV_FD_KNOWN : 0};
	bool opens = code == KEV_CODE_SYSCALL_OPEN_X || code == KEV_CODE_SYSCALL_OPENAT_2_X;

	bench_event(b, code, rnd(20) ? 2 + rnd(3) : PREC_NO_SLOT);
	if (rnd(40))
		bench_res(b, fd.num);
	if (opens && rnd(40)) {
		bench_param_text(b, "name", names[rnd(ARRAY_LEN(names))]);
		bench_param_int(b, "flags", rnd(8) ? 1 : rnd(8));
	}
	if (rnd(40))
		bench_att_fd(b, EV_ATT_FD, -1, &fd, names[rnd(ARRAY_LEN(names))]);
	if (opens && rnd(6) == 0)
		bench_att_text(b, EV_ATT_REALPATH, NULL, names[rnd(ARRAY_LEN(names))]);
	bench_event_end(b);
}

/* The rules of the event one after the other, by their own programs, without any memory but the one
 * of the event. */
static unsigned by_programs(struct bench *b, uint32_t *ret)
{
	const struct img_event *ix = &b->img.events[b->view.info->ix];
	static int8_t known[BENCH_MAX];
	unsigned n = 0;

	memset(known, -1, sizeof(known));
	for (uint32_t i = 0; i < ix->n_refs; i++) {
		uint32_t rule = b->rulerefs[ix->refs_first + i], at = b->rules[rule].entry;

		while (b->rules[rule].enabled && at != IMG_ACCEPT && at != IMG_REJECT) {
			const struct img_node *node = &b->nodes[at];

			if (known[node->pred] < 0)
				known[node->pred] = evl_pred_eval(&b->e, &b->preds[node->pred]);
			at = known[node->pred] ? node->if_true : node->if_false;
		}
		if (b->rules[rule].enabled && at == IMG_ACCEPT)
			ret[n++] = rule;
	}
	return n;
}

static unsigned by_sift(struct bench *b, uint32_t *ret)
{
	unsigned n = 0;

	while (evl_match_next(&b->e, &ret[n]))
		n++;
	return n;
}

/* Both, starting from the same count of util.cnt and coming to the same. */
static unsigned compare(struct bench *b)
{
	uint32_t got[RULES_MAX + 1], want[RULES_MAX + 1];
	uint64_t before = b->e.n_extracted, after;
	unsigned n_got = by_sift(b, got), n_want;

	after = b->e.n_extracted;
	b->e.n_extracted = before;
	n_want = by_programs(b, want);
	assert_int_equal(n_got, n_want);
	assert_memory_equal(got, want, n_want * sizeof(*want));
	assert_int_equal(after, b->e.n_extracted);
	return n_want;
}

struct seen {
	unsigned matches, excluded, without_class, given_up, many_rules;
};

static void one_event(struct bench *b, struct seen *seen)
{
	if (rnd(100) == 0)
		random_thread(b);
	if (rnd(400) == 0)
		bench_user(b, "", rnd(2), rnd(2) ? "root" : "bob");
	random_event(b);
	seen->matches += compare(b);
	seen->excluded += b->e.turn.excluded != 0;
	seen->without_class += !b->e.turn.cls;
	seen->many_rules += b->e.turn.next > 64;
	if (b->e.realpath.p) {
		evl_event_second_name(&b->e);
		seen->matches += compare(b);
	}
}

static struct seen differ(uint32_t rounds, uint32_t events, uint32_t n_rules, bool with_counting)
{
	struct seen seen = {0};

	for (uint32_t round = 0; round < rounds; round++) {
		struct bench *b = bench_new();

		random_policy(b, n_rules, with_counting);
		bench_start(b);
		evl_sift_limit(&b->e, classes_max);
		for (unsigned i = 0; i < 8; i++)
			random_thread(b);
		for (uint32_t i = 0; i < events; i++)
			one_event(b, &seen);
		seen.given_up += evl_sift_given_up(&b->e);
		bench_free(b);
	}
	/* else this would show nothing */
	assert_true(seen.matches > rounds * events / 10);
	assert_true(seen.excluded > rounds * events / 50);
	return seen;
}

static void test_match_next__random_policies__as_their_programs(void **state)
{
	(void)state;
	seed = 1;
	(void)differ(100, 400, 24, false);
}

static void test_match_next__more_rules_than_bits__as_their_programs(void **state)
{
	(void)state;
	seed = 2000000;
	n_of_8_rejected = 2;
	assert_true(differ(10, 400, RULES_MAX, false).many_rules > 100);
	n_of_8_rejected = 4;
}

static void test_match_next__util_cnt__asked_for_as_often(void **state)
{
	(void)state;
	seed = 4000000;
	(void)differ(60, 400, 24, true);
}

/* Events of which more classes come than there is room for; after a while they find room again. */
static void test_match_next__too_many_classes__as_their_programs(void **state)
{
	struct seen seen;

	(void)state;
	seed = 6000000;
	classes_max = 6;
	seen = differ(2, 40000, 24, false);
	assert_true(seen.without_class > 1000);
	assert_true(seen.given_up > 0);
	classes_max = UINT32_MAX;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match_next__random_policies__as_their_programs),
		cmocka_unit_test(test_match_next__more_rules_than_bits__as_their_programs),
		cmocka_unit_test(test_match_next__util_cnt__asked_for_as_often),
		cmocka_unit_test(test_match_next__too_many_classes__as_their_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
