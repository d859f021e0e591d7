/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Predicates that tell the class of an event (sift.c): on fields of few values, made for every event
 * of their type. The usual ones are made here, without the ways over values and operators that
 * everything can take (pred.c); they give what evl_pred() gives. */

#include "eval.h"

enum evl_key_kind { EVL_KEY_PRED, EVL_KEY_OPEN_FLAG, EVL_KEY_FD_NUM, EVL_KEY_FD_TYPE, EVL_KEY_RES };

struct evl_key {
	uint32_t pred;
	uint8_t kind;   /* enum evl_key_kind */
	uint8_t op;     /* EVL_KEY_FD_NUM, EVL_KEY_RES */
	uint8_t flag;   /* EVL_KEY_OPEN_FLAG: bit of the parameter flags */
	uint8_t at;     /* that parameter's place */
	bool is;        /* EVL_KEY_OPEN_FLAG: set or not */
	int64_t num;    /* compared with */
	uint32_t types; /* EVL_KEY_FD_TYPE: set by enum ev_fd_type */
};

/* Is the predicate on such a field? */
bool evl_key_is_one(const struct evl *e, uint32_t pred);
/* For events of the type of the one at hand. */
void evl_key_make(const struct evl *e, uint32_t pred, struct evl_key *ret);
bool evl_key_holds(struct evl *e, const struct evl_key *k);
/* The field that the predicate compares with what stands in the image; -1: it is not that simple. */
int evl_pred_field(const struct img *img, uint32_t pred);
