/* SPDX-License-Identifier: Apache-2.0 */
/* Necessary conditions on the names of opened files. For each class of opens (access mode, O_TRUNC,
 * failed) a condition is evaluated over sets of names: for every tree two sets, of the names for
 * which it can be true and of those for which it can be false. What is not understood can be both
 * for any name, so every set is an upper bound; a conjunction may take the smallest of its parts'.
 * What comes out is a union of exact names, directories, last components and prefixes, or all.
 * Recursion is bound by AST_HEIGHT_MAX. */

#include <errno.h>
#include <string.h>

#include <abi/events.h>

#include "paths.h"

#define ENTRIES_MAX (KSHM_PATH_SLOTS / 2)

struct entry {
	const char *text;
	size_t n;
	struct entry *next;
	uint8_t kind; /* enum kshm_path_kind */
};

/* An upper bound of the names: all, or those of the list (none: it cannot be). */
struct names {
	bool any;
	uint32_t n;
	struct entry *first, *last;
};

struct verdict {
	struct names can_be_true, can_be_false;
};

struct walk {
	struct cx *cx;
	uint16_t ix;
	unsigned cls; /* of opens */
	bool failed;  /* out of memory */
};

static const struct names nothing, anything = {.any = true};
static const struct verdict open_verdict = {
	.can_be_true = {.any = true}, .can_be_false = {.any = true}};

static struct verdict settled(bool is_true)
{
	return (struct verdict){.can_be_true = is_true ? anything : nothing,
		.can_be_false = is_true ? nothing : anything};
}

static bool is_failed(const struct walk *w)
{
	return w->cls >= KSHM_OPEN_FAILED;
}

static bool is_trunc(const struct walk *w)
{
	return w->cls % KSHM_OPEN_FAILED >= KSHM_OPEN_TRUNC;
}

static bool may_read(const struct walk *w)
{
	return w->cls % KSHM_OPEN_TRUNC != 1;
}

static bool may_write(const struct walk *w)
{
	return w->cls % KSHM_OPEN_TRUNC != 0;
}

/* ---- sets ---- */

static void add(struct walk *w, struct names *s, uint8_t kind, const char *text, size_t n)
{
	struct entry *e = cx_alloc(w->cx, sizeof(*e));

	if (!e) {
		w->failed = true;
		*s = anything;
		return;
	}
	*e = (struct entry){.text = text, .n = n, .kind = kind};
	if (s->last)
		s->last->next = e;
	else
		s->first = e;
	s->last = e;
	s->n++;
}

/* Lists are shared by whoever got them, so joining copies. */
static struct names join(struct walk *w, struct names a, struct names b)
{
	struct names out = {0};

	if (a.any || b.any || a.n + b.n > ENTRIES_MAX)
		return anything;
	if (!a.n || !b.n)
		return a.n ? a : b;
	for (const struct entry *e = a.first; e; e = e->next)
		add(w, &out, e->kind, e->text, e->n);
	for (const struct entry *e = b.first; e; e = e->next)
		add(w, &out, e->kind, e->text, e->n);
	return out;
}

static struct names smaller(struct names a, struct names b)
{
	if (a.any || b.any)
		return a.any ? b : a;
	return a.n <= b.n ? a : b;
}

/* ---- tests ---- */

static bool contains(const struct tconst *c, const char *what)
{
	return memmem(c->str, c->n, what, strlen(what)) != NULL;
}

/* The names that begin with text's first n bytes. */
static struct names with_prefix(struct walk *w, const char *text, size_t n)
{
	struct names out = {0};

	if (!n)
		return anything;
	add(w, &out, KSHM_PATH_PREFIX, text, n);
	return out;
}

static struct names equal_to(struct walk *w, const struct tcheck *tc, uint8_t kind)
{
	struct names out = {0};

	for (uint32_t i = 0; i < tc->n_consts && !out.any; i++) {
		if (out.n == ENTRIES_MAX)
			return anything;
		add(w, &out, kind, tc->consts[i].str, tc->consts[i].n);
	}
	return out;
}

/* Paths below any of the constants, each compared component by component. */
static struct names below(struct walk *w, const struct tcheck *tc)
{
	struct names out = {0};

	for (uint32_t i = 0; i < tc->n_consts && !out.any; i++) {
		const struct tconst *c = &tc->consts[i];
		size_t n = c->n;

		for (size_t k = 0; k < c->n; k++)
			if (strchr("*?[\\", c->str[k]))
				return anything;
		while (n && c->str[n - 1] == '/')
			n--;
		out = join(w, out, with_prefix(w, c->str, n));
	}
	return out;
}

/* The literal beginning of a pattern. */
static struct names like(struct walk *w, const struct tconst *c)
{
	size_t n = 0;

	while (n < c->n && !strchr("*?[\\", c->str[n]))
		n++;
	return with_prefix(w, c->str, n);
}

/* fd.name and fd.directory: a directory is the beginning of the name. */
static struct names of_name(struct walk *w, const struct tcheck *tc, uint8_t kind)
{
	const struct tconst *c = tc->consts;
	const char *slash;
	struct names out = {0};

	switch (tc->op) {
	case IMG_OP_EQ:
	case IMG_OP_IN:
		return equal_to(w, tc, kind);
	case IMG_OP_STARTSWITH:
		return with_prefix(w, c->str, c->n);
	case IMG_OP_PMATCH:
		return below(w, tc);
	case IMG_OP_GLOB:
		return like(w, c);
	case IMG_OP_ENDSWITH:
		slash = kind == KSHM_PATH_EXACT ? memrchr(c->str, '/', c->n) : NULL;
		if (!slash)
			return anything;
		add(w, &out, KSHM_PATH_BASE, slash + 1, (size_t)(c->str + c->n - slash - 1));
		return out;
	default:
		return anything;
	}
}

/* fd.nameraw: only whether it climbs. */
static struct names of_raw(struct walk *w, const struct tcheck *tc)
{
	struct names out = {0};

	switch (tc->op) {
	case IMG_OP_EQ:
	case IMG_OP_IN:
	case IMG_OP_CONTAINS:
	case IMG_OP_ICONTAINS:
	case IMG_OP_STARTSWITH:
	case IMG_OP_ENDSWITH:
	case IMG_OP_GLOB:
		break;
	default:
		return anything;
	}
	for (uint32_t i = 0; i < tc->n_consts; i++)
		if (!contains(&tc->consts[i], "..") ||
			(tc->op == IMG_OP_GLOB &&
				(contains(&tc->consts[i], "[") || contains(&tc->consts[i], "\\"))))
			return anything;
	add(w, &out, KSHM_PATH_DOTDOT, "", 0);
	return out;
}

/* A text of which all possible values are known. */
static struct verdict of_values(const struct tcheck *tc, const char *const *values)
{
	bool all = true, none = true;

	if (tc->op != IMG_OP_EQ && tc->op != IMG_OP_NE && tc->op != IMG_OP_IN)
		return open_verdict;
	for (; *values; values++) {
		bool is_in = false;

		for (uint32_t i = 0; i < tc->n_consts; i++)
			is_in |= tc->consts[i].n == strlen(*values) &&
				 !memcmp(tc->consts[i].str, *values, tc->consts[i].n);
		all &= is_in;
		none &= !is_in;
	}
	/* the value may be missing as well, then the test is false whatever it is */
	if (none && tc->op != IMG_OP_NE)
		return settled(false);
	return open_verdict;
}

static struct verdict of_bool(const struct tcheck *tc, bool value)
{
	if (tc->op == IMG_OP_EQ)
		return settled(value == !!tc->consts[0].num);
	if (tc->op == IMG_OP_NE)
		return settled(value != !!tc->consts[0].num);
	return open_verdict;
}

/* evt.res of a successful call. */
static struct verdict of_success(const struct tcheck *tc)
{
	static const char *const success[] = {"SUCCESS", NULL};
	const struct tconst *c = tc->consts;

	if (tc->op == IMG_OP_STARTSWITH && (c->n > 7 || memcmp(c->str, success[0], c->n) != 0))
		return settled(false);
	return of_values(tc, success);
}

/* The return value lies between lo and hi. */
static struct verdict of_result(const struct tcheck *tc, int64_t lo, int64_t hi)
{
	int64_t c = tc->n_consts ? (int64_t)tc->consts[0].num : 0;
	bool never = false;

	switch (tc->op) {
	case IMG_OP_EQ:
		never = c < lo || c > hi;
		break;
	case IMG_OP_LT:
		never = c <= lo;
		break;
	case IMG_OP_LE:
		never = c < lo;
		break;
	case IMG_OP_GT:
		never = c >= hi;
		break;
	case IMG_OP_GE:
		never = c > hi;
		break;
	case IMG_OP_IN:
		never = true;
		for (uint32_t i = 0; i < tc->n_consts; i++)
			never &= (int64_t)tc->consts[i].num < lo || (int64_t)tc->consts[i].num > hi;
		break;
	default:
		break;
	}
	return never ? settled(false) : open_verdict;
}

static struct verdict of_flags(const struct walk *w, const struct tcheck *tc)
{
	const struct tval *l = tc->lhs;

	if (l->arg_kind == IMG_ARG_KEY && l->key_n == 5 && !memcmp(l->key, "flags", 5) &&
		tc->op == IMG_OP_CONTAINS && tc->consts[0].n == 7 &&
		!memcmp(tc->consts[0].str, "O_TRUNC", 7))
		return settled(is_trunc(w));
	return open_verdict;
}

static struct verdict of_field(struct walk *w, const struct tcheck *tc)
{
	static const char *const types[] = {"file", "directory", NULL}, *const chars[] = {"f", "d",
										"o", NULL};
	struct verdict v = open_verdict;

	switch ((enum field_id)tc->lhs->field) {
	case FIELD_ID_FD_NAME:
		v.can_be_true = of_name(w, tc, KSHM_PATH_EXACT);
		return v;
	case FIELD_ID_FD_DIRECTORY:
		v.can_be_true = of_name(w, tc, KSHM_PATH_DIR);
		return v;
	case FIELD_ID_FD_FILENAME:
		if (tc->op == IMG_OP_EQ || tc->op == IMG_OP_IN)
			v.can_be_true = equal_to(w, tc, KSHM_PATH_BASE);
		return v;
	case FIELD_ID_FD_NAMERAW:
		v.can_be_true = of_raw(w, tc);
		return v;
	case FIELD_ID_FD_TYPE:
		return of_values(tc, types);
	case FIELD_ID_FD_TYPECHAR:
		return of_values(tc, chars);
	case FIELD_ID_FD_NUM:
	case FIELD_ID_EVT_RAWRES:
		return is_failed(w) ? of_result(tc, INT32_MIN, -1) : of_result(tc, 0, INT32_MAX);
	case FIELD_ID_EVT_RES:
		return is_failed(w) ? open_verdict : of_success(tc);
	case FIELD_ID_EVT_IS_OPEN_READ:
		return of_bool(tc, may_read(w));
	case FIELD_ID_EVT_IS_OPEN_WRITE:
		return of_bool(tc, may_write(w));
	case FIELD_ID_EVT_ARG:
		return of_flags(w, tc);
	default:
		return v;
	}
}

static struct verdict of_check(struct walk *w, const struct tcheck *tc)
{
	struct evset only = {0};
	enum tcheck_fold f;

	evset_add(&only, w->ix);
	f = tc->fold != FOLD_NO ? tc->fold : evset_fold(tc, &only);
	if (f != FOLD_NO)
		return settled(f == FOLD_TRUE);
	if (!tc->lhs->is_field || tc->modifier != IMG_MOD_NONE || !tc->n_consts ||
		(tc->rhs_kind != IMG_RHS_CONST && tc->rhs_kind != IMG_RHS_SET))
		return open_verdict;
	return of_field(w, tc);
}

static struct verdict walk_tree(struct walk *w, const struct ast *n)
{
	struct verdict v, kid;

	switch (n->kind) {
	case AST_CHECK:
		return of_check(w, n->typed);
	case AST_MACRO:
		return walk_tree(w, n->kids[0]);
	case AST_NOT:
		kid = walk_tree(w, n->kids[0]);
		return (struct verdict){
			.can_be_true = kid.can_be_false, .can_be_false = kid.can_be_true};
	default:
		v = settled(n->kind == AST_AND);
		for (uint32_t i = 0; i < n->n_kids; i++) {
			kid = walk_tree(w, n->kids[i]);
			if (n->kind == AST_AND) {
				v.can_be_true = smaller(v.can_be_true, kid.can_be_true);
				v.can_be_false = join(w, v.can_be_false, kid.can_be_false);
			} else {
				v.can_be_true = join(w, v.can_be_true, kid.can_be_true);
				v.can_be_false = smaller(v.can_be_false, kid.can_be_false);
			}
		}
		return v;
	}
}

/* ---- the table ---- */

static uint64_t hash(const char *text, size_t n, enum kshm_path_kind kind)
{
	uint64_t h = kshm_hash_start(n, kind);

	for (size_t i = 0; i < n; i += 8) {
		uint64_t word = 0;

		memcpy(&word, text + i, n - i < 8 ? n - i : 8);
		h = kshm_hash_word(h, word);
	}
	return h;
}

/* False: no length more, so the class takes everything. */
static bool add_length(struct kshm_paths *p, size_t n)
{
	for (unsigned i = 0; i < KSHM_PATH_PREFIXES; i++) {
		if (p->prefix_lens[i] == 0)
			p->prefix_lens[i] = (uint8_t)n;
		if (p->prefix_lens[i] == n)
			return true;
	}
	return false;
}

static bool add_slot(struct kshm_paths *p, uint64_t h, unsigned cls)
{
	for (uint32_t i = 0; i < KSHM_PATH_PROBES; i++) {
		uint64_t *slot = &p->slots[(KSHM_HASH_SLOT(h) + i) & (KSHM_PATH_SLOTS - 1)];

		if (*slot == 0)
			*slot = KSHM_HASH_TAG(h);
		if (KSHM_HASH_TAG(*slot) == KSHM_HASH_TAG(h)) {
			*slot |= 1ULL << cls;
			return true;
		}
	}
	return false;
}

static void add_entry(struct kshm_paths *p, const struct entry *e, unsigned cls)
{
	bool ok = true;

	if (e->n >= KSHM_PATH_MAX)
		return; /* names as long as that are captured anyway */
	if (e->kind == KSHM_PATH_PREFIX)
		ok = add_length(p, e->n);
	if (ok && e->kind != KSHM_PATH_DOTDOT)
		ok = add_slot(p, hash(e->text, e->n, e->kind), cls);
	p->kinds[cls] |= ok ? e->kind : KSHM_PATH_ANY;
}

int paths_derive(struct cx *cx, const struct checked_rule *rules, uint32_t n,
	struct kshm_paths *ret_paths, bool *ret_useful)
{
	static const uint16_t opens[] = {KEV_IX_SYSCALL_OPEN_X, KEV_IX_SYSCALL_OPENAT_2_X};
	struct walk w = {.cx = cx};

	*ret_paths = (struct kshm_paths){0};
	*ret_useful = false;
	for (w.cls = 0; w.cls < KSHM_OPEN_CLASSES && !w.failed; w.cls++) {
		for (uint32_t i = 0; i < 2 * n; i++) {
			const struct checked_rule *r = &rules[i / 2];
			struct names names;

			w.ix = opens[i % 2];
			if (!r->ok || !r->enabled || !evset_has(&r->events, w.ix))
				continue;
			names = walk_tree(&w, r->ast).can_be_true;
			if (names.any)
				ret_paths->kinds[w.cls] |= KSHM_PATH_ANY;
			for (const struct entry *e = names.first; e && !names.any; e = e->next)
				add_entry(ret_paths, e, w.cls);
		}
		*ret_useful |= !(ret_paths->kinds[w.cls] & KSHM_PATH_ANY);
	}
	return w.failed ? -ENOMEM : 0;
}

/* ---- other events ---- */

static bool is_fd_type(uint8_t type)
{
	return type == KEV_T_FD || type == KEV_T_FD32;
}

/* Can the event be about a descriptor that an open by path may have made? Not where the descriptor
 * is the folder of a relative name, for folders are captured; sockets' calls fail on files. */
static bool takes_file(const struct kev_info *info)
{
	if (info->cat == KEV_CAT_NET || info->ix == KEV_IX_SYSCALL_OPEN_X ||
		info->ix == KEV_IX_SYSCALL_OPENAT_2_X)
		return false;
	for (unsigned i = 1; i < info->n_params; i++)
		if (is_fd_type(info->params[i].type) &&
			(i + 1 == info->n_params || info->params[i + 1].type != KEV_T_RELPATH))
			return true;
	/* what is made by the event itself is known, but for duplicates */
	return info->n_params && is_fd_type(info->params[0].type) &&
	       (!(info->flags & KEV_CREATES_FD) || info->flags & KEV_USES_FD);
}

/* Does the value show a descriptor's name or kind? */
static bool shows_fd(const struct tval *t)
{
	if (!t)
		return false;
	if (t->is_field) {
		switch ((enum field_id)t->field) {
		case FIELD_ID_FD_NUM:
			return false;
		case FIELD_ID_EVT_ARGS:
		case FIELD_ID_EVT_ARG:
		case FIELD_ID_EVT_INFO:
			return true;
		default:
			if (field_info_get((enum field_id)t->field)->cls == FIELD_FD)
				return true;
		}
	}
	for (uint32_t i = 0; i < t->n_args; i++)
		if (shows_fd(t->args[i]))
			return true;
	return false;
}

static bool tree_shows_fd(const struct ast *n)
{
	if (n->kind == AST_CHECK)
		return shows_fd(n->typed->lhs) || shows_fd(n->typed->rhs);
	for (uint32_t i = 0; i < n->n_kids; i++)
		if (tree_shows_fd(n->kids[i]))
			return true;
	return false;
}

static bool template_shows_fd(const struct ftemplate *f)
{
	for (uint32_t i = 0; i < f->n; i++)
		if (shows_fd(f->pieces[i].value))
			return true;
	return false;
}

static bool rule_shows_fd(const struct checked_rule *r)
{
	for (uint32_t i = 0; i < r->n_extra; i++)
		if (shows_fd(r->extra[i].raw) || template_shows_fd(&r->extra[i].fmt))
			return true;
	return template_shows_fd(&r->fmt) || tree_shows_fd(r->ast);
}

#define CAN_BE_FALSE 1u
#define CAN_BE_TRUE 2u
#define CAN_BE_BOTH 3u

/* Of a descriptor that is a file, or unknown. */
static unsigned check_on_file(const struct tcheck *tc, uint16_t ix)
{
	static const char *const types[] = {"file", NULL}, *const chars[] = {"f", "o", NULL};
	struct evset only = {0};
	struct verdict v;
	enum tcheck_fold f;

	evset_add(&only, ix);
	f = tc->fold != FOLD_NO ? tc->fold : evset_fold(tc, &only);
	if (f != FOLD_NO)
		return f == FOLD_TRUE ? CAN_BE_TRUE : CAN_BE_FALSE;
	if (!tc->lhs->is_field || tc->modifier != IMG_MOD_NONE || !tc->n_consts ||
		(tc->rhs_kind != IMG_RHS_CONST && tc->rhs_kind != IMG_RHS_SET))
		return CAN_BE_BOTH;
	if (tc->lhs->field == FIELD_ID_FD_TYPE)
		v = of_values(tc, types);
	else if (tc->lhs->field == FIELD_ID_FD_TYPECHAR)
		v = of_values(tc, chars);
	else
		return CAN_BE_BOTH;
	return v.can_be_true.any ? CAN_BE_BOTH : CAN_BE_FALSE;
}

static unsigned tree_on_file(const struct ast *n, uint16_t ix)
{
	unsigned all = CAN_BE_BOTH, any = 0, kid;

	if (n->kind == AST_CHECK)
		return check_on_file(n->typed, ix);
	if (n->kind == AST_MACRO)
		return tree_on_file(n->kids[0], ix);
	if (n->kind == AST_NOT) {
		kid = tree_on_file(n->kids[0], ix);
		return (kid & CAN_BE_FALSE ? CAN_BE_TRUE : 0) |
		       (kid & CAN_BE_TRUE ? CAN_BE_FALSE : 0);
	}
	for (uint32_t i = 0; i < n->n_kids; i++) {
		kid = tree_on_file(n->kids[i], ix);
		all &= kid;
		any |= kid;
	}
	if (n->kind == AST_AND)
		return (all & CAN_BE_TRUE) | (any & CAN_BE_FALSE);
	return (any & CAN_BE_TRUE) | (all & CAN_BE_FALSE);
}

bool paths_matter(const struct checked_rule *rules, uint32_t n, uint64_t needs)
{
	if (needs & (IMG_NEED_STDIO | IMG_NEED_FDTYPES | IMG_NEED_FDCOUNT))
		return true;
	for (uint32_t i = 0; i < n; i++) {
		if (!rules[i].ok || !rules[i].enabled || !rule_shows_fd(&rules[i]))
			continue;
		for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++)
			if (evset_has(&rules[i].events, ix) && takes_file(kev_info_get(ix)) &&
				(tree_on_file(rules[i].ast, ix) & CAN_BE_TRUE))
				return true;
	}
	return false;
}
