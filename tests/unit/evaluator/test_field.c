/* SPDX-License-Identifier: Apache-2.0 */
/* Values of fields, as alerts print them. */
#include "bench.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <time.h>

#include <base/macros.h>

static const char *const args[] = {"-l", "", "x y", NULL};
static const char *const env[] = {"HOME=/root", "A=  b ", "EMPTY=", NULL};

static int setup(void **state)
{
	struct bench *b = bench_new();

	setenv("TZ", "UTC", 1);
	tzset();
	bench_thread(b, &(struct bench_thread){.slot = 1,
				.parent = PREC_NO_SLOT,
				.tid = 1,
				.sid = 1,
				.vpgid = 1,
				.pgid = 1,
				.comm = "init",
				.loginuid = -1});
	bench_thread(b, &(struct bench_thread){.slot = 2,
				.parent = 1,
				.tid = 50,
				.sid = 50,
				.vpgid = 50,
				.pgid = 50,
				.comm = "bash",
				.exe = "-bash",
				.exepath = "/bin/bash",
				.args = args,
				.env = env,
				.loginuid = 1000});
	bench_thread(b, &(struct bench_thread){.slot = 3,
				.parent = 2,
				.tid = 1000,
				.sid = 50,
				.vpgid = 60,
				.pgid = 1000,
				.comm = "cat",
				.exe = "cat",
				.exepath = "/bin/cat",
				.args = args,
				.env = env,
				.cwd = "/tmp/",
				.uid = 1000,
				.gid = 5,
				.loginuid = 1000,
				.caps = 1 | 1ULL << 21,
				.exe_flags = PREC_EXE_UPPER_LAYER,
				.cgroups = "mem=/a"});
	bench_user(b, "", 1000, "alice");
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static void open_event(struct bench *b, int64_t res, uint32_t flags)
{
	struct ev_fd fd = {.num = res < 0 ? -1 : res,
		.type = EV_FD_FILE,
		.flags = res < 0 ? 0 : EV_FD_KNOWN,
		.dev = 0x801,
		.ino = 99};

	bench_event(b, KEV_CODE_SYSCALL_OPENAT_2_X, 3);
	bench_res(b, res);
	bench_param_int(b, "fd", res);
	bench_param_int(b, "dirfd", -100);
	bench_param_text(b, "name", "etc//shadow");
	bench_param_int(b, "flags", flags);
	bench_param_int(b, "mode", 0644);
	bench_att_fd(b, EV_ATT_FD, -1, &fd, "/etc/shadow");
	bench_att_text(b, EV_ATT_PATH, "name", "/etc/shadow");
}

static void test_fields__every_one__has_a_row_or_a_reason(void **state)
{
	(void)state;
	evl_fields_init();
	assert_int_equal(evl_field_missing(), -1);
}

static void test_proc__known_thread__own_values(void **state)
{
	struct bench *b = *state;

	open_event(b, 3, 1);
	bench_event_end(b);
	assert_field(b, "proc.name", "cat");
	assert_field(b, "proc.exepath", "/bin/cat");
	assert_field(b, "proc.cmdline", "cat -l  x y");
	assert_field(b, "proc.exeline", "cat -l  x y");
	assert_field(b, "proc.args", "-l  x y");
	assert_field(b, "proc.args[0]", "-l");
	assert_field(b, "proc.args[2]", "x y");
	assert_field(b, "proc.args[9]", "");
	assert_field(b, "proc.cmdnargs", "3");
	assert_field(b, "proc.cmdlenargs", "5");
	assert_field(b, "proc.env[A]", "b");
	assert_field(b, "proc.env[NOPE]", "");
	assert_field(b, "proc.env", "HOME=/root A=  b  EMPTY=");
	assert_field(b, "proc.cwd", "/tmp/");
	assert_field(b, "proc.pid", "1000");
	assert_field(b, "proc.is_exe_upper_layer", "true");
	assert_field(b, "proc.is_exe_writable", "false");
	assert_field(b, "proc.exe_ino", "<NA>");
	assert_field(b, "proc.duration", "<NA>");
	assert_field(b, "thread.cap_effective", "CAP_CHOWN CAP_SYS_ADMIN");
	assert_field(b, "thread.cap_permitted", "");
	assert_field(b, "thread.cgroups", "mem=/a");
	assert_field(b, "thread.cgroup.memory", "/a");
	assert_field(b, "thread.cgroup.cpu", "<NA>");
	assert_field(b, "thread.tid", "1000");
	assert_field(b, "proc.nthreads", "3");
	assert_field(b, "proc.nchilds", "2");
}

static void test_proc__no_arguments__exeline_ends_in_a_blank(void **state)
{
	struct bench *b = *state;

	bench_event(b, KEV_CODE_SYSCALL_CLOSE_X, 1);
	bench_event_end(b);
	assert_field(b, "proc.cmdline", "init");
	assert_field(b, "proc.exeline", " ");
}

static void test_proc__unknown_thread__no_values(void **state)
{
	static const char *const none[] = {"proc.name", "proc.pname", "proc.aname", "proc.sname",
		"proc.cmdline", "proc.pid", "user.uid", "user.name", "group.name", "container.id",
		"proc.env", "proc.cwd", "proc.nthreads", "proc.is_exe_writable", "thread.cgroups"};
	struct bench *b = *state;

	bench_event(b, KEV_CODE_SYSCALL_CLOSE_X, PREC_NO_SLOT);
	bench_event_end(b);
	for (unsigned i = 0; i < ARRAY_LEN(none); i++)
		assert_field(b, none[i], "<NA>");
	assert_field(b, "thread.tid", "1000");
}

static void test_tree__ancestors__nearest_first(void **state)
{
	struct bench *b = *state;

	open_event(b, 3, 1);
	bench_event_end(b);
	assert_field(b, "proc.pname", "bash");
	assert_field(b, "proc.aname[0]", "cat");
	assert_field(b, "proc.aname[2]", "init");
	assert_field(b, "proc.aname[3]", "<NA>");
	assert_field(b, "proc.aname", "bash init");
	assert_field(b, "proc.pcmdline", "bash -l  x y");
	assert_field(b, "proc.ppid", "50");
	assert_field(b, "proc.apid[2]", "1");
	assert_field(b, "proc.sname", "bash");
	assert_field(b, "proc.vpgid.name", "");
	assert_field(b, "proc.pgid.name", "cat");
	assert_field(b, "proc.loginshellid", "50");
	assert_field(b, "proc.aenv[HOME]", "/root");
}

static void test_tree__ring_of_parents__ends(void **state)
{
	struct bench *b = *state;

	bench_thread(b, &(struct bench_thread){.slot = 1, .parent = 3, .tid = 1, .comm = "init"});
	open_event(b, 3, 1);
	bench_event_end(b);
	assert_field(b, "proc.aname", "bash init");
}

static void test_user__known_and_unknown__fallbacks(void **state)
{
	struct bench *b = *state;

	open_event(b, 3, 1);
	bench_event_end(b);
	assert_field(b, "user.name", "alice");
	assert_field(b, "user.homedir", "/home/x");
	assert_field(b, "user.loginname", "alice");
	assert_field(b, "group.name", "<NA>");
	bench_group(b, 5, "tty");
	assert_field(b, "group.name", "tty");
	bench_event(b, KEV_CODE_SYSCALL_CLOSE_X, 1);
	bench_event_end(b);
	assert_field(b, "user.name", "root");
	assert_field(b, "user.homedir", "/root");
	assert_field(b, "user.shell", "<NA>");
	assert_field(b, "user.loginuid", "-1");
	assert_field(b, "user.loginname", "<NA>");
	assert_field(b, "group.name", "root");
}

static void test_container__host_and_container__texts(void **state)
{
	struct bench *b = *state;

	open_event(b, 3, 1);
	bench_event_end(b);
	assert_field(b, "container.id", "host");
	assert_field(b, "container.image.repository", "");
	assert_field(b, "container.privileged", "false");
	assert_field(b, "k8s.ns.name", "<NA>");
	bench_thread(b, &(struct bench_thread){.slot = 3,
				.parent = 2,
				.tid = 1000,
				.uid = 1000,
				.container = "0123456789abcdef0123456789abcdef"});
	open_event(b, 3, 1);
	bench_event_end(b);
	assert_field(b, "container.id", "0123456789ab");
	assert_field(b, "container.name", "<NA>");
	assert_field(b, "user.name", "<NA>"); /* the host's users are not the container's */
}

static void test_fd__open__name_directory_filename(void **state)
{
	struct bench *b = *state;

	open_event(b, 3, 1);
	bench_event_end(b);
	assert_field(b, "fd.num", "3");
	assert_field(b, "fd.name", "/etc/shadow");
	assert_field(b, "fd.directory", "/etc");
	assert_field(b, "fd.filename", "shadow");
	assert_field(b, "fd.type", "file");
	assert_field(b, "fd.typechar", "f");
	assert_field(b, "fd.dev", "801");
	assert_field(b, "fd.dev.major", "8");
	assert_field(b, "fd.ino", "99");
	assert_field(b, "fd.containername", "host:/etc/shadow");
	assert_field(b, "fd.sip", "<NA>");
	assert_field(b, "fd.l4proto", "<NA>");
	assert_field(b, "fs.path.name", "/etc/shadow");
	assert_field(b, "fs.path.nameraw", "etc//shadow");
	assert_field(b, "evt.abspath", "/etc/shadow");
	assert_field(b, "fd.realpath", "<NA>");
}

static void test_fd__failed_open__asked_name_alone(void **state)
{
	struct bench *b = *state;

	open_event(b, -2, 1);
	bench_event_end(b);
	assert_field(b, "fd.num", "-1");
	assert_field(b, "fd.name", "/etc/shadow");
	assert_field(b, "fd.directory", "/etc");
	assert_field(b, "fd.filename", "<NA>");
	assert_field(b, "fd.type", "<NA>");
	assert_field(b, "fs.path.name", "<UNKNOWN>"); /* relative, and no descriptor to tell */
	assert_field(b, "fs.path.nameraw", "etc//shadow");
	assert_field(b, "fd.nameraw", "etc//shadow");
	assert_field(b, "evt.res", "ENOENT");
	assert_field(b, "evt.rawres", "-2");
	assert_field(b, "evt.failed", "true");
}

static void test_fd__event_without_descriptor__no_values(void **state)
{
	struct bench *b = *state;

	bench_event(b, KEV_CODE_SYSCALL_MKDIR_2_X, 3);
	bench_res(b, 0);
	bench_param_text(b, "path", "/a//b/../c");
	bench_event_end(b);
	assert_field(b, "fd.num", "<NA>");
	assert_field(b, "fd.name", "<NA>");
	assert_field(b, "fs.path.name", "/a/c");
	assert_field(b, "fs.path.nameraw", "/a//b/../c");
}

static void test_net__client_socket__ends(void **state)
{
	struct bench *b = *state;
	struct ev_fd fd = {.num = 5,
		.type = EV_FD_IPV4,
		.l4 = EV_L4_TCP,
		.role = EV_ROLE_CLIENT,
		.flags = EV_FD_KNOWN | EV_FD_CONNECTED | EV_FD_CLIENT_LOCAL,
		.sport = 5000,
		.dport = 443,
		.sip = {10, 0, 0, 1},
		.dip = {1, 2, 3, 4}};

	bench_event(b, KEV_CODE_SOCKET_CONNECT_X, 3);
	bench_res(b, 0);
	bench_att_fd(b, EV_ATT_FD, -1, &fd, "10.0.0.1:5000->1.2.3.4:443");
	bench_event_end(b);
	assert_field(b, "fd.cip", "10.0.0.1");
	assert_field(b, "fd.sip", "1.2.3.4");
	assert_field(b, "fd.lip", "10.0.0.1");
	assert_field(b, "fd.rport", "443");
	assert_field(b, "fd.lport", "5000");
	assert_field(b, "fd.sproto", "443");
	assert_field(b, "fd.l4proto", "tcp");
	assert_field(b, "fd.is_server", "false");
	assert_field(b, "fd.connected", "true");
	assert_field(b, "fd.snet", "<IPNET>");
	assert_field(b, "fd.ip", "<NA>");
	assert_field(b, "fd.directory", "<NA>");
	assert_field(b, "evt.category", "net");
}

static void test_net__bound_socket__server_end_alone(void **state)
{
	struct bench *b = *state;
	struct ev_fd fd = {.num = 5,
		.type = EV_FD_IPV6_SERVER,
		.l4 = EV_L4_TCP,
		.role = EV_ROLE_SERVER,
		.flags = EV_FD_KNOWN,
		.dport = 80,
		.dip = {[15] = 1}};

	bench_event(b, KEV_CODE_SOCKET_BIND_X, 3);
	bench_res(b, 0);
	bench_att_fd(b, EV_ATT_FD, -1, &fd, "::1:80");
	bench_event_end(b);
	assert_field(b, "fd.sip", "::1");
	assert_field(b, "fd.sport", "80");
	assert_field(b, "fd.cip", "<NA>");
	assert_field(b, "fd.lip", "<NA>");
	assert_field(b, "fd.sproto", "");
	assert_field(b, "fd.is_server", "true");
	assert_field(b, "fd.type", "ipv6");
}

static void test_evt__times__formats(void **state)
{
	struct bench *b = *state;

	uint64_t since_first = 1500000000;

	open_event(b, 3, 1);
	ev_add_att(&b->w, EV_ATT_RELTIME, 0, &since_first, sizeof(since_first));
	bench_event_end(b);
	assert_field(b, "evt.num", "7");
	assert_field(b, "evt.time", "16:00:00.020000000");
	assert_field(b, "evt.time.s", "16:00:00");
	assert_field(b, "evt.time.iso8601", "2019-08-19T16:00:00.020000000+0000");
	assert_field(b, "evt.datetime", "2019-08-19 16:00:00.020000000");
	assert_field(b, "evt.rawtime", "1566230400020000000");
	assert_field(b, "evt.rawtime.ns", "020000000");
	assert_field(b, "evt.reltime", "1500000000");
	assert_field(b, "evt.reltime.s", "1");
	assert_field(b, "evt.reltime.ns", "500000000");
	assert_field(b, "evt.deltatime", "<NA>");
}

static void test_evt__open__type_and_flags(void **state)
{
	struct bench *b = *state;

	open_event(b, 3, 1 | 4 | 0x4000);
	bench_event_end(b);
	assert_field(b, "evt.type", "openat");
	assert_field(b, "syscall.type", "openat");
	assert_field(b, "evt.type.is.openat", "1");
	assert_field(b, "evt.type.is.open", "0");
	assert_field(b, "evt.dir", "<");
	assert_field(b, "evt.res", "SUCCESS");
	assert_field(b, "evt.category", "file");
	assert_field(b, "evt.is_open_read", "true");
	assert_field(b, "evt.is_open_write", "false");
	assert_field(b, "evt.is_open_create", "true");
	assert_field(b, "evt.is_open_exec", "false");
	assert_field(b, "evt.hostname", "myhost");
	assert_field(b, "evt.source", "syscall");
	bench_event(b, KEV_CODE_SYSCALL_CLOSE_X, 3);
	bench_event_end(b);
	assert_field(b, "evt.is_open_write", "false");
	assert_field(b, "evt.res", "<NA>");
}

static void test_evt__generic__name_of_the_system_call(void **state)
{
	struct bench *b = *state;

	bench_event(b, KEV_CODE_GENERIC_X, 3);
	bench_param_int(b, "nativeID", 165);
	bench_event_end(b);
	assert_field(b, "evt.type", "mount");
	assert_field(b, "evt.args", "");
}

static void test_fd__second_name__replaces_the_first(void **state)
{
	struct bench *b = *state;

	open_event(b, 3, 1);
	bench_att_text(b, EV_ATT_REALPATH, NULL, "/run/secret/x");
	bench_event_end(b);
	assert_field(b, "fd.name", "/etc/shadow");
	evl_event_second_name(&b->e);
	assert_field(b, "fd.name", "/run/secret/x");
	assert_field(b, "fd.directory", "/run/secret");
	assert_field(b, "fd.filename", "x");
	assert_field(b, "evt.arg.name", "/etc/shadow");
	assert_field(b, "fd.realpath", "/run/secret/x");
}

static void test_fd__stdio_and_types__from_attachments(void **state)
{
	struct bench *b = *state;
	struct ev_fd in = {.num = 0, .type = EV_FD_IPV4, .flags = EV_FD_KNOWN};
	uint32_t types = 1u << EV_FD_FILE | 1u << EV_FD_IPV4 | 1u << EV_FD_IPV4_SERVER;
	uint64_t n = 512;

	open_event(b, 3, 1);
	bench_att_fd(b, EV_ATT_STDIO, 0, &in, "a->b");
	ev_add_att(&b->w, EV_ATT_FDTYPES, 0, &types, sizeof(types));
	ev_add_att(&b->w, EV_ATT_FDCOUNT, 0, &n, sizeof(n));
	bench_event_end(b);
	assert_field(b, "proc.stdin.type", "ipv4");
	assert_field(b, "proc.stdin.name", "a->b");
	assert_field(b, "proc.stdout.type", "<NA>");
	assert_field(b, "fd.types", "(file,ipv4)");
	assert_field(b, "fd.types[0]", "(ipv4)");
	assert_field(b, "proc.fdopencount", "512");
	assert_field(b, "proc.fdusage", "50.0");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields__every_one__has_a_row_or_a_reason),
		T(test_proc__known_thread__own_values),
		T(test_proc__no_arguments__exeline_ends_in_a_blank),
		T(test_proc__unknown_thread__no_values),
		T(test_tree__ancestors__nearest_first),
		T(test_tree__ring_of_parents__ends),
		T(test_user__known_and_unknown__fallbacks),
		T(test_container__host_and_container__texts),
		T(test_fd__open__name_directory_filename),
		T(test_fd__failed_open__asked_name_alone),
		T(test_fd__event_without_descriptor__no_values),
		T(test_net__client_socket__ends),
		T(test_net__bound_socket__server_end_alone),
		T(test_evt__times__formats),
		T(test_evt__open__type_and_flags),
		T(test_evt__generic__name_of_the_system_call),
		T(test_fd__second_name__replaces_the_first),
		T(test_fd__stdio_and_types__from_attachments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
