/* SPDX-License-Identifier: Apache-2.0 */
/* The graph: what plan_check() refuses, and that every expansion is whole: own names and uids, each
 * ring with both ends, memory within its bound. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <shm/engines.h>
#include <shm/spsc.h>

#include "plan.h"

static void set(char *p, size_t cap, const char *text)
{
	(void)snprintf(p, cap, "%s", text);
}

static struct plan_config *config(unsigned n_evaluators, unsigned n_outputs)
{
	struct plan_config *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->engine = ENGINE_BPF;
	c->n_evaluators = n_evaluators;
	c->threads_max = 1024;
	c->descriptors_max = 4096;
	c->rings_bytes = 256U << 20;
	c->synthetic_procs = 10;
	c->uids_first = 61000;
	c->uids_count = 200;
	c->log_level = 6;
	c->n_outputs = n_outputs;
	c->n_runtimes = 1;
	c->runtimes[0].kind = GATE_DOCKER;
	set(c->runtimes[0].path, sizeof(c->runtimes[0].path), "/run/docker.sock");
	set(c->control_socket, sizeof(c->control_socket), "/run/x");
	for (unsigned i = 0; i < n_outputs; i++) {
		c->outputs[i].kind = PLAN_OUT_STDOUT;
		(void)snprintf(c->outputs[i].name, sizeof(c->outputs[i].name), "out-%u", i);
	}
	return c;
}

static void expect_refused(const struct plan_config *c)
{
	const char *why = NULL;

	assert_int_equal(plan_check(c, &why), -EBADMSG);
	assert_non_null(why);
}

static void test_plan_check__each_range_broken__refused(void **state)
{
	const char *why;
	struct plan_config *c = config(2, 2), good = *c;

	(void)state;
	assert_int_equal(plan_check(c, &why), 0);
#define BREAK(expr)                                                                                \
	do {                                                                                       \
		*c = good;                                                                         \
		expr;                                                                              \
		expect_refused(c);                                                                 \
	} while (0)
	BREAK(c->engine = 0);
	BREAK(c->engine = 9);
	BREAK(c->n_evaluators = 0);
	BREAK(c->n_evaluators = 65);
	BREAK(c->snaplen = 65536);
	BREAK(c->rings_bytes = 1000);
	BREAK(c->threads_max = 0);
	BREAK(c->uids_first = 0);
	BREAK(c->uids_first = UINT32_MAX - 1);
	BREAK(c->uids_count = 70000);
	BREAK(c->n_outputs = PLAN_OUTPUTS_MAX + 1);
	BREAK(c->n_rules = PLAN_RULES_MAX + 1);
	BREAK(c->outputs[1].kind = 77);
	BREAK(c->outputs[1].kind = PLAN_OUT_FILE); /* without a path */
	BREAK(set(c->outputs[1].name, sizeof(c->outputs[1].name), "Upper"));
	BREAK(set(c->outputs[1].name, sizeof(c->outputs[1].name), "../x"));
	BREAK(c->outputs[1].name[0] = 0);
	BREAK(memset(c->outputs[1].name, 'a', sizeof(c->outputs[1].name)));
	BREAK(set(c->outputs[1].name, sizeof(c->outputs[1].name), c->outputs[0].name)); /* twice */
	BREAK(memset(c->outputs[0].path, 'a', sizeof(c->outputs[0].path)));
	BREAK(memset(c->control_socket, 'a', sizeof(c->control_socket)));
	BREAK(c->n_runtimes = GATE_RUNTIMES_MAX + 1);
	BREAK(c->engines_off = 1); /* the host, which nobody turns off */
	BREAK(c->engines_off = CTR_BIT(_CTR_MAX));
	BREAK(c->runtimes[0].kind = 0);
	BREAK(c->runtimes[0].kind = _GATE_KIND_MAX);
	BREAK(memset(c->runtimes[0].path, 'a', sizeof(c->runtimes[0].path)));
	BREAK(c->n_rules = 1; memset(c->rules[0], 'a', sizeof(c->rules[0])));
	free(c);
}

static void check_rings(const struct plan *p, const struct plan_config *c)
{
	uint64_t total = (uint64_t)p->bpf_ring_bytes * p->n_cpus;
	unsigned alert = 0;

	for (size_t i = 0; i < p->n_rings; i++) {
		const struct plan_ring *r = &p->rings[i];

		assert_true(r->from < p->n_procs && r->to < p->n_procs && r->from != r->to);
		assert_int_equal(p->procs[r->from].type, r->row->from);
		assert_int_equal(p->procs[r->to].type, r->row->to);
		if (r->row->to == PLAN_GATE || r->row->from == PLAN_GATE) {
			/* metadata has rings of other kinds beside these */
			assert_int_equal(
				r->out_index, r->row->to == PLAN_GATE ? CTL_INDEX_GATE : 0);
			assert_int_equal(
				r->in_index, r->row->from == PLAN_GATE ? CTL_INDEX_GATE : 0);
		} else if (r->row->from == PLAN_TRACKER && r->row->to == PLAN_METADATA) {
			assert_int_equal(r->out_index, CTL_INDEX_LOOKUP);
			assert_int_equal(r->in_index, CTL_INDEX_LOOKUP);
		} else {
			assert_int_equal(r->out_index, p->procs[r->to].index);
			assert_int_equal(r->in_index, p->procs[r->from].index);
		}
		assert_true(r->size >= SPSC_SIZE_MIN && (r->size & (r->size - 1)) == 0);
		total += r->size;
		alert += r->row->from == PLAN_EVALUATOR;
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(r->name, p->rings[j].name);
	}
	assert_int_equal(alert, c->n_evaluators * c->n_outputs);
	assert_true(total <= c->rings_bytes);
}

static void test_plan_build__any_size__whole(void **state)
{
	static const unsigned sizes[][2] = {{1, 1}, {2, 1}, {4, 3}, {16, 8}, {1, 0}};

	(void)state;
	for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
		struct plan_config *c = config(sizes[n][0], sizes[n][1]);
		const char *why = "";
		struct plan p;

		assert_int_equal(plan_build(c, PLAN_MODE_FULL, 2, &p, &why), 0);
		for (size_t i = 0; i < p.n_procs; i++) {
			for (size_t j = 0; j < i; j++) {
				assert_string_not_equal(p.procs[i].name, p.procs[j].name);
				assert_int_not_equal(p.procs[i].uid, p.procs[j].uid);
			}
			if (i > 0)
				assert_in_range(p.procs[i].uid, c->uids_first,
					c->uids_first + c->uids_count - 1);
		}
		check_rings(&p, c);
		plan_done(&p);
		free(c);
	}
}

static void test_plan_build__synthetic__nothing_of_the_kernel(void **state)
{
	struct plan_config *c = config(2, 1);
	const char *why = "";
	struct plan p;

	(void)state;
	c->engine = ENGINE_SYNTHETIC;
	assert_int_equal(plan_build(c, PLAN_MODE_USER, 2, &p, &why), 0);
	for (size_t i = 0; i < p.n_procs; i++) {
		assert_int_equal(p.procs[i].uid, 0);
		assert_true(p.procs[i].type != PLAN_LOADER && p.procs[i].type != PLAN_METADATA);
	}
	assert_int_equal(p.bpf_ring_bytes, 0);
	plan_done(&p);
	free(c);
}

static void test_plan_build__too_little_of_something__refused_with_reason(void **state)
{
	struct plan_config *c = config(8, 8);
	const char *why = "";
	struct plan p;

	(void)state;
	c->rings_bytes = 4U << 20;
	assert_int_equal(plan_build(c, PLAN_MODE_FULL, 2, &p, &why), -EINVAL);
	assert_non_null(strstr(why, "memory.rings"));
	c->rings_bytes = 256U << 20;
	c->uids_count = 10;
	assert_int_equal(plan_build(c, PLAN_MODE_FULL, 2, &p, &why), -EINVAL);
	assert_non_null(strstr(why, "uids.count"));
	free(c);
}

static void test_plan_required_seal__by_mode__only_what_cannot_be_is_left_out(void **state)
{
	(void)state;
	assert_int_equal(plan_required_seal(PLAN_TRACKER, PLAN_MODE_FULL, true), SEAL_STEPS_ALL);
	assert_int_equal(plan_required_seal(PLAN_TRACKER, PLAN_MODE_FULL, false),
		SEAL_STEPS_ALL & ~SEAL_LANDLOCK);
	for (unsigned t = 1; t < _PLAN_TYPE_MAX; t++) {
		/* an operator's program is executed, which makes it dumpable again */
		const uint32_t all = SEAL_NNP | SEAL_CAPS | SEAL_SECCOMP | SEAL_PDEATHSIG |
				     SEAL_RLIMITS |
				     (t == PLAN_PROGRAM ? 0U : (uint32_t)SEAL_DUMPABLE);

		for (unsigned m = 0; m <= PLAN_MODE_USER; m++)
			assert_int_equal(plan_required_seal(t, m, false) & all, all);
	}
	assert_int_equal(plan_required_seal(PLAN_PROGRAM, PLAN_MODE_FULL, true),
		SEAL_STEPS_ALL & ~(SEAL_NAMESPACES | SEAL_ROOT | SEAL_DUMPABLE));
}

static void test_plan_build__programs__uids_of_their_own_and_no_ring(void **state)
{
	struct plan_config *c = config(2, 3);
	const char *why = "";
	unsigned n_programs = 0;
	struct plan p;

	(void)state;
	c->outputs[0].kind = c->outputs[2].kind = PLAN_OUT_PROGRAM;
	assert_int_equal(plan_check(c, &why), -EBADMSG); /* without a command */
	set(c->outputs[0].path, sizeof(c->outputs[0].path), "cat");
	set(c->outputs[2].path, sizeof(c->outputs[2].path), "jq .");
	assert_int_equal(plan_check(c, &why), 0);
	assert_int_equal(plan_build(c, PLAN_MODE_FULL, 2, &p, &why), 0);
	for (size_t i = 1; i < p.n_procs; i++) {
		if (p.procs[i].type != PLAN_PROGRAM)
			continue;
		n_programs++;
		assert_string_equal(
			p.procs[i].name, p.procs[i].index == 0 ? "program-out-0" : "program-out-2");
		for (size_t k = 1; k < p.n_procs; k++)
			assert_true(k == i || p.procs[k].uid != p.procs[i].uid);
		for (size_t k = 0; k < p.n_rings; k++)
			assert_true(p.rings[k].from != i && p.rings[k].to != i);
	}
	assert_int_equal(n_programs, 2);
	c->outputs[0].rotate_size = 4096; /* a file's */
	assert_int_equal(plan_check(c, &why), -EBADMSG);
	plan_done(&p);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan_check__each_range_broken__refused),
		cmocka_unit_test(test_plan_build__any_size__whole),
		cmocka_unit_test(test_plan_build__synthetic__nothing_of_the_kernel),
		cmocka_unit_test(test_plan_build__too_little_of_something__refused_with_reason),
		cmocka_unit_test(test_plan_required_seal__by_mode__only_what_cannot_be_is_left_out),
		cmocka_unit_test(test_plan_build__programs__uids_of_their_own_and_no_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
