/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For the test builds alone. */

#include <stdbool.h>

#include <shm/gate.h>

/* Before the seal. */
void md_hooks_prepare(void);
/* What this one asks for instead of what it should; false: it is as it should be. The head is the caller's. */
bool md_hooks_ask(struct gate_ask *ret);
