/* SPDX-License-Identifier: Apache-2.0 */
/* What `saker status` shows, as JSON. The client makes text of it. Every figure comes from pages
 * and positions that we only read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include <base/clock.h>
#include <base/macros.h>

#include "sup.h"

#define STATUS_LOSS_WINDOW 60 /* seconds for which a loss means degraded */
#define STATUS_RATE_WINDOW 5
#define STATUS_HANG_NS (5 * NS_PER_S)
#define STATUS_STUCK_NS (60 * NS_PER_S)

static json_t *j_int(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *j_time(uint64_t epoch_ns)
{
	time_t t = (time_t)(epoch_ns / NS_PER_S);
	char text[32];
	struct tm tm;

	if (epoch_ns == 0 || !gmtime_r(&t, &tm))
		return json_null();
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

const char *sup_child_seal_str(const struct sup *s, const struct sup_child *c)
{
	uint32_t required = plan_required_seal(c->proc->type, s->mode, s->has_landlock);

	if (c->proc->type == PLAN_SUPERVISOR)
		return plan_mode_str(s->mode);
	return c->pid > 0 && (c->seal_done & required) == required ? plan_mode_str(s->mode)
								   : "none";
}

/* Steps of the seal that this stage works without: the kernel or the start mode has no way. */
static json_t *seal_lacks(const struct sup_child *c)
{
	json_t *a = json_array();

	for (uint32_t step = 1; step <= SEAL_STEPS_ALL; step <<= 1)
		if (c->pid > 0 && c->seal_done && !(c->seal_done & step))
			json_array_append_new(a, json_string(seal_step_str(step)));
	return a;
}

static uint64_t own_pss(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	uint64_t kib = 0;

	if (!f)
		return 0;
	while (kib == 0 && fgets(line, sizeof(line), f))
		if (strncmp(line, "Pss:", 4) == 0)
			kib = strtoull(line + 4, NULL, 10);
	(void)fclose(f);
	return kib * 1024;
}

static json_t *stage_row(const struct sup *s, const struct sup_child *c)
{
	json_t *o = json_object();
	bool is_us = c->proc->type == PLAN_SUPERVISOR;
	uint64_t cpu_ns = is_us      ? clock_ns(CLOCK_PROCESS_CPUTIME_ID)
			  : c->stats ? stats_get(&c->stats->cpu_ns)
				     : 0;

	json_object_set_new(o, "name", json_string(c->proc->name));
	json_object_set_new(o, "pid", json_integer(is_us ? getpid() : c->pid));
	json_object_set_new(o, "uid",
		json_integer(
			is_us || !c->proc->uid ? (json_int_t)getuid() : (json_int_t)c->proc->uid));
	json_object_set_new(o, "state", json_string(is_us ? "running" : lc_state_str(c->state)));
	json_object_set_new(o, "restarts", json_integer(c->restarts));
	json_object_set_new(o, "seal", json_string(sup_child_seal_str(s, c)));
	json_object_set_new(o, "seal_lacks", seal_lacks(c));
	json_object_set_new(o, "seccomp", json_boolean(c->seal_done & SEAL_SECCOMP));
	json_object_set_new(o, "landlock", json_integer(c->landlock));
	json_object_set_new(o, "capabilities",
		json_string(is_us                      ? "supervisor"
			    : c->seal_done & SEAL_CAPS ? "none"
						       : "unknown"));
	json_object_set_new(o, "cpu_s", json_real((double)(cpu_ns / NS_PER_MS) / 1000.0));
	json_object_set_new(o, "pss_bytes",
		j_int(is_us        ? own_pss()
			: c->stats ? stats_get(&c->stats->pss_bytes)
				   : 0));
	return o;
}

static json_t *stage_rows(const struct sup *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->n_children; i++)
		if (!(s->children[i].proc->row->flags & PLAN_SHORT))
			json_array_append_new(a, stage_row(s, &s->children[i]));
	return a;
}

static json_t *ring_rows(const struct sup *s)
{
	json_t *a = json_array();

	for (size_t i = 0; s->rings && i < s->plan.n_rings; i++) {
		struct spsc_view v;
		json_t *o;

		if (spsc_view_read(s->rings[i].data_ro, s->rings[i].cursor_ro, &v) < 0)
			continue;
		o = json_object();
		json_object_set_new(o, "name", json_string(s->plan.rings[i].name));
		json_object_set_new(o, "size", j_int(v.size));
		json_object_set_new(o, "used", j_int(v.used));
		json_object_set_new(o, "high_water", j_int(v.high_water));
		json_array_append_new(a, o);
	}
	return a;
}

/* Samples are taken once a second by run.c. */
static const struct sup_sample *sample_before(const struct sup *s, uint64_t seconds)
{
	if (s->n_samples == 0)
		return NULL;
	return &s->samples[(s->n_samples - 1 - MIN(seconds, s->n_samples - 1)) % SUP_SAMPLES];
}

static json_t *events_row(const struct sup *s, const struct sup_ledger *l)
{
	static const char *const classes[] = {NULL, "high", "medium", "low"};
	const struct sup_sample *old = sample_before(s, STATUS_RATE_WINDOW);
	uint64_t span = MIN((uint64_t)STATUS_RATE_WINDOW, s->n_samples ? s->n_samples - 1 : 0);
	json_t *o = json_object(), *by = json_object();

	json_object_set_new(o, "per_second",
		json_real(old && span && l->seen > old->seen
				  ? (double)(l->seen - old->seen) / (double)span
				  : 0.0));
	for (size_t i = 1; i < s->n_children; i++)
		for (unsigned n = 1;
			s->children[i].proc->type == PLAN_COLLECTOR && n < ARRAY_LEN(classes); n++)
			json_object_set_new(by, classes[n],
				j_int(stats_get(&s->children[i].stats->by_class[n])));
	json_object_set_new(o, "by_class", by);
	return o;
}

static json_t *ledger_row(const struct sup_ledger *l)
{
	json_t *o = json_object(), *losses = json_object();

	for (unsigned i = 0; i < _LOSS_MAX; i++)
		if (l->loss[i])
			json_object_set_new(losses, loss_str(i), j_int(l->loss[i]));
	json_object_set_new(o, "seen", j_int(l->seen));
	json_object_set_new(o, "judged", j_int(l->judged));
	json_object_set_new(o, "in_flight", j_int(l->in_flight));
	json_object_set_new(o, "losses", losses);
	json_object_set_new(o, "balanced", json_boolean(l->is_balanced));
	return o;
}

/* Only a live event's time says how long ago it was. */
static double percentile_ms(const struct sup *s, const struct stats_page *st, unsigned percent)
{
	uint64_t total = 0, sum = 0;

	if (s->config->engine != ENGINE_BPF)
		return 0;

	for (unsigned i = 0; i < STATS_LATENCY_BUCKETS; i++)
		total += stats_get(&st->latency[i]);
	for (unsigned i = 0; total && i < STATS_LATENCY_BUCKETS; i++) {
		sum += stats_get(&st->latency[i]);
		if (sum * 100 >= total * percent)
			return (double)stats_latency_bucket_ns(i) / 1e6;
	}
	return 0;
}

static json_t *percentiles(const struct sup *s, const struct stats_page *st)
{
	json_t *o = json_object();

	json_object_set_new(o, "p50", json_real(percentile_ms(s, st, 50)));
	json_object_set_new(o, "p99", json_real(percentile_ms(s, st, 99)));
	return o;
}

static json_t *output_losses(const struct sup *s, const struct sup_child *c)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < _LOSS_MAX; i++) {
		uint64_t n = sup_output_lost(s, c, i);

		if (n)
			json_object_set_new(o, loss_str(i), j_int(n));
	}
	return o;
}

static json_t *output_row(const struct sup *s, const struct sup_child *c)
{
	static const char *const kinds[] = {
		"?", "stdout", "file", "syslog", "http", "kafka", "program"};
	const struct plan_output *p = &s->config->outputs[c->proc->index];
	uint64_t error = stats_get(&c->stats->last_error);
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(p->name));
	json_object_set_new(
		o, "kind", json_string(kinds[MIN(p->kind, (uint32_t)ARRAY_LEN(kinds) - 1)]));
	json_object_set_new(o, "accepted", j_int(stats_get(&c->stats->alerts)));
	json_object_set_new(o, "delivered", j_int(stats_get(&c->stats->delivered)));
	json_object_set_new(o, "in_spool", j_int(stats_get(&c->stats->in_spool)));
	json_object_set_new(o, "spool_bytes", j_int(stats_get(&c->stats->spool_bytes)));
	json_object_set_new(o, "losses", output_losses(s, c));
	json_object_set_new(o, "last_error",
		error && error < 4096 ? json_string(strerror((int)error)) : json_null());
	json_object_set_new(o, "last_error_at",
		error ? j_time(stats_get(&c->stats->last_error_ns)) : json_null());
	json_object_set_new(o, "latency_ms", percentiles(s, c->stats));
	json_object_set_new(o, "test_delivered", j_int(stats_get(&c->stats->test_delivered)));
	json_object_set_new(o, "test_latency_ms",
		json_real((double)stats_get(&c->stats->test_latency_ns) / 1e6));
	return o;
}

static json_t *output_rows(const struct sup *s)
{
	json_t *a = json_array();

	for (size_t i = 1; i < s->n_children; i++)
		if (s->children[i].proc->type == PLAN_EMITTER)
			json_array_append_new(a, output_row(s, &s->children[i]));
	return a;
}

/* Not an output: alerts do not wait for it. */
static json_t *recording_row(const struct sup *s)
{
	for (size_t i = 1; i < s->n_children; i++) {
		const struct sup_child *c = &s->children[i];
		json_t *o, *losses;
		static const enum loss_id rows[] = {LOSS_OUT_RECORD_FULL, LOSS_OUT_RECORD_STATE};

		if (c->proc->type != PLAN_RECORDER || !c->stats)
			continue;
		o = json_object();
		losses = json_object();
		for (unsigned k = 0; k < ARRAY_LEN(rows); k++)
			if (stats_get(&c->stats->loss[rows[k]]))
				json_object_set_new(losses, loss_str(rows[k]),
					j_int(stats_get(&c->stats->loss[rows[k]])));
		json_object_set_new(o, "taken", j_int(stats_get(&c->stats->events)));
		json_object_set_new(o, "written", j_int(stats_get(&c->stats->records_out)));
		json_object_set_new(o, "losses", losses);
		return o;
	}
	return json_null();
}

/* An output is stuck when its last failure is recent and alerts wait in its rings. */
static bool has_stuck_output(const struct sup *s)
{
	for (size_t i = 0; i < s->plan.n_rings; i++) {
		const struct sup_child *c = &s->children[s->plan.rings[i].to];
		struct spsc_view v;
		uint64_t at;

		if (c->proc->type != PLAN_EMITTER || !stats_get(&c->stats->last_error))
			continue;
		at = stats_get(&c->stats->last_error_ns);
		if (clock_epoch_ns() - at < STATUS_STUCK_NS &&
			spsc_view_read(s->rings[i].data_ro, s->rings[i].cursor_ro, &v) == 0 &&
			v.used > 0)
			return true;
	}
	return false;
}

/* A stage that neither works nor waits as it should; the watchdog will end it. */
static bool is_hanging(const struct sup_child *c)
{
	uint64_t now = clock_mono_ns(), beat = stats_get(&c->stats->heartbeat_ns);

	return now > beat && now - beat > STATUS_HANG_NS;
}

static bool is_degraded(const struct sup *s, const struct sup_ledger *l)
{
	const struct sup_sample *old = sample_before(s, STATUS_LOSS_WINDOW);

	for (size_t i = 1; i < s->n_children; i++) {
		const struct sup_child *c = &s->children[i];

		if (c->proc->row->flags & (PLAN_SHORT | PLAN_FOREIGN))
			continue; /* what a program's end means, its output says */
		if (c->state != LC_RUNNING || is_hanging(c))
			return true;
	}
	return (old ? l->lost > old->lost : l->lost > 0) || has_stuck_output(s);
}

static const char *state_str(const struct sup *s, const struct sup_ledger *l)
{
	switch (s->phase) {
	case SUP_PREPARING:
	case SUP_STARTING:
		return "starting";
	case SUP_STOPPING:
		return "stopping";
	default:
		return is_degraded(s, l) ? "degraded" : "detecting";
	}
}

/* New containers whose records were held back until something was told of them, or nothing could be; and how long that took, from the first wish to know of one. */
static json_t *containers_row(struct sup *s)
{
	const struct sup_child *c = sup_find_child(s, PLAN_TRACKER, 0),
			       *m = sup_find_child(s, PLAN_METADATA, 0);
	json_t *o = json_object();

	json_object_set_new(o, "held", j_int(stats_get(&c->stats->held_containers)));
	json_object_set_new(o, "held_events", j_int(stats_get(&c->stats->held_events)));
	json_object_set_new(o, "wait_ms", percentiles(s, c->stats));
	if (m)
		json_object_set_new(o, "lookup_ms", percentiles(s, m->stats));
	/* helpers for their users' names: too slow, of those not ended yet; and how often there was none */
	json_object_set_new(o, "users_killed", j_int(s->openers.n_killed));
	json_object_set_new(o, "users_stuck", j_int(sup_openers_stuck(s)));
	json_object_set_new(o, "users_refused", j_int(s->openers.n_refused));
	return o;
}

char *sup_status_json(struct sup *s, int *ret_exit)
{
	json_t *o = json_object(), *policy = json_object();
	struct sup_ledger l = {0};
	const char *state;
	char checksum[24], *text;

	if (s->children)
		sup_ledger_read(s, &l);
	state = state_str(s, &l);
	(void)snprintf(checksum, sizeof(checksum), "%016llx", (unsigned long long)s->checksum);
	json_object_set_new(o, "version", json_string(SAKER_VERSION));
	json_object_set_new(o, "state", json_string(state));
	json_object_set_new(o, "uptime_s",
		json_real((double)((clock_mono_ns() - s->started_ns) / NS_PER_MS) / 1000.0));
	json_object_set_new(policy, "rules", j_int(s->n_rules_enabled));
	json_object_set_new(policy, "loaded_at", j_time(s->loaded_epoch_ns));
	json_object_set_new(policy, "checksum", json_string(checksum));
	json_object_set_new(o, "policy", policy);
	json_object_set_new(o, "engine",
		json_string(s->config->engine == ENGINE_BPF         ? "modern_ebpf"
			    : s->config->engine == ENGINE_SYNTHETIC ? "synthetic"
								    : "replay"));
	json_object_set_new(o, "stages", stage_rows(s));
	json_object_set_new(o, "rings", ring_rows(s));
	json_object_set_new(o, "events", events_row(s, &l));
	if (sup_find_child(s, PLAN_GATE, 0))
		json_object_set_new(o, "containers", containers_row(s));
	json_object_set_new(o, "ledger", ledger_row(&l));
	json_object_set_new(o, "outputs", output_rows(s));
	json_object_set_new(o, "recording", recording_row(s));
	text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(10));
	json_decref(o);
	*ret_exit = strcmp(state, "detecting") == 0 ? 0 : 3;
	return text;
}
