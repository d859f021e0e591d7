/* SPDX-License-Identifier: Apache-2.0 */
/* Operators, values that are not there, sets, functions, memos. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <base/macros.h>

static int setup(void **state)
{
	static const char *const args[] = {"-c", "ls", NULL};
	struct bench *b = bench_new();

	bench_thread(
		b, &(struct bench_thread){
			   .slot = 1, .parent = PREC_NO_SLOT, .tid = 1, .comm = "init", .sid = -1});
	bench_thread(b, &(struct bench_thread){
				.slot = 2, .parent = 1, .tid = 50, .comm = "bash", .sid = 50});
	bench_thread(b, &(struct bench_thread){.slot = 3,
				.parent = 2,
				.tid = 1000,
				.comm = "cat",
				.exepath = "/usr/bin/cat",
				.args = args,
				.sid = 50,
				.uid = 7});
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static void net_event(struct bench *b, enum ev_fd_type type)
{
	struct ev_fd fd = {.num = 5,
		.type = (uint8_t)type,
		.l4 = EV_L4_TCP,
		.role = EV_ROLE_CLIENT,
		.flags = EV_FD_KNOWN,
		.sport = 5000,
		.dport = 443,
		.sip = {10, 0, 0, 1},
		.dip = {1, 2, 3, 4}};

	bench_event(b, KEV_CODE_SOCKET_CONNECT_X, 3);
	bench_res(b, 0);
	bench_att_fd(b, EV_ATT_FD, -1, &fd, "/some/x/file.txt");
	bench_event_end(b);
}

struct row {
	const char *field;
	enum img_op op;
	const char *value;
	bool want;
};

static void run(struct bench *b, const struct row *rows, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		bool got = bench_test(b, rows[i].field, rows[i].op, rows[i].value);

		if (got != rows[i].want)
			print_error("row %u: %s op %d '%s'\n", i, rows[i].field, rows[i].op,
				rows[i].value);
		assert_int_equal(got, rows[i].want);
	}
}

static void test_pred__no_value__false_whatever_the_operator(void **state)
{
	static const struct row rows[] = {
		{"proc.pname", IMG_OP_NE, "x", false},
		{"proc.pname", IMG_OP_EQ, "", false},
		{"proc.pname", IMG_OP_EXISTS, "", false},
		{"proc.pname", IMG_OP_CONTAINS, "", false},
		{"proc.aname[4]", IMG_OP_NE, "x", false},
		{"fd.sip", IMG_OP_NE, "1.1.1.1", false},
		{"fd.num", IMG_OP_GE, "0", false},
		{"proc.aname", IMG_OP_EXISTS, "", false},
		{"fd.port", IMG_OP_NE, "1", false},
		{"proc.args[9]", IMG_OP_EXISTS, "", true},
		{"proc.args[9]", IMG_OP_EQ, "", true},
		{"proc.env[NOPE]", IMG_OP_EXISTS, "", true},
		{"proc.sname", IMG_OP_EXISTS, "", true},
		{"proc.sname", IMG_OP_EQ, "", true},
	};
	struct bench *b = *state;

	bench_event(b, KEV_CODE_SYSCALL_MKDIR_2_X, 1);
	bench_event_end(b);
	run(b, rows, ARRAY_LEN(rows));
}

static void test_pred__texts__operators(void **state)
{
	static const struct row rows[] = {
		{"proc.name", IMG_OP_EQ, "cat", true},
		{"proc.name", IMG_OP_EQ, "Cat", false},
		{"proc.name", IMG_OP_EQ, "ca", false},
		{"proc.name", IMG_OP_NE, "dog", true},
		{"proc.name", IMG_OP_NE, "cat", false},
		{"proc.name", IMG_OP_LT, "d", true},
		{"proc.name", IMG_OP_LE, "cat", true},
		{"proc.name", IMG_OP_GT, "ca", true},
		{"proc.name", IMG_OP_GE, "cau", false},
		{"proc.exepath", IMG_OP_CONTAINS, "bin/c", true},
		{"proc.exepath", IMG_OP_CONTAINS, "", true},
		{"proc.exepath", IMG_OP_CONTAINS, "Bin", false},
		{"proc.exepath", IMG_OP_ICONTAINS, "BIN", true},
		{"proc.exepath", IMG_OP_STARTSWITH, "/usr", true},
		{"proc.exepath", IMG_OP_STARTSWITH, "/usr/bin/cat2", false},
		{"proc.exepath", IMG_OP_STARTSWITH, "", true},
		{"proc.exepath", IMG_OP_ENDSWITH, "/cat", true},
		{"proc.exepath", IMG_OP_ENDSWITH, "dog", false},
		{"proc.exepath", IMG_OP_GLOB, "/usr/*t", true},
		{"proc.exepath", IMG_OP_GLOB, "*/c?t", true},
		{"proc.exepath", IMG_OP_GLOB, "/usr", false},
		{"proc.exepath", IMG_OP_GLOB, "/USR/*", false},
		{"proc.exepath", IMG_OP_IGLOB, "/USR/*", true},
		{"proc.exepath", IMG_OP_GLOB, "*[a-c]at", true},
		{"proc.cmdline", IMG_OP_EQ, "cat -c ls", true},
	};
	struct bench *b = *state;

	net_event(b, EV_FD_FILE);
	run(b, rows, ARRAY_LEN(rows));
}

static void test_pred__numbers__by_value(void **state)
{
	static const struct row rows[] = {
		{"proc.pid", IMG_OP_EQ, "1000", true},
		{"proc.pid", IMG_OP_GT, "-1", true},
		{"proc.sid", IMG_OP_LT, "51", true},
		{"user.uid", IMG_OP_GE, "7", true},
		{"user.uid", IMG_OP_LT, "-1", true},
		{"user.uid", IMG_OP_NE, "7", false},
		{"user.loginuid", IMG_OP_EQ, "0", true},
		{"evt.failed", IMG_OP_EQ, "false", true},
		{"evt.failed", IMG_OP_NE, "true", true},
		{"fd.sport", IMG_OP_EQ, "443", true},
		{"fd.num", IMG_OP_LE, "5", true},
		{"evt.num", IMG_OP_GT, "6", true},
		{"proc.cmdnargs", IMG_OP_EQ, "2", true},
	};
	struct bench *b = *state;

	net_event(b, EV_FD_IPV4);
	run(b, rows, ARRAY_LEN(rows));
}

static void test_pred__addresses__families_and_networks(void **state)
{
	static const struct row rows[] = {
		{"fd.sip", IMG_OP_EQ, "1.2.3.4", true},
		{"fd.sip", IMG_OP_NE, "1.2.3.4", false},
		{"fd.sip", IMG_OP_EQ, "::1", false},
		{"fd.sip", IMG_OP_NE, "::1", true},
		{"fd.snet", IMG_OP_EQ, "1.2.0.0/16", true},
		{"fd.snet", IMG_OP_NE, "1.2.0.0/16", false},
		{"fd.snet", IMG_OP_EQ, "1.2.3.6/31", false},
		{"fd.snet", IMG_OP_EQ, "1.2.3.5/31", true},
		{"fd.snet", IMG_OP_EQ, "0.0.0.0/0", true},
		{"fd.snet", IMG_OP_EQ, "2001::/16", false},
		{"fd.snet", IMG_OP_NE, "2001::/16", true},
		{"fd.ip", IMG_OP_EQ, "10.0.0.1", true},
		{"fd.ip", IMG_OP_EQ, "1.2.3.4", true},
		{"fd.ip", IMG_OP_EQ, "9.9.9.9", false},
		{"fd.ip", IMG_OP_NE, "9.9.9.9", true},
		{"fd.ip", IMG_OP_NE, "10.0.0.1", false},
		{"fd.net", IMG_OP_EQ, "10.0.0.0/8", true},
		{"fd.net", IMG_OP_NE, "10.0.0.0/8", false},
		{"fd.net", IMG_OP_NE, "192.168.0.0/16", true},
		{"fd.port", IMG_OP_EQ, "443", true},
		{"fd.port", IMG_OP_EQ, "5000", true},
		{"fd.port", IMG_OP_NE, "443", false},
		{"fd.port", IMG_OP_NE, "80", true},
		{"fd.port", IMG_OP_LT, "500", true},
		{"fd.port", IMG_OP_GT, "5000", false},
	};
	struct bench *b = *state;

	net_event(b, EV_FD_IPV4);
	run(b, rows, ARRAY_LEN(rows));
}

static void test_pred__ancestors__any_of_them(void **state)
{
	static const struct row rows[] = {
		{"proc.aname", IMG_OP_EQ, "init", true},
		{"proc.aname", IMG_OP_EQ, "cat", false},
		{"proc.aname", IMG_OP_NE, "init", true},
		{"proc.aname", IMG_OP_EXISTS, "", true},
		{"proc.aname", IMG_OP_ENDSWITH, "sh", true},
		{"proc.apid", IMG_OP_EQ, "50", true},
		{"proc.apid", IMG_OP_EQ, "1000", false},
		{"proc.aname[1]", IMG_OP_EQ, "bash", true},
		{"proc.aname[2]", IMG_OP_EQ, "bash", false},
	};
	struct bench *b = *state;

	net_event(b, EV_FD_IPV4);
	run(b, rows, ARRAY_LEN(rows));
}

static bool in_set(struct bench *b, const char *field, enum img_op op, enum img_modifier mod,
	bool hash, unsigned n, const char *const *values)
{
	uint32_t x = bench_field(b, field), first = b->img.n[IMG_SEC_CONST], p;

	for (unsigned i = 0; i < n; i++) {
		const char *slash = strchr(values[i], '/');
		char ip[64];

		if (b->exprs[x].type == IMG_T_U64 || b->exprs[x].type == IMG_T_I64) {
			bench_const_num(b, b->exprs[x].type, strtoull(values[i], NULL, 10));
		} else if (b->exprs[x].type == IMG_T_IPNET || b->exprs[x].type == IMG_T_IPADDR) {
			snprintf(ip, sizeof(ip), "%.*s", slash ? (int)(slash - values[i]) : 60,
				values[i]);
			bench_const_ip(b, ip, slash ? atoi(slash + 1) : -1);
		} else {
			bench_const_str(b, values[i]);
		}
	}
	p = bench_pred(b, x, op, IMG_RHS_SET, bench_set(b, first, hash));
	b->preds[p].modifier = (uint8_t)mod;
	b->sets[b->preds[p].rhs].flags = op == IMG_OP_PMATCH ? IMG_SET_GLOB : 0;
	return evl_pred_eval(&b->e, &b->preds[p]);
}
#define IN(b, field, op, mod, hash, ...)                                                           \
	in_set(b, field, op, mod, hash, ARRAY_LEN(((const char *const[]){__VA_ARGS__})),           \
		(const char *const[]){__VA_ARGS__})

static void test_pred__sets__membership(void **state)
{
	struct bench *b = *state;
	uint32_t types = 1u << EV_FD_FILE | 1u << EV_FD_IPV4;

	net_event(b, EV_FD_IPV4);
	for (int hash = 0; hash < 2; hash++) {
		assert_true(IN(
			b, "proc.name", IMG_OP_IN, IMG_MOD_NONE, hash, "a", "b", "cat", "d", "e"));
		assert_false(IN(b, "proc.name", IMG_OP_IN, IMG_MOD_NONE, hash, "a", "ca", "catt"));
		assert_true(IN(b, "user.uid", IMG_OP_IN, IMG_MOD_NONE, hash, "1", "7"));
		assert_false(IN(b, "user.uid", IMG_OP_IN, IMG_MOD_NONE, hash, "1", "8"));
		assert_true(IN(b, "fd.port", IMG_OP_IN, IMG_MOD_NONE, hash, "5000"));
		assert_true(IN(b, "proc.aname", IMG_OP_IN, IMG_MOD_NONE, hash, "x", "init"));
		assert_false(IN(b, "proc.aname", IMG_OP_IN, IMG_MOD_NONE, hash, "x", "cat"));
		assert_false(IN(b, "proc.aname[7]", IMG_OP_IN, IMG_MOD_NONE, hash, "x", "cat"));
	}
	assert_true(IN(b, "fd.snet", IMG_OP_IN, IMG_MOD_NONE, false, "fe80::/10", "1.0.0.0/8"));
	assert_true(IN(b, "fd.sip", IMG_OP_IN, IMG_MOD_NONE, false, "::1", "1.2.3.4"));
	assert_false(IN(b, "fd.sip", IMG_OP_IN, IMG_MOD_NONE, false, "::1", "1.2.3.5"));
	assert_true(IN(b, "fd.ip", IMG_OP_IN, IMG_MOD_NONE, false, "10.0.0.1"));
	bench_event(b, KEV_CODE_SYSCALL_CLOSE_X, 3);
	ev_add_params(&b->w, (struct span[2]){{0}}, 2);
	ev_add_att(&b->w, EV_ATT_FDTYPES, 0, &types, sizeof(types));
	b->view.ev = NULL;
	{
		int n = rec_finish(&b->w);

		((struct ev *)b->ev)->h.ring.len = (uint32_t)n;
		assert_int_equal(ev_validate((struct rec_head *)b->ev, 64, &b->view), 0);
		evl_event_begin(&b->e, &b->view);
	}
	assert_true(IN(b, "fd.types", IMG_OP_IN, IMG_MOD_NONE, true, "file", "ipv4", "x"));
	assert_false(IN(b, "fd.types", IMG_OP_IN, IMG_MOD_NONE, true, "file"));
	assert_true(IN(b, "fd.types", IMG_OP_INTERSECTS, IMG_MOD_NONE, true, "file"));
	assert_false(IN(b, "fd.types", IMG_OP_INTERSECTS, IMG_MOD_NONE, true, "unix"));
}

static void test_pred__pmatch__components(void **state)
{
	struct bench *b = *state;

	net_event(b, EV_FD_FILE); /* fd.name /some/x/file.txt */
	assert_true(IN(b, "fd.name", IMG_OP_PMATCH, IMG_MOD_NONE, false, "/some"));
	assert_true(IN(b, "fd.name", IMG_OP_PMATCH, IMG_MOD_NONE, false, "/no", "some/x"));
	assert_false(IN(b, "fd.name", IMG_OP_PMATCH, IMG_MOD_NONE, false, "/som"));
	assert_false(IN(b, "fd.name", IMG_OP_PMATCH, IMG_MOD_NONE, false, "/some/x/file.txt/more"));
	assert_true(IN(b, "fd.name", IMG_OP_PMATCH, IMG_MOD_NONE, false, "/"));
	assert_true(IN(b, "fd.name", IMG_OP_PMATCH, IMG_MOD_NONE, false, "/*/x"));
	assert_true(IN(b, "fd.name", IMG_OP_PMATCH, IMG_MOD_NONE, false, "/some/?/f*"));
	assert_false(IN(b, "fd.name", IMG_OP_PMATCH, IMG_MOD_NONE, false, "/*/y"));
}

static void test_pred__modifiers__count(void **state)
{
	struct bench *b = *state;

	net_event(b, EV_FD_FILE);
	assert_true(IN(b, "proc.name", IMG_OP_STARTSWITH, IMG_MOD_ANYOF, false, "x", "c", "ca"));
	assert_false(IN(b, "proc.name", IMG_OP_STARTSWITH, IMG_MOD_ONEOF, false, "x", "c", "ca"));
	assert_true(IN(b, "proc.name", IMG_OP_STARTSWITH, IMG_MOD_ONEOF, false, "x", "c"));
	assert_true(IN(b, "proc.name", IMG_OP_STARTSWITH, IMG_MOD_ALLOF, false, "c", "ca"));
	assert_false(IN(b, "proc.name", IMG_OP_STARTSWITH, IMG_MOD_ALLOF, false, "c", "x"));
	assert_true(IN(b, "proc.name", IMG_OP_NE, IMG_MOD_ALLOF, false, "a", "b"));
	assert_false(IN(b, "proc.name", IMG_OP_NE, IMG_MOD_ALLOF, false, "a", "cat"));
	assert_false(in_set(b, "proc.name", IMG_OP_EQ, IMG_MOD_ALLOF, false, 0, NULL));
}

static bool call_eq(struct bench *b, uint32_t x, const char *want)
{
	uint32_t rhs = b->exprs[x].type == IMG_T_U64
			       ? bench_const_num(b, IMG_T_U64, strtoull(want, NULL, 10))
			       : bench_const_str(b, want);

	return evl_pred_eval(&b->e, &b->preds[bench_pred(b, x, IMG_OP_EQ, IMG_RHS_CONST, rhs)]);
}

static void test_expr__functions__values(void **state)
{
	struct bench *b = *state;
	uint32_t path, name, none, sep, list;

	net_event(b, EV_FD_FILE);
	path = bench_field(b, "fd.name");
	name = bench_field(b, "proc.name");
	none = bench_field(b, "proc.aname[9]");
	sep = bench_expr_const(b, bench_const_str(b, "-"));
	assert_true(call_eq(b, bench_call(b, IMG_E_TOUPPER, IMG_T_STR, 1, &name), "CAT"));
	assert_true(
		call_eq(b, bench_call(b, IMG_E_TOLOWER, IMG_T_STR, 1, &path), "/some/x/file.txt"));
	assert_true(call_eq(b, bench_call(b, IMG_E_BASENAME, IMG_T_STR, 1, &path), "file.txt"));
	assert_true(call_eq(b, bench_call(b, IMG_E_LEN, IMG_T_U64, 1, &name), "3"));
	assert_true(call_eq(b, bench_call(b, IMG_E_LEN, IMG_T_U64, 1, &none), "0"));
	assert_true(call_eq(
		b, bench_call(b, IMG_E_CONCAT, IMG_T_STR, 2, (uint32_t[]){name, sep}), "cat-"));
	assert_false(call_eq(
		b, bench_call(b, IMG_E_CONCAT, IMG_T_STR, 2, (uint32_t[]){name, none}), "cat"));
	list = bench_call(b, IMG_E_LIST, IMG_T_LIST_STR, 3, (uint32_t[]){name, path, name});
	assert_true(call_eq(b, bench_call(b, IMG_E_JOIN, IMG_T_STR, 2, (uint32_t[]){sep, list}),
		"cat-/some/x/file.txt-cat"));
	assert_true(call_eq(b, bench_call(b, IMG_E_LEN, IMG_T_U64, 1, &list), "3"));
	sep = bench_expr_const(b, bench_const_str(b, "aGVsbG8="));
	assert_true(call_eq(b, bench_call(b, IMG_E_B64, IMG_T_STR, 1, &sep), "hello"));
	sep = bench_expr_const(b, bench_const_str(b, "aGV*bG8"));
	assert_false(call_eq(b, bench_call(b, IMG_E_B64, IMG_T_STR, 1, &sep), ""));
}

static void test_expr__getopt__last_value(void **state)
{
	static const char *const argv[] = {"-ab", "-cone", "-c", "two", "rest", "-a"};
	struct bench *b = *state;
	uint32_t operands[6], list, options, x;

	net_event(b, EV_FD_FILE);
	for (unsigned i = 0; i < 6; i++)
		operands[i] = bench_expr_const(b, bench_const_str(b, argv[i]));
	list = bench_call(b, IMG_E_LIST, IMG_T_LIST_STR, 6, operands);
	options = bench_expr_const(b, bench_const_str(b, "abc:"));
	x = bench_call(b, IMG_E_GETOPT, IMG_T_STR, 2, (uint32_t[]){list, options});
	b->exprs[x].arg_kind = IMG_ARG_KEY;
	b->exprs[x].key = bench_str(b, "c");
	assert_true(call_eq(b, x, "two"));
	b->exprs[x].key = bench_str(b, "d");
	assert_false(call_eq(b, x, ""));
}

static void test_expr__field_against_field__text(void **state)
{
	struct bench *b = *state;
	uint32_t name, pname, none;

	net_event(b, EV_FD_FILE);
	name = bench_field(b, "proc.name");
	pname = bench_field(b, "proc.pname");
	none = bench_field(b, "proc.aname[9]");
	assert_false(evl_pred_eval(
		&b->e, &b->preds[bench_pred(b, name, IMG_OP_EQ, IMG_RHS_EXPR, pname)]));
	assert_true(evl_pred_eval(
		&b->e, &b->preds[bench_pred(b, name, IMG_OP_NE, IMG_RHS_EXPR, pname)]));
	assert_true(evl_pred_eval(
		&b->e, &b->preds[bench_pred(b, name, IMG_OP_EQ, IMG_RHS_EXPR, name)]));
	assert_false(evl_pred_eval(
		&b->e, &b->preds[bench_pred(b, name, IMG_OP_NE, IMG_RHS_EXPR, none)]));
}

/* What is remembered by process must end when an ancestor, a session leader or a user changes. */
static void test_memo__process_predicates__follow_changes(void **state)
{
	struct bench *b = bench_new();
	uint32_t aname, sname, user;
	const struct bench_thread parent = {
		.slot = 2, .parent = PREC_NO_SLOT, .tid = 50, .comm = "bash"};
	struct bench_thread child = {
		.slot = 3, .parent = 2, .tid = 1000, .comm = "cat", .sid = 77, .uid = 5};

	(void)state;
	aname = bench_pred(b, bench_field(b, "proc.aname"), IMG_OP_EQ, IMG_RHS_CONST,
		bench_const_str(b, "bash"));
	sname = bench_pred(b, bench_field(b, "proc.sname"), IMG_OP_EQ, IMG_RHS_CONST,
		bench_const_str(b, "tmux"));
	user = bench_pred(b, bench_field(b, "user.name"), IMG_OP_EQ, IMG_RHS_CONST,
		bench_const_str(b, "bob"));
	for (uint32_t i = 0; i <= user; i++)
		b->preds[i].flags = IMG_PRED_PROC;
	bench_thread(b, &parent);
	bench_thread(b, &child);
#define AGAIN() (bench_event(b, KEV_CODE_SYSCALL_CLOSE_X, 3), bench_event_end(b))
	AGAIN();
	assert_true(evl_pred(&b->e, aname));
	assert_int_equal(replica_memo_get(&b->e.replica, 3, b->e.slot_pred[aname]), 1);
	assert_false(evl_pred(&b->e, sname));
	assert_int_equal(replica_memo_get(&b->e.replica, 3, b->e.slot_pred[sname]),
		-1); /* the leader may yet come */
	assert_false(evl_pred(&b->e, user));
	/* the parent's record changes */
	bench_thread(b, &(struct bench_thread){
				.slot = 2, .parent = PREC_NO_SLOT, .tid = 50, .comm = "vim"});
	AGAIN();
	assert_false(evl_pred(&b->e, aname));
	/* the session leader becomes known, then changes its name */
	bench_thread(b, &(struct bench_thread){
				.slot = 9, .parent = PREC_NO_SLOT, .tid = 77, .comm = "tmux"});
	AGAIN();
	assert_true(evl_pred(&b->e, sname));
	bench_thread(b, &(struct bench_thread){
				.slot = 9, .parent = PREC_NO_SLOT, .tid = 77, .comm = "screen"});
	AGAIN();
	assert_false(evl_pred(&b->e, sname));
	/* the user becomes known */
	bench_user(b, "", 5, "bob");
	AGAIN();
	assert_true(evl_pred(&b->e, user));
	/* the own record changes */
	child.uid = 6;
	bench_thread(b, &child);
	AGAIN();
	assert_false(evl_pred(&b->e, user));
	/* the parent goes */
	bench_thread(b, &parent);
	AGAIN();
	assert_true(evl_pred(&b->e, aname));
	replica_forget(&b->e.replica, 2);
	AGAIN();
	assert_false(evl_pred(&b->e, aname));
	bench_free(b);
}

static void test_evl_init__bad_regex__refused(void **state)
{
	struct bench *b = bench_new();
	const char *why = NULL;
	struct evl e;

	(void)state;
	(void)bench_pred(b, bench_field(b, "proc.name"), IMG_OP_REGEX, IMG_RHS_CONST,
		bench_const_str(b, "a)"));
	assert_int_equal(evl_init(&e, &b->img, &b->settings, &why), -EINVAL);
	assert_non_null(strstr(why, "')'"));
	bench_free(b);
}

static void test_evl_pred__regex__whole_text(void **state)
{
	struct bench *b = bench_new();
	uint32_t name = bench_field(b, "proc.name"), yes, no, part;

	(void)state;
	yes = bench_pred(b, name, IMG_OP_REGEX, IMG_RHS_CONST, bench_const_str(b, "n(gin)+x?"));
	no = bench_pred(b, name, IMG_OP_REGEX, IMG_RHS_CONST, bench_const_str(b, "[[:digit:]]+"));
	part = bench_pred(b, name, IMG_OP_REGEX, IMG_RHS_CONST, bench_const_str(b, "ngin"));
	bench_thread(b, &(struct bench_thread){
				.slot = 1, .parent = PREC_NO_SLOT, .tid = 77, .comm = "nginx"});
	bench_event(b, KEV_CODE_SYSCALL_CLOSE_X, 1);
	bench_event_end(b);
	assert_true(evl_pred(&b->e, yes));
	assert_false(evl_pred(&b->e, no));
	assert_false(evl_pred(&b->e, part));
	bench_free(b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pred__no_value__false_whatever_the_operator),
		T(test_pred__texts__operators),
		T(test_pred__numbers__by_value),
		T(test_pred__addresses__families_and_networks),
		T(test_pred__ancestors__any_of_them),
		T(test_pred__sets__membership),
		T(test_pred__pmatch__components),
		T(test_pred__modifiers__count),
		T(test_expr__functions__values),
		T(test_expr__getopt__last_value),
		T(test_expr__field_against_field__text),
		cmocka_unit_test(test_memo__process_predicates__follow_changes),
		cmocka_unit_test(test_evl_init__bad_regex__refused),
		cmocka_unit_test(test_evl_pred__regex__whole_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
