/* SPDX-License-Identifier: Apache-2.0 */
/* The predicates that tell the class of an event. What is made here must agree with the fields'
 * getters (field_open.c, field_fd.c, field_evt.c) and compare.c; the tests of sift.c compare both. */
#include "key.h"

#include <abi/events.h>

#include "field.h"

static_assert(_EV_FD_TYPE_MAX <= 32, "a bit for each type of descriptor");

int evl_pred_field(const struct img *img, uint32_t pred)
{
	const struct img_pred *p = &img->preds[pred];
	const struct img_expr *x = &img->exprs[p->expr];

	if (x->kind != IMG_E_FIELD || p->rhs_kind == IMG_RHS_EXPR || p->modifier != IMG_MOD_NONE)
		return -1;
	return x->field;
}

bool evl_key_is_one(const struct evl *e, uint32_t pred)
{
	if (e->img.preds[pred].flags & IMG_PRED_PROC)
		return false;
	switch (evl_pred_field(&e->img, pred)) {
	case FIELD_ID_EVT_TYPE:
	case FIELD_ID_EVT_TYPE_IS:
	case FIELD_ID_SYSCALL_TYPE:
	case FIELD_ID_EVT_RAWRES:
	case FIELD_ID_EVT_FAILED:
	case FIELD_ID_EVT_IS_IO:
	case FIELD_ID_EVT_IS_IO_READ:
	case FIELD_ID_EVT_IS_IO_WRITE:
	case FIELD_ID_EVT_IS_OPEN_READ:
	case FIELD_ID_EVT_IS_OPEN_WRITE:
	case FIELD_ID_EVT_IS_OPEN_EXEC:
	case FIELD_ID_EVT_IS_OPEN_CREATE:
	case FIELD_ID_FD_NUM:
	case FIELD_ID_FD_TYPE:
	case FIELD_ID_FD_TYPECHAR:
	case FIELD_ID_FD_L4PROTO:
	case FIELD_ID_FD_IS_SERVER:
	case FIELD_ID_FD_CONNECTED:
		return true;
	default:
		return false;
	}
}

/* evt.is_open_read = true and the like. */
static void make_open_flag(const struct evl *e, const struct img_const *c, uint8_t flag,
	bool is_equal, struct evl_key *k)
{
	unsigned at = evl_open_flags_param(e->view->ev->type);

	if (c->type != IMG_T_BOOL || at == 0)
		return;
	k->kind = EVL_KEY_OPEN_FLAG;
	k->flag = flag;
	k->at = (uint8_t)at;
	k->is = (c->num != 0) == is_equal;
}

/* fd.typechar = f: the types whose letter it is. */
static void make_fd_type(
	const struct evl *e, const struct img_const *c, bool is_equal, struct evl_key *k)
{
	struct span want = img_text(&e->img, c->str);

	if (c->type != IMG_T_STR)
		return;
	k->kind = EVL_KEY_FD_TYPE;
	for (unsigned i = 0; i < _EV_FD_TYPE_MAX; i++) {
		char is = evl_fd_typechar(i);

		if (span_eq((struct span){.p = &is, .n = 1}, want) == is_equal)
			k->types |= 1u << i;
	}
}

static void make_number(
	const struct img_pred *p, const struct img_const *c, uint8_t kind, struct evl_key *k)
{
	if (c->type != IMG_T_I64 || p->op < IMG_OP_EQ || p->op > IMG_OP_GE)
		return;
	k->kind = kind;
	k->op = p->op;
	k->num = (int64_t)c->num;
}

void evl_key_make(const struct evl *e, uint32_t pred, struct evl_key *ret)
{
	const struct img_pred *p = &e->img.preds[pred];
	const struct img_const *c = &e->img.consts[p->rhs];
	bool is_equal = p->op == IMG_OP_EQ;

	*ret = (struct evl_key){.pred = pred};
	if (p->rhs_kind != IMG_RHS_CONST)
		return;
	switch (evl_pred_field(&e->img, pred)) {
	case FIELD_ID_EVT_IS_OPEN_READ:
	case FIELD_ID_EVT_IS_OPEN_WRITE:
		if (is_equal || p->op == IMG_OP_NE)
			make_open_flag(
				e, c, evl_open_flag(e->img.exprs[p->expr].field), is_equal, ret);
		break;
	case FIELD_ID_FD_TYPECHAR:
		if (is_equal || p->op == IMG_OP_NE)
			make_fd_type(e, c, is_equal, ret);
		break;
	case FIELD_ID_FD_NUM:
		make_number(p, c, EVL_KEY_FD_NUM, ret);
		break;
	case FIELD_ID_EVT_RAWRES:
		make_number(p, c, EVL_KEY_RES, ret);
		break;
	default:
		break;
	}
}

static bool by_order(uint8_t op, int64_t l, int64_t r)
{
	switch ((enum img_op)op) {
	case IMG_OP_EQ:
		return l == r;
	case IMG_OP_NE:
		return l != r;
	case IMG_OP_LT:
		return l < r;
	case IMG_OP_LE:
		return l <= r;
	case IMG_OP_GT:
		return l > r;
	default:
		return l >= r;
	}
}

bool evl_key_holds(struct evl *e, const struct evl_key *k)
{
	const struct ev_view *v = e->view;

	switch ((enum evl_key_kind)k->kind) {
	case EVL_KEY_OPEN_FLAG:
		/* an open without flags opens for nothing */
		return (k->at < v->ev->n_params && (evl_param_u64(e, k->at) & k->flag)) == k->is;
	case EVL_KEY_FD_NUM:
		if (v->fd && evl_is_fd_event(e))
			return by_order(k->op, v->fd->num, k->num);
		break;
	case EVL_KEY_FD_TYPE:
		if (v->fd && evl_is_fd_event(e) && (v->fd->flags & EV_FD_KNOWN))
			return k->types >> v->fd->type & 1;
		break;
	case EVL_KEY_RES:
		return (v->ev->flags & EV_HAS_RES) && by_order(k->op, v->ev->rawres, k->num);
	default:
		break;
	}
	return evl_pred(e, k->pred);
}
