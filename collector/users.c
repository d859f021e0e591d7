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

void md_users_want(struct md_users *u, struct span id, uint32_t pid)
{
	struct md_users_ask *a = &u->queue[(u->first + u->n) % MD_USERS_QUEUE];

	if (u->n == MD_USERS_QUEUE || id.n > MD_USERS_ID_MAX) {
		u->n_dropped++;
		return;
	}
	a->pid = pid;
	a->n = (uint8_t)id.n;
	memcpy(a->id, id.p, id.n);
	a->id[id.n] = '\0';
	u->n++;
}

static void close_ask(struct md_users_ask *a)
{
	for (unsigned i = 0; i < _MD_FILE_MAX; i++)
		a->fds[i] = fd_close(a->fds[i]);
	a->pid = 0;
}

bool md_users_next(struct md_users *u, uint64_t now_ns, uint32_t *ret_index, uint32_t *ret_pid,
	const char **ret_id)
{
	struct md_users_ask *a = NULL;

	for (unsigned i = 0; i < MD_USERS_OPEN && !a; i++) {
		if (u->open[i].pid && u->of != &u->open[i] &&
			now_ns - u->open[i].asked_ns > ANSWER_NS)
			close_ask(&u->open[i]);
		a = u->open[i].pid ? NULL : &u->open[i];
	}
	if (!a || !u->n)
		return false;
	*a = u->queue[u->first];
	u->first = (u->first + 1) % MD_USERS_QUEUE;
	u->n--;
	for (unsigned i = 0; i < _MD_FILE_MAX; i++) {
		a->got[i] = false;
		a->fds[i] = -1;
	}
	a->asked_ns = now_ns;
	a->serial = u->serial++ & (UINT32_MAX / SERIAL_STEP);
	*ret_index = a->serial * SERIAL_STEP + (uint32_t)(a - u->open);
	*ret_pid = a->pid;
	*ret_id = a->id;
	return true;
}

static void end_if_done(struct md_users *u, struct md_users_ask *a)
{
	for (unsigned i = 0; i < _MD_FILE_MAX; i++)
		if (!a->got[i] || a->fds[i] >= 0)
			return;
	if (u->of != a)
		close_ask(a);
}

void md_users_answer(struct md_users *u, uint32_t index, uint64_t file, int fd)
{
	_cleanup_close_ int own = fd;
	struct md_users_ask *a = &u->open[MIN(index % SERIAL_STEP, MD_USERS_OPEN - 1U)];

	if (!a->pid || index / SERIAL_STEP != a->serial || file >= _MD_FILE_MAX || a->got[file])
		return; /* too late, or unasked */
	a->got[file] = true;
	a->fds[file] = TAKE_FD(own);
	end_if_done(u, a);
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
			end_if_done(u, was);
		}
	}
	return md_entry_record(u->file, &u->entry, true, (struct span){u->of->id, u->of->n}, buf);
}

void md_users_taken(struct md_users *u)
{
	u->has_entry = false;
	u->n_told++;
}
