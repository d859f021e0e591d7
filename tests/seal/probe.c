/* SPDX-License-Identifier: Apache-2.0 */
/* A stage that does nothing but one forbidden thing after its seal, by raw system call, and reports
 * what came of it. Started by test_seal.c, once an attempt, through the same skeleton as every real
 * stage. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stage/stage.h>

#include "attempts.h"

static const struct attempt *chosen; /* NULL: wait to be looked at */

static int turn(struct stage *s)
{
	const struct attempt *a = chosen;
	long r;

	if (!a)
		return s->stopping ? -ENODATA : 0;
	r = syscall(a->nr, a->args[0], a->args[1], a->args[2], a->args[3], a->args[4], a->args[5]);
	(void)stage_send(s, CTL_RESULT, FD_NONE, 0, r < 0 ? -errno : 0, 0, a->name,
		-1); /* the test sees that it is missing */
	return -ENODATA;
}

static const struct stage_ops probe_ops = {.name = "probe", .turn = turn};

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : -1;

	if (n >= 0 && (unsigned)n < n_attempts)
		chosen = &attempts[n];
	return stage_main(&probe_ops, argc, argv);
}
