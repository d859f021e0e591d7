/* SPDX-License-Identifier: Apache-2.0 */
/* Reading capture files that are built here: state first, then events with the file's times, whole
 * records that pass the door. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <driver/kev.h>
#include <driver/scap.h>

#include "scap_make.h"

#define BOOT 1700000000000000000u

static struct make m;

static struct scap_reader *open_made(void)
{
	struct scap_reader *r;

	assert_int_equal(scap_reader_open(mk_fd(&m), &r), 0);
	return r;
}

/* The next record, checked at the door. */
static struct kev next(struct scap_reader *r, struct scap_record *rec)
{
	const char *why = "";
	struct kev k;

	assert_int_equal(scap_reader_next(r, rec), 1);
	if (kev_parse(rec->p, rec->len, &k, &why) < 0)
		fail_msg("%s", why);
	return k;
}

static void made_head(void)
{
	m.n = 0;
	mk_section(&m);
	mk_machine(&m, BOOT);
}

static void test_state_and_event(void **unused)
{
	struct scap_record rec;
	struct kev k;

	(void)unused;
	made_head();
	mk_begin(&m, 0x215);
	mk_task(&m, 100, 100, 1, "tool", 76);
	mk_end(&m);
	mk_event(&m, 0x216, BOOT + 5000, 100, KEV_CODE_SYSCALL_CLOSE_X, 2,
		(struct mk_param[]){MK_I64(0), MK_I64(3)});
	struct scap_reader *r = open_made();

	k = next(r, &rec);
	assert_int_equal(k.head->type, KEV_CODE_SAKER_CLOCK);
	assert_true(kev_param_u64(&k, 1) == BOOT);
	k = next(r, &rec);
	assert_true(rec.is_state);
	assert_int_equal(k.head->type, KEV_CODE_ITER_TASK_E);
	assert_int_equal(k.head->tid, 100);
	assert_string_equal(k.head->comm, "tool");
	assert_memory_equal(k.param[5].p, "tool\0a\0bc", 10); /* the NUL is added */
	assert_int_equal(k.param[5].n, 10);
	assert_int_equal(kev_param_i64(&k, 1), 9);
	assert_int_equal(kev_param_u64(&k, 7), 3);
	assert_int_equal(kev_param_u64(&k, 13), 0x22);
	assert_int_equal(kev_param_u64(&k, 14), 0x33);
	assert_int_equal(kev_param_u64(&k, 15), 0x11);
	assert_int_equal(kev_param_u64(&k, 16), 99);
	assert_int_equal(kev_param_i64(&k, 24), 22);
	assert_int_equal(kev_param_i64(&k, 25), 21);
	assert_int_equal(kev_param_u64(&k, 30), 5);
	assert_int_equal(kev_param_u64(&k, 31), 1000);
	k = next(r, &rec);
	assert_false(rec.is_state);
	assert_true(rec.epoch_ns == BOOT + 5000 && k.head->ts_ns == 5000);
	assert_int_equal(kev_param_i64(&k, 1), 3);
	assert_int_equal(scap_reader_next(r, &rec), 0);
	scap_reader_free(r);
}

static void refused(const char *why)
{
	struct scap_reader *r = open_made();
	struct scap_record rec;
	int k;

	while ((k = scap_reader_next(r, &rec)) == 1)
		;
	assert_int_equal(k, -EBADMSG);
	assert_string_equal(scap_reader_error(r), why);
	scap_reader_free(r);
}

static void test_broken_files(void **unused)
{
	(void)unused;
	m.n = 0;
	refused("at byte 0: not a capture file (no section header)");
	mk_raw(&m, "#!/bin/sh\necho no capture\n", 26);
	refused("at byte 0: not a capture file (no section header)");
	made_head();
	m.n -= 2;
	refused("at byte 28: the file ends in the middle of a block");
	made_head();
	mk_event(&m, 0x216, 1, 1, KEV_CODE_SYSCALL_CLOSE_X, 1, (struct mk_param[]){MK_I64(0)});
	m.p[m.n - 1] ^= 1;
	refused("at byte 220: the block's two lengths differ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_and_event),
		cmocka_unit_test(test_broken_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
