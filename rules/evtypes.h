/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which events a condition can be true for: the index rules are found under. */

#include <abi/kevent.h>

#include "check.h"

#define EVSET_WORDS ((_KEV_IX_MAX + 63) / 64)
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

/* All events that rules can see. */
void evset_all(struct evset *ret);
unsigned evset_count(const struct evset *s);
/* After typing a check. */
void evset_prepare(struct cx *cx, struct tcheck *tc);
/* Of a typed condition. */
void evset_of(const struct ast *n, struct evset *ret);
/* More than a hundred event codes of the reference's table: this table has one row where that has
 * several. */
bool evset_is_wide(const struct evset *s);
/* What an evt.type check is for every event of the set: settled, or open. */
enum tcheck_fold evset_fold(const struct tcheck *tc, const struct evset *s);
