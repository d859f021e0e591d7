/* SPDX-License-Identifier: Apache-2.0 */
/* The config run: the command line as the supervisor got it, files through the supervisor, then
 * plan, blocks and options handed over. */

#include <errno.h>
#include <string.h>

#include <base/cleanup.h>
#include <base/log.h>
#include <base/macros.h>
#include <shm/segment.h>

#include "policy.h"

#define LIST_MAX 512

struct command_line {
	struct config_request q;
	const char *rules[LIST_MAX], *options[LIST_MAX];
};

static int add_to(const char **list, size_t *n, const char *value)
{
	if (*n == LIST_MAX)
		return -E2BIG;
	list[(*n)++] = value;
	return 0;
}

/* One option with its value. */
static int take_value(struct command_line *l, const char *option, const char *value)
{
	if (!strcmp(option, "-r") || !strcmp(option, "-V")) {
		l->q.rules_flag = option;
		return add_to(l->rules, &l->q.n_rules, value);
	}
	if (!strcmp(option, "-o"))
		return add_to(l->options, &l->q.n_options, value);
	if (!strcmp(option, "-c"))
		l->q.config = value;
	else if (!strcmp(option, "-p"))
		l->q.extra_output = value;
	else if (!strcmp(option, "--record"))
		l->q.record_file = value;
	else if (!strcmp(option, "--share"))
		l->q.share_dir = value;
	else if (!strcmp(option, "--etc"))
		l->q.etc_dir = value;
	else
		return -EINVAL;
	return 0;
}

/* argv[0] is the program, argv[1] "config". The supervisor has judged the command line: what is
 * wrong here is its bug. */
static int parse_command_line(int argc, char **argv, struct command_line *l)
{
	*l = (struct command_line){.q = {.share_dir = "/usr/share/saker",
					   .etc_dir = "/etc/saker",
					   .n_cpus = policy_n_cpus}};
	l->q.rules = l->rules;
	l->q.options = l->options;
	for (int i = 2; i < argc; i++) {
		int r;

		if (!strcmp(argv[i], "-v")) {
			l->q.verbose = true;
			continue;
		}
		if (!strcmp(argv[i], "--verb")) {
			l->q.is_verb = true;
			continue;
		}
		if (!strcmp(argv[i], "--record-filter")) {
			l->q.record_filter = true;
			continue;
		}
		if (!strcmp(argv[i], "-U")) /* lines always leave at once */
			continue;
		r = i + 1 < argc ? take_value(l, argv[i], argv[i + 1]) : -EINVAL;
		if (r < 0)
			return log_err_errno(r, "argument '%s' of the config run", argv[i]);
		i++;
	}
	return 0;
}

static int give_all(struct stage *s, const struct config_result *res)
{
	char name[64];
	int r = policy_give(s, FD_PLAN, 0, "plan", SEG_SETTINGS, &res->plan, sizeof(res->plan));

	for (unsigned i = 0; r == 0 && i < res->plan.n_outputs; i++) {
		(void)snprintf(name, sizeof(name), "output.%.40s", res->plan.outputs[i].name);
		r = policy_give(
			s, FD_OUTPUT, i, name, SEG_OUTPUT, res->output[i], strlen(res->output[i]));
	}
	if (r == 0)
		r = policy_give(s, FD_DIAL_RULES, 0, "dial-rules", SEG_OUTPUT, &res->dial,
			sizeof(res->dial));
	if (r == 0)
		r = policy_give(s, FD_RULES_OPTIONS, 0, "rules-options", SEG_OUTPUT,
			res->rules_options, strlen(res->rules_options));
	return r;
}

static int run(struct stage *s, const struct config_request *q, struct arena *a)
{
	struct config_source src = policy_source(s);
	struct config_result *res = arena_alloc(a, sizeof(*res));
	struct diag d;
	int r;

	if (!res)
		return log_err_errno(-ENOMEM, "read the configuration");
	diag_init(&d);
	r = config_run(q, &src, a, &d, res);
	policy_print(&d);
	if (r < 0 && d.n_errors == 0)
		(void)log_err_errno(r, "read the configuration");
	diag_done(&d);
	return r < 0 ? r : give_all(s, res);
}

int policy_config(struct stage *s, int argc, char **argv)
{
	_cleanup_free_ struct command_line *l = malloc(sizeof(*l));
	_cleanup_arena_ struct arena a;
	int r;

	arena_init(&a, 0);
	r = l ? parse_command_line(argc, argv, l) : -ENOMEM;
	if (r == 0)
		r = run(s, &l->q, &a);
	policy_result(s, r, NULL, ""); /* what is wrong was said */
	return r < 0;
}
