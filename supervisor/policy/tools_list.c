/* SPDX-License-Identifier: Apache-2.0 */
/* --list: the field table as text, Markdown or JSON. docs/fields.md is the Markdown form. Hidden and
 * deprecated fields are left out, as Falco does. Static data only. */

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <base/macros.h>
#include <judge/judge.h>
#include <rules/fields.h>

#include "tools.h"

#define LEFT 30   /* columns of a name */
#define WIDTH 120 /* of a line */

static const struct {
	const char *name, *what, *description;
} classes[] = {
	[FIELD_EVT] = {"evt", "All event types", "What every event has, whatever its source."},
	[FIELD_EVTS] = {"evt", "Syscall events only",
		"The system call: its type, parameters and result."},
	[FIELD_PROCESS] = {"process", "",
		"The process and the thread that did it, and their "
		"ancestors."},
	[FIELD_USER] = {"user", "", "The user that the thread runs as."},
	[FIELD_GROUP] = {"group", "", "The group that the thread runs as."},
	[FIELD_FD] = {"fd", "",
		"The descriptor that the event is about: a file, a connection, a pipe."},
	[FIELD_FSPATH] = {"fs.path", "", "The paths of calls that take paths, made absolute."},
	[FIELD_UTIL] = {"util", "", "For tests of rules engines."},
	[FIELD_FDLIST] = {"fdlist", "", "The descriptors of calls that wait for several."},
	[FIELD_CONTAINER] = {"container", "", "The container that the thread runs in."},
	[FIELD_K8S] = {"k8s", "", "The Kubernetes pod that the container belongs to."},
};

static const char *const type_names[_FT_MAX] = {
	[FT_CHARBUF] = "CHARBUF",
	[FT_BYTEBUF] = "BYTEBUF",
	[FT_BOOL] = "BOOL",
	[FT_INT16] = "INT16",
	[FT_INT32] = "INT32",
	[FT_INT64] = "INT64",
	[FT_UINT32] = "UINT32",
	[FT_UINT64] = "UINT64",
	[FT_DOUBLE] = "DOUBLE",
	[FT_PORT] = "PORT",
	[FT_RELTIME] = "RELTIME",
	[FT_ABSTIME] = "ABSTIME",
	[FT_IPADDR] = "IPADDR",
	[FT_IPNET] = "IPNET",
	[FT_DYNAMIC] = "DYNAMIC",
};

static bool is_shown(const struct field_info *f)
{
	return !(f->flags & (FF_HIDDEN | FF_DEPRECATED));
}

static void add_type(struct strbuf *b, const struct field_info *f)
{
	if (f->flags & FF_LIST)
		strbuf_addf(b, "LIST(%s)", type_names[f->type]);
	else
		strbuf_add_str(b, type_names[f->type]);
}

/* What the table says, the forms of the argument, and what this version cannot tell yet. */
static void add_help(struct strbuf *b, const struct field_info *f, enum field_id id)
{
	const char *why = f->flags & FF_FILTER_ONLY ? NULL : judge_absent(id);
	const char *sep = " ";

	strbuf_add_str(b, f->help);
	if ((f->arg & 3) != FA_NONE) {
		strbuf_addf(b, " (argument %s:", (f->arg & 3) == FA_REQ ? "required" : "possible");
		if (f->arg & FAF_SUFFIX) {
			strbuf_addf(b, "%s%s.NAME", sep, f->name);
			sep = ", ";
		}
		if (f->arg & FAF_INDEX) {
			strbuf_addf(b, "%s%s[N]", sep, f->name);
			sep = ", ";
		}
		if (f->arg & FAF_KEY)
			strbuf_addf(b, "%s%s[KEY]", sep, f->name);
		strbuf_add_char(b, ')');
	}
	if (f->flags & FF_FILTER_ONLY)
		strbuf_add_str(b, " (in conditions only)");
	else if (f->flags & FF_PRINT_ONLY)
		strbuf_add_str(b, " (in outputs only)");
	if (why)
		strbuf_addf(b, " (no value: %s)", why);
}

/* Words into lines between LEFT and WIDTH. */
static void wrap(struct strbuf *b, const char *text)
{
	size_t used = 0;

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " ");

		if (used && used + 1 + n > WIDTH - LEFT) {
			strbuf_addf(b, "\n%*s", LEFT, "");
			used = 0;
		}
		strbuf_addf(b, "%s%.*s", used ? " " : "", (int)n, p);
		used += n + (used ? 1 : 0);
		p += n + strspn(p + n, " ");
	}
	strbuf_add_char(b, '\n');
}

static void text_class(struct tools *t, unsigned cls)
{
	struct strbuf *b = &t->out;

	strbuf_addf(b, "-------------------------------\n%-*s%s", LEFT,
		"Field Class:", classes[cls].name);
	if (*classes[cls].what)
		strbuf_addf(b, " (%s)", classes[cls].what);
	strbuf_addf(b, "\n%-*s", LEFT, "Description:");
	wrap(b, classes[cls].description);
	strbuf_addf(b, "%-*ssyscall\n\n", LEFT, "Event Sources:");
}

static void text_field(struct tools *t, const struct field_info *f, enum field_id id)
{
	struct strbuf help = {0};

	if (t->verbose) {
		strbuf_add_str(&help, "(Type: ");
		add_type(&help, f);
		strbuf_add_str(&help, ") ");
	}
	add_help(&help, f, id);
	if (strlen(f->name) >= LEFT)
		strbuf_addf(&t->out, "%s\n%*s", f->name, LEFT, "");
	else
		strbuf_addf(&t->out, "%-*s", LEFT, f->name);
	wrap(&t->out, help.p ? help.p : "");
	strbuf_done(&help);
}

static void markdown_class(struct tools *t, unsigned cls)
{
	struct strbuf *b = &t->out;

	strbuf_addf(b, "## Field Class: %s", classes[cls].name);
	if (*classes[cls].what)
		strbuf_addf(b, " (%s)", classes[cls].what);
	strbuf_addf(b,
		"\n\n%s\n\nEvent Sources: syscall\n\nName | Type | Description\n"
		":----|:-----|:-----------\n",
		classes[cls].description);
}

static void markdown_field(struct tools *t, const struct field_info *f, enum field_id id)
{
	struct strbuf help = {0};

	strbuf_addf(&t->out, "`%s` | ", f->name);
	add_type(&t->out, f);
	strbuf_add_str(&t->out, " | ");
	add_help(&help, f, id);
	for (size_t i = 0; i < help.n; i++) {
		if (strchr("|<", help.p[i])) /* of the table, and of HTML */
			strbuf_add_char(&t->out, '\\');
		strbuf_add_char(&t->out, help.p[i]);
	}
	strbuf_add_char(&t->out, '\n');
	strbuf_done(&help);
}

static json_t *argument_json(const struct field_info *f)
{
	json_t *forms = json_array();

	if (f->arg & FAF_SUFFIX)
		(void)json_array_append_new(forms, json_string("name"));
	if (f->arg & FAF_INDEX)
		(void)json_array_append_new(forms, json_string("index"));
	if (f->arg & FAF_KEY)
		(void)json_array_append_new(forms, json_string("key"));
	return json_pack("{s:b, s:o}", "required", (f->arg & 3) == FA_REQ, "forms", forms);
}

static json_t *field_json(const struct field_info *f, enum field_id id)
{
	const char *why = f->flags & FF_FILTER_ONLY ? NULL : judge_absent(id);
	json_t *j = json_pack("{s:s, s:s, s:s, s:b, s:b, s:b}", "name", f->name, "type",
		type_names[f->type], "desc", f->help, "is_list", !!(f->flags & FF_LIST),
		"condition_only", !!(f->flags & FF_FILTER_ONLY), "output_only",
		!!(f->flags & FF_PRINT_ONLY));

	if ((f->arg & 3) != FA_NONE)
		(void)json_object_set_new(j, "argument", argument_json(f));
	if (why)
		(void)json_object_set_new(j, "no_value", json_string(why));
	return j;
}

static int list_json(struct tools *t)
{
	json_t *all = json_array();

	for (unsigned c = 0; c < ARRAY_LEN(classes); c++) {
		json_t *fields = json_array();

		for (unsigned i = 0; i < _FIELD_ID_MAX; i++) {
			const struct field_info *f = field_info_get(i);

			if (f->cls != c || !is_shown(f))
				continue;
			if (t->names_only)
				(void)json_array_append_new(all, json_string(f->name));
			else
				(void)json_array_append_new(fields, field_json(f, i));
		}
		if (t->names_only || json_array_size(fields) == 0)
			json_decref(fields);
		else
			(void)json_array_append_new(
				all, json_pack("{s:s, s:s, s:s, s:[s], s:o}", "name",
					     classes[c].name, "shortdesc", classes[c].what, "desc",
					     classes[c].description, "event_sources", "syscall",
					     "fields", fields));
	}
	return tools_add_json(
		t, json_pack("{s:o}", t->names_only ? "fieldnames" : "fieldclasses", all), true);
}

static void list_class(struct tools *t, unsigned c)
{
	bool is_first = true;

	for (unsigned i = 0; i < _FIELD_ID_MAX; i++) {
		const struct field_info *f = field_info_get(i);

		if (f->cls != c || !is_shown(f))
			continue;
		if (t->names_only) {
			strbuf_addf(&t->out, "%s\n", f->name);
			continue;
		}
		if (is_first && t->format == TOOLS_MARKDOWN)
			markdown_class(t, c);
		else if (is_first)
			text_class(t, c);
		is_first = false;
		if (t->format == TOOLS_MARKDOWN)
			markdown_field(t, f, i);
		else
			text_field(t, f, i);
	}
	if (!is_first)
		strbuf_add_char(&t->out, '\n');
}

int tools_list(struct tools *t)
{
	if (t->format == TOOLS_JSON)
		return list_json(t);
	for (unsigned c = 0; c < ARRAY_LEN(classes); c++)
		list_class(t, c);
	return 0;
}
