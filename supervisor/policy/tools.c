/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *   saker-tools - looks into rules, tests and configuration
 *
 * SYNOPSIS
 *   saker-tools TOOL [--json] [--verbose] [--names] [--format text|markdown|json] [--describe]
 *               [--rule NAME] [--ast] [--ir] [--code] [--rules-given] [--file FILE]...
 *
 * DESCRIPTION
 *   Does the work of saker's options and verbs that print something and end: -V, -L, -l, --list,
 *   --list-events, schemas, --support, explain, test, dump, spool. Started by saker, never by hand. It gets
 *   the descriptor to print to, and where the tool is about rules their files and options.
 *
 * SECURITY
 *   Input: rules, tests and configuration of the person who asks, trusted in what they ask; parsers
 *   are not trusted with privileges. After the seal: its own uid, no capabilities, no files, no
 *   network. It may ask for regular files by name, as that person.
 *
 * DIAGNOSTICS
 *   0 done; 1 an error, an invalid file or a failed test. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include <base/cleanup.h>
#include <base/log.h>
#include <base/macros.h>
#include <rules/describe.h>
#include <shm/segment.h>

#include "policy.h"
#include "tools.h"

static const struct tool {
	const char *name;
	int (*run)(struct tools *t);
	bool has_rules; /* the supervisor handed them over */
} tool_rows[] = {
	{"validate", tools_validate, true},
	{"describe", tools_describe, true},
	{"explain", tools_explain, true},
	{"dump", tools_dump, true},
	{"test", tools_test, true},
	{"support", tools_support, true},
	{"list", tools_list, false},
	{"events", tools_events, false},
	{"plugins", tools_plugins, false},
	{"ignored", tools_ignored, false},
	{"rule-schema", tools_rule_schema, false},
	{"config-schema", tools_config_schema, false},
	{"spool", tools_spool, false},
};

static struct tools tools;
static const struct tool *tool;

int tools_add_json(struct tools *t, json_t *j, bool pretty)
{
	_cleanup_free_ char *text = NULL;

	if (j)
		text = json_dumps(j, JSON_SORT_KEYS | JSON_ENCODE_ANY |
					     (pretty ? JSON_INDENT(2) : JSON_COMPACT));
	json_decref(j);
	if (!text)
		return -ENOMEM;
	strbuf_add_str(&t->out, text);
	strbuf_add_char(&t->out, '\n');
	return 0;
}

static bool take_flag(struct tools *t, const char *flag)
{
	const struct {
		const char *name;
		bool *to;
	} flags[] = {{"--json", &t->json}, {"--verbose", &t->verbose}, {"--names", &t->names_only},
		{"--describe", &t->describe}, {"--rules-given", &t->rules_given}};
	static const struct {
		const char *name;
		unsigned part;
	} parts[] = {
		{"--ast", RULES_DUMP_AST}, {"--ir", RULES_DUMP_IR}, {"--code", RULES_DUMP_CODE}};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (strcmp(flag, flags[i].name) == 0)
			return *flags[i].to = true;
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (strcmp(flag, parts[i].name) == 0)
			return t->dump_parts |= parts[i].part;
	}
	return false;
}

static int take_value(struct tools *t, const char *flag, const char *value)
{
	if (strcmp(flag, "--rule") == 0)
		t->rule = value;
	else if (strcmp(flag, "--format") == 0)
		t->format = strcmp(value, "json") == 0       ? TOOLS_JSON
			    : strcmp(value, "markdown") == 0 ? TOOLS_MARKDOWN
							     : TOOLS_TEXT;
	else if (strcmp(flag, "--file") == 0 && t->n_files < TOOLS_FILES_MAX)
		t->files[t->n_files++] = value;
	else if (strcmp(flag, "--word") == 0)
		strbuf_addf(&t->cmdline, "%s%s", t->cmdline.n ? " " : "", value);
	else
		return -EINVAL;
	return 0;
}

/* The supervisor has judged the command line: what is wrong here is its bug. */
static int pre_seal(struct stage *s, int argc, char **argv)
{
	tools.stage = s;
	(void)uname(&tools.system);
	tzset(); /* reads a file: cannot be done later */
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(tool_rows); i++)
		if (strcmp(argv[1], tool_rows[i].name) == 0)
			tool = &tool_rows[i];
	if (!tool)
		return log_err_errno(-EINVAL, "which tool");
	for (int i = 2; i < argc; i++) {
		if (take_flag(&tools, argv[i]))
			continue;
		if (i + 1 >= argc || take_value(&tools, argv[i], argv[i + 1]) < 0)
			return log_err_errno(-EINVAL, "argument '%s' of the tool", argv[i]);
		i++;
	}
	return 0;
}

static int load_options(struct tools *t)
{
	void *text;
	size_t n;
	int r = seg_map(
		stage_fd_get(t->stage, FD_RULES_OPTIONS, 0), SEG_OUTPUT, PROT_READ, &text, &n);

	if (r == 0) {
		r = policy_options_parse(&t->arena, text, strnlen(text, n), &t->opt);
		seg_unmap(text, n);
	}
	if (r < 0)
		return log_err_errno(r, "read the rules' options");
	t->json = t->json || t->opt.json_output;
	return 0;
}

static int load_rules(struct tools *t)
{
	t->rules = arena_alloc(&t->arena, (t->opt.n_files + 1) * sizeof(*t->rules));
	if (!t->rules)
		return log_err_errno(-ENOMEM, "read the rules");
	for (size_t i = 0; i < t->opt.n_files; i++) {
		struct rules_file *f = &t->rules[t->n_rules];
		int r = policy_read_fd(
			&t->arena, stage_fd_get(t->stage, FD_FILE, (unsigned)i), &f->text, &f->n);

		f->name = t->opt.files[i];
		if (r < 0)
			return log_err_errno(r, "read rules file '%s'", f->name);
		t->n_rules++;
	}
	return 0;
}

/* All of it, to whatever standard output is; a reader that left is no error worth words. */
int tools_flush(struct tools *t)
{
	static const struct timespec nap = {.tv_nsec = 1000000};
	int fd = stage_fd_get(t->stage, FD_SINK, 0);
	size_t done = 0;

	if (!strbuf_ok(&t->out))
		return log_err_errno(-ENOMEM, "print");
	while (done < t->out.n) {
		ssize_t w = write(fd, t->out.p + done, t->out.n - done);

		if (w < 0 && errno == EAGAIN)
			(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		else if (w < 0 && errno == EPIPE)
			return -EPIPE;
		else if (w < 0 && errno != EINTR)
			return log_err_errno(-errno, "print");
		done += w > 0 ? (size_t)w : 0;
	}
	strbuf_reset(&t->out);
	return 0;
}

static int run(struct stage *s, int argc _unused_, char **argv _unused_)
{
	int r = 0, k;

	arena_init(&tools.arena, 0);
	if (tool->has_rules)
		r = load_options(&tools);
	if (r == 0 && tool->has_rules)
		r = load_rules(&tools);
	if (r == 0)
		r = tool->run(&tools);
	k = tools_flush(&tools);
	r = r < 0 ? r : k;
	strbuf_done(&tools.out);
	strbuf_done(&tools.cmdline);
	arena_done(&tools.arena);
	policy_result(s, r, NULL, ""); /* what is wrong was said */
	return r < 0;
}

int main(int argc, char **argv)
{
	static const struct stage_run_ops ops = {
		.name = "tools",
		.pre_seal = pre_seal,
		.run = run,
		.seal = {.files = 1}, /* standard output may be a file */
	};

	return stage_run_main(&ops, argc, argv);
}
