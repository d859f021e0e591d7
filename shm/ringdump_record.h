/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to saker-ringdump: one record as a line. The record is a private copy of rec->len bytes,
 * otherwise unchecked. */

#include <base/strbuf.h>
#include <shm/rec.h>

void ringdump_record_text(struct strbuf *b, uint64_t pos, const struct spsc_rec *rec);
void ringdump_record_json(struct strbuf *b, uint64_t pos, const struct spsc_rec *rec);
