/* SPDX-License-Identifier: Apache-2.0 */
/* Reading capture files that are built here: state first, then events with the file's times, whole
 * records that pass the door. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include <base/hash.h>
#include <base/macros.h>
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

/* --- events of older files --- */

static void test_v1_enter_and_exit(void **unused)
{
	struct scap_record rec;
	struct kev k;

	(void)unused;
	made_head();
	/* read: enter (fd, size), exit (res, data) */
	mk_event(&m, 0x204, BOOT + 1, 7, 6, 2, (struct mk_param[]){MK_I64(4), MK_U32(100)});
	mk_event(&m, 0x204, BOOT + 2, 8, 6, 2, (struct mk_param[]){MK_I64(5), MK_U32(200)});
	mk_event(&m, 0x204, BOOT + 3, 7, 7, 2, (struct mk_param[]){MK_I64(3), {"abc", 3}});
	/* a close whose enter event is not in the file: zero */
	mk_event(&m, 0x204, BOOT + 4, 9, 5, 1, (struct mk_param[]){MK_I64(0)});
	/* a generic call without its enter event: absent */
	mk_event(&m, 0x204, BOOT + 5, 9, 1, 1, (struct mk_param[]){MK_U16(39)});
	/* mkdir of the first kind becomes today's */
	mk_event(&m, 0x204, BOOT + 6, 9, 98, 2, (struct mk_param[]){MK_TEXT("/d"), MK_U32(0755)});
	mk_event(&m, 0x204, BOOT + 7, 9, 99, 1, (struct mk_param[]){MK_I64(-17)});
	struct scap_reader *r = open_made();

	(void)next(r, &rec);
	k = next(r, &rec);
	assert_int_equal(k.head->type, KEV_CODE_SYSCALL_READ_X);
	assert_int_equal(k.head->tid, 7);
	assert_int_equal(kev_param_i64(&k, 2), 4);
	assert_int_equal(kev_param_u64(&k, 3), 100);
	assert_memory_equal(k.param[1].p, "abc", 3);
	k = next(r, &rec);
	assert_int_equal(k.head->type, KEV_CODE_SYSCALL_CLOSE_X);
	assert_true(kev_param_present(&k, 1) && kev_param_i64(&k, 1) == 0);
	k = next(r, &rec);
	assert_int_equal(k.head->type, KEV_CODE_GENERIC_X);
	assert_false(kev_param_present(&k, 1));
	k = next(r, &rec);
	assert_int_equal(k.head->type, KEV_CODE_SYSCALL_MKDIR_2_X);
	assert_int_equal(kev_param_i64(&k, 0), -17);
	assert_true(span_eq_str(kev_param_text(&k, 1), "/d"));
	assert_int_equal(scap_reader_next(r, &rec), 0);
	scap_reader_free(r);
}

static void test_chain_of_execs(void **unused)
{
	struct mk_param p[8] = {MK_I64(0), MK_TEXT("sh"), MK_TEXT("-c"), MK_I64(5), MK_I64(5),
		MK_I64(1), MK_TEXT("/"), MK_U64(1024)};
	struct scap_record rec;
	struct kev k;

	(void)unused;
	made_head();
	mk_event(&m, 0x204, BOOT + 1, 5, 12, 0, NULL);
	mk_event(&m, 0x204, BOOT + 2, 5, 13, 8, p);
	struct scap_reader *r = open_made();

	(void)next(r, &rec);
	k = next(r, &rec);
	assert_int_equal(k.head->type, KEV_CODE_SYSCALL_EXECVE_19_X);
	assert_int_equal(k.n_params, 31);
	assert_int_equal(k.head->tgid, 5);
	assert_int_equal(kev_param_u64(&k, 7), 1024);
	for (unsigned i = 8; i < 31; i++)
		assert_false(kev_param_present(&k, i));
	assert_int_equal(scap_reader_next(r, &rec), 0);
	scap_reader_free(r);
}

static void test_odd_events(void **unused)
{
	static char big[60000];
	struct scap_record rec;
	struct kev k;

	(void)unused;
	memset(big, 'x', sizeof(big) - 1);
	made_head();
	/* of a newer vocabulary, and of none: passed over */
	mk_event(&m, 0x216, BOOT + 1, 5, 9999, 1, (struct mk_param[]){MK_I64(0)});
	mk_event(&m, 0x216, BOOT + 1, 5, 92, 0, NULL);
	/* what only iterators, or only we, may say: likewise */
	mk_event(&m, 0x216, BOOT + 1, 5, KEV_CODE_ITER_TASK_FILE_PIPE_E, 3,
		(struct mk_param[]){MK_I64(1), MK_I64(2), MK_I64(3)});
	mk_event(&m, 0x216, BOOT + 1, 5, KEV_CODE_ITER_TASK_FILE_PIPE_E, 0, NULL);
	mk_event(&m, 0x216, BOOT + 1, 5, KEV_CODE_SAKER_CLOCK, 2,
		(struct mk_param[]){MK_I64(1), MK_I64(2)});
	/* more parameters than are known: the rest is left */
	mk_event(&m, 0x216, BOOT + 2, 5, KEV_CODE_SYSCALL_CLOSE_X, 3,
		(struct mk_param[]){MK_I64(1), MK_I64(2), MK_I64(3)});
	/* other widths, a text without its end */
	mk_event(&m, 0x216, BOOT + 3, 5, KEV_CODE_SYSCALL_CHDIR_X, 2,
		(struct mk_param[]){{"\xfe\xff\xff\xff", 4}, {"/tmp", 4}});
	/* too long for a record: cut, and marked */
	mk_event(&m, 0x216, BOOT + 4, 5, KEV_CODE_SYSCALL_CHDIR_X, 2,
		(struct mk_param[]){MK_I64(0), {big, sizeof(big)}});
	/* lengths of four bytes, flags, state only */
	mk_event(&m, 0x222, BOOT + 5, 5, KEV_CODE_ASYNCEVENT_E, 3,
		(struct mk_param[]){MK_U32(1), MK_TEXT("n"), {"{}", 2}});
	/* no thread */
	mk_event(&m, 0x216, BOOT - 1, UINT64_MAX, KEV_CODE_SYSCALL_CLOSE_X, 2,
		(struct mk_param[]){MK_I64(1), MK_I64(2)});
	struct scap_reader *r = open_made();

	(void)next(r, &rec);
	k = next(r, &rec);
	assert_int_equal(k.n_params, 2);
	assert_int_equal(kev_param_i64(&k, 1), 2);
	k = next(r, &rec);
	assert_int_equal(kev_param_i64(&k, 0), -2);
	assert_true(span_eq_str(kev_param_text(&k, 1), "/tmp"));
	k = next(r, &rec);
	assert_true(k.head->flags & KEV_F_TRUNC);
	assert_true(kev_param_text(&k, 1).n > 20000);
	k = next(r, &rec);
	assert_int_equal(k.head->type, KEV_CODE_ASYNCEVENT_E);
	assert_true(k.head->flags & KEV_F_STATE_ONLY);
	k = next(r, &rec);
	assert_int_equal(k.head->tid, 0);
	assert_true(k.head->ts_ns == 0 && rec.epoch_ns == BOOT - 1);
	assert_int_equal(scap_reader_next(r, &rec), 0);
	scap_reader_free(r);
}

static void test_users_are_state_and_events(void **unused)
{
	struct scap_record rec;
	struct kev k;

	(void)unused;
	made_head();
	mk_event(&m, 0x216, BOOT + 1, 5, KEV_CODE_GROUP_ADDED_E, 3,
		(struct mk_param[]){MK_U32(7), MK_TEXT("wheel"), MK_TEXT("")});
	struct scap_reader *r = open_made();

	(void)next(r, &rec);
	k = next(r, &rec);
	assert_true(rec.is_state && k.head->type == KEV_CODE_GROUP_ADDED_E);
	k = next(r, &rec);
	assert_true(!rec.is_state && k.head->type == KEV_CODE_GROUP_ADDED_E);
	assert_true(span_eq_str(kev_param_text(&k, 1), "wheel"));
	assert_int_equal(scap_reader_next(r, &rec), 0);
	scap_reader_free(r);
}

/* --- lists, all versions --- */

static void put_task(unsigned v, int64_t tid)
{
	mk_u64(&m, (uint64_t)tid);
	mk_u64(&m, (uint64_t)tid);
	mk_u64(&m, 1);
	if (v >= 6)
		mk_u64(&m, 66);
	if (v >= 8)
		mk_u64(&m, 88);
	mk_str(&m, "comm");
	mk_str(&m, "exe");
	if (v >= 7)
		mk_str(&m, "/exepath");
	mk_str(&m, "arg");
	mk_str(&m, "/cwd");
	mk_u64(&m, 1024);
	mk_u32(&m, 0);
	mk_u32(&m, 1);
	mk_u32(&m, 2);
	if (v >= 2)
		mk_raw(&m, (char[28]){1, 0, 0, 0, 2, 0, 0, 0, 3}, 28);
	if (v >= 3)
		mk_str(&m, "E=1");
	if (v >= 4) {
		mk_u64(&m, 41);
		mk_u64(&m, 42);
		mk_str(&m, "cpu=/x");
	}
	if (v >= 5)
		mk_str(&m, "/root");
}

static void test_processes_of_all_versions(void **unused)
{
	static const uint32_t blocks[] = {
		0, 0x202, 0x207, 0x209, 0x210, 0x211, 0x212, 0x213, 0x214};

	(void)unused;
	for (unsigned v = 1; v <= 8; v++) {
		struct scap_record rec;
		struct kev k;

		made_head();
		mk_begin(&m, blocks[v]);
		put_task(v, 10);
		put_task(v, 11);
		mk_end(&m);
		struct scap_reader *r = open_made();

		(void)next(r, &rec);
		for (unsigned i = 10; i <= 11; i++) {
			k = next(r, &rec);
			assert_int_equal(k.head->tid, i);
			assert_memory_equal(k.param[5].p, "exe\0arg", 8);
			assert_int_equal(kev_param_present(&k, 28), v >= 5);
			assert_int_equal(kev_param_present(&k, 27), v >= 4);
			assert_int_equal(kev_param_i64(&k, 3), v >= 6 ? 66 : 0);
			assert_int_equal(kev_param_text(&k, 6).n, v >= 7 ? 8 : 0);
			assert_int_equal(kev_param_i64(&k, 2), v >= 8 ? 88 : 0);
			assert_int_equal(kev_param_u64(&k, 31), UINT32_MAX);
		}
		assert_int_equal(scap_reader_next(r, &rec), 0);
		scap_reader_free(r);
	}
}

/* 29 bytes behind the root directory: another order, without pid namespace and terminal. */
static void test_process_with_the_first_tail(void **unused)
{
	struct scap_record rec;
	size_t at;
	struct kev k;
	uint32_t len;

	(void)unused;
	made_head();
	mk_begin(&m, 0x215);
	at = m.n;
	mk_task(&m, 100, 100, 1, "tool", 0);
	mk_u32(&m, 1000);
	mk_u8(&m, 1);
	mk_u64(&m, 0x11);
	mk_u64(&m, 0x22);
	mk_u64(&m, 0x33);
	len = (uint32_t)(m.n - at);
	memcpy(m.p + at, &len, 4);
	mk_task(&m, 101, 101, 1, "new", 80); /* a longer one than we know */
	mk_end(&m);
	struct scap_reader *r = open_made();

	(void)next(r, &rec);
	k = next(r, &rec);
	assert_int_equal(kev_param_u64(&k, 31), 1000);
	assert_int_equal(kev_param_u64(&k, 7), 1);
	assert_int_equal(kev_param_u64(&k, 14), 0x33);
	assert_false(kev_param_present(&k, 26));
	k = next(r, &rec);
	assert_int_equal(k.head->tid, 101);
	assert_int_equal(kev_param_i64(&k, 1), 9);
	assert_int_equal(scap_reader_next(r, &rec), 0);
	scap_reader_free(r);
}

static void put_fd(bool v2, uint8_t type, int64_t num)
{
	size_t at = m.n;
	uint32_t len;

	if (v2)
		mk_u32(&m, 0);
	mk_u64(&m, (uint64_t)num);
	mk_u64(&m, 1000 + (uint64_t)num);
	mk_u8(&m, type);
	switch (type) {
	case 3:
		mk_raw(&m, "\x0a\0\0\1\x0a\0\0\2", 8);
		mk_u16(&m, 40000);
		mk_u16(&m, 80);
		mk_u8(&m, 2);
		break;
	case 5:
		mk_raw(&m, "\0\0\0\0", 4);
		mk_u16(&m, 22);
		mk_u8(&m, 2);
		break;
	case 4:
		mk_raw(&m, (char[32]){1}, 32);
		mk_u16(&m, 40000);
		mk_u16(&m, 53);
		mk_u8(&m, 3);
		break;
	case 6:
		mk_raw(&m, (char[16]){1}, 16);
		mk_u16(&m, 53);
		mk_u8(&m, 3);
		break;
	case 8:
		mk_u64(&m, 0xffff);
		mk_u64(&m, 0xeeee);
		mk_str(&m, "/run/s");
		break;
	case 16:
		mk_u32(&m, 1);
		mk_str(&m, "/etc/f");
		mk_u32(&m, 0x801);
		break;
	default:
		mk_str(&m, "name");
	}
	if (!v2)
		return;
	len = (uint32_t)(m.n - at);
	memcpy(m.p + at, &len, 4);
}

static void test_descriptors(void **unused)
{
	static const uint8_t types[] = {
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21};

	(void)unused;
	for (unsigned v2 = 0; v2 <= 1; v2++) {
		struct scap_record rec;
		struct kev k;

		made_head();
		mk_begin(&m, v2 ? 0x218 : 0x203);
		mk_u64(&m, 77);
		for (unsigned i = 0; i < sizeof(types); i++)
			if (v2 || types[i] != 16)
				put_fd(v2, types[i], i);
		if (v2)
			put_fd(true, 99, 50); /* of a newer writer */
		mk_end(&m);
		struct scap_reader *r = open_made();

		(void)next(r, &rec);
		for (unsigned i = 0; i < sizeof(types); i++) {
			if (!v2 && types[i] == 16)
				continue;
			k = next(r, &rec);
			assert_int_equal(k.info->kind, KEV_KIND_ITER);
			assert_int_equal(k.head->tid, 77);
			assert_int_equal(kev_param_i64(&k, 0), i);
			assert_int_equal(kev_param_u64(&k, k.n_params - 1u), 1000 + i);
			if (types[i] == 3) {
				assert_memory_equal(k.param[3].p, "\x0a\0\0\1", 4);
				assert_int_equal(kev_param_u64(&k, 6), 80);
			}
			if (types[i] == 16) {
				assert_true(k.head->flags & KEV_F_DEV);
				assert_int_equal(kev_param_u64(&k, 3), 0x801);
			}
			if (types[i] == 21)
				assert_int_equal(kev_param_u64(&k, 1), 8);
		}
		assert_int_equal(scap_reader_next(r, &rec), 0);
		scap_reader_free(r);
	}
}

static void test_interfaces_users_groups(void **unused)
{
	(void)unused;
	for (unsigned v2 = 0; v2 <= 1; v2++) {
		struct scap_record rec;
		struct kev k;

		made_head();
		mk_begin(&m, v2 ? 0x219 : 0x205);
		if (v2)
			mk_u32(&m, 4 + 12 + 8 + 4);
		mk_u16(&m, 1);
		mk_u16(&m, 4);
		mk_raw(&m, "\x0a\0\0\1\xff\xff\xff\0\x0a\0\0\xff", 12);
		mk_u64(&m, 0);
		mk_raw(&m, "eth0", 4);
		mk_end(&m);
		mk_begin(&m, v2 ? 0x220 : 0x206);
		if (v2)
			mk_u32(&m, 4 + 1 + 8 + 6 + 7 + 9);
		mk_u8(&m, 0);
		mk_u32(&m, 1000);
		mk_u32(&m, 100);
		mk_str(&m, "ann");
		mk_str(&m, "/home");
		mk_str(&m, "/bin/sh");
		if (v2) {
			uint32_t len = 4 + 1 + 8 + 5 + 7 + 9;
			memcpy(m.p + m.n - len, &len, 4);
			mk_u32(&m, 4 + 1 + 4 + 7);
		}
		mk_u8(&m, 1);
		mk_u32(&m, 100);
		mk_str(&m, "staff");
		mk_end(&m);
		struct scap_reader *r = open_made();

		(void)next(r, &rec);
		k = next(r, &rec);
		assert_int_equal(k.head->type, KEV_CODE_SAKER_IFACE);
		assert_true(span_eq_str(kev_param_text(&k, 0), "eth0"));
		assert_int_equal(kev_param_u64(&k, 2), 24);
		k = next(r, &rec);
		assert_int_equal(k.head->type, KEV_CODE_USER_ADDED_E);
		assert_int_equal(kev_param_u64(&k, 0), 1000);
		assert_true(span_eq_str(kev_param_text(&k, 4), "/bin/sh"));
		k = next(r, &rec);
		assert_int_equal(k.head->type, KEV_CODE_GROUP_ADDED_E);
		assert_true(span_eq_str(kev_param_text(&k, 1), "staff"));
		assert_int_equal(scap_reader_next(r, &rec), 0);
		scap_reader_free(r);
	}
}

/* --- the file around them --- */

static void test_unknown_blocks_options_sections(void **unused)
{
	struct scap_record rec;
	struct kev k;
	uint32_t total;

	(void)unused;
	made_head();
	mk_begin(&m, 0x777);
	mk_raw(&m, (char[3000]){0}, 3000);
	mk_end(&m);
	/* a comment behind the event, as pcap-ng has them */
	mk_event(&m, 0x216, BOOT + 1, 5, KEV_CODE_SYSCALL_CLOSE_X, 2,
		(struct mk_param[]){MK_I64(1), MK_I64(2)});
	m.n -= 4;
	mk_u16(&m, 1);
	mk_u16(&m, 5);
	mk_raw(&m, "hello\0\0\0\0\0\0\0", 12);
	total = (uint32_t)(m.n + 4 - m.block);
	memcpy(m.p + m.block + 4, &total, 4);
	mk_u32(&m, total);
	mk_section(&m);
	mk_machine(&m, BOOT);
	mk_event(&m, 0x216, BOOT + 2, 5, KEV_CODE_SYSCALL_CLOSE_X, 2,
		(struct mk_param[]){MK_I64(3), MK_I64(4)});
	struct scap_reader *r = open_made();

	(void)next(r, &rec);
	k = next(r, &rec);
	assert_int_equal(kev_param_i64(&k, 1), 2);
	k = next(r, &rec);
	assert_int_equal(k.head->type, KEV_CODE_SAKER_SECTION);
	(void)next(r, &rec);
	k = next(r, &rec);
	assert_int_equal(kev_param_i64(&k, 1), 4);
	assert_int_equal(scap_reader_next(r, &rec), 0);
	scap_reader_free(r);
}

/* Everything of a reader in one number. */
static uint64_t digest(int fd, int *ret_end)
{
	struct scap_record rec;
	struct scap_reader *r;
	uint64_t h = 0;
	int k;

	assert_int_equal(scap_reader_open(fd, &r), 0);
	while ((k = scap_reader_next(r, &rec)) == 1 || k == -EAGAIN)
		if (k == 1)
			h = hash_bytes(rec.p, rec.len, h);
	*ret_end = k;
	if (k < 0)
		print_message("%s\n", scap_reader_error(r));
	scap_reader_free(r);
	return h;
}

static size_t pack(uint8_t *to, size_t cap, const uint8_t *p, size_t n)
{
	z_stream z = {.next_in = (uint8_t *)p,
		.avail_in = (unsigned)n,
		.next_out = to,
		.avail_out = (unsigned)cap};

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(deflateEnd(&z), Z_OK);
	return cap - z.avail_out;
}

static void test_gzip_and_pipes(void **unused)
{
	static struct make packed;
	size_t first = 333;
	int end, pipes[2];
	uint64_t want;

	(void)unused;
	made_head();
	for (unsigned i = 0; i < 2000; i++)
		mk_event(&m, 0x216, BOOT + i, 5, KEV_CODE_SYSCALL_CLOSE_X, 2,
			(struct mk_param[]){MK_I64(i), MK_I64(2)});
	want = digest(mk_fd(&m), &end);
	assert_int_equal(end, 0);
	/* two members, cut in the middle of a block */
	packed.n = pack(packed.p, sizeof(packed.p), m.p, first);
	packed.n +=
		pack(packed.p + packed.n, sizeof(packed.p) - packed.n, m.p + first, m.n - first);
	assert_true(digest(mk_fd(&packed), &end) == want);
	assert_int_equal(end, 0);
	packed.n -= 20;
	(void)digest(mk_fd(&packed), &end);
	assert_int_equal(end, -EBADMSG);
	packed.p[packed.n / 2] ^= 0xff;
	(void)digest(mk_fd(&packed), &end);
	assert_int_equal(end, -EBADMSG);

	/* a pipe gives what it has */
	assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
	struct scap_reader *r;
	struct scap_record rec;
	uint64_t h = 0;
	size_t at = 0;
	int k = -EAGAIN;

	assert_int_equal(scap_reader_open(pipes[0], &r), 0);
	while (k == 1 || k == -EAGAIN) {
		k = scap_reader_next(r, &rec);
		if (k == 1)
			h = hash_bytes(rec.p, rec.len, h);
		if (k != -EAGAIN)
			continue;
		size_t n = MIN((size_t)777, m.n - at);
		if (n == 0) {
			(void)close(pipes[1]);
			continue;
		}
		assert_int_equal(write(pipes[1], m.p + at, n), n);
		at += n;
	}
	assert_int_equal(k, 0);
	assert_true(h == want);
	scap_reader_free(r);
}

/* A file that gives a few bytes and then none, in turns: so a block's head may come with the second
 * of two reads in a row, wherever the block begins. */
static struct {
	bool is_on, gives;
	size_t n; /* at most that many bytes */
} drip;
ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n)
{
	if (!drip.is_on)
		return __real_read(fd, p, n);
	drip.gives = !drip.gives;
	if (drip.gives)
		return __real_read(fd, p, MIN(n, drip.n));
	errno = EAGAIN;
	return -1;
}

static void test_head_of_a_block_with_the_second_read(void **unused)
{
	uint64_t want, got;
	int end;

	(void)unused;
	made_head();
	for (unsigned i = 0; i < 200; i++)
		mk_event(&m, 0x216, BOOT + i, 5, KEV_CODE_SYSCALL_CLOSE_X, 2,
			(struct mk_param[]){MK_I64(i), MK_I64(2)});
	want = digest(mk_fd(&m), &end);
	assert_int_equal(end, 0);
	for (size_t n = 4; n < 160; n += 4) {
		drip.is_on = true;
		drip.gives = n % 8;
		drip.n = n;
		got = digest(mk_fd(&m), &end);
		drip.is_on = false;
		assert_int_equal(end, 0);
		if (got != want)
			fail_msg("%zu bytes at a time: other records", n);
	}
}

/* The samples that were written by old programs, where they are. */
static void test_old_samples(void **unused)
{
	static const struct {
		const char *name;
		unsigned least; /* events */
	} samples[] = {{"curl_google", 700}, {"curl_google_comments", 700},
		{"single_ipv6_conn", 1700}, {"test_ipv6_client", 280}, {"psp_privileged", 2050},
		{"psp_run_as_user_0_container", 2000}, {"psp_run_as_user_65534_container", 230},
		{"psp_write_tmp_test", 220}};
	const char *shared = getenv("SAKER_SHARED");

	(void)unused;
	for (unsigned i = 0; i < ARRAY_LEN(samples); i++) {
		struct scap_record rec;
		struct scap_reader *r;
		unsigned n = 0, n_state = 0;
		char path[1024];
		int fd, k;

		(void)snprintf(path, sizeof(path), "%s/data/captures/%s.scap",
			shared ? shared : "../shared", samples[i].name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			skip();
		assert_int_equal(scap_reader_open(fd, &r), 0);
		while ((k = scap_reader_next(r, &rec)) == 1) {
			const char *why = "";
			struct kev e;

			if (kev_parse(rec.p, rec.len, &e, &why) < 0)
				fail_msg("%s: %s", samples[i].name, why);
			n += !rec.is_state;
			n_state += rec.is_state;
		}
		if (k < 0)
			fail_msg("%s: %s", samples[i].name, scap_reader_error(r));
		assert_true(n >= samples[i].least && n_state > 50);
		scap_reader_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_and_event),
		cmocka_unit_test(test_broken_files),
		cmocka_unit_test(test_v1_enter_and_exit),
		cmocka_unit_test(test_chain_of_execs),
		cmocka_unit_test(test_odd_events),
		cmocka_unit_test(test_users_are_state_and_events),
		cmocka_unit_test(test_processes_of_all_versions),
		cmocka_unit_test(test_process_with_the_first_tail),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_interfaces_users_groups),
		cmocka_unit_test(test_unknown_blocks_options_sections),
		cmocka_unit_test(test_gzip_and_pipes),
		cmocka_unit_test(test_head_of_a_block_with_the_second_read),
		cmocka_unit_test(test_old_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
