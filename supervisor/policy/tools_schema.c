/* SPDX-License-Identifier: Apache-2.0 */
/* --config-schema: a JSON schema (draft-07) made of the table of keys that configuration is checked
 * against, so that the two cannot differ in what they know. */

#include <string.h>

#include <jansson.h>

#include <base/macros.h>

#include "tools.h"

#define NAME_MAX_BYTES 128

/* JSON type and pattern by the types of config_keys.def. */
#define SCHEMA_STR "string", NULL
#define SCHEMA_BOOL "boolean", NULL
#define SCHEMA_INT "integer", NULL
#define SCHEMA_NUM "number", NULL
#define SCHEMA_ENUM "string", NULL
#define SCHEMA_PRIORITY "string", NULL
#define SCHEMA_LEVEL "string", NULL
#define SCHEMA_FACILITY "string", NULL
#define SCHEMA_SIZE "string", "^[0-9]+ ?(B|KiB|MiB|GiB)?$"
#define SCHEMA_DURATION "string", "^[0-9.]+ ?(ms|s|m|h)?$"
#define SCHEMA_FALCO_DURATION "string", NULL
#define SCHEMA_COUNT_OR_AUTO "string|integer", NULL
#define SCHEMA_NAME "string", "^[a-z0-9_-]{1,32}$"
#define SCHEMA_STRMAP "object", NULL
#define SCHEMA_SECRETMAP "object", NULL
#define SCHEMA_ANY "", NULL
#define SCHEMA_EMPTY "object", NULL

static const struct key {
	const char *path, *type, *pattern;
	double min, max;
	const char *choices, *why;
} keys[] = {
#define KEY(path, t, min, max, choices) {path, SCHEMA_##t, min, max, choices, NULL},
#define IDLE(path, t, min, max, choices, quiet, why) {path, SCHEMA_##t, min, max, choices, why},
#include "config_keys.def"
#undef KEY
#undef IDLE
};

/* The object under a key of @at, made if it is not there. Borrowed. */
static json_t *sub(json_t *at, const char *key)
{
	json_t *o = json_object_get(at, key);

	if (!o && json_object_set_new(at, key, json_object()) == 0)
		o = json_object_get(at, key);
	return o;
}

/* A key may be one value, a list, a mapping, or several of these. */
static void allow(json_t *at, const char *type)
{
	json_t *types = json_object_get(at, "type");

	if (!types && json_object_set_new(at, "type", json_array()) == 0)
		types = json_object_get(at, "type");
	for (size_t i = 0; i < json_array_size(types); i++)
		if (strcmp(json_string_value(json_array_get(types, i)), type) == 0)
			return;
	(void)json_array_append_new(types, json_string(type));
}

/* The schema of a path: "a.b[].c" by properties and items. "a[word].c" is of the elements named so;
 * others may have other keys. */
static json_t *find(json_t *root, const char *path)
{
	json_t *at = root;
	bool is_open = false; /* from here on: other elements may have other keys */

	while (*path) {
		char name[NAME_MAX_BYTES];
		size_t n = strcspn(path, ".[");

		if (n) {
			(void)snprintf(name, sizeof(name), "%.*s", (int)n, path);
			allow(at, "object");
			if (!is_open)
				(void)json_object_set_new(at, "additionalProperties", json_false());
			at = sub(sub(at, "properties"), name);
		}
		path += n;
		if (*path == '[') {
			is_open = is_open || path[1] != ']';
			allow(at, "array");
			at = sub(at, "items");
			path += strcspn(path, "]");
			path += *path == ']';
		}
		path += *path == '.';
	}
	return at;
}

static void add_choices(json_t *at, const char *choices)
{
	json_t *list = json_array();

	for (const char *p = choices; p;) {
		size_t n = strcspn(p, "|");

		(void)json_array_append_new(list, json_stringn(p, n));
		p = p[n] ? p + n + 1 : NULL;
	}
	(void)json_object_set_new(at, "enum", list);
}

static void add_key(json_t *root, const struct key *k)
{
	bool is_number = strcmp(k->type, "integer") == 0 || strcmp(k->type, "number") == 0;
	json_t *at = find(root, k->path);

	if (!*k->type) /* anything */
		(void)json_object_del(at, "type");
	for (const char *p = k->type; *p;) {
		char name[NAME_MAX_BYTES];
		size_t n = strcspn(p, "|");

		(void)snprintf(name, sizeof(name), "%.*s", (int)n, p);
		allow(at, name);
		p += n + (p[n] == '|');
	}
	if (strcmp(k->type, "object") != 0 && *k->type)
		allow(at, "null");
	if (strcmp(k->path, "append_output[].extra_fields[]") == 0)
		allow(at, "object"); /* {name: template} */
	if (k->pattern)
		(void)json_object_set_new(at, "pattern", json_string(k->pattern));
	if (k->choices)
		add_choices(at, k->choices);
	if (is_number && k->max > k->min) {
		(void)json_object_set_new(at, "minimum", json_real(k->min));
		(void)json_object_set_new(at, "maximum", json_real(k->max));
	}
	if (k->why)
		(void)json_object_set_new(
			at, "description", json_sprintf("accepted, without effect: %s", k->why));
}

int tools_config_schema(struct tools *t)
{
	json_t *root = json_pack("{s:s, s:s}", "$schema", "http://json-schema.org/draft-07/schema#",
		"title", "saker.yaml, falco.yaml");

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		add_key(root, &keys[i]);
	return tools_add_json(t, root, true);
}
