/* SPDX-License-Identifier: Apache-2.0 */
/* Random damage: 100,000 changed copies of good records for each door, each copy in memory of
 * exactly its length, so that a sanitizer sees one byte too far. What a door lets through is read
 * to the last byte, as a stage would. Deterministic. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/macros.h>

#include "samples.h"

#define MUTATIONS 100000

static uint64_t buf[SPSC_RECORD_MAX / 8];
static volatile uint8_t sink;

static uint64_t rnd(uint64_t *s)
{
	*s = *s * 6364136223846793005ULL + 1442695040888963407ULL;
	return (*s >> 33) ^ (*s << 15);
}

static void read_bytes(const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sink ^= ((const uint8_t *)p)[i];
}

/* A text and its NUL. */
static void read_text(const void *rec, struct rec_str s)
{
	struct span t = rec_text(rec, s);

	if (t.p)
		read_bytes(t.p, t.n + 1);
}

static int use_prec(const struct rec_head *rec)
{
	const struct prec *p = (const struct prec *)rec;

	if (prec_validate(rec, SAMPLE_SLOTS) < 0)
		return 0;
	assert_true(p->slot < SAMPLE_SLOTS && p->leader_slot < SAMPLE_SLOTS);
	for (const struct rec_str *s = &p->comm; s <= &p->container_id; s++)
		read_text(p, *s);
	/* as a reader of lists does */
	for (uint32_t i = 0, at = 0; i < p->n_args; i++)
		at += (uint32_t)strlen(rec_text(p, p->args).p + at) + 1;
	return 1;
}

static int use_crec(const struct rec_head *rec)
{
	const struct crec *c = (const struct crec *)rec;

	if (crec_validate(rec) < 0)
		return 0;
	assert_true(c->slot < CREC_SLOTS_MAX && c->id.n > 0);
	read_text(c, c->id);
	for (unsigned i = 0; i < _CREC_TEXT_MAX; i++) {
		struct span s = rec_text(c, c->text[i]);
		unsigned n = 0;

		read_text(c, c->text[i]);
		for (size_t at = 0; crec_parts(i) && at < s.n; at += strlen(s.p + at) + 1)
			n++;
		assert_true(!crec_parts(i) || n % crec_parts(i) == 0);
	}
	return 1;
}

static void read_att(const struct ev *ev, const struct ev_att *a)
{
	const struct ev_fd *fd = ev_att_data(a);

	read_bytes(fd, a->n);
	if (a->kind == EV_ATT_FD || a->kind == EV_ATT_STDIO) {
		read_text(ev, fd->name);
		read_text(ev, fd->nameraw);
		assert_true(fd->type < _EV_FD_TYPE_MAX && fd->l4 < _EV_L4_MAX);
	} else if (a->kind == EV_ATT_FDLIST) {
		const struct ev_fdlist *list = ev_att_data(a);

		for (uint64_t i = 0; i < list->n; i++) {
			read_bytes(&list->fd[i], sizeof(list->fd[i]));
			read_text(ev, list->fd[i].name);
		}
	} else if (a->kind == EV_ATT_PATH || a->kind == EV_ATT_PID || a->kind == EV_ATT_REALPATH) {
		assert_true(strlen(ev_att_text(a).p) <= ev_att_text(a).n);
	}
}

static int use_ev(const struct rec_head *rec)
{
	struct ev_view v;

	if (ev_validate(rec, SAMPLE_SLOTS, &v) < 0)
		return 0;
	assert_true(v.ev->slot < SAMPLE_SLOTS || v.ev->slot == PREC_NO_SLOT);
	for (unsigned i = 0; i < MAX(v.ev->n_params, v.info->n_params); i++) {
		read_bytes(v.param[i].p, v.param[i].n);
		if (i < v.info->n_params && v.param[i].n > 0 &&
			kev_type_width(v.info->params[i].type) != 0)
			assert_int_equal(v.param[i].n, kev_type_width(v.info->params[i].type));
	}
	for (unsigned i = 0; i < v.n_atts; i++)
		read_att(v.ev, v.att[i]);
	if (v.fd)
		read_text(v.ev, v.fd->name);
	return 1;
}

static int use_alert(const struct rec_head *rec)
{
	const struct alert *a = (const struct alert *)rec;
	uint64_t sum = 0;

	if (alert_validate(rec) < 0)
		return 0;
	for (const struct rec_str *s = &a->rule_name; s <= &a->message; s++)
		read_text(a, *s);
	for (unsigned i = 0; i < a->n_fields; i++) {
		read_text(a, alert_fields(a)[i].key);
		read_text(a, alert_fields(a)[i].str);
		sum += alert_fields(a)[i].str.n;
	}
	for (unsigned i = 0; i < a->n_tags; i++)
		read_text(a, alert_tags(a)[i]);
	assert_true(sum <= a->h.ring.len);
	return 1;
}

/* Changes one to four places; now and then the length. */
static size_t mutate(uint8_t *rec, size_t len, uint64_t *s)
{
	static const uint32_t words[] = {0, 1, 7, 8, 72, 104, 255, 256, 65535, 65536, UINT32_MAX,
		UINT32_MAX - 7, 0x80000000};
	size_t n = len;

	if (rnd(s) % 16 == 0) {
		n = 8 + rnd(s) % (len / 8) * 8;
		((struct spsc_rec *)rec)->len = (uint32_t)n;
	}
	for (uint64_t k = rnd(s) % 4 + 1; k > 0; k--) {
		size_t at = rnd(s) % (rnd(s) % 2 ? MIN(n, 400U) : n);
		uint32_t w = words[rnd(s) % ARRAY_LEN(words)];

		/* The ring's own length was checked by the ring: it stays true. */
		if (at < 4)
			continue;
		switch (rnd(s) % 4) {
		case 0:
			rec[at] ^= (uint8_t)(1 << rnd(s) % 8);
			break;
		case 1:
			rec[at] = (uint8_t)rnd(s);
			break;
		case 2:
			rec[at] = (uint8_t)(rec[at] + 1);
			break;
		default:
			at &= ~(size_t)3;
			if (n - at >= 4 && at >= 4)
				memcpy(rec + at, &w, 4);
		}
	}
	return n;
}

static void run(int (*sample)(void *), int (*use)(const struct rec_head *))
{
	size_t len = (size_t)sample(buf);
	uint64_t s = 42;
	unsigned n_passed = 0;

	assert_true(use((const struct rec_head *)buf));
	for (unsigned i = 0; i < MUTATIONS; i++) {
		uint8_t *rec = malloc(len), *exact;
		size_t n;

		memcpy(rec, buf, len);
		n = mutate(rec, len, &s);
		exact = malloc(n);
		memcpy(exact, rec, n);
		n_passed += (unsigned)use((const struct rec_head *)exact);
		free(exact);
		free(rec);
	}
	/* Both answers must occur, or the damage proves nothing. */
	assert_true(n_passed > MUTATIONS / 100 && n_passed < MUTATIONS * 99 / 100);
}

static void test_prec_validate__damaged__safe(void **state)
{
	(void)state;
	run(sample_prec, use_prec);
}

static void test_ev_validate__damaged__safe(void **state)
{
	(void)state;
	run(sample_ev, use_ev);
}

static void test_crec_validate__damaged__safe(void **state)
{
	(void)state;
	run(sample_crec, use_crec);
}

static void test_alert_validate__damaged__safe(void **state)
{
	(void)state;
	run(sample_alert, use_alert);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prec_validate__damaged__safe),
		cmocka_unit_test(test_ev_validate__damaged__safe),
		cmocka_unit_test(test_crec_validate__damaged__safe),
		cmocka_unit_test(test_alert_validate__damaged__safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
