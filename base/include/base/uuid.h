/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* UUIDs as 16 bytes in network order. */

#include <stdint.h>

#define UUID_TEXT_LEN 36

/* "xxxxxxxx-xxxx-8xxx-..." plus NUL. */
void uuid_format(const uint8_t id[16], char ret_text[UUID_TEXT_LEN + 1]);
