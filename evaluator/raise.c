/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts: id, message, typed output fields. The record is built in private memory and copied into
 * each output's ring later. Texts hold hostile bytes as they are; it is the emitter's formats that
 * escape them. Must not allocate after raise_init(). */
#include "raise.h"

#include <errno.h>
#include <stdlib.h>

#include <base/clock.h>
#include <base/macros.h>

/* Longest text of a field and of the message, tried in this order until the record fits. */
static const struct {
	size_t field, message;
} limits[] = {{60000, 60000}, {4096, 16384}, {512, 4096}, {64, 1024}};

int raise_init(struct raise *r)
{
	*r = (struct raise){.text_cap = SPSC_RECORD_MAX};
	r->rec = calloc(1, SPSC_RECORD_MAX);
	r->text = malloc(r->text_cap);
	if (r->rec && r->text)
		return 0;
	raise_done(r);
	return -ENOMEM;
}

void raise_done(struct raise *r)
{
	free(r->rec);
	free(r->text);
	*r = (struct raise){0};
}

static bool is_time_field(const struct img_expr *x)
{
	if (x->kind != IMG_E_FIELD)
		return false;
	switch (x->field) {
	case FIELD_ID_EVT_TIME:
	case FIELD_ID_EVT_TIME_S:
	case FIELD_ID_EVT_TIME_ISO8601:
	case FIELD_ID_EVT_DATETIME:
	case FIELD_ID_EVT_DATETIME_S:
	case FIELD_ID_EVT_OUTPUTTIME:
		return true;
	default:
		return false;
	}
}

/* Numbers that print in another form than decimal are texts; parts of the event's time are numbers
 * all the same. */
static bool prints_as_text(const struct img_expr *x)
{
	const struct field_info *f = x->kind == IMG_E_FIELD ? field_info_get(x->field) : NULL;

	if (!f || (f->print != FP_HEX && f->print != FP_PAD9))
		return false;
	return x->field != FIELD_ID_EVT_RAWTIME_NS && x->field != FIELD_ID_EVT_RELTIME &&
	       x->field != FIELD_ID_EVT_RELTIME_NS;
}

static void add_list(struct raise *r, struct span key, const struct evl_value *v, size_t limit)
{
	struct evl_text t;

	evl_text_init(&t, r->text, MIN(r->text_cap, limit + 1));
	for (uint32_t i = 0; i < v->n; i++) {
		size_t n = v->list[i].n ? strnlen(v->list[i].p, v->list[i].n) : 0;

		if (n + 1 > t.cap - 1 - t.n) {
			alert_add_field(&r->b, key, ALERT_LIST, i, evl_text_span(&t));
			return;
		}
		evl_text_add(&t, (struct span){.p = v->list[i].p, .n = n});
		evl_text_char(&t, '\0');
	}
	alert_add_field(&r->b, key, ALERT_LIST, v->n, evl_text_span(&t));
}

static void add_value(struct raise *r, struct span key, const struct evl_value *v,
	const struct img_expr *x, size_t limit)
{
	struct evl_text t;

	switch ((enum evl_type)v->type) {
	case EVL_NULL:
		alert_add_field(&r->b, key, ALERT_NULL, 0, (struct span){0});
		return;
	case EVL_LIST:
		add_list(r, key, v, limit);
		return;
	case EVL_BOOL:
		alert_add_field(&r->b, key, ALERT_BOOL, v->b, (struct span){0});
		return;
	case EVL_DOUBLE:
		alert_add_field(&r->b, key, ALERT_DOUBLE, v->u, (struct span){0});
		return;
	case EVL_I64:
	case EVL_U64:
		if (!prints_as_text(x) && !v->is_hex) {
			alert_add_field(&r->b, key, v->type == EVL_I64 ? ALERT_I64 : ALERT_U64,
				v->u, (struct span){0});
			return;
		}
		break;
	default:
		break;
	}
	evl_text_init(&t, r->text, MIN(r->text_cap, limit + 1));
	evl_value_text(v, x, &t);
	alert_add_field(&r->b, key, ALERT_STR, 0, evl_text_span(&t));
}

static void add_field(struct raise *r, struct evl *e, const struct img_outfield *o, size_t limit)
{
	struct span key = img_text(&e->img, o->key);
	struct evl_text t;
	struct evl_value v;

	if (key.n == 0)
		return;
	if (o->expr == IMG_NONE) {
		evl_text_init(&t, r->text, MIN(r->text_cap, limit + 1));
		evl_format(e, o->fmt_first, o->n_fmt, &t);
		alert_add_field(&r->b, key, ALERT_STR, 0, evl_text_span(&t));
		return;
	}
	if (is_time_field(&e->img.exprs[o->expr])) {
		alert_add_field(&r->b, key, ALERT_U64, e->view->ev->h.ts_ns, (struct span){0});
		return;
	}
	e->scratch.used = 0;
	evl_expr(e, o->expr, &v);
	add_value(r, key, &v, &e->img.exprs[o->expr], limit);
}

static void add_head(struct raise *r, struct evl *e, uint32_t index)
{
	const struct img_rule *rule = &e->img.rules[index];
	const struct ev *ev = e->view->ev;
	struct span name = img_text(&e->img, rule->name),
		    host = {.p = e->settings->host,
			    .n = strnlen(e->settings->host, sizeof(e->settings->host))};
	struct alert *a = alert_head(&r->b);

	a->h.seq = ev->h.seq;
	a->h.ord = ev->h.ord;
	a->h.ts_ns = ev->h.ts_ns;
	a->h.ring.flags = ev->h.ring.flags & (REC_F_DOUBTFUL | REC_F_NO_SHED);
	alert_id_make(e->settings->run_id, ev->h.seq, name, a->id);
	a->rule = index;
	a->priority = rule->priority;
	a->flags = (ev->flags & EV_DOUBTFUL) || (ev->h.ring.flags & REC_F_DOUBTFUL) ? ALERT_DOUBTFUL
										    : 0;
	a->rule_name = alert_add_text(&r->b, name);
	a->source = alert_add_text(&r->b, img_text(&e->img, rule->source));
	a->host = alert_add_text(&r->b, host);
}

static int try_build(
	struct raise *r, struct evl *e, uint32_t index, size_t field_limit, size_t message_limit)
{
	const struct img_rule *rule = &e->img.rules[index];
	struct evl_text t;

	alert_begin(&r->b, r->rec, SPSC_RECORD_MAX);
	add_head(r, e, index);
	evl_text_init(&t, r->text, MIN(r->text_cap, message_limit + 1));
	evl_format(e, rule->fmt_first, rule->n_fmt, &t);
	alert_head(&r->b)->message = alert_add_text(&r->b, evl_text_span(&t));
	for (uint32_t i = 0; i < rule->n_tags && i < ALERT_TAGS_MAX; i++)
		alert_add_tag(&r->b, img_text(&e->img, e->img.tags[rule->tags_first + i]));
	if (e->second_name)
		alert_add_field(&r->b, SPAN_LIT("fd.realpath"), ALERT_STR, 0, e->realpath);
	for (uint32_t i = 0; i < rule->n_out && r->b.n_fields < ALERT_FIELDS_MAX; i++)
		add_field(r, e, &e->img.outfields[rule->out_first + i], field_limit);
	return alert_finish(&r->b);
}

int raise_build(struct raise *r, struct evl *e, uint32_t rule)
{
	for (unsigned i = 0; i < ARRAY_LEN(limits); i++) {
		int n = try_build(r, e, rule, limits[i].field, limits[i].message);

		if (n > 0) {
			r->len = (size_t)n;
			return 0;
		}
	}
	return -EMSGSIZE;
}

/* Rules' indexes are far below. */
#define RULE_INTERNAL UINT32_MAX
#define PRIORITY_CRITICAL 2
#define PRIORITY_INFORMATIONAL 6

/* One of our own: the message is in *t, fields follow. */
static void begin_internal(struct raise *r, const struct settings *settings,
	const struct rec_head *at, struct span name, uint8_t priority, const struct evl_text *t)
{
	struct alert *a;

	alert_begin(&r->b, r->rec, SPSC_RECORD_MAX);
	a = alert_head(&r->b);
	a->h.seq = at->seq;
	a->h.ord = at->ord;
	a->h.ts_ns = at->ts_ns;
	a->h.ring.flags = at->ring.flags & REC_F_NO_SHED;
	alert_id_make(settings->run_id, at->seq, name, a->id);
	a->rule = RULE_INTERNAL;
	a->priority = priority;
	a->flags = ALERT_INTERNAL;
	a->rule_name = alert_add_text(&r->b, name);
	a->source = alert_add_text(&r->b, SPAN_LIT("internal"));
	a->host = alert_add_text(
		&r->b, (struct span){.p = settings->host,
			       .n = strnlen(settings->host, sizeof(settings->host))});
	a->message = alert_add_text(&r->b, evl_text_span(t));
}

static int finish_internal(struct raise *r)
{
	int n = alert_finish(&r->b);

	if (n < 0)
		return n;
	r->len = (size_t)n;
	return 0;
}

int raise_skipped(struct raise *r, const struct settings *settings, const struct rec_head *rec)
{
	const struct kev_info *info =
		rec->ring.type == REC_EVENT && rec->ring.len >= sizeof(struct ev)
			? kev_info_find(((const struct ev *)rec)->type)
			: NULL;
	struct span type = info ? span_str(info->name) : SPAN_LIT("<NA>");
	struct evl_text t;

	evl_text_init(&t, r->text, r->text_cap);
	evl_text_add(&t, SPAN_LIT("An event that ended an evaluator twice was skipped (evt_num="));
	evl_text_u64(&t, rec->seq);
	evl_text_add(&t, SPAN_LIT(" evt_type="));
	evl_text_add(&t, type);
	evl_text_add(&t, SPAN_LIT("): what it was part of has not been judged"));
	begin_internal(
		r, settings, rec, SPAN_LIT("saker internal: event skipped"), PRIORITY_CRITICAL, &t);
	alert_add_field(&r->b, SPAN_LIT("evt.num"), ALERT_U64, rec->seq, (struct span){0});
	alert_add_field(&r->b, SPAN_LIT("evt.type"), ALERT_STR, 0, type);
	return finish_internal(r);
}

/* Under the reference's name: filters know it. */
int raise_capture_full(
	struct raise *r, const struct settings *settings, uint64_t ord, uint64_t seq, unsigned mb)
{
	static const struct span name = SPAN_LIT("Falco internal: capture size limit reached");
	const struct rec_head at = {.ord = ord, .seq = seq, .ts_ns = clock_epoch_ns()};
	struct evl_text t;

	evl_text_init(&t, r->text, r->text_cap);
	evl_text_add(&t, name);
	evl_text_add(&t, SPAN_LIT(". Configured limit: "));
	evl_text_u64(&t, mb);
	evl_text_add(&t, SPAN_LIT(" MB."));
	begin_internal(r, settings, &at, name, PRIORITY_INFORMATIONAL, &t);
	return finish_internal(r);
}
