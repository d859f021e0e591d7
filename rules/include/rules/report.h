/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Validation of rule files (`-V`): what a file's errors and warnings are, in Falco's JSON and text
 * forms and in the form for people. Allocates; for processes that load rules. Every char ** output
 * is malloc'd, NUL-ended UTF-8 and the caller's to free. */

#include <rules/compile.h>
#include <rules/diag.h>

/* One file, as it was when it was loaded after the files before it: warnings of a later pass over
 * an earlier file's items are among the later file's, as in Falco. */
struct rules_file_result {
	const char *name;
	bool is_valid;     /* no error */
	bool is_parsed;    /* it is YAML: schema_* have been looked at */
	bool schema_valid; /* no schema warning */
	size_t n_errors, n_warnings;
	const struct diag_item **errors, **warnings; /* n_errors, n_warnings; in the order found */
	size_t n_schema_warnings;
	const char **schema_warnings; /* advisory: never make a file invalid */
};

struct rules_report {
	struct diag
		diag; /* everything that the results point to; diag_print() shows it to people */
	struct rules_file_result *files; /* n_files, in the order given */
	size_t n_files;
	bool is_valid; /* all files are */
};

/* Load all files in order and keep what was found of each. Every file is looked at, all its errors
 * are found; files behind an invalid one see what was right in it.
 * @opt: NULL: defaults (everything enabled, nothing appended)
 * @ret: rules_report_done() it, whatever was returned; borrows nothing from @files
 * Returns 0 also when files are invalid (see ret->is_valid); -ENOMEM. */
int rules_check(const struct rules_file *files, size_t n, const struct rules_options *opt,
	struct rules_report *ret);
void rules_report_done(struct rules_report *rep);

/* {"falco_load_results":[...]} on one line, keys sorted. Falco's keys, and beside them, in each
 * error and warning: "position" {"file", "line", "column", "length"} (1-based, in the file),
 * "source_line", "hint" and "notes" (the chain of macros and lists that led there).
 * @describe: NULL, or the object of rules_describe_json(): put in as "falco_describe_results"
 * Returns 0; -ENOMEM. */
int rules_report_json(const struct rules_report *rep, const char *describe, char **ret);
/* "<name>: Ok", "<name>: Ok, with warnings" or "<name>: Invalid" and, of invalid files, what is
 * wrong. @verbose: with places and source lines, also of warnings (Falco's long form); without:
 * Falco's one-line forms. Returns 0; -ENOMEM. */
int rules_report_text(const struct rules_report *rep, bool verbose, char **ret);
/* The advisory JSON schema of rule files (draft 06): static text. */
const char *rules_schema_json(void);
