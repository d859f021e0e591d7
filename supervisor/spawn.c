/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a program: by descriptor, in a session of its own, with an empty environment and no
 * descriptor but its control socket and its log. Between fork and exec only calls that are safe
 * there; the program gives up its rights itself, after the dynamic loader's work (stage/seal.c). */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <shm/segment.h>

#include "sup.h"

#define SPAWN_ENV_MAX 1024
#define SPAWN_FD_FREE 10 /* descriptors are moved above those that the child gets */

extern char **environ;

/* What a program may know of our environment. The policy's runs expand ${VAR} in configuration
 * texts, so they get it all but what steers the dynamic loader. */
static bool env_passes(const char *e, enum plan_type type)
{
	static const char *const kept[] = {
		"TZ=",
		"SAKER_",
#ifdef SAKER_SANITIZED
		"ASAN_OPTIONS=",
		"UBSAN_OPTIONS=",
#endif
	};

	if (type == PLAN_POLICY)
		return strncmp(e, "LD_", 3) != 0;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (strncmp(e, kept[i], strlen(kept[i])) == 0)
			return true;
	return false;
}

static int open_program(struct sup *s, const char *name)
{
	struct sup_program *p = s->programs;
	char path[PATH_MAX];
	int fd;

	while (p->name && strcmp(p->name, name) != 0)
		p++;
	assert(p < &s->programs[SUP_PROGRAMS_MAX - 1]); /* the plan has not that many */
	if (p->name)
		return p->fd;
	if (snprintf(path, sizeof(path), "%s/%s", s->libexec, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return log_err_errno(-errno, "open the program '%s'", path);
	*p = (struct sup_program){name, fd};
	return fd;
}

/* In the child: never returns. */
static void _noreturn_ become(int program, int sock, int log, char *const *argv, char *const *env)
{
	static const char failed[] = "3cannot execute the stage's program\n";
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	program = fcntl(program, F_DUPFD_CLOEXEC, SPAWN_FD_FREE);
	sock = fcntl(sock, F_DUPFD_CLOEXEC, SPAWN_FD_FREE);
	log = fcntl(log, F_DUPFD_CLOEXEC, SPAWN_FD_FREE);
	null = fcntl(null, F_DUPFD_CLOEXEC, SPAWN_FD_FREE);
	if (program < 0 || sock < 0 || log < 0 || null < 0)
		_exit(127);
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
		dup2(log, STDERR_FILENO) < 0 || dup2(sock, CTL_FD_SOCKET) < 0 ||
		dup2(log, CTL_FD_LOG) < 0)
		_exit(127);
	(void)setsid(); /* Ctrl-C reaches the supervisor alone */
	(void)signal(SIGPIPE, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)syscall(SYS_execveat, program, "", argv, env, AT_EMPTY_PATH);
	(void)!write(CTL_FD_LOG, failed, sizeof(failed) - 1);
	_exit(127);
}

static int open_pair(struct sup *s, struct sup_child *c, int *ret_sock, int *ret_log)
{
	int pair[2], log[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	c->ctl = (struct sup_watch){.fd = pair[0], .ready = sup_child_ready, .owner = c};
	*ret_sock = pair[1];
	if (pipe2(log, O_CLOEXEC) < 0)
		return -errno;
	c->log = (struct sup_watch){.fd = log[0], .ready = sup_log_ready, .owner = c};
	*ret_log = log[1];
	if (fcntl(c->ctl.fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(c->log.fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = sup_watch_add(s, &c->ctl, EPOLLIN);
	return r < 0 ? r : sup_watch_add(s, &c->log, EPOLLIN);
}

int sup_spawn(struct sup *s, struct sup_child *c, char *const *argv)
{
	char *env[SPAWN_ENV_MAX + 1] = {NULL};
	_cleanup_close_ int sock = -1, log = -1;
	unsigned n_env = 0;
	int program, r;
	pid_t pid;

	program = open_program(s, c->proc->program);
	if (program < 0)
		return program;
	for (char **e = environ; *e && n_env < SPAWN_ENV_MAX; e++)
		if (env_passes(*e, c->proc->type))
			env[n_env++] = *e;
	c->line_n = 0;
	c->done = c->has_result = c->ended_by_us = false;
	c->seal_done = c->landlock = c->n_opens = 0;
	r = open_pair(s, c, &sock, &log);
	if (r < 0)
		return log_err_errno(r, "start %s", c->proc->name);
	pid = fork();
	if (pid < 0)
		return log_err_errno(-errno, "start %s", c->proc->name);
	if (pid == 0)
		become(program, sock, log, argv, env);
	c->pid = pid;
	log_debug("%s started, pid %d", c->proc->name, (int)pid);
	return 0;
}

int sup_send(struct sup_child *c, enum ctl_type type, enum ctl_role role, unsigned index,
	const char *text, int fd)
{
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = type, .role = role, .index = index};

	if (text)
		(void)snprintf(m.text, sizeof(m.text), "%s", text); /* names: cut */
	return ctl_send(c->ctl.fd, &m, fd);
}

int sup_send_hello(struct sup *s, struct sup_child *c)
{
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = CTL_HELLO, .index = c->proc->index};

	m.value[0] = seg_abi_hash();
	m.value[1] = c->proc->uid;
	m.value[2] = plan_required_seal(c->proc->type, s->mode, s->has_landlock);
	m.value[3] = c->skip;
	(void)snprintf(m.text, sizeof(m.text), "%s", c->proc->name);
	return ctl_send(c->ctl.fd, &m, -1);
}
