/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The world of tests of lookups: this test is the gate and the runtimes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/clock.h>
#include <base/macros.h>
#include <driver/kev.h>

#include "lookups.h"

static struct settings set;
static struct stats_page stats;
static struct lookups *l;
static uint64_t now, buf[KEV_SIZE_MAX / 8];
static struct kev kev;

static inline int setup(void **state)
{
	(void)state;
	set = (struct settings){.n_runtimes = 2,
		.label_max = 20,
		.hooks = HOOK_CREATE,
		.metadata_wait_ns = 100 * NS_PER_MS};
	set.runtimes[0].kind = GATE_DOCKER;
	set.runtimes[1].kind = GATE_PODMAN;
	stats = (struct stats_page){0};
	l = lookups_new(&set, &stats);
	assert_non_null(l);
	now = NS_PER_S;
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	l = lookups_free(l);
	return 0;
}

static inline void answer(
	const struct gate_ask *a, const char *body, size_t n, unsigned status, unsigned flags)
{
	union {
		struct gate_answer a;
		uint8_t bytes[sizeof(struct gate_answer) + GATE_PART_MAX];
	} *msg = calloc(1, sizeof(*msg));

	assert_true(n <= GATE_PART_MAX);
	msg->a = (struct gate_answer){.h.ring = {.len = (uint32_t)ALIGN_UP(sizeof(msg->a) + n, 8),
					      .type = REC_GATE_ANSWER},
		.cookie = a->cookie,
		.runtime = a->runtime,
		.what = a->what,
		.status = status,
		.flags = flags,
		.n = (uint32_t)n};
	memcpy(msg->bytes + sizeof(msg->a), body, n);
	assert_int_equal(gate_answer_validate(&msg->a.h), 0);
	assert_true(lookups_takes(l));
	lookups_answer(l, &msg->a, now);
	free(msg);
}

static inline void says(const struct gate_ask *a, const char *body, unsigned status)
{
	if (*body)
		answer(a, body, strlen(body), 0, 0);
	answer(a, "", 0, status, GATE_F_END | (status ? GATE_F_FAILED : 0));
}

static inline bool is_early(void)
{
	const struct kev_head *head = (const struct kev_head *)buf;
	const char *why = "";

	if (kev_parse(buf, head->len, &kev, &why) < 0)
		fail_msg("%s", why);
	return kev_param_u64(&kev, 1) & CREC_EARLY;
}

static inline void event(unsigned runtime, const char *text, unsigned flags)
{
	answer(&(struct gate_ask){.runtime = runtime, .what = GATE_EVENTS}, text, strlen(text), 0,
		flags);
	/* what a report itself tells comes first */
	while (lookups_record(l, buf, now) > 0 && is_early())
		lookups_told(l);
}

static inline struct gate_ask next_ask(void)
{
	struct gate_ask a = {0};

	assert_true(lookups_ask(l, &a, now));
	return a;
}

static inline void no_ask(void)
{
	struct gate_ask a;

	assert_false(lookups_ask(l, &a, now));
}

/* The next record; false: none. */
static inline bool told(void)
{
	const char *why = "";
	int n = lookups_record(l, buf, now);

	if (!n)
		return false;
	if (kev_parse(buf, (size_t)n, &kev, &why) < 0)
		fail_msg("%s", why);
	lookups_told(l);
	return true;
}

static inline void expect(const char *name, const char *want)
{
	struct span s = kev_param_text(&kev, (unsigned)kev_param_find(kev.info, name));

	if (!span_eq_str(s, want))
		fail_msg("%s is '%.*s', not '%s'", name, (int)s.n, s.p, want);
}
