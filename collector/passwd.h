/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Lines of /etc/passwd and /etc/group. */

#include <stdbool.h>
#include <stdint.h>

#include <base/span.h>

#define MD_LINE_MAX 4096 /* longer lines are passed over */

enum md_file { MD_PASSWD, MD_GROUP, _MD_FILE_MAX };

/* Everything points into the file's text. */
struct md_entry {
	struct span line;              /* whole, without its newline */
	struct span name, home, shell; /* groups: name only */
	uint32_t uid, gid;             /* groups: gid only */
};

/* The next good line. @rest: what is left of the text, moved on. @n_bad: counts lines that are passed over (comments and empty ones are not counted).
 * Returns true and an entry; false at the end. */
bool md_passwd_next(
	struct span *rest, enum md_file file, struct md_entry *ret_entry, unsigned *n_bad);
