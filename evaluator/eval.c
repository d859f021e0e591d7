/* SPDX-License-Identifier: Apache-2.0 */
/* One event's evaluation: what it stands on, and the memo of predicates. Everything is allocated by
 * evl_init(). */
#include "eval.h"

#include <errno.h>
#include <stdlib.h>

#include "field.h"

#define SCRATCH_BYTES (2u << 20)

static int check_ops(const struct img *img, const char **reterr_why)
{
	for (uint32_t i = 0; i < img->n[IMG_SEC_PRED]; i++) {
		if (img->preds[i].op == IMG_OP_REGEX) {
			*reterr_why = "the policy uses the operator regex, which this build does "
				      "not evaluate";
			return -ENOTSUP;
		}
	}
	return 0;
}

int evl_init(struct evl *e, const struct img *img, const struct settings *settings,
	const char **reterr_why)
{
	uint32_t n = img->n[IMG_SEC_PRED];
	int r;

	*e = (struct evl){.img = *img, .settings = settings};
	*reterr_why = "out of memory";
	evl_fields_init();
	r = check_ops(img, reterr_why);
	if (r < 0)
		return r;
	e->memo = calloc(n ? n : 1, sizeof(*e->memo));
	e->slot_pred = calloc(n ? n : 1, sizeof(*e->slot_pred));
	if (!e->memo || !e->slot_pred || evl_scratch_init(&e->scratch, SCRATCH_BYTES) < 0) {
		evl_done(e);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		e->slot_pred[i] =
			img->preds[i].flags & IMG_PRED_PROC ? e->n_slot_preds++ : IMG_NONE;
	r = replica_init(&e->replica, settings->threads_max, e->n_slot_preds);
	if (r < 0)
		evl_done(e);
	return r;
}

void evl_done(struct evl *e)
{
	free(e->memo);
	free(e->slot_pred);
	e->memo = e->slot_pred = NULL;
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
}

void evl_event_begin(struct evl *e, const struct ev_view *view)
{
	const struct ev_att *real;

	e->view = view;
	real = evl_att(e, EV_ATT_REALPATH);
	e->thread = replica_find(&e->replica, view->ev->slot);
	e->leader = e->thread ? evl_leader_of(e, e->thread) : NULL;
	if (!e->leader)
		e->leader = e->thread;
	e->realpath = real ? ev_att_text(real) : (struct span){0};
	e->second_name = false;
	forget_memo(e);
}

void evl_event_second_name(struct evl *e)
{
	e->second_name = true;
	forget_memo(e);
}
