/* SPDX-License-Identifier: Apache-2.0 */
/* The window and the contract between core and sink: many in flight, answers in any order, each
 * once, places in memory that stay. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts.h"
#include "window.h"

static struct window w;

static void add_text(size_t n)
{
	static char line[70000];
	struct strbuf *text;
	struct sink_msg *m = window_begin(&w, &text);

	memset(line, 'a' + (int)(m->n % 26), n);
	strbuf_add(text, line, n);
	window_add(&w, m, NULL);
}

static void submit_all(void)
{
	w.submitted = w.next;
}

static unsigned retire_all(void)
{
	unsigned n = 0;

	while (window_retire(&w) != SINK_PENDING)
		n++;
	return n;
}

static void test_settle__out_of_order__retired_in_order(void **state)
{
	(void)state;
	assert_int_equal(window_init(&w, 8, 1 << 16, false), 0);
	window_start(&w, 100);
	for (unsigned i = 0; i < 5; i++)
		add_text(10);
	submit_all();
	assert_true(window_settle(&w, 102, SINK_DELIVERED));
	assert_true(window_settle(&w, 101, SINK_REFUSED));
	assert_int_equal(window_retire(&w), SINK_PENDING); /* 100 is first */
	assert_true(window_settle(&w, 100, SINK_DELIVERED));
	assert_int_equal(window_retire(&w), SINK_DELIVERED);
	assert_int_equal(window_retire(&w), SINK_REFUSED);
	assert_int_equal(window_retire(&w), SINK_DELIVERED);
	assert_int_equal(window_retire(&w), SINK_PENDING);
	assert_int_equal(w.first, 103);
	window_done(&w);
}

static void test_settle__what_was_not_given_or_answered__refused(void **state)
{
	(void)state;
	assert_int_equal(window_init(&w, 8, 1 << 16, false), 0);
	window_start(&w, 0);
	add_text(1);
	assert_false(window_settle(&w, 0, SINK_DELIVERED)); /* not given yet */
	submit_all();
	add_text(1);
	assert_false(window_settle(&w, 1, SINK_DELIVERED));
	assert_false(window_settle(&w, UINT64_MAX, SINK_DELIVERED));
	assert_true(window_settle(&w, 0, SINK_DELIVERED));
	assert_false(window_settle(&w, 0, SINK_REFUSED)); /* twice */
	assert_int_equal(retire_all(), 1);
	assert_false(window_settle(&w, 0, SINK_DELIVERED)); /* long gone */
	window_done(&w);
}

static void test_room__bounds_by_count_and_bytes(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(window_init(&w, 16, 1 << 16, false), 0);
	window_start(&w, 0);
	for (; window_has_room(&w); n++)
		add_text(1);
	assert_int_equal(n, 16);
	submit_all();
	for (unsigned i = 0; i < 16; i++)
		assert_true(window_settle(&w, i, SINK_DELIVERED));
	assert_int_equal(retire_all(), 16);
	for (n = 0; window_has_room(&w); n++)
		add_text(60000);
	assert_int_equal(n, WINDOW_BLOCKS); /* each overfills one of the blocks */
	submit_all();
	assert_true(window_settle(&w, 16, SINK_DELIVERED));
	assert_int_equal(retire_all(), 1);
	assert_true(window_has_room(&w));
	window_done(&w);
}

static void test_texts__stay_where_they_are(void **state)
{
	static struct sink_msg seen[64];
	unsigned seed = 1;

	(void)state;
	assert_int_equal(window_init(&w, 64, 1 << 15, false), 0);
	window_start(&w, 0);
	for (unsigned round = 0; round < 20000; round++) {
		const struct sink_msg *msgs;
		unsigned n;

		seed = seed * 1664525u + 1013904223u;
		if (window_has_room(&w))
			add_text(1 + seed % 3000);
		while ((n = window_unsubmitted(&w, &msgs)) > 0) {
			for (unsigned i = 0; i < n; i++)
				seen[msgs[i].n % 64] = msgs[i];
			w.submitted += n;
		}
		for (uint64_t k = w.first; k < w.submitted; k++) {
			const struct sink_msg *m = &seen[k % 64];

			assert_ptr_equal(m->text.p, window_msg(&w, k)->text.p);
			assert_int_equal(m->text.p[0], 'a' + (int)(k % 26));
			assert_int_equal(m->text.p[m->text.n - 1], 'a' + (int)(k % 26));
			assert_int_equal(m->text.p[m->text.n], '\n');
		}
		if (seed >> 16 & 1 && w.first != w.submitted) {
			(void)window_settle(&w, w.first + (seed >> 17) % (w.submitted - w.first),
				SINK_DELIVERED);
			(void)retire_all();
		}
	}
	assert_true(w.first > 1000);
	window_done(&w);
}

static void test_add__record__is_a_copy(void **state)
{
	struct alert_builder *b = alerts_new();
	const struct alert *a = alerts_finish(b, 7, 0, 4, "r", SPAN_LIT("m"));
	struct strbuf *text;
	struct sink_msg *m;

	(void)state;
	assert_int_equal(window_init(&w, 8, 1 << 16, true), 0);
	window_start(&w, 0);
	m = window_begin(&w, &text);
	window_add(&w, m, a);
	assert_ptr_not_equal(m->alert, a);
	assert_memory_equal(m->alert, a, a->h.ring.len);
	window_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settle__out_of_order__retired_in_order),
		cmocka_unit_test(test_settle__what_was_not_given_or_answered__refused),
		cmocka_unit_test(test_room__bounds_by_count_and_bytes),
		cmocka_unit_test(test_texts__stay_where_they_are),
		cmocka_unit_test(test_add__record__is_a_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
