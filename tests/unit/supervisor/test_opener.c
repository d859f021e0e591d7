/* SPDX-License-Identifier: Apache-2.0 */
/* What is copied of a container's root: regular files in it, and nothing that lies outside, waits, or has no end. */

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_copy__regular_files_and_links_inside__copied, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy__anything_else__refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy__large__its_beginning, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
