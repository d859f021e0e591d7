/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages over a real socket pair: what passes, what is refused, and that a refused one
 * leaves no descriptor open. */
#include <sys/socket.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/cleanup.h>
#include <stage/ctl.h>

static int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static int pair[2];

static int setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
}

static int teardown(void **state)
{
	(void)state;
	(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}

static struct ctl_msg good(void)
{
	return (struct ctl_msg){.magic = CTL_MAGIC,
		.type = CTL_FD,
		.role = FD_SETTINGS,
		.index = 7,
		.result = -5,
		.value = {1, 2, 3, 4},
		.text = "name"};
}

static void send_raw(const void *p, size_t n, const int *fds, unsigned n_fds)
{
	char control[CMSG_SPACE(sizeof(int) * 16)] = {0};
	struct iovec iov = {.iov_base = (void *)p, .iov_len = n};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds) {
		struct cmsghdr *cm;

		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(cm), fds, sizeof(int) * n_fds);
	}
	assert_int_equal(sendmsg(pair[0], &mh, 0), (ssize_t)n);
}

static void test_ctl_recv__valid_message__same_content(void **state)
{
	struct ctl_msg m = good(), got;
	int fd = 99;

	(void)state;
	assert_int_equal(ctl_send(pair[0], &m, -1), 0);
	assert_int_equal(ctl_recv(pair[1], &got, &fd), 1);
	assert_memory_equal(&m, &got, sizeof(m));
	assert_int_equal(fd, -1);
}

static void test_ctl_recv__with_descriptor__owned_and_close_on_exec(void **state)
{
	struct ctl_msg m = good(), got;
	int fds[2], fd = -1;
	char c = 0;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(ctl_send(pair[0], &m, fds[1]), 0);
	assert_int_equal(ctl_recv(pair[1], &got, &fd), 1);
	assert_true(fd >= 0 && fd != fds[1]);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	(void)close(fd);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void test_ctl_recv__empty__again(void **state)
{
	struct ctl_msg got;
	int fd = 5;

	(void)state;
	assert_int_equal(ctl_recv(pair[1], &got, &fd), -EAGAIN);
	assert_int_equal(fd, 5);
}

static void test_ctl_recv__peer_closed__end(void **state)
{
	struct ctl_msg got;
	int fd = -1;

	(void)state;
	assert_int_equal(shutdown(pair[0], SHUT_WR), 0);
	assert_int_equal(ctl_recv(pair[1], &got, &fd), 0);
}

static void test_ctl_recv__malformed__refused(void **state)
{
	struct ctl_msg m, got;
	char big[sizeof(m) + 8] = {0};
	int fd = -1;

	(void)state;
	m = good();
	send_raw(&m, sizeof(m) - 1, NULL, 0); /* short */
	assert_int_equal(ctl_recv(pair[1], &got, &fd), -EBADMSG);
	memcpy(big, &m, sizeof(m));
	send_raw(big, sizeof(big), NULL, 0); /* long */
	assert_int_equal(ctl_recv(pair[1], &got, &fd), -EBADMSG);
	m.magic++;
	send_raw(&m, sizeof(m), NULL, 0);
	assert_int_equal(ctl_recv(pair[1], &got, &fd), -EBADMSG);
	m = good();
	m.role = _FD_ROLE_MAX;
	send_raw(&m, sizeof(m), NULL, 0);
	assert_int_equal(ctl_recv(pair[1], &got, &fd), -EBADMSG);
	m = good();
	memset(m.text, 'a', sizeof(m.text)); /* no end */
	send_raw(&m, sizeof(m), NULL, 0);
	assert_int_equal(ctl_recv(pair[1], &got, &fd), -EBADMSG);
	m = good();
	send_raw(&m, sizeof(m), NULL, 0); /* and it goes on */
	assert_int_equal(ctl_recv(pair[1], &got, &fd), 1);
}

static void test_ctl_recv__too_many_descriptors__all_closed(void **state)
{
	struct ctl_msg m = good(), got;
	int fds[12], fd = -1, before = open_descriptors();

	(void)state;
	for (unsigned n = 2; n <= 12; n += 5) {
		for (unsigned i = 0; i < n; i++)
			fds[i] = STDIN_FILENO;
		send_raw(&m, sizeof(m), fds, n);
		assert_int_equal(ctl_recv(pair[1], &got, &fd), -EBADMSG);
		assert_int_equal(fd, -1);
		assert_int_equal(open_descriptors(), before);
	}
}

static void test_ctl_recv__malformed_with_descriptor__closed(void **state)
{
	struct ctl_msg m = good(), got;
	int one = STDIN_FILENO, fd = -1, before = open_descriptors();

	(void)state;
	m.magic = 0;
	send_raw(&m, sizeof(m), &one, 1);
	assert_int_equal(ctl_recv(pair[1], &got, &fd), -EBADMSG);
	assert_int_equal(open_descriptors(), before);
}

static void test_ctl_send__peer_gone__error_not_signal(void **state)
{
	struct ctl_msg m = good();

	(void)state;
	(void)close(pair[1]);
	pair[1] = -1;
	assert_true(ctl_send(pair[0], &m, -1) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_ctl_recv__valid_message__same_content, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_ctl_recv__with_descriptor__owned_and_close_on_exec, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ctl_recv__empty__again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ctl_recv__peer_closed__end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ctl_recv__malformed__refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_ctl_recv__too_many_descriptors__all_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_ctl_recv__malformed_with_descriptor__closed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_ctl_send__peer_gone__error_not_signal, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
