/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger over made-up pages: where each figure comes from, that a missing event shows, and that
 * nothing is made to fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sup.h"

/* What the kernel says of programs that it skipped. */
static uint64_t recursion;
uint64_t __wrap_sup_bpf_recursion(const struct sup *s);
uint64_t __wrap_sup_bpf_recursion(const struct sup *s)
{
	(void)s;
	return recursion;
}

struct world {
	struct sup s;
	struct plan_config config;
	struct plan_proc procs[6];
	struct sup_child children[6];
	struct stats_page stats[6];
	struct progress_tracker tracker;
	struct progress_evaluator evaluators[2];
	struct kshm_counters counters[2];
};

/* supervisor, collector, tracker, two evaluators, one emitter; 100 events seen, all judged. */
static struct world *world(enum settings_engine engine)
{
	static const enum plan_type types[] = {PLAN_SUPERVISOR, PLAN_COLLECTOR, PLAN_TRACKER,
		PLAN_EVALUATOR, PLAN_EVALUATOR, PLAN_EMITTER};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->config.engine = engine;
	w->s.config = &w->config;
	w->s.children = w->children;
	w->s.n_children = 6;
	w->s.plan.n_cpus = 2;
	w->s.bpf.counters = engine == ENGINE_BPF ? w->counters : NULL;
	for (unsigned i = 0; i < 6; i++) {
		w->procs[i] = (struct plan_proc){.row = plan_row(types[i]), .type = types[i]};
		w->children[i].proc = &w->procs[i];
		w->children[i].stats = i ? &w->stats[i] : NULL;
	}
	w->children[2].progress = &w->tracker;
	w->children[3].progress = &w->evaluators[0];
	w->children[4].progress = &w->evaluators[1];
	w->counters[0].seen[1] = w->counters[0].submitted[1] = 60;
	w->counters[1].seen[3] = w->counters[1].submitted[3] = 40;
	w->stats[1].events = w->stats[1].raw_events = 100;
	w->tracker.applied = 100;
	w->tracker.judged_here = 70;
	w->tracker.forwarded[0] = 20;
	w->tracker.forwarded[1] = 10;
	w->evaluators[0].judged = 20;
	w->evaluators[1].judged = 10;
	return w;
}

static struct sup_ledger read_ledger(const struct world *w)
{
	struct sup_ledger l;

	sup_ledger_read(&w->s, &l);
	return l;
}

static void test_sup_ledger_read__all_judged__balanced(void **state)
{
	static const enum settings_engine engines[] = {ENGINE_BPF, ENGINE_SYNTHETIC};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world *w = world(engines[i]);
		struct sup_ledger l = read_ledger(w);

		assert_int_equal(l.seen, 100);
		assert_int_equal(l.judged, 100);
		assert_int_equal(l.in_flight, 0);
		assert_int_equal(l.lost, 0);
		assert_true(l.is_balanced);
		free(w);
	}
}

static void test_sup_ledger_read__events_on_their_way__in_flight_at_each_place(void **state)
{
	struct world *w = world(ENGINE_BPF);
	struct sup_ledger l;

	(void)state;
	w->counters[0].seen[2] = w->counters[0].submitted[2] = 7; /* in the kernel's buffers */
	l = read_ledger(w);
	assert_int_equal(l.in_flight, 7);
	assert_true(l.is_balanced);
	w->stats[1].events = w->stats[1].raw_events = 105; /* five of them in the raw ring */
	l = read_ledger(w);
	assert_int_equal(l.in_flight, 7);
	w->tracker.applied = 105; /* in an event ring */
	w->tracker.forwarded[1] = 15;
	l = read_ledger(w);
	assert_int_equal(l.in_flight, 7);
	assert_true(l.is_balanced);
	w->evaluators[1].judged = 15;
	l = read_ledger(w);
	assert_int_equal(l.in_flight, 2);
	assert_int_equal(l.judged, 105);
	assert_true(l.is_balanced);
	free(w);
}

static void test_sup_ledger_read__losses__each_under_its_name(void **state)
{
	struct world *w = world(ENGINE_BPF);
	struct sup_ledger l;

	(void)state;
	w->counters[1].seen[3] += 11;
	w->counters[1].lost_full[3] = 5;
	w->counters[1].lost_flood[3] = 3;
	w->counters[1].lost_scratch[3] = 2;
	w->counters[1].lost_size[3] = 1;
	w->stats[1].events += 4; /* taken, refused at the door */
	w->counters[0].seen[1] += 4;
	w->counters[0].submitted[1] += 4;
	w->stats[1].loss[LOSS_COLLECTOR_MALFORMED] = 4;
	l = read_ledger(w);
	assert_int_equal(l.loss[LOSS_KERNEL_FULL_LOW], 5);
	assert_int_equal(l.loss[LOSS_KERNEL_SHED_FLOOD], 3);
	assert_int_equal(l.loss[LOSS_KERNEL_SCRATCH], 2);
	assert_int_equal(l.loss[LOSS_KERNEL_TOO_BIG], 1);
	assert_int_equal(l.lost, 15);
	assert_true(l.is_balanced);
	free(w);
}

static void test_sup_ledger_read__skipped_programs__seen_and_lost(void **state)
{
	struct world *w = world(ENGINE_BPF);
	struct sup_ledger l;

	(void)state;
	recursion = 9;
	l = read_ledger(w);
	recursion = 0;
	assert_int_equal(l.loss[LOSS_KERNEL_RECURSION], 9);
	assert_int_equal(l.seen, 109);
	assert_true(l.is_balanced);
	free(w);
}

static void test_sup_ledger_read__classes__by_name(void **state)
{
	struct world *w = world(ENGINE_BPF);
	struct sup_ledger l;

	(void)state;
	w->counters[0].seen[1] += 3;
	w->counters[0].lost_full[1] = 3;
	w->counters[1].seen[2] += 4;
	w->counters[1].lost_full[2] = 4;
	l = read_ledger(w);
	assert_int_equal(l.loss[LOSS_KERNEL_FULL_HIGH], 3);
	assert_int_equal(l.loss[LOSS_KERNEL_FULL_MEDIUM], 4);
	assert_int_equal(l.loss[LOSS_KERNEL_FULL_LOW], 0);
	assert_true(l.is_balanced);
	free(w);
}

static void test_sup_ledger_read__output_losses__not_events(void **state)
{
	struct world *w = world(ENGINE_SYNTHETIC);

	(void)state;
	w->stats[5].loss[LOSS_OUT_SINK_FAILED] = 9;
	w->stats[3].loss[LOSS_OUT_RING_FULL] = 9;
	w->stats[3].out[0].ring_full = 4;
	w->stats[3].out[1].ring_full = 5; /* another output's */
	w->stats[4].out[0].ring_full = 2;
	w->stats[4].out[0].too_big = 1;
	assert_int_equal(read_ledger(w).lost, 0);
	assert_int_equal(sup_output_lost(&w->s, &w->children[5], LOSS_OUT_SINK_FAILED), 9);
	assert_int_equal(sup_output_lost(&w->s, &w->children[5], LOSS_OUT_RING_FULL), 6);
	assert_int_equal(sup_output_lost(&w->s, &w->children[5], LOSS_OUT_TOO_BIG), 1);
	assert_int_equal(sup_output_lost(&w->s, &w->children[5], LOSS_RING_FAULT), 0);
	free(w);
}

/* What vanished without a name must not be hidden. */
static void test_sup_ledger_read__event_missing__not_balanced(void **state)
{
	struct world *w = world(ENGINE_BPF);

	(void)state;
	w->counters[0].seen[1]++; /* selected, never submitted, never counted as lost */
	assert_false(read_ledger(w).is_balanced);
	w->counters[0].seen[1]--;
	w->tracker.judged_here--;
	assert_false(read_ledger(w).is_balanced);
	w->tracker.judged_here++;
	assert_true(read_ledger(w).is_balanced);
	free(w);
}

static void test_sup_ledger_read__ended_by_force__undrained_instead_of_in_flight(void **state)
{
	struct world *w = world(ENGINE_BPF);
	struct sup_ledger l;

	(void)state;
	w->counters[0].seen[2] = w->counters[0].submitted[2] = 7;
	w->s.undrained = 7;
	l = read_ledger(w);
	assert_int_equal(l.in_flight, 0);
	assert_int_equal(l.loss[LOSS_STOP_UNDRAINED], 7);
	assert_true(l.is_balanced);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sup_ledger_read__all_judged__balanced),
		cmocka_unit_test(
			test_sup_ledger_read__events_on_their_way__in_flight_at_each_place),
		cmocka_unit_test(test_sup_ledger_read__losses__each_under_its_name),
		cmocka_unit_test(test_sup_ledger_read__skipped_programs__seen_and_lost),
		cmocka_unit_test(test_sup_ledger_read__classes__by_name),
		cmocka_unit_test(test_sup_ledger_read__output_losses__not_events),
		cmocka_unit_test(test_sup_ledger_read__event_missing__not_balanced),
		cmocka_unit_test(
			test_sup_ledger_read__ended_by_force__undrained_instead_of_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
