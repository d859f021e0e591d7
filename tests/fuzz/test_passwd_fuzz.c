/* SPDX-License-Identifier: Apache-2.0 */
/* The fuzz target of passwd and group over deterministic damage of texts with every kind of line. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/hash.h>
#include <base/macros.h>

#include "fuzz_rules.h"

/* The first byte: '1' passwd, '0' group; '3' and '2' the same as an answer. */
static const char *const seeds[] = {
	"1root:x:0:0:root:/root:/bin/sh\n# remark\n\n \t \nown:x:65534:4242:An "
	"owner,,:/own:/bin/own\n+::::::\n-no::::::\nshort:x:1\nfew:x:7:8",
	"0root:x:0:\nowners:x:4242:own,other\n#\nbad:x:-1:\nbig:x:4294967296:\nlast:x:4294967295",
	"3root::0:0:::\nr00t:*:0000000000:0000000001::/"
	":\nmany:x:1:2:3:4:5:6:7:8\n:x:1:1:::\n:::::::::\n",
	"2g:x:3:\ng:x:3:a\n\r\n\xff\xfe:x:5:\n",
};
/* more lines than are told, and a line longer than is read */
#define MANY 700
#define LONG 5000

static uint32_t rnd(uint64_t *state)
{
	*state = hash_u64(*state + 1);
	return (uint32_t)(*state >> 16);
}

static size_t damage(uint8_t *p, size_t n, size_t cap, uint64_t *seed)
{
	static const char bytes[] = "::::\n\n0123456789#+-abc \t\r\xff";

	for (unsigned k = 1 + rnd(seed) % 4; k > 0 && n > 8; k--) {
		size_t at = rnd(seed) % (n - 4), len = 1 + rnd(seed) % MIN(n - at, (size_t)30);

		switch (rnd(seed) % 3) {
		case 0: /* a NUL among them */
			p[at] = (uint8_t)bytes[rnd(seed) % sizeof(bytes)];
			break;
		case 1:
			memmove(p + at, p + at + len, n - at - len);
			n -= len;
			break;
		default:
			if (n + len > cap)
				break;
			memmove(p + at + len, p + at, n - at);
			n += len;
			break;
		}
	}
	return n;
}

/* A block of its size, so that ASan sees what reads beyond. */
static void run(const void *p, size_t n)
{
	uint8_t *exact = malloc(n);

	assert_non_null(exact);
	memcpy(exact, p, n);
	assert_int_equal(LLVMFuzzerTestOneInput(exact, n), 0);
	free(exact);
}

static void test_passwd__damaged_lines__parsed_as_they_stand(void **state)
{
	uint64_t seed = 17;

	(void)state;
	for (int k = 0; k < 20000; k++) {
		const char *text = seeds[k % ARRAY_LEN(seeds)];
		size_t n = strlen(text), cap = n + 200;
		uint8_t *buf = malloc(cap);

		assert_non_null(buf);
		memcpy(buf, text, n);
		if (k >= (int)ARRAY_LEN(seeds))
			n = damage(buf, n, cap, &seed);
		run(buf, n);
		free(buf);
	}
}

static void test_passwd__many_and_long_lines__bounded(void **state)
{
	static char text[MANY * 32 + LONG];
	size_t n;

	(void)state;
	n = (size_t)snprintf(text, sizeof(text), "3");
	for (unsigned i = 0; i < MANY; i++)
		n += (size_t)snprintf(
			text + n, sizeof(text) - n, "u%u:x:%u:%u::/:/bin/sh\n", i, i, i);
	run(text, n);
	for (unsigned len = LONG / 2; len < LONG; len += 7) {
		memset(text + 1, 'a', len);
		memcpy(text + 1 + len, ":x:1:2:::\n", 10);
		run(text, len + 11);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_passwd__damaged_lines__parsed_as_they_stand),
		cmocka_unit_test(test_passwd__many_and_long_lines__bounded)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
