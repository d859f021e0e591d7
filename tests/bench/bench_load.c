/* SPDX-License-Identifier: Apache-2.0 */
/* Opens, reads and closes one path as fast as it can, one process a core (or as many as the third
 * argument says), each pinned to its own.
 * Counts loops in slices of time, so that a slice in which the machine did something else can be
 * told from the others. Prints one JSON object. Arguments: seconds,
 * path, [processes]. */

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/macros.h>

#define SLICE_NS (250 * NS_PER_MS)
#define SLICES_MAX 4096
#define CPUS_MAX 64
#define LOOPS_A_LOOK 64 /* between two looks at the clock */

struct count {
	uint64_t loops;
	uint64_t ns;
	uint64_t failed;
	uint32_t n_slices;
	uint32_t slices[SLICES_MAX];
};

static bool loop_once(const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = read(fd, buf, sizeof(buf)) >= 0;
	(void)close(fd);
	return ok;
}

static void load(struct count *c, int cpu, const char *path, uint64_t ns)
{
	uint64_t begin, now, slice_end;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus); /* only steadier figures hang on it */
	begin = now = clock_mono_ns();
	slice_end = begin + SLICE_NS;
	for (uint32_t in_slice = 0; now - begin < ns; now = clock_mono_ns()) {
		for (unsigned i = 0; i < LOOPS_A_LOOK; i++)
			c->failed += !loop_once(path);
		c->loops += LOOPS_A_LOOK;
		in_slice += LOOPS_A_LOOK;
		if (clock_mono_ns() < slice_end || c->n_slices == SLICES_MAX)
			continue;
		c->slices[c->n_slices++] = in_slice;
		in_slice = 0;
		slice_end += SLICE_NS;
	}
	c->ns = now - begin;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* All processes together; the median is over slices, each summed over the processes. */
static void print(const struct count *c, unsigned n)
{
	static uint64_t sums[SLICES_MAX];
	struct rusage used;
	uint64_t loops = 0, failed = 0, ns = 1;
	uint32_t n_slices = SLICES_MAX;

	for (unsigned i = 0; i < n; i++) {
		loops += c[i].loops;
		failed += c[i].failed;
		ns = MAX(ns, c[i].ns);
		n_slices = MIN(n_slices, c[i].n_slices);
	}
	for (unsigned i = 0; i < n; i++)
		for (uint32_t k = 0; k < n_slices; k++)
			sums[k] += c[i].slices[k];
	qsort(sums, n_slices, sizeof(sums[0]), by_size);
	(void)getrusage(RUSAGE_CHILDREN, &used);
	(void)printf("{\"processes\": %u, \"cpu_s\": %.3f, \"loops\": %lu, \"failed\": %lu, "
		     "\"loops_per_s\": %.0f, "
		     "\"loops_per_s_median\": %.0f, \"loops_per_s_best\": %.0f}\n",
		n,
		(double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
			(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
		loops, failed, (double)loops * 1e9 / (double)ns,
		n_slices ? (double)sums[n_slices / 2] * 1e9 / SLICE_NS : 0.0,
		n_slices ? (double)sums[n_slices - 1] * 1e9 / SLICE_NS : 0.0);
}

int main(int argc, char **argv)
{
	double seconds = argc == 3 || argc == 4 ? atof(argv[1]) : 0;
	long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = (unsigned)MIN(
		MAX(argc == 4 ? MIN(atol(argv[3]), n_cpus) : n_cpus, 1L), (long)CPUS_MAX);
	bool ok = true;
	struct count *c;
	int status;

	if (seconds <= 0 || seconds > 600 || access(argv[2], R_OK) < 0) {
		(void)fprintf(stderr, "usage: %s SECONDS PATH [PROCESSES]\n", argv[0]);
		return 1;
	}
	c = mmap(NULL, n * sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	for (unsigned i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (pid == 0) {
			load(&c[i], (int)i, argv[2], (uint64_t)(seconds * NS_PER_S));
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		ok = ok && status == 0;
	if (ok)
		print(c, n);
	return ok ? 0 : 1;
}
