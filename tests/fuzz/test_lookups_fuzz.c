/* SPDX-License-Identifier: Apache-2.0 */
/* Deterministic mutations of good answers through the fuzz target. With a directory as argument the good ones are written there instead, as a corpus. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <base/hash.h>
#include <base/log.h>
#include <base/macros.h>

#include "fuzz_lookups.h"

#define ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CASES 3000

static const char *const good[] = {
	"xx[{\"Id\":\"" ID "\"},{\"Id\":\"short\"}]",
	"xx{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" ID
	"\",\"Attributes\":{\"name\":\"n\",\"image\":\"i:1\",\"k\":\"v\"}}}\n",
	"xx{\"Id\":\"" ID "\",\"Name\":\"/web\",\"Image\":\"sha256:" ID
	"\",\"Config\":{\"Image\":\"local/web:3\",\"User\":\"w\",\"Labels\":{\"a\":\"b\"}},"
	"\"HostConfig\":{\"Privileged\":true,\"NetworkMode\":\"host\"},\"Mounts\":[{\"Source\":\"/"
	"s\",\"Destination\":\"/d\",\"Mode\":\"ro\",\"RW\":false,"
	"\"Propagation\":\"rprivate\"}],\"NetworkSettings\":{\"IPAddress\":\"10.0.0.2\"},"
	"\"RepoDigests\":[\"a/b@sha256:c\"],\"RepoTags\":[\"a/b:1\"]}",
	/* all at once: an answer to whatever is asked */
	"xx{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"" ID "\"},\"Id\":\"" ID
	"\",\"Config\":{\"Image\":\"x@sha256:" ID "\"}}\n",
};

/* What containerd answers, in frames: a container (which is a list and namespaces too), an image, a report. First bytes: which kind, and in which parts. */
static const struct {
	const char *bytes;
	size_t n;
} good_calls[] = {
#define FRAME(kind, n, bytes)                                                                      \
	{                                                                                          \
		kind "x\0\0\0\0" n bytes, sizeof(kind "x\0\0\0\0" n bytes) - 1                     \
	}
	FRAME("{", "\x4d",
		"\x0aK\x0a\x03web\x12\x06\x0a\x01"
		"a\x12\x01"
		"b\x1a\x07x.y/z:1\x2a\x33\x12\x31"
		"{\"process\":{\"user\":{}},\"mounts\":[{\"source\":\"/\"}]}"),
	FRAME("{", "\x54", "\x0aR\x0a\x05x.y/z\x1aI\x12Gsha256:" ID),
	FRAME("{", "\x26",
		"\x12\x07"
		"default\x1a\x12/containers/create\x22\x07\x12\x05\x0a\x03web"),
	FRAME("z", "\x44", "\x0a\x40" ID "\x10\x03"),
	FRAME("z", "\x46", "\x0a\x44\x0a\x40" ID "\x30\x01"),
};

static void test_mutations__no_crash_and_facts_come_out(void **state)
{
	static uint8_t one[4096];
	uint64_t seed = 4711;

	(void)state;
	for (unsigned i = 0; i < CASES; i++) {
		unsigned which = i % (ARRAY_LEN(good) + ARRAY_LEN(good_calls));
		bool is_call = which >= ARRAY_LEN(good);
		const char *from =
			is_call ? good_calls[which - ARRAY_LEN(good)].bytes : good[which];
		size_t n = is_call ? good_calls[which - ARRAY_LEN(good)].n : strlen(from);
		unsigned n_changes = (unsigned)(hash_u64(seed++) % 4);

		memcpy(one, from, n);
		if (!is_call)
			one[0] = (uint8_t)(hash_u64(seed++) & ~3u);
		one[1] = (uint8_t)hash_u64(seed++);
		for (unsigned k = 0; k < n_changes; k++) {
			size_t at = hash_u64(seed++) % n;

			one[at] = (uint8_t)hash_u64(seed++);
		}
		if (i % 7 == 6)
			n = hash_u64(seed++) % n;
		(void)LLVMFuzzerTestOneInput(one, n);
	}
	assert_true(fuzz_lookups_facts > CASES / 10);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutations__no_crash_and_facts_come_out),
	};

	for (unsigned i = 0; argc > 1 && i < ARRAY_LEN(good); i++) {
		char path[4096];
		FILE *f;

		(void)snprintf(path, sizeof(path), "%s/%u", argv[1], i);
		f = fopen(path, "w");
		if (!f || fputs(good[i], f) < 0 || fclose(f) != 0)
			return 1;
	}
	for (unsigned i = 0; argc > 1 && i < ARRAY_LEN(good_calls); i++) {
		char path[4096];
		FILE *f;

		(void)snprintf(path, sizeof(path), "%s/call-%u", argv[1], i);
		f = fopen(path, "w");
		if (!f || fwrite(good_calls[i].bytes, 1, good_calls[i].n, f) != good_calls[i].n ||
			fclose(f) != 0)
			return 1;
	}
	return argc > 1 ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
