/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The stage's five acts, apart from main() so that tests can link them. */

#include <stage/stage.h>

extern const struct stage_ops emitter_ops;
