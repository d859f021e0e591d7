/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The one table of containers: which slot a container's record has in every evaluator. A container
 * has one from the first sight of it, be it a thread's cgroup or a record. */

#include <stdbool.h>
#include <stdint.h>

#include <base/span.h>
#include <shm/crec.h>
#include <shm/engines.h>

#define ST_CONTAINER_ID_MAX 255 /* bytes; names of lxc are the longest */

struct st_container {
	uint32_t hash_next, lru_prev, lru_next;
	uint16_t n;       /* of the id that tells it apart */
	uint16_t n_full;  /* of all that is known of it */
	bool has_facts;   /* something was told of it */
	bool was_asked;   /* somebody was, or is to be, asked for them */
	bool is_early;    /* before it had a process: who does not know it then may do so later */
	bool has_waited;  /* its records were held back once */
	bool is_listed;   /* among those that are gone */
	bool has_users;   /* some of them were told: nobody is asked for them any more */
	uint8_t n_runs;   /* programs of it by which its users were asked for */
	uint64_t runs_ns; /* and by none before that */
	uint64_t gone_ns; /* its cgroup or the runtime's word was gone then; 0: it was seen since */
	char id[ST_CONTAINER_ID_MAX + 1];
};

/* A container with a program in it, by which its users' names can be found. */
struct st_running {
	uint32_t slot;
	uint32_t pid;
};
#define ST_RUNNING_MAX 256 /* that wait to be told; one too many is told by its next program */
/* A container's first program may have ended before somebody looks. So later ones are told too, while its users are not: some at once, further ones at
 * distances that double from a second, until there were so many. */
#define ST_RUNS_AT_ONCE 4
#define ST_RUNS_MAX 12

struct st_containers {
	struct st_container *slots; /* CREC_SLOTS_MAX; those never used are not touched */
	uint32_t *buckets;
	uint32_t n_used;
	uint32_t lru_first, lru_last; /* most and least recently seen */
	uint64_t n_evicted;
	/* slots of containers that are gone, the first one first: a ring of CREC_SLOTS_MAX */
	uint32_t *gone;
	uint32_t gone_first, n_gone;
	uint64_t now_ns; /* of the last record about a container */
	bool asks;       /* there is somebody to be asked */
	/* slots whose facts are to be asked for, in order */
	uint32_t *wanted;
	uint32_t n_wanted;
	struct st_running running[ST_RUNNING_MAX];
	uint32_t n_running;
};

int st_containers_init(struct st_containers *c);
void st_containers_done(struct st_containers *c);
/* The slot of a full id, as just seen. A new one may take the place of one that has been gone for a while, or, in a full table, of the one longest unseen.
 * PREC_NO_SLOT: no id, or too long for one. */
uint32_t st_container_slot(struct st_containers *c, struct span id);
/* The same, by a process in it: its facts will be asked for, if nothing is told of it and somebody may know more than its cgroup. */
uint32_t st_container_seen(struct st_containers *c, struct span id, enum ctr_engine engine);
/* May its records be held back? Once, and only while nothing is told of it. */
bool st_container_may_wait(struct st_containers *c, uint32_t slot);
/* The next container whose facts are to be asked for: its id, full as far as it is known; {0,0}: none. */
struct span st_container_wanted(const struct st_containers *c);
void st_container_asked(struct st_containers *c);
/* A program runs in it as that process since then: its users' names will be asked for by it, while they are not known and it is no repeat too soon. */
void st_container_runs(struct st_containers *c, struct span id, int64_t pid, uint64_t ts_ns);
/* One of its users or groups was told. */
void st_container_has_users(struct st_containers *c, struct span id);
/* The next one: its id and process; {0,0}: none. */
struct span st_container_running(const struct st_containers *c, uint32_t *ret_pid);
void st_container_running_told(struct st_containers *c);
