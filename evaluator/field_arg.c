/* SPDX-License-Identifier: Apache-2.0 */
/* evt.arg.*, evt.rawarg.*, evt.args: the parameters of the event by name or place. */
#include <abi/events.h>
#include <base/macros.h>

#include "field.h"

/* Index of the parameter that the field's argument names, -1 if this event has none such. */
static int wanted(const struct evl *e, const struct img_expr *x)
{
	unsigned n = MIN(e->view->info->n_params, e->view->ev->n_params);
	int64_t i = x->arg_kind == IMG_ARG_INDEX
			    ? x->index
			    : kev_param_find(e->view->info, img_text(&e->img, x->key).p);

	return i >= 0 && i < n ? (int)i : -1;
}

static void get_arg(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	int i = wanted(e, a->x);
	struct evl_text t;

	if (i < 0)
		return;
	t = evl_scratch_open(&e->scratch);
	evl_param_resolved(e, (unsigned)i, &t);
	if (t.n == 0)
		evl_param_plain(e, (unsigned)i, &t);
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

static void get_rawarg(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	int i = wanted(e, a->x);

	if (i < 0 || e->view->param[i].n == 0)
		return;
	switch ((enum kev_type)e->view->info->params[i].type) {
	case KEV_T_STR:
	case KEV_T_PATH:
	case KEV_T_RELPATH:
		evl_set_str(ret_v, evl_param_text(e, (unsigned)i));
		break;
	case KEV_T_BYTES:
	case KEV_T_STRARRAY:
	case KEV_T_DYN:
	case KEV_T_SOCKADDR:
	case KEV_T_SOCKTUPLE:
	case KEV_T_FDLIST:
		evl_set_str(ret_v, e->view->param[i]);
		break;
	case KEV_T_INT8:
	case KEV_T_INT16:
	case KEV_T_INT32:
	case KEV_T_INT64:
	case KEV_T_FD:
	case KEV_T_FD32:
	case KEV_T_PID:
	case KEV_T_PID32:
	case KEV_T_ERRNO:
		evl_set_i64(ret_v, evl_param_i64(e, (unsigned)i));
		ret_v->is_hex = e->view->info->params[i].base == KEV_HEX;
		break;
	case KEV_T_IPV4ADDR:
	case KEV_T_IPV6ADDR:
		*ret_v = (struct evl_value){
			.type = EVL_IP, .family = e->view->param[i].n == 4 ? 4 : 6};
		memcpy(ret_v->ip, e->view->param[i].p, MIN(e->view->param[i].n, sizeof(ret_v->ip)));
		break;
	default:
		evl_set_u64(ret_v, evl_param_u64(e, (unsigned)i));
		ret_v->is_hex = e->view->info->params[i].base == KEV_HEX;
		break;
	}
}

/* "name=plain(resolved)" for each, blanks between; nothing for generic system calls. */
static void get_args(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	unsigned n = MIN(e->view->info->n_params, e->view->ev->n_params);
	struct evl_text t = evl_scratch_open(&e->scratch);

	(void)a;
	for (unsigned i = 0; i < n && e->view->ev->type != KEV_CODE_GENERIC_X; i++) {
		size_t at;

		if (i > 0)
			evl_text_char(&t, ' ');
		evl_text_str(&t, e->view->info->params[i].name);
		evl_text_char(&t, '=');
		evl_param_plain(e, i, &t);
		at = t.n;
		evl_text_char(&t, '(');
		evl_param_resolved(e, i, &t);
		if (t.n == at + 1)
			t.n = at;
		else
			evl_text_char(&t, ')');
	}
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

const struct evl_field_row evl_fields_arg[] = {
	{FIELD_ID_EVT_ARG, 0, get_arg},
	{FIELD_ID_EVT_RAWARG, 0, get_rawarg},
	{FIELD_ID_EVT_ARGS, 0, get_args},
	{FIELD_ID_EVT_INFO, 0, get_args},
	{0, 0, NULL},
};
