/* SPDX-License-Identifier: Apache-2.0 */
/* The door of thread records: a good one passes, each damaged field is refused. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <base/macros.h>

#include <shm/engines.h>

#include "samples.h"

static uint64_t buf[SPSC_RECORD_MAX / 8];

static struct prec *sample(void)
{
	assert_true(sample_prec(buf) > 0);
	return (struct prec *)buf;
}

static void test_prec_validate__good__accepted(void **state)
{
	struct prec *p = sample();

	(void)state;
	assert_int_equal(prec_validate(&p->h, SAMPLE_SLOTS), 0);
	assert_true(span_eq_str(rec_text(p, p->exepath), "/usr/bin/bash"));
	p->parent_slot = 3;
	assert_int_equal(prec_validate(&p->h, SAMPLE_SLOTS), 0);
	p->args = (struct rec_str){0};
	p->n_args = 0;
	p->env = p->cgroups = p->comm = p->cwd = p->args;
	assert_int_equal(prec_validate(&p->h, SAMPLE_SLOTS), 0);
}

static void test_prec_validate__each_bad_field__refused(void **state)
{
#define FIELD32(m, v)                                                                              \
	{                                                                                          \
		offsetof(struct prec, m), v                                                        \
	}
	static const struct {
		size_t off;
		uint32_t value;
	} cases[] = {
		FIELD32(h.ring.len, 0),
		FIELD32(h.ring.len, 8),
		FIELD32(container_engine, _CTR_MAX),
		FIELD32(h.ring.len, sizeof(struct prec) - 8),
		FIELD32(h.ring.len, sizeof(struct prec)),
		FIELD32(h.ring.len, sizeof(struct prec) + 4),
		FIELD32(h.ring.len, SPSC_RECORD_MAX + 8),
		FIELD32(h.ring.len, UINT32_MAX),
		FIELD32(h.ring.type, REC_EVENT),
		FIELD32(slot, SAMPLE_SLOTS),
		FIELD32(slot, UINT32_MAX),
		FIELD32(leader_slot, SAMPLE_SLOTS),
		FIELD32(leader_slot, UINT32_MAX),
		FIELD32(parent_slot, SAMPLE_SLOTS),
		FIELD32(parent_slot, UINT32_MAX - 1),
		FIELD32(flags, 16),
		FIELD32(flags, 1U << 31),
		FIELD32(exe_flags, 16),
		FIELD32(n_args, 0),
		FIELD32(n_args, 1),
		FIELD32(n_args, 3),
		FIELD32(n_args, UINT32_MAX),
		FIELD32(args.n, 5),
		FIELD32(env.n, 3),
		FIELD32(cgroups.n, 4),
		FIELD32(comm.off, 0),
		FIELD32(comm.off, 8),
		FIELD32(comm.n, 3),
		FIELD32(comm.n, UINT32_MAX),
		FIELD32(exe.off, UINT32_MAX),
		FIELD32(exepath.n, SPSC_RECORD_MAX),
		FIELD32(args.off, 4),
		FIELD32(env.off, 1),
		FIELD32(cwd.off, 70000),
		FIELD32(root.n, 100000),
		FIELD32(cgroups.off, UINT32_MAX - 3),
		FIELD32(container_id.n, 65536),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct prec *p = sample();

		memcpy((uint8_t *)p + cases[i].off, &cases[i].value, sizeof(uint32_t));
		if (prec_validate(&p->h, SAMPLE_SLOTS) != -EBADMSG)
			fail_msg("case %zu accepted", i);
	}
}

static void test_prec_validate__length_not_a_multiple_of_8__refused(void **state)
{
	static struct {
		struct prec p;
		uint64_t more;
	} rec;

	(void)state;
	rec.p = (struct prec){.h.ring = {.len = sizeof(rec.p) + 8, .type = REC_PROC}};
	assert_int_equal(prec_validate(&rec.p.h, 1), 0);
	rec.p.h.ring.len -= 4;
	assert_int_equal(prec_validate(&rec.p.h, 1), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prec_validate__good__accepted),
		cmocka_unit_test(test_prec_validate__each_bad_field__refused),
		cmocka_unit_test(test_prec_validate__length_not_a_multiple_of_8__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
