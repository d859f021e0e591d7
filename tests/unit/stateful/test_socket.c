/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: types, roles, names, and when a name counts as changed. */

#include "kit.h"

#include <sys/socket.h>

#include <errno.h>
#include <string.h>

static struct kit k;

static int setup(void **state)
{
	static const uint8_t eth0[] = {10, 0, 0, 1}, lo[] = {127, 0, 0, 1};

	(void)state;
	kit_open_with_shell(&k, 0);
	kit_start(&k, KEV_CODE_SAKER_IFACE, 0, 0);
	kit_text(&k, "lo");
	kit_raw(&k, lo, 4);
	kit_int(&k, 8);
	assert_int_equal(kit_send_state(&k), 0);
	kit_start(&k, KEV_CODE_SAKER_IFACE, 0, 0);
	kit_text(&k, "eth0");
	kit_raw(&k, eth0, 4);
	kit_int(&k, 24);
	assert_int_equal(kit_send_state(&k), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kit_close(&k);
	return 0;
}

static size_t put4(uint8_t *to, uint32_t ip, uint16_t port)
{
	uint32_t net = __builtin_bswap32(ip);

	memcpy(to, &net, 4);
	memcpy(to + 4, &port, 2);
	return 6;
}

static void raw_tuple(uint32_t sip, uint16_t sport, uint32_t dip, uint16_t dport)
{
	uint8_t t[13] = {AF_INET};

	put4(t + 1, sip, sport);
	put4(t + 7, dip, dport);
	kit_raw(&k, t, sizeof(t));
}

static void raw_addr(uint32_t ip, uint16_t port)
{
	uint8_t a[7] = {AF_INET};

	put4(a + 1, ip, port);
	kit_raw(&k, a, sizeof(a));
}

#define US 0x0a000001 /* 10.0.0.1 */
#define THEM 0x08080808
#define LOOP 0x7f000001

static void do_socket(int64_t fd, int domain, int type, int proto)
{
	kit_start(&k, KEV_CODE_SOCKET_SOCKET_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, fd);
	kit_int(&k, domain);
	kit_int(&k, type);
	kit_int(&k, proto);
	kit_int(&k, 0);
	assert_int_equal(kit_send(&k), 0);
}

static void do_connect(
	int64_t fd, int64_t res, uint32_t sip, uint16_t sport, uint32_t dip, uint16_t dport)
{
	kit_start(&k, KEV_CODE_SOCKET_CONNECT_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, res);
	raw_tuple(sip, sport, dip, dport);
	kit_int(&k, fd);
	assert_int_equal(kit_send(&k), 0);
}

static void do_bind(int64_t fd, uint32_t ip, uint16_t port)
{
	kit_start(&k, KEV_CODE_SOCKET_BIND_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	raw_addr(ip, port);
	kit_int(&k, fd);
	assert_int_equal(kit_send(&k), 0);
}

static void do_sendto(int64_t fd, uint32_t sip, uint16_t sport, uint32_t dip, uint16_t dport)
{
	kit_start(&k, KEV_CODE_SOCKET_SENDTO_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 10);
	kit_raw(&k, "data", 4);
	kit_int(&k, fd);
	kit_int(&k, 10);
	raw_tuple(sip, sport, dip, dport);
	assert_int_equal(kit_send(&k), 0);
}

static void do_recvfrom(int64_t fd, uint32_t sip, uint16_t sport, uint32_t dip, uint16_t dport)
{
	kit_start(&k, KEV_CODE_SOCKET_RECVFROM_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 10);
	kit_raw(&k, "data", 4);
	raw_tuple(sip, sport, dip, dport);
	kit_int(&k, fd);
	assert_int_equal(kit_send(&k), 0);
}

static void test_socket__each_domain__type_and_protocol(void **state)
{
	static const struct {
		int domain, type, proto;
		uint8_t want_type, want_l4;
	} rows[] = {
		{AF_INET, SOCK_STREAM, 0, EV_FD_IPV4, EV_L4_TCP},
		{AF_INET, SOCK_DGRAM, 0, EV_FD_IPV4, EV_L4_UDP},
		{AF_INET, SOCK_DGRAM, 17, EV_FD_IPV4, EV_L4_UDP},
		{AF_INET, SOCK_RAW, 1, EV_FD_IPV4, EV_L4_RAW},
		{AF_INET, SOCK_DGRAM, 1, EV_FD_IPV4, EV_L4_ICMP},
		{AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 6, EV_FD_IPV6, EV_L4_TCP},
		{AF_UNIX, SOCK_STREAM, 0, EV_FD_UNIX, EV_L4_UNKNOWN},
		{AF_NETLINK, SOCK_RAW, 0, EV_FD_NETLINK, EV_L4_UNKNOWN},
		{AF_PACKET, SOCK_RAW, 3, EV_FD_UNKNOWN, EV_L4_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		do_socket(3, rows[i].domain, rows[i].type, rows[i].proto);
		assert_int_equal(kit_event_fd(&k)->type, rows[i].want_type);
		assert_int_equal(kit_event_fd(&k)->l4, rows[i].want_l4);
		assert_int_equal(kit_event_fd(&k)->role, EV_ROLE_NONE);
		assert_null(kit_fd_name(&k));
	}
	do_socket(4, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(kit_fd(&k, KIT_SHELL, 4)->cloexec);
}

static void test_connect__success__client(void **state)
{
	const struct ev_fd *fd;

	(void)state;
	do_socket(3, AF_INET, SOCK_STREAM, 0);
	do_connect(3, 0, US, 40000, THEM, 443);
	fd = kit_event_fd(&k);
	assert_string_equal(kit_fd_name(&k), "10.0.0.1:40000->8.8.8.8:443");
	assert_int_equal(fd->role, EV_ROLE_CLIENT);
	assert_int_equal(
		fd->flags, EV_FD_KNOWN | EV_FD_CONNECTED | EV_FD_NAME_CHANGED | EV_FD_CLIENT_LOCAL);
	assert_int_equal(fd->sport, 40000);
	assert_int_equal(fd->dport, 443);
	assert_int_equal(fd->sip[0], 10);
	assert_int_equal(fd->dip[3], 8);
	do_connect(3, 0, US, 40000, THEM, 443);
	assert_int_equal(kit_event_fd(&k)->flags & EV_FD_NAME_CHANGED, 0);
}

static void test_connect__in_progress_and_failed(void **state)
{
	(void)state;
	do_socket(3, AF_INET, SOCK_STREAM, 0);
	do_connect(3, -ECONNREFUSED, US, 40000, THEM, 443);
	assert_int_equal(kit_event_fd(&k)->flags, EV_FD_KNOWN);
	assert_null(kit_fd_name(&k));
	do_connect(3, -EINPROGRESS, US, 40000, THEM, 443);
	assert_true(kit_event_fd(&k)->flags & EV_FD_CONNECTED);
	assert_string_equal(kit_fd_name(&k), "10.0.0.1:40000->8.8.8.8:443");
}

static void test_connect__unknown_descriptor__name_alone(void **state)
{
	(void)state;
	do_connect(9, 0, US, 40000, THEM, 443);
	assert_int_equal(kit_event_fd(&k)->flags, 0);
	assert_int_equal(kit_event_fd(&k)->num, 9);
	assert_string_equal(kit_fd_name(&k), "10.0.0.1:40000->8.8.8.8:443");
}

static void test_connect__mapped_v6__ipv4(void **state)
{
	uint8_t t[37] = {AF_INET6, [11] = 0xff, 0xff, 127, 0, 0, 1, 0x10, 0x27, [29] = 0xff, 0xff,
		127, 0, 0, 2, 80, 0};

	(void)state;
	do_socket(3, AF_INET6, SOCK_STREAM, 0);
	kit_start(&k, KEV_CODE_SOCKET_CONNECT_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	kit_raw(&k, t, sizeof(t));
	kit_int(&k, 3);
	kit_send(&k);
	assert_int_equal(kit_event_fd(&k)->type, EV_FD_IPV4);
	assert_string_equal(kit_fd_name(&k), "127.0.0.1:10000->127.0.0.2:80");
	assert_int_equal(kit_event_fd(&k)->flags & (EV_FD_CLIENT_LOCAL | EV_FD_SERVER_LOCAL),
		EV_FD_CLIENT_LOCAL | EV_FD_SERVER_LOCAL);
}

static void test_connect__v6__no_brackets(void **state)
{
	uint8_t t[37] = {AF_INET6, [16] = 1, [17] = 0x39, 0xd4, [19] = 0x20, 0x01, 0x0d,
		0xb8, [34] = 1, [35] = 0xbb, 0x01};

	(void)state;
	do_socket(3, AF_INET6, SOCK_STREAM, 0);
	kit_start(&k, KEV_CODE_SOCKET_CONNECT_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	kit_raw(&k, t, sizeof(t));
	kit_int(&k, 3);
	kit_send(&k);
	assert_string_equal(kit_fd_name(&k), "::1:54329->2001:db8::1:443");
}

static void test_connect__unix__pointers_and_path(void **state)
{
	uint8_t t[64] = {AF_UNIX, 0xcd, 0xab, [9] = 0x34, 0x12};

	(void)state;
	memcpy(t + 17, "/run/docker.sock", 17);
	do_socket(3, AF_UNIX, SOCK_STREAM, 0);
	kit_start(&k, KEV_CODE_SOCKET_CONNECT_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	kit_raw(&k, t, 17 + 17);
	kit_int(&k, 3);
	kit_send(&k);
	assert_string_equal(kit_fd_name(&k), "abcd->1234 /run/docker.sock");
	assert_int_equal(kit_event_fd(&k)->type, EV_FD_UNIX);
}

static void test_connect__no_tuple__the_address(void **state)
{
	(void)state;
	do_socket(3, AF_INET, SOCK_STREAM, 0);
	kit_start(&k, KEV_CODE_SOCKET_CONNECT_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	kev_build_absent(&k.b);
	kit_int(&k, 3);
	raw_addr(THEM, 53);
	kit_send(&k);
	assert_string_equal(kit_fd_name(&k), "0.0.0.0:0->8.8.8.8:53");
}

static void test_bind__port__server_socket(void **state)
{
	const struct ev_fd *fd;

	(void)state;
	do_socket(3, AF_INET, SOCK_STREAM, 0);
	do_bind(3, 0, 0);
	assert_int_equal(kit_event_fd(&k)->type, EV_FD_IPV4);
	assert_string_equal(kit_fd_name(&k), "0.0.0.0:0");
	do_bind(3, LOOP, 8080);
	fd = kit_event_fd(&k);
	assert_int_equal(fd->type, EV_FD_IPV4_SERVER);
	assert_int_equal(fd->role, EV_ROLE_SERVER);
	assert_int_equal(fd->dport, 8080);
	assert_string_equal(kit_fd_name(&k), "127.0.0.1:8080");
}

static void test_accept__success__server(void **state)
{
	const struct ev_fd *fd;

	(void)state;
	kit_start(&k, KEV_CODE_SOCKET_ACCEPT4_6_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 5);
	raw_tuple(THEM, 50000, US, 22);
	for (unsigned i = 2; i < 5; i++)
		kit_int(&k, 0);
	kit_int(&k, SOCK_CLOEXEC);
	kit_send(&k);
	fd = kit_event_fd(&k);
	assert_int_equal(fd->num, 5);
	assert_int_equal(fd->role, EV_ROLE_SERVER);
	assert_int_equal(fd->l4, EV_L4_TCP);
	assert_true(fd->flags & EV_FD_CONNECTED);
	assert_int_equal(fd->flags & (EV_FD_CLIENT_LOCAL | EV_FD_SERVER_LOCAL), EV_FD_SERVER_LOCAL);
	assert_string_equal(kit_fd_name(&k), "8.8.8.8:50000->10.0.0.1:22");
	assert_true(kit_fd(&k, KIT_SHELL, 5)->cloexec);
}

static void test_accept__failure__tuple_as_name(void **state)
{
	(void)state;
	kit_start(&k, KEV_CODE_SOCKET_ACCEPT_5_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, -EAGAIN);
	kit_send(&k);
	assert_int_equal(kit_event_fd(&k)->num, -1);
	assert_string_equal(kit_fd_name(&k), "NULL");
	assert_int_equal(k.core.fds.n_live, 0);
}

static void test_sendto__udp__client_once(void **state)
{
	(void)state;
	do_socket(3, AF_INET, SOCK_DGRAM, 0);
	do_sendto(3, 0, 5000, THEM, 53);
	assert_string_equal(kit_fd_name(&k),
		"10.0.0.1:5000->8.8.8.8:53"); /* "any" became the interface's address */
	assert_int_equal(kit_event_fd(&k)->role, EV_ROLE_CLIENT);
	assert_true(kit_event_fd(&k)->flags & EV_FD_NAME_CHANGED);
	do_sendto(3, 0, 5000, THEM, 53);
	assert_false(kit_event_fd(&k)->flags & EV_FD_NAME_CHANGED);
	do_recvfrom(3, THEM, 53, US, 5000); /* the answer: the same two ends */
	assert_false(kit_event_fd(&k)->flags & EV_FD_NAME_CHANGED);
	do_sendto(3, 0, 5000, LOOP, 53);
	assert_string_equal(kit_fd_name(&k), "127.0.0.1:5000->127.0.0.1:53");
}

static void test_recvfrom__bound_udp__server(void **state)
{
	(void)state;
	do_socket(3, AF_INET, SOCK_DGRAM, 0);
	do_bind(3, 0, 53);
	do_recvfrom(3, THEM, 4444, US, 53);
	assert_string_equal(kit_fd_name(&k), "8.8.8.8:4444->10.0.0.1:53");
	assert_int_equal(kit_event_fd(&k)->role, EV_ROLE_SERVER);
	assert_false(kit_event_fd(&k)->flags & EV_FD_CONNECTED); /* it had no peer until now */
	do_sendto(3, US, 53, THEM, 4444);                        /* the reply keeps the sides */
	assert_true(kit_event_fd(&k)->flags & EV_FD_CONNECTED);
	assert_string_equal(kit_fd_name(&k), "8.8.8.8:4444->10.0.0.1:53");
	assert_false(kit_event_fd(&k)->flags & EV_FD_NAME_CHANGED);
}

/* The kernel does not always tell both ends. */
static void test_recvfrom__ends_unknown__interface_of_the_other(void **state)
{
	(void)state;
	do_socket(3, AF_INET, SOCK_DGRAM, 0);
	do_sendto(3, 0, 5000, LOOP, 53);
	do_recvfrom(3, 0, 0, 0, 5000); /* only one end is filled in: the source */
	assert_string_equal(kit_fd_name(&k), "0.0.0.0:5000->10.0.0.1:0");
	do_recvfrom(3, 0x0a000042, 53, 0, 5000);
	assert_string_equal(kit_fd_name(&k), "10.0.0.1:5000->10.0.0.66:53");
}

static void test_recvmsg__descriptors_passed__old_entries_forgotten(void **state)
{
	struct {
		struct cmsghdr h;
		int32_t fds[2];
	} control[2] = {
		{{.cmsg_len = sizeof(struct cmsghdr) + 8,
			 .cmsg_level = SOL_SOCKET,
			 .cmsg_type = SCM_RIGHTS},
			{8, 9}},
		{{.cmsg_len = 1000, .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}, {7, 7}},
	};

	(void)state;
	kit_openat(&k, KIT_SHELL, 7, -100, "/a", 1);
	kit_openat(&k, KIT_SHELL, 9, -100, "/b", 1);
	kit_start(&k, KEV_CODE_SOCKET_RECVMSG_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 1);
	kit_int(&k, 1);
	kit_raw(&k, "x", 1);
	kev_build_absent(&k.b);
	kit_raw(&k, control, sizeof(control));
	kit_int(&k, 3);
	assert_int_equal(kit_send(&k), 0);
	assert_null(kit_fd(&k, KIT_SHELL, 9));
	assert_non_null(kit_fd(&k, KIT_SHELL, 7)); /* that header is longer than the rest */
}

static void test_ipv6_any__counts_as_local(void **state)
{
	(void)state;
	do_socket(3, AF_INET6, SOCK_STREAM, 0);
	assert_true(kit_event_fd(&k)->flags & EV_FD_SERVER_LOCAL);
	do_socket(4, AF_INET, SOCK_STREAM, 0);
	assert_false(kit_event_fd(&k)->flags & EV_FD_SERVER_LOCAL);
}

static void test_sendto__tcp_with_name__unchanged(void **state)
{
	(void)state;
	do_socket(3, AF_INET, SOCK_STREAM, 0);
	do_connect(3, 0, US, 40000, THEM, 443);
	do_sendto(3, US, 1, THEM, 2);
	assert_string_equal(kit_fd_name(&k), "10.0.0.1:40000->8.8.8.8:443");
}

static void test_sendto__unknown_descriptor__inferred(void **state)
{
	(void)state;
	do_sendto(7, US, 5000, THEM, 53);
	assert_int_equal(kit_event_fd(&k)->l4, EV_L4_UDP);
	assert_string_equal(kit_fd_name(&k), "10.0.0.1:5000->8.8.8.8:53");
	do_recvfrom(8, THEM, 53, US, 5000);
	assert_int_equal(kit_event_fd(&k)->flags, 0);
}

static void test_socketpair__both_unix(void **state)
{
	(void)state;
	kit_start(&k, KEV_CODE_SOCKET_SOCKETPAIR_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	kit_int(&k, 6);
	kit_int(&k, 7);
	kit_send(&k);
	assert_int_equal(kit_event_fd(&k)->num, 7);
	assert_int_equal(kit_fd(&k, KIT_SHELL, 6)->type, EV_FD_UNIX);
	assert_int_equal(kit_fd(&k, KIT_SHELL, 7)->type, EV_FD_UNIX);
}

static void test_dup2__socket__stdin_is_the_socket(void **state)
{
	(void)state;
	do_socket(3, AF_INET, SOCK_STREAM, 0);
	do_connect(3, 0, US, 40000, THEM, 443);
	kit_start(&k, KEV_CODE_SYSCALL_DUP2_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	kit_int(&k, 3);
	kit_int(&k, 0);
	kit_send(&k);
	assert_int_equal(kit_event_fd(&k)->num, 0);
	assert_int_equal(kit_event_fd(&k)->type, EV_FD_IPV4);
	assert_string_equal(kit_fd_name(&k), "10.0.0.1:40000->8.8.8.8:443");
}

static void test_tuples__cut_or_strange__no_address(void **state)
{
	uint8_t bytes[40] = {0};

	(void)state;
	do_socket(3, AF_INET, SOCK_STREAM, 0);
	for (unsigned family = 0; family < 256; family++) {
		for (size_t n = 0; n < 13; n++) {
			bytes[0] = (uint8_t)family;
			kit_start(&k, KEV_CODE_SOCKET_CONNECT_X, KIT_SHELL, KIT_SHELL);
			kit_int(&k, 0);
			kit_raw(&k, bytes, n);
			kit_int(&k, 3);
			kit_send(&k);
			assert_null(kit_fd_name(&k));
		}
		kit_forget_output(&k);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_socket__each_domain__type_and_protocol),
		T(test_connect__success__client),
		T(test_connect__in_progress_and_failed),
		T(test_connect__unknown_descriptor__name_alone),
		T(test_connect__mapped_v6__ipv4),
		T(test_connect__v6__no_brackets),
		T(test_connect__unix__pointers_and_path),
		T(test_connect__no_tuple__the_address),
		T(test_bind__port__server_socket),
		T(test_accept__success__server),
		T(test_accept__failure__tuple_as_name),
		T(test_sendto__udp__client_once),
		T(test_recvfrom__bound_udp__server),
		T(test_recvmsg__descriptors_passed__old_entries_forgotten),
		T(test_ipv6_any__counts_as_local),
		T(test_recvfrom__ends_unknown__interface_of_the_other),
		T(test_sendto__tcp_with_name__unchanged),
		T(test_sendto__unknown_descriptor__inferred),
		T(test_socketpair__both_unix),
		T(test_dup2__socket__stdin_is_the_socket),
		T(test_tuples__cut_or_strange__no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
