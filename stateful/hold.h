/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Holding a new container's records back until its facts are told. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core.h"

#define ST_HOLDS_MAX 64 /* containers that are held back at a time */
#define ST_HOLD_CGROUPS 128
#define ST_HOLD_BYTES (8u << 20)

#define ST_HOLD_WAITS 10 /* so many times the longest wait of a record is a container's */

struct st_hold {
	uint32_t slot;     /* of the container */
	uint64_t since_ns; /* epoch, as all times here */
	uint64_t first_ns; /* of its oldest record; UINT64_MAX: it has none just now */
	bool is_used;
	bool is_over; /* its facts are told, or it took too long: all of it goes */
};

struct st_holds {
	uint64_t wait_ns; /* longest wait of a record; 0: nothing is held back */
	uint64_t now_ns;  /* the latest time known */
	struct st_hold list[ST_HOLDS_MAX];
	unsigned n_used;
	struct {
		uint64_t cgroup_id;
		unsigned hold;
	} cgroups[ST_HOLD_CGROUPS];
	unsigned n_cgroups;
	uint8_t *buf; /* ST_HOLD_BYTES: entries in order */
	size_t from, to;
	int releasing;                /* the one that is let go of, -1 */
	size_t at;                    /* its next entry may stand from here on */
	uint64_t ended_since_ns;      /* of the last one that was let go of; 0: it was told */
	uint64_t n_containers, n_cut; /* ever held; of them: let go of for want of room */
};

enum st_hold_verdict {
	ST_HOLD_PASS, /* none of a held container's */
	ST_HOLD_KEPT, /* copied */
	ST_HOLD_OVER, /* something has to be let go of first */
};

int st_holds_init(struct st_holds *h, uint64_t wait_ns);
void st_holds_done(struct st_holds *h);
/* What becomes of a raw record (a private copy, unchecked). May begin a hold. */
enum st_hold_verdict st_holds_look(
	struct st_holds *h, struct st_core *core, const struct rec_head *rec);
/* The container's facts are told, or nobody has any. */
void st_holds_told(struct st_holds *h, uint32_t slot);
/* Time passed without a record. */
void st_holds_time(struct st_holds *h, uint64_t epoch_ns);
/* When that is needed next; 0: not. */
uint64_t st_holds_until(const struct st_holds *h);
/* Is something to be let go of? Then st_holds_take() gives its records one after the other; NULL: that was all of this one. Valid until the next call. */
bool st_holds_is_over(const struct st_holds *h);
struct rec_head *st_holds_take(struct st_holds *h);
