/* SPDX-License-Identifier: Apache-2.0 */
/* One event's evaluation: what it stands on, and the memo of predicates. Everything is allocated by
 * evl_init(). */
#include "eval.h"

#include <errno.h>
#include <stdlib.h>

#include "field.h"

#define SCRATCH_BYTES (2u << 20)

static int compare_patterns(const void *a, const void *b)
{
	const struct evl_regex *x = a, *y = b;

	return x->pattern < y->pattern ? -1 : x->pattern > y->pattern;
}

static int add_regex(struct evl *e, uint32_t konst, const char **reterr_why)
{
	struct span s = img_text(&e->img, e->img.consts[konst].str);
	struct evl_regex *x = &e->regexes[e->n_regexes];
	size_t at;
	int r = regex_compile(s.p, s.n, &x->re, &at, reterr_why);

	if (r < 0)
		return r;
	x->pattern = s.p;
	e->n_regexes++;
	return regex_work_fit(&e->regex_work, x->re);
}

/* Patterns of all regex tests, sorted by where their text lies: equal texts lie at one place. */
static int compile_regexes(struct evl *e, const char **reterr_why)
{
	const struct img *img = &e->img;
	size_t n = 0;
	int r = 0;

	for (uint32_t i = 0; i < img->n[IMG_SEC_PRED]; i++)
		if (img->preds[i].op == IMG_OP_REGEX)
			n += img->preds[i].rhs_kind == IMG_RHS_SET ? img->sets[img->preds[i].rhs].n
								   : 1;
	e->regexes = calloc(n ? n : 1, sizeof(*e->regexes));
	if (!e->regexes)
		return -ENOMEM;
	for (uint32_t i = 0; i < img->n[IMG_SEC_PRED] && r >= 0; i++) {
		const struct img_pred *p = &img->preds[i];
		const struct img_set *set = &img->sets[p->rhs];

		if (p->op != IMG_OP_REGEX)
			continue;
		if (p->rhs_kind == IMG_RHS_CONST)
			r = add_regex(e, p->rhs, reterr_why);
		for (uint32_t k = 0; p->rhs_kind == IMG_RHS_SET && k < set->n && r >= 0; k++)
			r = add_regex(e, set->first + k, reterr_why);
	}
	if (e->n_regexes)
		qsort(e->regexes, e->n_regexes, sizeof(*e->regexes), compare_patterns);
	return r;
}

bool evl_regex_match(struct evl *e, struct span pattern, struct span text)
{
	struct evl_regex key = {.pattern = pattern.p}, *x;

	x = bsearch(&key, e->regexes, e->n_regexes, sizeof(key), compare_patterns);
	return x && regex_match(x->re, text.p, text.n, &e->regex_work);
}

int evl_init(struct evl *e, const struct img *img, const struct settings *settings,
	const char **reterr_why)
{
	uint32_t n = img->n[IMG_SEC_PRED];
	int r;

	*e = (struct evl){.img = *img, .settings = settings};
	*reterr_why = "out of memory";
	evl_fields_init();
	r = compile_regexes(e, reterr_why);
	if (r < 0) {
		evl_done(e);
		return r;
	}
	e->memo = calloc(n ? n : 1, sizeof(*e->memo));
	e->slot_pred = calloc(n ? n : 1, sizeof(*e->slot_pred));
	if (!e->memo || !e->slot_pred || evl_plans_init(e) < 0 ||
		evl_scratch_init(&e->scratch, SCRATCH_BYTES) < 0) {
		evl_done(e);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		e->slot_pred[i] =
			img->preds[i].flags & IMG_PRED_PROC ? e->n_slot_preds++ : IMG_NONE;
	r = replica_init(&e->replica, settings->threads_max, e->n_slot_preds, EVL_SIFT_WORDS);
	if (r == 0)
		r = evl_sift_init(e);
	if (r == 0 && (img->head->needs & IMG_NEED_NAMES))
		r = replica_names_init(&e->replica);
	if (r < 0)
		evl_done(e);
	return r;
}

void evl_done(struct evl *e)
{
	for (size_t i = 0; i < e->n_regexes; i++)
		regex_free(e->regexes[i].re);
	free(e->regexes);
	e->regexes = NULL;
	e->n_regexes = 0;
	regex_work_done(&e->regex_work);
	free(e->memo);
	free(e->slot_pred);
	free(e->plans);
	e->plans = NULL;
	e->memo = e->slot_pred = NULL;
	evl_sift_done(e);
	evl_scratch_done(&e->scratch);
	replica_done(&e->replica);
}

static void forget_memo(struct evl *e)
{
	/* 31 bits of generation: when they run out, old entries could be taken for new ones */
	if (++e->memo_gen == UINT32_MAX >> 1) {
		memset(e->memo, 0, e->img.n[IMG_SEC_PRED] * sizeof(*e->memo));
		e->memo_gen = 1;
	}
	e->turn.has_begun = false;
}

static bool tells_container(const struct evl *e)
{
	struct span async;

	if (e->view->ev->type == KEV_CODE_CONTAINER_JSON_2_E)
		return true;
	if (e->view->ev->type != KEV_CODE_ASYNCEVENT_E)
		return false;
	(void)evl_event_name(e, &async);
	return span_eq_str(async, "container");
}

/* How much more than at the process's procinfo event before; nothing at its first. */
static void take_procinfo(struct evl *e)
{
	struct replica_slot *s = &e->replica.slots[e->view->ev->slot];
	uint64_t user = evl_param_u64(e, 0), system = evl_param_u64(e, 1);

	e->cpu_user = s->cpu_user && user > s->cpu_user ? user - s->cpu_user : 0;
	e->cpu_system = s->cpu_system && system > s->cpu_system ? system - s->cpu_system : 0;
	s->cpu_user = user;
	s->cpu_system = system;
}

void evl_event_begin(struct evl *e, const struct ev_view *view)
{
	const struct ev_att *real;

	e->view = view;
	real = evl_att(e, EV_ATT_REALPATH);
	e->thread = replica_find(&e->replica, view->ev->slot);
	e->tells_container = tells_container(e);
	e->row = e->thread && !e->tells_container ? replica_memo_row(&e->replica, view->ev->slot)
						  : NULL;
	e->leader = e->thread ? evl_leader_of(e, e->thread) : NULL;
	if (!e->leader)
		e->leader = e->thread;
	if (view->ev->type == KEV_CODE_PROCINFO_E && e->thread)
		take_procinfo(e);
	e->realpath = real ? ev_att_text(real) : (struct span){0};
	e->second_name = false;
	forget_memo(e);
}

void evl_event_second_name(struct evl *e)
{
	e->second_name = true;
	forget_memo(e);
}
