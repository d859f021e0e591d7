/* SPDX-License-Identifier: Apache-2.0 */
/* The dialer's names of rules: which there are, what is told of them and when. The answers are those
 * of a hosts file; questions to name servers are test_dialer.c's. */

#include <sys/mman.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <abi/events.h>
#include <base/cleanup.h>
#include <base/clock.h>
#include <base/macros.h>
#include <driver/kev.h>
#include <rules/compile.h>

#include "dialer_names.h"
#include "resolve/resolve.h"

#define RULES                                                                                      \
	"- list: miners\n  items: [pool.test, other.test]\n"                                       \
	"- macro: api\n  condition: (fd.sip.name=\"api.test\")\n"                                  \
	"- rule: r\n  desc: d\n  priority: INFO\n  output: \"%fd.cip.name\"\n"                     \
	"  condition: evt.type=connect and (api or fd.rip.name in (miners) or "                    \
	"fd.lip.name != six.test or fd.sip.name=api.test) and proc.name != no.test\n"

struct world {
	struct names *names;
	struct resolve *resolve;
	struct rules_result image;
	struct diag d;
	uint64_t now_ns;
};

static void watch(void *ctx, int fd, uint32_t events)
{
	(void)ctx;
	(void)fd;
	(void)events;
}

static int read_text(struct world *w, enum names_file f, const char *text)
{
	_cleanup_close_ int fd = memfd_create("text", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return names_read(w->names, f, fd);
}

static void compile(struct world *w, const char *text)
{
	struct rules_output out = {.name = "stdout", .min_priority = 7};
	struct rules_options opt = {.min_priority = 7, .outputs = &out, .n_outputs = 1};
	struct rules_file file = {.name = "r.yaml", .text = text, .n = strlen(text)};
	const char *why = "";

	diag_init(&w->d);
	assert_int_equal(rules_compile(&file, 1, &opt, &w->d, &w->image), 0);
	assert_int_equal(
		resolve_new(w->image.image, w->image.size, w->names, &w->resolve, &why), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(names_new(watch, w, &w->names), 0);
	assert_int_equal(read_text(w, NAMES_SWITCH, "hosts: files\n"), 1);
	assert_int_equal(
		read_text(w, NAMES_HOSTS,
			"192.0.2.2 api.test\n192.0.2.1 api.test pool.test\n2001:db8::1 six.test\n"),
		1);
	w->now_ns = NS_PER_S;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	w->resolve = resolve_free(w->resolve);
	w->names = names_free(w->names);
	diag_done(&w->d);
	free(w->image.image);
	free(w);
	return 0;
}

/* All that is to be told, as "name=v4/v6 " in hexadecimal. */
static const char *told(struct world *w)
{
	static char text[4096];
	static uint64_t buf[KEV_SIZE_MAX / 8];
	size_t n = 0;
	int len;

	text[0] = '\0';
	while ((len = resolve_record(w->resolve, buf)) > 0) {
		const char *why;
		struct kev k;

		assert_int_equal(kev_parse(buf, (size_t)len, &k, &why), 0);
		assert_int_equal(k.head->type, KEV_CODE_SAKER_NAME);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=", k.param[0].p);
		for (unsigned p = 1; p <= 2; p++) {
			for (size_t i = 0; i < k.param[p].n; i++)
				n += (size_t)snprintf(text + n, sizeof(text) - n, "%02x",
					(uint8_t)k.param[p].p[i]);
			n += (size_t)snprintf(text + n, sizeof(text) - n, p == 1 ? "/" : " ");
		}
		resolve_taken(w->resolve);
	}
	return text;
}

#define SIX "20010db8000000000000000000000001"

static void test_resolve__image__its_names_once_and_their_addresses(void **state)
{
	struct world *w = *state;
	unsigned n_left_out;

	compile(w, RULES);
	assert_int_equal(resolve_count(w->resolve, &n_left_out), 4);
	assert_int_equal(n_left_out, 0);
	assert_false(resolve_is_first_done(w->resolve));
	assert_int_equal(resolve_tick(w->resolve, w->now_ns), 4);
	assert_false(resolve_is_first_done(w->resolve)); /* not told yet */
	assert_string_equal(
		told(w), "api.test=c0000201c0000202/ pool.test=c0000201/ six.test=/" SIX " ");
	assert_true(resolve_is_first_done(w->resolve));
}

static void test_resolve__nothing_new__silent_and_ever_less_often(void **state)
{
	struct world *w = *state;
	/* the first answer was news: 10 s, then twice as long each time, at most 320 s */
	static const unsigned waits[] = {10, 20, 40, 80, 160, 320, 320};

	compile(w, "- rule: r\n  desc: d\n  priority: INFO\n  output: o\n"
		   "  condition: evt.type=connect and fd.sip.name=api.test\n");
	assert_int_equal(resolve_tick(w->resolve, w->now_ns), 1);
	(void)told(w);
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		w->now_ns += waits[i] * NS_PER_S - 1;
		assert_int_equal(resolve_tick(w->resolve, w->now_ns), 0);
		w->now_ns++;
		assert_int_equal(resolve_tick(w->resolve, w->now_ns), 1);
		assert_string_equal(told(w), "");
	}
}

static void test_resolve__hosts_file_changed__told_at_once(void **state)
{
	struct world *w = *state;

	compile(w, RULES);
	(void)resolve_tick(w->resolve, w->now_ns);
	(void)told(w);
	assert_int_equal(
		read_text(w, NAMES_HOSTS, "192.0.2.7 api.test\n2001:db8::1 six.test\n"), 1);
	assert_int_equal(
		read_text(w, NAMES_HOSTS, "192.0.2.7 api.test\n2001:db8::1 six.test\n"), 0);
	resolve_ask_all(w->resolve);
	assert_int_equal(resolve_tick(w->resolve, w->now_ns), 4);
	/* one has gone: it has no address any more */
	assert_string_equal(told(w), "api.test=c0000207/ pool.test=/ ");
}

static void test_resolve__new_tracker__all_again(void **state)
{
	struct world *w = *state;

	compile(w, RULES);
	(void)resolve_tick(w->resolve, w->now_ns);
	(void)told(w);
	resolve_tell_all(w->resolve);
	/* from where it stopped, round */
	assert_string_equal(
		told(w), "six.test=/" SIX " api.test=c0000201c0000202/ pool.test=c0000201/ ");
	assert_string_equal(told(w), "");
}

/* Nobody answers: what was known stays, for an hour. */
static void test_resolve__no_answer__keeps_what_was_known_for_an_hour(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	_cleanup_close_ int dns = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct world *w = *state;
	socklen_t len = sizeof(a);
	char text[64];
	uint64_t from;

	compile(w, RULES);
	(void)resolve_tick(w->resolve, w->now_ns);
	(void)told(w);
	from = w->now_ns;
	/* bound and never read: nobody answers there */
	assert_int_equal(bind(dns, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(dns, (struct sockaddr *)&a, &len), 0);
	(void)snprintf(text, sizeof(text), "nameserver [127.0.0.1]:%u\n", ntohs(a.sin_port));
	assert_int_equal(read_text(w, NAMES_SWITCH, "hosts: dns\n"), 1);
	assert_int_equal(read_text(w, NAMES_RESOLV, text), 1);
	for (unsigned round = 0; round < 2; round++) {
		resolve_ask_all(w->resolve);
		w->now_ns = from + (round ? 3601 : 3500) * NS_PER_S;
		(void)resolve_tick(w->resolve, w->now_ns);
		for (uint64_t until = clock_mono_ns() + 30 * NS_PER_S;
			names_timeout_ms(w->names) >= 0 && clock_mono_ns() < until;
			names_ready(w->names, -1, 0))
			(void)usleep(5000);
		assert_string_equal(told(w), round ? "six.test=/ api.test=/ pool.test=/ " : "");
	}
}

static void test_resolve__too_many__counted(void **state)
{
	struct world *w = *state;
	size_t cap = 200000, n;
	char *text = malloc(cap);
	unsigned n_left_out;

	assert_non_null(text);
	n = (size_t)snprintf(text, cap, "%s",
		"- rule: r\n  desc: d\n  priority: INFO\n  output: o\n"
		"  condition: evt.type=connect and fd.sip.name in (first.test");
	for (unsigned i = 0; i < RESOLVE_NAMES_MAX + 5; i++)
		n += (size_t)snprintf(text + n, cap - n, ", n%u.test", i);
	(void)snprintf(text + n, cap - n, ")\n");
	compile(w, text);
	free(text);
	assert_int_equal(resolve_count(w->resolve, &n_left_out), RESOLVE_NAMES_MAX);
	assert_int_equal(n_left_out, 6); /* with the first */
}

static void test_resolve__garbage__is_refused(void **state)
{
	static const uint64_t zeros[64];
	struct world *w = *state;
	const char *why = "";

	assert_true(resolve_new(zeros, sizeof(zeros), w->names, &w->resolve, &why) < 0);
	assert_string_not_equal(why, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_resolve__image__its_names_once_and_their_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_resolve__nothing_new__silent_and_ever_less_often, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_resolve__hosts_file_changed__told_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_resolve__new_tracker__all_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_resolve__no_answer__keeps_what_was_known_for_an_hour, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resolve__too_many__counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resolve__garbage__is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
