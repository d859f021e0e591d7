/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of containers, a record at a time: early words, removals, facts, and that nothing is known. Each comes again until it was taken. */

#include <stdio.h>
#include <string.h>

#include <base/log.h>
#include <base/macros.h>

#include "lookups_priv.h"

/* lookups.told: an ask that is ready; a job, from GATE_ASKS_MAX on, that nothing is known of; or one of these. */
#define TOLD_EARLY (UINT32_MAX - 1)
#define TOLD_GONE (UINT32_MAX - 2)
#define TOLD_EARLY_ASK (UINT32_MAX / 2) /* and of which ask */

void tell_early(struct lookups *l, json_t *root, unsigned runtime, struct span listed)
{
	if (l->n_early == EARLY_MAX)
		return;
	l->early[l->n_early].root = json_incref(root);
	l->early[l->n_early].runtime = runtime;
	memcpy(l->early[l->n_early].listed, listed.p ? listed.p : "", listed.n);
	l->early[l->n_early++].listed[listed.n] = 0;
}

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

	return own ? own : gate_kind_str(kind_of(l, runtime));
}

static void put_facts(struct lookups *l, const struct ask *a)
{
	const char *type = type_of(l, a->runtime);
	char id[GATE_ID_MAX];
	const struct md_image *image = image_of(l, a, id) ? find_image(l, id) : NULL;

	if (a->cri)
		cri_container(&l->one, a->cri, type, l->set->label_max);
	else if (a->containerd)
		containerd_container(&l->one, a->containerd, image, type, l->set->label_max);
	else
		docker_container(&l->one, a->root, image, type, l->set->label_max);
	if (a->address[0])
		md_container_set(&l->one, CREC_IP, span_str(a->address));
}

/* One that was asked for as a pod alone, and went without. */
static bool has_facts(const struct ask *a)
{
	return a->root || a->containerd || (a->cri && cri_knows(a->cri));
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
		l->told = JOB_NONE;
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

	l->told = JOB_NONE;
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
		put_facts(l, a);
		l->told = i;
		return md_container_record(&l->one, buf);
	}
	n = record_early_ask(l, buf);
	return n ? n : record_unknown(l, buf, now_ns);
}

void lookups_told(struct lookups *l)
{
	uint32_t told = l->told;
	uint32_t job = told < GATE_ASKS_MAX ? l->asks[told].job : JOB_NONE;

	l->told = JOB_NONE;
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
		job_stop_waiting(l, job);
		job_settle(l, job, clock_mono_ns());
		return;
	}
	if (l->one.flags & CREC_CUT)
		log_warning(
			"container '%.64s' has more mounts or labels than are kept", l->one.id.p);
	ask_free(l, &l->asks[told]);
	if (job == JOB_NONE)
		return;
	stats_add(&l->stats->latency[stats_latency_bucket(clock_mono_ns() - l->jobs[job].since_ns)],
		1);
	/* one that is queued for another report is looked at again, for who waits too */
	if (l->jobs[job].say_ns)
		job_stop_waiting(l, job);
	if (l->jobs[job].state == JOB_QUEUED) {
		l->jobs[job].open = 0;
		l->jobs[job].since_ns = clock_mono_ns();
	} else
		job_free(l, job);
}
