/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Text that remembers where in the user's files each of its bytes came from, over list
 * substitution, appending and exceptions; and the compiler's context. */

#include <stdbool.h>
#include <stdint.h>

#include <base/arena.h>
#include <base/macros.h>
#include <base/span.h>
#include <rules/compile.h>
#include <rules/diag.h>

struct spos {
	uint32_t line; /* 1-based, 0: nowhere */
	uint16_t file; /* index of struct cx.files */
	uint16_t col;  /* 1-based, in bytes; sticks at 65535 */
};

/* How a piece of text came to be where it is: it stands for a list's name. In the context's arena. */
struct origin {
	const char *list;
	struct spos at; /* where the name stood */
	const struct origin *parent;
};

/* Bytes from off up to the next run's. */
struct prun {
	uint32_t off;
	bool is_fixed; /* all of the place; else a byte a column */
	struct spos pos;
	const struct origin *origin;
};

struct ptext {
	char *p; /* NUL-ended */
	size_t n, cap;
	struct prun *runs; /* n_runs, by off; the first at 0 if n > 0 */
	uint32_t n_runs, cap_runs;
};

struct source_file {
	const char *name, *text;
	size_t n;
	uint32_t *line_at; /* offset of every line */
	uint32_t n_lines;
};

/* Where in the structure of the file what is being read or compiled stands; Falco's terms. */
struct where {
	const char *type, *name;
	struct spos pos;
	const struct where *parent;
};

/* A macro's name in a condition, innermost last: how a macro's tree was come to. */
struct macro_ref {
	const char *name;
	struct spos pos;
	const struct macro_ref *parent;
};

struct map;

struct cx {
	struct diag *d;
	struct arena arena;   /* lives as long as the compilation */
	struct arena lasting; /* likewise, and not replaced during a pass */
	struct source_file *files;
	size_t n_files;
	size_t loading;            /* index of the file that is being loaded */
	const struct where *where; /* where reports belong */
	struct map *reported;      /* messages that were made */
	size_t n_reports;
	uint64_t n_compared;  /* names looked at for "did you mean" */
	uint64_t n_scanned;   /* bytes that the search for list names has gone over, this pass */
	size_t errors_before; /* in the diagnostics before this compilation */
	size_t memory_max;    /* bytes of all arenas together */
	const char *const *statics; /* of the options */
	size_t n_statics;
	bool repeats; /* a message comes again with every file that it is found with */
	bool oom;
};

#define CX_TEXT_MAX (1u << 20) /* bytes of one expanded condition */

/* Allocate or note the failure; NULL then. */
void *cx_alloc(struct cx *cx, size_t n);
char *cx_strndup(struct cx *cx, const char *s, size_t n);
char *cx_printf(struct cx *cx, const char *fmt, ...) _printf_(2, 3);

#define CX_REPORTS_MAX 2000 /* messages kept; further ones are only counted */

struct report {
	enum diag_severity sev;
	const char *code, *hint, *deprecated_field;
	struct spos pos;
	size_t length;
	const struct ptext *expr; /* the condition or template that it is about, or NULL */
	size_t expr_at;           /* byte of it */
	const struct macro_ref *via;
};

/* "a b" */
char *cx_join(struct cx *cx, const char *a, const char *b);

/* Report once: the same message at the same place is not repeated. */
void cx_report_at(struct cx *cx, const struct report *r, const char *fmt, ...) _printf_(3, 4);
void cx_report(struct cx *cx, enum diag_severity sev, const char *code, struct spos pos,
	size_t length, const char *hint, const char *fmt, ...) _printf_(7, 8);
#define cx_error(cx, code, pos, ...)                                                               \
	cx_report((cx), DIAG_ERROR, (code), (pos), 1, NULL, __VA_ARGS__)
/* An error of a part of what cx->where is about: "rule priority", "value for" 'output' … */
#define cx_error_in(cx, part, part_name, code, at, ...)                                            \
	do {                                                                                       \
		struct where part_ = {                                                             \
			.type = (part), .name = (part_name), .pos = (at), .parent = (cx)->where};  \
		(cx)->where = &part_;                                                              \
		cx_error(cx, code, at, __VA_ARGS__);                                               \
		(cx)->where = part_.parent;                                                        \
	} while (0)
#define cx_warning(cx, code, pos, ...)                                                             \
	cx_report((cx), DIAG_WARNING, (code), (pos), 1, NULL, __VA_ARGS__)
/* May that many more names be compared? Bounds what a flood of wrong names costs. */
bool cx_may_suggest(struct cx *cx, size_t n_names);
/* "did you mean 'x'?" or NULL */
const char *cx_did_you_mean(struct cx *cx, const char *name);

/* The place of the byte, or of the last one for offsets behind the end. */
struct spos ptext_pos(const struct ptext *t, size_t at);
const struct origin *ptext_origin(const struct ptext *t, size_t at);
/* 0, -ENOMEM, -E2BIG above CX_TEXT_MAX. ptext_add: every byte has the place @at; ptext_add_item: the
 * bytes stand one after the other from @at on and belong to @origin. */
int ptext_add_item(struct cx *cx, struct ptext *t, const char *p, size_t n, struct spos at,
	const struct origin *origin);
int ptext_add(struct cx *cx, struct ptext *t, const char *p, size_t n, struct spos at);
/* More of the run before: separators that nobody wrote. The text must not be empty. */
int ptext_glue(struct cx *cx, struct ptext *t, const char *s);
int ptext_add_text(struct cx *cx, struct ptext *t, const struct ptext *from, size_t off, size_t n);
int ptext_add_str(struct cx *cx, struct ptext *t, const char *s, struct spos at);
