/* SPDX-License-Identifier: Apache-2.0 */
/* What is written is read again: head, lists, events of all kinds, plain and gzip; and what happens
 * when there is no room. */

#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/hash.h>
#include <base/macros.h>
#include <base/strbuf.h>
#include <driver/kev.h>
#include <driver/scap.h>
#include <driver/scap_facts.h>
#include <driver/scap_write.h>
#include <driver/source.h>

#define BOOT 1700000000000000000u
#define S(text) SPAN_LIT(text)

static void write_head(struct scap_writer *w, unsigned n_tasks)
{
	static const uint8_t addr[4] = {10, 0, 0, 1};
	struct scap_task t = {.tid = 100,
		.pid = 100,
		.ptid = 1,
		.sid = 7,
		.vpgid = 8,
		.pgid = 9,
		.vtid = 11,
		.vpid = 12,
		.fdlimit = 1024,
		.comm = S("tool"),
		.exe = S("tool"),
		.exepath = S("/usr/bin/tool"),
		.args = S("a\0b\0"),
		.cwd = S("/home/"),
		.env = S("X=1\0"),
		.cgroups = S("cpu=/a\0"),
		.root = S("/"),
		.uid = 1000,
		.gid = 1001,
		.tty = 5,
		.loginuid = 1000,
		.exe_flags = 1 | 8,
		.cap_effective = 0x33,
		.exe_ino = 99};
	struct scap_fd f = {.num = 3,
		.ino = 33,
		.type = 16,
		.open_flags = 1,
		.dev = 0x801,
		.name = S("/etc/f")};

	scap_write_head(w, &(struct scap_machine){.n_cpus = 2, .host = "box", .boot_ns = BOOT});
	scap_write_list(w, SCAP_LIST_IFACES, 0);
	scap_write_iface(w, S("eth0"), addr, 4, 24);
	scap_write_list_end(w);
	scap_write_list(w, SCAP_LIST_USERS, 0);
	scap_write_user(w, 1000, 100, S("ann"), S("/home/ann"), S("/bin/sh"));
	scap_write_group(w, 100, S("staff"));
	scap_write_list_end(w);
	scap_write_list(w, SCAP_LIST_TASKS, 0);
	for (unsigned i = 0; i < n_tasks; i++, t.tid++, t.pid++)
		scap_write_task(w, &t);
	scap_write_list_end(w);
	scap_write_list(w, SCAP_LIST_FDS, 100);
	scap_write_fd(w, &f);
	f = (struct scap_fd){.num = 4,
		.ino = 34,
		.type = 3,
		.l4 = 2,
		.sip = {10, 0, 0, 1},
		.dip = {10, 0, 0, 2},
		.sport = 4000,
		.dport = 80};
	scap_write_fd(w, &f);
	scap_write_list_end(w);
}

static struct kev next(struct scap_reader *r, struct scap_record *rec)
{
	const char *why = "";
	struct kev k;
	int n = scap_reader_next(r, rec);

	if (n != 1)
		fail_msg("%s", scap_reader_error(r));
	if (kev_parse(rec->p, rec->len, &k, &why) < 0)
		fail_msg("%s", why);
	return k;
}

static void check_head(struct scap_reader *r, unsigned n_tasks)
{
	struct scap_record rec;
	struct kev k;

	k = next(r, &rec);
	assert_true(kev_param_u64(&k, 1) == BOOT);
	k = next(r, &rec);
	assert_int_equal(k.head->type, KEV_CODE_SAKER_IFACE);
	assert_int_equal(kev_param_u64(&k, 2), 24);
	k = next(r, &rec);
	assert_true(span_eq_str(kev_param_text(&k, 3), "/home/ann"));
	k = next(r, &rec);
	assert_true(span_eq_str(kev_param_text(&k, 1), "staff"));
	for (unsigned i = 0; i < n_tasks; i++) {
		k = next(r, &rec);
		assert_int_equal(k.head->tid, 100 + i);
		assert_memory_equal(k.param[5].p, "tool\0a\0b", 9);
		assert_int_equal(kev_param_i64(&k, 1), 9);
		assert_int_equal(kev_param_u64(&k, 7), 9);
		assert_int_equal(kev_param_u64(&k, 14), 0x33);
		assert_int_equal(kev_param_u64(&k, 16), 99);
		assert_int_equal(kev_param_u64(&k, 30), 5);
		assert_int_equal(kev_param_u64(&k, 31), 1000);
	}
	k = next(r, &rec);
	assert_int_equal(k.head->tid, 100);
	assert_int_equal(kev_param_u64(&k, 3), 0x801);
	k = next(r, &rec);
	assert_int_equal(kev_param_u64(&k, 6), 80);
}

/* The synthetic source's events there and back, and the hash of all. */
static void there_and_back(bool gzip, unsigned n_tasks)
{
	struct drv_synthetic_config c = {.seed = 3, .n_events = 5000, .n_procs = 8};
	int fd = memfd_create("capture", 0), k;
	struct scap_reader *r;
	struct scap_writer *w;
	struct drv_source *s;
	struct drv_record in;
	struct scap_record rec;
	uint64_t want = 0, got = 0;
	const char *why;

	assert_int_equal(scap_writer_open(&w), 0);
	scap_write_begin(w, fd, gzip);
	write_head(w, n_tasks);
	assert_int_equal(drv_synthetic_open(&c, &s), 0);
	while ((k = s->ops->next(s, &in)) == 1) {
		struct kev e;

		assert_int_equal(kev_parse(in.p, in.len, &e, &why), 0);
		if (in.is_state || e.head->type >= 512)
			continue;
		scap_write_event(w, &e, BOOT + in.epoch_ns % 1000000000, false);
		for (unsigned i = 0; i < e.info->n_params; i++)
			want = hash_bytes(e.param[i].p, e.param[i].n, want);
	}
	drv_source_close(s);
	assert_int_equal(scap_write_flush(w), 0);
	assert_int_equal(scap_write_end(w), 0);
	assert_int_equal(scap_write_bytes(w), lseek(fd, 0, SEEK_END));
	scap_writer_free(w);

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(scap_reader_open(fd, &r), 0);
	check_head(r, n_tasks);
	while ((k = scap_reader_next(r, &rec)) == 1) {
		struct kev e;

		assert_int_equal(kev_parse(rec.p, rec.len, &e, &why), 0);
		assert_false(rec.is_state);
		for (unsigned i = 0; i < e.info->n_params; i++)
			got = hash_bytes(e.param[i].p, e.param[i].n, got);
	}
	assert_int_equal(k, 0);
	assert_true(got == want);
	scap_reader_free(r);
}

static void test_plain(void **unused)
{
	(void)unused;
	there_and_back(false, 1);
}

static void test_gzip(void **unused)
{
	(void)unused;
	there_and_back(true, 1);
}

/* Several blocks. */
static void test_many_processes(void **unused)
{
	(void)unused;
	there_and_back(false, 5000);
}

static void test_large_and_state_only(void **unused)
{
	uint64_t buf[512];
	int fd = memfd_create("capture", 0), n;
	struct scap_record rec;
	struct scap_reader *r;
	struct scap_writer *w;
	struct kev_builder b;
	const char *why;
	struct kev k;

	(void)unused;
	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_CONTAINER_JSON_2_E, 0);
	kev_build_text(&b, S("{\"container\":{}}"));
	n = kev_build_finish(&b);
	assert_int_equal(kev_parse(buf, (size_t)n, &k, &why), 0);
	assert_int_equal(scap_writer_open(&w), 0);
	scap_write_begin(w, fd, false);
	scap_write_head(w, &(struct scap_machine){.host = "", .boot_ns = BOOT});
	scap_write_event(w, &k, BOOT + 1, true);
	assert_int_equal(scap_write_end(w), 0);
	scap_writer_free(w);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(scap_reader_open(fd, &r), 0);
	(void)next(r, &rec);
	k = next(r, &rec);
	assert_true(k.head->flags & KEV_F_STATE_ONLY);
	assert_true(span_eq_str(kev_param_text(&k, 0), "{\"container\":{}}"));
	assert_int_equal(scap_reader_next(r, &rec), 0);
	scap_reader_free(r);
}

/* What the format has no word for stands behind the event, where other readers pass over it. */
static void test_realpath_and_flags(void **unused)
{
	static const struct {
		const char *path;
		uint8_t flags;
	} rows[] = {{"/etc/shadow", 0}, {"/a", KEV_F_COMPAT}, {NULL, KEV_F_IO_URING}, {NULL, 0}};
	int fd = memfd_create("capture", 0), n;
	struct scap_record rec;
	struct scap_reader *r;
	struct scap_writer *w;
	const char *why;
	struct kev k;

	(void)unused;
	assert_int_equal(scap_writer_open(&w), 0);
	scap_write_begin(w, fd, false);
	scap_write_head(w, &(struct scap_machine){.host = "", .boot_ns = BOOT});
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t buf[512];
		struct kev_builder b;

		kev_build_start(
			&b, buf, sizeof(buf), KEV_CODE_SYSCALL_OPEN_X, rows[i].path != NULL);
		kev_build_head(&b)->flags = rows[i].flags | KEV_F_TRUNC;
		kev_build_int(&b, 3);
		kev_build_text(&b, S("/tmp/link"));
		for (unsigned p = 2; p < kev_info_find(KEV_CODE_SYSCALL_OPEN_X)->n_params; p++)
			kev_build_int(&b, 0);
		if (rows[i].path)
			kev_build_text(&b, span_str(rows[i].path));
		n = kev_build_finish(&b);
		assert_int_equal(kev_parse(buf, (size_t)n, &k, &why), 0);
		scap_write_event(w, &k, BOOT + 1, false);
	}
	assert_int_equal(scap_write_end(w), 0);
	scap_writer_free(w);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(scap_reader_open(fd, &r), 0);
	(void)next(r, &rec);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct span path;

		k = next(r, &rec);
		path = kev_extra(&k, KEV_X_REALPATH);
		assert_int_equal(k.head->flags & (KEV_F_COMPAT | KEV_F_IO_URING), rows[i].flags);
		assert_true(rows[i].path ? span_eq_str(path, rows[i].path) : path.p == NULL);
		assert_true(span_eq_str(kev_param_text(&k, 1), "/tmp/link"));
	}
	assert_int_equal(scap_reader_next(r, &rec), 0);
	scap_reader_free(r);
}

/* Facts of the host as events: valid JSON whatever the texts are, and within bounds. */
static void test_facts_as_events(void **unused)
{
	static uint64_t buf[KEV_SIZE_MAX / 8], event[KEV_SIZE_MAX / 8];
	_cleanup_strbuf_ struct strbuf text = {0};
	struct kev_builder b;
	const char *why;
	struct kev k;
	char row[12000];
	int n;

	(void)unused;
	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_SAKER_NAME, 0);
	kev_build_text(&b, S("a\"b\xff.test"));
	kev_build_raw(&b, "\1\2\3\4\5\6\7\10", 8);
	kev_build_raw(&b, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	n = kev_build_finish(&b);
	assert_int_equal(kev_parse(buf, (size_t)n, &k, &why), 0);
	n = scap_fact_event(&k, &text, event);
	assert_true(n > 0);
	assert_int_equal(kev_parse(event, (size_t)n, &k, &why), 0);
	assert_int_equal(k.head->type, KEV_CODE_ASYNCEVENT_E);
	assert_true(span_eq_str(kev_param_text(&k, 1), "saker_name"));
	assert_true(span_eq_str(kev_param_text(&k, 2),
		"{\"name\":\"a\\\"b\xef\xbf\xbd.test\",\"addresses\":[\"1.2.3.4\",\"5.6.7.8\","
		"\"2001:db8::1\"]}"));

	/* labels of control characters: six times as long as JSON; what does not fit is left out */
	memset(row, 1, sizeof(row));
	for (size_t i = 99; i < sizeof(row); i += 100)
		row[i] = '\0';
	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_SAKER_CONTAINER, 0);
	kev_build_text(&b, S("0123456789abcdef"));
	kev_build_int(&b, 1);
	for (unsigned i = 2; i < k.info->n_params + 15u; i++) {
		if (i == 13)
			kev_build_raw(&b, row, sizeof(row));
		else if (i == 12)
			kev_build_raw(&b, "/a\0/b\0ro\0false\0\0", 16);
		else
			kev_build_absent(&b);
	}
	n = kev_build_finish(&b);
	assert_int_equal(kev_parse(buf, (size_t)n, &k, &why), 0);
	n = scap_fact_event(&k, &text, event);
	assert_true(n > 15000 && n < 21000);
	assert_int_equal(kev_parse(event, (size_t)n, &k, &why), 0);
	assert_true(span_starts_with(kev_param_text(&k, 2),
		S("{\"container\":{\"id\":\"0123456789ab\",\"full_id\":\"0123456789abcdef\","
		  "\"privileged\":true,\"host_pid\":false,")));
	assert_non_null(strstr(k.param[2].p, "\"Mounts\":[{\"Source\":\"/a\",\"Destination\":\"/"
					     "b\",\"Mode\":\"ro\",\"RW\":false,"
					     "\"Propagation\":\"\"}]"));
}

static void test_no_room(void **unused)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct scap_writer *w;

	(void)unused;
	assert_int_equal(scap_writer_open(&w), 0);
	scap_write_begin(w, fd, false);
	write_head(w, 10);
	assert_int_equal(scap_write_flush(w), -ENOSPC);
	write_head(w, 10);
	assert_int_equal(scap_write_end(w), -ENOSPC);
	assert_int_equal(scap_write_bytes(w), 0);
	scap_writer_free(w);
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_many_processes),
		cmocka_unit_test(test_large_and_state_only),
		cmocka_unit_test(test_realpath_and_flags),
		cmocka_unit_test(test_facts_as_events),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
