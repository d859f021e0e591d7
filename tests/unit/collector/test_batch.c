/* SPDX-License-Identifier: Apache-2.0 */
/* Draining a source into the raw ring: numbers, the door, a full ring, the end, and going on after a restart. */

#include <errno.h>

#include "fixture.h"

#include "batch.h"
#include "namefact.h"

static void publish(struct fx *f, struct fx_source *s)
{
	uint64_t pos[2];
	unsigned n = fx_source_positions(&s->base, pos, 2);

	col_out_publish(&f->out, pos, n);
	fx_source_commit(&s->base);
}

static void test_col_batch_fill__events__are_numbered_from_one(void **state)
{
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct fx_source *s = fx_source_new(10);
	struct col_batch b = {.source = &s->base};

	(void)state;
	assert_int_equal(col_batch_fill(&b, &f->out), 10);
	assert_null(fx_next(f)); /* not before it is published */
	publish(f, s);
	for (uint64_t i = 0; i < 10; i++) {
		const struct rec_head *rec = fx_next(f);

		assert_non_null(rec);
		assert_int_equal(rec->ring.type, REC_KEV);
		assert_int_equal(rec->ring.flags, 0);
		assert_int_equal(rec->seq, i + 1);
		assert_int_equal(rec->ord, 0);
		assert_int_equal(rec->ts_ns, 1000000 + i * 10);
		assert_int_equal(fx_serial(rec), i);
	}
	assert_null(fx_next(f));
	assert_int_equal(f->stats.raw_events, 10);
	assert_int_equal(f->stats.events, 10);
	assert_int_equal(f->stats.by_class[KEV_CLASS_STATE], 10);
	assert_int_equal(f->stats.by_type[KEV_IX_SYSCALL_CHDIR_X], 10);
	free(s);
	fx_free(f);
}

static void test_col_batch_fill__malformed_record__is_counted_and_gets_no_number(void **state)
{
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct fx_source *s = fx_source_new(3);
	struct col_batch b = {.source = &s->base};

	(void)state;
	s->bad_at = 1;
	assert_int_equal(col_batch_fill(&b, &f->out), 3);
	publish(f, s);
	const struct rec_head *rec = fx_next(f);
	assert_int_equal(rec->seq, 1);
	rec = fx_next(f);
	assert_int_equal(rec->seq, 2);
	assert_int_equal(fx_serial(rec), 2);
	assert_null(fx_next(f));
	assert_int_equal(f->stats.malformed, 1);
	assert_int_equal(f->stats.loss[LOSS_COLLECTOR_MALFORMED], 1);
	assert_int_equal(f->stats.raw_events, 2);
	assert_int_equal(f->stats.events, 3); /* what the source gave = delivered + lost */
	free(s);
	fx_free(f);
}

static void test_col_batch_fill__long_source__stops_at_one_batch(void **state)
{
	struct fx *f = fx_new(8 * SPSC_SIZE_MIN);
	struct fx_source *s = fx_source_new(1000);
	struct col_batch b = {.source = &s->base};
	uint64_t seq = 0;

	(void)state;
	for (int r; (r = col_batch_fill(&b, &f->out)) > 0; publish(f, s))
		assert_true(r < COL_BATCH_MAX);
	for (const struct rec_head *rec; (rec = fx_next(f));)
		assert_int_equal(rec->seq, ++seq);
	assert_int_equal(seq, 1000);
	free(s);
	fx_free(f);
}

/* Nothing is taken from the source that has no place, nothing is lost, and it goes on when there is room. */
static void test_col_batch_fill__full_ring__source_waits(void **state)
{
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct fx_source *s = fx_source_new(200);
	struct col_batch b = {.source = &s->base};
	uint64_t seq = 0;
	bool was_full = false;

	(void)state;
	s->text_n = 4000;
	while (seq < 200) {
		int r = col_batch_fill(&b, &f->out);

		assert_true(r >= 0);
		publish(f, s);
		was_full |= f->out.is_full;
		assert_int_equal(s->at, f->out.seq); /* taken = placed */
		if (r == 0) {
			const struct rec_head *rec = fx_next(f);
			assert_non_null(rec);
			assert_int_equal(rec->seq, ++seq);
			assert_int_equal(fx_serial(rec), seq - 1);
			spsc_consumer_commit(&f->in);
		}
	}
	assert_true(was_full);
	free(s);
	fx_free(f);
}

static void test_col_batch_fill__state_then_events__snapshot_is_ended_between(void **state)
{
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct fx_source *s = fx_source_new(5);
	struct col_batch b = {.source = &s->base, .in_snapshot = true};
	static const uint16_t types[] = {
		REC_SNAP_BEGIN, REC_STATE, REC_STATE, REC_STATE, REC_SNAP_END, REC_KEV, REC_KEV};
	static const uint64_t seqs[] = {0, 0, 0, 0, 0, 1, 2};

	(void)state;
	s->n_state = 3;
	f->out.flags = REC_F_NO_SHED;
	assert_int_equal(col_out_snap(&f->out, REC_SNAP_BEGIN, 5), 0);
	assert_int_equal(col_batch_fill(&b, &f->out), 5);
	assert_false(b.in_snapshot);
	publish(f, s);
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		const struct rec_head *rec = fx_next(f);

		assert_int_equal(rec->ring.type, types[i]);
		assert_int_equal(rec->ring.flags, REC_F_NO_SHED);
		assert_int_equal(rec->seq, seqs[i]);
		if (rec->ring.type == REC_SNAP_END)
			assert_int_equal(container_of(rec, const struct rec_snap, h)->n_records, 3);
	}
	assert_null(fx_next(f));
	free(s);
	fx_free(f);
}

static void test_col_batch_fill__state_only__snapshot_is_ended_as_well(void **state)
{
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct fx_source *s = fx_source_new(2);
	struct col_batch b = {.source = &s->base, .in_snapshot = true};

	(void)state;
	s->n_state = 2;
	s->ends = true;
	assert_int_equal(col_batch_fill(&b, &f->out), -ENODATA);
	publish(f, s);
	(void)fx_next(f);
	(void)fx_next(f);
	assert_int_equal(fx_next(f)->ring.type, REC_SNAP_END);
	assert_null(fx_next(f));
	free(s);
	fx_free(f);
}

static void test_col_batch_fill__event_time_is_up__source_ends(void **state)
{
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct fx_source *s = fx_source_new(100);
	struct col_batch b = {.source = &s->base, .max_event_ns = 95};
	unsigned n = 0;

	(void)state;
	assert_int_equal(col_batch_fill(&b, &f->out), -ENODATA);
	publish(f, s);
	while (fx_next(f))
		n++;
	assert_int_equal(n, 10); /* at 0, 10, … 90 ns */
	free(s);
	fx_free(f);
}

static void test_col_batch_fill__older_event__counts_as_late(void **state)
{
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct fx_source *s = fx_source_new(4);
	struct col_batch b = {.source = &s->base, .last_ns = 1000015};

	(void)state;
	assert_int_equal(col_batch_fill(&b, &f->out), 4);
	assert_int_equal(f->stats.late, 2);
	free(s);
	fx_free(f);
}

/* Killed between two publishes: what was not published is taken again and gets the numbers that it had. */
static void test_col_out_resume__killed_before_publish__same_numbers_again(void **state)
{
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct fx_source *s = fx_source_new(30);
	struct col_batch b = {.source = &s->base};
	struct spsc_slot slot;
	uint64_t seq = 0;

	(void)state;
	assert_int_equal(col_out_resume(&f->out, &slot), -ENOENT); /* a fresh ring */
	s->n = 10;
	assert_int_equal(col_batch_fill(&b, &f->out), 10);
	publish(f, s);
	s->n = 20;
	assert_int_equal(col_batch_fill(&b, &f->out), 10); /* never published */
	fx_restart(f);
	assert_int_equal(col_out_resume(&f->out, &slot), 0);
	assert_int_equal(f->out.seq, 10);
	assert_int_equal(slot.n_cpus, 2);
	assert_int_equal(slot.cpu_pos[0], 10);
	assert_int_equal(slot.cpu_pos[1], 7);
	s->at = slot.cpu_pos[0];
	s->n = 30;
	assert_int_equal(col_batch_fill(&b, &f->out), 20);
	publish(f, s);
	for (const struct rec_head *rec; (rec = fx_next(f));) {
		assert_int_equal(rec->seq, ++seq);
		assert_int_equal(fx_serial(rec), seq - 1);
	}
	assert_int_equal(seq, 30);
	assert_int_equal(f->stats.raw_events, 30);
	free(s);
	fx_free(f);
}

/* A source that begins anew at each start, as the synthetic one does. */
static void test_col_batch_fill__skip_to__passes_over_what_was_published(void **state)
{
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct fx_source *s = fx_source_new(12);
	struct col_batch b = {.source = &s->base, .skip_to = 10};

	(void)state;
	s->n_state = 4;
	f->out.seq = 6;
	assert_int_equal(col_batch_fill(&b, &f->out), 12);
	publish(f, s);
	const struct rec_head *rec = fx_next(f);
	assert_int_equal(rec->seq, 7);
	assert_int_equal(fx_serial(rec), 10);
	rec = fx_next(f);
	assert_int_equal(rec->seq, 8);
	assert_null(fx_next(f));
	free(s);
	fx_free(f);
}

static void test_col_out_publish__no_positions__successor_begins_anew(void **state)
{
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct spsc_slot slot;

	(void)state;
	assert_int_equal(col_out_snap(&f->out, REC_SNAP_BEGIN, 5), 0);
	col_out_publish(&f->out, NULL, 0);
	fx_restart(f);
	assert_int_equal(col_out_resume(&f->out, &slot), -ENOENT);
	assert_int_equal(f->out.seq, 0);
	fx_free(f);
}

static void test_col_out_end__after_events__carries_the_last_number(void **state)
{
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct fx_source *s = fx_source_new(1);
	struct col_batch b = {.source = &s->base};

	(void)state;
	assert_int_equal(col_batch_fill(&b, &f->out), 1);
	assert_int_equal(col_out_end(&f->out, 99), 0);
	publish(f, s);
	(void)fx_next(f);
	const struct rec_head *rec = fx_next(f);
	assert_int_equal(rec->ring.type, REC_END);
	assert_int_equal(rec->ring.len, sizeof(struct rec_head));
	assert_int_equal(rec->seq, 1);
	free(s);
	fx_free(f);
}

/* The real synthetic source through the whole path, interrupted: the same bytes as in one go. */
static uint64_t run_synthetic(unsigned kill_after_batches)
{
	struct drv_synthetic_config c = {.seed = 3, .n_events = 3000, .n_procs = 5};
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	struct drv_source *source = NULL;
	struct col_batch b = {.in_snapshot = true};
	struct spsc_slot slot;
	uint64_t pos[1], sum = 0, n_events = 0;
	unsigned batches = 0;
	int r = 0;

	assert_int_equal(drv_synthetic_open(&c, &source), 0);
	b.source = source;
	while (r != -ENODATA) {
		r = col_batch_fill(&b, &f->out);
		assert_true(r >= 0 || r == -ENODATA);
		if (kill_after_batches && ++batches == kill_after_batches) {
			/* this batch is lost with the process */
			drv_source_close(source);
			fx_restart(f);
			assert_int_equal(col_out_resume(&f->out, &slot), 0);
			assert_int_equal(drv_synthetic_open(&c, &source), 0);
			b = (struct col_batch){.source = source, .skip_to = slot.cpu_pos[0]};
			r = 0;
			continue;
		}
		if (b.skip_to == 0)
			col_out_publish(&f->out, pos,
				b.in_snapshot ? 0 : source->ops->positions(source, pos, 1));
		for (const struct rec_head *rec; (rec = fx_next(f)); spsc_consumer_commit(&f->in)) {
			if (rec->ring.type == REC_SNAP_END)
				continue; /* carries the time of the real clock when the source has no event yet */
			for (uint32_t i = 0; i < rec->ring.len; i++)
				sum = sum * 31 + ((const uint8_t *)rec)[i];
			n_events += rec->ring.type == REC_KEV;
		}
	}
	assert_int_equal(n_events, 3000);
	assert_int_equal(f->stats.raw_events, 3000);
	drv_source_close(source);
	fx_free(f);
	return sum;
}

static void test_col_batch_fill__synthetic_killed__same_bytes_as_in_one_go(void **state)
{
	uint64_t whole = run_synthetic(0);

	(void)state;
	assert_int_equal(run_synthetic(4), whole);
	assert_int_equal(run_synthetic(9), whole);
}

/* One event that tells of a container. */
struct teller {
	struct drv_source base;
	bool is_done;
	size_t len;
	uint64_t buf[KEV_SIZE_MAX / 8];
};

static int teller_next(struct drv_source *base, struct drv_record *rec)
{
	struct teller *t = container_of(base, struct teller, base);

	if (t->is_done)
		return -ENODATA;
	t->is_done = true;
	*rec = (struct drv_record){.p = t->buf, .len = t->len, .epoch_ns = 5};
	return 1;
}

static void test_col_batch_fill__container_event__facts_before_it(void **state)
{
	static const struct drv_source_ops ops = {.name = "teller", .next = teller_next};
	static struct teller t = {.base = {.ops = &ops}};
	static struct col_batch b;
	struct fx *f = fx_new(2 * SPSC_SIZE_MIN);
	const struct rec_head *rec;
	const char *why;
	struct kev_builder kb;
	struct kev k;

	(void)state;
	md_container_init();
	b = (struct col_batch){.source = &t.base, .tells_containers = true, .in_snapshot = true};
	kev_build_start(&kb, t.buf, sizeof(t.buf), KEV_CODE_ASYNCEVENT_E, 0);
	kev_build_head(&kb)->cls = KEV_CLASS_OTHER;
	kev_build_int(&kb, 1);
	kev_build_text(&kb, SPAN_LIT("container"));
	kev_build_text(
		&kb, SPAN_LIT("{\"container\": {\"id\": \"0123456789ab\", \"name\": \"web\"}}"));
	t.len = (size_t)kev_build_finish(&kb);
	assert_int_equal(col_batch_fill(&b, &f->out), -ENODATA);
	col_out_publish(&f->out, NULL, 0);
	assert_int_equal(fx_next(f)->ring.type, REC_SNAP_END);
	rec = fx_next(f);
	assert_int_equal(rec->ring.type, REC_STATE);
	assert_int_equal(kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why), 0);
	assert_int_equal(k.info->code, KEV_CODE_SAKER_CONTAINER);
	assert_true(span_eq_str(kev_param_text(&k, 2), "web"));
	rec = fx_next(f);
	assert_int_equal(rec->ring.type, REC_KEV);
	assert_int_equal(rec->seq, 1);
	assert_null(fx_next(f));
	fx_free(f);
}

/* A name that a capture tells; what is no address in it is passed over. */
static void test_col_name_record__json__addresses_by_family(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "{\"name\": 5}", "{\"name\": \"\"}",
		"{\"addresses\": [\"1.2.3.4\"]}"};
	static const char good[] =
		"{\"name\": \"a.test\", \"addresses\": [\"1.2.3.4\", 7, \"nonsense\", "
		"\"::1\", \"5.6.7.8\"]}";
	static uint64_t buf[KEV_SIZE_MAX / 8];
	const char *why;
	struct kev k;
	int n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(col_name_record(bad[i], strlen(bad[i]), buf), -EBADMSG);
	n = col_name_record(good, sizeof(good) - 1, buf);
	assert_true(n > 0);
	assert_int_equal(kev_parse(buf, (size_t)n, &k, &why), 0);
	assert_int_equal(k.info->code, KEV_CODE_SAKER_NAME);
	assert_true(span_eq_str(kev_param_text(&k, 0), "a.test"));
	assert_true(span_eq(k.param[1], (struct span){.p = "\1\2\3\4\5\6\7\10", .n = 8}));
	assert_int_equal(k.param[2].n, 16);
	n = col_name_record("{\"name\": \"b.test\"}", 18, buf);
	assert_true(n > 0); /* one that has no address any more */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_col_batch_fill__events__are_numbered_from_one),
		cmocka_unit_test(test_col_batch_fill__container_event__facts_before_it),
		cmocka_unit_test(test_col_name_record__json__addresses_by_family),
		cmocka_unit_test(
			test_col_batch_fill__malformed_record__is_counted_and_gets_no_number),
		cmocka_unit_test(test_col_batch_fill__long_source__stops_at_one_batch),
		cmocka_unit_test(test_col_batch_fill__full_ring__source_waits),
		cmocka_unit_test(test_col_batch_fill__state_then_events__snapshot_is_ended_between),
		cmocka_unit_test(test_col_batch_fill__state_only__snapshot_is_ended_as_well),
		cmocka_unit_test(test_col_batch_fill__event_time_is_up__source_ends),
		cmocka_unit_test(test_col_batch_fill__older_event__counts_as_late),
		cmocka_unit_test(test_col_out_resume__killed_before_publish__same_numbers_again),
		cmocka_unit_test(test_col_batch_fill__skip_to__passes_over_what_was_published),
		cmocka_unit_test(test_col_out_publish__no_positions__successor_begins_anew),
		cmocka_unit_test(test_col_out_end__after_events__carries_the_last_number),
		cmocka_unit_test(test_col_batch_fill__synthetic_killed__same_bytes_as_in_one_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
