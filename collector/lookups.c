/* SPDX-License-Identifier: Apache-2.0 */
/* Looking containers up. A job is one container: wanted by the tracker, which has seen its cgroup, by a runtime's report, or by a runtime's list. It is asked for at the runtime that named it, or at all that
 * answer; who does not know it says so at once. The image's names and digest are asked for once and kept for the next containers of it.
 *
 * Answers are hostile. Each has a bounded buffer, the JSON library a bounded heap; what cannot be understood is counted and costs that lookup alone. A job that the tracker waits for is answered after
 * metadata.wait in any case: that nothing is known yet. All memory is taken by lookups_new(); jobs are as many as containers can be known, and one too many is counted and waits for the next list. */

#include "lookups.h"

#include <sys/mman.h>

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/hash.h>
#include <base/log.h>
#include <base/macros.h>
#include <driver/kev.h>

#include "cri.h"

#define JOBS_MAX CREC_SLOTS_MAX
#define BUCKETS (2 * JOBS_MAX)
#define ID_MAX 255
#define NONE UINT32_MAX
#define IMAGES_MAX 256
#define LINE_MAX_BYTES 65536u
#define OPEN_BACKGROUND 8 /* asks that a list may have open at a time; the rest is for who waits */
#define TRIES_MAX 5
#define DELAY_NS (20 * NS_PER_MS)
#define LIST_AGAIN_NS NS_PER_S
#define EARLY_MAX 64
#define TOLD_EARLY (UINT32_MAX - 1)
#define GONE_MAX 256 /* one more is not told: its place is the next that is taken in a full table */
#define TOLD_GONE (UINT32_MAX - 2)
#define TOLD_EARLY_ASK (UINT32_MAX / 2) /* and of which ask */
#define LOOKUP_WAITS 10        /* the tracker waits so many times metadata.wait for a container */
#define ASK_NS (30 * NS_PER_S) /* the gate ends every ask sooner, or has died */
#define KEEP_PAGES 65536u

enum job_state { JOB_FREE, JOB_QUEUED, JOB_ASKED, JOB_PAUSED };

struct job {
	uint32_t hash_next, next;
	uint64_t retry_ns,
		say_ns; /* say_ns: when the tracker is told that nothing is known yet; 0: it does not wait */
	uint64_t since_ns;   /* when it was wanted first */
	uint16_t want, open; /* bit i: to be asked of runtime i; has been */
	uint16_t brief;      /* besides, what it says while the container starts */
	uint8_t state, tries, n;
	bool is_urgent;
	char id[ID_MAX + 1];
};

struct queue {
	uint32_t first, last;
};

enum ask_state {
	ASK_FREE,
	ASK_OPEN,   /* sent, its answer comes */
	ASK_SECOND, /* the container's answer is there, its image's or pod's is not */
	ASK_READY,  /* to be told */
};

struct ask {
	enum ask_state state;
	uint32_t runtime, what, job;
	uint64_t cookie, until_ns;
	char second[65]; /* ASK_SECOND: what is asked for besides; and of that ask itself */
	json_t *root;    /* of docker and podman */
	struct cri *cri; /* of runtimes of Kubernetes */
	char *body;      /* GATE_BODY_MAX, of the common mapping */
	size_t n;
	bool is_void;       /* what comes of it is not wanted any more */
	bool is_told_early; /* ASK_SECOND: what the container's own answer says */
};

struct source {
	bool is_up, lists, wants_list, skips; /* skips: a line that is too long, up to its end */
	uint64_t list_ns;                     /* not before */
	size_t n;
	char *line;       /* LINE_MAX_BYTES */
	const char *type; /* of its containers */
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
	uint32_t
		told; /* what lookups_record() gave: an ask, or of jobs from GATE_ASKS_MAX on; NONE */
	uint64_t n_dropped;
	/* reports of creations, to be told as they are, and lists of one container (whose id is here) */
	struct {
		json_t *root;
		uint32_t runtime;
		char listed[ID_MAX + 1];
	} early[EARLY_MAX];
	unsigned n_early;
	/* reports of removals, to be told */
	struct {
		char id[65];
		uint32_t runtime;
	} gone[GONE_MAX];
	unsigned n_gone;
};

/* --- memory --- */

static char *map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct lookups *lookups_new(const struct settings *set, struct stats_page *stats)
{
	struct lookups *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->set = set;
	l->stats = stats;
	l->jobs = calloc(JOBS_MAX, sizeof(*l->jobs));
	l->buckets = malloc(BUCKETS * sizeof(*l->buckets));
	l->waits = calloc(JOBS_MAX, sizeof(*l->waits));
	l->bodies = map((size_t)GATE_ASKS_MAX * GATE_BODY_MAX);
	l->list = map(GATE_LIST_MAX);
	l->lines = map((size_t)GATE_RUNTIMES_MAX * LINE_MAX_BYTES);
	if (!l->jobs || !l->buckets || !l->waits || !l->bodies || !l->list || !l->lines)
		return lookups_free(l);
	memset(l->buckets, 0xff, BUCKETS * sizeof(*l->buckets));
	for (uint32_t i = 0; i < JOBS_MAX; i++)
		l->jobs[i].next = i + 1 < JOBS_MAX ? i + 1 : NONE;
	l->urgent = l->background = (struct queue){NONE, NONE};
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++)
		l->asks[i].body = l->bodies + (size_t)i * GATE_BODY_MAX;
	for (unsigned i = 0; i < GATE_RUNTIMES_MAX; i++)
		l->sources[i].line = l->lines + (size_t)i * LINE_MAX_BYTES;
	/* a predecessor's answers are not taken for ours */
	l->serial = clock_mono_ns() >> 8;
	l->told = NONE;
	/* who answers already says nothing more: it is tried */
	for (unsigned i = 0; i < set->n_runtimes; i++)
		l->sources[i].wants_list = true;
	return l;
}

struct lookups *lookups_free(struct lookups *l)
{
	if (!l)
		return NULL;
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		json_decref(l->asks[i].root);
		(void)cri_free(l->asks[i].cri);
	}
	for (unsigned i = 0; i < l->n_early; i++)
		json_decref(l->early[i].root);
	if (l->bodies)
		(void)munmap(l->bodies, (size_t)GATE_ASKS_MAX * GATE_BODY_MAX);
	if (l->list)
		(void)munmap(l->list, GATE_LIST_MAX);
	if (l->lines)
		(void)munmap(l->lines, (size_t)GATE_RUNTIMES_MAX * LINE_MAX_BYTES);
	free(l->jobs);
	free(l->buckets);
	free(l->waits);
	free(l);
	return NULL;
}

/* --- jobs --- */

static uint32_t *bucket(struct lookups *l, struct span id)
{
	return &l->buckets[hash_bytes(id.p, id.n, 0) % BUCKETS];
}

static struct span job_id(const struct job *j)
{
	return (struct span){.p = j->id, .n = j->n};
}

static void push(struct lookups *l, struct queue *q, uint32_t i)
{
	l->jobs[i].next = NONE;
	*(q->last == NONE ? &q->first : &l->jobs[q->last].next) = i;
	q->last = i;
}

static void pop(struct lookups *l, struct queue *q)
{
	q->first = l->jobs[q->first].next;
	if (q->first == NONE)
		q->last = NONE;
}

/* NONE: too many. */
static uint32_t job_get(struct lookups *l, struct span id)
{
	uint32_t i = *bucket(l, id);
	struct job *j;

	for (; i != NONE; i = l->jobs[i].hash_next)
		if (span_eq(job_id(&l->jobs[i]), id))
			return i;
	i = l->free;
	if (i == NONE || id.n == 0 || id.n > ID_MAX) {
		l->n_dropped++;
		return NONE;
	}
	j = &l->jobs[i];
	l->free = j->next;
	*j = (struct job){
		.n = (uint8_t)id.n, .hash_next = *bucket(l, id), .since_ns = clock_mono_ns()};
	memcpy(j->id, id.p, id.n);
	*bucket(l, id) = i;
	return i;
}

static void stop_waiting(struct lookups *l, uint32_t job)
{
	for (unsigned i = 0; i < l->n_waits; i++)
		if (l->waits[i] == job) {
			l->waits[i] = l->waits[--l->n_waits];
			break;
		}
	l->jobs[job].say_ns = 0;
}

/* It is in no queue. */
static void job_free(struct lookups *l, uint32_t job)
{
	struct job *j = &l->jobs[job];
	uint32_t *at = bucket(l, job_id(j));

	if (j->say_ns)
		stop_waiting(l, job);
	if (j->state == JOB_PAUSED)
		l->n_paused--;
	while (*at != job)
		at = &l->jobs[*at].hash_next;
	*at = j->hash_next;
	j->state = JOB_FREE;
	j->next = l->free;
	l->free = job;
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++)
		if (l->asks[i].state != ASK_FREE && l->asks[i].job == job)
			l->asks[i].job = NONE;
}

static void queue_job(struct lookups *l, uint32_t job, bool is_urgent)
{
	struct job *j = &l->jobs[job];

	if (j->state == JOB_QUEUED)
		return; /* in one of the queues; that will do */
	if (j->state == JOB_PAUSED)
		l->n_paused--;
	j->state = JOB_QUEUED;
	j->is_urgent |= is_urgent;
	push(l, j->is_urgent ? &l->urgent : &l->background, job);
}

static bool is_cri(const struct lookups *l, unsigned runtime)
{
	return l->set->runtimes[runtime].kind == GATE_CRI;
}

static uint16_t all_up(const struct lookups *l)
{
	uint16_t bits = 0;

	for (unsigned i = 0; i < l->set->n_runtimes; i++)
		bits |= (uint16_t)(l->sources[i].is_up ? 1u << i : 0);
	return bits;
}

static uint16_t all_cri(const struct lookups *l)
{
	uint16_t bits = 0;

	for (unsigned i = 0; i < l->set->n_runtimes; i++)
		bits |= (uint16_t)(is_cri(l, i) ? 1u << i : 0);
	return bits;
}

void lookups_want(struct lookups *l, struct span id, uint64_t now_ns)
{
	uint32_t i = job_get(l, id);
	struct job *j;

	if (i == NONE)
		return; /* the tracker's own time runs out */
	j = &l->jobs[i];
	if (!j->say_ns)
		l->waits[l->n_waits++] = i;
	/* a name of lxc or the like is no id of a runtime's */
	j->want |= gate_is_hex(id, 12, 64) ? (uint16_t)(all_up(l) & ~j->open) : 0;
	j->brief |= (uint16_t)(j->want & ~all_cri(l));
	j->say_ns = j->want | j->open ? now_ns + LOOKUP_WAITS * l->set->metadata_wait_ns : 1;
	queue_job(l, i, true);
}

static void want_of(struct lookups *l, unsigned runtime, struct span id, bool is_urgent)
{
	uint32_t i = job_get(l, id);

	if (i == NONE)
		return;
	l->jobs[i].want |= (uint16_t)(1u << runtime);
	queue_job(l, i, is_urgent);
}

/* No answer is open any more, and none told of it. */
static void settle(struct lookups *l, uint32_t job, uint64_t now_ns)
{
	struct job *j = &l->jobs[job];

	if (j->open || j->state != JOB_ASKED)
		return;
	if (j->want && j->tries < TRIES_MAX) {
		j->retry_ns = now_ns + (DELAY_NS << j->tries++);
		j->state = JOB_PAUSED;
		l->n_paused++;
		l->paused_ns = l->n_paused == 1 ? j->retry_ns : MIN(l->paused_ns, j->retry_ns);
	} else if (j->say_ns) {
		j->say_ns = 1; /* at once; then it is freed */
	} else {
		job_free(l, job);
	}
}

static void wake_paused(struct lookups *l, uint64_t now_ns)
{
	if (!l->n_paused || now_ns < l->paused_ns)
		return;
	l->paused_ns = UINT64_MAX;
	for (uint32_t i = 0; i < JOBS_MAX; i++) {
		if (l->jobs[i].state != JOB_PAUSED)
			continue;
		if (l->jobs[i].retry_ns <= now_ns)
			queue_job(l, i, false);
		else
			l->paused_ns = MIN(l->paused_ns, l->jobs[i].retry_ns);
	}
}

/* --- asks --- */

static void ask_free(struct lookups *l, struct ask *a)
{
	json_decref(a->root);
	a->root = NULL;
	a->cri = cri_free(a->cri);
	if (a->n > KEEP_PAGES) {
		(void)madvise(a->what == GATE_LIST ? l->list : a->body,
			a->what == GATE_LIST ? GATE_LIST_MAX : GATE_BODY_MAX, MADV_DONTNEED);
		/* what it was parsed to may be fifty times as much, and lies below what others need */
		(void)malloc_trim(0);
	}
	a->state = ASK_FREE;
	l->n_open--;
}

static struct ask *new_ask(
	struct lookups *l, unsigned runtime, enum gate_what what, uint64_t now_ns)
{
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		struct ask *a = &l->asks[i];

		if (a->state != ASK_FREE)
			continue;
		*a = (struct ask){.state = ASK_OPEN,
			.runtime = runtime,
			.what = what,
			.job = NONE,
			.body = a->body,
			.until_ns = now_ns + ASK_NS};
		a->cookie = ++l->serial << 8 | i;
		l->n_open++;
		return a;
	}
	return NULL;
}

static void fill_ask(const struct ask *a, struct span id, struct gate_ask *ret)
{
	ret->cookie = a->cookie;
	ret->runtime = a->runtime;
	ret->what = a->what;
	memset(ret->id, 0, sizeof(ret->id));
	memcpy(ret->id, id.p ? id.p : "", MIN(id.n, sizeof(ret->id) - 1));
}

/* One list at a time: they share a buffer. */
static bool ask_list(struct lookups *l, struct gate_ask *ret, uint64_t now_ns)
{
	for (unsigned i = 0; i < l->set->n_runtimes; i++)
		if (l->sources[i].lists)
			return false;
	for (unsigned i = 0; i < l->set->n_runtimes; i++) {
		struct source *s = &l->sources[i];
		struct ask *a;

		if (!s->wants_list || now_ns < s->list_ns)
			continue;
		a = new_ask(l, i, GATE_LIST, now_ns);
		if (!a)
			return false;
		s->wants_list = false;
		s->lists = true;
		fill_ask(a, (struct span){0}, ret);
		return true;
	}
	return false;
}

/* What is asked besides: of an image, that is for all its containers; of a pod. */
static enum gate_what second_of(const struct lookups *l, unsigned runtime)
{
	return is_cri(l, runtime) ? GATE_POD : GATE_IMAGE;
}

static bool is_second_asked(const struct lookups *l, const struct ask *of)
{
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		const struct ask *a = &l->asks[i];

		if (a->state == ASK_OPEN && a->what == second_of(l, of->runtime) &&
			a->runtime == of->runtime && !strcmp(a->second, of->second))
			return true;
	}
	return false;
}

static bool ask_second(struct lookups *l, struct gate_ask *ret, uint64_t now_ns)
{
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		struct ask *of = &l->asks[i], *a;

		if (of->state != ASK_SECOND || is_second_asked(l, of))
			continue;
		a = new_ask(l, of->runtime, second_of(l, of->runtime), now_ns);
		if (!a) {
			of->state =
				ASK_READY; /* all are containers that wait for more: one goes without */
			return false;
		}
		memcpy(a->second, of->second, sizeof(a->second));
		fill_ask(a, span_str(a->second), ret);
		return true;
	}
	return false;
}

static bool ask_job(struct lookups *l, struct queue *q, struct gate_ask *ret, uint64_t now_ns)
{
	while (q->first != NONE) {
		uint32_t i = q->first;
		struct job *j = &l->jobs[i];
		unsigned runtime;
		struct ask *a;

		j->want &= (uint16_t)(all_up(l) & ~j->open);
		j->brief &= all_up(l);
		if (!j->want && !j->brief) {
			pop(l, q);
			j->state = JOB_ASKED;
			settle(l, i, now_ns);
			continue;
		}
		runtime = (unsigned)__builtin_ctz(j->want ? j->want : j->brief);
		a = new_ask(l, runtime, j->want ? GATE_INSPECT : GATE_BRIEF, now_ns);
		if (!a)
			return false;
		a->job = i;
		if (a->what == GATE_INSPECT) {
			j->want &= (uint16_t) ~(1u << runtime);
			j->open |= (uint16_t)(1u << runtime);
		} else {
			j->brief &= (uint16_t) ~(1u << runtime);
		}
		fill_ask(a, job_id(j), ret);
		if (!j->want && !j->brief) {
			pop(l, q);
			j->state = JOB_ASKED;
			settle(l, i, now_ns); /* its inspection may have been answered before */
		}
		return true;
	}
	return false;
}

bool lookups_ask(struct lookups *l, struct gate_ask *ret_ask, uint64_t now_ns)
{
	wake_paused(l, now_ns);
	if (l->n_open == GATE_ASKS_MAX)
		return ask_second(l, ret_ask, now_ns);
	return ask_second(l, ret_ask, now_ns) || ask_job(l, &l->urgent, ret_ask, now_ns) ||
	       ask_list(l, ret_ask, now_ns) ||
	       (l->n_open < OPEN_BACKGROUND && ask_job(l, &l->background, ret_ask, now_ns));
}

/* --- answers --- */

static const struct md_image *find_image(const struct lookups *l, const char *id)
{
	for (unsigned i = 0; i < l->n_images; i++)
		if (!strcmp(l->images[i].id, id))
			return &l->images[i];
	return NULL;
}

static void malformed(struct lookups *l, unsigned runtime, const char *what)
{
	stats_add(&l->stats->malformed, 1);
	if (stats_get(&l->stats->malformed) <= 5)
		log_warning("%s at '%s': %s that cannot be understood, passing over it",
			gate_kind_str(l->set->runtimes[runtime].kind),
			l->set->runtimes[runtime].path, what);
}

/* This runtime has told what it knows of the job's container. @again: it may know more another time. */
static void job_answered(
	struct lookups *l, uint32_t job, unsigned runtime, bool again, uint64_t now_ns)
{
	struct job *j;

	if (job == NONE)
		return;
	j = &l->jobs[job];
	j->open &= (uint16_t) ~(1u << runtime);
	if (again)
		j->want |= (uint16_t)(1u << runtime);
	settle(l, job, now_ns);
}

/* Whose facts these must be; {0,0}: its job is done already. */
static struct span asked_id(const struct lookups *l, const struct ask *a)
{
	if (a->job == NONE)
		return (struct span){0};
	return job_id(&l->jobs[a->job]);
}

static struct span whole_body(const struct ask *a)
{
	return (struct span){.p = a->body, .n = a->n};
}

/* The one message of an answer. */
static int message_of(struct span body, struct span *ret_message)
{
	int r = cri_frame(&body, GATE_LIST_MAX, ret_message);

	return r == 1 && body.n == 0 ? 0 : -EBADMSG;
}

static void got_cri_container(struct lookups *l, struct ask *a, uint64_t now_ns)
{
	struct span id = asked_id(l, a), message, pod;

	a->cri = cri_new();
	if (!a->cri || message_of(whole_body(a), &message) < 0 ||
		cri_status(a->cri, message, id) < 0) {
		malformed(l, a->runtime, "facts of a container");
		job_answered(l, a->job, a->runtime, false, now_ns);
		ask_free(l, a);
		return;
	}
	pod = cri_sandbox(a->cri);
	memcpy(a->second, pod.p ? pod.p : "", pod.n);
	a->second[pod.n] = 0;
	a->state = pod.n ? ASK_SECOND : ASK_READY;
}

/* No container of that id: it may be the one that holds a pod's namespaces, which has the pod's. */
static bool may_be_pod(const struct lookups *l, const struct ask *a)
{
	return is_cri(l, a->runtime) && l->jobs[a->job].n == sizeof(a->second) - 1;
}

static void ask_as_pod(struct lookups *l, struct ask *a)
{
	a->cri = cri_new();
	memcpy(a->second, l->jobs[a->job].id, sizeof(a->second));
	a->n = 0;
	a->state = ASK_SECOND;
}

/* Of all containers that wait for it. One that is the pod itself is known by it alone. */
static void got_pod(struct lookups *l, struct ask *of, bool is_good, uint64_t now_ns)
{
	struct span message = {0}, id = span_str(of->second);

	if (is_good && message_of(whole_body(of), &message) < 0) {
		malformed(l, of->runtime, "facts of a pod");
		is_good = false;
	}
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		struct ask *a = &l->asks[i];
		bool is_alone, is_known;

		if (a->state != ASK_SECOND || a->runtime != of->runtime ||
			strcmp(a->second, of->second) != 0)
			continue;
		is_alone = a->job != NONE && span_eq(job_id(&l->jobs[a->job]), id);
		is_known = is_good && a->cri && cri_pod(a->cri, message, id) == 0;
		if (is_known || !is_alone) {
			a->state = ASK_READY;
			if (is_known && !is_alone)
				want_of(l, of->runtime, id,
					false); /* the one that holds its namespaces */
			continue;
		}
		job_answered(l, a->job, a->runtime, false, now_ns);
		ask_free(l, a);
	}
	ask_free(l, of);
}

static void got_container(struct lookups *l, struct ask *a, uint64_t now_ns)
{
	if (is_cri(l, a->runtime)) {
		got_cri_container(l, a, now_ns);
		return;
	}

	json_t *root = json_loadb(a->body, a->n, 0, NULL);
	struct span id = asked_id(l, a), full, image;

	if (!root || docker_check(root, id, &full, &image) < 0) {
		json_decref(root);
		malformed(l, a->runtime, "facts of a container");
		job_answered(l, a->job, a->runtime, false, now_ns);
		ask_free(l, a);
		return;
	}
	a->root = root;
	memcpy(a->second, image.p ? image.p : "", image.n);
	a->second[image.n] = 0;
	a->state = image.n && !find_image(l, a->second) ? ASK_SECOND : ASK_READY;
}

static void got_image(struct lookups *l, struct ask *a, bool is_good)
{
	json_t *root = is_good ? json_loadb(a->body, a->n, 0, NULL) : NULL;

	if (is_good && !json_is_object(root))
		malformed(l, a->runtime, "facts of an image");
	if (json_is_object(root)) {
		struct md_image *to = &l->images[l->next_image];

		l->next_image = (l->next_image + 1) % IMAGES_MAX;
		l->n_images = MIN(l->n_images + 1, (unsigned)IMAGES_MAX);
		memcpy(to->id, a->second, sizeof(to->id));
		docker_image(root, to);
	}
	json_decref(root);
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++)
		if (l->asks[i].state == ASK_SECOND && l->asks[i].runtime == a->runtime &&
			!strcmp(l->asks[i].second, a->second))
			l->asks[i].state = ASK_READY;
	ask_free(l, a);
}

static void tell_early(struct lookups *l, json_t *root, unsigned runtime, struct span listed)
{
	if (l->n_early == EARLY_MAX)
		return;
	l->early[l->n_early].root = json_incref(root);
	l->early[l->n_early].runtime = runtime;
	memcpy(l->early[l->n_early].listed, listed.p ? listed.p : "", listed.n);
	l->early[l->n_early++].listed[listed.n] = 0;
}

/* Docker's: a list; Podman's: the report of its creation. Without the container there is nothing to tell. */
static void got_brief(struct lookups *l, struct ask *a)
{
	bool is_list = l->set->runtimes[a->runtime].kind == GATE_DOCKER;
	json_t *root = json_loadb(a->body, a->n, is_list ? 0 : JSON_DISABLE_EOF_CHECK, NULL);
	struct span id = asked_id(l, a), of = {0};

	if (a->n && !root)
		malformed(l, a->runtime, is_list ? "a list of containers" : "a report");
	else if (is_list && root)
		tell_early(l, root, a->runtime, id);
	else if (root && docker_event(root, &of) == DOCKER_CREATE && span_starts_with(of, id))
		tell_early(l, root, a->runtime, (struct span){0});
	json_decref(root);
}

struct cri_list_of {
	struct lookups *l;
	unsigned runtime;
};

static void want_listed(void *ctx, struct span id)
{
	struct cri_list_of *of = ctx;

	want_of(of->l, of->runtime, id, false);
}

static void got_cri_list(struct lookups *l, struct ask *a)
{
	struct cri_list_of of = {l, a->runtime};
	struct span message;

	if (message_of((struct span){.p = l->list, .n = a->n}, &message) < 0 ||
		cri_list(message, want_listed, &of) < 0)
		malformed(l, a->runtime, "a list of containers");
}

static void got_list(struct lookups *l, struct ask *a)
{
	if (is_cri(l, a->runtime)) {
		got_cri_list(l, a);
		return;
	}

	json_t *root = json_loadb(l->list, a->n, 0, NULL);

	if (!json_is_array(root))
		malformed(l, a->runtime, "a list of containers");
	for (size_t i = 0; i < json_array_size(root); i++) {
		struct span id = docker_list_id(root, i);

		if (id.n)
			want_of(l, a->runtime, id, false);
	}
	json_decref(root);
}

static void list_ended(struct lookups *l, struct ask *a, unsigned status, uint64_t now_ns)
{
	struct source *s = &l->sources[a->runtime];

	s->lists = false;
	if (status == GATE_OK && !a->is_void) {
		s->is_up = true;
		got_list(l, a);
	} else if (status != GATE_DOWN && status != GATE_REFUSED) {
		s->wants_list = true;
		s->list_ns = now_ns + LIST_AGAIN_NS;
	}
	ask_free(l, a);
}

static void ask_ended(struct lookups *l, struct ask *a, unsigned status, uint64_t now_ns)
{
	if (a->what == GATE_LIST) {
		list_ended(l, a, status, now_ns);
	} else if (a->what == GATE_IMAGE) {
		got_image(l, a, status == GATE_OK && !a->is_void);
	} else if (a->what == GATE_POD) {
		got_pod(l, a, status == GATE_OK && !a->is_void, now_ns);
	} else if (a->job == NONE) {
		ask_free(l, a); /* somebody else has told it */
	} else if (a->what == GATE_BRIEF) {
		if (status == GATE_OK && !a->is_void)
			got_brief(l, a);
		ask_free(l, a);
	} else if (status == GATE_OK && !a->is_void) {
		got_container(l, a, now_ns);
	} else if (status == 404 && may_be_pod(l, a)) {
		ask_as_pod(l, a);
	} else {
		/* what it said itself is final; the rest is about the way there */
		job_answered(l, a->job, a->runtime,
			status == GATE_DOWN || status == GATE_TIMEOUT || status == GATE_BUSY ||
				status >= 500,
			now_ns);
		ask_free(l, a);
	}
}

/* Nothing that was asked of it is answered any more. */
static void void_all(struct lookups *l, unsigned runtime, uint64_t now_ns)
{
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++)
		if (l->asks[i].state == ASK_OPEN && l->asks[i].runtime == runtime)
			ask_ended(l, &l->asks[i], GATE_DOWN, now_ns);
}

static void got_report(struct lookups *l, unsigned runtime, const char *line, size_t n)
{
	json_t *root = json_loadb(line, n, 0, NULL);
	struct span id = {0};
	enum docker_action action = root ? docker_event(root, &id) : DOCKER_OTHER;

	if (!root)
		malformed(l, runtime, "a report");
	if ((action == DOCKER_CREATE && l->set->hooks & HOOK_CREATE) ||
		(action == DOCKER_START && l->set->hooks & HOOK_START))
		want_of(l, runtime, id, true);
	if (action == DOCKER_CREATE && l->set->hooks & HOOK_CREATE)
		tell_early(l, root, runtime, (struct span){0});
	if (action == DOCKER_REMOVE && l->n_gone < GONE_MAX) {
		memcpy(l->gone[l->n_gone].id, id.p, id.n);
		l->gone[l->n_gone++].runtime = runtime;
	}
	json_decref(root);
}

/* Reports are lines; parts end anywhere. */
static void take_reports(struct lookups *l, unsigned runtime, struct span part)
{
	struct source *s = &l->sources[runtime];
	struct span message;

	if (is_cri(l, runtime)) {
		/* no reports: its version, which is a few bytes */
		if (message_of(part, &message) == 0)
			s->type = cri_type(message);
		return;
	}

	while (part.n) {
		const char *end = memchr(part.p, '\n', part.n);
		size_t n = end ? (size_t)(end - part.p) : part.n;

		if (!s->skips && n > LINE_MAX_BYTES - s->n) {
			malformed(l, runtime, "a report too long");
			s->skips = true;
			s->wants_list = true; /* whatever it was about */
		}
		if (!s->skips) {
			memcpy(s->line + s->n, part.p, n);
			s->n += n;
		}
		if (!end)
			return;
		if (!s->skips && s->n)
			got_report(l, runtime, s->line, s->n);
		s->n = 0;
		s->skips = false;
		part.p += n + 1;
		part.n -= n + 1;
	}
}

static void events_answer(struct lookups *l, const struct gate_answer *a, uint64_t now_ns)
{
	struct source *s = &l->sources[a->runtime];

	if (a->flags & (GATE_F_UP | GATE_F_DOWN)) {
		void_all(l, a->runtime, now_ns);
		s->is_up = a->flags & GATE_F_UP;
		s->wants_list = s->is_up;
		s->list_ns = 0;
		s->n = 0;
		s->skips = false;
	}
	if (a->n) {
		s->is_up = true;
		take_reports(l, a->runtime, gate_answer_body(a));
	}
}

/* What has to be told first. */
bool lookups_takes(const struct lookups *l)
{
	return l->told == NONE;
}

void lookups_answer(struct lookups *l, const struct gate_answer *msg, uint64_t now_ns)
{
	struct ask *a = &l->asks[msg->cookie % 256 % GATE_ASKS_MAX];
	size_t max = msg->what == GATE_LIST ? GATE_LIST_MAX : GATE_BODY_MAX;

	if (msg->runtime >= l->set->n_runtimes)
		return;
	if (msg->what == GATE_EVENTS) {
		events_answer(l, msg, now_ns);
		return;
	}
	if (a->state != ASK_OPEN || a->cookie != msg->cookie || a->what != msg->what ||
		a->runtime != msg->runtime)
		return; /* a predecessor's, or given up */
	if (msg->n > max - a->n)
		a->is_void = true;
	if (!a->is_void) {
		memcpy((a->what == GATE_LIST ? l->list : a->body) + a->n, msg + 1, msg->n);
		a->n += msg->n;
	}
	if (msg->flags & GATE_F_END)
		ask_ended(l, a,
			a->is_void && msg->status == GATE_OK ? (unsigned)GATE_TOO_BIG : msg->status,
			now_ns);
}

/* --- what is told --- */

/* The tracker has waited long enough, or nobody knows it. */
static int record_unknown(struct lookups *l, void *buf, uint64_t now_ns)
{
	for (unsigned i = 0; i < l->n_waits; i++) {
		const struct job *j = &l->jobs[l->waits[i]];

		if (j->say_ns > now_ns)
			continue;
		md_container_begin(&l->one, job_id(j));
		l->one.flags = CREC_UNKNOWN;
		l->told = GATE_ASKS_MAX + l->waits[i];
		return md_container_record(&l->one, buf);
	}
	return 0;
}

static void give_up(struct lookups *l, uint64_t now_ns)
{
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++)
		if (l->asks[i].state == ASK_OPEN && now_ns >= l->asks[i].until_ns)
			ask_ended(l, &l->asks[i], GATE_TIMEOUT, now_ns);
}

static const char *type_of(const struct lookups *l, unsigned runtime)
{
	const char *own = l->sources[runtime].type;

	return own ? own : gate_kind_str(l->set->runtimes[runtime].kind);
}

/* One that was asked for as a pod alone, and went without. */
static bool has_facts(const struct ask *a)
{
	return a->root || (a->cri && cri_knows(a->cri));
}

static void early_told(struct lookups *l)
{
	json_decref(l->early[0].root);
	l->n_early--;
	memmove(l->early, l->early + 1, l->n_early * sizeof(l->early[0]));
}

static int record_early(struct lookups *l, void *buf)
{
	while (l->n_early) {
		const json_t *root = l->early[0].root;
		const char *type = type_of(l, l->early[0].runtime);
		struct span id = span_str(l->early[0].listed), of = docker_brief_image(root, id);
		char image[65] = "";

		memcpy(image, of.p ? of.p : "", of.n);
		l->told = TOLD_EARLY;
		if (!id.n)
			docker_early(&l->one, root, type, l->set->label_max);
		if (!id.n || docker_brief(&l->one, root, id, find_image(l, image), type,
				     l->set->label_max))
			return md_container_record(&l->one, buf);
		l->told = NONE;
		early_told(l); /* it is not in it */
	}
	return 0;
}

/* A pod's answer waits for the container's start where the same helper makes both; the container's own has all that rules name it by. */
static int record_early_ask(struct lookups *l, void *buf)
{
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		const struct ask *a = &l->asks[i];

		if (a->state != ASK_SECOND || a->is_told_early || !a->cri || !cri_knows(a->cri))
			continue;
		cri_container(&l->one, a->cri, type_of(l, a->runtime), l->set->label_max);
		l->one.flags |= CREC_EARLY;
		l->told = TOLD_EARLY_ASK + i;
		return md_container_record(&l->one, buf);
	}
	return 0;
}

int lookups_record(struct lookups *l, void *buf, uint64_t now_ns)
{
	int n;

	l->told = NONE;
	give_up(l, now_ns);
	n = record_early(l, buf);
	if (n)
		return n;
	if (l->n_gone) {
		md_container_begin(&l->one, span_str(l->gone[0].id));
		l->one.flags = CREC_GONE;
		md_container_set(&l->one, CREC_TYPE, span_str(type_of(l, l->gone[0].runtime)));
		l->told = TOLD_GONE;
		return md_container_record(&l->one, buf);
	}
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		struct ask *a = &l->asks[i];

		if (a->state != ASK_READY)
			continue;
		if (!has_facts(a)) {
			job_answered(l, a->job, a->runtime, false, now_ns);
			ask_free(l, a);
			continue;
		}
		if (a->cri)
			cri_container(&l->one, a->cri, type_of(l, a->runtime), l->set->label_max);
		else
			docker_container(&l->one, a->root, find_image(l, a->second),
				type_of(l, a->runtime), l->set->label_max);
		l->told = i;
		return md_container_record(&l->one, buf);
	}
	n = record_early_ask(l, buf);
	return n ? n : record_unknown(l, buf, now_ns);
}

void lookups_told(struct lookups *l)
{
	uint32_t told = l->told;
	uint32_t job = told < GATE_ASKS_MAX ? l->asks[told].job : NONE;

	l->told = NONE;
	if (told == TOLD_EARLY) {
		early_told(l);
		return;
	}
	if (told == TOLD_GONE) {
		l->n_gone--;
		memmove(l->gone, l->gone + 1, l->n_gone * sizeof(l->gone[0]));
		return;
	}
	if (told >= TOLD_EARLY_ASK) {
		l->asks[told - TOLD_EARLY_ASK].is_told_early = true;
		return;
	}
	if (told >= GATE_ASKS_MAX) {
		job = told - GATE_ASKS_MAX;
		stop_waiting(l, job);
		settle(l, job, clock_mono_ns());
		return;
	}
	if (l->one.flags & CREC_CUT)
		log_warning(
			"container '%.64s' has more mounts or labels than are kept", l->one.id.p);
	ask_free(l, &l->asks[told]);
	if (job == NONE)
		return;
	stats_add(&l->stats->latency[stats_latency_bucket(clock_mono_ns() - l->jobs[job].since_ns)],
		1);
	/* one that is queued for another report is looked at again, for who waits too */
	if (l->jobs[job].say_ns)
		stop_waiting(l, job);
	if (l->jobs[job].state == JOB_QUEUED) {
		l->jobs[job].open = 0;
		l->jobs[job].since_ns = clock_mono_ns();
	} else
		job_free(l, job);
}

void lookups_again(struct lookups *l)
{
	for (unsigned i = 0; i < l->set->n_runtimes; i++)
		if (l->sources[i].is_up)
			l->sources[i].wants_list = true;
}

int lookups_timeout_ms(const struct lookups *l, uint64_t now_ns)
{
	uint64_t next_ns = l->n_paused ? l->paused_ns : UINT64_MAX;

	for (unsigned i = 0; i < l->n_waits; i++)
		next_ns = MIN(next_ns, l->jobs[l->waits[i]].say_ns);
	for (unsigned i = 0; i < l->set->n_runtimes; i++)
		if (l->sources[i].wants_list)
			next_ns = MIN(next_ns, l->sources[i].list_ns);
	if (next_ns == UINT64_MAX)
		return -1;
	return next_ns > now_ns ? (int)MIN((next_ns - now_ns) / NS_PER_MS + 1, (uint64_t)1000) : 0;
}
