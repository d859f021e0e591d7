/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which events a condition can be true for: the index rules are found under. */

#include <abi/kevent.h>

#include "check.h"

/* Beside the events of this table: rows of the reference's that no event has here (events that
 * rules never see, reserved codes). They only count for evset_is_wide(). */
#define EVSET_OTHERS _KEV_IX_MAX
#define EVSET_WORDS ((_KEV_IX_MAX + 64) / 64)
struct evset {
	uint64_t w[EVSET_WORDS];
};

static inline bool evset_has(const struct evset *s, unsigned ix)
{
	return s->w[ix / 64] >> (ix % 64) & 1;
}
static inline void evset_add(struct evset *s, unsigned ix)
{
	s->w[ix / 64] |= 1ULL << (ix % 64);
}

/* All events that rules can see, and EVSET_OTHERS. */
void evset_all(struct evset *ret);
/* Without EVSET_OTHERS. */
unsigned evset_count(const struct evset *s);
/* How many rows of the reference's event table have the names of these events: every direction and
 * every version has one there. */
unsigned evset_codes(const struct evset *s);
/* After typing a check. */
void evset_prepare(struct cx *cx, struct tcheck *tc);
/* Of a typed condition. */
void evset_of(const struct ast *n, struct evset *ret);
/* More than a hundred event codes of the reference's table. */
bool evset_is_wide(const struct evset *s);
/* What an evt.type check is for every event of the set: settled, or open. */
enum tcheck_fold evset_fold(const struct tcheck *tc, const struct evset *s);
