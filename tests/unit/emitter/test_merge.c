/* SPDX-License-Identifier: Apache-2.0 */
/* The merge as a model: a tracker, K evaluators that die and come back, one emitter, scheduled at
 * random in one process over real rings. Whatever the schedule, the alerts come out in the order of
 * a sequential judgement, each once. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <base/hash.h>
#include <base/macros.h>

#include "alerts.h"
#include "merge.h"

#define EVALUATORS 4
#define EVENTS 300

struct model {
	unsigned k;
	struct spsc_fds fds[EVALUATORS];
	struct spsc_producer out[EVALUATORS];
	struct progress_tracker tracker;
	struct progress_evaluator progress[EVALUATORS];
	struct stats_page stats;
	struct merge merge;
	uint64_t queue[EVALUATORS][EVENTS + 2]; /* what the tracker sent to i */
	size_t n_queue[EVALUATORS], pos[EVALUATORS], commit[EVALUATORS];
	uint64_t next_ord;
	uint64_t rng, salt;
	uint64_t got[EVENTS * 3];
	size_t n_got;
};

static uint64_t rnd(struct model *m, uint64_t n)
{
	m->rng = hash_u64(m->rng);
	return m->rng % n;
}

/* What the judgement of an event gives, whoever makes it: 0 to 2 alerts. */
static unsigned n_alerts(const struct model *m, uint64_t ord)
{
	static const unsigned counts[] = {0, 1, 0, 2, 1, 0};

	return counts[hash_u64(ord ^ m->salt) % ARRAY_LEN(counts)];
}

static void model_start(struct model *m, unsigned k, uint64_t seed)
{
	static const uint8_t run_id[16];

	*m = (struct model){.k = k, .next_ord = 1, .rng = seed, .salt = seed / 3};
	m->tracker.upto = 1;
	m->merge.n = k;
	m->merge.tracker = &m->tracker;
	m->merge.stats = &m->stats;
	for (unsigned i = 0; i < k; i++) {
		assert_int_equal(spsc_create("alert", SPSC_SIZE_MIN, false, run_id, &m->fds[i]), 0);
		assert_int_equal(spsc_producer_attach(
					 &m->out[i], m->fds[i].data_rw, m->fds[i].cursor_ro, -1),
			0);
		assert_int_equal(spsc_consumer_attach(&m->merge.rings[i].in, m->fds[i].data_ro,
					 m->fds[i].cursor_rw),
			0);
		m->merge.rings[i].progress = &m->progress[i];
		m->progress[i].at = 1;
	}
}

static void model_stop(struct model *m)
{
	for (unsigned i = 0; i < m->k; i++) {
		spsc_producer_done(&m->out[i]);
		spsc_consumer_done(&m->merge.rings[i].in);
		spsc_fds_close(&m->fds[i]);
	}
}

/* A batch: events to one ring each, state records to all, then last[] and upto. */
static void step_tracker(struct model *m)
{
	uint64_t last[EVALUATORS] = {0};

	for (uint64_t n = 1 + rnd(m, 5); n && m->next_ord <= EVENTS; n--) {
		uint64_t ord = m->next_ord++;
		bool to_all = hash_u64(ord) % 7 == 0;

		for (unsigned i = 0; i < m->k; i++) {
			if (!to_all && hash_u64(ord + 99) % m->k != i)
				continue;
			m->queue[i][m->n_queue[i]++] = to_all ? ord | UINT64_C(1) << 63 : ord;
			last[i] = ord;
		}
	}
	for (unsigned i = 0; i < m->k; i++)
		if (last[i])
			m->tracker.last[i] = last[i];
	if (rnd(m, 3) || m->next_ord > EVENTS)
		m->tracker.upto = m->next_ord;
}

static void put_alert(struct model *m, unsigned i, uint64_t ord, uint32_t rule)
{
	const struct alert *a = alerts_finish(alerts_new(), ord, rule, 4, "R", SPAN_LIT("m"));
	struct spsc_rec *rec;
	uint32_t len;

	assert_int_equal(spsc_reserve(&m->out[i], a->h.ring.len, REC_ALERT, &rec), 0);
	len = rec->len;
	memcpy(rec, a, a->h.ring.len);
	rec->len = len;
	spsc_commit(&m->out[i], len);
}

static void step_evaluator(struct model *m, unsigned i)
{
	uint64_t ord;

	if (rnd(m, 10) ==
		0) { /* killed: goes on at its commit, and raises again what it had raised */
		m->pos[i] = m->commit[i];
		return;
	}
	if (m->pos[i] == m->n_queue[i])
		return;
	ord = m->queue[i][m->pos[i]++];
	m->progress[i].at = ord & ~(UINT64_C(1) << 63);
	if (!(ord >> 63)) {
		for (unsigned rule = 0; rule < n_alerts(m, ord); rule++)
			put_alert(m, i, ord, rule);
		spsc_publish(&m->out[i]);
	}
	if (rnd(m, 4))
		m->progress[i].at = (ord & ~(UINT64_C(1) << 63)) + 1;
	else
		m->pos[i]--; /* killed between publishing and its second store */
	if (rnd(m, 3) == 0)
		m->commit[i] = m->pos[i];
}

static void step_emitter(struct model *m)
{
	const struct alert *a;

	merge_look(&m->merge);
	for (uint64_t n = rnd(m, 6); n && merge_next(&m->merge, 0, &a) > 0; n--)
		m->got[m->n_got++] = a->h.ord * 10 + a->rule;
	if (rnd(m, 2))
		merge_commit(&m->merge);
}

static void put_end(struct model *m, unsigned i)
{
	struct spsc_rec *rec;

	assert_int_equal(spsc_reserve(&m->out[i], sizeof(struct rec_head), REC_END, &rec), 0);
	memset(rec + 1, 0, sizeof(struct rec_head) - sizeof(*rec));
	spsc_commit(&m->out[i], sizeof(struct rec_head));
	spsc_publish(&m->out[i]);
}

static void check_all(struct model *m)
{
	size_t n = 0;

	for (uint64_t ord = 1; ord <= EVENTS; ord++) {
		if (hash_u64(ord) % 7 == 0)
			continue;
		for (unsigned rule = 0; rule < n_alerts(m, ord); rule++, n++)
			assert_int_equal(m->got[n], ord * 10 + rule);
	}
	assert_int_equal(m->n_got, n);
	assert_true(n > EVENTS / 3);
}

static bool is_judged(const struct model *m)
{
	for (unsigned i = 0; i < m->k; i++)
		if (m->pos[i] < m->n_queue[i])
			return false;
	return m->next_ord > EVENTS;
}

static void run_model(unsigned k, uint64_t seed)
{
	static struct model m;
	const struct alert *a;
	int r;

	model_start(&m, k, seed);
	while (!is_judged(&m)) {
		uint64_t who = rnd(&m, k + 2);

		if (who == 0)
			step_tracker(&m);
		else if (who == 1)
			step_emitter(&m);
		else
			step_evaluator(&m, (unsigned)who - 2);
	}
	for (unsigned i = 0; i < k; i++)
		put_end(&m, i);
	merge_look(&m.merge);
	while ((r = merge_next(&m.merge, 0, &a)) > 0)
		m.got[m.n_got++] = a->h.ord * 10 + a->rule;
	assert_int_equal(r, -ENODATA);
	check_all(&m);
	assert_true(k > 1 || m.stats.repeats > 0);
	model_stop(&m);
}

static void test_merge__random_schedules__sequential_order(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		run_model(1, seed);
		run_model(2, seed);
		run_model(4, seed);
	}
}

static void test_merge__silent_evaluator__alert_waits_for_it(void **state)
{
	static struct model m;
	const struct alert *a;

	(void)state;
	model_start(&m, 2, 1);
	put_alert(&m, 0, 5, 0);
	spsc_publish(&m.out[0]);
	m.tracker.upto = 6;
	m.tracker.last[0] = 5;
	m.tracker.last[1] = 4; /* evaluator 1 has yet to judge 4 */
	m.progress[0].at = 6;
	m.progress[1].at = 4;
	merge_look(&m.merge);
	assert_int_equal(merge_next(&m.merge, 0, &a), 0);
	assert_true(m.merge.is_held);
	m.progress[1].at = 5; /* it has nothing more: the tracker's word counts */
	merge_look(&m.merge);
	assert_int_equal(merge_next(&m.merge, 0, &a), 1);
	assert_int_equal(a->h.ord, 5);
	model_stop(&m);
}

static void test_merge__evaluator_without_a_record__not_waited_for(void **state)
{
	static struct model m;
	const struct alert *a;

	(void)state;
	model_start(&m, 2, 1);
	put_alert(&m, 0, 5, 0);
	spsc_publish(&m.out[0]);
	m.tracker.last[0] = 5;
	m.progress[0].at = 6;
	m.progress[1].at = 0;
	m.tracker.upto = 5; /* what it will be sent may still come before */
	merge_look(&m.merge);
	assert_int_equal(merge_next(&m.merge, 0, &a), 0);
	m.tracker.upto = 6;
	merge_look(&m.merge);
	assert_int_equal(merge_next(&m.merge, 0, &a), 1);
	model_stop(&m);
}

static void test_merge__hung_evaluator_live__waits_one_deadline(void **state)
{
	static struct model m;
	const struct alert *a;

	(void)state;
	model_start(&m, 2, 1);
	m.merge.patience_ns = 100;
	put_alert(&m, 0, 5, 0);
	spsc_publish(&m.out[0]);
	m.tracker.upto = 6;
	m.tracker.last[1] = 4;
	m.progress[1].at = 2;
	merge_look(&m.merge);
	assert_int_equal(merge_next(&m.merge, 1000, &a), 0);
	assert_int_equal(merge_next(&m.merge, 1099, &a), 0);
	m.progress[1].at = 3; /* it moves: another deadline */
	merge_look(&m.merge);
	assert_int_equal(merge_next(&m.merge, 1150, &a), 0);
	assert_int_equal(merge_next(&m.merge, 1249, &a), 0);
	assert_int_equal(merge_next(&m.merge, 1250, &a), 1);
	model_stop(&m);
}

static void test_merge__malformed_alert__counted_and_passed_over(void **state)
{
	static struct model m;
	const struct alert *a;
	struct spsc_rec *rec;

	(void)state;
	model_start(&m, 1, 1);
	assert_int_equal(spsc_reserve(&m.out[0], 64, REC_ALERT, &rec), 0);
	memset(rec + 1, 0xff, 56);
	spsc_commit(&m.out[0], 64);
	put_alert(&m, 0, 5, 1);
	spsc_publish(&m.out[0]);
	m.tracker.upto = 6;
	merge_look(&m.merge);
	assert_int_equal(merge_next(&m.merge, 0, &a), 1);
	assert_int_equal(a->rule, 1);
	assert_int_equal(m.stats.loss[LOSS_OUT_MALFORMED], 1);
	assert_int_equal(m.stats.alerts, 1);
	model_stop(&m);
}

static void test_merge__not_committed__found_again_by_the_next(void **state)
{
	static struct model m;
	const struct alert *a;

	(void)state;
	model_start(&m, 1, 1);
	put_alert(&m, 0, 5, 0);
	put_alert(&m, 0, 6, 0);
	spsc_publish(&m.out[0]);
	m.tracker.upto = 7;
	merge_look(&m.merge);
	assert_int_equal(merge_next(&m.merge, 0, &a), 1);
	merge_commit(&m.merge); /* 5, not 6 */
	assert_int_equal(merge_next(&m.merge, 0, &a), 1);
	spsc_consumer_done(&m.merge.rings[0].in);
	m.merge.rings[0] = (struct merge_ring){.progress = &m.progress[0]};
	assert_int_equal(
		spsc_consumer_attach(&m.merge.rings[0].in, m.fds[0].data_ro, m.fds[0].cursor_rw),
		0);
	merge_look(&m.merge);
	assert_int_equal(merge_next(&m.merge, 0, &a), 1);
	assert_int_equal(a->h.ord, 6);
	assert_int_equal(merge_next(&m.merge, 0, &a), 0);
	model_stop(&m);
}

static void test_pass__settled_part__the_rest_is_found_again(void **state)
{
	static struct model m;
	struct merge_mark marks[4];
	const struct alert *a;

	(void)state;
	model_start(&m, 2, 1);
	put_alert(&m, 0, 5, 0);
	put_alert(&m, 1, 6, 0);
	put_alert(&m, 0, 7, 0);
	put_alert(&m, 0, 8, 0);
	spsc_publish(&m.out[0]);
	spsc_publish(&m.out[1]);
	m.tracker.upto = 9;
	m.tracker.last[0] = m.tracker.last[1] = 8;
	m.progress[0].at = m.progress[1].at = 9;
	merge_look(&m.merge);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(merge_next(&m.merge, 0, &a), 1);
		assert_int_equal(a->h.ord, 5 + i);
		merge_mark(&m.merge, &marks[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		merge_pass(&m.merge, &marks[i]);
	merge_commit_passed(&m.merge); /* 5, 6, 7; the sink still has 8 in hand */
	for (unsigned i = 0; i < 2; i++) {
		spsc_consumer_done(&m.merge.rings[i].in);
		m.merge.rings[i] = (struct merge_ring){.progress = &m.progress[i]};
		assert_int_equal(spsc_consumer_attach(&m.merge.rings[i].in, m.fds[i].data_ro,
					 m.fds[i].cursor_rw),
			0);
	}
	merge_look(&m.merge);
	assert_int_equal(merge_next(&m.merge, 0, &a), 1);
	assert_int_equal(a->h.ord, 8);
	assert_int_equal(merge_next(&m.merge, 0, &a), 0);
	model_stop(&m);
}

static void test_arm__held_alert__waits_for_the_empty_ring_only(void **state)
{
	static struct model m;
	const struct alert *a;

	(void)state;
	model_start(&m, 2, 1);
	put_alert(&m, 0, 5, 0);
	spsc_publish(&m.out[0]);
	merge_look(&m.merge);
	assert_int_equal(merge_next(&m.merge, 0, &a), 0);
	assert_true(merge_arm(&m.merge));
	merge_disarm(&m.merge);
	put_alert(&m, 1, 4, 0);
	spsc_publish(&m.out[1]);
	assert_false(merge_arm(&m.merge));
	model_stop(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge__random_schedules__sequential_order),
		cmocka_unit_test(test_merge__silent_evaluator__alert_waits_for_it),
		cmocka_unit_test(test_merge__evaluator_without_a_record__not_waited_for),
		cmocka_unit_test(test_merge__hung_evaluator_live__waits_one_deadline),
		cmocka_unit_test(test_merge__malformed_alert__counted_and_passed_over),
		cmocka_unit_test(test_merge__not_committed__found_again_by_the_next),
		cmocka_unit_test(test_pass__settled_part__the_rest_is_found_again),
		cmocka_unit_test(test_arm__held_alert__waits_for_the_empty_ring_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
