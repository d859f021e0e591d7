/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts a second into a spool (appended, committed) and through it (read back, checked, settled),
 * with alerts of about 600 bytes, against what the same disk does with plain write and fdatasync of
 * pieces of the same size, in the same run and in turns. And the memory that a backlog takes. Prints
 * one JSON object. Arguments: folder, seconds of each turn, backlog in MiB (0: none). */

#include <sys/resource.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/macros.h>

#include "bench_alert.h"
#include "spool.h"

#define ROUNDS 5
#define PIECE (300u << 10) /* about what a commit is when alerts come as fast as they are taken */

static struct stats_page stats;
static struct spool spool;
static struct io io;
static uint64_t n_commits;

static void on_commit(struct spool *s, unsigned batch)
{
	(void)s;
	(void)batch;
	n_commits++;
}

static void turn(void)
{
	if (io.n_busy)
		io_wait(&io, 1);
	spool_turn(&spool, clock_mono_ns());
}

static int start(const char *path, uint64_t max_size)
{
	const struct spool_config c = {.max_size = max_size, .when_full = SPOOL_DROP_OLDEST};
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memset(&stats, 0, sizeof(stats));
	if (fd < 0)
		bench_die(path);
	if (io_open(&io, fd) < 0 || io_post_seal(&io) < 0 ||
		spool_init(&spool, &c, &io, &stats) < 0)
		bench_die("set up");
	spool.on_commit = on_commit;
	if (spool_recover(&spool, clock_mono_ns()) < 0)
		bench_die("recover");
	return fd;
}

static void stop(int fd)
{
	spool_stop(&spool, clock_mono_ns() + 5 * NS_PER_S);
	io_close(&io);
	spool_done(&spool);
	close(fd);
}

/* Alerts a second, committed. */
static double append(double seconds, const struct alert *a)
{
	uint64_t from = clock_mono_ns(), until = from + (uint64_t)(seconds * 1e9), n = stats.alerts;

	while (clock_mono_ns() < until) {
		for (unsigned i = 0; i < 400 && spool_has_room(&spool); i++)
			spool_append(&spool, a);
		turn();
	}
	while (!spool_is_idle(&spool))
		turn();
	return (double)(stats.alerts - n) / ((double)(clock_mono_ns() - from) / 1e9);
}

static double read_back(uint64_t max)
{
	uint64_t from = clock_mono_ns(), n = 0;
	const struct alert *a;
	struct spool_ref ref;

	while (n < max && !spool_is_empty(&spool)) {
		while (n < max && spool_next(&spool, &a, &ref)) {
			spool_settle(&spool, &ref);
			n++;
		}
		turn();
	}
	return (double)n / ((double)(clock_mono_ns() - from) / 1e9);
}

/* The same bytes by write and fdatasync on a file that is allocated before. */
static double plain(const char *path, double seconds, size_t record_bytes)
{
	static uint8_t piece[PIECE];
	char name[4096];
	uint64_t from, until, n = 0;
	int fd;

	snprintf(name, sizeof(name), "%s/plain", path);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || fallocate(fd, 0, 0, 512 << 20) < 0)
		bench_die(name);
	from = clock_mono_ns();
	until = from + (uint64_t)(seconds * 1e9);
	while (clock_mono_ns() < until && n < (500u << 20)) {
		if (write(fd, piece, sizeof(piece)) != sizeof(piece) || fdatasync(fd) < 0)
			bench_die(name);
		n += sizeof(piece);
	}
	close(fd);
	unlink(name);
	return (double)n / (double)record_bytes / ((double)(clock_mono_ns() - from) / 1e9);
}

static long peak_kib(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : ".";
	double seconds = argc > 2 ? atof(argv[2]) : 1, rates[ROUNDS], limits[ROUNDS], back = 0,
	       read;
	uint64_t backlog = (uint64_t)(argc > 3 ? atoi(argv[3]) : 0) << 20, n_backlog = 0;
	const struct alert *a = bench_alert();
	size_t bytes = ALIGN_UP((size_t)a->h.ring.len, (size_t)8) + sizeof(struct spool_rec);
	long peak;
	int fd;

	for (unsigned i = 0; i < ROUNDS; i++) {
		limits[i] = plain(path, seconds, bytes);
		fd = start(path, UINT64_C(1) << 30);
		rates[i] = append(seconds, a);
		read = read_back(UINT64_MAX);
		back = MAX(back, read);
		stop(fd);
		bench_empty(path);
	}
	bench_sort(rates, ROUNDS);
	bench_sort(limits, ROUNDS);
	if (backlog) {
		fd = start(path, backlog + (64u << 20));
		while (spool.bytes < backlog)
			(void)append(0.2, a);
		stop(fd);
		fd = start(path, backlog + (64u << 20));
		n_backlog = spool_count(&spool.state, 1, spool.state.stream[1].settled);
		(void)read_back(200000);
		stop(fd);
		bench_empty(path);
	}
	peak = peak_kib();
	printf("{\"record_bytes\": %zu, \"backend\": \"%s\", \"append_per_s\": %.0f, "
	       "\"append_per_s_median\": %.0f, \"plain_per_s\": %.0f, \"plain_per_s_median\": "
	       "%.0f, "
	       "\"ratio_of_medians\": %.2f, \"read_per_s\": %.0f, \"backlog_bytes\": %llu, "
	       "\"backlog_alerts\": %llu, \"peak_mib\": %.1f, \"target_per_s\": 300000}\n",
		bytes, "io_uring", rates[ROUNDS - 1], rates[ROUNDS / 2], limits[ROUNDS - 1],
		limits[ROUNDS / 2], rates[ROUNDS / 2] / limits[ROUNDS / 2], back,
		(unsigned long long)backlog, (unsigned long long)n_backlog, (double)peak / 1024);
	return 0;
}
