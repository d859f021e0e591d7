/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Looking at compiled rules: Falco's description (`-L`, `-l RULE`), `explain` and `dump`. All take
 * the files themselves, compile them as rules_compile() does, and put errors and warnings into @d.
 * Every char ** output is malloc'd, NUL-ended UTF-8 and the caller's to free; untouched on failure.
 * All return 0; -EINVAL when the files do not compile (said in @d); -ENOENT when there is no rule of
 * that name (a message with the nearest name is put into @d); -ENOMEM. @opt may be NULL: defaults. */

#include <rules/compile.h>

struct rules_source {
	const struct rules_file *files;
	size_t n;
	const struct rules_options *opt;
};

/* {"lists":[...],"macros":[...],"required_engine_version":...,"required_plugin_versions":[...],
 * "rules":[...]} on one line, keys sorted.
 * @only_rule: exact name: {"lists" ... } with this rule and what it uses alone; NULL: everything */
int rules_describe_json(
	const struct rules_source *src, const char *only_rule, struct diag *d, char **ret);
/* The table of names and descriptions that Falco prints. */
int rules_describe_text(
	const struct rules_source *src, const char *only_rule, struct diag *d, char **ret);

/* One rule as the machine sees it: the condition with macros, lists and exceptions expanded, event
 * types, fields, predicates (and how many rules share each), nodes, what the kernel is told to send
 * for it, estimated cost. For people, and as one line of JSON with sorted keys. */
int rules_explain_text(
	const struct rules_source *src, const char *rule, struct diag *d, char **ret);
int rules_explain_json(
	const struct rules_source *src, const char *rule, struct diag *d, char **ret);

#define RULES_DUMP_AST 1  /* conditions as trees, macros in place */
#define RULES_DUMP_IR 2   /* typed: event set, folded tests, costs */
#define RULES_DUMP_CODE 4 /* predicates, sets, nodes, templates of the image */
#define RULES_DUMP_ALL 7
/* For golden files and `saker dump`: stable text, one rule after the other.
 * @what: RULES_DUMP_*; @only_rule: exact name, NULL: all */
int rules_dump_text(const struct rules_source *src, unsigned what, const char *only_rule,
	struct diag *d, char **ret);
