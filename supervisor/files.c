/* SPDX-License-Identifier: Apache-2.0 */
/* Files of outputs: opened, and opened again when they were renamed or removed, when the operator
 * asks, or when their emitter says that they are due (files_old.c renames them first).
 *
 * A disk that hangs must not hold the supervisor, so after the start all of it is done by short-lived
 * children, one at a time for each file, which send the new descriptor to the emitter themselves. An
 * emitter's word is not enough to rotate: the file's own size or age must say so too. */
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "sup.h"

#define WATCH_TRIES 3
#define REOPEN_NS (200 * NS_PER_MS) /* by what others do to the name, at most so often */
#define AGAIN_NS (5 * NS_PER_S)     /* after a failure */
#define ZIP_NICE 19
#define NOTHING_LEFT 2 /* exit status of the compressor */

/* --- opening --- */

static bool does_rotate(const struct plan_output *o)
{
	return o->rotate_size || o->rotate_age_ns;
}

static int open_path(const struct plan_output *o, struct stat *ret_st)
{
	/* O_NONBLOCK: a named pipe without a reader must not hold us */
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	_cleanup_close_ int fd = open(o->path, flags | (does_rotate(o) ? O_NOFOLLOW : 0), 0600);

	if (fd < 0 || fstat(fd, ret_st) < 0)
		return -errno;
	if (!S_ISREG(ret_st->st_mode))
		return does_rotate(o) ? -ENOTSUP : TAKE_FD(fd);
	/* else some file systems answer requests of io_uring with EAGAIN */
	if (fcntl(fd, F_SETFL, O_APPEND) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* Opens it, and has @notify (-1: none) tell when it loses its name. */
static int open_and_watch(const struct plan_output *o, int notify)
{
	for (unsigned i = 0;; i++) {
		char self[40];
		struct stat st, now;
		_cleanup_close_ int fd = open_path(o, &st);

		if (fd < 0 || notify < 0 || !S_ISREG(st.st_mode))
			return TAKE_FD(fd);
		(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
		if (inotify_add_watch(notify, self, IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB) < 0)
			log_warning_errno(-errno,
				"watch '%s': when it is renamed, SIGUSR1 is needed", o->path);
		/* renamed before it was watched? */
		if ((stat(o->path, &now) == 0 && now.st_ino == st.st_ino &&
			    now.st_dev == st.st_dev) ||
			i == WATCH_TRIES)
			return TAKE_FD(fd);
	}
}

static int new_notify(void)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		log_warning_errno(-errno, "watch files for being renamed: SIGUSR1 is needed then");
	return fd;
}

static void on_notify(struct sup *s, struct sup_watch *w, uint32_t events)
{
	struct sup_file *f = w->owner;
	char buf[4096] __attribute__((aligned(8)));

	(void)s;
	(void)events;
	/* all mean the same: the name may stand for something else now */
	while (read(w->fd, buf, sizeof(buf)) > 0)
		f->wants_open = f->is_moved = true;
}

static void use_notify(struct sup *s, struct sup_file *f, int fd)
{
	sup_watch_close(s, &f->notify);
	f->notify = (struct sup_watch){.fd = fd, .ready = on_notify, .owner = f};
	if (fd >= 0 && sup_watch_add(s, &f->notify, EPOLLIN) < 0)
		sup_watch_close(s, &f->notify);
}

int sup_file_open(struct sup *s, unsigned output)
{
	struct sup_file *f = &s->files[output];
	int notify = new_notify(), fd = open_and_watch(&s->config->outputs[output], notify);

	f->wants_zip = s->config->outputs[output].rotate_gzip; /* what was left over */
	use_notify(s, f, notify);
	return fd;
}

/* --- the children --- */

/* A child that does not end must keep nobody waiting for the end of its neighbours' sockets. */
static void become_helper(struct sup *s, const struct sup_child *emitter)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NAME, "saker-files");
	(void)fd_close(s->control.fd);
	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i].ctl.fd >= 0 && &s->children[i] != emitter)
			(void)close(s->children[i].ctl.fd);
}

static void _noreturn_ run_opener(
	struct sup *s, const struct sup_child *c, bool must_rotate, int notify)
{
	const struct plan_output *o = &s->config->outputs[c->proc->index];
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = CTL_SINK, .role = FD_SINK};
	int fd, r = 0;

	become_helper(s, c);
	if (must_rotate && sup_old_is_due(o))
		r = sup_old_rotate(o);
	fd = open_and_watch(o, notify);
	if (fd < 0) {
		r = m.result = fd;
		log_err_errno(r, "open '%s' of output '%s'", o->path, o->name);
	}
	if (ctl_send(c->ctl.fd, &m, fd < 0 ? -1 : fd) < 0)
		r = -EPIPE; /* it has ended: its successor asks again */
	_exit(r < 0);
}

static void begin_open(struct sup *s, struct sup_file *f, struct sup_child *c)
{
	bool must_rotate = f->wants_rotate;
	int notify = new_notify();

	f->pid = fork();
	if (f->pid == 0)
		run_opener(s, c, must_rotate, notify);
	if (f->pid < 0) {
		f->pid = 0;
		(void)fd_close(notify);
		log_warning_errno(-errno, "start a helper for the file of output '%s'",
			s->config->outputs[c->proc->index].name);
		return;
	}
	f->next_notify = notify;
	f->wants_open = f->wants_rotate = false;
	f->is_rotating = must_rotate;
	f->next_ns = clock_mono_ns() + REOPEN_NS;
}

static void opened(struct sup *s, struct sup_file *f, const struct plan_output *o, bool is_well)
{
	use_notify(s, f, f->next_notify); /* also after a failure: then nothing is watched */
	f->next_notify = -1;
	if (!is_well) {
		/* alerts go to the file that has lost its name: it is tried again */
		f->wants_open |= f->is_moved || f->is_asked;
		f->next_ns = clock_mono_ns() + AGAIN_NS;
		return;
	}
	if (f->is_rotating)
		log_info("file of output '%s' rotated", o->name);
	else if (f->is_moved || f->is_asked)
		log_notice("file of output '%s' reopened%s", o->name,
			f->is_asked ? "" : ": it was renamed or removed");
	f->is_moved = f->is_asked = false;
	f->wants_zip |= f->is_rotating && o->rotate_gzip;
}

static void _noreturn_ run_zipper(struct sup *s, const struct plan_output *o)
{
	int r;

	become_helper(s, NULL);
	(void)setpriority(PRIO_PROCESS, 0, ZIP_NICE); /* it has time */
	r = sup_old_zip_one(o);
	_exit(r < 0 ? 1 : r > 0 ? 0 : NOTHING_LEFT);
}

/* --- from outside --- */

void sup_file_ask(struct sup *s, struct sup_child *c, bool must_rotate)
{
	struct sup_file *f = &s->files[c->proc->index];

	f->wants_open = true;
	f->wants_rotate |= must_rotate && does_rotate(&s->config->outputs[c->proc->index]);
	sup_files_tick(s, clock_mono_ns());
}

void sup_file_reopen(struct sup *s, struct sup_child *c)
{
	s->files[c->proc->index].is_asked = true;
	sup_file_ask(s, c, false);
}

void sup_files_tick(struct sup *s, uint64_t now_ns)
{
	for (size_t i = 1; i < s->n_children; i++) {
		struct sup_child *c = &s->children[i];
		struct sup_file *f = &s->files[c->proc->index];
		const struct plan_output *o = &s->config->outputs[c->proc->index];

		if (c->proc->type != PLAN_EMITTER || o->kind != PLAN_OUT_FILE)
			continue;
		if (f->wants_open && !f->pid && c->pid > 0 && c->ctl.fd >= 0 &&
			now_ns >= f->next_ns)
			begin_open(s, f, c);
		if (f->wants_zip && !f->zip_pid && s->phase == SUP_DETECTING) {
			f->wants_zip = false;
			f->zip_pid = fork();
			if (f->zip_pid == 0)
				run_zipper(s, o);
			if (f->zip_pid < 0)
				f->zip_pid = 0; /* at the next rotation */
		}
	}
}

void sup_files_reap(struct sup *s)
{
	for (unsigned i = 0; i < PLAN_OUTPUTS_MAX; i++) {
		struct sup_file *f = &s->files[i];
		int status;

		if (f->pid > 0 && waitpid(f->pid, &status, WNOHANG) == f->pid) {
			f->pid = 0;
			opened(s, f, &s->config->outputs[i],
				WIFEXITED(status) && WEXITSTATUS(status) == 0);
		}
		if (f->zip_pid > 0 && waitpid(f->zip_pid, &status, WNOHANG) == f->zip_pid) {
			f->zip_pid = 0;
			/* another one may have come meanwhile */
			f->wants_zip |= WIFEXITED(status) && WEXITSTATUS(status) == 0;
		}
	}
}

void sup_files_init(struct sup *s)
{
	for (unsigned i = 0; i < PLAN_OUTPUTS_MAX; i++)
		s->files[i] = (struct sup_file){.notify.fd = -1, .next_notify = -1};
}

void sup_files_done(struct sup *s)
{
	for (unsigned i = 0; i < PLAN_OUTPUTS_MAX; i++) {
		struct sup_file *f = &s->files[i];

		/* what they have not finished is begun anew by the next run */
		if (f->pid > 0)
			(void)kill(f->pid, SIGKILL);
		if (f->zip_pid > 0)
			(void)kill(f->zip_pid, SIGKILL);
		sup_watch_close(s, &f->notify);
		f->next_notify = fd_close(f->next_notify);
	}
}
