/* SPDX-License-Identifier: Apache-2.0 */
/* Values as text and output templates. A value that is not there prints "<NA>"; nothing suppresses
 * an alert. */
#include <inttypes.h>

#include "field.h"

static void add_u64(const struct evl_value *v, enum field_print print, struct evl_text *t)
{
	if (print == FP_HEX || v->is_hex)
		evl_textf(t, "%" PRIX64, v->u);
	else if (print == FP_PAD9)
		evl_textf(t, "%09" PRIu64, v->u);
	else if (v->type == EVL_I64)
		evl_text_i64(t, v->i);
	else
		evl_text_u64(t, v->u);
}

static void add_list(const struct evl_value *v, struct evl_text *t)
{
	evl_text_char(t, '(');
	for (uint32_t i = 0; i < v->n; i++) {
		if (i > 0)
			evl_text_char(t, ',');
		evl_text_add(t, v->list[i]);
	}
	evl_text_char(t, ')');
}

void evl_value_text(const struct evl_value *v, const struct img_expr *x, struct evl_text *t)
{
	const struct field_info *f = x->kind == IMG_E_FIELD ? field_info_get(x->field) : NULL;

	switch ((enum evl_type)v->type) {
	case EVL_NULL:
		evl_text_str(t, "<NA>");
		break;
	case EVL_STR:
		if (x->type == IMG_T_BYTES)
			evl_text_printable(t, v->s);
		else
			evl_text_add(t, v->s);
		break;
	case EVL_I64:
	case EVL_U64:
		add_u64(v, f ? (enum field_print)f->print : FP_DEC, t);
		break;
	case EVL_BOOL:
		evl_text_str(t, v->b ? "true" : "false");
		break;
	case EVL_DOUBLE:
		evl_textf(t, "%.1f", v->d);
		break;
	case EVL_IP:
		if (v->is_net)
			evl_text_str(t, "<IPNET>");
		else
			evl_text_ip(t, v->family, v->ip);
		break;
	case EVL_LIST:
		add_list(v, t);
		break;
	}
}

void evl_format(struct evl *e, uint32_t fmt_first, uint32_t n_fmt, struct evl_text *t)
{
	for (uint32_t i = 0; i < n_fmt; i++) {
		const struct img_fmt *f = &e->img.fmts[fmt_first + i];
		size_t from = t->n;
		struct evl_value v;

		if (f->expr == IMG_NONE) {
			evl_text_add(t, img_text(&e->img, f->lit));
		} else {
			e->scratch.used = 0;
			evl_expr(e, f->expr, &v);
			evl_value_text(&v, &e->img.exprs[f->expr], t);
		}
		if (f->width == 0)
			continue;
		if (t->n - from > f->width) {
			t->n = from + f->width;
			t->p[t->n] = '\0';
		}
		while (t->n - from < f->width && !t->cut)
			evl_text_char(t, ' ');
	}
}
