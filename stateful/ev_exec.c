/* SPDX-License-Identifier: Apache-2.0 */
/* execve and execveat: a process becomes another program. Only success changes anything. Every
 * parameter was chosen by the process or the kernel. */

#include "core.h"

#include <string.h>

#include <base/macros.h>

#include "families.h"

static uint64_t u64_or(const struct kev *k, unsigned i, uint64_t otherwise)
{
	return kev_param_present(k, i) ? kev_param_u64(k, i) : otherwise;
}

static struct span without_deleted(struct span path)
{
	struct span mark = SPAN_LIT(" (deleted)");

	if (span_ends_with(path, mark))
		path.n -= mark.n;
	return path;
}

/* The other threads are gone, the descriptor table is the process's own, and what was marked
 * close-on-exec is closed. */
static void new_image(struct st_ctx *c, struct st_thread *t)
{
	struct st_core *core = c->core;

	while (t->thread_first != ST_NONE)
		st_thread_forget(&core->threads, st_thread_at(&core->threads, t->thread_first));
	if (st_files_get(&core->fds, t->files)->n_refs > 1) {
		uint32_t copy = st_files_copy(&core->fds, t->files);

		st_files_drop(&core->fds, t->files);
		t->files = copy;
	}
	st_fd_remove_cloexec(&core->fds, t->files);
	t->n_threads = 1;
	t->dead = false;
	t->placeholder = false;
}

static void set_texts(struct st_ctx *c, struct st_thread *t)
{
	struct st_threads *threads = &c->core->threads;
	const struct kev *k = &c->kev;
	struct span comm = kev_param_text(k, 13), exepath = without_deleted(kev_param_text(k, 27));

	if (!comm.n)
		comm = (struct span){
			.p = k->head->comm, .n = strnlen(k->head->comm, sizeof(k->head->comm))};
	st_thread_set_text(threads, t, ST_COMM, comm);
	st_thread_set_text(threads, t, ST_EXE, kev_param_text(k, 1));
	t->n_args = st_thread_set_strings(threads, t, ST_ARGS, k->param[2]);
	if ((c->core->cfg.needs & IMG_NEED_ENV) && k->param[15].n)
		(void)st_thread_set_strings(
			threads, t, ST_ENV, k->param[15]); /* nobody asks how many */
	if (exepath.n)
		st_thread_set_text(threads, t, ST_EXEPATH, exepath);
	st_set_cgroups(c->core, t, k->param[14], k->head->cgroup_id);
	if (kev_param_present(k, 6) && !t->text[ST_CWD]) {
		char buf[ST_PATH_BUF];

		st_thread_set_text(threads, t, ST_CWD, st_path_as_dir(kev_param_text(k, 6), buf));
	}
}

static void set_ids(const struct kev *k, struct st_thread *t)
{
	uint32_t loginuid = (uint32_t)u64_or(k, 18, (uint32_t)t->loginuid);

	t->tty = (uint32_t)u64_or(k, 16, t->tty);
	t->vpgid = (int64_t)u64_or(k, 17, (uint64_t)t->vpgid);
	t->pgid = (int64_t)u64_or(k, 28, (uint64_t)t->pgid);
	t->loginuid = loginuid == UINT32_MAX ? -1 : (int64_t)loginuid;
	t->uid = (uint32_t)u64_or(k, 26, k->head->uid == UINT32_MAX ? t->uid : k->head->uid);
	t->gid = (uint32_t)u64_or(k, 29, k->head->gid == UINT32_MAX ? t->gid : k->head->gid);
	t->cap_inheritable = u64_or(k, 20, t->cap_inheritable);
	t->cap_permitted = u64_or(k, 21, t->cap_permitted);
	t->cap_effective = u64_or(k, 22, t->cap_effective);
}

static void set_executable(const struct kev *k, struct st_thread *t)
{
	t->exe_flags = (uint32_t)u64_or(k, 19, t->exe_flags);
	t->exe_ino = u64_or(k, 23, t->exe_ino);
	t->exe_ctime_ns = u64_or(k, 24, t->exe_ctime_ns);
	t->exe_mtime_ns = u64_or(k, 25, t->exe_mtime_ns);
	t->fd_limit = (int64_t)u64_or(k, 7, (uint64_t)t->fd_limit);
	t->pf_major = u64_or(k, 8, t->pf_major);
	t->pf_minor = u64_or(k, 9, t->pf_minor);
	t->vm_size_kb = u64_or(k, 10, t->vm_size_kb);
	t->vm_rss_kb = u64_or(k, 11, t->vm_rss_kb);
	t->vm_swap_kb = u64_or(k, 12, t->vm_swap_kb);
}

void st_on_exec(struct st_ctx *c)
{
	struct st_thread *t = c->leader;

	if (!st_ok(c) || !t || !st_is_newer(c, t))
		return;
	c->t = t; /* whichever thread called: it is the leader now */
	new_image(c, t);
	set_texts(c, t);
	set_ids(&c->kev, t);
	set_executable(&c->kev, t);
	if (kev_param_i64(&c->kev, 5) > 0) /* an exit that was lost may have changed it */
		st_thread_set_parent(&c->core->threads, t, kev_param_i64(&c->kev, 5));
	st_mark(c, t);
	st_container_runs(&c->core->containers, st_thread_text(&c->core->threads, t, ST_CONTAINER),
		t->pid, c->rec->ts_ns);
}
