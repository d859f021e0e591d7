/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: a table by id, two queues of those that are to be asked for, those that rest before they are asked for again, and those that the tracker waits for. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/hash.h>
#include <base/log.h>
#include <base/macros.h>

#include "lookups_priv.h"

#define TRIES_MAX 5
#define DELAY_NS (20 * NS_PER_MS)

int jobs_init(struct lookups *l)
{
	l->jobs = calloc(JOBS_MAX, sizeof(*l->jobs));
	l->buckets = malloc(JOB_BUCKETS * sizeof(*l->buckets));
	l->waits = calloc(JOBS_MAX, sizeof(*l->waits));
	if (!l->jobs || !l->buckets || !l->waits)
		return -ENOMEM;
	memset(l->buckets, 0xff, JOB_BUCKETS * sizeof(*l->buckets));
	for (uint32_t i = 0; i < JOBS_MAX; i++)
		l->jobs[i].next = i + 1 < JOBS_MAX ? i + 1 : JOB_NONE;
	l->urgent = l->background = (struct queue){JOB_NONE, JOB_NONE};
	return 0;
}

void jobs_done(struct lookups *l)
{
	free(l->jobs);
	free(l->buckets);
	free(l->waits);
}

static uint32_t *bucket(struct lookups *l, struct span id)
{
	return &l->buckets[hash_bytes(id.p, id.n, 0) % JOB_BUCKETS];
}

static void push(struct lookups *l, struct queue *q, uint32_t i)
{
	l->jobs[i].next = JOB_NONE;
	*(q->last == JOB_NONE ? &q->first : &l->jobs[q->last].next) = i;
	q->last = i;
}

void job_pop(struct lookups *l, struct queue *q)
{
	q->first = l->jobs[q->first].next;
	if (q->first == JOB_NONE)
		q->last = JOB_NONE;
}

uint32_t job_get(struct lookups *l, struct span id)
{
	uint32_t i = *bucket(l, id);
	struct job *j;

	for (; i != JOB_NONE; i = l->jobs[i].hash_next)
		if (span_eq(job_id(&l->jobs[i]), id))
			return i;
	if (id.n == 0 || id.n > JOB_ID_MAX)
		return JOB_NONE;
	i = l->free;
	if (i == JOB_NONE) {
		if (l->n_dropped++ == 0)
			log_warning("more than %u containers are to be looked at, some wait for "
				    "the next list",
				JOBS_MAX);
		return JOB_NONE;
	}
	j = &l->jobs[i];
	l->free = j->next;
	*j = (struct job){
		.n = (uint8_t)id.n, .hash_next = *bucket(l, id), .since_ns = clock_mono_ns()};
	memcpy(j->id, id.p, id.n);
	*bucket(l, id) = i;
	return i;
}

void job_stop_waiting(struct lookups *l, uint32_t job)
{
	for (unsigned i = 0; i < l->n_waits; i++)
		if (l->waits[i] == job) {
			l->waits[i] = l->waits[--l->n_waits];
			break;
		}
	l->jobs[job].say_ns = 0;
}

void job_free(struct lookups *l, uint32_t job)
{
	struct job *j = &l->jobs[job];
	uint32_t *at = bucket(l, job_id(j));

	if (j->say_ns)
		job_stop_waiting(l, job);
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
			l->asks[i].job = JOB_NONE;
}

void job_queue(struct lookups *l, uint32_t job, bool is_urgent)
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

void job_settle(struct lookups *l, uint32_t job, uint64_t now_ns)
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

void job_answered(struct lookups *l, uint32_t job, unsigned runtime, bool again, uint64_t now_ns)
{
	struct job *j;

	if (job == JOB_NONE)
		return;
	j = &l->jobs[job];
	j->open &= (uint16_t) ~(1u << runtime);
	if (again)
		j->want |= (uint16_t)(1u << runtime);
	job_settle(l, job, now_ns);
}

void jobs_wake(struct lookups *l, uint64_t now_ns)
{
	if (!l->n_paused || now_ns < l->paused_ns)
		return;
	l->paused_ns = UINT64_MAX;
	for (uint32_t i = 0; i < JOBS_MAX; i++) {
		if (l->jobs[i].state != JOB_PAUSED)
			continue;
		if (l->jobs[i].retry_ns <= now_ns)
			job_queue(l, i, false);
		else
			l->paused_ns = MIN(l->paused_ns, l->jobs[i].retry_ns);
	}
}

void job_want_of(
	struct lookups *l, unsigned runtime, struct span id, unsigned namespace, bool is_urgent)
{
	uint32_t i = job_get(l, id);

	if (i == JOB_NONE)
		return;
	l->jobs[i].want |= (uint16_t)(1u << runtime);
	l->jobs[i].namespace = (uint8_t) namespace;
	job_queue(l, i, is_urgent);
}
