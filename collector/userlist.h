/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One of the two files: what it said last, what it says now, and the records that lead from one to the other. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>

#include "passwd.h"

#define MD_FILE_BYTES_MAX (1u << 20) /* what is behind is not read */
#define MD_ENTRIES_MAX 16384
#define MD_INDEX_SIZE 32768 /* power of two, twice the entries */

struct md_table {
	char *buf; /* MD_FILE_BYTES_MAX: the text; entries point into it */
	size_t n_bytes;
	struct md_entry *entries; /* MD_ENTRIES_MAX */
	unsigned n;
	uint32_t *index; /* MD_INDEX_SIZE: entry + 1 by hash of its line, linear probing; 0 free */
};

enum md_job { MD_IDLE, MD_DELETING, MD_ADDING };

struct md_list {
	enum md_file file;
	struct md_table tables[2];
	unsigned cur; /* the table that has been announced, or is being announced */
	enum md_job job;
	unsigned at;                  /* entry that is looked at next */
	unsigned n_bad;               /* lines passed over in the last reading */
	bool is_cut;                  /* the file or the table was too small for all */
	struct timespec mtime, ctime; /* of the file when it was last tried */
	int64_t size;
	uint64_t nlink;
};

/* All memory is taken here. 0 or -ENOMEM. */
int md_list_init(struct md_list *l, enum md_file file);
void md_list_done(struct md_list *l);

/* Reads the descriptor from its start and begins the job. Only when idle. 0 or negative errno (the old list stays). */
int md_list_read(struct md_list *l, int fd);
/* Has the file changed since, or been replaced? */
bool md_list_is_stale(const struct md_list *l, int fd);

/* useradded, userdeleted, groupadded or groupdeleted of one entry, of the host (container: "") or a container. Its length; buf as below. */
int md_entry_record(
	enum md_file file, const struct md_entry *e, bool added, struct span container, void *buf);

/* The next record of the job (useradded, userdeleted, groupadded, groupdeleted) into buf (KEV_SIZE_MAX bytes, 8-aligned). Returns its length; 0 when the job is
 * done. The same record comes again until md_list_taken(). */
int md_list_record(struct md_list *l, void *buf);
void md_list_taken(struct md_list *l);
/* Says all of the list once more, for one that knows nothing of it. Only when idle. */
void md_list_again(struct md_list *l);
