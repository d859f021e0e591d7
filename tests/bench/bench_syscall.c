/* SPDX-License-Identifier: Apache-2.0 */
/* Nanoseconds of one system call in a loop: the minimum of many short repetitions, because the
 * machine has other work. With --empty an empty tp_btf/sys_exit program is attached meanwhile: the
 * limit that saker's cost is measured against. Prints one JSON object.
 * Arguments: [--empty] [repetitions]. */
#include <sys/syscall.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/macros.h>

#include "empty.skel.h"

#define REPS 300
#define REPS_MAX 10000
#define CALLS 2000 /* of one repetition: shorter than a time slice */

static uint64_t loop_getpid(void)
{
	uint64_t t = clock_mono_ns();

	for (unsigned i = 0; i < CALLS; i++)
		(void)syscall(SYS_getpid);
	return clock_mono_ns() - t;
}

static uint64_t loop_open(void)
{
	uint64_t t = clock_mono_ns();

	for (unsigned i = 0; i < CALLS / 10; i++) {
		int fd = open("/etc/hostname", O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			(void)close(fd);
	}
	return (clock_mono_ns() - t) * 10;
}

static double best(uint64_t (*loop)(void), unsigned reps)
{
	uint64_t min = UINT64_MAX;

	for (unsigned i = 0; i < reps; i++)
		min = MIN(min, loop());
	return (double)min / CALLS;
}

int main(int argc, char **argv)
{
	struct empty_bpf *skel = NULL;
	unsigned reps = REPS;
	cpu_set_t cpus;

	if (argc > 1 && argv[argc - 1][0] != '-')
		reps = (unsigned)atoi(argv[argc - 1]);
	if (reps < 1 || reps > REPS_MAX)
		return 1;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus); /* only steadier figures hang on it */
	if (argc > 1 && strcmp(argv[1], "--empty") == 0) {
		skel = empty_bpf__open_and_load();
		if (!skel || empty_bpf__attach(skel) != 0) {
			fprintf(stderr, "cannot attach the empty program: needs root and BTF\n");
			return 77;
		}
	}
	printf("{\"empty_program\": %s, \"getpid_ns\": %.1f, \"open_close_ns\": %.1f}\n",
		skel ? "true" : "false", best(loop_getpid, reps), best(loop_open, reps));
	if (skel)
		empty_bpf__destroy(skel);
	return 0;
}
