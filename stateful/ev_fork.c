/* SPDX-License-Identifier: Apache-2.0 */
/* Births: saker_fork, told by the kernel once for each new thread, and the exits of clone and its
 * like, which say the same from both sides.
 *
 * A child has what its parent has at that moment; what differs stands in the event. The parent may
 * be unknown, the child may have been seen already. */

#include "core.h"

#include <base/macros.h>

#include "families.h"

#define CLONE_FILES_F 0x1 /* event vocabulary's values */
#define CLONE_PARENT_F 0x100
#define CLONE_THREAD_F 0x2000
#define CLONE_VFORK_F 0x8000000
#define CLONE_CHILD_IN_PIDNS_F 0x20000000

/* Who told of a birth: each side does it once, in either order. */
#define TOLD_BY_PARENT 0x1
#define TOLD_BY_CHILD 0x2

struct birth {
	uint8_t told_by; /* TOLD_BY_*; 0: the kernel, which names processes by their start */
	int64_t tid, pid, ptid, vtid, vpid;
	int64_t sid, vpgid; /* -1: the parent's */
	uint32_t flags, uid, gid;
	uint64_t start_ns;       /* boot time; 0 unknown */
	uint64_t pidns_start_ns; /* epoch; 0: the parent's */
	struct span comm, cgroups;
	bool fills_own; /* the entry that was made up for this very event */
	bool has_args;
	struct span exe, args;
	int64_t fd_limit; /* -1: the parent's */
	bool has_memory;
	uint64_t vm_size_kb, vm_rss_kb, vm_swap_kb, pf_major, pf_minor;
};

/* Is the entry of that number the one that the event tells of? Without start times the same side
 * telling of a second birth shows that the first one's death was missed. */
static bool is_same_life(const struct st_thread *old, const struct birth *b)
{
	if (b->told_by && !b->fills_own)
		return !(old->told_by & b->told_by);
	return !old->start_ns || !b->start_ns || old->start_ns == b->start_ns || b->tid != b->pid;
}

/* The entry to fill in: a new one, or one made up before. NULL: nothing to do. */
static struct st_thread *child_entry(struct st_ctx *c, const struct birth *b)
{
	struct st_threads *threads = &c->core->threads;
	struct st_thread *old = st_thread_find(threads, b->tid), *leader = NULL;

	if (old && old->pid == b->pid && is_same_life(old, b)) {
		old->told_by |= b->told_by;
		return (old->placeholder && old != c->t) || b->fills_own ? old : NULL;
	}
	if (old && b->start_ns && old->start_ns > b->start_ns)
		return NULL; /* this birth is history already */
	if (old && (old == c->t || old == c->leader))
		return NULL; /* a thread cannot give birth to itself */
	if (old)
		st_thread_forget(threads, old);
	if (b->tid != b->pid) {
		leader = st_thread_find(threads, b->pid);
		if (!leader || !st_thread_is_leader(leader))
			return NULL; /* made up at its first event */
	}
	return st_thread_new(threads, b->tid, leader);
}

static void inherit_process(struct st_ctx *c, struct st_thread *child,
	const struct st_thread *parent, const struct birth *b)
{
	struct st_core *core = c->core;
	const struct st_thread *leader = st_thread_leader(&core->threads, parent);
	bool exact = core->cfg.exact; /* there another process is never told what this one opens,
					 and a thread has no environment to pass on */

	for (unsigned i = ST_OWN_TEXTS; i < _ST_THREAD_TEXTS; i++)
		if (i != ST_ENV || !exact || leader == parent)
			st_text_share(&core->texts, &child->text[i], leader->text[i]);
	if ((b->flags & CLONE_FILES_F) && !exact) {
		uint32_t files = st_files_share(&core->fds, parent->files);

		st_files_drop(&core->fds, child->files);
		child->files = files;
	} else {
		st_files_fill(&core->fds, child->files, parent->files);
	}
	child->start_ns = b->start_ns;
	child->placeholder = parent->placeholder;
}

static void fill_child(struct st_ctx *c, struct st_thread *child, const struct birth *b)
{
	struct st_core *core = c->core;

	child->vtid = b->vtid;
	child->vpid = b->vpid;
	if (b->sid >= 0)
		child->sid = b->sid;
	if (b->vpgid >= 0)
		child->vpgid = b->vpgid;
	child->uid = b->uid;
	child->gid = b->gid;
	child->in_pidns = (b->flags & CLONE_CHILD_IN_PIDNS_F) || (b->vpid > 0 && b->vpid != b->pid);
	if (child->in_pidns && b->pidns_start_ns)
		child->pidns_start_ns = b->pidns_start_ns;
	if (b->fd_limit >= 0)
		child->fd_limit = b->fd_limit;
	if (b->has_memory) {
		child->vm_size_kb = b->vm_size_kb;
		child->vm_rss_kb = b->vm_rss_kb;
		child->vm_swap_kb = b->vm_swap_kb;
		child->pf_major = b->pf_major;
		child->pf_minor = b->pf_minor;
	}
	child->clone_ts_ns = b->start_ns ? st_epoch(c->rec, &c->kev, b->start_ns) : c->rec->ts_ns;
	if (b->comm.n)
		st_thread_set_text(&core->threads, child, ST_COMM, b->comm);
	if (b->has_args) {
		st_thread_set_text(&core->threads, child, ST_EXE, b->exe);
		child->n_args = st_thread_set_strings(&core->threads, child, ST_ARGS, b->args);
	}
	st_set_cgroups(core, child, b->cgroups, 0);
	st_thread_set_parent(&core->threads, child, b->ptid);
	st_mark(c, child);
}

static void give_birth(struct st_ctx *c, const struct st_thread *parent, const struct birth *b)
{
	struct st_thread *child;

	if (b->tid <= 0 || b->pid <= 0 || b->tid > INT32_MAX || b->pid > INT32_MAX)
		return;
	child = child_entry(c, b);
	if (!child)
		return;
	child->told_by |= b->told_by;
	if (!parent && !st_thread_is_leader(child)) /* what its process has */
		parent = st_thread_leader(&c->core->threads, child);
	if (parent) {
		st_copy_own(c->core, child, parent);
		if (st_thread_is_leader(child))
			inherit_process(c, child, parent, b);
		else
			child->placeholder = false;
	} else {
		child->placeholder = true;
		child->start_ns = b->start_ns;
	}
	fill_child(c, child, b);
}

static int64_t i64_or(const struct kev *k, unsigned i, int64_t otherwise)
{
	return kev_param_present(k, i) ? kev_param_i64(k, i) : otherwise;
}

void st_on_fork(struct st_ctx *c)
{
	const struct kev *k = &c->kev;
	struct birth b = {
		.tid = kev_param_i64(k, 0),
		.pid = kev_param_i64(k, 1),
		.ptid = kev_param_i64(k, 2),
		.vtid = i64_or(k, 3, -1),
		.vpid = i64_or(k, 4, -1),
		.flags = (uint32_t)kev_param_u64(k, 5),
		.uid = (uint32_t)kev_param_u64(k, 6),
		.gid = (uint32_t)kev_param_u64(k, 7),
		.comm = kev_param_text(k, 8),
		.start_ns = kev_param_u64(k, 9),
		.pidns_start_ns = st_pidns_start(c, 10),
		.sid = i64_or(k, 11, -1),
		.vpgid = i64_or(k, 12, -1),
		.cgroups = k->param[13],
		.fd_limit = -1,
	};

	c->core->has_forks = true;
	give_birth(c, c->t, &b);
}

static struct birth from_clone(struct st_ctx *c)
{
	const struct kev *k = &c->kev;

	return (struct birth){
		.sid = -1,
		.vpgid = -1,
		.has_args = true,
		.exe = kev_param_text(k, 1),
		.args = k->param[2],
		.fd_limit = i64_or(k, 7, -1),
		.has_memory = kev_param_present(k, 10),
		.pf_major = kev_param_u64(k, 8),
		.pf_minor = kev_param_u64(k, 9),
		.vm_size_kb = kev_param_u64(k, 10),
		.vm_rss_kb = kev_param_u64(k, 11),
		.vm_swap_kb = kev_param_u64(k, 12),
		.comm = kev_param_text(k, 13),
		.cgroups = k->param[14],
		.flags = (uint32_t)kev_param_u64(k, 15),
		.uid = (uint32_t)kev_param_u64(k, 16),
		.gid = (uint32_t)kev_param_u64(k, 17),
		.pidns_start_ns = st_pidns_start(c, 20),
	};
}

/* In the child: it was made up from the head, if nothing told of it before. */
static void clone_in_child(struct st_ctx *c)
{
	const struct kev *k = &c->kev;
	struct birth b = from_clone(c);
	struct st_thread *self = c->t, *parent;

	if (!self)
		return;
	b.fills_own = self->placeholder || c->is_made_up;
	if (!b.fills_own && !(self->told_by & TOLD_BY_CHILD)) {
		self->told_by |= TOLD_BY_CHILD;
		return;
	}
	b.told_by = TOLD_BY_CHILD;
	b.tid = self->tid;
	b.pid = self->pid;
	b.ptid = i64_or(k, 5, self->ptid);
	b.vtid = i64_or(k, 18, -1);
	b.vpid = i64_or(k, 19, -1);
	b.start_ns = self->start_ns;
	parent = b.ptid > 0 ? st_thread_find(&c->core->threads, b.ptid) : NULL;
	if (parent == self)
		return;
	if (b.flags & CLONE_THREAD_F)
		parent = NULL;   /* a thread has what its process has */
	c->t = c->leader = NULL; /* it may be filled in, or be another's that is forgotten */
	give_birth(c, parent, &b);
	c->t = st_thread_find(&c->core->threads, b.tid);
	c->leader = c->t ? st_thread_leader(&c->core->threads, c->t) : NULL;
}

static void clone_in_parent(struct st_ctx *c)
{
	struct birth b = from_clone(c);
	const struct st_thread *parent = c->t;

	if (!parent || parent->in_pidns || (b.flags & CLONE_CHILD_IN_PIDNS_F))
		return; /* the number returned is not the child's in the initial namespace; the
			   child's own event will tell */
	b.pidns_start_ns = 0;
	b.tid = c->res;
	b.told_by = TOLD_BY_PARENT;
	if (((b.flags & CLONE_VFORK_F) || c->kev.head->type == KEV_CODE_SYSCALL_VFORK_20_X) &&
		!st_thread_find(&c->core->threads, b.tid))
		return; /* the parent waited until the child was another program or dead: it has
			   come and gone */
	b.pid = b.flags & CLONE_THREAD_F ? parent->pid : b.tid;
	b.ptid = b.flags & (CLONE_THREAD_F | CLONE_PARENT_F) ? parent->ptid : parent->tid;
	if (c->core->cfg.exact && (b.flags & CLONE_PARENT_F) && !(b.flags & CLONE_THREAD_F))
		/* the reference copies the parent, not the maker */
		parent = st_thread_find(&c->core->threads, b.ptid);
	b.vtid = b.tid;
	b.vpid = b.pid;
	give_birth(c, parent, &b);
}

void st_on_clone(struct st_ctx *c)
{
	if (!st_ok(c) || c->core->has_forks)
		return;
	if (c->res == 0)
		clone_in_child(c);
	else
		clone_in_parent(c);
}
