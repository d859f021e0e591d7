/* SPDX-License-Identifier: Apache-2.0 */
/* The door of container records: one check at the evaluator, then only accessors. Input: a private copy from the tracker's ring; hostile until it passes. */

#include <shm/crec.h>

#include <errno.h>

int crec_validate(const struct rec_head *rec)
{
	const struct crec *c = (const struct crec *)rec;
	uint32_t n, len = rec->ring.len;

	if (rec->ring.type != REC_CONTAINER || len < sizeof(*c) || len > SPSC_RECORD_MAX ||
		len % 8 != 0)
		return -EBADMSG;
	if (c->slot >= CREC_SLOTS_MAX || (c->flags & ~(uint32_t)CREC_FLAGS) != 0)
		return -EBADMSG;
	if (c->id.n == 0 || rec_str_check(c, sizeof(*c), len, c->id) < 0)
		return -EBADMSG;
	for (unsigned i = 0; i < _CREC_TEXT_MAX; i++) {
		unsigned parts = crec_parts(i);

		if (rec_str_check(c, sizeof(*c), len, c->text[i]) < 0)
			return -EBADMSG;
		if (parts && (rec_strings_check(c, c->text[i], &n) < 0 || n % parts != 0))
			return -EBADMSG;
	}
	return 0;
}
