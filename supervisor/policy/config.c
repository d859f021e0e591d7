/* SPDX-License-Identifier: Apache-2.0 */
/* The config run as a whole: load, check, then put together what the others need. All errors are
 * collected; a result exists only without any. */

#include <errno.h>
#include <string.h>

#include <base/log.h>
#include <base/macros.h>

#include "config.h"
#include "config_priv.h"
#include "config_schema.h"
#include "config_value.h"

static const char *text_at(const struct cfg_node *root, const char *path)
{
	const struct cfg_node *n = cfg_find(root, path);

	return n && n->kind == CFG_SCALAR ? n->text : NULL;
}

bool config_bool(const struct cfg_node *root, const char *path, bool otherwise)
{
	const char *s = text_at(root, path);
	bool v;

	return s && cfg_to_bool(s, &v) ? v : otherwise;
}

int64_t config_int(const struct cfg_node *root, const char *path, int64_t otherwise)
{
	const char *s = text_at(root, path);
	int64_t v;

	return s && cfg_to_int(s, &v) ? v : otherwise;
}

uint64_t config_size(const struct cfg_node *root, const char *path, uint64_t otherwise)
{
	const char *s = text_at(root, path);
	uint64_t v;

	return s && cfg_to_size(s, &v) ? v : otherwise;
}

uint64_t config_duration(const struct cfg_node *root, const char *path, uint64_t otherwise)
{
	const char *s = text_at(root, path);
	uint64_t v;

	return s && cfg_to_duration(s, &v) ? v : otherwise;
}

const char *config_text(const struct cfg_node *root, const char *path, const char *otherwise)
{
	const char *s = text_at(root, path);

	return s ? s : otherwise;
}

uint8_t config_priority(const struct cfg_node *root, const char *path, uint8_t otherwise)
{
	const char *s = text_at(root, path);
	uint8_t v;

	return s && cfg_to_priority(s, &v) ? v : otherwise;
}

void config_copy(
	struct config_run *c, const struct cfg_node *at, const char *text, char *to, size_t cap)
{
	if (strlen(text) >= cap)
		cfg_error(c->diag, at ? &at->at : &c->root->at, NULL,
			"longer than %zu bytes: '%.60s…'", cap - 1, text);
	else
		memcpy(to, text, strlen(text) + 1);
}

static void set_path(
	struct config_run *c, const char *path, const char *otherwise, char *to, size_t cap)
{
	config_copy(c, cfg_find(c->root, path), config_text(c->root, path, otherwise), to, cap);
}

static uint32_t engine(struct config_run *c)
{
	const struct cfg_node *n = cfg_find(c->root, "engine.kind");
	const char *kind = config_text(c->root, "engine.kind", "modern_ebpf");

	if (!strcmp(kind, "synthetic"))
		return ENGINE_SYNTHETIC;
	if (!strcmp(kind, "replay")) {
		if (!*config_text(c->root, "engine.replay.capture_file", ""))
			cfg_error(c->diag, &n->at, NULL,
				"engine.kind 'replay' needs engine.replay.capture_file");
		return ENGINE_REPLAY;
	}
	if (!strcmp(kind, "kmod"))
		cfg_warn(c->diag, &n->at,
			"engine.kind 'kmod' means modern_ebpf here: there is no kernel module");
	if (!strcmp(kind, "nodriver"))
		cfg_error(
			c->diag, &n->at, NULL, "engine.kind '%s' is not in this version yet", kind);
	return ENGINE_BPF;
}

static uint32_t evaluators(const struct config_run *c)
{
	unsigned by_cores = c->q->n_cpus / 2;

	/* the collector, the tracker and the host's own work need the other half */
	return (uint32_t)config_int(c->root, "evaluators", MAX(1u, MIN(by_cores, 8u)));
}

static uint32_t log_level(const struct config_run *c)
{
	int level = LOG_LVL_INFO;

	(void)cfg_to_level(config_text(c->root, "log_level", "info"), &level); /* checked before */
	return c->q->verbose ? LOG_LVL_DEBUG : (uint32_t)level;
}

static void fill_plan(struct config_run *c)
{
	const struct cfg_node *root = c->root;
	struct plan_config *p = &c->result->plan;
	int64_t falco_threads = config_int(root, "falco_libs.thread_table_size", 0),
		snaplen = config_int(root, "falco_libs.snaplen", 80);

	p->engine = engine(c);
	p->n_evaluators = evaluators(c);
	p->snaplen = snaplen ? (uint32_t)snaplen : 80;
	p->rule_matching_all = !strcmp(config_text(root, "rule_matching", "first"), "all");
	p->threads_max = (uint32_t)config_int(
		root, "memory.threads", falco_threads ? MAX(falco_threads, 1024) : 65536);
	p->descriptors_max = (uint32_t)config_int(root, "memory.descriptors", 524288);
	p->rings_bytes = config_size(root, "memory.rings", 32ull << 20);
	p->metadata_wait_ns = config_duration(root, "metadata.wait", 100000000);
	p->synthetic_seed = (uint64_t)config_int(root, "engine.synthetic.seed", 1);
	p->synthetic_events = (uint64_t)config_int(root, "engine.synthetic.events", 100000);
	p->synthetic_procs = (uint32_t)config_int(root, "engine.synthetic.processes", 64);
	p->synthetic_rate = (uint32_t)config_int(root, "engine.synthetic.rate", 0);
	/* `saker record` may run beside a saker that detects */
	p->uids_first = (uint32_t)config_int(root, "uids.first", c->q->record_file ? 61100 : 61000);
	p->uids_count = (uint32_t)config_int(root, "uids.count", 100);
	p->log_json = !strcmp(config_text(root, "log_format", "text"), "json");
	p->log_level = log_level(c);
	p->log_stderr = config_bool(root, "log_stderr", true);
	p->log_syslog = config_bool(root, "log_syslog", false);
	set_path(c, "control.socket",
		c->q->record_file ? "/run/saker/record.sock" : "/run/saker/control.sock",
		p->control_socket, sizeof(p->control_socket));
	set_path(c, "spool.directory", "/var/lib/saker/spool", p->spool_directory,
		sizeof(p->spool_directory));
	set_path(c, "engine.replay.capture_file", "", p->capture_file, sizeof(p->capture_file));
	set_path(c, "metadata.file", "", p->metadata_file, sizeof(p->metadata_file));
}

/* For a verb: a plan of defaults with the control socket's path. What was given by -o is checked, for
 * it was typed just now; indices are not, for they may mean a list of the files. */
static int run_verb(struct config_run *c)
{
	struct cfg_node *root = c->root,
			*given = cfg_node_new(c->arena, CFG_MAP, (struct cfg_place){0});
	const struct cfg_node *socket = cfg_find(root, "control.socket");
	int r = 0;

	if (!given)
		return -ENOMEM;
	for (size_t i = 0; i < c->q->n_options && r == 0; i++)
		if (!strchr(c->q->options[i], '['))
			r = cfg_override(c->arena, c->diag, given, c->q->options[i]);
	cfg_check(c->arena, c->diag, given);
	if (socket && socket->kind != CFG_SCALAR)
		cfg_error(c->diag, &socket->at, NULL, "control.socket: a path is wanted");
	c->root = given;
	fill_plan(c);
	c->root = root;
	set_path(c, "control.socket", "/run/saker/control.sock", c->result->plan.control_socket,
		sizeof(c->result->plan.control_socket));
	c->result->rules_options = "{}";
	return r;
}

static int run_all(struct config_run *c)
{
	int r;

	cfg_check(c->arena, c->diag, c->root);
	fill_plan(c);
	config_runtimes(c);
	r = config_rules(c);
	if (r != -ENOMEM) /* what else is wrong with rules was said, and says nothing of outputs */
		r = config_outputs(c);
	return r == 0 ? config_options(c) : r;
}

int config_run(const struct config_request *q, const struct config_source *src, struct arena *a,
	struct diag *d, struct config_result *ret_result)
{
	struct config_run *c = arena_alloc(a, sizeof(*c));
	struct config_result *result = arena_alloc(a, sizeof(*result));
	int r;

	if (!c || !result)
		return -ENOMEM;
	*c = (struct config_run){.q = q, .src = src, .arena = a, .diag = d, .result = result};
	r = config_load(c);
	if (r < 0)
		return r;
	r = q->is_verb ? run_verb(c) : run_all(c);
	if (r < 0 || d->n_errors)
		return r < 0 ? r : -EINVAL;
	*ret_result = *result;
	return 0;
}
