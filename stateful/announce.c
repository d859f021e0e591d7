/* SPDX-License-Identifier: Apache-2.0 */
/* Telling evaluators what they must know of a thread, before the first event that needs it and
 * after changes.
 *
 * A thread's record goes out only when an event that some rule looks at needs it: the thread
 * itself, its leader, the ancestors of both, and the leaders of its session and process groups. So
 * processes that no rule ever looks at cost nothing. All evaluators get every record: slots mean
 * the same everywhere. */

#include "core.h"

#include <string.h>

#include <base/macros.h>

#define ANCESTORS_MAX 64 /* deeper ones stay unknown to rules; also ends loops in the links */
#define CHAIN_MAX (2 * ANCESTORS_MAX + 8)

static struct span leader_text(
	struct st_core *core, const struct st_thread *t, enum st_thread_text which, bool wanted)
{
	return st_thread_is_leader(t) && wanted ? st_thread_text(&core->threads, t, which)
						: (struct span){0};
}

static void fill_texts(struct st_core *core, const struct st_thread *t, struct rec_writer *w)
{
	struct prec *p = (struct prec *)w->buf;

	p->comm = rec_add_text(w, st_thread_text(&core->threads, t, ST_COMM));
	p->exe = rec_add_text(w, st_thread_text(&core->threads, t, ST_EXE));
	p->exepath = rec_add_text(w, st_thread_text(&core->threads, t, ST_EXEPATH));
	p->args = rec_add_text(w, st_thread_text(&core->threads, t, ST_ARGS));
	p->env = rec_add_text(w, leader_text(core, t, ST_ENV, core->cfg.needs & IMG_NEED_ENV));
	p->cwd = rec_add_text(w, leader_text(core, t, ST_CWD, true));
	p->root = rec_add_text(w, leader_text(core, t, ST_ROOT, true));
	p->cgroups = rec_add_text(w, st_thread_text(&core->threads, t, ST_CGROUPS));
	p->container_id = rec_add_text(w, st_thread_text(&core->threads, t, ST_CONTAINER));
}

static void fill(struct st_core *core, const struct st_thread *t, struct prec *p)
{
	p->slot = st_thread_slot(&core->threads, t);
	p->leader_slot = t->leader;
	p->parent_slot = t->parent == ST_NONE ? PREC_NO_SLOT : t->parent;
	p->flags = (st_thread_is_leader(t) ? PREC_MAIN : 0) |
		   (t->placeholder ? PREC_PLACEHOLDER : 0) |
		   (t->in_pidns ? PREC_IN_CHILD_PIDNS : 0) | (t->dead ? PREC_DEAD : 0);
	p->tid = t->tid;
	p->pid = t->pid;
	p->ptid = t->ptid;
	p->vtid = t->vtid;
	p->vpid = t->vpid;
	p->sid = t->sid;
	p->vpgid = t->vpgid;
	p->pgid = t->pgid;
	p->uid = t->uid;
	p->gid = t->gid;
	p->loginuid = t->loginuid;
	p->tty = t->tty;
	p->exe_flags = t->exe_flags & (PREC_EXE_WRITABLE | PREC_EXE_UPPER_LAYER |
					      PREC_EXE_FROM_MEMFD | PREC_EXE_LOWER_LAYER);
	p->cap_inheritable = t->cap_inheritable;
	p->cap_permitted = t->cap_permitted;
	p->cap_effective = t->cap_effective;
	p->exe_ino = t->exe_ino;
	p->exe_ctime_ns = t->exe_ctime_ns;
	p->exe_mtime_ns = t->exe_mtime_ns;
	p->clone_ts_ns = t->clone_ts_ns;
	p->pidns_start_ns = t->pidns_start_ns;
	p->vm_size_kb = t->vm_size_kb;
	p->vm_rss_kb = t->vm_rss_kb;
	p->vm_swap_kb = t->vm_swap_kb;
	p->pf_major = t->pf_major;
	p->pf_minor = t->pf_minor;
	p->fd_limit = t->fd_limit;
	p->n_args = t->n_args;
	p->n_threads = t->n_threads;
	p->container_engine = t->engine;
}

static void give_out(struct st_core *core, struct st_thread *t, struct rec_head *rec)
{
	if (!t->sent || t->dirty)
		core->cfg.sink.emit(core->cfg.sink.arg, ST_ALL_RINGS, rec);
	else /* only those who were away need it */
		for (uint64_t left = t->unsent; left; left &= left - 1)
			core->cfg.sink.emit(core->cfg.sink.arg, __builtin_ctzll(left), rec);
	t->sent = true;
	t->dirty = false;
	t->unsent = 0;
}

static void send(struct st_core *core, const struct rec_head *rec, struct st_thread *t)
{
	struct prec *p = (struct prec *)core->rec_buf;
	struct rec_writer w = {.buf = core->rec_buf, .cap = SPSC_RECORD_MAX, .n = sizeof(*p)};
	int n;

	memset(p, 0, sizeof(*p));
	fill(core, t, p);
	fill_texts(core, t, &w);
	p->container_slot = st_container_slot(&core->containers, rec_text(p, p->container_id));
	n = rec_finish(&w);
	assert(n > 0); /* nine texts of ST_TEXT_MAX at most, see the assert below */
	p->h = (struct rec_head){.ring = {.len = (uint32_t)n, .type = REC_PROC},
		.seq = rec->seq,
		.ts_ns = rec->ts_ns};
	give_out(core, t, &p->h);
}
/* Seven long texts: comm and container id are short by nature, but hostile records may make every
 * one long. */
static_assert(
	SPSC_RECORD_MAX >= sizeof(struct prec) + 7 * (ST_TEXT_MAX + 16), "a thread's record fits");

static unsigned chain_add(
	struct st_core *core, struct st_thread **chain, unsigned n, struct st_thread *t)
{
	if (!t || n == CHAIN_MAX)
		return n;
	st_thread_relink(&core->threads, t);
	chain[n++] = t;
	return n;
}

/* The thread, its leader, and the same of every ancestor. */
static unsigned lineage(struct st_core *core, struct st_thread *t, struct st_thread **chain)
{
	unsigned n = 0;

	for (unsigned depth = 0; t && depth < ANCESTORS_MAX; depth++) {
		struct st_thread *leader = st_thread_leader(&core->threads, t);

		n = chain_add(core, chain, n, t);
		if (leader != t)
			n = chain_add(core, chain, n, leader);
		t = st_thread_at(&core->threads, leader->parent);
	}
	return n;
}

static unsigned by_id(struct st_core *core, const struct st_thread *t, int64_t id,
	struct st_thread **chain, unsigned n)
{
	return id <= 0 || id == t->tid
		       ? n
		       : chain_add(core, chain, n, st_thread_find(&core->threads, id));
}

void st_announce(struct st_core *core, const struct rec_head *rec, struct st_thread *t)
{
	struct st_thread *chain[CHAIN_MAX];
	unsigned n;

	if (t->told_gen == core->threads.gen)
		return;
	n = lineage(core, t, chain);
	n = by_id(core, t, t->sid, chain, n);
	n = by_id(core, t, t->vpgid, chain, n);
	if (t->pgid != t->vpgid)
		n = by_id(core, t, t->pgid, chain, n);
	while (n--) /* the oldest first: a record refers to slots that are known */
		if (!chain[n]->sent || chain[n]->dirty || chain[n]->unsent)
			send(core, rec, chain[n]);
	t->told_gen = core->threads.gen;
}

bool st_lineage_has_gap(struct st_core *core, struct st_thread *t)
{
	for (unsigned depth = 0; t && depth < ANCESTORS_MAX; depth++) {
		struct st_thread *leader = st_thread_leader(&core->threads, t);

		if (t->placeholder || leader->placeholder)
			return true;
		if (leader->parent == ST_NONE)
			return leader->ptid > 0;
		t = st_thread_at(&core->threads, leader->parent);
	}
	return false;
}

/* Read since then, or born since then. */
static bool is_newer(const struct st_thread *t, const struct st_thread *leader, uint64_t boot_ns)
{
	return t->snap_ns > boot_ns || leader->start_ns > boot_ns;
}

bool st_lineage_is_newer(struct st_core *core, struct st_thread *t, uint64_t boot_ns)
{
	for (unsigned depth = 0; t && depth < ANCESTORS_MAX; depth++) {
		struct st_thread *leader = st_thread_leader(&core->threads, t);

		if (!is_newer(t, leader, boot_ns) || !is_newer(leader, leader, boot_ns))
			return false;
		t = st_thread_at(&core->threads, leader->parent);
	}
	return true;
}

void st_forget_sent(void *arg, const struct st_thread *t, uint32_t slot)
{
	struct st_core *core = arg;
	struct rec_forget f = {.h = {.ring = {.len = sizeof(f), .type = REC_FORGET},
				       .seq = core->counters.last_seq,
				       .ts_ns = core->prev_ts_ns},
		.slot = slot};

	if (t->sent)
		core->cfg.sink.emit(core->cfg.sink.arg, ST_ALL_RINGS, &f.h);
}
