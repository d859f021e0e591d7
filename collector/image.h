/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names of images: "registry:5000/path/name:tag@sha256:…". */

#include <base/span.h>

/* What stands before the tag and digest, the tag and the digest ("sha256:…"); {0,0}: there is none. They point into @name. */
void image_split(struct span name, struct span *ret_repository, struct span *ret_tag,
	struct span *ret_digest);
/* "sha256:…" or the digits alone -> 64 hexadecimal digits; {0,0}: it is none. */
struct span image_digits(struct span s);
