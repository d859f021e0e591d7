/* SPDX-License-Identifier: Apache-2.0 */
/* Segments, rings and eventfds, made once; and handing each stage its part of them, at its start
 * and at every restart, by the table in plan.c. */
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/hash.h>
#include <base/log.h>
#include <base/macros.h>
#include <shm/segment.h>

#include "sup.h"

#define SNAPLEN_MAX 4096U /* what the kernel programs can take; Falco allows more */

/* Another description of the same file, read-only, that the taker cannot turn into a writable one:
 * its mode is 0600 and the owner is us. */
int sup_reopen_ro(int fd)
{
	char path[40];
	int ro;

	if (geteuid() == 0 && fchown(fd, 0, 0) < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	return ro < 0 ? -errno : ro;
}

/* Of its size and first bytes: those of two captures differ at the latest in their first event. */
static uint64_t hash_capture(const struct sup *s)
{
	_cleanup_close_ int fd = s->config->engine == ENGINE_REPLAY ? sup_capture_open(s) : -1;
	char head[4096];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	n = pread(fd, head, sizeof(head), 0);
	return n < 0 ? 0 : hash_bytes(head, (size_t)n, (uint64_t)st.st_size);
}

/* Live: random, kept over stage restarts. From an input that repeats: a hash of it, so that its
 * alerts have the same ids each time. */
static int make_run_id(struct sup *s)
{
	if (s->config->engine == ENGINE_BPF)
		return getrandom(s->run_id, sizeof(s->run_id), 0) == (ssize_t)sizeof(s->run_id)
			       ? 0
			       : -EIO;
	const uint64_t input[5] = {s->config->engine, s->config->synthetic_seed,
		s->config->synthetic_events, s->config->synthetic_procs, hash_capture(s)};
	const uint64_t id[2] = {
		hash_bytes(input, sizeof(input), 0), hash_bytes(input, sizeof(input), 1)};

	memcpy(s->run_id, id, sizeof(s->run_id));
	return 0;
}

/* Around alerts as Falco does; else by the name. */
static bool wants_gzip(const struct plan_config *c)
{
	const char *path, *dot;

	if (c->record_mode == RECORD_NONE)
		return false;
	path = c->outputs[c->n_outputs - 1].path;
	dot = strrchr(path, '.');
	return c->record_mode == RECORD_AROUND || (dot && strcmp(dot, ".gz") == 0);
}

static void fill_settings(struct sup *s)
{
	const struct plan_config *c = s->config;
	const char *host = getenv("FALCO_HOSTNAME");

	s->settings = (struct settings){
		.engine = c->engine,
		.n_evaluators = c->n_evaluators,
		.n_outputs = c->n_outputs,
		.n_cpus = s->plan.n_cpus,
		.bpf_ring_bytes = s->plan.bpf_ring_bytes,
		.threads_max = c->threads_max,
		.descriptors_max = c->descriptors_max,
		.snaplen = MIN(c->snaplen, SNAPLEN_MAX),
		.rule_matching_all = c->rule_matching_all,
		.synthetic_seed = c->synthetic_seed,
		.synthetic_events = c->synthetic_events,
		.synthetic_procs = c->synthetic_procs,
		.synthetic_rate = c->synthetic_rate,
		.metadata_wait_ns = c->metadata_wait_ns,
		.verbose = s->args->verbose || c->log_level == LOG_LVL_DEBUG,
		.record_mode = c->record_mode,
		.record_all_rules = c->record_all_rules,
		.record_default_ms = c->record_default_ms,
		.record_gzip = wants_gzip(c),
		.record_max_bytes = (uint64_t)c->record_max_mb << 20,
		.n_runtimes = c->n_runtimes,
		.label_max = c->label_max,
		.hooks = c->hooks,
		.engines_off = c->engines_off,
		.memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE),
	};
	s->settings.max_event_ns = (uint64_t)(s->args->max_seconds * (double)NS_PER_S);
	for (unsigned i = 0; i < c->n_runtimes; i++) {
		s->settings.runtimes[i].kind = c->runtimes[i].kind;
		memcpy(s->settings.runtimes[i].path, c->runtimes[i].path,
			sizeof(c->runtimes[i].path));
	}
	memcpy(s->settings.run_id, s->run_id, sizeof(s->run_id));
	if (host && host[0])
		(void)snprintf(s->settings.host, sizeof(s->settings.host), "%s", host);
	else if (gethostname(s->settings.host, sizeof(s->settings.host) - 1) < 0)
		(void)snprintf(s->settings.host, sizeof(s->settings.host), "localhost");
}

static int make_child_pages(struct sup *s, struct sup_child *c)
{
	char name[SEG_NAME_LEN];
	size_t size = c->proc->type == PLAN_TRACKER ? sizeof(struct progress_tracker)
						    : sizeof(struct progress_evaluator);
	size_t n_counters = c->proc->type == PLAN_EVALUATOR ? s->n_rules : 0;
	void *p;
	size_t n;
	int r;

	if (c->proc->type == PLAN_SUPERVISOR || c->proc->row->flags & (PLAN_SHORT | PLAN_FOREIGN))
		return 0;
	(void)snprintf(name, sizeof(name), "stats.%.40s", c->proc->name);
	r = seg_create(name, SEG_STATS, sizeof(struct stats_page) + n_counters * sizeof(uint64_t),
		s->run_id, &c->stats_rw, &c->stats_ro);
	if (r == 0)
		r = seg_map(c->stats_ro, SEG_STATS, PROT_READ, &p, &n);
	if (r < 0)
		return r;
	c->stats = p;
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake < 0)
		return -errno;
	if (c->proc->type != PLAN_TRACKER && c->proc->type != PLAN_EVALUATOR)
		return 0;
	(void)snprintf(name, sizeof(name), "progress.%.36s", c->proc->name);
	r = seg_create(name, SEG_PROGRESS, size, s->run_id, &c->progress_rw, &c->progress_ro);
	if (r == 0)
		r = seg_map(c->progress_ro, SEG_PROGRESS, PROT_READ, &p, &n);
	if (r == 0)
		c->progress = p;
	return r;
}

static int make_rings(struct sup *s)
{
	s->rings = calloc(s->plan.n_rings + 1, sizeof(*s->rings));
	s->faults = calloc(s->plan.n_rings + 1, sizeof(*s->faults));
	if (!s->rings || !s->faults)
		return log_err_errno(-ENOMEM, "make the rings");
	for (size_t i = 0; i < s->plan.n_rings; i++)
		s->rings[i] = (struct spsc_fds){-1, -1, -1, -1};
	for (size_t i = 0; i < s->plan.n_rings; i++) {
		const struct plan_ring *r = &s->plan.rings[i];
		int k = spsc_create(
			r->name, r->size, r->row->flags & PLAN_SLOTS, s->run_id, &s->rings[i]);

		if (k < 0)
			return log_err_errno(
				k, "make the ring '%s' of %zu bytes", r->name, r->size);
	}
	return 0;
}

static int make_lines(struct sup *s)
{
	bool has_any = false;

	for (unsigned i = 0; i < s->config->n_outputs; i++) {
		int pair[2];

		if (!(s->config->outputs[i].flags & PLAN_OUT_F_NETWORK))
			continue;
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
			return log_err_errno(-errno, "make a line to the dialer");
		s->dial[i] = (struct sup_dial){.emitter = pair[0], .dialer = pair[1]};
		has_any = true;
	}
	return has_any && s->dial_rules < 0
		       ? log_err_errno(-EPROTO, "the configuration's run handed no rules for the "
						"dialer over")
		       : 0;
}

int sup_make_segments(struct sup *s)
{
	int r;

	r = make_run_id(s);
	if (r < 0)
		return log_err_errno(r, "make a run id");
	fill_settings(s);
	r = seg_create_sealed("settings", SEG_SETTINGS, &s->settings, sizeof(s->settings),
		s->run_id, &s->settings_fd);
	if (r < 0)
		return log_err_errno(r, "make the settings' segment");
	s->children = calloc(s->plan.n_procs, sizeof(*s->children));
	if (!s->children)
		return log_err_errno(-ENOMEM, "start");
	s->n_children = s->plan.n_procs;
	for (size_t i = 0; i < s->n_children; i++)
		sup_child_init(&s->children[i], &s->plan.procs[i]);
	for (size_t i = 0; i < s->n_children; i++) {
		r = make_child_pages(s, &s->children[i]);
		if (r < 0)
			return log_err_errno(r, "make the pages of %s", s->children[i].proc->name);
	}
	r = make_rings(s);
	return r < 0 ? r : make_lines(s);
}

/* --- handing over: one function a role that is not a plain descriptor --- */

static int give_progress_all(struct sup *s, struct sup_child *c)
{
	int r = 0;

	for (unsigned i = 0; i < s->config->n_evaluators && r == 0; i++)
		r = sup_send(c, CTL_FD, FD_PROGRESS_EVALUATOR, i, "progress",
			sup_find_child(s, PLAN_EVALUATOR, i)->progress_ro);
	return r;
}

static int give_bpf_rings(struct sup *s, struct sup_child *c)
{
	int r = 0;

	for (unsigned i = 0; i < s->plan.n_cpus && r == 0; i++)
		r = sup_send(c, CTL_FD, FD_BPF_RING, i, "bpf ring", s->bpf.ring[i]);
	return r;
}

static int give_iterators(struct sup *s, struct sup_child *c)
{
	static const char *const names[] = {"task", "task_file"};

	for (unsigned i = 0; i < 2; i++) {
		_cleanup_close_ int fd = -1;
		int r;

		if (s->bpf.iter_links[i] < 0)
			continue;
		fd = sup_bpf_iter(s->bpf.iter_links[i]); /* one-shot: a fresh one at every start */
		if (fd < 0) {
			log_err_errno(fd, "make the iterator '%s'", names[i]);
			return -ECANCELED; /* logged */
		}
		r = sup_send(c, CTL_FD, FD_ITER, i, names[i], fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int give_files(struct sup *s, struct sup_child *c)
{
	for (unsigned i = 0; i < SUP_HOST_FILES; i++) {
		const char *name = sup_host_file_name(s, c->proc->type, i);
		_cleanup_close_ int fd = -1;
		int r;

		if (!name)
			continue;
		fd = sup_host_file_open(s, c->proc->type, i);
		if (fd < 0 && name == s->config->metadata_file) {
			log_err_errno(fd, "open the file of containers' facts '%s'", name);
			return -ECANCELED; /* logged */
		}
		if (fd < 0) {
			log_warning_errno(
				fd, "open the host's '%s' file, going on without its names", name);
			continue;
		}
		r = sup_send(c, CTL_FD, FD_FILE, i, name, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int give_netlink(struct sup *s, struct sup_child *c)
{
	_cleanup_close_ int fd = sup_netlink_open();

	(void)s;
	if (fd < 0) {
		log_warning_errno(fd, "open a route socket, going on without interface addresses");
		return 0;
	}
	return sup_send(c, CTL_FD, FD_NETLINK, 0, "route", fd);
}

static int give_capture(struct sup *s, struct sup_child *c)
{
	_cleanup_close_ int fd = sup_capture_open(s);

	if (fd < 0) {
		log_err_errno(fd, "open the capture file '%s'", s->config->capture_file);
		return -ECANCELED; /* logged */
	}
	return sup_send(c, CTL_FD, FD_CAPTURE, 0, s->config->capture_file, fd);
}

/* Around alerts there is none yet. */
static int give_record(struct sup *s, struct sup_child *c)
{
	_cleanup_close_ int fd = -1;

	if (s->config->record_mode == RECORD_AROUND)
		return 0;
	fd = sup_record_open(s, 0, 0);
	return fd < 0 ? -ECANCELED : sup_send(c, CTL_FD, FD_SINK, 0, "capture", fd);
}

static int give_sink(struct sup *s, struct sup_child *c)
{
	const struct plan_output *o = &s->config->outputs[c->proc->index];
	_cleanup_close_ int fd = -1;

	/* a disk that hangs must not hold us: a successor asks for it (files.c) */
	if (o->kind == PLAN_OUT_FILE && s->phase > SUP_STARTING)
		return 0;
	fd = sup_sink_open(s, c->proc->index);
	if (fd >= 0)
		return sup_send(c, CTL_FD, FD_SINK, 0, o->path, fd);
	if (o->kind != PLAN_OUT_SYSLOG && o->kind != PLAN_OUT_HTTP) {
		log_err_errno(fd, "open '%s' of output '%s'", o->path, o->name);
		return -ECANCELED; /* logged */
	}
	log_warning_errno(fd, "output '%s': '%s' does not answer yet", o->name, o->path);
	return 0; /* the emitter asks again */
}

/* The dialer's end of every line, or the emitter's end of its own. */
static int give_dial(struct sup *s, struct sup_child *c)
{
	int r = 0;

	if (c->proc->type == PLAN_EMITTER)
		return sup_send(c, CTL_FD, FD_DIAL, 0, "dialer", s->dial[c->proc->index].emitter);
	for (unsigned i = 0; i < s->config->n_outputs && r == 0; i++)
		if (s->dial[i].dialer >= 0)
			r = sup_send(c, CTL_FD, FD_DIAL, i, s->config->outputs[i].name,
				s->dial[i].dialer);
	return r;
}

static int give_spool(struct sup *s, struct sup_child *c)
{
	const struct plan_output *o = &s->config->outputs[c->proc->index];
	_cleanup_close_ int fd = -1;

	if (!(o->flags & PLAN_OUT_F_SPOOL))
		return 0;
	fd = sup_spool_open(s, c);
	if (fd >= 0)
		return sup_send(c, CTL_FD, FD_SPOOL, 0, "spool", fd);
	if (o->flags & PLAN_OUT_F_SPOOL_ASKED) {
		log_err_errno(
			fd, "open the spool folder '%s/%s'", s->config->spool_directory, o->name);
		return -ECANCELED; /* logged */
	}
	log_warning_errno(fd,
		"open the spool folder '%s/%s': alerts of output '%s' are kept in memory only "
		"(spool.directory names another place)",
		s->config->spool_directory, o->name, o->name);
	return 0;
}

static int give_one(struct sup *s, struct sup_child *c, enum ctl_role role)
{
	switch (role) {
	case FD_SETTINGS:
		return sup_send(c, CTL_FD, role, 0, "settings", s->settings_fd);
	case FD_STATS:
		return sup_send(c, CTL_FD, role, 0, "stats", c->stats_rw);
	case FD_IMAGE:
		return sup_send(c, CTL_FD, role, 0, "image", s->image);
	case FD_PROGRESS_OWN:
		return sup_send(c, CTL_FD, role, 0, "progress", c->progress_rw);
	case FD_PROGRESS_TRACKER:
		return sup_send(c, CTL_FD, role, 0, "progress",
			sup_find_child(s, PLAN_TRACKER, 0)->progress_ro);
	case FD_SNAPSHOT:
		return c->snap_ro < 0 ? 0 : sup_send(c, CTL_FD, role, 0, "snapshot", c->snap_ro);
	case FD_PROGRESS_EVALUATOR:
		return give_progress_all(s, c);
	case FD_BPF_RING:
		return give_bpf_rings(s, c);
	case FD_BPF_WAKE:
		return sup_send(c, CTL_FD, role, 0, "bpf wake", s->bpf.wake);
	case FD_ITER:
		return give_iterators(s, c);
	case FD_ARGS:
		return s->bpf.args < 0 ? 0 : sup_send(c, CTL_FD, role, 0, "arguments", s->bpf.args);
	case FD_FILE:
		return give_files(s, c);
	case FD_RUNTIME:
	case FD_USERS:
		return 0; /* as it asks for them */
	case FD_CAPTURE:
		return give_capture(s, c);
	case FD_NETLINK:
		return give_netlink(s, c);
	case FD_SINK:
		return c->proc->type == PLAN_RECORDER ? give_record(s, c) : give_sink(s, c);
	case FD_DIAL:
		return give_dial(s, c);
	case FD_DIAL_RULES:
		return sup_send(c, CTL_FD, role, 0, "dial rules", s->dial_rules);
	case FD_SPOOL:
		return give_spool(s, c);
	case FD_OUTPUT:
		return sup_send(c, CTL_FD, role, 0, s->config->outputs[c->proc->index].name,
			s->outputs[c->proc->index]);
	default:
		return -EINVAL;
	}
}

static int give_ring(struct sup *s, struct sup_child *c, size_t n)
{
	const struct plan_ring *p = &s->plan.rings[n];
	const struct spsc_fds *f = &s->rings[n];
	const size_t self = (size_t)(c - s->children);
	int r = 0;

	if (p->to == self) {
		r = sup_send(c, CTL_FD, FD_RING_IN_DATA, p->in_index, p->name, f->data_ro);
		if (r == 0)
			r = sup_send(
				c, CTL_FD, FD_RING_IN_CURSOR, p->in_index, p->name, f->cursor_rw);
	} else if (p->from == self) {
		r = sup_send(c, CTL_FD, FD_RING_OUT_DATA, p->out_index, p->name, f->data_rw);
		if (r == 0)
			r = sup_send(
				c, CTL_FD, FD_RING_OUT_CURSOR, p->out_index, p->name, f->cursor_ro);
		if (r == 0)
			r = sup_send(c, CTL_FD, FD_WAKE_PEER, p->out_index, p->name,
				s->children[p->to].wake);
	}
	return r;
}

int sup_give(struct sup *s, struct sup_child *c)
{
	const struct plan_fd_row *rows;
	size_t n;
	int r;

	rows = plan_fds(&n);
	r = sup_send(c, CTL_FD, FD_WAKE_OWN, 0, "wake", c->wake);
	for (size_t i = 0; i < n && r == 0; i++)
		if (plan_fd_applies(&rows[i], c->proc, s->config))
			r = give_one(s, c, rows[i].role);
	for (size_t i = 0; i < s->plan.n_rings && r == 0; i++)
		r = give_ring(s, c, i);
	if (r < 0 && r != -ECANCELED)
		log_err_errno(r, "hand over to %s", c->proc->name);
	return r;
}
