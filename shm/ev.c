/* SPDX-License-Identifier: Apache-2.0 */
/* Event records: the door at the evaluator and the builder at the tracker.
 * The door reads a private copy from the tracker's ring, hostile until it passes; after it, every
 * span and attachment of the view lies inside the record, fixed-width parameters have their width
 * or are absent, and texts end in NUL. */

#include <shm/ev.h>

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <base/macros.h>

#define EV_FLAGS (EV_COMPAT | EV_IO_URING | EV_TRUNC | EV_HAS_RES | EV_DOUBTFUL | EV_SYNTHESIZED)

static int param_check(const struct kev_info *info, unsigned i, const char *p, size_t n)
{
	enum kev_type type;
	unsigned width;

	if (n == 0 || i >= info->n_params)
		return 0; /* absent, or an extra parameter: plain bytes */
	type = info->params[i].type;
	width = kev_type_width(type);
	if (width != 0 && n != width)
		return -EBADMSG;
	if ((type == KEV_T_STR || type == KEV_T_PATH || type == KEV_T_RELPATH) && p[n - 1] != 0)
		return -EBADMSG;
	return 0;
}

static int params_check(const struct ev *ev, struct ev_view *v)
{
	const uint8_t *rec = (const uint8_t *)ev;
	uint32_t len = ev->h.ring.len, left, head, off = ev->params_off;
	const uint16_t *lengths;

	if (ev->n_params > KEV_PARAMS_MAX)
		return -EBADMSG;
	if (off % 8 != 0 || off < sizeof(*ev) || off > len)
		return -EBADMSG;
	left = len - off;
	head = ALIGN_UP(ev->n_params * (uint32_t)sizeof(uint16_t), 8);
	if (head > left)
		return -EBADMSG;
	lengths = (const uint16_t *)(rec + off);
	off += head;
	left -= head;
	for (unsigned i = 0; i < ev->n_params; i++) {
		const char *p = (const char *)rec + off;
		uint16_t n = lengths[i];

		if (n > left || param_check(v->info, i, p, n) < 0)
			return -EBADMSG;
		v->param[i] = (struct span){.p = n > 0 ? p : NULL, .n = n};
		off += n;
		left -= n;
	}
	/* nobody asks for those that neither the event nor its type has */
	for (unsigned i = ev->n_params; i < v->info->n_params; i++)
		v->param[i] = (struct span){0};
	return 0;
}

static int fd_check(const struct ev *ev, const struct ev_fd *fd)
{
	if (fd->type >= _EV_FD_TYPE_MAX || fd->l4 >= _EV_L4_MAX || fd->role > EV_ROLE_SERVER)
		return -EBADMSG;
	if (rec_str_check(ev, sizeof(*ev), ev->h.ring.len, fd->name) < 0)
		return -EBADMSG;
	return rec_str_check(ev, sizeof(*ev), ev->h.ring.len, fd->nameraw);
}

static int att_fd_check(const struct ev *ev, const struct ev_att *a)
{
	return a->n < sizeof(struct ev_fd) ? -EBADMSG : fd_check(ev, ev_att_data(a));
}

static int att_fdlist_check(const struct ev *ev, const struct ev_att *a)
{
	const struct ev_fdlist *list = ev_att_data(a);

	if (a->n < sizeof(*list) || list->n > EV_FDLIST_MAX ||
		(a->n - sizeof(*list)) / sizeof(list->fd[0]) < list->n)
		return -EBADMSG;
	for (uint64_t i = 0; i < list->n; i++)
		if (fd_check(ev, &list->fd[i]) < 0)
			return -EBADMSG;
	return 0;
}

static int att_text_check(const struct ev_att *a)
{
	return a->n > 0 && ((const char *)ev_att_data(a))[a->n - 1] == 0 ? 0 : -EBADMSG;
}

static int att_check(const struct ev *ev, const struct ev_att *a)
{
	bool names_param = a->index < ev->n_params;

	switch (a->kind) {
	case EV_ATT_FD:
		return names_param || a->index == EV_NO_PARAM ? att_fd_check(ev, a) : -EBADMSG;
	case EV_ATT_STDIO:
		return a->index <= 2 ? att_fd_check(ev, a) : -EBADMSG;
	case EV_ATT_PATH:
	case EV_ATT_PID:
		return names_param ? att_text_check(a) : -EBADMSG;
	case EV_ATT_REALPATH:
		return names_param || a->index == EV_NO_PARAM ? att_text_check(a) : -EBADMSG;
	case EV_ATT_FDLIST:
		return names_param ? att_fdlist_check(ev, a) : -EBADMSG;
	case EV_ATT_FDTYPES:
		return a->n == sizeof(uint32_t) ? 0 : -EBADMSG;
	case EV_ATT_FDCOUNT:
	case EV_ATT_DELTA:
	case EV_ATT_RELTIME:
		return a->n == sizeof(uint64_t) ? 0 : -EBADMSG;
	case EV_ATT_VM:
		return a->n == sizeof(struct ev_vm) ? 0 : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

static int atts_check(const struct ev *ev, struct ev_view *v)
{
	uint32_t len = ev->h.ring.len, off = ev->atts_off;

	if (ev->n_atts > EV_ATTS_MAX)
		return -EBADMSG;
	if (ev->n_atts > 0 && (off % 8 != 0 || off < sizeof(*ev) || off > len))
		return -EBADMSG;
	for (unsigned i = 0; i < ev->n_atts; i++) {
		const struct ev_att *a = (const struct ev_att *)((const uint8_t *)ev + off);

		if (len - off < sizeof(*a) || a->n > len - off - sizeof(*a))
			return -EBADMSG;
		if (att_check(ev, a) < 0 || ev_att_find(v, a->kind, a->index))
			return -EBADMSG;
		v->att[v->n_atts++] = a;
		if (a->kind == EV_ATT_FD && a->index == EV_NO_PARAM)
			v->fd = ev_att_data(a);
		/* len and off are multiples of 8, so the padding of the last one lies inside too */
		off += (uint32_t)sizeof(*a) + ALIGN_UP(a->n, 8);
	}
	return 0;
}

static int view_build(const struct ev *ev, uint32_t max_slots, struct ev_view *v)
{
	uint32_t len = ev->h.ring.len;

	if (ev->h.ring.type != REC_EVENT || len < sizeof(*ev) || len > SPSC_RECORD_MAX ||
		len % 8 != 0)
		return -EBADMSG;
	if (ev->slot >= max_slots && ev->slot != PREC_NO_SLOT)
		return -EBADMSG;
	if ((ev->flags & ~EV_FLAGS) != 0)
		return -EBADMSG;
	v->info = kev_info_find(ev->type);
	if (!v->info)
		return -EBADMSG;
	return params_check(ev, v) < 0 || atts_check(ev, v) < 0 ? -EBADMSG : 0;
}

int ev_validate(const struct rec_head *rec, uint32_t max_slots, struct ev_view *ret_view)
{
	const struct ev *ev = (const struct ev *)rec;
	int r;

	ret_view->fd = NULL;
	ret_view->n_atts = 0;
	r = view_build(ev, max_slots, ret_view);
	ret_view->ev = r < 0 ? NULL : ev;
	return r;
}

const struct ev_att *ev_att_find(const struct ev_view *v, enum ev_att_kind kind, uint16_t index)
{
	for (unsigned i = 0; i < v->n_atts; i++) {
		if (v->att[i]->kind == kind && v->att[i]->index == index)
			return v->att[i];
	}
	return NULL;
}

struct span ev_att_text(const struct ev_att *a)
{
	return (struct span){.p = ev_att_data(a), .n = a->n - 1};
}

void ev_begin(struct rec_writer *w, void *buf, size_t cap)
{
	struct ev *ev = buf;

	assert((uintptr_t)buf % 8 == 0);
	*w = (struct rec_writer){
		.buf = buf, .cap = cap, .n = sizeof(*ev), .failed = cap < sizeof(*ev)};
	if (w->failed)
		return;
	*ev = (struct ev){.h.ring.type = REC_EVENT, .params_off = sizeof(*ev)};
}

/* Room for n bytes at the next multiple of 8, all of which the caller writes; NULL (and failed) if
 * there is none. */
static void *reserve_aligned(struct rec_writer *w, size_t n)
{
	size_t at = ALIGN_UP(w->n, 8);

	if (w->failed || at > w->cap || n > w->cap - at) {
		w->failed = 1;
		return NULL;
	}
	while (w->n < at)
		w->buf[w->n++] = 0;
	w->n = at + n;
	return w->buf + at;
}

/* Room was checked. */
static struct span flush(struct rec_writer *w, struct span run, const char *next)
{
	if (run.n)
		memcpy(w->buf + w->n, run.p, run.n);
	w->n += run.n;
	return (struct span){.p = next};
}

void ev_add_params(struct rec_writer *w, const struct span *params, unsigned n)
{
	struct ev *ev = (struct ev *)w->buf;
	struct span run = {0}; /* those that lie one behind the other are copied at once */
	uint16_t *lengths;

	assert(n <= KEV_PARAMS_MAX);
	lengths = reserve_aligned(w, ALIGN_UP(n * sizeof(*lengths), 8));
	if (!lengths)
		return;
	memset(lengths, 0, ALIGN_UP(n * sizeof(*lengths), 8));
	ev->params_off = (uint32_t)((uint8_t *)lengths - w->buf);
	ev->n_params = (uint16_t)n;
	for (unsigned i = 0; i < n; i++) {
		if (params[i].n == 0)
			continue;
		if (params[i].n > UINT16_MAX || params[i].n > w->cap - w->n - run.n) {
			w->failed = 1;
			return;
		}
		lengths[i] = (uint16_t)params[i].n;
		if (run.n == 0)
			run.p = params[i].p;
		if (run.p + run.n != params[i].p)
			run = flush(w, run, params[i].p);
		run.n += params[i].n;
	}
	(void)flush(w, run, NULL);
}

/* Header and n bytes of room for data. */
static void *att_reserve(struct rec_writer *w, enum ev_att_kind kind, uint16_t index, size_t n)
{
	struct ev *ev = (struct ev *)w->buf;
	struct ev_att *a;

	if (w->failed || ev->n_atts == EV_ATTS_MAX || n > SPSC_RECORD_MAX) {
		w->failed = 1;
		return NULL;
	}
	a = reserve_aligned(w, sizeof(*a) + n);
	if (!a)
		return NULL;
	*a = (struct ev_att){.kind = (uint16_t)kind, .index = index, .n = (uint32_t)n};
	if (ev->n_atts++ == 0)
		ev->atts_off = (uint32_t)((uint8_t *)a - w->buf);
	return a + 1;
}

void ev_add_att(
	struct rec_writer *w, enum ev_att_kind kind, uint16_t index, const void *data, size_t n)
{
	void *p = att_reserve(w, kind, index, n);

	if (p && n > 0)
		memcpy(p, data, n);
}

void ev_add_att_text(struct rec_writer *w, enum ev_att_kind kind, uint16_t index, struct span s)
{
	char *p = att_reserve(w, kind, index, s.n + 1);

	if (!p)
		return;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
}

static struct rec_str put_text(struct rec_writer *w, char **at, struct span s)
{
	struct rec_str text = {.off = (uint32_t)((uint8_t *)*at - w->buf), .n = (uint32_t)s.n};

	if (!s.p)
		return (struct rec_str){0};
	memcpy(*at, s.p, s.n);
	(*at)[s.n] = '\0';
	*at += s.n + 1;
	return text;
}

struct ev_fd *ev_put_att_fd(struct rec_writer *w, enum ev_att_kind kind, uint16_t index,
	struct span name, struct span nameraw)
{
	size_t n =
		sizeof(struct ev_fd) + (name.p ? name.n + 1 : 0) + (nameraw.p ? nameraw.n + 1 : 0);
	struct ev_fd *out = att_reserve(w, kind, index, n);
	char *at;

	if (!out)
		return NULL;
	at = (char *)(out + 1);
	out->name = put_text(w, &at, name);
	out->nameraw = put_text(w, &at, nameraw);
	return out;
}

void ev_add_att_fd(struct rec_writer *w, enum ev_att_kind kind, uint16_t index,
	const struct ev_fd *fd, struct span name, struct span nameraw)
{
	struct ev_fd *out = ev_put_att_fd(w, kind, index, name, nameraw);

	if (out)
		memcpy(out, fd, offsetof(struct ev_fd, name));
}
static_assert(
	offsetof(struct ev_fd, nameraw) == offsetof(struct ev_fd, name) + sizeof(struct rec_str),
	"the texts stand last");

void ev_add_att_fdlist(struct rec_writer *w, uint16_t index, const struct ev_fd *fds,
	const struct span *names, unsigned n)
{
	size_t size = sizeof(struct ev_fdlist) + n * sizeof(*fds);
	struct ev_fdlist *out;
	char *at;

	assert(n <= EV_FDLIST_MAX);
	for (unsigned i = 0; i < n; i++)
		size += names[i].p ? names[i].n + 1 : 0;
	out = att_reserve(w, EV_ATT_FDLIST, index, size);
	if (!out)
		return;
	out->n = n;
	at = (char *)&out->fd[n];
	for (unsigned i = 0; i < n; i++) {
		out->fd[i] = fds[i];
		out->fd[i].name = put_text(w, &at, names[i]);
	}
}
