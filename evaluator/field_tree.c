/* SPDX-License-Identifier: Apache-2.0 */
/* Fields that look at other threads: ancestors, session and group leaders. Every look at another
 * slot goes through replica_find_other(), so that what is remembered about the process ends when
 * one of them changes. */
#include "field.h"

#define WALK_MAX 1024 /* ancestors; longer chains are cut */

const struct prec *evl_leader_of(struct evl *e, const struct prec *p)
{
	if (p->leader_slot == p->slot)
		return p;
	return replica_find_other(&e->replica, p->leader_slot);
}

const struct prec *evl_parent_of(struct evl *e, const struct prec *p)
{
	return replica_find_other(&e->replica, p->parent_slot);
}

const struct prec *evl_ancestor(struct evl *e, unsigned n)
{
	const struct prec *p = e->leader;

	for (unsigned i = 0; p && i < n && i < WALK_MAX; i++) {
		p = evl_parent_of(e, p);
		if (p)
			p = evl_leader_of(e, p);
	}
	return n <= WALK_MAX ? p : NULL;
}

void evl_walk_begin(struct evl *e, struct evl_walk *w)
{
	*w = (struct evl_walk){.at = e->leader, .slow = e->leader};
}

const struct prec *evl_walk_next(struct evl *e, struct evl_walk *w)
{
	if (!w->at)
		return NULL;
	w->at = evl_parent_of(e, w->at);
	/* the slow one goes one step for two: where parents form a ring, they meet */
	if (++w->steps % 2 == 0)
		w->slow = evl_parent_of(e, w->slow);
	if (w->at == w->slow || w->at == e->leader || w->steps > WALK_MAX)
		w->at = NULL;
	return w->at;
}

/* proc.pname, proc.aname[N] and their like; without index all of them joined. */
static void get_ancestor(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	bool is_parent = a->field == FIELD_ID_PROC_PNAME || a->field == FIELD_ID_PROC_PEXE ||
			 a->field == FIELD_ID_PROC_PEXEPATH || a->field == FIELD_ID_PROC_PCMDLINE;
	const size_t cap = 65536;
	const struct prec *p;
	struct evl_walk w;
	struct evl_text t;
	char *room;

	if (is_parent || a->x->arg_kind == IMG_ARG_INDEX) {
		p = evl_ancestor(e, is_parent ? 1 : (unsigned)a->x->index);
		if (p)
			evl_set_str(ret_v, evl_proc_text(e, p, a->variant));
		return;
	}
	evl_walk_begin(e, &w);
	p = evl_walk_next(e, &w);
	if (!p)
		return;
	room = evl_scratch_alloc(&e->scratch, cap);
	if (!room)
		return;
	evl_text_init(&t, room, cap);
	for (bool first = true; p; p = evl_walk_next(e, &w), first = false) {
		size_t mark = e->scratch.used;

		if (!first)
			evl_text_char(&t, ' ');
		evl_text_add(&t, evl_proc_text(e, p, a->variant));
		e->scratch.used = mark;
	}
	evl_set_str(ret_v, evl_text_span(&t));
}

static void get_apid(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	/* without index the own pid is printed, as the reference does */
	const struct prec *p = a->x->arg_kind == IMG_ARG_INDEX
				       ? evl_ancestor(e, (unsigned)a->x->index)
				       : e->leader;

	if (p)
		evl_set_i64(ret_v, p->pid);
}

/* Value of a variable in NUL-separated "name=value" strings, with the blanks around it removed. */
static bool env_value(struct span env, struct span name, struct span *ret_value)
{
	const char *p = env.p, *end = p + env.n;

	while (p < end) {
		size_t n = strnlen(p, (size_t)(end - p));

		if (n > name.n && p[name.n] == '=' && memcmp(p, name.p, name.n) == 0) {
			struct span v = {.p = p + name.n + 1, .n = n - name.n - 1};

			while (v.n && v.p[0] == ' ')
				v = (struct span){.p = v.p + 1, .n = v.n - 1};
			while (v.n && v.p[v.n - 1] == ' ')
				v.n--;
			*ret_value = v;
			return true;
		}
		p += n + 1;
	}
	return false;
}

static void get_env(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct span v = SPAN_LIT("");

	if (!e->leader)
		return;
	if (a->x->arg_kind == IMG_ARG_NONE)
		v = evl_proc_text(e, e->leader, PT_ENV);
	else
		(void)env_value(rec_text(e->leader, e->leader->env), img_text(&e->img, a->x->key),
			&v); /* absent: the empty text */
	evl_set_str(ret_v, v);
}

static void get_aenv(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct span v;
	struct evl_walk w;

	if (a->x->arg_kind != IMG_ARG_KEY) {
		get_ancestor(e, a, ret_v);
		return;
	}
	evl_walk_begin(e, &w);
	for (const struct prec *p; (p = evl_walk_next(e, &w));) {
		const struct prec *l = evl_leader_of(e, p);

		if (l && env_value(rec_text(l, l->env), img_text(&e->img, a->x->key), &v)) {
			evl_set_str(ret_v, v);
			return;
		}
	}
}

static int64_t group_id(const struct prec *p, int16_t which)
{
	return which == FIELD_ID_PROC_SNAME        ? p->sid
	       : which == FIELD_ID_PROC_VPGID_NAME ? p->vpgid
						   : p->pgid;
}

/* Who leads the session or process group @which of the event's thread; NULL: nobody is known. */
static const struct prec *find_group_leader(struct evl *e, int16_t which)
{
	int64_t id = group_id(e->thread, which);
	bool is_own_ns =
		which == FIELD_ID_PROC_PGID_NAME || !(e->thread->flags & PREC_IN_CHILD_PIDNS);
	const struct prec *oldest = NULL;
	struct evl_walk w;
	uint32_t slot;

	if (id == -1)
		return NULL;
	if (is_own_ns) {
		slot = replica_find_tid(&e->replica, id);
		if (slot != PREC_NO_SLOT)
			return replica_find_other(&e->replica, slot);
		e->unstable = true; /* the thread may yet become known: not to be remembered */
	}
	evl_walk_begin(e, &w);
	for (const struct prec *p; (p = evl_walk_next(e, &w)) && group_id(p, which) == id;)
		oldest = p;
	return oldest;
}

static void get_group_leader(struct evl *e, int16_t which, int text, struct evl_value *ret_v)
{
	const struct prec *p;

	if (!e->thread)
		return;
	p = find_group_leader(e, which);
	evl_set_str(ret_v, p ? evl_proc_text(e, p, text) : SPAN_LIT(""));
}

static void get_session(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	get_group_leader(e, FIELD_ID_PROC_SNAME, a->variant, ret_v);
}

static void get_vpgroup(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	get_group_leader(e, FIELD_ID_PROC_VPGID_NAME, a->variant, ret_v);
}

static void get_pgroup(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	get_group_leader(e, FIELD_ID_PROC_PGID_NAME, a->variant, ret_v);
}

static bool is_shell(const struct prec *p)
{
	return span_ends_with(rec_text(p, p->comm), SPAN_LIT("sh"));
}

static void get_loginshell(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct evl_walk w;

	(void)a;
	if (e->leader && is_shell(e->leader))
		evl_set_i64(ret_v, e->leader->pid);
	evl_walk_begin(e, &w);
	for (const struct prec *p; (p = evl_walk_next(e, &w));)
		if (is_shell(p))
			evl_set_i64(ret_v, p->pid);
}

enum { PARENT_PID, PARENT_VPID, PARENT_TS, PARENT_DURATION };

static void get_parent(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct prec *p = a->variant == PARENT_PID || a->variant == PARENT_DURATION
				       ? evl_ancestor(e, 1)
			       : e->leader ? evl_parent_of(e, e->leader)
					   : NULL;
	uint64_t now = e->view->ev->h.ts_ns;

	if (!p)
		return;
	if (a->variant == PARENT_PID)
		evl_set_i64(ret_v, p->pid);
	else if (a->variant == PARENT_VPID && p->vpid != -1)
		evl_set_i64(ret_v, p->vpid);
	else if (a->variant == PARENT_TS)
		evl_set_u64(ret_v, p->clone_ts_ns);
	else if (a->variant == PARENT_DURATION && p->clone_ts_ns && now >= p->clone_ts_ns)
		evl_set_u64(ret_v, now - p->clone_ts_ns);
}

const struct evl_field_row evl_fields_tree[] = {
	{FIELD_ID_PROC_PEXE, PT_EXE, get_ancestor},
	{FIELD_ID_PROC_AEXE, PT_EXE, get_ancestor},
	{FIELD_ID_PROC_PEXEPATH, PT_EXEPATH, get_ancestor},
	{FIELD_ID_PROC_AEXEPATH, PT_EXEPATH, get_ancestor},
	{FIELD_ID_PROC_PNAME, PT_COMM, get_ancestor},
	{FIELD_ID_PROC_ANAME, PT_COMM, get_ancestor},
	{FIELD_ID_PROC_AARGS, PT_ARGS, get_ancestor},
	{FIELD_ID_PROC_PCMDLINE, PT_CMDLINE, get_ancestor},
	{FIELD_ID_PROC_ACMDLINE, PT_CMDLINE, get_ancestor},
	{FIELD_ID_PROC_APID, 0, get_apid},
	{FIELD_ID_PROC_ENV, PT_ENV, get_env},
	{FIELD_ID_PROC_AENV, PT_ENV, get_aenv},
	{FIELD_ID_PROC_SNAME, PT_COMM, get_session},
	{FIELD_ID_PROC_SID_EXE, PT_EXE, get_session},
	{FIELD_ID_PROC_SID_EXEPATH, PT_EXEPATH, get_session},
	{FIELD_ID_PROC_VPGID_NAME, PT_COMM, get_vpgroup},
	{FIELD_ID_PROC_VPGID_EXE, PT_EXE, get_vpgroup},
	{FIELD_ID_PROC_VPGID_EXEPATH, PT_EXEPATH, get_vpgroup},
	{FIELD_ID_PROC_PGID_NAME, PT_COMM, get_pgroup},
	{FIELD_ID_PROC_PGID_EXE, PT_EXE, get_pgroup},
	{FIELD_ID_PROC_PGID_EXEPATH, PT_EXEPATH, get_pgroup},
	{FIELD_ID_PROC_LOGINSHELLID, 0, get_loginshell},
	{FIELD_ID_PROC_PPID, PARENT_PID, get_parent},
	{FIELD_ID_PROC_PVPID, PARENT_VPID, get_parent},
	{FIELD_ID_PROC_PPID_TS, PARENT_TS, get_parent},
	{FIELD_ID_PROC_PPID_DURATION, PARENT_DURATION, get_parent},
	{0, 0, NULL},
};
