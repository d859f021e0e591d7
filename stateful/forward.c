/* SPDX-License-Identifier: Apache-2.0 */
/* Building the event that evaluators get: the parameters as they came, and everything that they
 * name, resolved with the tables as they are now.
 *
 * What cannot be resolved is left out; an event that grows beyond a record is a named loss. */

#include "core.h"

#include <errno.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>

#define FDLIST_ENTRY 10 /* bytes of a number and its flags */

struct build {
	struct st_ctx *c;
	struct rec_writer w;
	unsigned n_atts;
};

static bool has_room(struct build *b)
{
	return b->n_atts < EV_ATTS_MAX && ++b->n_atts;
}

static bool is_internet(const struct st_fd *f)
{
	return f->type >= EV_FD_IPV4 && f->type <= EV_FD_IPV6_SERVER;
}
static_assert(EV_FD_IPV6_SERVER - EV_FD_IPV4 == 3, "internet sockets stand together");

static uint8_t local_flags(const struct st_core *core, const struct st_fd *f)
{
	unsigned family = f->type == EV_FD_IPV4 || f->type == EV_FD_IPV4_SERVER ? 4 : 6;
	uint8_t flags = 0;

	if (st_host_is_local(&core->host, family, f->sip))
		flags |= EV_FD_CLIENT_LOCAL;
	if (st_host_is_local(&core->host, family, f->dip))
		flags |= EV_FD_SERVER_LOCAL;
	return flags;
}

/* All of *e but its texts, word by word and in place: what was just written in words and is read in
 * one wide go waits for the store buffer. */
static void tell_fd(struct st_ctx *c, const struct st_fd *f, uint8_t more_flags, struct ev_fd *e)
{
	const struct st_core *core = c->core;
	bool doubtful = core->doubt.fds_ns && f->ts_ns <= core->doubt.fds_ns;

	c->doubtful |= doubtful;
	e->num = f->num;
	e->ino = f->ino;
	e->dev = f->dev;
	e->open_flags = f->open_flags;
	e->type = f->type;
	e->l4 = f->l4;
	e->role = f->role;
	e->flags = f->flags | EV_FD_KNOWN | more_flags |
		   (is_internet(f) ? local_flags(core, f) : 0) | (doubtful ? EV_FD_DOUBTFUL : 0);
	e->sport = f->sport;
	e->dport = f->dport;
	memcpy(e->sip, f->sip, sizeof(e->sip));
	memcpy(e->dip, f->dip, sizeof(e->dip));
}

static void add_known_fd(struct build *b, enum ev_att_kind kind, uint16_t index,
	const struct st_fd *f, uint8_t more_flags)
{
	const struct st_core *core = b->c->core;
	struct ev_fd *e;

	if (!has_room(b))
		return;
	e = ev_put_att_fd(&b->w, kind, index, st_text_get(&core->texts, f->name),
		st_text_get(&core->texts, f->nameraw));
	if (e)
		tell_fd(b->c, f, more_flags, e);
}

static void add_event_fd(struct build *b)
{
	struct st_ctx *c = b->c;
	struct ev_fd e = {.num = c->fd_num};

	if (!c->has_fd)
		return;
	if (c->fd)
		add_known_fd(
			b, EV_ATT_FD, EV_NO_PARAM, c->fd, c->name_changed ? EV_FD_NAME_CHANGED : 0);
	else if (has_room(b))
		ev_add_att_fd(&b->w, EV_ATT_FD, EV_NO_PARAM, &e, c->fd_fallback, (struct span){0});
}

static void add_param_fd(struct build *b, unsigned i)
{
	struct st_ctx *c = b->c;
	const struct st_fd *f;

	/* the event's own is told beside; a dup's is the new one, not the one it was given */
	if (!(c->core->cfg.needs & IMG_NEED_PARAM_FDS) || !c->t || !kev_param_present(&c->kev, i) ||
		((int)i == c->fd_param && kev_param_i64(&c->kev, i) == c->fd_num))
		return;
	f = st_fd_find(&c->core->fds, c->t->files, kev_param_i64(&c->kev, i));
	if (f)
		add_known_fd(b, EV_ATT_FD, (uint16_t)i, f, 0);
}

/* The list's own lengths are not checked yet. */
static void add_param_fdlist(struct build *b, unsigned i)
{
	struct st_ctx *c = b->c;
	struct span list = c->kev.param[i];
	struct span names[EV_FDLIST_MAX];
	struct ev_fd fds[EV_FDLIST_MAX];
	uint16_t n;

	if (!(c->core->cfg.needs & IMG_NEED_PARAM_FDS) || !c->t || list.n < sizeof(n))
		return;
	memcpy(&n, list.p, sizeof(n));
	n = (uint16_t)MIN(
		(size_t)n, MIN((list.n - sizeof(n)) / FDLIST_ENTRY, (size_t)EV_FDLIST_MAX));
	for (unsigned k = 0; k < n; k++) {
		const struct st_fd *f;
		int64_t num;

		memcpy(&num, list.p + sizeof(n) + (size_t)k * FDLIST_ENTRY, sizeof(num));
		f = st_fd_find(&c->core->fds, c->t->files, num);
		fds[k] = (struct ev_fd){.num = num};
		if (f)
			tell_fd(c, f, 0, &fds[k]);
		names[k] = f ? st_text_get(&c->core->texts, f->name) : (struct span){0};
	}
	if (has_room(b))
		ev_add_att_fdlist(&b->w, (uint16_t)i, fds, names, n);
}

static void add_param_path(struct build *b, unsigned i)
{
	struct span path = kev_param_text(&b->c->kev, i);
	char buf[ST_PATH_BUF];

	if (!path.n || path.p[0] == '/' || !has_room(b))
		return;
	ev_add_att_text(&b->w, EV_ATT_PATH, (uint16_t)i, st_ctx_path(b->c, i, buf));
}

static void add_param_pid(struct build *b, unsigned i)
{
	struct st_core *core = b->c->core;
	const struct st_thread *t;
	int64_t pid;

	if (!kev_param_present(&b->c->kev, i))
		return;
	pid = kev_param_i64(&b->c->kev, i);
	t = pid > 0 ? st_thread_find(&core->threads, pid) : NULL;
	if (t && t->text[ST_COMM] && has_room(b))
		ev_add_att_text(
			&b->w, EV_ATT_PID, (uint16_t)i, st_thread_text(&core->threads, t, ST_COMM));
}

static void add_params(struct build *b)
{
	const struct kev_info *info = b->c->kev.info;

	for (unsigned i = 0; i < info->n_params; i++) {
		switch (info->params[i].type) {
		case KEV_T_FD:
		case KEV_T_FD32:
			add_param_fd(b, i);
			break;
		case KEV_T_FDLIST:
			add_param_fdlist(b, i);
			break;
		case KEV_T_PATH:
		case KEV_T_RELPATH:
			add_param_path(b, i);
			break;
		case KEV_T_PID:
		case KEV_T_PID32:
			add_param_pid(b, i);
			break;
		default:
			break;
		}
	}
}

static void add_stdio(struct build *b)
{
	struct st_ctx *c = b->c;

	for (uint16_t i = 0; i < 3; i++) {
		const struct st_fd *f = st_fd_find(&c->core->fds, c->t->files, i);

		if (f)
			add_known_fd(b, EV_ATT_STDIO, i, f, 0);
	}
}

static void add_memory(struct build *b)
{
	const struct st_thread *t = b->c->t;
	struct ev_vm vm;

	if (!(b->c->core->cfg.needs & IMG_NEED_VM) || !t || !has_room(b))
		return;
	vm = (struct ev_vm){.size_kb = t->vm_size_kb,
		.rss_kb = t->vm_rss_kb,
		.swap_kb = t->vm_swap_kb,
		.pf_major = t->pf_major,
		.pf_minor = t->pf_minor};
	ev_add_att(&b->w, EV_ATT_VM, 0, &vm, sizeof(vm));
}

static void add_table_facts(struct build *b)
{
	struct st_ctx *c = b->c;
	uint64_t needs = c->core->cfg.needs, n;
	const struct st_files *files;
	uint32_t types = 0;

	if (!c->t)
		return;
	files = st_files_get(&c->core->fds, c->t->files);
	if (needs & IMG_NEED_STDIO)
		add_stdio(b);
	if ((needs & IMG_NEED_FDTYPES) && has_room(b)) {
		for (unsigned i = 0; i < _EV_FD_TYPE_MAX; i++)
			types |= files->by_type[i] ? 1u << i : 0;
		ev_add_att(&b->w, EV_ATT_FDTYPES, 0, &types, sizeof(types));
	}
	if ((needs & IMG_NEED_FDCOUNT) && has_room(b)) {
		n = files->n;
		ev_add_att(&b->w, EV_ATT_FDCOUNT, 0, &n, sizeof(n));
	}
}

static void add_realpath(struct build *b)
{
	struct st_ctx *c = b->c;
	struct span real = kev_extra(&c->kev, KEV_X_REALPATH);
	struct span name = c->fd ? st_text_get(&c->core->texts, c->fd->name) : c->fd_fallback;

	if (real.n && !span_eq(real, name) && has_room(b))
		ev_add_att_text(&b->w, EV_ATT_REALPATH, EV_NO_PARAM, real);
}

static void add_delta(struct build *b)
{
	struct st_core *core = b->c->core;
	uint64_t now = b->c->rec->ts_ns, delta;

	if (!(core->cfg.needs & IMG_NEED_DELTA) || !core->prev_ts_ns || !has_room(b))
		return;
	delta = now > core->prev_ts_ns ? now - core->prev_ts_ns : 0;
	ev_add_att(&b->w, EV_ATT_DELTA, 0, &delta, sizeof(delta));
}

/* A late one may be older than the first. */
static void add_reltime(struct build *b)
{
	struct st_core *core = b->c->core;
	uint64_t now = b->c->rec->ts_ns, since;

	if (!(core->cfg.needs & IMG_NEED_RELTIME) || !has_room(b))
		return;
	since = now > core->first_ts_ns ? now - core->first_ts_ns : 0;
	ev_add_att(&b->w, EV_ATT_RELTIME, 0, &since, sizeof(since));
}

static void fill_head(struct st_ctx *c, struct ev *e)
{
	const struct kev_head *head = c->kev.head;
	const struct st_core *core = c->core;
	bool doubtful = c->doubtful || (c->rec->ring.flags & REC_F_DOUBTFUL) || !c->t ||
			c->t->placeholder || c->leader->placeholder;

	/* after a tracker's death: events from before the new snapshot's end, and processes whose
	 * ancestors ended before it */
	if (core->is_successor && !doubtful)
		doubtful = head->ts_ns <= core->snap_end_ns || st_lineage_has_gap(c->core, c->t);
	/* after a loss */
	if (core->doubt.threads_ns && !doubtful)
		doubtful = !st_lineage_is_newer(c->core, c->t, core->doubt.threads_ns);
	if (core->doubt.fds_ns && c->has_fd && !c->fd)
		doubtful = true;

	if (!c->t && !head->tid)
		doubtful = c->doubtful; /* nobody did it: nothing is missing */
	e->slot = c->t ? st_thread_slot(&c->core->threads, c->t) : PREC_NO_SLOT;
	e->type = head->type;
	e->cpu = head->cpu;
	e->tid = head->tid;
	e->rawres = c->res;
	e->flags = (head->flags & KEV_F_COMPAT ? EV_COMPAT : 0) |
		   (head->flags & KEV_F_IO_URING ? EV_IO_URING : 0) |
		   (head->flags & KEV_F_TRUNC ? EV_TRUNC : 0) | (c->has_res ? EV_HAS_RES : 0) |
		   (doubtful ? EV_DOUBTFUL : 0) |
		   (head->type == KEV_CODE_SAKER_CANARY ? EV_SYNTHESIZED : 0);
	c->core->counters.doubtful += doubtful;
	e->h = (struct rec_head){.ring = {.type = REC_EVENT,
					 .flags = (uint16_t)(c->rec->ring.flags & REC_F_NO_SHED)},
		.seq = c->rec->seq,
		.ts_ns = c->rec->ts_ns};
	if (doubtful)
		e->h.ring.flags |= REC_F_DOUBTFUL;
}

static int build(struct st_ctx *c)
{
	struct build b = {.c = c};

	ev_begin(&b.w, c->core->rec_buf, SPSC_RECORD_MAX);
	ev_add_params(&b.w, c->kev.param, c->kev.info->n_params);
	add_event_fd(&b);
	add_realpath(&b);
	add_params(&b);
	add_table_facts(&b);
	add_delta(&b);
	add_reltime(&b);
	add_memory(&b);
	return rec_finish(&b.w);
}

#define LOUD_WINDOW 4096
#define LOUD_SHARE (LOUD_WINDOW / 8)

/* Did this process make more than its share of the last events? In a full ring its opens and
 * connects then go with the lowest class, so that those of others find room. */
static bool is_loud(struct st_core *core, uint32_t tgid, uint64_t hash)
{
	struct st_loud *l = &core->loud[(hash >> 16) % ST_LOUD_SLOTS];

	if (++core->n_loud >= LOUD_WINDOW) {
		for (unsigned i = 0; i < ST_LOUD_SLOTS; i++)
			core->loud[i].n /= 2;
		core->n_loud = LOUD_WINDOW / 2;
	}
	if (l->tgid != tgid && l->n) {
		l->n--;
		return false;
	}
	l->tgid = tgid;
	return ++l->n > LOUD_SHARE;
}

void st_forward(struct st_ctx *c)
{
	struct st_core *core = c->core;
	const struct kev_head *head = c->kev.head;
	uint64_t hash = hash_u64(head->tgid);
	unsigned ring = (unsigned)((hash >> 32) * core->cfg.n_rings >> 32); /* of all alike */
	unsigned cls = head->cls >= KEV_CLASS_STATE && head->cls <= KEV_CLASS_OTHER
			       ? head->cls
			       : KEV_CLASS_OTHER;
	bool no_shed = c->rec->ring.flags & REC_F_NO_SHED;
	struct ev *e = (struct ev *)core->rec_buf;
	int n;

	if (core->cfg.sink.is_settled &&
		core->cfg.sink.is_settled(core->cfg.sink.arg, ring, c->rec->seq))
		return;
	if (!st_is_wanted(c)) {
		if (core->cfg.sink.pass)
			core->cfg.sink.pass(core->cfg.sink.arg, ring, c->rec->seq);
		else
			core->counters.judged_here++;
		return;
	}
	if (c->t)
		st_announce(core, c->rec, c->t); /* first: it builds in the same buffer */
	n = build(c);
	if (n < 0) {
		core->counters.lost_too_big++;
		if (core->cfg.sink.lose)
			core->cfg.sink.lose(core->cfg.sink.arg, ring);
		return;
	}
	fill_head(c, e);
	e->h.ring.len = (uint32_t)n;
	if (is_loud(core, head->tgid, hash) && cls != KEV_CLASS_STATE)
		cls = KEV_CLASS_OTHER;
	if (core->cfg.sink.admit(core->cfg.sink.arg, ring, cls, (size_t)n, no_shed))
		core->cfg.sink.emit(core->cfg.sink.arg, (int)ring, &e->h);
}
