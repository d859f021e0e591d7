/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the known field that is nearest to an unknown one. */

#include <rules/diag.h>
#include <rules/fields.h>

const char *field_suggest(const char *text, size_t n)
{
	const char *names[_FIELD_ID_MAX + 1];
	int count = 0;

	for (int i = 0; i < _FIELD_ID_MAX; i++) {
		const struct field_info *f = field_info_get((enum field_id)i);

		if (!(f->flags & (FF_HIDDEN | FF_DEPRECATED)))
			names[count++] = f->name;
	}
	names[count] = NULL;
	return diag_nearest(text, n, names);
}
