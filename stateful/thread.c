/* SPDX-License-Identifier: Apache-2.0 */
/* The thread table: slots, lookup by tid, groups, parents and children, and the order in which a
 * full table forgets.
 *
 * Everything is allocated before the seal. It holds no policy: what an event means for a thread
 * stands in the files of the event families. Pids come from the kernel's records and are only ever
 * compared; a hostile record can at worst make this table describe a process that does not exist.
 */

#include "thread.h"

#include <errno.h>
#include <stdlib.h>

#include <base/hash.h>
#include <base/macros.h>

static uint32_t bucket_of(const struct st_threads *p, int64_t tid)
{
	return (uint32_t)hash_u64((uint64_t)tid) & p->mask;
}

int st_threads_init(
	struct st_threads *p, uint32_t n_max, struct st_texts *texts, struct st_fds *fds)
{
	uint32_t n_buckets = 64;

	n_max = MAX(n_max, (uint32_t)ST_THREADS_MIN);
	while (n_buckets < n_max && n_buckets < (1u << 30))
		n_buckets *= 2;
	*p = (struct st_threads){.n_max = n_max,
		.mask = n_buckets - 1,
		.free_first = ST_NONE,
		.lru_first = ST_NONE,
		.lru_last = ST_NONE,
		.gen = 1,
		.texts = texts,
		.fds = fds};
	p->slots = calloc(n_max, sizeof(*p->slots));
	p->buckets = malloc(n_buckets * sizeof(*p->buckets));
	if (!p->slots || !p->buckets) {
		st_threads_done(p);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n_buckets; i++)
		p->buckets[i] = ST_NONE;
	return 0;
}

void st_threads_done(struct st_threads *p)
{
	free(p->slots);
	free(p->buckets);
	p->slots = NULL;
	p->buckets = NULL;
}

struct st_thread *st_thread_find(struct st_threads *p, int64_t tid)
{
	uint32_t *recent = &p->recent[(uint64_t)tid % ST_RECENT], i = *recent;

	if (p->slots[i].tid == tid && p->slots[i].used)
		return &p->slots[i];
	i = p->buckets[bucket_of(p, tid)];
	while (i != ST_NONE && p->slots[i].tid != tid)
		i = p->slots[i].hash_next;
	if (i == ST_NONE)
		return NULL;
	*recent = i;
	return &p->slots[i];
}

static void lru_add(struct st_threads *p, struct st_thread *t)
{
	uint32_t slot = st_thread_slot(p, t);

	t->lru_prev = ST_NONE;
	t->lru_next = p->lru_first;
	if (p->lru_first != ST_NONE)
		p->slots[p->lru_first].lru_prev = slot;
	else
		p->lru_last = slot;
	p->lru_first = slot;
}

static void lru_remove(struct st_threads *p, struct st_thread *t)
{
	if (t->lru_prev != ST_NONE)
		p->slots[t->lru_prev].lru_next = t->lru_next;
	else
		p->lru_first = t->lru_next;
	if (t->lru_next != ST_NONE)
		p->slots[t->lru_next].lru_prev = t->lru_prev;
	else
		p->lru_last = t->lru_prev;
}

void st_thread_touch(struct st_threads *p, struct st_thread *t)
{
	if (p->lru_first == st_thread_slot(p, t))
		return;
	lru_remove(p, t);
	lru_add(p, t);
}

static void unlink_parent(struct st_threads *p, struct st_thread *t)
{
	if (t->parent == ST_NONE)
		return;
	if (t->sibling_prev != ST_NONE)
		p->slots[t->sibling_prev].sibling_next = t->sibling_next;
	else
		p->slots[t->parent].child_first = t->sibling_next;
	if (t->sibling_next != ST_NONE)
		p->slots[t->sibling_next].sibling_prev = t->sibling_prev;
	t->parent = ST_NONE;
}

static void link_parent(struct st_threads *p, struct st_thread *t, struct st_thread *parent)
{
	uint32_t slot = st_thread_slot(p, t);

	t->parent = st_thread_slot(p, parent);
	t->sibling_prev = ST_NONE;
	t->sibling_next = parent->child_first;
	if (parent->child_first != ST_NONE)
		p->slots[parent->child_first].sibling_prev = slot;
	parent->child_first = slot;
}

void st_thread_relink(struct st_threads *p, struct st_thread *t)
{
	struct st_thread *parent;

	if (t->parent != ST_NONE || t->ptid <= 0)
		return;
	parent = st_thread_find(p, t->ptid);
	if (!parent || parent == t)
		return;
	link_parent(p, t, parent);
	st_thread_changed(p, t);
}

void st_thread_set_parent(struct st_threads *p, struct st_thread *t, int64_t ptid)
{
	if (t->ptid == ptid && t->parent != ST_NONE)
		return;
	unlink_parent(p, t);
	if (t->ptid != ptid)
		st_thread_changed(p, t);
	t->ptid = ptid;
	st_thread_relink(p, t);
}

void st_thread_set_text(
	struct st_threads *p, struct st_thread *t, enum st_thread_text which, struct span s)
{
	if (st_text_set(p->texts, &t->text[which], s))
		st_thread_changed(p, t);
}

uint32_t st_thread_set_strings(
	struct st_threads *p, struct st_thread *t, enum st_thread_text which, struct span s)
{
	char buf[ST_TEXT_MAX];
	uint32_t n = 0;

	if (s.n > sizeof(buf) || (s.n && s.p[s.n - 1] != '\0')) { /* cut somewhere on the way */
		s.n = MIN(s.n, sizeof(buf) - 1);
		memcpy(buf, s.p, s.n);
		buf[s.n++] = '\0';
		s.p = buf;
	}
	st_thread_set_text(p, t, which, s);
	s = st_thread_text(p, t, which); /* none, if there was no room */
	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\0';
	return n;
}

static struct st_thread *slot_take(struct st_threads *p)
{
	uint32_t slot;

	if (p->n_live == p->n_max) {
		bool freed = st_thread_evict(p, 16);

		assert(freed); /* ST_THREADS_MIN leaves more than the newest 16 */
	}
	if (p->free_first != ST_NONE) {
		slot = p->free_first;
		p->free_first = p->slots[slot].hash_next;
	} else {
		slot = p->n_fresh++;
	}
	p->n_live++;
	return &p->slots[slot];
}

struct st_thread *st_thread_new(struct st_threads *p, int64_t tid, struct st_thread *leader)
{
	struct st_thread *t;
	uint32_t slot, *bucket = &p->buckets[bucket_of(p, tid)];

	assert(!st_thread_find(p, tid));
	if (leader)
		st_thread_touch(p, leader);
	t = slot_take(p);
	slot = st_thread_slot(p, t);
	p->gen++;
	*t = (struct st_thread){.used = true,
		.tid = tid,
		.pid = leader ? leader->pid : tid,
		.ptid = -1,
		.vtid = -1,
		.vpid = -1,
		.sid = -1,
		.vpgid = -1,
		.pgid = -1,
		.loginuid = -1,
		.fd_limit = -1,
		.uid = UINT32_MAX,
		.gid = UINT32_MAX,
		.leader = leader ? st_thread_slot(p, leader) : slot,
		.thread_prev = ST_NONE,
		.thread_next = ST_NONE,
		.thread_first = ST_NONE,
		.parent = ST_NONE,
		.child_first = ST_NONE,
		.sibling_prev = ST_NONE,
		.sibling_next = ST_NONE};
	t->hash_next = *bucket;
	*bucket = slot;
	lru_add(p, t);
	if (!leader) {
		t->files = st_files_new(p->fds);
		t->n_threads = 1;
		return t;
	}
	t->files = st_files_share(p->fds, leader->files);
	t->thread_next = leader->thread_first;
	if (leader->thread_first != ST_NONE)
		p->slots[leader->thread_first].thread_prev = slot;
	leader->thread_first = slot;
	leader->n_threads++;
	st_thread_changed(p, leader);
	return t;
}

static void leave_group(struct st_threads *p, struct st_thread *t)
{
	struct st_thread *leader = st_thread_leader(p, t);

	if (t->thread_prev != ST_NONE)
		p->slots[t->thread_prev].thread_next = t->thread_next;
	else
		leader->thread_first = t->thread_next;
	if (t->thread_next != ST_NONE)
		p->slots[t->thread_next].thread_prev = t->thread_prev;
	if (!t->dead)
		leader->n_threads--;
	st_thread_changed(p, leader);
}

static void forget_one(struct st_threads *p, struct st_thread *t)
{
	uint32_t slot = st_thread_slot(p, t), *link = &p->buckets[bucket_of(p, t->tid)];

	if (p->forget)
		p->forget(p->forget_arg, t, slot);
	while (*link != slot)
		link = &p->slots[*link].hash_next;
	*link = t->hash_next;
	lru_remove(p, t);
	unlink_parent(p, t);
	while (t->child_first != ST_NONE) {
		struct st_thread *child = &p->slots[t->child_first];

		unlink_parent(p, child);
		st_thread_changed(p, child);
	}
	if (!st_thread_is_leader(t))
		leave_group(p, t);
	st_files_drop(p->fds, t->files);
	for (unsigned i = 0; i < _ST_THREAD_TEXTS; i++)
		st_text_drop(p->texts, &t->text[i]);
	t->used = false;
	t->tid = 0;
	t->hash_next = p->free_first;
	p->free_first = slot;
	p->n_live--;
}

void st_thread_forget(struct st_threads *p, struct st_thread *t)
{
	while (t->thread_first != ST_NONE)
		forget_one(p, &p->slots[t->thread_first]);
	forget_one(p, t);
}

bool st_thread_evict(struct st_threads *p, uint32_t keep)
{
	struct st_thread *t;

	if (p->n_live <= keep)
		return false;
	t = &p->slots[p->lru_last];
	if (st_thread_is_leader(t) && t->thread_first != ST_NONE)
		t = &p->slots[t->thread_first]; /* its other threads first: the group's facts stay
						   as long as they can */
	p->n_evicted++;
	st_thread_forget(p, t);
	return true;
}
