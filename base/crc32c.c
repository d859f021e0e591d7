/* SPDX-License-Identifier: Apache-2.0 */
/* CRC32C. The instruction takes eight bytes in three cycles and starts one a cycle; records are
 * short, so one stream is enough. */

#include <stdbool.h>
#include <string.h>

#include <base/crc32c.h>

#define POLY 0x82f63b78u /* reflected */

static uint32_t table[8][256];
static bool has_table;

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (unsigned k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ POLY : c >> 1;
		table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (unsigned k = 1; k < 8; k++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
	has_table = true;
}

uint32_t crc32c_soft(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *b = p;

	if (!has_table)
		make_table();
	crc = ~crc;
	for (; n >= 8; n -= 8, b += 8)
		crc = table[7][(crc ^ b[0]) & 255] ^ table[6][(crc >> 8 ^ b[1]) & 255] ^
		      table[5][(crc >> 16 ^ b[2]) & 255] ^ table[4][(crc >> 24 ^ b[3]) & 255] ^
		      table[3][b[4]] ^ table[2][b[5]] ^ table[1][b[6]] ^ table[0][b[7]];
	for (; n; n--, b++)
		crc = crc >> 8 ^ table[0][(crc ^ *b) & 255];
	return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_hard(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t c = (uint32_t)~crc;

	for (; n >= 8; n -= 8, b += 8) {
		uint64_t v;

		memcpy(&v, b, sizeof(v));
		c = __builtin_ia32_crc32di(c, v);
	}
	for (; n; n--, b++)
		c = __builtin_ia32_crc32qi((uint32_t)c, *b);
	return ~(uint32_t)c;
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_hard(crc, p, n);
#endif
	return crc32c_soft(crc, p, n);
}
