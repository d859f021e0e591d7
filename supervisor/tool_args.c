/* SPDX-License-Identifier: Apache-2.0 */
/* Which options go together. Whoever mixes a tool with an option that means nothing to it has meant
 * something that will not happen: refused, with both names. */
#include "args.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int refuse(const char *a, const char *b, const char *why)
{
	(void)fprintf(stderr, "saker: error: '%s' %s '%s'\n", a, why, b);
	return -EINVAL;
}

bool tool_needs_config(enum args_tool tool)
{
	switch (tool) {
	case TOOL_LIST:
	case TOOL_EVENTS:
	case TOOL_PLUGINS:
	case TOOL_IGNORED:
	case TOOL_RULE_SCHEMA:
	case TOOL_CONFIG_SCHEMA:
	case TOOL_SPOOL:
	case TOOL_PAGE_SIZE:
	case TOOL_VERSION:
		return false;
	default:
		return true;
	}
}

static int check_listing(const struct args *a)
{
	bool is_listing = a->tool == TOOL_LIST || a->tool == TOOL_EVENTS;

	if (a->format && !is_listing)
		return refuse("--format", "--list' or '--list-events", "goes with");
	if (a->format && strcmp(a->format, "text") != 0 && strcmp(a->format, "markdown") != 0 &&
		strcmp(a->format, "json") != 0)
		return refuse("--format", a->format, "is text, markdown or json, not");
	if (a->names_only && a->tool != TOOL_LIST)
		return refuse("-N", "--list", "goes with");
	if (a->names_only && a->format && strcmp(a->format, "markdown") == 0)
		return refuse("-N", "--format markdown", "does not go with");
	if (a->source && strcmp(a->source, "syscall") != 0)
		return refuse(a->source, "syscall", "is no event source; there is one:");
	return 0;
}

static int check_source(const char *flag, const char *source)
{
	if (source && strcmp(source, "syscall") != 0)
		return refuse(flag, source, "knows one event source, syscall, and not");
	return 0;
}

static int check_sources(const struct args *a)
{
	if (a->enable_source && a->disable_source)
		return refuse("--enable-source", "--disable-source", "does not go with");
	if (check_source("--enable-source", a->enable_source) < 0 ||
		check_source("--disable-source", a->disable_source) < 0)
		return -EINVAL;
	if (a->disable_source)
		return refuse("--disable-source", "syscall",
			"would leave no event source: there is one,");
	return 0;
}

int tool_args_check(const struct args *a)
{
	if (check_listing(a) < 0 || check_sources(a) < 0)
		return -EINVAL;
	if (a->tool != TOOL_NONE && a->only_run && a->tool != TOOL_DRY_RUN && a->tool != TOOL_PLAN)
		return refuse(a->only_run, a->tool_flag ? a->tool_flag : "a command",
			"is for a run, it does not go with");
	if (a->tool == TOOL_VALIDATE && a->has_rules)
		return refuse("-V", "-r", "names the files itself, it does not go with");
	return 0;
}
