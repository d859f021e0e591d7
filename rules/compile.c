/* SPDX-License-Identifier: Apache-2.0 */
/* Rule files to a policy image. Input is hostile: sizes, depths and memory are bound, nothing is
 * opened, no file is named by what is read. After every file all that was collected so far must
 * compile, as in the reference, so that a file cannot lean on a later one; the last pass makes the
 * image. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "index.h"
#include "items.h"

#define MEMORY_MAX (768ull << 20)

static bool has_errors(const struct cx *cx)
{
	return cx->d->n_errors > cx->errors_before;
}

static void warn_unused(struct collector *c)
{
	for (uint32_t i = 0; i < c->n_macros; i++)
		if (!c->macros[i].used)
			cx_warning(c->cx, "LOAD_UNUSED_MACRO", c->macros[i].pos,
				"Macro '%s' not referred to by any other rule/macro",
				c->macros[i].name);
	for (uint32_t i = 0; i < c->n_lists; i++)
		if (!c->lists[i].used)
			cx_warning(c->cx, "LOAD_UNUSED_LIST", c->lists[i].pos,
				"List '%s' not referred to by any other rule/macro/list",
				c->lists[i].name);
}

static int make_image(struct collector *c, const struct checked_rule *rules,
	const struct rules_options *opt, struct rules_result *ret)
{
	struct rules_result res = {0};
	struct builder b;
	int r;

	builder_init(&b, c->cx);
	r = index_rules(&b, rules, c->n_rules, opt, &res.n_rules, &res.n_enabled);
	if (r >= 0 || b.failed)
		r = builder_finish(&b, opt->match_all ? IMG_F_MATCH_ALL : 0, res.n_enabled,
			&res.image, &res.size);
	if (r == -E2BIG)
		cx_error(c->cx, VALIDATE, ((struct spos){.file = UINT16_MAX}),
			"the compiled rules are larger than %u MiB", IMG_SIZE_MAX >> 20);
	if (r < 0)
		return r;
	*ret = res;
	return 0;
}

/* Compile what was collected. @ret: NULL to check only. Everything it allocates goes at its end. */
static int compile_pass(
	struct collector *c, const struct rules_options *opt, struct rules_result *ret)
{
	struct arena outer = c->cx->arena;
	struct checked_rule *rules;
	int r;

	arena_init(&c->cx->arena, MEMORY_MAX);
	rules = cx_alloc(c->cx, (c->n_rules + 1) * sizeof(*rules));
	r = rules ? expand_flatten(c) : -ENOMEM;
	if (r >= 0) {
		expand_parse_macros(c);
		for (uint32_t i = 0; i < c->n_rules && !c->cx->oom; i++)
			rule_check(c, i, opt, &rules[i]);
		if (!has_errors(c->cx))
			warn_unused(c);
	}
	if (r >= 0 && ret && !c->cx->oom && !has_errors(c->cx))
		r = make_image(c, rules, opt, ret);
	arena_done(&c->cx->arena);
	c->cx->arena = outer;
	return r;
}

static int compile_files(
	struct collector *c, const struct rules_options *opt, struct rules_result *ret)
{
	int r = 0;

	for (size_t i = 0; i < c->cx->n_files; i++) {
		bool last = i + 1 == c->cx->n_files;

		r = collector_read(c, (uint16_t)i);
		if (r == -ENOMEM || c->cx->oom)
			return -ENOMEM;
		r = compile_pass(c, opt, last ? ret : NULL);
		if (r < 0)
			return r;
	}
	return r;
}

int rules_compile(const struct rules_file *files, size_t n_files, const struct rules_options *opt,
	struct diag *d, struct rules_result *ret_result)
{
	struct rules_result res = {0};
	struct cx cx = {.d = d, .n_files = n_files, .errors_before = d->n_errors};
	struct collector c = {.cx = &cx};
	int r = 0;

	arena_init(&cx.arena, MEMORY_MAX);
	cx.files = cx_alloc(&cx, n_files * sizeof(*cx.files));
	if (n_files == 0 || n_files >= UINT16_MAX || opt->n_outputs > IMG_OUTPUTS_MAX)
		diag_add(d, DIAG_ERROR, NULL, (struct diag_pos){0}, NULL, NULL,
			n_files ? "too many rule files or outputs" : "no rule files given");
	else if (cx.files) {
		for (size_t i = 0; i < n_files; i++)
			cx.files[i] = (struct source_file){
				.name = files[i].name, .text = files[i].text, .n = files[i].n};
		r = compile_files(&c, opt, &res);
	}
	if (r < 0 || cx.oom || has_errors(&cx)) {
		if (cx.oom || (r < 0 && !has_errors(&cx)))
			diag_add(d, DIAG_ERROR, NULL, (struct diag_pos){0}, NULL, NULL,
				"out of memory while compiling the rules");
		free(res.image);
		arena_done(&cx.arena);
		return -EINVAL;
	}
	arena_done(&cx.arena);
	*ret_result = res;
	return 0;
}
