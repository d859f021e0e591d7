/* SPDX-License-Identifier: Apache-2.0 */
/* After a loss the tracker's state may be wrong. The collector, which writes everything that is
 * known about the world into one stream, is told what was lost, and reads the state of the host
 * again from fresh iterators. Until that is through, alerts that rest on older state are marked.
 *
 * Only losses that state can suffer from are told: records of the two higher classes, programs that
 * the kernel skipped, records that a door refused. Counters in the kernel and the stages' pages are
 * all that is looked at. A flood that goes on makes the reading rarer, not the marks. */
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "sup.h"

#define LOOK_NS (100 * NS_PER_MS)
#define REREAD_MIN_NS NS_PER_S
#define REREAD_MAX_NS (30 * NS_PER_S)
#define RETELL_NS (60 * NS_PER_S) /* a new collector is told of losses as old as that */

static const struct {
	enum loss_id reason;
	uint32_t cls; /* struct rec_loss */
} rows[SUP_DOUBTS] = {
	{LOSS_KERNEL_FULL_HIGH, KEV_CLASS_STATE},
	{LOSS_KERNEL_FULL_MEDIUM, KEV_CLASS_FILE_NET},
	{LOSS_KERNEL_SHED_FLOOD, KEV_CLASS_STATE},
	{LOSS_KERNEL_SHED_FLOOD, KEV_CLASS_FILE_NET},
	{LOSS_KERNEL_SCRATCH, KEV_CLASS_STATE},
	{LOSS_KERNEL_SCRATCH, KEV_CLASS_FILE_NET},
	{LOSS_KERNEL_TOO_BIG, KEV_CLASS_STATE},
	{LOSS_KERNEL_TOO_BIG, KEV_CLASS_FILE_NET},
	{LOSS_KERNEL_RECURSION, 0},
	{LOSS_COLLECTOR_MALFORMED, 0},
	{LOSS_TRACKER_MALFORMED, 0},
};

static uint64_t kernel_sum(const struct sup *s, enum loss_id reason, uint32_t cls)
{
	uint64_t n = 0;

	for (unsigned cpu = 0; s->bpf.counters && cpu < s->plan.n_cpus; cpu++) {
		const struct kshm_counters *k = &s->bpf.counters[cpu];
		const kev_u64 *by_class = reason == LOSS_KERNEL_SHED_FLOOD ? k->lost_flood
					  : reason == LOSS_KERNEL_SCRATCH  ? k->lost_scratch
					  : reason == LOSS_KERNEL_TOO_BIG  ? k->lost_size
									   : k->lost_full;

		n += stats_get((const uint64_t *)&by_class[cls]);
	}
	return n;
}

static uint64_t total(struct sup *s, unsigned row)
{
	const struct sup_child *c;

	switch (rows[row].reason) {
	case LOSS_KERNEL_RECURSION:
		return sup_bpf_recursion(s);
	case LOSS_COLLECTOR_MALFORMED:
		c = sup_find_child(s, PLAN_COLLECTOR, 0);
		return c ? stats_get(&c->stats->loss[LOSS_COLLECTOR_MALFORMED]) : 0;
	case LOSS_TRACKER_MALFORMED:
		c = sup_find_child(s, PLAN_TRACKER, 0);
		return c ? stats_get(&c->stats->loss[LOSS_TRACKER_MALFORMED]) : 0;
	default:
		return kernel_sum(s, rows[row].reason, rows[row].cls);
	}
}

static bool tell(struct sup_child *collector, unsigned row, uint64_t n)
{
	struct ctl_msg m = {.magic = CTL_MAGIC,
		.type = CTL_LOSS,
		.index = rows[row].reason,
		.value = {n, rows[row].cls}};

	return ctl_send(collector->ctl.fd, &m, -1) == 0;
}

/* True if there was something new to doubt. */
static bool look(struct sup *s, struct sup_child *collector, uint64_t now_ns)
{
	struct sup_doubt *d = &s->doubt;
	/* what its predecessor was told may have died with it */
	bool again = collector->restarts != d->collector && d->told_ns &&
		     now_ns - d->told_ns < RETELL_NS;
	bool is_new = false;

	for (unsigned i = 0; i < SUP_DOUBTS; i++) {
		uint64_t n = total(s, i), more = n > d->told[i] ? n - d->told[i] : 0;

		if ((!more && !(again && d->last[i])) ||
			!tell(collector, i, more ? more : d->last[i]))
			continue;
		is_new = true;
		d->told[i] = n;
		d->last[i] = more ? more : d->last[i];
	}
	d->collector = collector->restarts;
	return is_new;
}

static void reread(struct sup *s, struct sup_child *collector, uint64_t now_ns)
{
	struct sup_doubt *d = &s->doubt;
	int r = sup_recover_iterators(s, collector);

	if (r == 0)
		r = sup_send(collector, CTL_REREAD, FD_NONE, 0, NULL, -1);
	if (r < 0)
		log_warning_errno(r, "read the state of the system again after a loss");
	else
		log_debug("events were lost: the state of the system is read again");
	d->is_wanted = r < 0;
	d->wait_ns = MIN(MAX(d->wait_ns * 2, (uint64_t)REREAD_MIN_NS), (uint64_t)REREAD_MAX_NS);
	d->next_ns = now_ns + d->wait_ns;
}

void sup_doubt_tick(struct sup *s, uint64_t now_ns)
{
	struct sup_child *collector = sup_find_child(s, PLAN_COLLECTOR, 0),
			 *tracker = sup_find_child(s, PLAN_TRACKER, 0);
	struct sup_doubt *d = &s->doubt;

	if (s->config->engine != ENGINE_BPF || s->phase != SUP_DETECTING ||
		now_ns - d->looked_ns < LOOK_NS || collector->state != LC_RUNNING)
		return;
	d->looked_ns = now_ns;
	if (look(s, collector, now_ns)) {
		d->is_wanted = true;
		d->told_ns = now_ns;
	} else if (!d->is_wanted && now_ns > d->next_ns + d->wait_ns) {
		d->wait_ns = 0; /* quiet for long enough */
	}
	/* a tracker that starts gets a snapshot of its own, from the same iterators' descriptors */
	if (d->is_wanted && now_ns >= d->next_ns && tracker->state == LC_RUNNING)
		reread(s, collector, now_ns);
}
