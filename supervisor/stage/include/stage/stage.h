/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The skeleton that every stage program shares. A stage's main() is `return stage_main(&ops, argc,
 * argv);`.
 *
 * Five acts: pre_seal (take what came over the control socket: map segments, attach rings,
 * allocate), seal, post_seal, work, drain. In work the skeleton calls turn() again and again: it
 * drains while there is data, naps a few times when there is none, then arms and waits in one epoll
 * for the stage's eventfd, the control socket and what the stage added. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shm/settings.h>
#include <shm/stats.h>
#include <stage/ctl.h>
#include <stage/seal.h>

struct stage;

struct stage_ops {
	const char *name; /* "tracker" */
	struct seal_spec seal;
	int (*pre_seal)(struct stage
			*s); /* 0, or negative errno: one line was logged, the stage ends with 1 */
	int (*post_seal)(struct stage *s); /* may be NULL */
	/* One batch of work. > 0 something was done; 0 nothing to do; -ENODATA the END record was
	 * handled and passed on: drain and exit 0; other negative errno: the stage ends with 1 (one
	 * line was logged). */
	int (*turn)(struct stage *s);
	/* About to wait: arm every input; false: there is data after all (nothing armed). NULL:
	 * always wait. */
	bool (*arm)(struct stage *s);
	void (*disarm)(struct stage *s);
	/* Longest wait in ms, -1: until woken; NULL: 1000. Never more than 1000, for the heartbeat
	 * goes on. */
	int (*timeout_ms)(struct stage *s);
	/* A control message (CTL_STOP, after `stopping` was set; CTL_IMAGE, CTL_SINK, …). Takes the
	 * descriptor. Negative: refused, logged. NULL: all refused but CTL_STOP, whose flag is
	 * enough. */
	int (*on_ctl)(struct stage *s, const struct ctl_msg *msg, int fd);
	/* A descriptor added with stage_watch() is ready. */
	int (*on_ready)(struct stage *s, int fd, uint32_t events);
	/* Last acts: flush what is in hand. May be NULL. */
	void (*drain)(struct stage *s);
};

struct stage_fd {
	uint16_t role; /* enum ctl_role */
	uint32_t index;
	int fd;
	char name[64];
};

struct stage {
	const struct stage_ops *ops;
	char name[64];                   /* "evaluator-0" */
	unsigned index;                  /* evaluator or output number */
	const struct settings *settings; /* NULL only in loader and policy */
	struct stats_page *stats;        /* likewise */
	size_t stats_size; /* bytes mapped there: an evaluator's are more than the page */
	struct stage_fd *fds;
	size_t n_fds;
	int ctl_fd, epoll_fd;
	uint64_t value; /* said at the start. Evaluator: order of the record to skip; 0 nothing */
	bool stopping;  /* CTL_STOP came */
	struct seal_spec seal; /* ops->seal and what stage_allow() added */
	/* the most that turn() found in what may overflow while the stage naps; the skeleton resets
	 * it */
	unsigned fill_percent;
	bool waits_for_io; /* set by turn(): a descriptor it watches says when to go on, so a nap
			      would be too long */
	void *priv;        /* the stage's own */
};

/* Runs the five acts. Exit status: 0 drained, 1 error, 3 peer fault. */
int stage_main(const struct stage_ops *ops, int argc, char **argv);

/* Borrowed descriptor of a role, -1 if it was not given. */
int stage_fd_get(const struct stage *s, enum ctl_role role, unsigned index);
int stage_fd_take(struct stage *s, enum ctl_role role, unsigned index); /* moves it out */
unsigned stage_fd_count(const struct stage *s, enum ctl_role role);
const struct stage_fd *stage_fd_find(const struct stage *s, enum ctl_role role, unsigned index);

/* Wait for this descriptor as well (EPOLLIN, EPOLLOUT); 0 events: stop. */
int stage_watch(struct stage *s, int fd, uint32_t events);

/* Before the seal: this run needs more than ops->seal, by its configuration. 0 or -ENOMEM. */
int stage_allow(struct stage *s, const struct seal_spec *more);

/* A peer broke the protocol on a ring: report to the supervisor and end with 3. */
void stage_peer_fault(struct stage *s, enum ctl_role role, unsigned index, const char *why)
	__attribute__((noreturn));
/* To the supervisor. 0 or negative errno. */
int stage_send(struct stage *s, enum ctl_type type, enum ctl_role role, unsigned index, int result,
	uint64_t value, const char *text, int fd);

/* The short-lived programs (loader, policy): the same start (HELLO, FDs, START) and seal, without
 * the loop: run() does it all and sends CTL_RESULT itself. The control socket is blocking: run()
 * may send CTL_OPEN and ctl_recv() the answer. */
struct stage_run_ops {
	const char *name;
	struct seal_spec seal;
	uint64_t keep_caps; /* bit set of capabilities that survive the seal (loader: CAP_BPF,
			       CAP_PERFMON); 0 none */
	int (*pre_seal)(struct stage *s, int argc, char **argv);
	int (*run)(struct stage *s, int argc, char **argv); /* exit status */
};
int stage_run_main(const struct stage_run_ops *ops, int argc, char **argv);
