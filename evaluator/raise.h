/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Alert records from a rule that matched. */

#include <shm/alert.h>

#include "eval.h"

struct raise {
	struct alert_builder b;
	uint8_t *rec; /* the finished record, SPSC_RECORD_MAX bytes, 8-aligned */
	size_t len;
	char *text; /* the message, then each field's text */
	size_t text_cap;
};

int raise_init(struct raise *r);
void raise_done(struct raise *r);
/* Build the alert of a rule for the event at hand. Long texts are cut until it fits; -EMSGSIZE if
 * it does not all the same. */
int raise_build(struct raise *r, struct evl *e, uint32_t rule);
/* The alert about a record that is not judged because it ended two processes. 0 or -EMSGSIZE. */
int raise_skipped(struct raise *r, const struct settings *settings, const struct rec_head *rec);
/* The alert that a capture file has reached its limit, behind the record of this order and number.
 * 0 or -EMSGSIZE. */
int raise_capture_full(
	struct raise *r, const struct settings *settings, uint64_t ord, uint64_t seq, unsigned mb);
