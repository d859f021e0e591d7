/* SPDX-License-Identifier: Apache-2.0 */
/* saker-ringdump as a program: on a live ring of this process, on one that has wrapped, and on
 * damaged copies, where it may say no but not die. Argument: path of the program. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include <base/cleanup.h>
#include <base/macros.h>
#include <shm/segment.h>
#include <shm/spsc.h>

#include "samples.h"

static const char *program;
static char output[1 << 20];
static const uint8_t run_id[16] = "run";

/* Runs it and returns the exit status; output[] has stdout and stderr. */
static int dump(const char *options, int data, int cursor)
{
	char command[512], cursor_path[64] = "";
	size_t n;
	int status;
	FILE *f;

	if (cursor >= 0)
		(void)snprintf(
			cursor_path, sizeof(cursor_path), "/proc/%d/fd/%d", (int)getpid(), cursor);
	(void)snprintf(command, sizeof(command), "'%s' %s /proc/%d/fd/%d %s 2>&1", program, options,
		(int)getpid(), data, cursor_path);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(output, 1, sizeof(output) - 1, f);
	output[n] = 0;
	status = pclose(f);
	assert_true(WIFEXITED(status));
	/* the shell turns a signal into 128 + n */
	assert_true(WEXITSTATUS(status) <= 2);
	assert_null(strstr(output, "AddressSanitizer"));
	assert_null(strstr(output, "runtime error"));
	return WEXITSTATUS(status);
}

static void put(struct spsc_producer *p, int (*sample)(void *))
{
	static uint64_t buf[SPSC_RECORD_MAX / 8];
	struct rec_head *h = (struct rec_head *)buf;
	size_t len = (size_t)sample(buf);
	struct spsc_rec *rec;

	h->seq = 41;
	h->ord = 42;
	h->ts_ns = UINT64_C(1700000000123456789);
	assert_int_equal(spsc_reserve(p, len, h->ring.type, &rec), 0);
	memcpy(rec, buf, len);
	spsc_commit(p, len);
}

static int sample_end(void *buf)
{
	*(struct rec_head *)buf =
		(struct rec_head){.ring = {.len = sizeof(struct rec_head), .type = REC_END}};
	return sizeof(struct rec_head);
}

static int sample_loss(void *buf)
{
	*(struct rec_loss *)buf = (struct rec_loss){
		.h.ring = {.len = sizeof(struct rec_loss), .type = REC_LOSS}, .reason = 1, .n = 99};
	return sizeof(struct rec_loss);
}

static int sample_unknown(void *buf)
{
	*(struct spsc_rec *)buf = (struct spsc_rec){.len = 40, .type = 999};
	return 40;
}

struct ring {
	struct spsc_fds fds;
	struct spsc_producer p;
	struct spsc_consumer c;
};

static void ring_open(struct ring *r)
{
	assert_int_equal(spsc_create("event.0", SPSC_SIZE_MIN, false, run_id, &r->fds), 0);
	assert_int_equal(spsc_producer_attach(&r->p, r->fds.data_rw, r->fds.cursor_ro, -1), 0);
	assert_int_equal(spsc_consumer_attach(&r->c, r->fds.data_ro, r->fds.cursor_rw), 0);
}

static void ring_close(struct ring *r)
{
	spsc_producer_done(&r->p);
	spsc_consumer_done(&r->c);
	spsc_fds_close(&r->fds);
}

static void test_ringdump__live_ring__from_the_tail(void **state)
{
	const struct spsc_rec *rec;
	struct ring r;

	(void)state;
	ring_open(&r);
	put(&r.p, sample_prec);
	put(&r.p, sample_ev);
	put(&r.p, sample_alert);
	put(&r.p, sample_loss);
	put(&r.p, sample_unknown);
	put(&r.p, sample_end);
	spsc_publish(&r.p);
	assert_int_equal(spsc_next(&r.c, &rec), 1);
	spsc_consumer_commit(&r.c);
	assert_int_equal(dump("", r.fds.data_ro, r.fds.cursor_ro), 0);
	assert_non_null(strstr(output, "ring \"event.0\": 131072 bytes, head "));
	assert_null(strstr(output, " PROC "));
	assert_non_null(strstr(output, " EVENT len "));
	assert_non_null(strstr(output, " seq 41 ord 42 2023-11-14T22:13:20.123456789Z "
				       "SYSCALL_OPENAT_2_X tid 100 slot 7\n"));
	assert_non_null(strstr(output, "Warning rule 12 Read sensitive file\n"));
	assert_non_null(strstr(output, "kernel.buffer_full.medium 99\n"));
	assert_non_null(strstr(output, " type-999 len 40 "));
	assert_non_null(strstr(output, " END len 32 "));
	assert_int_equal(dump("--all", r.fds.data_ro, r.fds.cursor_ro), 0);
	assert_non_null(strstr(output, "\n0 PROC "));
	assert_non_null(strstr(output, "slot 7 tid 100 pid 100 bash\n"));
	assert_int_equal(dump("", r.fds.data_ro, -1), 0);
	assert_non_null(strstr(output, "\n0 PROC "));
	ring_close(&r);
}

static void test_ringdump__json__one_object_a_line(void **state)
{
	struct ring r;
	unsigned n = 0;

	(void)state;
	ring_open(&r);
	put(&r.p, sample_ev);
	put(&r.p, sample_alert);
	spsc_publish(&r.p);
	assert_int_equal(dump("--json", r.fds.data_ro, r.fds.cursor_ro), 0);
	for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n"), n++) {
		json_t *j = json_loads(line, 0, NULL);

		assert_non_null(j);
		if (n == 0)
			assert_string_equal(
				json_string_value(json_object_get(j, "ring")), "event.0");
		if (n == 1) {
			assert_string_equal(json_string_value(json_object_get(j, "type")), "EVENT");
			assert_int_equal(json_integer_value(json_object_get(j, "seq")), 41);
			assert_int_equal(json_integer_value(json_object_get(j, "pos")), 0);
		}
		json_decref(j);
	}
	assert_int_equal(n, 3);
	ring_close(&r);
}

static void test_ringdump__wrapped_ring__finds_old_records(void **state)
{
	const struct spsc_rec *rec;
	unsigned n = 0;
	struct ring r;

	(void)state;
	ring_open(&r);
	for (int i = 0; i < 2000; i++) {
		put(&r.p, i % 3 == 0 ? sample_alert : i % 3 == 1 ? sample_ev : sample_prec);
		spsc_publish(&r.p);
		assert_int_equal(spsc_next(&r.c, &rec), 1);
		spsc_consumer_commit(&r.c);
	}
	put(&r.p, sample_end);
	spsc_publish(&r.p);
	assert_int_equal(dump("", r.fds.data_ro, r.fds.cursor_ro), 0);
	assert_null(strstr(output, " EVENT "));
	assert_int_equal(dump("--all", r.fds.data_ro, r.fds.cursor_ro), 0);
	for (const char *p = output; (p = strchr(p, '\n')); p++)
		n++;
	/* at most one record of the oldest can be missing: the one cut by the newest */
	assert_true(n > 150);
	assert_null(strstr(output, "malformed"));
	ring_close(&r);
}

static int copy_of(int fd)
{
	static uint8_t bytes[SEG_PAYLOAD_OFF + 8192 + SPSC_SIZE_MIN];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
	int copy = memfd_create("copy", MFD_CLOEXEC);

	assert_true(n > 0 && copy >= 0);
	assert_int_equal(write(copy, bytes, (size_t)n), n);
	return copy;
}

static uint64_t rnd(uint64_t *s)
{
	*s = *s * 6364136223846793005ULL + 1442695040888963407ULL;
	return (*s >> 33) ^ (*s << 15);
}

static void damage(int fd, uint64_t from, uint64_t n, uint64_t *s)
{
	static const uint64_t values[] = {0, 1, 8, 32, 256, SPSC_SIZE_MIN, 2 * SPSC_SIZE_MIN,
		UINT32_MAX, UINT64_MAX, UINT64_MAX - 7};
	uint64_t v = rnd(s) % 2 ? values[rnd(s) % ARRAY_LEN(values)] : rnd(s);

	assert_int_equal(pwrite(fd, &v, sizeof(v), (off_t)(from + rnd(s) % n / 8 * 8)), sizeof(v));
}

static void test_ringdump__damaged_copies__no_crash(void **state)
{
	static const char *const options[] = {"", "--all", "--json", "--all --json"};
	uint64_t s = 3;
	struct ring r;

	(void)state;
	ring_open(&r);
	for (int i = 0; i < 40; i++)
		put(&r.p, i % 3 == 0 ? sample_alert : i % 3 == 1 ? sample_ev : sample_prec);
	spsc_publish(&r.p);
	for (int i = 0; i < 60; i++) {
		_cleanup_close_ int data = copy_of(r.fds.data_ro),
				    cursor = copy_of(r.fds.cursor_ro);

		for (int k = 0; k < 4; k++) {
			if (i % 2)
				damage(data, SEG_PAYLOAD_OFF + 4096, 30000, &s);
			else if (i % 4)
				damage(data, SEG_PAYLOAD_OFF, 192, &s);
			else
				damage(cursor, SEG_PAYLOAD_OFF, 192, &s);
		}
		if (i % 10 == 0)
			damage(data, 0, 96, &s);
		(void)dump(options[i % 4], data, i % 3 == 0 ? -1 : cursor);
	}
	ring_close(&r);
}

static void test_ringdump__broken_length__says_so(void **state)
{
	static const uint32_t bad = 12;
	_cleanup_close_ int copy = -1;
	struct ring r;

	(void)state;
	ring_open(&r);
	put(&r.p, sample_ev);
	spsc_publish(&r.p);
	copy = copy_of(r.fds.data_ro);
	assert_int_equal(pwrite(copy, &bad, sizeof(bad), SEG_PAYLOAD_OFF + 4096), sizeof(bad));
	assert_int_equal(dump("", copy, r.fds.cursor_ro), 1);
	assert_non_null(strstr(output, "record at 0: length 12 cannot be"));
	ring_close(&r);
}

static void test_ringdump__not_a_ring__says_so(void **state)
{
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int empty = memfd_create("empty", MFD_CLOEXEC),
			    self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct ring r;

	(void)state;
	ring_open(&r);
	assert_int_equal(dump("", null, -1), 1);
	assert_int_equal(dump("", empty, -1), 1);
	assert_int_equal(dump("", self, -1), 1);
	assert_non_null(strstr(output, "not a ring segment"));
	assert_int_equal(dump("", r.fds.cursor_ro, r.fds.data_ro), 1);
	assert_int_equal(dump("--nonsense", r.fds.data_ro, -1), 2);
	assert_int_equal(dump("--help", r.fds.data_ro, -1), 0);
	assert_non_null(strstr(output, "Example:"));
	ring_close(&r);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ringdump__live_ring__from_the_tail),
		cmocka_unit_test(test_ringdump__json__one_object_a_line),
		cmocka_unit_test(test_ringdump__wrapped_ring__finds_old_records),
		cmocka_unit_test(test_ringdump__damaged_copies__no_crash),
		cmocka_unit_test(test_ringdump__broken_length__says_so),
		cmocka_unit_test(test_ringdump__not_a_ring__says_so),
	};

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s SAKER-RINGDUMP\n", argv[0]);
		return 2;
	}
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
