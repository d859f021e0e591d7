/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The tools: what prints something and ends. */

#include <stdio.h>

struct args;
struct sup;

/* After sup_init(); configuration is read first where the tool needs it. Exit status. */
int tool_main(struct sup *s);

/* saker-tools's command line. @argv: room for TOOL_ARGV_MAX; strings are borrowed. The number. */
#define TOOL_ARGV_MAX 1100
unsigned tool_argv(const struct args *a, const char **argv);

/* -P: the process id into a file. 0 or negative errno, logged. And remove it, if it is still ours. */
int pidfile_write(const char *path);
void pidfile_remove(const char *path);
