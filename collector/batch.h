/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Draining a source into the raw ring. */

#include <stdbool.h>
#include <stdint.h>

#include <driver/source.h>

#include "container.h"
#include "out.h"

struct col_batch {
	struct drv_source *source; /* borrowed */
	uint64_t max_event_ns;     /* the source ends after that much event time; 0: never */
	uint64_t first_ns;         /* epoch from which that is counted; 0: from the first event */
	uint64_t last_ns;          /* epoch of the latest event */
	uint64_t skip_to; /* sources that begin anew at every start: pass over that many records */
	bool tells_containers; /* `container` and `saker_name` events of the source become facts as well: md_container_init() was called */
	bool in_snapshot; /* the source's own state is being handed over: REC_SNAP_END is still to come */
	struct md_container container;
	uint64_t facts[KEV_SIZE_MAX / 8];
};

/* One batch, at most COL_BATCH_MAX records, not published. Returns the number of records taken from the source (malformed ones too); 0 nothing now or no room
 * (out->is_full); -ENODATA the source has ended and everything of it is in the batch; -EBADMSG ring fault; other negative: the source is broken. */
int col_batch_fill(struct col_batch *b, struct col_out *o);
