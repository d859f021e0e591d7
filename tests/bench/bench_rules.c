/* SPDX-License-Identifier: Apache-2.0 */
/* What the rule language costs, one line of JSON:
 *   bench-rules compile FILE...        all files to one verified image
 *   bench-rules generated              10,000 rules with 1,000 lists, made here
 *   bench-rules judge EVENTS FILE...   the events of a file of rule tests (docs/rule-tests.md), each judged by every rule of the
 *                                      files; threads of one process after the other stay known, as in a run */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <base/cleanup.h>
#include <base/macros.h>
#include <base/strbuf.h>
#include <driver/kev.h>
#include <rules/compile.h>

#include "eval.h"
#include "tools_event.h"

#define ROUNDS 41
#define FILES_MAX 8
#define EVENTS_MAX 4096

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare_doubles);
	return n ? v[n / 2] : 0;
}

static char *read_all(const char *path, size_t *ret_n)
{
	struct strbuf b = {0};
	FILE *f = fopen(path, "r");
	char buf[65536];

	if (!f) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	for (size_t n; (n = fread(buf, 1, sizeof(buf), f)) > 0;)
		strbuf_add(&b, buf, n);
	(void)fclose(f);
	*ret_n = b.n;
	return strbuf_take(&b);
}

static void to_image(
	const struct rules_file *files, size_t n, bool enable, struct rules_result *ret)
{
	static const struct rules_select all = {.enable = true, .rule = "*"};
	struct rules_options opt = {.min_priority = 7, .match_all = true};
	struct diag d;

	if (enable) {
		opt.select = &all;
		opt.n_select = 1;
	}
	diag_init(&d);
	if (rules_compile(files, n, &opt, &d, ret) < 0) {
		diag_print(&d, stderr);
		exit(1);
	}
	diag_done(&d);
}

static void verify(const struct rules_result *res, struct img *ret)
{
	const char *why;

	if (img_verify(res->image, res->size, ret, &why) < 0) {
		(void)fprintf(stderr, "image: %s\n", why);
		exit(1);
	}
}

static size_t read_files(char **names, size_t n, struct rules_file *ret)
{
	if (n > FILES_MAX)
		exit(2);
	for (size_t i = 0; i < n; i++) {
		ret[i].name = names[i];
		ret[i].text = read_all(names[i], &ret[i].n);
	}
	return n;
}

static void compile(char **names, size_t n)
{
	struct rules_file files[FILES_MAX];
	struct rules_result res = {0};
	double took[ROUNDS], took_median;
	struct img img;

	n = read_files(names, n, files);
	for (int i = 0; i < ROUNDS; i++) {
		double from = now_s();

		free(res.image);
		res.image = NULL;
		to_image(files, n, false, &res);
		verify(&res, &img);
		took[i] = now_s() - from;
	}
	took_median = median(took, ROUNDS); /* and sorted */
	printf("{\"rules\":%u,\"bytes\":%zu,\"predicates\":%u,\"median_ms\":%.2f,\"best_ms\":%.2f}"
	       "\n",
		res.n_rules, res.size, img.n[IMG_SEC_PRED], took_median * 1e3, took[0] * 1e3);
}

static void generated(void)
{
	static const char *const types[] = {"open", "openat", "execve", "connect", "unlink"};
	struct rules_file file = {.name = "generated.yaml"};
	struct rules_result res = {0};
	struct strbuf b = {0};
	struct rusage before, after;
	struct img img;
	double from;

	for (unsigned i = 0; i < 1000; i++) {
		strbuf_addf(&b, "- list: list_%u\n  items: [", i);
		for (unsigned k = 0; k < 20; k++)
			strbuf_addf(&b, "%sitem_%u_%u", k ? ", " : "", i, k);
		strbuf_add_str(&b, "]\n");
	}
	for (unsigned i = 0; i < 10000; i++)
		strbuf_addf(&b,
			"- rule: rule %u\n  desc: d\n  priority: WARNING\n  tags: [a, b]\n"
			"  output: \"%u %%proc.name %%fd.name %%user.name\"\n"
			"  condition: evt.type in (%s, close) and proc.name in (list_%u, list_%u) "
			"and "
			"not fd.name startswith /dir/%u and (user.uid=%u or proc.pname=p%u)\n",
			i, i, types[i % ARRAY_LEN(types)], i % 1000, (i * 7 + 1) % 1000, i, i, i);
	file.text = b.p;
	file.n = b.n;
	getrusage(RUSAGE_SELF, &before);
	from = now_s();
	to_image(&file, 1, false, &res);
	verify(&res, &img);
	from = now_s() - from;
	getrusage(RUSAGE_SELF, &after);
	printf("{\"rules\":%u,\"yaml_bytes\":%zu,\"image_bytes\":%zu,\"seconds\":%.3f,\"peak_mib\":"
	       "%.1f}\n",
		res.n_rules, b.n, res.size, from, (double)after.ru_maxrss / 1024);
}

struct judged {
	struct test_event e;
	bool same_threads; /* as the event before */
};

static bool same_thread(const struct rec_head *a, const struct rec_head *b)
{
	if (!a || !b)
		return a == b;
	return a->ring.len == b->ring.len && memcmp(a, b, a->ring.len) == 0;
}

static void put_threads(struct evl *e, const struct judged *j)
{
	static uint64_t epoch;
	struct kev k;
	const char *why;

	replica_epoch(&e->replica, ++epoch);
	for (unsigned i = 0; i < ARRAY_LEN(j->e.id) && j->e.id[i]; i++)
		if (kev_parse(j->e.id[i], j->e.id_n[i], &k, &why) < 0 ||
			replica_put_id(&e->replica, &k) < 0)
			exit(1);
	for (unsigned i = 0; i < _THREAD_MAX; i++)
		if (j->e.thread[i])
			replica_put(&e->replica, (const struct prec *)j->e.thread[i]);
}

static unsigned judge_one(struct evl *e, const struct ev_view *view)
{
	uint32_t rule;
	unsigned n = 0;

	if (evl_event_is_idle(e, view))
		return 0;
	evl_event_begin(e, view);
	while (evl_match_next(e, &rule))
		n++;
	return n;
}

/* The rules' own programs must come to the same. */
static void check_one(struct evl *e, const struct ev_view *view)
{
	const struct img_event *ix = &e->img.events[view->info->ix];
	uint32_t got[256], n = 0, rule;

	evl_event_begin(e, view);
	while (evl_match_next(e, &rule) && n < ARRAY_LEN(got))
		got[n++] = rule;
	evl_event_begin(e, view);
	for (uint32_t i = 0, at = 0; i < ix->n_refs; i++) {
		rule = e->img.rulerefs[ix->refs_first + i];
		if (evl_rule_matches(e, &e->img.rules[rule]) != (at < n && got[at] == rule)) {
			(void)fprintf(stderr, "rule %u: two verdicts\n", rule);
			exit(1);
		}
		at += at < n && got[at] == rule;
	}
}

/* Predicates that were computed for the event at hand. */
static unsigned n_computed(const struct evl *e)
{
	unsigned n, n_rules;

	evl_sift_figures(e, &n, &n_rules);
	for (uint32_t i = 0; i < e->img.n[IMG_SEC_PRED]; i++)
		n += e->memo[i] >> 1 == e->memo_gen;
	return n;
}

static unsigned n_left(const struct evl *e)
{
	unsigned n_keys, n;

	evl_sift_figures(e, &n_keys, &n);
	return n;
}

static double clock_cost_ns(void)
{
	double v[1001];

	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		uint64_t from = now_ns();

		v[i] = (double)(now_ns() - from);
	}
	return median(v, ARRAY_LEN(v));
}

/* A getcwd, say, when no rule is about it. */
static double unindexed_ns(struct evl *e, const struct judged *any)
{
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];
	struct rec_writer w;
	struct ev *ev = (struct ev *)buf;
	double took[ROUNDS];
	struct ev_view view;
	unsigned sum = 0;
	int n;

	put_threads(e, any);
	ev_begin(&w, buf, sizeof(buf));
	ev->h = (struct rec_head){.ring = {.type = REC_EVENT}, .seq = 1, .ord = 1, .ts_ns = 1};
	ev->type = KEV_CODE_SYSCALL_GETCWD_X;
	n = rec_finish(&w);
	ev->h.ring.len = (uint32_t)n;
	if (n < 0 || ev_validate(&ev->h, 64, &view) < 0 || e->img.events[view.info->ix].n_refs != 0)
		exit(1);
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t from = now_ns();

		for (int i = 0; i < 100000; i++) {
			sum += judge_one(e, &view);
			__asm__ volatile("" ::: "memory");
		}
		took[r] = (double)(now_ns() - from) / 100000;
	}
	if (sum)
		exit(1);
	return median(took, ROUNDS);
}

static size_t read_events(struct arena *a, const char *path, struct judged *ret)
{
	static struct test_file file;
	struct diag d;
	size_t n, count = 0;
	char *text = read_all(path, &n);

	diag_init(&d);
	if (test_file_parse(a, &d, path, text, n, &file) < 0) {
		diag_print(&d, stderr);
		exit(1);
	}
	for (size_t i = 0; i < file.n_cases && count < EVENTS_MAX; i++) {
		struct judged *j = &ret[count];

		if (event_build(a, &d, &file.cases[i], &j->e) < 0) {
			diag_print(&d, stderr);
			exit(1);
		}
		j->same_threads = count > 0;
		for (unsigned k = 0; k < _THREAD_MAX && j->same_threads; k++)
			j->same_threads = same_thread(j->e.thread[k], ret[count - 1].e.thread[k]);
		count++;
	}
	diag_done(&d);
	return count;
}

static void judge(const char *events, char **names, size_t n)
{
	static const struct settings settings = {.threads_max = 64, .host = "bench"};
	static struct judged j[EVENTS_MAX];
	struct rules_file files[FILES_MAX];
	struct rules_result res = {0};
	double *took, *best, *computed, *left, clock_ns, took_median, best_median, computed_median;
	size_t count, at = 0;
	unsigned matches = 0;
	const char *why;
	struct arena a;
	struct img img;
	struct evl e;

	arena_init(&a, 0);
	count = read_events(&a, events, j);
	n = read_files(names, n, files);
	to_image(files, n, true, &res);
	verify(&res, &img);
	took = calloc(count * ROUNDS, sizeof(*took));
	best = calloc(count, sizeof(*best));
	computed = calloc(count, sizeof(*computed));
	left = calloc(count, sizeof(*left));
	if (!took || !best || !computed || !left || evl_init(&e, &img, &settings, &why) < 0)
		exit(1);
	clock_ns = clock_cost_ns();
	for (int r = 0; r < ROUNDS; r++)
		for (size_t i = 0; i < count; i++) {
			struct ev_view view;
			uint64_t from;
			unsigned m;

			if (!j[i].same_threads)
				put_threads(&e, &j[i]);
			if (ev_validate(j[i].e.event, 64, &view) < 0)
				exit(1);
			from = now_ns();
			m = judge_one(&e, &view);
			took[at] = (double)(now_ns() - from) - clock_ns;
			if (r == 0 || took[at] < best[i])
				best[i] = took[at];
			at++;
			if (r > 0)
				continue;
			matches += m;
			computed[i] = n_computed(&e);
			left[i] = n_left(&e);
			check_one(&e, &view);
		}
	took_median = median(took, at); /* and sorted */
	best_median = median(best, count);
	computed_median = median(computed, count);
	printf("{\"rules\":%u,\"events\":%zu,\"rules_of_event\":%u,\"matches\":%u,"
	       "\"rules_left_median\":%.0f,\"ns_median\":%.0f,\"ns_best_median\":%.0f,\"ns_90\":%."
	       "0f,\"ns_max\":%.0f,"
	       "\"predicates\":%u,"
	       "\"predicates_evaluated_median\":%.0f,\"predicates_evaluated_max\":%.0f,",
		img.n[IMG_SEC_RULE], count, img.events[KEV_IX_SYSCALL_OPENAT_2_X].n_refs, matches,
		median(left, count), took_median, best_median, took[at * 9 / 10], took[at - 1],
		img.n[IMG_SEC_PRED], computed_median, computed[count ? count - 1 : 0]);
	printf("\"unindexed_ns\":%.2f,\"clock_ns\":%.0f}\n", unindexed_ns(&e, &j[0]), clock_ns);
	evl_done(&e);
	arena_done(&a);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "compile"))
		compile(argv + 2, (size_t)argc - 2);
	else if (argc == 2 && !strcmp(argv[1], "generated"))
		generated();
	else if (argc > 3 && !strcmp(argv[1], "judge"))
		judge(argv[2], argv + 3, (size_t)argc - 3);
	else
		return 2;
	return 0;
}
