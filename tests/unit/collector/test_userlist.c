/* SPDX-License-Identifier: Apache-2.0 */
/* passwd and group: the parser on good and hostile lines, and the records between two versions of a file. */

#include <sys/mman.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/hash.h>
#include <base/macros.h>
#include <base/strbuf.h>
#include <driver/kev.h>

#include "userlist.h"

/* --- parser --- */

static void test_md_passwd_next__usual_lines__give_their_fields(void **state)
{
	struct span rest =
		SPAN_LIT("root:x:0:0:root:/root:/bin/bash\n# comment\n\n  "
			 "\nalice:x:1000:1001:Alice,,,:/home/alice:/bin/zsh\nbob:x:1002:100");
	struct md_entry e;
	unsigned bad = 0;

	(void)state;
	assert_true(md_passwd_next(&rest, MD_PASSWD, &e, &bad));
	assert_true(span_eq_str(e.name, "root") && span_eq_str(e.home, "/root") &&
		    span_eq_str(e.shell, "/bin/bash"));
	assert_int_equal(e.uid, 0);
	assert_true(md_passwd_next(&rest, MD_PASSWD, &e, &bad));
	assert_true(span_eq_str(e.name, "alice") && span_eq_str(e.home, "/home/alice") &&
		    span_eq_str(e.shell, "/bin/zsh"));
	assert_int_equal(e.uid, 1000);
	assert_int_equal(e.gid, 1001);
	assert_true(md_passwd_next(
		&rest, MD_PASSWD, &e, &bad)); /* no newline at the end, no home, no shell */
	assert_int_equal(e.gid, 100);
	assert_int_equal(e.home.n, 0);
	assert_int_equal(e.shell.n, 0);
	assert_non_null(e.shell.p);
	assert_false(md_passwd_next(&rest, MD_PASSWD, &e, &bad));
	assert_int_equal(bad, 0);
}

static void test_md_passwd_next__group_lines__give_name_and_number(void **state)
{
	struct span rest = SPAN_LIT("root:x:0:\nsudo:x:27:alice,bob\nlast:x:99\n");
	struct md_entry e;
	unsigned bad = 0;

	(void)state;
	assert_true(md_passwd_next(&rest, MD_GROUP, &e, &bad));
	assert_true(md_passwd_next(&rest, MD_GROUP, &e, &bad));
	assert_true(span_eq_str(e.name, "sudo"));
	assert_int_equal(e.gid, 27);
	assert_true(md_passwd_next(&rest, MD_GROUP, &e, &bad));
	assert_int_equal(e.gid, 99);
	assert_false(md_passwd_next(&rest, MD_GROUP, &e, &bad));
	assert_int_equal(bad, 0);
}

static void test_md_passwd_next__lines_that_are_none__are_passed_over(void **state)
{
	static const struct span lines[] = {
		SPAN_LIT("x"),
		SPAN_LIT(":x:0:0:::"),
		SPAN_LIT("a:x:"),
		SPAN_LIT("a:x:1"),
		SPAN_LIT("a:x:1:"),
		SPAN_LIT("a:x::1:::"),
		SPAN_LIT("a:x:-1:1:::"),
		SPAN_LIT("a:x:4294967296:1:::"),
		SPAN_LIT("a:x:99999999999999999999:1:::"),
		SPAN_LIT("a:x:1x:1:::"),
		SPAN_LIT("a:x: 1:1:::"),
		SPAN_LIT("+:x:1:1:::"),
		SPAN_LIT("-nis:x:1:1:::"),
		SPAN_LIT("a\0b:x:1:1:::"),
		SPAN_LIT("::::::::::"),
		SPAN_LIT("\0"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct span rest = lines[i];
		struct md_entry e;
		unsigned bad = 0;

		if (md_passwd_next(&rest, MD_PASSWD, &e, &bad) || bad != 1)
			fail_msg("line %zu was taken", i);
	}
}

static void test_md_passwd_next__longest_line__taken_and_one_more_not(void **state)
{
	char *text = malloc(MD_LINE_MAX + 1);

	(void)state;
	assert_non_null(text);
	for (unsigned extra = 0; extra < 2; extra++) {
		struct md_entry e;
		unsigned bad = 0;
		memset(text, 'x', MD_LINE_MAX + extra);
		memcpy(text, "a:x:1:1:", 8);
		struct span rest = {.p = text, .n = MD_LINE_MAX + extra};
		assert_int_equal(md_passwd_next(&rest, MD_PASSWD, &e, &bad), extra == 0);
		assert_int_equal(bad, extra);
	}
	free(text);
}

/* Bytes of no meaning in buffers of exact size: the sanitizer sees a read behind the end. Whatever is accepted must lie inside. */
static void test_md_passwd_next__random_bytes__stay_inside(void **state)
{
	static const char alphabet[] = "a:0\n1:\n9#+-\0x:";
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		size_t n = hash_u64(seed++) % 64;
		char *text = malloc(n ? n : 1);
		assert_non_null(text);
		for (size_t j = 0; j < n; j++)
			text[j] = alphabet[hash_u64(seed++) % sizeof(alphabet)];
		struct span rest = {.p = text, .n = n};
		struct md_entry e;
		unsigned bad = 0;
		while (md_passwd_next(&rest, i % 2 ? MD_PASSWD : MD_GROUP, &e, &bad)) {
			assert_true(e.name.n > 0 && e.name.p >= text &&
				    e.name.p + e.name.n <= text + n);
			assert_null(memchr(e.line.p, '\n', e.line.n));
		}
		assert_int_equal(rest.n, 0);
		free(text);
	}
}

/* --- lists --- */

static int file_of(const char *text, size_t n)
{
	int fd = memfd_create("passwd", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	return fd;
}

/* All records of the job as "+name:uid " and "-name:uid ". */
static void run_job(struct md_list *l, char *text, size_t cap)
{
	static uint64_t buf[KEV_SIZE_MAX / 8];
	int len;

	text[0] = '\0';
	while (l->job != MD_IDLE && (len = md_list_record(l, buf)) > 0) {
		struct kev k;
		const char *why = "";
		size_t used = strlen(text);

		if (kev_parse(buf, (size_t)len, &k, &why) < 0)
			fail_msg("record: %s", why);
		bool user = l->file == MD_PASSWD;
		bool added =
			k.info->code == (user ? KEV_CODE_USER_ADDED_E : KEV_CODE_GROUP_ADDED_E);
		struct span name = kev_param_text(&k, user ? 2 : 1);
		(void)snprintf(text + used, cap - used, "%c%.*s:%u ", added ? '+' : '-',
			(int)name.n, name.p, (unsigned)kev_param_u64(&k, 0));
		assert_int_equal(kev_param_text(&k, user ? 5 : 2).n, 0); /* of no container */
		md_list_taken(l);
	}
	assert_int_equal(l->job, MD_IDLE);
}

static void step(struct md_list *l, const char *content, const char *expected)
{
	char text[1024];
	int fd = file_of(content, strlen(content));

	assert_int_equal(md_list_read(l, fd), 0);
	run_job(l, text, sizeof(text));
	assert_string_equal(text, expected);
	(void)close(fd);
}

static void test_md_list__versions_of_a_file__differences_are_sent(void **state)
{
	struct md_list l;

	(void)state;
	assert_int_equal(md_list_init(&l, MD_PASSWD), 0);
	step(&l, "root:x:0:0::/root:/bin/sh\na:x:1:1::/a:/bin/sh\n", "+root:0 +a:1 ");
	step(&l, "root:x:0:0::/root:/bin/sh\na:x:1:1::/a:/bin/sh\n", "");
	step(&l, "root:x:0:0::/root:/bin/sh\na:x:1:1::/a:/bin/sh\nb:x:2:2::/b:/bin/sh\n", "+b:2 ");
	step(&l, "root:x:0:0::/root:/bin/sh\nb:x:2:2::/b:/bin/sh\n", "-a:1 ");
	step(&l, "root:x:0:0::/root:/bin/sh\nb:x:2:2::/b:/bin/zsh\n",
		"+b:2 "); /* another shell: overwrites */
	step(&l, "root:x:0:0::/root:/bin/sh\nc:x:2:2::/b:/bin/zsh\n",
		"+c:2 "); /* another name for the number */
	step(&l, "", "-root:0 -c:2 ");
	md_list_done(&l);
}

static void test_md_list__groups__differences_are_sent(void **state)
{
	struct md_list l;

	(void)state;
	assert_int_equal(md_list_init(&l, MD_GROUP), 0);
	step(&l, "root:x:0:\nsudo:x:27:alice\n", "+root:0 +sudo:27 ");
	step(&l, "root:x:0:\ndocker:x:999:\n", "-sudo:27 +docker:999 ");
	md_list_done(&l);
}

static void test_md_list_read__more_than_fits__is_cut_and_said(void **state)
{
	struct md_list l;
	struct strbuf b = {0};

	(void)state;
	for (unsigned i = 0; i < MD_ENTRIES_MAX + 10; i++)
		strbuf_addf(&b, "u%u:x:%u:1::/h:/s\n", i, i);
	assert_int_equal(md_list_init(&l, MD_PASSWD), 0);
	int fd = file_of(b.p, b.n);
	assert_int_equal(md_list_read(&l, fd), 0);
	assert_true(l.is_cut);
	assert_int_equal(l.tables[l.cur].n, MD_ENTRIES_MAX);
	(void)close(fd);
	l.job = MD_IDLE;
	/* and a file that is longer than the buffer, all of it one line */
	strbuf_reset(&b);
	while (b.n < MD_FILE_BYTES_MAX + 100)
		strbuf_add(&b, "0123456789abcdef", 16);
	fd = file_of(b.p, b.n);
	assert_int_equal(md_list_read(&l, fd), 0);
	assert_true(l.is_cut);
	assert_int_equal(l.tables[l.cur].n, 0);
	assert_int_equal(l.n_bad, 1);
	(void)close(fd);
	strbuf_done(&b);
	md_list_done(&l);
}

static void test_md_list_is_stale__changed_or_replaced__true(void **state)
{
	char path[] = "passwd-XXXXXX", other[sizeof(path) + 4];
	struct md_list l;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a:x:1:1:::\n", 11), 11);
	assert_int_equal(md_list_init(&l, MD_PASSWD), 0);
	assert_int_equal(md_list_read(&l, fd), 0);
	assert_false(md_list_is_stale(&l, fd));
	/* replaced as passwd(1) does it: another file gets the name */
	(void)snprintf(other, sizeof(other), "%s.new", path);
	FILE *f = fopen(other, "w");
	assert_non_null(f);
	(void)fclose(f);
	assert_int_equal(rename(other, path), 0);
	assert_true(md_list_is_stale(&l, fd));
	l.job = MD_IDLE;
	assert_int_equal(md_list_read(&l, fd), 0);
	assert_true(md_list_is_stale(&l, fd)); /* without a name it can only be old */
	(void)unlink(path);
	(void)close(fd);
	md_list_done(&l);
}

static void test_md_list_read__not_a_file__refused_and_the_list_stays(void **state)
{
	struct md_list l;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(md_list_init(&l, MD_PASSWD), 0);
	step(&l, "a:x:1:1:::\n", "+a:1 ");
	assert_int_equal(md_list_read(&l, fds[0]), -EINVAL);
	assert_false(md_list_is_stale(&l, fds[0])); /* not tried again before it changes */
	assert_int_equal(md_list_read(&l, -1), -EBADF);
	step(&l, "a:x:1:1:::\n", "");
	(void)close(fds[0]);
	(void)close(fds[1]);
	md_list_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_md_passwd_next__usual_lines__give_their_fields),
		cmocka_unit_test(test_md_passwd_next__group_lines__give_name_and_number),
		cmocka_unit_test(test_md_passwd_next__lines_that_are_none__are_passed_over),
		cmocka_unit_test(test_md_passwd_next__longest_line__taken_and_one_more_not),
		cmocka_unit_test(test_md_passwd_next__random_bytes__stay_inside),
		cmocka_unit_test(test_md_list__versions_of_a_file__differences_are_sent),
		cmocka_unit_test(test_md_list__groups__differences_are_sent),
		cmocka_unit_test(test_md_list_read__more_than_fits__is_cut_and_said),
		cmocka_unit_test(test_md_list_is_stale__changed_or_replaced__true),
		cmocka_unit_test(test_md_list_read__not_a_file__refused_and_the_list_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
