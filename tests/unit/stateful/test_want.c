/* SPDX-License-Identifier: Apache-2.0 */
/* What is not sent on, as no rule can match it: by the result, the connection, the name. */

#include "kit.h"

#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#define RD 1 /* event vocabulary's */
#define WR 2
#define TRUNC 0x100
#define AT_CWD (-100)

static struct kit k;
static struct kshm_paths paths;

static int setup(void **state)
{
	(void)state;
	kit_open_with_shell(&k, 0);
	memset(&paths, 0, sizeof(paths));
	k.core.cfg.paths = &paths;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kit_close(&k);
	return 0;
}

/* As the compiler does. */
static void want_path(enum kshm_path_kind kind, const char *text, unsigned cls)
{
	size_t n = strlen(text);
	uint64_t h = kshm_hash_start(n, kind);

	for (size_t i = 0; i < n; i += 8) {
		uint64_t word = 0;

		memcpy(&word, text + i, n - i < 8 ? n - i : 8);
		h = kshm_hash_word(h, word);
	}
	paths.kinds[cls] |= kind;
	if (kind == KSHM_PATH_PREFIX)
		paths.prefix_lens[0] = (uint8_t)n;
	for (unsigned i = 0; i < KSHM_PATH_PROBES; i++) {
		uint64_t *v = &paths.slots[(KSHM_HASH_SLOT(h) + i) & (KSHM_PATH_SLOTS - 1)];

		if (*v)
			continue;
		*v = KSHM_HASH_TAG(h) | 1u << cls;
		return;
	}
	fail();
}

/* Did the last event come out? */
static bool is_sent(void)
{
	unsigned n = kit_count(&k, REC_EVENT);

	assert_true(n <= 1);
	kit_forget_output(&k);
	return n == 1;
}

static bool sends_open(int64_t res, const char *path, uint32_t flags)
{
	uint64_t here = k.core.counters.judged_here;
	bool sent;

	kit_forget_output(&k);
	kit_openat(&k, KIT_SHELL, res, AT_CWD, path, flags);
	sent = is_sent();
	assert_int_equal(k.core.counters.judged_here, here + !sent);
	return sent;
}

static void test_result__failures_unwanted__successes_alone(void **state)
{
	(void)state;
	assert_true(sends_open(-ENOENT, "/x", RD));
	k.events[KEV_IX_SYSCALL_OPENAT_2_X].want = KSHM_WANT | KSHM_WANT_SUCCESS_ONLY;
	assert_false(sends_open(-ENOENT, "/x", RD));
	assert_false(sends_open(-4095, "/x", RD));
	assert_true(sends_open(-4096, "/x", RD)); /* no error that a call has */
	assert_true(sends_open(3, "/x", RD));
}

static void test_open__names__listed_alone(void **state)
{
	static const struct {
		const char *path;
		uint32_t flags;
		int64_t res;
		bool is_sent;
	} cases[] = {
		{"/etc/shadow", RD, 3, true},
		{"/etc/shadow", RD, -EACCES, false}, /* another class */
		{"/etc/shadow", WR, 3, false},
		{"/etc/shadow", RD | TRUNC, 3, false},
		{"/etc/shadow2", RD, 3, false},
		{"/etc/./shadow", RD, 3, true}, /* the name that rules see */
		{"/etc/x/../shadow", RD, 3, true},
		{"../../etc/shadow", RD, 3, true},
		{"shadow", RD, 3, false}, /* /home/user/shadow */
		{"/root/.ssh/key", RD, 3, true},
		{"/root/.ssh/a/key", RD, 3, false},
		{"/bin/sh", WR, 3, true},
		{"/bin/sh", RD, 3, false},
		{"/usr/bin/sh", WR, 3, false},
		{"/x/id_rsa", RD | WR, 3, true},
		{"/x/id_rsa2", RD | WR, 3, false},
		{"/", RD | WR, 3, true}, /* not told: sent */
		{"/a/../b", WR, -ENOENT, true},
		{"/a/b..c", WR, -ENOENT, true},
		{"/a/b", WR, -ENOENT, false},
		{"/a", RD | WR | TRUNC, 3, true},
		{"/a", 0, 3, true}, /* neither read nor written */
		{"/a", RD | WR, -ENOENT, false},
	};

	(void)state;
	k.events[KEV_IX_SYSCALL_OPENAT_2_X].want = KSHM_WANT | KSHM_WANT_PATHS;
	want_path(KSHM_PATH_EXACT, "/etc/shadow", 0);
	want_path(KSHM_PATH_DIR, "/root/.ssh", 0);
	want_path(KSHM_PATH_PREFIX, "/bin/", 1);
	want_path(KSHM_PATH_BASE, "id_rsa", 2);
	paths.kinds[KSHM_OPEN_TRUNC + 2] = KSHM_PATH_ANY;
	paths.kinds[KSHM_OPEN_FAILED + 1] = KSHM_PATH_DOTDOT;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (sends_open(cases[i].res, cases[i].path, cases[i].flags) != cases[i].is_sent)
			fail_msg("%s, flags %#x, result %d", cases[i].path, cases[i].flags,
				(int)cases[i].res);
	/* what was not sent is known all the same */
	assert_false(sends_open(7, "/var/x", RD));
	assert_non_null(kit_fd(&k, KIT_SHELL, 7));
	k.core.cfg.paths = NULL; /* the kernel has looked */
	assert_true(sends_open(7, "/var/x", RD));
}

static void test_open__second_name__sent(void **state)
{
	struct kev_head *h;

	(void)state;
	k.events[KEV_IX_SYSCALL_OPENAT_2_X].want = KSHM_WANT | KSHM_WANT_PATHS;
	want_path(KSHM_PATH_EXACT, "/etc/shadow", 0);
	assert_false(sends_open(3, "/tmp/link", RD));
	kev_build_start(&k.b, k.buf + sizeof(struct rec_head), KEV_SIZE_MAX,
		KEV_CODE_SYSCALL_OPENAT_2_X, 1);
	h = kev_build_head(&k.b);
	h->tid = h->tgid = KIT_SHELL;
	h->leader_start_ns = KIT_SHELL * 1000ULL;
	h->cls = KEV_CLASS_FILE_NET;
	h->ts_ns = k.ts_ns += 1000;
	kit_int(&k, 3);
	kit_int(&k, AT_CWD);
	kit_text(&k, "/tmp/link");
	kit_int(&k, RD);
	kit_int(&k, 0);
	kit_int(&k, 0);
	kit_int(&k, 0);
	kit_text(&k, "/etc/shadow");
	assert_int_equal(kit_send(&k), 0);
	assert_true(is_sent());
}

static void make_socket(int64_t fd, int type)
{
	kit_start(&k, KEV_CODE_SOCKET_SOCKET_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, fd);
	kit_int(&k, AF_INET);
	kit_int(&k, type);
	kit_int(&k, 0);
	kit_int(&k, 0);
	assert_int_equal(kit_send(&k), 0);
}

static bool sends_to(int64_t fd, const void *tuple, size_t n)
{
	kit_forget_output(&k);
	kit_start(&k, KEV_CODE_SOCKET_SENDTO_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 4);
	kit_raw(&k, "abcd", 4);
	kit_int(&k, fd);
	kit_int(&k, 4);
	kit_raw(&k, tuple, n);
	assert_int_equal(kit_send(&k), 0);
	return is_sent();
}

static void test_send__over_tcp__not_sent_on(void **state)
{
	static const uint8_t tuple[13] = {AF_INET, 10, 0, 0, 1, 0x40, 0x9c, 8, 8, 8, 8, 53, 0};

	(void)state;
	k.events[KEV_IX_SOCKET_SENDTO_X].want = KSHM_WANT | KSHM_WANT_NOT_TCP;
	make_socket(3, SOCK_STREAM);
	make_socket(4, SOCK_DGRAM);
	assert_true(sends_to(3, NULL, 0));    /* of what has no peer a rule does not see tcp */
	assert_false(sends_to(3, tuple, 13)); /* it is told by the event itself */
	assert_false(sends_to(3, NULL, 0));
	assert_true(sends_to(4, tuple, 13));
	assert_true(sends_to(9, NULL, 0)); /* nobody knows */
	k.events[KEV_IX_SOCKET_SENDTO_X].want = KSHM_WANT;
	assert_true(sends_to(3, NULL, 0));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_result__failures_unwanted__successes_alone),
		T(test_open__names__listed_alone),
		T(test_open__second_name__sent),
		T(test_send__over_tcp__not_sent_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
