/* SPDX-License-Identifier: Apache-2.0 */
/* The file sink over requests that fail, fall short, hang and are overtaken by a new descriptor: every
 * line arrives whole, none is reported before it is where its policy wants it, nothing waits. */

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/clock.h>

#include "delivery.h"
#include "io_fault.h"

#define LINES 40

static struct io io;
static struct io_fault fault;
static struct stats_page stats;
static struct output output;
static struct delivery d;
static struct delivery_watcher watcher;
static char dir[] = "/tmp/saker-test-XXXXXX", path[64], second[64];
static unsigned n_asked, fail_at;
static uint64_t asked_for;
static int64_t fail_with;

static int on_watch(struct delivery_watcher *w, int fd, uint32_t events)
{
	(void)w;
	(void)fd;
	(void)events;
	return 0;
}

static int on_ask(struct delivery_watcher *w, uint64_t token, const char *what)
{
	(void)w;
	(void)what;
	n_asked++;
	asked_for = token;
	return 0;
}

static int64_t decide(struct io_fault *f, const struct io_req *q)
{
	bool is_write = q->op == IO_WRITE;

	if (f->n_requests != fail_at || !(is_write || q->op == IO_SYNC))
		return 0;
	return fail_with > 0 && (!is_write || q->n <= (size_t)fail_with) ? 0 : fail_with;
}

static int open_at(const char *name)
{
	int fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void start(enum output_fsync how, const char *own)
{
	stats = (struct stats_page){0};
	fault = (struct io_fault){.decide = decide};
	(void)unlink(path);
	(void)unlink(second);
	fail_at = UINT32_MAX;
	n_asked = 0;
	output = (struct output){.name = "t",
		.ident = "saker",
		.kind = OUTPUT_FILE,
		.fsync = how,
		.own = own ? json_loads(own, 0, NULL) : NULL};
	assert_int_equal(io_open_fault(&io, -1, &fault), 0);
	assert_int_equal(delivery_init(&d, &output, false, &stats), 0);
	watcher = (struct delivery_watcher){on_watch, on_ask};
	d.watcher = &watcher;
	d.sink.io = &io;
	d.sink.torn = &stats.torn;
	delivery_new_sink(&d, open_at(path), false, 0);
}

static void finish(void)
{
	fault.hangs = false;
	delivery_done(&d);
	io_close(&io);
	io_fault_done(&fault);
	json_decref(output.own);
	(void)unlink(path);
	(void)unlink(second);
}

static void add(unsigned n)
{
	struct strbuf *text;
	struct sink_msg *m;
	char line[64];

	assert_true(delivery_has_room(&d));
	m = window_begin(&d.window, &text);
	m->ts_ns = 1;
	(void)snprintf(line, sizeof(line), "line %03u of the test", n);
	strbuf_add_str(text, line);
	window_add(&d.window, m, NULL);
}

static size_t read_all(const char *name, char *buf, size_t cap)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, cap - 1);

	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = 0;
	return n > 0 ? (size_t)n : 0;
}

/* Every line stands in it whole; *ret_more: lines that are there once more, or cut. */
static void check_lines(const char *name, unsigned n, unsigned *ret_more)
{
	static char buf[65536];
	bool has[LINES + 1] = {false};
	unsigned more = 0, number;
	size_t size = read_all(name, buf, sizeof(buf));
	char *save = NULL;

	assert_true(size && buf[size - 1] == '\n');
	for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strlen(line) == 20 && sscanf(line, "line %03u of the test", &number) == 1 &&
			number < n && !has[number])
			has[number] = true;
		else
			more++;
	}
	for (unsigned i = 0; i < n; i++)
		assert_true(has[i]);
	*ret_more = more;
}

/* What delivery's owner does: until all is delivered. */
static void push_all(uint64_t *now_ns)
{
	for (unsigned i = 0; i < 2000 && !window_is_empty(&d.window); i++) {
		*now_ns += 50 * NS_PER_MS;
		delivery_turn(&d, *now_ns);
		if (delivery_wants_sink(&d, *now_ns))
			delivery_new_sink(&d, open_at(path), false, *now_ns);
	}
	assert_true(window_is_empty(&d.window));
}

static void each_request_fails(enum output_fsync how, int64_t with)
{
	for (unsigned at = 0; at < 12; at++) {
		uint64_t now_ns = NS_PER_S;
		unsigned more = 0;

		start(how, NULL);
		fail_at = at;
		fail_with = with;
		for (unsigned i = 0; i < LINES; i++) {
			add(i);
			if (i % 4 == 3)
				delivery_turn(&d, now_ns += 300 * NS_PER_MS);
		}
		push_all(&now_ns);
		assert_int_equal(d.n_delivered, LINES);
		assert_int_equal(d.n_refused, 0);
		check_lines(path, LINES, &more);
		if (with > 0)
			assert_int_equal(more, 0);
		assert_int_equal(stats.torn, 0);
		finish();
	}
}

static void test_file__each_request_fails__every_line_arrives_whole(void **state)
{
	(void)state;
	for (unsigned how = 0; how < _OUTPUT_FSYNC_MAX; how++) {
		each_request_fails((enum output_fsync)how, -EIO);
		each_request_fails((enum output_fsync)how, -ENOSPC);
		each_request_fails((enum output_fsync)how, 7); /* a short write: the rest follows */
	}
}

static void test_file__fsync_batch__reported_only_when_synchronised(void **state)
{
	uint64_t now_ns = NS_PER_S;

	(void)state;
	start(OUTPUT_FSYNC_BATCH, NULL);
	fault.hangs = true;
	add(0);
	delivery_turn(&d, now_ns); /* the write is in flight */
	assert_int_equal(fault.n_requests, 1);
	assert_int_equal(d.n_delivered, 0);
	fault.hangs = false;
	(void)io_reap(&io); /* written */
	fault.hangs = true;
	delivery_turn(&d, now_ns); /* the sync is in flight */
	assert_int_equal(fault.n_requests, 2);
	assert_int_equal(d.n_delivered, 0);
	fault.hangs = false;
	push_all(&now_ns);
	assert_int_equal(d.n_delivered, 1);
	finish();
}

static void test_file__disk_hangs__turns_return_and_it_is_said(void **state)
{
	uint64_t now_ns = NS_PER_S;
	unsigned more;

	(void)state;
	start(OUTPUT_FSYNC_NEVER, NULL);
	fault.hangs = true;
	add(0);
	for (unsigned i = 0; i < 8; i++, now_ns += NS_PER_S)
		delivery_turn(&d, now_ns);
	assert_int_equal(d.n_delivered, 0);
	assert_int_equal(stats.last_error, ETIMEDOUT);
	assert_in_range(delivery_timeout_ms(&d, now_ns), 1, 1000);
	/* a new descriptor does not make it go twice: the first request may still do its work */
	delivery_new_sink(&d, open_at(second), false, now_ns);
	delivery_turn(&d, now_ns);
	fault.hangs = false;
	add(1);
	push_all(&now_ns);
	assert_int_equal(d.n_delivered, 2);
	check_lines(path, 1, &more);
	assert_int_equal(more, 0);
	finish();
}

static void test_file__new_descriptor__what_is_begun_is_finished_in_the_old(void **state)
{
	static char buf[4096];
	uint64_t now_ns = NS_PER_S;

	(void)state;
	start(OUTPUT_FSYNC_SECOND, NULL);
	fail_at = 0;
	fail_with = 5; /* a part of the first line is in the old file */
	add(0);
	delivery_turn(&d, now_ns);
	delivery_new_sink(&d, open_at(second), false, now_ns);
	push_all(&now_ns);
	add(1);
	push_all(&now_ns);
	(void)read_all(path, buf, sizeof(buf));
	assert_string_equal(buf, "line 000 of the test\n");
	(void)read_all(second, buf, sizeof(buf));
	assert_string_equal(buf, "line 001 of the test\n");
	finish();
}

static void test_file__limit_of_size__asks_waits_and_goes_on(void **state)
{
	static char buf[4096];
	uint64_t now_ns = NS_PER_S;

	(void)state;
	start(OUTPUT_FSYNC_NEVER, "{\"rotate_size\": 70, \"rotate_age_ns\": 0}");
	for (unsigned i = 0; i < 5; i++)
		add(i);
	for (unsigned i = 0; i < 9; i++)
		delivery_turn(&d, now_ns);
	assert_int_equal(d.n_delivered, 3); /* 63 bytes: the fourth does not fit */
	assert_int_equal(n_asked, 1);
	assert_int_equal(asked_for, SINK_ASK_ROTATE);
	delivery_new_sink(&d, open_at(second), false, now_ns);
	push_all(&now_ns);
	(void)read_all(second, buf, sizeof(buf));
	assert_string_equal(buf, "line 003 of the test\nline 004 of the test\n");
	/* nobody answers: after a while the file grows instead */
	for (unsigned i = 5; i < 8; i++)
		add(i);
	delivery_turn(&d, now_ns);
	delivery_turn(&d, now_ns);
	delivery_turn(&d, now_ns + NS_PER_S);
	assert_false(window_is_empty(&d.window));
	assert_int_equal(n_asked, 2);
	now_ns += 2 * NS_PER_S;
	push_all(&now_ns);
	assert_int_equal(d.n_delivered, 8);
	finish();
}

static void test_file__same_large_file_again__is_not_asked_for_all_the_time(void **state)
{
	uint64_t now_ns = NS_PER_S;

	(void)state;
	start(OUTPUT_FSYNC_NEVER, "{\"rotate_size\": 30, \"rotate_age_ns\": 0}");
	for (unsigned i = 0; i < 8; i++)
		add(i);
	for (unsigned i = 0; i < 100; i++, now_ns += 10 * NS_PER_MS) {
		unsigned n = n_asked;

		delivery_turn(&d, now_ns);
		if (n_asked != n) /* the supervisor could not rename it */
			delivery_new_sink(&d, open_at(path), false, now_ns);
	}
	assert_in_range(n_asked, 1, 2);
	push_all(&now_ns);
	finish();
}

static void test_file__limit_of_age__asks_for_one_with_lines_alone(void **state)
{
	uint64_t now_ns = NS_PER_S;

	(void)state;
	start(OUTPUT_FSYNC_NEVER, "{\"rotate_size\": 0, \"rotate_age_ns\": 1}");
	delivery_turn(&d, now_ns);
	assert_int_equal(n_asked, 0); /* it is empty */
	add(0);
	push_all(&now_ns);
	assert_in_range(delivery_timeout_ms(&d, now_ns), 1, 1001);
	add(1);
	push_all(&now_ns);
	assert_int_equal(n_asked, 1);
	assert_int_equal(d.n_delivered, 2); /* it waits for nothing */
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file__each_request_fails__every_line_arrives_whole),
		cmocka_unit_test(test_file__fsync_batch__reported_only_when_synchronised),
		cmocka_unit_test(test_file__disk_hangs__turns_return_and_it_is_said),
		cmocka_unit_test(test_file__new_descriptor__what_is_begun_is_finished_in_the_old),
		cmocka_unit_test(test_file__limit_of_size__asks_waits_and_goes_on),
		cmocka_unit_test(test_file__same_large_file_again__is_not_asked_for_all_the_time),
		cmocka_unit_test(test_file__limit_of_age__asks_for_one_with_lines_alone),
	};
	int r;

	if (!mkdtemp(dir))
		return 1;
	(void)snprintf(path, sizeof(path), "%s/first", dir);
	(void)snprintf(second, sizeof(second), "%s/second", dir);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	(void)rmdir(dir);
	return r;
}
