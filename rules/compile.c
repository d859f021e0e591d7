/* SPDX-License-Identifier: Apache-2.0 */
/* Rule files to a policy image. Input is hostile: sizes, depths and memory are bound, nothing is
 * opened, no file is named by what is read. After every file all that was collected so far must
 * compile, as in the reference, so that a file cannot lean on a later one; the last pass makes the
 * image. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

/* Memory for a compilation: what honest rules need is in proportion to their text. */
#define MEMORY_MIN (128ull << 20)
#define MEMORY_MAX (768ull << 20)
#define MEMORY_A_BYTE 80

static const struct rules_options default_options = {.min_priority = 7};

bool session_has_errors(const struct session *s)
{
	return s->cx.d->n_errors > s->cx.errors_before;
}

static void warn_item(struct cx *cx, const char *code, const char *type, const char *name,
	struct spos pos, const struct item_place *place)
{
	bool is_list = !strcmp(type, "list");
	struct where content = {.type = "rules content", .pos = place->content};
	struct where item = {.type = type, .name = name, .pos = place->item, .parent = &content};

	cx->where = &item;
	cx_report(cx, DIAG_WARNING, code, pos, strlen(name), NULL,
		"%s '%s' not referred to by any other rule/macro%s", is_list ? "List" : "Macro",
		name, is_list ? "/list" : "");
	cx->where = NULL;
}

static void warn_unused(struct collector *c)
{
	for (uint32_t i = 0; i < c->n_macros; i++) {
		const struct macro_def *m = &c->macros[i];

		if (!m->used)
			warn_item(c->cx, "LOAD_UNUSED_MACRO", "macro", m->name, m->pos, &m->place);
	}
	for (uint32_t i = 0; i < c->n_lists; i++) {
		const struct list_def *l = &c->lists[i];

		if (!l->used)
			warn_item(c->cx, "LOAD_UNUSED_LIST", "list", l->name, l->pos, &l->place);
	}
}

static int compare_turns(const void *a, const void *b)
{
	const struct checked_rule *x = a, *y = b;

	if (x->turn != y->turn)
		return x->turn < y->turn ? -1 : 1;
	return x->def < y->def ? -1 : x->def > y->def;
}

/* As defined; but a rule that the configuration turns on goes behind those that were on. */
static struct checked_rule *in_order(struct session *s)
{
	size_t n = s->c.n_rules;
	struct checked_rule *rules = cx_alloc(&s->cx, (n + 1) * sizeof(*rules));

	if (!rules)
		return NULL;
	memcpy(rules, s->rules, n * sizeof(*rules));
	for (size_t i = 0; i < n; i++)
		if (!rules[i].enabled)
			rules[i].turn = 0;
	if (n)
		qsort(rules, n, sizeof(*rules), compare_turns);
	return rules;
}

int session_image(struct session *s, struct rules_result *ret)
{
	struct checked_rule *rules = in_order(s);
	struct rules_result res = {0};
	struct builder b;
	int r;

	if (!rules)
		return -ENOMEM;
	builder_init(&b, &s->cx);
	r = index_rules(&b, rules, s->c.n_rules, &s->opt, &res.n_rules, &res.n_enabled);
	if (r >= 0 || b.failed)
		r = builder_finish(&b,
			(s->opt.match_all ? IMG_F_MATCH_ALL : 0) | (s->opt.exact ? IMG_F_EXACT : 0),
			res.n_enabled, &res.image, &res.size);
	if (r == -E2BIG)
		cx_error(&s->cx, VALIDATE, ((struct spos){.file = UINT16_MAX}),
			"the compiled rules are larger than %u MiB", IMG_SIZE_MAX >> 20);
	if (r < 0)
		return r;
	*ret = res;
	return 0;
}

static void close_pass(struct session *s)
{
	if (!s->in_pass)
		return;
	arena_done(&s->cx.arena);
	s->cx.arena = s->outer;
	s->in_pass = false;
	s->rules = NULL;
}

/* Compile what was collected. Everything that it allocates goes when the pass is closed. */
static int open_pass(struct session *s)
{
	size_t left = s->cx.memory_max - MIN(s->cx.arena.used_bytes, s->cx.memory_max - 1);
	struct collector *c = &s->c;
	int r;

	s->outer = s->cx.arena;
	s->in_pass = true;
	arena_init(&s->cx.arena, left);
	s->cx.n_scanned = 0;
	s->rules = cx_alloc(&s->cx, (c->n_rules + 1) * sizeof(*s->rules));
	r = s->rules ? expand_flatten(c) : -ENOMEM;
	if (r < 0)
		return r;
	expand_parse_macros(c);
	for (uint32_t i = 0; i < c->n_rules && !s->cx.oom; i++)
		rule_check(c, i, &s->opt, &s->rules[i]);
	if (!session_has_errors(s) && !s->cx.oom)
		warn_unused(c);
	return s->cx.oom ? -ENOMEM : 0;
}

int session_load(struct session *s, size_t file)
{
	int r;

	close_pass(s);
	s->cx.loading = file;
	r = collector_read(&s->c, (uint16_t)file);
	if (r == -ENOMEM || s->cx.oom)
		return -ENOMEM;
	return open_pass(s);
}

static void say_out_of_memory(struct session *s)
{
	diag_add(s->cx.d, DIAG_ERROR, "LOAD_ERR_YAML_VALIDATE", (struct diag_pos){0}, NULL, NULL,
		"out of memory while compiling the rules (limit %zu MiB for files of this size)",
		s->cx.memory_max >> 20);
}

int session_load_all(struct session *s)
{
	int r = 0;

	for (size_t i = 0; i < s->cx.n_files && r >= 0; i++)
		r = session_load(s, i);
	if (s->cx.oom || (r < 0 && !session_has_errors(s))) {
		say_out_of_memory(s);
		return -ENOMEM;
	}
	return r < 0 || session_has_errors(s) ? -EINVAL : 0;
}

static size_t memory_for(const struct rules_file *files, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n && bytes < MEMORY_MAX; i++)
		bytes += files[i].n;
	return MIN(MEMORY_MIN + MIN(bytes, (size_t)MEMORY_MAX) * MEMORY_A_BYTE, (size_t)MEMORY_MAX);
}

int session_init(struct session *s, const struct rules_file *files, size_t n,
	const struct rules_options *opt, struct diag *d)
{
	*s = (struct session){.opt = opt ? *opt : default_options};
	s->cx = (struct cx){.d = d,
		.n_files = n,
		.errors_before = d->n_errors,
		.statics = s->opt.statics,
		.n_statics = s->opt.n_statics};
	s->c.cx = &s->cx;
	s->cx.memory_max = memory_for(files, n);
	arena_init(&s->cx.arena, s->cx.memory_max);
	arena_init(&s->cx.lasting, s->cx.memory_max);
	if (n == 0 || n >= UINT16_MAX || s->opt.n_outputs > IMG_OUTPUTS_MAX) {
		diag_add(d, DIAG_ERROR, NULL, (struct diag_pos){0}, NULL, NULL,
			n ? "too many rule files or outputs" : "no rule files given");
		return -EINVAL;
	}
	s->cx.files = cx_alloc(&s->cx, n * sizeof(*s->cx.files));
	if (!s->cx.files) {
		say_out_of_memory(s);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		s->cx.files[i] = (struct source_file){
			.name = files[i].name, .text = files[i].text, .n = files[i].n};
	return 0;
}

void session_done(struct session *s)
{
	close_pass(s);
	arena_done(&s->cx.arena);
	arena_done(&s->cx.lasting);
}

int rules_compile(const struct rules_file *files, size_t n_files, const struct rules_options *opt,
	struct diag *d, struct rules_result *ret_result)
{
	struct rules_result res = {0};
	struct session s;
	int r = session_init(&s, files, n_files, opt, d);

	if (r >= 0)
		r = session_load_all(&s);
	if (r >= 0) {
		r = session_image(&s, &res);
		if (r == -ENOMEM)
			say_out_of_memory(&s);
	}
	session_done(&s);
	if (r < 0)
		return -EINVAL;
	*ret_result = res;
	return 0;
}
