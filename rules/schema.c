/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON schema of rule files, as a text for editors and as a check. It is advice: what is
 * really wrong is told by the readers of items. Types are weak, as YAML's scalars have none. */

#include <errno.h>
#include <string.h>

#include <rules/report.h>

#include "items.h"
#include "schema.h"

#define WARNINGS_MAX 100

enum shape { S_TEXT, S_BOOL, S_NUMBER, S_TEXTS, S_PRIORITY, S_OVERRIDE, S_EXCEPTIONS, S_PLUGINS };

static const struct property {
	const char *key;
	enum shape shape;
} properties[] = {
	{"required_engine_version", S_TEXT},
	{"required_plugin_versions", S_PLUGINS},
	{"list", S_TEXT},
	{"items", S_TEXTS},
	{"macro", S_TEXT},
	{"rule", S_TEXT},
	{"condition", S_TEXT},
	{"desc", S_TEXT},
	{"output", S_TEXT},
	{"priority", S_PRIORITY},
	{"source", S_TEXT},
	{"tags", S_TEXTS},
	{"enabled", S_BOOL},
	{"exceptions", S_EXCEPTIONS},
	{"warn_evttypes", S_BOOL},
	{"skip-if-unknown-filter", S_BOOL},
	{"capture", S_BOOL},
	{"capture_duration", S_NUMBER},
	{"append", S_BOOL},
	{"override", S_OVERRIDE},
};
static const char *const priorities[] = {"EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING",
	"NOTICE", "INFO", "INFORMATIONAL", "DEBUG", NULL};
static const char *const overridable[] = {"append", "capture", "capture_duration", "condition",
	"desc", "enabled", "exceptions", "items", "output", "priority", "skip-if-unknown-filter",
	"tags", "warn_evttypes", NULL};
static const char *const exception_keys[] = {"name", "fields", "comps", "values", NULL};
static const char *const plugin_keys[] = {"name", "version", "alternatives", NULL};

struct check {
	struct cx *cx;
	struct schema_result *ret;
	size_t item; /* its index in the file */
};

static bool is_one_of(const struct ynode *n, const char *const *words)
{
	for (; n->kind == YN_SCALAR && *words; words++)
		if (!strcmp(*words, n->text))
			return true;
	return false;
}

static void warn(struct check *k, const char *where, const char *key, const char *what)
{
	struct schema_result *ret = k->ret;
	char *text;

	if (ret->n == WARNINGS_MAX)
		return;
	if (item_grow(k->cx, (void **)&ret->warnings, ret->n, &ret->cap, sizeof(char *)) < 0)
		return;
	text = cx_printf(k->cx, "failed for <root>[%zu]%s%s%.100s%s: %s", k->item, where,
		key ? "[" : "", key ? key : "", key ? "]" : "", what);
	if (text)
		ret->warnings[ret->n++] = text;
}

/* Only these keys, all of them once; @required may be NULL. */
static void check_keys(struct check *k, const char *where, const struct ynode *map,
	const char *const *keys, const char *required)
{
	for (size_t i = 0; i < map->n && k->ret->n < WARNINGS_MAX; i++)
		if (!is_one_of(map->kids[2 * i], keys))
			warn(k, where,
				map->kids[2 * i]->kind == YN_SCALAR ? map->kids[2 * i]->text : "",
				"Object contains a property that could not be validated using "
				"'properties' or 'additionalProperties' constraints");
	if (required && !ynode_get(map, required))
		warn(k, where, NULL, "Missing required property");
}

static void check_override(struct check *k, const struct ynode *v)
{
	if (v->kind != YN_MAP || v->n == 0) {
		warn(k, "[override]", NULL, "Object with at least one property expected");
		return;
	}
	check_keys(k, "[override]", v, overridable, NULL);
	for (size_t i = 0; i < v->n && k->ret->n < WARNINGS_MAX; i++)
		if (!is_one_of(
			    v->kids[2 * i + 1], (const char *const[]){"append", "replace", NULL}))
			warn(k, "[override]",
				v->kids[2 * i]->kind == YN_SCALAR ? v->kids[2 * i]->text : "",
				"Failed to match against any enum values");
}

static void check_maps(struct check *k, const char *where, const struct ynode *v,
	const char *const *keys, const char *required)
{
	if (v->kind != YN_SEQ) {
		warn(k, where, NULL, "Array expected");
		return;
	}
	for (size_t i = 0; i < v->n && k->ret->n < WARNINGS_MAX; i++) {
		if (v->kids[i]->kind != YN_MAP)
			warn(k, where, NULL, "Object expected");
		else
			check_keys(k, where, v->kids[i], keys, required);
	}
}

static void check_texts(struct check *k, const char *key, const struct ynode *v)
{
	if (v->kind != YN_SEQ) {
		warn(k, "", key, "Array expected");
		return;
	}
	for (size_t i = 0; i < v->n; i++)
		if (v->kids[i]->kind != YN_SCALAR) {
			warn(k, "", key, "Text or number expected in the array");
			return;
		}
}

static void check_value_shape(struct check *k, const struct property *p, const struct ynode *v)
{
	uint32_t number;
	bool flag;

	switch (p->shape) {
	case S_TEXT:
		if (v->kind != YN_SCALAR)
			warn(k, "", p->key, "Text expected");
		break;
	case S_BOOL:
		if (ynode_bool(v, &flag) < 0)
			warn(k, "", p->key, "Boolean expected");
		break;
	case S_NUMBER:
		if (ynode_u32(v, &number) < 0)
			warn(k, "", p->key, "Integer expected");
		break;
	case S_TEXTS:
		check_texts(k, p->key, v);
		break;
	case S_PRIORITY:
		if (!is_one_of(v, priorities))
			warn(k, "", p->key, "Failed to match against any enum values");
		break;
	case S_OVERRIDE:
		check_override(k, v);
		break;
	case S_EXCEPTIONS:
		check_maps(k, "[exceptions]", v, exception_keys, "name");
		break;
	case S_PLUGINS:
		check_maps(k, "[required_plugin_versions]", v, plugin_keys, "name");
		break;
	}
}

static void check_item(struct check *k, const struct ynode *item)
{
	for (size_t i = 0; i < item->n && k->ret->n < WARNINGS_MAX; i++) {
		const struct ynode *key = item->kids[2 * i];
		const struct property *p = NULL;

		for (size_t j = 0; j < ARRAY_LEN(properties) && key->kind == YN_SCALAR; j++)
			if (!strcmp(properties[j].key, key->text))
				p = &properties[j];
		if (p)
			check_value_shape(k, p, item->kids[2 * i + 1]);
		else
			warn(k, "", key->kind == YN_SCALAR ? key->text : "",
				"Object contains a property that could not be validated using "
				"'properties' or 'additionalProperties' constraints");
	}
}

int schema_check(struct cx *cx, struct ynode *const *docs, size_t n, struct schema_result *ret)
{
	struct check k = {.cx = cx, .ret = ret};

	ret->is_parsed = true;
	for (size_t i = 0; i < n; i++) {
		if (!docs[i])
			continue;
		if (docs[i]->kind != YN_SEQ) {
			warn(&k, "", NULL, "Array expected");
			continue;
		}
		for (size_t j = 0; j < docs[i]->n && ret->n < WARNINGS_MAX; j++, k.item++) {
			if (docs[i]->kids[j]->kind == YN_MAP)
				check_item(&k, docs[i]->kids[j]);
			else if (!docs[i]->kids[j]->is_null)
				warn(&k, "", NULL, "Object expected");
		}
	}
	return cx->oom ? -ENOMEM : 0;
}

#define T_STRING "{\"type\":\"string\"}"
#define T_BOOL "{\"type\":\"boolean\"}"
#define T_INT "{\"type\":\"integer\"}"
#define T_HOW "{\"type\":\"string\",\"enum\":[\"append\",\"replace\"]}"
#define T_ANY_TEXTS "{\"anyOf\":[" T_STRING ",{\"type\":\"array\",\"items\":" T_STRING "}]}"

const char *rules_schema_json(void)
{
	return "{\"$schema\":\"http://json-schema.org/draft-06/schema#\",\"type\":\"array\","
	       "\"items\":{\"$ref\":\"#/definitions/FalcoRule\"},\"definitions\":{"
	       "\"FalcoRule\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
	       "\"append\":" T_BOOL ",\"capture\":" T_BOOL ",\"capture_duration\":" T_INT
	       ",\"condition\":" T_STRING ",\"desc\":" T_STRING ",\"enabled\":" T_BOOL
	       ",\"exceptions\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/definitions/"
	       "Exception\"}}"
	       ",\"items\":{\"type\":\"array\",\"items\":{\"anyOf\":[" T_INT "," T_STRING "]}}"
	       ",\"list\":" T_STRING ",\"macro\":" T_STRING ",\"output\":" T_STRING
	       ",\"override\":{\"$ref\":\"#/definitions/Override\"}"
	       ",\"priority\":{\"$ref\":\"#/definitions/Priority\"}"
	       ",\"required_engine_version\":{\"anyOf\":[" T_STRING "," T_INT "]}"
	       ",\"required_plugin_versions\":{\"type\":\"array\",\"items\":"
	       "{\"$ref\":\"#/definitions/RequiredPluginVersion\"}}"
	       ",\"rule\":" T_STRING ",\"skip-if-unknown-filter\":" T_BOOL ",\"source\":" T_STRING
	       ",\"tags\":{\"type\":\"array\",\"items\":" T_STRING "},\"warn_evttypes\":" T_BOOL
	       "}},"
	       "\"Exception\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
	       "\"comps\":" T_ANY_TEXTS ",\"fields\":" T_ANY_TEXTS ",\"name\":" T_STRING
	       ",\"values\":{\"type\":\"array\"}},\"required\":[\"name\"]},"
	       "\"Override\":{\"type\":\"object\",\"additionalProperties\":false,\"minProperties\":"
	       "1,"
	       "\"properties\":{\"append\":" T_HOW ",\"capture\":" T_HOW
	       ",\"capture_duration\":" T_HOW ",\"condition\":" T_HOW ",\"desc\":" T_HOW
	       ",\"enabled\":" T_HOW ",\"exceptions\":" T_HOW ",\"items\":" T_HOW
	       ",\"output\":" T_HOW ",\"priority\":" T_HOW ",\"skip-if-unknown-filter\":" T_HOW
	       ",\"tags\":" T_HOW ",\"warn_evttypes\":" T_HOW "}},"
	       "\"Priority\":{\"type\":\"string\",\"enum\":[\"EMERGENCY\",\"ALERT\",\"CRITICAL\","
	       "\"ERROR\",\"WARNING\",\"NOTICE\",\"INFO\",\"INFORMATIONAL\",\"DEBUG\"]},"
	       "\"RequiredPluginVersion\":{\"type\":\"object\",\"additionalProperties\":false,"
	       "\"properties\":{\"alternatives\":{\"type\":\"array\",\"items\":"
	       "{\"$ref\":\"#/definitions/Alternative\"}},\"name\":" T_STRING
	       ",\"version\":" T_STRING "},\"required\":[\"name\",\"version\"]},"
	       "\"Alternative\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":"
	       "{"
	       "\"name\":" T_STRING ",\"version\":" T_STRING
	       "},\"required\":[\"name\",\"version\"]}}}";
}
