/* SPDX-License-Identifier: Apache-2.0 */
/* Looking containers up. A job is one container: wanted by the tracker, which has seen its cgroup, by a runtime's report, or by a runtime's list. It is asked for at the runtime that named it, or at all that
 * answer; who does not know it says so at once. What is asked besides (its image, its pod, the container whose network it uses) is asked for once for all that wait for it; images are kept for the next containers.
 *
 * Answers are hostile. Each has a bounded buffer, the parsers a bounded heap; what cannot be understood is counted and costs that lookup alone. A job that the tracker waits for is answered after
 * metadata.wait in any case: that nothing is known yet. All memory is taken by lookups_new(); jobs are as many as containers can be known, and one too many is counted and waits for the next list. */

#include <sys/mman.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>

#include "lookups_priv.h"

#define OPEN_BACKGROUND 8 /* asks that a list may have open at a time; the rest is for who waits */
#define LOOKUP_WAITS 10   /* the tracker waits so many times metadata.wait for a container */
#define ASK_NS (30 * NS_PER_S) /* the gate ends every ask sooner, or has died */
#define KEEP_PAGES 65536u

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
	l->bodies = map((size_t)GATE_ASKS_MAX * GATE_BODY_MAX);
	l->list = map(GATE_LIST_MAX);
	l->lines = map((size_t)GATE_RUNTIMES_MAX * LINE_MAX_BYTES);
	if (jobs_init(l) < 0 || !l->bodies || !l->list || !l->lines)
		return lookups_free(l);
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++)
		l->asks[i].body = l->bodies + (size_t)i * GATE_BODY_MAX;
	for (unsigned i = 0; i < GATE_RUNTIMES_MAX; i++)
		l->sources[i].line = l->lines + (size_t)i * LINE_MAX_BYTES;
	/* a predecessor's answers are not taken for ours */
	l->serial = clock_mono_ns() >> 8;
	l->told = JOB_NONE;
	/* who answers already says nothing more: it is tried */
	for (unsigned i = 0; i < set->n_runtimes; i++) {
		l->sources[i].wants_list = true;
		(void)namespace_index(l, i, span_str(DEFAULT_NAMESPACE));
	}
	return l;
}

static void drop_facts(struct ask *a)
{
	json_decref(a->root);
	a->root = NULL;
	a->cri = cri_free(a->cri);
	a->containerd = containerd_free(a->containerd);
}

struct lookups *lookups_free(struct lookups *l)
{
	if (!l)
		return NULL;
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++)
		drop_facts(&l->asks[i]);
	for (unsigned i = 0; i < l->n_early; i++)
		json_decref(l->early[i].root);
	if (l->bodies)
		(void)munmap(l->bodies, (size_t)GATE_ASKS_MAX * GATE_BODY_MAX);
	if (l->list)
		(void)munmap(l->list, GATE_LIST_MAX);
	if (l->lines)
		(void)munmap(l->lines, (size_t)GATE_RUNTIMES_MAX * LINE_MAX_BYTES);
	jobs_done(l);
	free(l);
	return NULL;
}

/* --- who is wanted --- */

/* Containers that have names are containerd's alone. */
static bool may_know(const struct lookups *l, unsigned runtime, struct span id)
{
	return kind_of(l, runtime) == GATE_CONTAINERD ? gate_is_name(id) : gate_is_hex(id, 12, 64);
}

static uint16_t all_up(const struct lookups *l)
{
	uint16_t bits = 0;

	for (unsigned i = 0; i < l->set->n_runtimes; i++)
		bits |= (uint16_t)(l->sources[i].is_up ? 1u << i : 0);
	return bits;
}

static uint16_t all_that_may_know(const struct lookups *l, struct span id)
{
	uint16_t bits = 0;

	for (unsigned i = 0; i < l->set->n_runtimes; i++)
		bits |= (uint16_t)(may_know(l, i, id) ? 1u << i : 0);
	return bits & all_up(l);
}

static uint16_t all_calls(const struct lookups *l)
{
	uint16_t bits = 0;

	for (unsigned i = 0; i < l->set->n_runtimes; i++)
		bits |= (uint16_t)(gate_is_call(kind_of(l, i)) ? 1u << i : 0);
	return bits;
}

void lookups_want(struct lookups *l, struct span id, uint64_t now_ns)
{
	uint32_t i = job_get(l, id);
	struct job *j;

	if (i == JOB_NONE)
		return; /* the tracker's own time runs out */
	j = &l->jobs[i];
	if (!j->say_ns)
		l->waits[l->n_waits++] = i;
	/* a name of lxc or the like may be no id of any runtime's */
	j->want |= (uint16_t)(all_that_may_know(l, id) & ~j->open);
	j->brief |= (uint16_t)(j->want & ~all_calls(l));
	j->say_ns = j->want | j->open ? now_ns + LOOKUP_WAITS * l->set->metadata_wait_ns : 1;
	job_queue(l, i, true);
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

/* --- asks --- */

void ask_free(struct lookups *l, struct ask *a)
{
	bool is_listed = gate_is_list(a->what);

	drop_facts(a);
	if (a->n > KEEP_PAGES) {
		(void)madvise(is_listed ? l->list : a->body,
			is_listed ? GATE_LIST_MAX : GATE_BODY_MAX, MADV_DONTNEED);
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
			.job = JOB_NONE,
			.body = a->body,
			.until_ns = now_ns + ASK_NS};
		a->cookie = ++l->serial << 8 | i;
		l->n_open++;
		return a;
	}
	return NULL;
}

/* @namespace: {0,0} where there is none. */
static void fill_ask(
	const struct ask *a, struct span namespace, struct span id, struct gate_ask *ret)
{
	ret->cookie = a->cookie;
	ret->runtime = a->runtime;
	ret->what = a->what;
	memset(ret->id, 0, sizeof(ret->id));
	(void)snprintf(ret->id, sizeof(ret->id), "%.*s%s%.*s", (int)namespace.n,
		namespace.p ? namespace.p : "", namespace.n ? "/" : "", (int)id.n,
		id.p ? id.p : "");
}

/* containerd's containers are listed a namespace at a time; which there are is asked for first. Runtimes of Kubernetes list pods after their containers. */
static struct ask *new_list_ask(
	struct lookups *l, unsigned runtime, struct gate_ask *ret, uint64_t now_ns)
{
	struct source *s = &l->sources[runtime];
	bool is_first = kind_of(l, runtime) == GATE_CONTAINERD && !s->has_namespaces;
	struct ask *a = new_ask(l, runtime,
		is_first        ? GATE_NAMESPACES
		: s->wants_pods ? GATE_PODS
				: GATE_LIST,
		now_ns);

	if (a)
		fill_ask(a, (struct span){0},
			s->has_namespaces ? span_str(s->namespaces[s->next_namespace])
					  : (struct span){0},
			ret);
	return a;
}

/* One list at a time: they share a buffer. */
static bool ask_list(struct lookups *l, struct gate_ask *ret, uint64_t now_ns)
{
	for (unsigned i = 0; i < l->set->n_runtimes; i++)
		if (l->sources[i].lists)
			return false;
	for (unsigned i = 0; i < l->set->n_runtimes; i++) {
		struct source *s = &l->sources[i];

		if (!s->wants_list || now_ns < s->list_ns)
			continue;
		if (!new_list_ask(l, i, ret, now_ns))
			return false;
		s->wants_list = false;
		s->lists = true;
		return true;
	}
	return false;
}

/* What is asked besides, in this order; GATE_EVENTS: nothing more. *ret_id: empty where it is not needed. */
static enum gate_what second_of(
	const struct lookups *l, const struct ask *a, unsigned step, char ret_id[GATE_ID_MAX])
{
	struct span id = {0};

	ret_id[0] = 0;
	if (step == 0 && kind_of(l, a->runtime) == GATE_CRI) {
		id = cri_sandbox(a->cri);
		(void)snprintf(ret_id, GATE_ID_MAX, "%.*s", (int)id.n, id.p ? id.p : "");
		return GATE_POD;
	}
	if (step == 0) {
		if (!image_of(l, a, ret_id) || find_image(l, ret_id))
			ret_id[0] = 0;
		return GATE_IMAGE;
	}
	if (step == 1 && a->root) {
		id = docker_network_of(a->root);
		(void)snprintf(ret_id, GATE_ID_MAX, "%.*s", (int)id.n, id.p ? id.p : "");
		return GATE_INSPECT;
	}
	return GATE_EVENTS;
}

void ask_go_on(struct lookups *l, struct ask *a)
{
	while ((a->second_what = second_of(l, a, a->step, a->second)) != GATE_EVENTS) {
		a->step++;
		if (a->second[0]) {
			a->state = ASK_SECOND;
			return;
		}
	}
	a->state = ASK_READY;
}

static bool is_second_asked(const struct lookups *l, const struct ask *of)
{
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		const struct ask *a = &l->asks[i];

		if (a->state == ASK_OPEN && a->is_second && a->what == of->second_what &&
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
		a = new_ask(l, of->runtime, of->second_what, now_ns);
		if (!a) {
			of->state =
				ASK_READY; /* all are containers that wait for more: one goes without */
			return false;
		}
		a->is_second = true;
		memcpy(a->second, of->second, sizeof(a->second));
		fill_ask(a, (struct span){0}, span_str(a->second), ret);
		return true;
	}
	return false;
}

static void fill_inspection(const struct lookups *l, struct ask *a, struct gate_ask *ret)
{
	if (kind_of(l, a->runtime) == GATE_CONTAINERD)
		(void)snprintf(a->namespace_name, sizeof(a->namespace_name), "%s",
			l->sources[a->runtime].namespaces[a->namespace]);
	fill_ask(a, span_str(a->namespace_name), job_id(&l->jobs[a->job]), ret);
}

static bool ask_again(struct lookups *l, struct gate_ask *ret, uint64_t now_ns)
{
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		struct ask *a = &l->asks[i];

		if (a->state != ASK_AGAIN)
			continue;
		if (a->job == JOB_NONE) {
			ask_free(l, a); /* somebody else has told it */
			continue;
		}
		a->state = ASK_OPEN;
		a->cookie = ++l->serial << 8 | i;
		a->until_ns = now_ns + ASK_NS;
		fill_inspection(l, a, ret);
		return true;
	}
	return false;
}

/* Of containerd: the first of its namespaces that it is looked for in. false: none is known. */
static bool begin_in_namespace(const struct lookups *l, struct ask *a, const struct job *j)
{
	unsigned n = l->sources[a->runtime].n_namespaces;

	if (kind_of(l, a->runtime) != GATE_CONTAINERD)
		return true;
	a->namespace = n ? j->namespace % n : 0;
	a->n_namespaces = 1;
	return n > 0;
}

static bool ask_job(struct lookups *l, struct queue *q, struct gate_ask *ret, uint64_t now_ns)
{
	while (q->first != JOB_NONE) {
		uint32_t i = q->first;
		struct job *j = &l->jobs[i];
		unsigned runtime;
		struct ask *a;

		j->want &= (uint16_t)(all_up(l) & ~j->open);
		j->brief &= all_up(l);
		if (!j->want && !j->brief) {
			job_pop(l, q);
			j->state = JOB_ASKED;
			job_settle(l, i, now_ns);
			continue;
		}
		runtime = (unsigned)__builtin_ctz(j->want ? j->want : j->brief);
		a = new_ask(l, runtime, j->want ? GATE_INSPECT : GATE_BRIEF, now_ns);
		if (!a)
			return false;
		a->job = i;
		if (a->what == GATE_INSPECT) {
			j->want &= (uint16_t) ~(1u << runtime);
			if (!begin_in_namespace(l, a, j)) {
				ask_free(l, a);
				continue;
			}
			j->open |= (uint16_t)(1u << runtime);
		} else {
			j->brief &= (uint16_t) ~(1u << runtime);
		}
		fill_inspection(l, a, ret);
		if (!j->want && !j->brief) {
			job_pop(l, q);
			j->state = JOB_ASKED;
			job_settle(l, i, now_ns); /* its inspection may have been answered before */
		}
		return true;
	}
	return false;
}

bool lookups_ask(struct lookups *l, struct gate_ask *ret_ask, uint64_t now_ns)
{
	jobs_wake(l, now_ns);
	if (ask_again(l, ret_ask, now_ns))
		return true;
	if (l->n_open == GATE_ASKS_MAX)
		return ask_second(l, ret_ask, now_ns);
	return ask_second(l, ret_ask, now_ns) || ask_job(l, &l->urgent, ret_ask, now_ns) ||
	       ask_list(l, ret_ask, now_ns) ||
	       (l->n_open < OPEN_BACKGROUND && ask_job(l, &l->background, ret_ask, now_ns));
}
