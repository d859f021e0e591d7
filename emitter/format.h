/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Formats: one file each; a format is a row in format.c. A format adds one line without its
 * newline. */

#include <shm/alert.h>

#include <base/strbuf.h>

#include "output.h"

struct format {
	const char *name;
	void (*add)(const struct output *o, const struct alert *a, struct strbuf *b);
};

const struct format *format_get(enum output_format f);

void format_text_add(const struct output *o, const struct alert *a, struct strbuf *b);
void format_json_add(const struct output *o, const struct alert *a, struct strbuf *b);
void format_ecs_add(const struct output *o, const struct alert *a, struct strbuf *b);
void format_ocsf_add(const struct output *o, const struct alert *a, struct strbuf *b);
void format_cef_add(const struct output *o, const struct alert *a, struct strbuf *b);

/* "HH:MM:SS.nnnnnnnnn: Priority " and the message: what Falco calls output. Internal alerts have
 * the local short time always. Not escaped. */
void format_add_prefix(bool iso_time, const struct alert *a, struct strbuf *b);
/* "2019-08-19T16:00:00.020000000" of UTC. */
void format_add_utc(uint64_t ts_ns, struct strbuf *b);
/* The value as JSON. */
void format_add_value(const struct alert *a, const struct alert_field *f, struct strbuf *b);
