/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs: Falco's own keys make one each, the list `outputs` any number. Each gets a row of the
 * plan for the supervisor, which opens what it writes to, and a block of its own for its emitter,
 * which no other process sees. What this version cannot deliver is refused here with its place. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <base/macros.h>

#include "config_net.h"
#include "config_priv.h"
#include "config_value.h"

#define KINDS "stdout|file|syslog|http|kafka|program"

/* One output while it is put together. */
struct draft {
	const char *name;
	int kind; /* place in KINDS */
	const struct cfg_place *at;
	const char *path;                 /* of the plan's row; NULL: none */
	const struct cfg_node *path_node; /* for messages; may be NULL */
	const char *format, *fsync;
	uint64_t rotate_size, rotate_age_ns; /* file; 0: not by this */
	uint32_t rotate_keep;
	bool rotate_gzip;
	bool keep_alive; /* program: one for all alerts */
	unsigned facility;
	bool include_uuid, include_doubtful;
	const char *ident;
	struct net_draft net; /* syslog, http, kafka; its block: of the others as well */
	/* spool and limit */
	bool has_spool, asks_for_spool; /* asks: the file says so itself */
	uint64_t spool_max, dedup_ns;
	const char *when_full;
	int64_t rate;
};

#define SPOOL_MAX_DEFAULT (UINT64_C(1) << 30)
#define SPOOL_MAX_LEAST (UINT64_C(4) << 20)
#define ROTATE_KEEP_DEFAULT 10
#define ROTATE_SIZE_LEAST 4096
#define ROTATE_AGE_LEAST_NS UINT64_C(1000000000)

static char *make_block(struct config_run *c, const struct draft *o)
{
	static const char *const kinds[] = {"stdout", "file", "syslog", "http", "kafka", "program"};
	const struct cfg_node *root = c->root;
	json_auto_t *j = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:i, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:O*}", "name",
		o->name, "kind", kinds[o->kind], "format", o->format, "fsync", o->fsync, "ident",
		o->ident, "facility", (int)o->facility, "iso_time",
		config_bool(root, "time_format_iso_8601", false), "include_output",
		config_bool(root, "json_include_output_property", true), "include_message",
		config_bool(root, "json_include_message_property", false), "include_output_fields",
		config_bool(root, "json_include_output_fields_property", true), "include_tags",
		config_bool(root, "json_include_tags_property", true), "include_uuid",
		o->include_uuid, "include_doubtful", o->include_doubtful, "own", o->net.block);
	if (j && json_object_update_new(
			 j, json_pack("{s:b, s:I, s:s, s:I, s:I}", "spool", o->has_spool,
				    "spool_max", (json_int_t)o->spool_max, "spool_when_full",
				    o->when_full, "dedup_ns", (json_int_t)o->dedup_ns, "rate",
				    (json_int_t)o->rate)) < 0)
		return NULL;
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL,
	     *copy = text ? arena_strdup(c->arena, text) : NULL;

	free(text);
	return copy;
}

static bool is_name_free(struct config_run *c, const struct draft *o)
{
	const struct plan_config *p = &c->result->plan;

	for (uint32_t i = 0; i < p->n_outputs; i++) {
		if (!strcmp(p->outputs[i].name, o->name)) {
			cfg_error(c->diag, o->at, NULL, "two outputs have the name '%s'", o->name);
			return false;
		}
	}
	return true;
}

/* What the supervisor connects, and what the dialer. */
static void add_connections(struct config_run *c, const struct draft *o, struct plan_output *row)
{
	struct dial_rules *rules = &c->result->dial;
	struct dial_output *dial = &rules->outputs[c->result->plan.n_outputs];

	if (o->net.block && o->path && row->kind != PLAN_OUT_FILE && row->kind != PLAN_OUT_PROGRAM)
		row->flags |= PLAN_OUT_F_LOCAL;
	if (o->net.dial.n_targets)
		row->flags |= PLAN_OUT_F_NETWORK;
	*dial = o->net.dial;
	config_copy(c, NULL, o->name, dial->name, sizeof(dial->name));
	rules->n_outputs = c->result->plan.n_outputs + 1;
}

static int add_output(
	struct config_run *c, const struct draft *o, const struct config_filters *filters)
{
	static const uint32_t kinds[] = {PLAN_OUT_STDOUT, PLAN_OUT_FILE, PLAN_OUT_SYSLOG,
		PLAN_OUT_HTTP, PLAN_OUT_KAFKA, PLAN_OUT_PROGRAM};
	struct plan_config *p = &c->result->plan;
	struct plan_output *row = &p->outputs[p->n_outputs];

	if (p->n_outputs == PLAN_OUTPUTS_MAX) {
		cfg_error(c->diag, o->at, NULL, "more than %d outputs", PLAN_OUTPUTS_MAX);
		return 0;
	}
	if (!is_name_free(c, o))
		return 0;
	row->kind = kinds[o->kind];
	row->flags = o->keep_alive ? PLAN_OUT_F_KEEP_ALIVE : 0;
	row->rotate_size = o->rotate_size;
	row->rotate_age_ns = o->rotate_age_ns;
	row->rotate_keep = o->rotate_keep;
	row->rotate_gzip = o->rotate_gzip;
	add_connections(c, o, row);
	if (o->has_spool)
		row->flags |= PLAN_OUT_F_SPOOL;
	if (o->asks_for_spool)
		row->flags |= PLAN_OUT_F_SPOOL_ASKED;
	config_copy(c, NULL, o->name, row->name, sizeof(row->name));
	if (o->path)
		config_copy(c, o->path_node, o->path, row->path, sizeof(row->path));
	c->filters[p->n_outputs] = *filters;
	c->result->output[p->n_outputs] = make_block(c, o);
	if (!c->result->output[p->n_outputs])
		return -ENOMEM;
	p->n_outputs++;
	return 0;
}

static const char *default_format(const struct config_run *c)
{
	return config_bool(c->root, "json_output", false) ? "json" : "text";
}

static const struct cfg_place *place_of(const struct cfg_node *root, const char *path)
{
	const struct cfg_node *n = cfg_find(root, path);

	return n ? &n->at : &root->at;
}

/* Falco's http_output and syslog_output. */
static int add_falco_net(struct config_run *c, struct draft *o, const char *name)
{
	size_t errors = c->diag->n_errors;
	int r;

	if (!strcmp(name, "http"))
		r = config_http(c, cfg_find(c->root, "http_output"), o->at, true, &o->net);
	else
		r = config_syslog(c, NULL, o->at, &o->net);
	o->path = o->net.path;
	if (r == 0 && c->diag->n_errors == errors)
		r = add_output(c, o, &(struct config_filters){.min_priority = 7});
	json_decref(o->net.block);
	return r;
}

/* What the emitter of a file or a program needs to know beside the rest. */
static int make_own(struct draft *o)
{
	if (o->kind == cfg_choice("program", KINDS))
		o->net.block = json_pack("{s:b}", "keep_alive", o->keep_alive);
	else if (o->rotate_size || o->rotate_age_ns)
		o->net.block = json_pack("{s:I, s:I}", "rotate_size", (json_int_t)o->rotate_size,
			"rotate_age_ns", (json_int_t)o->rotate_age_ns);
	else
		return 0;
	return o->net.block ? 0 : -ENOMEM;
}

/* An output of Falco's keys: "<kind>_output". */
static int add_falco_output(
	struct config_run *c, int kind, const char *name, const char *needs, bool otherwise)
{
	const char *block = arena_printf(c->arena, "%s_output", name),
		   *enabled = arena_printf(c->arena, "%s_output.enabled", name);
	const char *needed = needs ? arena_printf(c->arena, "%s_output.%s", name, needs) : NULL;
	struct draft o = {.name = name,
		.include_doubtful = config_bool(c->root, "json_include_doubtful_property", false),
		.kind = kind,
		.fsync = "never",
		.format = default_format(c),
		.facility = 1,
		.ident = "saker",
		.spool_max = SPOOL_MAX_DEFAULT,
		.when_full = "drop_lowest"};

	int r;

	if (!block || !enabled || (needs && !needed))
		return -ENOMEM;
	if (!config_bool(c->root, enabled, otherwise))
		return 0;
	o.at = place_of(c->root, enabled);
	o.has_spool = kind == cfg_choice("syslog", KINDS) || kind == cfg_choice("http", KINDS);
	if (!strcmp(name, "http") || !strcmp(name, "syslog"))
		return add_falco_net(c, &o, name);
	if (needed) {
		o.path_node = cfg_find(c->root, needed);
		o.path = config_text(c->root, needed, "");
		if (!*o.path) {
			cfg_error(c->diag, o.at, NULL, "'%s' is missing", needed);
			return 0;
		}
	}
	o.keep_alive = config_bool(c->root, "program_output.keep_alive", false);
	if (make_own(&o) < 0)
		return -ENOMEM;
	r = add_output(c, &o, &(struct config_filters){.min_priority = 7});
	json_decref(o.net.block);
	return r;
}

/* Is any output mentioned at all? Else stdout is on. */
static bool has_output_keys(const struct cfg_node *root)
{
	static const char *const names[] = {
		"stdout_output", "syslog_output", "file_output", "http_output", "program_output"};
	const struct cfg_node *list = cfg_find(root, "outputs");

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (cfg_find(root, names[i]))
			return true;
	return list && list->kind == CFG_SEQ && list->n;
}

static int add_falco_outputs(struct config_run *c)
{
	/* without any file stdout is on, as if a shipped file said so; with one, only if it says so
	 * or speaks of no output */
	bool stdout_is_on = !c->has_file || !has_output_keys(c->root);
	int r = add_falco_output(c, cfg_choice("stdout", KINDS), "stdout", NULL, stdout_is_on);

	if (r == 0)
		r = add_falco_output(c, cfg_choice("file", KINDS), "file", "filename", false);
	if (r == 0)
		r = add_falco_output(c, cfg_choice("syslog", KINDS), "syslog", NULL, false);
	if (r == 0)
		r = add_falco_output(c, cfg_choice("http", KINDS), "http", "url", false);
	if (r == 0)
		r = add_falco_output(c, cfg_choice("program", KINDS), "program", "program", false);
	return r;
}

static void fill_rotation(struct config_run *c, const struct cfg_node *n, struct draft *o)
{
	const struct cfg_node *rotate = cfg_find(n, "file.rotate");

	o->rotate_size = config_size(n, "file.rotate.size", 0);
	o->rotate_age_ns = config_duration(n, "file.rotate.age", 0);
	o->rotate_keep = (uint32_t)config_int(n, "file.rotate.keep", ROTATE_KEEP_DEFAULT);
	o->rotate_gzip = !strcmp(config_text(n, "file.rotate.compress", "none"), "gzip");
	if (rotate && !o->rotate_size && !o->rotate_age_ns)
		cfg_error(c->diag, &rotate->at, NULL,
			"'file.rotate' needs 'size' or 'age': nothing says when to rotate");
	if (o->rotate_size && o->rotate_size < ROTATE_SIZE_LEAST)
		cfg_error(c->diag, place_of(n, "file.rotate.size"), NULL,
			"a file is rotated at 4 KiB or more ('file.rotate.size')");
	if (o->rotate_age_ns && o->rotate_age_ns < ROTATE_AGE_LEAST_NS)
		cfg_error(c->diag, place_of(n, "file.rotate.age"), NULL,
			"a file is rotated after 1 s or more ('file.rotate.age')");
}

static void fill_spool(struct config_run *c, const struct cfg_node *n, struct draft *o)
{
	o->asks_for_spool = config_bool(n, "spool.enabled", false);
	o->has_spool = config_bool(n, "spool.enabled", true);
	o->spool_max = config_size(n, "spool.max_size", SPOOL_MAX_DEFAULT);
	o->when_full = config_text(n, "spool.when_full", "drop_lowest");
	o->dedup_ns = config_duration(n, "limit.dedup_window", 0);
	o->rate = config_int(n, "limit.rate", 0);
	if (o->spool_max < SPOOL_MAX_LEAST)
		cfg_error(c->diag, place_of(n, "spool.max_size"), NULL,
			"a spool takes at least 4 MiB ('spool.max_size')");
}

static void check_blocks(struct config_run *c, const struct cfg_node *n, const char *kind)
{
	for (const struct cfg_item *i = n->first; i; i = i->next)
		if (cfg_choice(i->key, KINDS) >= 0 && strcmp(i->key, kind) != 0)
			cfg_error(c->diag, &i->key_at, NULL,
				"the block '%s' does not belong to an output of kind '%s'", i->key,
				kind);
}

/* The block of its own kind. false after an error. */
static bool fill_net(struct config_run *c, const struct cfg_node *n, struct draft *o)
{
	int r;

	if (o->kind == cfg_choice("kafka", KINDS))
		r = config_kafka(c, cfg_find(n, "kafka"), o->at, &o->net);
	else if (o->kind == cfg_choice("http", KINDS))
		r = config_http(c, cfg_find(n, "http"), o->at, false, &o->net);
	else
		r = config_syslog(c, cfg_find(n, "syslog"), o->at, &o->net);
	o->path = o->net.path;
	o->path_node = o->net.path_node;
	if (r < 0)
		cfg_error(c->diag, o->at, NULL, "out of memory");
	return r == 0;
}

static bool fill_draft(struct config_run *c, const struct cfg_node *n, struct draft *o)
{
	fill_spool(c, n, o);
	o->format = config_text(n, "format", default_format(c));
	o->fsync = config_text(n, "file.fsync", "second");
	o->include_uuid = config_bool(n, "include_uuid", true);
	o->include_doubtful = config_bool(n, "include_doubtful", true);
	o->ident = config_text(n, "syslog.app_name", "saker");
	o->facility = 1;
	(void)cfg_to_facility(
		config_text(n, "syslog.facility", "user"), &o->facility); /* checked before */
	if (o->kind == cfg_choice("syslog", KINDS) || o->kind == cfg_choice("http", KINDS) ||
		o->kind == cfg_choice("kafka", KINDS))
		return fill_net(c, n, o);
	if (o->kind == cfg_choice("file", KINDS)) {
		o->path_node = cfg_find(n, "file.path");
		o->path = config_text(n, "file.path", "");
		if (!*o->path)
			cfg_error(c->diag, o->at, NULL, "'file.path' is missing");
		fill_rotation(c, n, o);
		return *o->path && make_own(o) == 0;
	}
	if (o->kind == cfg_choice("program", KINDS)) {
		o->path_node = cfg_find(n, "program.command");
		o->path = config_text(n, "program.command", "");
		o->keep_alive = config_bool(n, "program.keep_alive", false);
		if (!*o->path)
			cfg_error(c->diag, o->at, NULL, "'program.command' is missing");
		return *o->path && make_own(o) == 0;
	}
	return true;
}

static int add_listed_output(struct config_run *c, const struct cfg_node *n)
{
	struct draft o = {.name = config_text(n, "name", NULL), .kind = -1, .at = &n->at};
	const char *kind = config_text(n, "kind", NULL);
	size_t errors = c->diag->n_errors;
	int r = 0;

	if (!o.name)
		cfg_error(c->diag, &n->at, NULL, "an output without 'name'");
	if (!kind)
		cfg_error(c->diag, &n->at, NULL, "an output without 'kind'");
	if (kind)
		o.kind = cfg_choice(kind, KINDS);
	if (o.kind < 0)
		return 0; /* said by the check */
	check_blocks(c, n, kind);
	if (fill_draft(c, n, &o) && o.name && cfg_is_name(o.name) && c->diag->n_errors == errors)
		r = add_output(c, &o,
			&(struct config_filters){
				.min_priority = config_priority(n, "priority", 7),
				.rules_include = cfg_find(n, "rules.include"),
				.rules_exclude = cfg_find(n, "rules.exclude"),
				.tags_include = cfg_find(n, "tags.include"),
				.tags_exclude = cfg_find(n, "tags.exclude"),
			});
	json_decref(o.net.block);
	return r;
}

/* The recorder's: takes alerts for what they say of their events. The last one. */
static int add_capture(struct config_run *c)
{
	const char *prefix = config_text(c->root, "capture.path_prefix", "/tmp/falco");
	struct plan_config *p = &c->result->plan;
	struct plan_output *row = &p->outputs[p->n_outputs];

	if (c->q->record_file)
		p->record_mode = c->q->record_filter ? RECORD_MATCHES : RECORD_ALL;
	else if (config_bool(c->root, "capture.enabled", false))
		p->record_mode = RECORD_AROUND;
	else
		return 0;
	if (p->n_outputs == PLAN_OUTPUTS_MAX) {
		cfg_error(c->diag, &c->root->at, NULL, "more than %d outputs", PLAN_OUTPUTS_MAX);
		return 0;
	}
	p->record_all_rules = p->record_mode == RECORD_AROUND &&
			      !strcmp(config_text(c->root, "capture.mode", "rules"), "all_rules");
	p->record_default_ms = (uint32_t)config_int(c->root, "capture.default_duration", 5000);
	p->record_max_mb = p->record_mode == RECORD_AROUND
				   ? (uint32_t)config_int(c->root, "capture.max_file_size_mb", 0)
				   : 0;
	row->kind = PLAN_OUT_CAPTURE;
	memcpy(row->name, "capture", sizeof("capture"));
	config_copy(c, cfg_find(c->root, "capture.path_prefix"),
		c->q->record_file ? c->q->record_file : prefix, row->path, sizeof(row->path));
	c->filters[p->n_outputs] = (struct config_filters){.min_priority = 7};
	c->result->output[p->n_outputs++] = "{}";
	return 0;
}

int config_outputs(struct config_run *c)
{
	const struct cfg_node *list = cfg_find(c->root, "outputs");
	int r;

	if (c->q->record_file)
		return add_capture(c);
	r = add_falco_outputs(c);

	for (const struct cfg_item *i = list && list->kind == CFG_SEQ ? list->first : NULL;
		i && r == 0; i = i->next)
		if (i->node->kind == CFG_MAP)
			r = add_listed_output(c, i->node);
	if (r == 0)
		r = add_capture(c);
	if (r == 0 && c->result->plan.n_outputs == 0 && c->diag->n_errors == 0)
		cfg_warn(c->diag, &c->root->at, "no output is enabled: alerts go nowhere");
	return r;
}
