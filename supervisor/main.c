/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *   saker - runtime security from the kernel's system calls
 *
 * SYNOPSIS
 *   saker [-c CONFIG] [-r RULES]... [-o KEY=VALUE]... [-M SECONDS] [-P PIDFILE] [-U] [-v]
 *   saker -V FILE... | -L | -l RULE | --list | --list-events | --support | ... (see --help)
 *   saker status [--json] [--watch] | test-alert [--json]
 *   saker explain RULE [--json] | test FILE... [--json] | dump [RULE]
 *
 * DESCRIPTION
 *   Starts, wires, seals and watches the stages that capture, follow, judge and deliver
 * (ARCHITECTURE.md). Alerts go to standard output and to the configured outputs, everything else to
 * standard error. status and test-alert ask a running saker over its control socket; what looks into
 * rules is done by saker-tools.
 *
 * SECURITY
 *   The trusted base: it stays root-equivalent, and therefore parses nothing but fixed-size
 * messages of its children and of control-socket clients. Config and rules are read by a sealed
 * program that asks for files by name. Children get descriptors, never names.
 *
 * DIAGNOSTICS
 *   0 fine; 1 any error, wrong usage included; status: 3 degraded, 4 not running. SIGINT and
 * SIGTERM drain and stop within 5 s, SIGUSR1 reopens files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/log.h>

#include "sup.h"
#include "tool.h"

/* What test-alert starts: the harmless detection is that this name is executed. */
#define TEST_NAME "saker-test-alert"

static void apply_log_config(const struct sup *s)
{
	enum log_level level =
		s->args->verbose ? LOG_LVL_DEBUG : (enum log_level)s->config->log_level;

	log_open(STDERR_FILENO, s->config->log_json ? LOG_JSON : LOG_TEXT, level, "saker");
}

static int show_plan(struct sup *s)
{
	const char *why = "";
	int r;

	if (s->config->engine == ENGINE_BPF) { /* whether names are resolved is the rules' to say */
		r = sup_run_rules(s);
		if (r < 0)
			return r;
	}
	r = plan_build(s->config, s->mode, sup_cpus(), &s->plan, &why);

	if (r < 0)
		return log_err_errno(r, "%s", why);
	plan_print(&s->plan, s->config, s->mode, s->has_landlock, stdout);
	return 0;
}

static int do_verb(struct sup *s)
{
	int r;

	switch (s->args->verb) {
	case VERB_STATUS:
		return client_status(s->args, s->config->control_socket);
	case VERB_TEST_ALERT:
		return client_test_alert(s->args, s->config->control_socket);
	case VERB_OUTPUT:
		return client_output_test(s->args, s->config->control_socket);
	default:
		break;
	}
	if (s->args->show_plan)
		return show_plan(s) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	if (s->args->tool != TOOL_NONE)
		return tool_main(s);
	if (s->args->pidfile && pidfile_write(s->args->pidfile) < 0)
		return EXIT_FAILURE;
	r = sup_run(s);
	if (s->args->pidfile)
		pidfile_remove(s->args->pidfile);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A tool that needs no configuration is not stopped by a broken one. */
static int read_config(struct sup *s)
{
	if (s->args->tool != TOOL_NONE && !tool_needs_config(s->args->tool))
		return 0;
	return sup_run_config(s);
}

int main(int argc, char **argv)
{
	static struct sup s;
	struct args args;
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;
	int status;

	if (argc < 1)
		return EXIT_FAILURE;
	if (strcmp(name ? name + 1 : argv[0], TEST_NAME) == 0)
		return EXIT_SUCCESS;
	if (args_parse(argc, argv, &args) < 0)
		return EXIT_FAILURE;
	if (args.help || args.version) {
		if (args.help)
			args_print_help(&args);
		else
			args_print_version(&args);
		return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	log_open(STDERR_FILENO, LOG_TEXT, args.verbose ? LOG_LVL_DEBUG : LOG_LVL_INFO, "saker");
	if (sup_init(&s, &args) < 0 || read_config(&s) < 0) {
		sup_log_show_held(&s);
		sup_done(&s);
		return EXIT_FAILURE;
	}
	if (tool_needs_config(args.tool))
		apply_log_config(&s);
	status = do_verb(&s);
	sup_done(&s);
	return fflush(stdout) == 0 ? status : EXIT_FAILURE;
}
