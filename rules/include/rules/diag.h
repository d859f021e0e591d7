/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Diagnostics: errors and warnings with file, line, column and source line, all collected, printed
 * at once (usage: "Manners"). Also for config. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <base/arena.h>

enum diag_severity { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE };

struct diag_pos {
	const char *file;      /* as the user named it; NULL: no place */
	unsigned line, column; /* 1-based; 0: unknown */
	unsigned length;       /* bytes to underline, 0 = 1 */
};

/* A level of the structure that a message is about, as Falco's JSON has it. All 0-based. */
struct diag_location {
	const char *item_type, *item_name; /* "rule", "R" */
	const char *name;                  /* of the file, or the quoted start of the condition */
	size_t line, column, offset;
};

/* How one comes to the place: "in list 'shells', used here". */
struct diag_note {
	const char *text;
	struct diag_pos pos;
};

struct diag_item {
	enum diag_severity severity;
	const char *code; /* "LOAD_ERR_COMPILE_CONDITION"; NULL for config */
	struct diag_pos pos;
	const char *message;
	const char *source_line;       /* NULL if unknown */
	const char *hint;              /* "did you mean 'proc.name'?" or NULL */
	const struct diag_note *notes; /* n_notes, innermost first */
	size_t n_notes;
	const struct diag_location *locations; /* n_locations, outermost first; rule files only */
	size_t n_locations;
	const char *snippet;          /* Falco's: a line and a caret below it, or NULL */
	const char *deprecated_field; /* or NULL */
	size_t load;                  /* index of the file that was being loaded */
	bool is_repeat;               /* said before, with an earlier file: not printed */
	struct diag_item *next;
};

struct diag {
	struct arena arena;
	struct diag_item *first, **last;
	size_t n_errors, n_warnings;
};

void diag_init(struct diag *d);
void diag_done(struct diag *d);
/* The item, owned by @d, or NULL when out of memory. */
struct diag_item *diag_add(struct diag *d, enum diag_severity sev, const char *code,
	struct diag_pos pos, const char *source_line, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 7, 8)));
/* "file:line:col: error: message" + source line with caret and hint. */
void diag_print(const struct diag *d, FILE *f);
/* Nearest of a NULL-ended table of names by edit distance; NULL if none is near. */
const char *diag_nearest(const char *text, size_t n, const char *const *names);
