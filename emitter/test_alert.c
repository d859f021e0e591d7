/* SPDX-License-Identifier: Apache-2.0 */
/* See test_alert.h. Input: the plan's names. */

#include <stdio.h>
#include <string.h>

#include <base/macros.h>

#include "test_alert.h"

#define RULE "saker output test"
#define PRIORITY 6 /* Informational */

const struct alert *test_alert_make(uint8_t buf[TEST_ALERT_MAX], const uint8_t run_id[16],
	const char *host, const char *output, uint64_t ts_ns, uint64_t n)
{
	static struct alert_builder b; /* large; this stage has one thread */
	char text[128];
	struct alert *a;
	int len;

	(void)snprintf(text, sizeof(text),
		"Test alert of output '%.40s', asked for by its operator", output);
	alert_begin(&b, buf, TEST_ALERT_MAX);
	a = alert_head(&b);
	a->rule_name = alert_add_text(&b, SPAN_LIT(RULE));
	a->source = alert_add_text(&b, SPAN_LIT("internal"));
	a->host = alert_add_text(&b, (struct span){host, strnlen(host, 255)});
	a->message = alert_add_text(&b, span_str(text));
	alert_add_tag(&b, SPAN_LIT("saker_test"));
	alert_add_field(&b, SPAN_LIT("saker.test"), ALERT_U64, 1, (struct span){NULL, 0});
	a->h.ring.type = REC_ALERT;
	a->h.ts_ns = ts_ns;
	a->priority = PRIORITY;
	a->flags = ALERT_TEST | ALERT_INTERNAL;
	alert_id_make(run_id, ts_ns ^ n, SPAN_LIT(RULE), a->id);
	len = alert_finish(&b);
	if (len < 0)
		return NULL;
	a->h.ring.len = (uint32_t)len;
	return a;
}
