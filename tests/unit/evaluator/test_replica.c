/* SPDX-License-Identifier: Apache-2.0 */
/* The thread table's replica, users, groups, and its slab. */
#include "bench.h"

#include <stdio.h>

#include <base/macros.h>

static void test_slab__full__refuses_and_reuses(void **state)
{
	struct slab s;
	void *p[64];
	unsigned n = 0;

	(void)state;
	assert_int_equal(slab_init(&s, 4096), 0);
	while (n < ARRAY_LEN(p) && (p[n] = slab_get(&s, 100)))
		n++;
	assert_int_equal(n, 4096 / 128);
	assert_int_equal(s.refused, 1);
	assert_null(slab_get(&s, 70000));
	slab_put(&s, p[3]);
	assert_ptr_equal(slab_get(&s, 90), p[3]);
	slab_put(&s, p[5]);
	assert_null(slab_get(&s, 300)); /* too small a piece */
	slab_put(&s, NULL);
	slab_done(&s);
}

static void test_slab__nothing_of_the_class__takes_a_larger_piece(void **state)
{
	struct slab s;
	void *big, *small;

	(void)state;
	assert_int_equal(slab_init(&s, 512), 0);
	big = slab_get(&s, 500);
	assert_non_null(big);
	slab_put(&s, big);
	small = slab_get(&s, 200);
	assert_ptr_equal(small, big);
	slab_put(&s, small);
	assert_ptr_equal(slab_get(&s, 500), big); /* it kept its true size */
	slab_done(&s);
}

static void put(struct replica *r, uint32_t slot, int64_t tid, const char *comm)
{
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];

	(void)bench_thread_record(
		&(struct bench_thread){
			.slot = slot, .parent = PREC_NO_SLOT, .tid = tid, .comm = comm},
		buf);
	replica_put(r, (struct prec *)buf);
}

static void test_replica__put_find_forget(void **state)
{
	struct replica r;

	(void)state;
	assert_int_equal(replica_init(&r, 16, 0, 2), 0);
	assert_null(replica_find(&r, 3));
	assert_null(replica_find(&r, PREC_NO_SLOT));
	put(&r, 3, 100, "a");
	put(&r, 4, 200, "b");
	put(&r, 3, 100, "c");
	assert_int_equal(r.n_threads, 2);
	assert_string_equal(rec_text(replica_find(&r, 3), replica_find(&r, 3)->comm).p, "c");
	assert_int_equal(replica_find_tid(&r, 200), 4);
	put(&r, 4, 300, "b"); /* the slot is somebody else's now */
	assert_int_equal(replica_find_tid(&r, 200), PREC_NO_SLOT);
	assert_int_equal(replica_find_tid(&r, 300), 4);
	replica_forget(&r, 4);
	replica_forget(&r, 4);
	replica_forget(&r, 999);
	assert_null(replica_find(&r, 4));
	assert_int_equal(replica_find_tid(&r, 300), PREC_NO_SLOT);
	assert_int_equal(r.n_threads, 1);
	replica_epoch(&r, 0);
	assert_int_equal(r.n_threads, 1);
	replica_epoch(&r, 2); /* another tracker: its slots mean others */
	assert_int_equal(r.n_threads, 0);
	replica_done(&r);
}

static void test_replica__no_memory__keeps_the_short_texts(void **state)
{
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];
	static char big[8000];
	const char *const args[] = {big, NULL};
	struct replica r;
	const struct prec *p;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	assert_int_equal(replica_init(&r, 16, 0, 2), 0);
	r.slab.cap = r.slab.used + 3072; /* a class of its own for the short record */
	(void)bench_thread_record(&(struct bench_thread){.slot = 1,
					  .parent = PREC_NO_SLOT,
					  .tid = 5,
					  .comm = "big",
					  .exepath = "/bin/big",
					  .args = args},
		buf);
	replica_put(&r, (struct prec *)buf);
	p = replica_find(&r, 1);
	assert_non_null(p);
	assert_int_equal(r.n_cut, 1);
	assert_string_equal(rec_text(p, p->exepath).p, "/bin/big");
	assert_int_equal(p->args.n, 0);
	assert_int_equal(p->n_args, 0);
	(void)bench_thread_record(
		&(struct bench_thread){
			.slot = 2, .parent = PREC_NO_SLOT, .tid = 6, .comm = "two", .args = args},
		buf);
	replica_put(&r, (struct prec *)buf);
	assert_null(replica_find(&r, 2)); /* not even that fits: unknown, not wrong */
	assert_int_equal(r.n_cut, 2);
	replica_done(&r);
}

static void test_replica__memo__ends_with_what_it_stands_on(void **state)
{
	struct replica r;

	(void)state;
	assert_int_equal(replica_init(&r, 16, 40, 2), 0);
	put(&r, 1, 10, "parent");
	put(&r, 2, 20, "child");
	replica_memo_set(&r, 2, 39, true);
	replica_memo_set(&r, 2, 0, false);
	assert_int_equal(replica_memo_get(&r, 2, 39), 1);
	assert_int_equal(replica_memo_get(&r, 2, 0), 0);
	assert_int_equal(replica_memo_get(&r, 2, 1), -1);
	put(&r, 1, 10, "other"); /* nobody looked at it */
	assert_int_equal(replica_memo_get(&r, 2, 39), 1);
	assert_non_null(replica_find_other(&r, 1));
	replica_memo_set(&r, 2, 39, true);
	put(&r, 1, 10, "third");
	assert_int_equal(replica_memo_get(&r, 2, 39), -1);
	assert_null(replica_find_other(&r, 7)); /* a vacant slot was looked at too */
	replica_memo_set(&r, 2, 39, true);
	put(&r, 7, 70, "new");
	assert_int_equal(replica_memo_get(&r, 2, 39), -1);
	replica_done(&r);
}

static void test_ids__many__found_and_removed(void **state)
{
	struct bench *b = bench_new();
	_Alignas(8) uint8_t buf[4096];
	struct kev_builder kb;
	struct kev k;
	const char *why;
	int n;

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%u", i);
		bench_user(b, "", i, name);
		bench_user(b, "c0ffee", i, "inside");
	}
	assert_string_equal(replica_find_user(&b->e.replica, SPAN_LIT(""), 299)->text + 1, "u299");
	assert_non_null(replica_find_user(&b->e.replica, SPAN_LIT("c0ffee"), 5));
	assert_null(replica_find_user(&b->e.replica, SPAN_LIT("dead"), 5));
	assert_null(replica_find_group(&b->e.replica, SPAN_LIT(""), 5));
	kev_build_start(&kb, buf, sizeof(buf), KEV_CODE_USER_DELETED_E, 0);
	kev_build_int(&kb, 299);
	n = kev_build_finish(&kb);
	assert_int_equal(kev_parse(buf, (size_t)n, &k, &why), 0);
	assert_int_equal(replica_put_id(&b->e.replica, &k), 0);
	assert_null(replica_find_user(&b->e.replica, SPAN_LIT(""), 299));
	bench_user(b, "", 299, "again"); /* takes the freed entry */
	assert_string_equal(replica_find_user(&b->e.replica, SPAN_LIT(""), 299)->text + 1, "again");
	assert_int_equal(b->e.replica.ids_used, 600);
	kev_build_start(&kb, buf, sizeof(buf), KEV_CODE_SAKER_CLOCK, 0);
	n = kev_build_finish(&kb);
	assert_int_equal(kev_parse(buf, (size_t)n, &k, &why), 0);
	assert_true(replica_put_id(&b->e.replica, &k) < 0);
	bench_free(b);
}

static void test_ids__container_by_its_id_short_or_whole__by_its_whole_name(void **state)
{
#define SHORT_ID "0123456789ab"
	static const char id[] = SHORT_ID SHORT_ID SHORT_ID SHORT_ID SHORT_ID "0123";
	struct bench *b = bench_new();
	const struct replica *r = &b->e.replica;

	(void)state;
	bench_user(b, id, 1, "one");
	bench_user(b, "web-frontend-one", 1, "first");
	bench_user(b, "web-frontend-two", 1, "second");
	assert_ptr_equal(
		replica_find_user(r, span_str(id), 1), replica_find_user(r, SPAN_LIT(SHORT_ID), 1));
	assert_non_null(replica_find_user(r, span_str(id), 1));
	assert_ptr_not_equal(replica_find_user(r, SPAN_LIT("web-frontend-one"), 1),
		replica_find_user(r, SPAN_LIT("web-frontend-two"), 1));
	assert_null(replica_find_user(r, SPAN_LIT("web-frontend"), 1));
	bench_free(b);
}

static void test_ids__full__those_of_containers_make_room(void **state)
{
	struct bench *b = bench_new();
	struct replica *r = &b->e.replica;
	char container[16];

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		bench_user(b, "", i, "host");
	for (uint32_t i = 0; i < r->n_ids + 5000; i++) {
		(void)snprintf(container, sizeof(container), "%012x", i);
		bench_user(b, container, 1, "guest");
	}
	assert_int_equal(r->ids_used, r->n_ids);
	assert_non_null(replica_find_user(r, span_str(container), 1)); /* the newest is there */
	for (uint32_t i = 0; i < 100; i++)
		assert_non_null(replica_find_user(r, SPAN_LIT(""), i));
	assert_true(r->n_cut >= 5100);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slab__full__refuses_and_reuses),
		cmocka_unit_test(test_slab__nothing_of_the_class__takes_a_larger_piece),
		cmocka_unit_test(test_replica__put_find_forget),
		cmocka_unit_test(test_replica__no_memory__keeps_the_short_texts),
		cmocka_unit_test(test_replica__memo__ends_with_what_it_stands_on),
		cmocka_unit_test(test_ids__many__found_and_removed),
		cmocka_unit_test(test_ids__container_by_its_id_short_or_whole__by_its_whole_name),
		cmocka_unit_test(test_ids__full__those_of_containers_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
