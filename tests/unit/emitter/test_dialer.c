/* SPDX-License-Identifier: Apache-2.0 */
/* The dialer's protocol, its rules, and its jobs with real sockets and a name server of our own on
 * 127.0.0.1: what is permitted connects, what is not is refused, and who does not answer holds up
 * nobody. */

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
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
#include <shm/dial.h>

#include "dialer_jobs.h"

#define ANSWERS_MAX 64

struct world {
	struct dial_rules rules;
	struct names *names;
	struct jobs *jobs;
	int epoll, dns, listener;
	uint16_t dns_port, port;
	bool dns_is_silent;
	struct dial_answer answers[ANSWERS_MAX];
	unsigned n_answers, n_queries;
};

static void watch(void *ctx, int fd, uint32_t events)
{
	struct world *w = ctx;
	struct epoll_event e = {.events = events, .data.fd = fd};

	if (events == 0)
		(void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		assert_int_equal(epoll_ctl(w->epoll, EPOLL_CTL_MOD, fd, &e), 0);
}

static void done(void *ctx, unsigned line, const struct dial_answer *a, int fd)
{
	struct world *w = ctx;

	assert_int_equal(line, 0);
	assert_true((a->result == 0) == (fd >= 0));
	assert_true(w->n_answers < ANSWERS_MAX);
	w->answers[w->n_answers++] = *a;
	(void)fd_close(fd);
}

static int open_bound(int type, uint16_t *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

/* A name server: "two.test" and "far.test" have one address each, "search.example.test" too; the
 * rest does not exist. AAAA: none of all. */
static void serve_dns(struct world *w)
{
	static const struct {
		const char *wire;
		size_t n;
		const char *address;
	} zone[] = {
		{"\3two\4test", 10, "127.0.0.1"},
		{"\3far\4test", 10, "203.0.113.9"},
		{"\6search\7example\4test", 21, "127.0.0.1"},
	};
	uint8_t q[512], a[600];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(w->dns, q, sizeof(q), 0, (struct sockaddr *)&from, &len);
	bool is_known = false, is_a;
	size_t end = 12, i;

	if (n < 17)
		return;
	w->n_queries++;
	while (end < (size_t)n && q[end])
		end += q[end] + 1u;
	end += 5;
	assert_true(end <= (size_t)n);
	is_a = q[end - 3] == 1;
	for (i = 0; i < ARRAY_LEN(zone) && !is_known; i++)
		is_known = end - 17 + 1 >= zone[i].n &&
			   memcmp(q + 12, zone[i].wire, zone[i].n) == 0 && q[12 + zone[i].n] == 0;
	memcpy(a, q, end);
	a[2] = 0x81;
	a[3] = is_known ? 0x80 : 0x83;
	a[6] = 0;
	a[7] = is_known && is_a;
	memset(a + 8, 0, 4);
	if (a[7]) {
		static const uint8_t head[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4};

		memcpy(a + end, head, sizeof(head));
		assert_int_equal(
			inet_pton(AF_INET, zone[i - 1].address, a + end + sizeof(head)), 1);
		end += sizeof(head) + 4;
	}
	assert_int_equal(sendto(w->dns, a, end, 0, (struct sockaddr *)&from, len), (ssize_t)end);
}

static void read_text(struct world *w, enum names_file f, const char *text)
{
	_cleanup_close_ int fd = memfd_create("text", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_true(names_read(w->names, f, fd) >= 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct jobs_env env = {.watch = watch, .done = done, .ctx = w};
	char text[200];

	assert_non_null(w);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->dns = open_bound(SOCK_DGRAM, &w->dns_port);
	w->listener = open_bound(SOCK_STREAM, &w->port);
	assert_int_equal(listen(w->listener, 64), 0);
	assert_int_equal(names_new(watch, w, &w->names), 0);
	(void)snprintf(text, sizeof(text),
		"# comment\nsearch example.test\nnameserver [127.0.0.1]:%u ; more\n", w->dns_port);
	read_text(w, NAMES_RESOLV, text);
	read_text(w, NAMES_HOSTS,
		"127.0.0.1 localhost one.test # the first\nnonsense\n::1 six.test\n");
	w->rules.n_outputs = 1;
	w->rules.outputs[0] = (struct dial_output){.name = "siem", .n_targets = 1};
	w->rules.outputs[0].targets[0] =
		(struct dial_target){.host = "one.test", .proto = DIAL_TCP, .port = w->port};
	assert_int_equal(dial_rules_check(&w->rules, sizeof(w->rules)), 0);
	assert_int_equal(jobs_new(&w->rules, w->names, &env, &w->jobs), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	w->jobs = jobs_free(w->jobs);
	w->names = names_free(w->names);
	(void)close(w->dns);
	(void)close(w->listener);
	(void)close(w->epoll);
	free(w);
	return 0;
}

static void ask(struct world *w, uint32_t id, const char *host, uint16_t port, uint32_t timeout_ms)
{
	struct dial_request q = {.magic = DIAL_MAGIC,
		.id = id,
		.proto = DIAL_TCP,
		.port = port,
		.timeout_ms = timeout_ms};

	(void)snprintf(q.host, sizeof(q.host), "%s", host);
	jobs_add(w->jobs, 0, &q, clock_mono_ns());
}

/* Until there are @n answers, for at most 8 s. */
static void run(struct world *w, unsigned n)
{
	uint64_t until = clock_mono_ns() + 8 * NS_PER_S;

	while (w->n_answers < n && clock_mono_ns() < until) {
		struct epoll_event ev[16];
		int k = epoll_wait(w->epoll, ev, 16, 5);

		for (int i = 0; i < k; i++)
			if (!jobs_ready(w->jobs, ev[i].data.fd, clock_mono_ns()))
				names_ready(w->names, ev[i].data.fd, ev[i].events);
		if (!w->dns_is_silent)
			serve_dns(w);
		names_ready(w->names, -1, 0);
		jobs_tick(w->jobs, clock_mono_ns());
	}
	assert_int_equal(w->n_answers, n);
}

static const struct dial_answer *find(const struct world *w, uint32_t id)
{
	for (unsigned i = 0; i < w->n_answers; i++)
		if (w->answers[i].id == id)
			return &w->answers[i];
	fail_msg("no answer with id %u", id);
	return NULL;
}

static void test_jobs__configured_target__connects(void **state)
{
	struct world *w = *state;
	char want[40];

	ask(w, 7, "one.test", w->port, 3000);
	run(w, 1);
	(void)snprintf(want, sizeof(want), "127.0.0.1:%u", w->port);
	assert_int_equal(w->answers[0].id, 7);
	assert_int_equal(w->answers[0].result, 0);
	assert_string_equal(w->answers[0].text, want);
	assert_int_equal(w->n_queries, 0);
}

static void test_jobs__other_host_or_port__is_refused(void **state)
{
	struct world *w = *state;

	ask(w, 1, "two.test", w->port, 3000);
	ask(w, 2, "one.test", (uint16_t)(w->port ^ 1), 3000);
	ask(w, 3, "127.0.0.1", w->port, 3000);
	run(w, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(w->answers[i].result, -EACCES);
	assert_int_equal(w->n_queries, 0);
}

static void test_jobs__name_of_dns_and_search_list__connects(void **state)
{
	struct world *w = *state;

	(void)snprintf(w->rules.outputs[0].targets[0].host, DIAL_HOST_MAX, "two.test");
	ask(w, 1, "two.test", w->port, 5000);
	run(w, 1);
	assert_int_equal(w->answers[0].result, 0);
	(void)snprintf(w->rules.outputs[0].targets[0].host, DIAL_HOST_MAX, "search");
	ask(w, 2, "search", w->port, 5000);
	run(w, 2);
	assert_int_equal(w->answers[1].result, 0);
}

static void test_jobs__unknown_name__fails_with_words(void **state)
{
	struct world *w = *state;

	(void)snprintf(w->rules.outputs[0].targets[0].host, DIAL_HOST_MAX, "none.test");
	ask(w, 1, "none.test", w->port, 5000);
	run(w, 1);
	assert_int_equal(w->answers[0].result, -EHOSTUNREACH);
	assert_string_equal(w->answers[0].text, "the name is not known");
}

static void test_jobs__advertised_peer_near_and_far__by_its_address(void **state)
{
	struct world *w = *state;

	w->rules.outputs[0].advertises = 1;
	ask(w, 1, "two.test", w->port, 5000); /* 127.0.0.1, as the bootstrap host */
	ask(w, 2, "far.test", w->port, 5000); /* 203.0.113.9 */
	ask(w, 3, "127.0.0.77", 22, 5000);    /* near, but its port is not */
	ask(w, 4, "one.test", w->port, 5000);
	run(w, 4);
	assert_int_equal(find(w, 1)->result, 0);
	assert_int_equal(find(w, 2)->result, -EACCES);
	assert_int_equal(find(w, 3)->result, -EACCES);
	assert_int_equal(find(w, 4)->result, 0);
}

static void test_jobs__silent_name_server__holds_up_nobody(void **state)
{
	struct world *w = *state;
	uint64_t from = clock_mono_ns();

	w->dns_is_silent = true;
	w->rules.outputs[0].n_targets = 2;
	w->rules.outputs[0].targets[1] =
		(struct dial_target){.host = "two.test", .proto = DIAL_TCP, .port = w->port};
	ask(w, 1, "two.test", w->port, 1500);
	ask(w, 2, "one.test", w->port, 1500);
	run(w, 1);
	assert_int_equal(w->answers[0].id, 2);
	assert_int_equal(w->answers[0].result, 0);
	assert_true(clock_mono_ns() - from < NS_PER_S);
	run(w, 2);
	assert_int_equal(w->answers[1].id, 1);
	assert_int_equal(w->answers[1].result, -ETIMEDOUT);
}

static void test_jobs__closed_port__says_so(void **state)
{
	struct world *w = *state;
	uint16_t port;

	/* bound and not listening: connections are refused */
	_cleanup_close_ int fd = open_bound(SOCK_STREAM, &port);

	w->rules.outputs[0].targets[0].port = port;
	ask(w, 1, "one.test", port, 3000);
	run(w, 1);
	assert_int_equal(w->answers[0].result, -ECONNREFUSED);
}

static void test_jobs__too_many_of_one_output__are_turned_away(void **state)
{
	struct world *w = *state;

	w->dns_is_silent = true;
	(void)snprintf(w->rules.outputs[0].targets[0].host, DIAL_HOST_MAX, "two.test");
	for (uint32_t id = 1; id <= JOBS_PER_LINE_MAX + 1; id++)
		ask(w, id, "two.test", w->port, 300);
	assert_int_equal(w->n_answers, 1);
	assert_int_equal(w->answers[0].id, JOBS_PER_LINE_MAX + 1);
	assert_int_equal(w->answers[0].result, -EBUSY);
	run(w, JOBS_PER_LINE_MAX + 1);
}

static void test_judge__patterns_and_ports(void **state)
{
	struct dial_output o = {.n_targets = 1,
		.advertises = 1,
		.n_hosts = 1,
		.n_ports = 1,
		.targets[0] = {.host = "boot.example", .proto = DIAL_TCP, .port = 9092},
		.hosts[0] = "b*.Example",
		.ports[0] = 19092};
	static const struct {
		const char *host;
		uint16_t port;
		uint32_t proto;
		enum dial_verdict want;
	} rows[] = {
		{"boot.example", 9092, DIAL_TCP, DIAL_YES},
		{"BOOT.example", 9092, DIAL_TCP, DIAL_YES},
		{"boot.example", 9092, DIAL_UDP, DIAL_NO},
		{"boot.example", 19092, DIAL_TCP, DIAL_YES},
		{"boot.example", 9093, DIAL_TCP, DIAL_NO},
		{"b7.example", 19092, DIAL_TCP, DIAL_YES},
		{"b7.example", 9092, DIAL_TCP, DIAL_NO},
		{"c7.example", 19092, DIAL_TCP, DIAL_NO},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dial_request q = {.port = rows[i].port, .proto = rows[i].proto};

		(void)snprintf(q.host, sizeof(q.host), "%s", rows[i].host);
		assert_int_equal(dial_judge(&o, &q), rows[i].want);
	}
	o.n_hosts = o.n_ports = 0;
	assert_int_equal(
		dial_judge(
			&o, &(struct dial_request){.host = "x", .port = 1024, .proto = DIAL_TCP}),
		DIAL_IF_NEAR);
	assert_int_equal(
		dial_judge(
			&o, &(struct dial_request){.host = "x", .port = 1023, .proto = DIAL_TCP}),
		DIAL_NO);
}

static void test_recv__what_is_no_packet_of_ours__is_refused(void **state)
{
	struct dial_request good = {.magic = DIAL_MAGIC,
				    .id = 1,
				    .proto = DIAL_UDP,
				    .port = 514,
				    .timeout_ms = 1000,
				    .host = "loghost"},
			    q;
	struct dial_answer a = {.magic = DIAL_MAGIC, .id = 1, .result = 0, .text = "x"}, b;
	int pair[2], fd = -1;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(dial_recv_request(pair[1], &q), -EAGAIN);
	assert_int_equal(dial_send_request(pair[0], &good), 0);
	assert_int_equal(dial_recv_request(pair[1], &q), 1);
	assert_memory_equal(&q, &good, sizeof(q));
	for (unsigned i = 0; i < 8; i++) {
		struct dial_request wrong = good;

		switch (i) {
		case 0:
			wrong.magic++;
			break;
		case 1:
			wrong.id = 0;
			break;
		case 2:
			wrong.proto = 3;
			break;
		case 3:
			wrong.port = 0;
			break;
		case 4:
			wrong.timeout_ms = DIAL_TIMEOUT_MAX_MS + 1;
			break;
		case 5:
			memset(wrong.host, 'a', sizeof(wrong.host));
			break;
		case 6:
			wrong.host[0] = 0;
			break;
		default:
			break;
		}
		assert_int_equal(send(pair[0], &wrong, sizeof(wrong) - (i == 7), 0),
			sizeof(wrong) - (i == 7));
		assert_int_equal(dial_recv_request(pair[1], &q), -EBADMSG);
	}
	/* an answer that says it has a socket has one, and only such an answer */
	assert_int_equal(dial_send_answer(pair[1], &a, -1), 0);
	assert_int_equal(dial_recv_answer(pair[0], &b, &fd), -EBADMSG);
	assert_int_equal(dial_send_answer(pair[1], &a, pair[1]), 0);
	assert_int_equal(dial_recv_answer(pair[0], &b, &fd), 1);
	fd = fd_close(fd);
	a.result = -EACCES;
	assert_int_equal(dial_send_answer(pair[1], &a, pair[1]), 0);
	assert_int_equal(dial_recv_answer(pair[0], &b, &fd), -EBADMSG);
	assert_int_equal(fd, -1);
	(void)close(pair[1]);
	assert_int_equal(dial_recv_answer(pair[0], &b, &fd), 0);
	(void)close(pair[0]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_jobs__configured_target__connects),
		T(test_jobs__other_host_or_port__is_refused),
		T(test_jobs__name_of_dns_and_search_list__connects),
		T(test_jobs__unknown_name__fails_with_words),
		T(test_jobs__advertised_peer_near_and_far__by_its_address),
		T(test_jobs__silent_name_server__holds_up_nobody),
		T(test_jobs__closed_port__says_so),
		T(test_jobs__too_many_of_one_output__are_turned_away),
		cmocka_unit_test(test_judge__patterns_and_ports),
		cmocka_unit_test(test_recv__what_is_no_packet_of_ours__is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
