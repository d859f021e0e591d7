/* SPDX-License-Identifier: Apache-2.0 */
/* One raw record in, what follows from it out.
 *
 * The door for everything from the raw ring: each record is checked once, here, before anything
 * looks at it; a bad one is counted and passed over. The collector that writes the ring reads bytes
 * of the kernel, of iterators and of capture files, none of which is trusted. Order and tables are
 * a function of the input alone: no clock, no address, no randomness. */

#include "core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>

#include "snapshot.h"

#define TEXT_BLOCKS_KEPT 8 /* free blocks of the text pool before a record is taken */
#define EVICT_BATCH 32

int st_core_init(struct st_core *core, const struct st_config *cfg)
{
	uint32_t n_threads = MAX(cfg->threads_max, (uint32_t)ST_THREADS_MIN);
	uint32_t n_fds = MAX(cfg->descriptors_max, (uint32_t)ST_FDS_MIN);
	int r;

	*core = (struct st_core){.cfg = *cfg};
	assert(cfg->n_rings > 0);
	r = st_texts_init(&core->texts, (size_t)n_threads * 1536 + (size_t)n_fds * 64 + (2u << 20));
	if (r < 0)
		return r;
	r = st_fds_init(&core->fds, n_fds, n_threads + 16, &core->texts);
	if (r >= 0)
		r = st_threads_init(&core->threads, n_threads, &core->texts, &core->fds);
	if (r >= 0)
		r = st_containers_init(&core->containers);
	core->threads.forget = st_forget_sent;
	core->threads.forget_arg = core;
	core->rec_buf = r >= 0 ? aligned_alloc(8, SPSC_RECORD_MAX) : NULL;
	core->ctx = r >= 0 ? calloc(1, sizeof(*core->ctx)) : NULL;
	if (!core->rec_buf || !core->ctx) {
		st_core_done(core);
		return r < 0 ? r : -ENOMEM;
	}
	return 0;
}

void st_core_done(struct st_core *core)
{
	free(core->rec_buf);
	free(core->ctx);
	core->rec_buf = NULL;
	core->ctx = NULL;
	st_threads_done(&core->threads);
	st_fds_done(&core->fds);
	st_texts_done(&core->texts);
	st_containers_done(&core->containers);
}

uint64_t st_pidns_start(const struct st_ctx *c, unsigned i)
{
	uint64_t v = kev_param_u64(&c->kev, i);

	return c->core->cfg.exact ? v : st_epoch(c->rec, &c->kev, v);
}

uint64_t st_epoch(const struct rec_head *rec, const struct kev *kev, uint64_t v)
{
	/* Twelve years after 1970 or after boot: nothing runs that long, and nobody's clock is that
	 * old. */
	if (!v || v >= 400000000000000000ULL)
		return v;
	return rec->ts_ns > kev->head->ts_ns ? rec->ts_ns - kev->head->ts_ns + v : v;
}

/* Texts may be many and long: make room before a record, when nothing points at them. Names of
 * descriptors go before whole processes: losing them costs less. */
static void keep_text_room(struct st_core *core)
{
	for (unsigned i = 0; core->texts.n_free_blocks < TEXT_BLOCKS_KEPT && i < EVICT_BATCH; i++)
		if (!st_fds_evict(&core->fds, 4) && !st_thread_evict(&core->threads, 16))
			return;
}

static int malformed(struct st_core *core, const struct rec_head *rec)
{
	core->counters.malformed++;
	if (rec->ring.type == REC_KEV) {
		core->counters.events += !core->is_release;
		core->counters.held_here += core->is_release;
		core->counters.lost_malformed++;
	}
	return -EBADMSG;
}

/* Captures name the thread alone; births and executions tell its process too. */
static void complete_head(struct st_core *core, const struct kev *k, struct kev_head *head)
{
	const struct st_thread *t;
	int64_t pid = 0;

	if (head->tgid || !head->tid)
		return;
	t = st_thread_find(&core->threads, head->tid);
	switch (head->type) {
	case KEV_CODE_SYSCALL_CLONE_20_X:
	case KEV_CODE_SYSCALL_FORK_20_X:
	case KEV_CODE_SYSCALL_VFORK_20_X:
	case KEV_CODE_SYSCALL_CLONE3_X:
	case KEV_CODE_SYSCALL_EXECVE_19_X:
	case KEV_CODE_SYSCALL_EXECVEAT_X:
		pid = kev_param_i64(k, 4);
		break;
	default:
		break;
	}
	if (pid > 0 && pid <= INT32_MAX)
		head->tgid = (uint32_t)pid;
	else
		head->tgid = t ? (uint32_t)t->pid : head->tid;
}

/* @rec: our private copy. */
static int begin(struct st_core *core, struct rec_head *rec)
{
	struct st_ctx *c = core->ctx;
	const char *why;

	memset(c, 0, offsetof(struct st_ctx, kev));
	c->core = core;
	c->rec = rec;
	if (rec->ring.len < sizeof(*rec) ||
		kev_parse_again(rec + 1, rec->ring.len - sizeof(*rec), &c->kev, &why) < 0)
		return malformed(core, rec);
	complete_head(core, &c->kev, (struct kev_head *)(rec + 1));
	core->now_ns = MAX(core->now_ns, c->kev.head->ts_ns);
	return 0;
}

static void handle_event(struct st_ctx *c, bool forward)
{
	const struct st_handler *h = st_handler_get(c->kev.info->ix);

	st_ident(c, forward || h->needs_thread);
	st_ctx_fd(c);
	if (h->pre)
		h->pre(c);
	if (forward)
		st_forward(c);
	if (h->post)
		h->post(c);
}

static int apply_event(struct st_core *core, struct rec_head *rec)
{
	const struct st_handler *h;
	struct st_ctx *c = core->ctx;
	bool forward, has_work;
	int r = begin(core, rec);

	if (r < 0)
		return r;
	h = st_handler_get(c->kev.info->ix);
	has_work = (h->pre || h->post) && (!h->only_with || (h->only_with & core->cfg.needs));
	forward = (core->cfg.events[c->kev.info->ix].flags & IMG_EV_RULES) &&
		  !(c->kev.head->flags & KEV_F_STATE_ONLY);
	core->counters.events += !core->is_release;
	core->counters.last_seq = MAX(core->counters.last_seq, rec->seq);
	if (!core->first_ts_ns)
		core->first_ts_ns = rec->ts_ns;
	c->has_res = kev_rawres(&c->kev, &c->res);
	if (forward || has_work)
		handle_event(c, forward);
	if (!forward) {
		core->counters.judged_here++;
		core->counters.held_here += core->is_release;
	}
	core->prev_ts_ns = rec->ts_ns;
	return 0;
}

/* State follows from records of the two higher classes; which ones were lost is not known. */
static void on_loss(struct st_core *core, const struct rec_loss *loss)
{
	if (loss->cls > KEV_CLASS_FILE_NET)
		return;
	core->doubt.fds_ns = core->now_ns;
	if (loss->cls < KEV_CLASS_FILE_NET)
		core->doubt.threads_ns = core->now_ns;
	core->doubt.is_rereading = false;
}

/* The collector reads the state of the host: after a loss what follows is newer than the loss. */
static void on_snapshot(struct st_core *core, bool is_end)
{
	if (is_end && core->doubt.is_rereading)
		core->doubt = (struct st_doubt){0};
	else if (!is_end)
		core->doubt.is_rereading = core->doubt.fds_ns > 0;
}

static void pass_on(struct st_core *core, struct rec_head *rec)
{
	core->cfg.sink.emit(core->cfg.sink.arg, ST_ALL_RINGS, rec);
}

static int apply_state(struct st_core *core, struct rec_head *rec)
{
	struct st_ctx *c = core->ctx;
	int r = begin(core, rec);

	if (r < 0)
		return r;
	switch (c->kev.head->type) {
	case KEV_CODE_USER_ADDED_E:
	case KEV_CODE_GROUP_ADDED_E:
		st_container_has_users(&core->containers,
			kev_param_text(
				&c->kev, c->kev.head->type == KEV_CODE_USER_ADDED_E ? 5 : 2));
		pass_on(core, rec);
		return 0;
	case KEV_CODE_USER_DELETED_E:
	case KEV_CODE_GROUP_DELETED_E:
		pass_on(core, rec);
		return 0;
	case KEV_CODE_SAKER_NAME:
		if (core->cfg.needs & IMG_NEED_NAMES)
			pass_on(core, rec);
		return 0;
	case KEV_CODE_SAKER_CONTAINER:
		return st_container_told(c) < 0 ? malformed(core, rec) : 0;
	default:
		return st_snapshot_apply(c) < 0 ? malformed(core, rec) : 0;
	}
}

static size_t min_len(uint16_t type)
{
	switch (type) {
	case REC_SNAP_BEGIN:
	case REC_SNAP_END:
		return sizeof(struct rec_snap);
	case REC_LOSS:
		return sizeof(struct rec_loss);
	case REC_MARK:
		return sizeof(struct rec_mark);
	case REC_END:
		return sizeof(struct rec_head);
	default:
		return SIZE_MAX;
	}
}

int st_core_apply(struct st_core *core, struct rec_head *rec)
{
	keep_text_room(core);
	core->told_slot = PREC_NO_SLOT;
	if (rec->ring.type == REC_KEV)
		return apply_event(core, rec);
	if (rec->ring.type == REC_STATE)
		return apply_state(core, rec);
	if (rec->ring.len < min_len(rec->ring.type))
		return malformed(core, rec);
	if (rec->ring.type == REC_LOSS)
		on_loss(core, (const struct rec_loss *)rec);
	else if (rec->ring.type == REC_SNAP_BEGIN || rec->ring.type == REC_SNAP_END)
		on_snapshot(core, rec->ring.type == REC_SNAP_END);
	pass_on(core, rec);
	if (rec->ring.type == REC_END)
		core->counters.ended = true;
	return 0;
}
