/* SPDX-License-Identifier: Apache-2.0 */
/* Rings at fault, with real segments and made-up stages: who is believed, what is counted as lost,
 * and that the ledger adds up before and after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <base/macros.h>
#include <shm/rec.h>
#include <shm/segment.h>

#include "sup.h"

enum { SUP, COLLECTOR, TRACKER, EVALUATOR, EMITTER, N_PROCS };
enum { RAW, EVENT, ALERT, N_RINGS };

struct world {
	struct sup s;
	struct plan_config config;
	struct plan_proc procs[N_PROCS];
	struct plan_ring rings[N_RINGS];
	struct spsc_fds fds[N_RINGS];
	struct sup_fault faults[N_RINGS];
	struct sup_child children[N_PROCS];
	struct stats_page stats[N_PROCS];
	struct progress_tracker tracker;
	struct progress_evaluator evaluator;
};

static const struct plan_ring_row slots_row = {.flags = PLAN_SLOTS}, plain_row;
static const uint8_t run_id[16];

static int setup(void **state)
{
	static const enum plan_type types[N_PROCS] = {
		PLAN_SUPERVISOR, PLAN_COLLECTOR, PLAN_TRACKER, PLAN_EVALUATOR, PLAN_EMITTER};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->config = (struct plan_config){.engine = ENGINE_SYNTHETIC, .n_evaluators = 1};
	w->s.config = &w->config;
	w->s.children = w->children;
	w->s.n_children = N_PROCS;
	w->s.plan = (struct plan){.rings = w->rings, .n_rings = N_RINGS, .n_cpus = 2};
	w->s.rings = w->fds;
	w->s.faults = w->faults;
	for (unsigned i = 0; i < N_PROCS; i++) {
		w->procs[i] = (struct plan_proc){.row = plan_row(types[i]), .type = types[i]};
		w->children[i] = (struct sup_child){.proc = &w->procs[i],
			.stats = i ? &w->stats[i] : NULL,
			.state = LC_BACKOFF};
	}
	w->children[TRACKER].progress = &w->tracker;
	w->children[EVALUATOR].progress = &w->evaluator;
	for (unsigned i = 0; i < N_RINGS; i++) {
		w->rings[i] = (struct plan_ring){.row = i == ALERT ? &plain_row : &slots_row,
			.name = "ring",
			.from = COLLECTOR + i,
			.to = COLLECTOR + i + 1,
			.size = SPSC_SIZE_MIN};
		assert_int_equal(
			spsc_create("ring", SPSC_SIZE_MIN, i != ALERT, run_id, &w->fds[i]), 0);
	}
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < N_RINGS; i++)
		spsc_fds_close(&w->fds[i]);
	free(w);
	return 0;
}

/* @n records, with the figures of the restart slot behind them. */
static void put(struct world *w, unsigned ring, unsigned n, uint64_t next_seq, const uint64_t *pos,
	unsigned n_pos)
{
	struct spsc_producer p;
	struct spsc_rec *rec;

	assert_int_equal(
		spsc_producer_attach(&p, w->fds[ring].data_rw, w->fds[ring].cursor_ro, -1), 0);
	for (; n; n--) {
		assert_int_equal(spsc_reserve(&p, sizeof(struct rec_head), REC_ALERT, &rec), 0);
		spsc_commit(&p, sizeof(struct rec_head));
	}
	if (n_pos)
		assert_int_equal(spsc_slot_write(&p, next_seq, pos, n_pos), 0);
	spsc_publish(&p);
	spsc_producer_done(&p);
}

static uint64_t take(struct world *w, unsigned ring, unsigned n)
{
	const struct spsc_rec *rec;
	struct spsc_consumer c;
	uint64_t pos;

	assert_int_equal(spsc_consumer_attach(&c, w->fds[ring].data_ro, w->fds[ring].cursor_rw), 0);
	for (; n; n--)
		assert_int_equal(spsc_next(&c, &rec), 1);
	spsc_consumer_commit(&c);
	pos = spsc_consumer_pos(&c);
	spsc_consumer_done(&c);
	return pos;
}

static void write_garbage(struct world *w, unsigned ring)
{
	struct spsc_data_page *page;
	void *p;
	size_t n;

	assert_int_equal(
		seg_map(w->fds[ring].data_rw, SEG_RING_DATA, PROT_READ | PROT_WRITE, &p, &n), 0);
	page = p;
	memset((uint8_t *)p + n - SPSC_SIZE_MIN + (page->head & (SPSC_SIZE_MIN - 1)), 0xff, 64);
	page->head += 64;
	seg_unmap(p, n);
}

static void report(struct world *w, unsigned child, uint16_t role, uint32_t index)
{
	struct ctl_msg m = {.role = role, .index = index};

	sup_ringfault_report(&w->s, &w->children[child], &m);
}

/* Both of its ends may start, and find an empty ring. */
static void check_fresh(struct world *w, unsigned ring, uint64_t pos)
{
	struct spsc_consumer c;
	struct spsc_producer p;
	const struct spsc_rec *rec;

	assert_true(w->faults[ring].is_open);
	assert_true(sup_ringfault_may_start(&w->s, &w->children[w->rings[ring].to], 1));
	assert_true(sup_ringfault_may_start(&w->s, &w->children[w->rings[ring].from], 1));
	assert_false(w->faults[ring].is_open);
	assert_int_equal(
		spsc_producer_attach(&p, w->fds[ring].data_rw, w->fds[ring].cursor_ro, -1), 0);
	assert_int_equal(spsc_consumer_attach(&c, w->fds[ring].data_ro, w->fds[ring].cursor_rw), 0);
	assert_int_equal(spsc_next(&c, &rec), 0);
	assert_int_equal(spsc_consumer_pos(&c), pos);
	spsc_consumer_done(&c);
	spsc_producer_done(&p);
}

static struct sup_ledger read_ledger(const struct world *w)
{
	struct sup_ledger l;

	sup_ledger_read(&w->s, &l);
	return l;
}

static struct spsc_slot slot_of(struct world *w, unsigned ring)
{
	struct spsc_producer p;
	struct spsc_slot slot;

	assert_int_equal(
		spsc_producer_attach(&p, w->fds[ring].data_rw, w->fds[ring].cursor_ro, -1), 0);
	assert_int_equal(spsc_slot_read(&p, &slot), 0);
	spsc_producer_done(&p);
	return slot;
}

/* 10 events numbered, 4 applied: 3 judged by the tracker itself, one forwarded and judged. */
static uint64_t ten_events(struct world *w)
{
	const uint64_t pos[2] = {1000, 2000};
	uint64_t figures[_EVENT_SLOT_MAX] = {[EVENT_SLOT_FORWARDED] = 1};
	uint64_t tail;

	w->stats[COLLECTOR].events = w->stats[COLLECTOR].raw_events = 10;
	put(w, RAW, 10, 11, pos, 2);
	tail = take(w, RAW, 4);
	put(w, EVENT, 1, 5, figures, _EVENT_SLOT_MAX);
	w->tracker.applied = 4;
	w->tracker.judged_here = 3;
	w->tracker.last_seq = 4;
	w->tracker.forwarded[0] = 1;
	w->tracker.marks[0] = (struct progress_tracker_mark){
		.tail = tail, .applied = 4, .judged_here = 3, .last_seq = 4};
	w->evaluator.judged = 1;
	w->evaluator.marks[0] =
		(struct progress_evaluator_mark){.tail = take(w, EVENT, 1), .judged = 1};
	assert_true(read_ledger(w).is_balanced);
	assert_int_equal(read_ledger(w).in_flight, 6);
	return tail;
}

static void test_report__not_its_ring__not_believed(void **state)
{
	struct world *w = *state;

	report(w, TRACKER, FD_RING_IN_DATA, 1);
	report(w, TRACKER, FD_RING_OUT_DATA, 7);
	report(w, EMITTER, FD_RING_OUT_DATA, 0);
	report(w, COLLECTOR, FD_SETTINGS, 0);
	for (unsigned i = 0; i < N_RINGS; i++)
		assert_false(w->faults[i].is_open);
}

static void test_may_start__other_end_lives__waits(void **state)
{
	struct world *w = *state;

	report(w, TRACKER, FD_RING_IN_DATA, 0);
	assert_true(w->faults[RAW].is_open);
	w->children[COLLECTOR].pid = INT32_MAX; /* nobody's */
	assert_false(sup_ringfault_may_start(&w->s, &w->children[TRACKER], 1));
	assert_true(w->children[TRACKER].deadline_ns > 1);
	assert_true(sup_ringfault_may_start(&w->s, &w->children[EVALUATOR], 1));
	w->children[COLLECTOR].pid = 0;
	assert_true(sup_ringfault_may_start(&w->s, &w->children[TRACKER], 1));
}

static void test_raw__garbage__lost_by_name_and_numbers_go_on(void **state)
{
	struct world *w = *state;
	uint64_t tail = ten_events(w);
	struct sup_ledger l;
	struct spsc_slot slot;

	write_garbage(w, RAW);
	report(w, TRACKER, FD_RING_IN_DATA, 0);
	check_fresh(w, RAW, tail);
	l = read_ledger(w);
	assert_int_equal(l.loss[LOSS_RING_FAULT], 6);
	assert_int_equal(l.in_flight, 0);
	assert_true(l.is_balanced);
	slot = slot_of(w, RAW);
	assert_int_equal(slot.next_seq, 11);
	assert_int_equal(slot.cpu_pos[1], 2000);
	/* a second one: only what has come since then */
	w->stats[COLLECTOR].events = w->stats[COLLECTOR].raw_events = 12;
	put(w, RAW, 2, 13, slot.cpu_pos, 2);
	assert_int_equal(read_ledger(w).in_flight, 2);
	report(w, COLLECTOR, FD_RING_OUT_CURSOR, 0);
	check_fresh(w, RAW, tail);
	l = read_ledger(w);
	assert_int_equal(l.loss[LOSS_RING_FAULT], 8);
	assert_true(l.is_balanced && l.in_flight == 0);
}

/* It was killed between publishing two events to the evaluator and committing them. */
static void test_raw__tracker_died_before_its_commit__nothing_counted_twice(void **state)
{
	struct world *w = *state;
	uint64_t figures[_EVENT_SLOT_MAX] = {[EVENT_SLOT_FORWARDED] = 3, [EVENT_SLOT_SEQ] = 6};
	uint64_t tail = ten_events(w);
	struct sup_ledger l;

	put(w, EVENT, 2, 7, figures, _EVENT_SLOT_MAX);
	report(w, COLLECTOR, FD_RING_OUT_CURSOR, 0);
	check_fresh(w, RAW, tail);
	w->tracker.forwarded[0] = 3; /* its successor, by the slot */
	l = read_ledger(w);
	assert_int_equal(l.loss[LOSS_RING_FAULT], 4);
	assert_int_equal(l.in_flight, 2); /* for the evaluator */
	assert_true(l.is_balanced);
}

static void test_raw__slots_are_lies__numbers_behind_all_that_was_told(void **state)
{
	static const uint64_t lies[] = {1, 3, 4, UINT64_C(1) << 40};

	for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
		const uint64_t pos[1] = {77};
		struct world *w = *state;

		(void)teardown(state);
		(void)setup(state);
		w = *state;
		(void)ten_events(w);
		put(w, RAW, 1, lies[i], pos, 1);
		report(w, TRACKER, FD_RING_IN_DATA, 0);
		assert_true(sup_ringfault_may_start(&w->s, &w->children[TRACKER], 1));
		assert_int_equal(slot_of(w, RAW).next_seq, 11);
		assert_true(read_ledger(w).is_balanced);
	}
}

static void test_event__impossible_tail__lost_by_name_and_end_may_come_again(void **state)
{
	struct world *w = *state;
	uint64_t figures[_EVENT_SLOT_MAX] = {
		[EVENT_SLOT_FORWARDED] = 4, [EVENT_SLOT_SEQ] = 7, [EVENT_SLOT_ENDED] = 1};
	struct spsc_slot slot;
	struct sup_ledger l;

	(void)ten_events(w);
	put(w, EVENT, 3, 8, figures, _EVENT_SLOT_MAX);
	w->tracker.applied = 7;
	w->tracker.forwarded[0] = 4;
	assert_int_equal(read_ledger(w).in_flight, 6);
	write_garbage(w, EVENT);
	report(w, EVALUATOR, FD_RING_IN_DATA, 0);
	check_fresh(w, EVENT, 32);
	l = read_ledger(w);
	assert_int_equal(l.loss[LOSS_RING_FAULT], 3);
	assert_int_equal(l.in_flight, 3); /* in the raw ring */
	assert_true(l.is_balanced);
	slot = slot_of(w, EVENT);
	assert_int_equal(slot.cpu_pos[EVENT_SLOT_FORWARDED], 4);
	assert_int_equal(slot.cpu_pos[EVENT_SLOT_ENDED], 0);
}

static void test_alert__garbage__loss_of_the_output(void **state)
{
	struct world *w = *state;

	put(w, ALERT, 5, 0, NULL, 0);
	(void)take(w, ALERT, 2);
	write_garbage(w, ALERT);
	report(w, EMITTER, FD_RING_IN_DATA, 0);
	check_fresh(w, ALERT, 64);
	assert_int_equal(sup_output_lost(&w->s, &w->children[EMITTER], LOSS_OUT_RING_FAULT), 3);
	assert_int_equal(read_ledger(w).lost, 0);
	/* the last one is the END */
	put(w, ALERT, 2, 0, NULL, 0);
	w->evaluator.ended = 1;
	report(w, EVALUATOR, FD_RING_OUT_DATA, 0);
	check_fresh(w, ALERT, 64);
	assert_int_equal(sup_output_lost(&w->s, &w->children[EMITTER], LOSS_OUT_RING_FAULT), 4);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_report__not_its_ring__not_believed),
		T(test_may_start__other_end_lives__waits),
		T(test_raw__garbage__lost_by_name_and_numbers_go_on),
		T(test_raw__tracker_died_before_its_commit__nothing_counted_twice),
		T(test_raw__slots_are_lies__numbers_behind_all_that_was_told),
		T(test_event__impossible_tail__lost_by_name_and_end_may_come_again),
		T(test_alert__garbage__loss_of_the_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
