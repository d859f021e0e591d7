/* SPDX-License-Identifier: Apache-2.0 */
/* Three-valued evaluation of conditions under an assumption. That a call failed: evt.rawres lies in
 * the errno range, evt.res is not SUCCESS, and a call that makes a descriptor has made none. Or that
 * its descriptor is a TCP connection: fd.l4proto is tcp. Whatever is not known to be settled by that
 * may be either. Recursion is bound by AST_HEIGHT_MAX.
 */

#include <string.h>

#include <abi/events.h>

#include "interest.h"

#define RESULT_MIN (-4095)
#define RESULT_MAX (-1)

#define CAN_BE_FALSE 1u
#define CAN_BE_TRUE 2u
#define CAN_BE_BOTH 3u

bool interest_has_result(uint16_t ix)
{
	const struct kev_info *info = kev_info_get(ix);

	if (info->kind != KEV_KIND_SYSCALL || info->dir != KEV_EXIT || info->n_params == 0)
		return false;
	switch (info->params[0].type) {
	case KEV_T_ERRNO:
	case KEV_T_FD:
	case KEV_T_FD32:
	case KEV_T_PID:
	case KEV_T_PID32:
		return true;
	default:
		return false;
	}
}

/* A number between lo and hi against the constants. */
static unsigned of_range(const struct tcheck *tc, int64_t lo, int64_t hi)
{
	int64_t c = tc->n_consts ? (int64_t)tc->consts[0].num : 0;

	switch (tc->op) {
	case IMG_OP_EQ:
		return c < lo || c > hi ? CAN_BE_FALSE : CAN_BE_BOTH;
	case IMG_OP_NE:
		return c < lo || c > hi ? CAN_BE_TRUE : CAN_BE_BOTH;
	case IMG_OP_LT:
		return c <= lo ? CAN_BE_FALSE : c > hi ? CAN_BE_TRUE : CAN_BE_BOTH;
	case IMG_OP_LE:
		return c < lo ? CAN_BE_FALSE : c >= hi ? CAN_BE_TRUE : CAN_BE_BOTH;
	case IMG_OP_GT:
		return c >= hi ? CAN_BE_FALSE : c < lo ? CAN_BE_TRUE : CAN_BE_BOTH;
	case IMG_OP_GE:
		return c > hi ? CAN_BE_FALSE : c <= lo ? CAN_BE_TRUE : CAN_BE_BOTH;
	case IMG_OP_IN:
	case IMG_OP_INTERSECTS:
		for (uint32_t i = 0; i < tc->n_consts; i++)
			if ((int64_t)tc->consts[i].num >= lo && (int64_t)tc->consts[i].num <= hi)
				return CAN_BE_BOTH;
		return CAN_BE_FALSE;
	default:
		return CAN_BE_BOTH;
	}
}

static unsigned of_text(const struct tcheck *tc)
{
	bool success = tc->n_consts == 1 && tc->consts[0].n == 7 &&
		       !memcmp(tc->consts[0].str, "SUCCESS", 7);

	if (!success)
		return CAN_BE_BOTH;
	return tc->op == IMG_OP_EQ || tc->op == IMG_OP_IN ? CAN_BE_FALSE
	       : tc->op == IMG_OP_NE                      ? CAN_BE_TRUE
							  : CAN_BE_BOTH;
}

/* Of a text that is known to be @value. */
static unsigned of_known_text(const struct tcheck *tc, const char *value)
{
	size_t n = strlen(value);
	bool is_in = false;

	for (uint32_t i = 0; i < tc->n_consts; i++)
		is_in |= tc->consts[i].n == n && !memcmp(tc->consts[i].str, value, n);
	switch (tc->op) {
	case IMG_OP_EQ:
	case IMG_OP_IN:
		return is_in ? CAN_BE_TRUE : CAN_BE_FALSE;
	case IMG_OP_NE:
		return is_in ? CAN_BE_FALSE : CAN_BE_TRUE;
	default:
		return CAN_BE_BOTH;
	}
}

enum assumption { CALL_FAILED, IS_TCP };

static unsigned of_check(const struct tcheck *tc, uint16_t ix, enum assumption a)
{
	const struct kev_info *info = kev_info_get(ix);
	struct evset only = {0};
	enum tcheck_fold f;

	evset_add(&only, ix);
	f = tc->fold != FOLD_NO ? tc->fold : evset_fold(tc, &only);
	if (f != FOLD_NO)
		return f == FOLD_TRUE ? CAN_BE_TRUE : CAN_BE_FALSE;
	if (!tc->lhs->is_field || tc->modifier != IMG_MOD_NONE ||
		(tc->rhs_kind != IMG_RHS_CONST && tc->rhs_kind != IMG_RHS_SET))
		return CAN_BE_BOTH;
	if (a == IS_TCP)
		return tc->lhs->field == FIELD_ID_FD_L4PROTO ? of_known_text(tc, "tcp")
							     : CAN_BE_BOTH;
	switch ((enum field_id)tc->lhs->field) {
	case FIELD_ID_EVT_RAWRES:
		return of_range(tc, RESULT_MIN, RESULT_MAX);
	case FIELD_ID_EVT_RES:
		return of_text(tc);
	case FIELD_ID_FD_NUM:
		/* No value, or a negative one: whichever it is, what is false of all negative
		 * numbers is false of none at all. */
		if (!(info->flags & KEV_CREATES_FD) || (info->flags & KEV_USES_FD))
			return CAN_BE_BOTH;
		return of_range(tc, INT32_MIN, RESULT_MAX) == CAN_BE_FALSE ? CAN_BE_FALSE
									   : CAN_BE_BOTH;
	default:
		return CAN_BE_BOTH;
	}
}

static unsigned analyse(const struct ast *n, uint16_t ix, enum assumption a)
{
	unsigned all = CAN_BE_BOTH, any = 0, kid;

	switch (n->kind) {
	case AST_CHECK:
		return of_check(n->typed, ix, a);
	case AST_MACRO:
		return analyse(n->kids[0], ix, a);
	case AST_NOT:
		kid = analyse(n->kids[0], ix, a);
		return (kid & CAN_BE_FALSE ? CAN_BE_TRUE : 0) |
		       (kid & CAN_BE_TRUE ? CAN_BE_FALSE : 0);
	default:
		for (uint32_t i = 0; i < n->n_kids; i++) {
			kid = analyse(n->kids[i], ix, a);
			all &= kid;
			any |= kid;
		}
		if (n->kind == AST_AND)
			return (all & CAN_BE_TRUE) | (any & CAN_BE_FALSE);
		return (any & CAN_BE_TRUE) | (all & CAN_BE_FALSE);
	}
}

bool interest_in_failures(const struct ast *n, uint16_t ix)
{
	return !interest_has_result(ix) || (analyse(n, ix, CALL_FAILED) & CAN_BE_TRUE);
}

bool interest_in_tcp(const struct ast *n, uint16_t ix)
{
	return analyse(n, ix, IS_TCP) & CAN_BE_TRUE;
}
