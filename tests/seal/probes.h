/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Starting a probe as the supervisor starts the real program: in a start mode, with the descriptors
 * of its row of the plan. */

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include <stage/ctl.h>

#include <plan.h>

#include "attempts.h"

#define PROBE_UID 60900 /* of the first program */
#define PROBE_NOBODY 65534
#define _PROBE_MODE_MAX 3

struct probe {
	enum program program;
	enum plan_mode mode;
	pid_t pid;
	int sock;
	uint32_t steps, landlock; /* what it reported */
};

const char *probe_program_str(enum program program);
enum plan_type probe_plan_type(enum program program);
/* What all of them use: programs, rings, a sibling, an abstract socket. 0 or negative errno. */
int probes_open(char *const *programs);
/* The sibling lives and nobody wrote to the abstract socket. Ends the sibling. */
bool probes_are_unhurt(void);

/* @what: argument of the probe. 0 or negative errno. */
int probe_start(struct probe *p, const char *what);
/* Until a message of that type; false when the probe is gone first. */
bool probe_wait(struct probe *p, enum ctl_type type, struct ctl_msg *ret);
/* Closes its control socket and waits for its end: wait status, -1 lost. */
int probe_end(struct probe *p);
