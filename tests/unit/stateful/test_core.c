/* SPDX-License-Identifier: Apache-2.0 */
/* The door against any bytes, the ledger of the core, and that the output is a function of the
 * input. */

#include "kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>

static uint64_t rng;

static uint64_t next(void)
{
	return rng = hash_u64(rng);
}

/* An event of a random type by one of a few threads, with plausible integers, short texts and
 * random bytes. */
static void random_event(struct kit *k)
{
	const struct kev_info *info = kev_info_get((uint16_t)(next() % _KEV_IX_MAX));
	struct kev_head *h =
		kit_start(k, info->code, (uint32_t)(next() % 200), (uint32_t)(next() % 100));
	uint8_t bytes[64];
	char text[24];

	h->leader_start_ns = next() % 8 ? h->tgid : next() % 4;
	h->flags = (uint8_t)(next() & 0x1f);
	h->cls = (uint8_t)(next() % 4);
	h->cgroup_id = next() % 6;
	h->ts_ns = next() % 16 ? h->ts_ns : next() % k->ts_ns;
	for (unsigned i = 0; i < info->n_params; i++) {
		unsigned width = kev_type_width(info->params[i].type);

		for (size_t j = 0; j < sizeof(bytes); j++)
			bytes[j] = (uint8_t)(next() % 7 ? next() % 12 : next());
		if (next() % 8 == 0) {
			kev_build_absent(&k->b);
		} else if (width) {
			kit_raw(k, next() % 3 ? (const void *)&(uint64_t[2]){next() % 100} : bytes,
				width);
		} else if (info->params[i].type == KEV_T_STR ||
			   info->params[i].type == KEV_T_PATH ||
			   info->params[i].type == KEV_T_RELPATH) {
			for (size_t j = 0; j < sizeof(text); j++)
				text[j] = "/.ab"[next() % 4];
			text[next() % sizeof(text)] = '\0';
			text[sizeof(text) - 1] = '\0';
			kit_text(k, text);
		} else {
			kit_raw(k, bytes, next() % sizeof(bytes));
		}
	}
}

static uint64_t run(uint64_t seed, unsigned n)
{
	uint64_t hash = 0;
	struct kit k;

	rng = seed;
	kit_open(&k, 64, 256, UINT64_MAX);
	for (unsigned i = 0; i < n; i++) {
		const struct kev_info *info;

		random_event(&k);
		info = kev_info_find(kev_build_head(&k.b)->type);
		if (info->kind == KEV_KIND_ITER || info->kind == KEV_KIND_META)
			(void)kit_send_state(&k); /* types that are no state are refused */
		else
			assert_int_equal(kit_send(&k), 0);
		for (unsigned j = 0; j < k.n_out; j++)
			hash = hash_bytes(k.out[j].rec, k.out[j].rec->ring.len, hash);
		kit_forget_output(&k);
	}
	assert_true(k.core.threads.n_live <= 64 && k.core.fds.n_live <= 256);
	kit_close(&k);
	return hash;
}

static void test_apply__random_events__valid_output_and_deterministic(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		assert_int_equal(run(seed, 20000), run(seed, 20000));
}

static void test_apply__broken_bytes__refused_or_harmless(void **state)
{
	struct kit k;

	(void)state;
	rng = 99;
	kit_open(&k, 64, 256, UINT64_MAX);
	for (unsigned i = 0; i < 20000; i++) {
		struct rec_head *rec = (struct rec_head *)k.buf;
		int n;

		random_event(&k);
		n = kev_build_finish(&k.b);
		*rec = (struct rec_head){.ring = {.len = (uint32_t)(sizeof(*rec) + (size_t)n),
						 .type = next() % 2 ? REC_KEV : REC_STATE},
			.seq = i};
		for (unsigned j = 0; j < 1 + next() % 4; j++)
			k.buf[sizeof(*rec) + next() % (size_t)n] = (uint8_t)next();
		if (next() % 4 == 0)
			rec->ring.len = (uint32_t)ALIGN_UP(8 + next() % rec->ring.len, 8);
		if (rec->ring.len > sizeof(*rec) + (size_t)n)
			rec->ring.len = (uint32_t)(sizeof(*rec) + (size_t)n);
		(void)st_core_apply(&k.core, rec);
		kit_forget_output(&k);
	}
	assert_true(k.core.counters.malformed > 1000);
	assert_true(k.core.counters.lost_malformed <= k.core.counters.malformed);
	kit_close(&k);
}

static void test_apply__no_rule_looks__judged_here(void **state)
{
	struct kit k;

	(void)state;
	kit_open_with_shell(&k, 0);
	k.events[KEV_IX_SYSCALL_OPENAT_2_X].flags = 0;
	kit_openat(&k, KIT_SHELL, 3, -100, "/a", 1);
	assert_int_equal(k.n_out, 0);
	assert_int_equal(k.core.counters.judged_here, 1);
	kit_close_fd(&k, KIT_SHELL, 3);
	assert_string_equal(kit_fd_name(&k), "/a"); /* but its state was kept */
	assert_int_equal(k.core.counters.events, 2);
	assert_int_equal(k.core.counters.judged_here, 1);
	assert_int_equal(k.core.counters.last_seq, 2);
	kit_close(&k);
}

static void test_apply__shed__state_still_sent(void **state)
{
	struct kit k;

	(void)state;
	kit_open_with_shell(&k, 0);
	k.refuse = true;
	kit_openat(&k, KIT_SHELL, 3, -100, "/a", 1);
	assert_int_equal(kit_count(&k, REC_PROC), 1);
	assert_int_equal(kit_count(&k, REC_EVENT), 0);
	k.rec_flags = REC_F_NO_SHED;
	kit_openat(&k, KIT_SHELL, 3, -100, "/a", 1);
	assert_int_equal(kit_count(&k, REC_PROC), 1);
	assert_true(kit_event(&k)->ev->h.ring.flags & REC_F_NO_SHED);
	kit_close(&k);
}

static void test_apply__event_with_all_its_texts_at_the_limit__goes_through(void **state)
{
	static char path[KEV_PATH_MAX];
	struct kit k;

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[0] = '/';
	kit_open_with_shell(&k, UINT64_MAX);
	kit_openat(&k, KIT_SHELL, 3, -100, path, 1);
	assert_string_equal(kit_fd_name(&k), "/DIR_TOO_LONG/FILENAME_TOO_LONG");
	assert_int_equal(k.core.counters.lost_too_big, 0);
	kit_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply__random_events__valid_output_and_deterministic),
		cmocka_unit_test(test_apply__broken_bytes__refused_or_harmless),
		cmocka_unit_test(test_apply__no_rule_looks__judged_here),
		cmocka_unit_test(test_apply__shed__state_still_sent),
		cmocka_unit_test(test_apply__event_with_all_its_texts_at_the_limit__goes_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
