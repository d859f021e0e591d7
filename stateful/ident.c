/* SPDX-License-Identifier: Apache-2.0 */
/* Who did it: from an event's head to a thread of the table.
 *
 * A pid with the start time of its process names it for good, so a reused pid is noticed here: the
 * old process is forgotten first. A thread that was never seen is made up from the head (comm, uid,
 * parent, cgroup id) and marked, so that its events are judged with what is known and alerts say
 * so. */

#include "core.h"

#include <string.h>

#include <base/hash.h>
#include <base/macros.h>

#include "container_id.h"

#define ROOT_CGROUP 1 /* 0: not told; 1: everybody's where the hierarchy is not used */

unsigned st_cgroup_cache_index(uint64_t cgroup_id)
{
	return (unsigned)(hash_u64(cgroup_id) % ST_CGROUP_CACHE);
}

static struct st_cgroup *cache_slot(struct st_core *core, uint64_t cgroup_id)
{
	return &core->cgroup_cache[st_cgroup_cache_index(cgroup_id)];
}

/* The kernel's newer names of controllers, and how rules call them. */
static const struct {
	const char *kernel, *rules;
} controllers[] = {{"io=", "blkio="}, {"mem=", "memory="}, {"perf=", "perf_event="}};

/* One "subsys=path" with its NUL. */
static void add_cgroup(struct rec_writer *w, struct span entry)
{
	struct span name = {0};

	for (unsigned i = 0; i < ARRAY_LEN(controllers) && !name.n; i++)
		if (span_starts_with(entry, span_str(controllers[i].kernel))) {
			name = span_str(controllers[i].rules);
			entry.p += strlen(controllers[i].kernel);
			entry.n -= strlen(controllers[i].kernel);
		}
	if (name.n + entry.n + 1 > w->cap - w->n)
		return;
	memcpy(w->buf + w->n, name.n ? name.p : "", name.n);
	memcpy(w->buf + w->n + name.n, entry.p, entry.n);
	w->n += name.n + entry.n;
	w->buf[w->n++] = '\0';
}

/* In @buf, of ST_TEXT_MAX bytes. */
static struct span name_controllers(struct span cgroups, char *buf)
{
	struct rec_writer w = {.buf = (uint8_t *)buf, .cap = ST_TEXT_MAX};

	for (size_t i = 0; i < cgroups.n;) {
		struct span entry = {
			.p = cgroups.p + i, .n = strnlen(cgroups.p + i, cgroups.n - i)};

		add_cgroup(&w, entry);
		i += entry.n + 1;
	}
	return (struct span){.p = buf, .n = w.n};
}

void st_set_cgroups(
	struct st_core *core, struct st_thread *t, struct span cgroups, uint64_t cgroup_id)
{
	uint32_t before = t->text[ST_CGROUPS];
	struct st_cgroup *known;
	char buf[ST_TEXT_MAX];

	if (!cgroups.n)
		return;
	(void)st_thread_set_strings(&core->threads, t, ST_CGROUPS,
		name_controllers(cgroups, buf));        /* nobody asks how many */
	if (!before || t->text[ST_CGROUPS] != before) { /* the same are the same container's */
		struct st_container_found f = st_container_find(
			st_thread_text(&core->threads, t, ST_CGROUPS), core->cfg.engines_off);

		st_thread_set_text(&core->threads, t, ST_CONTAINER, f.id);
		t->engine = (uint8_t)f.engine;
	}
	/* a thread on the host has none */
	(void)st_container_seen(&core->containers, st_thread_text(&core->threads, t, ST_CONTAINER),
		(enum ctr_engine)t->engine);
	if (cgroup_id <= ROOT_CGROUP)
		return;
	t->cgroup_id = cgroup_id;
	known = cache_slot(core, cgroup_id);
	known->id = cgroup_id;
	st_text_share(&core->texts, &known->cgroups, t->text[ST_CGROUPS]);
	st_text_share(&core->texts, &known->container, t->text[ST_CONTAINER]);
	known->engine = t->engine;
}

void st_guess_cgroups(struct st_core *core, struct st_thread *t, uint64_t cgroup_id)
{
	struct st_cgroup *known = cache_slot(core, cgroup_id);

	if (cgroup_id <= ROOT_CGROUP || known->id != cgroup_id)
		return;
	t->cgroup_id = cgroup_id;
	st_text_share(&core->texts, &t->text[ST_CGROUPS], known->cgroups);
	st_text_share(&core->texts, &t->text[ST_CONTAINER], known->container);
	t->engine = known->engine;
	st_thread_changed(&core->threads, t);
}

/* What a new thread or process has from the one that made it. */
void st_copy_own(struct st_core *core, struct st_thread *to, const struct st_thread *from)
{
	to->sid = from->sid;
	to->vpgid = from->vpgid;
	to->pgid = from->pgid;
	to->uid = from->uid;
	to->gid = from->gid;
	to->loginuid = from->loginuid;
	to->tty = from->tty;
	to->exe_flags = from->exe_flags;
	to->cap_inheritable = from->cap_inheritable;
	to->cap_permitted = from->cap_permitted;
	to->cap_effective = from->cap_effective;
	to->exe_ino = from->exe_ino;
	to->exe_ctime_ns = from->exe_ctime_ns;
	to->exe_mtime_ns = from->exe_mtime_ns;
	to->pidns_start_ns = from->pidns_start_ns;
	to->vm_size_kb = from->vm_size_kb;
	to->vm_rss_kb = from->vm_rss_kb;
	to->vm_swap_kb = from->vm_swap_kb;
	to->fd_limit = from->fd_limit;
	to->cgroup_id = from->cgroup_id;
	to->in_pidns = from->in_pidns;
	to->engine = from->engine;
	to->n_args = from->n_args;
	for (unsigned i = 0; i < ST_OWN_TEXTS; i++)
		st_text_share(&core->texts, &to->text[i], from->text[i]);
	st_thread_changed(&core->threads, to);
}

static struct span head_comm(const struct kev_head *head)
{
	return (struct span){.p = head->comm, .n = strnlen(head->comm, sizeof(head->comm))};
}

static void fill_from_head(struct st_ctx *c, struct st_thread *t)
{
	const struct kev_head *head = c->kev.head;

	/* a capture's heads tell nothing but the thread */
	if (head->uid != UINT32_MAX)
		t->uid = head->uid;
	if (head->gid != UINT32_MAX)
		t->gid = head->gid;
	if (head->comm[0])
		st_thread_set_text(&c->core->threads, t, ST_COMM, head_comm(head));
	c->is_made_up = true;
	st_thread_changed(&c->core->threads, t);
}

static struct st_thread *make_leader(struct st_ctx *c)
{
	const struct kev_head *head = c->kev.head;
	struct st_thread *leader = st_thread_new(&c->core->threads, head->tgid, NULL);

	leader->placeholder = true;
	leader->start_ns = head->leader_start_ns;
	leader->clone_ts_ns = st_epoch(c->rec, &c->kev, head->leader_start_ns);
	fill_from_head(c, leader);
	st_guess_cgroups(c->core, leader, head->cgroup_id);
	if (head->ppid)
		st_thread_set_parent(&c->core->threads, leader, head->ppid);
	return leader;
}

/* A thread of a known process: what it has is what the process has. */
static struct st_thread *make_thread(struct st_ctx *c, struct st_thread *leader)
{
	const struct kev_head *head = c->kev.head;
	struct st_thread *t = st_thread_new(&c->core->threads, head->tid, leader);

	t->placeholder = leader->placeholder;
	st_copy_own(c->core, t, leader);
	fill_from_head(c, t);
	st_thread_set_parent(&c->core->threads, t, leader->ptid);
	return t;
}

/* The process of the head; a reused pid is forgotten. NULL if it is unknown (and not to be made),
 * or if the event is older than the process in the table. */
struct st_thread *st_ident_leader(struct st_ctx *c, bool make)
{
	const struct kev_head *head = c->kev.head;
	struct st_threads *threads = &c->core->threads;
	struct st_thread *leader = st_thread_find(threads, head->tgid);

	if (leader && !st_thread_is_leader(leader)) {
		st_thread_forget(threads, leader);
		leader = NULL;
	}
	if (leader && head->leader_start_ns && leader->start_ns &&
		leader->start_ns != head->leader_start_ns) {
		if (head->leader_start_ns < leader->start_ns)
			return NULL;
		st_thread_forget(threads, leader);
		leader = NULL;
	}
	if (!leader && make)
		leader = make_leader(c);
	if (leader && !leader->start_ns)
		leader->start_ns = head->leader_start_ns;
	return leader;
}

void st_ident(struct st_ctx *c, bool make)
{
	const struct kev_head *head = c->kev.head;
	struct st_threads *threads = &c->core->threads;
	struct st_thread *t;

	if (!head->tid || !head->tgid || head->tid > INT32_MAX || head->tgid > INT32_MAX)
		return;
	if (head->flags & KEV_F_NO_TASK)
		make = false; /* comm and tid are a kernel worker's */
	c->leader = st_ident_leader(c, make);
	if (!c->leader)
		return;
	t = head->tid == head->tgid ? c->leader : st_thread_find(threads, head->tid);
	if (t && t->leader != c->leader->leader) {
		st_thread_forget(threads, t); /* its group is gone, or it left it by exec */
		t = NULL;
	}
	if (!t && (head->flags & KEV_F_NO_TASK))
		t = c->leader;
	if (!t && make)
		t = make_thread(c, c->leader);
	st_thread_touch(threads, c->leader);
	if (t)
		st_thread_touch(threads, t);
	c->t = t;
}
