/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Facts of containers that came out of all inputs so far: a corpus that gives none proves nothing. */
extern uint64_t fuzz_lookups_facts;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
