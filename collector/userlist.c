/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups of the host. A reading fills the spare table; lines that stand in the new table alone are announced as added, before them those that stand in the
 * old one alone as deleted, unless their number is in use still (then the addition overwrites).
 * Memory is bounded: what a file has beyond MD_FILE_BYTES_MAX or MD_ENTRIES_MAX is left out and said. Input: the files' bytes, not trusted. */

#include "userlist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/hash.h>
#include <base/macros.h>
#include <driver/kev.h>

static int table_init(struct md_table *t)
{
	t->buf = malloc(MD_FILE_BYTES_MAX);
	t->entries = calloc(MD_ENTRIES_MAX, sizeof(*t->entries));
	t->index = calloc(MD_INDEX_SIZE, sizeof(*t->index));
	return t->buf && t->entries && t->index ? 0 : -ENOMEM;
}

int md_list_init(struct md_list *l, enum md_file file)
{
	*l = (struct md_list){.file = file};
	for (unsigned i = 0; i < ARRAY_LEN(l->tables); i++)
		if (table_init(&l->tables[i]) < 0) {
			md_list_done(l);
			return -ENOMEM;
		}
	return 0;
}

void md_list_done(struct md_list *l)
{
	for (unsigned i = 0; i < ARRAY_LEN(l->tables); i++) {
		free(l->tables[i].buf);
		free(l->tables[i].entries);
		free(l->tables[i].index);
		l->tables[i] = (struct md_table){0};
	}
}

static ssize_t read_all(int fd, char *buf, size_t cap)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t r = pread(fd, buf + n, cap - n, (off_t)n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	return (ssize_t)n;
}

static uint32_t *find_slot(struct md_table *t, struct span line)
{
	uint32_t i = (uint32_t)hash_bytes(line.p, line.n, 0) & (MD_INDEX_SIZE - 1);

	/* ends: the index is never more than half full */
	while (t->index[i] && !span_eq(t->entries[t->index[i] - 1].line, line))
		i = (i + 1) & (MD_INDEX_SIZE - 1);
	return &t->index[i];
}

static void parse_table(struct md_list *l, struct md_table *t)
{
	struct span rest = {.p = t->buf, .n = t->n_bytes};
	struct md_entry e;

	memset(t->index, 0, MD_INDEX_SIZE * sizeof(*t->index));
	t->n = 0;
	l->n_bad = 0;
	while (md_passwd_next(&rest, l->file, &e, &l->n_bad)) {
		uint32_t *slot = find_slot(t, e.line);

		if (*slot)
			continue; /* the same line again */
		if (t->n == MD_ENTRIES_MAX) {
			l->is_cut = true;
			return;
		}
		t->entries[t->n++] = e;
		*slot = t->n;
	}
}

int md_list_read(struct md_list *l, int fd)
{
	struct md_table *t = &l->tables[1 - l->cur];
	struct stat st;

	assert(l->job == MD_IDLE);
	if (fstat(fd, &st) < 0)
		return -errno;
	/* also of one that cannot be read: it is tried again when it changes, not for ever */
	l->mtime = st.st_mtim;
	l->ctime = st.st_ctim;
	l->size = st.st_size;
	l->nlink = st.st_nlink;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	ssize_t n = read_all(fd, t->buf, MD_FILE_BYTES_MAX);
	if (n < 0)
		return (int)n;
	t->n_bytes = (size_t)n;
	l->is_cut = t->n_bytes == MD_FILE_BYTES_MAX;
	parse_table(l, t);
	l->cur = 1 - l->cur;
	l->job = MD_DELETING;
	l->at = 0;
	return 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool md_list_is_stale(const struct md_list *l, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return true;
	/* the change time moves when the name is given to another file */
	return st.st_nlink == 0 || st.st_nlink != l->nlink || st.st_size != l->size ||
	       !same_time(st.st_mtim, l->mtime) || !same_time(st.st_ctim, l->ctime);
}

/* Does the number still belong to somebody? Only asked for lines that are gone, which are few. */
static bool has_id(const struct md_table *t, enum md_file file, const struct md_entry *e)
{
	for (unsigned i = 0; i < t->n; i++)
		if (file == MD_PASSWD ? t->entries[i].uid == e->uid : t->entries[i].gid == e->gid)
			return true;
	return false;
}

/* The entry that the job stands at, NULL when it is done; moves over those that need no record. */
static const struct md_entry *current(struct md_list *l)
{
	struct md_table *now = &l->tables[l->cur], *old = &l->tables[1 - l->cur];

	for (; l->job == MD_DELETING; l->at++) {
		if (l->at == old->n) {
			l->job = MD_ADDING;
			l->at = 0;
			break;
		}
		const struct md_entry *e = &old->entries[l->at];
		if (!*find_slot(now, e->line) && !has_id(now, l->file, e))
			return e;
	}
	for (; l->job == MD_ADDING; l->at++) {
		if (l->at == now->n) {
			l->job = MD_IDLE;
			break;
		}
		if (!*find_slot(old, now->entries[l->at].line))
			return &now->entries[l->at];
	}
	return NULL;
}

int md_entry_record(
	enum md_file file, const struct md_entry *e, bool added, struct span container, void *buf)
{
	uint16_t code = file == MD_PASSWD
				? (added ? KEV_CODE_USER_ADDED_E : KEV_CODE_USER_DELETED_E)
				: (added ? KEV_CODE_GROUP_ADDED_E : KEV_CODE_GROUP_DELETED_E);
	struct kev_builder b;
	int r;

	kev_build_start(&b, buf, KEV_SIZE_MAX, code, 0);
	kev_build_head(&b)->ts_ns = clock_boot_ns();
	kev_build_head(&b)->flags = KEV_F_NO_TASK;
	if (file == MD_PASSWD)
		kev_build_int(&b, e->uid);
	kev_build_int(&b, e->gid);
	kev_build_text(&b, e->name);
	if (file == MD_PASSWD) {
		kev_build_text(&b, e->home);
		kev_build_text(&b, e->shell);
	}
	kev_build_text(&b, container);
	r = kev_build_finish(&b);
	assert(r > 0); /* a line and an id are much shorter than a record */
	return r;
}

int md_list_record(struct md_list *l, void *buf)
{
	const struct md_entry *e = current(l);

	return e ? md_entry_record(l->file, e, l->job == MD_ADDING, SPAN_LIT(""), buf) : 0;
}

void md_list_taken(struct md_list *l)
{
	l->at++;
}

void md_list_again(struct md_list *l)
{
	struct md_table *old = &l->tables[1 - l->cur];

	assert(l->job == MD_IDLE);
	old->n = 0;
	memset(old->index, 0, MD_INDEX_SIZE * sizeof(*old->index));
	l->job = MD_ADDING;
	l->at = 0;
}
