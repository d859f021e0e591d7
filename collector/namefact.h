/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A resolved name that a capture tells (driver/scap_facts.h) as a saker_name record. */

#include <stddef.h>

/* The JSON of a `saker_name` event, hostile, into @buf (KEV_SIZE_MAX bytes, 8-aligned). Returns the
 * record's length, -EBADMSG: it tells of none. */
int col_name_record(const char *text, size_t n, void *buf);
