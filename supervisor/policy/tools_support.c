/* SPDX-License-Identifier: Apache-2.0 */
/* --support: what a bug report needs, in Falco's shape. Configuration and rules as they are written:
 * what stands for a secret there is printed too, but variables and secret files are not looked up. */

#include <errno.h>
#include <string.h>

#include <jansson.h>

#include <base/log.h>
#include <base/utf8.h>

#include "policy.h"
#include "tools.h"

/* Texts that are not UTF-8 cannot stand in JSON. */
static json_t *text_json(const char *text, size_t n)
{
	if (n == strlen(text) && utf8_is_valid((struct span){.p = text, .n = n}))
		return json_stringn(text, n);
	return json_string("(not UTF-8)");
}

static json_t *rules_json(const struct tools *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->n_rules; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:[{s:o}]}", "name", t->rules[i].name, "variants",
				      "content", text_json(t->rules[i].text, t->rules[i].n)));
	return list;
}

static json_t *config_json(struct tools *t, json_t *files)
{
	struct config_source src = policy_source(t->stage);
	json_t *all;
	struct strbuf b = {0};

	for (size_t i = 0; t->opt.config_files[i]; i++) {
		const char *text;
		size_t n;
		int r = src.read_file(src.ctx, &t->arena, t->opt.config_files[i], &text, &n);

		if (r < 0) {
			(void)log_warning_errno(r, "read configuration file '%s' again, ignoring",
				t->opt.config_files[i]);
			continue;
		}
		strbuf_add(&b, text, n);
		(void)json_array_append_new(files, json_string(t->opt.config_files[i]));
	}
	all = text_json(b.p ? b.p : "", b.n);
	strbuf_done(&b);
	return all;
}

int tools_support(struct tools *t)
{
	json_t *files = json_array(), *config = config_json(t, files);
	json_t *j = json_pack(
		"{s:s, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s, s:s, s:s}, s:o, s:o, s:o}", "version",
		SAKER_VERSION, "engine_info", "engine_version_semver", TOOLS_ENGINE_VERSION,
		"saker_version", SAKER_VERSION, "driver_schema_version", TOOLS_SCHEMA_VERSION,
		"system_info", "sysname", t->system.sysname, "nodename", t->system.nodename,
		"release", t->system.release, "version", t->system.version, "machine",
		t->system.machine, "config", config, "config_files", files, "rules_files",
		rules_json(t));
	int r;

	if (j && t->cmdline.p)
		(void)json_object_set_new(j, "cmdline", text_json(t->cmdline.p, t->cmdline.n));
	r = tools_add_json(t, j, false);
	return r < 0 ? log_err_errno(r, "print") : 0;
}
