/* SPDX-License-Identifier: Apache-2.0 */
/* What is copied of a container's root: regular files in it, and nothing that lies outside, waits, or has no end. Who copies has few places, also where it cannot be killed. */

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/clock.h>

#include "sup.h"

static char dir[64];
static int root;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/saker-opener-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -1 : mkdirat(root, "etc", 0755);
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	(void)close(root);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static void put(const char *name, const char *text)
{
	char path[128];
	int file;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(file >= 0);
	assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(file);
}

static void expect(const char *text)
{
	int fd = sup_root_file_copy(root, "etc/passwd");
	char buf[64] = "";

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, buf, sizeof(buf) - 1, 0), (ssize_t)strlen(text));
	assert_string_equal(buf, text);
	(void)close(fd);
}

static void link_to(const char *target)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/etc/passwd", dir);
	(void)unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static void test_copy__regular_files_and_links_inside__copied(void **state)
{
	(void)state;
	put("etc/passwd", "own");
	expect("own");
	put("etc/other", "other");
	link_to("other");
	expect("other");
	link_to("/etc/other");
	expect("other");
	link_to("../../../../../etc/other"); /* the top is the container's */
	expect("other");
}

static void test_copy__anything_else__refused(void **state)
{
	char path[128];

	(void)state;
	assert_int_equal(sup_root_file_copy(root, "etc/passwd"), -ENOENT);
	link_to("/proc/self/root/etc/passwd");
	assert_true(sup_root_file_copy(root, "etc/passwd") < 0);
	link_to("passwd");
	assert_int_equal(sup_root_file_copy(root, "etc/passwd"), -ELOOP);
	(void)snprintf(path, sizeof(path), "%s/etc/passwd", dir);
	(void)unlink(path);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(sup_root_file_copy(root, "etc/passwd"), -ENOTSUP);
	(void)unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(sup_root_file_copy(root, "etc/passwd"), -EISDIR);
	(void)rmdir(path);
	if (geteuid() == 0) {
		assert_int_equal(
			mknod(path, S_IFCHR | 0666, makedev(1, 5)), 0); /* zeroes without end */
		assert_int_equal(sup_root_file_copy(root, "etc/passwd"), -ENOTSUP);
	}
}

static void test_copy__large__its_beginning(void **state)
{
	char path[128];
	struct stat st;
	int fd;

	(void)state;
	put("etc/passwd", "x");
	(void)snprintf(path, sizeof(path), "%s/etc/passwd", dir);
	assert_int_equal(truncate(path, 100 << 20), 0);
	fd = sup_root_file_copy(root, "etc/passwd");
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 1 << 20);
	(void)close(fd);
}

/* --- the helpers' places --- */

static struct sup s;
static struct sup_child asker;
static int line;

static int setup_places(void **state)
{
	int pair[2];

	(void)state;
	s = (struct sup){0};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	line = pair[0];
	asker = (struct sup_child){.ctl.fd = pair[1]};
	return 0;
}

static int teardown_places(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SUP_OPENERS_ALL; i++)
		if (s.openers.all[i].pid > 0) {
			(void)kill(s.openers.all[i].pid, SIGKILL);
			(void)waitpid(s.openers.all[i].pid, NULL, 0);
		}
	(void)close(line);
	(void)close(asker.ctl.fd);
	return 0;
}

static void ask(uint32_t index, uint64_t pid, const char *id)
{
	struct ctl_msg m = {.magic = CTL_MAGIC,
		.type = CTL_NEED_SINK,
		.role = FD_USERS,
		.index = index,
		.value[0] = pid};

	(void)snprintf(m.text, sizeof(m.text), "%s", id);
	sup_opener_ask(&s, &asker, &m);
}

static void expect_answer(uint32_t index, int result)
{
	for (unsigned i = 0; i < SUP_ROOT_FILES; i++) {
		struct pollfd p = {.fd = line, .events = POLLIN};
		struct ctl_msg m;
		int fd;

		assert_int_equal(poll(&p, 1, 10000), 1);
		assert_int_equal(ctl_recv(line, &m, &fd), 1);
		assert_int_equal(m.role, FD_USERS);
		assert_int_equal(m.index, index);
		assert_int_equal(m.value[0], i);
		assert_int_equal(m.result, result);
		assert_int_equal(fd, -1);
	}
}

static void expect_silence(void)
{
	struct pollfd p = {.fd = line, .events = POLLIN};

	assert_int_equal(poll(&p, 1, 0), 0);
}

/* A helper that works until it is killed. */
static void take_place(uint32_t index)
{
	for (unsigned i = 0; i < SUP_OPENERS_ALL; i++) {
		struct sup_opener *o = &s.openers.all[i];

		if (o->pid)
			continue;
		*o = (struct sup_opener){.index = index, .until_ns = 2 * NS_PER_S, .asker = &asker};
		o->pid = fork();
		if (o->pid == 0)
			for (;;)
				(void)pause();
		return;
	}
	fail();
}

static void test_ask__no_process_or_not_its_own__said(void **state)
{
	pid_t pid = fork();

	(void)state;
	if (geteuid() != 0)
		skip(); /* it may not become what it is */
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	ask(16, (uint64_t)pid, "0123456789ab");
	expect_answer(16, -ESRCH);
	ask(32, (uint64_t)getpid(), "0123456789ab");
	expect_answer(32, -ESRCH);
	ask(33, 0, "0123456789ab");
	expect_answer(33, -EINVAL);
	ask(34, (uint64_t)getpid(), "../0123456789ab");
	expect_answer(34, -EINVAL);
	assert_int_equal(s.openers.n_refused, 0);
}

static void test_ask__all_at_work__later(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SUP_OPENERS; i++)
		take_place(i);
	ask(16, (uint64_t)getpid(), "0123456789ab");
	expect_answer(16, -EAGAIN);
	assert_int_equal(s.openers.n_refused, 1);
	sup_openers_tick(&s, NS_PER_S);
	assert_int_equal(s.openers.n_killed, 0);
}

/* What was killed and has not ended (here: nobody has asked for its end yet) holds its place, others work on; when all are held so, nobody does, until one ends. */
static void test_tick__killed_ones_do_not_end__others_work_until_all_are_held(void **state)
{
	uint64_t now = 2 * NS_PER_S;

	(void)state;
	for (unsigned round = 1; round <= SUP_OPENERS_ALL / SUP_OPENERS; round++) {
		for (unsigned i = 0; i < SUP_OPENERS; i++)
			take_place(100 * round + i);
		sup_openers_tick(&s, now);
		for (unsigned i = 0; i < SUP_OPENERS; i++)
			expect_answer(100 * round + i, -ETIMEDOUT); /* who asked waits no longer */
		assert_int_equal(sup_openers_stuck(&s), round * SUP_OPENERS);
		assert_int_equal(s.openers.n_killed, round * SUP_OPENERS);
	}
	assert_int_equal(s.openers.said_ns, 0); /* they may be about to */
	now += 2 * NS_PER_S;
	sup_openers_tick(&s, now);
	assert_int_equal(s.openers.said_ns, now);
	sup_openers_tick(&s, now + 60 * NS_PER_S);
	assert_int_equal(s.openers.said_ns, now); /* once */
	expect_silence();
	ask(16, (uint64_t)getpid(), "0123456789ab");
	expect_answer(16, -EAGAIN);
	assert_int_equal(s.openers.n_refused, 1);
	for (unsigned i = 0; i < 200 && sup_openers_stuck(&s); i++) {
		sup_openers_reap(&s);
		(void)poll(NULL, 0, 10);
	}
	assert_int_equal(sup_openers_stuck(&s), 0);
	ask(17, (uint64_t)getpid(), "0123456789ab");
	if (geteuid() == 0)
		expect_answer(17, -ESRCH);
}

static void test_tick__asker_was_started_again__not_told(void **state)
{
	(void)state;
	take_place(1);
	asker.restarts = 1;
	sup_openers_tick(&s, 2 * NS_PER_S);
	assert_int_equal(s.openers.n_killed, 1);
	expect_silence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_copy__regular_files_and_links_inside__copied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy__anything_else__refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy__large__its_beginning, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_ask__no_process_or_not_its_own__said, setup_places, teardown_places),
		cmocka_unit_test_setup_teardown(
			test_ask__all_at_work__later, setup_places, teardown_places),
		cmocka_unit_test_setup_teardown(
			test_tick__killed_ones_do_not_end__others_work_until_all_are_held,
			setup_places, teardown_places),
		cmocka_unit_test_setup_teardown(test_tick__asker_was_started_again__not_told,
			setup_places, teardown_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
