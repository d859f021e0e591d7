/* SPDX-License-Identifier: Apache-2.0 */
#include "util.h"

/* Letters: every operator on one field of every type. */
static const char *const ops[] = {"=", "!=", "<", ">=", "contains", "icontains", "startswith",
	"endswith", "glob", "iglob", "bcontains", "bstartswith", "in", "intersects", "pmatch",
	"exists"};

struct type_row {
	const char *field, *value;
	const char *allowed; /* one digit an operator */
};

static void test_admissibility__every_operator_on_every_type__as_specified(void **state)
{
	static const struct type_row rows[] = {
		{"proc.name", "12", "1111111111001111"},
		{"evt.buffer", "1212", "1100101100111101"},
		{"proc.pid", "12", "1111000000001101"},
		{"user.uid", "12", "1111000000001101"},
		{"fd.sport", "12", "1111000000001101"},
		{"proc.duration", "12", "1111000000001101"},
		{"proc.tty", "12", "1111000000001101"},
		{"evt.is_open_read", "true", "1100000000001101"},
		{"fd.sip", "1.2.3.4", "1100000000001101"},
		{"fd.snet", "1.2.3.0/24", "1100000000001101"},
		{"fd.types", "file", "0000000000001101"},
		{"fd.types[3]", "file", "0000000000001101"},
		{"proc.fdusage", "12", "1111000000001101"},
		{"len(proc.name)", "12", "1111000000001101"},
		{"tolower(proc.name)", "12", "1111111111001111"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t k = 0; k < ARRAY_LEN(ops); k++) {
			bool list = !strcmp(ops[k], "in") || !strcmp(ops[k], "intersects") ||
				    !strcmp(ops[k], "pmatch");
			bool want = rows[i].allowed[k] == '1';
			struct compiled c;
			char text[200];

			/* A number must stand behind < and >=, whatever the type. */
			(void)snprintf(text, sizeof(text), "%s %s %s%s%s", rows[i].field, ops[k],
				list ? "(" : "",
				ops[k][0] == '<' || ops[k][0] == '>' ? "12"
				: !strcmp(ops[k], "exists")          ? ""
								     : rows[i].value,
				list ? ")" : "");
			compile_condition(&c, text);
			if ((c.r == 0) != want)
				fail_msg("'%s': %s, %s", text, c.r ? "refused" : "taken",
					c.d.first ? c.d.first->message : "");
			compiled_done(&c);
		}
}

struct const_case {
	const char *condition;
	bool ok;
};

static void test_constants__table__as_specified(void **state)
{
	static const struct const_case cases[] = {
		{"proc.pid = -5", true},
		{"proc.pid = +5", true},
		{"proc.pid = 0x1", false},
		{"proc.pid = 1.0", false},
		{"proc.pid = 01", true},
		{"proc.pid = x", false},
		{"proc.pid = ''", false},
		{"user.uid = -1", true},
		{"evt.is_open_read = True", false},
		{"evt.is_open_read = 1", false},
		{"fd.sport = https", true},
		{"fd.sport = 65979", true},
		{"fd.sport = nosuch", false},
		{"fd.sip = 1.2.3", false},
		{"fd.sip = ::1", true},
		{"fd.sip = 10.0.0.0/8", false},
		{"fd.snet = 10.0.0.0/8", true},
		{"fd.snet = 10.0.0.0/33", false},
		{"fd.snet = ::/0", false},
		{"fd.snet = fe80::/10", true},
		{"fd.snet = 10.0.0.1", false},
		{"evt.buffer bcontains cafe", true},
		{"evt.buffer bcontains caf", false},
		{"evt.buffer bcontains zz", false},
		{"evt.type = nosuch", false},
		{"evt.type in (open, close)", true},
		{"evt.type = container", true},
		{"evt.arg.flags = x", true},
		{"evt.arg.nosuch = x", false},
		{"evt.arg[2] = x", true},
		{"evt.arg[flags] = x", false},
		{"evt.arg = x", false},
		{"proc.env[PATH] = x", true},
		{"proc.aname[x] = y", false},
		{"proc.aname[1] = y", true},
		{"proc.name[1] = y", false},
		{"fd.port = 5s", false},
		{"proc.name = '\\x00'", false},
		{"evt.buffer = '\\x00'", true},
		{"proc.name = val(proc.pname)", true},
		{"proc.name = val(proc.pid)", false},
		{"proc.name pmatch val(proc.exepath)", false},
		{"fd.snet = val(fd.sip)", false},
		{"proc.name = val(fd.types)", false},
		{"tolower(proc.aname[1]) = x", false},
		{"tolower(proc.pid) = 1", false},
		{"join(proc.name, proc.name) = x", false},
		{"concat(proc.name) = x", false},
		{"concat(proc.name, '-', proc.pname) = x", true},
		{"join(',', fd.types) = x", true},
		{"getopt(proc.args, ab) exists", false},
		{"evt.outputtime = x", false},
		{"evt.rawarg.res = 1", true},
		{"evt.rawarg.res = x", false},
		{"evt.rawarg.name = x", true},
		{"fd.ip = 1.2.3.4", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct compiled c;
		char text[300];

		/* As a YAML text in double quotes, so that backslashes need doubling. */
		size_t n = 0;

		text[n++] = '"';
		for (const char *p = cases[i].condition; *p; p++) {
			if (*p == '\\')
				text[n++] = '\\';
			text[n++] = *p;
		}
		text[n++] = '"';
		text[n] = '\0';
		compile_condition(&c, text);
		if ((c.r == 0) != cases[i].ok)
			fail_msg("'%s': %s, %s", cases[i].condition, c.r ? "refused" : "taken",
				c.d.first ? c.d.first->message : "");
		compiled_done(&c);
	}
}

static void test_constant__256_bytes__refused(void **state)
{
	char text[400] = "proc.name = ";

	(void)state;
	for (int n = 255; n <= 256; n++) {
		struct compiled c;

		memset(text + 12, 'a', (size_t)n);
		text[12 + n] = '\0';
		compile_condition(&c, text);
		assert_int_equal(c.r == 0, n == 255);
		compiled_done(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_admissibility__every_operator_on_every_type__as_specified),
		cmocka_unit_test(test_constants__table__as_specified),
		cmocka_unit_test(test_constant__256_bytes__refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
