/* SPDX-License-Identifier: Apache-2.0 */
/* Names of addresses: fd.sip.name and its like, by what was told last. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>

static void tell(struct replica *r, const char *name, struct span v4, struct span v6)
{
	static _Alignas(8) uint8_t buf[8192];
	struct kev_builder b;
	const char *why;
	struct kev k;
	int n;

	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_SAKER_NAME, 0);
	kev_build_text(&b, span_str(name));
	kev_build_raw(&b, v4.p, v4.n);
	kev_build_raw(&b, v6.p, v6.n);
	n = kev_build_finish(&b);
	assert_true(n > 0);
	assert_int_equal(kev_parse(buf, (size_t)n, &k, &why), 0);
	replica_put_name(r, &k);
}

#define NONE ((struct span){.p = "", .n = 0})
#define SERVER SPAN_LIT("\1\2\3\4")
#define CLIENT SPAN_LIT("\12\0\0\1")
#define SIX SPAN_LIT("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1")

static int setup(void **state)
{
	struct bench *b = bench_new();

	bench_thread(b,
		&(struct bench_thread){.slot = 1, .parent = PREC_NO_SLOT, .tid = 1, .comm = "x"});
	assert_int_equal(replica_names_init(&b->e.replica), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static void event(struct bench *b, enum ev_fd_type type, uint8_t role)
{
	struct ev_fd fd = {.num = 5,
		.type = (uint8_t)type,
		.l4 = EV_L4_TCP,
		.role = role,
		.flags = EV_FD_KNOWN | EV_FD_CLIENT_LOCAL,
		.sport = 5000,
		.dport = 443};

	memcpy(fd.sip, CLIENT.p, CLIENT.n);
	memcpy(fd.dip, type == EV_FD_IPV6 ? SIX.p : SERVER.p,
		type == EV_FD_IPV6 ? SIX.n : SERVER.n);
	bench_event(b, KEV_CODE_SOCKET_CONNECT_X, 1);
	bench_res(b, 0);
	bench_att_fd(b, EV_ATT_FD, -1, &fd, "a->b");
	bench_event_end(b);
}

static bool in(struct bench *b, const char *field, const char *one, const char *two)
{
	uint32_t first = bench_const_str(b, one);

	(void)bench_const_str(b, two);
	return evl_pred_eval(&b->e, &b->preds[bench_pred(b, bench_field(b, field), IMG_OP_IN,
					    IMG_RHS_SET, bench_set(b, first, true))]);
}

static void test_name__told__equal_in_and_shown(void **state)
{
	struct bench *b = *state;

	tell(&b->e.replica, "b.test", SERVER, NONE);
	tell(&b->e.replica, "a.test", SERVER, SIX);
	tell(&b->e.replica, "me.test", CLIENT, NONE);
	event(b, EV_FD_IPV4, EV_ROLE_CLIENT);
	assert_true(bench_test(b, "fd.sip.name", IMG_OP_EQ, "a.test"));
	assert_true(bench_test(b, "fd.sip.name", IMG_OP_EQ, "b.test"));
	assert_false(bench_test(b, "fd.sip.name", IMG_OP_EQ, "me.test"));
	assert_false(bench_test(b, "fd.sip.name", IMG_OP_NE, "b.test"));
	assert_true(bench_test(b, "fd.sip.name", IMG_OP_NE, "me.test"));
	assert_true(bench_test(b, "fd.sip.name", IMG_OP_EXISTS, ""));
	assert_true(bench_test(b, "fd.cip.name", IMG_OP_EQ, "me.test"));
	assert_true(bench_test(b, "fd.lip.name", IMG_OP_EQ, "me.test"));
	assert_true(bench_test(b, "fd.rip.name", IMG_OP_EQ, "a.test"));
	assert_field(b, "fd.sip.name", "a.test");
	assert_field(b, "fd.lip.name", "me.test");
	event(b, EV_FD_IPV6, EV_ROLE_CLIENT);
	assert_true(bench_test(b, "fd.sip.name", IMG_OP_EQ, "a.test"));
	assert_false(bench_test(b, "fd.sip.name", IMG_OP_EQ, "b.test"));
}

static void test_name__in_a_set__any_name_of_the_address(void **state)
{
	struct bench *b = *state;

	tell(&b->e.replica, "b.test", SERVER, NONE);
	tell(&b->e.replica, "a.test", SERVER, NONE);
	event(b, EV_FD_IPV4, EV_ROLE_CLIENT);
	assert_true(in(b, "fd.sip.name", "x.test", "b.test"));
	assert_true(in(b, "fd.sip.name", "a.test", "x.test"));
	assert_false(in(b, "fd.sip.name", "x.test", "y.test"));
	assert_false(in(b, "fd.cip.name", "a.test", "b.test"));
}

/* An address that has no name differs from every name; no address is nothing to compare. */
static void test_name__not_told__no_value(void **state)
{
	struct bench *b = *state;

	event(b, EV_FD_IPV4, EV_ROLE_CLIENT);
	assert_false(bench_test(b, "fd.sip.name", IMG_OP_EQ, "a.test"));
	assert_true(bench_test(b, "fd.sip.name", IMG_OP_NE, "a.test"));
	assert_false(bench_test(b, "fd.sip.name", IMG_OP_EXISTS, ""));
	assert_field(b, "fd.sip.name", "<NA>");
	event(b, EV_FD_IPV4, EV_ROLE_NONE);
	assert_false(bench_test(b, "fd.sip.name", IMG_OP_NE, "a.test"));
	event(b, EV_FD_FILE, EV_ROLE_NONE);
	assert_false(bench_test(b, "fd.sip.name", IMG_OP_NE, "a.test"));
}

static void test_name__told_again__only_the_last_counts(void **state)
{
	struct bench *b = *state;

	tell(&b->e.replica, "a.test", SERVER, NONE);
	tell(&b->e.replica, "a.test", CLIENT, NONE);
	event(b, EV_FD_IPV4, EV_ROLE_CLIENT);
	assert_false(bench_test(b, "fd.sip.name", IMG_OP_EQ, "a.test"));
	assert_true(bench_test(b, "fd.cip.name", IMG_OP_EQ, "a.test"));
	tell(&b->e.replica, "a.test", NONE, NONE);
	event(b, EV_FD_IPV4, EV_ROLE_CLIENT);
	assert_false(bench_test(b, "fd.cip.name", IMG_OP_EXISTS, ""));
}

/* Many, changed many times: the table is what a plain list says. More than it holds is counted. */
static void test_names__random_changes__as_a_plain_list(void **state)
{
	enum { N = 40, IPS = 12 };
	struct bench *b = *state;
	struct replica *r = &b->e.replica;
	uint32_t has[N] = {0}; /* bits: addresses 10.9.0.i */
	char name[32];

	srandom(3);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = (unsigned)random() % N;
		uint8_t ips[IPS * 4];
		size_t n = 0;

		has[i] = (uint32_t)random() & ((1u << IPS) - 1) & (uint32_t)random();
		for (unsigned k = 0; k < IPS; k++)
			if (has[i] & 1u << k)
				memcpy(ips + n++ * 4, (const uint8_t[]){10, 9, 0, (uint8_t)k}, 4);
		(void)snprintf(name, sizeof(name), "n%u.test", i);
		tell(r, name, (struct span){(const char *)ips, n * 4}, NONE);
		if (step % 50)
			continue;
		for (unsigned k = 0; k < IPS; k++) {
			uint32_t at = REPLICA_NO_ID, seen = 0, want = 0;
			struct span s;

			while (replica_names_of(
				r, 4, (const uint8_t[]){10, 9, 0, (uint8_t)k}, &at, &s)) {
				assert_true(has[(unsigned)atoi(s.p + 1)] >> k & 1);
				seen++;
			}
			for (unsigned j = 0; j < N; j++)
				want += has[j] >> k & 1;
			assert_int_equal(seen, want);
		}
	}
	assert_int_equal(r->n_cut, 0);
	for (unsigned i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "m%u.test", i);
		tell(r, name, SERVER, NONE);
	}
	assert_true(r->n_cut >= 5000 - 4096);
	assert_true(r->n_cut <= 5000 - 4096 + N);
}

static void test_names__too_long_or_empty__passed_over(void **state)
{
	struct bench *b = *state;
	char name[400];

	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	tell(&b->e.replica, name, SERVER, NONE);
	tell(&b->e.replica, "", SERVER, NONE);
	tell(&b->e.replica, "odd.test", SPAN_LIT("\1\2\3\4\5\6"), NONE); /* one, and a rest */
	event(b, EV_FD_IPV4, EV_ROLE_CLIENT);
	assert_field(b, "fd.sip.name", "odd.test");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_name__told__equal_in_and_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_name__in_a_set__any_name_of_the_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_name__not_told__no_value, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_name__told_again__only_the_last_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_names__random_changes__as_a_plain_list, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_names__too_long_or_empty__passed_over, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
