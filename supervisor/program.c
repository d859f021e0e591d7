/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of outputs: started by the shell when their emitter asks, one at a time for each output,
 * with a pipe as standard input whose other end the emitter gets. Standard output and error are our
 * own, as Falco's are. They are no part of saker: what they do is watched like anything else, and
 * they get no descriptor of ours, a uid of their own, and the seal that plan.c says, between fork and
 * exec. The command is the configuration's. */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "sup.h"

#define ENV_MAX 16
/* One that takes all alerts ends when its input does; then it is made to. */
#define END_NS (5 * NS_PER_S)
#define KILL_NS (8 * NS_PER_S)
#define PATH_DEFAULT "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

extern char **environ;

/* What the child says of its seal before it becomes the program. */
struct sealed {
	uint32_t done, landlock;
	int error; /* positive errno, 0 none */
	char step[32];
};

static struct sup_child *program_of(struct sup *s, const struct sup_child *emitter)
{
	return sup_find_child(s, PLAN_PROGRAM, emitter->proc->index);
}

/* Our environment may hold what configuration texts refer to as ${SECRET}. */
static void make_env(char *env[ENV_MAX])
{
	static const char *const kept[] = {"PATH=", "LANG=", "LC_ALL=", "TZ=", "http_proxy=",
		"https_proxy=", "no_proxy=", "HTTP_PROXY=", "HTTPS_PROXY=", "NO_PROXY="};
	bool has_path = false;
	unsigned n = 0;

	for (char **e = environ; *e; e++)
		for (size_t i = 0; i < ARRAY_LEN(kept) && n < ENV_MAX - 3; i++)
			if (strncmp(*e, kept[i], strlen(kept[i])) == 0) {
				env[n++] = *e;
				has_path |= i == 0;
			}
	if (!has_path)
		env[n++] = PATH_DEFAULT;
	env[n++] = "HOME=/";
	env[n] = NULL;
}

/* In the child: never returns. @out: says how the seal went, closed by exec. */
static void _noreturn_ become(
	const struct sup *s, const struct sup_child *c, const char *command, int in, int out)
{
	char *argv[] = {"sh", "-c", (char *)command, NULL}, *env[ENV_MAX];
	const char *step = "descriptors";
	struct sealed q = {0};
	sigset_t none;
	int r = 0;

	make_env(env);
	out = fcntl(out, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (out < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDERR_FILENO + 1) < 0 ||
		fcntl(STDERR_FILENO + 1, F_SETFD, FD_CLOEXEC) < 0 ||
		syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0) < 0 || chdir("/") < 0)
		r = -errno;
	out = STDERR_FILENO + 1;
	(void)setsid();
	(void)umask(022);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (r == 0)
		r = seal_program(c->proc->uid,
			plan_required_seal(PLAN_PROGRAM, s->mode, s->has_landlock), &q.done,
			&q.landlock, &step);
	q.error = -r;
	(void)snprintf(q.step, sizeof(q.step), "%s", step);
	(void)!write(out, &q, sizeof(q));
	if (r == 0)
		(void)execve("/bin/sh", argv, env);
	_exit(127);
}

static int read_sealed(int fd, struct sealed *ret)
{
	ssize_t n;

	do
		n = read(fd, ret, sizeof(*ret));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*ret))
		return -EPROTO;
	ret->step[sizeof(ret->step) - 1] = 0;
	return -ret->error;
}

/* A descriptor to write to, or negative errno, logged. */
static int start(struct sup *s, struct sup_child *c)
{
	const struct plan_output *o = &s->config->outputs[c->proc->index];
	_cleanup_close_ int in = -1, out = -1, said = -1, says = -1;
	struct sealed q = {.step = "start"};
	int pair[2], r;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return log_err_errno(-errno, "make a pipe for output '%s'", o->name);
	in = pair[0];
	out = pair[1];
	if (fcntl(out, F_SETFL, O_NONBLOCK) < 0 || pipe2(pair, O_CLOEXEC) < 0)
		return log_err_errno(-errno, "make a pipe for output '%s'", o->name);
	said = pair[0];
	says = pair[1];
	c->pid = fork();
	if (c->pid == 0)
		become(s, c, o->path, in, says);
	if (c->pid < 0) {
		r = -errno;
		c->pid = 0;
		return log_err_errno(r, "start the program of output '%s'", o->name);
	}
	says = fd_close(says);
	r = read_sealed(said, &q); /* at once: the child only gives rights up */
	if (r < 0)
		return log_err_errno(r, "start the program of output '%s': %s", o->name, q.step);
	c->seal_done = q.done;
	c->landlock = q.landlock;
	c->state = LC_RUNNING;
	c->end_ns = 0;
	log_debug("program of output '%s' started, pid %d", o->name, (int)c->pid);
	return TAKE_FD(out);
}

static void answer(struct sup *s, struct sup_child *emitter, struct sup_child *c)
{
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = CTL_SINK, .role = FD_SINK};
	_cleanup_close_ int fd = start(s, c);

	c->is_wanted = false;
	if (fd < 0)
		m.result = fd;
	(void)ctl_send(emitter->ctl.fd, &m, fd); /* it may be gone: then its input has ended */
}

void sup_program_ask(struct sup *s, struct sup_child *emitter)
{
	struct sup_child *c = program_of(s, emitter);

	if (c->pid > 0)
		c->is_wanted = true; /* one after the other */
	else
		answer(s, emitter, c);
}

void sup_program_reap(struct sup *s, struct sup_child *c)
{
	const struct plan_output *o = &s->config->outputs[c->proc->index];
	struct sup_child *emitter = sup_find_child(s, PLAN_EMITTER, c->proc->index);
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = CTL_ENDED};
	int status;

	if (c->pid <= 0 || waitpid(c->pid, &status, WNOHANG) != c->pid)
		return;
	c->pid = 0;
	c->state = LC_STOPPED;
	if (o->flags & PLAN_OUT_F_KEEP_ALIVE && s->phase != SUP_STOPPING)
		c->restarts++;
	if (!c->end_ns && s->phase != SUP_STOPPING && c->last_status != status &&
		(!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
		if (WIFSIGNALED(status))
			log_warning("program of output '%s' was ended by signal %d", o->name,
				WTERMSIG(status));
		else
			log_warning("program of output '%s' ended with status %d", o->name,
				WEXITSTATUS(status));
	}
	c->last_status = status;
	if (emitter->ctl.fd < 0)
		return;
	m.value[0] = (uint64_t)(unsigned)status;
	(void)ctl_send(emitter->ctl.fd, &m, -1); /* it may be gone */
	if (c->is_wanted)
		answer(s, emitter, c);
}

/* One whose input has ended and that goes on keeps alerts (a new one is wanted) or our end waiting. */
void sup_programs_tick(struct sup *s, uint64_t now_ns)
{
	for (size_t i = 1; i < s->n_children; i++) {
		struct sup_child *c = &s->children[i];
		struct sup_child *emitter;
		bool must_end;

		if (c->proc->type != PLAN_PROGRAM || c->pid <= 0)
			continue;
		emitter = sup_find_child(s, PLAN_EMITTER, c->proc->index);
		must_end = (c->is_wanted && s->config->outputs[c->proc->index].flags &
						    PLAN_OUT_F_KEEP_ALIVE) ||
			   (s->phase == SUP_STOPPING && emitter->pid <= 0);
		if (!must_end)
			continue;
		if (!c->end_ns)
			c->end_ns = now_ns;
		if (now_ns - c->end_ns >= KILL_NS)
			(void)kill(-c->pid, SIGKILL);
		else if (now_ns - c->end_ns >= END_NS)
			(void)kill(-c->pid, SIGTERM); /* its children too */
	}
}
