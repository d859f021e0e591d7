/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger: seen = judged + in flight + losses. Every figure has a source of its own: counters in
 * the kernel, progress and statistics pages of the stages, positions in the rings. None is the
 * difference of the others, or it could not show that something is missing. Input: pages that
 * stages write. A stage that lies makes the ledger not balance; it cannot do more. */
#include <stdio.h>
#include <string.h>

#include <base/log.h>
#include <base/strbuf.h>

#include "sup.h"

#define LEDGER_TRIES 50

struct kernel_sums {
	uint64_t seen, submitted;
};

static void add_kernel(const struct sup *s, struct sup_ledger *l, struct kernel_sums *sums)
{
	static const enum loss_id full[KEV_CLASSES + 1] = {
		_LOSS_MAX, LOSS_KERNEL_FULL_HIGH, LOSS_KERNEL_FULL_MEDIUM, LOSS_KERNEL_FULL_LOW};

	for (unsigned cpu = 0; s->bpf.counters && cpu < s->plan.n_cpus; cpu++) {
		const struct kshm_counters *k = &s->bpf.counters[cpu];

		for (unsigned i = 1; i <= KEV_CLASSES; i++) {
			sums->submitted += stats_get((const uint64_t *)&k->submitted[i]);
			l->loss[full[i]] += stats_get((const uint64_t *)&k->lost_full[i]);
			l->loss[LOSS_KERNEL_SHED_FLOOD] +=
				stats_get((const uint64_t *)&k->lost_flood[i]);
			l->loss[LOSS_KERNEL_SCRATCH] +=
				stats_get((const uint64_t *)&k->lost_scratch[i]);
			l->loss[LOSS_KERNEL_TOO_BIG] +=
				stats_get((const uint64_t *)&k->lost_size[i]);
			/* last: what is counted between the two reads shows as in flight nowhere,
			 * so seen must not be ahead of its parts */
			sums->seen += stats_get((const uint64_t *)&k->seen[i]);
		}
	}
}

/* In which order pages are read matters while events flow: downstream first, so that nothing is
 * counted twice. */
struct stage_sums {
	uint64_t judged;                                /* by evaluators */
	uint64_t judged_here, applied, forwarded, held; /* tracker */
	uint64_t taken, raw, told;                      /* collector */
	uint64_t gone_raw, gone_event;                  /* with rings that were replaced */
};

static void add_stages(const struct sup *s, struct sup_ledger *l, struct stage_sums *sums)
{
	for (size_t i = s->n_children; i-- > 1;) { /* the plan's order is downstream last */
		const struct sup_child *c = &s->children[i];

		if (!c->stats)
			continue;
		for (unsigned n = 0; n < _LOSS_MAX; n++)
			if (!loss_is_output(n))
				l->loss[n] += stats_get(&c->stats->loss[n]);
		if (c->proc->type == PLAN_EVALUATOR)
			sums->judged += stats_get(
				&((const struct progress_evaluator *)c->progress)->judged);
	}
}

static void add_upstream(const struct sup *s, struct stage_sums *sums)
{
	for (size_t i = 1; i < s->n_children; i++) {
		const struct sup_child *c = &s->children[i];

		if (c->proc->type == PLAN_TRACKER && c->progress) {
			const struct progress_tracker *p = c->progress;

			sums->judged_here = stats_get(&p->judged_here);
			sums->applied = stats_get(&p->applied);
			sums->held = stats_get(&p->held_now);
			for (unsigned n = 0; n < PROGRESS_EVALUATORS_MAX; n++) {
				sums->forwarded += stats_get(&p->forwarded[n]);
				sums->judged_here += stats_get(&p->passed[n]);
			}
		}
		if (c->proc->type == PLAN_COLLECTOR && c->stats) {
			sums->raw = stats_get(&c->stats->raw_events);
			sums->taken = stats_get(&c->stats->events);
			sums->told = stats_get(&c->stats->told_events);
		}
	}
}

static uint64_t ahead(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* What stood in rings that were replaced: not in flight any more, but lost. */
static void add_faults(const struct sup *s, struct sup_ledger *l, struct stage_sums *sums)
{
	for (size_t i = 0; s->faults && i < s->plan.n_rings; i++) {
		enum plan_type to = s->children[s->plan.rings[i].to].proc->type;

		if (to == PLAN_TRACKER)
			sums->gone_raw += s->faults[i].gone;
		else if (to == PLAN_EVALUATOR)
			sums->gone_event += s->faults[i].gone;
		else
			continue; /* alerts are the output's */
		l->loss[LOSS_RING_FAULT] += s->faults[i].lost;
	}
}

static void read_once(const struct sup *s, uint64_t recursion, struct sup_ledger *ret)
{
	struct sup_ledger l = {0};
	struct kernel_sums kernel = {0};
	struct stage_sums st = {0};

	add_stages(s, &l, &st);
	add_upstream(s, &st);
	add_faults(s, &l, &st);
	add_kernel(s, &l, &kernel);
	if (s->config->engine == ENGINE_BPF) {
		l.seen = kernel.seen + st.told;
		l.in_flight = ahead(kernel.submitted + st.told, st.taken);
		/* a program that was skipped had selected nothing yet: both sides of the sum get it
		 */
		l.loss[LOSS_KERNEL_RECURSION] = recursion;
		l.seen += recursion;
	} else {
		l.seen = st.taken;
	}
	l.judged = st.judged_here + st.judged;
	l.in_flight += ahead(st.raw, st.applied + st.gone_raw) + st.held;
	l.in_flight += ahead(st.forwarded, st.judged + l.loss[LOSS_EVALUATOR_MALFORMED] +
						   l.loss[LOSS_EVALUATOR_POISON] + st.gone_event);
	if (s->undrained) {
		l.loss[LOSS_STOP_UNDRAINED] += s->undrained;
		l.in_flight = ahead(l.in_flight, s->undrained);
	}
	for (unsigned i = 0; i < _LOSS_MAX; i++)
		l.lost += l.loss[i];
	l.is_balanced = l.seen == l.judged + l.in_flight + l.lost;
	*ret = l;
}

void sup_ledger_read(const struct sup *s, struct sup_ledger *ret)
{
	uint64_t recursion = s->config->engine == ENGINE_BPF ? sup_bpf_recursion(s) : 0;

	/* The pages move while they are read, one after the other: an event between two counters
	 * looks missing or doubled. Reading again settles that; what is really missing stays so. */
	for (unsigned i = 0; i < LEDGER_TRIES; i++) {
		read_once(s, recursion, ret);
		if (ret->is_balanced)
			return;
	}
}

uint64_t sup_output_lost(const struct sup *s, const struct sup_child *emitter, enum loss_id id)
{
	uint64_t n;

	if (!loss_is_output(id))
		return 0;
	n = stats_get(&emitter->stats->loss[id]);
	if (id == LOSS_OUT_RING_FAULT)
		n += sup_ringfault_lost(s, emitter);
	for (size_t i = 1; i < s->n_children; i++) {
		const struct sup_child *c = &s->children[i];
		const struct stats_out *o;

		if (c->proc->type != PLAN_EVALUATOR || emitter->proc->index >= STATS_OUTPUTS)
			continue;
		o = &c->stats->out[emitter->proc->index];
		if (id == LOSS_OUT_RING_FULL)
			n += stats_get(&o->ring_full);
		else if (id == LOSS_OUT_TOO_BIG)
			n += stats_get(&o->too_big);
	}
	return n;
}

/* Alerts that an output had not taken when it was ended by force. */
static uint64_t undelivered_bytes(const struct sup *s, size_t child)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->plan.n_rings; i++) {
		struct spsc_view v;

		if (s->plan.rings[i].to == child &&
			spsc_view_read(s->rings[i].data_ro, s->rings[i].cursor_ro, &v) == 0)
			n += v.used;
	}
	return n;
}

static void print_outputs(const struct sup *s)
{
	for (size_t i = 1; i < s->n_children; i++) {
		const struct sup_child *c = &s->children[i];
		_cleanup_strbuf_ struct strbuf b = {0};
		uint64_t left;

		if (c->proc->type != PLAN_EMITTER)
			continue;
		strbuf_addf(&b, "output %s: accepted %llu, delivered %llu",
			s->config->outputs[c->proc->index].name,
			(unsigned long long)stats_get(&c->stats->alerts),
			(unsigned long long)stats_get(&c->stats->delivered));
		for (unsigned n = 0; n < _LOSS_MAX; n++) {
			uint64_t lost = sup_output_lost(s, c, n);

			if (lost)
				strbuf_addf(&b, ", %s %llu", loss_str(n), (unsigned long long)lost);
		}
		left = undelivered_bytes(s, i);
		if (left)
			strbuf_addf(&b, ", left in its rings %llu bytes", (unsigned long long)left);
		if (strbuf_ok(&b))
			log_write(left ? LOG_LVL_ERR : LOG_LVL_NOTICE, "%s", b.p);
	}
}

static void print_recording(const struct sup *s)
{
	const struct sup_child *c = NULL;
	uint64_t lost;

	for (size_t i = 1; !c && i < s->n_children; i++)
		if (s->children[i].proc->type == PLAN_RECORDER)
			c = &s->children[i];
	if (!c || !c->stats)
		return;
	lost = stats_get(&c->stats->loss[LOSS_OUT_RECORD_FULL]);
	log_write(lost ? LOG_LVL_WARNING : LOG_LVL_NOTICE,
		"recording: events taken %llu, written %llu, %s %llu",
		(unsigned long long)stats_get(&c->stats->events),
		(unsigned long long)stats_get(&c->stats->records_out),
		loss_str(LOSS_OUT_RECORD_FULL), (unsigned long long)lost);
}

void sup_ledger_print(const struct sup *s)
{
	struct sup_ledger l;
	_cleanup_strbuf_ struct strbuf b = {0};

	sup_ledger_read(s, &l);
	strbuf_addf(&b, "ledger: seen %llu = judged %llu + in flight %llu",
		(unsigned long long)l.seen, (unsigned long long)l.judged,
		(unsigned long long)l.in_flight);
	for (unsigned i = 0; i < _LOSS_MAX; i++)
		if (l.loss[i])
			strbuf_addf(&b, " + %s %llu", loss_str(i), (unsigned long long)l.loss[i]);
	strbuf_add_str(&b, l.is_balanced ? ": balanced" : ": not balanced");
	if (strbuf_ok(&b))
		log_write(l.is_balanced ? LOG_LVL_NOTICE : LOG_LVL_ERR, "%s", b.p);
	print_outputs(s);
	print_recording(s);
}
