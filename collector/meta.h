/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Facts from saker-metadata and saker-dialer: from their rings into the raw ring. */

#include <stdbool.h>

#include <base/strbuf.h>
#include <driver/kev.h>
#include <shm/spsc.h>

#include "out.h"

enum col_teller { COL_METADATA, COL_DIALER, _COL_TELLER_MAX };

struct col_meta {
	struct spsc_consumer ring;
	enum col_teller teller;
	bool is_attached;  /* synthetic and replay runs have none */
	bool has_first;    /* its first list is complete (it sent REC_SNAP_END) */
	bool has_taken;    /* records taken and not committed */
	bool tells_events; /* what is told of a container is an event besides */
	struct strbuf text;
	uint64_t event[KEV_SIZE_MAX / 8];
};

/* Up to @max records into the batch. Returns how many were taken; 0 none, or no room; -EPROTO the ring or a record of it cannot be (peer fault of the teller);
 * -EBADMSG fault of the raw ring. */
int col_meta_fill(struct col_meta *m, struct col_out *o, unsigned max);
/* What was taken has been published. */
void col_meta_commit(struct col_meta *m);
