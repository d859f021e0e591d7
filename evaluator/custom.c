/* SPDX-License-Identifier: Apache-2.0 */
/* Predicates that do not compare one value: fd.ip, fd.net, fd.port and fd.proto mean either end of
 * a connection, fd.sip.name and its like any name of an address, proc.aname and its like without index any ancestor, evt.around a stretch of time.
 * Of a modifier's list they use the first element only, as the reference does; `in` honours all
 * elements (the reference's fd.ip and fd.net do not: a defect that the official rules do not
 * touch). */
#include <base/macros.h>

#include "field.h"

/* Is the value what the predicate asks for, its operator read as equality where it is "not equal"?
 */
static bool holds(
	struct evl *e, const struct img_pred *p, enum img_op op, const struct evl_value *v)
{
	const struct img_set *set;
	struct evl_value r;
	unsigned prefix;
	uint32_t c = p->rhs;

	if (p->rhs_kind == IMG_RHS_SET) {
		set = &e->img.sets[p->rhs];
		if (p->op == IMG_OP_PMATCH)
			return v->type == EVL_STR && evl_path_match(e, set, v->s);
		if (p->modifier == IMG_MOD_NONE)
			return evl_set_has(&e->img, set, v);
		if (set->n == 0)
			return false;
		c = set->first;
	} else if (p->rhs_kind == IMG_RHS_EXPR) {
		evl_expr(e, p->rhs, &r);
		return evl_compare(e, op, v, &r);
	} else if (p->rhs_kind != IMG_RHS_CONST) {
		return true; /* exists */
	}
	evl_const(&e->img, c, &r, &prefix);
	if (r.is_net && v->type == EVL_IP)
		return evl_ip_in(v, &e->img.consts[c]) == (op != IMG_OP_NE);
	return evl_compare(e, op, v, &r);
}

static bool any_ancestor(struct evl *e, const struct img_pred *p, int text)
{
	struct evl_walk w;
	struct evl_value v;

	evl_walk_begin(e, &w);
	for (const struct prec *a; (a = evl_walk_next(e, &w));) {
		e->scratch.used = 0;
		if (text == PT_PID)
			evl_set_i64(&v, a->pid);
		else
			evl_set_str(&v,
				evl_proc_text(e,
					text == PT_ENV && evl_leader_of(e, a) ? evl_leader_of(e, a)
									      : a,
					text));
		if (holds(e, p, p->op, &v))
			return true;
	}
	return false;
}

/* The ends of the event's connection: one for a listening socket. */
static unsigned ends(const struct evl *e, struct evl_value *ret_ends, bool ports)
{
	const struct ev_fd *fd = evl_fd_known(e);
	bool is_v4, is_server;
	unsigned n = 0;

	if (!fd)
		return 0;
	is_server = fd->type == EV_FD_IPV4_SERVER || fd->type == EV_FD_IPV6_SERVER;
	is_v4 = fd->type == EV_FD_IPV4 || fd->type == EV_FD_IPV4_SERVER;
	if (!is_v4 && fd->type != EV_FD_IPV6 && fd->type != EV_FD_IPV6_SERVER)
		return 0;
	if (!is_server && fd->role == EV_ROLE_NONE)
		return 0;
	for (int i = is_server ? 1 : 0; i < 2; i++, n++) {
		if (ports) {
			evl_set_u64(&ret_ends[n], i ? fd->dport : fd->sport);
			continue;
		}
		ret_ends[n] = (struct evl_value){.type = EVL_IP, .family = is_v4 ? 4 : 6};
		memcpy(ret_ends[n].ip, i ? fd->dip : fd->sip, 16);
	}
	return n;
}

static bool either_end(struct evl *e, const struct img_pred *p, bool ports)
{
	struct evl_value v[2];
	unsigned n = ends(e, v, ports);

	if (n == 0 || p->op == IMG_OP_EXISTS)
		return n > 0;
	if (p->op == IMG_OP_NE) { /* both differ */
		for (unsigned i = 0; i < n; i++)
			if (!holds(e, p, IMG_OP_NE, &v[i]))
				return false;
		return true;
	}
	for (unsigned i = 0; i < n; i++)
		if (holds(e, p, p->op, &v[i]))
			return true;
	return false;
}

/* evt.around[T] = D: not more than D ms from T. */
static bool around(struct evl *e, const struct img_pred *p, const struct img_expr *x)
{
	uint64_t ts = e->view->ev->h.ts_ns, at = (uint64_t)x->index,
		 d = ts > at ? ts - at : at - ts;

	if (p->op == IMG_OP_EXISTS)
		return true;
	if (p->op != IMG_OP_EQ || p->rhs_kind != IMG_RHS_CONST)
		return false;
	return d / 1000000 < e->img.consts[p->rhs].num || d == e->img.consts[p->rhs].num * 1000000;
}

static bool has_name(struct evl *e, const struct img_pred *p, const struct evl_value *r)
{
	enum img_op op = p->op == IMG_OP_NE || p->op == IMG_OP_IN || p->op == IMG_OP_INTERSECTS
				 ? IMG_OP_EQ
				 : p->op;
	uint32_t at = REPLICA_NO_ID;
	struct evl_value name = {0};
	const uint8_t *ip;
	unsigned family;

	if (r->type != EVL_STR || !evl_named_end(e, e->img.exprs[p->expr].field, &family, &ip))
		return false;
	while (replica_names_of(&e->replica, family, ip, &at, &name.s)) {
		name.type = EVL_STR;
		if (evl_compare(e, op, &name, r))
			return true;
	}
	return false;
}

static bool is_named_one_of(
	struct evl *e, const struct img_pred *p, unsigned family, const uint8_t *ip)
{
	const struct img_set *set = &e->img.sets[p->rhs];
	uint32_t at = REPLICA_NO_ID, n_true = 0;
	struct evl_value v = {.type = EVL_STR};
	unsigned prefix;

	if (p->modifier == IMG_MOD_NONE) {
		while (replica_names_of(&e->replica, family, ip, &at, &v.s))
			if (evl_set_has(&e->img, set, &v))
				return true;
		return false;
	}
	for (uint32_t i = 0; i < set->n; i++) {
		struct evl_value r;

		evl_const(&e->img, set->first + i, &r, &prefix);
		n_true += has_name(e, p, &r) != (p->op == IMG_OP_NE);
	}
	return p->modifier == IMG_MOD_ANYOF   ? n_true > 0
	       : p->modifier == IMG_MOD_ONEOF ? n_true == 1
					      : set->n > 0 && n_true == set->n;
}

/* fd.sip.name and its like: an address may have many names, of which any counts. Without an address
 * there is nothing to compare; one without a name differs from every name. */
static bool named(struct evl *e, const struct img_pred *p)
{
	uint32_t at = REPLICA_NO_ID;
	const uint8_t *ip;
	struct evl_value r = {0};
	unsigned family, prefix;

	if (!evl_named_end(e, e->img.exprs[p->expr].field, &family, &ip))
		return false;
	switch (p->rhs_kind) {
	case IMG_RHS_CONST:
		evl_const(&e->img, p->rhs, &r, &prefix);
		return has_name(e, p, &r) != (p->op == IMG_OP_NE);
	case IMG_RHS_SET:
		return is_named_one_of(e, p, family, ip);
	case IMG_RHS_EXPR:
		evl_expr(e, p->rhs, &r);
		return r.type == EVL_STR && has_name(e, p, &r) != (p->op == IMG_OP_NE);
	default: /* exists */
		return replica_names_of(&e->replica, family, ip, &at, &r.s);
	}
}

/* Those with an argument may turn out to be plain ones after all. */
bool evl_field_is_custom(const struct img_expr *x)
{
	static const uint16_t fields[] = {FIELD_ID_FD_IP, FIELD_ID_FD_NET, FIELD_ID_FD_PORT,
		FIELD_ID_FD_PROTO, FIELD_ID_EVT_AROUND, FIELD_ID_PROC_ANAME, FIELD_ID_PROC_AEXE,
		FIELD_ID_PROC_AEXEPATH, FIELD_ID_PROC_ACMDLINE, FIELD_ID_PROC_APID,
		FIELD_ID_PROC_AENV, FIELD_ID_FD_CIP_NAME, FIELD_ID_FD_SIP_NAME,
		FIELD_ID_FD_LIP_NAME, FIELD_ID_FD_RIP_NAME};

	for (unsigned i = 0; i < ARRAY_LEN(fields); i++)
		if (x->field == fields[i])
			return true;
	return false;
}

bool evl_field_custom(struct evl *e, const struct img_pred *p, bool *ret_result)
{
	const struct img_expr *x = &e->img.exprs[p->expr];
	int text;

	if (x->kind != IMG_E_FIELD || !evl_field_is_custom(x))
		return false;
	switch (x->field) {
	case FIELD_ID_FD_IP:
	case FIELD_ID_FD_NET:
		*ret_result = either_end(e, p, false);
		return true;
	case FIELD_ID_FD_PORT:
	case FIELD_ID_FD_PROTO:
		*ret_result = either_end(e, p, true);
		return true;
	case FIELD_ID_FD_CIP_NAME:
	case FIELD_ID_FD_SIP_NAME:
	case FIELD_ID_FD_LIP_NAME:
	case FIELD_ID_FD_RIP_NAME:
		*ret_result = named(e, p);
		return true;
	case FIELD_ID_EVT_AROUND:
		*ret_result = around(e, p, x);
		return true;
	case FIELD_ID_PROC_ANAME:
		text = PT_COMM;
		break;
	case FIELD_ID_PROC_AEXE:
		text = PT_EXE;
		break;
	case FIELD_ID_PROC_AEXEPATH:
		text = PT_EXEPATH;
		break;
	case FIELD_ID_PROC_ACMDLINE:
		text = PT_CMDLINE;
		break;
	case FIELD_ID_PROC_APID:
		text = PT_PID;
		break;
	case FIELD_ID_PROC_AENV:
		text = PT_ENV;
		break;
	default:
		return false;
	}
	/* proc.aenv[N] in a condition means any ancestor too; proc.aenv[NAME] is a value of its own
	 */
	if (x->arg_kind == IMG_ARG_INDEX ? x->field != FIELD_ID_PROC_AENV
					 : x->arg_kind != IMG_ARG_NONE)
		return false;
	*ret_result = any_ancestor(e, p, text);
	return true;
}
