/* SPDX-License-Identifier: Apache-2.0 */
/* Falco's command line as far as this version has it, and saker's verbs. Input: the person who
 * starts us, trusted. Unknown words get one line with the nearest known one; Falco's removed
 * options say what replaced them. */
#include "args.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>

#define VERB_BIT(v) (1U << (v))
#define RULE_VERBS (VERB_BIT(VERB_EXPLAIN) | VERB_BIT(VERB_TEST) | VERB_BIT(VERB_DUMP))
#define ALL_VERBS                                                                                  \
	(VERB_BIT(VERB_RUN) | VERB_BIT(VERB_STATUS) | VERB_BIT(VERB_TEST_ALERT) | RULE_VERBS)

enum option_id {
	OPT_CONFIG,
	OPT_RULES,
	OPT_OPTION,
	OPT_SECONDS,
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

static const struct option_row {
	enum option_id id;
	const char *brief, *full; /* either may be NULL */
	const char *arg;          /* NULL: takes none */
	unsigned verbs;
	const char *help;
	enum args_tool tool; /* of OPT_TOOL */
} options[] = {
	{OPT_CONFIG, "-c", "--config", "CONFIG", ALL_VERBS,
		"configuration file (default /etc/saker/saker.yaml, if there is one); a falco.yaml "
		"works as it is"},
	{OPT_RULES, "-r", "--rules", "RULES", VERB_BIT(VERB_RUN) | RULE_VERBS,
		"rules file or directory, instead of the configured ones; may be repeated"},
	{OPT_OPTION, "-o", "--option", "KEY=VALUE", ALL_VERBS,
		"set a configuration key: -o json_output=true; may be repeated"},
	{OPT_SECONDS, "-M", NULL, "SECONDS", VERB_BIT(VERB_RUN), "stop after that much time"},
	{OPT_UNBUFFERED, "-U", "--unbuffered", NULL, VERB_BIT(VERB_RUN),
		"write each alert at once"},
	{OPT_VERBOSE, "-v", "--verbose", NULL, ALL_VERBS, "saker's own log in full"},
	{OPT_PLAN, NULL, "--show-plan", NULL, VERB_BIT(VERB_RUN),
		"print processes, rings, descriptors and seals, and exit"},
	{OPT_VERSION, NULL, "--version", NULL, VERB_BIT(VERB_RUN),
		"print versions and exit (JSON with -o json_output=true)"},
	{OPT_PRINT, "-p", "--print", "FORMAT", VERB_BIT(VERB_RUN),
		"append this to every rule's output (deprecated: use append_output)"},
	{OPT_PIDFILE, "-P", "--pidfile", "FILE", VERB_BIT(VERB_RUN),
		"write the process id into that file"},
	{OPT_ENABLE_SOURCE, NULL, "--enable-source", "SOURCE", VERB_BIT(VERB_RUN),
		"events of this source alone; there is one, syscall"},
	{OPT_DISABLE_SOURCE, NULL, "--disable-source", "SOURCE", VERB_BIT(VERB_RUN),
		"no events of this source; one must be left"},
	{OPT_TOOL, NULL, "--dry-run", NULL, VERB_BIT(VERB_RUN),
		"load configuration and rules, start nothing, and exit", TOOL_DRY_RUN},
	{OPT_VALIDATE, "-V", "--validate", "FILE...", VERB_BIT(VERB_RUN),
		"validate rules files together, in order, and exit: 0 all valid, 1 not"},
	{OPT_DESCRIBE_ALL, "-L", NULL, NULL, VERB_BIT(VERB_RUN),
		"describe all rules (with -o json_output=true macros and lists too) and exit"},
	{OPT_DESCRIBE, "-l", NULL, "RULE", VERB_BIT(VERB_RUN), "describe one rule and exit"},
	{OPT_LIST, NULL, "--list", "[SOURCE]", VERB_BIT(VERB_RUN),
		"print all fields that conditions and outputs may use, and exit"},
	{OPT_TOOL, NULL, "--list-events", NULL, VERB_BIT(VERB_RUN),
		"print all event types with their parameters, and exit", TOOL_EVENTS},
	{OPT_TOOL, NULL, "--list-plugins", NULL, VERB_BIT(VERB_RUN),
		"print the loaded plugins, and exit; there are none", TOOL_PLUGINS},
	{OPT_NAMES, "-N", NULL, NULL, VERB_BIT(VERB_RUN), "with --list: names only"},
	{OPT_FORMAT, NULL, "--format", "FORMAT", VERB_BIT(VERB_RUN),
		"with --list, --list-events: text, markdown or json"},
	{OPT_MARKDOWN, NULL, "--markdown", NULL, VERB_BIT(VERB_RUN),
		"the same as --format markdown (deprecated)"},
	{OPT_TOOL, "-i", NULL, NULL, VERB_BIT(VERB_RUN),
		"print the system calls that are never captured, and exit", TOOL_IGNORED},
	{OPT_TOOL, NULL, "--rule-schema", NULL, VERB_BIT(VERB_RUN),
		"print the JSON schema of rules files, and exit", TOOL_RULE_SCHEMA},
	{OPT_TOOL, NULL, "--config-schema", NULL, VERB_BIT(VERB_RUN),
		"print the JSON schema of configuration files, and exit", TOOL_CONFIG_SCHEMA},
	{OPT_TOOL, NULL, "--support", NULL, VERB_BIT(VERB_RUN),
		"print versions, system, configuration and rules as JSON, for a bug report, and "
		"exit",
		TOOL_SUPPORT},
	{OPT_TOOL, NULL, "--page-size", NULL, VERB_BIT(VERB_RUN),
		"print the system's page size, and exit", TOOL_PAGE_SIZE},
	{OPT_DUMP_PART, NULL, "--ast", NULL, VERB_BIT(VERB_DUMP), "conditions as trees"},
	{OPT_DUMP_PART, NULL, "--ir", NULL, VERB_BIT(VERB_DUMP),
		"typed: event types, folded tests, costs"},
	{OPT_DUMP_PART, NULL, "--code", NULL, VERB_BIT(VERB_DUMP),
		"predicates, sets, nodes and templates of the image"},
	{OPT_JSON, NULL, "--json", NULL,
		VERB_BIT(VERB_STATUS) | VERB_BIT(VERB_TEST_ALERT) | VERB_BIT(VERB_EXPLAIN) |
			VERB_BIT(VERB_TEST),
		"JSON instead of text"},
	{OPT_WATCH, NULL, "--watch", NULL, VERB_BIT(VERB_STATUS),
		"again every second, until Ctrl-C"},
	{OPT_HELP, "-h", "--help", NULL, ALL_VERBS, "this text"},
};

static const struct {
	const char *name;
	enum args_verb verb;
	const char *help, *example;
	const char *words; /* what it takes, for the help; NULL: none */
	unsigned min_words, max_words;
} verbs[] = {
	{"status", VERB_STATUS,
		"stages, rates, ring fill, outputs and the loss ledger of a running saker; exit 0 "
		"detecting, 3 degraded, 4 not running",
		"saker status --json"},
	{"test-alert", VERB_TEST_ALERT,
		"perform a harmless detection and wait for it at every output", "saker test-alert"},
	{"explain", VERB_EXPLAIN,
		"one rule as the machine sees it: condition, event types, fields, predicates, cost",
		"saker explain 'Read sensitive file untrusted' -r my_rules.yaml", "RULE", 1, 1},
	{"test", VERB_TEST,
		"run rule tests: events written in YAML, and the alert that each must give "
		"(docs/rule-tests.md); exit 0 all passed, 1 not",
		"saker test my_rules_test.yaml", "FILE...", 1, ARGS_WORDS_MAX},
	{"dump", VERB_DUMP,
		"what the compiler makes of all rules or of one: tree, typed form, code",
		"saker dump --code 'Terminal shell in container'", "[RULE]", 0, 1},
};

/* Options that Falco had once. */
static const struct {
	const char *name, *instead;
} removed[] = {
	{"-A", "-o base_syscalls.all=true"},
	{"-b", "-o buffer_format_base64=true"},
	{"-d", NULL},
	{"-D", "-o rules[]={\"disable\":{\"rule\":\"NAME\"}}"},
	{"-e", NULL},
	{"-F", NULL},
	{"-g", NULL},
	{"-G", NULL},
	{"-S", "-o falco_libs.snaplen=N"},
	{"-s", NULL},
	{"-t", "-o rules[]={\"enable\":{\"tag\":\"NAME\"}}"},
	{"-T", "-o rules[]={\"disable\":{\"tag\":\"NAME\"}}"},
	{"-k", NULL},
	{"-K", NULL},
	{"-m", NULL},
	{"--cri", NULL},
	{"--disable-cri-async", NULL},
	{"--modern-bpf", "-o engine.kind=modern_ebpf"},
	{"--nodriver", NULL},
	{"--plugin-info", NULL},
	{"--gvisor-config", NULL},
	{"--gvisor-root", NULL},
	{"--gvisor-generate-config", NULL},
};

/* Edit distance, for suggestions; long words are not looked at. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[33];
	size_t na = strlen(a), nb = strlen(b);

	if (na > 32 || nb > 32)
		return UINT32_MAX;
	for (size_t j = 0; j <= nb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned diag = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned old = row[j];
			unsigned change = diag + (a[i - 1] != b[j - 1]);

			row[j] = MIN(MIN(old, row[j - 1]) + 1, change);
			diag = old;
		}
	}
	return row[nb];
}

static void consider(const char *word, const char *known, unsigned *best, const char **ret_near)
{
	unsigned d = known ? distance(word, known) : UINT32_MAX;

	if (d < *best) {
		*best = d;
		*ret_near = known;
	}
}

static int refuse_unknown(const char *kind, const char *word, bool is_verb, enum args_verb verb)
{
	unsigned best = 4; /* farther than three letters is no help */
	const char *near = NULL;

	for (size_t i = 0; is_verb && i < ARRAY_LEN(verbs); i++)
		consider(word, verbs[i].name, &best, &near);
	for (size_t i = 0; !is_verb && i < ARRAY_LEN(options); i++)
		if (options[i].verbs & VERB_BIT(verb))
			consider(word, options[i].full, &best, &near);
	if (near)
		(void)fprintf(stderr, "saker: error: unknown %s '%s'; did you mean '%s'?\n", kind,
			word, near);
	else
		(void)fprintf(
			stderr, "saker: error: unknown %s '%s'; see 'saker --help'\n", kind, word);
	return -EINVAL;
}

static int refuse_option(const char *word, enum args_verb verb)
{
	for (size_t i = 0; i < ARRAY_LEN(removed); i++) {
		if (strcmp(word, removed[i].name) != 0)
			continue;
		if (removed[i].instead)
			(void)fprintf(stderr,
				"saker: error: Falco's option '%s' was removed; use %s\n", word,
				removed[i].instead);
		else
			(void)fprintf(stderr,
				"saker: error: Falco's option '%s' was removed and has no meaning "
				"here\n",
				word);
		return -EINVAL;
	}
	return refuse_unknown("option", word, false, verb);
}

static const struct option_row *find_option(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if ((options[i].brief && strcmp(word, options[i].brief) == 0) ||
			(options[i].full && strcmp(word, options[i].full) == 0))
			return &options[i];
	return NULL;
}

static int parse_seconds(const char *text, double *ret)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != 0 || !isfinite(v) || v <= 0 || v > 1e9) {
		(void)fprintf(stderr,
			"saker: error: -M '%s': a number of seconds above 0 is wanted\n", text);
		return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int pass(struct args *a, const char *flag, char *value)
{
	if (a->n_pass + 2 > ARGS_PASS_MAX) {
		(void)fprintf(stderr, "saker: error: too many options\n");
		return -EINVAL;
	}
	a->pass[a->n_pass++] = (char *)flag;
	if (value)
		a->pass[a->n_pass++] = value;
	return 0;
}

/* One tool a command line; -L and -l beside -V, whichever comes first. */
static int choose_tool(struct args *a, enum args_tool tool, const char *flag)
{
	bool is_pair = (a->tool == TOOL_VALIDATE && tool == TOOL_DESCRIBE) ||
		       (a->tool == TOOL_DESCRIBE && tool == TOOL_VALIDATE);

	if (a->tool != TOOL_NONE && a->tool != tool && !is_pair) {
		(void)fprintf(stderr, "saker: error: '%s' and '%s' do not go together\n",
			a->tool_flag, flag);
		return -EINVAL;
	}
	a->tool = is_pair ? TOOL_VALIDATE : tool;
	a->tool_flag = flag;
	return 0;
}

static int set_once(const char **to, const char *value, const char *flag)
{
	if (*to) {
		(void)fprintf(stderr, "saker: error: '%s' is given twice\n", flag);
		return -EINVAL;
	}
	*to = value;
	return 0;
}

static int describe(struct args *a, const char *rule, const char *flag)
{
	if (a->describe) {
		(void)fprintf(stderr, "saker: error: one of '-L' and '-l RULE', and once\n");
		return -EINVAL;
	}
	a->describe = true;
	a->rule = rule;
	return choose_tool(a, TOOL_DESCRIBE, flag);
}

static int set_dump_part(struct args *a, const char *flag)
{
	a->dump_parts |= strcmp(flag, "--ast") == 0  ? DUMP_AST
			 : strcmp(flag, "--ir") == 0 ? DUMP_IR
						     : DUMP_CODE;
	return 0;
}

static int apply_tool(struct args *a, const struct option_row *o, char *value)
{
	const char *flag = o->full ? o->full : o->brief;
	int r;

	switch (o->id) {
	case OPT_PRINT:
		r = set_once(&a->print_format, value, flag);
		return r < 0 ? r : pass(a, o->brief, value);
	case OPT_PIDFILE:
		return set_once(&a->pidfile, value, flag);
	case OPT_ENABLE_SOURCE:
		return set_once(&a->enable_source, value, flag);
	case OPT_DISABLE_SOURCE:
		return set_once(&a->disable_source, value, flag);
	case OPT_VALIDATE:
		r = choose_tool(a, TOOL_VALIDATE, flag);
		return r < 0 ? r : pass(a, o->brief, value);
	case OPT_DESCRIBE_ALL:
		return describe(a, NULL, flag);
	case OPT_DESCRIBE:
		return describe(a, value, flag);
	case OPT_LIST:
		a->source = value;
		return choose_tool(a, TOOL_LIST, flag);
	case OPT_NAMES:
		a->names_only = true;
		return 0;
	case OPT_FORMAT:
		return set_once(&a->format, value, flag);
	case OPT_MARKDOWN:
		return set_once(&a->format, "markdown", flag);
	case OPT_DUMP_PART:
		return set_dump_part(a, flag);
	default:
		return choose_tool(a, o->tool, flag);
	}
}

static int apply(struct args *a, const struct option_row *o, char *value)
{
	if ((o->id == OPT_SECONDS || o->id == OPT_UNBUFFERED || o->id == OPT_PRINT ||
		    o->id == OPT_PIDFILE || o->id == OPT_ENABLE_SOURCE ||
		    o->id == OPT_DISABLE_SOURCE) &&
		!a->only_run)
		a->only_run = o->full ? o->full : o->brief;
	switch (o->id) {
	case OPT_VERBOSE:
		a->verbose = true;
		return pass(a, o->brief, NULL);
	case OPT_OPTION:
		/* only for --version, which starts no config run */
		a->json_output = a->json_output || strcmp(value, "json_output=true") == 0;
		return pass(a, o->brief, value);
	case OPT_RULES:
		a->has_rules = true;
		return pass(a, o->brief, value);
	case OPT_CONFIG:
	case OPT_UNBUFFERED:
		return pass(a, o->brief, value);
	case OPT_SECONDS:
		return parse_seconds(value, &a->max_seconds);
	case OPT_PLAN:
		a->show_plan = true;
		return choose_tool(a, TOOL_PLAN, o->full);
	case OPT_VERSION:
		a->version = true;
		return choose_tool(a, TOOL_VERSION, o->full);
	case OPT_HELP:
		a->help = true;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_WATCH:
		a->watch = true;
		return 0;
	default:
		return apply_tool(a, o, value);
	}
}

/* Splits --word=value and -xVALUE; *ret_value NULL if there is none attached. */
static const struct option_row *match(char *word, char *name, size_t cap, char **ret_value)
{
	const struct option_row *o;
	char *eq = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;

	*ret_value = eq ? eq + 1 : NULL;
	(void)snprintf(name, cap, "%.*s", eq ? (int)(eq - word) : (int)strlen(word),
		word); /* only for messages when cut */
	o = find_option(name);
	if (o || word[1] == '-' || word[1] == 0 || word[2] == 0)
		return o;
	(void)snprintf(name, cap, "%.2s", word);
	o = find_option(name);
	if (o && o->arg) {
		*ret_value = word + 2;
		return o;
	}
	(void)snprintf(name, cap, "%s", word);
	return NULL;
}

static int parse_option(struct args *a, int argc, char **argv, int *i)
{
	char name[64], *value;
	const struct option_row *o = match(argv[*i], name, sizeof(name), &value);

	if (!o || !(o->verbs & VERB_BIT(a->verb)))
		return refuse_option(name, a->verb);
	if (value && !o->arg) {
		(void)fprintf(stderr, "saker: error: option '%s' takes no value\n", name);
		return -EINVAL;
	}
	if (o->id == OPT_LIST && !value && *i + 1 < argc && argv[*i + 1][0] != '-')
		value = argv[++*i];
	if (o->arg && !value && o->arg[0] != '[') {
		if (*i + 1 >= argc) {
			(void)fprintf(stderr, "saker: error: option '%s' needs a value: %s %s\n",
				name, name, o->arg);
			return -EINVAL;
		}
		value = argv[++*i];
	}
	return apply(a, o, value);
}

/* What is no option: a file of -V, or a word that the verb takes. */
static int take_word(struct args *a, char *word)
{
	unsigned max = 0;

	if (a->verb == VERB_RUN && a->n_pass >= 2 && strcmp(a->pass[a->n_pass - 2], "-V") == 0)
		return pass(a, "-V", word);
	for (size_t j = 0; j < ARRAY_LEN(verbs); j++)
		if (verbs[j].verb == a->verb)
			max = verbs[j].max_words;
	if (a->n_words < max) {
		a->words[a->n_words++] = word;
		return 0;
	}
	(void)fprintf(stderr, "saker: error: unexpected word '%s'; see 'saker --help'\n", word);
	return -EINVAL;
}

/* The verbs that are tools, and whether their words are there. */
static int finish_verb(struct args *a)
{
	for (size_t j = 0; j < ARRAY_LEN(verbs); j++) {
		if (verbs[j].verb != a->verb || a->n_words >= verbs[j].min_words || a->help)
			continue;
		(void)fprintf(stderr, "saker: error: 'saker %s' needs %s; example: %s\n",
			verbs[j].name, verbs[j].words, verbs[j].example);
		return -EINVAL;
	}
	if (a->verb == VERB_EXPLAIN || a->verb == VERB_DUMP) {
		a->tool = a->verb == VERB_EXPLAIN ? TOOL_EXPLAIN : TOOL_DUMP;
		a->rule = a->n_words ? a->words[0] : NULL;
	} else if (a->verb == VERB_TEST) {
		a->tool = TOOL_TEST;
	}
	return a->help ? 0 : tool_args_check(a);
}

int args_parse(int argc, char **argv, struct args *ret_args)
{
	struct args a = {.verb = VERB_RUN, .argc = argc, .argv = argv};
	bool has_verb = false;

	for (int i = 1; i < argc && !has_verb; i++) {
		/* the verb decides which options there are; it is the first word */
		if (argv[i][0] == '-')
			break;
		has_verb = true;
		for (size_t j = 0; j < ARRAY_LEN(verbs); j++)
			if (strcmp(argv[i], verbs[j].name) == 0)
				a.verb = verbs[j].verb;
		if (a.verb == VERB_RUN)
			return refuse_unknown("command", argv[i], true, VERB_RUN);
	}
	for (int i = has_verb ? 2 : 1; i < argc; i++) {
		int r;

		bool is_word = argv[i][0] != '-' || argv[i][1] == 0;

		r = is_word ? take_word(&a, argv[i]) : parse_option(&a, argc, argv, &i);
		if (r < 0)
			return r;
	}
	if (finish_verb(&a) < 0)
		return -EINVAL;
	*ret_args = a;
	return 0;
}

static void print_left(const char *name, const char *words, const char *help)
{
	char left[64];

	(void)snprintf(left, sizeof(left), "%s%s%s", name, words ? " " : "", words ? words : "");
	(void)printf("  %-26s %s\n", left, help);
}

static void print_options(unsigned verb)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		char left[64];

		if (!(options[i].verbs & VERB_BIT(verb)))
			continue;
		(void)snprintf(left, sizeof(left), "%s%s%s%s%s",
			options[i].brief ? options[i].brief : "",
			options[i].brief && options[i].full ? ", " : "",
			options[i].full ? options[i].full : "", options[i].arg ? " " : "",
			options[i].arg ? options[i].arg : "");
		(void)printf("  %-26s %s\n", left, options[i].help);
	}
}

void args_print_help(const struct args *a)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (verbs[i].verb != a->verb)
			continue;
		(void)printf("saker %s%s%s: %s\n\nOptions:\n", verbs[i].name,
			verbs[i].words ? " " : "", verbs[i].words ? verbs[i].words : "",
			verbs[i].help);
		print_options(a->verb);
		(void)printf("\nExample: %s\n", verbs[i].example);
		return;
	}
	(void)printf("saker: runtime security from the kernel's system calls\n\n"
		     "Usage: saker [options]            run: alerts on standard output, everything "
		     "else on standard error\n"
		     "       saker COMMAND [options]\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		print_left(verbs[i].name, verbs[i].words, verbs[i].help);
	(void)printf("\nOptions:\n");
	print_options(VERB_RUN);
	(void)printf("\nSignals: SIGINT and SIGTERM drain and stop; SIGUSR1 reopens files.\n"
		     "Example: saker -r my_rules.yaml -o json_output=true\n");
}

#define FALCO_ENGINE "0.63.0"
#define FALCO_ENGINE_MINOR "63"
#define FALCO_DRIVER_API "10.1.0"
#define FALCO_DRIVER_SCHEMA "4.5.1"

void args_print_version(const struct args *a)
{
	if (a->json_output)
		(void)printf("{\"saker_version\":\"%s\",\"engine_version\":\"%s\",\"engine_version_"
			     "semver\":\"%s\",\"driver_api_version\":\"%s\","
			     "\"driver_schema_version\":\"%s\",\"plugin_versions\":{}}\n",
			SAKER_VERSION, FALCO_ENGINE_MINOR, FALCO_ENGINE, FALCO_DRIVER_API,
			FALCO_DRIVER_SCHEMA);
	else
		(void)printf("saker version: %s\nEngine:        %s\nDriver:\n  API version:    "
			     "%s\n  Schema version: %s\n",
			SAKER_VERSION, FALCO_ENGINE, FALCO_DRIVER_API, FALCO_DRIVER_SCHEMA);
}
