/* SPDX-License-Identifier: Apache-2.0 */
/* The synthetic source: a host that does not exist, doing the same things at the same times whenever the seed is the same.
 *
 * It hands over the state of the host (clock, users, groups, interfaces, processes, descriptors) and then events: mostly harmless file, network and process
 * activity, and about one in two hundred that a common detection rule names, all scripts in turn. It needs no privileges, reads nothing from the real host and
 * knows no clock but for the throttle. All memory is taken in drv_synthetic_open(). */

#include <driver/source.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/clock.h>
#include <base/hash.h>
#include <base/macros.h>

#include "synthetic.h"
#include "synthetic_scripts.h"

#define PROCS_MAX 4096
#define FIRST_WORKER_PID 2000
#define FIRST_CHILD_PID 10000 /* children's pids never meet those of the lasting processes */
#define LAST_CHILD_PID 4194303
#define OPEN_KEPT 8 /* descriptors that a process leaves open */
#define STDIO 3

enum phase {
	PHASE_CLOCK,
	PHASE_USERS,
	PHASE_GROUPS,
	PHASE_IFACES,
	PHASE_TASKS,
	PHASE_FILES,
	PHASE_EVENTS
};

struct syn_source {
	struct drv_source base;
	struct drv_synthetic_config config;
	enum phase phase;
	unsigned at; /* within the phase */
	uint64_t random;
	uint64_t ts_ns;     /* since boot, of the last event */
	uint64_t n_records; /* handed over, state included */
	uint64_t n_events;
	uint64_t next_attack; /* event number */
	unsigned attack;      /* script that is next */
	uint32_t next_pid;
	struct syn_step steps[SYN_STEPS_MAX]; /* what is under way */
	unsigned n_steps, step;
	struct syn_proc *actor;
	struct syn_proc child;
	int child_container;
	uint32_t child_tty;
	uint64_t started_ns;    /* CLOCK_MONOTONIC of the first throttled event; 0: none yet */
	uint64_t events_before; /* handed over until then */
	unsigned n_procs;
	struct syn_proc *procs; /* n_procs, the lasting ones of syn_base first */
	uint64_t buf[KEV_SIZE_MAX / sizeof(uint64_t)];
};

static struct syn_source *of(struct drv_source *s)
{
	return container_of(s, struct syn_source, base);
}

static uint64_t next_random(struct syn_source *s)
{
	return hash_u64(s->random++);
}

static uint32_t pick(struct syn_source *s, uint32_t n)
{
	return (uint32_t)(next_random(s) % n);
}

/* --- state --- */

static bool phase_done(struct syn_source *s)
{
	switch (s->phase) {
	case PHASE_CLOCK:
		return s->at == 1;
	case PHASE_USERS:
	case PHASE_GROUPS:
		return s->at == syn_n_users;
	case PHASE_IFACES:
		return syn_build_iface(s->buf, s->at) < 0;
	case PHASE_TASKS:
		return s->at == s->n_procs;
	case PHASE_FILES:
		return s->at == s->n_procs * STDIO;
	case PHASE_EVENTS:
		return false;
	}
	return false;
}

/* Builds the next state record; 0 when there is none left. */
static int next_state(struct syn_source *s)
{
	while (phase_done(s)) {
		s->phase++;
		s->at = 0;
	}
	unsigned i = s->at++;
	switch (s->phase) {
	case PHASE_CLOCK:
		return syn_build_clock(s->buf);
	case PHASE_USERS:
		return syn_build_user(s->buf, &syn_users[i]);
	case PHASE_GROUPS:
		return syn_build_group(s->buf, &syn_users[i]);
	case PHASE_IFACES:
		return syn_build_iface(s->buf, i);
	case PHASE_TASKS:
		return syn_build_task(s->buf, &s->procs[i]);
	case PHASE_FILES:
		return syn_build_task_file(s->buf, &s->procs[i / STDIO], i % STDIO);
	case PHASE_EVENTS:
		break;
	}
	return 0;
}

/* --- events --- */

static void add_step(struct syn_source *s, struct syn_step st)
{
	assert(s->n_steps < SYN_STEPS_MAX);
	s->steps[s->n_steps++] = st;
}

static void plan_attack(struct syn_source *s)
{
	const struct syn_script *sc = &syn_scripts[s->attack];

	s->attack = (s->attack + 1) % syn_n_scripts;
	s->next_attack = s->n_events + 150 + pick(s, 100);
	s->actor = &s->procs[sc->actor];
	s->child_container = sc->child_container;
	s->child_tty = sc->child_tty;
	for (unsigned i = 0; i < sc->n_steps; i++)
		add_step(s, sc->steps[i]);
}

static void plan_file(struct syn_source *s)
{
	bool is_write = pick(s, 4) == 0;
	const char *path = is_write ? syn_write_paths[pick(s, syn_n_write_paths)]
				    : syn_read_paths[pick(s, syn_n_read_paths)];
	bool fails = pick(s, 10) == 0;

	add_step(s, (struct syn_step){.op = SYN_OPEN,
			    .a = is_write ? 0x6 : 0x1001,
			    .path = path,
			    .res = fails ? -ENOENT : 0});
	if (fails)
		return;
	if (is_write && s->actor->container == SYN_NO_CONTAINER && pick(s, 8) == 0)
		add_step(s, (struct syn_step){.op = SYN_DUP2, .a = 1});
	if (s->actor->n_open >= OPEN_KEPT || pick(s, 4) != 0)
		add_step(s, (struct syn_step){.op = SYN_CLOSE});
}

static void plan_network(struct syn_source *s)
{
	static const uint16_t ports[] = {5432, 6379, 80, 443, 9092};

	add_step(s, (struct syn_step){.op = SYN_SOCKET, .a = 2});
	add_step(s, (struct syn_step){.op = SYN_CONNECT,
			    .a = 0x0a000000 + pick(s, 250) + 1,
			    .port = ports[pick(s, ARRAY_LEN(ports))]});
	add_step(s, (struct syn_step){.op = SYN_CLOSE});
}

static void plan_command(struct syn_source *s)
{
	const struct syn_prog *prog = &syn_commands[pick(s, syn_n_commands)];
	const char *path = syn_read_paths[pick(s, syn_n_read_paths)];

	add_step(s, (struct syn_step){.op = SYN_FORK});
	add_step(s, (struct syn_step){.op = SYN_EXEC, .by_child = true, .prog = prog});
	add_step(s, (struct syn_step){.op = SYN_OPEN, .by_child = true, .a = 0x1001, .path = path});
	add_step(s, (struct syn_step){.op = SYN_CLOSE, .by_child = true});
	add_step(s, (struct syn_step){.op = SYN_EXIT, .by_child = true});
}

static void plan_paths(struct syn_source *s)
{
	static const struct syn_step calls[] = {
		{.op = SYN_UNLINK, .path = "/tmp/work.tmp"},
		{.op = SYN_RENAME,
			.path = "/srv/app/out/result.json.new",
			.path2 = "/srv/app/out/result.json"},
		{.op = SYN_MKDIR, .path = "/var/cache/app/shard-3"},
		{.op = SYN_CHDIR, .path = "/srv/app"},
		{.op = SYN_SYMLINK, .path = "/srv/app/releases/42", .path2 = "/srv/app/current"},
	};

	add_step(s, calls[pick(s, ARRAY_LEN(calls))]);
}

/* Somebody does something harmless. */
static void plan_work(struct syn_source *s)
{
	static const uint8_t busy[] = {SYN_LOGIN_SHELL, SYN_CRON, SYN_JAVA};
	uint32_t n_workers = s->n_procs - _SYN_BASE_MAX;
	uint32_t who = pick(s, n_workers + ARRAY_LEN(busy));
	uint32_t what = pick(s, 100);

	s->actor =
		who < n_workers ? &s->procs[_SYN_BASE_MAX + who] : &s->procs[busy[who - n_workers]];
	s->child_container = SYN_NO_CONTAINER;
	s->child_tty = 0;
	if (what < 55)
		plan_file(s);
	else if (what < 70)
		plan_network(s);
	else if (what < 85)
		plan_paths(s);
	else
		plan_command(s);
}

static void make_child(struct syn_source *s)
{
	s->child = *s->actor;
	s->child.pid = s->next_pid;
	s->next_pid = s->next_pid == LAST_CHILD_PID ? FIRST_CHILD_PID : s->next_pid + 1;
	s->child.ppid = s->actor->pid;
	s->child.start_ns = s->ts_ns - 500;
	if (s->child_container != SYN_NO_CONTAINER)
		s->child.container = s->child_container;
	if (s->child_tty)
		s->child.tty = s->child_tty;
}

static int next_event(struct syn_source *s)
{
	if (s->step == s->n_steps) {
		s->step = s->n_steps = 0;
		if (s->n_events >= s->next_attack)
			plan_attack(s);
		else
			plan_work(s);
	}
	const struct syn_step *st = &s->steps[s->step++];
	s->ts_ns += 1000 + pick(s, 18000);
	if (st->op == SYN_FORK)
		make_child(s);
	return syn_build_step(s->buf, st, s->actor, &s->child, s->ts_ns, next_random(s));
}

static bool is_throttled(struct syn_source *s)
{
	if (s->config.rate == 0 || s->n_records < s->config.n_unthrottled)
		return false;
	uint64_t now = clock_mono_ns();
	if (s->started_ns == 0) {
		s->started_ns = now;
		s->events_before = s->n_events;
	}
	double due = (double)(now - s->started_ns) * s->config.rate / (double)NS_PER_S;
	return (double)(s->n_events - s->events_before) > due;
}

static int syn_next(struct drv_source *base, struct drv_record *ret_rec)
{
	struct syn_source *s = of(base);
	bool is_state = true;
	int len = s->phase == PHASE_EVENTS ? 0 : next_state(s);

	if (len == 0) {
		if (s->config.n_events && s->n_events == s->config.n_events)
			return -ENODATA;
		if (is_throttled(s))
			return 0;
		len = next_event(s);
		s->n_events++;
		is_state = false;
	}
	s->n_records++;
	*ret_rec = (struct drv_record){.p = s->buf,
		.len = (size_t)len,
		.epoch_ns = SYN_BOOT_EPOCH_NS + s->ts_ns,
		.is_state = is_state};
	return 1;
}

static void syn_commit(struct drv_source *base)
{
	(void)base; /* nothing is held for anybody */
}

/* How many records have been handed over: a restarted collector takes and drops as many. */
static unsigned syn_positions(struct drv_source *base, uint64_t *ret_pos, unsigned cap)
{
	if (cap == 0)
		return 0;
	ret_pos[0] = of(base)->n_records;
	return 1;
}

static int syn_wait_fd(struct drv_source *base)
{
	(void)base;
	return -1;
}

static bool syn_arm(struct drv_source *base)
{
	(void)base;
	return true;
}

static void syn_disarm(struct drv_source *base)
{
	(void)base;
}

static void syn_close(struct drv_source *base)
{
	struct syn_source *s = of(base);

	free(s->procs);
	free(s);
}

static const struct drv_source_ops syn_ops = {
	.name = "synthetic",
	.next = syn_next,
	.commit = syn_commit,
	.positions = syn_positions,
	.wait_fd = syn_wait_fd,
	.arm = syn_arm,
	.disarm = syn_disarm,
	.close = syn_close,
};

static uint32_t gid_of(uint32_t uid)
{
	for (unsigned i = 0; i < syn_n_users; i++)
		if (syn_users[i].uid == uid)
			return syn_users[i].gid;
	return uid;
}

static void make_procs(struct syn_source *s)
{
	for (unsigned i = 0; i < _SYN_BASE_MAX; i++) {
		const struct syn_base_proc *b = &syn_base[i];

		s->procs[i] = (struct syn_proc){.prog = &b->prog,
			.pid = b->pid,
			.ppid = b->ppid,
			.uid = b->uid,
			.gid = gid_of(b->uid),
			.tty = b->tty,
			.container = b->container,
			.start_ns = NS_PER_S * (i + 1)};
	}
	for (unsigned i = 0; i < s->config.n_procs; i++) {
		bool contained = i % 3 == 0;

		s->procs[_SYN_BASE_MAX + i] = (struct syn_proc){
			.prog = &syn_workers[i % syn_n_workers],
			.pid = FIRST_WORKER_PID + i,
			.ppid = contained ? syn_base[SYN_SHIM].pid : 1,
			.uid = 1000,
			.gid = 1000,
			.container = contained ? (int)(i / 3 % SYN_CONTAINERS) : SYN_NO_CONTAINER,
			.start_ns = NS_PER_S * 60 + i * NS_PER_MS};
	}
}

int drv_synthetic_open(const struct drv_synthetic_config *c, struct drv_source **ret_source)
{
	if (c->n_procs < 1 || c->n_procs > PROCS_MAX)
		return -EINVAL;
	struct syn_source *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->n_procs = _SYN_BASE_MAX + c->n_procs;
	s->procs = calloc(s->n_procs, sizeof(*s->procs));
	if (!s->procs) {
		free(s);
		return -ENOMEM;
	}
	s->base.ops = &syn_ops;
	s->config = *c;
	s->random = hash_u64(c->seed);
	s->ts_ns = SYN_START_NS;
	s->next_pid = FIRST_CHILD_PID;
	s->next_attack = 20;
	s->child_container = SYN_NO_CONTAINER;
	make_procs(s);
	*ret_source = &s->base;
	return 0;
}
