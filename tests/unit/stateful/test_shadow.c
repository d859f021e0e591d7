/* SPDX-License-Identifier: Apache-2.0 */
/* The shadow against a table that keeps every version: at any order from the shadow's on, a
 * snapshot is the state of that place, whatever has been let go of. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>
#include <driver/kev.h>
#include <shm/prec.h>

#include "shadow.h"

#define SLOTS 40
#define USERS 10
#define STEPS 3000

struct state {
	uint64_t slot[SLOTS]; /* order of the record that holds; 0 vacant */
	uint64_t user[USERS];
};

static struct state history[STEPS + 2]; /* [o]: before order o */
static uint64_t rng = 5;

static uint64_t rnd(uint64_t n)
{
	rng = hash_u64(rng);
	return rng % n;
}

static void add_proc(struct st_shadow *s, uint64_t ord, uint32_t slot)
{
	_Alignas(8) uint8_t buf[sizeof(struct prec) + 1024] = {0};
	struct prec *p = (struct prec *)buf;

	p->h = (struct rec_head){
		.ring = {.len = (uint32_t)(sizeof(*p) + rnd(100) * 8), .type = REC_PROC},
		.ord = ord};
	p->slot = slot;
	st_shadow_add(s, &p->h);
}

static void add_forget(struct st_shadow *s, uint64_t ord, uint32_t slot)
{
	struct rec_forget f = {
		.h = {.ring = {.len = sizeof(f), .type = REC_FORGET}, .ord = ord}, .slot = slot};

	st_shadow_add(s, &f.h);
}

static void add_user(struct st_shadow *s, uint64_t ord, uint32_t uid, bool added)
{
	_Alignas(8) uint8_t buf[1024] = {0};
	struct rec_head *rec = (struct rec_head *)buf;
	struct kev_builder b;
	int n;

	kev_build_start(&b, rec + 1, sizeof(buf) - sizeof(*rec),
		added ? KEV_CODE_USER_ADDED_E : KEV_CODE_USER_DELETED_E, 0);
	kev_build_int(&b, uid);
	kev_build_int(&b, uid);
	for (unsigned i = 0; i < 3; i++)
		kev_build_text(&b, SPAN_LIT("x"));
	kev_build_text(&b, SPAN_LIT(""));
	n = kev_build_finish(&b);
	assert_true(n > 0);
	*rec = (struct rec_head){
		.ring = {.len = (uint32_t)(sizeof(*rec) + (size_t)n), .type = REC_STATE},
		.ord = ord};
	st_shadow_add(s, rec);
}

static uint32_t uid_of(const struct rec_head *rec, bool *ret_added)
{
	const char *why;
	struct kev k;

	assert_int_equal(kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why), 0);
	*ret_added = k.head->type == KEV_CODE_USER_ADDED_E;
	return (uint32_t)kev_param_u64(&k, 0);
}

static void check_at(const struct st_shadow *s, uint64_t ord)
{
	static _Alignas(8) uint8_t room[1u << 20], buf[SPSC_RECORD_MAX];
	const struct rec_head *rec = (const struct rec_head *)buf;
	struct state got = {0};
	struct snap_writer w;
	struct snap_reader r;
	struct snap_head head;
	bool added;

	assert_int_equal(snap_write_begin(&w, room, sizeof(room)), 0);
	st_shadow_write(s, ord, &w);
	snap_write_end(&w, ord);
	assert_int_equal(snap_read_begin(&r, room, sizeof(room), &head), 0);
	assert_int_equal(head.flags, 0);
	while (snap_read(&r, buf) == 1) {
		if (rec->ring.type == REC_PROC)
			got.slot[((const struct prec *)rec)->slot] = rec->ord;
		else if (rec->ring.type == REC_FORGET)
			got.slot[((const struct rec_forget *)rec)->slot] = 0;
		else if (uid_of(rec, &added) < USERS)
			got.user[uid_of(rec, &added)] = added ? rec->ord : 0;
	}
	assert_memory_equal(&got, &history[ord], sizeof(got));
}

static void test_shadow__any_commit__the_state_of_there(void **state)
{
	struct st_shadow s;

	(void)state;
	assert_int_equal(st_shadow_init(&s, SLOTS, 1u << 17), 0);
	for (uint64_t ord = 1; ord <= STEPS; ord++) {
		struct state *now = &history[ord + 1];
		uint32_t slot = (uint32_t)rnd(SLOTS), uid = (uint32_t)rnd(USERS);

		*now = history[ord];
		switch (rnd(6)) {
		case 0:
			add_forget(&s, ord, slot);
			now->slot[slot] = 0;
			break;
		case 1:
			add_user(&s, ord, uid, true);
			now->user[uid] = ord;
			break;
		case 2:
			add_user(&s, ord, uid, false);
			now->user[uid] = 0;
			break;
		default:
			add_proc(&s, ord, slot);
			now->slot[slot] = ord;
			break;
		}
		if (rnd(4) == 0)
			st_shadow_advance(&s, s.ord + rnd(ord + 2 - s.ord));
		check_at(&s, s.ord + rnd(ord + 2 - MAX(s.ord, (uint64_t)1)));
	}
	assert_int_equal(s.n_refused, 0);
	st_shadow_done(&s);
}

static void test_shadow_write__older_than_the_shadow__incomplete(void **state)
{
	static _Alignas(8) uint8_t room[1u << 16];
	struct snap_writer w;
	struct st_shadow s;

	(void)state;
	assert_int_equal(st_shadow_init(&s, SLOTS, 1u << 17), 0);
	add_proc(&s, 1, 3);
	add_proc(&s, 2, 3);
	st_shadow_advance(&s, 3);
	assert_int_equal(snap_write_begin(&w, room, sizeof(room)), 0);
	st_shadow_write(&s, 2, &w);
	assert_int_equal(w.flags, SNAP_F_INCOMPLETE);
	assert_int_equal(w.n_records, 0);
	st_shadow_done(&s);
}

static void test_shadow__full__says_so(void **state)
{
	struct st_shadow s;
	uint64_t ord = 1;

	(void)state;
	assert_int_equal(st_shadow_init(&s, SLOTS, 1u << 17), 0);
	while (st_shadow_has_room(&s))
		add_proc(&s, ord++, (uint32_t)rnd(SLOTS));
	assert_true(ord > 5000);
	assert_int_equal(s.n_refused, 0);
	st_shadow_advance(&s, ord / 2);
	assert_true(st_shadow_has_room(&s));
	for (unsigned i = 0; i < 50000; i++)
		add_proc(&s, ord++, (uint32_t)rnd(SLOTS));
	assert_true(s.n_refused > 0);
	st_shadow_advance(&s, ord);
	st_shadow_done(&s);
}

static void note_slot(void *arg, uint32_t slot)
{
	uint64_t *slots = arg;

	*slots |= UINT64_C(1) << slot;
}

static struct snap_head head_at(const struct st_shadow *s, uint64_t ord)
{
	static _Alignas(8) uint8_t room[1u << 25]; /* more than the slab holds */
	struct snap_writer w;

	assert_int_equal(snap_write_begin(&w, room, sizeof(room)), 0);
	st_shadow_write(s, ord, &w);
	snap_write_end(&w, ord);
	return *(struct snap_head *)room;
}

/* What found no room is missing until its thread was told again: a snapshot of before says so and
 * until when, one of after is whole. Users and groups have room when threads have none. */
static void test_shadow__had_no_room__whole_again_when_told_again(void **state)
{
	uint64_t ord = 1, slots = 0;
	struct st_shadow s;

	(void)state;
	assert_int_equal(st_shadow_init(&s, SLOTS, 1u << 17), 0);
	while (st_shadow_has_room(&s))
		add_proc(&s, ord++, (uint32_t)rnd(SLOTS - 2));
	add_user(&s, ord++, 1, true);
	assert_int_equal(s.n_refused, s.journal_n > s.journal_mask);
	if (s.n_refused == 0)
		assert_int_equal(head_at(&s, ord).flags, 0);
	s.has_lost_ids = false; /* by a full journal: not what is looked at here */
	add_proc(&s, ord++, SLOTS - 1);
	add_proc(&s, ord++, SLOTS - 2);
	assert_true(s.n_refused >= 2);
	assert_int_equal(head_at(&s, ord).flags, SNAP_F_INCOMPLETE);
	assert_int_equal(head_at(&s, ord).whole_from, 0);
	st_shadow_mend(&s, ord, note_slot, &slots); /* no room yet: it would find none again */
	assert_int_equal(slots, 0);
	st_shadow_advance(&s, ord - 1);
	assert_true(st_shadow_has_room(&s));
	st_shadow_mend(&s, ord, note_slot, &slots);
	assert_int_equal(slots & UINT64_C(3) << (SLOTS - 2), UINT64_C(3) << (SLOTS - 2));
	assert_int_equal(head_at(&s, ord - 1).flags, SNAP_F_INCOMPLETE);
	assert_int_equal(head_at(&s, ord - 1).whole_from, ord);
	assert_int_equal(head_at(&s, ord).flags, 0);
	slots = 0;
	st_shadow_mend(&s, ord + 1, note_slot, &slots);
	assert_int_equal(slots, 0);
	assert_int_equal(s.whole_from, ord);
	st_shadow_done(&s);
}

static void add_name(struct st_shadow *s, uint64_t ord, const char *name)
{
	_Alignas(8) uint8_t buf[1024] = {0};
	struct rec_head *rec = (struct rec_head *)buf;
	struct kev_builder b;
	int n;

	kev_build_start(&b, rec + 1, sizeof(buf) - sizeof(*rec), KEV_CODE_SAKER_NAME, 0);
	kev_build_text(&b, span_str(name));
	kev_build_raw(&b, "\1\2\3\4", 4);
	kev_build_raw(&b, "", 0);
	n = kev_build_finish(&b);
	assert_true(n > 0);
	*rec = (struct rec_head){
		.ring = {.len = (uint32_t)(sizeof(*rec) + (size_t)n), .type = REC_STATE},
		.ord = ord};
	st_shadow_add(s, rec);
}

/* A new evaluator is told each name once, as it was told last. */
static void test_shadow__names__the_last_of_each(void **state)
{
	struct st_shadow s;

	(void)state;
	assert_int_equal(st_shadow_init(&s, SLOTS, 1u << 17), 0);
	add_name(&s, 1, "a.test");
	add_name(&s, 2, "b.test");
	add_name(&s, 3, "a.test");
	add_user(&s, 4, 1, true);
	st_shadow_advance(&s, 5);
	assert_int_equal(head_at(&s, 5).n_records, 3);
	st_shadow_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shadow__any_commit__the_state_of_there),
		cmocka_unit_test(test_shadow_write__older_than_the_shadow__incomplete),
		cmocka_unit_test(test_shadow__full__says_so),
		cmocka_unit_test(test_shadow__names__the_last_of_each),
		cmocka_unit_test(test_shadow__had_no_room__whole_again_when_told_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
