/* SPDX-License-Identifier: Apache-2.0 */
/* What the gate sends: nothing but its templates, whatever is asked; and what becomes of answers, good and bad, from a runtime that this test plays over a pair of sockets. */

#include <sys/epoll.h>
#include <sys/socket.h>

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

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/macros.h>

#include "transfer.h"

#define ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct {
	struct transfers *t;
	int epoll_fd, server; /* the runtime's end of the last socket that was given */
	unsigned n_sockets, n_done, n_up, status;
	bool is_full, has_no_socket;
	size_t n_body;
	char body[4096];
} w;

/* As the filter answers in the gate (SEAL_NET_PRETENDS). */
int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	(void)fd;
	(void)addr;
	(void)len;
	return 0;
}

static bool on_body(void *ctx, unsigned runtime, unsigned what, uint64_t cookie, struct span part)
{
	(void)ctx;
	(void)runtime;
	(void)what;
	(void)cookie;
	assert_true(part.n > 0 && part.n <= GATE_PART_MAX);
	if (w.is_full)
		return false;
	if (w.n_body < sizeof(w.body))
		memcpy(w.body + w.n_body, part.p, MIN(part.n, sizeof(w.body) - w.n_body));
	w.n_body += part.n;
	return true;
}

static void on_done(void *ctx, unsigned runtime, unsigned what, uint64_t cookie, unsigned status)
{
	(void)ctx;
	(void)runtime;
	(void)what;
	(void)cookie;
	w.n_done++;
	w.status = status;
}

static void on_up(void *ctx, unsigned runtime)
{
	(void)ctx;
	(void)runtime;
	w.n_up++;
}

static void on_want_socket(void *ctx, unsigned runtime)
{
	(void)ctx;
	(void)runtime;
	w.n_sockets++;
}

static void on_watch(void *ctx, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	(void)ctx;
	if (!events)
		(void)epoll_ctl(w.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(w.epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0)
		(void)epoll_ctl(w.epoll_fd, EPOLL_CTL_MOD, fd, &e);
}

static int setup_kind(uint32_t kind)
{
	const struct transfer_env env = {.body = on_body,
		.done = on_done,
		.up = on_up,
		.want_socket = on_want_socket,
		.watch = on_watch};

	memset(&w, 0, sizeof(w));
	w.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w.server = -1;
	w.t = transfers_new(&kind, 1, &env);
	assert_non_null(w.t);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_kind(GATE_DOCKER);
}

static int teardown(void **state)
{
	(void)state;
	w.t = transfers_free(w.t);
	(void)fd_close(w.server);
	(void)close(w.epoll_fd);
	return 0;
}

static void turn(void)
{
	struct epoll_event ev[8];
	int n = epoll_wait(w.epoll_fd, ev, ARRAY_LEN(ev), 1);

	for (int i = 0; i < n; i++)
		transfers_ready(w.t, ev[i].data.fd, ev[i].events);
	(void)transfers_turn(w.t, clock_mono_ns());
	if (w.n_sockets == 0 || w.has_no_socket)
		return;
	w.n_sockets--;
	int pair[2];
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	(void)fd_close(w.server);
	w.server = pair[1];
	transfers_socket(w.t, 0, pair[0]);
}

/* The request, whole. */
static char *request(void)
{
	static char buf[4096];
	size_t n = 0;

	for (unsigned i = 0; i < 2000; i++) {
		ssize_t k;

		turn();
		k = w.server < 0 ? -1 : read(w.server, buf + n, sizeof(buf) - 1 - n);
		n += k > 0 ? (size_t)k : 0;
		buf[n] = 0;
		if (strstr(buf, "\r\n\r\n"))
			return buf;
	}
	fail_msg("no request came");
	return NULL;
}

static void reply(const char *text, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t k = write(w.server, text + at, n - at);

		if (k > 0)
			at += (size_t)k;
		else if (errno != EAGAIN)
			return;
		turn();
	}
}

static void until_done(void)
{
	for (unsigned i = 0; i < 8000 && !w.n_done; i++)
		turn();
	assert_int_equal(w.n_done, 1);
}

static void test_paths__templates_alone(void **state)
{
	static const char *const bad[] = {"", "0011", "..", "0011223344556677/../../x", ID "0",
		"00112233445A", "0011223344556677\r\nX: y", "0011223344556677?all=1"};
	char buf[512];

	(void)state;
	assert_true(transfer_path(GATE_DOCKER, GATE_INSPECT, SPAN_LIT(ID), buf, sizeof(buf)));
	assert_string_equal(buf, "/containers/" ID "/json");
	assert_true(transfer_path(GATE_PODMAN, GATE_IMAGE, SPAN_LIT(ID), buf, sizeof(buf)));
	assert_string_equal(buf, "/images/" ID "/json");
	assert_false(transfer_path(99, GATE_INSPECT, SPAN_LIT(ID), buf, sizeof(buf)));
	assert_false(transfer_path(GATE_DOCKER, _GATE_WHAT_MAX, SPAN_LIT(ID), buf, sizeof(buf)));
	assert_false(transfer_path(GATE_DOCKER, GATE_POD, SPAN_LIT(ID), buf, sizeof(buf)));
	assert_true(transfer_path(GATE_CRI, GATE_POD, SPAN_LIT(ID), buf, sizeof(buf)));
	assert_string_equal(buf, "/runtime.v1.RuntimeService/PodSandboxStatus");
	assert_false(transfer_path(GATE_CRI, GATE_IMAGE, SPAN_LIT(ID), buf, sizeof(buf)));
	/* a frame: not compressed, its length; the id in field 1, true in field 2 */
	assert_int_equal(transfer_message(GATE_CRI, GATE_INSPECT, SPAN_LIT("0123456789ab"), buf),
		5 + 2 + 12 + 2);
	assert_memory_equal(buf,
		"\0\0\0\0\x10\x0a\x0c"
		"0123456789ab\x10\x01",
		21);
	assert_int_equal(transfer_message(GATE_CRI, GATE_LIST, (struct span){0}, buf), 5);
	assert_memory_equal(buf, "\0\0\0\0\0", 5);
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(gate_id_fits(GATE_DOCKER, GATE_INSPECT, span_str(bad[i])));
		assert_false(gate_id_fits(GATE_DOCKER, GATE_IMAGE, span_str(bad[i])));
		assert_false(gate_id_fits(GATE_DOCKER, GATE_POD, span_str(bad[i])));
	}
	assert_false(gate_id_fits(GATE_DOCKER, GATE_LIST, SPAN_LIT(ID)));
	assert_false(gate_id_fits(GATE_DOCKER, GATE_EVENTS, SPAN_LIT("")));
	assert_true(gate_id_fits(GATE_DOCKER, GATE_INSPECT, SPAN_LIT("001122334455")));
	assert_false(gate_id_fits(GATE_DOCKER, GATE_IMAGE, SPAN_LIT("001122334455")));
}

static void test_containerd__namespace_in_a_header__rest_in_the_message(void **state)
{
	static const char *const bad[] = {"", "default", "/x", "default/", "default/-x",
		"default/x/y", "default/../x", "a b/x", "default/x\r\ny: z", "default/x\n", "-a/x",
		"a:b/x"};
	static const char filter[] = "topic==\"/containers/create\",namespace!=\"k8s.io\"";
	static char long_name[GATE_ID_MAX + 8];
	char buf[TRANSFER_MESSAGE_MAX];
	size_t n;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(gate_id_fits(GATE_CONTAINERD, GATE_INSPECT, span_str(bad[i])));
	assert_true(gate_id_fits(GATE_CONTAINERD, GATE_INSPECT, SPAN_LIT("default/web_1.x-y")));
	assert_true(gate_id_fits(
		GATE_CONTAINERD, GATE_IMAGE, SPAN_LIT("default/docker.io/library/redis:7")));
	assert_false(gate_id_fits(GATE_CONTAINERD, GATE_IMAGE, SPAN_LIT("default/a b")));
	assert_false(gate_id_fits(
		GATE_CONTAINERD, GATE_IMAGE, (struct span){.p = "default/a\0b", .n = 11}));
	assert_true(gate_id_fits(GATE_CONTAINERD, GATE_LIST, SPAN_LIT("default")));
	assert_false(gate_id_fits(GATE_CONTAINERD, GATE_LIST, SPAN_LIT("default/x")));
	assert_false(gate_id_fits(GATE_CONTAINERD, GATE_LIST, SPAN_LIT("")));
	assert_true(gate_id_fits(GATE_CONTAINERD, GATE_NAMESPACES, SPAN_LIT("")));
	assert_false(gate_id_fits(GATE_CONTAINERD, GATE_POD, SPAN_LIT(ID)));
	assert_false(gate_id_fits(GATE_CONTAINERD, GATE_BRIEF, SPAN_LIT(ID)));
	assert_false(gate_id_fits(GATE_DOCKER, GATE_NAMESPACES, SPAN_LIT("")));
	assert_false(gate_id_fits(GATE_CONTAINERD, GATE_PODS, SPAN_LIT("")));
	assert_false(gate_id_fits(GATE_CRI, GATE_PODS, SPAN_LIT(ID)));
	assert_true(gate_id_fits(GATE_CRI, GATE_PODS, SPAN_LIT("")));
	memset(long_name, 'a', sizeof(long_name));
	memcpy(long_name, "default/", 8);
	for (n = sizeof(long_name); n > 200; n--)
		assert_int_equal(gate_id_fits(GATE_CONTAINERD, GATE_IMAGE,
					 (struct span){.p = long_name, .n = n}),
			n < GATE_ID_MAX);
	/* a length of two bytes */
	assert_int_equal(transfer_message(GATE_CONTAINERD, GATE_IMAGE,
				 (struct span){.p = long_name, .n = 8 + 200}, buf),
		5 + 3 + 200);
	assert_memory_equal(buf,
		"\0\0\0\0\xcb\x0a\xc8\x01"
		"aa",
		10);
	assert_int_equal(
		transfer_message(GATE_CONTAINERD, GATE_INSPECT, SPAN_LIT("default/web"), buf), 10);
	assert_memory_equal(buf, "\0\0\0\0\x05\x0a\x03web", 10);
	/* the namespace alone is a header's: nothing is said */
	assert_int_equal(transfer_message(GATE_CONTAINERD, GATE_LIST, SPAN_LIT("default"), buf), 5);
	n = transfer_message(GATE_CONTAINERD, GATE_EVENTS, (struct span){0}, buf);
	assert_true(n > 100 && n < sizeof(buf));
	assert_non_null(memmem(buf, n, filter, strlen(filter)));
}

static void test_request__is_the_template_and_the_answer_comes(void **state)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
				     "chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";

	(void)state;
	assert_int_equal(transfers_start(w.t, 0, GATE_INSPECT, 1, SPAN_LIT(ID)), 0);
	assert_string_equal(request(),
		"GET /containers/" ID
		"/json HTTP/1.1\r\nHost: runtime0\r\nUser-Agent: saker\r\nAccept: */*\r\n\r\n");
	reply(answer, strlen(answer));
	until_done();
	assert_int_equal(w.status, GATE_OK);
	assert_int_equal(w.n_body, 11);
	assert_memory_equal(w.body, "hello world", 11);
	/* the next one goes the same way, without another socket */
	w.n_done = 0;
	assert_int_equal(transfers_start(w.t, 0, GATE_LIST, 2, (struct span){0}), 0);
	assert_true(strstr(request(), "GET /containers/json?all=true&filters=%7B") != NULL);
	assert_int_equal(w.n_sockets, 0);
	reply("HTTP/1.1 500 no\r\nContent-Length: 4\r\n\r\nbody", 43);
	until_done();
	assert_int_equal(w.status, 500);
	assert_int_equal(w.n_body, 11); /* an error's text is for nobody */
}

static void test_no_socket__says_down(void **state)
{
	(void)state;
	w.has_no_socket = true;
	assert_int_equal(transfers_start(w.t, 0, GATE_INSPECT, 1, SPAN_LIT(ID)), 0);
	for (unsigned i = 0; i < 100 && !w.n_sockets; i++)
		turn();
	transfers_socket(w.t, 0, -1);
	until_done();
	assert_int_equal(w.status, GATE_DOWN);
}

static void test_events__up_with_the_head__parts_as_they_come(void **state)
{
	(void)state;
	assert_int_equal(transfers_start(w.t, 0, GATE_EVENTS, 0, (struct span){0}), 0);
	assert_true(strncmp(request(), "GET /events?filters=%7B", 23) == 0);
	assert_int_equal(w.n_up, 0);
	reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 47);
	for (unsigned i = 0; i < 100 && !w.n_up; i++)
		turn();
	assert_int_equal(w.n_up, 1);
	w.is_full = true; /* nobody takes it: it is offered again */
	reply("2\r\n{}\r\n", 7);
	for (unsigned i = 0; i < 20; i++)
		turn();
	assert_int_equal(w.n_body, 0);
	w.is_full = false;
	for (unsigned i = 0; i < 100 && !w.n_body; i++)
		turn();
	assert_int_equal(w.n_body, 2);
	w.server = fd_close(w.server);
	until_done();
	assert_int_not_equal(w.status, 0x7f);
}

static void test_hostile_answers__end_with_a_status(void **state)
{
	static const struct {
		const char *text;
		bool closes;
	} answers[] = {
		{"garbage\r\n\r\n", true},
		{"\x16\x03\x01garbage", true},
		{"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", true},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n", false}, /* and all of it */
		{"HTTP/1.1 999 OK\r\n\r\n", true},
		{"", true},
		{"HTTP/1.1 302 Found\r\nLocation: "
		 "http://runtime0/containers/x/json\r\nContent-Length: 0\r\n\r\n",
			false},
	};
	static char megabyte[1 << 20];

	for (unsigned i = 0; i < ARRAY_LEN(answers); i++) {
		teardown(state);
		setup(state);
		assert_int_equal(transfers_start(w.t, 0, GATE_INSPECT, 1, SPAN_LIT(ID)), 0);
		(void)request();
		reply(answers[i].text, strlen(answers[i].text));
		if (strstr(answers[i].text, "1048577"))
			reply(megabyte, sizeof(megabyte));
		if (answers[i].closes)
			w.server = fd_close(w.server);
		if (strstr(answers[i].text, "1048577") && !w.n_done)
			reply("x", 1);
		until_done();
		if (w.status == GATE_OK)
			fail_msg("answer %u was taken for good", i);
	}
}

/* What the other end sends may be any frames; none of it is taken for an answer that is whole. */
static void test_hostile_calls__end_with_a_status(void **state)
{
#define SETTINGS "\0\0\0\x04\0\0\0\0\0"
#define HEADERS_200 "\0\0\x01\x01\x04\0\0\0\x01\x88" /* :status: 200 */
#define DATA_OK "\0\0\x05\0\0\0\0\0\x01\0\0\0\0\0"
	static const struct {
		const char *bytes;
		size_t n;
	} answers[] = {
		{"HTTP/1.1 200 OK\r\n\r\n", 19},
		{"\xff\xff\xff\x00\x00\x00\x00\x00\x01garbage", 16},
		{SETTINGS, 9},
		/* a frame longer than may be */
		{SETTINGS "\xff\xff\xff\0\0\0\0\0\x01", 18},
		/* all of an answer but its status */
		{SETTINGS HEADERS_200 DATA_OK, 9 + 10 + 14},
		/* and its end without one */
		{SETTINGS HEADERS_200 "\0\0\x05\0\x01\0\0\0\x01\0\0\0\0\0", 9 + 10 + 14},
		/* goes away */
		{SETTINGS "\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0", 9 + 17},
		/* resets the stream */
		{SETTINGS "\0\0\x04\x03\0\0\0\0\x01\0\0\0\x02", 9 + 13},
		/* headers that cannot be decompressed */
		{SETTINGS "\0\0\x04\x01\x04\0\0\0\x01\xff\xff\xff\xff", 9 + 13},
		/* a promise that nobody asked for */
		{SETTINGS "\0\0\x05\x05\x04\0\0\0\x01\0\0\0\x02\x88", 9 + 14},
		/* data of a stream that is not there */
		{SETTINGS "\0\0\x01\0\0\0\0\0\x07x", 9 + 10},
	};
	char got[1024];

	for (unsigned i = 0; i < 2 * ARRAY_LEN(answers); i++) {
		teardown(state);
		setup_kind(GATE_CRI);
		assert_int_equal(transfers_start(w.t, 0, GATE_INSPECT, 1, SPAN_LIT(ID)), 0);
		for (unsigned k = 0; k < 2000 && w.server < 0; k++)
			turn();
		assert_true(w.server >= 0);
		for (unsigned k = 0; k < 20; k++)
			turn();
		(void)!read(w.server, got, sizeof(got));
		reply(answers[i / 2].bytes, answers[i / 2].n);
		/* closed as a whole, or its sending half alone */
		if (i % 2)
			w.server = fd_close(w.server);
		else
			(void)shutdown(w.server, SHUT_WR);
		until_done();
		if (w.status == GATE_OK)
			fail_msg("answer %u was taken for good", i / 2);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(paths__templates_alone),
		TEST(containerd__namespace_in_a_header__rest_in_the_message),
		TEST(request__is_the_template_and_the_answer_comes),
		TEST(no_socket__says_down),
		TEST(events__up_with_the_head__parts_as_they_come),
		TEST(hostile_answers__end_with_a_status),
		TEST(hostile_calls__end_with_a_status),
	};

	if (transfers_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
