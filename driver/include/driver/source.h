/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Sources of events behind one interface: bpf, synthetic, replay. Used by the collector
 * alone. A source hands over whole kev records in final order; it numbers nothing. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <abi/kevent.h>

struct drv_source;

/* What next() hands over. */
struct drv_record {
	const void *
		p; /* a kev record, 8-aligned; borrowed until the next call of next() or commit() */
	size_t len;        /* bytes; not checked yet */
	uint64_t epoch_ns; /* the event's time */
	bool is_state;     /* true: state, gets no event number */
};

struct drv_source_ops {
	const char *name;
	/* The next record in time order. Returns 1 and a record; 0 nothing now; -ENODATA the source
	 * has ended (replay, synthetic); other negative: broken. */
	int (*next)(struct drv_source *s, struct drv_record *ret_rec);
	/* Everything handed over so far has been published: give the room back to the producer. */
	void (*commit)(struct drv_source *s);
	/* Per-CPU consumer positions after what was handed over, for the raw ring's restart slots.
	 * n <= cap positions. */
	unsigned (*positions)(struct drv_source *s, uint64_t *ret_pos, unsigned cap);
	/* How full the fullest buffer was at the last look, in percent: what is full is lost in the
	 * kernel. NULL: nothing is ever lost. */
	unsigned (*fill)(struct drv_source *s);
	/* Descriptor to wait on when next() returned 0, -1: poll by time. arm() says "about to
	 * sleep"; returns false if there is data after all. */
	int (*wait_fd)(struct drv_source *s);
	bool (*arm)(struct drv_source *s);
	void (*disarm)(struct drv_source *s);
	/* After a negative result of next() other than -ENODATA: what is wrong with the input, one
	 * line. NULL: the errno says all, and opening the source again may help. */
	const char *(*error)(struct drv_source *s);
	void (*close)(struct drv_source *s);
};

struct drv_source {
	const struct drv_source_ops *ops;
};

/* The BPF source: per-CPU ring buffers, merged by time. Descriptors are borrowed for the call
 * (mapped here).
 * @ring_fds: n_cpus BPF_MAP_TYPE_RINGBUF descriptors; @wake_fd: the mmapable array of need_wakeup
 * flags (struct kshm_wake, <abi/kshared.h>);
 * @resume: consumer positions to go on at, or NULL. */
int drv_bpf_open(const int *ring_fds, unsigned n_cpus, size_t ring_size, int wake_fd,
	const uint64_t *resume, struct drv_source **ret_source);

/* The synthetic source: deterministic from its seed, no root. Produces @n_events numbered events
 * (0: without end) of a made-up host: forks, execs, opens (some of /etc/shadow), connects, exits by
 * @n_procs processes, beginning with a snapshot of threads, users and groups as state.
 * @rate: events per second, 0 = as fast as they are taken. Times start at a fixed epoch and step
 * deterministically. */
struct drv_synthetic_config {
	uint64_t seed;
	uint64_t n_events;
	uint32_t n_procs; /* 1..4096 */
	uint32_t rate;
	uint64_t n_unthrottled; /* so many records (state included) at once, whatever the rate: a
				   restarted collector passes over them */
};
int drv_synthetic_open(const struct drv_synthetic_config *c, struct drv_source **ret_source);

/* The replay source: a capture file (driver/scap.h). Takes the descriptor if it succeeds. Events come
 * in the file's order, preceded by the file's lists of interfaces, users, groups, processes and
 * descriptors as state; times are those of the file. */
int drv_replay_open(int fd, struct drv_source **ret_source);

static inline void drv_source_close(struct drv_source *s)
{
	if (s)
		s->ops->close(s);
}
