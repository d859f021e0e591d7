/* SPDX-License-Identifier: Apache-2.0 */
/* The replay source: a capture file as a stream of records, as fast as they are taken. Nothing but
 * the file is read. */

#include <driver/source.h>

#include <errno.h>
#include <stdlib.h>

#include <base/macros.h>
#include <driver/scap.h>

struct replay_source {
	struct drv_source base;
	struct scap_reader *reader; /* owned */
	uint64_t n_records;         /* handed over, state included */
};

static struct replay_source *of(struct drv_source *s)
{
	return container_of(s, struct replay_source, base);
}

static int replay_next(struct drv_source *base, struct drv_record *ret_rec)
{
	struct replay_source *s = of(base);
	struct scap_record rec;
	int r;

	r = scap_reader_next(s->reader, &rec);
	if (r <= 0)
		return r == 0 ? -ENODATA : r == -EAGAIN ? 0 : r;
	s->n_records++;
	*ret_rec = (struct drv_record){
		.p = rec.p, .len = rec.len, .epoch_ns = rec.epoch_ns, .is_state = rec.is_state};
	return 1;
}

static void replay_commit(struct drv_source *base)
{
	(void)base; /* nothing is held for anybody */
}

/* How many records have been handed over: a restarted collector takes and drops as many. */
static unsigned replay_positions(struct drv_source *base, uint64_t *ret_pos, unsigned cap)
{
	if (cap == 0)
		return 0;
	ret_pos[0] = of(base)->n_records;
	return 1;
}

static int replay_wait_fd(struct drv_source *base)
{
	(void)base;
	return -1;
}

static bool replay_arm(struct drv_source *base)
{
	(void)base;
	return true;
}

static void replay_disarm(struct drv_source *base)
{
	(void)base;
}

static const char *replay_error(struct drv_source *base)
{
	return scap_reader_error(of(base)->reader);
}

static void replay_close(struct drv_source *base)
{
	struct replay_source *s = of(base);

	scap_reader_free(s->reader);
	free(s);
}

static const struct drv_source_ops replay_ops = {
	.name = "replay",
	.next = replay_next,
	.commit = replay_commit,
	.positions = replay_positions,
	.wait_fd = replay_wait_fd,
	.arm = replay_arm,
	.disarm = replay_disarm,
	.error = replay_error,
	.close = replay_close,
};

int drv_replay_open(int fd, struct drv_source **ret_source)
{
	struct replay_source *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = scap_reader_open(fd, &s->reader);
	if (r < 0) {
		free(s);
		return r;
	}
	s->base.ops = &replay_ops;
	*ret_source = &s->base;
	return 0;
}
