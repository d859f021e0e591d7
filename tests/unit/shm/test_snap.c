/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshot segments: what was written is read; what cannot be is refused; and the segment that one
 * process fills and another seals. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/cleanup.h>
#include <shm/segment.h>
#include <shm/snap.h>

static _Alignas(8) uint8_t room[4096], buf[SPSC_RECORD_MAX];

static size_t fill(unsigned n, size_t cap)
{
	struct snap_writer w;

	memset(room, 0, sizeof(room));
	assert_int_equal(snap_write_begin(&w, room, cap), 0);
	for (unsigned i = 0; i < n; i++) {
		struct rec_forget f = {
			.h = {.ring = {.len = sizeof(f), .type = REC_FORGET}, .ord = i}, .slot = i};

		snap_write(&w, &f.h.ring);
	}
	snap_write_end(&w, 77);
	return w.n;
}

static int read_all(size_t size, unsigned *ret_n, struct snap_head *ret_head)
{
	struct snap_reader r;
	int k = snap_read_begin(&r, room, size, ret_head);

	*ret_n = 0;
	while (k >= 0 && (k = snap_read(&r, buf)) > 0) {
		assert_int_equal(((struct rec_forget *)buf)->slot, *ret_n);
		(*ret_n)++;
	}
	return k;
}

static void test_snap__written__read(void **state)
{
	struct snap_head head;
	unsigned n;

	(void)state;
	fill(10, sizeof(room));
	assert_int_equal(read_all(sizeof(room), &n, &head), 0);
	assert_int_equal(n, 10);
	assert_int_equal(head.ord, 77);
	assert_int_equal(head.flags, 0);
}

static void test_snap__no_room__incomplete_and_says_so(void **state)
{
	struct snap_head head;
	unsigned n;

	(void)state;
	fill(10, sizeof(head) + 3 * sizeof(struct rec_forget) + 8);
	assert_int_equal(read_all(sizeof(room), &n, &head), 0);
	assert_int_equal(n, 3);
	assert_int_equal(head.flags, SNAP_F_INCOMPLETE);
	assert_int_equal(snap_write_begin(&(struct snap_writer){0}, room, 31), -EMSGSIZE);
}

static void test_snap_read__lies__refused(void **state)
{
	struct snap_head *head = (struct snap_head *)room, out;
	struct spsc_rec *first = (struct spsc_rec *)(head + 1);
	static const uint32_t lens[] = {0, 8, 31, 41, 4096, UINT32_MAX, UINT32_MAX - 6};
	size_t n_bytes = fill(10, sizeof(room));
	unsigned n;

	(void)state;
	assert_int_equal(read_all(n_bytes - 1, &n, &out), -EBADMSG);
	assert_int_equal(read_all(16, &n, &out), -EBADMSG);
	head->n_bytes = UINT64_MAX - 7;
	assert_int_equal(read_all(sizeof(room), &n, &out), -EBADMSG);
	fill(10, sizeof(room));
	head->n_records = 11;
	assert_int_equal(read_all(sizeof(room), &n, &out), -EBADMSG);
	assert_int_equal(n, 10);
	head->n_records = 9;
	assert_int_equal(read_all(sizeof(room), &n, &out), -EBADMSG);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct snap_reader r;
		int k;

		fill(10, sizeof(room));
		first->len = lens[i];
		assert_int_equal(snap_read_begin(&r, room, n_bytes, &out), 0);
		while ((k = snap_read(&r, buf)) > 0)
			;
		assert_int_equal(k, -EBADMSG);
	}
}

static void test_segment__filled_and_sealed__not_before_it_is_let_go_of(void **state)
{
	_cleanup_close_ int rw = -1, ro = -1;
	static const uint8_t run_id[16] = {1};
	void *p, *q;
	size_t n;

	(void)state;
	assert_int_equal(seg_create_open("snapshot.x", SEG_SNAPSHOT, 1u << 20, run_id, &rw), 0);
	assert_int_equal(ftruncate(rw, 1), -1);
	assert_true(seg_map(rw, SEG_SNAPSHOT, PROT_READ, &p, &n) < 0); /* not sealed yet */
	assert_int_equal(seg_map_open(rw, SEG_SNAPSHOT, &p, &n), 0);
	assert_int_equal(n, 1u << 20);
	memcpy(p, "state", 6);
	assert_int_equal(seg_finish(rw, &ro), -EBUSY);
	seg_unmap(p, n);
	assert_int_equal(seg_finish(rw, &ro), 0);
	assert_int_equal(fcntl(ro, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(seg_map(ro, SEG_SNAPSHOT, PROT_READ, &q, &n), 0);
	assert_string_equal(q, "state");
	seg_unmap(q, n);
	assert_true(seg_map_open(rw, SEG_SNAPSHOT, &p, &n) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snap__written__read),
		cmocka_unit_test(test_snap__no_room__incomplete_and_says_so),
		cmocka_unit_test(test_snap_read__lies__refused),
		cmocka_unit_test(test_segment__filled_and_sealed__not_before_it_is_let_go_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
