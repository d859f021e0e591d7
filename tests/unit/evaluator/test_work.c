/* SPDX-License-Identifier: Apache-2.0 */
/* The stage's turn on real rings: alerts, progress, full rings, the end. */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <base/macros.h>
#include <shm/alert.h>
#include <shm/segment.h>

#include "work.h"

struct fixture {
	struct bench *b;
	struct work w;
	struct stage stage;
	struct stage_fd fds[4];
	struct stats_page stats;
	struct progress_evaluator progress;
	struct spsc_fds in_fds, out_fds;
	struct spsc_producer in;
	struct spsc_consumer out;
	uint64_t ord;
};

static struct fixture *new_fixture(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const uint8_t run[16] = {1};

	assert_non_null(f);
	f->b = bench_new();
	assert_int_equal(spsc_create("event.0", SPSC_SIZE_MIN, false, run, &f->in_fds), 0);
	assert_int_equal(spsc_create("alert.0.test", SPSC_SIZE_MIN, false, run, &f->out_fds), 0);
	assert_int_equal(
		spsc_producer_attach(&f->in, f->in_fds.data_rw, f->in_fds.cursor_ro, -1), 0);
	assert_int_equal(
		spsc_consumer_attach(&f->out, f->out_fds.data_ro, f->out_fds.cursor_rw), 0);
	f->fds[0] =
		(struct stage_fd){.role = FD_RING_OUT_DATA, .index = 0, .fd = f->out_fds.data_rw};
	f->fds[1] = (struct stage_fd){
		.role = FD_RING_OUT_CURSOR, .index = 0, .fd = f->out_fds.cursor_ro};
	f->stage = (struct stage){.settings = &f->b->settings,
		.stats = &f->stats,
		.fds = f->fds,
		.n_fds = 2,
		.ctl_fd = -1,
		.epoll_fd = -1};
	return f;
}

/* After the rules were made. */
static void start(struct fixture *f)
{
	const char *why;

	f->w.stage = &f->stage;
	f->w.progress = &f->progress;
	assert_int_equal(evl_init(&f->w.evl, &f->b->img, &f->b->settings, &why), 0);
	assert_int_equal(raise_init(&f->w.raise), 0);
	assert_int_equal(spsc_consumer_attach(&f->w.in, f->in_fds.data_ro, f->in_fds.cursor_rw), 0);
	assert_int_equal(outputs_open(&f->w.outputs, &f->stage), 0);
}

static void free_fixture(struct fixture *f)
{
	work_close(&f->w);
	spsc_producer_done(&f->in);
	spsc_consumer_done(&f->out);
	spsc_fds_close(&f->in_fds);
	spsc_fds_close(&f->out_fds);
	bench_free(f->b);
	free(f);
}

static void send(struct fixture *f, const void *rec, size_t len, uint16_t type, uint16_t flags)
{
	struct spsc_rec *to;
	struct rec_head *h;

	assert_int_equal(spsc_reserve(&f->in, len, type, &to), 0);
	memcpy(to + 1, (const char *)rec + sizeof(*to), len - sizeof(*to));
	h = (struct rec_head *)to;
	if (len >= sizeof(*h)) {
		h->ord = ++f->ord;
		h->ring.flags = flags;
	}
	spsc_commit(&f->in, len);
	spsc_publish(&f->in);
}

static void send_thread(struct fixture *f)
{
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];
	size_t n = bench_thread_record(
		&(struct bench_thread){
			.slot = 3, .parent = PREC_NO_SLOT, .tid = 1000, .comm = "cat"},
		buf);

	send(f, buf, n, REC_PROC, 0);
}

static void send_open(struct fixture *f, const char *name, const char *realpath, uint16_t flags)
{
	struct bench *b = f->b;
	struct ev_fd fd = {.num = 4, .type = EV_FD_FILE, .flags = EV_FD_KNOWN};

	bench_event(b, KEV_CODE_SYSCALL_OPENAT_2_X, 3);
	bench_res(b, 4);
	bench_param_int(b, "flags", 1);
	bench_att_fd(b, EV_ATT_FD, -1, &fd, name);
	if (realpath)
		bench_att_text(b, EV_ATT_REALPATH, NULL, realpath);
	bench_event_end(b);
	send(f, b->ev, ((struct rec_head *)b->ev)->ring.len, REC_EVENT, flags);
}

static uint32_t name_rule(struct bench *b, const char *rule, const char *prefix)
{
	return bench_rule(b, rule,
		bench_pred(b, bench_field(b, "fd.name"), IMG_OP_STARTSWITH, IMG_RHS_CONST,
			bench_const_str(b, prefix)),
		1);
}

static const struct alert *take_alert(struct fixture *f)
{
	const struct spsc_rec *rec;

	assert_int_equal(spsc_next(&f->out, &rec), 1);
	assert_int_equal(rec->type, REC_ALERT);
	assert_int_equal(alert_validate((const struct rec_head *)rec), 0);
	return (const struct alert *)rec;
}

static void no_alert(struct fixture *f)
{
	const struct spsc_rec *rec;

	assert_int_equal(spsc_next(&f->out, &rec), 0);
}

static const struct alert_field *find_field(const struct alert *a, const char *key)
{
	for (unsigned i = 0; i < a->n_fields; i++)
		if (span_eq_str(rec_text(a, alert_fields(a)[i].key), key))
			return &alert_fields(a)[i];
	return NULL;
}

static struct fixture *two_rules(bool all)
{
	struct fixture *f = new_fixture();
	uint32_t rules[2];

	rules[0] = name_rule(f->b, "First", "/etc");
	rules[1] = name_rule(f->b, "Second", "/etc/sh");
	bench_index(f->b, KEV_IX_SYSCALL_OPENAT_2_X, 2, rules);
	f->b->head.flags = all ? IMG_F_MATCH_ALL : 0;
	start(f);
	send_thread(f);
	return f;
}

static void test_turn__match__alert_with_typed_fields(void **state)
{
	struct fixture *f = two_rules(false);
	const struct alert *a;
	uint8_t id[16];

	(void)state;
	send_open(f, "/etc/shadow", NULL, 0);
	send_open(f, "/home/x", NULL, 0);
	assert_int_equal(work_turn(&f->w), 1);
	assert_int_equal(work_turn(&f->w), 0);
	a = take_alert(f);
	assert_string_equal(rec_text(a, a->rule_name).p, "First");
	assert_string_equal(rec_text(a, a->source).p, "syscall");
	assert_string_equal(rec_text(a, a->host).p, "myhost");
	assert_string_equal(
		rec_text(a, a->message).p, "x=cat x=/etc/shadow x=<NA> x=O_RDONLY x=4 x=<NA>");
	assert_int_equal(a->h.seq, 7);
	assert_int_equal(a->h.ord, 2);
	assert_int_equal(a->priority, 4);
	assert_int_equal(a->n_tags, 2);
	assert_string_equal(rec_text(a, alert_tags(a)[0]).p, "a");
	assert_int_equal(a->n_fields, 7);
	assert_int_equal(find_field(a, "evt.time")->type, ALERT_U64);
	assert_true(find_field(a, "evt.time")->num == a->h.ts_ns);
	assert_int_equal(find_field(a, "fd.num")->type, ALERT_I64);
	assert_int_equal(find_field(a, "proc.pname")->type, ALERT_NULL);
	assert_int_equal(find_field(a, "fd.name")->type, ALERT_STR);
	assert_null(find_field(a, "fd.realpath"));
	alert_id_make(f->b->settings.run_id, 7, SPAN_LIT("First"), id);
	assert_memory_equal(a->id, id, 16);
	no_alert(f);
	assert_int_equal(f->progress.at, 4);
	assert_int_equal(f->progress.judged, 2);
	assert_int_equal(f->stats.alerts, 1);
	assert_int_equal(f->stats.events, 2);
	free_fixture(f);
}

static void test_turn__named_record__skipped_counted_alerted(void **state)
{
	struct fixture *f = two_rules(false);
	const struct alert *a;

	(void)state;
	send_open(f, "/etc/a", NULL, 0);
	send_open(f, "/etc/b", NULL, 0);
	send_open(f, "/etc/c", NULL, 0);
	f->w.skip_ord = 3;
	assert_int_equal(work_turn(&f->w), 1);
	/* committed at once: the next one does not meet it */
	assert_int_equal(f->progress.at, 4);
	assert_int_equal(f->stats.loss[LOSS_EVALUATOR_POISON], 1);
	assert_int_equal(f->progress.judged, 1);
	assert_int_equal(work_turn(&f->w), 1);
	assert_int_equal(f->progress.judged, 2);
	assert_int_equal(f->progress.hand, 0);
	a = take_alert(f);
	assert_string_equal(rec_text(a, find_field(a, "fd.name")->str).p, "/etc/a");
	a = take_alert(f);
	assert_string_equal(rec_text(a, a->rule_name).p, "saker internal: event skipped");
	assert_string_equal(rec_text(a, a->source).p, "internal");
	assert_true(a->flags & ALERT_INTERNAL);
	assert_int_equal(a->h.ord, 3);
	assert_int_equal(find_field(a, "evt.num")->num, 7);
	a = take_alert(f);
	assert_string_equal(rec_text(a, find_field(a, "fd.name")->str).p, "/etc/c");
	no_alert(f);
	free_fixture(f);
}

static void test_turn__state_is_incomplete__alerts_say_so_until_the_epoch(void **state)
{
	struct fixture *f = two_rules(false);
	struct rec_snap begin = {
		.h = {.ring = {.len = sizeof(begin), .type = REC_SNAP_BEGIN}}, .epoch = 9};

	(void)state;
	f->w.is_incomplete = true;
	send_open(f, "/etc/a", NULL, 0);
	send(f, &begin, sizeof(begin), REC_SNAP_BEGIN, 0);
	send_open(f, "/etc/b", NULL, 0);
	assert_int_equal(work_turn(&f->w), 1);
	assert_true(take_alert(f)->flags & ALERT_DOUBTFUL);
	assert_false(take_alert(f)->flags & ALERT_DOUBTFUL);
	assert_int_equal(f->w.evl.replica.n_threads, 0);
	free_fixture(f);
}

/* What was missing has been told again before this order. */
static void test_turn__state_is_incomplete__alerts_say_so_until_it_is_whole(void **state)
{
	struct fixture *f = two_rules(false);

	(void)state;
	f->w.is_incomplete = true;
	send_open(f, "/etc/a", NULL, 0);
	send_open(f, "/etc/b", NULL, 0);
	send_open(f, "/etc/c", NULL, 0);
	f->w.whole_from = f->ord;
	assert_int_equal(work_turn(&f->w), 1);
	assert_true(take_alert(f)->flags & ALERT_DOUBTFUL);
	assert_true(take_alert(f)->flags & ALERT_DOUBTFUL);
	assert_false(take_alert(f)->flags & ALERT_DOUBTFUL);
	assert_false(f->w.is_incomplete);
	free_fixture(f);
}

static void test_turn__ended_before__ends_again(void **state)
{
	struct fixture *f = two_rules(false);

	(void)state;
	assert_int_equal(work_turn(&f->w), 1);
	f->progress.ended = 1;
	assert_int_equal(work_turn(&f->w), -ENODATA);
	free_fixture(f);
}

static void test_turn__ended_but_not_committed__judged_again(void **state)
{
	struct fixture *f = two_rules(false);
	struct rec_head end = {.ring = {.len = sizeof(end)}};

	(void)state;
	send_open(f, "/etc/shadow", NULL, 0);
	send(f, &end, sizeof(end), REC_END, 0);
	f->progress.ended = 1;
	assert_int_equal(work_turn(&f->w), -ENODATA);
	assert_int_equal(f->progress.judged, 1);
	assert_false(spsc_consumer_has_data(&f->w.in));
	assert_int_equal(work_turn(&f->w), -ENODATA);
	free_fixture(f);
}

static void test_turn__matching_all__every_rule(void **state)
{
	struct fixture *f = two_rules(true);
	const struct alert *a;

	(void)state;
	send_open(f, "/etc/shadow", NULL, 0);
	assert_int_equal(work_turn(&f->w), 1);
	a = take_alert(f);
	assert_int_equal(a->rule, 0);
	a = take_alert(f);
	assert_int_equal(a->rule, 1);
	no_alert(f);
	free_fixture(f);
}

static void test_turn__other_real_path__judged_under_both(void **state)
{
	struct fixture *f = two_rules(false);
	const struct alert *a;

	(void)state;
	send_open(f, "/tmp/link", "/etc/shadow", 0);
	send_open(f, "/etc/x", "/etc/y", 0);
	send_open(f, "/tmp/link", "/tmp/y", 0);
	assert_int_equal(work_turn(&f->w), 1);
	a = take_alert(f);
	assert_string_equal(rec_text(a, find_field(a, "fd.realpath")->str).p, "/etc/shadow");
	assert_string_equal(rec_text(a, find_field(a, "fd.name")->str).p, "/etc/shadow");
	a = take_alert(f);
	assert_string_equal(rec_text(a, find_field(a, "fd.name")->str).p, "/etc/x");
	assert_null(find_field(a, "fd.realpath"));
	no_alert(f);
	free_fixture(f);
}

static void test_turn__rule_for_no_output__nothing_sent(void **state)
{
	struct fixture *f = two_rules(false);

	(void)state;
	f->b->rules[0].outputs = 2; /* a ring that was not given */
	send_open(f, "/etc/shadow", NULL, 0);
	assert_int_equal(work_turn(&f->w), 1);
	no_alert(f);
	assert_int_equal(f->stats.alerts, 1);
	assert_int_equal(f->stats.loss[LOSS_OUT_RING_FULL], 0);
	free_fixture(f);
}

static void test_turn__malformed__counted_and_passed_over(void **state)
{
	struct fixture *f = two_rules(false);
	_Alignas(8) uint8_t junk[256] = {0};

	(void)state;
	send(f, junk, sizeof(junk), REC_EVENT, 0); /* type 0: no such event */
	send(f, junk, sizeof(junk), REC_PROC, 0);
	send(f, junk, sizeof(junk), REC_STATE, 0);
	send(f, junk, 48, REC_FORGET, 0);
	send(f, junk, sizeof(junk), 999, 0);
	send(f, junk, 8, REC_EVENT, 0);
	send_open(f, "/etc/shadow", NULL, 0);
	assert_int_equal(work_turn(&f->w), 1);
	(void)take_alert(f);
	assert_int_equal(f->stats.malformed, 6);
	assert_int_equal(f->stats.loss[LOSS_EVALUATOR_MALFORMED], 2);
	assert_int_equal(f->progress.judged, 1);
	free_fixture(f);
}

static void test_turn__state_of_users__known_from_there_on(void **state)
{
	struct fixture *f = two_rules(false);
	struct {
		struct rec_head h;
		_Alignas(8) uint8_t kev[4096];
	} rec = {.h = {.seq = 0}};
	struct kev_builder kb;
	int n;

	(void)state;
	kev_build_start(&kb, rec.kev, sizeof(rec.kev), KEV_CODE_USER_ADDED_E, 0);
	kev_build_int(&kb, 0);
	kev_build_int(&kb, 0);
	kev_build_text(&kb, SPAN_LIT("toor"));
	kev_build_text(&kb, SPAN_LIT("/r"));
	kev_build_text(&kb, SPAN_LIT("/bin/sh"));
	kev_build_text(&kb, SPAN_LIT(""));
	n = kev_build_finish(&kb);
	send(f, &rec, sizeof(rec.h) + (size_t)n, REC_STATE, 0);
	send_open(f, "/etc/shadow", NULL, 0);
	assert_int_equal(work_turn(&f->w), 1);
	assert_int_equal(f->stats.malformed, 0);
	assert_string_equal(evl_user_name(&f->w.evl, 0).p, "toor");
	free_fixture(f);
}

static unsigned drain(struct fixture *f)
{
	const struct spsc_rec *rec;
	unsigned n = 0;

	while (spsc_next(&f->out, &rec) == 1)
		n += rec->type == REC_ALERT;
	spsc_consumer_commit(&f->out);
	return n;
}

/* Events that make alerts until the alert ring is full; how many were sent. */
static unsigned fill(struct fixture *f, uint16_t flags)
{
	unsigned n = 0;

	while (f->w.busy == WORK_IDLE) {
		send_open(f, "/etc/shadow", NULL, flags);
		n++;
		(void)work_turn(&f->w);
		assert_true(n < 10000);
	}
	return n;
}

static void test_turn__full_ring__waits_and_goes_on(void **state)
{
	struct fixture *f = two_rules(false);
	unsigned n, got;

	(void)state;
	n = fill(f, 0);
	send_open(f, "/etc/late", NULL, 0); /* behind the one at hand */
	assert_int_equal(work_turn(&f->w), 0);
	assert_int_equal(f->progress.at, f->ord - 1); /* the record at hand is not done */
	assert_int_equal(f->progress.judged, n - 1);
	got = drain(f);
	assert_int_equal(got, n - 1);
	assert_int_equal(work_turn(&f->w), 1);
	assert_int_equal(drain(f), 2);
	assert_int_equal(f->progress.at, f->ord + 1);
	assert_int_equal(f->progress.judged, n + 1);
	assert_int_equal(f->stats.loss[LOSS_OUT_RING_FULL], 0);
	free_fixture(f);
}

static void test_turn__ring_stands_still__dropped_after_the_deadline(void **state)
{
	struct fixture *f = two_rules(false);

	(void)state;
	(void)fill(f, 0);
	f->w.outputs.out[0].waiting_ns -= OUTPUT_DEADLINE_NS; /* two seconds later */
	assert_int_equal(work_turn(&f->w), 1);
	assert_int_equal(f->stats.loss[LOSS_OUT_RING_FULL], 1);
	send_open(f, "/etc/shadow", NULL, 0);
	assert_int_equal(work_turn(&f->w), 1); /* known to stand still: at once */
	assert_int_equal(f->stats.loss[LOSS_OUT_RING_FULL], 2);
	assert_int_equal(f->stats.out[0].ring_full, 2);
	(void)drain(f);
	send_open(f, "/etc/shadow", NULL, 0);
	assert_int_equal(work_turn(&f->w), 1);
	assert_int_equal(drain(f), 1);
	free_fixture(f);
}

static void test_turn__sink_takes_nothing__dropped_at_once(void **state)
{
	struct fixture *f = two_rules(false);
	unsigned n;

	(void)state;
	n = fill(f, 0);
	assert_int_equal(work_turn(&f->w), 0);
	spsc_consumer_set_stalled(&f->out, true);
	assert_int_equal(work_turn(&f->w), 0); /* nobody else is held up */
	f->w.outputs.out[0].is_alone = false;
	assert_int_equal(work_turn(&f->w), 1);
	assert_int_equal(f->stats.loss[LOSS_OUT_RING_FULL], 1);
	assert_int_equal(drain(f), n - 1);
	send_open(f, "/etc/shadow", NULL, 0); /* there is room: it is used, whatever was said */
	assert_int_equal(work_turn(&f->w), 1);
	assert_int_equal(drain(f), 1);
	assert_int_equal(f->stats.loss[LOSS_OUT_RING_FULL], 1);
	free_fixture(f);
}

static void test_turn__never_shed__waits_until_stop(void **state)
{
	struct fixture *f = two_rules(false);

	(void)state;
	(void)fill(f, REC_F_NO_SHED);
	f->w.outputs.out[0].waiting_ns -= 100 * OUTPUT_DEADLINE_NS;
	assert_int_equal(work_turn(&f->w), 0);
	assert_int_equal(f->w.busy, WORK_EVENT);
	f->stage.stopping = true;
	assert_int_equal(work_turn(&f->w), 1);
	assert_int_equal(f->stats.loss[LOSS_OUT_RING_FULL], 1);
	free_fixture(f);
}

static void test_turn__end__passed_on(void **state)
{
	struct fixture *f = two_rules(false);
	struct rec_head end = {.ring = {.len = sizeof(end)}};
	const struct spsc_rec *rec;

	(void)state;
	send_open(f, "/etc/shadow", NULL, 0);
	send(f, &end, sizeof(end), REC_END, 0);
	assert_int_equal(work_turn(&f->w), -ENODATA);
	(void)take_alert(f);
	assert_int_equal(spsc_next(&f->out, &rec), 1);
	assert_int_equal(rec->type, REC_END);
	assert_int_equal(rec->len, sizeof(struct rec_head));
	assert_int_equal(((const struct rec_head *)rec)->ord, f->ord);
	assert_int_equal(f->progress.ended, 1);
	assert_int_equal(f->progress.at, f->ord + 1);
	assert_int_equal(f->progress.judged, 1);
	free_fixture(f);
}

static void test_raise__long_texts__cut_to_fit(void **state)
{
	struct fixture *f = new_fixture();
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];
	static char arg[8100];
	const char *const args[] = {arg, NULL};
	const char *const names[] = {"proc.cmdline", "proc.args", "proc.exeline",
		"proc.acmdline[0]", "proc.aargs[0]", "proc.args[0]", "proc.acmdline[00]",
		"proc.aargs[00]", "proc.args[00]", "proc.acmdline[000]"};
	uint32_t rule = name_rule(f->b, "Long", "/etc");
	size_t n;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++, f->b->rules[rule].n_out++)
		f->b->outfields[f->b->img.n[IMG_SEC_OUTFIELD]++] = (struct img_outfield){
			.key = bench_str(f->b, names[i]), .expr = bench_field(f->b, names[i])};
	bench_index(f->b, KEV_IX_SYSCALL_OPENAT_2_X, 1, &rule);
	start(f);
	memset(arg, 'y', sizeof(arg) - 1);
	n = bench_thread_record(&(struct bench_thread){.slot = 3,
					.parent = PREC_NO_SLOT,
					.tid = 1000,
					.comm = "cat",
					.args = args},
		buf);
	send(f, buf, n, REC_PROC, 0);
	send_open(f, "/etc/shadow", NULL, 0);
	assert_int_equal(work_turn(&f->w), 1);
	assert_int_equal(find_field(take_alert(f), "proc.args")->str.n, 4096);
	assert_int_equal(f->stats.loss[LOSS_OUT_TOO_BIG], 0);
	free_fixture(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turn__match__alert_with_typed_fields),
		cmocka_unit_test(test_turn__named_record__skipped_counted_alerted),
		cmocka_unit_test(test_turn__state_is_incomplete__alerts_say_so_until_the_epoch),
		cmocka_unit_test(test_turn__state_is_incomplete__alerts_say_so_until_it_is_whole),
		cmocka_unit_test(test_turn__ended_before__ends_again),
		cmocka_unit_test(test_turn__ended_but_not_committed__judged_again),
		cmocka_unit_test(test_turn__matching_all__every_rule),
		cmocka_unit_test(test_turn__other_real_path__judged_under_both),
		cmocka_unit_test(test_turn__rule_for_no_output__nothing_sent),
		cmocka_unit_test(test_turn__malformed__counted_and_passed_over),
		cmocka_unit_test(test_turn__state_of_users__known_from_there_on),
		cmocka_unit_test(test_turn__full_ring__waits_and_goes_on),
		cmocka_unit_test(test_turn__ring_stands_still__dropped_after_the_deadline),
		cmocka_unit_test(test_turn__sink_takes_nothing__dropped_at_once),
		cmocka_unit_test(test_turn__never_shed__waits_until_stop),
		cmocka_unit_test(test_turn__end__passed_on),
		cmocka_unit_test(test_raise__long_texts__cut_to_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
