/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A spool in a folder of its own, fed with numbered alerts and read as an emitter does, with the
 * books kept beside it. */

#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/macros.h>

#include "alerts.h"
#include "io_fault.h"
#include "spool.h"

enum bed_io { BED_FAULT, BED_URING, BED_THREAD };

#define BED_ALERTS_MAX 200000

struct bed {
	struct spool spool;
	struct io io;
	struct io_fault fault;
	struct stats_page *stats; /* outlives the emitter, not the machine */
	char path[64];
	int dir_fd;
	uint64_t now_ns;
	unsigned n_appended, n_committed; /* alerts put in; accepted for sure */
	unsigned pending[2];
	uint8_t *seen; /* by the alert's own number: how often it was delivered */
	unsigned n_seen;
	uint64_t last_seen;
	bool out_of_order;
};

static struct bed *bed_of; /* on_commit has no owner */

static inline void bed_on_commit(struct spool *s, unsigned batch)
{
	(void)s;
	bed_of->n_committed += bed_of->pending[batch];
	bed_of->pending[batch] = 0;
}

/* Where a sync costs nothing: what is on the disk is not looked at after a power loss here. */
static inline const char *bed_base(void)
{
	return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static inline void bed_make_folder(struct bed *b, const char *base)
{
	snprintf(b->path, sizeof(b->path), "%s/saker-spool-XXXXXX", base);
	if (!mkdtemp(b->path))
		abort();
}

static inline int bed_open(
	struct bed *b, enum bed_io kind, uint64_t max_size, enum spool_when_full when_full)
{
	struct spool_config c = {.max_size = max_size, .when_full = when_full};
	int r;

	if (!b->stats)
		b->stats = calloc(1, sizeof(*b->stats));
	if (!b->seen)
		b->seen = calloc(1, BED_ALERTS_MAX);
	if (!b->now_ns)
		b->now_ns = NS_PER_S;
	bed_of = b;
	b->pending[0] = b->pending[1] = 0;
	b->dir_fd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir_fd < 0)
		abort();
	r = kind == BED_FAULT   ? io_open_fault(&b->io, b->dir_fd, &b->fault)
	    : kind == BED_URING ? io_open_uring(&b->io, b->dir_fd)
				: io_open_thread(&b->io, b->dir_fd);
	if (r == 0)
		r = io_post_seal(&b->io);
	if (r < 0)
		return r;
	if (spool_init(&b->spool, &c, &b->io, b->stats) < 0)
		abort();
	b->spool.on_commit = bed_on_commit;
	return spool_recover(&b->spool, b->now_ns);
}

/* As a kill -9: what is in memory is gone. */
static inline void bed_crash(struct bed *b)
{
	io_close(&b->io);
	for (int fd = 3; fd < 64; fd++) { /* what the dead one had open */
		char link[32], to[128];
		ssize_t n;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, to, sizeof(to) - 1);
		if (n > 0 && !strncmp(to, b->path, strlen(b->path)))
			close(fd);
	}
	spool_done(&b->spool);
	/* the rings still have what was not committed */
	b->n_appended = b->n_committed;
}

static inline void bed_append(struct bed *b, unsigned priority, size_t text)
{
	static char message[60000];
	struct alert_builder *w = alerts_new();
	const struct alert *a;
	int n = snprintf(message, sizeof(message), "%u ", b->n_appended);

	memset(message + n, 'x', text);
	a = alerts_finish(w, b->n_appended + 1, 0, (uint8_t)priority, "rule",
		(struct span){message, (size_t)n + text});
	b->pending[b->spool.fill]++;
	spool_append(&b->spool, a);
	b->n_appended++;
}

static inline void bed_turn(struct bed *b)
{
	b->now_ns += 10 * NS_PER_MS;
	spool_turn(&b->spool, b->now_ns);
}

static inline void bed_settle_time(struct bed *b, unsigned turns)
{
	for (unsigned i = 0; i < turns; i++) {
		if (b->io.ops && b->io.n_busy)
			io_wait(&b->io, 1);
		bed_turn(b);
	}
}

/* Deliver at most @max. How many. */
static inline unsigned bed_deliver(struct bed *b, unsigned max)
{
	unsigned n = 0;

	for (unsigned idle = 0; n < max && idle < 100;) {
		const struct alert *a;
		struct spool_ref ref;
		unsigned id;

		if (!spool_next(&b->spool, &a, &ref)) {
			bed_settle_time(b, 1);
			idle++;
			continue;
		}
		idle = 0;
		id = (unsigned)strtoul(rec_text(a, a->message).p, NULL, 10);
		if (id >= BED_ALERTS_MAX)
			abort();
		b->out_of_order |= b->n_seen && id < b->last_seen;
		b->last_seen = id;
		b->seen[id]++;
		b->n_seen++;
		n++;
		stats_add(&b->stats->delivered, 1);
		spool_settle(&b->spool, &ref);
	}
	spool_publish_state(&b->spool);
	return n;
}

static inline uint64_t bed_in_spool(const struct bed *b)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < SPOOL_GROUPS; i++)
		n += spool_count(&b->spool.state, i, b->spool.state.stream[i].settled);
	return n;
}

static inline uint64_t bed_losses(const struct bed *b)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < _LOSS_MAX; i++)
		n += loss_is_output(i) ? b->stats->loss[i] : 0;
	return n;
}

/* accepted = delivered + in_spool + losses, by the spool's own books */
static inline bool bed_is_balanced(const struct bed *b)
{
	return b->stats->alerts == b->stats->delivered + bed_in_spool(b) + bed_losses(b);
}

/* Alerts [from, to) that were never delivered. */
static inline unsigned bed_missing(const struct bed *b, unsigned from, unsigned to)
{
	unsigned n = 0;

	for (unsigned i = from; i < to; i++)
		n += b->seen[i] == 0;
	return n;
}

static inline void bed_done(struct bed *b, bool remove)
{
	DIR *d;

	if (b->io.ops)
		bed_crash(b);
	d = remove ? opendir(b->path) : NULL;
	for (struct dirent *e; d && (e = readdir(d));)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	if (remove)
		(void)rmdir(b->path);
	io_fault_done(&b->fault);
	free(b->stats);
	free(b->seen);
	*b = (struct bed){0};
}
