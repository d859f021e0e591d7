/* SPDX-License-Identifier: Apache-2.0 */
/* Opens, closes, duplicates, directories, and descriptors of other kinds. */

#include "kit.h"

#include <string.h>

#define CLOEXEC_F 0x1000

static struct kit k;

static int setup(void **state)
{
	(void)state;
	kit_open_with_shell(&k, IMG_NEED_PARAM_FDS | IMG_NEED_STDIO | IMG_NEED_FDTYPES |
					IMG_NEED_FDCOUNT | IMG_NEED_DELTA | IMG_NEED_RELTIME);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kit_close(&k);
	return 0;
}

/* An event of the shell with integer parameters alone. */
static void send_ints(uint16_t code, unsigned n, ...)
{
	va_list ap;

	kit_start(&k, code, KIT_SHELL, KIT_SHELL);
	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		kit_int(&k, va_arg(ap, int));
	va_end(ap);
	assert_int_equal(kit_send(&k), 0);
}

static void send_path(uint16_t code, const char *path)
{
	kit_start(&k, code, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	kit_text(&k, path);
	assert_int_equal(kit_send(&k), 0);
}

static const char *att_text(enum ev_att_kind kind, uint16_t index)
{
	const struct ev_att *a = ev_att_find(kit_event(&k), kind, index);

	return a ? ev_att_text(a).p : NULL;
}

static void test_openat__success__entry_and_event(void **state)
{
	const struct ev_fd *fd;

	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "..//other/./file", 1 | 0x8000);
	fd = kit_event_fd(&k);
	assert_int_equal(fd->num, 3);
	assert_int_equal(fd->type, EV_FD_FILE);
	assert_int_equal(fd->flags, EV_FD_KNOWN | EV_FD_UPPER_LAYER | EV_FD_NAME_CHANGED);
	assert_int_equal(fd->dev, 0x801);
	assert_int_equal(fd->ino, 4711);
	assert_string_equal(kit_fd_name(&k), "/home/other/file");
	assert_string_equal(rec_text(k.view.ev, fd->nameraw).p, "../other/./file");
	assert_string_equal(att_text(EV_ATT_PATH, 2), "/home/other/file");
	assert_int_equal(k.view.ev->rawres, 3);
}

static void test_openat__by_descriptor__its_directory(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/var/log", 0x400);
	assert_int_equal(kit_event_fd(&k)->type, EV_FD_DIRECTORY);
	assert_null(att_text(EV_ATT_PATH, 2)); /* absolute already */
	kit_openat(&k, KIT_SHELL, 4, 3, "syslog", 2);
	assert_string_equal(kit_fd_name(&k), "/var/log/syslog");
	kit_openat(&k, KIT_SHELL, 5, 99, "dir/x", 2);
	assert_string_equal(kit_fd_name(&k), "<UNKNOWN>dir/x");
}

static void test_openat__failure__no_entry_but_a_name(void **state)
{
	const struct ev_fd *fd;

	(void)state;
	kit_openat(&k, KIT_SHELL, -2, -100, "missing", 1);
	fd = kit_event_fd(&k);
	assert_int_equal(fd->num, -1);
	assert_int_equal(fd->flags, 0);
	assert_string_equal(kit_fd_name(&k), "/home/user/missing");
	assert_int_equal(k.core.fds.n_live, 0);
}

static void test_openat__unknown_cwd__marked(void **state)
{
	(void)state;
	kit_openat(&k, 555, 3, -100, "x", 1);
	assert_string_equal(kit_fd_name(&k), "<UNKNOWN>x");
	assert_true(kit_event(&k)->ev->flags & EV_DOUBTFUL);
}

static void test_openat__same_number_again__replaced(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/a", 1);
	kit_openat(&k, KIT_SHELL, 3, -100, "/b", 1);
	assert_int_equal(k.core.fds.n_live, 1);
	kit_close_fd(&k, KIT_SHELL, 3);
	assert_string_equal(kit_fd_name(&k), "/b");
}

static void test_open_family__each__name_and_flags(void **state)
{
	(void)state;
	kit_start(&k, KEV_CODE_SYSCALL_OPEN_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 3);
	kit_text(&k, "x");
	kit_int(&k, 3);
	kit_send(&k);
	assert_string_equal(kit_fd_name(&k), "/home/user/x");
	assert_int_equal(kit_event_fd(&k)->open_flags, 3);

	kit_start(&k, KEV_CODE_SYSCALL_OPENAT2_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 4);
	kit_int(&k, -100);
	kit_text(&k, "y");
	kit_int(&k, 2);
	kit_int(&k, 0);
	kit_int(&k, 0);
	kit_int(&k, 9);
	kit_int(&k, 10);
	kit_send(&k);
	assert_string_equal(kit_fd_name(&k), "/home/user/y");
	assert_int_equal(kit_event_fd(&k)->dev, 9);
	assert_int_equal(kit_event_fd(&k)->ino, 10);

	kit_start(&k, KEV_CODE_SYSCALL_CREAT_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 5);
	kit_text(&k, "/z");
	kit_int(&k, 0);
	kit_int(&k, 1);
	kit_int(&k, 2);
	kit_int(&k, 2);
	kit_send(&k);
	assert_string_equal(kit_fd_name(&k), "/z");
	assert_int_equal(
		kit_event_fd(&k)->flags, EV_FD_KNOWN | EV_FD_LOWER_LAYER | EV_FD_NAME_CHANGED);

	kit_start(&k, KEV_CODE_SYSCALL_OPEN_BY_HANDLE_AT_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 6);
	kit_int(&k, 3);
	kit_int(&k, 1);
	kit_text(&k, "/by/handle");
	kit_send(&k);
	assert_string_equal(kit_fd_name(&k), "/by/handle");
}

static void test_open__realpath__only_if_it_differs(void **state)
{
	(void)state;
	for (unsigned differs = 0; differs < 2; differs++) {
		kev_build_start(&k.b, k.buf + sizeof(struct rec_head), KEV_SIZE_MAX,
			KEV_CODE_SYSCALL_OPEN_X, 1);
		struct kev_head *h = kev_build_head(&k.b);

		h->tid = h->tgid = KIT_SHELL;
		h->ts_ns = k.ts_ns += 1000;
		kit_int(&k, 3);
		kit_text(&k, "link");
		for (unsigned i = 2; i < 6; i++)
			kit_int(&k, 0);
		kit_text(&k, differs ? "/etc/shadow" : "/home/user/link");
		kit_send(&k);
		if (differs)
			assert_string_equal(att_text(EV_ATT_REALPATH, EV_NO_PARAM), "/etc/shadow");
		else
			assert_null(att_text(EV_ATT_REALPATH, EV_NO_PARAM));
	}
}

static void test_close__success_or_failure__after_the_event(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/a", 1);
	send_ints(KEV_CODE_SYSCALL_CLOSE_X, 2, -9, 3);
	assert_non_null(kit_fd(&k, KIT_SHELL, 3));
	send_ints(KEV_CODE_SYSCALL_CLOSE_X, 2, 0, 3);
	assert_string_equal(kit_fd_name(&k), "/a");
	assert_null(kit_fd(&k, KIT_SHELL, 3));
	send_ints(KEV_CODE_SYSCALL_CLOSE_X, 2, 0, 3);
	assert_int_equal(kit_event_fd(&k)->flags, 0);
	assert_int_equal(kit_event_fd(&k)->num, 3);
}

static void test_close_range__numbers__closed_or_marked(void **state)
{
	(void)state;
	for (int fd = 3; fd < 8; fd++)
		kit_openat(&k, KIT_SHELL, fd, -100, "/a", 1);
	send_ints(KEV_CODE_SYSCALL_CLOSE_RANGE_X, 4, 0, 4, 5, 0);
	assert_null(kit_fd(&k, KIT_SHELL, 4));
	assert_null(kit_fd(&k, KIT_SHELL, 5));
	assert_non_null(kit_fd(&k, KIT_SHELL, 3));
	assert_non_null(kit_fd(&k, KIT_SHELL, 6));
	send_ints(KEV_CODE_SYSCALL_CLOSE_RANGE_X, 4, 0, 6, -1, 4);
	assert_true(kit_fd(&k, KIT_SHELL, 6)->cloexec);
	assert_true(kit_fd(&k, KIT_SHELL, 7)->cloexec);
	assert_false(kit_fd(&k, KIT_SHELL, 3)->cloexec);
}

static void test_dup__family__copy_and_its_cloexec(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/a", 1 | CLOEXEC_F);
	send_ints(KEV_CODE_SYSCALL_DUP_1_X, 2, 4, 3);
	assert_int_equal(kit_event_fd(&k)->num, 4);
	assert_string_equal(kit_fd_name(&k), "/a");
	assert_false(kit_fd(&k, KIT_SHELL, 4)->cloexec);
	send_ints(KEV_CODE_SYSCALL_DUP2_X, 3, 1, 3, 1);
	assert_int_equal(kit_event_fd(&k)->num, 1);
	send_ints(KEV_CODE_SYSCALL_DUP3_X, 4, 5, 3, 5, CLOEXEC_F);
	assert_true(kit_fd(&k, KIT_SHELL, 5)->cloexec);
	send_ints(KEV_CODE_SYSCALL_FCNTL_X, 4, 6, 3, 0x1a, 6);
	assert_true(kit_fd(&k, KIT_SHELL, 6)->cloexec);
	assert_int_equal(kit_event_fd(&k)->num, 6);
	send_ints(KEV_CODE_SYSCALL_FCNTL_X, 4, 7, 3, 1, 7);
	assert_false(kit_fd(&k, KIT_SHELL, 7)->cloexec);
	send_ints(KEV_CODE_SYSCALL_FCNTL_X, 4, 0, 7, 3, 1);
	assert_true(kit_fd(&k, KIT_SHELL, 7)->cloexec);
	send_ints(KEV_CODE_SYSCALL_DUP2_X, 3, 3, 3, 3); /* on itself: nothing changes */
	assert_true(kit_fd(&k, KIT_SHELL, 3)->cloexec);
	assert_string_equal(kit_fd_name(&k), "/a");
}

static void test_dup2__unknown_source__target_unknown_too(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/a", 1);
	send_ints(KEV_CODE_SYSCALL_DUP2_X, 3, 3, 50, 3);
	assert_null(kit_fd(&k, KIT_SHELL, 3));
	assert_int_equal(kit_event_fd(&k)->flags, 0);
	assert_int_equal(kit_event_fd(&k)->num, 3);
}

static void test_chdir__relative_and_by_descriptor__next_open_follows(void **state)
{
	(void)state;
	send_path(KEV_CODE_SYSCALL_CHDIR_X, "../../srv");
	kit_openat(&k, KIT_SHELL, 3, -100, "x", 1);
	assert_string_equal(kit_fd_name(&k), "/srv/x");
	kit_openat(&k, KIT_SHELL, 4, -100, "/opt/dir", 0x400);
	send_ints(KEV_CODE_SYSCALL_FCHDIR_X, 2, 0, 4);
	kit_openat(&k, KIT_SHELL, 5, -100, "x", 1);
	assert_string_equal(kit_fd_name(&k), "/opt/dir/x");
	send_path(KEV_CODE_SYSCALL_GETCWD_X, "/real/dir");
	kit_openat(&k, KIT_SHELL, 6, -100, "x", 1);
	assert_string_equal(kit_fd_name(&k), "/real/dir/x");
	send_path(KEV_CODE_SYSCALL_CHROOT_X, "/jail");
	kit_close_fd(&k, KIT_SHELL, 6);
	assert_string_equal(
		kit_proc_text(kit_proc(&k, KIT_SHELL), kit_proc(&k, KIT_SHELL)->root), "/jail/");
}

static void test_paths__relative_parameters__resolved(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/var", 0x400);
	kit_start(&k, KEV_CODE_SYSCALL_RENAMEAT_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	kit_int(&k, 3);
	kit_text(&k, "old");
	kit_int(&k, -100);
	kit_text(&k, "new");
	kit_send(&k);
	assert_string_equal(att_text(EV_ATT_PATH, 2), "/var/old");
	assert_string_equal(att_text(EV_ATT_PATH, 4), "/home/user/new");
	assert_null(kit_event(&k)->fd); /* no descriptor event */
	assert_non_null(ev_att_find(kit_event(&k), EV_ATT_FD, 1));
	send_path(KEV_CODE_SYSCALL_UNLINK_2_X, "gone");
	assert_string_equal(att_text(EV_ATT_PATH, 1), "/home/user/gone");
	send_path(KEV_CODE_SYSCALL_UNLINK_2_X, "/abs");
	assert_null(att_text(EV_ATT_PATH, 1));
}

static void test_pids__known__comm(void **state)
{
	(void)state;
	send_ints(KEV_CODE_SYSCALL_KILL_X, 3, 0, KIT_SHELL, 9);
	assert_string_equal(att_text(EV_ATT_PID, 1), "bash");
	send_ints(KEV_CODE_SYSCALL_KILL_X, 3, 0, 4711, 9);
	assert_null(att_text(EV_ATT_PID, 1));
}

static void test_pipe__two_ends__second_is_the_events(void **state)
{
	(void)state;
	send_ints(KEV_CODE_SYSCALL_PIPE2_X, 5, 0, 8, 9, 33, CLOEXEC_F);
	assert_int_equal(kit_event_fd(&k)->num, 9);
	assert_int_equal(kit_event_fd(&k)->type, EV_FD_PIPE);
	assert_int_equal(kit_event_fd(&k)->ino, 33);
	assert_int_equal(kit_fd(&k, KIT_SHELL, 8)->type, EV_FD_PIPE);
	assert_true(kit_fd(&k, KIT_SHELL, 8)->cloexec);
	send_ints(KEV_CODE_SYSCALL_PIPE_X, 4, -24, -1, -1, 0);
	assert_int_equal(k.core.fds.n_live, 2);
}

static void test_dup__unknown_source__target_unknown_but_in_the_reference(void **state)
{
	(void)state;
	for (int exact = 0; exact < 2; exact++) {
		k.core.cfg.exact = exact;
		kit_openat(&k, KIT_SHELL, 1, -100, "/dev/null", 1);
		send_ints(KEV_CODE_SYSCALL_DUP2_X, 3, 1, 44, 1);
		assert_int_equal(kit_event_fd(&k)->num, 1);
		assert_int_equal(kit_event_fd(&k)->flags, 0);
		assert_int_equal(kit_fd(&k, KIT_SHELL, 1) != NULL, exact);
	}
}

static void test_fcntl_dup__both_descriptors_told(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/a", 1);
	send_ints(KEV_CODE_SYSCALL_FCNTL_X, 4, 9, 3, 1, 0);
	assert_int_equal(kit_event_fd(&k)->num, 9);
	assert_non_null(ev_att_find(kit_event(&k), EV_ATT_FD, 1));
	send_ints(KEV_CODE_SYSCALL_FCNTL_X, 4, 0, 3, 2, 0);
	assert_null(ev_att_find(kit_event(&k), EV_ATT_FD, 1)); /* it is the event's */
}

static void test_splice__the_target_is_the_events(void **state)
{
	(void)state;
	send_ints(KEV_CODE_SYSCALL_SPLICE_X, 5, 10, 8, 9, 10, 0);
	assert_int_equal(kit_event_fd(&k)->num, 9);
}

static void test_simple__each_kind__type_and_cloexec(void **state)
{
	static const struct {
		uint16_t code;
		uint8_t type;
		int flags; /* parameter 1 */
		bool cloexec;
	} rows[] = {
		{KEV_CODE_SYSCALL_EVENTFD2_X, EV_FD_EVENTFD, CLOEXEC_F, true},
		{KEV_CODE_SYSCALL_EVENTFD2_X, EV_FD_EVENTFD, 0, false},
		{KEV_CODE_SYSCALL_EVENTFD_X, EV_FD_EVENTFD, 0, false},
		{KEV_CODE_SYSCALL_SIGNALFD4_X, EV_FD_SIGNALFD, CLOEXEC_F, true},
		{KEV_CODE_SYSCALL_SIGNALFD_X, EV_FD_SIGNALFD, -1, false},
		{KEV_CODE_SYSCALL_TIMERFD_CREATE_X, EV_FD_TIMERFD, 0, false},
		{KEV_CODE_SYSCALL_INOTIFY_INIT_X, EV_FD_INOTIFY, 0, false},
		{KEV_CODE_SYSCALL_INOTIFY_INIT1_X, EV_FD_INOTIFY, CLOEXEC_F, true},
		{KEV_CODE_SYSCALL_EPOLL_CREATE_X, EV_FD_EVENTPOLL, 1, false},
		{KEV_CODE_SYSCALL_EPOLL_CREATE1_X, EV_FD_EVENTPOLL, 1, true},
		{KEV_CODE_SYSCALL_USERFAULTFD_X, EV_FD_USERFAULTFD, CLOEXEC_F, true},
		{KEV_CODE_SYSCALL_IO_URING_SETUP_X, EV_FD_IO_URING, 8, true},
		{KEV_CODE_SYSCALL_PIDFD_OPEN_X, EV_FD_PIDFD, KIT_SHELL, true},
		{KEV_CODE_SYSCALL_BPF_2_X, EV_FD_BPF, 5, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		send_ints(rows[i].code, 2, 20, rows[i].flags);
		assert_int_equal(kit_event_fd(&k)->num, 20);
		assert_int_equal(kit_event_fd(&k)->type, rows[i].type);
		assert_int_equal(kit_fd(&k, KIT_SHELL, 20)->cloexec, rows[i].cloexec);
		send_ints(rows[i].code, 2, -1, rows[i].flags);
		assert_int_equal(kit_event_fd(&k)->num, -1);
		kit_close_fd(&k, KIT_SHELL, 20);
	}
	send_ints(KEV_CODE_SYSCALL_BPF_2_X, 2, 20, 1); /* a lookup returns no descriptor */
	assert_null(kit_fd(&k, KIT_SHELL, 20));
}

static void test_memfd__name__kept(void **state)
{
	(void)state;
	kit_start(&k, KEV_CODE_SYSCALL_MEMFD_CREATE_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 12);
	kit_text(&k, "payload");
	kit_int(&k, 1);
	kit_send(&k);
	assert_int_equal(kit_event_fd(&k)->type, EV_FD_MEMFD);
	assert_string_equal(kit_fd_name(&k), "payload");
	assert_true(kit_fd(&k, KIT_SHELL, 12)->cloexec);
}

static void test_pidfd_getfd__known__copied(void **state)
{
	(void)state;
	kit_fork(&k, KIT_SHELL, 200, 200, 0);
	kit_openat(&k, 200, 3, -100, "/secret", 1);
	send_ints(KEV_CODE_SYSCALL_PIDFD_OPEN_X, 3, 10, 200, 0);
	send_ints(KEV_CODE_SYSCALL_PIDFD_GETFD_X, 4, 11, 10, 3, 0);
	assert_string_equal(kit_fd_name(&k), "/secret");
	assert_int_equal(kit_event_fd(&k)->num, 11);
}

static void test_table_facts__needed__attached(void **state)
{
	const struct ev_att *a;
	uint32_t types;
	uint64_t n;

	(void)state;
	kit_openat(&k, KIT_SHELL, 0, -100, "/dev/tty", 3);
	send_ints(KEV_CODE_SYSCALL_PIPE_X, 4, 0, 8, 9, 33);
	a = ev_att_find(kit_event(&k), EV_ATT_FDTYPES, 0);
	memcpy(&types, ev_att_data(a), sizeof(types));
	assert_int_equal(types, 1u << EV_FD_FILE | 1u << EV_FD_PIPE);
	a = ev_att_find(kit_event(&k), EV_ATT_FDCOUNT, 0);
	memcpy(&n, ev_att_data(a), sizeof(n));
	assert_int_equal(n, 3);
	a = ev_att_find(kit_event(&k), EV_ATT_DELTA, 0);
	memcpy(&n, ev_att_data(a), sizeof(n));
	assert_int_equal(n, 1000);
	a = ev_att_find(kit_event(&k), EV_ATT_RELTIME, 0);
	memcpy(&n, ev_att_data(a), sizeof(n));
	assert_int_equal(n, kit_event(&k)->ev->h.ts_ns - k.core.first_ts_ns);
	assert_true(n >= 1000);
	assert_non_null(ev_att_find(kit_event(&k), EV_ATT_STDIO, 0));
	assert_null(ev_att_find(kit_event(&k), EV_ATT_STDIO, 1));
}

static void test_fds__full__evicted_and_counted(void **state)
{
	struct kit small;

	(void)state;
	kit_open(&small, 64, 256, 0);
	for (int fd = 0; fd < 1000; fd++) {
		kit_openat(&small, 10 + (uint32_t)fd % 3, fd, -100, "/some/file", 1);
		assert_true(kit_event_fd(&small)->flags & EV_FD_KNOWN);
		kit_forget_output(&small);
	}
	assert_int_equal(small.core.fds.n_live, 256);
	assert_int_equal(small.core.fds.n_evicted, 1000 - 256);
	kit_exec(&small, 10, "x", "/x", 0);
	for (int fd = 0; fd < 300; fd++) /* a full pool, and duplicates of what may be evicted */
		kit_openat(&small, 10, fd, -100, "/own", 1);
	kit_start(&small, KEV_CODE_SYSCALL_DUP2_X, 10, 10);
	kit_int(&small, 5000);
	kit_int(&small, 299);
	kit_int(&small, 5000);
	kit_send(&small);
	assert_string_equal(kit_fd_name(&small), "/own");
	kit_close(&small);
}

static void test_names__too_many_long_ones__descriptors_go_first(void **state)
{
	static char path[1000];
	struct kit small;

	(void)state;
	kit_open(&small, 64, 100000, 0);
	kit_exec(&small, 10, "keep", "/keep", 0);
	memset(path, 'p', sizeof(path) - 1);
	path[0] = '/';
	for (int fd = 0; fd < 20000; fd++) {
		memcpy(path + 1,
			&(char[4]){'a' + fd % 26, 'a' + fd / 26 % 26, 'a' + fd / 676 % 26, 'x'}, 4);
		kit_openat(&small, 11, fd, -100, path, 1);
		assert_string_equal(kit_fd_name(&small), path);
		kit_forget_output(&small);
	}
	assert_true(small.core.fds.n_evicted > 0);
	assert_in_range(small.core.fds.n_live, 1000, 19000);
	assert_int_equal(small.core.threads.n_evicted, 0);
	assert_int_equal(small.core.texts.n_refused, 0);
	kit_close(&small);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_openat__success__entry_and_event),
		T(test_openat__by_descriptor__its_directory),
		T(test_openat__failure__no_entry_but_a_name),
		T(test_openat__unknown_cwd__marked),
		T(test_openat__same_number_again__replaced),
		T(test_open_family__each__name_and_flags),
		T(test_open__realpath__only_if_it_differs),
		T(test_close__success_or_failure__after_the_event),
		T(test_close_range__numbers__closed_or_marked),
		T(test_dup__family__copy_and_its_cloexec),
		T(test_dup2__unknown_source__target_unknown_too),
		T(test_chdir__relative_and_by_descriptor__next_open_follows),
		T(test_paths__relative_parameters__resolved),
		T(test_pids__known__comm),
		T(test_pipe__two_ends__second_is_the_events),
		T(test_dup__unknown_source__target_unknown_but_in_the_reference),
		T(test_fcntl_dup__both_descriptors_told),
		T(test_splice__the_target_is_the_events),
		T(test_simple__each_kind__type_and_cloexec),
		T(test_memfd__name__kept),
		T(test_pidfd_getfd__known__copied),
		T(test_table_facts__needed__attached),
		T(test_fds__full__evicted_and_counted),
		T(test_names__too_many_long_ones__descriptors_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
