/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The recorder's ring: every raw record, as it came. */

#include <stdbool.h>
#include <stdint.h>

#include <shm/rec.h>
#include <shm/spsc.h>

struct st_record {
	struct spsc_producer ring;
	bool is_on;
	bool can_lose;   /* live: what finds no room is lost, and told when there is room again */
	uint64_t n_lost; /* events, not told yet */
	uint64_t n_states_lost; /* and what is no event */
	bool is_fault;          /* the consumer broke the protocol */
};

/* May a record be taken from the raw ring? Where nothing may be lost there must be room for it. */
bool st_record_may_take(struct st_record *r);
/* @rec: whole; @ord: the order that is given next: every evaluator's record of this event is below. */
void st_record_put(struct st_record *r, const struct rec_head *rec, uint64_t ord);
