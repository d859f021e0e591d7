/* SPDX-License-Identifier: Apache-2.0 */
/* The stage with real rings in one process: order, waiting, shedding, the ledger, the end, a
 * successor. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/macros.h>
#include <driver/kev.h>
#include <rules/image.h>
#include <shm/ev.h>
#include <shm/gate.h>
#include <shm/segment.h>

#include "turn.h"

#define RINGS 2
#define RING_BYTES SPSC_SIZE_MIN

struct bench {
	struct st_stage stage;
	struct img_event events[_KEV_IX_MAX];
	struct stats_page stats;
	struct spsc_fds raw_fds, event_fds[RINGS];
	struct spsc_producer raw;
	struct spsc_consumer ev[RINGS];
	void *progress;
	size_t progress_size;
	int progress_rw, progress_ro;
	uint64_t seq;
	int64_t res; /* of the next events */
	uint64_t last_ord[RINGS], n_events[RINGS], n_state[RINGS], state_hash[RINGS];
	bool saw_end[RINGS];
	uint64_t wait_ns; /* holds are on, with a request ring */
	struct spsc_fds lookup_fds;
	struct spsc_consumer lookups;
};

static const uint8_t run_id[16] = {1};

static void stage_start(struct bench *b)
{
	b->stage = (struct st_stage){.progress = b->progress, .stats = &b->stats};
	assert_int_equal(
		spsc_consumer_attach(&b->stage.in, b->raw_fds.data_ro, b->raw_fds.cursor_rw), 0);
	for (unsigned i = 0; i < RINGS; i++)
		assert_int_equal(spsc_producer_attach(&b->stage.out.rings[i],
					 b->event_fds[i].data_rw, b->event_fds[i].cursor_ro, -1),
			0);
	if (b->wait_ns) {
		assert_int_equal(spsc_producer_attach(&b->stage.lookups, b->lookup_fds.data_rw,
					 b->lookup_fds.cursor_ro, -1),
			0);
		b->stage.has_lookups = true;
	}
	assert_int_equal(st_stage_init(&b->stage,
				 &(struct st_config){.events = b->events,
					 .n_rings = RINGS,
					 .threads_max = 256,
					 .descriptors_max = 1024},
				 b->wait_ns),
		0);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	for (unsigned i = 0; i < _KEV_IX_MAX; i++)
		b->events[i].flags = IMG_EV_RULES;
	b->events[KEV_IX_SYSCALL_CLOSE_X].flags = 0;
	assert_int_equal(spsc_create("raw", 1u << 20, false, run_id, &b->raw_fds), 0);
	assert_int_equal(
		spsc_producer_attach(&b->raw, b->raw_fds.data_rw, b->raw_fds.cursor_ro, -1), 0);
	for (unsigned i = 0; i < RINGS; i++) {
		assert_int_equal(
			spsc_create("event", RING_BYTES, true, run_id, &b->event_fds[i]), 0);
		assert_int_equal(spsc_consumer_attach(&b->ev[i], b->event_fds[i].data_ro,
					 b->event_fds[i].cursor_rw),
			0);
	}
	assert_int_equal(seg_create("progress", SEG_PROGRESS, sizeof(struct progress_tracker),
				 run_id, &b->progress_rw, &b->progress_ro),
		0);
	assert_int_equal(seg_map(b->progress_rw, SEG_PROGRESS, PROT_READ | PROT_WRITE, &b->progress,
				 &b->progress_size),
		0);
	stage_start(b);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	st_stage_done(&b->stage);
	spsc_producer_done(&b->raw);
	spsc_fds_close(&b->raw_fds);
	for (unsigned i = 0; i < RINGS; i++) {
		spsc_consumer_done(&b->ev[i]);
		spsc_fds_close(&b->event_fds[i]);
	}
	seg_unmap(b->progress, b->progress_size);
	close(b->progress_rw);
	close(b->progress_ro);
	free(b);
	return 0;
}

static void put_raw(struct bench *b, const struct rec_head *rec)
{
	struct spsc_rec *room;

	assert_int_equal(spsc_reserve(&b->raw, rec->ring.len, rec->ring.type, &room), 0);
	memcpy(room, rec, rec->ring.len);
	spsc_commit(&b->raw, rec->ring.len);
	spsc_publish(&b->raw);
}

static void put_event(struct bench *b, uint16_t code, uint32_t pid, uint8_t cls, uint16_t flags)
{
	static uint64_t room[(sizeof(struct rec_head) + KEV_SIZE_MAX) / 8];
	struct rec_head *rec = (struct rec_head *)room;
	struct kev_builder kb;
	int n;

	kev_build_start(&kb, rec + 1, KEV_SIZE_MAX, code, 0);
	kev_build_head(&kb)->tid = kev_build_head(&kb)->tgid = pid;
	kev_build_head(&kb)->leader_start_ns = pid;
	kev_build_head(&kb)->cls = cls;
	kev_build_head(&kb)->ts_ns = b->seq + 1;
	kev_build_int(&kb, b->res);
	if (code == KEV_CODE_SYSCALL_UNLINK_2_X)
		kev_build_text(&kb, SPAN_LIT("/some/file/that/goes/away"));
	n = kev_build_finish(&kb);
	assert_true(n > 0);
	*rec = (struct rec_head){.ring = {.len = (uint32_t)(sizeof(*rec) + (size_t)n),
					 .type = REC_KEV,
					 .flags = flags},
		.seq = ++b->seq,
		.ts_ns = 1000000000000000000ULL + b->seq};
	put_raw(b, rec);
}

static void put_end(struct bench *b)
{
	put_raw(b, &(struct rec_head){.ring = {.len = sizeof(struct rec_head),
					      .type = REC_END,
					      .flags = REC_F_NO_SHED},
			   .seq = b->seq});
}

/* Read everything of ring i as an evaluator would. */
static void drain(struct bench *b, unsigned i)
{
	const struct progress_tracker *p = b->progress;
	const struct spsc_rec *rec;
	struct ev_view view;

	while (spsc_next(&b->ev[i], &rec) == 1) {
		const struct rec_head *h = (const struct rec_head *)rec;

		assert_true(h->ord > b->last_ord[i]);
		assert_true(h->ord < p->upto || h->ord == p->last[i]);
		assert_true(p->last[i] >= h->ord);
		b->last_ord[i] = h->ord;
		if (rec->type == REC_EVENT) {
			assert_int_equal(ev_validate(h, 256, &view), 0);
			b->n_events[i]++;
			continue;
		}
		b->n_state[i]++;
		b->state_hash[i] = b->state_hash[i] * 31 + h->ord * 7 + rec->type;
		b->saw_end[i] |= rec->type == REC_END;
		if (rec->type == REC_PROC)
			assert_int_equal(prec_validate(h, 256), 0);
	}
	spsc_consumer_commit(&b->ev[i]);
}

static void check_ledger(struct bench *b, uint64_t n)
{
	const struct progress_tracker *p = b->progress;
	uint64_t lost =
		b->stats.loss[LOSS_TRACKER_EVENT_FULL] + b->stats.loss[LOSS_TRACKER_MALFORMED];

	assert_int_equal(p->applied, n);
	assert_int_equal(p->judged_here + p->passed[0] + p->passed[1] + p->forwarded[0] +
				 p->forwarded[1] + lost,
		n);
	assert_int_equal(p->forwarded[0], b->n_events[0]);
	assert_int_equal(p->forwarded[1], b->n_events[1]);
	assert_int_equal(p->last_seq, b->seq);
	assert_int_equal(b->stats.events, n);
}

static void test_turn__fresh_page__order_begins_at_one(void **state)
{
	struct bench *b = *state;
	const struct progress_tracker *p = b->progress;

	assert_int_equal(p->upto, 1);
	assert_int_equal(st_stage_turn(&b->stage), 0);
	put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 1);
	assert_int_equal(p->upto, 3); /* the thread's record and the event */
	drain(b, 0);
	drain(b, 1);
	assert_int_equal(b->n_events[0] + b->n_events[1], 1);
	assert_int_equal(b->n_state[0], 1);
	assert_int_equal(b->n_state[1], 1);
}

static void test_turn__slow_consumers__nothing_lost_nothing_twice(void **state)
{
	struct bench *b = *state;
	const struct progress_tracker *p = b->progress;
	unsigned i, blocked = 0;
	int r;

	for (i = 0; i < 20000; i++) {
		put_event(b, i % 3 ? KEV_CODE_SYSCALL_UNLINK_2_X : KEV_CODE_SYSCALL_CLOSE_X,
			10 + i % 50, 3, REC_F_NO_SHED);
		if (i % 100 == 99) { /* births and deaths as well, so that state has to wait too */
			put_event(b, KEV_CODE_PROCEXIT_1_E, 10 + i / 100 % 50, 1, REC_F_NO_SHED);
		}
		if (i % 64 != 63)
			continue;
		r = st_stage_turn(&b->stage);
		assert_true(r >= 0);
		if (st_out_is_blocked(&b->stage.out)) {
			blocked++;
			drain(b, blocked % RINGS); /* one of them at a time */
			while (spsc_producer_free(&b->raw) < (1u << 19)) {
				drain(b, 0);
				drain(b, 1);
				assert_true(st_stage_turn(&b->stage) >= 0);
			}
		}
	}
	put_end(b);
	while ((r = st_stage_turn(&b->stage)) >= 0)
		for (unsigned j = 0; j < RINGS; j++)
			drain(b, j);
	assert_int_equal(r, -ENODATA);
	for (unsigned j = 0; j < RINGS; j++) {
		drain(b, j);
		assert_true(b->saw_end[j]);
		assert_int_equal(p->last[j], b->last_ord[j]);
	}
	assert_true(blocked > 5);
	assert_int_equal(p->ended, 1);
	assert_int_equal(b->stats.loss[LOSS_TRACKER_EVENT_FULL], 0);
	assert_int_equal(b->n_state[0], b->n_state[1]);
	assert_int_equal(
		b->state_hash[0], b->state_hash[1]); /* the same records with the same order */
	assert_int_equal(p->upto, b->last_ord[0] + 1);
	check_ledger(b, b->seq);
	assert_int_equal(st_stage_turn(&b->stage), -ENODATA);
}

/* The first process from that one on whose events go into the first ring. */
static uint32_t pid_of_ring(struct bench *b, uint32_t pid)
{
	const struct progress_tracker *p = b->progress;

	for (;; pid++) {
		uint64_t before = p->forwarded[0];

		put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, pid, 3, 0);
		assert_int_equal(st_stage_turn(&b->stage), 1);
		drain(b, 0);
		drain(b, 1);
		if (p->forwarded[0] > before)
			return pid;
	}
}

static uint64_t fill_ring(struct bench *b, const uint32_t *pids, unsigned n_pids, uint8_t cls)
{
	for (unsigned i = 0; i < 2000; i++) {
		put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, pids[i % n_pids], cls, 0);
		assert_int_equal(st_stage_turn(&b->stage), 1);
	}
	return spsc_producer_used(&b->stage.out.rings[0]);
}

static void assert_filled(uint64_t used, unsigned sixteenths)
{
	assert_in_range(used, RING_BYTES / 16 * sixteenths - 512, RING_BYTES / 16 * sixteenths);
}

static void test_turn__full_ring__shed_by_class(void **state)
{
	struct bench *b = *state;
	uint32_t pids[16] = {pid_of_ring(b, 10)};

	for (unsigned i = 1; i < ARRAY_LEN(pids); i++)
		pids[i] = pid_of_ring(b, pids[i - 1] + 1);
	assert_filled(fill_ring(b, pids, 1, 3), 12);
	assert_filled(fill_ring(b, pids, 1, 2), 12); /* it makes everything: others' come first */
	assert_filled(fill_ring(b, pids, ARRAY_LEN(pids), 2), 14);
	assert_filled(fill_ring(b, pids, 1, 1), 15);
	drain(b, 0);
	drain(b, 1);
	assert_true(b->stats.loss[LOSS_TRACKER_EVENT_FULL] > 0);
	check_ledger(b, b->seq);
}

static void test_turn__end__reaches_a_ring_that_was_cut_off(void **state)
{
	struct rec_mark mark = {.h = {.ring = {.len = sizeof(mark), .type = REC_MARK}}};
	struct rec_loss loss = {.h = {.ring = {.len = sizeof(loss), .type = REC_LOSS}}};
	struct bench *b = *state;

	b->stage.out.can_cut = true;
	put_raw(b, &loss.h); /* so that what is left in the end is too little for END */
	assert_int_equal(st_stage_turn(&b->stage), 1);
	while (!b->stage.out.cut) {
		put_raw(b, &mark.h);
		assert_int_equal(st_stage_turn(&b->stage), 1);
		drain(b, 1);
	}
	assert_int_equal(b->stage.out.cut, 1);
	put_end(b);
	assert_int_equal(st_stage_turn(&b->stage), 0); /* it waits for room now */
	assert_false(b->stage.ended);
	drain(b, 0);
	assert_false(b->saw_end[0]);
	assert_int_equal(st_stage_turn(&b->stage), -ENODATA);
	drain(b, 0);
	drain(b, 1);
	assert_true(b->saw_end[0] && b->saw_end[1]);
}

static void test_turn__malformed__named_and_passed_over(void **state)
{
	struct bench *b = *state;
	struct rec_head bad = {.ring = {.len = sizeof(bad), .type = REC_KEV}, .seq = 1};

	put_raw(b, &bad);
	bad.ring.len = 8;
	put_raw(b, &bad);
	b->seq = 2;
	put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 3);
	drain(b, 0);
	drain(b, 1);
	assert_int_equal(b->stats.loss[LOSS_TRACKER_MALFORMED], 2);
	assert_int_equal(b->stats.malformed, 2);
	check_ledger(b, 3);
}

/* What a hostile process can make of one event is bounded (test_core.c), what the tracker adds to it
 * is too; what would not fit all the same is named. */
static void test_turn__event_larger_than_a_record__named(void **state)
{
	struct bench *b = *state;
	struct st_sink sink = b->stage.core.cfg.sink;

	put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 1);
	sink.lose(sink.arg, 1);
	put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 1);
	assert_int_equal(b->stats.loss[LOSS_TRACKER_TOO_BIG], 1);
	st_stage_done(&b->stage);
	stage_start(b);
	assert_int_equal(b->stats.loss[LOSS_TRACKER_TOO_BIG], 1); /* by the ring's restart slot */
}

static void test_turn__successor__goes_on(void **state)
{
	struct bench *b = *state;
	const struct progress_tracker *p = b->progress;
	uint64_t upto;

	for (unsigned i = 0; i < 10; i++)
		put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 10);
	upto = p->upto;
	st_stage_done(&b->stage);
	stage_start(b);
	for (unsigned i = 0; i < 10; i++)
		put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 3, 0);
	assert_int_equal(p->upto, upto);
	assert_int_equal(st_stage_turn(&b->stage), 10);
	assert_int_equal(p->upto, upto + 12); /* a new epoch, and its record again */
	drain(b, 0);
	drain(b, 1);
	check_ledger(b, 20);
}

/* It dies after it has published and before it has committed: the next one reads the same events
 * again. */
static void test_turn__died_before_the_commit__nothing_twice(void **state)
{
	struct bench *b = *state;
	struct progress_tracker *p = b->progress;
	struct spsc_cursor_page *cursor;
	uint64_t tail, upto, n_records;
	void *before = malloc(b->progress_size);

	assert_non_null(before);
	for (unsigned i = 0; i < 10; i++)
		put_event(b, i % 3 ? KEV_CODE_SYSCALL_UNLINK_2_X : KEV_CODE_SYSCALL_CLOSE_X, 10 + i,
			3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 10);
	memcpy(before, p, b->progress_size);
	cursor = b->stage.in.cursor;
	tail = cursor->tail;
	n_records = cursor->n_records;
	for (unsigned i = 0; i < 20; i++)
		put_event(b, i % 3 ? KEV_CODE_SYSCALL_UNLINK_2_X : KEV_CODE_SYSCALL_CLOSE_X, 10 + i,
			3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 20);
	upto = p->upto;
	cursor->tail = tail;
	cursor->n_records = n_records;
	memcpy(p, before, b->progress_size);
	free(before);
	st_stage_done(&b->stage);
	stage_start(b);
	assert_true(b->stage.out.next_ord > upto); /* orders that were used are not used again */
	assert_int_equal(st_stage_turn(&b->stage), 20);
	put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 1);
	drain(b, 0);
	drain(b, 1);
	check_ledger(b, 31);
}

/* It dies between two stores: everything that it wrote after @before was taken is published, and
 * its page and its commit are as they were. */
struct moment {
	struct progress_tracker page;
	uint64_t tail, n_records;
};

static struct moment moment_take(const struct bench *b)
{
	const struct spsc_cursor_page *cursor = b->stage.in.cursor;

	return (struct moment){.page = *(const struct progress_tracker *)b->progress,
		.tail = cursor->tail,
		.n_records = cursor->n_records};
}

static void die_and_go_back(struct bench *b, const struct moment *m)
{
	b->stage.in.cursor->tail = m->tail;
	b->stage.in.cursor->n_records = m->n_records;
	*(struct progress_tracker *)b->progress = m->page;
	st_stage_done(&b->stage);
	stage_start(b);
}

/* What was passed over is counted where what was forwarded is: the successor, which knows less and
 * would send it, neither sends nor counts it again. */
static void test_turn__passed_before_the_commit__not_counted_twice(void **state)
{
	struct bench *b = *state;
	const struct progress_tracker *p = b->progress;
	struct img_event *unlink = &b->events[KEV_IX_SYSCALL_UNLINK_2_X];
	struct moment m;

	unlink->want = KSHM_WANT | KSHM_WANT_SUCCESS_ONLY;
	b->res = -2;
	put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 1);
	assert_int_equal(p->passed[0] + p->passed[1], 1);
	m = moment_take(b);
	for (unsigned i = 0; i < 20; i++) {
		b->res = i % 3 ? -2 : 0;
		put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10 + i, 3, 0);
	}
	assert_int_equal(st_stage_turn(&b->stage), 20);
	assert_int_equal(p->passed[0] + p->passed[1], 14);
	assert_int_equal(p->forwarded[0] + p->forwarded[1], 7);
	unlink->want = KSHM_WANT;
	die_and_go_back(b, &m);
	assert_int_equal(st_stage_turn(&b->stage), 20);
	assert_int_equal(p->passed[0] + p->passed[1], 14);
	put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 1);
	drain(b, 0);
	drain(b, 1);
	check_ledger(b, 22);
	assert_int_equal(b->n_events[0] + b->n_events[1], 8);
}

/* Evaluators that have seen END are gone: what is written behind it is never taken. */
static void test_turn__died_between_end_and_ended__nothing_behind_end(void **state)
{
	struct bench *b = *state;
	const struct progress_tracker *p = b->progress;
	struct moment before;

	for (unsigned i = 0; i < 10; i++)
		put_event(b, i % 3 ? KEV_CODE_SYSCALL_UNLINK_2_X : KEV_CODE_SYSCALL_CLOSE_X, 10 + i,
			3, 0);
	before = moment_take(b);
	put_end(b);
	assert_int_equal(st_stage_turn(&b->stage), -ENODATA);
	for (unsigned i = 0; i < RINGS; i++) {
		drain(b, i);
		assert_true(b->saw_end[i]);
	}
	die_and_go_back(b, &before);
	assert_false(b->stage.ended);
	assert_int_equal(st_stage_turn(&b->stage), -ENODATA);
	assert_true(st_out_is_drained(&b->stage.out));
	assert_int_equal(p->ended, 1);
	check_ledger(b, 10);
}

/* What waits for room in one ring stands in another already: its order is used up. */
static void test_turn__died_while_state_waits__order_is_not_given_again(void **state)
{
	struct bench *b = *state;
	unsigned n = 0;

	while (!st_out_is_blocked(&b->stage.out) || b->stage.out.box_ring == 0) {
		put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10 + n % 40, 3, REC_F_NO_SHED);
		put_event(b, KEV_CODE_PROCEXIT_1_E, 10 + n++ % 40, 1, REC_F_NO_SHED);
		assert_true(st_stage_turn(&b->stage) >= 0);
		drain(b, 0);
		if (st_out_is_blocked(&b->stage.out) && b->stage.out.box_ring == 0)
			drain(b, 1); /* an event that waits for ring 1 */
		assert_true(n < 20000);
	}
	st_stage_done(&b->stage);
	stage_start(b);
	drain(b, 1);
	while (st_out_is_blocked(&b->stage.out))
		assert_true(st_stage_turn(&b->stage) >= 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(st_stage_turn(&b->stage) >= 0);
		drain(b, 0); /* where each order has to be higher than the last */
		drain(b, 1);
	}
	check_ledger(b, b->seq);
}

/* A ring that was replaced after a fault has no END, and its evaluator waits for one. */
static void test_turn__ring_replaced_after_the_end__end_is_written_again(void **state)
{
	struct bench *b = *state;
	struct spsc_left left;
	struct spsc_fds fresh;

	put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 3, 0);
	put_end(b);
	assert_int_equal(st_stage_turn(&b->stage), -ENODATA);
	drain(b, 0);
	st_stage_done(&b->stage);
	assert_int_equal(
		spsc_left_read(b->event_fds[1].data_ro, b->event_fds[1].cursor_ro, &left), 0);
	assert_true(left.has_slot && left.slot.cpu_pos[EVENT_SLOT_ENDED] == 1);
	left.slot.cpu_pos[EVENT_SLOT_ENDED] = 0;
	assert_int_equal(spsc_renew("event", RING_BYTES, true, run_id, &left, &fresh), 0);
	spsc_consumer_done(&b->ev[1]);
	spsc_fds_close(&b->event_fds[1]);
	b->event_fds[1] = fresh;
	assert_int_equal(spsc_consumer_attach(&b->ev[1], fresh.data_ro, fresh.cursor_rw), 0);
	stage_start(b);
	assert_int_equal(st_stage_turn(&b->stage), -ENODATA);
	assert_false(st_out_is_drained(&b->stage.out));
	drain(b, 0);
	drain(b, 1);
	assert_true(b->saw_end[1]);
	assert_true(st_out_is_drained(&b->stage.out));
}

static uint64_t epoch_of_next(struct bench *b, unsigned ring)
{
	const struct spsc_rec *rec;

	assert_int_equal(spsc_next(&b->ev[ring], &rec), 1);
	assert_int_equal(rec->type, REC_SNAP_BEGIN);
	b->last_ord[ring] = ((const struct rec_head *)rec)->ord;
	return ((const struct rec_snap *)rec)->epoch;
}

static void test_turn__no_room_for_state__cut_off_and_back(void **state)
{
	struct bench *b = *state;
	const struct progress_tracker *p = b->progress;
	const struct spsc_rec *rec;
	unsigned n = 0;

	b->stage.out.can_cut = true;
	while (!b->stage.out.cut) { /* births and deaths: state for both, read by one alone */
		put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10 + n % 40, 3, 0);
		put_event(b, KEV_CODE_PROCEXIT_1_E, 10 + n++ % 40, 1, 0);
		assert_int_equal(st_stage_turn(&b->stage), 2);
		assert_false(st_out_is_blocked(&b->stage.out));
		drain(b, 1);
		assert_true(n < 10000);
	}
	assert_int_equal(b->stage.out.cut, 1);
	for (unsigned i = 0; i < 200; i++) {
		put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10 + i % 40, 1, 0);
		assert_int_equal(st_stage_turn(&b->stage), 1);
		drain(b, 1);
	}
	assert_true(b->stats.loss[LOSS_TRACKER_CUT_OFF] > 20);
	drain(b, 0);
	put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 1, 0);
	assert_int_equal(st_stage_turn(&b->stage), 1);
	assert_int_equal(b->stage.out.cut, 0);
	assert_int_equal(epoch_of_next(b, 0), p->epoch);
	b->n_state[0]++;
	assert_int_equal(spsc_peek(&b->ev[0], &rec), 1);
	assert_int_equal(rec->type, REC_PROC); /* told again, to the one that was away */
	drain(b, 0);
	drain(b, 1);
	assert_int_equal(b->stats.events, p->judged_here + p->forwarded[0] + p->forwarded[1] +
						  b->stats.loss[LOSS_TRACKER_EVENT_FULL] +
						  b->stats.loss[LOSS_TRACKER_CUT_OFF]);
	assert_int_equal(p->forwarded[0], b->n_events[0]);
	assert_int_equal(p->forwarded[1], b->n_events[1]);
}

static void test_snapshot__slow_evaluator__state_at_its_commit(void **state)
{
	static _Alignas(8) uint8_t room[1u << 18], buf[SPSC_RECORD_MAX];
	const struct rec_head *rec = (const struct rec_head *)buf;
	struct bench *b = *state;
	struct snap_head head;
	struct snap_reader r;
	unsigned n[2] = {0};

	put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 1);
	drain(b, 0);
	put_event(b, KEV_CODE_PROCEXIT_1_E, 10, 1, 0);
	put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 11, 3, 0);
	assert_int_equal(st_stage_turn(&b->stage), 2);
	drain(b, 1);
	assert_int_equal(st_stage_turn(&b->stage), 0);
	for (unsigned ring = 0; ring < 2; ring++) {
		assert_int_equal(st_stage_snapshot(&b->stage, ring, room, sizeof(room)), 0);
		assert_int_equal(snap_read_begin(&r, room, sizeof(room), &head), 0);
		assert_int_equal(head.flags, 0);
		while (snap_read(&r, buf) == 1) {
			const struct prec *proc = (const struct prec *)rec;

			n[ring] += rec->ring.type == REC_PROC;
			if (ring == 0)
				assert_int_equal(proc->tid, 10);
		}
	}
	assert_int_equal(n[0], 1); /* it has not heard of the death, nor of the other */
	assert_true(n[1] >= 1);
	assert_int_equal(st_stage_snapshot(&b->stage, RINGS, room, sizeof(room)), -EINVAL);
}

static void test_turn__blocked_at_first__committed_later(void **state)
{
	struct bench *b = *state;
	const struct progress_tracker *p = b->progress;
	uint64_t applied;
	unsigned n = 0;

	while (!st_out_is_blocked(&b->stage.out)) {
		put_event(b, KEV_CODE_SYSCALL_UNLINK_2_X, 10, 1, REC_F_NO_SHED);
		assert_true(st_stage_turn(&b->stage) >= 0);
		n++;
	}
	applied = p->applied;
	assert_int_equal(applied, n - 1); /* the waiting one is not committed */
	assert_true(b->raw.published > b->raw.cursor->tail);
	assert_int_equal(st_stage_turn(&b->stage), 0);
	drain(b, 0);
	drain(b, 1);
	assert_int_equal(st_stage_turn(&b->stage), 1);
	assert_int_equal(p->applied, n);
	drain(b, 0);
	drain(b, 1);
	check_ledger(b, n);
	assert_int_equal(b->raw.published, b->raw.cursor->tail);
}

/* --- holds --- */

#define CONTAINER "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CGROUP 4711

static int setup_holds(void **state)
{
	struct bench *b;

	setup(state);
	b = *state;
	st_stage_done(&b->stage);
	b->wait_ns = 1000;
	assert_int_equal(spsc_create("request", SPSC_SIZE_MIN, false, run_id, &b->lookup_fds), 0);
	assert_int_equal(
		spsc_consumer_attach(&b->lookups, b->lookup_fds.data_ro, b->lookup_fds.cursor_rw),
		0);
	stage_start(b);
	return 0;
}

static int teardown_holds(void **state)
{
	struct bench *b = *state;

	spsc_consumer_done(&b->lookups);
	spsc_fds_close(&b->lookup_fds);
	return teardown(state);
}

static void put_kev(struct bench *b, struct kev_builder *kb, struct rec_head *rec, uint16_t type,
	uint64_t ts_ns)
{
	int n = kev_build_finish(kb);

	assert_true(n > 0);
	*rec = (struct rec_head){
		.ring = {.len = (uint32_t)(sizeof(*rec) + (size_t)n), .type = type},
		.seq = b->seq,
		.ts_ns = ts_ns};
	put_raw(b, rec);
}

/* Far in the future: the clock decides nothing. */
#define TS(n) (4000000000000000000ULL + (n))

static uint64_t hold_room[(sizeof(struct rec_head) + KEV_SIZE_MAX) / 8];

static void put_in_cgroup(struct bench *b, uint32_t pid, uint64_t cgroup_id, uint64_t ts_ns)
{
	struct rec_head *rec = (struct rec_head *)hold_room;
	struct kev_builder kb;

	kev_build_start(&kb, rec + 1, KEV_SIZE_MAX, KEV_CODE_SYSCALL_UNLINK_2_X, 0);
	kev_build_head(&kb)->tid = kev_build_head(&kb)->tgid = pid;
	kev_build_head(&kb)->leader_start_ns = pid;
	kev_build_head(&kb)->cls = 3;
	kev_build_head(&kb)->ts_ns = ++b->seq;
	kev_build_head(&kb)->cgroup_id = cgroup_id;
	kev_build_int(&kb, 0);
	kev_build_text(&kb, SPAN_LIT("/f"));
	put_kev(b, &kb, rec, REC_KEV, ts_ns);
}

/* A process is born in such a cgroup. */
static void put_birth_in(
	struct bench *b, uint32_t pid, uint64_t ts_ns, const char *cgroups, size_t n_cgroups)
{
	struct rec_head *rec = (struct rec_head *)hold_room;
	struct kev_builder kb;

	kev_build_start(&kb, rec + 1, KEV_SIZE_MAX, KEV_CODE_SAKER_FORK, 0);
	kev_build_head(&kb)->tid = kev_build_head(&kb)->tgid = pid - 1;
	kev_build_head(&kb)->leader_start_ns = pid - 1;
	kev_build_head(&kb)->cls = 1;
	kev_build_head(&kb)->flags = KEV_F_STATE_ONLY;
	kev_build_head(&kb)->ts_ns = ++b->seq;
	kev_build_head(&kb)->cgroup_id = CGROUP;
	kev_build_int(&kb, pid);
	kev_build_int(&kb, pid);
	kev_build_int(&kb, pid - 1);
	for (unsigned i = 3; i < 8; i++)
		kev_build_int(&kb, 0);
	kev_build_text(&kb, SPAN_LIT("sh"));
	for (unsigned i = 9; i < 13; i++)
		kev_build_int(&kb, 0);
	kev_build_raw(&kb, cgroups, n_cgroups);
	put_kev(b, &kb, rec, REC_KEV, ts_ns);
}

static void put_birth(struct bench *b, uint32_t pid, uint64_t ts_ns)
{
	static const char cgroups[] = "memory=/docker/" CONTAINER;

	put_birth_in(b, pid, ts_ns, cgroups, sizeof(cgroups));
}

static void put_facts(struct bench *b, uint32_t flags)
{
	struct rec_head *rec = (struct rec_head *)hold_room;
	struct kev_builder kb;

	kev_build_start(&kb, rec + 1, KEV_SIZE_MAX, KEV_CODE_SAKER_CONTAINER, 0);
	kev_build_head(&kb)->flags = KEV_F_NO_TASK;
	kev_build_text(&kb, SPAN_LIT(CONTAINER));
	kev_build_int(&kb, flags);
	for (unsigned i = 0; i < _CREC_TEXT_MAX; i++)
		kev_build_absent(&kb);
	put_kev(b, &kb, rec, REC_STATE, TS(0));
}

static void turns(struct bench *b)
{
	while (st_stage_turn(&b->stage) > 0)
		;
	drain(b, 0);
	drain(b, 1);
}

static uint64_t n_events(const struct bench *b)
{
	return b->n_events[0] + b->n_events[1];
}

/* Every event is somewhere. */
static void check_held(struct bench *b, uint64_t held)
{
	const struct progress_tracker *p = b->progress;

	assert_int_equal(p->applied, b->seq);
	assert_int_equal(p->held_now, held);
	assert_int_equal(p->judged_here + p->forwarded[0] + p->forwarded[1] + p->held_now +
				 b->stats.loss[LOSS_TRACKER_HELD] +
				 b->stats.loss[LOSS_TRACKER_EVENT_FULL],
		b->seq);
}

static void begin_hold(struct bench *b)
{
	put_birth(b, 11, TS(1));
	put_in_cgroup(b, 11, CGROUP, TS(2));
	put_in_cgroup(b, 50, 99, TS(3)); /* of the host */
	turns(b);
	assert_int_equal(n_events(b), 1);
	check_held(b, 2);
}

static void test_hold__facts_come__released_with_them(void **state)
{
	struct bench *b = *state;
	const struct spsc_rec *rec;

	begin_hold(b);
	assert_int_equal(spsc_next(&b->lookups, &rec), 1);
	assert_int_equal(lookup_validate((const struct rec_head *)rec), 0);
	assert_true(span_eq_str(lookup_id((const struct lookup *)rec), CONTAINER));
	assert_int_equal(spsc_next(&b->lookups, &rec), 0);
	put_facts(b, 0);
	turns(b);
	assert_int_equal(n_events(b), 2);
	check_held(b, 0);
	/* known now: nothing is held back, nobody is asked */
	put_birth(b, 12, TS(4));
	put_in_cgroup(b, 12, CGROUP, TS(5));
	turns(b);
	assert_int_equal(n_events(b), 3);
	assert_int_equal(spsc_next(&b->lookups, &rec), 0);
	assert_int_equal(b->stats.held_containers, 1);
	assert_int_equal(b->stats.held_events, 2);
	check_held(b, 0);
}

static void test_hold__cgroup_tells_all__not_held(void **state)
{
	static const char lxc[] = "memory=/lxc/web1",
			  nspawn[] = "unified=/machine.slice/machine-a.scope";
	struct bench *b = *state;
	const struct spsc_rec *rec;

	put_birth_in(b, 11, TS(1), lxc, sizeof(lxc));
	put_in_cgroup(b, 11, CGROUP, TS(2));
	put_birth_in(b, 12, TS(3), nspawn, sizeof(nspawn));
	put_in_cgroup(b, 12, CGROUP, TS(4));
	turns(b);
	assert_int_equal(n_events(b), 2);
	assert_int_equal(spsc_next(&b->lookups, &rec), 0);
	assert_int_equal(b->stats.held_containers, 0);
	check_held(b, 0);
}

static void test_hold__nobody_knows__released_and_not_held_again(void **state)
{
	struct bench *b = *state;

	begin_hold(b);
	put_facts(b, CREC_UNKNOWN);
	turns(b);
	assert_int_equal(n_events(b), 2);
	put_birth(b, 12, TS(4));
	put_in_cgroup(b, 12, CGROUP, TS(5));
	turns(b);
	assert_int_equal(n_events(b), 3);
	check_held(b, 0);
}

static void test_hold__time_of_another_record__each_released_when_it_has_waited(void **state)
{
	struct bench *b = *state;

	begin_hold(b); /* records of the times 1 and 2 */
	put_in_cgroup(b, 50, 99, TS(1000));
	turns(b);
	check_held(b, 2);
	put_in_cgroup(b, 50, 99, TS(1001));
	turns(b);
	check_held(b, 1);
	put_in_cgroup(b, 50, 99, TS(1002));
	turns(b);
	check_held(b, 0);
	assert_int_equal(n_events(b), 5);
	/* what comes now waits for its own time, until the container has been waited for long enough */
	put_in_cgroup(b, 11, CGROUP, TS(9990));
	turns(b);
	check_held(b, 1);
	put_in_cgroup(b, 50, 99, TS(10001));
	turns(b);
	check_held(b, 0);
	put_in_cgroup(b, 11, CGROUP, TS(10002));
	turns(b);
	check_held(b, 0);
	assert_int_equal(n_events(b), 8);
}

static void test_hold__early_facts__wait_for_the_rest(void **state)
{
	struct bench *b = *state;

	begin_hold(b);
	put_facts(b, CREC_EARLY);
	turns(b);
	check_held(b, 2);
	put_facts(b, 0);
	turns(b);
	check_held(b, 0);
	put_facts(b, CREC_EARLY); /* too late, and less than is known */
	turns(b);
	assert_true(b->stage.core.containers.slots[0].has_facts);
}

static void test_hold__end__releases_all(void **state)
{
	struct bench *b = *state;

	begin_hold(b);
	put_end(b);
	turns(b);
	assert_true(b->saw_end[0] && b->saw_end[1]);
	assert_int_equal(n_events(b), 2);
	check_held(b, 0);
}

static void test_hold__no_room_for_more__let_go_of_and_counted(void **state)
{
	struct bench *b = *state;

	begin_hold(b);
	while (b->stage.holds.n_used) {
		put_in_cgroup(b, 11, CGROUP, TS(2));
		turns(b);
		assert_true(b->seq < 1000000);
	}
	assert_int_equal(b->stage.holds.n_cut, 1);
	turns(b);
	check_held(b, 0);
}

static void test_hold__tracker_dies__what_it_held_is_a_named_loss(void **state)
{
	struct bench *b = *state;

	begin_hold(b);
	for (unsigned round = 1; round < 3; round++) {
		st_stage_done(&b->stage);
		stage_start(b);
		turns(b);
		assert_int_equal(b->stats.loss[LOSS_TRACKER_HELD], 2 * round);
		check_held(b, 0);
		/* a new tracker knows no facts: it asks, and holds back */
		put_birth(b, 20 + round, TS(10 * round));
		put_in_cgroup(b, 20 + round, CGROUP, TS(10 * round));
		turns(b);
		check_held(b, 2);
	}
	put_facts(b, 0);
	turns(b);
	assert_int_equal(b->stats.loss[LOSS_TRACKER_HELD], 4);
	check_held(b, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_turn__fresh_page__order_begins_at_one),
		T(test_turn__slow_consumers__nothing_lost_nothing_twice),
		T(test_turn__full_ring__shed_by_class),
		T(test_turn__end__reaches_a_ring_that_was_cut_off),
		T(test_turn__malformed__named_and_passed_over),
		T(test_turn__event_larger_than_a_record__named),
		T(test_turn__successor__goes_on),
		T(test_turn__died_before_the_commit__nothing_twice),
		T(test_turn__passed_before_the_commit__not_counted_twice),
		T(test_turn__died_between_end_and_ended__nothing_behind_end),
		T(test_turn__died_while_state_waits__order_is_not_given_again),
		T(test_turn__ring_replaced_after_the_end__end_is_written_again),
		T(test_turn__no_room_for_state__cut_off_and_back),
		T(test_snapshot__slow_evaluator__state_at_its_commit),
		T(test_turn__blocked_at_first__committed_later),
#define HOLD(name) cmocka_unit_test_setup_teardown(test_hold__##name, setup_holds, teardown_holds)
		HOLD(cgroup_tells_all__not_held),
		HOLD(facts_come__released_with_them),
		HOLD(nobody_knows__released_and_not_held_again),
		HOLD(time_of_another_record__each_released_when_it_has_waited),
		HOLD(early_facts__wait_for_the_rest),
		HOLD(end__releases_all),
		HOLD(no_room_for_more__let_go_of_and_counted),
		HOLD(tracker_dies__what_it_held_is_a_named_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
