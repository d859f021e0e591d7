/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of time. The local zone is that of the host, read by tzset() before the seal;
 * localtime_r() opens nothing. */
#include <time.h>

#include <base/clock.h>

#include "field.h"

enum { T_TIME, T_TIME_S, T_ISO, T_DATETIME, T_DATETIME_S };

static void get_text(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	uint64_t ts = e->view->ev->h.ts_ns;
	time_t s = (time_t)(ts / NS_PER_S);
	struct evl_text t;
	struct tm tm;

	if (!(a->variant == T_ISO ? gmtime_r(&s, &tm) : localtime_r(&s, &tm)))
		return;
	t = evl_scratch_open(&e->scratch);
	if (a->variant >= T_ISO)
		evl_textf(&t, "%04d-%02d-%02d%c", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
			a->variant == T_ISO ? 'T' : ' ');
	evl_textf(&t, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (a->variant != T_TIME_S && a->variant != T_DATETIME_S)
		evl_textf(&t, ".%09u", (unsigned)(ts % NS_PER_S));
	if (a->variant == T_ISO)
		evl_text_str(&t, "+0000");
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

enum { PART_ALL, PART_S, PART_NS };

static uint64_t part(uint64_t ns, int16_t which)
{
	return which == PART_S ? ns / NS_PER_S : which == PART_NS ? ns % NS_PER_S : ns;
}

static void get_raw(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	evl_set_u64(ret_v, part(e->view->ev->h.ts_ns, a->variant));
}

/* Since other events: the tracker says, as an evaluator sees a share of them alone. */
static void get_since(struct evl *e, const struct evl_field_arg *a, enum ev_att_kind kind,
	struct evl_value *ret_v)
{
	const struct ev_att *att = evl_att(e, kind);
	uint64_t ns;

	if (!att)
		return;
	memcpy(&ns, ev_att_data(att), sizeof(ns));
	evl_set_u64(ret_v, part(ns, a->variant));
}

static void get_relative(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	get_since(e, a, EV_ATT_RELTIME, ret_v);
}

static void get_delta(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	get_since(e, a, EV_ATT_DELTA, ret_v);
}

const struct evl_field_row evl_fields_time[] = {
	{FIELD_ID_EVT_TIME, T_TIME, get_text},
	{FIELD_ID_EVT_TIME_S, T_TIME_S, get_text},
	{FIELD_ID_EVT_TIME_ISO8601, T_ISO, get_text},
	{FIELD_ID_EVT_DATETIME, T_DATETIME, get_text},
	{FIELD_ID_EVT_DATETIME_S, T_DATETIME_S, get_text},
	{FIELD_ID_EVT_OUTPUTTIME, T_TIME, get_text},
	{FIELD_ID_EVT_RAWTIME, PART_ALL, get_raw},
	{FIELD_ID_EVT_RAWTIME_S, PART_S, get_raw},
	{FIELD_ID_EVT_RAWTIME_NS, PART_NS, get_raw},
	{FIELD_ID_EVT_RELTIME, PART_ALL, get_relative},
	{FIELD_ID_EVT_RELTIME_S, PART_S, get_relative},
	{FIELD_ID_EVT_RELTIME_NS, PART_NS, get_relative},
	{FIELD_ID_EVT_DELTATIME, PART_ALL, get_delta},
	{FIELD_ID_EVT_DELTATIME_S, PART_S, get_delta},
	{FIELD_ID_EVT_DELTATIME_NS, PART_NS, get_delta},
	{0, 0, NULL},
};
