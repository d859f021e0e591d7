/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses from route messages: hand-made ones, mutilated ones, and the list of this machine. */

#include <sys/socket.h>
#include <linux/rtnetlink.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/hash.h>
#include <base/macros.h>
#include <driver/kev.h>

#include "netlink.h"

struct msg {
	uint64_t buf[64];
	size_t n;
};

static void add(struct msg *m, const void *p, size_t n)
{
	assert_true(m->n + ALIGN_UP(n, 4) <= sizeof(m->buf));
	memcpy((uint8_t *)m->buf + m->n, p, n);
	m->n += ALIGN_UP(n, 4);
	((struct nlmsghdr *)(void *)m->buf)->nlmsg_len = (uint32_t)m->n;
}

static void start(struct msg *m, uint16_t type, uint32_t seq)
{
	struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_seq = seq};

	*m = (struct msg){0};
	add(m, &h, sizeof(h));
}

static void add_attr(struct msg *m, uint16_t type, const void *p, size_t n)
{
	struct rtattr a = {.rta_type = type, .rta_len = (uint16_t)(sizeof(a) + n)};

	add(m, &a, sizeof(a));
	add(m, p, n);
}

static void make_link(struct msg *m, int index, const char *name)
{
	struct ifinfomsg i = {.ifi_index = index};

	start(m, RTM_NEWLINK, 1);
	add(m, &i, sizeof(i));
	add_attr(m, IFLA_IFNAME, name, strlen(name) + 1);
}

static void make_addr4(struct msg *m, uint32_t index)
{
	struct ifaddrmsg a = {.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = index};
	static const uint8_t peer[4] = {10, 0, 0, 2}, local[4] = {10, 0, 0, 1};

	start(m, RTM_NEWADDR, 2);
	add(m, &a, sizeof(a));
	add_attr(m, IFA_ADDRESS, peer, 4);
	add_attr(m, IFA_LOCAL, local, 4);
	add_attr(m, IFA_LABEL, "label0", 7);
}

static struct md_netlink *nl_new(int fd)
{
	struct md_netlink *nl = calloc(1, sizeof(*nl));

	assert_non_null(nl);
	nl->fd = fd;
	return nl;
}

static void test_md_netlink_parse__address_of_a_known_link__has_its_name(void **state)
{
	struct md_netlink *nl = nl_new(-1);
	struct msg m;
	struct md_addr a;
	bool has;

	(void)state;
	make_link(&m, 3, "eth0");
	assert_int_equal(md_netlink_parse(nl, m.buf, m.n, &has, &a), m.n);
	assert_false(has);
	make_addr4(&m, 3);
	assert_int_equal(md_netlink_parse(nl, m.buf, m.n, &has, &a), m.n);
	assert_true(has);
	assert_string_equal(a.name, "eth0");
	assert_int_equal(a.n, 4);
	assert_memory_equal(a.addr, "\x0a\x00\x00\x01", 4); /* the local one, not the peer's */
	assert_int_equal(a.prefix_len, 24);
	make_addr4(&m, 9); /* a link nobody told of: its label */
	assert_int_equal(md_netlink_parse(nl, m.buf, m.n, &has, &a), m.n);
	assert_string_equal(a.name, "label0");
	free(nl);
}

static void test_md_netlink_parse__ipv6__sixteen_bytes(void **state)
{
	struct ifaddrmsg h = {.ifa_family = AF_INET6, .ifa_prefixlen = 128, .ifa_index = 1};
	static const uint8_t one[16] = {[15] = 1};
	struct md_netlink *nl = nl_new(-1);
	struct md_addr a;
	struct msg m;
	bool has;

	(void)state;
	start(&m, RTM_NEWADDR, 2);
	add(&m, &h, sizeof(h));
	add_attr(&m, IFA_ADDRESS, one, 16);
	assert_true(md_netlink_parse(nl, m.buf, m.n, &has, &a) > 0);
	assert_true(has);
	assert_int_equal(a.n, 16);
	assert_memory_equal(a.addr, one, 16);
	free(nl);
}

static void test_md_netlink_parse__wrong_sizes__no_address(void **state)
{
	struct ifaddrmsg h = {.ifa_family = AF_INET, .ifa_prefixlen = 33, .ifa_index = 1};
	struct md_netlink *nl = nl_new(-1);
	struct md_addr a;
	struct msg m;
	bool has;

	(void)state;
	start(&m, RTM_NEWADDR, 2);
	add(&m, &h, sizeof(h));
	add_attr(&m, IFA_LOCAL, "\1\2\3\4", 4);
	assert_true(md_netlink_parse(nl, m.buf, m.n, &has, &a) > 0);
	assert_false(has); /* prefix of 33 bits */
	h.ifa_prefixlen = 8;
	start(&m, RTM_NEWADDR, 2);
	add(&m, &h, sizeof(h));
	add_attr(&m, IFA_LOCAL, "\1\2\3\4\5", 5);
	assert_true(md_netlink_parse(nl, m.buf, m.n, &has, &a) > 0);
	assert_false(has); /* five bytes */
	for (size_t n = 0; n < sizeof(struct nlmsghdr); n++)
		assert_int_equal(md_netlink_parse(nl, m.buf, n, &has, &a), -EBADMSG);
	((struct nlmsghdr *)(void *)m.buf)->nlmsg_len = 15;
	assert_int_equal(md_netlink_parse(nl, m.buf, m.n, &has, &a), -EBADMSG);
	((struct nlmsghdr *)(void *)m.buf)->nlmsg_len = (uint32_t)m.n + 1;
	assert_int_equal(md_netlink_parse(nl, m.buf, m.n, &has, &a), -EBADMSG);
	free(nl);
}

/* Every good message with a few bytes changed, in memory of its exact size. */
static void test_md_netlink_parse__mutilated_messages__never_outside(void **state)
{
	struct md_netlink *nl = nl_new(-1);
	uint64_t seed = 5;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct msg m;
		if (i % 2)
			make_addr4(&m, 3);
		else
			make_link(&m, 3, "eth0");
		size_t n = hash_u64(seed++) % 4 ? m.n : hash_u64(seed) % (m.n + 1);
		uint8_t *p = malloc(n ? n : 1);
		assert_non_null(p);
		memcpy(p, m.buf, n);
		for (unsigned j = 0; n && j < 3; j++, seed += 2)
			p[hash_u64(seed) % n] = (uint8_t)hash_u64(seed + 1);
		bool has = false;
		struct md_addr a;
		int r = md_netlink_parse(nl, p, n, &has, &a);
		assert_true(r == -EBADMSG || (r > 0 && (size_t)r <= n));
		if (has) {
			assert_true((a.n == 4 || a.n == 16) && a.prefix_len <= a.n * 8);
			assert_non_null(memchr(a.name, 0, sizeof(a.name)));
		}
		free(p);
	}
	free(nl);
}

static void test_md_netlink_next__this_machine__has_addresses_and_the_list_ends(void **state)
{
	static uint64_t buf[KEV_SIZE_MAX / 8];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	unsigned n = 0;

	(void)state;
	if (fd < 0)
		skip();
	struct md_netlink *nl = nl_new(fd);
	assert_int_equal(md_netlink_start(nl), 0);
	for (unsigned tries = 0; nl->dump != MD_DUMP_NONE && tries < 1000; tries++) {
		struct md_addr a;
		int r = md_netlink_next(nl, &a);

		assert_true(r >= 0);
		if (r == 0) {
			(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
			continue;
		}
		struct kev k;
		const char *why = "";
		int len = md_addr_record(&a, buf);
		if (kev_parse(buf, (size_t)len, &k, &why) < 0)
			fail_msg("record: %s", why);
		assert_int_equal(k.info->code, KEV_CODE_SAKER_IFACE);
		assert_true(kev_param_text(&k, 0).n > 0);
		assert_int_equal(k.param[1].n, a.n);
		n++;
	}
	assert_int_equal(nl->dump, MD_DUMP_NONE);
	assert_true(nl->links[0].index != 0);
	assert_int_equal(nl->n_bad, 0);
	print_message("%u addresses\n", n);
	free(nl);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_md_netlink_parse__address_of_a_known_link__has_its_name),
		cmocka_unit_test(test_md_netlink_parse__ipv6__sixteen_bytes),
		cmocka_unit_test(test_md_netlink_parse__wrong_sizes__no_address),
		cmocka_unit_test(test_md_netlink_parse__mutilated_messages__never_outside),
		cmocka_unit_test(
			test_md_netlink_next__this_machine__has_addresses_and_the_list_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
