/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Descriptor tables of all processes in one pool. A table (`files`) is shared by the threads of a
 * process and with CLONE_FILES. */

#include <stdbool.h>
#include <stdint.h>

#include <shm/ev.h>

#include "text.h"

struct st_fd {
	uint32_t hash_next;
	uint32_t prev, next; /* in its table, oldest first */
	uint32_t files;      /* its table; UINT32_MAX: free */
	int32_t num;
	uint8_t type, l4, role; /* enum ev_fd_type, ev_l4, ev_role */
	uint8_t flags;          /* EV_FD_CONNECTED, _UPPER_LAYER, _LOWER_LAYER, _DOUBTFUL */
	bool cloexec;
	uint8_t pad0[3];
	uint32_t open_flags, dev;
	uint64_t ino;
	uint16_t sport, dport;
	uint8_t sip[16], dip[16];
	uint32_t name, nameraw; /* texts */
	uint32_t pid;           /* pidfd: of that process */
	uint64_t ts_ns;         /* boot time of what it was learned from */
};

struct st_files {
	uint32_t n_refs; /* 0: free */
	uint32_t first, last;
	uint32_t n; /* open descriptors */
	uint32_t by_type[_EV_FD_TYPE_MAX];
	uint32_t free_next;
};

struct st_fds {
	struct st_fd *pool;
	struct st_files *files;
	uint32_t *buckets;
	uint32_t n_max, mask, n_files_max;
	uint32_t n_live;
	uint32_t fd_free, fd_fresh, files_free, files_fresh;
	uint32_t hand; /* where eviction looks next */
	uint64_t n_evicted;
	struct st_texts *texts;
};

#define ST_FDS_MIN 256
#define ST_COPY_MAX 8192 /* descriptors that a child inherits here: bounds what one fork costs */

int st_fds_init(struct st_fds *p, uint32_t n_max, uint32_t n_files_max, struct st_texts *texts);
void st_fds_done(struct st_fds *p);

/* Tables: a new one with one reference; one more reference; drop (frees it with all its descriptors
 * at the last); a copy. */
uint32_t st_files_new(struct st_fds *p);
uint32_t st_files_share(struct st_fds *p, uint32_t files);
void st_files_drop(struct st_fds *p, uint32_t files);
uint32_t st_files_copy(struct st_fds *p, uint32_t files);
/* Descriptors of @from that @to does not have. */
void st_files_fill(struct st_fds *p, uint32_t to, uint32_t from);
static inline const struct st_files *st_files_get(const struct st_fds *p, uint32_t files)
{
	return &p->files[files];
}

/* NULL if unknown. Borrowed until the next st_fd_put(). */
struct st_fd *st_fd_find(struct st_fds *p, uint32_t files, int64_t num);
/* A fresh entry for the number in place of any older one. NULL if @num cannot be a descriptor, or
 * if the present entry is newer than @ts_ns. A full pool evicts another table's entry. */
struct st_fd *st_fd_put(
	struct st_fds *p, uint32_t files, int64_t num, enum ev_fd_type type, uint64_t ts_ns);
void st_fd_set_type(struct st_fds *p, struct st_fd *f, enum ev_fd_type type);
void st_fd_remove(struct st_fds *p, struct st_fd *f);
/* The numbers first..last: removed, or marked close-on-exec. */
void st_fd_remove_range(
	struct st_fds *p, uint32_t files, uint32_t first, uint32_t last, bool cloexec_only);
/* Free up to n entries, whosever they are; nothing may point at any. False: there was none. */
bool st_fds_evict(struct st_fds *p, unsigned n);
void st_fd_remove_cloexec(struct st_fds *p, uint32_t files);
/* Everything but number, table, close-on-exec and time. */
void st_fd_copy(struct st_fds *p, struct st_fd *to, const struct st_fd *from);
