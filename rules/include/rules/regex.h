/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Regular expressions of the rule language: the syntax that RE2 takes in POSIX mode, matched against
 * whole strings in time linear in the string. Compiling allocates; matching does not. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGEX_PATTERN_MAX 255
#define REGEX_INSTS_MAX 8192 /* of a compiled pattern: its copies of repeated parts included */

struct regex;
/* Room that one match works in; any number of patterns can share it. */
struct regex_work {
	uint16_t *p;
	uint32_t n_insts; /* of the largest pattern it is for */
};

/* @n: bytes of the pattern, which may hold anything
 * @reterr_at: byte of the pattern where it goes wrong; @reterr_why: static text
 * Returns 0; -EINVAL not a pattern; -E2BIG too large; -ENOMEM. */
int regex_compile(const char *pattern, size_t n, struct regex **ret, size_t *reterr_at,
	const char **reterr_why);
struct regex *regex_free(struct regex *re);
/* Make the room large enough for the pattern too. 0 or -ENOMEM. */
int regex_work_fit(struct regex_work *w, const struct regex *re);
void regex_work_done(struct regex_work *w);
/* Does the pattern match the whole text? Bytes that are not UTF-8 count as U+FFFD, one for every
 * maximal broken sequence. At most n times the pattern's instructions steps. */
bool regex_match(const struct regex *re, const char *text, size_t n, struct regex_work *w);
