/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Paths as Falco's rules expect them. */

#include <stdbool.h>
#include <stddef.h>

#include <base/span.h>

#define ST_PATH_JOIN_MAX 1024 /* longer joined paths become a fixed text, as in the reference */
#define ST_PATH_BUF 4352      /* room for any result: KEV_PATH_MAX and a prefix */

/* dir + path made one and cut down: `//`, `.` and `..` vanish, never above the start, no `/` at the
 * end (but the root's). An absolute @path ignores @dir.
 * @dir ends in `/` or is a word such as `<UNKNOWN>` that is simply put before. Returns a span into
 * @buf (ST_PATH_BUF bytes), NUL-ended. */
struct span st_path_join(struct span dir, struct span path, char *buf);
/* Is it what st_path_join() would make of it: absolute, nothing to cut down? */
bool st_path_is_plain(struct span path);
/* Runs of `/` become one; nothing else changes. */
struct span st_path_squeeze(struct span path, char *buf);
/* A directory's path with `/` at its end. @dir may lie in @buf. */
struct span st_path_as_dir(struct span dir, char *buf);
