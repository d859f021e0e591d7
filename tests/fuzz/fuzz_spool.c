/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign bytes in a spool folder: a mark, then a segment. Whatever the checks let through can be
 * walked without reading outside of it. Sums are made right first, for they are no defence against
 * who writes the bytes: the input is patched so that header and records pass them. */

#include <stdlib.h>
#include <string.h>

#include <base/crc32c.h>
#include <base/macros.h>
#include <shm/spool.h>

#include "fuzz_rules.h"

static volatile uint64_t sink; /* what is read is used */

static void walk_alert(const struct alert *a)
{
	const struct rec_str texts[] = {a->rule_name, a->source, a->host, a->message};

	for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
		struct span s = rec_text(a, texts[i]);

		for (size_t k = 0; k < s.n; k++)
			sink += (uint8_t)s.p[k];
	}
	for (unsigned i = 0; i < a->n_fields; i++) {
		struct span s = rec_text(a, alert_fields(a)[i].str);

		sink += rec_text(a, alert_fields(a)[i].key).n;
		for (size_t k = 0; k < s.n; k++)
			sink += (uint8_t)s.p[k];
	}
	for (unsigned i = 0; i < a->n_tags; i++)
		sink += rec_text(a, alert_tags(a)[i]).n;
}

static void walk_segment(uint8_t *p, size_t n, uint32_t seed, bool fix_sums)
{
	for (size_t at = 0; at + sizeof(struct spool_rec) <= n;) {
		struct spool_rec *r = (struct spool_rec *)(p + at);
		const struct spool_rec *rec;
		size_t len = 8;

		if (fix_sums && r->len % 8 == 0 && r->len <= SPSC_RECORD_MAX &&
			r->len <= n - at - sizeof(*r) && r->len)
			spool_recs_seal(r, sizeof(*r) + r->len, seed);
		if (spool_rec_check(p + at, n - at, seed, &rec, &len) == 1)
			walk_alert(spool_rec_alert(rec));
		else
			len = 8;
		at += len;
	}
}

static void walk_mark(uint8_t *p)
{
	struct spool_state s;

	for (unsigned i = 0; i < 2; i++) {
		struct spool_mark *m = (struct spool_mark *)(p + (size_t)i * SPOOL_MARK_SLOT);

		spool_mark_make(m, &m->state);
	}
	if (spool_mark_find(p, &s) < 0)
		return;
	for (unsigned i = 0; i < SPOOL_STREAMS; i++) {
		uint64_t all = s.stream[i].next - s.stream[i].settled;

		if (spool_count(&s, i, s.stream[i].settled) > all)
			abort(); /* more than there are */
		sink += spool_is_dropped(&s, i, s.stream[i].settled);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static _Alignas(8) uint8_t mark[SPOOL_MARK_SIZE];
	struct spool_head *h;
	uint8_t *p;
	char name[SPOOL_NAME_LEN + 2];
	uint64_t serial;
	unsigned group;

	if (n < sizeof(*h))
		return 0;
	memset(mark, 0, sizeof(mark));
	memcpy(mark, data, MIN(n, sizeof(mark)));
	walk_mark(mark);
	memcpy(name, data, sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	sink += spool_name_parse(name, &serial, &group);
	p = malloc(n); /* exactly as long, so that a read beyond it is seen */
	if (!p)
		return 0;
	memcpy(p, data, n);
	h = (struct spool_head *)p;
	sink += spool_head_check(h) == 0;
	walk_segment(p + sizeof(*h), (n - sizeof(*h)) & ~(size_t)7, h->crc, false);
	walk_segment(p + sizeof(*h), (n - sizeof(*h)) & ~(size_t)7, h->crc, true);
	free(p);
	return 0;
}
