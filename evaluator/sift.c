/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of an event that may match it at all, and their programs with everything taken out that
 * is settled before.
 *
 * Rules under one event type ask the same few things of it over and over: is it an open for reading,
 * did it succeed, is it a file? Those tests that have few outcomes and stand in several rules are the
 * type's keys. They are made once per event, and their outcomes together name the event's class. What
 * is left of the rules' programs under these outcomes is made when the first event of a class comes,
 * by following both edges of every test that is still open: rules that cannot be accepted any more
 * are not in the class.
 *
 * Of a class, a process's slot remembers the rules that cannot be accepted by what is remembered of
 * the process (two bits per predicate, replica.h), in the same row and therefore exactly as long.
 *
 * Tests have no side effects, so leaving them out or making them earlier changes no verdict. The one
 * exception, util.cnt, counts how often it is asked for: a program that has it is kept as it is.
 *
 * The image was verified: edges point forward and stay inside their rule. All memory is there from
 * the start. A class that finds no room is judged by the rules' own programs; after a while all
 * classes are given up, so that a flood of odd ones cannot keep the usual ones out for ever. */
#include "sift.h"

#include <errno.h>
#include <stdlib.h>

#include <base/hash.h>
#include <base/macros.h>

#define MISSES_MAX 4096 /* events without a class, until all are given up */
#define POOL_NODES_MAX (1u << 18)
#define POOL_RULES_MAX (1u << 16)
#define LOOKS_EVAL 8 /* events of a process and class after which its facts are all found out */

/* What a slot remembers of a class, behind the predicates of its row. */
struct evl_sift_known {
	uint32_t id; /* 0: nothing yet */
	uint32_t looks;
	uint64_t out; /* rules of the class that the process's facts exclude */
};
#define KNOWN_OF_SLOT 4
static_assert(sizeof(struct evl_sift_known) * KNOWN_OF_SLOT == EVL_SIFT_WORDS * sizeof(uint64_t),
	"a slot's share of its row");

static uint32_t longest_program(const struct img *img)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < img->n[IMG_SEC_RULE]; i++)
		n = MAX(n, img->rules[i].n_nodes);
	return n;
}

int evl_sift_init(struct evl *e)
{
	uint32_t n_preds = e->img.n[IMG_SEC_PRED] + 1, longest = longest_program(&e->img) + 1;
	struct evl_sift *s = calloc(1, sizeof(*s));

	e->sift = s;
	if (!s)
		return -ENOMEM;
	s->classes_max = EVL_SIFT_CLASSES;
	s->nodes_max = MIN(e->img.n[IMG_SEC_NODE], POOL_NODES_MAX / 16) * 16 + 1;
	s->left_max = MIN(e->img.n[IMG_SEC_RULEREF], POOL_RULES_MAX / 16) * 16 + 1;
	s->types = calloc(_KEV_IX_MAX, sizeof(*s->types));
	s->nodes = calloc(s->nodes_max, sizeof(*s->nodes));
	s->left = calloc(s->left_max, sizeof(*s->left));
	s->settled = calloc(n_preds, sizeof(*s->settled));
	s->n_uses = calloc(n_preds, sizeof(*s->n_uses));
	s->last_rule = calloc(n_preds, sizeof(*s->last_rule));
	s->leads_to = calloc(longest, sizeof(*s->leads_to));
	s->place = calloc(longest, sizeof(*s->place));
	s->reached = calloc(longest, sizeof(*s->reached));
	if (!s->types || !s->nodes || !s->left || !s->settled || !s->n_uses || !s->last_rule ||
		!s->leads_to || !s->place || !s->reached)
		return -ENOMEM;
	return 0;
}

void evl_sift_done(struct evl *e)
{
	struct evl_sift *s = e->sift;

	if (!s)
		return;
	free(s->types);
	free(s->nodes);
	free(s->left);
	free(s->settled);
	free(s->n_uses);
	free(s->last_rule);
	free(s->leads_to);
	free(s->place);
	free(s->reached);
	free(s);
	e->sift = NULL;
}

void evl_sift_limit(struct evl *e, uint32_t n_classes)
{
	e->sift->classes_max = MIN(n_classes, (uint32_t)EVL_SIFT_CLASSES);
}

void evl_sift_figures(const struct evl *e, unsigned *ret_keys, unsigned *ret_rules)
{
	const struct evl_turn *t = &e->turn;

	*ret_keys = e->sift->types[e->view->info->ix].n;
	*ret_rules = t->cls ? t->cls->n_left - (unsigned)__builtin_popcountll(t->excluded)
			    : e->img.events[e->view->info->ix].n_refs;
}

unsigned evl_sift_given_up(const struct evl *e)
{
	return e->sift->n_given_up;
}

static uint32_t table_at(uint16_t ix, uint32_t key)
{
	return (uint32_t)hash_u64((uint64_t)ix << 32 | key) & (EVL_SIFT_TABLE - 1);
}

static void give_up_all(struct evl_sift *s)
{
	memset(s->table, 0, sizeof(s->table));
	for (unsigned i = 0; i < _KEV_IX_MAX; i++)
		s->types[i].last = EVL_SIFT_CLASSES;
	s->n_classes = s->n_nodes = s->n_left = s->n_misses = 0;
	s->n_given_up++;
}

/* EVL_SIFT_CLASSES: there is no room for it. */
static uint32_t make_class(struct evl *e, const struct key_preds *k, uint16_t ix, uint32_t key)
{
	struct evl_sift *s = e->sift;
	struct sift_class *c;
	uint32_t at = table_at(ix, key);

	if (s->n_misses > 0 && s->n_misses++ < MISSES_MAX)
		return EVL_SIFT_CLASSES;
	if (s->n_misses > 0)
		give_up_all(s);
	c = &s->classes[s->n_classes];
	if (s->n_classes < s->classes_max) {
		*c = (struct sift_class){
			.id = ++s->next_id, .key = key, .ix = ix, .left_first = s->n_left};
		if (evl_sift_fill(e, k, key, c) == 0) {
			while (s->table[at])
				at = (at + 1) & (EVL_SIFT_TABLE - 1);
			s->table[at] = (uint16_t)++s->n_classes;
			return s->n_classes - 1;
		}
	}
	s->n_misses = 1;
	return EVL_SIFT_CLASSES;
}

static uint32_t find_class(const struct evl_sift *s, uint16_t ix, uint32_t key)
{
	for (uint32_t at = table_at(ix, key); s->table[at]; at = (at + 1) & (EVL_SIFT_TABLE - 1)) {
		const struct sift_class *c = &s->classes[s->table[at] - 1];

		if (c->ix == ix && c->key == key)
			return s->table[at] - 1u;
	}
	return EVL_SIFT_CLASSES;
}

static const struct sift_class *class_of_event(struct evl *e)
{
	struct evl_sift *s = e->sift;
	uint16_t ix = (uint16_t)e->view->info->ix;
	struct key_preds *k = &s->types[ix];
	uint32_t key = 0;

	if (!k->is_known)
		evl_sift_find_keys(e, k);
	for (unsigned i = 0; i < k->n; i++)
		key |= (uint32_t)evl_key_holds(e, &k->key[i]) << i;
	if (k->last != EVL_SIFT_CLASSES && s->classes[k->last].key == key)
		return &s->classes[k->last];
	k->last = find_class(s, ix, key);
	if (k->last == EVL_SIFT_CLASSES)
		k->last = make_class(e, k, ix, key);
	return k->last == EVL_SIFT_CLASSES ? NULL : &s->classes[k->last];
}

/* --- what the process excludes --- */

/* Looked through at a process's second event of the class, and at its 8th, 64th and so on; at these
 * everything that the process can be asked is found out, which is too dear for processes that live
 * for a few events. */
static bool is_time_to_look(uint32_t looks)
{
	return looks == 2 ||
	       (looks >= LOOKS_EVAL && (looks & (looks - 1)) == 0 && __builtin_ctz(looks) % 3 == 0);
}

static uint64_t excluded(struct evl *e, const struct sift_class *c, uint64_t alive)
{
	struct evl_sift_known *known =
		(struct evl_sift_known *)replica_memo_extra(&e->replica, e->view->ev->slot);

	known += c->id % KNOWN_OF_SLOT;
	if (known->id != c->id)
		*known = (struct evl_sift_known){.id = c->id};
	alive &= ~known->out;
	if (known->looks == UINT32_MAX || !is_time_to_look(++known->looks))
		return known->out;
	for (uint64_t left = alive & c->maskable; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);

		if (!evl_sift_can_accept(e, &e->sift->left[c->left_first + i],
			    known->looks >= LOOKS_EVAL ? BY_PROCESS_ALL : BY_PROCESS))
			known->out |= 1ULL << i;
	}
	return known->out;
}

/* --- judging --- */

static bool walk(struct evl *e, const struct left *left)
{
	const struct node *nodes = e->sift->nodes;
	uint32_t at = left->entry;
	unsigned n_as_said = 0;

	while (n_as_said < left->n_first &&
		evl_pred(e, left->first[n_as_said]) == left->first_is[n_as_said])
		n_as_said++;
	if (left->n_first && n_as_said == left->n_first)
		return false;
	while (at != IMG_ACCEPT && at != IMG_REJECT) {
		const struct node *n = &nodes[at];
		uint32_t memo = e->memo[n->pred];
		int v = -1;

		if (memo >> 1 == e->memo_gen)
			v = memo & 1;
		else if (n->remembered != IMG_NONE && e->row)
			v = replica_memo_bit(e->row, n->remembered);
		if (v < 0)
			v = evl_pred(e, n->pred);
		at = v ? n->if_true : n->if_false;
	}
	return at == IMG_ACCEPT;
}

static void begin_turn(struct evl *e)
{
	struct evl_turn *t = &e->turn;
	const struct sift_class *c = class_of_event(e);

	*t = (struct evl_turn){.has_begun = true, .cls = c};
	if (!c)
		return;
	t->alive = c->n_left < 64 ? (1ULL << c->n_left) - 1 : UINT64_MAX;
	t->next = 64;
	if (t->alive && e->row)
		t->excluded = excluded(e, c, t->alive);
	t->alive &= ~t->excluded;
}

/* By the rules' own programs. */
static bool next_plain(struct evl *e, uint32_t *ret_rule)
{
	const struct img_event *ix = &e->img.events[e->view->info->ix];

	while (e->turn.next < ix->n_refs) {
		uint32_t rule = e->img.rulerefs[ix->refs_first + e->turn.next++];

		if (!e->img.rules[rule].enabled || !evl_rule_matches(e, &e->img.rules[rule]))
			continue;
		*ret_rule = rule;
		return true;
	}
	return false;
}

bool evl_match_next(struct evl *e, uint32_t *ret_rule)
{
	struct evl_turn *t = &e->turn;
	const struct left *left;

	if (!t->has_begun)
		begin_turn(e);
	if (!t->cls)
		return next_plain(e, ret_rule);
	left = &e->sift->left[t->cls->left_first];
	while (t->alive) {
		unsigned i = (unsigned)__builtin_ctzll(t->alive);

		t->alive &= t->alive - 1;
		if (!walk(e, &left[i]))
			continue;
		*ret_rule = left[i].rule;
		return true;
	}
	while (t->next < t->cls->n_left) {
		uint32_t i = t->next++;

		if (!walk(e, &left[i]))
			continue;
		*ret_rule = left[i].rule;
		return true;
	}
	return false;
}
