/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* State that is not an event: threads and descriptors as iterators found them, and facts of the
 * host. */

struct st_ctx;

/* c->kev is checked. 0, or -EBADMSG for a type that is no state. */
int st_snapshot_apply(struct st_ctx *c);
