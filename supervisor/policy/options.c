/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the options block. It was written by the other run of this program, but that one had read
 * files of the user: every member is checked again. */

#include <errno.h>
#include <string.h>

#include <jansson.h>

#include <base/macros.h>

#include "options.h"

struct reader {
	struct arena *arena;
	int failed; /* negative errno; sticks */
};

static void fail(struct reader *r, int why)
{
	if (!r->failed)
		r->failed = why;
}

static void *room(struct reader *r, size_t n, size_t size)
{
	void *p = arena_alloc(r->arena, (n + 1) * size);

	if (!p)
		fail(r, -ENOMEM);
	return p;
}

/* NULL for null. */
static const char *text(struct reader *r, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	const char *copy;

	if (json_is_null(v))
		return NULL;
	if (!json_is_string(v)) {
		fail(r, -EBADMSG);
		return NULL;
	}
	copy = arena_strdup(r->arena, json_string_value(v));
	if (!copy)
		fail(r, -ENOMEM);
	return copy;
}

static const char *const *texts(struct reader *r, const json_t *o, const char *key, size_t *ret_n)
{
	const json_t *list = json_object_get(o, key);
	size_t n = json_array_size(list);
	const char **p = room(r, n, sizeof(*p));

	if (!json_is_array(list))
		fail(r, -EBADMSG);
	for (size_t i = 0; p && i < n; i++) {
		const char *s = json_string_value(json_array_get(list, i));

		p[i] = s ? arena_strdup(r->arena, s) : NULL;
		if (!p[i])
			fail(r, s ? -ENOMEM : -EBADMSG);
	}
	if (ret_n)
		*ret_n = n;
	return p;
}

static bool flag(struct reader *r, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_boolean(v))
		fail(r, -EBADMSG);
	return json_is_true(v);
}

static uint8_t priority(struct reader *r, const json_t *o)
{
	const json_t *v = json_object_get(o, "min_priority");

	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 7) {
		fail(r, -EBADMSG);
		return 7;
	}
	return (uint8_t)json_integer_value(v);
}

static const json_t *objects(struct reader *r, const json_t *o, const char *key)
{
	const json_t *list = json_object_get(o, key);

	if (!json_is_array(list))
		fail(r, -EBADMSG);
	return list;
}

static void read_outputs(struct reader *r, const json_t *list, struct rules_options *opt)
{
	size_t n = json_array_size(list);
	struct rules_output *p = room(r, n, sizeof(*p));

	for (size_t i = 0; p && i < n; i++) {
		const json_t *o = json_array_get(list, i);

		p[i] = (struct rules_output){
			.name = text(r, o, "name"),
			.min_priority = priority(r, o),
			.rules_include = texts(r, o, "rules_include", NULL),
			.rules_exclude = texts(r, o, "rules_exclude", NULL),
			.tags_include = texts(r, o, "tags_include", NULL),
			.tags_exclude = texts(r, o, "tags_exclude", NULL),
			.capture = (uint8_t)json_integer_value(json_object_get(o, "capture")),
		};
		if (!p[i].name)
			fail(r, -EBADMSG);
	}
	opt->outputs = p;
	opt->n_outputs = n;
}

static void read_append(struct reader *r, const json_t *list, struct rules_options *opt)
{
	size_t n = json_array_size(list);
	struct rules_append *p = room(r, n, sizeof(*p));

	for (size_t i = 0; p && i < n; i++) {
		const json_t *o = json_array_get(list, i);

		p[i] = (struct rules_append){
			.match_source = text(r, o, "source"),
			.match_rule = text(r, o, "rule"),
			.match_tags = texts(r, o, "tags", NULL),
			.extra_output = text(r, o, "extra_output"),
			.suggested_output = flag(r, o, "suggested_output"),
			.extra_fields = texts(r, o, "extra_fields", NULL),
		};
	}
	opt->append = p;
	opt->n_append = n;
}

static void read_select(struct reader *r, const json_t *list, struct rules_options *opt)
{
	size_t n = json_array_size(list);
	struct rules_select *p = room(r, n, sizeof(*p));

	for (size_t i = 0; p && i < n; i++) {
		const json_t *o = json_array_get(list, i);

		p[i] = (struct rules_select){.enable = flag(r, o, "enable"),
			.rule = text(r, o, "rule"),
			.tag = text(r, o, "tag")};
	}
	opt->select = p;
	opt->n_select = n;
}

int policy_options_parse(
	struct arena *a, const void *block, size_t n, struct policy_options *ret_options)
{
	struct reader r = {.arena = a};
	struct policy_options out = {0};
	json_auto_t *o = json_loadb(block, n, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(o))
		return -EBADMSG;
	out.rules.min_priority = priority(&r, o);
	out.rules.match_all = flag(&r, o, "match_all");
	out.rules.iso_time = flag(&r, o, "iso_time");
	out.rules.exact = flag(&r, o, "exact");
	read_outputs(&r, objects(&r, o, "outputs"), &out.rules);
	read_append(&r, objects(&r, o, "append"), &out.rules);
	read_select(&r, objects(&r, o, "select"), &out.rules);
	out.rules.statics = texts(&r, o, "statics", &out.rules.n_statics);
	out.files = texts(&r, o, "files", &out.n_files);
	out.json_output = flag(&r, o, "json_output");
	out.config_files = texts(&r, o, "config_files", NULL);
	if (r.failed)
		return r.failed;
	*ret_options = out;
	return 0;
}
