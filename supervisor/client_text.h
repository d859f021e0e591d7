/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* `saker status` for people. */

#include <stdbool.h>

#include <jansson.h>

void client_print_status(const json_t *status, bool colour);
