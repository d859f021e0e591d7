/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the output's block: JSON that saker-policy rendered. It comes in a sealed segment from a
 * program that reads users' files, so every member is checked for type and range; what is missing
 * or unknown is refused, for both ends are of one build. Runs before the seal. */

#include <errno.h>
#include <string.h>

#include <base/macros.h>

#include "output.h"

static const char *const kind_names[] = {"stdout", "file", "syslog", "http", "kafka", "program"};
static const char *const format_names[] = {"text", "json", "ecs", "ocsf", "cef"};
static const char *const fsync_names[] = {"never", "second", "batch"};
_Static_assert(ARRAY_LEN(kind_names) == _OUTPUT_KIND_MAX, "a name for each kind");
_Static_assert(ARRAY_LEN(format_names) == _OUTPUT_FORMAT_MAX, "a name for each format");
static const char *const when_full_names[] = {"drop_lowest", "drop_oldest", "block"};
_Static_assert(ARRAY_LEN(when_full_names) == _OUTPUT_WHEN_FULL_MAX, "a name for each policy");
_Static_assert(ARRAY_LEN(fsync_names) == _OUTPUT_FSYNC_MAX, "a name for each way");

static int get_text(const json_t *o, const char *key, char *buf, size_t cap)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s || !*s || strlen(s) >= cap)
		return -EBADMSG;
	memcpy(buf, s, strlen(s) + 1);
	return 0;
}

static int get_name(const json_t *o, const char *key, const char *const *names, size_t n_names)
{
	const char *s = json_string_value(json_object_get(o, key));

	for (size_t i = 0; s && i < n_names; i++)
		if (!strcmp(s, names[i]))
			return (int)i;
	return -EBADMSG;
}

static int get_u64(const json_t *o, const char *key, uint64_t *ret)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return -EBADMSG;
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int get_bool(const json_t *o, const char *key, bool *ret)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_boolean(v))
		return -EBADMSG;
	*ret = json_is_true(v);
	return 0;
}

static int parse_delivery(const json_t *o, struct output *out, const char **reterr_why)
{
	int when_full = get_name(o, "spool_when_full", when_full_names, ARRAY_LEN(when_full_names));

	*reterr_why = "spool or limit";
	if (when_full < 0 || get_bool(o, "spool", &out->has_spool) < 0 ||
		get_u64(o, "spool_max", &out->spool_max) < 0 ||
		get_u64(o, "dedup_ns", &out->dedup_ns) < 0 || get_u64(o, "rate", &out->rate) < 0)
		return -EBADMSG;
	out->when_full = (enum output_when_full)when_full;
	return 0;
}

static int parse_members(const json_t *o, struct output *out, const char **reterr_why)
{
	const struct {
		const char *key;
		bool *to;
	} flags[] = {
		{"iso_time", &out->iso_time},
		{"include_output", &out->include_output},
		{"include_message", &out->include_message},
		{"include_output_fields", &out->include_output_fields},
		{"include_tags", &out->include_tags},
		{"include_uuid", &out->include_uuid},
		{"include_doubtful", &out->include_doubtful},
	};
	const json_t *facility = json_object_get(o, "facility");
	int kind = get_name(o, "kind", kind_names, ARRAY_LEN(kind_names));
	int format = get_name(o, "format", format_names, ARRAY_LEN(format_names));
	int fsync_how = get_name(o, "fsync", fsync_names, ARRAY_LEN(fsync_names));

	*reterr_why = "kind, format or fsync";
	if (kind < 0 || format < 0 || fsync_how < 0)
		return -EBADMSG;
	out->kind = (enum output_kind)kind;
	out->format = (enum output_format)format;
	out->fsync = (enum output_fsync)fsync_how;
	*reterr_why = "name or ident";
	if (get_text(o, "name", out->name, sizeof(out->name)) < 0 ||
		get_text(o, "ident", out->ident, sizeof(out->ident)) < 0)
		return -EBADMSG;
	*reterr_why = "facility";
	if (!json_is_integer(facility) || json_integer_value(facility) < 0 ||
		json_integer_value(facility) > 23)
		return -EBADMSG;
	out->facility = (unsigned)json_integer_value(facility);
	out->own = json_object_get(o, "own"); /* borrowed until all is well */
	*reterr_why = "own";
	if (out->own && !json_is_object(out->own))
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		*reterr_why = flags[i].key;
		if (get_bool(o, flags[i].key, flags[i].to) < 0)
			return -EBADMSG;
	}
	return parse_delivery(o, out, reterr_why);
}

int output_parse(const void *text, size_t n, struct output *ret_output, const char **reterr_why)
{
	json_auto_t *o = NULL;
	struct output out = {0};
	const char *why = "not a JSON object";
	int r = -EBADMSG;

	o = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(o))
		r = parse_members(o, &out, &why);
	if (r < 0) {
		*reterr_why = why;
		return r;
	}
	out.own = json_incref(out.own);
	*ret_output = out;
	return 0;
}

void output_done(struct output *o)
{
	json_decref(o->own);
	o->own = NULL;
}
