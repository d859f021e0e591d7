/* SPDX-License-Identifier: Apache-2.0 */
/* The seal of every program, in every start mode, looked at from outside and tried from inside. The
 * probes are the real programs' main.c with attempts in place of their work (probe.c); they are
 * started as the supervisor would, and what comes of each attempt is compared with the table.
 * Usage: test_seal [--table FILE] PROBE... (in the order of enum program). FILE gets what was seen,
 * as lines of fields, for docs/seal.md. */
#include "probes.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/macros.h>

#include "attempts.h"
#include "outside.h"

#define CELL_LEN 24

static char cells[_PROBE_MODE_MAX][_PROG_MAX][256][CELL_LEN];
static int failures;
static FILE *table;

void seal_fail(const char *what, const char *detail)
{
	printf("BAD  %s: %s\n", what, detail);
	failures++;
}

static void fail_attempt(const struct probe *p, const struct attempt *a, const char *detail)
{
	char what[160];

	(void)snprintf(what, sizeof(what), "%s, %s: %s", probe_program_str(p->program),
		plan_mode_str(p->mode), a->name);
	seal_fail(what, detail);
}

/* What the table wants of this program in this mode: an errno, 0 success, -1 whatever it gives. */
static int wanted(const struct probe *p, const struct attempt *a)
{
	if (a->given >> p->program & 1)
		return -1;
	if (a->other >> p->program & 1)
		return a->other_error;
	if (a->hidden >> p->program & 1)
		return p->mode == PLAN_MODE_FULL ? ENOENT : EACCES;
	if (p->mode != PLAN_MODE_FULL && a->error_bare)
		return a->error_bare < 0 ? 0 : a->error_bare;
	return a->want == WANT_REFUSED ? a->error : 0;
}

static void judge(const struct probe *p, unsigned n, int result)
{
	const struct attempt *a = &attempts[n];
	char *cell = cells[p->mode][p->program][n], detail[64];
	int want = wanted(p, a);

	if (a->landlock > seal_landlock_abi()) {
		/* on this kernel nothing stands in the way */
		(void)snprintf(cell, CELL_LEN, "%s", strerrorname_np(want));
		return;
	}
	if (want < 0)
		(void)snprintf(cell, CELL_LEN, "given");
	else if (result < 0)
		(void)snprintf(cell, CELL_LEN, "%s", strerrorname_np(-result));
	else
		(void)snprintf(cell, CELL_LEN, a->want == WANT_OK ? "works" : "no effect");
	if (want < 0 || result == -want)
		return;
	(void)snprintf(detail, sizeof(detail), "error %d, wanted %d", -result, want);
	fail_attempt(p, a, detail);
}

/* Everything that a process should live through, in one process. */
static void try_all(struct probe *p)
{
	unsigned n_results = 0, n_wanted = 0;
	struct ctl_msg m;
	int status;

	for (unsigned n = 0; n < n_attempts; n++)
		n_wanted += attempts[n].want != WANT_KILL;
	if (probe_start(p, "all") < 0)
		seal_fail(probe_program_str(p->program), "cannot be started");
	while (probe_wait(p, CTL_RESULT, &m)) {
		if (m.index >= n_attempts)
			continue;
		n_results++;
		if (m.value[0])
			judge(p, m.index, m.result);
		else
			(void)snprintf(cells[p->mode][p->program][m.index], CELL_LEN, "–");
	}
	status = probe_end(p);
	if (n_results != n_wanted || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		char detail[96];

		(void)snprintf(detail, sizeof(detail),
			"%u results of %u, wait status %#x, steps %#x", n_results, n_wanted,
			(unsigned)status, p->steps);
		seal_fail(probe_program_str(p->program), detail);
	}
}

static void try_fatal(struct probe *p, unsigned n)
{
	const struct attempt *a = &attempts[n];
	char number[16], detail[96];
	struct ctl_msg m = {0};
	bool has_result;
	int status;

	(void)snprintf(number, sizeof(number), "%u", n);
	if (probe_start(p, number) < 0)
		seal_fail(probe_program_str(p->program), "cannot be started");
	has_result = probe_wait(p, CTL_RESULT, &m);
	status = probe_end(p);
	if (a->given >> p->program & 1) {
		if (has_result)
			judge(p, n, m.result);
		else
			fail_attempt(p, a, "is given, and yet no result");
		return;
	}
	if (!has_result && p->steps & SEAL_SECCOMP && WIFSIGNALED(status) &&
		WTERMSIG(status) == SIGSYS) {
		(void)snprintf(cells[p->mode][p->program][n], CELL_LEN, "killed");
		return;
	}
	(void)snprintf(detail, sizeof(detail), "result %s %d, wait status %#x",
		has_result ? "is" : "none", m.result, (unsigned)status);
	fail_attempt(p, a, detail);
}

static void try_program(enum program program, enum plan_mode mode, bool with_fatal)
{
	struct probe p = {.program = program, .mode = mode, .sock = -1};

	outside_look(&p);
	try_all(&p);
	for (unsigned n = 0; with_fatal && n < n_attempts; n++)
		if (attempts[n].want == WANT_KILL)
			try_fatal(&p, n);
}

/* Who adds a program adds its probe. */
static void check_all_are_here(void)
{
	for (unsigned type = 0; type < _PLAN_TYPE_MAX; type++) {
		const struct plan_proc_row *row = plan_row(type);
		/* an output's program is any program: tests/pipeline/test_program.py makes it try */
		bool is_here = !row->program || row->flags & (PLAN_LATER | PLAN_FOREIGN);

		for (unsigned i = 0; i < _PROG_MAX; i++)
			is_here = is_here || probe_plan_type(i) == type;
		if (!is_here)
			seal_fail(row->name, "is in the plan, and its seal is not tried");
	}
}

/* --- the table --- */

static void write_attempts(void)
{
	for (unsigned n = 0; n < n_attempts; n++) {
		(void)fprintf(table, "attempt\t%s\t%u", attempts[n].name, attempts[n].landlock);
		for (unsigned i = 0; i < _PROG_MAX; i++)
			(void)fprintf(table, "\t%s", cells[PLAN_MODE_FULL][i][n]);
		(void)fprintf(table, "\n");
	}
	for (unsigned mode = PLAN_MODE_CONTAINER; mode <= PLAN_MODE_USER; mode++)
		for (unsigned n = 0; n < n_attempts; n++)
			for (unsigned i = 0; i < _PROG_MAX; i++) {
				const char *here = cells[mode][i][n];

				if (here[0] && strcmp(here, cells[PLAN_MODE_FULL][i][n]) != 0)
					(void)fprintf(table, "differs\t%s\t%s\t%s\t%s\t%s\n",
						plan_mode_str(mode), attempts[n].name,
						probe_program_str(i), here,
						cells[PLAN_MODE_FULL][i][n]);
			}
}

static void write_steps(void)
{
	const struct plan_seal_row *rows;
	size_t n;

	rows = plan_seal_rows(&n);
	for (size_t i = 0; i < n; i++) {
		(void)fprintf(table, "step\t%s\t%s", seal_step_str(rows[i].step),
			!rows[i].not_for                       ? "all"
			: rows[i].not_for == 1U << PLAN_LOADER ? "but the loader"
			: rows[i].not_for == 1U << PLAN_PROGRAM
				? "but outputs' programs"
				: "but the loader and outputs' programs");
		for (unsigned mode = 0; mode < _PROBE_MODE_MAX; mode++) {
			bool with = plan_required_seal(PLAN_TRACKER, mode, true) & rows[i].step;
			bool without = plan_required_seal(PLAN_TRACKER, mode, false) & rows[i].step;

			(void)fprintf(table, "\t%s",
				!with      ? "where possible"
				: !without ? "required if the kernel has it"
					   : "required");
		}
		(void)fprintf(table, "\t%s\n", rows[i].why);
	}
}

int main(int argc, char **argv)
{
	const bool is_root = geteuid() == 0;
	int first = 1;

#ifdef SAKER_SANITIZED
	printf("SKIP: the sanitizers' run-time needs calls that the seal does not have "
	       "otherwise\n");
	return 77;
#endif
	_Static_assert(ARRAY_LEN(cells[0][0]) == 256, "a cell for every attempt");
	if (argc > 2 && strcmp(argv[1], "--table") == 0) {
		table = fopen(argv[2], "we");
		first = 3;
	}
	if (argc - first != _PROG_MAX || n_attempts > 256 || (first == 3 && !table)) {
		(void)fprintf(stderr, "usage: %s [--table FILE] PROBE...\n", argv[0]);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	if (probes_open(&argv[first]) < 0) {
		perror("start");
		return 1;
	}
	check_all_are_here();
	for (unsigned mode = is_root ? PLAN_MODE_FULL : PLAN_MODE_USER; mode <= PLAN_MODE_USER;
		mode++)
		for (unsigned i = 0; i < _PROG_MAX; i++)
			try_program(i, mode, mode == PLAN_MODE_FULL || !is_root);
	if (!probes_are_unhurt())
		seal_fail("a sibling", "was signalled or got a message");
	landlock_alone(table);
	if (table) {
		write_steps();
		write_attempts();
		if (fclose(table) != 0)
			seal_fail("table", strerror(errno));
	}
	printf("%u attempts by %d programs, start modes %s: %d bad\n", n_attempts, _PROG_MAX,
		is_root ? "full, container and user" : "user", failures);
	return failures ? 1 : 0;
}
