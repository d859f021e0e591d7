/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What /proc says of a sealed process, and what Landlock does without the rest. */

#include <stdio.h>

#include "probes.h"

/* Starts the probe, compares, and ends it by closing its control socket. */
void outside_look(struct probe *p);
/* Landlock alone, tried from inside a child. @table may be NULL. */
void landlock_alone(FILE *table);

/* test_seal.c */
void seal_fail(const char *what, const char *detail);
