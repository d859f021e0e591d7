/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile rule files: each is refused with a message of its own, fast and in bounded memory; and a
 * large honest one is taken. */

#include <sys/resource.h>
#include <time.h>

#include <base/strbuf.h>

#include "util.h"

#define RULE "- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition: "
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_MAX_KB (2000l << 10) /* with its shadow and quarantine */
#define SECONDS_MAX 20.0
#else
#define MEMORY_MAX_KB (300l << 10)
#define SECONDS_MAX 1.0
#endif

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Compile; the text of the first error, or NULL. */
static const char *first_error(struct diag *d, const char *text, size_t n)
{
	struct rules_options opt = {.min_priority = 7};
	struct rules_file f = {.name = "h.yaml", .text = text, .n = n};
	struct rules_result res = {0};
	double from = cpu_seconds();
	struct rusage ru;
	int r;

	diag_init(d);
	r = rules_compile(&f, 1, &opt, d, &res);
	free(res.image);
	assert_true(cpu_seconds() - from < SECONDS_MAX);
	assert_int_equal(getrusage(RUSAGE_SELF, &ru), 0);
	assert_true(ru.ru_maxrss < MEMORY_MAX_KB);
	assert_int_equal(r<0, d->n_errors> 0);
	for (const struct diag_item *it = d->first; it; it = it->next)
		if (it->severity == DIAG_ERROR)
			return it->message;
	return NULL;
}

static void repeat(struct strbuf *b, const char *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		strbuf_add_str(b, s);
}

static void numbered(struct strbuf *b, const char *fmt_before, const char *after, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		strbuf_add_str(b, fmt_before);
		strbuf_addf(b, "%u%s", i, after);
	}
}

static void make_deep(struct strbuf *b)
{
	repeat(b, "[", 100000);
}
static void make_deep_map(struct strbuf *b)
{
	for (unsigned i = 0; i < 1000; i++)
		strbuf_addf(b, "%*sa:\n", (int)i, "");
}
static void make_alias_bomb(struct strbuf *b)
{
	strbuf_add_str(b, RULE "proc.name=a\n  exceptions:\n  - name: e\n    fields: [proc.name]\n"
			       "    values:\n    - &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (unsigned i = 1; i < 40; i++) {
		strbuf_addf(b, "    - &a%u [", i);
		for (unsigned k = 0; k < 10; k++)
			strbuf_addf(b, "%s*a%u", k ? ", " : "", i - 1);
		strbuf_add_str(b, "]\n");
	}
}
static void make_macro_cycle(struct strbuf *b)
{
	strbuf_add_str(b, "- macro: a\n  condition: proc.name=x\n- macro: b\n  condition: a\n"
			  "- macro: a\n  condition: b and proc.name=x\n" RULE "a\n");
}
static void make_macro_bomb(struct strbuf *b)
{
	strbuf_add_str(b, "- macro: m0\n  condition: proc.name=a\n");
	for (unsigned i = 1; i < 40; i++)
		strbuf_addf(b, "- macro: m%u\n  condition: m%u or m%u or m%u\n", i, i - 1, i - 1,
			i - 1);
	strbuf_add_str(b, RULE "m39\n");
}
static void make_list_bomb(struct strbuf *b)
{
	for (unsigned i = 0; i < 40; i++)
		strbuf_addf(b, "- list: l%u\n  items: [l%u, l%u, l%u, l%u]\n", i, i + 1, i + 1,
			i + 1, i + 1);
	strbuf_add_str(b, RULE "proc.name in (l0)\n");
}
static void make_long_condition(struct strbuf *b)
{
	strbuf_add_str(b, RULE "proc.name=a");
	repeat(b, " or proc.name=a", 80000);
	strbuf_add_char(b, '\n');
}
static void make_unknown_fields(struct strbuf *b)
{
	strbuf_add_str(b, RULE "a.bcd exists");
	repeat(b, " or a.bcd exists", 60000);
	strbuf_add_char(b, '\n');
}
static void make_parentheses(struct strbuf *b)
{
	strbuf_add_str(b, RULE);
	repeat(b, "(", 900000);
	strbuf_add_char(b, '\n');
}
static void make_utf8(struct strbuf *b)
{
	strbuf_add_str(b, "- list: a\xff\n  items: [a]\n");
}
static void make_nul(struct strbuf *b)
{
	strbuf_add(b, "- list: a\0b\n  items: [a]\n", 25);
}
static void make_nul_escape(struct strbuf *b)
{
	strbuf_add_str(b, "- list: a\n  items: [\"x\\0y\"]\n");
}
static void make_errors(struct strbuf *b)
{
	for (unsigned i = 0; i < 20000; i++)
		strbuf_addf(b,
			"- rule: R%u\n  desc: d\n  output: o\n  priority: INFO\n  condition: "
			"nope%u\n",
			i, i);
}
static void make_many_lists(struct strbuf *b)
{
	for (unsigned i = 0; i < 20000; i++)
		strbuf_addf(b, "- list: l%u\n  items: [a%u]\n", i, i);
	strbuf_add_str(b, RULE "proc.name in (l0");
	numbered(b, ", l", "", 20000);
	strbuf_add_str(b, ")\n");
}
static void make_long_list(struct strbuf *b)
{
	strbuf_add_str(b, "- list: a\n  items: [x");
	repeat(b, ", x", 999);
	strbuf_add_str(b, "]\n- list: b\n  items: [a");
	repeat(b, ", a", 299);
	strbuf_add_str(b, "]\n");
}
static void make_exceptions(struct strbuf *b)
{
	strbuf_add_str(b, RULE "proc.name=a\n  exceptions:\n");
	numbered(b, "  - {name: e", ", fields: [proc.name], values: [[a]]}\n", 30000);
}

static void test_rules_compile__hostile__one_clear_message(void **state)
{
	static const struct {
		void (*make)(struct strbuf *b);
		const char *want; /* in the first error */
	} cases[] = {
		{make_deep, "nested more than 64 levels deep"},
		{make_deep_map, "nested more than 64 levels deep"},
		{make_alias_bomb, "lists must have equal length"},
		{make_macro_cycle, "reference loop in macro"},
		{make_macro_bomb, "too large with its macros expanded"},
		{make_list_bomb, "too large with its lists"},
		{make_long_condition, "text larger than 1024 KiB"},
		{make_unknown_fields, "unknown field 'a.bcd'"},
		{make_parentheses, "nested too deeply"},
		{make_utf8, "UTF-8"},
		{make_nul, "control characters"},
		{make_nul_escape, "text or number"},
		{make_errors, "Undefined macro 'nope0'"},
		{make_many_lists, "expanded (too many lists)"},
		{make_long_list, "list 'b' has more than 262144 items"},
		{make_exceptions, "more than 10000 exceptions"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct strbuf b = {0};
		const char *text;
		struct diag d;

		cases[i].make(&b);
		assert_true(strbuf_ok(&b));
		text = first_error(&d, b.p, b.n);
		if (!text || !strstr(text, cases[i].want))
			fail_msg("case %zu: '%s', wanted '%s'", i, text ? text : "no error",
				cases[i].want);
		diag_done(&d);
		strbuf_done(&b);
	}
}

static void test_rules_compile__100_mib__refused_at_once(void **state)
{
	size_t n = 100u << 20;
	char *text = calloc(1, n);
	struct diag d;

	(void)state;
	assert_non_null(text);
	assert_non_null(strstr(first_error(&d, text, n), "larger than 16 MiB"));
	assert_string_equal(d.first->code, "LOAD_ERR_FILE_READ");
	assert_string_equal(d.first->pos.file, "h.yaml");
	diag_done(&d);
	free(text);
}

/* One mistake fifty thousand times over is not fifty thousand lines. */
static void test_rules_compile__flood_of_errors__cut_off(void **state)
{
	struct strbuf b = {0};
	size_t shown = 0;
	struct diag d;

	(void)state;
	make_errors(&b);
	(void)first_error(&d, b.p, b.n);
	for (const struct diag_item *it = d.first; it; it = it->next)
		shown++;
	assert_int_equal(shown, 2001);
	assert_true(d.n_errors >= 20000);
	diag_done(&d);
	strbuf_done(&b);
}

static void test_rules_compile__large_condition__taken(void **state)
{
	struct strbuf b = {0};
	struct diag d;

	(void)state;
	strbuf_add_str(&b, RULE "evt.type=open and (proc.name=a");
	numbered(&b, " or proc.name=a", "", 40000);
	strbuf_add_str(&b, ")\n");
	assert_null(first_error(&d, b.p, b.n));
	diag_done(&d);
	strbuf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_compile__hostile__one_clear_message),
		cmocka_unit_test(test_rules_compile__100_mib__refused_at_once),
		cmocka_unit_test(test_rules_compile__flood_of_errors__cut_off),
		cmocka_unit_test(test_rules_compile__large_condition__taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
