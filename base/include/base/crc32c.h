/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* CRC32C (Castagnoli, RFC 3720 appendix B.4), with the processor's instruction where it has one. */

#include <stddef.h>
#include <stdint.h>

/* Goes on from @crc (0 at the start): crc32c(crc32c(0, a), b) is that of a and b in a row. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* The table's way, for tests. */
uint32_t crc32c_soft(uint32_t crc, const void *p, size_t n);
