/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader says when it may not or cannot load. Needs no rights: it gives them up. */

#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/macros.h>
#include <driver/load.h>
#include <driver/source.h>

/* In a child without capabilities; exit status 0 if the line is the right one. */
static void load_without_rights(void)
{
	struct drv_load_config c = {.ring_bytes = 1u << 20};
	struct drv_loaded *l = NULL;
	char why[256] = "";
	cap_t none = cap_init();

	if (!none || cap_set_proc(none) < 0)
		_exit(2);
	(void)cap_free(none);
	if (drv_load(&c, &l, why, sizeof(why)) != -EPERM)
		_exit(3);
	_exit(l || !strstr(why, "CAP_BPF and CAP_PERFMON are missing") || strchr(why, '\n') ? 4
											    : 0);
}

static void test_load__no_capabilities__names_them(void **state)
{
	pid_t pid = fork();
	int status = 0;

	(void)state;
	if (pid == 0)
		load_without_rights();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_load_free__nothing__is_nothing(void **state)
{
	(void)state;
	assert_null(drv_load_free(NULL));
}

static void test_bpf_open__impossible_rings__refused(void **state)
{
	struct drv_source *s = NULL;
	int fds[2] = {-1, -1};

	(void)state;
	assert_int_equal(drv_bpf_open(fds, 0, 4096, -1, NULL, &s), -EINVAL);
	assert_int_equal(drv_bpf_open(fds, KSHM_CPUS_MAX + 1, 4096, -1, NULL, &s), -EINVAL);
	assert_int_equal(drv_bpf_open(fds, 1, 5000, -1, NULL, &s), -EINVAL);
	assert_int_equal(drv_bpf_open(fds, 1, 4096, -1, NULL, &s), -EBADF);
	assert_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load__no_capabilities__names_them),
		cmocka_unit_test(test_load_free__nothing__is_nothing),
		cmocka_unit_test(test_bpf_open__impossible_rings__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
