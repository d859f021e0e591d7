/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters as text: evt.arg.*, evt.rawarg.*, evt.args. */
#include "bench.h"

#include <stdio.h>

#include <base/macros.h>

static int setup(void **state)
{
	struct bench *b = bench_new();

	bench_thread(b, &(struct bench_thread){.slot = 3,
				.parent = PREC_NO_SLOT,
				.tid = 1000,
				.comm = "cat",
				.uid = 1000});
	bench_user(b, "", 1000, "alice");
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

/* Integers of one parameter. */
static void test_arg__integers__plain_and_resolved(void **state)
{
	static const struct {
		uint16_t code;
		const char *param;
		int64_t v;
		const char *want;
	} rows[] = {
		{KEV_CODE_SYSCALL_OPENAT_2_X, "flags", 0, "O_NONE"},
		{KEV_CODE_SYSCALL_OPENAT_2_X, "flags", 3, "O_RDWR"},
		{KEV_CODE_SYSCALL_OPENAT_2_X, "flags", 0x100 | 4 | 2, "O_TRUNC|O_CREAT|O_WRONLY"},
		{KEV_CODE_SYSCALL_OPENAT_2_X, "flags", 0x40000000, "1073741824"},
		{KEV_CODE_SYSCALL_OPENAT_2_X, "mode", 0644, "0644"},
		{KEV_CODE_SYSCALL_OPENAT_2_X, "dirfd", -100, "AT_FDCWD"},
		{KEV_CODE_SYSCALL_OPENAT_2_X, "dirfd", 77, "77"},
		{KEV_CODE_SYSCALL_OPENAT_2_X, "fd", -13, "EACCES"},
		{KEV_CODE_SYSCALL_OPENAT_2_X, "dev", 0xab, "AB"},
		{KEV_CODE_SYSCALL_CHMOD_X, "mode", 0104, "S_IROTH|S_IXUSR"},
		{KEV_CODE_SYSCALL_CHMOD_X, "mode", 0, "0"},
		{KEV_CODE_SYSCALL_CHMOD_X, "res", 0, "0"},
		{KEV_CODE_SYSCALL_CHMOD_X, "res", -1, "EPERM"},
		{KEV_CODE_SYSCALL_KILL_X, "sig", 9, "SIGKILL"},
		{KEV_CODE_SYSCALL_KILL_X, "pid", 1000, "cat"},
		{KEV_CODE_SYSCALL_KILL_X, "pid", 4, "4"},
		{KEV_CODE_SOCKET_SOCKET_X, "domain", 2, "AF_INET"},
		{KEV_CODE_SOCKET_SOCKET_X, "domain", 99, "99"},
		{KEV_CODE_SOCKET_SOCKET_X, "domain", 1, "AF_LOCAL|AF_UNIX"},
		{KEV_CODE_SYSCALL_MMAP_X, "res", 139926412484608, "139926412484608"},
		{KEV_CODE_SYSCALL_PTRACE_X, "request", 11, "PTRACE_ATTACH"},
		{KEV_CODE_SYSCALL_SETUID_X, "uid", 1000, "alice"},
		{KEV_CODE_SYSCALL_SETUID_X, "uid", 0, "root"},
		{KEV_CODE_SYSCALL_SETUID_X, "uid", 77, "<NA>"},
		{KEV_CODE_SYSCALL_SETUID_X, "uid", -1, "<NONE>"},
		{KEV_CODE_SYSCALL_NANOSLEEP_X, "interval", 1500000000, "1.5s"},
		{KEV_CODE_SYSCALL_BRK_4_X, "addr", 0xdeadbeef, "DEADBEEF"},
		{KEV_CODE_SYSCALL_LSEEK_X, "offset", -162, "-162"},
		{KEV_CODE_SOCKET_LISTEN_X, "backlog", -1, "-1"},
	};
	struct bench *b = *state;

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		char field[64];

		bench_event(b, rows[i].code, 3);
		bench_param_int(b, rows[i].param, rows[i].v);
		bench_event_end(b);
		snprintf(field, sizeof(field), "evt.arg.%s", rows[i].param);
		assert_field(b, field, rows[i].want);
	}
}

static void test_arg__path__relative_is_resolved(void **state)
{
	struct bench *b = *state;

	bench_event(b, KEV_CODE_SYSCALL_OPENAT_2_X, 3);
	bench_param_text(b, "name", "a/b");
	bench_event_end(b);
	assert_field(b, "evt.arg.name", "a/b");
	assert_field(b, "evt.arg[2]", "a/b");
	bench_event(b, KEV_CODE_SYSCALL_OPENAT_2_X, 3);
	bench_param_text(b, "name", "a/b");
	bench_att_text(b, EV_ATT_PATH, "name", "/tmp/a/b");
	bench_event_end(b);
	assert_field(b, "evt.arg.name", "/tmp/a/b");
	assert_field(b, "evt.rawarg.name", "a/b");
	assert_field(b, "evt.arg.nosuch", "<NA>");
	assert_field(b, "evt.arg[30]", "<NA>");
}

static void test_arg__descriptors__type_and_name(void **state)
{
	struct bench *b = *state;
	struct ev_fd file = {.num = 4, .type = EV_FD_FILE, .flags = EV_FD_KNOWN};
	struct ev_fd sock = {.num = 5,
		.type = EV_FD_IPV4,
		.l4 = EV_L4_UDP,
		.role = EV_ROLE_CLIENT,
		.flags = EV_FD_KNOWN};

	bench_event(b, KEV_CODE_SYSCALL_DUP2_X, 3);
	bench_param_int(b, "res", 4);
	bench_param_int(b, "oldfd", 5);
	bench_param_int(b, "newfd", 4);
	bench_att_fd(b, EV_ATT_FD, -1, &file, "/x");
	bench_att_fd(b, EV_ATT_FD, 1, &sock, "1.1.1.1:1->2.2.2.2:2");
	bench_event_end(b);
	assert_field(b, "evt.arg.res", "<f>/x");
	assert_field(b, "evt.arg.newfd", "<f>/x");
	assert_field(b, "evt.arg.oldfd", "<4u>1.1.1.1:1->2.2.2.2:2");
	assert_field(
		b, "evt.args", "res=4(<f>/x) oldfd=5(<4u>1.1.1.1:1->2.2.2.2:2) newfd=4(<f>/x)");
	assert_field(b, "evt.rawarg.oldfd", "5");
	bench_event(b, KEV_CODE_SYSCALL_OPENAT_2_X, 3);
	bench_param_int(b, "flags", 0x1001);
	bench_event_end(b);
	assert_field(b, "evt.rawarg.flags", "1001");
	assert_field(b, "evt.args",
		"fd=<NA> dirfd=<NA> name=<NA> flags=4097(O_RDONLY|O_CLOEXEC) mode=<NA> dev=<NA> "
		"ino=<NA>");
}

static void test_arg__absent__by_type(void **state)
{
	struct bench *b = *state;

	bench_event(b, KEV_CODE_SOCKET_CONNECT_X, 3);
	bench_event_end(b);
	assert_field(b, "evt.args", "res=<NA> tuple=NULL fd=<NA> addr=<NA>");
	assert_field(b, "evt.rawarg.res", "<NA>");
}

static void test_arg__addresses__text(void **state)
{
	static const uint8_t v4[] = {2, 10, 0, 0, 1, 0x88, 0x13, 1, 2, 3, 4, 0xbb, 1};
	static const uint8_t v6[] = {
		10, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x50, 0};
	static const uint8_t un[] = {
		1, 0xff, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, '/', 's', 0};
	struct bench *b = *state;

	bench_event(b, KEV_CODE_SOCKET_CONNECT_X, 3);
	bench_param_raw(b, "tuple", v4, sizeof(v4));
	bench_param_raw(b, "addr", v6, sizeof(v6));
	bench_event_end(b);
	assert_field(b, "evt.arg.tuple", "10.0.0.1:5000->1.2.3.4:443");
	assert_field(b, "evt.arg.addr", "2001:db8::1:80");
	assert_field(b, "fd.name", "10.0.0.1:5000->1.2.3.4:443");
	bench_event(b, KEV_CODE_SOCKET_CONNECT_X, 3);
	bench_param_raw(b, "tuple", un, sizeof(un));
	bench_param_raw(b, "addr", un, 3);
	bench_event_end(b);
	assert_field(b, "evt.arg.tuple", "ff->10 /s");
	bench_event(b, KEV_CODE_SOCKET_CONNECT_X, 3);
	bench_param_raw(b, "tuple", v4, 9); /* cut */
	bench_event_end(b);
	assert_field(b, "evt.arg.tuple", "10.0.0.1:5000->");
}

static void test_arg__bytes__printable(void **state)
{
	struct ev_fd fd = {.num = 4, .type = EV_FD_FILE, .flags = EV_FD_KNOWN};
	struct bench *b = *state;

	bench_event(b, KEV_CODE_SYSCALL_WRITE_X, 3);
	bench_res(b, 5);
	bench_param_raw(b, "data", "a\0b\n\xff", 5);
	bench_att_fd(b, EV_ATT_FD, -1, &fd, "/x");
	bench_event_end(b);
	assert_field(b, "evt.arg.data", "a.b..");
	assert_field(b, "evt.buffer", "a.b..");
	assert_field(b, "evt.buflen", "5");
	assert_field(b, "evt.is_io_write", "true");
	assert_field(b, "evt.io_dir", "write");
}

static void test_arg__fdlist__numbers(void **state)
{
	static const uint8_t list[] = {
		2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0x10, 0};
	struct bench *b = *state;

	bench_event(b, KEV_CODE_SYSCALL_POLL_X, 3);
	bench_param_raw(b, "fds", list, sizeof(list));
	bench_event_end(b);
	assert_field(b, "evt.arg.fds", "3:?1 9:?10");
	assert_field(b, "fdlist.nums", "3,9");
	bench_event(b, KEV_CODE_SYSCALL_POLL_X, 3);
	bench_param_raw(b, "fds", list, sizeof(list) - 4);
	bench_event_end(b);
	assert_field(b, "evt.arg.fds", "3:?1");
	assert_field(b, "fdlist.nums", "3");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_arg__integers__plain_and_resolved),
		T(test_arg__path__relative_is_resolved),
		T(test_arg__descriptors__type_and_name),
		T(test_arg__absent__by_type),
		T(test_arg__addresses__text),
		T(test_arg__bytes__printable),
		T(test_arg__fdlist__numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
