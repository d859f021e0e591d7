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

struct ptext {
	char *p;         /* NUL-ended */
	struct spos *at; /* one for every byte */
	size_t n, cap;
};

struct source_file {
	const char *name, *text;
	size_t n;
	uint32_t *line_at; /* offset of every line */
	uint32_t n_lines;
};

struct cx {
	struct diag *d;
	struct arena arena; /* lives as long as the compilation */
	struct source_file *files;
	size_t n_files;
	size_t errors_before; /* in the diagnostics before this compilation */
	bool oom;
};

#define CX_TEXT_MAX (1u << 20) /* bytes of one expanded condition */

/* Allocate or note the failure; NULL then. */
void *cx_alloc(struct cx *cx, size_t n);
char *cx_strndup(struct cx *cx, const char *s, size_t n);
char *cx_printf(struct cx *cx, const char *fmt, ...) _printf_(2, 3);

/* Report once: the same message at the same place is not repeated. */
void cx_report(struct cx *cx, enum diag_severity sev, const char *code, struct spos pos,
	size_t length, const char *hint, const char *fmt, ...) _printf_(7, 8);
#define cx_error(cx, code, pos, ...)                                                               \
	cx_report((cx), DIAG_ERROR, (code), (pos), 1, NULL, __VA_ARGS__)
#define cx_warning(cx, code, pos, ...)                                                             \
	cx_report((cx), DIAG_WARNING, (code), (pos), 1, NULL, __VA_ARGS__)
/* "did you mean 'x'?" or NULL */
const char *cx_did_you_mean(struct cx *cx, const char *name);

/* 0, -ENOMEM, -E2BIG above CX_TEXT_MAX */
int ptext_add(struct cx *cx, struct ptext *t, const char *p, size_t n, struct spos at);
int ptext_add_text(struct cx *cx, struct ptext *t, const struct ptext *from, size_t off, size_t n);
int ptext_add_str(struct cx *cx, struct ptext *t, const char *s, struct spos at);
