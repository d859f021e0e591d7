/* SPDX-License-Identifier: Apache-2.0 */
/* Joining and normalising paths.
 *
 * The texts are what processes passed to the kernel: any bytes but NUL. The rules are the
 * reference's (field semantics, section 0): lexical, symlinks are not followed, a result that would
 * come from more than ST_PATH_JOIN_MAX bytes is a fixed text. */

#include "path.h"

#include <string.h>

#include <base/macros.h>

static const char TOO_LONG[] = "/DIR_TOO_LONG/FILENAME_TOO_LONG";

static size_t put(char *buf, size_t n, const char *p, size_t len)
{
	len = MIN(len, (size_t)ST_PATH_BUF - 1 - n);
	if (len)
		memcpy(buf + n, p, len);
	return n + len;
}

/* One component of the joined text: [p, p + len) without slashes. @start: bytes that `..` cannot
 * remove (1 for absolute paths). Returns the new length. */
static size_t add_component(char *buf, size_t n, size_t start, const char *p, size_t len)
{
	if (len == 0 || (len == 1 && p[0] == '.'))
		return n;
	if (len == 2 && p[0] == '.' && p[1] == '.') {
		while (n > start && buf[n - 1] != '/')
			n--;
		return n > start ? n - 1 : n;
	}
	if (n > start)
		n = put(buf, n, "/", 1);
	return put(buf, n, p, len);
}

struct span st_path_join(struct span dir, struct span path, char *buf)
{
	char joined[ST_PATH_JOIN_MAX + 1];
	size_t n_joined = 0, n = 0, start;

	if (path.n && path.p[0] == '/')
		dir = (struct span){0};
	if (dir.n > ST_PATH_JOIN_MAX || path.n > ST_PATH_JOIN_MAX - dir.n) {
		memcpy(buf, TOO_LONG, sizeof(TOO_LONG));
		return (struct span){.p = buf, .n = sizeof(TOO_LONG) - 1};
	}
	if (dir.n)
		memcpy(joined, dir.p, dir.n);
	n_joined = dir.n;
	if (path.n)
		memcpy(joined + n_joined, path.p, path.n);
	n_joined += path.n;

	start = n_joined && joined[0] == '/';
	if (start)
		buf[n++] = '/';
	for (size_t i = 0; i < n_joined;) {
		size_t end = i;

		while (end < n_joined && joined[end] != '/')
			end++;
		n = add_component(buf, n, start, joined + i, end - i);
		i = end + 1;
	}
	buf[n] = '\0';
	return (struct span){.p = buf, .n = n};
}

/* Components that begin with a dot are left to the one who looks closer. */
bool st_path_is_plain(struct span path)
{
	const char *end = path.p + path.n;

	if (path.n < 2 || path.n > ST_PATH_JOIN_MAX || path.p[0] != '/' || end[-1] == '/')
		return false;
	for (const char *p = path.p; p; p = memchr(p + 1, '/', (size_t)(end - p) - 1))
		if (p[1] == '/' || p[1] == '.')
			return false;
	return true;
}

struct span st_path_squeeze(struct span path, char *buf)
{
	size_t n = 0;

	for (size_t i = 0; i < path.n && n < ST_PATH_BUF - 1; i++) {
		if (path.p[i] == '/' && n && buf[n - 1] == '/')
			continue;
		buf[n++] = path.p[i];
	}
	buf[n] = '\0';
	return (struct span){.p = buf, .n = n};
}

struct span st_path_as_dir(struct span dir, char *buf)
{
	size_t n = MIN(dir.n, (size_t)ST_PATH_BUF - 2);

	if (n)
		memmove(buf, dir.p, n);
	if (!n || buf[n - 1] != '/')
		buf[n++] = '/';
	buf[n] = '\0';
	return (struct span){.p = buf, .n = n};
}
