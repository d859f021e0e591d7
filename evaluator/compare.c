/* SPDX-License-Identifier: Apache-2.0 */
/* One comparison of two values: the operators of the rule language on values that are there. Values
 * of kinds that do not compare are unequal and nothing else. Values are hostile bytes, constants
 * come from the verified image. */
#include <fnmatch.h>
#include <strings.h>

#include <base/macros.h>

#include "eval.h"

void evl_const(const struct img *img, uint32_t index, struct evl_value *ret_v, unsigned *ret_prefix)
{
	const struct img_const *c = &img->consts[index];

	*ret_prefix = 0;
	switch ((enum img_type)c->type) {
	case IMG_T_STR:
	case IMG_T_BYTES:
	case IMG_T_LIST_STR:
		evl_set_str(ret_v, img_text(img, c->str));
		break;
	case IMG_T_BOOL:
		evl_set_bool(ret_v, c->num != 0);
		break;
	case IMG_T_I64:
		evl_set_i64(ret_v, (int64_t)c->num);
		break;
	case IMG_T_DOUBLE:
		*ret_v = (struct evl_value){.type = EVL_DOUBLE, .u = c->num};
		break;
	case IMG_T_IPADDR:
	case IMG_T_IPNET:
		*ret_v = (struct evl_value){
			.type = EVL_IP, .family = c->family, .is_net = c->type == IMG_T_IPNET};
		memcpy(ret_v->ip, c->ip, sizeof(ret_v->ip));
		*ret_prefix = c->prefix;
		break;
	default:
		evl_set_u64(ret_v, c->num);
		break;
	}
}

bool evl_ip_in(const struct evl_value *addr, const struct img_const *net)
{
	unsigned prefix = net->type == IMG_T_IPNET ? net->prefix : net->family == 4 ? 32 : 128;
	unsigned whole, rest;

	if (addr->family != net->family)
		return false;
	prefix = MIN(prefix, net->family == 4 ? 32u : 128u);
	whole = prefix / 8;
	rest = prefix % 8;
	if (memcmp(addr->ip, net->ip, whole) != 0)
		return false;
	return rest == 0 || addr->ip[whole] >> (8 - rest) == net->ip[whole] >> (8 - rest);
}

static int order_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int order_i64(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int order_text(struct span a, struct span b)
{
	size_t n = MIN(a.n, b.n);
	int k = n ? memcmp(a.p, b.p, n) : 0;

	return k ? k : order_u64(a.n, b.n);
}

static bool by_order(enum img_op op, int k)
{
	switch (op) {
	case IMG_OP_EQ:
		return k == 0;
	case IMG_OP_NE:
		return k != 0;
	case IMG_OP_LT:
		return k < 0;
	case IMG_OP_LE:
		return k <= 0;
	case IMG_OP_GT:
		return k > 0;
	case IMG_OP_GE:
		return k >= 0;
	default:
		return false;
	}
}

/* The byte of a text that is seen least in paths and command lines. */
size_t evl_rarest(struct span text)
{
	static const char common[] = "/esiartlnoc.dumphbg-_kvfwyxqjz0123456789 ";
	size_t best = 0, best_rank = 0;

	for (size_t i = 0; i < text.n; i++) {
		const char *at = text.p[i] ? strchr(common, text.p[i]) : NULL;
		size_t rank = at ? (size_t)(at - common) : sizeof(common);

		if (rank > best_rank) {
			best_rank = rank;
			best = i;
		}
	}
	return best;
}

/* Looks for one byte of the needle first; in texts that have it often as memmem() does, whose time
 * hangs on the lengths alone. */
bool evl_contains(struct span text, struct span needle, size_t rare)
{
	if (needle.n == 0)
		return true;
	for (unsigned tries = 0; needle.n <= text.n; tries++) {
		const char *hit;
		size_t skip;

		if (tries == 6)
			return memmem(text.p, text.n, needle.p, needle.n);
		hit = memchr(text.p + rare, needle.p[rare], text.n - needle.n + 1);
		if (!hit)
			return false;
		skip = (size_t)(hit - text.p) - rare;
		if (memcmp(text.p + skip, needle.p, needle.n) == 0)
			return true;
		text = (struct span){.p = text.p + skip + 1, .n = text.n - skip - 1};
	}
	return false;
}

static bool contains_nocase(struct span text, struct span needle)
{
	for (size_t i = 0; needle.n <= text.n && i <= text.n - needle.n; i++)
		if (strncasecmp(text.p + i, needle.p, needle.n) == 0)
			return true;
	return false;
}

static bool glob(struct evl *e, struct span text, struct span pattern, int flags)
{
	return fnmatch(evl_scratch_cstr(&e->scratch, pattern), evl_scratch_cstr(&e->scratch, text),
		       flags) == 0;
}

static bool compare_text(struct evl *e, enum img_op op, struct span l, struct span r)
{
	switch (op) {
	case IMG_OP_EQ:
		return span_eq(l, r);
	case IMG_OP_NE:
		return !span_eq(l, r);
	case IMG_OP_CONTAINS:
	case IMG_OP_BCONTAINS:
		return evl_contains(l, r, 0);
	case IMG_OP_ICONTAINS:
		return r.n == 0 || contains_nocase(l, r);
	case IMG_OP_STARTSWITH:
	case IMG_OP_BSTARTSWITH:
		return span_starts_with(l, r);
	case IMG_OP_ENDSWITH:
		return span_ends_with(l, r);
	case IMG_OP_GLOB:
		return glob(e, l, r, 0);
	case IMG_OP_IGLOB:
		return glob(e, l, r, FNM_CASEFOLD);
	case IMG_OP_REGEX:
		return evl_regex_match(e, r, l);
	default:
		return by_order(op, order_text(l, r));
	}
}

static bool compare_ip(enum img_op op, const struct evl_value *l, const struct evl_value *r)
{
	bool same = l->family == r->family && memcmp(l->ip, r->ip, r->family == 4 ? 4 : 16) == 0;

	return op == IMG_OP_EQ ? same : op == IMG_OP_NE ? !same : false;
}

static double as_double(const struct evl_value *v)
{
	return v->type == EVL_DOUBLE ? v->d : v->type == EVL_I64 ? (double)v->i : (double)v->u;
}

static bool compare_numbers(enum img_op op, const struct evl_value *l, const struct evl_value *r)
{
	if (l->type == EVL_DOUBLE || r->type == EVL_DOUBLE) {
		double a = as_double(l), b = as_double(r);

		return by_order(op, a < b ? -1 : a > b);
	}
	/* the left side says how the bits are read: constants are compiled to its type, and -1
	 * stands for the largest number of an unsigned one */
	return by_order(op, l->type == EVL_I64 ? order_i64(l->i, r->i) : order_u64(l->u, r->u));
}

static bool is_number(const struct evl_value *v)
{
	return v->type == EVL_I64 || v->type == EVL_U64 || v->type == EVL_BOOL ||
	       v->type == EVL_DOUBLE;
}

bool evl_compare(
	struct evl *e, enum img_op op, const struct evl_value *l, const struct evl_value *r)
{
	if (l->type == EVL_NULL || r->type == EVL_NULL)
		return false;
	if (l->type == EVL_STR && r->type == EVL_STR)
		return compare_text(e, op, l->s, r->s);
	if (is_number(l) && is_number(r))
		return compare_numbers(op, l, r);
	if (l->type == EVL_IP && r->type == EVL_IP)
		return compare_ip(op, l, r);
	return op == IMG_OP_NE;
}
