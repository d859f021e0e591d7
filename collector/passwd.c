/* SPDX-License-Identifier: Apache-2.0 */
/* Parses passwd and group as getpwent(3) and getgrent(3) read them. The text comes from files that administrators, package scripts and, in images, anybody wrote:
 * lines without enough fields, with numbers that are none, with NULs or of absurd length are passed over and counted. Looks at every byte a fixed number of times. */

#include "passwd.h"

#include <string.h>

static bool next_line(struct span *rest, struct span *ret_line)
{
	if (rest->n == 0)
		return false;
	const char *nl = memchr(rest->p, '\n', rest->n);
	size_t n = nl ? (size_t)(nl - rest->p) : rest->n;
	*ret_line = (struct span){.p = rest->p, .n = n};
	size_t used = nl ? n + 1 : n;
	rest->p += used;
	rest->n -= used;
	return true;
}

/* The next field up to a colon; behind the last one everything is empty. False if there was none any more. */
static bool next_field(struct span *line, struct span *ret_field)
{
	if (!line->p) {
		*ret_field = (struct span){.p = "", .n = 0};
		return false;
	}
	const char *colon = line->n ? memchr(line->p, ':', line->n) : NULL;
	if (!colon) {
		*ret_field = *line;
		*line = (struct span){.p = NULL, .n = 0};
		return true;
	}
	size_t n = (size_t)(colon - line->p);
	*ret_field = (struct span){.p = line->p, .n = n};
	line->p += n + 1;
	line->n -= n + 1;
	return true;
}

static bool to_id(struct span s, uint32_t *ret_id)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 10)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (v > UINT32_MAX)
		return false;
	*ret_id = (uint32_t)v;
	return true;
}

static bool parse_line(struct span line, enum md_file file, struct md_entry *e)
{
	struct span rest = line, field;

	*e = (struct md_entry){.line = line};
	if (line.n > MD_LINE_MAX || memchr(line.p, '\0', line.n))
		return false;
	/* + and - lines ask the C library to look elsewhere, which a sealed process cannot do */
	if (!next_field(&rest, &e->name) || e->name.n == 0 || e->name.p[0] == '+' ||
		e->name.p[0] == '-')
		return false;
	if (!next_field(&rest, &field)) /* the password */
		return false;
	if (file == MD_PASSWD && (!next_field(&rest, &field) || !to_id(field, &e->uid)))
		return false;
	if (!next_field(&rest, &field) || !to_id(field, &e->gid))
		return false;
	if (file == MD_GROUP)
		return true;
	(void)next_field(
		&rest, &field); /* what is missing at the end is empty, as in the C library */
	(void)next_field(&rest, &e->home);
	(void)next_field(&rest, &e->shell);
	return true;
}

static bool is_nothing(struct span line)
{
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] != ' ' && line.p[i] != '\t')
			return line.p[i] == '#';
	return true;
}

bool md_passwd_next(
	struct span *rest, enum md_file file, struct md_entry *ret_entry, unsigned *n_bad)
{
	struct span line;

	while (next_line(rest, &line)) {
		struct md_entry e;

		if (is_nothing(line))
			continue;
		if (parse_line(line, file, &e)) {
			*ret_entry = e;
			return true;
		}
		(*n_bad)++;
	}
	return false;
}
