/* SPDX-License-Identifier: Apache-2.0 */
/* The door for kernel events and the builder: what is built is read back, what cannot be is refused. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/macros.h>
#include <driver/kev.h>

static uint64_t buf[KEV_SIZE_MAX / 8];

static int build_openat(const char *name, unsigned n_extras)
{
	struct kev_builder b;

	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_SYSCALL_OPENAT_2_X, n_extras);
	kev_build_int(&b, -2);
	kev_build_int(&b, -100);
	kev_build_text(&b, span_str(name));
	kev_build_int(&b, 0x1001);
	kev_build_int(&b, 0644);
	kev_build_int(&b, 0x801);
	kev_build_int(&b, 0x1122334455667788);
	if (n_extras)
		kev_build_text(&b, SPAN_LIT("/real/path"));
	return kev_build_finish(&b);
}

static void parse_ok(int len, struct kev *k)
{
	const char *why = NULL;

	assert_true(len > 0);
	assert_int_equal(kev_parse(buf, (size_t)len, k, &why), 0);
}

static void test_kev_parse__built_record__gives_its_parameters(void **state)
{
	struct kev k;
	int64_t res = 0;

	(void)state;
	parse_ok(build_openat("/etc/passwd", 0), &k);
	assert_int_equal(k.info->code, KEV_CODE_SYSCALL_OPENAT_2_X);
	assert_int_equal(k.n_params, 7);
	assert_int_equal(kev_param_i64(&k, 0), -2);
	assert_int_equal(kev_param_i64(&k, 1), -100);
	assert_true(span_eq_str(kev_param_text(&k, 2), "/etc/passwd"));
	assert_int_equal(kev_param_u64(&k, 3), 0x1001);
	assert_int_equal(kev_param_u64(&k, 6), 0x1122334455667788);
	assert_true(kev_rawres(&k, &res));
	assert_int_equal(res, -2);
	assert_null(kev_extra(&k, KEV_X_REALPATH).p);
}

static void test_kev_extra__present__is_text_without_nul(void **state)
{
	struct kev k;

	(void)state;
	parse_ok(build_openat("x", 1), &k);
	assert_int_equal(k.n_params, 8);
	assert_true(span_eq_str(kev_extra(&k, KEV_X_REALPATH), "/real/path"));
}

static void test_kev_build__missing_parameters__are_absent(void **state)
{
	struct kev_builder b;
	struct kev k;

	(void)state;
	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_SYSCALL_EXECVE_19_X, 0);
	kev_build_int(&b, 0);
	kev_build_text(&b, SPAN_LIT(""));
	parse_ok(kev_build_finish(&b), &k);
	assert_true(kev_param_present(&k, 1));
	assert_int_equal(kev_param_text(&k, 1).n, 0);
	assert_non_null(kev_param_text(&k, 1).p);
	assert_false(kev_param_present(&k, 2));
	assert_false(kev_param_present(&k, 30));
	assert_int_equal(kev_param_i64(&k, 3), 0);
	assert_null(kev_param_text(&k, 2).p);
}

static void test_kev_build__does_not_fit__fails(void **state)
{
	static char big[60000];
	struct kev_builder b;

	(void)state;
	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_SYSCALL_CHDIR_X, 0);
	kev_build_int(&b, 0);
	kev_build_text(&b, (struct span){.p = big, .n = sizeof(big)});
	assert_int_equal(kev_build_finish(&b), -EMSGSIZE);
	/* the text fits to the byte, its NUL does not */
	kev_build_start(&b, buf, 88 + 8 + 8, KEV_CODE_SYSCALL_CHDIR_X, 0);
	kev_build_int(&b, 0);
	kev_build_text(&b, (struct span){.p = big, .n = 16});
	assert_int_equal(kev_build_finish(&b), -EMSGSIZE);
}

static void test_kev_parse__fewer_parameters_as_in_older_captures__missing_are_absent(void **state)
{
	struct kev k;

	(void)state;
	/* res and nothing else: lengths {8} padded to 8 bytes, then the value */
	struct kev_head *h = (struct kev_head *)(void *)buf;
	memset(buf, 0, 128);
	h->type = KEV_CODE_SYSCALL_CHDIR_X;
	h->n_params = 1;
	h->len = sizeof(*h) + 8 + 8;
	((uint16_t *)(void *)(h + 1))[0] = 8;
	parse_ok((int)h->len, &k);
	assert_int_equal(k.n_params, 1);
	assert_true(kev_param_present(&k, 0));
	assert_false(kev_param_present(&k, 1));
}

static void test_kev_param_i64__narrow_signed__is_extended(void **state)
{
	struct kev_builder b;
	struct kev k;

	(void)state;
	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_SOCKET_LISTEN_X, 0);
	kev_build_int(&b, 0);
	kev_build_int(&b, 3);
	kev_build_int(&b, -1);
	parse_ok(kev_build_finish(&b), &k);
	assert_int_equal(kev_param_i64(&k, 2), -1);
	assert_int_equal(kev_param_u64(&k, 2), 0xffffffff);
}

static void test_kev_rawres__not_a_result__false(void **state)
{
	struct kev_builder b;
	struct kev k;
	int64_t res;

	(void)state;
	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_PROCEXIT_1_E, 0);
	kev_build_int(&b, 0);
	parse_ok(kev_build_finish(&b), &k);
	assert_false(kev_rawres(&k, &res));
	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_GENERIC_X, 0);
	kev_build_int(&b, 5);
	parse_ok(kev_build_finish(&b), &k);
	assert_false(kev_rawres(&k, &res));
}

/* One change to a good record, and it must be refused. */
struct bad_case {
	const char *what;
	size_t off;
	uint8_t value;
};
static void test_kev_parse__one_field_wrong__refused(void **state)
{
	static const struct bad_case cases[] = {
		{"length longer than the record", 0, 0xff},
		{"length shorter", 0, 80},
		{"type 0", offsetof(struct kev_head, type), 0},
		{"comm without end", offsetof(struct kev_head, comm) + 15, 'x'},
		{"class", offsetof(struct kev_head, cls), 9},
		{"more parameters than declared", offsetof(struct kev_head, n_params), 8},
		{"far too many parameters", offsetof(struct kev_head, n_params), 255},
		{"unknown extra", offsetof(struct kev_head, extras), 0x80},
		{"extra announced, none there", offsetof(struct kev_head, extras), 1},
		{"descriptor of 7 bytes", 72, 7},
		{"parameter longer than what is left", 72 + 4 + 1, 0xff},
		{"text one byte short: no NUL at its end", 72 + 4, 11},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *why = NULL;
		struct kev k;
		int len = build_openat("/etc/passwd", 0);

		((uint8_t *)buf)[cases[i].off] = cases[i].value;
		if (kev_parse(buf, (size_t)len, &k, &why) != -EBADMSG || !why)
			fail_msg("not refused: %s", cases[i].what);
	}
}

static void test_kev_parse__any_shorter_length__refused(void **state)
{
	struct kev k;
	const char *why;
	int len = build_openat("/etc/passwd", 0);

	(void)state;
	for (size_t n = 0; n < (size_t)len; n++)
		assert_int_equal(kev_parse(buf, n, &k, &why), -EBADMSG);
	assert_int_equal(kev_parse((uint8_t *)buf + 1, (size_t)len, &k, &why), -EBADMSG);
}

static void test_kev_parse__bytes_left_over__refused(void **state)
{
	struct kev k;
	const char *why;
	int len = build_openat("/etc/passwd", 0);

	(void)state;
	memset((uint8_t *)buf + len, 0, 8);
	((struct kev_head *)(void *)buf)->len = (uint32_t)len + 8;
	assert_int_equal(kev_parse(buf, (size_t)len + 8, &k, &why), -EBADMSG);
}

static void test_kev_parse__every_event_type_without_parameters__accepted(void **state)
{
	(void)state;
	for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++) {
		struct kev_builder b;
		struct kev k;

		kev_build_start(&b, buf, sizeof(buf), kev_info_get(ix)->code, 0);
		parse_ok(kev_build_finish(&b), &k);
		assert_int_equal(k.info->ix, ix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kev_parse__built_record__gives_its_parameters),
		cmocka_unit_test(test_kev_extra__present__is_text_without_nul),
		cmocka_unit_test(test_kev_build__missing_parameters__are_absent),
		cmocka_unit_test(test_kev_build__does_not_fit__fails),
		cmocka_unit_test(
			test_kev_parse__fewer_parameters_as_in_older_captures__missing_are_absent),
		cmocka_unit_test(test_kev_param_i64__narrow_signed__is_extended),
		cmocka_unit_test(test_kev_rawres__not_a_result__false),
		cmocka_unit_test(test_kev_parse__one_field_wrong__refused),
		cmocka_unit_test(test_kev_parse__any_shorter_length__refused),
		cmocka_unit_test(test_kev_parse__bytes_left_over__refused),
		cmocka_unit_test(test_kev_parse__every_event_type_without_parameters__accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
