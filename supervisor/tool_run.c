/* SPDX-License-Identifier: Apache-2.0 */
/* Running a tool: rules, tests and configuration are texts of people, so that they are read by a
 * sealed program without rights (saker-tools), which gets our standard output, the rules files and
 * the options by descriptor. What needs no text (page size, dry run) is done here. */
#include "tool.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <base/log.h>

#include "sup.h"

static const char *const tool_names[_TOOL_MAX] = {
	[TOOL_VALIDATE] = "validate",
	[TOOL_DESCRIBE] = "describe",
	[TOOL_EXPLAIN] = "explain",
	[TOOL_TEST] = "test",
	[TOOL_DUMP] = "dump",
	[TOOL_SUPPORT] = "support",
	[TOOL_LIST] = "list",
	[TOOL_EVENTS] = "events",
	[TOOL_PLUGINS] = "plugins",
	[TOOL_IGNORED] = "ignored",
	[TOOL_RULE_SCHEMA] = "rule-schema",
	[TOOL_CONFIG_SCHEMA] = "config-schema",
	[TOOL_SPOOL] = "spool",
};

static void add(const char **argv, unsigned *n, const char *option, const char *value)
{
	if (!option || *n + 3 > TOOL_ARGV_MAX)
		return;
	argv[(*n)++] = option;
	if (value)
		argv[(*n)++] = value;
}

unsigned tool_argv(const struct args *a, const char **argv)
{
	unsigned n = 0;

	add(argv, &n, "saker-tools", tool_names[a->tool]);
	add(argv, &n, a->json ? "--json" : NULL, NULL);
	add(argv, &n, a->verbose ? "--verbose" : NULL, NULL);
	add(argv, &n, a->names_only ? "--names" : NULL, NULL);
	add(argv, &n, a->describe ? "--describe" : NULL, NULL);
	add(argv, &n, a->has_rules ? "--rules-given" : NULL, NULL);
	add(argv, &n, a->dump_parts & DUMP_AST ? "--ast" : NULL, NULL);
	add(argv, &n, a->dump_parts & DUMP_IR ? "--ir" : NULL, NULL);
	add(argv, &n, a->dump_parts & DUMP_CODE ? "--code" : NULL, NULL);
	add(argv, &n, a->format ? "--format" : NULL, a->format);
	add(argv, &n, a->rule ? "--rule" : NULL, a->rule);
	for (unsigned i = 0; (a->tool == TOOL_TEST || a->tool == TOOL_SPOOL) && i < a->n_words; i++)
		add(argv, &n, "--file", a->words[i]);
	for (int i = 0; a->tool == TOOL_SUPPORT && i < a->argc; i++)
		add(argv, &n, "--word", a->argv[i]);
	argv[n] = NULL;
	return n;
}

static int page_size(void)
{
	(void)printf("Your system page size is: %ld bytes\n", sysconf(_SC_PAGESIZE));
	return EXIT_SUCCESS;
}

static int dry_run(struct sup *s)
{
	const char *why = "";
	int r = sup_run_rules(s);

	if (r < 0)
		return EXIT_FAILURE; /* it was logged */
	r = plan_build(s->config, s->mode, sup_cpus(), &s->plan, &why);
	if (r < 0) {
		(void)log_err_errno(r, "%s", why);
		return EXIT_FAILURE;
	}
	/* without the rule of test-alert, which is always there */
	log_notice("dry run: configuration and rules are fine; rules: %llu, enabled: %llu",
		(unsigned long long)s->n_rules - 1, (unsigned long long)s->n_rules_enabled - 1);
	return EXIT_SUCCESS;
}

int tool_main(struct sup *s)
{
	int r;

	if (s->args->tool == TOOL_PAGE_SIZE)
		return page_size();
	if (s->args->tool == TOOL_DRY_RUN)
		return dry_run(s);
	r = sup_run_tools(s);
	if (r < 0)
		sup_log_show_held(s);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
