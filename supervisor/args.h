/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The command line. Config and rules options are not interpreted here: they go to the config run as
 * they are. */

#include <stdbool.h>
#include <stddef.h>

enum args_verb { VERB_RUN, VERB_STATUS, VERB_TEST_ALERT };

#define ARGS_PASS_MAX 512

struct args {
	enum args_verb verb;
	bool help, version, show_plan, json, watch, verbose, json_output;
	double max_seconds;        /* -M; 0 none */
	char *pass[ARGS_PASS_MAX]; /* borrowed from argv: -c X -r Y -o Z -U -v, for the config run
				    */
	unsigned n_pass;
};

/* 0, or -EINVAL after one line on stderr. */
int args_parse(int argc, char **argv, struct args *ret_args);
void args_print_help(const struct args *a);
void args_print_version(const struct args *a);
