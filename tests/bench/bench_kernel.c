/* SPDX-License-Identifier: Apache-2.0 */
/* What saker's kernel programs add to an open/read/close loop, without any user space: on one CPU,
 * with the rules of the given file, the ring emptied by moving its consumer position. Beside it, in
 * turns: nothing attached; an empty tp_btf/sys_exit program; and the least that tells of every open
 * and close (bpf/floor.bpf.c). The minimum of many short repetitions. Prints one JSON object.
 * Arguments: RULES CAPTURED_PATH REJECTED_PATH [rounds]
 *       or:  --floor SECONDS: keeps the floor program attached on all CPUs and empties its rings, while
 *            another program is measured; prints the records that it saw. */

#include <sys/mman.h>
#include <sys/prctl.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <base/clock.h>
#include <base/macros.h>
#include <driver/bpf_maps.h>
#include <driver/load.h>
#include <rules/compile.h>
#include <rules/diag.h>
#include <rules/image.h>

#include "empty.skel.h"
#include "floor.skel.h"

#define RING_BYTES (1u << 20)
#define ROUNDS 5
#define REPS 60
#define LOOPS 400 /* of one repetition: shorter than a time slice, and what a ring holds */
#define RULES_MAX (4u << 20)
#define CPUS_MAX 256

/* The positions of a ring of which we are the consumer. */
struct ring {
	volatile uint64_t *consumer;
	const volatile uint64_t *producer;
};
static struct ring rings[CPUS_MAX];
static unsigned n_rings;

struct figures {
	double nothing, empty, floor, captured, rejected;
};

static void die(const char *what)
{
	(void)fprintf(stderr, "bench-kernel: %s: %s\n", what, strerror(errno));
	exit(errno == EPERM || errno == ENOENT ? 77 : 1);
}

static void map_ring(int fd)
{
	long page = sysconf(_SC_PAGESIZE);
	void *c = mmap(NULL, (size_t)page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	void *p = mmap(NULL, (size_t)page, PROT_READ, MAP_SHARED, fd, page);

	if (c == MAP_FAILED || p == MAP_FAILED)
		die("map a ring");
	rings[n_rings++] = (struct ring){c, p};
}

static void unmap_rings(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (unsigned i = 0; i < n_rings; i++) {
		(void)munmap((void *)(uintptr_t)rings[i].consumer, page);
		(void)munmap((void *)(uintptr_t)rings[i].producer, page);
	}
	n_rings = 0;
}

/* Bytes that were thrown away. */
static uint64_t empty_rings(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < n_rings; i++) {
		uint64_t at = *rings[i].producer;

		n += at - *rings[i].consumer;
		*rings[i].consumer = at;
	}
	return n;
}

static uint64_t loop(const char *path)
{
	char buf[4096];
	uint64_t t;

	(void)empty_rings();
	t = clock_mono_ns();
	for (unsigned i = 0; i < LOOPS; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			die(path);
		(void)!read(fd, buf, sizeof(buf)); /* only its cost matters */
		(void)close(fd);
	}
	return clock_mono_ns() - t;
}

static double best(const char *path, double so_far)
{
	uint64_t min = UINT64_MAX;

	for (unsigned i = 0; i < REPS; i++)
		min = MIN(min, loop(path));
	return so_far > 0 ? MIN(so_far, (double)min / LOOPS) : (double)min / LOOPS;
}

static struct floor_bpf *floor_attach(void)
{
	struct floor_bpf *f = floor_bpf__open_and_load();
	long n = sysconf(_SC_NPROCESSORS_CONF);

	if (!f)
		die("load the floor program");
	for (uint32_t i = 0; i < (uint32_t)MIN(n, (long)CPUS_MAX); i++) {
		int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "floor", 0, 0, RING_BYTES, NULL);

		if (fd < 0 ||
			bpf_map_update_elem(bpf_map__fd(f->maps.floor_rings), &i, &fd, BPF_ANY) < 0)
			die("make a ring");
		map_ring(fd);
		(void)close(fd);
	}
	if (floor_bpf__attach(f) != 0)
		die("attach the floor program");
	return f;
}

static void floor_detach(struct floor_bpf *f)
{
	unmap_rings();
	floor_bpf__destroy(f);
}

static void without_saker(struct figures *f, const char *captured)
{
	struct empty_bpf *e = empty_bpf__open_and_load();
	struct floor_bpf *floor;

	if (!e)
		die("load the empty program");
	f->nothing = best(captured, f->nothing);
	if (empty_bpf__attach(e) != 0)
		die("attach the empty program");
	f->empty = best(captured, f->empty);
	empty_bpf__destroy(e);
	floor = floor_attach();
	f->floor = best(captured, f->floor);
	floor_detach(floor);
}

static void set_interest(struct kshm_interest *in, const struct img *img)
{
	uint8_t want[_KEV_IX_MAX] = {0};

	for (unsigned i = 0; i < MIN(img->n[IMG_SEC_EVENT], (uint32_t)_KEV_IX_MAX); i++)
		want[i] = (uint8_t)(img->events[i].want |
				    (img->events[i].flags & IMG_EV_STATE ? KSHM_WANT : 0));
	if (img->n[IMG_SEC_KPATHS])
		memcpy(&in->paths, img->kpaths, sizeof(in->paths));
	drv_interest_set(in, want, 80, NULL, 0);
}

static void with_saker(
	struct figures *f, const struct img *img, const char *captured, const char *rejected)
{
	struct drv_load_config c = {.ring_bytes = RING_BYTES};
	struct kshm_interest *in;
	struct drv_loaded *l;
	char why[512] = "";
	int r = drv_load(&c, &l, why, sizeof(why));

	if (r < 0) {
		errno = -r;
		die(why);
	}
	for (unsigned i = 0; i < l->n_cpus; i++)
		map_ring(l->ring_fds[i]);
	if (drv_interest_map(l->interest_fd, &in) < 0)
		die("map the interest");
	set_interest(in, img);
	drv_interest_enable(in, 1);
	f->captured = best(captured, f->captured);
	f->rejected = best(rejected, f->rejected);
	drv_interest_enable(in, 0);
	drv_interest_unmap(in);
	unmap_rings();
	l = drv_load_free(l);
}

static void compile(const char *path, struct img *ret_img)
{
	struct rules_output out = {.name = "stdout", .min_priority = 7};
	struct rules_options opt = {.min_priority = 7, .outputs = &out, .n_outputs = 1};
	static char text[RULES_MAX];
	struct rules_file file = {.name = path, .text = text};
	struct rules_result res;
	const char *why = "";
	struct diag d;
	FILE *f = fopen(path, "re");

	if (!f)
		die(path);
	file.n = fread(text, 1, sizeof(text), f);
	(void)fclose(f);
	diag_init(&d);
	errno = EINVAL;
	if (rules_compile(&file, 1, &opt, &d, &res) < 0 ||
		img_verify(res.image, res.size, ret_img, &why) < 0)
		die(path);
	diag_done(&d);
}

static int hold_floor(double seconds)
{
	uint64_t end = clock_mono_ns() + (uint64_t)(seconds * NS_PER_S), bytes = 0;
	struct floor_bpf *f = floor_attach();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)printf("attached\n");
	(void)fflush(stdout);
	while (clock_mono_ns() < end) {
		(void)usleep(1000);
		bytes += empty_rings();
	}
	(void)printf("{\"records\": %lu}\n", bytes / 80); /* a head and the ring's own */
	floor_detach(f);
	return 0;
}

int main(int argc, char **argv)
{
	struct figures f = {0};
	struct img img;
	cpu_set_t cpus;
	int rounds = argc > 4 ? atoi(argv[4]) : ROUNDS;

	if (argc == 3 && strcmp(argv[1], "--floor") == 0)
		return hold_floor(atof(argv[2]));
	if (argc < 4 || rounds < 1 || rounds > 1000) {
		(void)fprintf(
			stderr, "usage: %s RULES CAPTURED_PATH REJECTED_PATH [rounds]\n", argv[0]);
		return 1;
	}
	compile(argv[1], &img);
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus); /* only steadier figures hang on it */
	for (int i = 0; i < rounds; i++) {
		without_saker(&f, argv[2]);
		with_saker(&f, &img, argv[2], argv[3]);
	}
	(void)printf("{\"nothing_ns\": %.0f, \"empty_ns\": %.0f, \"floor_ns\": %.0f, "
		     "\"captured_ns\": %.0f, \"rejected_ns\": %.0f}\n",
		f.nothing, f.empty, f.floor, f.captured, f.rejected);
	return 0;
}
