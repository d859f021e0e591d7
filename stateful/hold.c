/* SPDX-License-Identifier: Apache-2.0 */
/* Holds. A container that nothing is told of is met first by a record that says its cgroups (a fork into it, an execution). From there on all records of its cgroups are copied and kept,
 * unparsed but for that first look, in the order in which they came; everything else goes on. A record is let go of when the container's facts are told, when it has waited for as long as it may, or when
 * there is no room for more. What comes behind it waits on: the facts may be in time for that, the container's own program above all, which the runtime's helper comes before. A container is held back once in its life, and not for longer than some such waits. Input: raw records, hostile: a record that cannot be parsed is never kept. */

#include "hold.h"

#include <sys/mman.h>

#include <errno.h>
#include <string.h>

#include <base/macros.h>

#include "container_id.h"

#define ROOT_CGROUP 1
#define NO_HOLD (-1)

/* The record follows. */
struct entry {
	uint32_t len; /* of the record, a multiple of 8 */
	int32_t hold; /* NO_HOLD: it is gone */
};

int st_holds_init(struct st_holds *h, uint64_t wait_ns)
{
	void *p;

	*h = (struct st_holds){.wait_ns = wait_ns, .releasing = NO_HOLD};
	if (!wait_ns)
		return 0;
	p = mmap(NULL, ST_HOLD_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	h->buf = p;
	return 0;
}

void st_holds_done(struct st_holds *h)
{
	if (h->buf)
		(void)munmap(h->buf, ST_HOLD_BYTES); /* cannot fail for what mmap gave */
	*h = (struct st_holds){.releasing = NO_HOLD};
}

static int find_cgroup(const struct st_holds *h, uint64_t cgroup_id)
{
	for (unsigned i = 0; i < h->n_cgroups; i++)
		if (h->cgroups[i].cgroup_id == cgroup_id)
			return (int)h->cgroups[i].hold;
	return NO_HOLD;
}

static int find_slot(const struct st_holds *h, uint32_t slot)
{
	for (unsigned i = 0; i < ST_HOLDS_MAX; i++)
		if (h->list[i].is_used && h->list[i].slot == slot)
			return (int)i;
	return NO_HOLD;
}

/* --- beginning --- */

/* Which parameter says the cgroups of the process that the event leaves behind; -1: none. */
static int cgroups_param(uint16_t type)
{
	switch (type) {
	case KEV_CODE_SYSCALL_EXECVE_19_X:
	case KEV_CODE_SYSCALL_EXECVEAT_X:
	case KEV_CODE_SYSCALL_CLONE_20_X:
	case KEV_CODE_SYSCALL_FORK_20_X:
	case KEV_CODE_SYSCALL_VFORK_20_X:
	case KEV_CODE_SYSCALL_CLONE3_X:
		return 14;
	case KEV_CODE_SAKER_FORK:
		return 13;
	default:
		return -1;
	}
}

/* A fork is told by the parent, and its record has the parent's cgroup: the child may have been born elsewhere. */
static bool is_others(const struct st_core *core, uint64_t cgroup_id, struct span id)
{
	const struct st_cgroup *known = &core->cgroup_cache[st_cgroup_cache_index(cgroup_id)];

	return known->id == cgroup_id && !span_eq(st_text_get(&core->texts, known->container), id);
}

static int begin(struct st_holds *h, uint32_t slot, uint64_t ts_ns)
{
	for (unsigned i = 0; i < ST_HOLDS_MAX; i++) {
		if (h->list[i].is_used)
			continue;
		h->list[i] = (struct st_hold){
			.slot = slot, .since_ns = ts_ns, .first_ns = UINT64_MAX, .is_used = true};
		h->n_used++;
		h->n_containers++;
		return (int)i;
	}
	return NO_HOLD;
}

/* The hold that a record begins or widens. */
static int meet(struct st_holds *h, struct st_core *core, const struct rec_head *rec,
	const struct kev_head *head)
{
	int param = cgroups_param(head->type), hold;
	uint32_t slot;
	struct st_container_found f;
	const char *why;
	struct kev k;

	if (param < 0 || head->cgroup_id <= ROOT_CGROUP || h->n_cgroups == ST_HOLD_CGROUPS ||
		kev_parse(head, rec->ring.len - sizeof(*rec), &k, &why) < 0 ||
		!kev_param_present(&k, (unsigned)param))
		return NO_HOLD;
	f = st_container_find(k.param[param], core->cfg.engines_off);
	if (!f.id.n || ctr_engines[f.engine].type || is_others(core, head->cgroup_id, f.id))
		return NO_HOLD;
	slot = st_container_seen(&core->containers, f.id, f.engine);
	hold = slot == PREC_NO_SLOT ? NO_HOLD : find_slot(h, slot);
	if (hold == NO_HOLD && slot != PREC_NO_SLOT &&
		st_container_may_wait(&core->containers, slot))
		hold = begin(h, slot, rec->ts_ns);
	if (hold != NO_HOLD) {
		h->cgroups[h->n_cgroups].cgroup_id = head->cgroup_id;
		h->cgroups[h->n_cgroups++].hold = (unsigned)hold;
	}
	return hold;
}

/* --- keeping --- */

static bool keep(struct st_holds *h, const struct rec_head *rec, int hold)
{
	size_t len = ALIGN_UP(rec->ring.len, 8u);
	struct entry *e;

	if (len + sizeof(*e) > ST_HOLD_BYTES - h->to && h->from > 0) {
		memmove(h->buf, h->buf + h->from, h->to - h->from);
		h->to -= h->from;
		h->from = 0;
	}
	if (len + sizeof(*e) > ST_HOLD_BYTES - h->to)
		return false;
	e = (struct entry *)(void *)(h->buf + h->to);
	*e = (struct entry){.len = (uint32_t)len, .hold = hold};
	memcpy(e + 1, rec, rec->ring.len);
	h->to += sizeof(*e) + len;
	h->list[hold].first_ns = MIN(h->list[hold].first_ns, rec->ts_ns);
	return true;
}

/* The one whose first record is the oldest. */
static void cut_oldest(struct st_holds *h)
{
	const struct entry *e = (const struct entry *)(const void *)(h->buf + h->from);

	h->list[e->hold].is_over = true;
	h->n_cut++;
}

static bool is_kev(const struct rec_head *rec)
{
	return (rec->ring.type == REC_KEV || rec->ring.type == REC_STATE) &&
	       rec->ring.len >= sizeof(*rec) + sizeof(struct kev_head);
}

enum st_hold_verdict st_holds_look(
	struct st_holds *h, struct st_core *core, const struct rec_head *rec)
{
	const struct kev_head *head = (const struct kev_head *)(rec + 1);
	int hold = NO_HOLD;

	if (!h->wait_ns)
		return ST_HOLD_PASS;
	if (h->n_used) {
		if (rec->ring.type == REC_END)
			st_holds_time(h, UINT64_MAX);
		else if (rec->ring.type == REC_KEV)
			st_holds_time(h, rec->ts_ns);
		if (st_holds_is_over(h))
			return ST_HOLD_OVER;
	}
	if (!is_kev(rec))
		return ST_HOLD_PASS;
	if (h->n_cgroups && head->cgroup_id > ROOT_CGROUP)
		hold = find_cgroup(h, head->cgroup_id);
	if (hold == NO_HOLD && rec->ring.type == REC_KEV)
		hold = meet(h, core, rec, head);
	if (hold == NO_HOLD)
		return ST_HOLD_PASS;
	if (keep(h, rec, hold))
		return ST_HOLD_KEPT;
	cut_oldest(h);
	return ST_HOLD_OVER;
}

/* --- letting go --- */

void st_holds_told(struct st_holds *h, uint32_t slot)
{
	int hold = h->n_used ? find_slot(h, slot) : NO_HOLD;

	if (hold != NO_HOLD)
		h->list[hold].is_over = true;
}

static uint64_t give_up_ns(const struct st_holds *h, const struct st_hold *l)
{
	return l->since_ns + ST_HOLD_WAITS * h->wait_ns;
}

/* Has its oldest record waited for long enough? */
static bool is_due(const struct st_holds *h, const struct st_hold *l)
{
	return l->is_used &&
	       (l->is_over || (l->first_ns != UINT64_MAX && h->now_ns >= l->first_ns + h->wait_ns));
}

void st_holds_time(struct st_holds *h, uint64_t epoch_ns)
{
	h->now_ns = MAX(h->now_ns, epoch_ns);
	for (unsigned i = 0; i < ST_HOLDS_MAX && h->n_used; i++)
		if (h->list[i].is_used && h->now_ns >= give_up_ns(h, &h->list[i]))
			h->list[i].is_over = true;
}

uint64_t st_holds_until(const struct st_holds *h)
{
	uint64_t until_ns = 0;

	for (unsigned i = 0; i < ST_HOLDS_MAX && h->n_used; i++) {
		const struct st_hold *l = &h->list[i];
		uint64_t ns =
			l->first_ns == UINT64_MAX ? give_up_ns(h, l) : l->first_ns + h->wait_ns;

		if (l->is_used && (!until_ns || ns < until_ns))
			until_ns = ns;
	}
	return until_ns;
}

bool st_holds_is_over(const struct st_holds *h)
{
	if (h->releasing != NO_HOLD)
		return true;
	for (unsigned i = 0; i < ST_HOLDS_MAX && h->n_used; i++)
		if (is_due(h, &h->list[i]))
			return true;
	return false;
}

/* What stands at the front and is gone. */
static void drop_gone(struct st_holds *h)
{
	while (h->from < h->to) {
		const struct entry *e = (const struct entry *)(const void *)(h->buf + h->from);

		if (e->hold != NO_HOLD)
			break;
		h->from += sizeof(*e) + e->len;
	}
	if (h->from == h->to)
		h->from = h->to = 0;
}

static void end(struct st_holds *h, unsigned hold)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->n_cgroups; i++)
		if (h->cgroups[i].hold != hold)
			h->cgroups[n++] = h->cgroups[i];
	h->n_cgroups = n;
	h->ended_since_ns = h->list[hold].since_ns;
	h->list[hold] = (struct st_hold){0};
	h->n_used--;
}

/* Nothing more of this one, for now or for good. */
static void stop(struct st_holds *h, uint64_t first_ns)
{
	unsigned hold = (unsigned)h->releasing;

	h->releasing = NO_HOLD;
	h->list[hold].first_ns = first_ns;
	if (h->list[hold].is_over)
		end(h, hold);
	drop_gone(h);
}

struct rec_head *st_holds_take(struct st_holds *h)
{
	for (unsigned i = 0; i < ST_HOLDS_MAX && h->releasing == NO_HOLD; i++)
		if (is_due(h, &h->list[i])) {
			h->releasing = (int)i;
			h->at = h->from;
		}
	if (h->releasing == NO_HOLD)
		return NULL;
	while (h->at < h->to) {
		struct entry *e = (struct entry *)(void *)(h->buf + h->at);
		struct rec_head *rec = (struct rec_head *)(void *)(e + 1);

		if (e->hold == h->releasing && !h->list[e->hold].is_over &&
			h->now_ns < rec->ts_ns + h->wait_ns) {
			stop(h, rec->ts_ns); /* it and what comes behind it wait on */
			return NULL;
		}
		h->at += sizeof(*e) + e->len;
		if (e->hold != h->releasing)
			continue;
		e->hold = NO_HOLD;
		return rec;
	}
	stop(h, UINT64_MAX);
	return NULL;
}
