/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What stands before the text of a syslog message: RFC 5424 with the alert's facts as structured
 * data, or RFC 3164. Severity is the alert's priority: the numbers are the same. */

#include <stdbool.h>

#include <base/strbuf.h>

#include "sink.h"

struct syslog_form {
	unsigned facility;      /* 0..23 */
	unsigned rfc;           /* 3164 or 5424 */
	bool has_host;          /* of 3164: false at the machine's own socket */
	const char *app, *host; /* host "-": the alert's */
	int pid;
};

/* @m: with its record. */
void syslog_head_add(const struct syslog_form *f, const struct sink_msg *m, struct strbuf *b);
