/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *	saker-ringdump - print what stands in a shared-memory ring
 * SYNOPSIS
 *	saker-ringdump [--all] [--json] DATA [CURSOR]
 * DESCRIPTION
 *	DATA is a ring's data segment: /proc/PID/fd/N of a running stage, or a copy of it. With
 *CURSOR (the consumer's segment) the records between the committed tail and the head are printed,
 *each on a line: position, type, length, event number, order, time, detail. --all also prints what
 *the ring still remembers below the tail; where the oldest whole record begins is found by looking
 *for a chain of records that ends at the tail. Without CURSOR the tail is unknown and everything
 *found below the head is printed. The segment is copied once, before the cursor is read: so records
 *above the tail are whole, even while the ring is in use. SECURITY The files are not trusted: every
 *position, length and text is checked on the private copy; texts are escaped. Nothing is written to
 *them. DIAGNOSTICS Exit status 0: printed; 1: not a ring of this build, or a record in it is
 *broken; 2: usage. */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/macros.h>
#include <base/strbuf.h>
#include <base/utf8.h>
#include <shm/segment.h>
#include <shm/spsc.h>

#include "ringdump_record.h"
#include "spsc_map.h"

#define FILE_MAX (UINT64_C(1) << 32)

struct dump {
	struct seg_head head;
	struct spsc_data_page page;
	struct spsc_shape shape;
	struct spsc_cursor_page cursor;
	uint8_t *data; /* private copy of the records, shape.size bytes */
	bool has_cursor, all, json;
	uint64_t start; /* first record to print */
};

static int read_at(int fd, void *p, size_t n, uint64_t off)
{
	uint8_t *c = p;

	while (n > 0) {
		ssize_t r = pread(fd, c, n, (off_t)off);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -EBADMSG;
		c += r;
		off += (uint64_t)r;
		n -= (size_t)r;
	}
	return 0;
}

static int open_segment(
	const char *path, enum seg_kind kind, struct seg_head *ret_head, int *ret_fd)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct seg_head head;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size <= SEG_PAYLOAD_OFF ||
		(uint64_t)st.st_size > FILE_MAX)
		return -EBADMSG;
	r = read_at(fd, &head, sizeof(head), 0);
	if (r == 0)
		r = seg_check_head(&head, (uint64_t)st.st_size, kind);
	if (r < 0)
		return r;
	*ret_head = head;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int load_data(struct dump *d, const char *path)
{
	_cleanup_close_ int fd = -1;
	int r = open_segment(path, SEG_RING_DATA, &d->head, &fd);

	if (r == 0)
		r = spsc_shape(d->head.payload_size, &d->shape);
	if (r == 0)
		r = read_at(fd, &d->page, sizeof(d->page), SEG_PAYLOAD_OFF);
	if (r < 0)
		return r;
	if (!spsc_shape_fits(&d->shape, &d->page) || d->page.head % 8 != 0)
		return -EBADMSG;
	d->data = malloc(d->shape.size);
	if (!d->data)
		return -ENOMEM;
	return read_at(fd, d->data, d->shape.size, SEG_PAYLOAD_OFF + d->shape.ctl);
}

static int load_cursor(struct dump *d, const char *path)
{
	_cleanup_close_ int fd = -1;
	struct seg_head head;
	int r = open_segment(path, SEG_RING_CURSOR, &head, &fd);

	if (r == 0 && head.payload_size < sizeof(d->cursor))
		r = -EBADMSG;
	return r < 0 ? r : read_at(fd, &d->cursor, sizeof(d->cursor), SEG_PAYLOAD_OFF);
}

/* Copies n bytes at a position out of the wrapped data. */
static void copy_out(const struct dump *d, uint64_t pos, void *p, size_t n)
{
	uint64_t off = pos & (d->shape.size - 1);
	size_t first = MIN(n, d->shape.size - off);

	memcpy(p, d->data + off, first);
	memcpy((uint8_t *)p + first, d->data, n - first);
}

static bool rec_len_ok(uint32_t len, uint64_t left)
{
	return len >= sizeof(struct spsc_rec) && len <= SPSC_RECORD_MAX && len % 8 == 0 &&
	       len <= left;
}

/* The lowest position from which records of known types follow each other up to the anchor, which
 * is a boundary. */
static int find_start(const struct dump *d, uint64_t anchor, uint64_t *ret_start)
{
	uint64_t low = d->page.head > d->shape.size ? d->page.head - d->shape.size : 0;
	_cleanup_free_ uint8_t *is_start = NULL;
	uint64_t start = anchor;

	if (low == 0) {
		*ret_start = 0; /* nothing was overwritten yet */
		return 0;
	}
	is_start = calloc(1, (anchor - low) / 8 + 1);
	if (!is_start)
		return -ENOMEM;
	is_start[(anchor - low) / 8] = 1;
	for (uint64_t pos = anchor; pos > low;) {
		struct spsc_rec rec;

		pos -= 8;
		copy_out(d, pos, &rec, sizeof(rec));
		if (!rec_len_ok(rec.len, anchor - pos) || !rec_type_str(rec.type) ||
			!is_start[(pos + rec.len - low) / 8])
			continue;
		is_start[(pos - low) / 8] = 1;
		start = pos;
	}
	*ret_start = start;
	return 0;
}

static void print_head_text(const struct dump *d, struct strbuf *b)
{
	strbuf_add_str(b, "ring \"");
	json_add_escaped(b, span_str(d->head.name));
	strbuf_addf(b, "\": %" PRIu64 " bytes%s, head %" PRIu64, d->shape.size,
		d->shape.slots_off ? ", restart slots" : "", d->page.head);
	if (d->has_cursor)
		strbuf_addf(b, ", tail %" PRIu64 ", used %" PRIu64 ", taken %" PRIu64 "%s",
			d->cursor.tail,
			d->cursor.tail <= d->page.head ? d->page.head - d->cursor.tail : 0,
			d->cursor.n_records, d->cursor.sleeping ? ", consumer asleep" : "");
	strbuf_addf(b, ", full %" PRIu64 ", high water %" PRIu64 ", wakes %" PRIu64 "\n",
		d->page.full, d->page.high_water, d->page.wakes);
}

static void print_head_json(const struct dump *d, struct strbuf *b)
{
	strbuf_add_str(b, "{\"ring\":");
	json_add_string(b, span_str(d->head.name));
	strbuf_addf(b, ",\"size\":%" PRIu64 ",\"slots\":%s,\"head\":%" PRIu64, d->shape.size,
		d->shape.slots_off ? "true" : "false", d->page.head);
	if (d->has_cursor)
		strbuf_addf(b, ",\"tail\":%" PRIu64 ",\"n_records\":%" PRIu64 ",\"sleeping\":%s",
			d->cursor.tail, d->cursor.n_records, d->cursor.sleeping ? "true" : "false");
	strbuf_addf(b, ",\"full\":%" PRIu64 ",\"high_water\":%" PRIu64 ",\"wakes\":%" PRIu64 "}\n",
		d->page.full, d->page.high_water, d->page.wakes);
}

static int flush(struct strbuf *b)
{
	if (!strbuf_ok(b))
		return -ENOMEM;
	if (b->n > 0 && fwrite(b->p, 1, b->n, stdout) != b->n)
		return -EIO;
	strbuf_reset(b);
	return 0;
}

static int print_records(const struct dump *d, struct strbuf *b)
{
	_cleanup_free_ uint8_t *rec = aligned_alloc(64, SPSC_RECORD_MAX);
	uint64_t pos = d->start;
	int r = 0;

	if (!rec)
		return -ENOMEM;
	while (r == 0 && pos != d->page.head) {
		struct spsc_rec h;

		copy_out(d, pos, &h, sizeof(h));
		if (!rec_len_ok(h.len, d->page.head - pos)) {
			(void)fprintf(stderr,
				"saker-ringdump: record at %" PRIu64 ": length %" PRIu32
				" cannot be, %" PRIu64 " bytes below the head\n",
				pos, h.len, d->page.head - pos);
			return -EBADMSG;
		}
		copy_out(d, pos, rec, h.len);
		if (d->json)
			ringdump_record_json(b, pos, (const struct spsc_rec *)rec);
		else
			ringdump_record_text(b, pos, (const struct spsc_rec *)rec);
		pos += h.len;
		r = flush(b);
	}
	return r;
}

static int dump_ring(struct dump *d, const char *data_path, const char *cursor_path)
{
	_cleanup_strbuf_ struct strbuf b = {0};
	const char *failed = data_path;
	int r;

	r = load_data(d, data_path);
	if (r == 0 && cursor_path) { /* after the data: what lies above this tail was not
					overwritten while it was read */
		failed = cursor_path;
		d->has_cursor = true;
		r = load_cursor(d, cursor_path);
	}
	if (r < 0) {
		(void)fprintf(stderr, "saker-ringdump: read '%s': %s\n", failed,
			r == -EBADMSG  ? "not a ring segment"
			: r == -ESTALE ? "ring of another build of saker"
				       : strerror(-r));
		return r;
	}
	if (d->json)
		print_head_json(d, &b);
	else
		print_head_text(d, &b);
	r = flush(&b);
	if (r < 0)
		return r;
	/* A live consumer may have gone past the head that we read. */
	d->start = d->has_cursor ? MIN(d->cursor.tail, d->page.head) : d->page.head;
	if (d->start % 8 != 0 || d->page.head - d->start > d->shape.size) {
		(void)fprintf(
			stderr, "saker-ringdump: tail %" PRIu64 " cannot be\n", d->cursor.tail);
		return -EBADMSG;
	}
	if (d->all || !d->has_cursor) {
		r = find_start(d, d->start, &d->start);
		if (r < 0)
			return r;
	}
	return print_records(d, &b);
}

static int usage(FILE *f)
{
	(void)fputs("Usage: saker-ringdump [OPTION]... DATA [CURSOR]\n"
		    "Print the records of a shared-memory ring.\n\n"
		    "  DATA      data segment of the ring: /proc/PID/fd/N or a copy of it\n"
		    "  CURSOR    its consumer's segment: print from the committed tail on\n\n"
		    "  --all     also what is left of records below the tail\n"
		    "  --json    one JSON object a line, the ring's first\n"
		    "  --help    this text\n\n"
		    "Example: what the first evaluator has not committed yet\n"
		    "  ls -l /proc/$(pidof saker-evaluator)/fd | grep event.0\n"
		    "  saker-ringdump /proc/$(pidof saker-evaluator)/fd/10 /proc/$(pidof "
		    "saker-evaluator)/fd/11\n",
		f);
	return f == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"all", no_argument, NULL, 'a'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct dump d = {0};
	int c, r;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (c) {
		case 'a':
			d.all = true;
			break;
		case 'j':
			d.json = true;
			break;
		case 'h':
			return usage(stdout);
		default:
			return usage(stderr);
		}
	}
	if (argc - optind < 1 || argc - optind > 2)
		return usage(stderr);
	r = dump_ring(&d, argv[optind], argv[optind + 1]);
	free(d.data);
	if (fflush(stdout) != 0)
		r = -EIO;
	return r < 0 ? 1 : 0;
}
