/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The emitter's own block of configuration, as saker-policy wrote it for this output alone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum output_kind {
	OUTPUT_STDOUT,
	OUTPUT_FILE,
	OUTPUT_SYSLOG,
	OUTPUT_HTTP,
	OUTPUT_KAFKA,
	OUTPUT_PROGRAM,
	_OUTPUT_KIND_MAX
};
enum output_format {
	OUTPUT_TEXT,
	OUTPUT_JSON,
	OUTPUT_ECS,
	OUTPUT_OCSF,
	OUTPUT_CEF,
	_OUTPUT_FORMAT_MAX
};
enum output_fsync {
	OUTPUT_FSYNC_NEVER,
	OUTPUT_FSYNC_SECOND,
	OUTPUT_FSYNC_BATCH,
	_OUTPUT_FSYNC_MAX
};

enum output_when_full { /* as in spool.h */
	OUTPUT_DROP_LOWEST,
	OUTPUT_DROP_OLDEST,
	OUTPUT_BLOCK,
	_OUTPUT_WHEN_FULL_MAX
};

struct output {
	char name[40];
	char ident[49]; /* syslog: what stands before [pid] */
	enum output_kind kind;
	enum output_format format;
	enum output_fsync fsync;
	bool iso_time;
	bool include_output, include_message, include_output_fields, include_tags, include_uuid,
		include_doubtful; /* JSON keys */
	unsigned facility;        /* syslog, 0..23 */
	json_t *own;              /* the block of its kind, for its sink; NULL: none; owned */
	bool has_spool;
	uint64_t spool_max; /* bytes */
	enum output_when_full when_full;
	uint64_t dedup_ns; /* 0: off */
	uint64_t rate;     /* alerts a second, 0: no limit */
};

/* Read the block (JSON text, n bytes). 0, -EBADMSG with *reterr_why (static text). Allocates:
 * before the seal only. */
int output_parse(const void *text, size_t n, struct output *ret_output, const char **reterr_why);
void output_done(struct output *o);
