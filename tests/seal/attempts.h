/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a sealed process is made to try, and what must come of it. Shared by the probe, which tries,
 * and the test, which judges. */

#include <stdint.h>

enum attempt_want {
	WANT_OK,    /* a control: the seal does not break what stages need */
	WANT_EPERM, /* refused */
	WANT_KILL,  /* the process ends by SIGSYS */
};

struct attempt {
	const char *name;
	enum attempt_want want;
	long nr; /* raw system call with args */
	unsigned long args[6];
};

extern const struct attempt attempts[];
extern const unsigned n_attempts;
