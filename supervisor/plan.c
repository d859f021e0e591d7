/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of processes, rings and descriptors, and its expansion for a configuration.
 * Input: the config run's result, which plan_check() has passed. */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>
#include <shm/engines.h>
#include <shm/settings.h>
#include <shm/spsc.h>

#define KIB 1024U

static const struct plan_proc_row proc_rows[] = {
	/*                     name          program            count               uid  flags */
	[PLAN_SUPERVISOR] = {"supervisor", NULL, PLAN_ONE, 0, 0, "starts, wires, seals, watches"},
	[PLAN_POLICY] = {"policy", "saker-policy", PLAN_ONE, 0, PLAN_SHORT,
		"configuration and rules -> image"},
	[PLAN_TOOLS] = {"tools", "saker-tools", PLAN_ONE, 0, PLAN_SHORT | PLAN_ASIDE,
		"validates, describes, tests"},
	[PLAN_COLLECTOR] = {"collector", "saker-collector", PLAN_ONE, 1, 0,
		"kernel -> raw ring, numbers events"},
	[PLAN_TRACKER] = {"tracker", "saker-tracker", PLAN_ONE, 2, 0,
		"threads, descriptors; order; shards"},
	[PLAN_METADATA] = {"metadata", "saker-metadata", PLAN_ONE, 3, PLAN_LIVE_ONLY | PLAN_FACTS,
		"users, groups, interfaces, containers"},
	[PLAN_LOADER] = {"loader", "saker-loader", PLAN_ONE, 4, PLAN_SHORT | PLAN_LIVE_ONLY,
		"loads and attaches BPF, exits"},
	[PLAN_GATE] = {"gate", "saker-gate", PLAN_ONE, 5, PLAN_LIVE_ONLY | PLAN_RUNTIMES,
		"container runtimes' sockets"},
	[PLAN_DIALER] = {"dialer", "saker-dialer", PLAN_ONE, 6, PLAN_NETWORK | PLAN_NAMES,
		"connects network outputs, resolves names"},
	[PLAN_RECORDER] = {"recorder", "saker-recorder", PLAN_ONE, 7, PLAN_RECORD_ONLY,
		"writes capture files"},
	[PLAN_EVALUATOR] = {"evaluator", "saker-evaluator", PLAN_PER_EVALUATOR, 8, 0,
		"judges events"},
	[PLAN_EMITTER] = {"emitter", "saker-emitter", PLAN_PER_OUTPUT, 8, 0,
		"delivers one output's alerts"}, /* after the evaluators */
	[PLAN_PROGRAM] = {"program", "sh", PLAN_PER_OUTPUT, 8, PLAN_FOREIGN,
		"an output's own program, fed by its emitter"}, /* after the emitters */
};
_Static_assert(ARRAY_LEN(proc_rows) == _PLAN_TYPE_MAX, "a row for every process");

static const struct plan_ring_row ring_rows[] = {
	{"meta", PLAN_METADATA, PLAN_COLLECTOR, 0, 256 * KIB, PLAN_LIVE_ONLY | PLAN_FACTS},
	{"raw", PLAN_COLLECTOR, PLAN_TRACKER, 8, 0, PLAN_SLOTS},
	{"event", PLAN_TRACKER, PLAN_EVALUATOR, 16, 0, PLAN_SLOTS},
	{"alert", PLAN_EVALUATOR, PLAN_EMITTER, 0, 256 * KIB, 0},
	{"request", PLAN_TRACKER, PLAN_METADATA, 0, 128 * KIB, PLAN_LIVE_ONLY | PLAN_RUNTIMES},
	{"ask", PLAN_METADATA, PLAN_GATE, 0, 128 * KIB, PLAN_LIVE_ONLY | PLAN_RUNTIMES},
	{"answer", PLAN_GATE, PLAN_METADATA, 0, 256 * KIB, PLAN_LIVE_ONLY | PLAN_RUNTIMES},
	{"names", PLAN_DIALER, PLAN_COLLECTOR, 0, 128 * KIB, PLAN_NAMES},
	{"record", PLAN_TRACKER, PLAN_RECORDER, 4, 0, PLAN_RECORD_ONLY},
	{"alert", PLAN_EVALUATOR, PLAN_RECORDER, 0, 256 * KIB, PLAN_RECORD_ONLY},
};
#define PLAN_BPF_SHARE 32 /* of 64: the kernel's buffers, divided by CPUs */
#define PLAN_EVENT_MAX (8U * 1024 * KIB)
#define PLAN_RAW_MAX (16U * 1024 * KIB)
/* A source that waits needs no room for bursts; what is in a ring should still be in a core's cache when
 * it is read. */
#define PLAN_REPLAY_RING (1024U * KIB)
/* Alert rings are larger where there are few: a spool commits what a ring holds at once. */
#define PLAN_ALERT_MAX (1024U * KIB)
#define PLAN_ALERT_ALL (2048U * KIB)
#define PLAN_BPF_MIN (256U * KIB)
#define PLAN_BPF_MAX (64U * 1024 * KIB)

static const struct plan_fd_row fd_rows[] = {
	{PLAN_SUPERVISOR, FD_BPF_LINK, PLAN_LIVE_ONLY,
		"links: what keeps the kernel programs attached"},
	{PLAN_SUPERVISOR, FD_BPF_PROG, PLAN_LIVE_ONLY, "programs: their recursion_misses"},
	{PLAN_SUPERVISOR, FD_BPF_INTEREST, PLAN_LIVE_ONLY, "interest, mapped by nobody else"},
	{PLAN_SUPERVISOR, FD_BPF_COUNTERS, PLAN_LIVE_ONLY, "counters, mapped by nobody else"},
	{PLAN_SUPERVISOR, FD_ITER_LINK, PLAN_LIVE_ONLY, "iterator links"},
	{PLAN_POLICY, FD_FILE, 0, "rule files (rules run)"},
	{PLAN_POLICY, FD_RULES_OPTIONS, 0, "options of the rules (rules run)"},
	{PLAN_TOOLS, FD_SINK, 0, "what it prints to"},
	{PLAN_TOOLS, FD_FILE, 0, "rule files"},
	{PLAN_TOOLS, FD_RULES_OPTIONS, 0, "options of the rules"},
	{PLAN_LOADER, FD_SETTINGS, 0, "settings"},
	{PLAN_METADATA, FD_SETTINGS, 0, "settings"},
	{PLAN_METADATA, FD_STATS, 0, "own statistics"},
	{PLAN_METADATA, FD_FILE, 0, "passwd, group, containers' facts"},
	{PLAN_METADATA, FD_USERS, PLAN_LIVE_ONLY,
		"copies of containers' passwd and group, as it asks for them"},
	{PLAN_METADATA, FD_NETLINK, PLAN_LIVE_ONLY, "route socket"},
	{PLAN_GATE, FD_SETTINGS, 0, "settings"},
	{PLAN_GATE, FD_STATS, 0, "own statistics"},
	{PLAN_GATE, FD_RUNTIME, 0, "connections to container runtimes, as it asks for them"},
	{PLAN_COLLECTOR, FD_SETTINGS, 0, "settings"},
	{PLAN_COLLECTOR, FD_STATS, 0, "own statistics"},
	{PLAN_COLLECTOR, FD_BPF_RING, PLAN_LIVE_ONLY, "one BPF ring buffer a CPU"},
	{PLAN_COLLECTOR, FD_BPF_WAKE, PLAN_LIVE_ONLY, "wake flags"},
	{PLAN_COLLECTOR, FD_ITER, PLAN_LIVE_ONLY, "task and task_file iterators, one-shot"},
	{PLAN_COLLECTOR, FD_CAPTURE, PLAN_REPLAY_ONLY, "the capture file, read-only"},
	{PLAN_COLLECTOR, FD_ARGS, PLAN_LIVE_ONLY,
		"arguments by pid, on kernels whose iterators cannot read them"},
	{PLAN_TRACKER, FD_SETTINGS, 0, "settings"},
	{PLAN_TRACKER, FD_STATS, 0, "own statistics"},
	{PLAN_TRACKER, FD_IMAGE, 0, "policy image"},
	{PLAN_TRACKER, FD_PROGRESS_OWN, 0, "own progress"},
	{PLAN_TRACKER, FD_PROGRESS_EVALUATOR, 0, "progress of each evaluator, read-only"},
	{PLAN_TRACKER, FD_SNAPSHOT, PLAN_LIVE_ONLY,
		"a predecessor's replacement: the state of the system, sealed"},
	{PLAN_EVALUATOR, FD_SETTINGS, 0, "settings"},
	{PLAN_EVALUATOR, FD_STATS, 0, "own statistics"},
	{PLAN_EVALUATOR, FD_IMAGE, 0, "policy image"},
	{PLAN_EVALUATOR, FD_PROGRESS_OWN, 0, "own progress"},
	{PLAN_EVALUATOR, FD_SNAPSHOT, 0, "a predecessor's replacement: what it knew, sealed"},
	{PLAN_RECORDER, FD_SETTINGS, 0, "settings"},
	{PLAN_RECORDER, FD_STATS, 0, "own statistics"},
	{PLAN_RECORDER, FD_IMAGE, 0, "policy image"},
	{PLAN_RECORDER, FD_PROGRESS_TRACKER, 0, "progress of the tracker, read-only"},
	{PLAN_RECORDER, FD_PROGRESS_EVALUATOR, 0, "progress of each evaluator, read-only"},
	{PLAN_RECORDER, FD_SINK, 0, "the file that it writes"},
	{PLAN_EMITTER, FD_SETTINGS, 0, "settings"},
	{PLAN_EMITTER, FD_STATS, 0, "own statistics"},
	{PLAN_EMITTER, FD_PROGRESS_TRACKER, 0, "progress of the tracker, read-only"},
	{PLAN_EMITTER, FD_PROGRESS_EVALUATOR, 0, "progress of each evaluator, read-only"},
	{PLAN_EMITTER, FD_OUTPUT, 0, "its block of configuration"},
	{PLAN_EMITTER, FD_SINK, PLAN_LOCAL, "what it writes to"},
	{PLAN_EMITTER, FD_DIAL, PLAN_NETWORK, "its line to the dialer"},
	{PLAN_EMITTER, FD_SPOOL, 0, "its spool folder, if it has one"},
	{PLAN_PROGRAM, FD_SINK, 0, "standard input: a pipe from its emitter"},
	{PLAN_DIALER, FD_SETTINGS, 0, "settings"},
	{PLAN_DIALER, FD_STATS, 0, "own statistics"},
	{PLAN_DIALER, FD_DIAL_RULES, PLAN_NETWORK, "where each output may be connected to"},
	{PLAN_DIALER, FD_DIAL, PLAN_NETWORK, "a line to each emitter that needs the network"},
	{PLAN_DIALER, FD_IMAGE, PLAN_NAMES, "policy image: names that addresses are compared with"},
	{PLAN_DIALER, FD_FILE, 0, "resolv.conf, hosts, nsswitch.conf"},
};

#define IN_FULL (1U << PLAN_MODE_FULL)
#define IN_CONTAINER (1U << PLAN_MODE_CONTAINER)
#define IN_USER (1U << PLAN_MODE_USER)
#define EVERYWHERE (IN_FULL | IN_CONTAINER | IN_USER)
/* it reads the kernel's type information by name */
#define BUT_LOADER (1U << PLAN_LOADER)
/* what an operator's program needs: the host's files and network, as any user has them */
#define BUT_PROGRAM (1U << PLAN_PROGRAM)

/* Which steps of the seal must succeed, by start mode and kernel. What is not required here is done
 * where it can be, and status says what is missing. The kernels: Landlock came with 5.13, but
 * Debian's 5.10 has none, 6.1 has ABI 2, 6.18 has ABI 7; everything else is in all from 5.10 on. */
static const struct plan_seal_row seal_rows[] = {
	{SEAL_NNP, EVERYWHERE, 0, false, "no program can give rights back"},
	{SEAL_NAMESPACES, IN_FULL, BUT_LOADER | BUT_PROGRAM, false, "needs CAP_SYS_ADMIN"},
	{SEAL_ROOT, IN_FULL, BUT_LOADER | BUT_PROGRAM, false, "needs CAP_SYS_ADMIN"},
	{SEAL_RLIMITS, EVERYWHERE, 0, false, "no core, no file that grows, no process"},
	{SEAL_UID, IN_FULL | IN_CONTAINER, 0, false, "needs CAP_SETUID and CAP_SETGID"},
	{SEAL_CAPS, EVERYWHERE, 0, false, "all sets empty; the loader keeps two"},
	{SEAL_DUMPABLE, EVERYWHERE, BUT_PROGRAM, false, "its /proc is root's"},
	{SEAL_PDEATHSIG, EVERYWHERE, 0, false, "ends with the supervisor"},
	{SEAL_LANDLOCK, EVERYWHERE, BUT_LOADER, true, "where the kernel has it"},
	{SEAL_SECCOMP, EVERYWHERE, 0, false, "the list of calls"},
};

const struct plan_proc_row *plan_row(enum plan_type type)
{
	return &proc_rows[type];
}

const struct plan_fd_row *plan_fds(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(fd_rows);
	return fd_rows;
}

const char *plan_mode_str(enum plan_mode mode)
{
	static const char *const names[] = {[PLAN_MODE_FULL] = "full",
		[PLAN_MODE_CONTAINER] = "container",
		[PLAN_MODE_USER] = "user"};

	return names[mode];
}

uint32_t plan_required_seal(enum plan_type type, enum plan_mode mode, bool landlock)
{
	uint32_t steps = 0;

	for (size_t i = 0; i < ARRAY_LEN(seal_rows); i++) {
		const struct plan_seal_row *row = &seal_rows[i];

		if (row->modes & 1U << mode && !(row->not_for & 1U << type) &&
			(landlock || !row->needs_landlock))
			steps |= row->step;
	}
	return steps;
}

const struct plan_seal_row *plan_seal_rows(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(seal_rows);
	return seal_rows;
}

bool plan_runs(uint32_t flags, uint32_t engine)
{
	return !(flags & (PLAN_LATER | PLAN_ASIDE)) &&
	       (!(flags & PLAN_LIVE_ONLY) || engine == ENGINE_BPF) &&
	       (!(flags & PLAN_REPLAY_ONLY) || engine == ENGINE_REPLAY);
}

static bool has_network(const struct plan_config *c)
{
	for (unsigned i = 0; i < c->n_outputs; i++)
		if (c->outputs[i].flags & PLAN_OUT_F_NETWORK)
			return true;
	return false;
}

/* For one of the reasons that the row names. */
static bool is_needed(uint32_t flags, const struct plan_config *c)
{
	return !(flags & (PLAN_NETWORK | PLAN_NAMES)) || (flags & PLAN_NETWORK && has_network(c)) ||
	       (flags & PLAN_NAMES && c->wants_names);
}

static bool row_runs(uint32_t flags, const struct plan_config *c)
{
	if ((flags & PLAN_FACTS) && c->metadata_file[0])
		flags &= ~(uint32_t)PLAN_LIVE_ONLY;
	return plan_runs(flags, c->engine) && is_needed(flags, c) &&
	       (!(flags & PLAN_RUNTIMES) || c->n_runtimes) &&
	       (!(flags & PLAN_RECORD_ONLY) || c->record_mode != RECORD_NONE);
}

bool plan_fd_applies(
	const struct plan_fd_row *row, const struct plan_proc *p, const struct plan_config *c)
{
	const struct plan_output *o = &c->outputs[p->index];

	if (row->type != p->type || !plan_runs(row->flags, c->engine))
		return false;
	if (row->type == PLAN_DIALER)
		return is_needed(row->flags, c);
	if (row->flags & PLAN_NETWORK)
		return o->flags & PLAN_OUT_F_NETWORK;
	if (row->flags & PLAN_LOCAL && o->kind == PLAN_OUT_PROGRAM)
		return false; /* it asks for the pipe when it needs it */
	if (row->flags & PLAN_LOCAL && (o->kind == PLAN_OUT_HTTP || o->kind == PLAN_OUT_SYSLOG))
		return o->flags & PLAN_OUT_F_LOCAL;
	return !(row->flags & PLAN_LOCAL) || o->kind != PLAN_OUT_KAFKA;
}

static unsigned row_count(enum plan_count count, const struct plan_config *c)
{
	switch (count) {
	case PLAN_PER_EVALUATOR:
		return c->n_evaluators;
	case PLAN_PER_OUTPUT:
		return c->n_outputs -
		       (c->record_mode != RECORD_NONE); /* the last is the recorder's */
	default:
		return 1;
	}
}

static void name_proc(struct plan_proc *p, const struct plan_config *c)
{
	if (p->row->count == PLAN_PER_EVALUATOR)
		(void)snprintf(p->name, sizeof(p->name), "%s-%u", p->row->name, p->index);
	else if (p->row->count == PLAN_PER_OUTPUT)
		(void)snprintf(p->name, sizeof(p->name), "%s-%.32s", p->row->name,
			c->outputs[p->index].name);
	else
		(void)snprintf(p->name, sizeof(p->name), "%s", p->row->name);
}

/* Emitters of the network carry a library, each its own and no other. */
static const char *emitter_program(const struct plan_output *o)
{
	switch (o->kind) {
	case PLAN_OUT_HTTP:
		return "saker-emitter-http";
	case PLAN_OUT_KAFKA:
		return "saker-emitter-kafka";
	case PLAN_OUT_SYSLOG:
		return o->flags & PLAN_OUT_F_NETWORK ? "saker-emitter-syslog" : "saker-emitter";
	default:
		return "saker-emitter";
	}
}

static int build_procs(
	const struct plan_config *c, enum plan_mode mode, struct plan *p, const char **reterr_why)
{
	unsigned n_programs = 0;

	p->procs = calloc(_PLAN_TYPE_MAX + c->n_evaluators + 2 * c->n_outputs, sizeof(*p->procs));
	if (!p->procs)
		return -ENOMEM;
	for (unsigned t = 0; t < _PLAN_TYPE_MAX; t++) {
		const struct plan_proc_row *row = &proc_rows[t];

		for (unsigned i = 0; row_runs(row->flags, c) && i < row_count(row->count, c); i++) {
			struct plan_proc *q = &p->procs[p->n_procs];
			uint32_t slot =
				row->uid_slot + i + (t == PLAN_EMITTER ? c->n_evaluators : 0);

			if (t == PLAN_PROGRAM && c->outputs[i].kind != PLAN_OUT_PROGRAM)
				continue;
			if (t == PLAN_PROGRAM)
				slot = row->uid_slot + c->n_evaluators + c->n_outputs +
				       n_programs++;
			p->n_procs++;

			*q = (struct plan_proc){
				.row = row, .type = t, .index = i, .program = row->program};
			if (t == PLAN_EMITTER)
				q->program = emitter_program(&c->outputs[i]);
			if (t == PLAN_RECORDER)
				q->index = c->n_outputs - 1;
			name_proc(q, c);
			if (t == PLAN_SUPERVISOR || mode == PLAN_MODE_USER)
				continue;
			if (slot >= c->uids_count) {
				*reterr_why = "the block of uids is too small for this many "
					      "evaluators and outputs (uids.count)";
				return -EINVAL;
			}
			q->uid = c->uids_first + slot;
		}
	}
	return 0;
}

static size_t pow2_floor(uint64_t n)
{
	return n ? (size_t)1 << (63 - __builtin_clzll(n)) : 0;
}

static size_t ring_bytes(const struct plan_ring_row *row, const struct plan_config *c, unsigned n)
{
	size_t size = row->fixed_bytes;

#ifdef SAKER_TEST_HOOKS
	if (getenv("SAKER_TEST_SMALL_RINGS"))
		return SPSC_SIZE_MIN;
#endif
	if (row->share) {
		size = pow2_floor(c->rings_bytes / 64 * row->share / n);
		size = MIN(
			size, (size_t)(row->to == PLAN_EVALUATOR ? PLAN_EVENT_MAX : PLAN_RAW_MAX));
		if (c->engine == ENGINE_REPLAY)
			size = MIN(size,
				(size_t)PLAN_REPLAY_RING * (row->to == PLAN_EVALUATOR ? 2 : 1));
	}
	while (row->to == PLAN_EMITTER && size < PLAN_ALERT_MAX && size * 2 * n <= PLAN_ALERT_ALL)
		size *= 2;
	return MAX(size, (size_t)SPSC_SIZE_MIN);
}

static void name_ring(struct plan_ring *r, const struct plan_config *c)
{
	if (r->row->from == PLAN_EVALUATOR)
		(void)snprintf(r->name, sizeof(r->name), "%s.%u.%.32s", r->row->name, r->in_index,
			c->outputs[r->out_index].name);
	else if (r->row->to == PLAN_EVALUATOR)
		(void)snprintf(r->name, sizeof(r->name), "%s.%u", r->row->name, r->out_index);
	else
		(void)snprintf(r->name, sizeof(r->name), "%s", r->row->name);
}

/* Every pair of producer and consumer of this row. The producer sees the consumer's number and the
 * other way round. */
static void build_row_rings(
	const struct plan_ring_row *row, const struct plan_config *c, struct plan *p)
{
	unsigned n =
		row_count(proc_rows[row->from].count, c) * row_count(proc_rows[row->to].count, c);

	for (unsigned i = 0; i < p->n_procs; i++) {
		for (unsigned j = 0; p->procs[i].type == row->from && j < p->n_procs; j++) {
			struct plan_ring *r = &p->rings[p->n_rings];

			if (p->procs[j].type != row->to)
				continue;
			*r = (struct plan_ring){.row = row, .from = i, .to = j};
			r->out_index = p->procs[j].index;
			r->in_index = p->procs[i].index;
			if (row->from == PLAN_TRACKER && row->to == PLAN_RECORDER)
				r->in_index = r->out_index = CTL_INDEX_RECORD;
			if (row->from == PLAN_DIALER)
				r->in_index = CTL_INDEX_NAMES;
			if (row->from == PLAN_TRACKER && row->to == PLAN_METADATA)
				r->in_index = r->out_index = CTL_INDEX_LOOKUP;
			if (row->from == PLAN_METADATA && row->to == PLAN_GATE)
				r->out_index = CTL_INDEX_GATE;
			if (row->from == PLAN_GATE)
				r->in_index = CTL_INDEX_GATE;
			r->size = ring_bytes(row, c, n);
			name_ring(r, c);
			p->n_rings++;
		}
	}
}

static int build_rings(const struct plan_config *c, struct plan *p, const char **reterr_why)
{
	uint64_t total = 0;

	p->rings = calloc(
		ARRAY_LEN(ring_rows) + 2 * c->n_evaluators + (size_t)c->n_evaluators * c->n_outputs,
		sizeof(*p->rings));
	if (!p->rings)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_LEN(ring_rows); i++)
		if (row_runs(ring_rows[i].flags, c))
			build_row_rings(&ring_rows[i], c, p);
	for (size_t i = 0; i < p->n_rings; i++)
		total += p->rings[i].size;
	if (c->engine == ENGINE_BPF) {
		p->bpf_ring_bytes =
			MIN(pow2_floor(c->rings_bytes / 64 * PLAN_BPF_SHARE / p->n_cpus),
				(size_t)PLAN_BPF_MAX);
		p->bpf_ring_bytes = MAX(p->bpf_ring_bytes, (size_t)PLAN_BPF_MIN);
		/* what else there is comes first: the kernel's buffers are what can be smaller */
		while (total + (uint64_t)p->bpf_ring_bytes * p->n_cpus > c->rings_bytes &&
			p->bpf_ring_bytes > PLAN_BPF_MIN)
			p->bpf_ring_bytes /= 2;
		total += (uint64_t)p->bpf_ring_bytes * p->n_cpus;
	}
	if (total > c->rings_bytes) {
		*reterr_why =
			"memory.rings is too small for this many CPUs, evaluators and outputs";
		return -EINVAL;
	}
	return 0;
}

int plan_build(const struct plan_config *c, enum plan_mode mode, uint32_t n_cpus,
	struct plan *ret_plan, const char **reterr_why)
{
	struct plan p = {.n_cpus = n_cpus};
	int r;

	*reterr_why = "out of memory";
	r = build_procs(c, mode, &p, reterr_why);
	if (r == 0)
		r = build_rings(c, &p, reterr_why);
	if (r < 0) {
		plan_done(&p);
		return r;
	}
	*ret_plan = p;
	return 0;
}

void plan_done(struct plan *p)
{
	free(p->procs);
	free(p->rings);
	*p = (struct plan){0};
}

static bool has_end(const char *s, size_t cap)
{
	return memchr(s, 0, cap) != NULL;
}

static bool output_is_valid(const struct plan_output *o)
{
	size_t n;

	if (!has_end(o->name, sizeof(o->name)) || !has_end(o->path, sizeof(o->path)))
		return false;
	n = strlen(o->name);
	if (n < 1 || n > 32 || strspn(o->name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != n)
		return false;
	if (o->kind < PLAN_OUT_STDOUT || o->kind > PLAN_OUT_CAPTURE)
		return false;
	if (o->rotate_keep > PLAN_KEEP_MAX || o->rotate_gzip > 1 ||
		(o->kind != PLAN_OUT_FILE && (o->rotate_size || o->rotate_age_ns)))
		return false;
	if (o->flags & PLAN_OUT_F_NETWORK && o->kind != PLAN_OUT_SYSLOG &&
		o->kind != PLAN_OUT_HTTP && o->kind != PLAN_OUT_KAFKA)
		return false;
	return (o->kind != PLAN_OUT_FILE && o->kind != PLAN_OUT_PROGRAM &&
		       !(o->flags & PLAN_OUT_F_LOCAL)) ||
	       o->path[0] != 0;
}

int plan_check(const struct plan_config *c, const char **reterr_why)
{
	*reterr_why = "a number is out of range";
	if (c->engine < ENGINE_BPF || c->engine > ENGINE_REPLAY || c->n_evaluators < 1 ||
		c->n_evaluators > 64 || c->snaplen > 65535)
		return -EBADMSG;
	if (c->rings_bytes < (1U << 20) || c->rings_bytes > (64ULL << 30) || c->threads_max < 1 ||
		c->descriptors_max < 1)
		return -EBADMSG;
	if (c->synthetic_procs > 4096 || c->log_level < 3 || c->log_level > 7)
		return -EBADMSG;
	if (c->uids_first < 1 || c->uids_first > UINT32_MAX - 100000 || c->uids_count > 65536)
		return -EBADMSG;
	if (c->n_outputs > PLAN_OUTPUTS_MAX || c->n_rules > PLAN_RULES_MAX)
		return -EBADMSG;
	if (c->n_runtimes > GATE_RUNTIMES_MAX || c->engines_off & ~CTR_BITS)
		return -EBADMSG;
	if (c->wants_names) /* not for the config run to say */
		return -EBADMSG;
	*reterr_why = "a text has no end";
	for (unsigned i = 0; i < c->n_runtimes; i++)
		if (!has_end(c->runtimes[i].path, sizeof(c->runtimes[i].path)) ||
			c->runtimes[i].kind < GATE_DOCKER || c->runtimes[i].kind >= _GATE_KIND_MAX)
			return -EBADMSG;
	if (!has_end(c->control_socket, sizeof(c->control_socket)) ||
		!has_end(c->spool_directory, sizeof(c->spool_directory)) ||
		!has_end(c->metadata_file, sizeof(c->metadata_file)) ||
		!has_end(c->capture_file, sizeof(c->capture_file)))
		return -EBADMSG;
	if (c->record_mode > RECORD_AROUND ||
		(c->record_mode != RECORD_NONE &&
			(c->n_outputs == 0 ||
				c->outputs[c->n_outputs - 1].kind != PLAN_OUT_CAPTURE)))
		return -EBADMSG;
	*reterr_why = "no capture file to replay";
	if (c->engine == ENGINE_REPLAY && !c->capture_file[0])
		return -EBADMSG;
	for (unsigned i = 0; i < c->n_rules; i++)
		if (!has_end(c->rules[i], sizeof(c->rules[i])))
			return -EBADMSG;
	*reterr_why = "an output has no proper name, kind or path";
	for (unsigned i = 0; i < c->n_outputs; i++) {
		if (!output_is_valid(&c->outputs[i]))
			return -EBADMSG;
		for (unsigned j = 0; j < i; j++)
			if (strcmp(c->outputs[i].name, c->outputs[j].name) == 0)
				return -EBADMSG;
	}
	return 0;
}

/* --- --show-plan --- */

static void print_size(FILE *out, size_t n)
{
	if (n >= 1024 * KIB && n % (1024 * KIB) == 0)
		(void)fprintf(out, "%zu MiB", n / (1024 * KIB));
	else
		(void)fprintf(out, "%zu KiB", n / KIB);
}

static void print_seal(FILE *out, uint32_t steps)
{
	for (uint32_t bit = 1; bit <= SEAL_STEPS_ALL; bit <<= 1)
		if (steps & bit)
			(void)fprintf(out, " %s%s", seal_step_str(bit),
				(steps & ~(bit | (bit - 1))) ? "," : "");
}

static void print_proc(const struct plan *p, unsigned n, const struct plan_config *c,
	enum plan_mode mode, bool landlock, FILE *out)
{
	const struct plan_proc *q = &p->procs[n];

	(void)fprintf(out, "%-20s %-16s uid %-6u %s%s\n", q->name,
		q->program ? q->program : "saker", q->uid, q->row->what,
		q->row->flags & PLAN_SHORT ? " (ends by itself)" : "");
	for (size_t i = 0; i < p->n_rings; i++) {
		if (p->rings[i].to == n) {
			(void)fprintf(out, "    in   %-28s ", p->rings[i].name);
			print_size(out, p->rings[i].size);
			(void)fprintf(out, " from %s\n", p->procs[p->rings[i].from].name);
		}
		if (p->rings[i].from == n) {
			(void)fprintf(out, "    out  %-28s ", p->rings[i].name);
			print_size(out, p->rings[i].size);
			(void)fprintf(out, " to %s\n", p->procs[p->rings[i].to].name);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(fd_rows); i++)
		if (plan_fd_applies(&fd_rows[i], q, c))
			(void)fprintf(out, "    fd   %s\n", fd_rows[i].what);
	if (q->type == PLAN_SUPERVISOR)
		return;
	(void)fprintf(out, "    seal");
	print_seal(out, plan_required_seal(q->type, mode, landlock));
	(void)fprintf(out, "\n");
}

void plan_print(const struct plan *p, const struct plan_config *c, enum plan_mode mode,
	bool landlock, FILE *out)
{
	(void)fprintf(out, "start mode: %s\n", plan_mode_str(mode));
	if (c->engine == ENGINE_BPF) {
		(void)fprintf(out, "kernel: %u BPF ring buffers of ", p->n_cpus);
		print_size(out, p->bpf_ring_bytes);
		(void)fprintf(out, "\n");
	}
	for (unsigned i = 0; i < p->n_procs; i++)
		print_proc(p, i, c, mode, landlock, out);
	for (unsigned t = 0; t < _PLAN_TYPE_MAX; t++)
		if (proc_rows[t].flags & PLAN_LATER)
			(void)fprintf(out, "%-20s %-16s later      %s\n", proc_rows[t].name,
				proc_rows[t].program, proc_rows[t].what);
	for (size_t i = 0; i < ARRAY_LEN(ring_rows); i++)
		if (ring_rows[i].flags & PLAN_LATER)
			(void)fprintf(out, "ring %-15s later: %s to %s\n", ring_rows[i].name,
				proc_rows[ring_rows[i].from].name, proc_rows[ring_rows[i].to].name);
}
