/* SPDX-License-Identifier: Apache-2.0 */
/* Passwd and group of containers: whatever the bytes, an entry is a line of the text and says what its fields say, its record passes its door, and no more are told
 * than the bound. */

#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/macros.h>
#include <driver/kev.h>

#include "users.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NAME_MASK 1 /* of the first byte: which file it is */
#define WAY_MASK 2  /* as an answer, with all that saker-metadata does */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool claim)
{
	if (!claim)
		abort();
}

/* Field i of a line; what is missing is empty. */
static struct span field(struct span line, unsigned i)
{
	size_t begin = 0, end;

	for (size_t at = 0; i > 0; at++) {
		if (at == line.n)
			return (struct span){.p = "", .n = 0};
		if (line.p[at] != ':')
			continue;
		begin = at + 1;
		i--;
	}
	for (end = begin; end < line.n && line.p[end] != ':';)
		end++;
	return (struct span){.p = line.p + begin, .n = end - begin};
}

static bool is_number(struct span s, uint32_t id)
{
	char text[16] = "", *end;

	if (s.n == 0 || s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	return strtoull(text, &end, 10) == id && !*end;
}

static void check_entry(struct span text, enum md_file file, const struct md_entry *e)
{
	const char *end = text.p + text.n;

	require(e->line.p >= text.p && e->line.n <= (size_t)(end - e->line.p));
	require(e->line.p == text.p || e->line.p[-1] == '\n');
	require(e->line.p + e->line.n == end || e->line.p[e->line.n] == '\n');
	require(e->line.n > 0 && e->line.n <= MD_LINE_MAX);
	require(!memchr(e->line.p, '\0', e->line.n) && !memchr(e->line.p, '\n', e->line.n));
	require(e->name.n > 0 && span_eq(e->name, field(e->line, 0)));
	require(is_number(field(e->line, file == MD_PASSWD ? 3 : 2), e->gid));
	if (file == MD_GROUP)
		return;
	require(is_number(field(e->line, 2), e->uid));
	require(span_eq(e->home, field(e->line, 5)));
	require(span_eq(e->shell, field(e->line, 6)));
}

static void check_record(enum md_file file, const struct md_entry *e, const void *buf, int len)
{
	const unsigned gid = file == MD_PASSWD ? 1 : 0;
	const char *why;
	struct kev k;

	require(len > 0 && kev_parse(buf, (size_t)len, &k, &why) == 0);
	require(kev_param_u64(&k, gid) == e->gid);
	require(span_eq(kev_param_text(&k, gid + 1), e->name));
	require(span_eq_str(kev_param_text(&k, file == MD_PASSWD ? 5 : 2), ID));
	if (file == MD_GROUP)
		return;
	require(kev_param_u64(&k, 0) == e->uid);
	require(span_eq(kev_param_text(&k, 3), e->home));
	require(span_eq(kev_param_text(&k, 4), e->shell));
}

static unsigned lines_of(struct span text)
{
	unsigned n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n' || i == text.n - 1;
	return n;
}

/* How many entries there are. */
static unsigned parse_all(struct span text, enum md_file file)
{
	static uint64_t buf[KEV_SIZE_MAX / sizeof(uint64_t)];
	struct span rest = text;
	const char *before = NULL;
	unsigned n = 0, n_bad = 0;
	struct md_entry e;

	while (md_passwd_next(&rest, file, &e, &n_bad)) {
		check_entry(text, file, &e);
		require(!before || e.line.p > before);
		before = e.line.p;
		check_record(
			file, &e, buf, md_entry_record(file, &e, n % 2 == 0, SPAN_LIT(ID), buf));
		n++;
	}
	require(rest.n == 0 && n + n_bad <= lines_of(text));
	return n;
}

static void answer_all(struct span text, enum md_file file, unsigned n_entries)
{
	static uint64_t buf[KEV_SIZE_MAX / sizeof(uint64_t)];
	static struct md_users u;
	uint32_t index, pid;
	const char *id, *why;
	unsigned n = 0;
	struct kev k;
	int fd, len;

	require(u.buf || md_users_init(&u) == 0);
	md_users_want(&u, SPAN_LIT(ID), 5);
	require(md_users_next(&u, 1, &index, &pid, &id));
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	require(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
	md_users_answer(&u, index, file, 0, fd, 2);
	md_users_answer(&u, index, file == MD_PASSWD ? MD_GROUP : MD_PASSWD, -ENOENT, -1, 2);
	while ((len = md_users_record(&u, buf)) > 0) {
		require(kev_parse(buf, (size_t)len, &k, &why) == 0);
		md_users_taken(&u);
		n++;
	}
	require(n == MIN(n_entries, (unsigned)MD_USERS_FILE_MAX) && u.open[0].pid == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span text;
	enum md_file file;
	unsigned n_entries;

	if (n == 0)
		return 0;
	text = (struct span){.p = (const char *)data + 1, .n = n - 1};
	file = data[0] & NAME_MASK ? MD_PASSWD : MD_GROUP;
	n_entries = parse_all(text, file);
	if (data[0] & WAY_MASK)
		answer_all(text, file, n_entries);
	return 0;
}
