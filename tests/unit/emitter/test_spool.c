/* SPDX-License-Identifier: Apache-2.0 */
/* The spool over each backend: order, recovery, bounds, damage, and the books. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spool_bed.h"

#define MIB (UINT64_C(1) << 20)

static void through(enum bed_io kind)
{
	struct bed b = {0};

	bed_make_folder(&b, "/tmp");
	if (bed_open(&b, kind, 64 * MIB, SPOOL_DROP_LOWEST) < 0) {
		bed_done(&b, true);
		skip();
	}
	for (unsigned i = 0; i < 20000; i++) {
		while (!spool_has_room(&b.spool))
			bed_settle_time(&b, 1);
		bed_append(&b, i % 8, 100 + i % 700);
		if (i % 50 == 0)
			bed_turn(&b);
		if (i % 1000 == 999)
			(void)bed_deliver(&b, 300);
	}
	(void)bed_deliver(&b, 100000);
	assert_int_equal(b.n_committed, 20000);
	assert_int_equal(b.n_seen, 20000);
	assert_int_equal(bed_missing(&b, 0, 20000), 0);
	assert_false(b.out_of_order);
	assert_int_equal(b.stats->alerts, 20000);
	assert_true(bed_is_balanced(&b));
	assert_true(spool_is_empty(&b.spool));
	bed_settle_time(&b, 30);
	assert_true(b.spool.bytes <= 8 * MIB); /* what was delivered is gone from the disk */
	bed_done(&b, true);
}

static void test_spool__fault_backend__all_in_order(void **state)
{
	(void)state;
	through(BED_FAULT);
}

static void test_spool__io_uring__all_in_order(void **state)
{
	(void)state;
	through(BED_URING);
}

static void test_spool__thread__all_in_order(void **state)
{
	(void)state;
	through(BED_THREAD);
}

/* Segments that another run left end in zeros, as allocated: that is no damage. */
static void test_spool__restart_with_whole_segments__nothing_set_aside(void **state)
{
	struct bed b = {0};
	unsigned n_bad = 0;
	DIR *d;

	(void)state;
	bed_make_folder(&b, "/tmp");
	assert_int_equal(bed_open(&b, BED_FAULT, 16 * MIB, SPOOL_BLOCK), 0);
	for (unsigned i = 0; i < 10000; i++) {
		while (!spool_has_room(&b.spool))
			bed_settle_time(&b, 1);
		bed_append(&b, i % 8, 500);
	}
	bed_settle_time(&b, 30);
	assert_true(b.spool.streams[1].n_segs > 2);
	bed_crash(&b);
	assert_int_equal(bed_open(&b, BED_FAULT, 16 * MIB, SPOOL_BLOCK), 0);
	(void)bed_deliver(&b, 100000);
	bed_settle_time(&b, 30);
	assert_int_equal(b.n_seen, 10000);
	assert_int_equal(bed_losses(&b), 0);
	d = opendir(b.path);
	for (const struct dirent *e; (e = readdir(d));)
		n_bad += strstr(e->d_name, ".bad") != NULL;
	closedir(d);
	assert_int_equal(n_bad, 0);
	assert_int_equal(b.spool.n_quarantined, 0);
	bed_done(&b, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spool__fault_backend__all_in_order),
		cmocka_unit_test(test_spool__io_uring__all_in_order),
		cmocka_unit_test(test_spool__thread__all_in_order),
		cmocka_unit_test(test_spool__restart_with_whole_segments__nothing_set_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
