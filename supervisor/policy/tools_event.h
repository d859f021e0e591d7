/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From the fields of a rule test to the records that a tracker would have sent: the threads, users
 * and groups, and the event. */

#include <stdint.h>

#include <abi/events.h>
#include <base/arena.h>
#include <rules/fields.h>
#include <shm/ev.h>
#include <shm/prec.h>

#include "tools_test_file.h"

enum event_thread_no { /* slots; 1 to ANCESTORS are the ancestors */
	THREAD_SELF,
	THREAD_ANCESTORS = 32,
	THREAD_SESSION, /* leaders, where a test names them */
	THREAD_VGROUP,
	THREAD_GROUP,
	_THREAD_MAX,
};

#define EVENT_UNSET INT64_MIN

struct event_thread {
	bool is_used;
	const char *comm, *exe, *exepath, *cwd, *container;
	const char *cmdline;   /* until the command's words are taken out of it */
	struct span args, env; /* NUL-ended strings in a row; p NULL: not given */
	uint32_t n_args;
	int64_t pid, tid, vpid, vtid, sid, pgid, vpgid; /* EVENT_UNSET: by default */
	int64_t uid, gid, loginuid, tty, fd_limit, exe_ino, clone_ts, duration;
	int64_t exe_ctime, exe_mtime, vm_size, vm_rss, vm_swap;
	uint32_t exe_flags;
	uint64_t caps[3]; /* inheritable, permitted, effective */
};

struct event_fd {
	bool is_used;
	const char *name, *nameraw, *type, *typechar, *l4, *sip, *dip;
	int64_t num, ino, dev, sport, dport;
	uint32_t flags; /* EV_FD_*, set by fields */
};

struct test_event {
	struct arena *arena;
	struct diag *diag;
	const struct test_case *test;
	const struct kev_info *info;
	uint16_t native; /* number of a system call without an event of its own */
	struct event_thread threads[_THREAD_MAX];
	unsigned n_ancestors;
	struct event_fd fd;
	const char *user_name, *user_home, *user_shell, *login_name, *group_name;
	struct span param[KEV_PARAMS_MAX]; /* encoded */
	bool has_param[KEV_PARAMS_MAX];
	uint32_t open_flags; /* asked for by evt.is_open_*, beside evt.arg.flags */
	int64_t res, seq, cpu, ts;
	bool is_failed;
	const char *realpath;

	/* the result */
	const struct rec_head *thread[_THREAD_MAX]; /* NULL: none */
	const void *id[3];                          /* of kev_builder; NULL ends */
	size_t id_n[3];
	const struct rec_head *event;
};

/* Build it all. Everything lives in @a. 0; -EINVAL with errors in @d; -ENOMEM. */
int event_build(struct arena *a, struct diag *d, const struct test_case *t, struct test_event *ret);

/* --- between the files --- */

/* A field at hand. */
struct event_field {
	const struct test_field *f;
	enum field_id id;
	const char *key;  /* argument: after the dot or between the brackets; NULL: none */
	const char *text; /* the value; lists joined with blanks */
	uint16_t offset;  /* of the table row */
};

/* tools_event_fields.c: take a field up. 0; -EINVAL said; -ENOMEM. */
int event_set_field(struct test_event *e, const struct event_field *f);
/* Is the value to be compared with what the evaluator sees? false: it is another form of it. */
bool event_is_checked(enum field_id id, const struct test_field *f);
/* The field that a name means, with its argument in *ret_key. NULL: said in @d, if it is given. */
const struct field_info *event_find_field(struct arena *a, struct diag *d,
	const struct test_field *f, enum field_id *ret_id, const char **ret_key);

/* tools_event_thread.c */
void event_init_thread(struct event_thread *t); /* nothing is set */
int event_build_threads(struct test_event *e);
int event_build_ids(struct test_event *e);
/* A finished record, in the arena; NULL: no memory, or too big. */
struct rec_writer;
const struct rec_head *event_keep(struct test_event *e, struct rec_writer *w);
static inline int64_t event_or(int64_t value, int64_t otherwise)
{
	return value == EVENT_UNSET ? otherwise : value;
}

/* tools_event_value.c: a parameter from text. 0; -EINVAL said. */
int event_set_param(struct test_event *e, const struct event_field *f, unsigned i);
void event_param_int(struct test_event *e, unsigned i, int64_t v);
void event_param_text(struct test_event *e, unsigned i, const char *text);
/* Number, decimal, 0x or 0 octal. false: none. */
bool event_number(const char *text, int64_t *ret);
/* Values of a list, or words of a text, as NUL-ended strings in a row. */
struct span event_strings(struct test_event *e, const struct test_field *f, uint32_t *ret_n);
/* A negative errno from "ENOENT"; false: none. */
bool event_errno(const char *name, int64_t *ret);
