/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which container a thread is in, by its cgroups. */

#include <base/span.h>

/* @cgroups: "subsys=path" strings, each NUL-ended. The full id of the first that names a container,
 * borrowed from @cgroups; {NULL, 0}: the host. */
struct span st_container_id(struct span cgroups);
/* The same for one cgroup path. */
struct span st_container_id_of_path(struct span path);
