/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *   saker-policy - read configuration and rules
 *
 * SYNOPSIS
 *   Started by saker, twice at each start; of no use by hand.
 *   saker-policy config [--verb] [--share DIR] [--etc DIR] [-c FILE] [-r FILE|DIR]... [-o key=value]... [-U]
 * [-v] saker-policy rules
 *
 * DESCRIPTION
 *   config: asks the supervisor for configuration files by name, checks every key, and hands over
 * the plan (fixed size: the supervisor parses no text), one block for each output that only its
 * emitter gets, and the options of the rules run. With --verb, for
 * who asks a running saker, it looks for the control socket alone. rules: gets the rules files as open descriptors,
 * compiles them and hands over the sealed policy image.
 *
 * SECURITY
 *   Configuration and rules are the administrator's, hence trusted in what they ask; their parsers
 * are not trusted with privileges. After the seal: its own uid, no capabilities, no files, no
 * network. The config run may ask for regular files and folders by name, and sees secrets that
 * stand in configuration; the rules run may ask for nothing. Both end when they are done.
 *
 * DIAGNOSTICS
 *   0 everything was handed over; 1 errors, each printed with file, line and column. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <base/log.h>
#include <base/macros.h>

#include "policy.h"

unsigned policy_n_cpus = 1;

static int pre_seal(struct stage *s _unused_, int argc, char **argv)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN); /* reads a file: cannot be asked later */

	if (n > 0)
		policy_n_cpus = (unsigned)n;
	if (argc < 2 || (strcmp(argv[1], "config") != 0 && strcmp(argv[1], "rules") != 0))
		return log_err_errno(-EINVAL, "which run: config or rules");
	return 0;
}

static int run(struct stage *s, int argc, char **argv)
{
	return !strcmp(argv[1], "config") ? policy_config(s, argc, argv) : policy_rules(s);
}

int main(int argc, char **argv)
{
	static const struct stage_run_ops ops = {
		.name = "policy", .pre_seal = pre_seal, .run = run};

	return stage_run_main(&ops, argc, argv);
}
