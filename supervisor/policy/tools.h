/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the tools of saker-tools share. Every tool fills @out and returns 0, or negative errno after
 * what is wrong was said (diagnostics, log) or stands in the output (-EINVAL: an invalid file, a
 * failed test). */

#include <sys/utsname.h>

#include <stdbool.h>
#include <stddef.h>

#include <base/arena.h>
#include <base/strbuf.h>
#include <rules/compile.h>
#include <stage/stage.h>

#include "options.h"

#define TOOLS_FILES_MAX 256

enum tools_format { TOOLS_TEXT, TOOLS_MARKDOWN, TOOLS_JSON };

struct tools {
	struct stage *stage;
	struct arena arena;
	struct strbuf out;
	struct utsname system; /* asked before the seal */
	struct strbuf cmdline; /* saker's, of support */

	/* the command line */
	bool json; /* --json, or json_output */
	bool verbose, names_only, describe, rules_given;
	unsigned dump_parts; /* RULES_DUMP_* */
	enum tools_format format;
	const char *rule;
	const char *files[TOOLS_FILES_MAX]; /* of test */
	size_t n_files;

	/* the configured rules; none for tools without configuration */
	struct policy_options opt;
	struct rules_file *rules;
	size_t n_rules;
};

/* tools_list.c, tools_events.c, tools_schema.c */
int tools_list(struct tools *t);
int tools_events(struct tools *t);
int tools_plugins(struct tools *t);
int tools_ignored(struct tools *t);
int tools_config_schema(struct tools *t);
/* tools_support.c */
int tools_support(struct tools *t);
/* tools_rules.c */
int tools_validate(struct tools *t);
int tools_describe(struct tools *t);
int tools_rule_schema(struct tools *t);
/* tools_explain.c */
int tools_explain(struct tools *t);
int tools_dump(struct tools *t);
/* tools_test.c */
int tools_test(struct tools *t);
/* tools_spool.c */
int tools_spool(struct tools *t);

/* Print what is in @out so far: for tools with much to say. 0, -EPIPE, or another negative errno,
 * logged. */
int tools_flush(struct tools *t);

/* tools_rules.c, shared: the configured rules for the library; the end of a tool that asks it:
 * prints what was found and takes the result. Returns @r. */
struct rules_source;
struct rules_source tools_source(const struct tools *t);
int tools_finish(struct tools *t, struct diag *d, int r, const char *text, const char *what);

/* Add JSON to the output, keys sorted, and a newline. Takes @j. 0 or -ENOMEM.
 * @pretty: over several lines */
struct json_t;
int tools_add_json(struct tools *t, struct json_t *j, bool pretty);
/* Falco's version of the driver's schema that the event table follows. */
#define TOOLS_SCHEMA_VERSION "4.5.1"
#define TOOLS_ENGINE_VERSION "0.63.0"
