/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing snapshot segments. The writer owns the segment alone. The reader has it sealed,
 * so it cannot change any more, but its content was made by another process: every length is checked
 * by subtraction, and what a record holds is for the caller's own door. */

#include <shm/snap.h>

#include <errno.h>
#include <string.h>

#include <base/macros.h>

int snap_write_begin(struct snap_writer *w, void *payload, size_t size)
{
	if (size < sizeof(struct snap_head))
		return -EMSGSIZE;
	*w = (struct snap_writer){.p = payload, .cap = size, .n = sizeof(struct snap_head)};
	return 0;
}

struct spsc_rec *snap_reserve(struct snap_writer *w, size_t len)
{
	if (ALIGN_UP(len, (size_t)8) > w->cap - w->n) {
		w->flags |= SNAP_F_INCOMPLETE;
		w->whole_from = 0;
		return NULL;
	}
	return (struct spsc_rec *)(w->p + w->n);
}

void snap_written(struct snap_writer *w, const struct spsc_rec *rec)
{
	w->n += ALIGN_UP((size_t)rec->len, (size_t)8);
	w->n_records++;
}

void snap_write(struct snap_writer *w, const struct spsc_rec *rec)
{
	struct spsc_rec *to = snap_reserve(w, rec->len);

	if (!to)
		return;
	memcpy(to, rec, rec->len);
	snap_written(w, to);
}

void snap_write_end(struct snap_writer *w, uint64_t ord)
{
	*(struct snap_head *)w->p = (struct snap_head){.ord = ord,
		.n_records = w->n_records,
		.n_bytes = w->n - sizeof(struct snap_head),
		.whole_from = w->whole_from,
		.flags = w->flags};
}

int snap_read_begin(
	struct snap_reader *r, const void *payload, size_t size, struct snap_head *ret_head)
{
	struct snap_head head;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, payload, sizeof(head));
	if (head.n_bytes > size - sizeof(head) || head.n_bytes % 8 != 0)
		return -EBADMSG;
	*r = (struct snap_reader){.p = (const uint8_t *)payload + sizeof(head),
		.n = head.n_bytes,
		.n_left = head.n_records};
	*ret_head = head;
	return 0;
}

int snap_read(struct snap_reader *r, void *buf)
{
	struct spsc_rec rec;
	size_t n;

	if (r->n_left == 0)
		return r->at == r->n ? 0 : -EBADMSG;
	if (r->n - r->at < sizeof(rec))
		return -EBADMSG;
	memcpy(&rec, r->p + r->at, sizeof(rec));
	n = ALIGN_UP((size_t)rec.len, (size_t)8);
	if (rec.len < sizeof(struct rec_head) || n > SPSC_RECORD_MAX || n > r->n - r->at)
		return -EBADMSG;
	memcpy(buf, r->p + r->at, n);
	memcpy(buf, &rec, sizeof(rec));
	r->at += n;
	r->n_left--;
	return 1;
}
