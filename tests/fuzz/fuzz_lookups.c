/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target for what container runtimes of all kinds answer: any bytes as a list, as facts of a container and of an image, as reports and as a version, cut into parts anywhere. Whatever comes of them as records must pass
 * the door for kernel events. Under libFuzzer it is built with clang; test_lookups_fuzz.c drives the same function with deterministic mutations. */

#include <stdint.h>
#include <string.h>

#include <base/clock.h>
#include <base/macros.h>
#include <driver/kev.h>

#include "lookups.h"

#include "fuzz_lookups.h"

#define TURNS 64

uint64_t fuzz_lookups_facts;

static union {
	struct gate_answer a;
	uint8_t bytes[sizeof(struct gate_answer) + GATE_PART_MAX];
} msg;

static uint64_t buf[KEV_SIZE_MAX / 8];

static void tell(struct lookups *l, uint64_t now)
{
	const char *why = "";
	struct kev k;
	int n;

	while ((n = lookups_record(l, buf, now)) > 0) {
		int r = kev_parse(buf, (size_t)n, &k, &why);

		assert(r == 0 && k.info->code == KEV_CODE_SAKER_CONTAINER);
		fuzz_lookups_facts += !(kev_param_u64(&k, 1) & (CREC_UNKNOWN | CREC_EARLY));
		lookups_told(l);
	}
}

/* In parts of that many bytes. */
static void answer(struct lookups *l, const struct gate_ask *ask, const uint8_t *data, size_t n,
	size_t part, uint64_t now)
{
	for (size_t at = 0; at <= n; at += part) {
		size_t k = MIN(part, n - at);
		bool is_last = n - at <= part;

		msg.a = (struct gate_answer){
			.h.ring = {.len = (uint32_t)ALIGN_UP(sizeof(msg.a) + k, 8),
				.type = REC_GATE_ANSWER},
			.cookie = ask->cookie,
			.runtime = ask->runtime,
			.what = ask->what,
			.flags = is_last && !gate_is_unasked(ask->what) ? GATE_F_END : 0,
			.n = (uint32_t)k};
		memcpy(msg.bytes + sizeof(msg.a), data + at, k);
		int r = gate_answer_validate(&msg.a.h);
		assert(r == 0);
		lookups_answer(l, &msg.a, now);
		tell(l, now);
		if (is_last)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct stats_page stats;
	static struct settings set;
	static const struct gate_ask reports = {.what = GATE_EVENTS},
				     version = {.what = GATE_VERSION};
	uint64_t now = NS_PER_S;
	struct lookups *l;
	struct gate_ask ask;
	size_t part;

	if (n < 2)
		return 0;
	if (!set.n_runtimes) {
		md_container_init();
		set = (struct settings){.n_runtimes = 1,
			.label_max = 100,
			.hooks = HOOK_CREATE | HOOK_START,
			.metadata_wait_ns = 100 * NS_PER_MS};
	}
	set.runtimes[0].kind = GATE_DOCKER + data[0] % (_GATE_KIND_MAX - GATE_DOCKER);
	part = 1 + (data[0] | (size_t)data[1] << 6) % GATE_PART_MAX;
	data += 2;
	n -= 2;
	l = lookups_new(&set, &stats);
	assert(l);
	answer(l, &version, data, n, part, now);
	answer(l, &reports, data, n, part, now);
	lookups_want(l,
		SPAN_LIT("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"), now);
	lookups_want(l, SPAN_LIT("web"), now);
	for (unsigned i = 0; i < TURNS && lookups_ask(l, &ask, now); i++) {
		answer(l, &ask, data, n, part, now);
		now += 50 * NS_PER_MS;
	}
	answer(l, &reports, data, n, part, now);
	tell(l, now + 60 * NS_PER_S);
	(void)lookups_free(l);
	return 0;
}
