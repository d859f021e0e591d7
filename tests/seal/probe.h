/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Takes the skeleton's place in the real programs' main.c, which is compiled with stage_main and
 * stage_run_main renamed to these. */

#include <stage/stage.h>

int probe_stage_main(const struct stage_ops *ops, int argc, char **argv);
int probe_stage_run_main(const struct stage_run_ops *ops, int argc, char **argv);
