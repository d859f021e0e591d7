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

#include "args_table.h"

#define NEAR_MAX 3 /* letters; farther is no help */

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

const char *args_nearest(const char *word, const char *const *known, size_t n)
{
	unsigned best = NEAR_MAX + 1;
	const char *near = NULL;

	for (size_t i = 0; i < n; i++)
		consider(word, known[i], &best, &near);
	return near;
}

static int refuse_unknown(const char *kind, const char *word, bool is_verb, enum args_verb verb)
{
	unsigned best = NEAR_MAX + 1;
	const char *near = NULL;

	for (size_t i = 0; is_verb && i < args_n_verbs; i++)
		consider(word, args_verbs[i].name, &best, &near);
	for (size_t i = 0; !is_verb && i < args_n_options; i++)
		if (args_options[i].verbs & VERB_BIT(verb))
			consider(word, args_options[i].full, &best, &near);
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
	for (size_t i = 0; i < args_n_removed; i++) {
		if (strcmp(word, args_removed[i].name) != 0)
			continue;
		if (args_removed[i].instead)
			(void)fprintf(stderr,
				"saker: error: Falco's option '%s' was removed; use %s\n", word,
				args_removed[i].instead);
		else
			(void)fprintf(stderr,
				"saker: error: Falco's option '%s' has no meaning here\n", word);
		return -EINVAL;
	}
	return refuse_unknown("option", word, false, verb);
}

static const struct option_row *find_option(const char *word)
{
	for (size_t i = 0; i < args_n_options; i++)
		if ((args_options[i].brief && strcmp(word, args_options[i].brief) == 0) ||
			(args_options[i].full && strcmp(word, args_options[i].full) == 0))
			return &args_options[i];
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
	case OPT_RECORD_FILE:
		a->record_file = value;
		return 0;
	case OPT_RECORD_FILTER:
		a->record_filter = value;
		return 0;
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
	for (size_t j = 0; j < args_n_verbs; j++)
		if (args_verbs[j].verb == a->verb)
			max = args_verbs[j].max_words;
	if (a->n_words < max) {
		a->words[a->n_words++] = word;
		return 0;
	}
	(void)fprintf(stderr, "saker: error: unexpected word '%s'; see 'saker --help'\n", word);
	return -EINVAL;
}

static bool is_spool_action(const char *word)
{
	static const char *const actions[] = {"list", "show", "verify", "export"};

	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (!strcmp(word, actions[i]))
			return true;
	return false;
}

/* The verbs that are tools, and whether their words are there. */
static int finish_verb(struct args *a)
{
	for (size_t j = 0; j < args_n_verbs; j++) {
		if (args_verbs[j].verb != a->verb || a->n_words >= args_verbs[j].min_words ||
			a->help)
			continue;
		(void)fprintf(stderr, "saker: error: 'saker %s' needs %s; example: %s\n",
			args_verbs[j].name, args_verbs[j].words, args_verbs[j].example);
		return -EINVAL;
	}
	if (a->verb == VERB_RECORD && !a->record_file && !a->help) {
		(void)fprintf(stderr, "saker: error: 'saker record' needs -w FILE\n");
		return -EINVAL;
	}
	if (a->verb == VERB_EXPLAIN || a->verb == VERB_DUMP) {
		a->tool = a->verb == VERB_EXPLAIN ? TOOL_EXPLAIN : TOOL_DUMP;
		a->rule = a->n_words ? a->words[0] : NULL;
	} else if (a->verb == VERB_TEST) {
		a->tool = TOOL_TEST;
	} else if (a->verb == VERB_OUTPUT && !a->help && strcmp(a->words[0], "test") != 0) {
		(void)fprintf(stderr,
			"saker: error: 'saker output %s': the action is test; example: saker "
			"output test siem\n",
			a->words[0]);
		return -EINVAL;
	} else if (a->verb == VERB_SPOOL && !a->help) {
		a->tool = TOOL_SPOOL;
		if (!is_spool_action(a->words[0])) {
			(void)fprintf(stderr,
				"saker: error: 'saker spool %s': the actions are list, show, "
				"verify, "
				"export\n",
				a->words[0]);
			return -EINVAL;
		}
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
		for (size_t j = 0; j < args_n_verbs; j++)
			if (strcmp(argv[i], args_verbs[j].name) == 0)
				a.verb = args_verbs[j].verb;
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
