/* SPDX-License-Identifier: Apache-2.0 */
/* The table of containers: one slot for what a thread's cgroup and a record name, least recent use, and what is told to evaluators. */

#include "kit.h"

#include <stdio.h>
#include <string.h>

#include <base/clock.h>
#include <base/macros.h>
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

/* Nobody knows more of it than its cgroup says: nobody is asked, and evaluators are told whose it is. */
static void test_cgroup__name_is_all__not_asked(void **state)
{
	static const char made[] = "made=/lxc/web1", cgroups[] = "cpu=/lxc/web1";
	struct st_containers *c = &k.core.containers;

	(void)state;
	c->asks = true;
	kit_start(&k, KEV_CODE_SAKER_CGROUP, KIT_SHELL, KIT_SHELL);
	kit_raw(&k, made, sizeof(made));
	kit_send(&k);
	kit_task(&k, 500, 500, 1, "sh", "/", cgroups, sizeof(cgroups));
	kit_fork(&k, 500, 501, 501, 0);
	kit_openat(&k, 501, 3, -100, "/x", 1);
	for (int64_t tid = 500; tid < 502; tid++) {
		assert_string_equal(
			kit_proc_text(kit_proc(&k, tid), kit_proc(&k, tid)->container_id), "web1");
		assert_int_equal(kit_proc(&k, tid)->container_engine, CTR_LXC);
	}
	assert_int_equal(c->n_wanted, 0);
	kit_openat(&k, KIT_SHELL, 3, -100, "/x", 1);
	assert_int_equal(kit_proc(&k, KIT_SHELL)->container_engine, CTR_NONE);
}

static void test_cgroup__engine_is_off__the_host(void **state)
{
	static const char made[] = "made=/libpod-" ID, cgroups[] = "cpu=/libpod-" ID;
	struct st_containers *c = &k.core.containers;

	(void)state;
	k.core.cfg.engines_off = CTR_BIT(CTR_PODMAN);
	c->asks = true;
	kit_start(&k, KEV_CODE_SAKER_CGROUP, KIT_SHELL, KIT_SHELL);
	kit_raw(&k, made, sizeof(made));
	kit_send(&k);
	kit_task(&k, 500, 500, 1, "sh", "/", cgroups, sizeof(cgroups));
	kit_openat(&k, 500, 3, -100, "/x", 1);
	assert_int_equal(kit_proc(&k, 500)->container_id.n, 0);
	assert_int_equal(kit_proc(&k, 500)->container_slot, PREC_NO_SLOT);
	assert_int_equal(kit_proc(&k, 500)->container_engine, CTR_NONE);
	assert_int_equal(c->n_wanted + c->n_running + c->n_used, 0);
}

/* Asked for at its cgroup's creation; who did not know it then is asked once more by its first process, and no more. */
static void test_cgroup__unknown_then__asked_again_by_a_process(void **state)
{
	static const char made[] = "made=/docker/" ID, host[] = "made=/system.slice/x.service",
			  cgroups[] = "cpu=/docker/" ID;
	struct st_containers *c = &k.core.containers;

	(void)state;
	c->asks = true;
	for (unsigned i = 0; i < 2; i++) { /* one of each hierarchy, on hosts with many */
		kit_start(&k, KEV_CODE_SAKER_CGROUP, KIT_SHELL, KIT_SHELL);
		kit_raw(&k, made, sizeof(made));
		kit_send(&k);
		kit_start(&k, KEV_CODE_SAKER_CGROUP, KIT_SHELL, KIT_SHELL);
		kit_raw(&k, host, sizeof(host));
		kit_send(&k);
	}
	assert_int_equal(c->n_wanted, 1);
	assert_true(span_eq_str(st_container_wanted(c), ID));
	st_container_asked(c);
	for (unsigned i = 0; i < 2; i++) {
		kit_start(&k, KEV_CODE_SAKER_CONTAINER, 0, 0);
		kit_text(&k, ID);
		kit_int(&k, CREC_UNKNOWN);
		assert_int_equal(kit_send_state(&k), 0);
		assert_null(told());
		kit_task(&k, 500 + i, 500 + i, 1, "sh", "/", cgroups, sizeof(cgroups));
		kit_openat(&k, 500 + i, 3, -100, "/x", 1);
		assert_int_equal(c->n_wanted, i == 0);
		if (i == 0)
			st_container_asked(c);
		/* waited for as long as somebody may tell of it */
		assert_int_equal(c->slots[0].has_waited, i == 1);
	}
	assert_false(st_container_may_wait(c, 0));
}

static uint32_t told_runs(struct st_containers *c)
{
	uint32_t pid = 0, n = 0;

	for (; st_container_running(c, &pid).n; n++)
		st_container_running_told(c);
	return n ? pid : 0;
}

static void users_are_told(const char *id)
{
	kit_start(&k, KEV_CODE_USER_ADDED_E, 0, 0);
	kit_int(&k, 1000);
	kit_int(&k, 1000);
	kit_text(&k, "own");
	kit_text(&k, "/own");
	kit_text(&k, "/bin/sh");
	kit_text(&k, id);
	assert_int_equal(kit_send_state(&k), 0);
	kit_forget_output(&k);
}

static void runs(void)
{
	kit_exec(&k, 501, "id", "/bin/id", 0);
	kit_forget_output(&k);
}

/* By its first process, whichever that is, and by later ones until its users are told; nobody asks where nobody would answer. */
static void test_runs__process_of_it__users_asked_for_until_told(void **state)
{
	static const char cgroups[] = "cpu=/docker/" ID;
	struct st_containers *c = &k.core.containers;
	uint32_t pid = 0;

	(void)state;
	kit_task(&k, 499, 499, 1, "sh", "/", cgroups, sizeof(cgroups));
	assert_int_equal(c->n_running, 0);
	c->asks = true;
	kit_task(&k, 500, 500, 1, "sh", "/", cgroups, sizeof(cgroups));
	kit_task(&k, 600, 600, 1, "sh", "/", "cpu=/", 6);
	assert_int_equal(c->n_running, 1);
	assert_true(span_eq_str(st_container_running(c, &pid), ID));
	assert_int_equal(pid, 500);
	st_container_running_told(c);
	assert_int_equal(st_container_running(c, &pid).n, 0);
	users_are_told("");
	users_are_told("ffffffffffff"); /* unknown, and gets no slot by this */
	assert_int_equal(c->n_used, 1);
	kit_task(&k, 501, 501, 1, "sh", "/", cgroups, sizeof(cgroups));
	runs();
	assert_int_equal(told_runs(c), 501);
	users_are_told(ID);
	kit_task(&k, 502, 502, 1, "sh", "/", cgroups, sizeof(cgroups));
	runs();
	assert_int_equal(told_runs(c), 0);
}

/* Where nobody tells of users, some are told at once, others at growing distances, and it ends. */
static void test_runs__users_never_told__bounded(void **state)
{
	static const char cgroups[] = "cpu=/docker/" ID;
	struct st_containers *c = &k.core.containers;
	uint64_t last, distance = 0;
	unsigned n;

	(void)state;
	c->asks = true;
	kit_task(&k, 501, 501, 1, "sh", "/", cgroups, sizeof(cgroups));
	assert_int_equal(told_runs(c), 501);
	for (n = 1; n < ST_RUNS_AT_ONCE; n++) {
		runs();
		assert_int_equal(told_runs(c), 501);
	}
	last = k.ts_ns;
	for (unsigned i = 0; i < 20000; i++, k.ts_ns += 100 * NS_PER_MS) {
		runs();
		if (!told_runs(c))
			continue;
		assert_true(k.ts_ns - last >= MAX(NS_PER_S, distance * 3 / 2));
		distance = k.ts_ns - last;
		last = k.ts_ns;
		n++;
	}
	assert_int_equal(n, ST_RUNS_MAX);
}

/* Repeats leave room for those that were never told. */
static void test_runs__list_is_full_of_repeats__first_ones_find_room(void **state)
{
	struct st_containers *c = &k.core.containers;
	char cgroups[128];

	(void)state;
	c->asks = true;
	for (uint32_t i = 0; i < 4 * ST_RUNNING_MAX; i++) {
		int n = snprintf(cgroups, sizeof(cgroups), "cpu=/docker/%012x%052x", i / 4, 0) + 1;

		kit_task(&k, 1000 + i, 1000 + i, 1, "sh", "/", cgroups, (size_t)n);
		kit_forget_output(&k);
	}
	assert_int_equal(c->n_running, ST_RUNNING_MAX);
	/* half of it by repeats: 32 containers by four each; then one of each alone */
	assert_int_equal(
		c->running[ST_RUNNING_MAX - 1].slot, ST_RUNNING_MAX / 2 + ST_RUNNING_MAX / 8 - 1);
}

static void cgroup_is(const char *text, uint64_t ts_ns)
{
	k.ts_ns = ts_ns;
	kit_start(&k, KEV_CODE_SAKER_CGROUP, KIT_SHELL, KIT_SHELL);
	kit_raw(&k, text, strlen(text) + 1);
	kit_send(&k);
	kit_forget_output(&k);
}

/* Its slot is another's after a while, unless it was seen again. */
static void test_gone__slot_is_used_again(void **state)
{
	struct st_containers *c = &k.core.containers;
	char text[128];
	uint64_t ts = k.ts_ns + NS_PER_S;

	(void)state;
	c->asks = true;
	for (unsigned i = 0; i < 3 * CREC_SLOTS_MAX; i++) {
		(void)snprintf(text, sizeof(text), "made=/docker/%012x%052x", i, 0);
		cgroup_is(text, ts);
		st_container_asked(c);
		ts += 100 * NS_PER_MS;
		if (i == 7)
			continue; /* lives on */
		memcpy(text, "gone", 4);
		cgroup_is(text, ts);
		if (i == 9) { /* and is back */
			memcpy(text, "made", 4);
			cgroup_is(text, ts);
			st_container_asked(c);
		}
	}
	assert_in_range(c->n_used, 100, 110);
	assert_int_equal(c->n_evicted, 0);
	(void)snprintf(text, sizeof(text), "%012x%052x", 7, 0);
	assert_int_equal(st_container_slot(c, span_str(text)), 7);
	(void)snprintf(text, sizeof(text), "%012x%052x", 9, 0);
	assert_int_equal(st_container_slot(c, span_str(text)), 9);
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
		T(test_cgroup__name_is_all__not_asked),
		T(test_cgroup__engine_is_off__the_host),
		T(test_cgroup__unknown_then__asked_again_by_a_process),
		T(test_runs__process_of_it__users_asked_for_until_told),
		T(test_runs__users_never_told__bounded),
		T(test_runs__list_is_full_of_repeats__first_ones_find_room),
		T(test_gone__slot_is_used_again),
		T(test_told__no_id_or_half_a_mount__refused),
		T(test_slot__full_table__longest_unseen_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
