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
#define ALL_VERBS (VERB_BIT(VERB_RUN) | VERB_BIT(VERB_STATUS) | VERB_BIT(VERB_TEST_ALERT))

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
	OPT_WATCH
};

static const struct option_row {
	enum option_id id;
	const char *brief, *full; /* either may be NULL */
	const char *arg;          /* NULL: takes none */
	unsigned verbs;
	const char *help;
} options[] = {
	{OPT_CONFIG, "-c", "--config", "CONFIG", ALL_VERBS,
		"configuration file (default /etc/saker/saker.yaml, if there is one); a falco.yaml "
		"works as it is"},
	{OPT_RULES, "-r", "--rules", "RULES", VERB_BIT(VERB_RUN),
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
	{OPT_JSON, NULL, "--json", NULL, VERB_BIT(VERB_STATUS) | VERB_BIT(VERB_TEST_ALERT),
		"JSON instead of text"},
	{OPT_WATCH, NULL, "--watch", NULL, VERB_BIT(VERB_STATUS),
		"again every second, until Ctrl-C"},
	{OPT_HELP, "-h", "--help", NULL, ALL_VERBS, "this text"},
};

static const struct {
	const char *name;
	enum args_verb verb;
	const char *help, *example;
} verbs[] = {
	{"status", VERB_STATUS,
		"stages, rates, ring fill, outputs and the loss ledger of a running saker; exit 0 "
		"detecting, 3 degraded, 4 not running",
		"saker status --json"},
	{"test-alert", VERB_TEST_ALERT,
		"perform a harmless detection and wait for it at every output", "saker test-alert"},
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

static int apply(struct args *a, const struct option_row *o, char *value)
{
	switch (o->id) {
	case OPT_VERBOSE:
		a->verbose = true;
		return pass(a, o->brief, NULL);
	case OPT_OPTION:
		/* only for --version, which starts no config run */
		a->json_output = a->json_output || strcmp(value, "json_output=true") == 0;
		return pass(a, o->brief, value);
	case OPT_CONFIG:
	case OPT_RULES:
	case OPT_UNBUFFERED:
		return pass(a, o->brief, value);
	case OPT_SECONDS:
		return parse_seconds(value, &a->max_seconds);
	case OPT_PLAN:
		a->show_plan = true;
		return 0;
	case OPT_VERSION:
		a->version = true;
		return 0;
	case OPT_HELP:
		a->help = true;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_WATCH:
		a->watch = true;
		return 0;
	}
	return 0;
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
	if (o->arg && !value) {
		if (*i + 1 >= argc) {
			(void)fprintf(stderr, "saker: error: option '%s' needs a value: %s %s\n",
				name, name, o->arg);
			return -EINVAL;
		}
		value = argv[++*i];
	}
	return apply(a, o, value);
}

int args_parse(int argc, char **argv, struct args *ret_args)
{
	struct args a = {.verb = VERB_RUN};
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

		if (argv[i][0] != '-' || argv[i][1] == 0) {
			(void)fprintf(stderr,
				"saker: error: unexpected word '%s'; see 'saker --help'\n",
				argv[i]);
			return -EINVAL;
		}
		r = parse_option(&a, argc, argv, &i);
		if (r < 0)
			return r;
	}
	*ret_args = a;
	return 0;
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
		(void)printf("saker %s: %s\n\nOptions:\n", verbs[i].name, verbs[i].help);
		print_options(a->verb);
		(void)printf("\nExample: %s\n", verbs[i].example);
		return;
	}
	(void)printf("saker: runtime security from the kernel's system calls\n\n"
		     "Usage: saker [options]            run: alerts on standard output, everything "
		     "else on standard error\n"
		     "       saker COMMAND [options]\n\nCommands:\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		(void)printf("  %-26s %s\n", verbs[i].name, verbs[i].help);
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
