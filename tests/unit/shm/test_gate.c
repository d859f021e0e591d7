/* SPDX-License-Identifier: Apache-2.0 */
/* The doors of asks, answers and lookups. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <shm/gate.h>

#define ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void test_gate_ask_validate__each_field(void **state)
{
	struct gate_ask good = {.h.ring = {.len = sizeof(good), .type = REC_GATE_ASK},
				.cookie = 1,
				.what = GATE_INSPECT,
				.id = ID},
			a = good;

	(void)state;
	assert_int_equal(gate_ask_validate(&a.h), 0);
#define BAD(expr)                                                                                  \
	do {                                                                                       \
		a = good;                                                                          \
		expr;                                                                              \
		assert_int_equal(gate_ask_validate(&a.h), -EBADMSG);                               \
	} while (0)
	BAD(a.h.ring.type = REC_GATE_ANSWER);
	BAD(a.h.ring.len -= 8);
	BAD(a.h.ring.len += 8);
	BAD(a.cookie = 0);
	BAD(a.what = _GATE_WHAT_MAX);
	BAD(memset(a.id, 'a', sizeof(a.id)));
#undef BAD
}

static void test_gate_answer_validate__each_field(void **state)
{
	union {
		struct gate_answer a;
		uint8_t bytes[sizeof(struct gate_answer) + 16];
	} good = {.a = {.h.ring = {.len = sizeof(good), .type = REC_GATE_ANSWER},
			  .cookie = 1,
			  .what = GATE_LIST,
			  .n = 16}},
	  m = good;

	(void)state;
	assert_int_equal(gate_answer_validate(&m.a.h), 0);
#define BAD(expr)                                                                                  \
	do {                                                                                       \
		m = good;                                                                          \
		expr;                                                                              \
		assert_int_equal(gate_answer_validate(&m.a.h), -EBADMSG);                          \
	} while (0)
	BAD(m.a.h.ring.type = REC_GATE_ASK);
	BAD(m.a.h.ring.len = sizeof(m.a) - 8);
	BAD(m.a.n = 17);
	BAD(m.a.n = UINT32_MAX);
	BAD(m.a.runtime = GATE_RUNTIMES_MAX);
	BAD(m.a.what = _GATE_WHAT_MAX);
	BAD(m.a.cookie = 0);
	BAD(m.a.what = GATE_EVENTS); /* with a cookie */
#undef BAD
}

static void test_lookup_validate__each_field(void **state)
{
	union {
		struct lookup l;
		uint8_t bytes[sizeof(struct lookup) + 64];
	} good = {.l = {.h.ring = {.len = sizeof(good), .type = REC_LOOKUP}, .n = 64}}, m = good;

	(void)state;
	assert_int_equal(lookup_validate(&m.l.h), 0);
#define BAD(expr)                                                                                  \
	do {                                                                                       \
		m = good;                                                                          \
		expr;                                                                              \
		assert_int_equal(lookup_validate(&m.l.h), -EBADMSG);                               \
	} while (0)
	BAD(m.l.h.ring.type = REC_KEV);
	BAD(m.l.h.ring.len = 32);
	BAD(m.l.n = 65);
	BAD(m.l.n = 0);
#undef BAD
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gate_ask_validate__each_field),
		cmocka_unit_test(test_gate_answer_validate__each_field),
		cmocka_unit_test(test_lookup_validate__each_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
