/* SPDX-License-Identifier: Apache-2.0 */
/* The fuzz target of containers' and names' JSON over deterministic damage of texts that use every key. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/hash.h>
#include <base/macros.h>

#include "fuzz_rules.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* The first byte: a file (odd) or an event. */
static const char *const seeds[] = {
	"1{\"" ID "\": {\"name\": \"web\", \"type\": \"docker\", \"image\": \"nginx:1\", "
	"\"repository\": \"nginx\", "
	"\"tag\": \"1\", \"image_id\": \"ab\", \"digest\": \"sha256:0\", \"ip\": \"10.0.0.1\", "
	"\"cni_json\": \"{}\", "
	"\"user\": \"www\", \"sandbox_id\": \"" ID
	"\", \"pod_ip\": \"10.0.0.2\", \"pod_cni_json\": \"{}\", "
	"\"privileged\": true, \"host_pid\": false, \"host_network\": true, \"host_ipc\": false, "
	"\"mounts\": [{\"source\": \"/a\", \"dest\": \"/b\", \"mode\": \"ro\", \"rw\": false, "
	"\"propagation\": \"\"}], "
	"\"labels\": {\"app\": \"fr\\u00f6nt\", \"x\": \"\"}, \"pod_labels\": {\"y\": \"z\"}}, "
	"\"second\": {}}",
	"2{\"container\": {\"id\": \"0123456789ab\", \"full_id\": \"" ID
	"\", \"type\": 0, \"name\": \"web\", "
	"\"imagerepo\": \"nginx\", \"ip\": 167772161, \"Mounts\": [{\"Source\": \"/a\", "
	"\"Destination\": \"/b\", "
	"\"Mode\": \"\", \"RW\": true, \"Propagation\": \"rprivate\"}], \"labels\": {\"a\": "
	"\"b\"}, \"privileged\": true, "
	"\"pod_sandbox_id\": \"x\", \"pod_sandbox_labels\": {\"c\": \"d\"}, \"User\": \"root\"}}",
	"2{\"name\": \"a.test\", \"addresses\": [\"192.0.2.1\", \"2001:db8::1\", \"nonsense\", 5]}",
};

static uint32_t rnd(uint64_t *state)
{
	*state = hash_u64(*state + 1);
	return (uint32_t)(*state >> 16);
}

static size_t damage(uint8_t *p, size_t n, size_t cap, uint64_t *seed)
{
	static const char bytes[] = "{}[]\":,\\u0019.-etrufalsn \xff\x01\xc3";

	for (unsigned k = 1 + rnd(seed) % 4; k > 0 && n > 8; k--) {
		size_t at = 1 + rnd(seed) % (n - 4), len = 1 + rnd(seed) % MIN(n - at, (size_t)30);

		switch (rnd(seed) % 3) {
		case 0:
			p[at] = (uint8_t)bytes[rnd(seed) % (sizeof(bytes) - 1)];
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

static void test_facts__damaged_json__taken_or_refused(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (int k = 0; k < 6000; k++) {
		const char *text = seeds[k % ARRAY_LEN(seeds)];
		size_t n = strlen(text), cap = n + 200;
		uint8_t *buf = malloc(cap), *exact;

		assert_non_null(buf);
		memcpy(buf, text, n);
		if (k >= (int)ARRAY_LEN(seeds))
			n = damage(buf, n, cap, &seed);
		/* a block of its size, so that ASan sees what reads beyond */
		exact = malloc(n);
		assert_non_null(exact);
		memcpy(exact, buf, n);
		assert_int_equal(LLVMFuzzerTestOneInput(exact, n), 0);
		free(exact);
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts__damaged_json__taken_or_refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
