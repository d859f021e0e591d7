/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the tests of the tracker share: a core whose output is caught and checked at the evaluator's
 * doors, and events made by hand. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <driver/kev.h>
#include <shm/ev.h>
#include <shm/prec.h>
#include <shm/stats.h>

#include "core.h"

#define KIT_RECORDS_MAX 4096
#define KIT_EPOCH 1700000000000000000ULL /* when boot time was 0 */
#define KIT_SHELL 100                    /* a process that the kit knows from a snapshot */

struct kit {
	struct st_core core;
	struct img_event events[_KEV_IX_MAX];
	struct {
		int ring;
		struct rec_head *rec;
	} out[KIT_RECORDS_MAX];
	unsigned n_out;
	bool refuse;         /* admit() says no */
	uint64_t seq, ts_ns; /* boot time; grows with every record */
	uint16_t rec_type, rec_flags;
	struct kev_builder b;
	uint8_t *buf; /* rec_head, then the event */
	struct ev_view view;
};

/* Every event type is looked at by a rule. @needs: IMG_NEED_* */
void kit_open(struct kit *k, uint32_t threads_max, uint32_t descriptors_max, uint64_t needs);
void kit_close(struct kit *k);
/* Also: a shell (KIT_SHELL, child of 1) with cwd /home/user, read by the task iterator. */
void kit_open_with_shell(struct kit *k, uint64_t needs);
void kit_forget_output(struct kit *k);

/* A record under construction: by thread `tid` of process `pid`, whose start time is pid * 1000
 * unless changed. */
struct kev_head *kit_start(struct kit *k, uint16_t code, uint32_t tid, uint32_t pid);
void kit_int(struct kit *k, int64_t v);
void kit_text(struct kit *k, const char *s); /* NULL: absent */
void kit_raw(struct kit *k, const void *p, size_t n);
int kit_send(struct kit *k); /* as an event */
int kit_send_state(struct kit *k);

/* Whole events. */
void kit_task(struct kit *k, uint32_t tid, uint32_t pid, uint32_t ppid, const char *comm,
	const char *cwd, const char *cgroups, size_t n_cgroups);
void kit_fork(struct kit *k, uint32_t parent, uint32_t tid, uint32_t pid, uint32_t flags);
void kit_exec(struct kit *k, uint32_t pid, const char *comm, const char *exepath, int64_t res);
void kit_exit(struct kit *k, uint32_t tid, uint32_t pid, int64_t reaper);
void kit_openat(
	struct kit *k, uint32_t pid, int64_t res, int64_t dirfd, const char *path, uint32_t flags);
void kit_close_fd(struct kit *k, uint32_t pid, int64_t fd);

/* The last event that came out, checked; fails the test if there is none. */
const struct ev_view *kit_event(struct kit *k);
/* Its descriptor; fails if it has none. */
const struct ev_fd *kit_event_fd(struct kit *k);
const char *kit_fd_name(struct kit *k);
/* The last record of the thread, NULL if none came out. */
const struct prec *kit_proc(const struct kit *k, int64_t tid);
const char *kit_proc_text(const struct prec *p, struct rec_str s);
unsigned kit_count(const struct kit *k, uint16_t type);
/* The last REC_FORGET's slot, PREC_NO_SLOT if none. */
uint32_t kit_forgotten(const struct kit *k);
/* From the table itself. */
struct st_fd *kit_fd(struct kit *k, uint32_t pid, int64_t fd);
