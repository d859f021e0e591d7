/* SPDX-License-Identifier: Apache-2.0 */
/* Rings: making them, finding their shape, mapping them.
 *
 * payload of the data segment: control pages (struct spsc_data_page, and the restart slots if the
 * ring has them), then `size` bytes of records. The mapping shows the records twice in a row, so a
 * record that crosses the end is contiguous. The shape is computed from the file's size, which the
 * seals freeze; the peer's page must agree with it and is never asked again. */

#include "spsc_map.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include <base/cleanup.h>
#include <base/macros.h>
#include <shm/segment.h>

#define PAGE 4096U

_Static_assert(sizeof(struct spsc_data_page) <= SPSC_SLOTS_OFF, "slots follow the page's fields");
_Static_assert(SPSC_SLOTS_OFF + SPSC_SLOTS * sizeof(struct spsc_slot) <= SPSC_CTL_SLOTS,
	"room for the slots");
_Static_assert(offsetof(struct spsc_data_page, head) % 64 == 0 &&
		       offsetof(struct spsc_data_page, full) % 64 == 0,
	"own cache lines");
_Static_assert(offsetof(struct spsc_cursor_page, sleeping) % 64 == 0 &&
		       offsetof(struct spsc_cursor_page, n_records) % 64 == 0,
	"own cache lines");

static bool is_ring_size(uint64_t size)
{
	return size >= SPSC_SIZE_MIN && (size & (size - 1)) == 0;
}

int spsc_shape(uint64_t payload_size, struct spsc_shape *ret_shape)
{
	static const uint32_t ctl[] = {SPSC_CTL_PLAIN, SPSC_CTL_SLOTS};

	for (size_t i = 0; i < ARRAY_LEN(ctl); i++) {
		if (payload_size > ctl[i] && is_ring_size(payload_size - ctl[i])) {
			*ret_shape = (struct spsc_shape){
				.ctl = ctl[i],
				.size = payload_size - ctl[i],
				.slots_off = ctl[i] == SPSC_CTL_SLOTS ? SPSC_SLOTS_OFF : 0,
			};
			return 0;
		}
	}
	return -EBADMSG;
}

bool spsc_shape_fits(const struct spsc_shape *s, const struct spsc_data_page *page)
{
	return atomic_load_relaxed(&page->size) == s->size &&
	       atomic_load_relaxed(&page->slots_off) == s->slots_off;
}

static int page_init(int data_rw, const struct spsc_shape *s, const struct spsc_left *left)
{
	struct spsc_data_page *page;
	struct spsc_slot *slot;
	void *payload;
	size_t n;
	int r;

	r = seg_map(data_rw, SEG_RING_DATA, PROT_READ | PROT_WRITE, &payload, &n);
	if (r < 0)
		return r;
	page = payload;
	page->size = s->size;
	page->slots_off = s->slots_off;
	page->head = left->pos;
	page->n_records = left->n_taken;
	if (s->slots_off && left->has_slot) {
		slot = (struct spsc_slot *)((uint8_t *)payload + s->slots_off);
		slot[0] = left->slot;
		slot[0].head = left->pos;
		slot[1].head = UINT64_MAX;
	}
	seg_unmap(payload, n);
	return 0;
}

static int cursor_init(int cursor_rw, const struct spsc_left *left)
{
	struct spsc_cursor_page *page;
	void *payload;
	size_t n;
	int r;

	r = seg_map(cursor_rw, SEG_RING_CURSOR, PROT_READ | PROT_WRITE, &payload, &n);
	if (r < 0)
		return r;
	page = payload;
	page->tail = left->pos;
	page->n_records = left->n_taken;
	seg_unmap(payload, n);
	return 0;
}

int spsc_create(const char *name, size_t size, bool has_slots, const uint8_t run_id[16],
	struct spsc_fds *ret_fds)
{
	const struct spsc_left nothing = {0};

	return spsc_renew(name, size, has_slots, run_id, &nothing, ret_fds);
}

int spsc_renew(const char *name, size_t size, bool has_slots, const uint8_t run_id[16],
	const struct spsc_left *left, struct spsc_fds *ret_fds)
{
	struct spsc_shape s = {
		.ctl = has_slots ? SPSC_CTL_SLOTS : SPSC_CTL_PLAIN,
		.size = size,
		.slots_off = has_slots ? SPSC_SLOTS_OFF : 0,
	};
	struct spsc_fds f = {-1, -1, -1, -1};
	int r;

	if (!is_ring_size(size) || size > SIZE_MAX / 4)
		return -EINVAL;
	r = seg_create(name, SEG_RING_DATA, s.ctl + size, run_id, &f.data_rw, &f.data_ro);
	if (r == 0)
		r = seg_create(name, SEG_RING_CURSOR, PAGE, run_id, &f.cursor_rw, &f.cursor_ro);
	if (r == 0)
		r = page_init(f.data_rw, &s, left);
	if (r == 0)
		r = cursor_init(f.cursor_rw, left);
	if (r < 0) {
		spsc_fds_close(&f);
		return r;
	}
	*ret_fds = f;
	return 0;
}

void spsc_fds_close(struct spsc_fds *f)
{
	f->data_rw = fd_close(f->data_rw);
	f->data_ro = fd_close(f->data_ro);
	f->cursor_rw = fd_close(f->cursor_rw);
	f->cursor_ro = fd_close(f->cursor_ro);
}

int spsc_map_data(int fd, int prot, struct spsc_map *ret_map)
{
	const off_t off = SEG_PAYLOAD_OFF;
	struct spsc_map m = {0};
	struct seg_head head;
	uint8_t *p;
	int r;

	r = seg_check(fd, SEG_RING_DATA, &head);
	if (r < 0)
		return r;
	r = spsc_shape(head.payload_size, &m.shape);
	if (r < 0)
		return r;
	m.n = m.shape.ctl + 2 * m.shape.size;
	p = mmap(NULL, m.n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	m.map = p;
	m.data = p + m.shape.ctl;
	if (mmap(p, m.shape.ctl + m.shape.size, prot, MAP_SHARED | MAP_FIXED, fd, off) ==
			MAP_FAILED ||
		mmap(m.data + m.shape.size, m.shape.size, prot, MAP_SHARED | MAP_FIXED, fd,
			off + m.shape.ctl) == MAP_FAILED)
		r = -errno;
	else if (!spsc_shape_fits(&m.shape, m.map))
		r = -EBADMSG;
	if (r < 0) {
		(void)munmap(m.map, m.n);
		return r;
	}
	*ret_map = m;
	return 0;
}

int spsc_map_cursor(int fd, int prot, void **ret_map, size_t *ret_n)
{
	void *p;
	size_t n;
	int r;

	r = seg_map(fd, SEG_RING_CURSOR, prot, &p, &n);
	if (r < 0)
		return r;
	if (n != PAGE) {
		seg_unmap(p, n);
		return -EBADMSG;
	}
	*ret_map = p;
	*ret_n = n;
	return 0;
}
