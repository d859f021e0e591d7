/* SPDX-License-Identifier: Apache-2.0 */
/* What the tracker's state costs: memory with 50,000 live threads and 500,000 open descriptors, all
 * of them told to an evaluator (tables, texts and the shadow of what was told), and whether a million
 * processes that come and go leave anything behind. Records are made here and go in by the tracker's
 * door; what comes out is kept as the tracker keeps it and thrown away. Beside the memory stands what
 * the facts themselves take (the bytes of the texts and 16 a descriptor and 64 a thread for numbers),
 * beside the time of a life what copying its records takes. Prints one JSON object. Argument: lives
 * of the second part. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/macros.h>
#include <driver/kev.h>

#include "core.h"
#include "shadow.h"

#define THREADS_MAX 65536 /* the defaults of memory.threads and memory.descriptors */
#define DESCRIPTORS_MAX 524288
#define RING_BYTES (8u << 20)
#define N_THREADS 50000u
#define THREADS_A_PROCESS 4u
#define N_PROCESSES (N_THREADS / THREADS_A_PROCESS)
#define N_DESCRIPTORS 500000u
#define FIRST_PID 1000u
#define LIMIT_MIB 256.0

struct bench {
	struct st_core core;
	struct st_shadow shadow;
	struct img_event events[_KEV_IX_MAX];
	struct kev_builder b;
	uint8_t *buf;
	uint64_t seq, ts_ns, ord;
	uint64_t fact_bytes, record_bytes;
};

static double rss_mib(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long size, rss = 0;

	if (!f || fscanf(f, "%lu %lu", &size, &rss) != 2) {
		perror("/proc/self/statm");
		exit(1);
	}
	(void)fclose(f);
	return (double)rss * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static bool admit(void *arg, unsigned ring, unsigned cls, size_t len, bool no_shed)
{
	(void)arg, (void)ring, (void)cls, (void)len, (void)no_shed;
	return true;
}

static void emit(void *arg, int ring, struct rec_head *rec)
{
	struct bench *b = arg;

	(void)ring;
	rec->ord = ++b->ord;
	while (!st_shadow_has_room(&b->shadow))
		st_shadow_advance(&b->shadow, b->ord);
	st_shadow_add(&b->shadow, rec);
}

static void start(struct bench *b, uint16_t code, uint32_t tid, uint32_t pid)
{
	struct kev_head *h;

	kev_build_start(&b->b, b->buf + sizeof(struct rec_head), KEV_SIZE_MAX, code, 0);
	h = kev_build_head(&b->b);
	h->tid = tid;
	h->tgid = pid;
	h->leader_start_ns = b->ts_ns - b->ts_ns % 1000000 + pid; /* until the pid is used again */
	h->uid = h->gid = 1000;
	h->cls = KEV_CLASS_FILE_NET;
	h->ts_ns = ++b->ts_ns;
	memcpy(h->comm, "worker", 7);
}

static void text(struct bench *b, const char *s)
{
	kev_build_text(&b->b, span_str(s));
	b->fact_bytes += strlen(s);
}

static void ints(struct bench *b, unsigned n, int64_t v)
{
	while (n--)
		kev_build_int(&b->b, v);
}

static void send(struct bench *b, uint16_t type, uint64_t start_ns)
{
	struct rec_head *rec = (struct rec_head *)b->buf;
	struct kev_head *h = kev_build_head(&b->b);
	int n;

	h->leader_start_ns = start_ns;
	n = kev_build_finish(&b->b);
	if (n < 0) {
		(void)fprintf(stderr, "a record of the benchmark cannot be built\n");
		exit(1);
	}
	*rec = (struct rec_head){
		.ring = {.len = (uint32_t)sizeof(*rec) + (uint32_t)n, .type = type},
		.seq = ++b->seq,
		.ts_ns = 1700000000000000000ULL + b->ts_ns};
	b->record_bytes += rec->ring.len;
	if (st_core_apply(&b->core, rec) < 0) {
		(void)fprintf(stderr, "a record of the benchmark was refused\n");
		exit(1);
	}
}

/* A process as the kernel tells it: fork, then exec. @parent: 0: the first. */
static void be_born(
	struct bench *b, uint32_t parent, uint64_t parent_start, uint32_t pid, uint64_t start_ns)
{
	static const char args[] = "--config\0/etc/worker/worker.conf\0--listen=0.0.0.0:8080\0-v";
	static const char cgroups[] = "cpuset=/\0cpu=/system.slice/worker.service\0cpuacct=/\0"
				      "io=/\0memory=/system.slice/worker.service";
	static char env[900];
	char path[64];

	if (!env[0])
		for (size_t i = 0; i < sizeof(env); i++)
			env[i] = i % 30 == 29 ? '\0' : i % 30 == 8 ? '=' : 'E';
	start(b, KEV_CODE_SAKER_FORK, parent, parent);
	ints(b, 2, pid);
	ints(b, 1, parent);
	ints(b, 2, pid);
	ints(b, 3, 0);
	text(b, "worker");
	kev_build_int(&b->b, (int64_t)start_ns);
	send(b, REC_KEV, parent_start);

	(void)snprintf(path, sizeof(path), "/usr/lib/worker-%u/bin/worker", pid);
	start(b, KEV_CODE_SYSCALL_EXECVE_19_X, pid, pid);
	ints(b, 1, 0);
	text(b, path);
	kev_build_raw(&b->b, args, sizeof(args));
	ints(b, 2, pid);
	ints(b, 1, parent);
	text(b, "/srv/worker");
	ints(b, 6, 1024);
	text(b, "worker");
	kev_build_raw(&b->b, cgroups, sizeof(cgroups));
	kev_build_raw(&b->b, env, sizeof(env));
	ints(b, 11, 0);
	kev_build_text(&b->b, span_str(path));
	send(b, REC_KEV, start_ns);
	b->fact_bytes += sizeof(args) + sizeof(cgroups) + sizeof(env) + 64;
}

static void open_file(struct bench *b, uint32_t pid, uint64_t start_ns, unsigned n)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "/var/lib/worker/%u/segments/%06u.db", pid, n);
	start(b, KEV_CODE_SYSCALL_OPENAT_2_X, pid, pid);
	kev_build_int(&b->b, n + 3);
	kev_build_int(&b->b, -100);
	text(b, path);
	ints(b, 4, 3);
	send(b, REC_KEV, start_ns);
	b->fact_bytes += 16;
}

static uint64_t start_of(uint32_t pid)
{
	return 1000000000ULL + pid;
}

static void fill(struct bench *b)
{
	uint32_t tid = FIRST_PID + N_PROCESSES;

	for (uint32_t i = 0; i < N_PROCESSES; i++) {
		uint32_t pid = FIRST_PID + i;

		be_born(b, i ? FIRST_PID + (i - 1) / 8 : 1,
			i ? start_of(FIRST_PID + (i - 1) / 8) : 0, pid, start_of(pid));
		for (unsigned k = 0; k < N_DESCRIPTORS / N_PROCESSES; k++)
			open_file(b, pid, start_of(pid), k);
		for (unsigned k = 1; k < THREADS_A_PROCESS; k++, tid++) {
			start(b, KEV_CODE_SAKER_FORK, pid, pid);
			ints(b, 1, tid);
			ints(b, 1, pid);
			ints(b, 1, pid);
			ints(b, 1, tid);
			ints(b, 1, pid);
			ints(b, 1, 0x2001); /* CLONE_THREAD, CLONE_FILES */
			send(b, REC_KEV, start_of(pid));
			start(b, KEV_CODE_SYSCALL_CLOSE_X, tid, pid); /* it is told */
			ints(b, 1, -9);
			ints(b, 1, -1);
			send(b, REC_KEV, start_of(pid));
			b->fact_bytes += 64;
		}
	}
}

/* Children of the first process, each with a number of its own until the numbers are used up. */
static void live_and_die(struct bench *b, uint64_t n)
{
	uint32_t parent = FIRST_PID;

	for (uint64_t i = 0; i < n; i++) {
		uint32_t pid = 200000 + (uint32_t)(i % 100000);
		uint64_t start_ns = 2000000000ULL + i;

		be_born(b, parent, start_of(parent), pid, start_ns);
		open_file(b, pid, start_ns, 0);
		start(b, KEV_CODE_PROCEXIT_1_E, pid, pid);
		ints(b, 5, 0);
		send(b, REC_KEV, start_ns);
	}
}

/* The same bytes through memory, once a life. */
static double copy_ns(size_t bytes)
{
	static uint8_t from[1 << 16], to[1 << 16];
	uint64_t t = clock_mono_ns();

	for (unsigned i = 0; i < 100000; i++) {
		from[i % sizeof(from)]++;
		memcpy(to, from, MIN(bytes, sizeof(to)));
		__asm__ volatile("" ::"r"(to) : "memory");
	}
	return (double)(clock_mono_ns() - t) / 100000;
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, t;
	struct bench *b = calloc(1, sizeof(*b));
	double empty, full, first, last, fill_s, life_ns, bytes_a_life;
	double facts_mib;

	if (!b)
		return 1;
	b->buf = aligned_alloc(8, sizeof(struct rec_head) + KEV_SIZE_MAX);
	b->ts_ns = 3000000000ULL;
	for (unsigned i = 0; i < _KEV_IX_MAX; i++)
		b->events[i].flags = IMG_EV_RULES;
	empty = rss_mib();
	if (!b->buf ||
		st_core_init(&b->core, &(struct st_config){.events = b->events,
					       .needs = IMG_NEED_ENV,
					       .n_rings = 1,
					       .threads_max = THREADS_MAX,
					       .descriptors_max = DESCRIPTORS_MAX,
					       .sink = {.arg = b, .admit = admit, .emit = emit}}) <
			0 ||
		st_shadow_init(&b->shadow, THREADS_MAX, RING_BYTES) < 0) {
		(void)fprintf(stderr, "no memory for the tables\n");
		return 1;
	}
	t = clock_mono_ns();
	fill(b);
	fill_s = (double)(clock_mono_ns() - t) / 1e9;
	full = rss_mib() - empty;
	facts_mib = (double)b->fact_bytes / (1 << 20);
	if (b->core.threads.n_live < N_THREADS || b->core.fds.n_live < N_DESCRIPTORS ||
		b->core.threads.n_evicted || b->core.fds.n_evicted || b->core.texts.n_refused) {
		(void)fprintf(stderr,
			"the state is not there: %u threads, %u descriptors, %llu + %llu evicted, "
			"%llu texts refused\n",
			b->core.threads.n_live, b->core.fds.n_live,
			(unsigned long long)b->core.threads.n_evicted,
			(unsigned long long)b->core.fds.n_evicted,
			(unsigned long long)b->core.texts.n_refused);
		return 1;
	}

	live_and_die(b, n / 10); /* touches what was never used */
	first = rss_mib();
	b->record_bytes = 0;
	t = clock_mono_ns();
	live_and_die(b, n);
	life_ns = (double)(clock_mono_ns() - t) / (double)n;
	bytes_a_life = (double)b->record_bytes / (double)n;
	last = rss_mib();
	printf("{\"threads\": %u, \"descriptors\": %u, \"rss_mib\": %.1f, \"facts_mib\": %.1f, "
	       "\"ratio_to_facts\": %.2f, \"fill_s\": %.2f, \"shadow_refused\": %llu,\n",
		b->core.threads.n_live, b->core.fds.n_live, full, facts_mib, full / facts_mib,
		fill_s, (unsigned long long)b->shadow.n_refused);
	printf(" \"lives\": %llu, \"rss_before_mib\": %.1f, \"rss_after_mib\": %.1f, \"life_ns\": "
	       "%.0f, \"copy_ns\": %.0f,\n",
		(unsigned long long)n, first - empty, last - empty, life_ns,
		copy_ns((size_t)bytes_a_life));
	printf(" \"targets\": {\"rss_mib\": %.0f, \"growth_mib\": 0.5}, \"met\": {\"rss_mib\": %s, "
	       "\"growth_mib\": %s}}\n",
		LIMIT_MIB, MAX(full, last - empty) < LIMIT_MIB ? "true" : "false",
		last - first < 0.5 ? "true" : "false");
	return 0;
}
