/* SPDX-License-Identifier: Apache-2.0 */
/* The synthetic source: same seed, same bytes; every record passes the door; state first; the attacks are there. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/clock.h>
#include <base/hash.h>
#include <base/macros.h>
#include <driver/kev.h>
#include <driver/source.h>

struct tally {
	uint64_t hash, n_state, n_events, shadow_opens, upper_execs, dups_in_container, first_ns,
		last_ns, kinds;
	bool ordered, state_first, valid;
};

static void look(struct tally *t, const struct drv_record *rec)
{
	struct kev k;
	const char *why;

	if (kev_parse(rec->p, rec->len, &k, &why) < 0) {
		t->valid = false;
		return;
	}
	if (!rec->is_state)
		t->kinds |= 1ULL << (k.info->ix % 64);
	if (k.info->code == KEV_CODE_SYSCALL_OPENAT_2_X &&
		span_eq_str(kev_param_text(&k, 2), "/etc/shadow"))
		t->shadow_opens++;
	if (k.info->code == KEV_CODE_SYSCALL_EXECVE_19_X && (kev_param_u64(&k, 19) & 2))
		t->upper_execs++;
	if (k.info->code == KEV_CODE_SYSCALL_DUP2_X && kev_param_i64(&k, 2) == 0 &&
		k.head->cgroup_id >= 4000)
		t->dups_in_container++;
}

static struct tally run(struct drv_synthetic_config c)
{
	struct tally t = {.ordered = true, .state_first = true, .valid = true};
	struct drv_source *s = NULL;
	struct drv_record rec;
	int r;

	assert_int_equal(drv_synthetic_open(&c, &s), 0);
	while ((r = s->ops->next(s, &rec)) == 1) {
		t.hash = hash_bytes(rec.p, rec.len, t.hash);
		if (rec.is_state) {
			t.n_state++;
			t.state_first &= t.n_events == 0;
		} else if (t.n_events++ == 0) {
			t.first_ns = rec.epoch_ns;
		}
		t.ordered &= rec.epoch_ns >= t.last_ns;
		t.last_ns = rec.epoch_ns;
		look(&t, &rec);
	}
	assert_int_equal(r, -ENODATA);
	uint64_t pos = 0;
	assert_int_equal(s->ops->positions(s, &pos, 1), 1);
	assert_int_equal(pos, t.n_state + t.n_events);
	drv_source_close(s);
	return t;
}

static void test_synthetic__records__are_valid_and_in_order(void **state)
{
	struct tally t =
		run((struct drv_synthetic_config){.seed = 1, .n_events = 20000, .n_procs = 40});

	(void)state;
	assert_true(t.valid);
	assert_true(t.ordered);
	assert_true(t.state_first);
	assert_int_equal(t.n_events, 20000);
	/* clock, users, groups, addresses, 51 processes with three descriptors each */
	assert_int_equal(t.n_state, 1 + 6 + 6 + 4 + 51 * 4);
	assert_true(__builtin_popcountll(t.kinds) >= 14);
}

static void test_synthetic__attacks__are_about_one_in_two_hundred(void **state)
{
	struct tally t =
		run((struct drv_synthetic_config){.seed = 7, .n_events = 50000, .n_procs = 10});

	(void)state;
	/* 50,000 events are about 250 attacks, so each of the 23 scripts runs about 11 times; /etc/shadow is opened by two of them */
	assert_in_range(t.shadow_opens, 16, 28);
	assert_in_range(t.upper_execs, 8, 14);
	assert_in_range(t.dups_in_container, 8, 14);
}

static void test_synthetic__same_seed__same_bytes(void **state)
{
	struct drv_synthetic_config c = {.seed = 42, .n_events = 5000, .n_procs = 20};
	struct tally a = run(c), b = run(c);

	(void)state;
	assert_int_equal(a.hash, b.hash);
	assert_int_equal(a.first_ns, b.first_ns);
	c.seed = 43;
	assert_int_not_equal(run(c).hash, a.hash);
}

static void test_synthetic__rate__throttles(void **state)
{
	struct drv_synthetic_config c = {.seed = 1, .n_procs = 1, .rate = 1000};
	struct drv_source *s = NULL;
	struct drv_record rec;
	unsigned n = 0;
	int r;

	(void)state;
	assert_int_equal(drv_synthetic_open(&c, &s), 0);
	while ((r = s->ops->next(s, &rec)) == 1 && n < 100000)
		n += !rec.is_state;
	assert_int_equal(r, 0);
	assert_true(n < 1000);
	uint64_t until = clock_mono_ns() + 50 * NS_PER_MS;
	while (clock_mono_ns() < until)
		if (s->ops->next(s, &rec) == 1)
			n++;
	assert_in_range(n, 30, 1000);
	drv_source_close(s);
}

static void test_synthetic__records_of_a_former_run__are_not_throttled(void **state)
{
	struct drv_synthetic_config c = {.seed = 1, .n_procs = 1, .rate = 1, .n_unthrottled = 5000};
	struct drv_source *s = NULL;
	struct drv_record rec;
	unsigned n = 0;

	(void)state;
	assert_int_equal(drv_synthetic_open(&c, &s), 0);
	while (s->ops->next(s, &rec) == 1)
		n++;
	assert_in_range(n, 5000, 5002);
	drv_source_close(s);
}

static void test_synthetic_open__processes_out_of_range__refused(void **state)
{
	struct drv_source *s = NULL;
	struct drv_synthetic_config none = {.n_procs = 0}, many = {.n_procs = 4097};

	(void)state;
	assert_int_equal(drv_synthetic_open(&none, &s), -EINVAL);
	assert_int_equal(drv_synthetic_open(&many, &s), -EINVAL);
	assert_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_synthetic__records__are_valid_and_in_order),
		cmocka_unit_test(test_synthetic__attacks__are_about_one_in_two_hundred),
		cmocka_unit_test(test_synthetic__same_seed__same_bytes),
		cmocka_unit_test(test_synthetic__rate__throttles),
		cmocka_unit_test(test_synthetic__records_of_a_former_run__are_not_throttled),
		cmocka_unit_test(test_synthetic_open__processes_out_of_range__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
