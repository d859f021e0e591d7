/* SPDX-License-Identifier: Apache-2.0 */
/* From rule text to verdict: what the compiler makes is what the interpreter takes. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include <base/macros.h>
#include <rules/compile.h>

#include "raise.h"

static const char *const args[] = {"-c", "id", NULL};

struct fixture {
	struct bench *b; /* builds events and threads */
	void *image;
	struct img img;
	struct evl e;
};

static struct fixture *compile(const char *yaml)
{
	static const char *const none[] = {NULL};
	struct rules_output out = {
		.name = "stdout", .min_priority = 7, .rules_include = none, .tags_include = none};
	struct rules_options opt = {.min_priority = 7, .outputs = &out, .n_outputs = 1};
	struct rules_file file = {.name = "t.yaml", .text = yaml, .n = strlen(yaml)};
	struct fixture *f = calloc(1, sizeof(*f));
	struct rules_result res = {0};
	const char *why = NULL;
	struct diag d;

	assert_non_null(f);
	diag_init(&d);
	if (rules_compile(&file, 1, &opt, &d, &res) < 0) {
		diag_print(&d, stderr);
		fail_msg("the rules do not compile");
	}
	diag_done(&d);
	f->image = res.image;
	assert_int_equal(img_verify(res.image, res.size, &f->img, &why), 0);
	f->b = bench_new();
	assert_int_equal(evl_init(&f->e, &f->img, &f->b->settings, &why), 0);
	return f;
}

static void free_fixture(struct fixture *f)
{
	evl_done(&f->e);
	bench_free(f->b);
	free(f->image);
	free(f);
}

static void thread(struct fixture *f, const struct bench_thread *t)
{
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];

	(void)bench_thread_record(t, buf);
	replica_put(&f->e.replica, (struct prec *)buf);
}

static void open_event(struct fixture *f, const char *name, uint32_t flags)
{
	struct ev_fd fd = {.num = 4, .type = EV_FD_FILE, .flags = EV_FD_KNOWN};

	bench_event(f->b, KEV_CODE_SYSCALL_OPENAT_2_X, 3);
	bench_res(f->b, 4);
	bench_param_int(f->b, "flags", flags);
	bench_param_text(f->b, "name", name);
	bench_att_fd(f->b, EV_ATT_FD, -1, &fd, name);
	bench_event_end(f->b);
	evl_event_begin(&f->e, &f->b->view);
}

/* The name of the first rule that matches the event, "" for none. */
static const char *first(struct fixture *f)
{
	const struct img_event *ix = &f->img.events[f->b->view.info->ix];

	for (uint32_t i = 0; i < ix->n_refs; i++) {
		const struct img_rule *r = &f->img.rules[f->img.rulerefs[ix->refs_first + i]];

		if (evl_rule_matches(&f->e, r))
			return img_text(&f->img, r->name).p;
	}
	return "";
}

static const char sensitive[] =
	"- list: shells\n"
	"  items: [bash, sh, zsh]\n"
	"- macro: open_read\n"
	"  condition: evt.type in (open,openat,openat2) and evt.is_open_read=true and "
	"fd.typechar='f' and fd.num>=0\n"
	"- macro: sensitive\n"
	"  condition: (fd.name startswith /etc and (fd.name in (/etc/shadow, /etc/sudoers) or "
	"fd.directory pmatch (/etc/pam.d, /etc/s*.d)))\n"
	"- rule: Read sensitive file\n"
	"  desc: d\n"
	"  condition: open_read and sensitive and not proc.name in (passwd, sshd) and not "
	"proc.pname in (shells) and container.id = host\n"
	"  output: 'file=%fd.name parent=%proc.pname gparent=%proc.aname[2] user=%user.name "
	"%evt.arg.flags|%10proc.name|'\n"
	"  priority: WARNING\n"
	"  tags: [x]\n"
	"- rule: Any shell above\n"
	"  desc: d\n"
	"  condition: evt.type = openat and proc.aname in (shells) and not fd.name glob "
	"\"*/tmp/*\" and tolower(proc.name) = cat\n"
	"  output: o\n"
	"  priority: NOTICE\n";

static void test_rules__conditions__first_match(void **state)
{
	struct fixture *f = compile(sensitive);
	struct raise r;

	(void)state;
	thread(f,
		&(struct bench_thread){.slot = 1, .parent = PREC_NO_SLOT, .tid = 1, .comm = "zsh"});
	thread(f, &(struct bench_thread){.slot = 2, .parent = 1, .tid = 50, .comm = "make"});
	thread(f, &(struct bench_thread){
			  .slot = 3, .parent = 2, .tid = 1000, .comm = "Cat", .args = args});
	open_event(f, "/etc/shadow", 1);
	assert_string_equal(first(f), "Read sensitive file");
	assert_int_equal(raise_init(&r), 0);
	assert_int_equal(raise_build(&r, &f->e,
				 f->img.rulerefs[f->img.events[f->b->view.info->ix].refs_first]),
		0);
	assert_int_equal(alert_validate((struct rec_head *)r.rec), 0);
	assert_string_equal(rec_text(r.rec, ((struct alert *)r.rec)->message).p,
		"file=/etc/shadow parent=make gparent=zsh user=root O_RDONLY|Cat       |");
	raise_done(&r);
	open_event(f, "/etc/shadow", 2);
	assert_string_equal(first(f), "Any shell above");
	open_event(f, "/etc/pam.d/su", 1);
	assert_string_equal(first(f), "Read sensitive file");
	open_event(f, "/etc/sudoers.d/x", 1);
	assert_string_equal(first(f), "Read sensitive file");
	open_event(f, "/etc/x", 1);
	assert_string_equal(first(f), "Any shell above");
	open_event(f, "/var/tmp/x", 1);
	assert_string_equal(first(f), "");
	/* the parent becomes a shell */
	thread(f, &(struct bench_thread){.slot = 2, .parent = 1, .tid = 50, .comm = "sh"});
	open_event(f, "/etc/shadow", 1);
	assert_string_equal(first(f), "Any shell above");
	thread(f, &(struct bench_thread){
			  .slot = 2, .parent = PREC_NO_SLOT, .tid = 50, .comm = "make"});
	open_event(f, "/home/x", 1);
	assert_string_equal(first(f), "");
	thread(f, &(struct bench_thread){.slot = 3, .parent = 2, .tid = 1000, .comm = "passwd"});
	open_event(f, "/etc/shadow", 1);
	assert_string_equal(first(f), "");
	thread(f, &(struct bench_thread){.slot = 3,
			  .parent = 2,
			  .tid = 1000,
			  .comm = "x",
			  .container = "0123456789abcdef"});
	open_event(f, "/etc/shadow", 1);
	assert_string_equal(first(f), "");
	free_fixture(f);
}

/* Each condition alone, on one event: a thread `cat -c id`, no parent, reading /etc/shadow. */
static void test_rules__single_conditions__verdicts(void **state)
{
	static const struct {
		const char *condition;
		bool want;
	} rows[] = {
		{"proc.pname != x", false},
		{"not proc.pname = x", true},
		{"proc.pname exists", false},
		{"not proc.pname exists", true},
		{"proc.args[9] = ''", true},
		{"proc.args[1] = id", true},
		{"proc.args contains '-c id'", true},
		{"proc.cmdline endswith ' id'", true},
		{"evt.rawres >= 0", true},
		{"evt.rawres < 0", false},
		{"fd.num in (3, 4)", true},
		{"fd.num in (3, 5)", false},
		{"fd.name icontains SHADOW", true},
		{"fd.name pmatch (/etc)", true},
		{"fd.name pmatch (/et)", false},
		{"fd.sip != 1.2.3.4", false},
		{"evt.arg.flags contains O_RDONLY", true},
		{"evt.arg[2] = /etc/shadow", true},
		{"evt.rawarg.name = /etc/shadow", true},
		{"evt.rawarg.fd = 9", false},
		{"evt.is_open_read = true", true},
		{"evt.is_open_write != true", true},
		{"proc.name startswith anyof (x, ca)", true},
		{"proc.name != allof (x, cat)", false},
		{"proc.name in ()", false},
		{"len(proc.name) = 3", true},
		{"toupper(proc.name) in (CAT)", true},
		{"basename(fd.name) = val(fd.filename)", true},
		{"concat(proc.name, '-', fd.filename) = cat-shadow", true},
		{"user.name = root", true},
		{"user.uid = 0", true},
		{"user.loginuid = -1", true},
		{"container.id = host", true},
		{"k8s.ns.name exists", false},
		{"proc.sname = ''", true},
		{"proc.is_exe_upper_layer = false", true},
		{"evt.num >= 7 and evt.num <= 7", true},
		{"(proc.name = x or proc.name = cat) and not (fd.num = 3 or fd.num = 5)", true},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		char yaml[1024];
		struct fixture *f;

		snprintf(yaml, sizeof(yaml),
			"- rule: R\n  desc: d\n  condition: >\n    evt.type = openat and %s\n  "
			"output: o\n  priority: INFO\n",
			rows[i].condition);
		f = compile(yaml);
		thread(f, &(struct bench_thread){.slot = 3,
				  .parent = PREC_NO_SLOT,
				  .tid = 1000,
				  .comm = "cat",
				  .args = args,
				  .loginuid = -1,
				  .sid = -1});
		for (unsigned again = 0; again < 2;
			again++) { /* the second time from what is remembered */
			open_event(f, "/etc/shadow", 1);
			if (!!strcmp(first(f), "") != rows[i].want)
				print_error("%s\n", rows[i].condition);
			assert_int_equal(!!strcmp(first(f), ""), rows[i].want);
		}
		free_fixture(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules__conditions__first_match),
		cmocka_unit_test(test_rules__single_conditions__verdicts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
