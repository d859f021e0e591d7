/* SPDX-License-Identifier: Apache-2.0 */
/* Segments: birth, seals, access modes, and that every wrong header is refused. Segments that
 * seg_create() would never make are made by hand. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/cleanup.h>
#include <shm/segment.h>

static const uint8_t run_id[16] = "0123456789abcdef";

static void test_seg_create__both_descriptions__modes_and_seals(void **state)
{
	_cleanup_close_ int rw = -1, ro = -1;
	struct seg_head h;
	struct stat st;

	(void)state;
	assert_int_equal(seg_create("raw", SEG_STATS, 5000, run_id, &rw, &ro), 0);
	assert_int_equal(fcntl(rw, F_GETFL) & O_ACCMODE, O_RDWR);
	assert_int_equal(fcntl(ro, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_true(fcntl(rw, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(ro, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(
		fcntl(ro, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_WRITE),
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(fstat(ro, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, SEG_PAYLOAD_OFF + 5000);
	assert_true(st.st_blocks * 512 >= SEG_PAYLOAD_OFF + 5000);
	assert_int_equal(ftruncate(rw, 0), -1);
	assert_int_equal(ftruncate(rw, 1 << 20), -1);
	assert_int_equal(seg_check(ro, SEG_STATS, &h), 0);
	assert_string_equal(h.name, "raw");
	assert_memory_equal(h.run_id, run_id, 16);
	assert_int_equal(h.payload_size, 5000);
	assert_true(h.abi_hash == seg_abi_hash());
}

static void test_seg_map__writer_and_reader__share(void **state)
{
	_cleanup_close_ int rw = -1, ro = -1;
	void *w, *r, *none;
	size_t n, m;

	(void)state;
	assert_int_equal(seg_create("stats", SEG_STATS, 4096, run_id, &rw, &ro), 0);
	assert_int_equal(seg_map(rw, SEG_STATS, PROT_READ | PROT_WRITE, &w, &n), 0);
	assert_int_equal(seg_map(ro, SEG_STATS, PROT_READ, &r, &m), 0);
	assert_int_equal(n, 4096);
	assert_int_equal(m, 4096);
	*(uint64_t *)w = 77;
	assert_int_equal(*(uint64_t *)r, 77);
	assert_int_equal(seg_map(ro, SEG_STATS, PROT_READ | PROT_WRITE, &none, &m), -EACCES);
	assert_int_equal(mprotect(r, m, PROT_READ | PROT_WRITE), -1);
	seg_unmap(w, n);
	seg_unmap(r, m);
	seg_unmap(NULL, 0);
}

static void test_seg_create_sealed__content__never_changes(void **state)
{
	_cleanup_close_ int ro = -1, again = -1;
	char path[32];
	void *p;
	size_t n;

	(void)state;
	assert_int_equal(seg_create_sealed("image", SEG_IMAGE, "hello", 6, run_id, &ro), 0);
	assert_int_equal(seg_map(ro, SEG_IMAGE, PROT_READ, &p, &n), 0);
	assert_int_equal(n, 6);
	assert_string_equal(p, "hello");
	seg_unmap(p, n);
	assert_true(fcntl(ro, F_GET_SEALS) & F_SEAL_WRITE);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", ro);
	again = open(path, O_RDWR | O_CLOEXEC);
	if (again >= 0)
		assert_int_equal(pwrite(again, "x", 1, SEG_PAYLOAD_OFF), -1);
}

/* In a child whose root has no /proc, as a sealed stage's: 0, or the number of the step that was
 * wrong. */
static int make_without_proc(void)
{
	struct seg_head h;
	int fd = -1, rw = -1, ro = -1;

	if (chroot("/etc") < 0)
		return 77;
	if (seg_create_sealed("result", SEG_IMAGE, "hello", 6, run_id, &fd) != 0)
		return 1;
	if (seg_check(fd, SEG_IMAGE, &h) != 0)
		return 2;
	if (pwrite(fd, "x", 1, SEG_PAYLOAD_OFF) != -1 || errno != EPERM)
		return 3;
	if (seg_create("stats", SEG_STATS, 8, run_id, &rw, &ro) != -ENOENT || rw != -1)
		return 4;
	return 0;
}

static void test_seg_create_sealed__no_proc__made_and_sealed(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(make_without_proc());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* needs the right to change root */
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_seg_create__bad_arguments__refused(void **state)
{
	char longest[SEG_NAME_LEN + 1];
	int rw = -1, ro = -1;

	(void)state;
	memset(longest, 'n', sizeof(longest));
	longest[SEG_NAME_LEN] = 0;
	assert_int_equal(seg_create(longest, SEG_STATS, 1, run_id, &rw, &ro), -EINVAL);
	assert_int_equal(seg_create("x", SEG_STATS, 0, run_id, &rw, &ro), -EINVAL);
	assert_int_equal(seg_create("x", SEG_STATS, SIZE_MAX, run_id, &rw, &ro), -EINVAL);
	assert_int_equal(seg_create("x", SEG_STATS, (size_t)1 << 37, run_id, &rw, &ro), -EINVAL);
	assert_int_equal(rw, -1);
	assert_int_equal(ro, -1);
}

/* A memfd with any header, size and seals. */
static int forge(const struct seg_head *h, size_t size, int seals)
{
	int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (size >= sizeof(*h))
		assert_int_equal(pwrite(fd, h, sizeof(*h), 0), sizeof(*h));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

#define SIZED (F_SEAL_SHRINK | F_SEAL_GROW)

static void test_seg_check__each_wrong_field__refused(void **state)
{
	const struct seg_head good = {
		.magic = SEG_MAGIC,
		.kind = SEG_STATS,
		.head_size = SEG_PAYLOAD_OFF,
		.abi_hash = seg_abi_hash(),
		.payload_size = 4096,
		.name = "x",
	};
	struct {
		struct seg_head h;
		size_t size;
		int seals, expect;
	} cases[] = {
		{good, 8192, SIZED, 0}, {good, 8192, F_SEAL_GROW, -EBADMSG},
		{good, 8192, F_SEAL_SHRINK, -EBADMSG}, {good, 8191, SIZED, -EBADMSG},
		{good, 8193, SIZED, -EBADMSG}, {good, 4096, SIZED, -EBADMSG},
		{good, 50, SIZED, -EBADMSG}, {good, 0, SIZED, -EBADMSG},
		{good, 8192, SIZED, -EBADMSG}, /* magic */
		{good, 8192, SIZED, -EBADMSG}, /* kind */
		{good, 8192, SIZED, -EBADMSG}, /* head size */
		{good, 8192, SIZED, -ESTALE},  /* abi */
		{good, 8192, SIZED, -EBADMSG}, /* payload size */
		{good, 8192, SIZED, -EBADMSG}, /* name without NUL */
		{good, 8192, SIZED, -EBADMSG}, /* payload size wraps */
	};

	(void)state;
	cases[8].h.magic++;
	cases[9].h.kind = SEG_PROGRESS;
	cases[10].h.head_size = 96;
	cases[11].h.abi_hash++;
	cases[12].h.payload_size = 1 << 20;
	memset(cases[13].h.name, 'x', SEG_NAME_LEN);
	cases[14].h.payload_size = UINT64_MAX;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_close_ int fd = forge(&cases[i].h, cases[i].size, cases[i].seals);
		struct seg_head out = {.magic = 1};
		void *p = &out;
		size_t n = 7;

		assert_int_equal(seg_check(fd, SEG_STATS, &out), cases[i].expect);
		if (cases[i].expect == 0)
			continue;
		assert_int_equal(out.magic, 1);
		assert_int_equal(seg_map(fd, SEG_STATS, PROT_READ, &p, &n), cases[i].expect);
		assert_int_equal(n, 7);
	}
}

static void test_seg_check__image_not_sealed_against_writing__refused(void **state)
{
	const struct seg_head h = {
		.magic = SEG_MAGIC,
		.kind = SEG_IMAGE,
		.head_size = SEG_PAYLOAD_OFF,
		.abi_hash = seg_abi_hash(),
		.payload_size = 1,
		.name = "i",
	};
	_cleanup_close_ int loose = forge(&h, SEG_PAYLOAD_OFF + 1, SIZED);
	_cleanup_close_ int sealed = forge(&h, SEG_PAYLOAD_OFF + 1, SIZED | F_SEAL_WRITE);
	struct seg_head out;

	(void)state;
	assert_int_equal(seg_check(loose, SEG_IMAGE, &out), -EBADMSG);
	assert_int_equal(seg_check(sealed, SEG_IMAGE, &out), 0);
}

static void test_seg_check__not_a_memfd__refused(void **state)
{
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct seg_head out;
	int p[2];

	(void)state;
	assert_int_equal(seg_check(null, SEG_STATS, &out), -EBADMSG);
	assert_int_equal(seg_check(-1, SEG_STATS, &out), -EBADF);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(seg_check(p[0], SEG_STATS, &out), -EBADMSG);
	close(p[0]);
	close(p[1]);
}

static void test_seg_abi_hash__twice__same_and_set(void **state)
{
	(void)state;
	assert_true(seg_abi_hash() != 0);
	assert_true(seg_abi_hash() == seg_abi_hash());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seg_create__both_descriptions__modes_and_seals),
		cmocka_unit_test(test_seg_map__writer_and_reader__share),
		cmocka_unit_test(test_seg_create_sealed__content__never_changes),
		cmocka_unit_test(test_seg_create_sealed__no_proc__made_and_sealed),
		cmocka_unit_test(test_seg_create__bad_arguments__refused),
		cmocka_unit_test(test_seg_check__each_wrong_field__refused),
		cmocka_unit_test(test_seg_check__image_not_sealed_against_writing__refused),
		cmocka_unit_test(test_seg_check__not_a_memfd__refused),
		cmocka_unit_test(test_seg_abi_hash__twice__same_and_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
