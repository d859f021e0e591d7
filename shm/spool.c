/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's layout, see shm/spool.h. Everything that is read is checked here, once, at the door;
 * lengths by subtraction. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/crc32c.h>
#include <base/macros.h>
#include <shm/spool.h>

#define HEAD_MAGIC 0x67657372656b6173ULL
#define MARK_MAGIC 0x6b72616d6b61730aULL

unsigned spool_group(unsigned priority)
{
	return priority <= 2 ? 0 : priority <= 4 ? 1 : 2;
}

void spool_head_make(struct spool_head *h, unsigned group, uint64_t serial, uint64_t first_place,
	uint64_t first_n, uint64_t size, uint64_t made_ns)
{
	*h = (struct spool_head){
		.magic = HEAD_MAGIC,
		.version = SPOOL_VERSION,
		.group = group,
		.serial = serial,
		.first_place = first_place,
		.first_n = first_n,
		.size = size,
		.made_ns = made_ns,
		.alert_size = sizeof(struct alert),
	};
	h->crc = crc32c(0, h, offsetof(struct spool_head, crc));
}

int spool_head_check(const struct spool_head *h)
{
	if (h->magic != HEAD_MAGIC || h->crc != crc32c(0, h, offsetof(struct spool_head, crc)))
		return -EBADMSG;
	if (h->version != SPOOL_VERSION || h->alert_size != sizeof(struct alert) ||
		h->group >= SPOOL_STREAMS || h->size > SPOOL_SEGMENT_MAX)
		return -EBADMSG;
	return 0;
}

static uint32_t rec_crc(const struct spool_rec *r, uint32_t seed)
{
	uint32_t crc = crc32c(seed, &r->len, sizeof(r->len));

	return crc32c(crc, &r->n, sizeof(*r) - offsetof(struct spool_rec, n) + r->len);
}

size_t spool_rec_put(void *buf, uint64_t n, uint64_t place, const struct alert *a)
{
	struct spool_rec *r = buf;
	uint32_t len = ALIGN_UP(a->h.ring.len, 8U);

	*r = (struct spool_rec){.len = len, .n = n, .place = place};
	memcpy(r + 1, a, a->h.ring.len);
	memset((uint8_t *)(r + 1) + a->h.ring.len, 0, len - a->h.ring.len);
	return sizeof(*r) + len;
}

void spool_recs_seal(void *buf, size_t n_buf, uint32_t seed)
{
	uint8_t *p = buf;

	while (n_buf) {
		struct spool_rec *r = (struct spool_rec *)p;
		size_t len = sizeof(*r) + r->len;

		assert(len <= n_buf);
		r->crc = rec_crc(r, seed);
		p += len;
		n_buf -= len;
	}
}

static bool is_zero(const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		if (b[i])
			return false;
	return true;
}

int spool_rec_check(const void *buf, size_t n_buf, uint32_t seed, const struct spool_rec **ret_rec,
	size_t *ret_len)
{
	const struct spool_rec *r = buf;
	const struct alert *a = spool_rec_alert(r);

	if (n_buf < sizeof(*r))
		return -EAGAIN;
	if (is_zero(r, sizeof(*r)))
		return 0;
	if (r->len % 8 || r->len < sizeof(struct alert) || r->len > SPSC_RECORD_MAX)
		return -EBADMSG;
	if (n_buf - sizeof(*r) < r->len)
		return -EAGAIN;
	if (r->crc != rec_crc(r, seed))
		return -EBADMSG;
	if (a->h.ring.type != REC_ALERT || ALIGN_UP((uint64_t)a->h.ring.len, 8) != r->len ||
		alert_validate(&a->h) < 0)
		return -EBADMSG;
	*ret_rec = r;
	*ret_len = sizeof(*r) + r->len;
	return 1;
}

void spool_name_make(char *buf, uint64_t serial, unsigned group)
{
	(void)snprintf(
		buf, SPOOL_NAME_LEN + 1, "%016llx-%u.seg", (unsigned long long)serial, group % 10);
}

bool spool_name_parse(const char *name, uint64_t *ret_serial, unsigned *ret_group)
{
	uint64_t serial = 0;

	if (strnlen(name, SPOOL_NAME_LEN + 1) != SPOOL_NAME_LEN)
		return false;
	for (unsigned i = 0; i < 16; i++) {
		char c = name[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		serial = serial << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	if (name[16] != '-' || name[17] < '0' || name[17] >= '0' + SPOOL_STREAMS ||
		strcmp(name + 18, ".seg") != 0)
		return false;
	*ret_serial = serial;
	*ret_group = (unsigned)(name[17] - '0');
	return true;
}

void spool_mark_make(struct spool_mark *m, const struct spool_state *s)
{
	*m = (struct spool_mark){.magic = MARK_MAGIC, .version = SPOOL_VERSION, .state = *s};
	m->crc = crc32c(0, &m->state, sizeof(m->state));
}

int spool_state_check(const struct spool_state *s)
{
	if (s->gen == 0)
		return -EBADMSG;
	for (unsigned i = 0; i < SPOOL_STREAMS; i++) {
		uint64_t at = s->stream[i].settled;

		if (at > s->stream[i].next || s->stream[i].n_ranges > SPOOL_RANGES_MAX)
			return -EBADMSG;
		for (uint64_t k = 0; k < s->stream[i].n_ranges; k++) {
			const struct spool_range *r = &s->stream[i].dropped[k];

			if (r->lo < at || r->hi <= r->lo || r->hi > s->stream[i].next)
				return -EBADMSG;
			at = r->hi;
		}
	}
	return 0;
}

int spool_mark_check(const struct spool_mark *m)
{
	if (m->magic != MARK_MAGIC || m->version != SPOOL_VERSION ||
		m->crc != crc32c(0, &m->state, sizeof(m->state)))
		return -EBADMSG;
	return spool_state_check(&m->state);
}

int spool_mark_find(const void *buf, struct spool_state *ret_state)
{
	const struct spool_state *best = NULL;

	for (unsigned i = 0; i < 2; i++) {
		const struct spool_mark *m =
			(const void *)((const uint8_t *)buf + (size_t)i * SPOOL_MARK_SLOT);

		if (spool_mark_check(m) == 0 && (!best || m->state.gen > best->gen))
			best = &m->state;
	}
	if (!best)
		return -ENOENT;
	*ret_state = *best;
	return 0;
}

bool spool_is_dropped(const struct spool_state *s, unsigned stream, uint64_t place)
{
	for (uint64_t k = 0; k < s->stream[stream].n_ranges; k++) {
		const struct spool_range *r = &s->stream[stream].dropped[k];

		if (place >= r->lo && place < r->hi)
			return true;
	}
	return false;
}

uint64_t spool_count(const struct spool_state *s, unsigned stream, uint64_t from)
{
	uint64_t n = s->stream[stream].next - from;

	for (uint64_t k = 0; k < s->stream[stream].n_ranges; k++) {
		const struct spool_range *r = &s->stream[stream].dropped[k];

		if (r->hi > from)
			n -= r->hi - MAX(r->lo, from);
	}
	return n;
}
