/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts a second into a file, as an emitter does it: the record formatted (Falco's JSON, or text),
 * put into the window, written, retired; without the rings before it, with and without a spool
 * between. Beside it, in turns, what plain writes of the same lines reach. Prints one JSON object.
 * Arguments: folder, seconds of each turn. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/macros.h>

#include "bench_alert.h"
#include "delivery.h"
#include "spool.h"

#define ROUNDS 5
#define FILE_MAX (UINT64_C(1) << 30) /* then the file begins anew */

static struct stats_page stats;
static struct delivery delivery;
static struct spool spool;
static struct io io;
static struct spool_ref refs[1 << 16];

static void on_commit(struct spool *s, unsigned batch)
{
	(void)s;
	(void)batch;
}

static void on_retire(struct delivery *d, const struct sink_msg *m, enum sink_outcome outcome)
{
	(void)outcome;
	spool_settle(&spool, &refs[m->n & (d->window.n_msgs - 1)]);
}

static int open_file(const char *folder)
{
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/alerts", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		bench_die(path);
	return fd;
}

static void start(const char *folder, const struct output *o, bool has_spool)
{
	if (delivery_init(&delivery, o, has_spool, &stats) < 0)
		bench_die("set up the delivery");
	if (delivery.window.n_msgs > ARRAY_LEN(refs))
		bench_die("the window");
	delivery.on_retire = has_spool ? on_retire : NULL;
	delivery.sink.io = &io;
	delivery_new_sink(&delivery, open_file(folder), true, clock_mono_ns());
	if (delivery_open(&delivery) < 0)
		bench_die("open the sink");
}

/* As often as a file gets large it begins anew, by its size: what is measured is writing. */
static void shorten(const char *folder, uint64_t *n_bytes, uint64_t n)
{
	*n_bytes += n;
	if (*n_bytes < FILE_MAX)
		return;
	delivery_new_sink(&delivery, open_file(folder), true, clock_mono_ns());
	*n_bytes = 0;
}

static double without_spool(
	const char *folder, const struct output *o, double seconds, const struct alert *a)
{
	uint64_t from, until, n = 0, n_bytes = 0;

	if (io_open(&io, -1) < 0 || io_post_seal(&io) < 0)
		bench_die("set up the writer of files");
	start(folder, o, false);
	from = clock_mono_ns();
	until = from + (uint64_t)(seconds * 1e9);
	for (uint64_t now = from; now < until; now = clock_mono_ns()) {
		while (delivery_has_room(&delivery))
			if (delivery_add(&delivery, a) < 0)
				bench_die("format");
		delivery_turn(&delivery, now);
		if (!delivery_has_room(&delivery))
			io_wait(&io, 1);
		n += delivery.n_delivered;
		shorten(folder, &n_bytes, delivery.n_delivered * a->h.ring.len);
		delivery.n_delivered = 0;
	}
	from = clock_mono_ns() - from;
	delivery_done(&delivery);
	io_close(&io);
	return (double)n / ((double)from / 1e9);
}

static double through_spool(const char *folder, const char *spool_folder, const struct output *o,
	double seconds, const struct alert *a)
{
	const struct spool_config c = {.max_size = 1 << 30, .when_full = SPOOL_BLOCK};
	uint64_t from, until, n = 0, n_bytes = 0;
	int dir = open(spool_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memset(&stats, 0, sizeof(stats));
	if (dir < 0 || io_open(&io, dir) < 0 || io_post_seal(&io) < 0 ||
		spool_init(&spool, &c, &io, &stats) < 0)
		bench_die("set up the spool");
	spool.on_commit = on_commit;
	if (spool_recover(&spool, clock_mono_ns()) < 0)
		bench_die("recover");
	start(folder, o, true);
	from = clock_mono_ns();
	until = from + (uint64_t)(seconds * 1e9);
	for (uint64_t now = from; now < until; now = clock_mono_ns()) {
		const struct alert *r;

		for (unsigned i = 0; i < 400 && spool_has_room(&spool); i++)
			spool_append(&spool, a);
		spool_turn(&spool, now);
		while (delivery_has_room(&delivery) &&
			spool_next(&spool, &r,
				&refs[delivery.window.next & (delivery.window.n_msgs - 1)]))
			if (delivery_add(&delivery, r) < 0)
				bench_die("format");
		delivery_turn(&delivery, now);
		n += delivery.n_delivered;
		stats_add(&stats.delivered, delivery.n_delivered);
		shorten(folder, &n_bytes, delivery.n_delivered * a->h.ring.len);
		delivery.n_delivered = 0;
	}
	from = clock_mono_ns() - from;
	spool_stop(&spool, clock_mono_ns() + 5 * NS_PER_S);
	delivery_done(&delivery);
	io_close(&io);
	spool_done(&spool);
	close(dir);
	bench_empty(spool_folder);
	return (double)n / ((double)from / 1e9);
}

/* The same lines, 64 KiB at a time, not formatted. */
static double plain(const char *folder, double seconds, size_t line)
{
	static char piece[64 << 10];
	uint64_t from = clock_mono_ns(), until = from + (uint64_t)(seconds * 1e9), n = 0;
	int fd = open_file(folder);

	memset(piece, 'x', sizeof(piece));
	while (clock_mono_ns() < until) {
		if (n % FILE_MAX == 0 && ftruncate(fd, 0) < 0)
			bench_die("begin anew");
		if (write(fd, piece, sizeof(piece)) != sizeof(piece))
			bench_die("write");
		n += sizeof(piece);
	}
	from = clock_mono_ns() - from;
	close(fd);
	return (double)n / (double)line / ((double)from / 1e9);
}

static size_t line_length(const struct output *o, const struct alert *a)
{
	size_t n;

	if (delivery_init(&delivery, o, false, &stats) < 0 || delivery_add(&delivery, a) < 0)
		bench_die("format");
	n = window_msg(&delivery.window, 0)->text.n + 1;
	delivery_done(&delivery);
	return n;
}

int main(int argc, char **argv)
{
	const char *folder = argc > 1 ? argv[1] : ".", *spool_folder = argc > 3 ? argv[3] : NULL;
	double seconds = argc > 2 ? atof(argv[2]) : 1, json[ROUNDS], text[ROUNDS], spooled[ROUNDS],
	       bare[ROUNDS];
	struct output o = {.name = "file",
		.kind = OUTPUT_FILE,
		.format = OUTPUT_JSON,
		.fsync = OUTPUT_FSYNC_SECOND,
		.include_output = true,
		.include_output_fields = true,
		.include_tags = true,
		.include_uuid = true};
	const struct alert *a = bench_alert();
	size_t line = line_length(&o, a);

	for (unsigned i = 0; i < ROUNDS; i++) {
		bare[i] = plain(folder, seconds, line);
		o.format = OUTPUT_JSON;
		json[i] = without_spool(folder, &o, seconds, a);
		spooled[i] = spool_folder ? through_spool(folder, spool_folder, &o, seconds, a) : 0;
		o.format = OUTPUT_TEXT;
		text[i] = without_spool(folder, &o, seconds, a);
	}
	bench_sort(bare, ROUNDS);
	bench_sort(json, ROUNDS);
	bench_sort(spooled, ROUNDS);
	bench_sort(text, ROUNDS);
	printf("{\"record_bytes\": %u, \"line_bytes\": %zu, \"json_per_s\": %.0f, "
	       "\"json_per_s_median\": %.0f, \"text_per_s\": %.0f, \"spooled_per_s\": %.0f, "
	       "\"spooled_per_s_median\": %.0f, \"plain_per_s\": %.0f, \"target_per_s\": "
	       "500000}\n",
		a->h.ring.len, line, json[ROUNDS - 1], json[ROUNDS / 2], text[ROUNDS - 1],
		spooled[ROUNDS - 1], spooled[ROUNDS / 2], bare[ROUNDS - 1]);
	return 0;
}
