/* SPDX-License-Identifier: Apache-2.0 */
/* The children at run time: their messages, their ends, and what the table in lifecycle.c says to
 * do then. Messages are hostile input: fixed size, checked by ctl_recv(), and each type is accepted
 * only from who may send it. */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <shm/segment.h>

#include "sup.h"

#ifdef SAKER_SANITIZED
#define WATCHDOG_FACTOR 15 /* sanitizers are slow, and so are the machines that run them */
#else
#define WATCHDOG_FACTOR 1
#endif
#define WATCHDOG_BUSY_NS (2 * NS_PER_S)
#define WATCHDOG_WAITING_NS (3 * NS_PER_S) /* the skeleton wakes up each second even when idle */
#define MESSAGES_A_ROUND 128
#define URGENT_NICE (-15)

void sup_child_init(struct sup_child *c, const struct plan_proc *proc)
{
	*c = (struct sup_child){
		.proc = proc,
		.ctl.fd = -1,
		.log.fd = -1,
		.stats_rw = -1,
		.stats_ro = -1,
		.progress_rw = -1,
		.progress_ro = -1,
		.wake = -1,
		.sink = -1,
		.snap_rw = -1,
		.snap_ro = -1,
	};
	c->log_tokens = 60;
}

void sup_child_done(struct sup *s, struct sup_child *c)
{
	sup_watch_close(s, &c->ctl);
	sup_watch_close(s, &c->log);
	if (c->stats)
		seg_unmap((void *)c->stats, sizeof(*c->stats));
	if (c->progress)
		seg_unmap((void *)c->progress, c->proc->type == PLAN_TRACKER
						       ? sizeof(struct progress_tracker)
						       : sizeof(struct progress_evaluator));
	sup_recover_done(c);
	(void)fd_close(c->stats_rw);
	(void)fd_close(c->stats_ro);
	(void)fd_close(c->progress_rw);
	(void)fd_close(c->progress_ro);
	(void)fd_close(c->wake);
	(void)fd_close(c->sink);
}

struct sup_child *sup_find_child(struct sup *s, enum plan_type type, unsigned index)
{
	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i].proc->type == type && s->children[i].proc->index == index)
			return &s->children[i];
	return NULL;
}

void sup_child_kill(struct sup_child *c)
{
	c->ended_by_us = true; /* who does so has said why */
	if (c->pid > 0)
		(void)kill(c->pid, SIGKILL); /* it may have ended already */
}

/* The others end by the END record in their rings. */
bool sup_child_takes_stop(const struct sup_child *c)
{
	return c->proc->type == PLAN_COLLECTOR || c->proc->type == PLAN_METADATA ||
	       c->proc->type == PLAN_GATE;
}

static int start_stage(struct sup *s, struct sup_child *c)
{
	char *argv[] = {(char *)c->proc->program, NULL};
	int r;

	r = sup_spawn(s, c, argv);
	if (r < 0)
		return r;
	/* Whoever makes events must not keep their reader from its CPU, nor a busy host the few
	 * questions about a container from their answer before its first process. Without the right:
	 * as it is. */
	if (c->proc->type == PLAN_COLLECTOR || c->proc->type == PLAN_GATE ||
		c->proc->type == PLAN_METADATA)
		(void)setpriority(PRIO_PROCESS, (id_t)c->pid, URGENT_NICE);
	r = sup_send_hello(s, c);
	if (r == 0)
		r = sup_give(s, c);
	if (r == 0 && c->proc->type == PLAN_COLLECTOR && s->phase < SUP_STOPPING)
		sup_bpf_enable(s, true); /* before the collector reads the iterators: what happens
					    meanwhile waits in the buffers */
	sup_bpf_exclude(s);
	if (r == 0)
		r = sup_send(c, CTL_START, FD_NONE, 0, NULL, -1);
	/* one that is replaced while all are draining has to hear of it */
	if (r == 0 && s->phase == SUP_STOPPING &&
		(sup_child_takes_stop(c) || (c->proc->type == PLAN_EMITTER && s->stop_deadline_ns)))
		r = sup_send(c, CTL_STOP, FD_NONE, 0, NULL, -1);
	return r;
}

static void spawn_again(struct sup *s, struct sup_child *c)
{
	int r;

	c->deadline_ns = clock_mono_ns() + LC_START_NS;
	r = start_stage(s, c);
	if (r == 0)
		return;
	if (c->pid > 0)
		sup_child_kill(c); /* its end comes as an event */
	else
		sup_child_event(s, c, LC_EV_EXIT);
}

static void schedule(struct sup *s, struct sup_child *c)
{
	uint64_t wait_ns, now = clock_mono_ns();

	if (c->running_since_ns && now - c->running_since_ns > LC_HEALTHY_NS)
		c->fails = 0;
	c->running_since_ns = 0;
	c->fails++;
	if (s->phase == SUP_STARTING && !c->was_ready) {
		c->state = LC_FAILED; /* a start error ends everything; its line was logged by the
					 stage or by who saw it end */
		s->has_failed = true;
		return;
	}
	c->restarts++;
	if (c->fails > LC_FAILS_MAX) {
		sup_child_event(s, c, LC_EV_GIVE_UP);
		return;
	}
	wait_ns = lc_backoff_ns(c->fails);
	c->deadline_ns = now + wait_ns;
	log_warning("%s is started again in %u ms", c->proc->name, (unsigned)(wait_ns / NS_PER_MS));
	sup_recover_begin(s, c);
}

void sup_child_event(struct sup *s, struct sup_child *c, enum lc_event ev)
{
	struct lc_step step = lc_next(c->state, ev);

	c->state = step.next;
	switch (step.action) {
	case LC_DO_NOTHING:
		break;
	case LC_DO_SPAWN:
		spawn_again(s, c);
		break;
	case LC_DO_ANNOUNCE:
		c->was_ready = true;
		c->deadline_ns = 0;
		c->running_since_ns = clock_mono_ns();
		sup_recover_done(c);
		log_debug("%s is ready", c->proc->name);
		break;
	case LC_DO_KILL:
		log_warning("%s does not move, ending it", c->proc->name);
		c->deadline_ns = 0;
		c->running_since_ns = clock_mono_ns(); /* once is enough */
		sup_child_kill(c);
		break;
	case LC_DO_SCHEDULE:
		schedule(s, c);
		break;
	case LC_DO_FINISH:
		c->deadline_ns = 0;
		log_debug("%s is done", c->proc->name);
		break;
	case LC_DO_REPORT:
		c->deadline_ns = 0;
		log_err("%s failed %u times in a row and is given up", c->proc->name, c->fails);
		break;
	}
}

void sup_child_start(struct sup *s, struct sup_child *c)
{
	sup_child_event(s, c, LC_EV_START);
}

static void answer_sink(struct sup *s, struct sup_child *c, const struct ctl_msg *m)
{
	struct ctl_msg a = {
		.magic = CTL_MAGIC, .type = CTL_SINK, .role = FD_SINK, .index = m->index};
	_cleanup_close_ int fd = -1;
	int r;

	if (c->proc->type == PLAN_EMITTER &&
		s->config->outputs[c->proc->index].kind == PLAN_OUT_FILE) {
		sup_file_ask(s, c, m->value[0] == 1);
		return;
	}
	if (c->proc->type == PLAN_EMITTER &&
		s->config->outputs[c->proc->index].kind == PLAN_OUT_PROGRAM) {
		sup_program_ask(s, c);
		return;
	}
	if (c->proc->type == PLAN_METADATA && m->role == FD_USERS) {
		sup_opener_ask(s, c, m);
		return;
	}
	if (c->proc->type == PLAN_EMITTER) {
		r = sup_sink_open(s, c->proc->index);
		a.index = 0;
	} else if (c->proc->type == PLAN_RECORDER) {
		r = sup_record_open(s, m->value[0], m->value[1]);
	} else if (c->proc->type == PLAN_GATE) {
		a.role = FD_RUNTIME;
		r = sup_runtime_open(s, m->index);
	} else {
		a.role = FD_FILE;
		r = sup_host_file_open(s, c->proc->type, m->index);
	}
	if (r >= 0)
		fd = r;
	else
		a.result = r;
	if (ctl_send(c->ctl.fd, &a, fd) < 0)
		sup_child_kill(c);
}

/* It ends by itself when a required step fails; here nobody is taken at his word either. */
static bool is_sealed(const struct sup *s, const struct sup_child *c)
{
	uint32_t required = plan_required_seal(c->proc->type, s->mode, s->has_landlock);

	return (c->seal_done & required) == required;
}

/* An alert is raised by who has alert rings; one a second is enough to know. */
static void pass_on_capture_full(struct sup *s, const struct ctl_msg *m)
{
	struct sup_child *evaluator = sup_find_child(s, PLAN_EVALUATOR, 0);
	uint64_t now = clock_mono_ns();

	if (!evaluator || evaluator->ctl.fd < 0 || now - s->capture_full_ns < NS_PER_S)
		return;
	s->capture_full_ns = now;
	(void)sup_send(evaluator, CTL_CAPTURE_FULL, FD_NONE, m->index, NULL,
		-1); /* one that has just gone: the log has said it */
}

/* false: this child may not send that. */
static bool handle_message(struct sup *s, struct sup_child *c, const struct ctl_msg *m, int *fd)
{
	bool is_short = c->proc->row->flags & PLAN_SHORT;

	switch (m->type) {
	case CTL_SEALED:
		c->seal_done = (uint32_t)m->value[0];
		c->landlock = (uint32_t)m->value[1];
		return true;
	case CTL_OPEN:
	case CTL_GIVE:
	case CTL_RESULT:
		if (is_short)
			sup_short_message(s, c, m, TAKE_FD(*fd));
		return is_short;
	case CTL_READY:
		if (is_short || !is_sealed(s, c))
			return false;
		sup_child_event(s, c, LC_EV_READY);
		return true;
	case CTL_DONE:
		c->done = true;
		sup_child_event(s, c, LC_EV_DONE);
		return !is_short;
	case CTL_FAULT:
		if (!is_short)
			sup_ringfault_report(s, c, m);
		return !is_short;
	case CTL_NEED_SINK:
		if (c->proc->type != PLAN_EMITTER && c->proc->type != PLAN_METADATA &&
			c->proc->type != PLAN_DIALER && c->proc->type != PLAN_RECORDER &&
			c->proc->type != PLAN_GATE)
			return false;
		answer_sink(s, c, m);
		return true;
	case CTL_SNAPSHOT_DONE:
		if (c->proc->type != PLAN_TRACKER && c->proc->type != PLAN_COLLECTOR)
			return false;
		sup_recover_answer(s, c, m);
		return true;
	case CTL_CAPTURE_FULL:
		if (c->proc->type != PLAN_RECORDER)
			return false;
		pass_on_capture_full(s, m);
		return true;
	case CTL_IMAGE_ACK:
		return c->proc->type == PLAN_TRACKER || c->proc->type == PLAN_EVALUATOR;
	default:
		return false;
	}
}

void sup_child_ready(struct sup *s, struct sup_watch *w, uint32_t events)
{
	struct sup_child *c = w->owner;

	(void)events;
	for (unsigned i = 0; i < MESSAGES_A_ROUND && w->fd >= 0; i++) {
		_cleanup_close_ int fd = -1;
		struct ctl_msg m;
		int r;

		r = ctl_recv(w->fd, &m, &fd);
		if (r == -EAGAIN)
			return;
		if (r <= 0 && r != -EBADMSG) {
			sup_watch_close(s, w); /* it ends; SIGCHLD says how */
			return;
		}
		if (r == -EBADMSG || !handle_message(s, c, &m, &fd)) {
			log_err("%s sent a message that it may not send, ending it", c->proc->name);
			sup_child_kill(c);
			sup_watch_close(s, w);
			return;
		}
	}
}

static void log_end(const struct sup_child *c, int status)
{
	if (c->ended_by_us)
		return;
	if (WIFSIGNALED(status))
		log_err("%s was ended by signal %d", c->proc->name, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0 && !(c->proc->row->flags & PLAN_SHORT))
		log_err("%s ended with status %d", c->proc->name, WEXITSTATUS(status));
	else if (!c->done && !(c->proc->row->flags & PLAN_SHORT))
		log_err("%s ended before its work was done", c->proc->name);
}

static void reap_child(struct sup *s, struct sup_child *c)
{
	bool is_short = c->proc->row->flags & PLAN_SHORT;
	bool is_clean;
	int status;

	if (c->pid <= 0 || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	for (unsigned n = 0; c->ctl.fd >= 0 && n < 64; n++)
		sup_child_ready(s, &c->ctl, EPOLLIN); /* its last words, up to the end of file */
	sup_log_flush(s, c);
	sup_watch_close(s, &c->ctl);
	c->pid = 0;
	log_end(c, status);
	sup_bpf_exclude(s);
	if (is_short) {
		c->state = LC_STOPPED;
		c->done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
		return;
	}
	is_clean = WIFEXITED(status) && WEXITSTATUS(status) == 0 && c->done;
	if (!is_clean)
		sup_recover_end(s, c);
	sup_child_event(s, c, is_clean ? LC_EV_EXIT_CLEAN : LC_EV_EXIT);
}

void sup_reap(struct sup *s)
{
	for (size_t i = 1; i < s->n_children; i++) {
		if (s->children[i].proc->row->flags & PLAN_FOREIGN)
			sup_program_reap(s, &s->children[i]);
		else
			reap_child(s, &s->children[i]);
	}
	sup_files_reap(s);
	sup_openers_reap(s);
	if (s->current_short)
		reap_child(s, s->current_short);
}

static uint64_t watchdog_factor(void)
{
#ifdef SAKER_TEST_HOOKS
	/* so that tests of hanging stages need not wait for so long */
	const char *env = getenv("SAKER_TEST_WATCHDOG");
	unsigned long n = env ? strtoul(env, NULL, 10) : 0;

	if (n > 0 && n <= WATCHDOG_FACTOR)
		return n;
#endif
	return WATCHDOG_FACTOR;
}

static void watch_over(struct sup *s, struct sup_child *c, uint64_t now_ns)
{
	uint64_t beat = stats_get(&c->stats->heartbeat_ns);
	uint64_t limit = watchdog_factor() *
			 (stats_get(&c->stats->waiting) ? WATCHDOG_WAITING_NS : WATCHDOG_BUSY_NS);

	/* a heartbeat in the future is a lie and counts as none */
	if (now_ns - c->running_since_ns <= limit)
		return;
	if (beat > now_ns ? beat - now_ns > limit : now_ns - beat > limit)
		sup_child_event(s, c, LC_EV_HANG);
}

void sup_children_tick(struct sup *s, uint64_t now_ns)
{
	for (size_t i = 1; i < s->n_children; i++) {
		struct sup_child *c = &s->children[i];

		if (c->deadline_ns && now_ns >= c->deadline_ns) {
			c->deadline_ns = 0;
			if (c->state != LC_BACKOFF || (sup_ringfault_may_start(s, c, now_ns) &&
							      sup_recover_may_start(s, c, now_ns)))
				sup_child_event(s, c, LC_EV_TIMER);
		}
		if (c->stats && c->pid > 0 && (c->state == LC_RUNNING || c->state == LC_DRAINING))
			watch_over(s, c, now_ns);
	}
}
