/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The tables of the command line: options, verbs, and what Falco once had. A new option is a row here
 * and a case in args.c. */

#include <stddef.h>

#include "args.h"

#define VERB_BIT(v) (1U << (v))
#define RULE_VERBS (VERB_BIT(VERB_EXPLAIN) | VERB_BIT(VERB_TEST) | VERB_BIT(VERB_DUMP))
#define ALL_VERBS                                                                                  \
	(VERB_BIT(VERB_RUN) | VERB_BIT(VERB_STATUS) | VERB_BIT(VERB_TEST_ALERT) |                  \
		VERB_BIT(VERB_RECORD) | VERB_BIT(VERB_OUTPUT) | RULE_VERBS)

enum option_id {
	OPT_CONFIG,
	OPT_RULES,
	OPT_OPTION,
	OPT_SECONDS,
	OPT_RECORD_FILE,
	OPT_RECORD_FILTER,
	OPT_UNBUFFERED,
	OPT_VERBOSE,
	OPT_PLAN,
	OPT_VERSION,
	OPT_HELP,
	OPT_JSON,
	OPT_WATCH,
	OPT_PRINT,
	OPT_PIDFILE,
	OPT_ENABLE_SOURCE,
	OPT_DISABLE_SOURCE,
	OPT_VALIDATE,
	OPT_DESCRIBE_ALL,
	OPT_DESCRIBE,
	OPT_LIST,
	OPT_NAMES,
	OPT_FORMAT,
	OPT_MARKDOWN,
	OPT_DUMP_PART,
	OPT_TOOL
};

struct option_row {
	enum option_id id;
	const char *brief, *full; /* either may be NULL */
	const char *arg;          /* NULL: takes none */
	unsigned verbs;
	const char *help;
	enum args_tool tool; /* of OPT_TOOL */
};

struct verb_row {
	const char *name;
	enum args_verb verb;
	const char *help, *example;
	const char *words; /* what it takes, for the help; NULL: none */
	unsigned min_words, max_words;
};

struct removed_row {
	const char *name, *instead; /* NULL: it has no meaning here */
};

extern const struct option_row args_options[];
extern const struct verb_row args_verbs[];
extern const struct removed_row args_removed[];
extern const size_t args_n_options, args_n_verbs, args_n_removed;
