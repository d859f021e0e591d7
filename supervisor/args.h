/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The command line. Config and rules options are not interpreted here: they go to the config run as
 * they are. */

#include <stdbool.h>
#include <stddef.h>

enum args_verb {
	VERB_RUN,
	VERB_STATUS,
	VERB_TEST_ALERT,
	VERB_EXPLAIN,
	VERB_TEST,
	VERB_DUMP,
	VERB_RECORD,
	VERB_SPOOL,
	VERB_OUTPUT
};

/* What prints something and ends, done by the sealed program saker-tools (but for the last ones). */
enum args_tool {
	TOOL_NONE,
	TOOL_VALIDATE,
	TOOL_DESCRIBE,
	TOOL_EXPLAIN,
	TOOL_TEST,
	TOOL_DUMP,
	TOOL_SUPPORT,
	TOOL_LIST,
	TOOL_EVENTS,
	TOOL_PLUGINS,
	TOOL_IGNORED,
	TOOL_RULE_SCHEMA,
	TOOL_CONFIG_SCHEMA,
	TOOL_SPOOL,
	TOOL_PAGE_SIZE, /* the supervisor itself */
	TOOL_DRY_RUN,
	TOOL_PLAN,
	TOOL_VERSION,
	_TOOL_MAX,
};

#define ARGS_PASS_MAX 512
#define ARGS_WORDS_MAX 256

struct args {
	enum args_verb verb;
	bool help, version, show_plan, json, watch, verbose, json_output;
	double max_seconds;        /* -M; 0 none */
	char *pass[ARGS_PASS_MAX]; /* borrowed from argv: -c X -r Y -o Z -U -v, for the config run
				    */
	unsigned n_pass;

	enum args_tool tool;
	const char *tool_flag;                   /* as it was written, for messages */
	const char *rule;                        /* -l, explain, dump */
	bool describe;                           /* -L or -l was given, beside -V too */
	const char *format;                      /* --format, --markdown */
	const char *source;                      /* --list SOURCE */
	bool names_only;                         /* -N */
	unsigned dump_parts;                     /* DUMP_* */
	const char *print_format;                /* -p */
	const char *pidfile;                     /* -P */
	const char *record_file, *record_filter; /* record: -w, --filter */
	const char *only_run; /* the first option that means something to a run alone */
	const char *enable_source, *disable_source;
	bool has_rules; /* -r */
	int argc;       /* the command line as it was */
	char **argv;
	char *words[ARGS_WORDS_MAX];
	unsigned n_words; /* of test: files */
};

#define DUMP_AST 1
#define DUMP_IR 2
#define DUMP_CODE 4

/* 0, or -EINVAL after one line on stderr. */
int args_parse(int argc, char **argv, struct args *ret_args);
/* The nearest of these words, NULL: none is near. */
const char *args_nearest(const char *word, const char *const *known, size_t n);
/* Do these options go together? Said on stderr if not: -EINVAL. */
int tool_args_check(const struct args *a);
/* Does the tool need configuration and rules? */
bool tool_needs_config(enum args_tool tool);
void args_print_help(const struct args *a);
void args_print_version(const struct args *a);
