/* SPDX-License-Identifier: Apache-2.0 */
/* Walks a file's documents and gives every item to its reader. A refused item is reported and its
 * name remembered as broken, so that one mistake does not make others of everything that refers to
 * it; reading goes on, for all errors of a file are wanted at once. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "items.h"

#define UNKNOWN_KEYS_MAX 100 /* of one item that are told of */

int item_grow(struct cx *cx, void **arr, uint32_t n, uint32_t *cap, size_t size)
{
	uint32_t bigger = *cap ? *cap * 2 : 16;
	void *p;

	if (n < *cap)
		return 0;
	p = cx_alloc(cx, bigger * size);
	if (!p)
		return -ENOMEM;
	if (n)
		memcpy(p, *arr, n * size);
	*arr = p;
	*cap = bigger;
	return 0;
}

const struct ynode *item_text(struct collector *c, const struct ynode *item, const char *key)
{
	const struct ynode *n = ynode_get(item, key);

	if (!n)
		cx_error(c->cx, YAML_VALIDATE, item->pos, "Item has no mapping for key '%s'", key);
	else if (n->is_null)
		item_bad_value(c, key, n, "Mapping for key '%s' is empty", key);
	else if (n->kind != YN_SCALAR)
		item_bad_value(c, key, n, "Value of '%s' is not a scalar value", key);
	else if (n->n == 0)
		item_bad_value(c, key, n, "Value of '%s' must be non-empty", key);
	else if (memchr(n->text, '\0', n->n))
		item_bad_value(c, key, n, "Value of '%s' holds a NUL character", key);
	else
		return n;
	return NULL;
}

int item_append(struct collector *c, const struct ynode *item, bool *ret)
{
	const struct ynode *n = ynode_get(item, "append"), *o = ynode_get(item, "override");

	*ret = false;
	if (!n || n->is_null)
		return 0;
	if (ynode_bool(n, ret) < 0) {
		item_bad_value(c, "append", n, "'append' must be true or false");
		return -EINVAL;
	}
	cx_warning(c->cx, "LOAD_DEPRECATED_ITEM", n->pos,
		"'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') "
		"under 'override' instead.");
	if (*ret && o && !o->is_null && o->n) {
		cx_error(c->cx, YAML_VALIDATE, n->pos,
			"Keys 'override' and 'append: true' cannot be used together");
		return -EINVAL;
	}
	return 0;
}

void item_unknown_keys(struct collector *c, const struct ynode *item, const char *const *known)
{
	unsigned n_unknown = 0;

	for (size_t i = 0; i < item->n && n_unknown < UNKNOWN_KEYS_MAX; i++) {
		const struct ynode *k = item->kids[2 * i];
		const char *near;
		bool found = false;

		if (k->kind != YN_SCALAR)
			continue;
		for (const char *const *w = known; *w && !found; w++)
			found = strcmp(*w, k->text) == 0;
		if (found)
			continue;
		n_unknown++;
		near = diag_nearest(k->text, k->n, known);
		cx_report(c->cx, DIAG_WARNING, "LOAD_UNKNOWN_KEY", k->pos, k->n,
			cx_did_you_mean(c->cx, near), "Unknown key '%s'", k->text);
	}
}

/* "X.Y.Z" or N for 0.N.0 */
static int parse_version(const struct ynode *n, unsigned long v[3])
{
	const char *p = n->text;
	char *end;

	if (n->kind != YN_SCALAR)
		return -EINVAL;
	for (int i = 0; i < 3; i++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		v[i] = strtoul(p, &end, 10);
		if (i == 0 && *end == '\0') {
			v[1] = v[0];
			v[0] = v[2] = 0;
			return 0;
		}
		if (i < 2 && *end != '.')
			return -EINVAL;
		p = end + 1;
	}
	return 0;
}

/* Does the version that we are satisfy the one that is asked for? */
static bool version_ok(const unsigned long have[3], const unsigned long want[3])
{
	if (have[0] != want[0])
		return false;
	return have[1] != want[1] ? have[1] > want[1] : have[2] >= want[2];
}

int item_engine_version(struct collector *c, const struct ynode *item)
{
	static const char *const keys[] = {"required_engine_version", NULL};
	static const unsigned long have[3] = {
		RULES_ENGINE_MAJOR, RULES_ENGINE_MINOR, RULES_ENGINE_PATCH};
	const struct ynode *n = ynode_get(item, keys[0]);
	unsigned long want[3];

	item_unknown_keys(c, item, keys);
	if (parse_version(n, want) < 0) {
		cx_error(c->cx, YAML_VALIDATE, n->pos,
			"Unable to parse engine version '%s' as a semver string. Expected "
			"\"x.y.z\" semver format.",
			n->kind == YN_SCALAR ? n->text : "");
		return -EINVAL;
	}
	if (!version_ok(c->engine, want) || c->engine[0] != want[0])
		memcpy(c->engine, want, sizeof(want));
	if (!version_ok(have, want)) {
		cx_error(c->cx, VALIDATE, n->pos,
			"Rules require engine version %lu.%lu.%lu, but engine version is %d.%d.%d",
			want[0], want[1], want[2], RULES_ENGINE_MAJOR, RULES_ENGINE_MINOR,
			RULES_ENGINE_PATCH);
		return -EINVAL;
	}
	return 0;
}

#define PLUGIN_NAME "container"
static const unsigned long plugin_have[3] = {0, 7, 0};

struct plugin_check {
	bool known, ok;
	char wanted[400];
};

/* One {name, version}. */
static int check_plugin(struct collector *c, const struct ynode *n, struct plugin_check *pc)
{
	const struct ynode *name, *version;
	unsigned long want[3];
	size_t used = strlen(pc->wanted);

	if (n->kind != YN_MAP) {
		cx_error(c->cx, YAML_VALIDATE, n->pos,
			"Plugin version must be a mapping with 'name' and 'version'");
		return -EINVAL;
	}
	name = item_text(c, n, "name");
	version = item_text(c, n, "version");
	if (!name || !version)
		return -EINVAL;
	if (parse_version(version, want) < 0 || !strchr(version->text, '.')) {
		cx_error(c->cx, VALIDATE, version->pos,
			"Invalid required version '%s' for plugin '%s'", version->text, name->text);
		return -EINVAL;
	}
	(void)snprintf(pc->wanted + used, sizeof(pc->wanted) - used, "%s%.100s (>= %.40s)",
		used ? ", " : "", name->text, version->text);
	if (!pc->known && strcmp(name->text, PLUGIN_NAME) == 0) {
		pc->known = true;
		pc->ok = version_ok(plugin_have, want);
	}
	return 0;
}

static int check_plugin_once(struct collector *c, struct map *names, const struct ynode *name)
{
	if (map_get(names, name->text, name->n) == MAP_NONE)
		return map_put(c->cx, names, name->text, name->n, 1);
	cx_error(c->cx, VALIDATE, name->pos, "Multiple alternatives for the same plugin '%s'",
		name->text);
	return -EINVAL;
}

static int check_alternative(
	struct collector *c, const struct ynode *a, struct plugin_check *pc, struct map *names)
{
	struct where here = {.type = "required plugin versions alternative",
		.pos = a->pos,
		.parent = c->cx->where};
	int r;

	c->cx->where = &here;
	r = check_plugin(c, a, pc);
	if (r >= 0)
		r = check_plugin_once(c, names, ynode_get(a, "name"));
	c->cx->where = here.parent;
	return r;
}

static int check_plugin_entry(struct collector *c, const struct ynode *n)
{
	const struct ynode *alt = n->kind == YN_MAP ? ynode_get(n, "alternatives") : NULL;
	struct plugin_check pc = {0};
	struct map names = {0};
	int r = check_plugin(c, n, &pc);

	if (r >= 0)
		r = check_plugin_once(c, &names, ynode_get(n, "name"));
	if (r < 0)
		return r;
	if (alt && !alt->is_null && alt->kind != YN_SEQ) {
		cx_error(c->cx, YAML_VALIDATE, alt->pos,
			"Value of 'alternatives' must be a sequence");
		return -EINVAL;
	}
	for (size_t i = 0; alt && alt->kind == YN_SEQ && i < alt->n; i++) {
		r = check_alternative(c, alt->kids[i], &pc, &names);
		if (r < 0)
			return r;
	}
	if (item_grow(c->cx, (void **)&c->plugins, c->n_plugins, &c->cap_plugins,
		    sizeof(struct ynode *)) < 0)
		return -ENOMEM;
	c->plugins[c->n_plugins++] = n;
	if (!pc.ok) {
		cx_error(c->cx, VALIDATE, n->pos,
			"Plugin requirement not satisfied, must load one of: %s", pc.wanted);
		return -EINVAL;
	}
	return 0;
}

int item_plugin_versions(struct collector *c, const struct ynode *item)
{
	static const char *const keys[] = {"required_plugin_versions", NULL};
	const struct ynode *n = ynode_get(item, keys[0]);
	int r = 0;

	item_unknown_keys(c, item, keys);
	if (n->kind != YN_SEQ) {
		cx_error(c->cx, YAML_VALIDATE, n->pos,
			"Value of required_plugin_versions must be a sequence");
		return -EINVAL;
	}
	for (size_t i = 0; i < n->n && r >= 0; i++) {
		struct where here = {.type = "required plugin versions entry",
			.pos = n->kids[i]->pos,
			.parent = c->cx->where};

		c->cx->where = &here;
		r = check_plugin_entry(c, n->kids[i]);
		c->cx->where = here.parent;
	}
	return r;
}

bool collector_is_broken(const struct collector *c, const char *name)
{
	return map_get(&c->broken, name, strlen(name)) != MAP_NONE;
}

static void mark_broken(struct collector *c, const struct ynode *item, const char *key)
{
	const struct ynode *n = ynode_get(item, key);

	if (n && n->kind == YN_SCALAR && !collector_is_broken(c, n->text))
		(void)map_put(c->cx, &c->broken, n->text, strlen(n->text),
			1); /* on failure cx->oom stops the compilation */
}

static void read_item(struct collector *c, const struct ynode *item)
{
	static const struct {
		const char *key, *type;
		int (*read)(struct collector *c, const struct ynode *item);
	} readers[] = {
		{"required_engine_version", "required_engine_version", item_engine_version},
		{"required_plugin_versions", "required plugin versions", item_plugin_versions},
		{"list", "list", item_list},
		{"macro", "macro", item_macro},
		{"rule", "rule", item_rule},
	};
	struct where here = {
		.type = "rules content item", .pos = item->pos, .parent = c->cx->where};

	c->cx->where = &here;
	if (item->kind != YN_MAP) {
		if (!item->is_null)
			cx_error(c->cx, YAML_VALIDATE, item->pos,
				"Unexpected element type. Each element should be a yaml "
				"associative array.");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		const struct ynode *name = ynode_get(item, readers[i].key);

		if (!name)
			continue;
		here.type = readers[i].type;
		here.name = i > 1 && name->kind == YN_SCALAR ? name->text : "";
		if (readers[i].read(c, item) < 0)
			mark_broken(c, item, readers[i].key);
		return;
	}
	cx_warning(c->cx, "LOAD_UNKNOWN_ITEM", item->pos, "Unknown top level item");
}

int collector_read(struct collector *c, uint16_t file)
{
	struct ynode **docs = NULL;
	size_t n = 0;
	int r = yaml_doc_read(c->cx, file, &docs, &n);

	if (r >= 0)
		r = schema_check(c->cx, docs, n, &c->schema);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct where here = {.type = "rules content"};

		if (!docs[i])
			continue;
		here.pos = c->content = docs[i]->pos;
		c->cx->where = &here;
		if (docs[i]->kind != YN_SEQ) {
			cx_error(c->cx, YAML_VALIDATE, docs[i]->pos,
				"Rules content is not yaml array of objects");
			continue;
		}
		for (size_t k = 0; k < docs[i]->n && !c->cx->oom; k++) {
			read_item(c, docs[i]->kids[k]);
			c->cx->where = &here;
		}
	}
	c->cx->where = NULL;
	return c->cx->oom ? -ENOMEM : 0;
}
