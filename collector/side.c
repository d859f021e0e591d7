/* SPDX-License-Identifier: Apache-2.0 */
/* Reading fresh iterators into a snapshot segment (docs/protocol.md, tracker restart). Input: as in
 * snapshot.c, through the same door: kev_parse() on a copy that only this process can write (the
 * segment is sealed when we have let go of it). A snapshot without room or with a broken iterator
 * is incomplete and says so. */

#include "side.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <driver/kev.h>
#include <shm/segment.h>

#define BATCH 256

void col_side_init(struct col_side *s)
{
	for (unsigned i = 0; i < COL_SIDE_ITERS; i++)
		s->fds[i] = -1;
}

int col_side_iter(struct col_side *s, unsigned index, int fd)
{
	if (index >= COL_SIDE_ITERS || s->is_active) {
		(void)fd_close(fd);
		return -EINVAL;
	}
	(void)fd_close(s->fds[index]);
	s->fds[index] = fd;
	return 0;
}

void col_side_take_iters(struct col_side *s, int ret_fds[COL_SIDE_ITERS])
{
	for (unsigned i = 0; i < COL_SIDE_ITERS; i++)
		ret_fds[i] = TAKE_FD(s->fds[i]);
}

static bool is_good(const struct rec_head *rec, int kind)
{
	const char *why;
	struct kev k;

	return kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why) == 0 &&
	       k.info->kind == kind;
}

static void put(struct col_side *s, const void *p, size_t len, uint64_t ts_ns, int kind)
{
	struct spsc_rec *to =
		len <= KEV_SIZE_MAX ? snap_reserve(&s->w, sizeof(struct rec_head) + len) : NULL;
	struct rec_head *rec;

	if (!to)
		return;
	rec = container_of(to, struct rec_head, ring);
	*rec = (struct rec_head){
		.ring = {.len = (uint32_t)(sizeof(*rec) + len), .type = REC_STATE}, .ts_ns = ts_ns};
	memcpy(rec + 1, p, len);
	if (is_good(rec, kind))
		snap_written(&s->w, to);
	else
		s->n_malformed++;
}

/* The clock explains every other time. */
static void put_clock(struct col_side *s)
{
	uint64_t buf[32];
	struct kev_builder b;
	int len;

	kev_build_start(&b, buf, sizeof(buf), KEV_CODE_SAKER_CLOCK, 0);
	kev_build_head(&b)->ts_ns = clock_boot_ns();
	kev_build_int(&b, (int64_t)s->boot_to_epoch_ns);
	kev_build_int(&b, (int64_t)s->boot_to_epoch_ns);
	len = kev_build_finish(&b);
	assert(len > 0);
	put(s, buf, (size_t)len, clock_epoch_ns(), KEV_KIND_META);
}

static void next_iter(struct col_side *s)
{
	s->fds[s->at] = fd_close(s->fds[s->at]);
	s->at++;
	if (s->at < COL_SIDE_ITERS)
		s->iter = (struct drv_iter){
			.buf = s->buf, .cap = sizeof(s->buf), .fd = s->fds[s->at]};
}

int col_side_begin(struct col_side *s, int fd)
{
	_cleanup_close_ int own = fd;
	int r;

	if (s->is_active)
		return -EBUSY;
	r = seg_map_open(own, SEG_SNAPSHOT, &s->payload, &s->size);
	if (r == 0)
		r = snap_write_begin(&s->w, s->payload, s->size);
	if (r < 0)
		return r;
	s->is_active = true;
	s->n_malformed = 0;
	s->boot_to_epoch_ns = clock_epoch_ns() - clock_boot_ns();
	s->at = 0;
	s->iter = (struct drv_iter){.buf = s->buf, .cap = sizeof(s->buf), .fd = s->fds[0]};
	put_clock(s);
	return 0;
}

static void end(struct col_side *s)
{
	if (s->n_malformed > 0)
		log_warning("%llu malformed records from iterators, passed over",
			(unsigned long long)s->n_malformed);
	snap_write_end(&s->w, 0);
	seg_unmap(s->payload, s->size);
	s->payload = NULL;
	s->is_active = false;
}

int col_side_fill(struct col_side *s)
{
	for (unsigned n = 0; n < BATCH;) {
		const void *p;
		size_t len;
		int r;

		if (s->at == COL_SIDE_ITERS) {
			end(s);
			return 0;
		}
		r = s->iter.fd < 0 ? 0 : drv_iter_next(&s->iter, &p, &len);
		if (r < 0) {
			log_warning_errno(
				r, "read the state of the system, going on without the rest");
			s->w.flags |= SNAP_F_INCOMPLETE;
		}
		if (r <= 0) {
			next_iter(s);
			continue;
		}
		put(s, p, len,
			s->boot_to_epoch_ns + (len >= sizeof(struct kev_head)
							      ? ((const struct kev_head *)p)->ts_ns
							      : 0),
			KEV_KIND_ITER);
		n++;
	}
	return 1;
}
