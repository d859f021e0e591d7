/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The three mmapable maps, mapped by who owns them (abi/kshared.h): interest and counters by the
 * supervisor, wake flags by the collector. */

#include <stdint.h>

#include <abi/kshared.h>

/* Map and unmap. Returns 0 or negative errno. */
int drv_interest_map(int fd, struct kshm_interest **ret_interest);
void drv_interest_unmap(struct kshm_interest *in);
/* @n_cpus elements, read-only. */
int drv_counters_map(int fd, unsigned n_cpus, const struct kshm_counters **ret_counters);
void drv_counters_unmap(const struct kshm_counters *c, unsigned n_cpus);

/* Store a whole set of wanted events (KSHM_WANT_* by enum kev_ix), snaplen, and saker's own
 * processes; `enabled` is stored last and alone. */
void drv_interest_set(struct kshm_interest *in, const uint8_t by_ix[_KEV_IX_MAX], uint32_t snaplen,
	const uint32_t *self_tgids, unsigned n_self);
void drv_interest_enable(struct kshm_interest *in, int enabled);

/* Sum of one field's classes over all CPUs. */
struct drv_counts {
	uint64_t seen, submitted, lost_full, lost_flood, lost_scratch, lost_size, cut, wakes;
};
struct drv_counts drv_counters_sum(const struct kshm_counters *c, unsigned n_cpus);
