/* SPDX-License-Identifier: Apache-2.0 */
/* UUID text form. */
#include <base/uuid.h>

void uuid_format(const uint8_t id[16], char ret_text[UUID_TEXT_LEN + 1])
{
	static const char hex[] = "0123456789abcdef";
	char *p = ret_text;

	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[id[i] >> 4];
		*p++ = hex[id[i] & 15];
	}
	*p = '\0';
}
