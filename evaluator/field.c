/* SPDX-License-Identifier: Apache-2.0 */
/* The table of fields, put together from the tables of the classes at start, and what several
 * classes share. Events are hostile but checked: every access stays inside the private copy. Must
 * not allocate. */
#include "field.h"

#include <abi/events.h>
#include <base/macros.h>

static const struct evl_field_row *const tables[] = {
	evl_fields_evt,
	evl_fields_time,
	evl_fields_arg,
	evl_fields_open,
	evl_fields_proc,
	evl_fields_procnum,
	evl_fields_tree,
	evl_fields_user,
	evl_fields_fd,
	evl_fields_net,
	evl_fields_fspath,
	evl_fields_container,
	evl_fields_k8s,
	evl_fields_other,
};
static const struct evl_field_row *rows[_FIELD_ID_MAX];

void evl_fields_init(void)
{
	memset(rows, 0, sizeof(rows));
	for (unsigned i = 0; i < ARRAY_LEN(tables); i++) {
		for (const struct evl_field_row *r = tables[i]; r->get; r++) {
			assert(!rows[r->field]); /* one row a field */
			rows[r->field] = r;
		}
	}
}

const struct evl_field_row *evl_field_row(uint16_t field)
{
	return field < _FIELD_ID_MAX ? rows[field] : NULL;
}

void evl_field(struct evl *e, const struct img_expr *x, struct evl_value *ret_v)
{
	const struct evl_field_row *r = evl_field_row(x->field);
	struct evl_field_arg a = {.x = x, .field = x->field};

	*ret_v = (struct evl_value){.type = EVL_NULL};
	if (!r)
		return;
	a.variant = r->variant;
	r->get(e, &a, ret_v);
}

static bool is_absent(unsigned id)
{
	for (const struct evl_field_absent *a = evl_fields_absent; a->why; a++)
		if (a->field == id)
			return true;
	return false;
}

int evl_field_missing(void)
{
	for (unsigned i = 0; i < _FIELD_ID_MAX; i++)
		if (!!rows[i] == is_absent(i))
			return (int)i;
	return -1;
}

int evl_param(const struct evl *e, const char *name)
{
	int i = kev_param_find(e->view->info, name);

	return i >= 0 && i < e->view->ev->n_params && e->view->param[i].n > 0 ? i : -1;
}

uint64_t evl_param_u64(const struct evl *e, unsigned i)
{
	struct span s = e->view->param[i];
	uint64_t v = 0;
	uint32_t v32;

	if (s.n == sizeof(v32)) {
		memcpy(&v32, s.p, sizeof(v32));
		return v32;
	}
	if (s.n >= sizeof(v))
		memcpy(&v, s.p, sizeof(v));
	else if (s.n)
		memcpy(&v, s.p, s.n);
	return v;
}

int64_t evl_param_i64(const struct evl *e, unsigned i)
{
	struct span s = e->view->param[i];
	uint64_t v = evl_param_u64(e, i);

	if (s.n == 0 || s.n >= sizeof(v))
		return (int64_t)v;
	return (int64_t)(v << (64 - 8 * s.n)) >> (64 - 8 * s.n);
}

struct span evl_param_text(const struct evl *e, unsigned i)
{
	struct span s = e->view->param[i];

	if (s.n > 0)
		s.n = strnlen(s.p, s.n);
	return s;
}

const struct ev_att *evl_att(const struct evl *e, enum ev_att_kind kind)
{
	for (unsigned i = 0; i < e->view->n_atts; i++)
		if (e->view->att[i]->kind == kind)
			return e->view->att[i];
	return NULL;
}
