/* SPDX-License-Identifier: Apache-2.0 */
/* --help and --version. */
#include "args.h"

#include <stdio.h>

#include "args_table.h"

static void print_left(const char *name, const char *words, const char *help)
{
	char left[64];

	(void)snprintf(left, sizeof(left), "%s%s%s", name, words ? " " : "", words ? words : "");
	(void)printf("  %-26s %s\n", left, help);
}

static void print_options(unsigned verb)
{
	for (size_t i = 0; i < args_n_options; i++) {
		char left[64];

		if (!(args_options[i].verbs & VERB_BIT(verb)))
			continue;
		(void)snprintf(left, sizeof(left), "%s%s%s%s%s",
			args_options[i].brief ? args_options[i].brief : "",
			args_options[i].brief && args_options[i].full ? ", " : "",
			args_options[i].full ? args_options[i].full : "",
			args_options[i].arg ? " " : "",
			args_options[i].arg ? args_options[i].arg : "");
		(void)printf("  %-26s %s\n", left, args_options[i].help);
	}
}

void args_print_help(const struct args *a)
{
	for (size_t i = 0; i < args_n_verbs; i++) {
		if (args_verbs[i].verb != a->verb)
			continue;
		(void)printf("saker %s%s%s: %s\n\nOptions:\n", args_verbs[i].name,
			args_verbs[i].words ? " " : "",
			args_verbs[i].words ? args_verbs[i].words : "", args_verbs[i].help);
		print_options(a->verb);
		(void)printf("\nExample: %s\n", args_verbs[i].example);
		return;
	}
	(void)printf("saker: runtime security from the kernel's system calls\n\n"
		     "Usage: saker [options]            run: alerts on standard output, everything "
		     "else on standard error\n"
		     "       saker COMMAND [options]\n\nCommands:\n");
	for (size_t i = 0; i < args_n_verbs; i++)
		print_left(args_verbs[i].name, args_verbs[i].words, args_verbs[i].help);
	(void)printf("\nOptions:\n");
	print_options(VERB_RUN);
	(void)printf("\nSignals: SIGINT and SIGTERM drain and stop; SIGUSR1 reopens files.\n"
		     "\nExamples:\n"
		     "  saker -r my_rules.yaml -o json_output=true\n"
		     "  saker -V my_rules.yaml -o json_output=true    are they valid?\n"
		     "  saker -L -r my_rules.yaml                     what do they say?\n"
		     "  saker -l 'My rule' -r my_rules.yaml           what does this one say?\n"
		     "  saker --list --format markdown                fields (docs/fields.md)\n"
		     "  saker --list-events --format json             event types\n"
		     "  saker --config-schema > saker.schema.json     for editors\n"
		     "  saker --dry-run -c saker.yaml                 would it start?\n");
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
