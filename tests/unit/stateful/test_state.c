/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials, snapshots, facts of the host, records that are passed on. */

#include "kit.h"

#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#define ALL_CAPS ((UINT64_C(1) << 41) - 1)

static struct kit k;

static int setup(void **state)
{
	(void)state;
	kit_open_with_shell(&k, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kit_close(&k);
	return 0;
}

static const struct prec *after(uint16_t code, unsigned n, ...)
{
	va_list ap;

	kit_start(&k, code, KIT_SHELL, KIT_SHELL);
	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		kit_int(&k, va_arg(ap, int));
	va_end(ap);
	assert_int_equal(kit_send(&k), 0);
	return kit_proc(&k, KIT_SHELL);
}

static void test_setuid__family__effective(void **state)
{
	(void)state;
	assert_int_equal(after(KEV_CODE_SYSCALL_SETUID_X, 2, -1, 5)->uid, 1000);
	assert_int_equal(after(KEV_CODE_SYSCALL_SETUID_X, 2, 0, 5)->uid, 5);
	assert_int_equal(after(KEV_CODE_SYSCALL_SETRESUID_X, 4, 0, 6, 7, 8)->uid, 7);
	assert_int_equal(after(KEV_CODE_SYSCALL_SETRESUID_X, 4, 0, 6, -1, 8)->uid, 7);
	assert_int_equal(after(KEV_CODE_SYSCALL_SETREUID_X, 3, 0, 6, 9)->uid, 9);
	assert_int_equal(after(KEV_CODE_SYSCALL_SETGID_X, 2, 0, 5)->gid, 5);
	assert_int_equal(after(KEV_CODE_SYSCALL_SETRESGID_X, 4, 0, 6, 7, 8)->gid, 7);
	assert_int_equal(after(KEV_CODE_SYSCALL_SETREGID_X, 3, 0, 6, 9)->gid, 9);
}

static void test_setsid__success__return_value(void **state)
{
	(void)state;
	assert_int_equal(after(KEV_CODE_SYSCALL_SETSID_X, 1, -1)->sid, KIT_SHELL);
	assert_int_equal(after(KEV_CODE_SYSCALL_SETSID_X, 1, 555)->sid, 555);
}

static void test_setpgid__not_tracked(void **state)
{
	(void)state;
	assert_int_equal(after(KEV_CODE_SYSCALL_SETPGID_X, 3, 0, 0, 4711)->pgid, KIT_SHELL);
}

static void test_capset__all_three(void **state)
{
	const struct prec *p;

	(void)state;
	p = after(KEV_CODE_SYSCALL_CAPSET_X, 4, 0, 7, 8, 9);
	assert_int_equal(p->cap_inheritable, 7);
	assert_int_equal(p->cap_permitted, 8);
	assert_int_equal(p->cap_effective, 9);
}

static void test_new_user_namespace__every_capability(void **state)
{
	(void)state;
	assert_int_equal(after(KEV_CODE_SYSCALL_UNSHARE_X, 2, 0, 0x10)->cap_effective, 2);
	assert_int_equal(
		after(KEV_CODE_SYSCALL_UNSHARE_X, 2, 0, 0x100000)->cap_effective, ALL_CAPS);
	after(KEV_CODE_SYSCALL_CAPSET_X, 4, 0, 0, 0, 0);
	assert_int_equal(
		after(KEV_CODE_SYSCALL_SETNS_X, 3, 0, 3, 0x100000)->cap_permitted, ALL_CAPS);
}

static void test_task__snapshot__record(void **state)
{
	static const char cgroups[] = "cpu=/lxc/web\0memory=/lxc/web";
	const struct prec *p;

	(void)state;
	kit_task(&k, 50, 50, 1, "nginx", "/srv", cgroups,
		sizeof(cgroups) - 1); /* the last string lost its NUL */
	kit_close_fd(&k, 50, 0);
	p = kit_proc(&k, 50);
	assert_string_equal(kit_proc_text(p, p->comm), "nginx");
	assert_string_equal(kit_proc_text(p, p->exe), "arg0");
	assert_int_equal(p->n_args, 2);
	assert_string_equal(kit_proc_text(p, p->args) + 4, "two");
	assert_string_equal(kit_proc_text(p, p->cwd), "/srv/");
	assert_string_equal(kit_proc_text(p, p->container_id), "web");
	assert_int_equal(p->cgroups.n, sizeof(cgroups));
	assert_int_equal(p->fd_limit, 1024);
	assert_int_equal(p->clone_ts_ns, KIT_EPOCH + 50000);
	assert_int_equal(p->exe_ino, 16);
	assert_int_equal(p->flags, PREC_MAIN);
}

static void test_task__thread_before_leader__both_known(void **state)
{
	(void)state;
	kit_task(&k, 61, 60, 1, "worker", "/", NULL, 0);
	kit_task(&k, 60, 60, 1, "main", "/", NULL, 0);
	kit_start(&k, KEV_CODE_SYSCALL_CLOSE_X, 61, 60);
	kit_send(&k);
	assert_string_equal(kit_proc_text(kit_proc(&k, 61), kit_proc(&k, 61)->comm), "worker");
	assert_string_equal(kit_proc_text(kit_proc(&k, 60), kit_proc(&k, 60)->comm), "main");
	assert_int_equal(kit_event(&k)->ev->flags & EV_DOUBTFUL, 0);
}

static void test_task__older_than_an_event__ignored(void **state)
{
	uint64_t before = k.ts_ns;

	(void)state;
	k.ts_ns += 1000000;
	kit_exec(&k, KIT_SHELL, "id", "/usr/bin/id", 0);
	k.ts_ns = before;
	kit_task(&k, KIT_SHELL, KIT_SHELL, 1, "bash", "/", NULL, 0);
	kit_close_fd(&k, KIT_SHELL, 0);
	assert_string_equal(
		kit_proc_text(kit_proc(&k, KIT_SHELL), kit_proc(&k, KIT_SHELL)->comm), "id");
}

static void test_event__older_than_the_snapshot__does_not_undo_it(void **state)
{
	(void)state;
	k.ts_ns += 1000000;
	kit_task(&k, KIT_SHELL, KIT_SHELL, 1, "newer", "/new", NULL, 0);
	k.ts_ns -= 1000000;
	kit_exec(&k, KIT_SHELL, "older", "/usr/bin/older", 0);
	assert_string_equal(
		kit_proc_text(kit_proc(&k, KIT_SHELL), kit_proc(&k, KIT_SHELL)->comm), "newer");
}

static void start_file(uint16_t code, int fd)
{
	kit_start(&k, code, KIT_SHELL, KIT_SHELL)->flags = KEV_F_SNAPSHOT;
	kit_int(&k, fd);
}

static void test_task_file__each_kind__entry(void **state)
{
	static const uint8_t any[4], lo[4] = {127, 0, 0, 1};

	(void)state;
	start_file(KEV_CODE_ITER_TASK_FILE_REGULAR_E, 3);
	kit_text(&k, "/var/log/x");
	kit_int(&k, 1 | 0x1000);
	kit_int(&k, 1);
	kit_int(&k, 99);
	assert_int_equal(kit_send_state(&k), 0);
	kit_close_fd(&k, KIT_SHELL, 3);
	assert_string_equal(kit_fd_name(&k), "/var/log/x");
	assert_int_equal(kit_event_fd(&k)->ino, 99);

	start_file(KEV_CODE_ITER_TASK_FILE_DIRECTORY_E, 4);
	kit_text(&k, "/srv");
	assert_int_equal(kit_send_state(&k), 0);
	kit_openat(&k, KIT_SHELL, 5, 4, "f", 1);
	assert_string_equal(kit_fd_name(&k), "/srv/f");

	start_file(KEV_CODE_ITER_TASK_FILE_SOCKET_INET_E, 6);
	kit_int(&k, SOCK_STREAM);
	kit_int(&k, 6);
	kit_raw(&k, any, 4);
	kit_int(&k, 22);
	kit_raw(&k, any, 4);
	kit_int(&k, 0);
	assert_int_equal(kit_send_state(&k), 0);
	assert_int_equal(kit_fd(&k, KIT_SHELL, 6)->type, EV_FD_IPV4_SERVER);
	kit_close_fd(&k, KIT_SHELL, 6);
	assert_string_equal(kit_fd_name(&k), "0.0.0.0:22");

	for (int port = 22; port <= 23; port++) { /* 22 is listened on */
		start_file(KEV_CODE_ITER_TASK_FILE_SOCKET_INET_E, 7);
		kit_int(&k, SOCK_STREAM);
		kit_int(&k, 6);
		kit_raw(&k, lo, 4);
		kit_int(&k, port);
		kit_raw(&k, lo, 4);
		kit_int(&k, 5555);
		assert_int_equal(kit_send_state(&k), 0);
		assert_int_equal(kit_fd(&k, KIT_SHELL, 7)->role,
			port == 22 ? EV_ROLE_SERVER : EV_ROLE_CLIENT);
		kit_close_fd(&k, KIT_SHELL, 7);
		assert_string_equal(kit_fd_name(&k), port == 22 ? "127.0.0.1:5555->127.0.0.1:22"
								: "127.0.0.1:23->127.0.0.1:5555");
	}

	start_file(KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, 8);
	kit_int(&k, 2);
	assert_int_equal(kit_send_state(&k), 0);
	assert_int_equal(kit_fd(&k, KIT_SHELL, 8)->type, EV_FD_EVENTPOLL);

	start_file(KEV_CODE_ITER_TASK_FILE_SOCKET_UNIX_E, 9);
	kit_int(&k, SOCK_STREAM);
	kit_int(&k, 0);
	kit_int(&k, 1);
	kit_text(&k, "/run/x.sock");
	assert_int_equal(kit_send_state(&k), 0);
	kit_close_fd(&k, KIT_SHELL, 9);
	assert_string_equal(kit_fd_name(&k), "/run/x.sock");
}

static void test_task_file__mapped_v6__ipv4(void **state)
{
	static const uint8_t lo[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};

	(void)state;
	start_file(KEV_CODE_ITER_TASK_FILE_SOCKET_INET6_E, 7);
	kit_int(&k, SOCK_STREAM);
	kit_int(&k, 6);
	kit_raw(&k, lo, 16);
	kit_int(&k, 1000);
	kit_raw(&k, lo, 16);
	kit_int(&k, 80);
	assert_int_equal(kit_send_state(&k), 0);
	kit_close_fd(&k, KIT_SHELL, 7);
	assert_int_equal(kit_event_fd(&k)->type, EV_FD_IPV4);
	assert_string_equal(kit_fd_name(&k), "127.0.0.1:1000->127.0.0.1:80");
}

static void test_task_file__known_already__keeps_what_events_told(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/a/../b", 1);
	for (int ino = 4711; ino <= 4712; ino++) {
		start_file(KEV_CODE_ITER_TASK_FILE_REGULAR_E, 3);
		kit_text(&k, "/resolved");
		kit_int(&k, 1);
		kit_int(&k, 1);
		kit_int(&k, ino);
		assert_int_equal(kit_send_state(&k), 0);
		k.events[KEV_IX_SYSCALL_FSTAT_X].flags = IMG_EV_RULES;
		kit_start(&k, KEV_CODE_SYSCALL_FSTAT_X, KIT_SHELL, KIT_SHELL);
		kit_int(&k, 0);
		kit_int(&k, 3);
		kit_send(&k);
		assert_string_equal(kit_fd_name(&k), ino == 4711 ? "/b" : "/resolved");
	}
}

static void test_task_file__known_connection__keeps_its_role(void **state)
{
	static const uint8_t us[4] = {10, 0, 0, 1}, them[4] = {8, 8, 8, 8};
	uint8_t tuple[13] = {AF_INET, 8, 8, 8, 8, 0x50, 0xc3, 10, 0, 0, 1, 22, 0};

	(void)state;
	kit_start(&k, KEV_CODE_SOCKET_ACCEPT_5_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 5);
	kit_raw(&k, tuple, sizeof(tuple));
	assert_int_equal(kit_send(&k), 0);
	start_file(KEV_CODE_ITER_TASK_FILE_SOCKET_INET_E, 5);
	kit_int(&k, SOCK_STREAM);
	kit_int(&k, 6);
	kit_raw(&k, us, 4);
	kit_int(&k, 22);
	kit_raw(&k, them, 4);
	kit_int(&k, 0xc350);
	assert_int_equal(kit_send_state(&k), 0);
	assert_int_equal(kit_fd(&k, KIT_SHELL, 5)->role, EV_ROLE_SERVER);
	kit_close_fd(&k, KIT_SHELL, 5);
	assert_string_equal(kit_fd_name(&k), "8.8.8.8:50000->10.0.0.1:22");
}

static void test_task_file__older_than_an_open__ignored(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/newer", 1);
	start_file(KEV_CODE_ITER_TASK_FILE_DIRECTORY_E, 3);
	kev_build_head(&k.b)->ts_ns = 5;
	kit_text(&k, "/older");
	assert_int_equal(kit_send_state(&k), 0);
	kit_close_fd(&k, KIT_SHELL, 3);
	assert_string_equal(kit_fd_name(&k), "/newer");
}

static void test_clock__host_namespace__no_start(void **state)
{
	(void)state;
	kit_start(&k, KEV_CODE_SAKER_CLOCK, 0, 0);
	kit_int(&k, (int64_t)KIT_EPOCH);
	kit_int(&k, (int64_t)KIT_EPOCH);
	assert_int_equal(kit_send_state(&k), 0);
	kit_task(&k, 50, 50, 1, "nginx", "/srv", NULL, 0);
	kit_close_fd(&k, 50, 0);
	assert_int_equal(kit_proc(&k, 50)->pidns_start_ns, 0);
}

static void test_useradded__passed_on_as_it_is(void **state)
{
	const struct rec_head *in = (const struct rec_head *)k.buf;

	(void)state;
	kit_start(&k, KEV_CODE_USER_ADDED_E, 0, 0);
	kit_int(&k, 7);
	kit_int(&k, 7);
	kit_text(&k, "alice");
	assert_int_equal(kit_send_state(&k), 0);
	assert_int_equal(k.n_out, 1);
	assert_int_equal(k.out[0].rec->ring.len, in->ring.len);
	assert_memory_equal(k.out[0].rec, in, in->ring.len);
}

static void test_control_records__passed_on(void **state)
{
	static const uint16_t types[] = {REC_SNAP_BEGIN, REC_SNAP_END, REC_LOSS, REC_MARK, REC_END};
	union {
		struct rec_head h;
		struct rec_snap snap;
		uint8_t bytes[64];
	} rec;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		rec.h = (struct rec_head){.ring = {.len = 48, .type = types[i]}};
		assert_int_equal(st_core_apply(&k.core, &rec.h), 0);
		assert_int_equal(k.out[i].rec->ring.type, types[i]);
	}
	assert_true(k.core.counters.ended);
	rec.h = (struct rec_head){.ring = {.len = 32, .type = REC_LOSS}};
	assert_int_equal(st_core_apply(&k.core, &rec.h), -EBADMSG);
	rec.h.ring.type = 99;
	assert_int_equal(st_core_apply(&k.core, &rec.h), -EBADMSG);
	rec.h.ring.type = REC_EVENT; /* not in this direction */
	assert_int_equal(st_core_apply(&k.core, &rec.h), -EBADMSG);
	assert_int_equal(k.core.counters.malformed, 3);
	assert_int_equal(k.core.counters.lost_malformed, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_setuid__family__effective),
		T(test_setsid__success__return_value),
		T(test_setpgid__not_tracked),
		T(test_capset__all_three),
		T(test_new_user_namespace__every_capability),
		T(test_task__snapshot__record),
		T(test_task__thread_before_leader__both_known),
		T(test_task__older_than_an_event__ignored),
		T(test_event__older_than_the_snapshot__does_not_undo_it),
		T(test_task_file__each_kind__entry),
		T(test_task_file__mapped_v6__ipv4),
		T(test_task_file__known_already__keeps_what_events_told),
		T(test_task_file__known_connection__keeps_its_role),
		T(test_task_file__older_than_an_open__ignored),
		T(test_clock__host_namespace__no_start),
		T(test_useradded__passed_on_as_it_is),
		T(test_control_records__passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
