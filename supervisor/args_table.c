/* SPDX-License-Identifier: Apache-2.0 */
/* Falco's command line as far as this version has it, and saker's verbs, as tables. */
#include "args_table.h"

#include <base/macros.h>

const struct option_row args_options[] = {
	{OPT_CONFIG, "-c", "--config", "CONFIG", ALL_VERBS,
		"configuration file (default /etc/saker/saker.yaml, if there is one); a falco.yaml "
		"works as it is"},
	{OPT_RULES, "-r", "--rules", "RULES", VERB_BIT(VERB_RUN) | RULE_VERBS,
		"rules file or directory, instead of the configured ones; may be repeated"},
	{OPT_OPTION, "-o", "--option", "KEY=VALUE", ALL_VERBS,
		"set a configuration key: -o json_output=true; may be repeated"},
	{OPT_SECONDS, "-M", NULL, "SECONDS", VERB_BIT(VERB_RUN), "stop after that much time"},
	{OPT_SECONDS, NULL, "--seconds", "SECONDS", VERB_BIT(VERB_RECORD),
		"stop after that much time"},
	{OPT_RECORD_FILE, "-w", "--write", "FILE", VERB_BIT(VERB_RECORD),
		"the capture file; one that ends in .gz is compressed"},
	{OPT_RECORD_FILTER, NULL, "--filter", "CONDITION", VERB_BIT(VERB_RECORD),
		"record the events that this condition matches, and what changes the state"},
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
		VERB_BIT(VERB_STATUS) | VERB_BIT(VERB_SPOOL) | VERB_BIT(VERB_OUTPUT) |
			VERB_BIT(VERB_TEST_ALERT) | VERB_BIT(VERB_EXPLAIN) | VERB_BIT(VERB_TEST),
		"JSON instead of text"},
	{OPT_WATCH, NULL, "--watch", NULL, VERB_BIT(VERB_STATUS),
		"again every second, until Ctrl-C"},
	{OPT_HELP, "-h", "--help", NULL, ALL_VERBS | VERB_BIT(VERB_SPOOL), "this text"},
};

const struct verb_row args_verbs[] = {
	{"status", VERB_STATUS,
		"stages, rates, ring fill, outputs and the loss ledger of a running saker; exit 0 "
		"detecting, 3 degraded, 4 not running",
		"saker status --json"},
	{"test-alert", VERB_TEST_ALERT,
		"perform a harmless detection and wait for it at every output", "saker test-alert"},
	{"output", VERB_OUTPUT,
		"send one marked alert through an output of a running saker, and say when it was "
		"acknowledged; exit 0 acknowledged, 1 not, 4 not running",
		"saker output test siem", "test NAME", 2, 2},
	{"explain", VERB_EXPLAIN,
		"one rule as the machine sees it: condition, event types, fields, predicates, cost",
		"saker explain 'Read sensitive file untrusted' -r my_rules.yaml", "RULE", 1, 1},
	{"test", VERB_TEST,
		"run rule tests: events written in YAML, and the alert that each must give "
		"(docs/rule-tests.md); exit 0 all passed, 1 not",
		"saker test my_rules_test.yaml", "FILE...", 1, ARGS_WORDS_MAX},
	{"record", VERB_RECORD,
		"write what happens into a capture file (.scap), which -o engine.kind=replay and "
		"Falco's "
		"tools read",
		"saker record -w today.scap.gz --filter 'proc.name = nginx' --seconds 60"},
	{"dump", VERB_DUMP,
		"what the compiler makes of all rules or of one: tree, typed form, code",
		"saker dump --code 'Terminal shell in container'", "[RULE]", 0, 1},
	{"spool", VERB_SPOOL,
		"look into an output's spool folder, of a running saker or not: its segments, the "
		"alerts "
		"that wait (and those that were refused), whether all is whole, everything as JSON "
		"lines",
		"saker spool export /var/lib/saker/spool/siem > alerts.jsonl",
		"list|show|verify|export DIR", 2, 2},
};

/* Options that Falco has or had, and saker has not. */
const struct removed_row args_removed[] = {
	{"-A", "-o base_syscalls.all=true"},
	{"-b", "-o buffer_format_base64=true"},
	{"-d", NULL},
	{"-D", "-o rules[]={\"disable\":{\"rule\":\"NAME\"}}"},
	{"-e", "-o engine.kind=replay -o engine.replay.capture_file=FILE"},
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

const size_t args_n_options = ARRAY_LEN(args_options), args_n_verbs = ARRAY_LEN(args_verbs),
	     args_n_removed = ARRAY_LEN(args_removed);
