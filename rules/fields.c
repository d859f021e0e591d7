/* SPDX-License-Identifier: Apache-2.0 */
/* The field table and lookups in it. Static data, no allocation: linked by every consumer of a policy image. The text looked up comes from rule files and
 * is not trusted; it is only compared. */

#include <string.h>

#include <base/macros.h>
#include <rules/fields.h>

static const struct field_info field_table[] = {
#define FIELD(ID, fname, fcls, ftype, fprint, farg, fflags, fscope, fhelp)                         \
	[FIELD_ID_##ID] = {                                                                         \
		.name = fname,                                                                      \
		.cls = FIELD_##fcls,                                                                \
		.type = ftype,                                                                      \
		.print = fprint,                                                                    \
		.arg = farg,                                                                        \
		.scope = fscope,                                                                    \
		.flags = fflags,                                                                    \
		.help = fhelp,                                                                      \
	},
#include <rules/fields.def>
};
_Static_assert(ARRAY_LEN(field_table) == _FIELD_ID_MAX, "one row a field");

const struct field_info *field_info_get(enum field_id id)
{
	return (unsigned)id < _FIELD_ID_MAX ? &field_table[id] : NULL;
}

const struct field_info *field_find_prefix(const char *text, size_t n, enum field_id *ret_id, size_t *ret_used)
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

/* Edit distance with neighbours swapped counting one; gives up (returns max + 1) on long words. */
static unsigned distance(const char *a, size_t an, const char *b, size_t bn, unsigned max)
{
	unsigned row[3][64];

	if (an >= ARRAY_LEN(row[0]) || bn >= ARRAY_LEN(row[0]) || (an > bn ? an - bn : bn - an) > max)
		return max + 1;
	for (size_t j = 0; j <= bn; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= an; i++) {
		unsigned *cur = row[i % 3], *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];

		cur[0] = (unsigned)i;
		for (size_t j = 1; j <= bn; j++) {
			unsigned best = prev[j - 1] + (a[i - 1] != b[j - 1]);

			best = MIN(best, prev[j] + 1);
			best = MIN(best, cur[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, prev2[j - 2] + 1);
			cur[j] = best;
		}
	}
	return row[an % 3][bn];
}

const char *field_suggest(const char *text, size_t n)
{
	unsigned best_d = (unsigned)(n / 4) + 1;
	const char *best = NULL;

	for (int i = 0; i < _FIELD_ID_MAX; i++) {
		const struct field_info *f = &field_table[i];
		unsigned d;

		if (f->flags & (FF_HIDDEN | FF_DEPRECATED))
			continue;
		d = distance(text, n, f->name, strlen(f->name), best_d);
		if (d < best_d || (d == best_d && !best)) {
			best_d = d;
			best = f->name;
		}
	}
	return best;
}
