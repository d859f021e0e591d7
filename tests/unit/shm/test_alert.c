/* SPDX-License-Identifier: Apache-2.0 */
/* Alert records: builder, door, id. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <base/macros.h>

#include "samples.h"

static uint64_t buf[SPSC_RECORD_MAX / 8];
static struct alert_builder builder;

static struct alert *sample(void)
{
	assert_true(sample_alert(buf) > 0);
	return (struct alert *)buf;
}

static struct alert_field *field(struct alert *a, unsigned i)
{
	return (struct alert_field *)((uint8_t *)a + a->fields_off) + i;
}

static struct rec_str *tag(struct alert *a, unsigned i)
{
	return (struct rec_str *)((uint8_t *)a + a->tags_off) + i;
}

static void test_alert_finish__good__sorted_and_accepted(void **state)
{
	static const char *const keys[] = {"evt.num", "fd.ip", "fd.num", "proc.aname[2]",
		"proc.is_exe_writable", "proc.name", "thread.cpu"};
	struct alert *a = sample();

	(void)state;
	assert_int_equal(alert_validate(&a->h), 0);
	assert_int_equal(a->n_fields, ARRAY_LEN(keys));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_true(span_eq_str(rec_text(a, alert_fields(a)[i].key), keys[i]));
	assert_int_equal(alert_fields(a)[0].num, 17);
	assert_true(span_eq_str(rec_text(a, alert_fields(a)[5].str), "cat"));
	assert_int_equal(a->n_tags, 2);
	assert_true(span_eq_str(rec_text(a, alert_tags(a)[0]), "container"));
	assert_true(span_eq_str(rec_text(a, alert_tags(a)[1]), "mitre"));
	assert_true(span_eq_str(rec_text(a, a->message), "file read (name=/etc/shadow)"));
}

static void test_alert_add__twice_the_same__once_in_the_record(void **state)
{
	struct alert *a;

	(void)state;
	alert_begin(&builder, buf, sizeof(buf));
	a = alert_head(&builder);
	a->rule_name = alert_add_text(&builder, SPAN_LIT("r"));
	alert_add_field(&builder, SPAN_LIT("b"), ALERT_U64, 1, (struct span){0});
	alert_add_field(
		&builder, SPAN_LIT("a"), ALERT_STR, 0, (struct span){0}); /* an empty text */
	alert_add_field(&builder, SPAN_LIT("b"), ALERT_U64, 2, (struct span){0});
	alert_add_tag(&builder, SPAN_LIT("t"));
	alert_add_tag(&builder, SPAN_LIT("t"));
	assert_true(alert_finish(&builder) > 0);
	assert_int_equal(alert_validate(&a->h), 0);
	assert_int_equal(a->n_fields, 2);
	assert_int_equal(alert_fields(a)[1].num, 1);
	assert_non_null(rec_text(a, alert_fields(a)[0].str).p);
	assert_int_equal(a->n_tags, 1);
}

static void test_alert_finish__too_much__refused(void **state)
{
	static char big[SPSC_RECORD_MAX];
	char key[16];

	(void)state;
	alert_begin(&builder, buf, sizeof(buf));
	alert_add_text(&builder, (struct span){big, sizeof(big)});
	assert_int_equal(alert_finish(&builder), -EMSGSIZE);
	alert_begin(&builder, buf, 160);
	alert_head(&builder)->rule_name = alert_add_text(&builder, SPAN_LIT("r"));
	for (int i = 0; i < 2; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		alert_add_field(&builder, span_str(key), ALERT_NULL, 0, (struct span){0});
	}
	assert_int_equal(alert_finish(&builder), -EMSGSIZE); /* no room for the table */
	alert_begin(&builder, buf, sizeof(buf));
	for (int i = 0; i <= ALERT_FIELDS_MAX; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		alert_add_field(&builder, span_str(key), ALERT_NULL, 0, (struct span){0});
	}
	assert_int_equal(alert_finish(&builder), -EMSGSIZE);
	alert_begin(&builder, buf, sizeof(buf));
	for (int i = 0; i <= ALERT_TAGS_MAX; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		alert_add_tag(&builder, span_str(key));
	}
	assert_int_equal(alert_finish(&builder), -EMSGSIZE);
}

static void test_alert_validate__each_bad_head_field__refused(void **state)
{
#define FIELD(m, v)                                                                                \
	{                                                                                          \
		offsetof(struct alert, m), sizeof(((struct alert *)0)->m), v                       \
	}
	static const struct {
		size_t off, n;
		uint32_t value;
	} cases[] = {
		FIELD(h.ring.len, 0),
		FIELD(h.ring.len, 96),
		FIELD(h.ring.len, 104),
		FIELD(h.ring.len, 108),
		FIELD(h.ring.len, SPSC_RECORD_MAX + 8),
		FIELD(h.ring.len, UINT32_MAX),
		FIELD(h.ring.type, REC_EVENT),
		FIELD(priority, 8),
		FIELD(priority, 255),
		FIELD(flags, 8),
		FIELD(n_fields, ALERT_FIELDS_MAX + 1),
		FIELD(n_fields, 65535),
		FIELD(n_fields, 256),
		FIELD(n_fields, 8),
		FIELD(n_tags, ALERT_TAGS_MAX + 1),
		FIELD(n_tags, 65535),
		FIELD(n_tags, 128),
		FIELD(fields_off, 0),
		FIELD(fields_off, 96),
		FIELD(fields_off, 108),
		FIELD(fields_off, SPSC_RECORD_MAX),
		FIELD(fields_off, UINT32_MAX - 7),
		FIELD(tags_off, 0),
		FIELD(tags_off, 8),
		FIELD(tags_off, 108),
		FIELD(tags_off, UINT32_MAX - 7),
		FIELD(rule_name.off, 0),
		FIELD(rule_name.off, 9),
		FIELD(rule_name.n, 0),
		FIELD(rule_name.n, 3),
		FIELD(source.n, UINT32_MAX),
		FIELD(host.off, UINT32_MAX),
		FIELD(message.n, 27),
		FIELD(message.n, SPSC_RECORD_MAX),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct alert *a = sample();

		memcpy((uint8_t *)a + cases[i].off, &cases[i].value, cases[i].n);
		if (alert_validate(&a->h) != -EBADMSG)
			fail_msg("case %zu accepted", i);
	}
}

static void test_alert_validate__bad_fields_and_tags__refused(void **state)
{
	(void)state;
#define REFUSED(...)                                                                               \
	do {                                                                                       \
		struct alert *a = sample();                                                        \
		__VA_ARGS__;                                                                       \
		if (alert_validate(&a->h) != -EBADMSG)                                             \
			fail_msg("accepted: " #__VA_ARGS__);                                       \
	} while (0)
	REFUSED(field(a, 0)->type = _ALERT_TYPE_MAX);
	REFUSED(field(a, 0)->key = (struct rec_str){0});
	REFUSED(field(a, 0)->key.n = 0);
	REFUSED(field(a, 0)->key.off = 8);
	REFUSED(field(a, 1)->num = 3); /* list of two */
	REFUSED(field(a, 1)->str.n--);
	REFUSED(field(a, 1)->key = field(a, 0)->key); /* twice */
	REFUSED(field(a, 0)->key = field(a, 2)->key); /* order */
	REFUSED(field(a, 2)->str = (struct rec_str){200000, 1});
	REFUSED(field(a, 4)->num = 2);                   /* bool */
	REFUSED(field(a, 5)->str = (struct rec_str){0}); /* text without text */
	REFUSED(field(a, 5)->str.n = UINT32_MAX);
	REFUSED(tag(a, 0)->off = 0);
	REFUSED(*tag(a, 0) = (struct rec_str){0});
	REFUSED(*tag(a, 1) = *tag(a, 0));
	REFUSED(tag(a, 1)->n = 4);
}

static void test_alert_validate__overlapping_texts__refused(void **state)
{
	static char text[8000];
	struct rec_str big;
	struct alert *a;
	char key[16];

	(void)state;
	memset(text, 'x', sizeof(text));
	alert_begin(&builder, buf, sizeof(buf));
	a = alert_head(&builder);
	a->rule_name = alert_add_text(&builder, SPAN_LIT("r"));
	big = alert_add_text(&builder, (struct span){text, sizeof(text)});
	for (int i = 0; i < 100; i++) {
		(void)snprintf(key, sizeof(key), "k%02d", i);
		alert_add_field(&builder, span_str(key), ALERT_NULL, 0, (struct span){0});
	}
	assert_true(alert_finish(&builder) > 0);
	assert_int_equal(alert_validate(&a->h), 0);
	for (unsigned i = 0; i < 100; i++)
		field(a, i)->str = big;
	assert_int_equal(alert_validate(&a->h), -EBADMSG);
}

/* An alert made by hand with so many fields and tags that are right each. */
static int validate_many(unsigned n_fields, unsigned n_tags)
{
	struct alert *a = (struct alert *)buf;
	struct rec_writer w = {.buf = (uint8_t *)buf, .cap = sizeof(buf), .n = sizeof(*a)};
	char key[16];

	memset(buf, 0, sizeof(buf));
	a->h.ring.type = REC_ALERT;
	a->n_fields = (uint16_t)n_fields;
	a->n_tags = (uint16_t)n_tags;
	a->fields_off = sizeof(*a);
	a->tags_off = (uint32_t)(sizeof(*a) + n_fields * sizeof(struct alert_field));
	w.n = a->tags_off + n_tags * sizeof(struct rec_str);
	a->rule_name = rec_add_text(&w, SPAN_LIT("r"));
	for (unsigned i = 0; i < n_fields || i < n_tags; i++) {
		(void)snprintf(key, sizeof(key), "k%03u", i);
		if (i < n_fields)
			field(a, i)->key = rec_add_text(&w, span_str(key));
		if (i < n_tags)
			*tag(a, i) = rec_add_text(&w, span_str(key));
	}
	assert_true(rec_finish(&w) > 0);
	return alert_validate(&a->h);
}

static void test_alert_validate__number_of_fields_and_tags__limited(void **state)
{
	(void)state;
	assert_int_equal(validate_many(ALERT_FIELDS_MAX, ALERT_TAGS_MAX), 0);
	assert_int_equal(validate_many(ALERT_FIELDS_MAX + 1, 0), -EBADMSG);
	assert_int_equal(validate_many(0, ALERT_TAGS_MAX + 1), -EBADMSG);
	assert_int_equal(validate_many(0, 0), 0);
}

static void test_alert_validate__table_inside_the_head__refused(void **state)
{
	struct alert *a = (struct alert *)buf;

	(void)state;
	assert_int_equal(validate_many(1, 0), 0);
	a->message = field(a, 0)->key; /* so that a field at the head's last 8 bytes would have a
					  key and zeros */
	memset(a + 1, 0, sizeof(struct alert_field));
	a->fields_off = sizeof(*a) - 8;
	assert_int_equal(alert_validate(&a->h), -EBADMSG);
}

static void test_alert_id_make__inputs__each_counts(void **state)
{
	const uint8_t run[2][16] = {"run", "rum"};
	uint8_t id[5][16];

	(void)state;
	alert_id_make(run[0], 1, SPAN_LIT("rule"), id[0]);
	alert_id_make(run[1], 1, SPAN_LIT("rule"), id[1]);
	alert_id_make(run[0], 2, SPAN_LIT("rule"), id[2]);
	alert_id_make(run[0], 1, SPAN_LIT("rule2"), id[3]);
	alert_id_make(run[0], 1, SPAN_LIT("rule"), id[4]);
	assert_memory_equal(id[0], id[4], 16);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(id[i][6] >> 4, 8);
		assert_int_equal(id[i][8] >> 6, 2);
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(id[i], id[k], 16);
	}
}

static void test_alert_priority_str__range(void **state)
{
	(void)state;
	assert_string_equal(alert_priority_str(0), "Emergency");
	assert_string_equal(alert_priority_str(6), "Informational");
	assert_string_equal(alert_priority_str(7), "Debug");
	assert_string_equal(alert_priority_str(8), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alert_finish__good__sorted_and_accepted),
		cmocka_unit_test(test_alert_add__twice_the_same__once_in_the_record),
		cmocka_unit_test(test_alert_finish__too_much__refused),
		cmocka_unit_test(test_alert_validate__each_bad_head_field__refused),
		cmocka_unit_test(test_alert_validate__bad_fields_and_tags__refused),
		cmocka_unit_test(test_alert_validate__overlapping_texts__refused),
		cmocka_unit_test(test_alert_validate__number_of_fields_and_tags__limited),
		cmocka_unit_test(test_alert_validate__table_inside_the_head__refused),
		cmocka_unit_test(test_alert_id_make__inputs__each_counts),
		cmocka_unit_test(test_alert_priority_str__range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
