/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Facts of the host that have no event of their own in the format, as its events: a container as the
 * asyncevent `container` with the JSON that Falco's plugin writes, a resolved name as the asyncevent
 * `saker_name`: {"name": "…", "addresses": ["192.0.2.1", …]}. */

#include <base/strbuf.h>
#include <driver/kev.h>

#define SCAP_NAME_EVENT "saker_name"
#define SCAP_CONTAINER_EVENT "container"
#define SCAP_REMOVED_EVENT "container_removed" /* with its id and type alone */

/* The event of a parsed saker_container or saker_name into @buf (KEV_SIZE_MAX bytes, 8-aligned).
 * @text: room of the caller's for the JSON, used again from call to call. Mounts and labels that do
 * not fit are left out. Returns its length; 0: another kind of record; -EMSGSIZE, -ENOMEM. */
int scap_fact_event(const struct kev *fact, struct strbuf *text, void *buf);
