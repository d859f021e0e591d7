/* SPDX-License-Identifier: Apache-2.0 */
/* The table of containers: one slot for what a thread's cgroup and a record name, least recent use, and what is told to evaluators. */

#include "kit.h"

#include <stdio.h>
#include <string.h>

#include <shm/crec.h>

#define ID "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2"

static struct kit k;

static int setup(void **state)
{
	(void)state;
	kit_open_with_shell(&k, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kit_close(&k);
	return 0;
}

static const struct crec *told(void)
{
	for (unsigned i = k.n_out; i > 0; i--)
		if (k.out[i - 1].rec->ring.type == REC_CONTAINER)
			return (const struct crec *)k.out[i - 1].rec;
	return NULL;
}

static int tell(const char *id, const char *mounts, size_t n_mounts)
{
	kit_start(&k, KEV_CODE_SAKER_CONTAINER, 0, 0);
	kit_text(&k, id);
	kit_int(&k, CREC_PRIVILEGED);
	kit_text(&k, "web");
	for (unsigned i = 0; i < 9; i++)
		kit_text(&k, NULL);
	kit_raw(&k, mounts, n_mounts);
	return kit_send_state(&k);
}

static void test_told__thread_of_it__same_slot(void **state)
{
	static const char cgroups[] = "cpu=/docker/" ID;
	const struct crec *c;
	const struct prec *p;

	(void)state;
	assert_int_equal(tell("a1b2c3d4e5f6", "/a\0/b\0\0true\0\0", 13), 0);
	c = told();
	assert_non_null(c);
	assert_int_equal(crec_validate(&c->h), 0);
	assert_int_equal(c->flags, CREC_PRIVILEGED);
	assert_true(span_eq_str(rec_text(c, c->text[CREC_NAME]), "web"));
	kit_task(&k, 500, 500, 1, "sh", "/", cgroups, sizeof(cgroups));
	kit_openat(&k, 500, 3, -100, "/x", 1);
	p = kit_proc(&k, 500);
	assert_non_null(p);
	assert_int_equal(p->container_slot, c->slot);
	assert_true(crec_same_id(rec_text(p, p->container_id), rec_text(c, c->id)));
	kit_openat(&k, KIT_SHELL, 3, -100, "/x", 1);
	assert_int_equal(kit_proc(&k, KIT_SHELL)->container_slot, PREC_NO_SLOT);
}

static void test_told__no_id_or_half_a_mount__refused(void **state)
{
	(void)state;
	assert_int_not_equal(tell("", "", 0), 0);
	assert_int_not_equal(tell(ID, "/a\0/b\0", 6), 0);
	assert_null(told());
}

static void test_slot__full_table__longest_unseen_goes(void **state)
{
	struct st_containers *c = &k.core.containers;
	char id[32];

	(void)state;
	for (unsigned i = 0; i < CREC_SLOTS_MAX; i++) {
		(void)snprintf(id, sizeof(id), "lxc-%u", i);
		assert_int_equal(st_container_slot(c, span_str(id)), i);
	}
	assert_int_equal(st_container_slot(c, SPAN_LIT("lxc-0")), 0); /* seen again */
	assert_int_equal(st_container_slot(c, SPAN_LIT("new")), 1);
	assert_int_equal(c->n_evicted, 1);
	assert_int_equal(st_container_slot(c, SPAN_LIT("lxc-0")), 0);
	assert_int_equal(st_container_slot(c, SPAN_LIT("lxc-1")), 2);
	assert_int_equal(st_container_slot(c, SPAN_LIT("")), PREC_NO_SLOT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_told__thread_of_it__same_slot),
		T(test_told__no_id_or_half_a_mount__refused),
		T(test_slot__full_table__longest_unseen_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
