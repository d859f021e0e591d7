/* SPDX-License-Identifier: Apache-2.0 */
/* What an event of a capture costs the capture reader and the tracker's core alone, without rings and
 * processes: so much of the figures of a whole run is theirs. One line of JSON:
 *   bench-tracker CAPTURE RULES...
 * The reader's part is reading and converting from the page cache, and one copy of each record as the
 * collector makes it; the tracker's is one copy out, everything up to the evaluator's record, and one
 * copy of that in. Each is done ROUNDS times over the whole file; the best counts. */

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <base/macros.h>
#include <base/strbuf.h>
#include <driver/scap.h>
#include <rules/compile.h>
#include <shm/rec.h>

#include "core.h"

#define ROUNDS 7
#define FILES_MAX 8
#define STREAM_MAX ((size_t)1 << 30)
#define OUT_BYTES (4u << 20) /* as an event ring */

struct stream {
	uint8_t *p;
	size_t n;
	uint64_t n_events;
};

struct sink {
	uint8_t *out;
	size_t at;
	uint64_t n_events, n_state, bytes;
};

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void _noreturn_ fail(const char *what, int r)
{
	(void)fprintf(stderr, "%s: %s\n", what, strerror(-r));
	exit(1);
}

static char *read_all(const char *path, size_t *ret_n)
{
	struct strbuf b = {0};
	FILE *f = fopen(path, "re");
	char buf[65536];

	if (!f)
		fail(path, -errno);
	for (size_t n; (n = fread(buf, 1, sizeof(buf), f)) > 0;)
		strbuf_add(&b, buf, n);
	(void)fclose(f);
	*ret_n = b.n;
	return strbuf_take(&b);
}

static void to_image(char **names, size_t n, struct img *ret)
{
	struct rules_options opt = {.min_priority = 7};
	struct rules_file files[FILES_MAX];
	struct rules_result res = {0};
	const char *why;
	struct diag d;

	if (n > FILES_MAX)
		exit(2);
	for (size_t i = 0; i < n; i++) {
		files[i].name = names[i];
		files[i].text = read_all(names[i], &files[i].n);
	}
	diag_init(&d);
	if (rules_compile(files, n, &opt, &d, &res) < 0 ||
		img_verify(res.image, res.size, ret, &why) < 0) {
		diag_print(&d, stderr);
		exit(1);
	}
	diag_done(&d);
}

/* Everything of the file, as it stands in the raw ring. CPU ns. */
static uint64_t read_capture(const char *path, struct stream *s)
{
	uint64_t from = cpu_ns(), seq = 0;
	struct scap_reader *reader;
	struct scap_record rec;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	r = fd < 0 ? -errno : scap_reader_open(fd, &reader);
	if (r < 0)
		fail(path, r);
	s->n = 0;
	while ((r = scap_reader_next(reader, &rec)) > 0) {
		struct rec_head *h = (struct rec_head *)(s->p + s->n);

		if (rec.len > STREAM_MAX - s->n - sizeof(*h))
			fail(path, -EFBIG);
		seq += !rec.is_state;
		*h = (struct rec_head){.ring = {.len = (uint32_t)(sizeof(*h) + rec.len),
					       .type = rec.is_state ? REC_STATE : REC_KEV,
					       .flags = REC_F_NO_SHED},
			.seq = seq,
			.ts_ns = rec.epoch_ns};
		memcpy(h + 1, rec.p, rec.len);
		s->n += h->ring.len;
	}
	if (r < 0)
		fail(scap_reader_error(reader), r);
	s->n_events = seq;
	scap_reader_free(reader);
	return cpu_ns() - from;
}

static bool admit(void *arg, unsigned ring, unsigned cls, size_t len, bool no_shed)
{
	(void)arg, (void)ring, (void)cls, (void)len, (void)no_shed;
	return true;
}

static void emit(void *arg, int ring, struct rec_head *rec)
{
	struct sink *s = arg;

	(void)ring;
	if (s->at + rec->ring.len > OUT_BYTES)
		s->at = 0;
	memcpy(s->out + s->at, rec, rec->ring.len);
	s->at += rec->ring.len;
	s->bytes += rec->ring.len;
	if (rec->ring.type == REC_EVENT)
		s->n_events++;
	else
		s->n_state++;
}

static uint64_t track(const struct stream *s, const struct img *img, struct sink *sink)
{
	static _Alignas(64) uint8_t buf[SPSC_RECORD_MAX];
	static struct st_core core;
	struct st_config cfg = {.events = img->events,
		.paths = img->kpaths,
		.needs = img->head->needs,
		.n_rings = 1,
		.threads_max = 65536,
		.descriptors_max = 524288,
		.sink = {.arg = sink, .admit = admit, .emit = emit}};
	uint64_t from;
	int r = st_core_init(&core, &cfg);

	if (r < 0)
		fail("tables", r);
	sink->n_events = sink->n_state = sink->bytes = 0;
	from = cpu_ns();
	for (size_t at = 0; at < s->n;) {
		const struct rec_head *rec = (const struct rec_head *)(s->p + at);

		memcpy(buf, rec, rec->ring.len);
		(void)st_core_apply(&core, (struct rec_head *)buf); /* counts what it refuses */
		at += rec->ring.len;
	}
	from = cpu_ns() - from;
	st_core_done(&core);
	return from;
}

int main(int argc, char **argv)
{
	uint64_t read_ns = UINT64_MAX, track_ns = UINT64_MAX;
	struct stream s = {0};
	struct sink sink = {0};
	struct img img;

	if (argc < 3)
		return 2;
	to_image(argv + 2, (size_t)argc - 2, &img);
	s.p = mmap(NULL, STREAM_MAX, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	sink.out = malloc(OUT_BYTES);
	if (s.p == MAP_FAILED || !sink.out)
		fail("memory", -ENOMEM);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t ns = read_capture(argv[1], &s);

		read_ns = MIN(read_ns, ns);
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t ns = track(&s, &img, &sink);

		track_ns = MIN(track_ns, ns);
	}
	printf("{\"events\":%llu,\"forwarded\":%llu,\"state_records\":%llu,\"bytes_in\":%zu,"
	       "\"bytes_out\":%llu,\"reader_ns\":%.1f,\"tracker_ns\":%.1f}\n",
		(unsigned long long)s.n_events, (unsigned long long)sink.n_events,
		(unsigned long long)sink.n_state, s.n, (unsigned long long)sink.bytes,
		(double)read_ns / (double)s.n_events, (double)track_ns / (double)s.n_events);
	return 0;
}
