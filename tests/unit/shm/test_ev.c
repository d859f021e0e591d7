/* SPDX-License-Identifier: Apache-2.0 */
/* Event records: what the builder makes passes the door and is found in the view; each damaged
 * field is refused. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <base/macros.h>

#include "samples.h"

static uint64_t buf[SPSC_RECORD_MAX / 8];

static struct ev *sample(void)
{
	assert_true(sample_ev(buf) > 0);
	return (struct ev *)buf;
}

static void test_ev_validate__good__everything_found(void **state)
{
	struct ev *ev = sample();
	struct ev_view v;

	(void)state;
	assert_int_equal(ev_validate(&ev->h, SAMPLE_SLOTS, &v), 0);
	assert_ptr_equal(v.ev, ev);
	assert_string_equal(v.info->name, "openat");
	assert_int_equal(v.param[2].n, 7);
	assert_string_equal(v.param[2].p, "passwd");
	assert_int_equal(v.param[4].n, 0);
	assert_int_equal(v.n_atts, 12);
	assert_int_equal(v.fd->num, 3);
	assert_true(span_eq_str(rec_text(ev, v.fd->name), "/etc/passwd"));
	assert_true(span_eq_str(rec_text(ev, v.fd->nameraw), "passwd"));
	const struct ev_fd *dir = ev_att_data(ev_att_find(&v, EV_ATT_FD, 1));

	assert_true(span_eq_str(rec_text(ev, dir->name), "/etc"));
	assert_null(rec_text(ev, dir->nameraw).p);
	assert_true(span_eq_str(ev_att_text(ev_att_find(&v, EV_ATT_PATH, 2)), "/etc/passwd"));
	assert_true(span_eq_str(
		ev_att_text(ev_att_find(&v, EV_ATT_REALPATH, EV_NO_PARAM)), "/private/etc/passwd"));
	assert_true(span_eq_str(ev_att_text(ev_att_find(&v, EV_ATT_PID, 0)), "init"));
	assert_int_equal(
		*(const uint32_t *)ev_att_data(ev_att_find(&v, EV_ATT_FDTYPES, EV_NO_PARAM)), 2);
	assert_int_equal(
		*(const uint64_t *)ev_att_data(ev_att_find(&v, EV_ATT_DELTA, EV_NO_PARAM)), 12);
	assert_null(ev_att_find(&v, EV_ATT_FD, 0));
}

static void test_ev_validate__no_params_no_atts__accepted(void **state)
{
	struct rec_writer w;
	struct ev *ev = (struct ev *)buf;
	struct ev_view v;

	(void)state;
	ev_begin(&w, buf, sizeof(buf));
	ev->type = KEV_CODE_SYSCALL_OPENAT_2_X;
	ev->slot = PREC_NO_SLOT;
	assert_int_equal(rec_finish(&w), sizeof(*ev));
	assert_int_equal(ev_validate(&ev->h, SAMPLE_SLOTS, &v), 0);
	assert_null(v.fd);
	assert_int_equal(v.n_atts, 0);
	ev_begin(&w, buf, sizeof(buf));
	ev->type = KEV_CODE_SYSCALL_OPENAT_2_X;
	ev_add_params(&w, NULL, 0);
	assert_int_equal(rec_finish(&w), sizeof(*ev));
	assert_int_equal(ev_validate(&ev->h, SAMPLE_SLOTS, &v), 0);
}

static void refuse_patched(size_t i, size_t off, const void *value, size_t n)
{
	struct ev *ev = sample();
	struct ev_view v = {.ev = ev, .n_atts = 99};

	memcpy((uint8_t *)ev + off, value, n);
	if (ev_validate(&ev->h, SAMPLE_SLOTS, &v) != -EBADMSG)
		fail_msg("case %zu accepted", i);
	assert_null(v.ev);
}

static void test_ev_validate__each_bad_head_field__refused(void **state)
{
#define FIELD(m, v)                                                                                \
	{                                                                                          \
		offsetof(struct ev, m), sizeof(((struct ev *)0)->m), v                             \
	}
	static const struct {
		size_t off, n;
		uint32_t value;
	} cases[] = {
		FIELD(h.ring.len, 0),
		FIELD(h.ring.len, 64),
		FIELD(h.ring.len, 72),
		FIELD(h.ring.len, 76),
		FIELD(h.ring.len, 200),
		FIELD(h.ring.len, SPSC_RECORD_MAX + 8),
		FIELD(h.ring.len, UINT32_MAX),
		FIELD(h.ring.type, REC_PROC),
		FIELD(slot, SAMPLE_SLOTS),
		FIELD(slot, UINT32_MAX - 1),
		FIELD(type, 0),
		FIELD(type, 65535),
		FIELD(flags, 0x40),
		FIELD(flags, 1U << 31),
		FIELD(n_params, KEV_PARAMS_MAX + 1),
		FIELD(n_params, 65535),
		FIELD(n_params, 2), /* attachments name parameter 2 */
		FIELD(n_atts, EV_ATTS_MAX + 1),
		FIELD(n_atts, 65535),
		FIELD(n_atts, 13),
		FIELD(params_off, 0),
		FIELD(params_off, 64),
		FIELD(params_off, 73),
		FIELD(params_off, 76),
		FIELD(params_off, SPSC_RECORD_MAX),
		FIELD(params_off, UINT32_MAX),
		FIELD(params_off, UINT32_MAX - 7),
		FIELD(atts_off, 0),
		FIELD(atts_off, 68),
		FIELD(atts_off, 77),
		FIELD(atts_off, SPSC_RECORD_MAX),
		FIELD(atts_off, UINT32_MAX - 7),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		refuse_patched(i, cases[i].off, &cases[i].value, cases[i].n);
}

/* Parameter lengths: widths, sum, NUL. */
static void test_ev_validate__bad_parameters__refused(void **state)
{
	static const struct {
		unsigned index;
		uint16_t length;
	} cases[] = {{0, 4}, {0, 9}, {1, 7}, {2, 6}, {3, 3}, {3, 8}, {6, 65535}, {4, 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		refuse_patched(i, sample()->params_off + 2 * cases[i].index, &cases[i].length, 2);
}

/* Offset of an attachment of the sample from the record's start. */
static size_t att_at(enum ev_att_kind kind, uint16_t index)
{
	struct ev *ev = sample();
	struct ev_view v;

	assert_int_equal(ev_validate(&ev->h, SAMPLE_SLOTS, &v), 0);
	return (size_t)((const uint8_t *)ev_att_find(&v, kind, index) - (const uint8_t *)ev);
}

static void test_ev_validate__bad_attachments__refused(void **state)
{
	size_t fd = att_at(EV_ATT_FD, EV_NO_PARAM), dir = att_at(EV_ATT_FD, 1),
	       stdio = att_at(EV_ATT_STDIO, 2), path = att_at(EV_ATT_PATH, 2);
	size_t pid = att_at(EV_ATT_PID, 0), types = att_at(EV_ATT_FDTYPES, EV_NO_PARAM),
	       delta = att_at(EV_ATT_DELTA, EV_NO_PARAM);
	size_t data = sizeof(struct ev_att);
	const struct {
		size_t off, n;
		uint32_t value;
	} cases[] = {
		{fd, 2, 0},
		{fd, 2, _EV_ATT_MAX},
		{fd, 2, 65535},
		{fd + 2, 2, 7},
		{fd + 4, 4, 79},
		{fd + 4, 4, UINT32_MAX},
		{fd + 4, 4, UINT32_MAX - 7},
		{fd + 4, 4, SPSC_RECORD_MAX},
		{dir + 2, 2, EV_NO_PARAM}, /* the event's fd twice */
		{dir + 2, 2, 40},
		{stdio + 2, 2, 3},
		{path + 2, 2, EV_NO_PARAM},
		{path + 2, 2, 7},
		{path + 4, 4, 0},
		{path + 4, 4, 11},
		{pid + 2, 2, 7},
		{types + 4, 4, 8},
		{types + 4, 4, 0},
		{delta + 4, 4, 4},
		{delta, 2, EV_ATT_FDCOUNT},
		{fd + data + offsetof(struct ev_fd, type), 1, _EV_FD_TYPE_MAX},
		{fd + data + offsetof(struct ev_fd, l4), 1, _EV_L4_MAX},
		{fd + data + offsetof(struct ev_fd, role), 1, 3},
		{fd + data + offsetof(struct ev_fd, name.off), 4, 8},
		{fd + data + offsetof(struct ev_fd, name.n), 4, 5},
		{fd + data + offsetof(struct ev_fd, name.n), 4, UINT32_MAX},
		{fd + data + offsetof(struct ev_fd, nameraw.off), 4, UINT32_MAX},
		{stdio + data + offsetof(struct ev_fd, name.off), 4, 0xfffffff},
		{dir + data + offsetof(struct ev_fd, nameraw.n), 4, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		refuse_patched(i, cases[i].off, &cases[i].value, cases[i].n);
}

/* n_params parameters of length 0 at @at, otherwise right: only the number or the place is wrong.
 */
static int validate_empty_params(uint16_t n_params, uint32_t at)
{
	struct ev *ev = (struct ev *)buf;
	struct ev_view v;
	int r;

	memset(buf, 0, 512);
	*ev = (struct ev){
		.h.ring = {.len = 512, .type = REC_EVENT},
		.type = KEV_CODE_SYSCALL_OPENAT_2_X,
		.n_params = n_params,
		.params_off = at,
	};
	memset(&v, 0xff, sizeof(v)); /* of the event before */
	r = ev_validate(&ev->h, SAMPLE_SLOTS, &v);
	for (unsigned i = 0; r == 0 && i < MAX(n_params, v.info->n_params); i++)
		assert_int_equal(v.param[i].n, 0);
	return r;
}

static void test_ev_validate__parameters_by_number_and_place(void **state)
{
	(void)state;
	assert_int_equal(validate_empty_params(KEV_PARAMS_MAX, 72), 0);
	assert_int_equal(validate_empty_params(KEV_PARAMS_MAX + 1, 72), -EBADMSG);
	assert_int_equal(validate_empty_params(1, 76), -EBADMSG);
	assert_int_equal(validate_empty_params(1, 74), -EBADMSG);
	assert_int_equal(validate_empty_params(0, 64), -EBADMSG);
	assert_int_equal(validate_empty_params(0, 512), 0);
	assert_int_equal(validate_empty_params(1, 512), -EBADMSG);
	assert_int_equal(validate_empty_params(0, 520), -EBADMSG);
}

static void test_ev_validate__attachments_by_number(void **state)
{
	struct span none[20] = {0};
	struct ev *ev = (struct ev *)buf;
	struct rec_writer w;
	struct ev_view v;
	struct ev_att *more;
	uint32_t end;

	(void)state;
	ev_begin(&w, buf, sizeof(buf));
	ev->type = KEV_CODE_SYSCALL_OPENAT_2_X;
	ev_add_params(&w, none, ARRAY_LEN(none));
	for (uint16_t i = 0; i < EV_ATTS_MAX; i++)
		ev_add_att_text(&w, EV_ATT_PATH, i, SPAN_LIT("/"));
	end = (uint32_t)rec_finish(&w);
	assert_int_equal(ev_validate(&ev->h, SAMPLE_SLOTS, &v), 0);
	assert_int_equal(v.n_atts, EV_ATTS_MAX);
	more = (struct ev_att *)((uint8_t *)buf + end);
	*more = (struct ev_att){.kind = EV_ATT_PATH, .index = EV_ATTS_MAX, .n = 1};
	*(uint64_t *)(more + 1) = 0;
	ev->h.ring.len = end + 16;
	assert_int_equal(ev_validate(&ev->h, SAMPLE_SLOTS, &v), 0);
	ev->n_atts++;
	assert_int_equal(ev_validate(&ev->h, SAMPLE_SLOTS, &v), -EBADMSG);
}

static void test_ev_add__no_room__fails(void **state)
{
	static const char big[SPSC_RECORD_MAX];
	const struct span one = {big, 1}, huge = {big, 65536};
	const struct ev_fd fd = {0};
	struct rec_writer w;

	(void)state;
	ev_begin(&w, buf, 71);
	ev_add_params(&w, &one, 1);
	ev_add_att(&w, EV_ATT_DELTA, EV_NO_PARAM, big, 8);
	assert_int_equal(rec_finish(&w), -EMSGSIZE);
	ev_begin(&w, buf, 80);
	ev_add_params(&w, &one, 1);
	assert_int_equal(rec_finish(&w), -EMSGSIZE);
	ev_begin(&w, buf, 88);
	ev_add_params(&w, (struct span[]){{big, 8}}, 1);
	assert_int_equal(rec_finish(&w), 88);
	buf[11] = 0x5a;
	ev_begin(&w, buf, 88);
	ev_add_params(&w, (struct span[]){{big, 9}}, 1);
	assert_int_equal(rec_finish(&w), -EMSGSIZE);
	assert_int_equal(buf[11], 0x5a);
	ev_begin(&w, buf, sizeof(buf));
	ev_add_params(&w, &huge, 1); /* longer than a length can say */
	assert_int_equal(rec_finish(&w), -EMSGSIZE);
	ev_begin(&w, buf, 72 + 8 + 79);
	ev_add_att_fd(&w, EV_ATT_FD, EV_NO_PARAM, &fd, (struct span){0}, (struct span){0});
	assert_int_equal(rec_finish(&w), -EMSGSIZE);
	ev_begin(&w, buf, sizeof(buf));
	ev_add_att_text(&w, EV_ATT_PATH, 0, (struct span){big, SPSC_RECORD_MAX});
	assert_int_equal(rec_finish(&w), -EMSGSIZE);
	ev_begin(&w, buf, sizeof(buf));
	for (unsigned i = 0; i <= EV_ATTS_MAX; i++)
		ev_add_att(&w, EV_ATT_PATH, (uint16_t)i, "", 1);
	assert_int_equal(rec_finish(&w), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ev_validate__good__everything_found),
		cmocka_unit_test(test_ev_validate__no_params_no_atts__accepted),
		cmocka_unit_test(test_ev_validate__each_bad_head_field__refused),
		cmocka_unit_test(test_ev_validate__bad_parameters__refused),
		cmocka_unit_test(test_ev_validate__bad_attachments__refused),
		cmocka_unit_test(test_ev_validate__parameters_by_number_and_place),
		cmocka_unit_test(test_ev_validate__attachments_by_number),
		cmocka_unit_test(test_ev_add__no_room__fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
