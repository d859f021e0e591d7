/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The tracker without its rings: raw records in, records for evaluators out through a sink. A pure
 * function of its input. */

#include <stdbool.h>
#include <stdint.h>

#include <abi/kshared.h>
#include <driver/kev.h>
#include <rules/image.h>
#include <shm/ev.h>
#include <shm/rec.h>

#include "container.h"
#include "fd.h"
#include "host.h"
#include "path.h"
#include "text.h"
#include "thread.h"

#define ST_ALL_RINGS (-1)

/* Where records go. */
struct st_sink {
	void *arg;
	/* May an event of this class and length be sent to the ring? false: it is shed (the sink
	 * counts). */
	bool (*admit)(void *arg, unsigned ring, unsigned cls, size_t len, bool no_shed);
	/* Takes a copy. @ring: ST_ALL_RINGS for state. The sink gives the order. */
	void (*emit)(void *arg, int ring, struct rec_head *rec);
	/* Has a predecessor seen to the event of this number? NULL: there was none. */
	bool (*is_settled)(void *arg, unsigned ring, uint64_t seq);
	/* An event grew beyond a record: it is lost. NULL: only the core counts. */
	void (*lose)(void *arg, unsigned ring);
	/* No rule can match this event after all: it is judged, and nothing of it is sent. Whoever
	 * counts it so must know it again after a restart, when what is known has changed. NULL: only
	 * the core counts. */
	void (*pass)(void *arg, unsigned ring, uint64_t seq);
};

struct st_config {
	const struct img_event *events; /* [_KEV_IX_MAX], borrowed */
	/* Opens that some rule may want, borrowed; NULL: all of them, or the kernel has looked. */
	const struct kshm_paths *paths;
	uint64_t needs; /* IMG_NEED_* */
	bool exact;     /* IMG_F_EXACT: the reference's errors too (docs/compat.md names them) */
	unsigned n_rings;
	uint32_t threads_max, descriptors_max;
	uint32_t engines_off; /* CTR_BIT()s: their containers are the host */
	struct st_sink sink;
};

/* After a loss what was learned before it may be wrong, until it is read again or everything is.
 * Boot times of the last event before the loss; 0: no doubt. */
struct st_doubt {
	uint64_t threads_ns, fds_ns;
	bool is_rereading; /* since the last loss a snapshot has begun */
};

struct st_counters {
	uint64_t events; /* taken: what the ledger calls applied */
	uint64_t judged_here;
	uint64_t lost_malformed, lost_too_big;
	uint64_t held;      /* of events: held back, ever */
	uint64_t held_here; /* of those: judged or lost here, so no ring has them */
	uint64_t malformed; /* records, events or not */
	uint64_t doubtful;
	uint64_t last_seq;
	bool ended;
};

struct st_ctx;

#define ST_CGROUP_CACHE 1024
unsigned st_cgroup_cache_index(uint64_t cgroup_id);

#define ST_LOUD_SLOTS 256

struct st_core {
	struct st_config cfg;
	struct st_texts texts;
	struct st_fds fds;
	struct st_threads threads;
	struct st_containers containers;
	struct st_host host;
	struct st_counters counters;
	uint64_t prev_ts_ns;  /* of the event before; 0 none */
	uint64_t first_ts_ns; /* of the first event of the run; 0 none yet */
	uint64_t now_ns;      /* boot time of the latest record */
	bool is_successor;    /* of a tracker that died: what it knew is gone */
	uint64_t snap_end_ns; /* boot time: events before this meet state that is newer than they */
	struct st_doubt doubt;
	bool has_forks;    /* the source tells of forks itself: the exits of clone and its like add
			      nothing */
	struct st_cgroup { /* what is known of a cgroup, for threads that are met without their
			      cgroups */
		uint64_t id;
		uint32_t cgroups, container; /* texts */
		uint8_t engine;              /* enum ctr_engine */
	} cgroup_cache[ST_CGROUP_CACHE];
	struct st_loud { /* who made how many of the last events: a majority vote a slot */
		uint32_t tgid, n;
	} loud[ST_LOUD_SLOTS];
	uint32_t n_loud;            /* events counted since all were halved */
	uint32_t told_slot;         /* container that the last record told of; PREC_NO_SLOT: none */
	bool is_release;            /* what is applied was held back, and counted then */
	struct st_ctx *ctx;         /* the event at hand */
	uint8_t *rec_buf;           /* SPSC_RECORD_MAX: the record under construction */
	char name_buf[ST_PATH_BUF]; /* fd.name of the event at hand */
};

/* One event on its way through. */
struct st_ctx {
	struct st_core *core;
	const struct rec_head *rec;
	struct st_thread *t; /* who did it; NULL: unknown and not to be made up */
	struct st_thread *leader;
	int64_t res;
	bool has_res;
	bool doubtful;
	bool is_made_up; /* t was unknown until this event */
	bool has_fd;     /* fd.* have a meaning */
	bool name_changed;
	int fd_param; /* the parameter that is the event's descriptor, -1 */
	int64_t fd_num;
	struct st_fd *fd;        /* its entry, NULL if unknown */
	struct span fd_fallback; /* fd.name without an entry */
	struct kev kev; /* last: what stands before it begins as zero, it knows what it was */
};

/* What an event does to the tables: before it is forwarded, and after. */
struct st_handler {
	void (*pre)(struct st_ctx *c);
	void (*post)(struct st_ctx *c);
	uint64_t only_with; /* IMG_NEED_*: nothing to do for a policy that needs none of them; 0:
			       always */
	bool needs_thread;  /* an unknown thread is made up from the head */
};
const struct st_handler *st_handler_get(unsigned ix);

int st_core_init(struct st_core *core, const struct st_config *cfg);
void st_core_done(struct st_core *core);
/* Take one raw record of rec->ring.len bytes (a private copy). 0; -EBADMSG it was refused and
 * counted. */
int st_core_apply(struct st_core *core, struct rec_head *rec);

/* --- for the files of the event families --- */

/* Boot time or epoch, whichever @v is, as epoch ns; 0 stays 0. */
uint64_t st_epoch(const struct rec_head *rec, const struct kev *kev, uint64_t v);
/* Start of the pid namespace, parameter i, as epoch ns (the reference: as it comes). */
uint64_t st_pidns_start(const struct st_ctx *c, unsigned i);
static inline bool st_ok(const struct st_ctx *c)
{
	return c->has_res && c->res >= 0;
}
/* Does the thread's state come from before this event? An event older than the snapshot it was read
 * from must not change it. */
static inline bool st_is_newer(const struct st_ctx *c, const struct st_thread *t)
{
	return c->kev.head->ts_ns >= t->snap_ns;
}
static inline void st_mark(const struct st_ctx *c, struct st_thread *t)
{
	t->event_ns = c->kev.head->ts_ns;
	st_thread_changed(&c->core->threads, t);
}

/* ident.c: the thread of an event's head. */
void st_ident(struct st_ctx *c, bool make);
struct st_thread *st_ident_leader(struct st_ctx *c, bool make);
/* Cgroups of a thread: sets container, feeds the cache; by id: from the cache. */
void st_set_cgroups(
	struct st_core *core, struct st_thread *t, struct span cgroups, uint64_t cgroup_id);
void st_guess_cgroups(struct st_core *core, struct st_thread *t, uint64_t cgroup_id);
void st_copy_own(struct st_core *core, struct st_thread *to, const struct st_thread *from);

/* announce.c: records of threads. */
void st_announce(struct st_core *core, const struct rec_head *rec, struct st_thread *t);
/* Is an ancestor unknown, or known from heads of events alone? */
bool st_lineage_has_gap(struct st_core *core, struct st_thread *t);
/* Was all that is known of it and of its ancestors learned after that time? */
bool st_lineage_is_newer(struct st_core *core, struct st_thread *t, uint64_t boot_ns);
void st_forget_sent(void *core, const struct st_thread *t, uint32_t slot);

/* container.c: a saker_container is told to the evaluators. 0 or -EBADMSG. */
int st_container_told(struct st_ctx *c);

/* want.c: can any rule match the event? Its state is applied: it is as an evaluator would see it. */
bool st_is_wanted(const struct st_ctx *c);

/* forward.c: the event itself. */
void st_forward(struct st_ctx *c);

/* ctx.c: the descriptor and paths of an event. */
void st_ctx_fd(struct st_ctx *c);
/* A fresh entry, which becomes the event's; NULL if the number is negative. */
struct st_fd *st_ctx_new_fd(struct st_ctx *c, int64_t num, enum ev_fd_type type);
void st_ctx_use_fd(struct st_ctx *c, int64_t num);
/* Path of parameter i as an absolute one: by the descriptor parameter before it (RELPATH) or by
 * cwd. */
struct span st_ctx_path(struct st_ctx *c, unsigned i, char *buf);
void st_fd_name(struct st_ctx *c, struct st_fd *f, struct span name);
