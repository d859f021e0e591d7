/* SPDX-License-Identifier: Apache-2.0 */
/* Facts from saker-metadata on their way into the raw ring: what may pass, what may not, and that a full raw ring keeps them waiting. */

#include "fixture.h"

#include "meta.h"

struct peer {
	struct fx *fx; /* raw ring */
	struct spsc_fds fds;
	struct spsc_producer out; /* metadata's end */
	struct col_meta meta;
};

static void setup(struct peer *p)
{
	*p = (struct peer){.fx = fx_new(SPSC_SIZE_MIN)};
	assert_int_equal(spsc_create("meta", SPSC_SIZE_MIN, false, fx_run_id, &p->fds), 0);
	assert_int_equal(spsc_producer_attach(&p->out, p->fds.data_rw, p->fds.cursor_ro, -1), 0);
	assert_int_equal(spsc_consumer_attach(&p->meta.ring, p->fds.data_ro, p->fds.cursor_rw), 0);
	p->meta.is_attached = true;
}

static void teardown(struct peer *p)
{
	spsc_producer_done(&p->out);
	spsc_consumer_done(&p->meta.ring);
	spsc_fds_close(&p->fds);
	fx_free(p->fx);
}

static void send(struct peer *p, uint16_t type, const void *body, size_t n)
{
	struct spsc_rec *rec = NULL;

	assert_int_equal(spsc_reserve(&p->out, sizeof(struct rec_head) + n, type, &rec), 0);
	struct rec_head *h = container_of(rec, struct rec_head, ring);
	h->seq = 77; /* the peer's numbers are not taken over */
	h->ord = 88;
	h->ts_ns = 99;
	if (n)
		memcpy(h + 1, body, n);
	spsc_commit(&p->out, sizeof(*h) + n);
	spsc_publish(&p->out);
}

static size_t make(uint64_t *buf, uint16_t code)
{
	struct kev_builder b;

	kev_build_start(&b, buf, KEV_SIZE_MAX, code, 0);
	return (size_t)kev_build_finish(&b);
}

static uint64_t buf[KEV_SIZE_MAX / 8];

static void test_col_meta_fill__user__becomes_state_with_own_header(void **state)
{
	struct peer p;

	(void)state;
	setup(&p);
	p.fx->out.seq = 5;
	send(&p, REC_STATE, buf, make(buf, KEV_CODE_USER_ADDED_E));
	assert_int_equal(col_meta_fill(&p.meta, &p.fx->out, 64), 1);
	col_out_publish(&p.fx->out, NULL, 0);
	col_meta_commit(&p.meta);
	const struct rec_head *rec = fx_next(p.fx);
	assert_int_equal(rec->ring.type, REC_STATE);
	assert_int_equal(rec->seq, 5);
	assert_int_equal(rec->ord, 0);
	assert_true(rec->ts_ns > 1000000000000000000ULL);
	assert_false(p.meta.has_first);
	teardown(&p);
}

static void test_col_meta_fill__end_of_first_list__is_noted_and_not_passed_on(void **state)
{
	static const uint64_t body[2];
	struct peer p;

	(void)state;
	setup(&p);
	send(&p, REC_SNAP_END, body, sizeof(body));
	assert_int_equal(col_meta_fill(&p.meta, &p.fx->out, 64), 1);
	col_out_publish(&p.fx->out, NULL, 0);
	assert_true(p.meta.has_first);
	assert_null(fx_next(p.fx));
	teardown(&p);
}

/* It may not invent processes or events. */
static void test_col_meta_fill__other_kinds__are_refused_and_counted(void **state)
{
	static const uint16_t codes[] = {
		KEV_CODE_ITER_TASK_E, KEV_CODE_SYSCALL_EXECVE_19_X, KEV_CODE_SAKER_FORK};
	struct peer p;

	(void)state;
	setup(&p);
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		send(&p, REC_STATE, buf, make(buf, codes[i]));
	memset(buf, 0xff, 80);
	send(&p, REC_STATE, buf, 80);
	assert_int_equal(col_meta_fill(&p.meta, &p.fx->out, 64), 4);
	col_out_publish(&p.fx->out, NULL, 0);
	assert_null(fx_next(p.fx));
	assert_int_equal(p.fx->stats.malformed, 4);
	assert_int_equal(p.fx->stats.loss[LOSS_COLLECTOR_MALFORMED], 0); /* no events */
	teardown(&p);
}

/* Each tells its own alone. */
static void test_col_meta_fill__names__from_the_dialer_and_nobody_else(void **state)
{
	static const struct {
		enum col_teller teller;
		uint16_t code;
		bool passes;
	} rows[] = {
		{COL_METADATA, KEV_CODE_SAKER_NAME, false},
		{COL_METADATA, KEV_CODE_SAKER_IFACE, true},
		{COL_DIALER, KEV_CODE_SAKER_NAME, true},
		{COL_DIALER, KEV_CODE_USER_ADDED_E, false},
		{COL_DIALER, KEV_CODE_SAKER_CONTAINER, false},
		{COL_DIALER, KEV_CODE_SAKER_CLOCK, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct peer p;

		setup(&p);
		p.meta.teller = rows[i].teller;
		send(&p, REC_STATE, buf, make(buf, rows[i].code));
		assert_int_equal(col_meta_fill(&p.meta, &p.fx->out, 64), 1);
		col_out_publish(&p.fx->out, NULL, 0);
		assert_true((fx_next(p.fx) != NULL) == rows[i].passes);
		assert_int_equal(p.fx->stats.malformed, !rows[i].passes);
		teardown(&p);
	}
}

static void test_col_meta_fill__record_type_that_cannot_be__is_a_fault(void **state)
{
	struct peer p;

	(void)state;
	setup(&p);
	send(&p, REC_KEV, buf, make(buf, KEV_CODE_USER_ADDED_E));
	assert_int_equal(col_meta_fill(&p.meta, &p.fx->out, 64), -EPROTO);
	teardown(&p);
}

static void test_col_meta_fill__full_raw_ring__record_waits(void **state)
{
	struct rec_head *rec = NULL;
	struct peer p;

	(void)state;
	setup(&p);
	send(&p, REC_STATE, buf, make(buf, KEV_CODE_USER_ADDED_E));
	/* 128 KiB in four records of 32 KiB */
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(col_out_reserve(&p.fx->out, 32768, REC_STATE, &rec), 0);
		spsc_commit(&p.fx->out.ring, 32768);
	}
	assert_int_equal(col_meta_fill(&p.meta, &p.fx->out, 64), 0);
	assert_true(p.fx->out.is_full);
	col_out_publish(&p.fx->out, NULL, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_non_null(fx_next(p.fx));
	spsc_consumer_commit(&p.fx->in);
	assert_int_equal(col_meta_fill(&p.meta, &p.fx->out, 64), 1);
	col_out_publish(&p.fx->out, NULL, 0);
	assert_int_equal(fx_next(p.fx)->ring.type, REC_STATE);
	teardown(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_col_meta_fill__user__becomes_state_with_own_header),
		cmocka_unit_test(test_col_meta_fill__end_of_first_list__is_noted_and_not_passed_on),
		cmocka_unit_test(test_col_meta_fill__other_kinds__are_refused_and_counted),
		cmocka_unit_test(test_col_meta_fill__names__from_the_dialer_and_nobody_else),
		cmocka_unit_test(test_col_meta_fill__record_type_that_cannot_be__is_a_fault),
		cmocka_unit_test(test_col_meta_fill__full_raw_ring__record_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
