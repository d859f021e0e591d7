/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Alerts for the tests of this folder. */

#include <stdlib.h>
#include <string.h>

#include <shm/alert.h>

static inline struct alert_builder *alerts_new(void)
{
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];
	static struct alert_builder b;

	alert_begin(&b, buf, sizeof(buf));
	return &b;
}

static inline const struct alert *alerts_finish(struct alert_builder *b, uint64_t ord,
	uint32_t rule, uint8_t priority, const char *name, struct span message)
{
	struct alert *a = alert_head(b);
	struct rec_str texts[] = {
		alert_add_text(b, span_str(name)),
		alert_add_text(b, SPAN_LIT("syscall")),
		alert_add_text(b, SPAN_LIT("myhost")),
		alert_add_text(b, message),
	};
	int n;

	a->h.seq = ord;
	a->h.ord = ord;
	a->h.ts_ns = 1566230400020000000ULL;
	a->rule = rule;
	a->priority = priority;
	for (unsigned i = 0; i < 16; i++)
		a->id[i] = (uint8_t)(i * 17);
	a->rule_name = texts[0];
	a->source = texts[1];
	if (!a->host.off)
		a->host = texts[2];
	a->message = texts[3];
	n = alert_finish(b);
	if (n < 0)
		abort();
	a->h.ring.len = (uint32_t)n;
	if (alert_validate(&a->h) < 0)
		abort();
	return a;
}
