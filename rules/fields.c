/* SPDX-License-Identifier: Apache-2.0 */
/* The field table and lookups in it. Static data, no allocation: linked by every consumer of a
 * policy image. The text looked up comes from rule files and is not trusted; it is only compared.
 */

#include <string.h>

#include <base/macros.h>
#include <rules/fields.h>

static const struct field_info field_table[] = {
#define FIELD(ID, fname, fcls, ftype, fprint, farg, fflags, fscope, fhelp)                         \
	[FIELD_ID_##ID] = {                                                                        \
		.name = fname,                                                                     \
		.cls = FIELD_##fcls,                                                               \
		.type = ftype,                                                                     \
		.print = fprint,                                                                   \
		.arg = farg,                                                                       \
		.scope = fscope,                                                                   \
		.flags = fflags,                                                                   \
		.help = fhelp,                                                                     \
	},
#include <rules/fields.def>
};
_Static_assert(ARRAY_LEN(field_table) == _FIELD_ID_MAX, "one row a field");

const struct field_info *field_info_get(enum field_id id)
{
	return (unsigned)id < _FIELD_ID_MAX ? &field_table[id] : NULL;
}

const struct field_info *field_find_prefix(
	const char *text, size_t n, enum field_id *ret_id, size_t *ret_used)
{
	size_t best_n = 0;
	int best = -1;

	/* The first class that knows any prefix decides, and in it the longest one. */
	for (int i = 0; i < _FIELD_ID_MAX && n > 0; i++) {
		const struct field_info *f = &field_table[i];
		size_t len;

		if (f->name[0] != text[0] || (best >= 0 && f->cls > field_table[best].cls))
			continue;
		len = strlen(f->name);
		if (len > n || memcmp(f->name, text, len) != 0)
			continue;
		if (best >= 0 && f->cls == field_table[best].cls && len <= best_n)
			continue;
		best = i;
		best_n = len;
	}
	if (best < 0)
		return NULL;
	*ret_id = (enum field_id)best;
	*ret_used = best_n;
	return &field_table[best];
}
