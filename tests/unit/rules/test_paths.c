/* SPDX-License-Identifier: Apache-2.0 */
/* What the compiler tells the kernel about the paths of opens. The lookup here is what the kernel's
 * programs do. */
#include "util.h"

#include <abi/kshared.h>
#include <base/macros.h>

#define OPENS "evt.type in (open, openat) and "

enum { RD, WR, RW, RD_TRUNC, WR_TRUNC, RW_TRUNC, RD_FAILED, WR_FAILED };

static uint64_t hash(const char *s, size_t n, unsigned kind)
{
	uint64_t h = kshm_hash_start(n, kind);

	for (size_t i = 0; i < n; i += 8) {
		uint64_t w = 0;

		memcpy(&w, s + i, MIN(n - i, (size_t)8));
		h = kshm_hash_word(h, w);
	}
	return h;
}

static bool has(const struct kshm_paths *p, const char *s, size_t n, unsigned kind, unsigned cls)
{
	uint64_t h = hash(s, n, kind);

	for (unsigned i = 0; i < KSHM_PATH_PROBES; i++) {
		uint64_t v = p->slots[(KSHM_HASH_SLOT(h) + i) & (KSHM_PATH_SLOTS - 1)];

		if (v && KSHM_HASH_TAG(v) == KSHM_HASH_TAG(h))
			return v >> cls & 1;
	}
	return false;
}

/* Is an open of that name to be captured? */
static bool wanted(const struct kshm_paths *p, const char *name, unsigned cls)
{
	const char *slash = strrchr(name, '/');
	size_t n = strlen(name), dir = (size_t)(slash - name);
	unsigned kinds = p->kinds[cls];

	if (kinds & KSHM_PATH_ANY || (kinds & KSHM_PATH_DOTDOT && strstr(name, "..")))
		return true;
	if (kinds & KSHM_PATH_EXACT && has(p, name, n, KSHM_PATH_EXACT, cls))
		return true;
	if (kinds & KSHM_PATH_DIR && has(p, name, dir ? dir : 1, KSHM_PATH_DIR, cls))
		return true;
	if (kinds & KSHM_PATH_BASE && has(p, slash + 1, n - dir - 1, KSHM_PATH_BASE, cls))
		return true;
	for (unsigned i = 0; kinds & KSHM_PATH_PREFIX && i < KSHM_PATH_PREFIXES; i++)
		if (p->prefix_lens[i] && p->prefix_lens[i] <= n &&
			has(p, name, p->prefix_lens[i], KSHM_PATH_PREFIX, cls))
			return true;
	return false;
}

struct path_case {
	const char *cond, *name;
	unsigned cls;
	bool wanted;
};

static void run_cases(const struct path_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct compiled c;
		bool is;

		compile_condition(&c, cases[i].cond);
		if (c.r < 0)
			fail_msg("'%s': %s", cases[i].cond, c.d.first ? c.d.first->message : "");
		is = !c.img.n[IMG_SEC_KPATHS] || wanted(c.img.kpaths, cases[i].name, cases[i].cls);
		if (is != cases[i].wanted)
			fail_msg("'%s': %s, class %u: %d", cases[i].cond, cases[i].name,
				cases[i].cls, is);
		compiled_done(&c);
	}
}

static void test_names__operators__upper_bounds(void **state)
{
	static const struct path_case cases[] = {
		{OPENS "fd.name = /etc/shadow", "/etc/shadow", RD, true},
		{OPENS "fd.name = /etc/shadow", "/etc/shadow2", RD, false},
		{OPENS "fd.name = /etc/shadow", "/etc/shado", RD, false},
		{OPENS "fd.name in (/a/b, /a/c)", "/a/c", RD, true},
		{OPENS "fd.name in (/a/b, /a/c)", "/a/d", RD, false},
		{OPENS "fd.name startswith /etc/", "/etc/hostname", RD, true},
		{OPENS "fd.name startswith /etc/", "/usr/etc/", RD, false},
		{OPENS "fd.name pmatch (/etc, /usr)", "/usr/lib/x", RD, true},
		{OPENS "fd.name pmatch (/etc, /usr)", "/var/lib/x", RD, false},
		{OPENS "fd.name pmatch (/etc, /u*r)", "/var/lib/x", RD, true},
		{OPENS "fd.name glob '/home/*/.ssh/*'", "/home/a", RD, true},
		{OPENS "fd.name glob '/home/*/.ssh/*'", "/root/a", RD, false},
		{OPENS "fd.name glob '*/.ssh/*'", "/root/a", RD, true},
		{OPENS "fd.name endswith /id_rsa", "/root/id_rsa", RD, true},
		{OPENS "fd.name endswith /id_rsa", "/root/an_id_rsa", RD, false},
		{OPENS "fd.name endswith id_rsa", "/root/x", RD, true}, /* not told: all */
		{OPENS "fd.name contains id_rsa", "/root/x", RD, true},
		{OPENS "fd.name icontains id_rsa", "/root/x", RD, true},
		{OPENS "fd.name regex '/etc/.*'", "/root/x", RD, true},
		{OPENS "fd.name != /etc/shadow", "/root/x", RD, true},
		{OPENS "not fd.name = /etc/shadow", "/root/x", RD, true},
		{OPENS "fd.name exists", "/root/x", RD, true},
		{OPENS "tolower(fd.name) = /etc/shadow", "/root/x", RD, true},
		{OPENS "fd.name = val(proc.name)", "/root/x", RD, true},
		{OPENS "fd.directory = /etc/pam.d", "/etc/pam.d/su", RD, true},
		{OPENS "fd.directory = /etc/pam.d", "/etc/pam.d/a/b", RD, false},
		{OPENS "fd.directory = /", "/vmlinuz", RD, true},
		{OPENS "fd.directory = /", "/etc/vmlinuz", RD, false},
		{OPENS "fd.directory startswith /etc", "/etc/pam.d/su", RD, true},
		{OPENS "fd.directory endswith pam.d", "/var/x", RD, true},
		{OPENS "fd.filename in (syslog, cron)", "/var/cron", RD, true},
		{OPENS "fd.filename in (syslog, cron)", "/var/cron/x", RD, false},
		{OPENS "fd.filename startswith sys", "/var/cron/x", RD, true},
		{OPENS "fd.nameraw contains '../'", "/a/../b", RD, true},
		{OPENS "fd.nameraw contains '../'", "/a/b", RD, false},
		{OPENS "fd.nameraw glob '*../*../*'", "/a/b", RD, false},
		{OPENS "fd.nameraw contains './'", "/a/b", RD, true},
	};

	(void)state;
	run_cases(cases, ARRAY_LEN(cases));
}

static void test_names__and_or_not__combined(void **state)
{
	static const struct path_case cases[] = {
		{OPENS "fd.name startswith /etc/ and fd.name contains x", "/var/x", RD, false},
		{OPENS "(fd.name = /a/b or fd.name contains x)", "/var/y", RD, true},
		{OPENS "(fd.name = /a/b or fd.name startswith /x)", "/x/y", RD, true},
		{OPENS "(fd.name = /a/b or fd.name startswith /x)", "/y/y", RD, false},
		{OPENS "(fd.name = /a/b or proc.name = p)", "/y/y", RD, true},
		{OPENS "fd.name = /a/b and not proc.name in (p, q)", "/y/y", RD, false},
		{OPENS "not (not fd.name = /a/b or proc.name = p)", "/a/b", RD, true},
		{OPENS "not (not fd.name = /a/b or proc.name = p)", "/y/y", RD, false},
		{OPENS "not (fd.name = /a/b and proc.name = p)", "/y/y", RD, true},
		{"(evt.type = open and fd.name = /a/b) or (evt.type = openat and fd.name = /c/d)",
			"/c/d", RD, true},
		{"(evt.type = open and fd.name = /a/b) or (evt.type = openat and fd.name = /c/d)",
			"/a/b", RD, true},
		{"(evt.type = open and fd.name = /a/b) or evt.type = mkdir", "/y/y", RD, false},
		{"(evt.type = openat2 and fd.name = /a/b) or evt.type = mkdir", "/y/y", RD, false},
	};

	(void)state;
	run_cases(cases, ARRAY_LEN(cases));
}

static void test_names__classes__of_opens(void **state)
{
#define READS OPENS "evt.is_open_read = true and fd.num >= 0 and fd.name = /a/b"
#define CLEARS OPENS "evt.is_open_write = true and evt.arg.flags contains O_TRUNC"
	static const struct path_case cases[] = {
		{READS, "/a/b", RD, true},
		{READS, "/a/b", RW, true},
		{READS, "/a/b", WR, false},
		{READS, "/a/b", RD_TRUNC, true},
		{READS, "/a/b", RD_FAILED, false},
		{CLEARS, "/a/b", RD_TRUNC, false},
		{CLEARS, "/a/b", WR_TRUNC, true},
		{CLEARS, "/a/b", RW_TRUNC, true},
		{CLEARS, "/a/b", WR, false},
		{CLEARS, "/a/b", WR_FAILED, false},
		{OPENS "evt.is_open_read != true", "/a/b", WR, true},
		{OPENS "evt.is_open_read != true", "/a/b", RD, false},
		{OPENS "evt.is_open_create = true", "/a/b", RD, true},
		{OPENS "fd.num = -1 and evt.res startswith E", "/a/b", RD, false},
		{OPENS "fd.num = -1 and evt.res startswith E", "/a/b", RD_FAILED, true},
		{OPENS "evt.rawres < 0 and fd.name = /a/b", "/a/b", RD_FAILED, true},
		{OPENS "evt.rawres < 0 and fd.name = /a/b", "/a/c", RD_FAILED, false},
		{OPENS "evt.rawres < 0 and fd.name = /a/b", "/a/b", RD, false},
		{OPENS "fd.type in (ipv4, ipv6)", "/a/b", RD, false},
		{OPENS "fd.type in (ipv4, file)", "/a/b", RD, true},
		{OPENS "fd.typechar = '4'", "/a/b", RD, false},
	};

	(void)state;
	run_cases(cases, ARRAY_LEN(cases));
}

static void test_other_events__rules_on_file_names__everything_is_captured(void **state)
{
#define OPEN_RULE "(" OPENS "fd.name = /a/b) or "
	static const struct path_case cases[] = {
		{OPEN_RULE "(evt.type = dup and fd.name = /x)", "/y", RD, true},
		{OPEN_RULE "(evt.type = dup and fd.type in (ipv4, ipv6))", "/y", RD, false},
		{OPEN_RULE "(evt.type = dup and fd.typechar in ('4', '6'))", "/y", RD, false},
		{OPEN_RULE "(evt.type = dup and fd.type != ipv4)", "/y", RD, true},
		{OPEN_RULE "(evt.type = dup and proc.name = x)", "/y", RD, true}, /* by fd.name */
		{OPEN_RULE "(evt.type = read and fd.directory = /x)", "/y", RD, true},
		{OPEN_RULE "(evt.type = close and fd.num = 3)", "/y", RD, true},
		{OPEN_RULE "(evt.type = connect and fd.sip = 1.2.3.4)", "/y", RD, false},
		{OPEN_RULE "(evt.type = symlinkat and proc.name = x)", "/y", RD, false},
		{OPEN_RULE "(evt.type = execve and proc.name = x)", "/y", RD, false},
		{OPEN_RULE "(evt.type = execve and proc.stdin.name = x)", "/y", RD, true},
		{OPEN_RULE "(evt.type = execve and fd.types intersects (file))", "/y", RD, true},
	};

	(void)state;
	run_cases(cases, ARRAY_LEN(cases));
}

static void test_want__opens_and_closes__marked(void **state)
{
	struct compiled c;

	(void)state;
	compile_condition(&c, OPENS "fd.name = /a/b");
	assert_true(c.img.events[KEV_IX_SYSCALL_OPEN_X].want & KSHM_WANT_PATHS);
	assert_true(c.img.events[KEV_IX_SYSCALL_OPENAT_2_X].want & KSHM_WANT_PATHS);
	assert_false(c.img.events[KEV_IX_SYSCALL_OPENAT2_X].want & KSHM_WANT_PATHS);
	assert_true(c.img.events[KEV_IX_SYSCALL_CLOSE_X].want & KSHM_WANT_KNOWN_FD);
	compiled_done(&c);
	compile_condition(&c, "(" OPENS "fd.name = /a/b) or evt.type = close");
	assert_false(c.img.events[KEV_IX_SYSCALL_CLOSE_X].want & KSHM_WANT_KNOWN_FD);
	compiled_done(&c);
	compile_condition(&c, OPENS "fd.name contains b");
	assert_int_equal(c.img.n[IMG_SEC_KPATHS], 0);
	assert_false(c.img.events[KEV_IX_SYSCALL_OPEN_X].want & KSHM_WANT_PATHS);
	assert_false(c.img.events[KEV_IX_SYSCALL_CLOSE_X].want & KSHM_WANT_KNOWN_FD);
	compiled_done(&c);
}

/* More names than the table takes, more lengths of prefixes than are tried: everything, never less. */
static void test_table__too_much__everything_of_the_class(void **state)
{
	static char text[64 * 1024];
	const char *texts[] = {text};
	struct compiled c;
	size_t n;

	(void)state;
	n = (size_t)snprintf(text, sizeof(text),
		"- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition: " OPENS
		"evt.is_open_read=true and fd.name in (/x");
	for (unsigned i = 0; i < 900; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ", /some/file/%u", i * 7919);
	(void)snprintf(text + n, sizeof(text) - n, ")\n");
	compile_texts(&c, texts, 1, NULL);
	assert_int_equal(c.r, 0);
	for (unsigned i = 0; i < 900; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "/some/file/%u", i * 7919);
		assert_true(wanted(c.img.kpaths, name, RD));
	}
	compiled_done(&c);
	compile_condition(&c, OPENS
		"evt.is_open_read = true and (fd.name startswith /1 or fd.name startswith /12 or "
		"fd.name startswith /123 or fd.name startswith /1234 or fd.name startswith /12345 "
		"or "
		"fd.name startswith /123456 or fd.name startswith /1234567 or fd.name startswith "
		"/12345678 or fd.name startswith /123456789)");
	assert_true(wanted(c.img.kpaths, "/y", RD));
	assert_false(wanted(c.img.kpaths, "/y", WR));
	compiled_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names__operators__upper_bounds),
		cmocka_unit_test(test_names__and_or_not__combined),
		cmocka_unit_test(test_names__classes__of_opens),
		cmocka_unit_test(test_other_events__rules_on_file_names__everything_is_captured),
		cmocka_unit_test(test_want__opens_and_closes__marked),
		cmocka_unit_test(test_table__too_much__everything_of_the_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
