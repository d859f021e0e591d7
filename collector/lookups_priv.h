/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of looking containers up: jobs (jobs.c), what is asked of the gate (lookups.c), what answers say (answers.c), what reports say (reports.c), what is told (telling.c). */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include <base/clock.h>
#include <base/span.h>
#include <shm/gate.h>
#include <shm/settings.h>
#include <shm/stats.h>

#include "container.h"
#include "containerd.h"
#include "cri.h"
#include "docker.h"
#include "lookups.h"

#define JOBS_MAX CREC_SLOTS_MAX
#define JOB_BUCKETS (2 * JOBS_MAX)
#define JOB_ID_MAX 255
#define JOB_NONE UINT32_MAX
#define IMAGES_MAX 256
#define LINE_MAX_BYTES 65536u
#define NAMESPACES_MAX 8 /* of one containerd */
#define DEFAULT_NAMESPACE "default"
#define EARLY_MAX 64
#define GONE_MAX 256 /* one more is not told: its place is the next that is taken in a full table */
#define ADDRESS_KEPT 64

enum job_state { JOB_FREE, JOB_QUEUED, JOB_ASKED, JOB_PAUSED };

struct job {
	uint32_t hash_next, next;
	uint64_t retry_ns,
		say_ns; /* say_ns: when the tracker is told that nothing is known yet; 0: it does not wait */
	uint64_t since_ns;   /* when it was wanted first */
	uint16_t want, open; /* bit i: to be asked of runtime i; has been */
	uint16_t brief;      /* besides, what it says while the container starts */
	uint8_t state, tries, n;
	uint8_t namespace; /* of its source's; where it is looked for first */
	bool is_urgent;
	char id[JOB_ID_MAX + 1];
};

struct queue {
	uint32_t first, last;
};

enum ask_state {
	ASK_FREE,
	ASK_OPEN,   /* sent, its answer comes */
	ASK_AGAIN,  /* to be sent once more, in another namespace */
	ASK_SECOND, /* the container's answer is there, what is asked besides is not */
	ASK_READY,  /* to be told */
};

struct ask {
	enum ask_state state;
	uint32_t runtime, what, job;
	uint64_t cookie, until_ns;
	/* ASK_SECOND: what is asked for besides (second_of()), and the step after that */
	enum gate_what second_what;
	unsigned step;
	bool is_second;           /* this is that ask itself */
	char second[GATE_ID_MAX]; /* its id, in both */
	unsigned namespace,
		n_namespaces; /* of containerd: where it is asked for; how many were tried */
	char namespace_name[GATE_NAME_MAX + 1];
	char address[ADDRESS_KEPT]; /* of the container whose network it uses */
	json_t *root;               /* of docker and podman */
	struct cri *cri;            /* of runtimes of Kubernetes */
	struct containerd *containerd;
	char *body; /* GATE_BODY_MAX, of the common mapping */
	size_t n;
	bool is_void;       /* what comes of it is not wanted any more */
	bool is_told_early; /* ASK_SECOND: what the container's own answer says */
};

struct source {
	bool is_up, lists, wants_list, skips; /* skips: a line that is too long, up to its end */
	bool wants_pods;                      /* the list that is wanted is that of pods */
	uint64_t list_ns;                     /* not before */
	size_t n;
	size_t n_skip;    /* bytes of a message that is too long */
	char *line;       /* LINE_MAX_BYTES */
	const char *type; /* of its containers */
	/* of containerd; they are listed one after the other */
	char namespaces[NAMESPACES_MAX][GATE_NAME_MAX + 1];
	unsigned n_namespaces, next_namespace;
	bool has_namespaces; /* in this round */
	bool said_namespaces;
};

struct lookups {
	const struct settings *set;
	struct stats_page *stats;
	struct job *jobs;
	uint32_t *buckets;
	uint32_t free;
	struct queue urgent, background;
	uint32_t *waits; /* jobs that the tracker waits for */
	unsigned n_waits;
	unsigned n_paused;
	uint64_t paused_ns; /* the first of them is due */
	struct ask asks[GATE_ASKS_MAX];
	unsigned n_open;
	uint64_t serial;
	struct source sources[GATE_RUNTIMES_MAX];
	char *bodies, *list, *lines; /* mappings: pages that are not touched cost nothing */
	struct md_image images[IMAGES_MAX];
	unsigned n_images, next_image;
	struct md_container one;
	uint32_t told; /* what lookups_record() gave (telling.c); JOB_NONE: nothing */
	uint64_t n_dropped;
	/* reports of creations, to be told as they are, and lists of one container (whose id is here) */
	struct {
		json_t *root;
		uint32_t runtime;
		char listed[JOB_ID_MAX + 1];
	} early[EARLY_MAX];
	unsigned n_early;
	/* reports of removals, to be told */
	struct {
		char id[GATE_NAME_MAX + 1];
		uint32_t runtime;
	} gone[GONE_MAX];
	unsigned n_gone;
};

static inline struct span job_id(const struct job *j)
{
	return (struct span){.p = j->id, .n = j->n};
}

static inline unsigned kind_of(const struct lookups *l, unsigned runtime)
{
	return l->set->runtimes[runtime].kind;
}

/* --- jobs.c --- */

int jobs_init(struct lookups *l); /* -ENOMEM */
void jobs_done(struct lookups *l);
/* The job of that container, a new one if there is none. JOB_NONE: there are too many, or it is no id. */
uint32_t job_get(struct lookups *l, struct span id);
/* It is in no queue. */
void job_free(struct lookups *l, uint32_t job);
void job_queue(struct lookups *l, uint32_t job, bool is_urgent);
/* The first of the queue is taken out. */
void job_pop(struct lookups *l, struct queue *q);
/* The tracker does not wait for it any more. */
void job_stop_waiting(struct lookups *l, uint32_t job);
/* What becomes of it once no answer is open: it waits to be asked again, or is over. */
void job_settle(struct lookups *l, uint32_t job, uint64_t now_ns);
/* This runtime has told what it knows of the job's container. @again: it may know more another time. */
void job_answered(struct lookups *l, uint32_t job, unsigned runtime, bool again, uint64_t now_ns);
void jobs_wake(struct lookups *l, uint64_t now_ns);
/* A runtime named it, containerd's in its namespace @namespace (others: 0). */
void job_want_of(
	struct lookups *l, unsigned runtime, struct span id, unsigned namespace, bool is_urgent);

/* --- lookups.c --- */

void ask_free(struct lookups *l, struct ask *a);
/* What else is to be asked for of this container, or that it is ready to be told. */
void ask_go_on(struct lookups *l, struct ask *a);

/* --- answers.c --- */

const struct md_image *find_image(const struct lookups *l, const char *id);
/* Counts it; says it a few times. */
void malformed(struct lookups *l, unsigned runtime, const char *what);
void ask_ended(struct lookups *l, struct ask *a, unsigned status, uint64_t now_ns);
/* The image that a container is of, as it is asked for and kept; false: there is none. */
bool image_of(const struct lookups *l, const struct ask *a, char ret[GATE_ID_MAX]);

/* --- reports.c --- */

/* What comes unasked: reports, versions, that a runtime came or went. */
void take_unasked(struct lookups *l, const struct gate_answer *a, uint64_t now_ns);
/* The index of a namespace of containerd's; NAMESPACES_MAX: it is others', or there are too many. */
unsigned namespace_index(struct lookups *l, unsigned runtime, struct span name);

/* --- telling.c --- */

/* What this report, or the list's element of that id, tells before the rest is known. */
void tell_early(struct lookups *l, json_t *root, unsigned runtime, struct span listed);
