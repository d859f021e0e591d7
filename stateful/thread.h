/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The one true table of threads. Slots are dense and are the names that evaluators know threads by.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/span.h>

#include "fd.h"
#include "text.h"

#define ST_NONE UINT32_MAX

/* What a thread has in texts. */
enum st_thread_text {
	ST_COMM,
	ST_EXE, /* argv[0] */
	ST_EXEPATH,
	ST_ARGS,      /* argv[1..], each NUL-ended */
	ST_CGROUPS,   /* "subsys=path", each NUL-ended */
	ST_CONTAINER, /* full container id; absent: host */
	/* the leader's alone */
	ST_ENV,
	ST_CWD, /* ends in '/' */
	ST_ROOT,
	_ST_THREAD_TEXTS,
};
#define ST_OWN_TEXTS ST_ENV /* those below belong to every thread */

struct st_thread {
	/* what every event looks at stands together */
	uint32_t hash_next, lru_prev, lru_next;
	uint32_t leader; /* slot; its own for the leader */
	int64_t tid, pid;
	uint64_t start_ns; /* boot time; 0 unknown */
	uint64_t snap_ns; /* boot time of the snapshot it was taken from; older events do not change
			     it */
	uint32_t files;   /* descriptor table, shared; never ST_NONE while in use */
	bool used;
	bool dead;        /* ended: a leader stays until its threads have ended too */
	bool sent;        /* evaluators have its record, but for those of `unsent` */
	bool dirty;       /* … an older one */
	bool placeholder; /* known from an event's head alone */
	bool in_pidns;
	uint8_t told_by;   /* of ev_fork.c: which sides told of its birth */
	uint8_t engine;    /* enum ctr_engine: of its container, by its cgroups */
	uint64_t told_gen; /* = threads.gen: evaluators know it and all its lineage as they are */
	uint32_t thread_prev, thread_next; /* among the leader's threads */
	uint32_t thread_first;             /* leader: first of its other threads */
	uint32_t parent;                   /* slot of thread `ptid`; ST_NONE unknown */
	uint32_t child_first, sibling_prev, sibling_next;
	uint64_t unsent;   /* bit i: evaluator i was cut off and has not been told since */
	uint64_t event_ns; /* boot time of the last event that changed it; older snapshots do not */
	uint64_t cgroup_id;
	int64_t ptid, vtid, vpid, sid, vpgid, pgid;
	uint32_t uid, gid;
	int64_t loginuid;
	uint32_t tty, exe_flags;
	uint64_t cap_inheritable, cap_permitted, cap_effective;
	uint64_t exe_ino, exe_ctime_ns, exe_mtime_ns;
	uint64_t clone_ts_ns, pidns_start_ns;
	uint64_t vm_size_kb, vm_rss_kb, vm_swap_kb, pf_major, pf_minor;
	int64_t fd_limit;
	uint32_t n_args;
	uint32_t n_threads; /* leader: live threads of the group */
	uint32_t text[_ST_THREAD_TEXTS];
};

#define ST_RECENT 64 /* power of two */

/* Told before a slot is freed (FORGET). */
typedef void st_forget_fn(void *arg, const struct st_thread *t, uint32_t slot);

struct st_threads {
	struct st_thread *slots;
	uint32_t *buckets;
	uint32_t n_max, mask;
	uint32_t recent[ST_RECENT]; /* slots of the threads found last: most events are theirs */
	uint32_t n_live;
	uint32_t free_first;          /* through hash_next */
	uint32_t n_fresh;             /* slots from here on were never used */
	uint32_t lru_first, lru_last; /* most and least recently seen */
	uint64_t n_evicted;
	/* moves with every new thread and with whatever makes a record due: `dirty`, not `sent`,
	 * `unsent` */
	uint64_t gen;
	struct st_texts *texts;
	struct st_fds *fds;
	st_forget_fn *forget;
	void *forget_arg;
};

#define ST_THREADS_MIN 64

int st_threads_init(
	struct st_threads *p, uint32_t n_max, struct st_texts *texts, struct st_fds *fds);
void st_threads_done(struct st_threads *p);

static inline uint32_t st_thread_slot(const struct st_threads *p, const struct st_thread *t)
{
	return (uint32_t)(t - p->slots);
}
static inline struct st_thread *st_thread_at(struct st_threads *p, uint32_t slot)
{
	return slot == ST_NONE ? NULL : &p->slots[slot];
}
static inline struct st_thread *st_thread_leader(struct st_threads *p, const struct st_thread *t)
{
	return &p->slots[t->leader];
}
static inline bool st_thread_is_leader(const struct st_thread *t)
{
	return t->tid == t->pid;
}

/* NULL if unknown. */
struct st_thread *st_thread_find(struct st_threads *p, int64_t tid);
/* A new thread, everything unknown, not in the table before (assert). @leader NULL: it is a leader
 * (pid = tid) with a fresh descriptor table; else it joins that group. Evicts the longest unseen
 * group if the table is full: touch what must stay. Never fails. */
struct st_thread *st_thread_new(struct st_threads *p, int64_t tid, struct st_thread *leader);
/* Frees the thread; of a leader the whole group. Its children keep their ptid and lose the link. */
void st_thread_forget(struct st_threads *p, struct st_thread *t);
/* Frees the least recently seen group. False if nothing but the newest @keep remain. */
bool st_thread_evict(struct st_threads *p, uint32_t keep);
void st_thread_touch(struct st_threads *p, struct st_thread *t);
void st_thread_set_parent(struct st_threads *p, struct st_thread *t, int64_t ptid);
/* Find the parent again if the link is missing. */
void st_thread_relink(struct st_threads *p, struct st_thread *t);
static inline void st_thread_changed(struct st_threads *p, struct st_thread *t)
{
	t->dirty = true;
	p->gen++;
}
static inline struct span st_thread_text(
	const struct st_threads *p, const struct st_thread *t, enum st_thread_text which)
{
	return st_text_get(p->texts, t->text[which]);
}
/* Sets a text and marks the thread if it is another one. */
void st_thread_set_text(
	struct st_threads *p, struct st_thread *t, enum st_thread_text which, struct span s);
/* The same for strings in a row: makes sure that the last one has its NUL. Returns how many there
 * are. */
uint32_t st_thread_set_strings(
	struct st_threads *p, struct st_thread *t, enum st_thread_text which, struct span s);
