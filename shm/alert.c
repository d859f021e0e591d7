/* SPDX-License-Identifier: Apache-2.0 */
/* Alert records: the door at the emitter, the id, and the builder at the evaluator.
 * The door reads a private copy from an evaluator's ring, hostile until it passes. Besides bounds
 * it limits the sum of all texts to the record's length, so that overlapping texts cannot blow a
 * small record up to a large message. */

#include <shm/alert.h>

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>

#define ALERT_FLAGS (ALERT_DOUBTFUL | ALERT_INTERNAL | ALERT_TEST)

static const char *const priorities[] = {
	"Emergency", "Alert", "Critical", "Error", "Warning", "Notice", "Informational", "Debug"};

const char *alert_priority_str(unsigned priority)
{
	return priority < ARRAY_LEN(priorities) ? priorities[priority] : "unknown";
}

/* By bytes, the shorter first: what the tables are sorted by. */
static int text_cmp(const void *rec, struct rec_str a, struct rec_str b)
{
	size_t n = MIN(a.n, b.n);
	int r = n > 0 ? memcmp((const char *)rec + a.off, (const char *)rec + b.off, n) : 0;

	return r != 0 ? r : (a.n > b.n) - (a.n < b.n);
}

/* Checks a text and takes its bytes from the budget. */
static int text_check(const struct alert *a, struct rec_str s, uint32_t *budget)
{
	if (rec_str_check(a, sizeof(*a), a->h.ring.len, s) < 0)
		return -EBADMSG;
	if (s.n > *budget)
		return -EBADMSG;
	*budget -= s.n;
	return 0;
}

static int table_check(const struct alert *a, uint32_t off, size_t n, size_t size)
{
	uint32_t len = a->h.ring.len;

	if (n == 0)
		return 0;
	if (off % 8 != 0 || off < sizeof(*a) || off > len || n > (len - off) / size)
		return -EBADMSG;
	return 0;
}

static int field_check(const struct alert *a, const struct alert_field *f, uint32_t *budget)
{
	uint32_t n;

	if (f->key.n == 0 || f->type >= _ALERT_TYPE_MAX)
		return -EBADMSG;
	if (text_check(a, f->key, budget) < 0 || text_check(a, f->str, budget) < 0)
		return -EBADMSG;
	if (f->type == ALERT_STR && f->str.off == 0)
		return -EBADMSG;
	if (f->type == ALERT_BOOL && f->num > 1)
		return -EBADMSG;
	if (f->type == ALERT_LIST && (rec_strings_check(a, f->str, &n) < 0 || n != f->num))
		return -EBADMSG;
	return 0;
}

static int fields_check(const struct alert *a, uint32_t *budget)
{
	const struct alert_field *f = alert_fields(a);

	if (a->n_fields > ALERT_FIELDS_MAX ||
		table_check(a, a->fields_off, a->n_fields, sizeof(*f)) < 0)
		return -EBADMSG;
	for (unsigned i = 0; i < a->n_fields; i++) {
		if (field_check(a, &f[i], budget) < 0)
			return -EBADMSG;
		if (i > 0 && text_cmp(a, f[i - 1].key, f[i].key) >= 0)
			return -EBADMSG;
	}
	return 0;
}

static int tags_check(const struct alert *a, uint32_t *budget)
{
	const struct rec_str *t = alert_tags(a);

	if (a->n_tags > ALERT_TAGS_MAX || table_check(a, a->tags_off, a->n_tags, sizeof(*t)) < 0)
		return -EBADMSG;
	for (unsigned i = 0; i < a->n_tags; i++) {
		if (t[i].off == 0 || text_check(a, t[i], budget) < 0)
			return -EBADMSG;
		if (i > 0 && text_cmp(a, t[i - 1], t[i]) >= 0)
			return -EBADMSG;
	}
	return 0;
}

int alert_validate(const struct rec_head *rec)
{
	const struct alert *a = (const struct alert *)rec;
	uint32_t len = rec->ring.len, budget = len;

	if (rec->ring.type != REC_ALERT || len < sizeof(*a) || len > SPSC_RECORD_MAX ||
		len % 8 != 0)
		return -EBADMSG;
	if (a->priority >= ARRAY_LEN(priorities) || (a->flags & ~(uint32_t)ALERT_FLAGS) != 0)
		return -EBADMSG;
	if (a->rule_name.n == 0 || text_check(a, a->rule_name, &budget) < 0)
		return -EBADMSG;
	if (text_check(a, a->source, &budget) < 0 || text_check(a, a->host, &budget) < 0 ||
		text_check(a, a->message, &budget) < 0)
		return -EBADMSG;
	if (fields_check(a, &budget) < 0 || tags_check(a, &budget) < 0)
		return -EBADMSG;
	return 0;
}

void alert_id_make(
	const uint8_t run_id[16], uint64_t seq, struct span rule_name, uint8_t ret_id[16])
{
	struct {
		uint8_t run_id[16];
		uint64_t seq;
		uint64_t rule;
	} in = {.seq = seq, .rule = hash_bytes(rule_name.p, rule_name.n, 0)};
	uint64_t half[2];

	memcpy(in.run_id, run_id, sizeof(in.run_id));
	half[0] = hash_bytes(&in, sizeof(in), 0);
	in.rule = hash_bytes(rule_name.p, rule_name.n, 1);
	half[1] = hash_bytes(&in, sizeof(in), 1);
	memcpy(ret_id, half, sizeof(half));
	ret_id[6] = (uint8_t)(0x80 | (ret_id[6] & 0x0f)); /* RFC 9562 section 5.8: version 8, */
	ret_id[8] = (uint8_t)(0x80 | (ret_id[8] & 0x3f)); /* variant 10 */
}

void alert_begin(struct alert_builder *b, void *buf, size_t cap)
{
	assert((uintptr_t)buf % 8 == 0 && cap >= sizeof(struct alert));
	b->w = (struct rec_writer){.buf = buf, .cap = cap, .n = sizeof(struct alert)};
	b->n_fields = 0;
	b->n_tags = 0;
	*alert_head(b) = (struct alert){.h.ring.type = REC_ALERT};
}

struct alert *alert_head(struct alert_builder *b)
{
	return (struct alert *)b->w.buf;
}

struct rec_str alert_add_text(struct alert_builder *b, struct span s)
{
	return rec_add_text(&b->w, s);
}

/* An empty text is a value: NULL with length 0 means "" where a text must be. */
static struct span never_null(struct span s)
{
	return s.p ? s : SPAN_LIT("");
}

void alert_add_tag(struct alert_builder *b, struct span tag)
{
	struct rec_str s = rec_add_text(&b->w, never_null(tag));
	unsigned i;

	if (b->n_tags == ALERT_TAGS_MAX)
		b->w.failed = 1;
	if (b->w.failed)
		return;
	/* Insertion keeps the table sorted without qsort(), which may allocate; a tag that is there
	 * already adds nothing. */
	for (i = b->n_tags; i > 0; i--) {
		int r = text_cmp(b->w.buf, b->tags[i - 1], s);

		if (r == 0)
			return;
		if (r < 0)
			break;
	}
	memmove(&b->tags[i + 1], &b->tags[i], (b->n_tags - i) * sizeof(s));
	b->tags[i] = s;
	b->n_tags++;
}

void alert_add_field(struct alert_builder *b, struct span key, enum alert_value_type type,
	uint64_t num, struct span str)
{
	struct alert_field f = {.type = type, .num = num};
	unsigned i = 0;

	assert(key.n > 0);
	f.key = rec_add_text(&b->w, key);
	f.str = rec_add_text(&b->w, type == ALERT_STR ? never_null(str) : str);
	if (b->n_fields == ALERT_FIELDS_MAX)
		b->w.failed = 1;
	if (b->w.failed)
		return;
	for (unsigned hi = b->n_fields; i < hi;) {
		unsigned mid = i + (hi - i) / 2;
		int r = text_cmp(b->w.buf, b->fields[mid].key, f.key);

		if (r == 0)
			return; /* the same field twice: one value */
		if (r < 0)
			i = mid + 1;
		else
			hi = mid;
	}
	memmove(&b->fields[i + 1], &b->fields[i], (b->n_fields - i) * sizeof(f));
	b->fields[i] = f;
	b->n_fields++;
}

/* Copies a table to the next multiple of 8. */
static uint32_t put_table(struct rec_writer *w, const void *table, size_t n)
{
	size_t at = ALIGN_UP(w->n, 8);

	if (w->failed || at > w->cap || n > w->cap - at) {
		w->failed = 1;
		return 0;
	}
	memset(w->buf + w->n, 0, at - w->n);
	memcpy(w->buf + at, table, n);
	w->n = at + n;
	return (uint32_t)at;
}

int alert_finish(struct alert_builder *b)
{
	struct alert *a = alert_head(b);

	a->n_fields = (uint16_t)b->n_fields;
	a->n_tags = (uint16_t)b->n_tags;
	a->fields_off = put_table(&b->w, b->fields, b->n_fields * sizeof(b->fields[0]));
	a->tags_off = put_table(&b->w, b->tags, b->n_tags * sizeof(b->tags[0]));
	return rec_finish(&b->w);
}
