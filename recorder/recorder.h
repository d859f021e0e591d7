/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The recorder's acts. */

#include <stage/stage.h>

extern const struct stage_ops recorder_ops;
