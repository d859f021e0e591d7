/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which engine made a container, as far as its cgroup tells. */

#include <stddef.h>
#include <stdint.h>

enum ctr_engine {
	CTR_NONE, /* the host, or nobody said */
#define ENGINE(name, key, type) CTR_##name,
#include <shm/engines.def>
#undef ENGINE
	_CTR_MAX
};

#define CTR_BIT(engine) (1U << (engine))
#define CTR_BITS (CTR_BIT(_CTR_MAX) - CTR_BIT(CTR_NONE + 1))

/* Its key in the configuration; the type of containers of which nobody but the cgroup tells. */
struct ctr_engine_row {
	const char *key, *type;
};
static const struct ctr_engine_row ctr_engines[_CTR_MAX] = {
	{NULL, NULL},
#define ENGINE(name, key, type) {key, type},
#include <shm/engines.def>
#undef ENGINE
};
