/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The dialer's work: each request is a job of its own, so that a slow name server or a host that
 * does not answer holds up nobody else. */

#include <stdint.h>

#include <shm/dial.h>

#include "dialer_names.h"

/* Of all outputs together, and of one, so that none can take the others' places. */
#define JOBS_MAX 256
#define JOBS_PER_LINE_MAX 16

struct jobs;

struct jobs_env {
	void (*watch)(void *ctx, int fd, uint32_t events); /* 0: not any more */
	/* The job is over. @fd: owned by the callee, -1 unless result is 0. */
	void (*done)(void *ctx, unsigned line, const struct dial_answer *a, int fd);
	void *ctx;
};

/* @rules: checked, borrowed. 0 or negative errno. Before the seal. */
int jobs_new(const struct dial_rules *rules, struct names *names, const struct jobs_env *env,
	struct jobs **ret_jobs);
struct jobs *jobs_free(struct jobs *j);
/* @q: checked. Whatever comes of it is told by done(), perhaps before this returns. */
void jobs_add(struct jobs *j, unsigned line, const struct dial_request *q, uint64_t now_ns);
/* Is it one of our sockets? Then it was handled. */
bool jobs_ready(struct jobs *j, int fd, uint64_t now_ns);
/* Time has passed. */
void jobs_tick(struct jobs *j, uint64_t now_ns);
/* ms until jobs_tick() is wanted, -1: never. */
int jobs_timeout_ms(const struct jobs *j, uint64_t now_ns);
