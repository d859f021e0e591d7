/* SPDX-License-Identifier: Apache-2.0 */
/* Rings, one call at a time in one process: order, limits, restart, slots, waking, and that each
 * impossible position or length is refused. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/cleanup.h>
#include <shm/segment.h>
#include <shm/spsc.h>

#define SIZE SPSC_SIZE_MIN

struct fixture {
	struct spsc_fds fds;
	struct spsc_producer p;
	struct spsc_consumer c;
	int wake;
	struct spsc_data_page *hostile_data;     /* what a hostile producer can write */
	struct spsc_cursor_page *hostile_cursor; /* what a hostile consumer can write */
	size_t data_n, cursor_n;
};

static const uint8_t run_id[16] = "run";

static void attach(struct fixture *f)
{
	assert_int_equal(spsc_producer_attach(&f->p, f->fds.data_rw, f->fds.cursor_ro, f->wake), 0);
	assert_int_equal(spsc_consumer_attach(&f->c, f->fds.data_ro, f->fds.cursor_rw), 0);
}

static int setup_ring(void **state, bool has_slots)
{
	static struct fixture f;
	void *p;

	memset(&f, 0, sizeof(f));
	assert_int_equal(spsc_create("ring", SIZE, has_slots, run_id, &f.fds), 0);
	f.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	attach(&f);
	assert_int_equal(
		seg_map(f.fds.data_rw, SEG_RING_DATA, PROT_READ | PROT_WRITE, &p, &f.data_n), 0);
	f.hostile_data = p;
	assert_int_equal(
		seg_map(f.fds.cursor_rw, SEG_RING_CURSOR, PROT_READ | PROT_WRITE, &p, &f.cursor_n),
		0);
	f.hostile_cursor = p;
	*state = &f;
	return 0;
}

static int setup(void **state)
{
	return setup_ring(state, false);
}

static int setup_slots(void **state)
{
	return setup_ring(state, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	spsc_producer_done(&f->p);
	spsc_consumer_done(&f->c);
	spsc_fds_close(&f->fds);
	spsc_fds_close(&f->fds); /* twice does nothing */
	seg_unmap(f->hostile_data, f->data_n);
	seg_unmap(f->hostile_cursor, f->cursor_n);
	close(f->wake);
	return 0;
}

static int put(struct fixture *f, size_t len, uint16_t type)
{
	struct spsc_rec *rec;
	int r = spsc_reserve(&f->p, len, type, &rec);

	if (r < 0)
		return r;
	memset(rec + 1, type & 0xff, len - sizeof(*rec));
	spsc_commit(&f->p, len);
	return 0;
}

static uint64_t woken(struct fixture *f)
{
	uint64_t n;

	return read(f->wake, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void test_spsc_create__bad_size__refused(void **state)
{
	struct spsc_fds f = {7, 7, 7, 7};

	(void)state;
	assert_int_equal(spsc_create("x", SPSC_SIZE_MIN / 2, false, run_id, &f), -EINVAL);
	assert_int_equal(spsc_create("x", SPSC_SIZE_MIN + 8, false, run_id, &f), -EINVAL);
	assert_int_equal(spsc_create("x", 0, false, run_id, &f), -EINVAL);
	assert_int_equal(f.data_rw, 7);
}

static void test_spsc_next__records__in_order_and_whole(void **state)
{
	struct fixture *f = *state;
	const struct spsc_rec *rec;

	assert_int_equal(spsc_next(&f->c, &rec), 0);
	assert_int_equal(put(f, 8, 1), 0);
	assert_int_equal(put(f, 13, 2), 0);
	assert_int_equal(spsc_next(&f->c, &rec), 0); /* not published */
	spsc_publish(&f->p);
	assert_int_equal(spsc_next(&f->c, &rec), 1);
	assert_int_equal(rec->len, 8);
	assert_int_equal(rec->type, 1);
	assert_int_equal(rec->flags, 0);
	assert_int_equal(spsc_next(&f->c, &rec), 1);
	assert_int_equal(rec->len, 16);
	assert_memory_equal(rec + 1, "\2\2\2\2\2\0\0\0", 8);
	assert_int_equal(spsc_next(&f->c, &rec), 0);
	assert_int_equal(spsc_consumer_pos(&f->c), 24);
	assert_int_equal(f->c.n_taken, 2);
}

static void test_spsc_reserve__bad_length__refused(void **state)
{
	struct fixture *f = *state;
	struct spsc_rec *rec;

	assert_int_equal(spsc_reserve(&f->p, 7, 1, &rec), -EMSGSIZE);
	assert_int_equal(spsc_reserve(&f->p, SPSC_RECORD_MAX + 1, 1, &rec), -EMSGSIZE);
	assert_int_equal(spsc_reserve(&f->p, SIZE_MAX, 1, &rec), -EMSGSIZE);
	assert_int_equal(spsc_reserve(&f->p, SPSC_RECORD_MAX, 1, &rec), 0);
	spsc_abandon(&f->p);
}

static void test_spsc_abandon__and_shorter_commit__cost_nothing(void **state)
{
	struct fixture *f = *state;
	const struct spsc_rec *out;
	struct spsc_rec *rec;

	assert_int_equal(spsc_reserve(&f->p, 4096, 1, &rec), 0);
	spsc_abandon(&f->p);
	spsc_publish(&f->p);
	assert_int_equal(spsc_next(&f->c, &out), 0);
	assert_int_equal(spsc_reserve(&f->p, 4096, 2, &rec), 0);
	memset(rec, 0xff, 4096); /* a careless writer: length and type are written again */
	spsc_commit(&f->p, 20);
	spsc_publish(&f->p);
	assert_int_equal(f->p.published, 24);
	assert_int_equal(spsc_next(&f->c, &out), 1);
	assert_int_equal(out->len, 24);
	assert_int_equal(out->type, 2);
	assert_memory_equal((const char *)out + 16, "\xff\xff\xff\xff\0\0\0\0", 8);
}

static void test_spsc_reserve__full__again_after_commit(void **state)
{
	struct fixture *f = *state;
	const struct spsc_rec *rec;
	unsigned n = 0;

	while (put(f, 1000, 1) == 0)
		n++;
	assert_int_equal(n, SIZE / 1000);
	assert_int_equal(put(f, 1000, 1), -EAGAIN);
	assert_int_equal(f->p.page->full, 2);
	spsc_publish(&f->p);
	assert_int_equal(spsc_producer_used(&f->p), n * 1000);
	assert_int_equal(spsc_producer_free(&f->p), SIZE - n * 1000);
	assert_int_equal(f->p.page->high_water, n * 1000);
	assert_int_equal(spsc_next(&f->c, &rec), 1);
	assert_int_equal(put(f, 1000, 1), -EAGAIN); /* taken is not committed */
	spsc_consumer_commit(&f->c);
	assert_int_equal(put(f, 1000, 1), 0);
}

static void test_spsc_next__across_the_end__contiguous(void **state)
{
	struct fixture *f = *state;
	const struct spsc_rec *rec;

	for (unsigned i = 0; i < 1000; i++) {
		size_t len = 8 + i * 517 % (SPSC_RECORD_MAX - 8);

		assert_int_equal(put(f, len, (uint16_t)i), 0);
		spsc_publish(&f->p);
		assert_int_equal(spsc_next(&f->c, &rec), 1);
		assert_int_equal(rec->type, i);
		assert_int_equal(rec->len, (len + 7) / 8 * 8);
		for (size_t k = sizeof(*rec); k < len; k++) {
			if (((const uint8_t *)rec)[k] != (i & 0xff))
				fail_msg("byte %zu of record %u", k, i);
		}
		spsc_consumer_commit(&f->c);
	}
	assert_true(f->p.head > 10 * SIZE);
}

static void test_spsc_peek__hostile_change__next_gives_the_same(void **state)
{
	struct fixture *f = *state;
	const struct spsc_rec *peeked, *taken;

	assert_int_equal(spsc_peek(&f->c, &peeked), 0);
	put(f, 32, 5);
	spsc_publish(&f->p);
	assert_int_equal(spsc_peek(&f->c, &peeked), 1);
	assert_int_equal(spsc_peek(&f->c, &peeked), 1);
	assert_int_equal(spsc_consumer_pos(&f->c), 0);
	assert_true(spsc_consumer_has_data(&f->c));
	memset(f->p.data, 0xee, 32);
	assert_int_equal(spsc_next(&f->c, &taken), 1);
	assert_ptr_equal(peeked, taken);
	assert_int_equal(taken->type, 5);
	assert_int_equal(taken->len, 32);
	assert_int_equal(spsc_consumer_pos(&f->c), 32);
	assert_false(spsc_consumer_has_data(&f->c));
}

static void test_spsc_consumer_commit_to__part__restart_repeats_the_rest(void **state)
{
	struct fixture *f = *state;
	const struct spsc_rec *rec;
	uint64_t pos;

	for (uint16_t i = 0; i < 5; i++)
		put(f, 16, i);
	spsc_publish(&f->p);
	spsc_next(&f->c, &rec);
	spsc_next(&f->c, &rec);
	pos = spsc_consumer_pos(&f->c);
	spsc_next(&f->c, &rec);
	spsc_consumer_commit_to(&f->c, pos, 2);
	f->c.cursor->sleeping = 1;
	spsc_consumer_done(&f->c);
	assert_int_equal(spsc_consumer_attach(&f->c, f->fds.data_ro, f->fds.cursor_rw), 0);
	assert_int_equal(f->c.cursor->sleeping, 0);
	assert_int_equal(f->c.n_taken, 2);
	assert_int_equal(spsc_next(&f->c, &rec), 1);
	assert_int_equal(rec->type, 2);
}

static void test_spsc_producer_attach__restart__goes_on_at_the_published_head(void **state)
{
	struct fixture *f = *state;
	const struct spsc_rec *rec;

	put(f, 16, 1);
	spsc_publish(&f->p);
	put(f, 16, 2); /* dies before publishing it */
	spsc_producer_done(&f->p);
	assert_int_equal(spsc_producer_attach(&f->p, f->fds.data_rw, f->fds.cursor_ro, -1), 0);
	put(f, 16, 3);
	spsc_publish(&f->p);
	assert_int_equal(spsc_next(&f->c, &rec), 1);
	assert_int_equal(rec->type, 1);
	assert_int_equal(spsc_next(&f->c, &rec), 1);
	assert_int_equal(rec->type, 3);
	assert_int_equal(spsc_next(&f->c, &rec), 0);
}

static void test_spsc_attach__wrong_descriptors__refused(void **state)
{
	struct fixture *f = *state;
	struct spsc_producer p;
	struct spsc_consumer c;
	_cleanup_close_ int odd_rw = -1, odd_ro = -1;

	assert_int_equal(
		spsc_producer_attach(&p, f->fds.cursor_rw, f->fds.cursor_ro, -1), -EBADMSG);
	assert_int_equal(spsc_producer_attach(&p, f->fds.data_rw, f->fds.data_ro, -1), -EBADMSG);
	assert_int_equal(spsc_producer_attach(&p, f->fds.data_ro, f->fds.cursor_ro, -1), -EACCES);
	assert_int_equal(spsc_consumer_attach(&c, f->fds.cursor_ro, f->fds.cursor_rw), -EBADMSG);
	assert_int_equal(spsc_consumer_attach(&c, f->fds.data_ro, f->fds.cursor_ro), -EACCES);
	/* a segment of the right kind with an impossible shape */
	assert_int_equal(
		seg_create("odd", SEG_RING_DATA, SIZE + 4096 + 8, run_id, &odd_rw, &odd_ro), 0);
	assert_int_equal(spsc_consumer_attach(&c, odd_ro, f->fds.cursor_rw), -EBADMSG);
	odd_rw = fd_close(odd_rw);
	odd_ro = fd_close(odd_ro);
	assert_int_equal(seg_create("odd", SEG_RING_CURSOR, 64, run_id, &odd_rw, &odd_ro), 0);
	assert_int_equal(spsc_consumer_attach(&c, f->fds.data_ro, odd_rw), -EBADMSG);
	assert_int_equal(spsc_producer_attach(&p, f->fds.data_rw, odd_ro, -1), -EBADMSG);
	/* the page contradicts the file */
	f->hostile_data->size *= 2;
	assert_int_equal(spsc_consumer_attach(&c, f->fds.data_ro, f->fds.cursor_rw), -EBADMSG);
	f->hostile_data->size /= 2;
	f->hostile_data->slots_off = 64;
	assert_int_equal(spsc_consumer_attach(&c, f->fds.data_ro, f->fds.cursor_rw), -EBADMSG);
}

static void test_spsc_consumer__impossible_head__refused(void **state)
{
	struct fixture *f = *state;
	const struct spsc_rec *rec;

	put(f, 64, 1);
	spsc_publish(&f->p);
	spsc_next(&f->c, &rec);
	spsc_consumer_commit(&f->c);

	const uint64_t bad[] = {
		0, 56, 65, 71, 64 + SIZE + 8, UINT64_MAX - 7, UINT64_MAX, UINT64_C(1) << 63};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct spsc_consumer c;

		f->hostile_data->head = bad[i];
		assert_int_equal(spsc_next(&f->c, &rec), -EBADMSG);
		assert_int_equal(spsc_peek(&f->c, &rec), -EBADMSG);
		assert_int_equal(spsc_consumer_pos(&f->c), 64);
		assert_true(spsc_consumer_has_data(
			&f->c)); /* so that a waiting consumer comes to the error */
		assert_false(spsc_consumer_arm(&f->c));
		assert_int_equal(
			spsc_consumer_attach(&c, f->fds.data_ro, f->fds.cursor_rw), -EBADMSG);
	}
	f->hostile_data->head = 64;
	assert_int_equal(spsc_next(&f->c, &rec), 0);
}

static void test_spsc_consumer__impossible_length__refused(void **state)
{
	static const uint32_t bad[] = {0, 4, 7, 9, 20, 72, SPSC_RECORD_MAX, SPSC_RECORD_MAX + 8,
		UINT32_MAX, 0x80000000, UINT32_MAX - 7};
	struct fixture *f = *state;
	const struct spsc_rec *rec;

	put(f, 64, 1);
	spsc_publish(&f->p);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		((struct spsc_rec *)f->p.data)->len = bad[i];
		assert_int_equal(spsc_next(&f->c, &rec), -EBADMSG);
		assert_int_equal(spsc_consumer_pos(&f->c), 0);
	}
	((struct spsc_rec *)f->p.data)->len = 64;
	assert_int_equal(spsc_next(&f->c, &rec), 1);
}

static void test_spsc_producer__impossible_tail__refused_and_last_good_kept(void **state)
{
	struct fixture *f = *state;
	const struct spsc_rec *rec;

	while (put(f, 4096, 1) == 0)
		;
	spsc_publish(&f->p);
	spsc_next(&f->c, &rec);
	spsc_next(&f->c, &rec);
	spsc_consumer_commit(&f->c);
	assert_int_equal(put(f, 8192, 1), 0); /* now 8192 is the last seen */
	spsc_publish(&f->p);

	const uint64_t bad[] = {0, 4096, 8184, 8193, 12292, f->p.head + 8, UINT64_MAX,
		UINT64_MAX - 7, UINT64_C(1) << 63};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct spsc_rec *out;

		f->hostile_cursor->tail = bad[i];
		assert_int_equal(spsc_reserve(&f->p, 64, 1, &out), -EBADMSG);
		assert_int_equal(spsc_producer_used(&f->p), SIZE);
		assert_int_equal(spsc_producer_free(&f->p), 0);
	}
	f->hostile_cursor->tail = 12288;
	assert_int_equal(put(f, 64, 1), 0);
}

static void test_spsc_producer_attach__impossible_positions__refused(void **state)
{
	struct fixture *f = *state;
	struct spsc_producer p;

	put(f, 64, 1);
	put(f, 64, 1);
	spsc_publish(&f->p);

	const uint64_t bad[] = {
		136, 1, 32, UINT64_MAX}; /* above the head, odd, not a record's start */

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f->hostile_cursor->tail = bad[i];
		assert_int_equal(
			spsc_producer_attach(&p, f->fds.data_rw, f->fds.cursor_ro, -1), -EBADMSG);
	}
	f->hostile_cursor->tail = 0;
	f->hostile_data->head = SIZE + 8;
	assert_int_equal(spsc_producer_attach(&p, f->fds.data_rw, f->fds.cursor_ro, -1), -EBADMSG);
	f->hostile_data->head = 128;
	f->hostile_cursor->tail = 64;
	assert_int_equal(spsc_producer_attach(&p, f->fds.data_rw, f->fds.cursor_ro, -1), 0);
	assert_int_equal(spsc_producer_used(&p), 64);
	spsc_producer_done(&p);
}

static void test_spsc_publish__sleeping_consumer__rung_once_a_publish(void **state)
{
	struct fixture *f = *state;

	put(f, 16, 1);
	spsc_publish(&f->p);
	assert_int_equal(woken(f), 0);          /* awake */
	assert_false(spsc_consumer_arm(&f->c)); /* there is data */
	assert_int_equal(f->c.cursor->sleeping, 0);
	const struct spsc_rec *rec;

	spsc_next(&f->c, &rec);
	assert_true(spsc_consumer_arm(&f->c));
	put(f, 16, 1);
	put(f, 16, 1);
	assert_int_equal(woken(f), 0);
	spsc_publish(&f->p);
	assert_int_equal(woken(f), 1);
	spsc_publish(&f->p); /* nothing new */
	assert_int_equal(woken(f), 0);
	assert_int_equal(f->p.page->wakes, 1);
	spsc_consumer_disarm(&f->c);
	put(f, 16, 1);
	spsc_publish(&f->p);
	assert_int_equal(woken(f), 0);
}

static void test_spsc_publish__flag_but_no_eventfd__does_not_ring(void **state)
{
	struct fixture *f = *state;

	spsc_producer_done(&f->p);
	assert_int_equal(spsc_producer_attach(&f->p, f->fds.data_rw, f->fds.cursor_ro, -1), 0);
	assert_true(spsc_consumer_arm(&f->c));
	put(f, 16, 1);
	spsc_publish(&f->p);
	assert_int_equal(f->p.page->wakes, 0);
	assert_true(spsc_consumer_has_data(&f->c));
}

static void test_spsc_producer_attach__predecessor_died_before_ringing__rings(void **state)
{
	struct fixture *f = *state;

	put(f, 16, 1);
	spsc_publish(&f->p);
	spsc_producer_done(&f->p);
	f->hostile_cursor->sleeping =
		1; /* as the consumer would have left it, had it armed before the publish */
	assert_int_equal(spsc_producer_attach(&f->p, f->fds.data_rw, f->fds.cursor_ro, f->wake), 0);
	assert_int_equal(woken(f), 1);
}

static void test_spsc_slot__ring_without__not_supported(void **state)
{
	struct fixture *f = *state;
	struct spsc_slot s;

	assert_int_equal(spsc_slot_write(&f->p, 1, NULL, 0), -ENOTSUP);
	assert_int_equal(spsc_slot_read(&f->p, &s), -ENOTSUP);
}

static void restart_producer(struct fixture *f)
{
	spsc_producer_done(&f->p);
	assert_int_equal(spsc_producer_attach(&f->p, f->fds.data_rw, f->fds.cursor_ro, -1), 0);
}

static void test_spsc_slot__restart__gives_the_one_of_the_published_head(void **state)
{
	struct fixture *f = *state;
	uint64_t pos[2] = {100, 200};
	struct spsc_slot s;

	assert_int_equal(spsc_slot_read(&f->p, &s), -ENOENT);
	put(f, 16, 1);
	assert_int_equal(spsc_slot_write(&f->p, 2, pos, 2), 0);
	spsc_publish(&f->p);
	put(f, 16, 1);
	pos[0] = 300;
	assert_int_equal(spsc_slot_write(&f->p, 3, pos, 2), 0);
	restart_producer(f); /* died between slot and publish */
	assert_int_equal(spsc_slot_read(&f->p, &s), 0);
	assert_int_equal(s.next_seq, 2);
	assert_int_equal(s.n_cpus, 2);
	assert_int_equal(s.cpu_pos[0], 100);
	/* the slot that was never published must not fit when the head comes to the same place */
	put(f, 16, 1);
	spsc_publish(&f->p);
	restart_producer(f);
	assert_int_equal(spsc_slot_read(&f->p, &s), -ENOENT);
	put(f, 16, 1);
	assert_int_equal(spsc_slot_write(&f->p, 4, pos, 2), 0);
	spsc_publish(&f->p);
	restart_producer(f);
	assert_int_equal(spsc_slot_read(&f->p, &s), 0);
	assert_int_equal(s.next_seq, 4);
	assert_int_equal(s.cpu_pos[0], 300);
}

static void test_spsc_slot__written_without_records__the_further_wins(void **state)
{
	struct fixture *f = *state;
	struct spsc_slot s;

	for (uint64_t i = 1; i < 20; i++) {
		assert_int_equal(spsc_slot_write(&f->p, 7, &i, 1), 0);
		assert_int_equal(spsc_slot_read(&f->p, &s), 0);
		assert_int_equal(s.cpu_pos[0], i);
	}
	assert_int_equal(spsc_slot_write(&f->p, 7, NULL, SPSC_CPUS_MAX + 1), -EINVAL);
	restart_producer(f);
	assert_int_equal(spsc_slot_read(&f->p, &s), 0);
	assert_int_equal(s.cpu_pos[0], 19);
}

static void test_spsc_view_read__ring__figures(void **state)
{
	struct fixture *f = *state;
	const struct spsc_rec *rec;
	struct spsc_view v;

	put(f, 16, 1);
	put(f, 24, 1);
	spsc_publish(&f->p);
	spsc_next(&f->c, &rec);
	spsc_consumer_commit(&f->c);
	assert_int_equal(spsc_view_read(f->fds.data_ro, f->fds.cursor_ro, &v), 0);
	assert_int_equal(v.size, SIZE);
	assert_int_equal(v.head, 40);
	assert_int_equal(v.tail, 16);
	assert_int_equal(v.used, 24);
	assert_int_equal(v.n_records, 1);
	assert_int_equal(v.high_water, 40);
	f->hostile_cursor->tail = 48;
	assert_int_equal(spsc_view_read(f->fds.data_ro, f->fds.cursor_ro, &v), -EBADMSG);
	assert_int_equal(spsc_view_read(f->fds.cursor_ro, f->fds.data_ro, &v), -EBADMSG);
	f->hostile_cursor->tail = 16;
	f->hostile_data->size = 8;
	assert_int_equal(spsc_view_read(f->fds.data_ro, f->fds.cursor_ro, &v), -EBADMSG);
}

#define RING(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
#define SLOT_RING(t) cmocka_unit_test_setup_teardown(t, setup_slots, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spsc_create__bad_size__refused),
		RING(test_spsc_next__records__in_order_and_whole),
		RING(test_spsc_reserve__bad_length__refused),
		RING(test_spsc_abandon__and_shorter_commit__cost_nothing),
		RING(test_spsc_reserve__full__again_after_commit),
		RING(test_spsc_next__across_the_end__contiguous),
		SLOT_RING(test_spsc_next__across_the_end__contiguous),
		RING(test_spsc_peek__hostile_change__next_gives_the_same),
		RING(test_spsc_consumer_commit_to__part__restart_repeats_the_rest),
		RING(test_spsc_producer_attach__restart__goes_on_at_the_published_head),
		RING(test_spsc_attach__wrong_descriptors__refused),
		RING(test_spsc_consumer__impossible_head__refused),
		RING(test_spsc_consumer__impossible_length__refused),
		RING(test_spsc_producer__impossible_tail__refused_and_last_good_kept),
		RING(test_spsc_producer_attach__impossible_positions__refused),
		RING(test_spsc_publish__sleeping_consumer__rung_once_a_publish),
		RING(test_spsc_publish__flag_but_no_eventfd__does_not_ring),
		RING(test_spsc_producer_attach__predecessor_died_before_ringing__rings),
		RING(test_spsc_slot__ring_without__not_supported),
		SLOT_RING(test_spsc_slot__restart__gives_the_one_of_the_published_head),
		SLOT_RING(test_spsc_slot__written_without_records__the_further_wins),
		RING(test_spsc_view_read__ring__figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
