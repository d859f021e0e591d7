/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* UTF-8 made valid and JSON escaping. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/span.h>
#include <base/strbuf.h>

bool utf8_is_valid(struct span s);
/* Adds s with every maximal invalid sequence replaced by U+FFFD. */
void utf8_add_valid(struct strbuf *b, struct span s);
/* Adds s escaped as the inside of a JSON string (no quotes): " \\ and control characters; invalid bytes become U+FFFD.
 * Short forms \b \f \n \r \t, others \u00xx in lower case; '/' and non-ASCII stay. */
void json_add_escaped(struct strbuf *b, struct span s);
/* The same with quotes. */
void json_add_string(struct strbuf *b, struct span s);
/* The character at the start of n >= 1 bytes, U+FFFD for a maximal invalid sequence. Returns the bytes it takes, >= 1. */
size_t utf8_decode(const char *p, size_t n, uint32_t *ret_rune);
