/* SPDX-License-Identifier: Apache-2.0 */
/* Records in general: names of their types, texts inside them, the check of the small ones, and the
 * writer that appends texts. Checks read a private copy that came from another process and is
 * hostile until they pass; the writer's input is the caller's own. */

#include <shm/prec.h>
#include <shm/rec.h>

#include <errno.h>
#include <string.h>

#include <base/macros.h>

static const struct {
	uint16_t type;
	uint16_t size; /* exact size; 0: variable, checked by its own door */
	const char *name;
} rec_types[] = {
	{REC_KEV, 0, "KEV"},
	{REC_STATE, 0, "STATE"},
	{REC_SNAP_BEGIN, sizeof(struct rec_snap), "SNAP_BEGIN"},
	{REC_SNAP_END, sizeof(struct rec_snap), "SNAP_END"},
	{REC_LOSS, sizeof(struct rec_loss), "LOSS"},
	{REC_MARK, sizeof(struct rec_mark), "MARK"},
	{REC_END, sizeof(struct rec_head), "END"},
	{REC_PROC, 0, "PROC"},
	{REC_FORGET, sizeof(struct rec_forget), "FORGET"},
	{REC_EVENT, 0, "EVENT"},
	{REC_CONTAINER, 0, "CONTAINER"},
	{REC_GATE_ASK, 0, "GATE_ASK"},
	{REC_GATE_ANSWER, 0, "GATE_ANSWER"},
	{REC_LOOKUP, 0, "LOOKUP"},
	{REC_ALERT, 0, "ALERT"},
};

const char *rec_type_str(unsigned type)
{
	for (size_t i = 0; i < ARRAY_LEN(rec_types); i++) {
		if (rec_types[i].type == type)
			return rec_types[i].name;
	}
	return NULL;
}

int rec_validate_fixed(const struct rec_head *rec)
{
	for (size_t i = 0; i < ARRAY_LEN(rec_types); i++) {
		if (rec_types[i].type == rec->ring.type && rec_types[i].size != 0)
			return rec->ring.len == rec_types[i].size ? 0 : -EBADMSG;
	}
	return -EBADMSG;
}

int rec_str_check(const void *rec, size_t from, size_t len, struct rec_str s)
{
	if (s.off == 0)
		return s.n == 0 ? 0 : -EBADMSG;
	if (s.off < from || s.off >= len || s.n >= len - s.off)
		return -EBADMSG;
	return ((const char *)rec)[s.off + s.n] == 0 ? 0 : -EBADMSG;
}

struct rec_str rec_add_text(struct rec_writer *w, struct span s)
{
	struct rec_str text;

	if (!s.p || w->failed)
		return (struct rec_str){0};
	if (w->n > w->cap || s.n >= w->cap - w->n || w->n > UINT32_MAX) {
		w->failed = 1;
		return (struct rec_str){0};
	}
	text = (struct rec_str){.off = (uint32_t)w->n, .n = (uint32_t)s.n};
	if (s.n > 0)
		memcpy(w->buf + w->n, s.p, s.n);
	w->buf[w->n + s.n] = 0;
	w->n += s.n + 1;
	return text;
}

int rec_finish(struct rec_writer *w)
{
	size_t n = ALIGN_UP(w->n, 8);

	if (w->failed || n > w->cap || n > SPSC_RECORD_MAX)
		return -EMSGSIZE;
	while (w->n < n)
		w->buf[w->n++] = 0;
	((struct spsc_rec *)w->buf)->len = (uint32_t)n;
	return (int)n;
}
