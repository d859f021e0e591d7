/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's set-up and event loop: signals, children's sockets and logs, control clients,
 * all in one epoll. Nothing here looks into what comes; it only says where it goes. */
#include "sup.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <linux/capability.h>

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
#include <stage/seal.h>

#define SUP_EVENTS 32

int sup_watch_add(struct sup *s, struct sup_watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, w->fd, &e) < 0 ? -errno : 0;
}

int sup_watch_mod(struct sup *s, struct sup_watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, w->fd, &e) < 0 ? -errno : 0;
}

void sup_watch_close(struct sup *s, struct sup_watch *w)
{
	if (w->fd < 0)
		return;
	(void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, w->fd,
		NULL); /* closing would do it too, unless a copy is open in a child being started */
	w->fd = fd_close(w->fd);
}

static void reopen_all(struct sup *s)
{
	for (size_t i = 1; i < s->n_children; i++) {
		struct sup_child *c = &s->children[i];
		uint32_t kind = s->config->outputs[c->proc->index].kind;

		if (c->proc->type != PLAN_EMITTER || c->state != LC_RUNNING)
			continue;
		if (kind == PLAN_OUT_FILE)
			sup_file_reopen(s, c);
		else if (kind == PLAN_OUT_PROGRAM)
			(void)sup_send(c, CTL_REOPEN, FD_NONE, 0, NULL, -1); /* it may be gone */
	}
}

static void on_signal(struct sup *s, struct sup_watch *w, uint32_t events)
{
	struct signalfd_siginfo si;

	(void)events;
	while (read(w->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		switch (si.ssi_signo) {
		case SIGCHLD:
			sup_reap(s);
			break;
		case SIGINT:
		case SIGTERM:
			s->stop_asked = true;
			break;
		case SIGUSR1:
			reopen_all(s);
			break;
		default:
			log_notice("signal %u has no meaning here, ignoring", si.ssi_signo);
			break;
		}
	}
}

/* All that is opened later must lie above the standard descriptors, also when we were started
 * without them. */
static int open_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (fd < 0)
			return log_err_errno(-errno, "open '/dev/null'");
	} while (fd <= STDERR_FILENO);
	(void)close(fd);
	return 0;
}

static int open_signals(struct sup *s)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGCHLD);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return log_err_errno(-errno, "block signals");
	s->signals = (struct sup_watch){
		.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .ready = on_signal};
	if (s->signals.fd < 0)
		return log_err_errno(-errno, "make a signal descriptor");
	return sup_watch_add(s, &s->signals, EPOLLIN);
}

/* Our own program's place says where the others are: PREFIX/bin/saker -> PREFIX/libexec/saker,
 * PREFIX/share/saker. */
static int find_places(struct sup *s)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n <= 0)
		return log_err_errno(n < 0 ? -errno : -ENOENT, "find saker's own place");
	path[n] = 0;
	for (int i = 0; i < 2; i++) {
		slash = strrchr(path, '/');
		if (!slash)
			return log_err_errno(-ENOENT, "find saker's own place from '%s'", path);
		*slash = 0;
	}
	if (snprintf(s->libexec, sizeof(s->libexec), "%s/libexec/saker", path) >=
			(int)sizeof(s->libexec) ||
		snprintf(s->share, sizeof(s->share), "%s/share/saker", path) >=
			(int)sizeof(s->share))
		return log_err_errno(-ENAMETOOLONG, "saker's own place");
	return 0;
}

/* In a container the host's users, groups and runtime sockets lie under a mount. */
static int find_host_root(struct sup *s)
{
	const char *env = getenv("HOST_ROOT");
	size_t n = env ? strlen(env) : 0;

	if (n > 0 && env[0] != '/') {
		log_err("HOST_ROOT is '%s': expected an absolute path, as in HOST_ROOT=/host", env);
		return -EINVAL;
	}
	while (n > 0 && env[n - 1] == '/')
		n--;
	if (n >= sizeof(s->host_root))
		return log_err_errno(-ENAMETOOLONG, "HOST_ROOT");
	if (n > 0)
		memcpy(s->host_root, env, n);
	s->host_root[n] = 0;
	return 0;
}

static bool has_cap(const struct __user_cap_data_struct *data, unsigned cap)
{
	return data[cap / 32].effective >> (cap % 32) & 1;
}

static enum plan_mode find_mode(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &head, data) < 0 || !has_cap(data, CAP_SETUID) ||
		!has_cap(data, CAP_SETGID))
		return PLAN_MODE_USER;
	return has_cap(data, CAP_SYS_ADMIN) ? PLAN_MODE_FULL : PLAN_MODE_CONTAINER;
}

int sup_init(struct sup *s, const struct args *args)
{
	struct rlimit l;
	int r;

	*s = (struct sup){.args = args,
		.epoll_fd = -1,
		.signals.fd = -1,
		.control.fd = -1,
		.rules_options = -1,
		.dial_rules = -1,
		.image = -1,
		.settings_fd = -1};
	for (unsigned i = 0; i < PLAN_OUTPUTS_MAX; i++) {
		s->outputs[i] = -1;
		s->dial[i] = (struct sup_dial){-1, -1};
	}
	for (unsigned i = 0; i < SUP_CLIENTS_MAX; i++)
		s->clients[i].watch.fd = -1;
	sup_bpf_init(&s->bpf);
	sup_files_init(s);
	s->started_ns = clock_mono_ns();
	r = find_host_root(s);
	if (r < 0)
		return r;
	s->mode = find_mode();
	s->has_landlock = seal_landlock_abi() > 0;
	r = open_standard();
	if (r < 0)
		return r;
	s->config = calloc(1, sizeof(*s->config));
	if (!s->config)
		return log_err_errno(-ENOMEM, "start");
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return log_err_errno(-errno, "make an epoll descriptor");
	/* every ring costs four descriptors; not enough of them shows where they are opened */
	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
	r = find_places(s);
	return r < 0 ? r : open_signals(s);
}

void sup_done(struct sup *s)
{
	sup_kill_all(s);
	sup_control_close(s);
	sup_files_done(s);
	for (size_t i = 0; i < s->n_children; i++)
		sup_child_done(s, &s->children[i]);
	for (size_t i = 0; s->rings && i < s->plan.n_rings; i++)
		spsc_fds_close(&s->rings[i]);
	free(s->children);
	free(s->rings);
	free(s->faults);
	plan_done(&s->plan);
	sup_bpf_done(&s->bpf);
	for (unsigned i = 0; s->programs[i].name; i++)
		(void)fd_close(s->programs[i].fd);
	for (unsigned i = 0; i < PLAN_OUTPUTS_MAX; i++) {
		(void)fd_close(s->outputs[i]);
		(void)fd_close(s->dial[i].emitter);
		(void)fd_close(s->dial[i].dialer);
	}
	(void)fd_close(s->dial_rules);
	(void)fd_close(s->rules_options);
	(void)fd_close(s->image);
	(void)fd_close(s->settings_fd);
	sup_watch_close(s, &s->signals);
	s->epoll_fd = fd_close(s->epoll_fd);
	strbuf_done(&s->held);
	free(s->config);
}

/* Milliseconds until the nearest deadline of a child, at most @max_ms. */
static int next_timeout(const struct sup *s, int max_ms)
{
	uint64_t now = clock_mono_ns(), best = now + (uint64_t)max_ms * NS_PER_MS;

	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i].deadline_ns && s->children[i].deadline_ns < best)
			best = s->children[i].deadline_ns;
	if (s->stop_deadline_ns && s->stop_deadline_ns < best)
		best = s->stop_deadline_ns;
	if (s->run_deadline_ns && s->run_deadline_ns < best)
		best = s->run_deadline_ns;
	return best <= now ? 0 : (int)((best - now + NS_PER_MS - 1) / NS_PER_MS);
}

void sup_pump(struct sup *s, int max_ms)
{
	struct epoll_event ev[SUP_EVENTS];
	uint64_t now;
	int n;

	n = epoll_wait(s->epoll_fd, ev, SUP_EVENTS, next_timeout(s, max_ms));
	for (int i = 0; i < n; i++) {
		struct sup_watch *w = ev[i].data.ptr;

		if (w->fd >= 0) /* an earlier one of this round may have closed it */
			w->ready(s, w, ev[i].events);
	}
	now = clock_mono_ns();
	sup_children_tick(s, now);
	sup_files_tick(s, now);
	sup_openers_tick(s, now);
	sup_programs_tick(s, now);
	sup_control_tick(s, now);
}
