/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks and delivery over real pipes, files and sockets: nothing blocks, nothing is lost or cut,
 * numbers move when the sink has it. */

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "delivery.h"
#include "io.h"

static struct io io; /* of files */
static struct stats_page stats;
static struct output output;
static struct delivery d;

static void start(enum output_kind kind, int fd, bool may_open)
{
	stats = (struct stats_page){0};
	output = (struct output){.name = "t",
		.ident = "saker",
		.kind = kind,
		.facility = 1,
		.fsync = OUTPUT_FSYNC_BATCH};
	assert_int_equal(delivery_init(&d, &output, false, &stats), 0);
	if (d.sink.ops->needs_io) {
		assert_int_equal(io_open(&io, -1), 0);
		assert_int_equal(io_post_seal(&io), 0);
		d.sink.io = &io;
	}
	delivery_new_sink(&d, fd, may_open, 0);
}

static void finish(void)
{
	bool has_io = d.sink.io != NULL;

	delivery_done(&d);
	if (has_io)
		io_close(&io);
}

/* A message as delivery_add() makes one, but of a given line. */
static void add(const char *line, unsigned priority, bool is_test)
{
	struct strbuf *text;
	struct sink_msg *m;

	assert_true(delivery_has_room(&d));
	m = window_begin(&d.window, &text);
	m->ts_ns = 1566230400020000000ULL;
	m->priority = (uint8_t)priority;
	m->is_test = is_test;
	strbuf_add_str(text, line);
	window_add(&d.window, m, NULL);
}

/* Does the sink have everything? */
static bool push(uint64_t now_ns)
{
	delivery_turn(&d, now_ns);
	while (d.sink.io && d.sink.io->n_busy) {
		io_wait(d.sink.io, 100);
		delivery_turn(&d, now_ns);
	}
	return window_is_empty(&d.window);
}

static size_t drain(int fd, char *buf, size_t cap)
{
	ssize_t n = read(fd, buf, cap);

	return n > 0 ? (size_t)n : 0;
}

static void test_stdout__pipe__lines_and_counts(void **state)
{
	char buf[100] = "";
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(OUTPUT_STDOUT, p[1], true);
	add("one", 4, false);
	add("two", 5, true);
	assert_true(push(0));
	assert_int_equal(drain(p[0], buf, sizeof(buf) - 1), 8);
	assert_string_equal(buf, "one\ntwo\n");
	assert_int_equal(d.n_refused, 0);
	assert_int_equal(d.n_delivered, 2);
	assert_int_equal(stats.test_delivered, 1);
	assert_true(stats.test_latency_ns > 0);
	finish();
	close(p[0]);
}

static void full_pipe(bool may_open)
{
	static char line[3000], buf[1 << 20];
	size_t n = 0, want = 0;
	int p[2];

	assert_int_equal(pipe(p), 0);
	start(OUTPUT_STDOUT, p[1], may_open);
	memset(line, 'x', sizeof(line) - 1);
	for (unsigned i = 0; i < 60; i++) {
		line[0] = (char)('A' + i);
		add(line, 4, false);
	}
	want = 60 * sizeof(line);
	assert_true(want > 65536);
	assert_false(push(0)); /* the pipe is full: it said so instead of blocking */
	assert_int_equal(d.state, DELIVERY_WRITABLE);
	assert_in_range(d.n_delivered, 20, 22); /* what a pipe holds */
	for (unsigned i = 0; i < 100 && n < want; i++) {
		n += drain(p[0], buf + n, sizeof(buf) - n);
		if (push(0))
			break;
	}
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	for (size_t got; (got = drain(p[0], buf + n, sizeof(buf) - n)) > 0;)
		n += got;
	assert_int_equal(n, want);
	for (unsigned i = 0; i < 60; i++) {
		line[0] = (char)('A' + i);
		assert_memory_equal(buf + i * sizeof(line), line, sizeof(line) - 1);
		assert_int_equal(buf[(i + 1) * sizeof(line) - 1], '\n');
	}
	assert_int_equal(d.n_delivered, 60);
	finish();
	close(p[0]);
}

static void test_stdout__full_pipe_own_description__waits(void **state)
{
	(void)state;
	full_pipe(true);
}

static void test_stdout__full_pipe_shared_description__waits(void **state)
{
	(void)state;
	full_pipe(false);
}

static void test_stdout__shared_pipe__flags_untouched(void **state)
{
	int p[2], mine;

	(void)state;
	assert_int_equal(pipe(p), 0);
	mine = dup(p[1]);
	start(OUTPUT_STDOUT, p[1], true);
	assert_int_equal(fcntl(mine, F_GETFL) & O_NONBLOCK, 0);
	finish();
	close(mine);
	close(p[0]);
}

static void test_stdout__reader_gone__asks_for_a_sink_with_growing_delays(void **state)
{
	char buf[100] = "";
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(OUTPUT_STDOUT, p[1], true);
	add("one", 4, false);
	close(p[0]);
	assert_false(push(0));
	assert_int_equal(d.state, DELIVERY_NO_SINK);
	assert_int_equal(stats.last_error, EPIPE);
	assert_false(delivery_wants_sink(&d, DELIVERY_DELAY_MIN_NS - 1));
	assert_true(delivery_wants_sink(&d, DELIVERY_DELAY_MIN_NS));
	assert_false(delivery_wants_sink(&d, DELIVERY_DELAY_MIN_NS + 1));
	assert_true(delivery_wants_sink(&d, 3 * DELIVERY_DELAY_MIN_NS));
	for (uint64_t now = 0; now < 100; now++)
		(void)delivery_wants_sink(&d, now * DELIVERY_DELAY_MAX_NS);
	assert_int_equal(d.delay_ns, DELIVERY_DELAY_MAX_NS);
	assert_int_equal(pipe(p), 0);
	delivery_new_sink(&d, p[1], false, 0);
	assert_true(push(0));
	assert_int_equal(d.delay_ns, DELIVERY_DELAY_MIN_NS);
	assert_int_equal(drain(p[0], buf, sizeof(buf)), 4);
	assert_int_equal(d.n_delivered, 1);
	finish();
	close(p[0]);
}

static void test_stream__new_sink_in_mid_line__line_is_whole(void **state)
{
	static char line[65536], buf[1 << 20];
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(OUTPUT_STDOUT, p[1], true);
	add("first", 4, false);
	memset(line, 'x', sizeof(line) - 1);
	add(line, 4, false);
	assert_false(push(0));               /* the second one is cut */
	assert_int_equal(d.window.first, 1); /* the first one is done with */
	close(p[0]);
	assert_false(push(0));
	assert_int_equal(pipe(p), 0);
	delivery_new_sink(&d, p[1], true, 0);
	for (size_t n = 0; n < 65536;) {
		(void)push(0);
		n += drain(p[0], buf + n, sizeof(buf) - n);
	}
	assert_memory_equal(buf, line, 65535);
	assert_int_equal(buf[65535], '\n');
	finish();
	close(p[0]);
}

static void test_stream__predecessor_died_in_mid_line__line_is_ended_first(void **state)
{
	char buf[100] = "";
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(OUTPUT_STDOUT, p[1], true);
	d.sink.torn = &stats.torn;
	stats.torn = 1; /* as the dead one left it */
	d.sink.has_torn = true;
	add("one", 4, false);
	assert_true(push(0));
	add("two", 4, false);
	assert_true(push(0));
	assert_true(drain(p[0], buf, sizeof(buf) - 1) > 0);
	assert_memory_equal(buf, "\none\n", 5);
	assert_non_null(strstr(buf, "two\n"));
	assert_int_equal(stats.torn, 0);
	finish();
	close(p[0]);
}

static void test_file__appends_and_follows_a_new_descriptor(void **state)
{
	char path[] = "/tmp/saker-test-XXXXXX", buf[100] = "";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "old\n", 4), 4);
	close(fd);
	start(OUTPUT_FILE, open(path, O_WRONLY | O_APPEND | O_CLOEXEC), true);
	add("one", 4, false);
	assert_true(push(0));
	assert_int_equal(delivery_timeout_ms(&d, 0), -1); /* nothing is left to synchronise */
	delivery_new_sink(&d, open(path, O_WRONLY | O_APPEND | O_CLOEXEC), false, 0);
	add("two", 4, false);
	assert_true(push(0));
	fd = open(path, O_RDONLY);
	assert_int_equal(drain(fd, buf, sizeof(buf) - 1), 12);
	assert_string_equal(buf, "old\none\ntwo\n");
	close(fd);
	unlink(path);
	finish();
}

static void test_file__full_disk__waits_with_the_same_descriptor(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	if (fd < 0)
		skip();
	start(OUTPUT_FILE, fd, false);
	add("one", 4, false);
	assert_false(push(0));
	assert_int_equal(d.state, DELIVERY_PAUSE);
	assert_int_equal(stats.last_error, ENOSPC);
	assert_false(push(1));
	assert_true(delivery_timeout_ms(&d, 0) > 50);
	assert_true(d.sink.fd >= 0);
	assert_int_equal(d.n_delivered, 0);
	finish();
}

static void test_syslog__datagrams__form_and_severity(void **state)
{
	char buf[200] = "", want[200];
	int p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, p), 0);
	start(OUTPUT_SYSLOG, p[1], true);
	add("one", 2, false);
	add("two", 7, false);
	assert_true(push(0));
	snprintf(want, sizeof(want), "<10>Aug 19 18:00:00 saker[%d]: one", (int)getpid());
	buf[drain(p[0], buf, sizeof(buf) - 1)] = 0;
	assert_string_equal(buf, want);
	snprintf(want, sizeof(want), "<15>Aug 19 18:00:00 saker[%d]: two", (int)getpid());
	buf[drain(p[0], buf, sizeof(buf) - 1)] = 0;
	assert_string_equal(buf, want);
	assert_int_equal(d.n_delivered, 2);
	finish();
	close(p[0]);
}

static void test_syslog__stream__messages_end_in_nul(void **state)
{
	char buf[300] = "", want[200];
	int p[2], n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	start(OUTPUT_SYSLOG, p[1], true);
	add("one", 4, false);
	add("two", 4, false);
	assert_true(push(0));
	n = snprintf(want, sizeof(want), "<12>Aug 19 18:00:00 saker[%d]: one", (int)getpid());
	assert_int_equal(drain(p[0], buf, sizeof(buf)), 2 * (n + 1));
	assert_string_equal(buf, want);
	assert_string_equal(buf + n + 1 + n - 3, "two");
	finish();
	close(p[0]);
}

static void syslog_slow(int type)
{
	static char line[2000];
	static char buf[4096];
	unsigned lines = 0;
	int p[2];

	assert_int_equal(socketpair(AF_UNIX, type, 0, p), 0);
	assert_int_equal(setsockopt(p[1], SOL_SOCKET, SO_SNDBUF, &(int){4608}, sizeof(int)), 0);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	start(OUTPUT_SYSLOG, p[1], true);
	memset(line, 'x', sizeof(line) - 1);
	for (unsigned i = 0; i < 40; i++)
		add(line, 4, false);
	assert_false(push(0));
	assert_int_equal(d.state, DELIVERY_WRITABLE);
	for (unsigned i = 0; i < 1000; i++) {
		size_t n = drain(p[0], buf, sizeof(buf));

		for (size_t k = 0; k < n; k++)
			lines += buf[k] == '<';
		if (d.n_delivered == 40 && n == 0)
			break;
		(void)push(0);
	}
	assert_int_equal(lines, 40);
	assert_int_equal(d.n_delivered, 40);
	finish();
	close(p[0]);
}

static void test_syslog__slow_reader__every_message_once(void **state)
{
	(void)state;
	syslog_slow(SOCK_DGRAM);
	syslog_slow(SOCK_STREAM);
}

static void test_syslog__daemon_restarts__message_is_kept(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, p), 0);
	start(OUTPUT_SYSLOG, p[1], true);
	add("one", 4, false);
	close(p[0]);
	assert_false(push(0));
	assert_int_equal(d.state, DELIVERY_NO_SINK);
	assert_int_equal(d.window.first, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, p), 0);
	delivery_new_sink(&d, p[1], false, 0);
	assert_true(push(0));
	assert_int_equal(d.n_delivered, 1);
	finish();
	close(p[0]);
}

static void test_syslog__too_long_for_a_datagram__cut(void **state)
{
	static char line[60000], buf[70000];
	int p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, p), 0);
	assert_int_equal(setsockopt(p[1], SOL_SOCKET, SO_SNDBUF, &(int){16384}, sizeof(int)), 0);
	start(OUTPUT_SYSLOG, p[1], true);
	memset(line, 'x', sizeof(line) - 1);
	add(line, 4, false);
	assert_true(push(0));
	assert_in_range(drain(p[0], buf, sizeof(buf)), 8000, 8100);
	finish();
	close(p[0]);
}

static unsigned refuse_second(struct sink *k, const struct sink_msg *msgs, unsigned n)
{
	n = n > 3 ? 3 : n; /* the rest is offered again */
	for (unsigned i = 0; i < n; i++)
		sink_report(k, msgs[i].n, msgs[i].n == 1 ? SINK_REFUSED : SINK_DELIVERED, "large");
	return n;
}

static int do_nothing(struct sink *k, uint64_t now_ns)
{
	(void)k;
	(void)now_ns;
	return 0;
}

static void test_delivery__sink_reports_while_it_takes__settled(void **state)
{
	static const struct sink_ops ops = {
		.name = "at once", .submit = refuse_second, .turn = do_nothing};
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(OUTPUT_STDOUT, p[1], true);
	for (unsigned i = 0; i < 7; i++)
		add("x", 4, false);
	sink_detach(&d.sink);
	d.sink.ops = &ops;
	for (unsigned i = 0; i < 5; i++)
		delivery_turn(&d, 0);
	assert_true(window_is_empty(&d.window));
	assert_int_equal(d.n_delivered, 6);
	assert_int_equal(d.n_refused, 1);
	d.sink.ops = &sink_stdout_ops;
	finish();
	close(p[0]);
}

static void test_output_parse__blocks(void **state)
{
	static const char good[] =
		"{\"name\":\"s\",\"kind\":\"syslog\",\"format\":\"json\",\"fsync\":\"never\","
		"\"ident\":\"saker\",\"facility\":10,\"iso_time\":false,"
		"\"include_output\":true,\"include_message\":false,\"include_output_fields\":true,"
		"\"include_tags\":true,\"include_uuid\":true,"
		"\"include_doubtful\":true,\"spool\":true,\"spool_max\":4194304,"
		"\"spool_when_full\":\"block\",\"dedup_ns\":0,\"rate\":5}";
	static const char *const bad[] = {"", "[]", "{}", "{\"name\":\"s\",\"kind\":\"kafka\"}"};
	struct output o;
	const char *why;

	(void)state;
	assert_int_equal(output_parse(good, sizeof(good) - 1, &o, &why), 0);
	assert_string_equal(o.name, "s");
	assert_int_equal(o.kind, OUTPUT_SYSLOG);
	assert_int_equal(o.format, OUTPUT_JSON);
	assert_int_equal(o.facility, 10);
	assert_true(o.include_uuid && !o.include_message);
	assert_true(o.has_spool && o.spool_max == 4194304 && o.when_full == OUTPUT_BLOCK);
	assert_int_equal(o.rate, 5);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(output_parse(bad[i], strlen(bad[i]), &o, &why), -EBADMSG);
	for (size_t n = 0; n < sizeof(good) - 1; n++)
		assert_int_equal(output_parse(good, n, &o, &why), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stdout__pipe__lines_and_counts),
		cmocka_unit_test(test_stdout__full_pipe_own_description__waits),
		cmocka_unit_test(test_stdout__full_pipe_shared_description__waits),
		cmocka_unit_test(test_stdout__shared_pipe__flags_untouched),
		cmocka_unit_test(test_stdout__reader_gone__asks_for_a_sink_with_growing_delays),
		cmocka_unit_test(test_stream__new_sink_in_mid_line__line_is_whole),
		cmocka_unit_test(test_stream__predecessor_died_in_mid_line__line_is_ended_first),
		cmocka_unit_test(test_file__appends_and_follows_a_new_descriptor),
		cmocka_unit_test(test_file__full_disk__waits_with_the_same_descriptor),
		cmocka_unit_test(test_syslog__datagrams__form_and_severity),
		cmocka_unit_test(test_syslog__stream__messages_end_in_nul),
		cmocka_unit_test(test_syslog__slow_reader__every_message_once),
		cmocka_unit_test(test_syslog__daemon_restarts__message_is_kept),
		cmocka_unit_test(test_syslog__too_long_for_a_datagram__cut),
		cmocka_unit_test(test_delivery__sink_reports_while_it_takes__settled),
		cmocka_unit_test(test_output_parse__blocks),
	};

	signal(SIGPIPE, SIG_IGN);
	setenv("TZ", "EET-2", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
