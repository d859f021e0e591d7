/* SPDX-License-Identifier: Apache-2.0 */
/* The event-type analysis: tests of evt.type and syscall.type narrow the set, evt.num settles it,
 * everything else is neutral under any sign. Walks a condition by recursion, bound by
 * AST_HEIGHT_MAX. */

#include <string.h>

#include <abi/events.h>
#include <base/macros.h>

#include "evtypes.h"

#define SAKER_CODES_FROM 32769
#define REFERENCE_CODES 454 /* rows of the reference's event table */
#define REFERENCE_MANY 100

static bool is_visible(const struct kev_info *info)
{
	if (info->dir == KEV_ENTER || info->code >= SAKER_CODES_FROM)
		return false;
	return info->kind != KEV_KIND_ITER &&
	       (info->kind != KEV_KIND_META || info->ix == KEV_IX_ASYNCEVENT_E ||
		       info->ix == KEV_IX_CONTAINER_JSON_2_E);
}

/* The same for ever, and asked for at every test of every rule: made once. The compiler has one
 * thread. */
void evset_all(struct evset *ret)
{
	static struct evset all;
	static bool is_made;

	for (uint16_t ix = 0; ix < _KEV_IX_MAX && !is_made; ix++)
		if (is_visible(kev_info_get(ix)))
			evset_add(&all, ix);
	evset_add(&all, EVSET_OTHERS);
	is_made = true;
	*ret = all;
}

unsigned evset_count(const struct evset *s)
{
	unsigned n = 0;

	for (int i = 0; i < EVSET_WORDS; i++)
		n += (unsigned)__builtin_popcountll(s->w[i]);
	return n - evset_has(s, EVSET_OTHERS);
}

/* Names that have not just an enter and an exit row in the reference's table: old versions have
 * their own, and some events have one side only. */
static const struct {
	const char *name;
	unsigned n;
} rows_of_name[] = {{"accept", 4}, {"accept4", 6}, {"asyncevent", 1}, {"bpf", 4}, {"brk", 4},
	{"clone", 8}, {"close_range", 1}, {"container", 3}, {"dup", 4}, {"execve", 16}, {"fork", 6},
	{"ioctl", 4}, {"keyctl", 1}, {"link", 4}, {"linkat", 4}, {"mkdir", 4}, {"openat", 4},
	{"page_fault", 1}, {"pluginevent", 1}, {"rmdir", 4}, {"select", 4}, {"signaldeliver", 1},
	{"umount", 4}, {"unlink", 4}, {"unlinkat", 4}, {"vfork", 6}};

/* Counted once, at the first event of a name. */
static unsigned codes_of(uint16_t ix)
{
	const char *name = kev_info_get(ix)->name;

	for (uint16_t k = 0; k < ix; k++)
		if (is_visible(kev_info_get(k)) && !strcmp(kev_info_get(k)->name, name))
			return 0;
	for (size_t i = 0; i < ARRAY_LEN(rows_of_name); i++)
		if (!strcmp(rows_of_name[i].name, name))
			return rows_of_name[i].n;
	return 2;
}

unsigned evset_codes(const struct evset *s)
{
	static unsigned codes[_KEV_IX_MAX + 1];
	unsigned n = 0;

	if (!codes[EVSET_OTHERS]) { /* made once, as evset_all() */
		codes[EVSET_OTHERS] = REFERENCE_CODES;
		for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++)
			if (is_visible(kev_info_get(ix))) {
				codes[ix] = codes_of(ix);
				codes[EVSET_OTHERS] -= codes[ix];
			}
	}
	for (unsigned ix = 0; ix <= EVSET_OTHERS; ix++)
		n += evset_has(s, ix) ? codes[ix] : 0;
	return n;
}

bool evset_is_wide(const struct evset *s)
{
	return evset_codes(s) > REFERENCE_MANY;
}

static bool name_is(const char *name, const char *p, size_t n)
{
	return strlen(name) == n && !memcmp(name, p, n);
}

/* Every row of that name; a system call without a row of its own is a generic event. */
static void add_codes(struct evset *s, const char *p, size_t n)
{
	bool found = false;

	for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++) {
		const struct kev_info *info = kev_info_get(ix);

		if (ix == KEV_IX_GENERIC_X || !name_is(info->name, p, n))
			continue;
		found = true;
		if (is_visible(info))
			evset_add(s, ix);
	}
	/* the first has a row of its own as well, which only old captures hold */
	if (name_is("container", p, n) || name_is("container_removed", p, n))
		evset_add(s, KEV_IX_ASYNCEVENT_E);
	else if (!found && kev_syscall_name_exists(p, (unsigned)n))
		evset_add(s, KEV_IX_GENERIC_X);
}

bool evname_is_known(const char *name, size_t n)
{
	/* only old captures hold them, and readers make nothing of them */
	static const char *const gone[] = {"k8s", "mesos", "tracer"};

	for (size_t i = 0; i < ARRAY_LEN(gone); i++)
		if (name_is(gone[i], name, n))
			return true;
	for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++)
		if (name_is(kev_info_get(ix)->name, name, n) &&
			kev_info_get(ix)->code < SAKER_CODES_FROM)
			return true;
	return name_is("container_removed", name, n) || kev_syscall_name_exists(name, (unsigned)n);
}

const char *evname_nearest(const char *name, size_t n)
{
	const char *names[_KEV_IX_MAX + 1] = {NULL};
	int count = 0;

	for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++)
		if (is_visible(kev_info_get(ix)) && ix != KEV_IX_GENERIC_X)
			names[count++] = kev_info_get(ix)->name;
	return diag_nearest(name, n, names);
}

static void invert(struct evset *s)
{
	struct evset all;

	evset_all(&all);
	for (int i = 0; i < EVSET_WORDS; i++)
		s->w[i] = all.w[i] & ~s->w[i];
}

static void of_check(const struct tcheck *tc, bool neg, struct evset *ret)
{
	const struct tval *l = tc->lhs;
	bool negate = neg;

	if (l->is_field && l->field == FIELD_ID_EVT_NUM && tc->fold != FOLD_NO) {
		*ret = (struct evset){0};
		if ((tc->fold == FOLD_TRUE) != neg)
			evset_all(ret);
		return;
	}
	evset_all(ret);
	if (!l->is_field || (l->field != FIELD_ID_EVT_TYPE && l->field != FIELD_ID_SYSCALL_TYPE))
		return;
	if (tc->op == IMG_OP_EXISTS) {
		if (neg && l->field == FIELD_ID_EVT_TYPE)
			*ret = (struct evset){0};
		return;
	}
	if ((tc->op != IMG_OP_EQ && tc->op != IMG_OP_NE && tc->op != IMG_OP_IN) ||
		tc->modifier != IMG_MOD_NONE ||
		(tc->rhs_kind != IMG_RHS_CONST && tc->rhs_kind != IMG_RHS_SET))
		return;
	*ret = (struct evset){0};
	if (tc->codes) {
		*ret = *tc->codes;
	} else {
		for (uint32_t i = 0; i < tc->n_consts; i++)
			add_codes(ret, tc->consts[i].str, tc->consts[i].n);
	}
	if (tc->op == IMG_OP_NE)
		negate = !negate;
	if (negate)
		invert(ret);
}

static void analyse(const struct ast *n, bool neg, struct evset *ret)
{
	bool meet;

	if (n->kind == AST_CHECK) {
		of_check(n->typed, neg, ret);
		return;
	}
	if (n->kind == AST_NOT || n->kind == AST_MACRO) {
		analyse(n->kids[0], n->kind == AST_NOT ? !neg : neg, ret);
		return;
	}
	meet = (n->kind == AST_AND) != neg;
	analyse(n->kids[0], neg, ret);
	for (uint32_t i = 1; i < n->n_kids; i++) {
		struct evset kid;

		analyse(n->kids[i], neg, &kid);
		for (int w = 0; w < EVSET_WORDS; w++)
			ret->w[w] = meet ? ret->w[w] & kid.w[w] : ret->w[w] | kid.w[w];
	}
}

/* Names are looked up once, however many rules share the test. */
void evset_prepare(struct cx *cx, struct tcheck *tc)
{
	struct evset *s;

	if (!tc->lhs->is_field || tc->codes ||
		(tc->lhs->field != FIELD_ID_EVT_TYPE && tc->lhs->field != FIELD_ID_SYSCALL_TYPE))
		return;
	s = cx_alloc(cx, sizeof(*s));
	for (uint32_t i = 0; s && i < tc->n_consts; i++)
		add_codes(s, tc->consts[i].str, tc->consts[i].n);
	tc->codes = s;
}

void evset_of(const struct ast *n, struct evset *ret)
{
	analyse(n, false, ret);
}

enum tcheck_fold evset_fold(const struct tcheck *tc, const struct evset *s)
{
	bool inside = true, outside = true;
	struct evset t;

	if (!tc->lhs->is_field || tc->lhs->field != FIELD_ID_EVT_TYPE ||
		tc->modifier != IMG_MOD_NONE ||
		(tc->op != IMG_OP_EQ && tc->op != IMG_OP_NE && tc->op != IMG_OP_IN))
		return FOLD_NO;
	of_check(tc, tc->op == IMG_OP_NE, &t);
	/* Their names come from the event's content. */
	if (evset_has(&t, KEV_IX_GENERIC_X) || evset_has(&t, KEV_IX_ASYNCEVENT_E))
		return FOLD_NO;
	for (int w = 0; w < EVSET_WORDS; w++) {
		inside &= !(s->w[w] & ~t.w[w]);
		outside &= !(s->w[w] & t.w[w]);
	}
	if (!inside && !outside)
		return FOLD_NO;
	return inside == (tc->op != IMG_OP_NE) ? FOLD_TRUE : FOLD_FALSE;
}
