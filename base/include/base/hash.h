/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Hashing: xxhash's 64-bit XXH3. Stable over processes and runs of the same build; part of the ABI hash where it crosses a process. */

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);

/* One round for integers: cheap and well mixed (the finalizer of splitmix64). */
static inline uint64_t hash_u64(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}
