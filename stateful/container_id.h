/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which container a thread is in, by its cgroups. */

#include <base/span.h>
#include <shm/engines.h>

struct st_container_found {
	struct span id; /* full, borrowed; {NULL, 0}: the host */
	enum ctr_engine engine;
};

/* @cgroups: "subsys=path" strings, each NUL-ended. The first that names a container. @off: CTR_BIT()s of engines whose containers are the host. */
struct st_container_found st_container_find(struct span cgroups, uint32_t off);
/* The same for one cgroup path. */
struct st_container_found st_container_of_path(struct span path, uint32_t off);
