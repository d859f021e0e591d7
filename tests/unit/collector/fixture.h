/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A raw ring with both ends, and a source made of a list. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/macros.h>
#include <driver/source.h>

#include "out.h"

static const uint8_t fx_run_id[16] = {1};

struct fx {
	struct spsc_fds fds;
	struct stats_page stats;
	struct col_out out;
	struct spsc_consumer in;
};

static inline struct fx *fx_new(size_t ring_size)
{
	struct fx *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(spsc_create("raw", ring_size, true, fx_run_id, &f->fds), 0);
	assert_int_equal(
		spsc_producer_attach(&f->out.ring, f->fds.data_rw, f->fds.cursor_ro, -1), 0);
	assert_int_equal(spsc_consumer_attach(&f->in, f->fds.data_ro, f->fds.cursor_rw), 0);
	f->out.stats = &f->stats;
	return f;
}

static inline void fx_free(struct fx *f)
{
	spsc_producer_done(&f->out.ring);
	spsc_consumer_done(&f->in);
	spsc_fds_close(&f->fds);
	free(f);
}

/* The process dies and another one attaches. */
static inline void fx_restart(struct fx *f)
{
	spsc_producer_done(&f->out.ring);
	f->out = (struct col_out){.stats = &f->stats};
	assert_int_equal(
		spsc_producer_attach(&f->out.ring, f->fds.data_rw, f->fds.cursor_ro, -1), 0);
}

/* The next record, NULL if there is none. */
static inline const struct rec_head *fx_next(struct fx *f)
{
	const struct spsc_rec *rec = NULL;
	int r = spsc_next(&f->in, &rec);

	assert_true(r >= 0);
	return r == 1 ? container_of(rec, const struct rec_head, ring) : NULL;
}

/* A source that hands over chdir events (or state) with a serial number as their result. */
struct fx_source {
	struct drv_source base;
	uint64_t at, n;   /* next and last serial */
	uint64_t n_state; /* the first so many are state */
	uint64_t bad_at;  /* this one is malformed; UINT64_MAX none */
	uint64_t step_ns;
	size_t text_n;      /* length of the path */
	bool ends;          /* -ENODATA behind the last, else 0 */
	uint64_t committed; /* serial up to which commit() was called */
	uint64_t buf[KEV_SIZE_MAX / 8];
};

static inline int fx_source_next(struct drv_source *base, struct drv_record *rec)
{
	struct fx_source *s = container_of(base, struct fx_source, base);
	static char text[8192];
	struct kev_builder b;

	if (s->at == s->n)
		return s->ends ? -ENODATA : 0;
	memset(text, 'x', sizeof(text));
	kev_build_start(&b, s->buf, sizeof(s->buf), KEV_CODE_SYSCALL_CHDIR_X, 0);
	kev_build_head(&b)->cls = KEV_CLASS_STATE;
	kev_build_int(&b, (int64_t)s->at);
	kev_build_text(&b, (struct span){.p = text, .n = s->text_n});
	int len = kev_build_finish(&b);
	assert_true(len > 0);
	if (s->at == s->bad_at)
		kev_build_head(&b)->type = 0;
	*rec = (struct drv_record){.p = s->buf,
		.len = (size_t)len,
		.epoch_ns = 1000000 + s->at * s->step_ns,
		.is_state = s->at < s->n_state};
	s->at++;
	return 1;
}

static inline void fx_source_commit(struct drv_source *base)
{
	struct fx_source *s = container_of(base, struct fx_source, base);

	s->committed = s->at;
}

static inline unsigned fx_source_positions(struct drv_source *base, uint64_t *pos, unsigned cap)
{
	assert_true(cap >= 2);
	pos[0] = container_of(base, struct fx_source, base)->at;
	pos[1] = 7;
	return 2;
}

static const struct drv_source_ops fx_source_ops = {
	.name = "list",
	.next = fx_source_next,
	.commit = fx_source_commit,
	.positions = fx_source_positions,
};

static inline struct fx_source *fx_source_new(uint64_t n)
{
	struct fx_source *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->base.ops = &fx_source_ops;
	s->n = n;
	s->bad_at = UINT64_MAX;
	s->step_ns = 10;
	s->text_n = 4;
	return s;
}

/* The serial number in a record of such a source. */
static inline int64_t fx_serial(const struct rec_head *rec)
{
	struct kev k;
	const char *why = "";

	if (kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why) < 0)
		fail_msg("record in the ring: %s", why);
	return kev_param_i64(&k, 0);
}
