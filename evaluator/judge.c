/* SPDX-License-Identifier: Apache-2.0 */
/* The core without a pipeline around it, for rule tests. What it is given was built by a tool from a
 * person's text; it is checked all the same, by the doors that live records pass. */
#include <judge/judge.h>

#include <errno.h>
#include <stdlib.h>

#include <driver/kev.h>
#include <shm/spsc.h>

#include "eval.h"
#include "field.h"

#define JUDGE_TEXT SPSC_RECORD_MAX

struct judge {
	struct img img;
	struct evl evl;
	struct settings settings;
	struct ev_view view;
	bool has_matched;
	uint64_t epoch;
	char text[JUDGE_TEXT];
};

int judge_new(const void *image, size_t n, struct judge **ret, const char **reterr_why)
{
	struct judge *j = calloc(1, sizeof(*j));
	int r;

	*reterr_why = "out of memory";
	if (!j)
		return -ENOMEM;
	j->settings = (struct settings){.threads_max = JUDGE_SLOTS, .host = "localhost"};
	r = img_verify(image, n, &j->img, reterr_why);
	if (r == 0)
		r = evl_init(&j->evl, &j->img, &j->settings, reterr_why);
	if (r < 0) {
		free(j);
		return r;
	}
	*ret = j;
	return 0;
}

struct judge *judge_free(struct judge *j)
{
	if (!j)
		return NULL;
	evl_done(&j->evl);
	free(j);
	return NULL;
}

void judge_forget(struct judge *j)
{
	replica_epoch(&j->evl.replica, ++j->epoch);
}

int judge_put_thread(struct judge *j, const struct rec_head *rec)
{
	if (prec_validate(rec, JUDGE_SLOTS) < 0)
		return -EBADMSG;
	replica_put(&j->evl.replica, (const struct prec *)rec);
	return 0;
}

int judge_put_id(struct judge *j, const void *kev, size_t n)
{
	const char *why;
	struct kev k;

	if (kev_parse(kev, n, &k, &why) < 0)
		return -EBADMSG;
	return replica_put_id(&j->evl.replica, &k) < 0 ? -EBADMSG : 0;
}

int judge_take_event(struct judge *j, const struct rec_head *rec)
{
	if (ev_validate(rec, JUDGE_SLOTS, &j->view) < 0)
		return -EBADMSG;
	j->has_matched = false;
	evl_event_begin(&j->evl, &j->view);
	return 0;
}

int judge_next(struct judge *j, uint32_t skip, uint32_t *ret_rule)
{
	uint32_t rule;

	if (j->has_matched && !(j->img.head->flags & IMG_F_MATCH_ALL))
		return 0;
	for (;;) {
		while (evl_match_next(&j->evl, &rule)) {
			if (rule == skip)
				continue;
			j->has_matched = true;
			*ret_rule = rule;
			return 1;
		}
		/* as live: the name that the kernel walked, if no rule matched the caller's */
		if (j->has_matched || !j->evl.realpath.p || j->evl.second_name)
			return 0;
		evl_event_second_name(&j->evl);
	}
}

bool judge_holds(struct judge *j, uint32_t rule)
{
	return j->img.rules[rule].enabled && evl_rule_matches(&j->evl, &j->img.rules[rule]);
}

int64_t judge_find(const struct judge *j, const char *name)
{
	for (uint32_t i = 0; i < j->img.n[IMG_SEC_RULE]; i++)
		if (span_eq_str(judge_name(j, i), name))
			return i;
	return -1;
}

struct span judge_name(const struct judge *j, uint32_t rule)
{
	return img_text(&j->img, j->img.rules[rule].name);
}

uint8_t judge_priority(const struct judge *j, uint32_t rule)
{
	return j->img.rules[rule].priority;
}

bool judge_is_enabled(const struct judge *j, uint32_t rule)
{
	return j->img.rules[rule].enabled;
}

struct span judge_message(struct judge *j, uint32_t rule)
{
	const struct img_rule *r = &j->img.rules[rule];
	struct evl_text t;

	evl_text_init(&t, j->text, sizeof(j->text));
	evl_format(&j->evl, r->fmt_first, r->n_fmt, &t);
	return evl_text_span(&t);
}

bool judge_field(struct judge *j, uint32_t rule, const char *key, struct span *ret_text)
{
	const struct img_rule *r = &j->img.rules[rule];

	for (uint32_t i = 0; i < r->n_out; i++) {
		const struct img_outfield *o = &j->img.outfields[r->out_first + i];
		struct evl_value v;
		struct evl_text t;

		if (!span_eq_str(img_text(&j->img, o->key), key))
			continue;
		evl_text_init(&t, j->text, sizeof(j->text));
		j->evl.scratch.used = 0;
		if (o->expr == IMG_NONE) {
			evl_format(&j->evl, o->fmt_first, o->n_fmt, &t);
		} else {
			evl_expr(&j->evl, o->expr, &v);
			evl_value_text(&v, &j->img.exprs[o->expr], &t);
		}
		*ret_text = evl_text_span(&t);
		return true;
	}
	return false;
}

const char *judge_absent(enum field_id id)
{
	for (const struct evl_field_absent *a = evl_fields_absent; a->why; a++)
		if (a->field == id)
			return a->why;
	return NULL;
}
