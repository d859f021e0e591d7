/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images, taken apart. */

#include "image.h"

#include <shm/gate.h>

/* Place of the last @c, or n. */
static size_t find_last(struct span s, char c)
{
	for (size_t i = s.n; i-- > 0;)
		if (s.p[i] == c)
			return i;
	return s.n;
}

void image_split(struct span name, struct span *ret_repository, struct span *ret_tag,
	struct span *ret_digest)
{
	size_t at = find_last(name, '@'), colon, slash;

	*ret_tag = *ret_digest = (struct span){0};
	if (at < name.n) {
		*ret_digest = (struct span){.p = name.p + at + 1, .n = name.n - at - 1};
		name.n = at;
	}
	/* a registry's port is followed by a path */
	colon = find_last(name, ':');
	slash = find_last(name, '/');
	if (colon < name.n && (slash == name.n || colon > slash)) {
		*ret_tag = (struct span){.p = name.p + colon + 1, .n = name.n - colon - 1};
		name.n = colon;
	}
	*ret_repository = name;
}

struct span image_digits(struct span s)
{
	struct span algorithm = SPAN_LIT("sha256:");

	if (span_starts_with(s, algorithm)) {
		s.p += algorithm.n;
		s.n -= algorithm.n;
	}
	return gate_is_hex(s, 64, 64) ? s : (struct span){0};
}
