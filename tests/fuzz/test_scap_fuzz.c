/* SPDX-License-Identifier: Apache-2.0 */
/* Deterministic mutations of built captures through the fuzz target. With a directory as argument it
 * writes the captures there instead, as a corpus. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/hash.h>
#include <base/macros.h>
#include <driver/kev.h>

#include "scap_make.h"
#include "fuzz_scap.h"

#define CASES 600
#define TS 1700000000000000000u

static struct make m;
static uint64_t random_state = 4711;

static uint64_t next_random(void)
{
	return hash_u64(random_state++);
}

static void make_new(void)
{
	m.n = 0;
	mk_section(&m);
	mk_machine(&m, TS);
	mk_begin(&m, 0x215);
	mk_task(&m, 100, 100, 1, "tool", 76);
	mk_task(&m, 101, 100, 1, "tool", 29);
	mk_end(&m);
	mk_begin(&m, 0x218);
	mk_u64(&m, 100);
	mk_u32(&m, 4 + 17 + 14);
	mk_u64(&m, 3);
	mk_u64(&m, 33);
	mk_u8(&m, 16);
	mk_u32(&m, 1);
	mk_str(&m, "/etc");
	mk_u32(&m, 0x801);
	mk_end(&m);
	mk_event(&m, 0x216, TS + 1, 100, KEV_CODE_SYSCALL_OPENAT_2_X, 7,
		(struct mk_param[]){MK_I64(3), MK_I64(-100), MK_TEXT("/etc/f"), MK_U32(1),
			MK_U32(0), MK_U32(2), MK_U64(9)});
	mk_event(&m, 0x216, TS + 2, 100, KEV_CODE_SYSCALL_CLOSE_X, 2,
		(struct mk_param[]){MK_I64(0), MK_I64(3)});
	mk_event(&m, 0x222, TS + 3, 100, KEV_CODE_CONTAINER_JSON_2_E, 1,
		(struct mk_param[]){MK_TEXT("{}")});
}

static void make_old(void)
{
	m.n = 0;
	mk_section(&m);
	mk_event(&m, 0x204, TS + 1, 7, 6, 2, (struct mk_param[]){MK_I64(4), MK_U32(100)});
	mk_event(&m, 0x204, TS + 2, 7, 7, 2, (struct mk_param[]){MK_I64(3), {"abc", 3}});
	mk_event(&m, 0x204, TS + 3, 5, 13, 8,
		(struct mk_param[]){MK_I64(0), MK_TEXT("sh"), MK_TEXT("-c"), MK_I64(5), MK_I64(5),
			MK_I64(1), MK_TEXT("/"), MK_U64(1024)});
	mk_event(&m, 0x208, TS + 4, 5, 228, 4,
		(struct mk_param[]){MK_TEXT("id"), MK_U32(1), MK_TEXT("na\"me"), MK_TEXT("image")});
	mk_event(&m, 0x204, TS + 5, 9, 98, 2, (struct mk_param[]){MK_TEXT("/d"), MK_U32(0755)});
	mk_event(&m, 0x204, TS + 6, 9, 99, 1, (struct mk_param[]){MK_I64(-17)});
}

static void (*const makes[])(void) = {make_new, make_old};

static void mutate(struct make *to)
{
	static const uint32_t odd[] = {
		0, 1, 3, 4, 7, 8, 0x7f, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
	unsigned rounds = 1 + next_random() % 5;

	while (rounds--) {
		size_t at = next_random() % to->n;
		uint32_t v = odd[next_random() % ARRAY_LEN(odd)];

		if (next_random() % 8 == 0)
			to->n = at + 1;
		else if (next_random() % 2)
			memcpy(to->p + at, &v, MIN(to->n - at, (size_t)1 << next_random() % 3));
		else
			to->p[at] ^= (uint8_t)(1u << next_random() % 8);
	}
}

static void test_mutations(void **unused)
{
	static struct make copy;

	(void)unused;
	for (unsigned i = 0; i < CASES; i++) {
		makes[i % ARRAY_LEN(makes)]();
		memcpy(copy.p, m.p, m.n);
		copy.n = m.n;
		if (i >= ARRAY_LEN(makes))
			mutate(&copy);
		assert_int_equal(LLVMFuzzerTestOneInput(copy.p, copy.n), 0);
	}
	assert_true(fuzz_scap_records > CASES);
}

static int write_corpus(const char *dir)
{
	char path[4096];

	for (unsigned i = 0; i < ARRAY_LEN(makes); i++) {
		int fd;

		makes[i]();
		(void)snprintf(path, sizeof(path), "%s/capture-%u", dir, i);
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, m.p, m.n) != (ssize_t)m.n || close(fd) < 0)
			return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutations),
	};

	return argc > 1 ? write_corpus(argv[1]) : cmocka_run_group_tests(tests, NULL, NULL);
}
