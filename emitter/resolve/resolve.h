/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The names that rules compare addresses with (fd.sip.name and its like): read from the policy image,
 * resolved, asked for again, and told as saker_name records. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names;

#define RESOLVE_NAMES_MAX 4096

struct resolve;

/* Before the seal. @image: a mapped SEG_IMAGE, not trusted, borrowed: it lives as long. 0 or negative
 * errno; *reterr_why: static text, "" if errno says it. */
int resolve_new(const void *image, size_t size, struct names *names, struct resolve **ret_resolve,
	const char **reterr_why);
struct resolve *resolve_free(struct resolve *r);
/* How many names there are; *ret_left_out: those that are too many or too long. */
unsigned resolve_count(const struct resolve *r, unsigned *ret_left_out);
/* Ask for what is due. Returns how many were asked for. */
unsigned resolve_tick(struct resolve *r, uint64_t now_ns);
/* The next record to tell, of up to KEV_SIZE_MAX bytes at @buf (8-aligned). Its length, 0 none. */
int resolve_record(struct resolve *r, void *buf);
/* The record was sent. */
void resolve_taken(struct resolve *r);
/* Has every name been asked for, and what was known at once been taken? */
bool resolve_is_first_done(const struct resolve *r);
/* Ask for all names now: what the answers come from has changed. */
void resolve_ask_all(struct resolve *r);
/* Tell all that is known again. */
void resolve_tell_all(struct resolve *r);
/* ms until resolve_tick() is wanted. */
int resolve_timeout_ms(const struct resolve *r, uint64_t now_ns);
