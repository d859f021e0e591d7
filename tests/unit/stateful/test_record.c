/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder's ring: what finds no room is counted and told in its place, so that the sum is right;
 * state finds room when events do not; where nothing may be lost the source waits. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <base/macros.h>
#include <shm/stats.h>

#include "record.h"

#define EVENT_BYTES 512

struct world {
	struct spsc_fds fds;
	struct st_record record;
	struct spsc_consumer in;
	uint64_t events, lost, states, states_lost; /* as the recorder sees them */
};

static const uint8_t run_id[16];

static void setup(struct world *w, bool can_lose)
{
	*w = (struct world){0};
	assert_int_equal(spsc_create("record", SPSC_SIZE_MIN, false, run_id, &w->fds), 0);
	assert_int_equal(
		spsc_producer_attach(&w->record.ring, w->fds.data_rw, w->fds.cursor_ro, -1), 0);
	assert_int_equal(spsc_consumer_attach(&w->in, w->fds.data_ro, w->fds.cursor_rw), 0);
	w->record.is_on = true;
	w->record.can_lose = can_lose;
}

static void teardown(struct world *w)
{
	spsc_producer_done(&w->record.ring);
	spsc_consumer_done(&w->in);
	spsc_fds_close(&w->fds);
}

static void put(struct world *w, uint16_t type, uint32_t len, uint64_t seq)
{
	static _Alignas(8) uint8_t buf[EVENT_BYTES];
	struct rec_head *rec = (struct rec_head *)buf;

	*rec = (struct rec_head){.ring = {.len = len, .type = type}, .seq = seq};
	st_record_put(&w->record, rec, seq + 1);
	spsc_publish(&w->record.ring);
}

/* Up to @max records. Losses stand where they happened: the numbers around one differ by it. */
static void take(struct world *w, unsigned max)
{
	const struct spsc_rec *rec;
	static uint64_t last, since;

	if (w->events == 0)
		last = since = 0;
	while (max-- > 0 && spsc_next(&w->in, &rec) > 0) {
		const struct rec_head *h = (const struct rec_head *)rec;

		if (rec->type == REC_LOSS &&
			((const struct rec_loss *)h)->reason == LOSS_OUT_RECORD_STATE) {
			w->states_lost += ((const struct rec_loss *)h)->n;
		} else if (rec->type == REC_LOSS) {
			assert_int_equal(
				((const struct rec_loss *)h)->reason, LOSS_OUT_RECORD_FULL);
			w->lost += ((const struct rec_loss *)h)->n;
			since += ((const struct rec_loss *)h)->n;
		} else if (rec->type == REC_KEV) {
			assert_int_equal(h->seq, last + since + 1);
			assert_int_equal(h->ord, h->seq + 1);
			last = h->seq;
			since = 0;
			w->events++;
		} else {
			w->states += rec->type == REC_STATE;
		}
	}
	spsc_consumer_commit(&w->in);
}

static void test_record__no_room__counted_and_told_in_its_place(void **state)
{
	struct world w;
	uint64_t seq = 0;

	(void)state;
	setup(&w, true);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 400 + round * 37; i++)
			put(&w, REC_KEV, EVENT_BYTES, ++seq);
		take(&w, 100 + round * 13);
	}
	assert_true(w.record.n_lost > 0);
	take(&w, UINT32_MAX);
	put(&w, REC_END, sizeof(struct rec_head), seq);
	take(&w, UINT32_MAX);
	assert_true(w.lost > 1000);
	assert_int_equal(w.events + w.lost, seq);
	assert_int_equal(w.record.n_lost, 0);
	teardown(&w);
}

static void test_record__full_of_events__state_has_room(void **state)
{
	struct world w;
	uint64_t lost;

	(void)state;
	setup(&w, true);
	for (uint64_t seq = 1; seq < 1000; seq++)
		put(&w, REC_KEV, EVENT_BYTES, seq);
	lost = w.record.n_lost;
	assert_true(lost > 0);
	put(&w, REC_STATE, 256, 1000); /* and the loss before it */
	assert_int_equal(w.record.n_lost, 0);
	take(&w, UINT32_MAX);
	assert_int_equal(w.lost, lost);
	teardown(&w);
}

/* States that fill what is kept for them are counted apart: they are no events. */
static void test_record__full_of_states__counted_apart(void **state)
{
	struct world w;
	const uint64_t n_states = 1000;

	(void)state;
	setup(&w, true);
	for (uint64_t seq = 1; seq < 1000; seq++)
		put(&w, REC_KEV, EVENT_BYTES, seq);
	for (uint64_t i = 0; i < n_states; i++)
		put(&w, REC_STATE, EVENT_BYTES, 999);
	take(&w, UINT32_MAX);
	put(&w, REC_KEV, EVENT_BYTES, 1000);
	assert_int_equal(w.record.n_states_lost, 0); /* told */
	take(&w, UINT32_MAX);
	assert_int_equal(w.events + w.lost, 1000);
	assert_true(w.states_lost > 0);
	assert_int_equal(w.states + w.states_lost, n_states);
	teardown(&w);
}

static void test_record__source_that_waits__loses_nothing(void **state)
{
	struct world w;
	uint64_t seq = 0;

	(void)state;
	setup(&w, false);
	while (st_record_may_take(&w.record))
		put(&w, REC_KEV, EVENT_BYTES, ++seq);
	assert_true(seq > 50);
	assert_int_equal(w.record.n_lost, 0);
	take(&w, UINT32_MAX);
	assert_true(st_record_may_take(&w.record));
	assert_int_equal(w.events, seq);
	assert_int_equal(w.lost, 0);
	teardown(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record__no_room__counted_and_told_in_its_place),
		cmocka_unit_test(test_record__full_of_events__state_has_room),
		cmocka_unit_test(test_record__full_of_states__counted_apart),
		cmocka_unit_test(test_record__source_that_waits__loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
