/* SPDX-License-Identifier: Apache-2.0 */
/* The condition language as a table: language.txt holds tests of fields of every type with what
 * they say, and this file makes those of numbers (equality and order are known without a table) and
 * those of which operator takes which type. All conditions are compiled as users' rules are, and
 * judged by the evaluator with the table's values in the place of field access (the linker puts
 * __wrap_evl_field() there): each where the field has its value and where it has none, plain and
 * negated. */

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <base/arena.h>
#include <base/cleanup.h>
#include <base/macros.h>
#include <base/strbuf.h>
#include <base/utf8.h>
#include <rules/compile.h>
#include <rules/report.h>

#include "bench.h"

#define ROWS_MAX 4096
#define LIST_MAX 16

struct subject {
	const char *field;
	bool is_event; /* the event's own value */
	struct evl_value v;
	struct span list[LIST_MAX];
};

struct row {
	const struct subject *s;
	char *cond; /* complete */
	bool with, without;
	const char *refused; /* what the message holds; NULL: not refused */
	unsigned line;
};

static struct arena table; /* all that the table is made of */
static struct row rows[ROWS_MAX];
static size_t n_rows;
static struct subject companions[32];
static size_t n_companions;
static const struct subject *now; /* whose value it is that the field has */
static bool has_value;

void __real_evl_field(struct evl *e, const struct img_expr *x, struct evl_value *ret_v);
void __wrap_evl_field(struct evl *e, const struct img_expr *x, struct evl_value *ret_v);
const struct evl_field_row *__real_evl_field_row(uint16_t field);
const struct evl_field_row *__wrap_evl_field_row(uint16_t field);

void __wrap_evl_field(struct evl *e, const struct img_expr *x, struct evl_value *ret_v)
{
	const char *text = img_text(&e->img, x->text).p;

	*ret_v = (struct evl_value){.type = EVL_NULL};
	if (now && !strcmp(now->field, text)) {
		if (now->is_event)
			__real_evl_field(e, x, ret_v);
		else if (has_value)
			*ret_v = now->v;
		return;
	}
	for (size_t i = 0; i < n_companions; i++)
		if (!strcmp(companions[i].field, text))
			*ret_v = companions[i].v;
}

static void get_told(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	__wrap_evl_field(e, a->x, ret_v);
}

const struct evl_field_row *__wrap_evl_field_row(uint16_t field)
{
	static struct evl_field_row told[_FIELD_ID_MAX];

	if (!__real_evl_field_row(field))
		return NULL;
	told[field] = (struct evl_field_row){.field = field, .get = get_told};
	return &told[field];
}

static char *keep(const char *s, size_t n)
{
	char *p = arena_strndup(&table, s, n);

	assert_non_null(p);
	return p;
}

static struct subject *new_subject(void)
{
	struct subject *s = arena_alloc(&table, sizeof(*s));

	assert_non_null(s);
	*s = (struct subject){0};
	return s;
}

/* \t \n \\ \xHH in place */
static size_t unescape(char *s)
{
	char *to = s;

	for (const char *p = s; *p; p++) {
		char hex[3] = {0};

		if (*p != '\\') {
			*to++ = *p;
			continue;
		}
		p++;
		switch (*p) {
		case 't':
			*to++ = '\t';
			break;
		case 'n':
			*to++ = '\n';
			break;
		case 'x':
			memcpy(hex, p + 1, 2);
			*to++ = (char)strtol(hex, NULL, 16);
			p += 2;
			break;
		default:
			*to++ = *p;
			break;
		}
	}
	return (size_t)(to - s);
}

static void set_ip(struct evl_value *v, const char *text, bool is_net)
{
	*v = (struct evl_value){
		.type = EVL_IP, .is_net = is_net, .family = strchr(text, ':') ? 6 : 4};
	assert_int_equal(inet_pton(v->family == 4 ? AF_INET : AF_INET6, text, v->ip), 1);
}

static void set_value(struct subject *s, const char *kind, char *text)
{
	if (!strcmp(kind, "text")) {
		evl_set_str(&s->v, (struct span){.p = text, .n = unescape(text)});
	} else if (!strcmp(kind, "bytes")) {
		size_t n = strlen(text) / 2;

		for (size_t i = 0; i < n; i++) {
			char hex[3] = {text[2 * i], text[2 * i + 1], 0};

			text[i] = (char)strtol(hex, NULL, 16);
		}
		evl_set_str(&s->v, (struct span){.p = text, .n = n});
	} else if (!strcmp(kind, "bool")) {
		evl_set_bool(&s->v, !strcmp(text, "true"));
	} else if (!strcmp(kind, "int")) {
		evl_set_i64(&s->v, strtoll(text, NULL, 10));
	} else if (!strcmp(kind, "uint")) {
		evl_set_u64(&s->v, strtoull(text, NULL, 10));
	} else if (!strcmp(kind, "double")) {
		evl_set_double(&s->v, strtod(text, NULL));
	} else if (!strcmp(kind, "ip") || !strcmp(kind, "net")) {
		set_ip(&s->v, text, !strcmp(kind, "net"));
	} else if (!strcmp(kind, "list")) {
		uint32_t n = 0;

		for (char *w; strcmp(text, "-") != 0 && (w = strsep(&text, ",")); n++) {
			assert_true(n < LIST_MAX);
			s->list[n] = span_str(w);
			if (!text) {
				n++;
				break;
			}
		}
		s->v = (struct evl_value){.type = EVL_LIST, .n = n, .list = s->list};
	} else {
		s->is_event = !strcmp(kind, "event");
		assert_true(s->is_event || !strcmp(kind, "none"));
	}
}

static void set_subject(struct subject *s, char *line)
{
	char *field = strsep(&line, " "), *kind = strsep(&line, " ");

	s->field = keep(field, strlen(field));
	set_value(s, kind, keep(line ? line : "", line ? strlen(line) : 0));
}

/* The field for every $, or before the test. */
static char *condition_of(const char *field, const char *test)
{
	struct strbuf b = {0};
	char *cond;

	if (!strchr(test, '$') || !strncmp(test, "regex", 5)) {
		strbuf_addf(&b, "%s %s", field, test);
	} else {
		for (; *test; test++)
			if (*test == '$')
				strbuf_add_str(&b, field);
			else
				strbuf_add_char(&b, *test);
	}
	cond = keep(b.p, b.n);
	strbuf_done(&b);
	return cond;
}

static struct row *add_row(const struct subject *s, const char *test, unsigned line)
{
	struct row *r = &rows[n_rows++];

	assert_true(n_rows <= ROWS_MAX);
	*r = (struct row){.s = s, .cond = condition_of(s->field, test), .line = line};
	return r;
}

static char *trim(char *s)
{
	size_t n;

	while (*s == ' ')
		s++;
	for (n = strlen(s); n > 0 && isspace((unsigned char)s[n - 1]);)
		s[--n] = '\0';
	return s;
}

/* " | " from the right, for tests may hold it */
static void read_row(const struct subject *s, char *text, unsigned line)
{
	char *parts[3] = {text, NULL, NULL}, *bar;
	struct row *r;

	if (!(bar = strstr(text, " | ")))
		fail_msg("language.txt:%u: no verdict", line);
	*bar = '\0';
	parts[1] = trim(bar + 3);
	r = add_row(s, trim(text), line);
	if (parts[1][0] == 'E') {
		r->refused = keep(trim(parts[1] + 1), strlen(trim(parts[1] + 1)));
		return;
	}
	if ((bar = strstr(parts[1], " | ")))
		parts[2] = trim(bar + 3);
	r->with = parts[1][0] == 'T';
	r->without = parts[2] && parts[2][0] == 'T';
}

static void read_table(void)
{
	FILE *f = fopen(SAKER_SOURCE_ROOT "/tests/unit/evaluator/language.txt", "r");
	_cleanup_free_ char *text = NULL;
	struct subject *s = NULL;
	size_t cap = 0;

	assert_non_null(f);
	for (unsigned line = 1; getline(&text, &cap, f) > 0; line++) {
		text[strcspn(text, "\n")] = '\0';
		if (text[0] == '\0' || text[0] == '#')
			continue;
		if (text[0] == '&') {
			assert_true(n_companions < ARRAY_LEN(companions));
			set_subject(&companions[n_companions++], text + 2);
		} else if (text[0] == '@') {
			s = new_subject();
			set_subject(s, text + 2);
		} else {
			assert_non_null(s);
			read_row(s, text, line);
		}
	}
	(void)fclose(f);
}

/* Every kind of number, below, at and above a constant: what equality and order say. */
static void make_numbers(void)
{
	static const struct {
		const char *field, *kind;
	} fields[] = {{"evt.cpu", "int"}, {"fd.dev", "int"}, {"fd.dev.major", "int"},
		{"fd.num", "int"}, {"proc.pid", "int"}, {"evt.rawres", "int"},
		{"proc.exe_ino", "int"}, {"user.uid", "uint"}, {"proc.tty", "uint"},
		{"proc.vmsize", "uint"}, {"proc.nthreads", "uint"}, {"fd.sport", "uint"},
		{"proc.duration", "uint"}, {"evt.rawtime", "uint"}, {"thread.cpu", "double"},
		{"evt.rawarg.size", "uint"}};
	static const char *const values[] = {"99", "100", "101"};

	for (size_t f = 0; f < ARRAY_LEN(fields); f++)
		for (int k = 0; k < 3; k++) {
			struct subject *s = new_subject();
			bool is = k == 1;

			s->field = fields[f].field;
			set_value(s, fields[f].kind, keep(values[k], strlen(values[k])));
			const struct {
				const char *test;
				bool want;
			} tests[] = {
				{"= 100", is},
				{"== 100", is},
				{"!= 100", !is},
				{"< 100", k < 1},
				{"<= 100", k <= 1},
				{"> 100", k > 1},
				{">= 100", k >= 1},
				{"in (100)", is},
				{"in (7, 100)", is},
				{"in (7, 8)", false},
				{"in ()", false},
				{"intersects (100, 8)", is},
				{"= oneof (7, 100)", is},
				{"= anyof (100, 7)", is},
				{"= allof (100)", is},
				{"= allof (7, 100)", false},
				{"!= allof (7, 100)", !is},
				{"!= anyof (100)", !is},
				{"exists", true},
			};

			for (size_t i = 0; i < ARRAY_LEN(tests); i++)
				add_row(s, tests[i].test, 0)->with = tests[i].want;
		}
}

/* Which operators a field of each kind takes. */
static void make_matrix(void)
{
	static const char *const ops[] = {"=", "==", "!=", "<", "<=", ">", ">=", "contains",
		"icontains", "bcontains", "startswith", "bstartswith", "endswith", "glob", "iglob",
		"regex", "in", "intersects", "pmatch", "exists"};
	static const char strings[] = " = == != < <= > >= contains icontains startswith endswith "
				      "glob iglob regex pmatch in "
				      "intersects exists ";
	static const char numbers[] = " = == != < <= > >= in intersects exists ";
	static const char equality[] = " = == != in intersects exists ";
	static const struct {
		const char *field, *value, *takes;
	} kinds[] = {
		{"proc.exepath", "1", strings},
		{"fd.directory", "1", strings},
		{"fs.path.name", "1", strings},
		{"tolower(proc.name)", "1", strings},
		{"join(\",\", fd.types)", "1", strings},
		{"evt.buffer", "12",
			" = == != contains startswith endswith bcontains bstartswith in intersects "
			"exists "},
		{"evt.cpu", "1", numbers},
		{"fd.dev", "1", numbers},
		{"proc.pid", "1", numbers},
		{"user.uid", "1", numbers},
		{"evt.count", "1", numbers},
		{"proc.vmsize", "1", numbers},
		{"fd.cport", "1", numbers},
		{"fd.port", "1", numbers},
		{"proc.duration", "1", numbers},
		{"evt.rawtime", "1", numbers},
		{"thread.cpu", "1", numbers},
		{"len(proc.name)", "1", numbers},
		{"evt.failed", "true", equality},
		{"fd.cip", "1.2.3.4", equality},
		{"fd.ip", "1.2.3.4", equality},
		{"fd.cnet", "1.2.3.0/24", equality},
		{"fd.net", "1.2.3.0/24", equality},
		{"fd.types", "file", " in intersects exists "},
	};
	char test[200], word[40];

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		struct subject *own = new_subject();

		own->field = kinds[k].field;
		for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
			const char *op = ops[i];
			bool set = !strcmp(op, "in") || !strcmp(op, "intersects") ||
				   !strcmp(op, "pmatch");
			bool order = op[0] == '<' || op[0] == '>';
			struct row *r;

			(void)snprintf(test, sizeof(test), set ? "%s (%s)" : "%s %s", op,
				!strcmp(op, "exists") ? ""
				: order               ? "1"
						      : kinds[k].value);
			(void)snprintf(word, sizeof(word), " %s ", op);
			r = add_row(own, test, 0);
			r->refused = strstr(kinds[k].takes, word) ? NULL : "not supported";
		}
	}
}

static void add_rule(struct strbuf *b, const char *cond, bool negate)
{
	struct strbuf text = {0};

	strbuf_addf(&text, negate ? "not (%s)" : "%s", cond);
	strbuf_add_str(b, "  desc: d\n  output: o\n  priority: INFO\n  warn_evttypes: no\n"
			  "  condition: ");
	json_add_string(b, (struct span){.p = text.p, .n = text.n});
	strbuf_add_char(b, '\n');
	strbuf_done(&text);
}

/* Two rules a row that is not refused: as it is, and negated. */
static void compile_all(struct rules_result *ret)
{
	struct rules_options opt = {.min_priority = 7, .match_all = true};
	struct rules_file file = {.name = "language.yaml"};
	struct strbuf b = {0};
	struct diag d;

	for (size_t i = 0; i < n_rows; i++)
		for (int negate = 0; negate < 2 && !rows[i].refused; negate++) {
			strbuf_addf(&b, "- rule: '%s line %u %zu'\n", negate ? "not" : "plain",
				rows[i].line, i);
			add_rule(&b, rows[i].cond, negate);
		}
	file.text = b.p;
	file.n = b.n;
	diag_init(&d);
	if (rules_compile(&file, 1, &opt, &d, ret) < 0) {
		for (const struct diag_item *it = d.first; it; it = it->next)
			if (it->severity == DIAG_ERROR)
				print_error("%s\n", it->message);
		fail_msg("the table does not compile");
	}
	diag_done(&d);
	strbuf_done(&b);
}

static const struct ev_fd connection = {.flags = EV_FD_KNOWN,
	.type = EV_FD_IPV4,
	.role = EV_ROLE_CLIENT,
	.sip = {10, 0, 0, 1},
	.dip = {93, 184, 216, 34},
	.sport = 50000,
	.dport = 443};

/* The event whose own values count: a connection made by a process with two ancestors; or an event
 * about no descriptor, of a process without any. */
static void take_event(struct bench *b, bool full)
{
	bench_event(b, full ? KEV_CODE_SOCKET_CONNECT_X : KEV_CODE_SYSCALL_GETCWD_X, full ? 1 : 4);
	if (full)
		bench_att_fd(b, EV_ATT_FD, -1, &connection, "10.0.0.1:50000->93.184.216.34:443");
	bench_event_end(b);
}

static size_t n_cases, n_wrong;

static void expect(const struct row *r, const struct img_rule *rule, struct evl *e, bool negate)
{
	bool want = (has_value ? r->with : r->without) != negate;
	bool have = evl_rule_matches(e, rule);

	n_cases++;
	if (want == have)
		return;
	n_wrong++;
	print_error("line %u: %s(%s) %s a value: %s\n", r->line, negate ? "not " : "", r->cond,
		has_value ? "with" : "without", have ? "true" : "false");
}

static void judge_row(struct bench *b, const struct row *r, const struct img_rule *rule)
{
	now = r->s;
	for (int value = 1; value >= 0; value--) {
		has_value = value;
		if (r->s->is_event) {
			take_event(b, value);
		} else {
			bench_event(b, KEV_CODE_SYSCALL_GETCWD_X, PREC_NO_SLOT);
			bench_event_end(b);
		}
		for (int negate = 0; negate < 2; negate++)
			expect(r, rule + negate, &b->e, negate);
	}
	now = NULL;
}

static void test_conditions__table__say_what_the_language_says(void **state)
{
	struct bench *b = bench_new();
	struct rules_result res = {0};
	const char *why = "";
	struct img img;
	uint32_t at = 0;

	(void)state;
	compile_all(&res);
	assert_int_equal(img_verify(res.image, res.size, &img, &why), 0);
	bench_use_image(b, &img);
	bench_thread(b, &(struct bench_thread){
				.slot = 3, .tid = 800, .parent = PREC_NO_SLOT, .comm = "sshd"});
	bench_thread(b, &(struct bench_thread){.slot = 2, .tid = 900, .parent = 3, .comm = "bash"});
	bench_thread(
		b, &(struct bench_thread){.slot = 1, .tid = 1000, .parent = 2, .comm = "nginx"});
	bench_thread(b, &(struct bench_thread){
				.slot = 4, .tid = 1001, .parent = PREC_NO_SLOT, .comm = "alone"});
	for (size_t i = 0; i < n_rows; i++)
		if (!rows[i].refused) {
			if (rows[i].s->v.type != EVL_NULL || rows[i].s->is_event)
				judge_row(b, &rows[i], &img.rules[at]);
			else
				n_cases++; /* that it compiles */
			at += 2;
		}
	assert_int_equal(at, img.n[IMG_SEC_RULE]);
	bench_free(b);
	free(res.image);
	assert_int_equal(n_wrong, 0);
}

static void refuse(const struct row *r)
{
	struct rules_file file = {.name = "language.yaml"};
	struct strbuf b = {0};
	struct rules_report rep;
	const struct diag_item *it;

	strbuf_add_str(&b, "- rule: R\n");
	add_rule(&b, r->cond, false);
	file.text = b.p;
	file.n = b.n;
	assert_int_equal(rules_check(&file, 1, NULL, &rep), 0);
	n_cases++;
	if (!rep.files[0].n_errors) {
		n_wrong++;
		print_error("line %u: %s: not refused\n", r->line, r->cond);
	} else {
		it = rep.files[0].errors[0];
		if (strcmp(it->code, "LOAD_ERR_COMPILE_CONDITION") != 0 ||
			!strstr(it->message, r->refused) || it->pos.line != 6 ||
			it->pos.column < 15) {
			n_wrong++;
			print_error("line %u: %s: %s at %u:%u: %s\n", r->line, r->cond, it->code,
				it->pos.line, it->pos.column, it->message);
		}
	}
	rules_report_done(&rep);
	strbuf_done(&b);
}

static void test_conditions__table__refused_with_reason_and_place(void **state)
{
	(void)state;
	n_wrong = 0;
	for (size_t i = 0; i < n_rows; i++)
		if (rows[i].refused)
			refuse(&rows[i]);
	print_message("%zu cases\n", n_cases);
	assert_int_equal(n_wrong, 0);
	assert_true(n_cases >= 1500);
}

/* Texts of 255 bytes are taken, longer ones are not. */
static void test_conditions__long_constant__refused(void **state)
{
	char text[300];

	(void)state;
	for (size_t n = 255; n <= 256; n++) {
		struct subject s = {.field = "proc.name"};
		struct row r = {.s = &s, .refused = "filter parameter too long"};
		struct rules_report rep;
		struct strbuf b = {0};
		struct rules_file file = {.name = "f.yaml"};

		(void)snprintf(text, sizeof(text), "proc.name = %.*s", (int)n,
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
		r.cond = text;
		if (n == 256) {
			n_wrong = 0;
			refuse(&r);
			assert_int_equal(n_wrong, 0);
			continue;
		}
		strbuf_add_str(&b, "- rule: R\n");
		add_rule(&b, text, false);
		file.text = b.p;
		file.n = b.n;
		assert_int_equal(rules_check(&file, 1, NULL, &rep), 0);
		assert_true(rep.is_valid);
		rules_report_done(&rep);
		strbuf_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditions__table__say_what_the_language_says),
		cmocka_unit_test(test_conditions__table__refused_with_reason_and_place),
		cmocka_unit_test(test_conditions__long_constant__refused),
	};
	int r;

	arena_init(&table, 0);
	read_table();
	make_numbers();
	make_matrix();
	r = cmocka_run_group_tests(tests, NULL, NULL);
	arena_done(&table);
	return r;
}
