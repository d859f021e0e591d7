/* SPDX-License-Identifier: Apache-2.0 */
/* A test's process, its ancestors, and the users and groups: what the test says, defaults for the
 * rest (docs/rule-tests.md), as the records that a tracker sends. */
#include "tools_event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/macros.h>
#include <driver/kev.h>
#include <shm/spsc.h>

#define DEFAULT_AGE 60000000000LL
#define DEFAULT_PID 1000
#define DEFAULT_UID 1000

void event_init_thread(struct event_thread *t)
{
	t->pid = t->tid = t->vpid = t->vtid = t->sid = t->pgid = t->vpgid = EVENT_UNSET;
	t->uid = t->gid = t->loginuid = t->tty = t->fd_limit = t->exe_ino = EVENT_UNSET;
	t->clone_ts = t->duration = t->exe_ctime = t->exe_mtime = EVENT_UNSET;
	t->vm_size = t->vm_rss = t->vm_swap = EVENT_UNSET;
}

const struct rec_head *event_keep(struct test_event *e, struct rec_writer *w)
{
	struct rec_head *head = (struct rec_head *)w->buf;
	int n = rec_finish(w);
	void *copy;

	if (n < 0)
		return NULL;
	head->ring.len = (uint32_t)n;
	copy = arena_alloc(e->arena, (size_t)n);
	if (copy)
		memcpy(copy, w->buf, (size_t)n);
	return copy;
}

/* "name argument argument" */
static int split_cmdline(struct test_event *e, struct event_thread *t)
{
	size_t n = t->cmdline ? strcspn(t->cmdline, " ") : 0;
	char *args;

	if (!t->cmdline)
		return 0;
	if (!t->comm)
		t->comm = arena_strndup(e->arena, t->cmdline, MIN(n, (size_t)15));
	if (t->args.p || !t->cmdline[n])
		return t->comm ? 0 : -ENOMEM;
	args = arena_strdup(e->arena, t->cmdline + n + 1);
	if (!args || !t->comm)
		return -ENOMEM;
	t->args = (struct span){.p = args, .n = strlen(args) + 1};
	t->n_args = 1;
	for (char *p = args; *p; p++) {
		if (*p == ' ') {
			*p = 0;
			t->n_args++;
		}
	}
	return 0;
}

static int64_t default_uid(const char *name)
{
	return !name || strcmp(name, "root") == 0 ? 0 : DEFAULT_UID;
}

static void default_numbers(struct test_event *e, unsigned no)
{
	struct event_thread *t = &e->threads[no], *self = &e->threads[THREAD_SELF];
	bool is_other = no != THREAD_SELF;

	t->pid = event_or(t->pid, event_or(t->tid, DEFAULT_PID - 10 * (int64_t)no));
	t->tid = event_or(t->tid, t->pid);
	t->vpid = event_or(t->vpid, t->pid);
	t->vtid = event_or(t->vtid, t->tid == t->pid ? t->vpid : t->tid);
	t->uid = event_or(t->uid, is_other ? self->uid : default_uid(e->user_name));
	t->gid = event_or(t->gid, is_other ? self->gid : default_uid(e->group_name));
	t->loginuid = event_or(
		t->loginuid, is_other         ? self->loginuid
			     : !e->login_name ? -1
			     : e->user_name && strcmp(e->login_name, e->user_name) == 0 ? t->uid
			     : strcmp(e->login_name, "root") == 0                       ? 0
								  : DEFAULT_UID + 1);
	t->clone_ts = event_or(t->clone_ts, e->ts - event_or(t->duration, DEFAULT_AGE));
}

/* Leaders of session and groups: those that the test names, else the oldest ancestor for the
 * session and the process itself for its groups. */
static void default_groups(struct test_event *e)
{
	struct event_thread *self = &e->threads[THREAD_SELF];
	const struct {
		int64_t *id;
		unsigned leader;
		int64_t otherwise, own;
	} groups[] = {
		{&self->sid, THREAD_SESSION, e->threads[e->n_ancestors].pid, self->vpid},
		{&self->vpgid, THREAD_VGROUP, self->vpid, self->vpid},
		{&self->pgid, THREAD_GROUP, self->pid, self->pid},
	};

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		struct event_thread *leader = &e->threads[groups[i].leader];

		if (*groups[i].id == 0)
			*groups[i].id = groups[i].own;
		if (leader->is_used && *groups[i].id != EVENT_UNSET)
			leader->pid = leader->tid = leader->vpid = leader->vtid = *groups[i].id;
		*groups[i].id = event_or(
			*groups[i].id, leader->is_used ? leader->pid : groups[i].otherwise);
	}
	for (unsigned i = 1; i < _THREAD_MAX; i++) {
		e->threads[i].sid = self->sid;
		e->threads[i].vpgid = e->threads[i].vpid;
		e->threads[i].pgid = e->threads[i].pid;
	}
}

static struct rec_str add_text(struct rec_writer *w, const char *text)
{
	return rec_add_text(w, span_str(text));
}

static void fill_thread(struct prec *p, const struct event_thread *t)
{
	p->tid = t->tid;
	p->pid = t->pid;
	p->vtid = t->vtid;
	p->vpid = t->vpid;
	p->sid = t->sid;
	p->vpgid = t->vpgid;
	p->pgid = t->pgid;
	p->uid = (uint32_t)t->uid;
	p->gid = (uint32_t)t->gid;
	p->loginuid = t->loginuid;
	p->tty = (uint32_t)event_or(t->tty, 0);
	p->exe_flags = t->exe_flags;
	p->exe_ino = (uint64_t)event_or(t->exe_ino, 0);
	p->exe_ctime_ns = (uint64_t)event_or(t->exe_ctime, 0);
	p->exe_mtime_ns = (uint64_t)event_or(t->exe_mtime, 0);
	p->clone_ts_ns = (uint64_t)t->clone_ts;
	p->vm_size_kb = (uint64_t)event_or(t->vm_size, 0);
	p->vm_rss_kb = (uint64_t)event_or(t->vm_rss, 0);
	p->vm_swap_kb = (uint64_t)event_or(t->vm_swap, 0);
	p->fd_limit = event_or(t->fd_limit, 1024);
	p->n_args = t->n_args;
	p->n_threads = 1;
}

static const struct rec_head *thread_record(struct test_event *e, unsigned no)
{
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];
	struct prec *p = (struct prec *)buf;
	struct rec_writer w = {.buf = buf, .cap = sizeof(buf), .n = sizeof(*p)};
	const struct event_thread *t = &e->threads[no];
	const char *container = e->threads[THREAD_SELF].container;

	memset(p, 0, sizeof(*p));
	p->h = (struct rec_head){.ring = {.type = REC_PROC}, .ts_ns = (uint64_t)e->ts};
	p->slot = p->leader_slot = no;
	p->parent_slot = no < e->n_ancestors ? no + 1 : PREC_NO_SLOT;
	p->ptid = no < e->n_ancestors ? e->threads[no + 1].tid : -1;
	p->flags = t->tid == t->pid ? PREC_MAIN : 0;
	fill_thread(p, t);
	p->comm = add_text(&w, t->comm);
	p->exe = add_text(&w, t->exe);
	p->exepath = add_text(&w, t->exepath);
	p->args = rec_add_text(&w, t->args);
	p->env = rec_add_text(&w, t->env);
	p->cwd = add_text(&w, t->cwd);
	p->root = add_text(&w, "/");
	if (container && strcmp(container, "host") != 0)
		p->container_id = add_text(&w, container);
	return event_keep(e, &w);
}

int event_build_threads(struct test_event *e)
{
	e->n_ancestors = MAX(e->n_ancestors, 1u);
	for (unsigned i = 0; i < _THREAD_MAX; i++) {
		struct event_thread *t = &e->threads[i];

		if (split_cmdline(e, t) < 0)
			return -ENOMEM;
		t->comm = t->comm ? t->comm : i == THREAD_SELF ? "test" : "init";
		t->exe = t->exe ? t->exe : t->comm;
		t->exepath =
			t->exepath ? t->exepath : arena_printf(e->arena, "/usr/bin/%s", t->comm);
		t->cwd = t->cwd ? t->cwd : "/";
		default_numbers(e, i);
	}
	default_groups(e);
	for (unsigned i = 0; i < _THREAD_MAX; i++) {
		if (i > e->n_ancestors && !e->threads[i].is_used)
			continue;
		e->thread[i] = thread_record(e, i);
		if (!e->thread[i])
			return -ENOMEM;
	}
	return 0;
}

/* --- users and groups --- */

static int add_id(struct test_event *e, unsigned n, uint16_t code, int64_t id, const char *name)
{
	static _Alignas(8) uint8_t buf[KEV_SIZE_MAX];
	const char *container = e->threads[THREAD_SELF].container;
	bool is_host = !container || strcmp(container, "host") == 0;
	struct kev_builder b;
	void *copy;
	int len;

	kev_build_start(&b, buf, sizeof(buf), code, 0);
	if (code == KEV_CODE_USER_ADDED_E)
		kev_build_int(&b, id);
	kev_build_int(&b, code == KEV_CODE_USER_ADDED_E ? e->threads[THREAD_SELF].gid : id);
	kev_build_text(&b, span_str(name));
	if (code == KEV_CODE_USER_ADDED_E) {
		kev_build_text(&b, span_str(e->user_home ? e->user_home : "/home"));
		kev_build_text(&b, span_str(e->user_shell ? e->user_shell : "/bin/sh"));
	}
	kev_build_text(&b, span_str(is_host ? "" : container));
	len = kev_build_finish(&b);
	copy = len > 0 ? arena_alloc(e->arena, (size_t)len) : NULL;
	if (!copy)
		return -ENOMEM;
	memcpy(copy, buf, (size_t)len);
	e->id[n] = copy;
	e->id_n[n] = (size_t)len;
	return 0;
}

int event_build_ids(struct test_event *e)
{
	const struct event_thread *t = &e->threads[THREAD_SELF];
	unsigned n = 0;
	int r = 0;

	if (e->group_name)
		r = add_id(e, n++, KEV_CODE_GROUP_ADDED_E, t->gid, e->group_name);
	if (r == 0 && e->login_name && t->loginuid != t->uid)
		r = add_id(e, n++, KEV_CODE_USER_ADDED_E, t->loginuid, e->login_name);
	if (r == 0 && (e->user_name || e->user_home || e->user_shell))
		r = add_id(e, n++, KEV_CODE_USER_ADDED_E, t->uid,
			e->user_name ? e->user_name
			: t->uid     ? "user"
				     : "root");
	return r;
}
