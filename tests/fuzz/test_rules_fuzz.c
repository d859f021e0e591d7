/* SPDX-License-Identifier: Apache-2.0 */
/* The fuzz target of rule files over deterministic damage of a file that uses every part of the
 * language. */

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

static const char seed_text[] =
	"- required_engine_version: 0.57.0\n"
	"- required_plugin_versions:\n  - {name: container, version: 0.4.0, alternatives: [{name: "
	"x, version: 1.0.0}]}\n"
	"- list: l1\n  items: &a [a, 'b c', \"d-e\", 22]\n- list: l2\n  items: [l1, e]\n- list: "
	"l2\n  items: *a\n  override: {items: append}\n"
	"- macro: m\n  condition: (proc.name in (l1, l2) or fd.name startswith /x)\n- macro: m\n  "
	"condition: or proc.aname[2] exists\n  append: true\n"
	"- rule: R\n  desc: d\n  condition: >\n    evt.type in (open, openat) and not m and\n    "
	"(fd.snet in (10.0.0.0/8) or len(concat(proc.name, '-')) > 3)\n"
	"  output: '*x %10proc.name %toupper(fd.name) %evt.arg.flags.'\n  priority: WARNING\n  "
	"tags: [a, b]\n  warn_evttypes: no\n"
	"  exceptions:\n  - {name: e, fields: [proc.name, fd.name], comps: [in, startswith], "
	"values: [[[a, b], /x], [c, '/y z']]}\n"
	"  - {name: f, fields: proc.name, comps: startswith oneof, values: [q]}\n"
	"- rule: R\n  condition: and fd.name pmatch (/a, /b*) and evt.buffer bcontains cafe\n  "
	"tags: [c]\n  override: {condition: append, tags: append}\n"
	"---\n- rule: S\n  desc: d\n  condition: evt.num = 0 and proc.name = val(proc.pname) and "
	"proc.name contains anyof (x, \"y\\x41\")\n  output: o\n  priority: INFO\n";

static uint32_t rnd(uint64_t *state)
{
	*state = hash_u64(*state + 1);
	return (uint32_t)(*state >> 16);
}

/* Replace, drop, double or swap pieces. */
static size_t damage(uint8_t *p, size_t n, size_t cap, uint64_t *seed)
{
	static const char bytes[] = "(){}[]\"'%=,:-*&!<>|\n \\.0a\t\x00\xff";

	for (unsigned k = 1 + rnd(seed) % 4; k > 0 && n > 8; k--) {
		size_t at = rnd(seed) % (n - 4), len = 1 + rnd(seed) % MIN(n - at, (size_t)30);

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

static void test_rules__damaged_file__compiled_or_refused(void **state)
{
	uint8_t buf[sizeof(seed_text) + 200];
	uint64_t seed = 7;

	(void)state;
	for (int k = 0; k < 3000; k++) {
		uint8_t *exact;
		size_t n = sizeof(seed_text) - 1;

		memcpy(buf, seed_text, n);
		if (k)
			n = damage(buf, n, sizeof(buf), &seed);
		exact = malloc(
			n + 1); /* a block of its size, so that ASan sees what reads beyond */
		assert_non_null(exact);
		memcpy(exact + 1, buf, n);
		assert_int_equal(LLVMFuzzerTestOneInput(exact + 1, n), 0);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules__damaged_file__compiled_or_refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
