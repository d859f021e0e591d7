/* SPDX-License-Identifier: Apache-2.0 */
/* 20,000 deterministic mutations of real records (those of the synthetic source) through the fuzz target; and a check that enough of them pass the door, since a
 * fuzzer whose inputs are all refused at the first field proves nothing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/hash.h>
#include <base/macros.h>
#include <driver/kev.h>
#include <driver/source.h>

#include "fuzz_kev_parse.h"

#define CASES 20000
#define SEEDS 256

struct seed {
	uint8_t *p;
	size_t n;
};

static uint64_t random_state = 12345;

static uint64_t next_random(void)
{
	return hash_u64(random_state++);
}

static void collect(struct seed seeds[SEEDS])
{
	struct drv_synthetic_config c = {.seed = 9, .n_procs = 3};
	struct drv_source *s = NULL;
	struct drv_record rec;
	unsigned n = 0;

	assert_int_equal(drv_synthetic_open(&c, &s), 0);
	while (n < SEEDS) {
		assert_int_equal(s->ops->next(s, &rec), 1);
		if (next_random() % 4)
			continue; /* spread over the attacks */
		seeds[n].p = malloc(rec.len);
		assert_non_null(seeds[n].p);
		memcpy(seeds[n].p, rec.p, rec.len);
		seeds[n++].n = rec.len;
	}
	drv_source_close(s);
}

/* Numbers that break arithmetic, at places where they hurt. */
static void mutate(uint8_t *p, size_t *n, size_t cap)
{
	static const uint32_t odd[] = {
		0, 1, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0xffffffff};
	unsigned rounds = 1 + next_random() % 4;

	while (rounds--) {
		uint32_t v = odd[next_random() % ARRAY_LEN(odd)];
		size_t at = *n ? next_random() % *n : 0;

		switch (next_random() % 6) {
		case 0:
			if (*n)
				p[at] ^= (uint8_t)(1u << next_random() % 8);
			break;
		case 1: /* in the table of lengths */
			if (*n >= sizeof(struct kev_head) + 2 * KEV_PARAMS_MAX)
				memcpy(p + sizeof(struct kev_head) +
						2 * (next_random() % KEV_PARAMS_MAX),
					&v, 2);
			break;
		case 2: /* somewhere in the head */
			if (*n >= sizeof(struct kev_head))
				memcpy(p + 4 * (next_random() % (sizeof(struct kev_head) / 4)), &v,
					4);
			break;
		case 3: /* another event's parameters */
			if (*n >= sizeof(struct kev_head))
				((struct kev_head *)(void *)p)->type =
					kev_info_get((uint16_t)(next_random() % _KEV_IX_MAX))->code;
			break;
		case 4: /* shorter, honestly */
			*n = at & ~(size_t)7;
			if (*n >= sizeof(struct kev_head))
				((struct kev_head *)(void *)p)->len = (uint32_t)*n;
			break;
		default: /* longer, honestly */
			if (*n + 8 <= cap) {
				memset(p + *n, (int)v, 8);
				*n += 8;
				((struct kev_head *)(void *)p)->len = (uint32_t)*n;
			}
		}
	}
}

static void test_kev_parse__mutated_records__never_outside(void **state)
{
	static uint64_t buf[KEV_SIZE_MAX / 8];
	struct seed seeds[SEEDS];
	unsigned passed = 0;

	(void)state;
	collect(seeds);
	for (unsigned i = 0; i < CASES; i++) {
		const struct seed *s = &seeds[next_random() % SEEDS];
		size_t n = s->n;
		const char *why;
		struct kev k;

		memcpy(buf, s->p, n);
		mutate((uint8_t *)buf, &n, sizeof(buf));
		(void)LLVMFuzzerTestOneInput((const uint8_t *)buf, n);
		passed += kev_parse(buf, n, &k, &why) == 0;
	}
	print_message("%u of %u passed the door\n", passed, CASES);
	assert_in_range(passed, CASES / 50, CASES - CASES / 5);
	for (unsigned i = 0; i < SEEDS; i++)
		free(seeds[i].p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kev_parse__mutated_records__never_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
