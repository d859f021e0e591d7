/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the tests of the language share: a context over one text, and compiling a text. */

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rules/compile.h>
#include <rules/fields.h>
#include <rules/image.h>

#include "expand.h"

struct tcx {
	struct diag d;
	struct cx cx;
	struct source_file file;
};

static inline void tcx_init(struct tcx *t)
{
	memset(t, 0, sizeof(*t));
	diag_init(&t->d);
	arena_init(&t->cx.arena, 0);
	t->file.name = "t.yaml";
	t->cx.d = &t->d;
	t->cx.files = &t->file;
	t->cx.n_files = 1;
}

static inline void tcx_done(struct tcx *t)
{
	arena_done(&t->cx.arena);
	diag_done(&t->d);
}

static inline struct ptext tcx_text(struct tcx *t, const char *s)
{
	struct ptext p = {0};

	for (size_t i = 0; s[i]; i++)
		assert_int_equal(ptext_add(&t->cx, &p, s + i, 1,
					 (struct spos){.line = 1, .col = (uint16_t)(i + 1)}),
			0);
	return p;
}

static inline struct ast *tcx_parse(struct tcx *t, const char *s, struct ast_error *err)
{
	struct ast_owner *o = cx_alloc(&t->cx, sizeof(*o));

	*o = (struct ast_owner){.label = "rule 'T'", .text = tcx_text(t, s)};
	return ast_parse(&t->cx, o, err);
}

struct compiled {
	struct diag d;
	struct rules_result res;
	struct img img;
	int r;
};

static inline void compile_texts(
	struct compiled *c, const char *const *texts, size_t n, const struct rules_options *given)
{
	struct rules_output out = {.name = "stdout", .min_priority = 7};
	struct rules_options opt = {.min_priority = 7, .outputs = &out, .n_outputs = 1};
	struct rules_file f[8];
	const char *why = "";

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < n; i++)
		f[i] = (struct rules_file){.name = i ? "second.yaml" : "t.yaml",
			.text = texts[i],
			.n = strlen(texts[i])};
	diag_init(&c->d);
	c->r = rules_compile(f, n, given ? given : &opt, &c->d, &c->res);
	if (c->r == 0 && img_verify(c->res.image, c->res.size, &c->img, &why) < 0)
		fail_msg("image refused: %s", why);
}

static inline void compiled_done(struct compiled *c)
{
	free(c->res.image);
	diag_done(&c->d);
}

/* A rule with that condition (one line, no double quotes). */
static inline void compile_condition(struct compiled *c, const char *condition)
{
	char text[4096];
	const char *texts[] = {text};

	(void)snprintf(text, sizeof(text),
		"- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition: %s\n",
		condition);
	compile_texts(c, texts, 1, NULL);
}
