/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that ask a running saker: one request over the control socket, and its JSON as it is or
 * as text. They change nothing but for test-alert, which executes this very program under a name
 * that saker's own test rule knows. Input: the answer of the process that owns the socket, bounded
 * in size; texts in it are shown without control characters. */
#include "control.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "client_text.h"
#include "sup.h"

#define EXIT_DEGRADED 3
#define EXIT_NOT_RUNNING 4
#define CLIENT_TIMEOUT_S 10
#define TEST_WAIT_NS (5 * NS_PER_S)
#define OUTPUT_TEST_NS (10 * NS_PER_S)
#define TEST_LOOK_NS (50 * NS_PER_MS)
#define TEST_OUTPUTS_MAX PLAN_OUTPUTS_MAX

extern char **environ;

static int ask(const char *path, uint32_t type, const char *name, int *ret_fd)
{
	struct control_request q = {.magic = CONTROL_MAGIC, .type = type};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval tv = {.tv_sec = CLIENT_TIMEOUT_S};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	(void)snprintf(q.name, sizeof(q.name), "%s", name);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	if (send(fd, &q, sizeof(q), MSG_NOSIGNAL) != (ssize_t)sizeof(q))
		return -EIO;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* *ret_text: caller frees. The result of the request, or negative errno. */
static int fetch(const char *path, char **ret_text)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	struct control_reply head;
	size_t n = 0;
	int r;

	r = ask(path, CONTROL_STATUS, "", &fd);
	if (r < 0)
		return r;
	if (recv(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
		head.magic != CONTROL_MAGIC || head.size > CONTROL_REPLY_MAX)
		return -EBADMSG;
	text = malloc(head.size + 1);
	if (!text)
		return -ENOMEM;
	while (n < head.size) {
		ssize_t k = recv(fd, text + n, head.size - n, 0);

		if (k <= 0)
			return k < 0 ? -errno : -EBADMSG;
		n += (size_t)k;
	}
	text[n] = 0;
	*ret_text = TAKE_PTR(text);
	return head.result;
}

static int fetch_json(const char *path, json_t **ret_status, int *ret_result)
{
	_cleanup_free_ char *text = NULL;
	json_error_t e;
	int r;

	r = fetch(path, &text);
	if (r == -ECONNREFUSED || r == -ENOENT) {
		(void)fprintf(stderr, "saker: not running: nobody answers at '%s'\n", path);
		return -ENOENT;
	}
	if (r == -EACCES || r == -EPERM) {
		(void)fprintf(stderr, "saker: error: no permission to ask at '%s'\n", path);
		return r;
	}
	if (r < 0) {
		(void)fprintf(stderr, "saker: error: ask at '%s': %s\n", path, strerror(-r));
		return r;
	}
	*ret_status = json_loads(text, 0, &e);
	if (!*ret_status) {
		(void)fprintf(stderr, "saker: error: the answer at '%s' is no JSON\n", path);
		return -EBADMSG;
	}
	*ret_result = r;
	return 0;
}

int client_status(const struct args *a, const char *socket_path)
{
	const bool is_terminal = isatty(STDOUT_FILENO);
	int result = 0, r;

	/* set-up blocked them for the server's loop; here they end us */
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (;;) {
		json_t *o = NULL;

		r = fetch_json(socket_path, &o, &result);
		if (r < 0)
			return r == -ENOENT ? EXIT_NOT_RUNNING : EXIT_FAILURE;
		if (a->watch && is_terminal && !a->json)
			(void)printf("\033[H\033[2J");
		if (a->json) {
			(void)json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
			(void)printf("\n");
		} else {
			client_print_status(o, is_terminal && !getenv("NO_COLOR"));
		}
		json_decref(o);
		if (fflush(stdout) != 0)
			return EXIT_FAILURE;
		if (!a->watch)
			return result;
		(void)sleep(1);
	}
}

static unsigned read_outputs(const json_t *status, uint64_t delivered[TEST_OUTPUTS_MAX])
{
	const json_t *outputs = json_object_get(status, "outputs");
	size_t n = MIN(json_array_size(outputs), (size_t)TEST_OUTPUTS_MAX);

	for (size_t i = 0; i < n; i++)
		delivered[i] = (uint64_t)json_integer_value(
			json_object_get(json_array_get(outputs, i), "test_delivered"));
	return (unsigned)n;
}

static int run_test_program(void)
{
	char *argv[] = {"saker-test-alert", NULL};
	posix_spawnattr_t attr;
	int status, r;
	pid_t pid;
	sigset_t none;

	(void)sigemptyset(&none);
	if (posix_spawnattr_init(&attr) != 0)
		return -ENOMEM;
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	r = posix_spawn(&pid, "/proc/self/exe", NULL, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	if (r != 0)
		return -r;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0
		       ? 0
		       : -ECHILD;
}

static int print_test(const json_t *status, const uint64_t *before, unsigned n, bool as_json)
{
	const json_t *outputs = json_object_get(status, "outputs");
	json_t *rows = json_array();
	bool all = true;

	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(outputs, i);
		bool arrived = (uint64_t)json_integer_value(json_object_get(o, "test_delivered")) >
			       before[i];
		const char *name = json_string_value(json_object_get(o, "name"));
		double ms = json_real_value(json_object_get(o, "test_latency_ms"));
		json_t *row = json_object();

		all = all && arrived;
		json_object_set_new(row, "name", json_string(name ? name : "?"));
		json_object_set_new(row, "arrived", json_boolean(arrived));
		json_object_set_new(row, "latency_ms", arrived ? json_real(ms) : json_null());
		json_array_append_new(rows, row);
		if (!as_json && arrived)
			(void)printf("%-32s arrived after %.1f ms\n", name ? name : "?", ms);
		else if (!as_json)
			(void)printf("%-32s did not arrive\n", name ? name : "?");
	}
	if (as_json) {
		(void)json_dumpf(rows, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
		(void)printf("\n");
	}
	json_decref(rows);
	return all ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool all_arrived(const json_t *status, const uint64_t *before, unsigned n)
{
	uint64_t now[TEST_OUTPUTS_MAX] = {0};

	if (read_outputs(status, now) != n)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (now[i] <= before[i])
			return false;
	return true;
}

int client_test_alert(const struct args *a, const char *socket_path)
{
	static const struct timespec look = {.tv_nsec = (long)TEST_LOOK_NS};
	uint64_t before[TEST_OUTPUTS_MAX] = {0}, deadline;
	json_t *o = NULL;
	const char *engine;
	int result, r;
	unsigned n;

	r = fetch_json(socket_path, &o, &result);
	if (r < 0)
		return r == -ENOENT ? EXIT_NOT_RUNNING : EXIT_FAILURE;
	engine = json_string_value(json_object_get(o, "engine"));
	n = read_outputs(o, before);
	if (!engine || strcmp(engine, "modern_ebpf") != 0 || n == 0) {
		(void)fprintf(stderr, "saker: error: %s\n",
			n == 0 ? "no output is configured"
			       : "a test alert needs live capture, this saker reads another "
				 "source");
		json_decref(o);
		return EXIT_FAILURE;
	}
	r = run_test_program();
	if (r < 0) {
		(void)fprintf(stderr, "saker: error: run the test program: %s\n", strerror(-r));
		json_decref(o);
		return EXIT_FAILURE;
	}
	deadline = clock_mono_ns() + TEST_WAIT_NS;
	do {
		(void)nanosleep(&look, NULL);
		json_decref(o);
		o = NULL;
		r = fetch_json(socket_path, &o, &result);
	} while (r == 0 && !all_arrived(o, before, n) && clock_mono_ns() < deadline);
	if (r < 0)
		return EXIT_FAILURE;
	result = print_test(o, before, n, a->json);
	json_decref(o);
	return result;
}

/* --- output test --- */

static const json_t *find_output(const json_t *status, const char *name)
{
	const json_t *outputs = json_object_get(status, "outputs");

	for (size_t i = 0; i < json_array_size(outputs); i++) {
		const json_t *o = json_array_get(outputs, i);
		const char *its = json_string_value(json_object_get(o, "name"));

		if (its && strcmp(its, name) == 0)
			return o;
	}
	return NULL;
}

static uint64_t tests_of(const json_t *status, const char *name)
{
	return (uint64_t)json_integer_value(
		json_object_get(find_output(status, name), "test_delivered"));
}

static void refuse_output(const json_t *status, const char *name)
{
	const json_t *outputs = json_object_get(status, "outputs");
	const char *known[TEST_OUTPUTS_MAX], *near;
	size_t n = 0;

	for (size_t i = 0; i < MIN(json_array_size(outputs), (size_t)TEST_OUTPUTS_MAX); i++) {
		known[n] = json_string_value(json_object_get(json_array_get(outputs, i), "name"));
		n += known[n] != NULL;
	}
	near = args_nearest(name, known, n);
	(void)fprintf(stderr, "saker: error: no output is named '%s'; ", name);
	if (near)
		(void)fprintf(stderr, "did you mean '%s'?\n", near);
	else if (n == 0)
		(void)fprintf(stderr, "this saker has none\n");
	else
		(void)fprintf(stderr, "there are:");
	for (size_t i = 0; !near && i < n; i++)
		(void)fprintf(stderr, "%s %s%s", i ? "," : "", known[i], i + 1 == n ? "\n" : "");
}

static int send_test(const char *path, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct control_reply head;
	int r;

	r = ask(path, CONTROL_OUTPUT_TEST, name, &fd);
	if (r < 0)
		return r;
	if (recv(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
		head.magic != CONTROL_MAGIC)
		return -EBADMSG;
	return head.result;
}

static int print_output_test(const json_t *status, const char *name, bool arrived, bool as_json)
{
	const json_t *o = find_output(status, name), *error = json_object_get(o, "last_error");
	double ms = json_real_value(json_object_get(o, "test_latency_ms"));
	const char *why = json_string_value(error);

	if (as_json) {
		json_t *row = json_pack("{s:s, s:O?, s:b, s:o, s:O?}", "name", name, "kind",
			json_object_get(o, "kind"), "acknowledged", arrived, "latency_ms",
			arrived ? json_real(ms) : json_null(), "last_error", error);

		(void)json_dumpf(row, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
		(void)printf("\n");
		json_decref(row);
	} else if (arrived) {
		(void)printf("%s: acknowledged after %.1f ms\n", name, ms);
	} else {
		(void)fprintf(stderr,
			"saker: error: output '%s' has not acknowledged it within %llu s%s%s\n",
			name, (unsigned long long)(OUTPUT_TEST_NS / NS_PER_S),
			why ? "; its last error: " : "", why ? why : "");
	}
	return arrived ? EXIT_SUCCESS : EXIT_FAILURE;
}

int client_output_test(const struct args *a, const char *socket_path)
{
	static const struct timespec look = {.tv_nsec = (long)TEST_LOOK_NS};
	const char *name = a->words[1];
	uint64_t before, deadline;
	json_t *o = NULL;
	int result, r;

	r = fetch_json(socket_path, &o, &result);
	if (r < 0)
		return r == -ENOENT ? EXIT_NOT_RUNNING : EXIT_FAILURE;
	before = tests_of(o, name);
	if (!find_output(o, name)) {
		refuse_output(o, name);
		json_decref(o);
		return EXIT_FAILURE;
	}
	r = send_test(socket_path, name);
	if (r < 0) {
		(void)fprintf(stderr, "saker: error: test output '%s': %s\n", name,
			r == -EAGAIN ? "its emitter does not run now" : strerror(-r));
		json_decref(o);
		return EXIT_FAILURE;
	}
	deadline = clock_mono_ns() + OUTPUT_TEST_NS;
	do {
		(void)nanosleep(&look, NULL);
		json_decref(o);
		o = NULL;
		r = fetch_json(socket_path, &o, &result);
	} while (r == 0 && tests_of(o, name) <= before && clock_mono_ns() < deadline);
	if (r < 0)
		return EXIT_FAILURE;
	result = print_output_test(o, name, tests_of(o, name) > before, a->json);
	json_decref(o);
	return result;
}
