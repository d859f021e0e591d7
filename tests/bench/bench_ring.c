/* SPDX-License-Identifier: Apache-2.0 */
/* Records a second through one ring between two processes on two cores, by the real interface
 * (reserve, fill, commit, publish; next copies out, commit), against what the machine can do at
 * most: memcpy of the same bytes in one process, and a bare ring of the same size that checks
 * nothing and stores no headers. Many short repetitions, because the machine has other work: the
 * best is the figure, the median beside it. Prints one JSON object. Argument: repetitions. */

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <base/atomics.h>
#include <base/clock.h>
#include <base/macros.h>
#include <shm/spsc.h>

#define RING_SIZE (4U << 20)
#define BATCH 64U
#define BYTES_A_REP (96U << 20) /* records of one repetition times their length */
#define REPS_MAX 1000

/* Between the two processes of a repetition; own lines for each writer. */
struct shared {
	uint64_t ready; /* producer: mapped and pinned */
	uint8_t pad0[56];
	uint64_t go; /* consumer: the clock runs */
	uint8_t pad1[56];
	uint64_t head; /* bare ring, producer */
	uint8_t pad2[56];
	uint64_t tail; /* bare ring, consumer */
	uint8_t pad3[56];
};

struct job {
	size_t len;
	uint64_t n;
	struct shared *shared;
	struct spsc_fds fds;
	uint8_t *bare; /* RING_SIZE bytes, shared */
	uint8_t source[1024];
	uint8_t copy[1024];
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void relax(void)
{
	__builtin_ia32_pause();
}

static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu % (int)sysconf(_SC_NPROCESSORS_ONLN), &cpus);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus); /* only steadier figures hang on both */
	(void)setpriority(PRIO_PROCESS, 0, -20);
}

/* ---- the ring as the stages use it ---- */

static void spsc_produce(struct job *j)
{
	struct spsc_producer p;
	struct spsc_rec *rec;

	if (spsc_producer_attach(&p, j->fds.data_rw, j->fds.cursor_ro, -1) < 0)
		die("attach the producer");
	atomic_store_release(&j->shared->ready, 1);  /* release: pairs with run_pair() */
	while (!atomic_load_acquire(&j->shared->go)) /* acquire: pairs with run_pair() */
		relax();
	for (uint64_t i = 0; i < j->n; i++) {
		while (spsc_reserve(&p, j->len, 1, &rec) != 0) {
			spsc_publish(&p);
			relax();
		}
		memcpy(rec + 1, j->source, j->len - sizeof(*rec));
		spsc_commit(&p, j->len);
		if (i % BATCH == BATCH - 1)
			spsc_publish(&p);
	}
	spsc_publish(&p);
	spsc_producer_done(&p);
}

static void spsc_consume(struct job *j)
{
	struct spsc_consumer c;
	const struct spsc_rec *rec;
	uint64_t n = 0;

	if (spsc_consumer_attach(&c, j->fds.data_ro, j->fds.cursor_rw) < 0)
		die("attach the consumer");
	while (n < j->n) {
		int r = spsc_next(&c, &rec);

		if (r < 0 || (r > 0 && rec->len != j->len)) {
			(void)fprintf(stderr, "the ring is broken at record %lu\n", n);
			exit(1);
		}
		if (r == 0) {
			spsc_consumer_commit(&c);
			relax();
			continue;
		}
		if (++n % BATCH == 0)
			spsc_consumer_commit(&c);
	}
	spsc_consumer_commit(&c);
	spsc_consumer_done(&c);
}

/* ---- a ring without anything ---- */

static void bare_produce(struct job *j)
{
	uint64_t head = 0, tail = 0;

	atomic_store_release(&j->shared->ready, 1);  /* release: pairs with run_pair() */
	while (!atomic_load_acquire(&j->shared->go)) /* acquire: pairs with run_pair() */
		relax();
	for (uint64_t i = 0; i < j->n; i++) {
		while (head - tail > RING_SIZE - j->len) {
			/* release: pairs with bare_consume() */
			atomic_store_release(&j->shared->head, head);
			/* acquire: pairs with bare_consume() */
			tail = atomic_load_acquire(&j->shared->tail);
		}
		memcpy(j->bare + head % RING_SIZE, j->source, j->len);
		head += j->len;
		if (i % BATCH == BATCH - 1)
			atomic_store_release(&j->shared->head, head); /* as above */
	}
	atomic_store_release(&j->shared->head, head); /* as above */
}

static void bare_consume(struct job *j)
{
	uint64_t head = 0, tail = 0;

	for (uint64_t i = 0; i < j->n; i++) {
		while (tail == head) {
			/* release: pairs with bare_produce() */
			atomic_store_release(&j->shared->tail, tail);
			/* acquire: pairs with bare_produce() */
			head = atomic_load_acquire(&j->shared->head);
		}
		memcpy(j->copy, j->bare + tail % RING_SIZE, j->len);
		__asm__ volatile("" ::"r"(j->copy) : "memory"); /* the copy is wanted */
		tail += j->len;
		if (i % BATCH == BATCH - 1)
			atomic_store_release(&j->shared->tail, tail); /* as above */
	}
}

/* ---- repetitions ---- */

/* Nanoseconds from the start signal until the consumer has taken the last record. */
static uint64_t run_pair(
	struct job *j, void (*produce)(struct job *), void (*consume)(struct job *))
{
	uint64_t t;
	pid_t pid;
	int status;

	memset(j->shared, 0, sizeof(*j->shared));
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		pin(1);
		produce(j);
		_exit(0);
	}
	while (!atomic_load_acquire(&j->shared->ready)) /* acquire: pairs with the producers */
		(void)sched_yield();
	t = clock_mono_ns();
	atomic_store_release(&j->shared->go, 1); /* release: pairs with the producers */
	consume(j);
	t = clock_mono_ns() - t;
	if (waitpid(pid, &status, 0) != pid || status != 0)
		die("the producer");
	return t;
}

static uint64_t run_spsc(struct job *j)
{
	static const uint8_t run_id[16] = {1};
	uint64_t t;

	if (spsc_create("bench", RING_SIZE, false, run_id, &j->fds) < 0)
		die("make a ring");
	t = run_pair(j, spsc_produce, spsc_consume);
	spsc_fds_close(&j->fds);
	return t;
}

static uint64_t run_bare(struct job *j)
{
	return run_pair(j, bare_produce, bare_consume);
}

/* In and out of the same memory, one process: what copying alone costs both sides together. */
static uint64_t run_memcpy(struct job *j)
{
	uint64_t t = clock_mono_ns();

	for (uint64_t i = 0, at = 0; i < j->n; i++, at = (at + j->len) % RING_SIZE) {
		memcpy(j->bare + at, j->source, j->len);
		__asm__ volatile("" ::"r"(j->bare) : "memory");
		memcpy(j->copy, j->bare + at, j->len);
		__asm__ volatile("" ::"r"(j->copy) : "memory");
	}
	return clock_mono_ns() - t;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static const struct way {
	const char *name;
	uint64_t (*run)(struct job *j);
} ways[] = {{"ring", run_spsc}, {"bare_ring", run_bare}, {"memcpy", run_memcpy}};

/* The ways take turns, so that what else the machine does falls on all. Returns the best of the
 * first way over the best of the second. */
static void measure(struct job *j, unsigned reps, bool is_last)
{
	static uint64_t t[ARRAY_LEN(ways)][REPS_MAX];
	double best[ARRAY_LEN(ways)];

	for (unsigned i = 0; i < reps; i++)
		for (size_t w = 0; w < ARRAY_LEN(ways); w++)
			t[w][i] = ways[w].run(j);
	(void)printf("  \"%zu\": {", j->len);
	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		qsort(t[w], reps, sizeof(t[w][0]), by_size);
		best[w] = (double)t[w][0] / (double)j->n;
		(void)printf("\"%s\": {\"ns_per_event\": %.2f, \"ns_per_event_median\": %.2f, "
			     "\"events_per_s\": %.0f, \"events_per_s_median\": %.0f}, ",
			ways[w].name, best[w], (double)t[w][reps / 2] / (double)j->n, 1e9 / best[w],
			1e9 * (double)j->n / (double)t[w][reps / 2]);
	}
	(void)printf("\"of_bare_ring\": %.2f, \"of_memcpy\": %.2f}%s\n", best[1] / best[0],
		best[2] / best[0], is_last ? "" : ",");
}

int main(int argc, char **argv)
{
	static const size_t lens[] = {64, 256, 1024};
	unsigned reps = argc > 1 ? (unsigned)atoi(argv[1]) : 15;
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE;
	static struct job j;

	if (reps < 1 || reps > REPS_MAX)
		return 1;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		(void)printf("SKIP: two processes need two cores\n");
		return 77;
	}
	pin(0);
	j.shared = mmap(NULL, sizeof(*j.shared), prot, flags, -1, 0);
	j.bare = mmap(NULL, RING_SIZE, prot, flags, -1, 0);
	if (j.shared == MAP_FAILED || j.bare == MAP_FAILED)
		die("mmap");
	memset(j.source, 0x5a, sizeof(j.source));
	(void)printf("{\n");
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		j.len = lens[i];
		j.n = BYTES_A_REP / j.len;
		measure(&j, reps, i == ARRAY_LEN(lens) - 1);
	}
	(void)printf("}\n");
	return 0;
}
