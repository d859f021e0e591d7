/* SPDX-License-Identifier: Apache-2.0 */
/* Names of losses and the latency histogram's scale: two buckets an octave of microseconds,
 * [2^k, 1.5 * 2^k) and [1.5 * 2^k, 2^(k+1)). No foreign input. */

#include <shm/stats.h>

#include <assert.h>
#include <stdbool.h>

static const struct {
	const char *name;
	const char *help;
	bool is_output;
} losses[] = {
#define LOSS(ID, text, meaning) [LOSS_##ID] = {.name = text, .help = meaning},
#define LOSS_OUTPUT(ID, text, meaning)                                                             \
	[LOSS_##ID] = {.name = text, .help = meaning, .is_output = true},
#include <shm/loss.def>
};
_Static_assert(sizeof(losses) / sizeof(losses[0]) == _LOSS_MAX, "a row for every loss");

const char *loss_str(enum loss_id id)
{
	return (unsigned)id < _LOSS_MAX ? losses[id].name : "unknown";
}

const char *loss_help(enum loss_id id)
{
	return (unsigned)id < _LOSS_MAX ? losses[id].help : "";
}

int loss_is_output(enum loss_id id)
{
	return (unsigned)id < _LOSS_MAX && losses[id].is_output;
}

unsigned stats_latency_bucket(uint64_t ns)
{
	uint64_t us = ns / 1000;
	unsigned k, half;

	if (us == 0)
		return 0;
	k = 63 - (unsigned)__builtin_clzll(us);
	if (k >= STATS_LATENCY_BUCKETS / 2)
		return STATS_LATENCY_BUCKETS - 1;
	half = ns >= (UINT64_C(3) << k) * 500;
	return 2 * k + half;
}

uint64_t stats_latency_bucket_ns(unsigned bucket)
{
	unsigned k = bucket / 2;

	assert(bucket < STATS_LATENCY_BUCKETS);
	return bucket % 2 ? (UINT64_C(2) << k) * 1000 : (UINT64_C(3) << k) * 500;
}
