/* SPDX-License-Identifier: Apache-2.0 */
/* Falco's text format: "<time>: <Priority> <message>", the whole line escaped as the inside of a
 * JSON string, so that an alert is one line whatever a process put into its names. Internal alerts
 * have their fields at the end: (k="v" k2=3). */

#include <base/utf8.h>

#include "format.h"

void format_text_add(const struct output *o, const struct alert *a, struct strbuf *b)
{
	/* nothing in time and priority needs an escape */
	format_add_prefix(o->iso_time, a, b);
	json_add_escaped(b, rec_text(a, a->message));
	if (!(a->flags & ALERT_INTERNAL) || a->n_fields == 0)
		return;
	for (unsigned i = 0; i < a->n_fields; i++) {
		const struct alert_field *f = &alert_fields(a)[i];

		strbuf_add_str(b, i ? " " : " (");
		json_add_escaped(b, rec_text(a, f->key));
		strbuf_add_char(b, '=');
		format_add_value(a, f, b);
	}
	strbuf_add_char(b, ')');
}
