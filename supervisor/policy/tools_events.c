/* SPDX-License-Identifier: Apache-2.0 */
/* --list-events: the event table in Falco's three forms; --list-plugins; -i. Every event is
 * captured as soon as an enabled rule asks for it: none is "not by default". Static data only. */

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <abi/events.h>
#include <base/log.h>
#include <base/macros.h>

#include "tools.h"

#define NATIVE_MAX 512 /* system call numbers */

static const char *const type_names[_KEV_T_MAX] = {
	[KEV_T_INT8] = "INT8",
	[KEV_T_INT16] = "INT16",
	[KEV_T_INT32] = "INT32",
	[KEV_T_INT64] = "INT64",
	[KEV_T_UINT8] = "UINT8",
	[KEV_T_UINT16] = "UINT16",
	[KEV_T_UINT32] = "UINT32",
	[KEV_T_UINT64] = "UINT64",
	[KEV_T_STR] = "CHARBUF",
	[KEV_T_PATH] = "FSPATH",
	[KEV_T_RELPATH] = "FSRELPATH",
	[KEV_T_BYTES] = "BYTEBUF",
	[KEV_T_STRARRAY] = "CHARBUFARRAY",
	[KEV_T_DYN] = "DYNAMIC",
	[KEV_T_FD] = "FD",
	[KEV_T_FD32] = "FD",
	[KEV_T_PID] = "PID",
	[KEV_T_PID32] = "PID",
	[KEV_T_ERRNO] = "ERRNO",
	[KEV_T_UID] = "UID",
	[KEV_T_GID] = "GID",
	[KEV_T_MODE] = "MODE",
	[KEV_T_FLAGS8] = "FLAGS8",
	[KEV_T_FLAGS16] = "FLAGS16",
	[KEV_T_FLAGS32] = "FLAGS32",
	[KEV_T_ENUM8] = "ENUMFLAGS8",
	[KEV_T_ENUM16] = "ENUMFLAGS16",
	[KEV_T_ENUM32] = "ENUMFLAGS32",
	[KEV_T_SOCKADDR] = "SOCKADDR",
	[KEV_T_SOCKTUPLE] = "SOCKTUPLE",
	[KEV_T_FDLIST] = "FDLIST",
	[KEV_T_RELTIME] = "RELTIME",
	[KEV_T_ABSTIME] = "ABSTIME",
	[KEV_T_SYSCALLID] = "SYSCALLID",
	[KEV_T_SIGTYPE] = "SIGTYPE",
	[KEV_T_SIGSET] = "SIGSET",
	[KEV_T_IPV4ADDR] = "IPV4ADDR",
	[KEV_T_IPV6ADDR] = "IPV6ADDR",
	[KEV_T_PORT] = "PORT",
};

/* Falco's headings. Iterators are state, not events that rules see. */
static const struct {
	enum kev_kind kind;
	const char *title;
} kinds[] = {
	{KEV_KIND_SYSCALL, "Syscall events"},
	{KEV_KIND_TRACEPOINT, "Tracepoint events"},
	{KEV_KIND_PLUGIN, "Plugin events"},
	{KEV_KIND_META, "Metaevents"},
};

struct printer {
	struct tools *t;
	json_t *list; /* of the heading at hand; JSON only */
};

static bool has_flag_names(const struct kev_param_info *p)
{
	return p->flags && p->flags[0].name && p->type >= KEV_T_FLAGS8 && p->type <= KEV_T_ENUM32;
}

static void add_param(struct printer *p, const struct kev_param_info *param)
{
	const char *mark = p->t->format == TOOLS_MARKDOWN ? "*" : "";
	struct strbuf *b = &p->t->out;

	strbuf_addf(b, "%s **%s**", type_names[param->type], param->name);
	if (!has_flag_names(param))
		return;
	for (const struct kev_flag *f = param->flags; f->name; f++)
		strbuf_addf(b, "%s%s%s%s", f == param->flags ? ": " : ", ", mark, f->name, mark);
}

static json_t *params_json(const struct kev_info *e)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < e->n_params; i++) {
		const struct kev_param_info *param = &e->params[i];
		json_t *j = json_pack(
			"{s:s, s:s}", "type", type_names[param->type], "name", param->name);
		json_t *flags = json_array();

		for (const struct kev_flag *f = param->flags; has_flag_names(param) && f->name; f++)
			(void)json_array_append_new(flags, json_string(f->name));
		if (has_flag_names(param))
			(void)json_object_set(j, "flags", flags);
		json_decref(flags);
		(void)json_array_append_new(all, j);
	}
	return all;
}

static void add_event(struct printer *p, const struct kev_info *e, const char *name)
{
	/* what has no direction is even and odd all the same */
	bool is_enter = e->dir == KEV_ENTER || (e->dir == KEV_NONE && e->code % 2 == 0);
	const char *dir = is_enter ? ">" : "<";
	bool is_markdown = p->t->format == TOOLS_MARKDOWN;

	if (p->list) {
		(void)json_array_append_new(
			p->list, json_pack("{s:s, s:s, s:b, s:o}", "name", name, "dir", dir,
					 "available", true, "params", params_json(e)));
		return;
	}
	strbuf_addf(&p->t->out, is_markdown ? "Yes | `%s` | `%s` | " : "%s %s(", dir, name);
	for (unsigned i = 0; i < e->n_params; i++) {
		if (i > 0)
			strbuf_add_str(&p->t->out, ", ");
		add_param(p, &e->params[i]);
	}
	strbuf_add_str(&p->t->out, is_markdown ? "\n" : ")\n");
}

static bool has_own_event(const char *name)
{
	for (unsigned i = 0; i < _KEV_IX_MAX; i++)
		if (strcmp(kev_info_get((uint16_t)i)->name, name) == 0)
			return true;
	return false;
}

static void add_kind(struct printer *p, enum kev_kind kind)
{
	const struct kev_info *generic = kev_info_find(KEV_CODE_GENERIC_X);

	for (unsigned i = 0; i < _KEV_IX_MAX; i++) {
		const struct kev_info *e = kev_info_get((uint16_t)i);

		if (e->kind == kind && e->code != KEV_CODE_GENERIC_X)
			add_event(p, e, e->name);
	}
	for (unsigned nr = 0; kind == KEV_KIND_SYSCALL && nr < NATIVE_MAX; nr++) {
		const char *name = kev_syscall_str(nr);

		if (name && !has_own_event(name))
			add_event(p, generic, name);
	}
}

static int events_json(struct tools *t)
{
	json_t *root = json_pack("{s:s}", "schema_version", TOOLS_SCHEMA_VERSION);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct printer p = {.t = t, .list = json_array()};

		add_kind(&p, kinds[i].kind);
		(void)json_object_set_new(root, kinds[i].title, p.list);
	}
	return tools_add_json(t, root, true);
}

int tools_events(struct tools *t)
{
	struct printer p = {.t = t};

	if (t->format == TOOLS_JSON)
		return events_json(t);
	strbuf_addf(&t->out, "The events below are valid for Falco *Schema Version*: %s\n",
		TOOLS_SCHEMA_VERSION);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		strbuf_addf(&t->out, "## %s\n\n", kinds[i].title);
		if (t->format == TOOLS_MARKDOWN)
			strbuf_add_str(&t->out, "Default | Dir | Name | Params \n"
						":-------|:----|:-----|:-----\n");
		add_kind(&p, kinds[i].kind);
		strbuf_add_char(&t->out, '\n');
	}
	return 0;
}

int tools_plugins(struct tools *t)
{
	strbuf_add_str(&t->out, "0 Plugins Loaded:\n\n\n");
	return 0;
}

int tools_ignored(struct tools *t)
{
	strbuf_add_str(&t->out, "Ignored syscall(s):\n\n");
	log_info("saker ignores none: what an enabled rule asks for is captured, I/O too");
	return 0;
}
