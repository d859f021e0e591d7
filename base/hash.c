/* SPDX-License-Identifier: Apache-2.0 */
/* Hashing by xxhash; see the header. */
#include <base/hash.h>

#include <xxhash.h>

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(p, n, seed);
}
