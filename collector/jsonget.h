/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Reading JSON whose shape is a runtime's affair: what is not there, or something else, is empty. */

#include <stddef.h>

#include <jansson.h>

#include <base/span.h>

/* A text; {0,0}: it is none. It points into @v. */
static inline struct span json_text(const json_t *v)
{
	return json_is_string(v)
		       ? (struct span){.p = json_string_value(v), .n = json_string_length(v)}
		       : (struct span){0};
}

/* Member after member, by a list of keys that ends in NULL; NULL: it ends before. */
static inline const json_t *json_member(const json_t *v, const char *const *keys)
{
	for (; *keys && v; keys++)
		v = json_object_get(v, *keys);
	return v;
}
#define JSON_MEMBER(v, ...) json_member(v, (const char *const[]){__VA_ARGS__, NULL})
