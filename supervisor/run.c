/* SPDX-License-Identifier: Apache-2.0 */
/* One run from start to end: configuration, rules, kernel, stages; then the loop; then the ordered
 * stop and the ledger. Any error on the way in ends with one line, status 1 and nothing left
 * behind. */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "sup.h"

#define RUN_STOP_NS (5 * NS_PER_S)
#define RUN_PUMP_MS 100 /* losses are looked for so often: doubt.c */
#define RUN_START_NS (60 * NS_PER_S)

static int check_permission(const struct sup *s)
{
	if (s->config->engine != ENGINE_BPF || s->mode != PLAN_MODE_USER)
		return 0;
	log_err("no permission to watch the system: CAP_BPF and CAP_PERFMON are missing, and "
		"CAP_SETUID for the stages; run saker as root "
		"(the synthetic source, -o engine.kind=synthetic, needs none)");
	return -EPERM;
}

static int check_uids(const struct sup *s)
{
	uint32_t uid = 0;
	int pid = 0, r;

	if (s->mode == PLAN_MODE_USER)
		return 0;
	r = sup_uids_check(s->config->uids_first, s->config->uids_count, &uid, &pid);
	if (r == -EADDRINUSE)
		log_err("uid %u of the block %u-%u is in use by process %d: choose another block "
			"with uids.first",
			uid, s->config->uids_first,
			s->config->uids_first + s->config->uids_count - 1, pid);
	else if (r < 0)
		log_err_errno(r, "look for processes that use the block of uids");
	return r;
}

static int make_plan(struct sup *s)
{
	const char *why = "";
	int r;

	r = plan_build(s->config, s->mode, sup_cpus(), &s->plan, &why);
	if (r < 0)
		return log_err_errno(r, "%s", why);
	sup_spool_keep_uids(s);
	return 0;
}

/* Before anything is started: a name that is wrong is said at once. */
static int check_capture(const struct sup *s)
{
	int fd;

	if (s->config->engine != ENGINE_REPLAY)
		return 0;
	fd = sup_capture_open(s);
	if (fd < 0)
		return log_err_errno(fd, "open the capture file '%s'", s->config->capture_file);
	(void)close(fd);
	return 0;
}

/* Everything before the first stage. */
static int prepare(struct sup *s)
{
	int r;

	r = check_permission(s);
	if (r == 0)
		r = check_capture(s);
	if (r == 0)
		r = sup_control_open(s);
	if (r == 0)
		r = check_uids(s);
	if (r == 0)
		r = sup_run_rules(s);
	if (r == 0)
		r = make_plan(s);
	if (r == 0)
		r = sup_make_segments(s);
	if (r == 0 && s->config->engine == ENGINE_BPF)
		r = sup_run_loader(s);
	return r;
}

/* Downstream first, so that whoever is started has somebody to write to; the collector last: with
 * it the kernel's interest is switched on. */
static const enum plan_type start_order[] = {PLAN_DIALER, PLAN_EMITTER, PLAN_RECORDER,
	PLAN_EVALUATOR, PLAN_TRACKER, PLAN_GATE, PLAN_METADATA, PLAN_COLLECTOR};

static bool all_ready(const struct sup *s, enum plan_type up_to)
{
	for (size_t i = 1; i < s->n_children; i++) {
		const struct sup_child *c = &s->children[i];

		if (c->proc->row->flags & (PLAN_SHORT | PLAN_FOREIGN) ||
			(up_to != _PLAN_TYPE_MAX && c->proc->type == up_to))
			continue;
		if (!c->was_ready)
			return false;
	}
	return true;
}

static int wait_ready(struct sup *s, enum plan_type but)
{
	uint64_t deadline = clock_mono_ns() + RUN_START_NS;

	while (!all_ready(s, but)) {
		if (s->has_failed)
			return -ECHILD; /* it was logged where it happened */
		if (s->stop_asked)
			return -EINTR;
		if (clock_mono_ns() > deadline)
			return log_err_errno(-ETIMEDOUT, "wait for the stages to start");
		sup_pump(s, 100);
	}
	return 0;
}

static int start_stages(struct sup *s)
{
	s->phase = SUP_STARTING;
	for (size_t t = 0; t < ARRAY_LEN(start_order); t++) {
		int r;

		if (start_order[t] == PLAN_COLLECTOR) {
			r = wait_ready(s, PLAN_COLLECTOR);
			if (r < 0)
				return r;
		}
		for (size_t i = 1; i < s->n_children; i++)
			if (s->children[i].proc->type == start_order[t])
				sup_child_start(s, &s->children[i]);
	}
	return wait_ready(s, _PLAN_TYPE_MAX);
}

static void begin_stop(struct sup *s)
{
	s->phase = SUP_STOPPING;
	sup_bpf_enable(s, false);
	for (size_t i = 1; i < s->n_children; i++) {
		struct sup_child *c = &s->children[i];

		if (sup_child_takes_stop(c) && c->ctl.fd >= 0)
			(void)sup_send(c, CTL_STOP, FD_NONE, 0, NULL, -1); /* it may be gone */
		sup_child_event(s, c, LC_EV_STOP);
	}
}

/* From now on there is a deadline. Emitters have to hear of it: what they have on the disk they need
 * not deliver in this run. */
static void set_deadline(struct sup *s)
{
	s->stop_deadline_ns = clock_mono_ns() + RUN_STOP_NS;
	for (size_t i = 1; i < s->n_children; i++)
		if (s->children[i].proc->type == PLAN_EMITTER && s->children[i].ctl.fd >= 0)
			(void)sup_send(&s->children[i], CTL_STOP, FD_NONE, 0, NULL,
				-1); /* it may be gone */
}

void sup_stop(struct sup *s, const char *why)
{
	if (s->phase == SUP_STOPPING)
		return;
	log_notice("%s: draining", why);
	begin_stop(s);
	set_deadline(s);
}

void sup_kill_all(struct sup *s)
{
	for (size_t i = 1; i < s->n_children; i++) {
		struct sup_child *c = &s->children[i];

		if (c->pid <= 0)
			continue;
		(void)kill(c->proc->row->flags & PLAN_FOREIGN ? -c->pid : c->pid, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
		c->pid = 0;
	}
}

/* The dialer has no ring that could tell it the end: it goes when no emitter is left. */
static void stop_dialer(struct sup *s)
{
	struct sup_child *d = sup_find_child(s, PLAN_DIALER, 0);

	if (!d || d->pid <= 0 || d->pid == s->dialer_told || d->ctl.fd < 0)
		return;
	for (size_t i = 1; i < s->n_children; i++)
		if (s->children[i].proc->type == PLAN_EMITTER &&
			(s->children[i].pid > 0 || s->children[i].state == LC_BACKOFF))
			return;
	s->dialer_told = d->pid;
	(void)sup_send(d, CTL_STOP, FD_NONE, 0, NULL, -1); /* it may be gone */
}

static bool all_stopped(const struct sup *s)
{
	for (size_t i = 1; i < s->n_children; i++)
		if (s->children[i].pid > 0 || s->children[i].state == LC_BACKOFF)
			return false;
	return true;
}

static bool has_given_up(const struct sup *s)
{
	for (size_t i = 1; i < s->n_children; i++)
		if (s->children[i].state == LC_FAILED)
			return true;
	return false;
}

/* What is still in the rings is lost, by name. */
static void end_by_force(struct sup *s)
{
	struct sup_ledger l;

	for (size_t i = 1; i < s->n_children; i++)
		if (s->children[i].pid > 0 || s->children[i].state == LC_BACKOFF)
			log_warning("%s had not drained in time", s->children[i].proc->name);
	sup_kill_all(s);
	sup_ledger_read(s, &l);
	s->undrained = l.in_flight;
}

static void take_sample(struct sup *s, uint64_t now_ns)
{
	struct sup_ledger l;

	if (now_ns - s->second_ns < NS_PER_S)
		return;
	s->second_ns = now_ns;
	sup_ledger_read(s, &l);
	s->samples[s->n_samples++ % SUP_SAMPLES] =
		(struct sup_sample){.seen = l.seen, .lost = l.lost};
}

/* The source ended by itself: its collector is done. */
static bool source_ended(struct sup *s)
{
	const struct sup_child *c = sup_find_child(s, PLAN_COLLECTOR, 0);

	return c && c->done;
}

static void detect(struct sup *s)
{
	while (s->phase != SUP_STOPPING || !all_stopped(s)) {
		uint64_t now;

		sup_pump(s, RUN_PUMP_MS);
		now = clock_mono_ns();
		take_sample(s, now);
		if (s->phase == SUP_STOPPING)
			stop_dialer(s);
		sup_bpf_canary_tick(s, now);
		sup_doubt_tick(s, now);
		if (s->phase != SUP_STOPPING && s->stop_asked)
			sup_stop(s, "stop asked for");
		else if (s->phase != SUP_STOPPING && s->run_deadline_ns &&
			 now >= s->run_deadline_ns)
			sup_stop(s, "time is over");
		else if (s->phase != SUP_STOPPING && source_ended(s))
			begin_stop(s); /* without a deadline: nothing new comes, and what is there
					  is judged */
		if (s->phase == SUP_STOPPING && s->stop_asked && !s->stop_deadline_ns)
			set_deadline(s);
		if (s->phase == SUP_STOPPING &&
			((s->stop_deadline_ns && now >= s->stop_deadline_ns) || has_given_up(s))) {
			end_by_force(s);
			return;
		}
	}
}

/* A file that could be read only in part: said by the collector, which knows where. */
static bool capture_failed(struct sup *s)
{
	return s->config->engine == ENGINE_REPLAY &&
	       stats_get(&sup_find_child(s, PLAN_COLLECTOR, 0)->stats->last_error);
}

static bool record_failed(struct sup *s)
{
	return stats_get(
		&sup_find_child(s, PLAN_RECORDER, s->config->n_outputs - 1)->stats->last_error);
}

int sup_run(struct sup *s)
{
	int r;

	r = sup_caps_reduce(s);
	if (r == 0)
		r = prepare(s);
	if (r == 0)
		r = start_stages(s);
	if (r < 0) {
		sup_bpf_enable(s, false);
		return r == -EINTR ? 0 : r;
	}
	s->phase = SUP_DETECTING;
	if (s->args->max_seconds > 0 && s->config->engine == ENGINE_BPF)
		s->run_deadline_ns =
			clock_mono_ns() + (uint64_t)(s->args->max_seconds * (double)NS_PER_S);
	sup_log_redirect(s);
	log_notice("detecting with %llu rules, %u evaluators, %u outputs, started in %llu ms",
		(unsigned long long)s->n_rules_enabled, s->config->n_evaluators,
		s->config->n_outputs,
		(unsigned long long)((clock_mono_ns() - s->started_ns) / NS_PER_MS));
	detect(s);
	sup_ledger_print(s);
	if (s->config->record_mode != RECORD_NONE && record_failed(s))
		return -EIO;
	/* our own source is none that somebody who knows the summary reads from */
	if (s->config->engine != ENGINE_SYNTHETIC && s->args->verb != VERB_RECORD)
		sup_summary_print(s, s->config->engine == ENGINE_REPLAY ? stdout : stderr);
	return capture_failed(s) ? -EBADMSG : 0;
}
