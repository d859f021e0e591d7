/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of the image: membership by their hash tables, networks and paths by walking. Indices were
 * checked by img_verify(). */
#include <fnmatch.h>

#include <base/hash.h>
#include <base/macros.h>

#include "eval.h"

static bool const_is(const struct img *img, const struct img_const *c, const struct evl_value *v)
{
	switch ((enum img_type)c->type) {
	case IMG_T_STR:
	case IMG_T_BYTES:
	case IMG_T_LIST_STR:
		return v->type == EVL_STR && span_eq(img_text(img, c->str), v->s);
	case IMG_T_IPADDR:
	case IMG_T_IPNET:
		return v->type == EVL_IP && evl_ip_in(v, c);
	case IMG_T_DOUBLE: {
		struct evl_value d = {.type = EVL_DOUBLE, .u = c->num};

		return v->type == EVL_DOUBLE && v->d == d.d;
	}
	case IMG_T_BOOL:
		return v->type == EVL_BOOL && v->b == (c->num != 0);
	default:
		return (v->type == EVL_I64 || v->type == EVL_U64 || v->type == EVL_BOOL) &&
		       v->u == c->num;
	}
}

static bool hash_of(const struct img_set *set, const struct evl_value *v, uint64_t *ret_hash)
{
	switch (v->type) {
	case EVL_STR:
		*ret_hash = hash_bytes(v->s.p, v->s.n, set->seed);
		return true;
	case EVL_I64:
	case EVL_U64:
	case EVL_BOOL:
		*ret_hash = hash_u64(v->u ^ set->seed);
		return true;
	default:
		return false;
	}
}

bool evl_set_has(const struct img *img, const struct img_set *set, const struct evl_value *v)
{
	uint64_t h;

	if (set->n_slots == 0) {
		for (uint32_t i = 0; i < set->n; i++)
			if (const_is(img, &img->consts[set->first + i], v))
				return true;
		return false;
	}
	if (!hash_of(set, v, &h))
		return false;
	for (uint32_t i = 0; i < set->n_slots; i++) {
		uint32_t at = img->setslots[set->slots_first + ((h + i) & (set->n_slots - 1))];

		if (at == 0)
			return false;
		if (const_is(img, &img->consts[at - 1], v))
			return true;
	}
	return false;
}

uint64_t evl_set_marks(const struct img *img, const struct img_set *set)
{
	uint64_t marks = 0;

	for (uint32_t i = 0; i < set->n; i++)
		marks |= evl_text_mark(img_text(img, img->consts[set->first + i].str));
	return marks;
}

/* The next component of a path; false at its end. */
static bool next_component(struct span *path, struct span *ret_part)
{
	size_t i = 0, from;

	while (i < path->n && path->p[i] == '/')
		i++;
	from = i;
	while (i < path->n && path->p[i] != '/')
		i++;
	if (i == from)
		return false;
	*ret_part = (struct span){.p = path->p + from, .n = i - from};
	*path = (struct span){.p = path->p + i, .n = path->n - i};
	return true;
}

static bool is_pattern(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '*' || s.p[i] == '?' || s.p[i] == '[')
			return true;
	return false;
}

/* Are the components of @prefix the first ones of @path? */
static bool is_path_prefix(struct evl *e, struct span prefix, struct span path, bool globs)
{
	struct span want, part;

	while (next_component(&prefix, &want)) {
		if (!next_component(&path, &part))
			return false;
		if (globs && is_pattern(want)) {
			if (fnmatch(evl_scratch_cstr(&e->scratch, want),
				    evl_scratch_cstr(&e->scratch, part), 0) != 0)
				return false;
		} else if (!span_eq(want, part)) {
			return false;
		}
	}
	return true;
}

bool evl_path_match(struct evl *e, const struct img_set *set, struct span path)
{
	for (uint32_t i = 0; i < set->n; i++) {
		struct span prefix = img_text(&e->img, e->img.consts[set->first + i].str);

		if (is_path_prefix(e, prefix, path, set->flags & IMG_SET_GLOB))
			return true;
	}
	return false;
}
