/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of texts: references, reuse of room, the quota. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

#include "text.h"

static void test_st_text_new__any_length__comes_back(void **state)
{
	char bytes[ST_TEXT_MAX + 100];
	struct st_texts p;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(st_texts_init(&p, 4u << 20), 0);
	for (size_t n = 0; n < sizeof(bytes); n += 37) {
		uint32_t text = st_text_new(&p, (struct span){bytes, n});
		struct span got = st_text_get(&p, text);

		assert_int_equal(got.n, n < ST_TEXT_MAX ? n : ST_TEXT_MAX);
		assert_memory_equal(got.p, bytes, got.n);
		assert_int_equal(got.p[got.n], 0);
		st_text_drop(&p, &text);
	}
	assert_int_equal(p.n_live, 0);
	assert_int_equal(p.n_free_blocks, p.n_blocks);
	st_texts_done(&p);
}

static void test_st_text_new__no_text__no_handle(void **state)
{
	struct st_texts p;
	uint32_t empty;

	(void)state;
	assert_int_equal(st_texts_init(&p, 0), 0);
	assert_int_equal(st_text_new(&p, (struct span){0}), 0);
	assert_null(st_text_get(&p, 0).p);
	empty = st_text_new(&p, SPAN_LIT(""));
	assert_true(empty != 0);
	assert_non_null(st_text_get(&p, empty).p);
	st_texts_done(&p);
}

static void test_st_text_drop__shared__lives_until_the_last(void **state)
{
	uint32_t a, b = 0;
	struct st_texts p;

	(void)state;
	assert_int_equal(st_texts_init(&p, 0), 0);
	a = st_text_new(&p, SPAN_LIT("shared"));
	st_text_share(&p, &b, a);
	assert_int_equal(a, b);
	st_text_drop(&p, &a);
	assert_int_equal(a, 0);
	assert_string_equal(st_text_get(&p, b).p, "shared");
	st_text_share(&p, &b, b);
	assert_string_equal(st_text_get(&p, b).p, "shared");
	st_text_drop(&p, &b);
	assert_int_equal(p.n_live, 0);
	st_texts_done(&p);
}

static void test_st_text_set__same_or_other__tells(void **state)
{
	uint32_t a = 0;
	struct st_texts p;

	(void)state;
	assert_int_equal(st_texts_init(&p, 0), 0);
	assert_true(st_text_set(&p, &a, SPAN_LIT("/dir")));
	assert_false(st_text_set(&p, &a, SPAN_LIT("/dir")));
	assert_true(st_text_set(
		&p, &a, (struct span){st_text_get(&p, a).p + 1, 3})); /* from inside the old one */
	assert_string_equal(st_text_get(&p, a).p, "dir");
	assert_true(st_text_set(&p, &a, (struct span){0}));
	assert_false(st_text_set(&p, &a, (struct span){0}));
	assert_int_equal(p.n_live, 0);
	st_texts_done(&p);
}

static void test_st_text_new__pool_full__refused_counted_and_room_comes_back(void **state)
{
	static uint32_t texts[65536];
	char bytes[5000] = {'a'};
	struct st_texts p;
	unsigned n = 0;

	(void)state;
	assert_int_equal(st_texts_init(&p, 1u << 20), 0);
	while (n < 65536 && (texts[n] = st_text_new(&p, (struct span){bytes, sizeof(bytes)})))
		n++;
	assert_in_range(n, 64, 65535);
	assert_int_equal(p.n_refused, 1);
	assert_int_equal(p.n_free_blocks, 0);
	for (unsigned i = 0; i < n; i++)
		st_text_drop(&p, &texts[i]);
	assert_int_equal(p.n_free_blocks, p.n_blocks);
	texts[0] = st_text_new(&p, SPAN_LIT("another size"));
	assert_true(texts[0] != 0);
	st_texts_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_st_text_new__any_length__comes_back),
		cmocka_unit_test(test_st_text_new__no_text__no_handle),
		cmocka_unit_test(test_st_text_drop__shared__lives_until_the_last),
		cmocka_unit_test(test_st_text_set__same_or_other__tells),
		cmocka_unit_test(test_st_text_new__pool_full__refused_counted_and_room_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
