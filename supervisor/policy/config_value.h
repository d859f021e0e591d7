/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Scalars of configuration: from text to value. Each returns false if the text is not one; outputs
 * are untouched then. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool cfg_to_bool(const char *s, bool *ret);
bool cfg_to_int(const char *s, int64_t *ret);
bool cfg_to_num(const char *s, double *ret);
bool cfg_to_size(const char *s, uint64_t *ret_bytes);  /* B, KiB, MiB, GiB */
bool cfg_to_duration(const char *s, uint64_t *ret_ns); /* ms, s, m, h; 0 needs no unit */
bool cfg_is_falco_duration(const char *s);             /* 1h30m, 500ms; a number alone is ms */
bool cfg_to_priority(const char *s, uint8_t *ret);     /* 0 emergency … 7 debug */
bool cfg_to_level(const char *s, int *ret_level);      /* enum log_level */
bool cfg_to_facility(const char *s, unsigned *ret);
/* Place in "a|b|c", -1 if it is none of them. */
int cfg_choice(const char *s, const char *choices);
bool cfg_is_name(const char *s); /* [a-z0-9_-]{1,32} */
