/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged event and thread records: whatever passes the door, every field of it can be had and
 * printed. Finds crashes and reads out of bounds under the sanitizers; the random numbers are
 * always the same. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include <base/hash.h>
#include <base/macros.h>

#define ROUNDS 4000

static uint64_t seed = 1;
static uint64_t rnd(void)
{
	return hash_u64(seed++);
}

static void damage(uint8_t *p, size_t from, size_t n)
{
	static const uint64_t odd[] = {
		0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0xffffffff, UINT64_MAX};

	for (unsigned k = 1 + rnd() % 4; k > 0; k--) {
		size_t at = from + rnd() % (n - from), width = (size_t)1 << rnd() % 4;
		uint64_t v = rnd() & 1 ? rnd() : odd[rnd() % ARRAY_LEN(odd)];

		memcpy(p + at, &v, MIN(width, n - at));
	}
}

static uint32_t fields[_FIELD_ID_MAX * 2];
static unsigned n_fields;

static void make_fields(struct bench *b)
{
	n_fields = 0;
	for (unsigned i = 0; i < _FIELD_ID_MAX && b->img.n[IMG_SEC_EXPR] < BENCH_MAX - 8; i++) {
		const struct field_info *f = field_info_get(i);
		char text[128];

		if ((f->arg & 0xf) != FA_REQ)
			fields[n_fields++] = bench_field(b, f->name);
		if (!f->arg || b->img.n[IMG_SEC_EXPR] >= BENCH_MAX - 8)
			continue;
		snprintf(text, sizeof(text),
			f->arg & FAF_INDEX    ? "%s[1]"
			: f->arg & FAF_SUFFIX ? "%s.fd"
					      : "%s[A]",
			f->name);
		fields[n_fields++] = bench_field(b, text);
	}
}

static void use(struct bench *b)
{
	static char buf[70000];

	evl_event_begin(&b->e, &b->view);
	for (unsigned second = 0; second < 2; second++) {
		for (unsigned i = 0; i < n_fields; i++) {
			struct evl_value v;
			struct evl_text t;

			b->e.scratch.used = 0;
			evl_expr(&b->e, fields[i], &v);
			evl_text_init(&t, buf, sizeof(buf));
			evl_value_text(&v, &b->exprs[fields[i]], &t);
		}
		if (!b->e.realpath.p)
			return;
		evl_event_second_name(&b->e);
	}
}

static void build(struct bench *b)
{
	const uint16_t ix = (uint16_t)(rnd() % _KEV_IX_MAX);
	const struct kev_info *info = kev_info_get(ix);
	struct ev_fd fd = {.num = 4,
		.type = (uint8_t)(rnd() % _EV_FD_TYPE_MAX),
		.l4 = (uint8_t)(rnd() % _EV_L4_MAX),
		.role = (uint8_t)(rnd() % 3),
		.flags = (uint8_t)rnd(),
		.sport = 1,
		.dport = 2};
	uint64_t v = rnd();
	uint32_t types = (uint32_t)rnd();

	bench_event(b, info->code, rnd() % 8 ? 3 : (uint32_t)(rnd() % 5));
	bench_res(b, (int64_t)(rnd() % 200) - 100);
	for (unsigned i = 0; i < info->n_params && i < 30; i++) {
		unsigned width = kev_type_width(info->params[i].type);
		uint8_t raw[64];

		if (rnd() % 6 == 0)
			continue;
		for (unsigned k = 0; k < sizeof(raw); k++)
			raw[k] = (uint8_t)(rnd() % 3 ? rnd() % 12 : rnd());
		raw[63] = 0;
		bench_param_raw(b, info->params[i].name, raw, width ? width : 64);
	}
	bench_att_fd(b, EV_ATT_FD, -1, &fd, "/a/b");
	if (info->n_params && rnd() & 1)
		bench_att_text(b, EV_ATT_PATH, info->params[0].name, "/x");
	if (info->n_params && rnd() & 1)
		bench_att_text(b, EV_ATT_REALPATH, NULL, "/real");
	if (rnd() & 1)
		bench_att_fd(b, EV_ATT_STDIO, 0, &fd, "in");
	ev_add_att(&b->w, EV_ATT_FDTYPES, 0, &types, sizeof(types));
	ev_add_att(&b->w, EV_ATT_DELTA, 0, &v, sizeof(v));
	bench_event_end(b);
}

static void test_mutation__events__never_crash(void **state)
{
	struct bench *b = bench_new();
	static const char *const args[] = {"-a", NULL};
	unsigned passed = 0;

	(void)state;
	make_fields(b);
	bench_thread(b, &(struct bench_thread){.slot = 2, .parent = 3, .tid = 2, .comm = "bash"});
	bench_thread(b, &(struct bench_thread){
				.slot = 3, .parent = 2, .tid = 1000, .comm = "cat", .args = args});
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct rec_head *h = (struct rec_head *)b->ev;
		uint32_t len;
		uint8_t *copy;

		build(b);
		use(b);
		len = h->ring.len;
		copy = malloc(len); /* exact: a read behind it is seen */
		assert_non_null(copy);
		memcpy(copy, b->ev, len);
		damage(copy, sizeof(struct spsc_rec), len);
		if (ev_validate((struct rec_head *)copy, b->settings.threads_max, &b->view) == 0) {
			passed++;
			use(b);
		}
		free(copy);
	}
	assert_true(passed > ROUNDS / 20); /* else the door alone would be tested */
	bench_free(b);
}

static void test_mutation__threads__never_crash(void **state)
{
	static _Alignas(8) uint8_t rec[SPSC_RECORD_MAX];
	static const char *const args[] = {"-a", "", "b c", NULL}, *const env[] = {
									   "A=1", "B", NULL};
	struct bench *b = bench_new();
	unsigned passed = 0;

	(void)state;
	make_fields(b);
	bench_start(b);
	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t n = bench_thread_record(
			&(struct bench_thread){.slot = (uint32_t)(rnd() % 6),
				.parent = (uint32_t)(rnd() % 6),
				.tid = (int64_t)(rnd() % 6),
				.comm = "x",
				.exe = "y",
				.args = args,
				.env = env,
				.cwd = "/",
				.cgroups = "a=/b",
				.container = rnd() & 1 ? "0123456789abcdef" : NULL},
			rec);

		damage(rec, sizeof(struct spsc_rec), n);
		if (prec_validate((struct rec_head *)rec, b->settings.threads_max) < 0)
			continue;
		passed++;
		replica_put(&b->e.replica, (struct prec *)rec);
		if (rnd() % 5 == 0)
			replica_forget(&b->e.replica, (uint32_t)(rnd() % 6));
		build(b);
		use(b);
	}
	assert_true(passed > ROUNDS / 20);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutation__events__never_crash),
		cmocka_unit_test(test_mutation__threads__never_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
