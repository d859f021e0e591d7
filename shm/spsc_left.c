/* SPDX-License-Identifier: Apache-2.0 */
/* What a ring at fault leaves behind for the one that takes its place. At least one of its sides
 * broke the protocol, so nothing here is believed further than it is harmless: positions and counts
 * become numbers of the new ring, and no record is looked at. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <base/macros.h>
#include <shm/segment.h>
#include <shm/spsc.h>

#include "spsc_map.h"

#define POS_MAX (UINT64_C(1) << 62) /* no ring gets so far */
#define POS_FIRST 8                 /* 0 would fit marks that nobody has written */

static int read_at(int fd, void *p, size_t n, size_t off)
{
	return pread(fd, p, n, (off_t)(SEG_PAYLOAD_OFF + off)) == (ssize_t)n ? 0 : -EBADMSG;
}

static bool is_pos(uint64_t pos)
{
	return pos % 8 == 0 && pos <= POS_MAX;
}

/* The newest of what the producer wrote before a publish. */
static void read_slot(int data_ro, uint64_t head, struct spsc_left *left)
{
	struct spsc_slot s[SPSC_SLOTS];

	if (read_at(data_ro, s, sizeof(s), SPSC_SLOTS_OFF) < 0)
		return;
	for (unsigned i = 0; i < SPSC_SLOTS; i++) {
		if (s[i].n_cpus == 0 || s[i].n_cpus > SPSC_CPUS_MAX || s[i].next_seq > POS_MAX ||
			s[i].head > head)
			continue;
		if (left->has_slot && (s[i].head < left->slot.head ||
					      (s[i].head == left->slot.head &&
						      s[i].next_seq <= left->slot.next_seq)))
			continue;
		left->slot = s[i];
		left->has_slot = true;
	}
}

int spsc_left_read(int data_ro, int cursor_ro, struct spsc_left *ret_left)
{
	struct spsc_cursor_page cursor;
	struct spsc_data_page page;
	struct spsc_left left = {0};
	struct spsc_shape shape;
	struct seg_head head;
	int r;

	r = seg_check(data_ro, SEG_RING_DATA, &head);
	if (r == 0)
		r = spsc_shape(head.payload_size, &shape);
	if (r == 0)
		r = read_at(data_ro, &page, sizeof(page), 0);
	if (r == 0)
		r = read_at(cursor_ro, &cursor, sizeof(cursor), 0);
	if (r < 0)
		return r;
	left.pos = is_pos(cursor.tail)              ? cursor.tail
		   : page.head && is_pos(page.head) ? page.head
						    : POS_FIRST;
	left.n_taken = MIN(cursor.n_records, (uint64_t)POS_MAX);
	if (page.n_records > cursor.n_records)
		left.n_records = MIN(
			page.n_records - cursor.n_records, shape.size / sizeof(struct spsc_rec));
	if (shape.slots_off)
		read_slot(data_ro, page.head, &left);
	*ret_left = left;
	return 0;
}
