/* SPDX-License-Identifier: Apache-2.0 */
/* Validation of rule files and its result in Falco's forms. Names, texts and source lines come from
 * the files and may hold anything: JSON is always valid UTF-8. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/cleanup.h>
#include <rules/report.h>

#include "json.h"
#include "session.h"

static const struct code_text {
	const char *name, *text, *meaning;
} codes[] = {
#define CODE(name, text, meaning) {#name, text, meaning},
#include "codes.def"
};

static const struct code_text *find_code(const char *name)
{
	static const struct code_text other = {
		"LOAD_ERR_VALIDATE", "Error validating rule/macro/list/exception objects", ""};

	for (size_t i = 0; name && i < ARRAY_LEN(codes); i++)
		if (!strcmp(codes[i].name, name))
			return &codes[i];
	return &other;
}

static int keep_schema(
	struct rules_report *rep, struct rules_file_result *f, const struct schema_result *schema)
{
	f->is_parsed = schema->is_parsed;
	f->schema_valid = schema->n == 0;
	f->schema_warnings = arena_alloc(&rep->diag.arena, schema->n * sizeof(char *));
	if (!f->schema_warnings)
		return -ENOMEM;
	for (uint32_t i = 0; i < schema->n; i++) {
		f->schema_warnings[i] = arena_strdup(&rep->diag.arena, schema->warnings[i]);
		if (!f->schema_warnings[i])
			return -ENOMEM;
	}
	f->n_schema_warnings = schema->n;
	return 0;
}

/* Messages to the files they were found with. */
static int share_out(struct rules_report *rep)
{
	struct arena *a = &rep->diag.arena;

	for (const struct diag_item *it = rep->diag.first; it; it = it->next) {
		struct rules_file_result *f = &rep->files[MIN(it->load, rep->n_files - 1)];

		f->n_errors += it->severity == DIAG_ERROR;
		f->n_warnings += it->severity == DIAG_WARNING;
	}
	rep->is_valid = true;
	for (size_t i = 0; i < rep->n_files; i++) {
		struct rules_file_result *f = &rep->files[i];

		f->errors = arena_alloc(a, f->n_errors * sizeof(struct diag_item *));
		f->warnings = arena_alloc(a, f->n_warnings * sizeof(struct diag_item *));
		if (!f->errors || !f->warnings)
			return -ENOMEM;
		f->is_valid = f->n_errors == 0;
		rep->is_valid &= f->is_valid;
		f->n_errors = f->n_warnings = 0;
	}
	for (const struct diag_item *it = rep->diag.first; it; it = it->next) {
		struct rules_file_result *f = &rep->files[MIN(it->load, rep->n_files - 1)];

		if (it->severity == DIAG_ERROR)
			f->errors[f->n_errors++] = it;
		else if (it->severity == DIAG_WARNING)
			f->warnings[f->n_warnings++] = it;
	}
	return 0;
}

static int check_files(struct rules_report *rep, struct session *s)
{
	int r = 0;

	s->cx.repeats = true;
	for (size_t i = 0; i < rep->n_files; i++) {
		s->c.schema = (struct schema_result){0};
		/* Unused macros are told of a file without errors, whatever was before it. */
		s->cx.errors_before = rep->diag.n_errors;
		r = session_load(s, i);
		if (r == -ENOMEM)
			return r;
		r = keep_schema(rep, &rep->files[i], &s->c.schema);
		if (r < 0)
			return r;
	}
	return r;
}

int rules_check(const struct rules_file *files, size_t n, const struct rules_options *opt,
	struct rules_report *ret)
{
	struct session s;
	int r;

	*ret = (struct rules_report){0};
	diag_init(&ret->diag);
	ret->files = arena_alloc(&ret->diag.arena, (n + 1) * sizeof(*ret->files));
	if (!ret->files)
		return -ENOMEM;
	ret->n_files = n;
	for (size_t i = 0; i < n; i++)
		ret->files[i].name = arena_strdup(&ret->diag.arena, files[i].name);
	if (n == 0) {
		ret->is_valid = true;
		return 0;
	}
	r = session_init(&s, files, n, opt, &ret->diag);
	if (r >= 0)
		r = check_files(ret, &s);
	session_done(&s);
	if (r == -ENOMEM)
		return r;
	return share_out(ret);
}

void rules_report_done(struct rules_report *rep)
{
	diag_done(&rep->diag);
	*rep = (struct rules_report){0};
}

static void add_context(struct strbuf *b, const struct diag_item *it)
{
	json_key(b, "context");
	json_open(b, '{');
	json_key(b, "locations");
	json_open(b, '[');
	for (size_t i = 0; i < it->n_locations; i++) {
		const struct diag_location *l = &it->locations[i];

		json_open(b, '{');
		json_str(b, "item_name", l->item_name ? l->item_name : "");
		json_str(b, "item_type", l->item_type);
		json_key(b, "position");
		json_open(b, '{');
		json_num(b, "column", l->column);
		json_num(b, "line", l->line);
		json_str(b, "name", l->name ? l->name : "");
		json_num(b, "offset", l->offset);
		json_close(b, '}');
		json_close(b, '}');
	}
	json_close(b, ']');
	json_str(b, "snippet", it->snippet ? it->snippet : "");
	json_close(b, '}');
}

static void add_position(struct strbuf *b, const struct diag_pos *p)
{
	json_key(b, "position");
	json_open(b, '{');
	json_num(b, "column", p->column);
	json_str(b, "file", p->file ? p->file : "");
	json_num(b, "length", MAX(p->length, 1u));
	json_num(b, "line", p->line);
	json_close(b, '}');
}

static void add_notes(struct strbuf *b, const struct diag_item *it)
{
	json_key(b, "notes");
	json_open(b, '[');
	for (size_t i = 0; i < it->n_notes; i++) {
		json_open(b, '{');
		json_str(b, "message", it->notes[i].text);
		add_position(b, &it->notes[i].pos);
		json_close(b, '}');
	}
	json_close(b, ']');
}

static void add_message(struct strbuf *b, const struct diag_item *it)
{
	const struct code_text *c = find_code(it->code);

	json_open(b, '{');
	json_str(b, "code", c->name);
	json_str(b, "codedesc", it->severity == DIAG_ERROR ? c->text : c->meaning);
	add_context(b, it);
	if (it->deprecated_field)
		json_str(b, "deprecated_field", it->deprecated_field);
	if (it->hint)
		json_str(b, "hint", it->hint);
	json_str(b, "message", it->message);
	if (it->n_notes)
		add_notes(b, it);
	if (it->pos.file)
		add_position(b, &it->pos);
	if (it->source_line)
		json_str(b, "source_line", it->source_line);
	json_close(b, '}');
}

static void add_messages(
	struct strbuf *b, const char *key, const struct diag_item *const *items, size_t n)
{
	json_key(b, key);
	json_open(b, '[');
	for (size_t i = 0; i < n; i++)
		add_message(b, items[i]);
	json_close(b, ']');
}

static void add_result(struct strbuf *b, const struct rules_file_result *f)
{
	json_open(b, '{');
	add_messages(b, "errors", f->errors, f->n_errors);
	json_str(b, "name", f->name ? f->name : "");
	if (f->is_parsed) {
		json_bool(b, "schema_valid", f->schema_valid);
		json_key(b, "schema_warnings");
		json_open(b, '[');
		for (size_t i = 0; i < f->n_schema_warnings; i++)
			json_item(b, f->schema_warnings[i]);
		json_close(b, ']');
	}
	json_bool(b, "successful", f->is_valid);
	add_messages(b, "warnings", f->warnings, f->n_warnings);
	json_close(b, '}');
}

static int take(struct strbuf *b, char **ret)
{
	char *p = strbuf_take(b);

	if (!p)
		return -ENOMEM;
	*ret = p;
	return 0;
}

int rules_report_json(const struct rules_report *rep, const char *describe, char **ret)
{
	_cleanup_strbuf_ struct strbuf b = {0};

	json_open(&b, '{');
	if (describe) {
		json_key(&b, "falco_describe_results");
		strbuf_add_str(&b, describe);
	}
	json_key(&b, "falco_load_results");
	json_open(&b, '[');
	for (size_t i = 0; i < rep->n_files; i++)
		add_result(&b, &rep->files[i]);
	json_close(&b, ']');
	json_close(&b, '}');
	return take(&b, ret);
}

/* Bytes that could make a terminal do something are shown as '?'. */
static void add_safe(struct strbuf *b, const char *s)
{
	for (; s && *s; s++) {
		unsigned char c = (unsigned char)*s;

		strbuf_add_char(b, (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? '?' : *s);
	}
}

static void add_long(struct strbuf *b, const struct diag_item *it)
{
	const struct code_text *c = find_code(it->code);

	for (size_t i = 0; i < it->n_locations; i++) {
		const struct diag_location *l = &it->locations[i];

		strbuf_add_str(b, i ? "    " : "In ");
		strbuf_add_str(b, l->item_type);
		if (l->item_name && *l->item_name) {
			strbuf_add_str(b, " '");
			add_safe(b, l->item_name);
			strbuf_add_char(b, '\'');
		}
		strbuf_add_str(b, ": (");
		add_safe(b, l->name);
		strbuf_addf(b, ":%zu:%zu)\n", l->line, l->column);
	}
	strbuf_add_str(b, "------\n");
	add_safe(b, it->snippet);
	strbuf_add_str(b, "------\n");
	strbuf_addf(b, "%s (%s): ", c->name, c->text);
	add_safe(b, it->message);
	if (it->hint) {
		strbuf_add_str(b, "; ");
		add_safe(b, it->hint);
	}
	strbuf_add_char(b, '\n');
	for (size_t i = 0; i < it->n_notes; i++) {
		const struct diag_note *note = &it->notes[i];

		strbuf_add_str(b, "    ");
		add_safe(b, note->text);
		if (note->pos.file) {
			strbuf_add_str(b, " at ");
			add_safe(b, note->pos.file);
			strbuf_addf(b, ":%u:%u", note->pos.line, note->pos.column);
		}
		strbuf_add_char(b, '\n');
	}
}

static void add_list(struct strbuf *b, bool verbose, const char *long_word, const char *short_word,
	const struct diag_item *const *items, size_t n)
{
	if (n == 0)
		return;
	if (verbose) {
		strbuf_addf(b, "\n%zu %s:\n", n, long_word);
		for (size_t i = 0; i < n; i++)
			add_long(b, items[i]);
		return;
	}
	strbuf_addf(b, " %zu %s: [", n, short_word);
	for (size_t i = 0; i < n; i++) {
		const struct code_text *c = find_code(items[i]->code);

		strbuf_addf(b, "%s%s (%s)", i ? " " : "", c->name, c->text);
	}
	strbuf_add_str(b, "]\n");
}

int rules_report_text(const struct rules_report *rep, bool verbose, char **ret)
{
	_cleanup_strbuf_ struct strbuf b = {0};

	for (size_t i = 0; i < rep->n_files; i++) {
		const struct rules_file_result *f = &rep->files[i];

		add_safe(&b, f->name);
		strbuf_add_str(&b, !f->is_valid    ? ": Invalid\n"
				   : f->n_warnings ? ": Ok, with warnings\n"
						   : ": Ok\n");
		add_list(&b, verbose, "Errors", "errors", f->errors, f->n_errors);
		add_list(&b, verbose, "Warnings", "warnings", f->warnings, f->n_warnings);
	}
	return take(&b, ret);
}
