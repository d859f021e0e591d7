/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups of containers. The copies come from the supervisor's helper (supervisor/opener.c) and hold what a container's maker wrote: bytes that are parsed
 * within bounds, a bounded number of entries of each. What cannot be had or understood is left out: then a uid has no name. */

#include "users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/macros.h>

#define ANSWER_NS (4 * NS_PER_S) /* the supervisor answers sooner, or its helper was killed */
#define SERIAL_STEP 16           /* an index tells the place and which asking it was */
static_assert(MD_USERS_OPEN <= SERIAL_STEP, "an index of a place");

int md_users_init(struct md_users *u)
{
	*u = (struct md_users){.buf = malloc(MD_FILE_BYTES_MAX)};
	return u->buf ? 0 : -ENOMEM;
}

static struct md_users_ask *find_in(struct md_users_ask *asks, unsigned n, struct span id)
{
	for (unsigned i = 0; i < n; i++)
		if (asks[i].pid && span_eq(id, (struct span){asks[i].id, asks[i].n}))
			return &asks[i];
	return NULL;
}

static struct md_users_ask *find(struct md_users *u, struct span id)
{
	struct md_users_ask *a = find_in(u->open, MD_USERS_OPEN, id);

	a = a ? a : find_in(u->late, MD_USERS_LATE, id);
	return a ? a : find_in(u->queue, MD_USERS_QUEUE, id); /* places not in use are free there */
}

static void push(struct md_users *u, struct span id, uint32_t pid, uint8_t n_tries)
{
	struct md_users_ask *a = &u->queue[(u->first + u->n) % MD_USERS_QUEUE];

	if (u->n == MD_USERS_QUEUE) {
		u->n_dropped++;
		return;
	}
	*a = (struct md_users_ask){.pid = pid, .n = (uint8_t)id.n, .n_tries = n_tries};
	memcpy(a->id, id.p, id.n);
	u->n++;
}

void md_users_want(struct md_users *u, struct span id, uint32_t pid)
{
	struct md_users_ask *a;

	if (id.n > MD_USERS_ID_MAX) {
		u->n_dropped++;
		return;
	}
	a = find(u, id);
	if (!a)
		push(u, id, pid, 0);
	else if (pid != a->pid)
		a->other = pid;
}

/* A place among the late ones: a free one, or that of the one that hung longest ago. */
static struct md_users_ask *late_place(struct md_users *u)
{
	struct md_users_ask *best = NULL;

	for (unsigned i = 0; i < MD_USERS_LATE; i++) {
		struct md_users_ask *a = &u->late[i];

		if (!a->pid)
			return a;
		if (a->is_hung && (!best || a->asked_ns < best->asked_ns))
			best = a;
	}
	return best;
}

static void keep_late(
	struct md_users *u, const struct md_users_ask *a, bool is_hung, uint64_t now_ns)
{
	struct md_users_ask *to = a->n_tries < MD_USERS_TRIES || is_hung ? late_place(u) : NULL;

	if (!to) {
		u->n_dropped++;
		return;
	}
	*to = *a;
	to->is_hung = is_hung;
	to->asked_ns = now_ns + (is_hung ? MD_USERS_HUNG_NS : MD_USERS_LATE_NS << a->n_tries);
	to->n_tries++;
}

/* Frees its place; what could not be had for a reason that passes comes again. */
static void end_ask(struct md_users *u, struct md_users_ask *a, uint64_t now_ns)
{
	struct md_users_ask was = *a;

	for (unsigned i = 0; i < _MD_FILE_MAX; i++)
		a->fds[i] = fd_close(a->fds[i]);
	a->pid = 0;
	switch (was.why) {
	case -EAGAIN: /* no helper was free */
		keep_late(u, &was, false, now_ns);
		break;
	case -ETIMEDOUT: /* its file system does not answer */
		keep_late(u, &was, true, now_ns);
		break;
	case -ESRCH: /* the process has ended; if there is no other one, the tracker will tell of one */
		if (was.other)
			push(u, (struct span){was.id, was.n}, was.other, was.n_tries);
		break;
	default:
		break;
	}
}

static bool take_late(struct md_users *u, uint64_t now_ns, struct md_users_ask *ret)
{
	for (unsigned i = 0; i < MD_USERS_LATE; i++) {
		struct md_users_ask *a = &u->late[i];

		if (!a->pid || now_ns < a->asked_ns)
			continue;
		if (!a->is_hung)
			*ret = *a;
		a->pid = 0;
		if (!a->is_hung)
			return true;
	}
	return false;
}

static bool take_queued(struct md_users *u, struct md_users_ask *ret)
{
	if (!u->n)
		return false;
	*ret = u->queue[u->first];
	u->queue[u->first].pid = 0;
	u->first = (u->first + 1) % MD_USERS_QUEUE;
	u->n--;
	return true;
}

/* The supervisor owes it an answer. What was answered and not told yet, as the ring is full, is no fault of its. */
static bool is_awaited(const struct md_users_ask *a)
{
	for (unsigned i = 0; i < _MD_FILE_MAX; i++)
		if (!a->got[i])
			return true;
	return false;
}

static struct md_users_ask *free_place(struct md_users *u, uint64_t now_ns)
{
	struct md_users_ask *place = NULL;

	for (unsigned i = 0; i < MD_USERS_OPEN; i++) {
		struct md_users_ask *a = &u->open[i];

		if (a->pid && u->of != a && is_awaited(a) && now_ns - a->asked_ns > ANSWER_NS) {
			a->why = -ETIMEDOUT;
			end_ask(u, a, now_ns);
		}
		if (!a->pid && !place)
			place = a;
	}
	return place;
}

bool md_users_next(struct md_users *u, uint64_t now_ns, uint32_t *ret_index, uint32_t *ret_pid,
	const char **ret_id)
{
	struct md_users_ask *a = free_place(u, now_ns);

	if (!a || (!take_late(u, now_ns, a) && !take_queued(u, a)))
		return false;
	for (unsigned i = 0; i < _MD_FILE_MAX; i++) {
		a->got[i] = false;
		a->fds[i] = -1;
	}
	a->why = 0;
	a->asked_ns = now_ns;
	a->serial = u->serial++ & (UINT32_MAX / SERIAL_STEP);
	*ret_index = a->serial * SERIAL_STEP + (uint32_t)(a - u->open);
	*ret_pid = a->pid;
	*ret_id = a->id;
	return true;
}

int md_users_timeout_ms(const struct md_users *u, uint64_t now_ns)
{
	uint64_t until = UINT64_MAX;
	bool has_place = false;

	for (unsigned i = 0; i < MD_USERS_OPEN; i++)
		has_place |= !u->open[i].pid;
	if (!has_place)
		return -1; /* an answer wakes us */
	for (unsigned i = 0; i < MD_USERS_LATE; i++)
		if (u->late[i].pid)
			until = MIN(until, u->late[i].asked_ns);
	if (until == UINT64_MAX)
		return -1;
	return until <= now_ns ? 0 : (int)((until - now_ns) / NS_PER_MS) + 1;
}

static void end_if_done(struct md_users *u, struct md_users_ask *a, uint64_t now_ns)
{
	for (unsigned i = 0; i < _MD_FILE_MAX; i++)
		if (!a->got[i] || a->fds[i] >= 0)
			return;
	if (u->of != a)
		end_ask(u, a, now_ns);
}

void md_users_answer(
	struct md_users *u, uint32_t index, uint64_t file, int result, int fd, uint64_t now_ns)
{
	_cleanup_close_ int own = fd;
	struct md_users_ask *a = &u->open[MIN(index % SERIAL_STEP, MD_USERS_OPEN - 1U)];

	if (!a->pid || index / SERIAL_STEP != a->serial || file >= _MD_FILE_MAX || a->got[file])
		return; /* too late, or unasked */
	a->got[file] = true;
	a->fds[file] = TAKE_FD(own);
	a->why = MIN(result, a->why);
	end_if_done(u, a, now_ns);
}

/* The text of the next file; what cannot be read is as if it were empty. */
static bool begin_file(struct md_users *u)
{
	for (unsigned i = 0; i < MD_USERS_OPEN * _MD_FILE_MAX; i++) {
		struct md_users_ask *a = &u->open[i / _MD_FILE_MAX];
		unsigned file = i % _MD_FILE_MAX;
		ssize_t n;

		if (!a->pid || a->fds[file] < 0)
			continue;
		n = pread(a->fds[file], u->buf, MD_FILE_BYTES_MAX, 0);
		a->fds[file] = fd_close(a->fds[file]);
		u->rest = (struct span){.p = u->buf, .n = n > 0 ? (size_t)n : 0};
		u->of = a;
		u->file = file;
		u->n_told = 0;
		return true;
	}
	return false;
}

int md_users_record(struct md_users *u, void *buf)
{
	unsigned n_bad = 0;

	while (!u->has_entry) {
		struct md_users_ask *was;

		if (!u->of && !begin_file(u))
			return 0;
		u->has_entry = u->n_told < MD_USERS_FILE_MAX &&
			       md_passwd_next(&u->rest, u->file, &u->entry, &n_bad);
		if (!u->has_entry) {
			was = u->of;
			u->of = NULL;
			end_if_done(u, was, clock_mono_ns());
		}
	}
	return md_entry_record(u->file, &u->entry, true, (struct span){u->of->id, u->of->n}, buf);
}

void md_users_taken(struct md_users *u)
{
	u->has_entry = false;
	u->n_told++;
}
