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
#include <errno.h>
#include <stdlib.h>

#include <abi/events.h>
#include <base/hash.h>
#include <base/macros.h>

#include "field.h"
#include "key.h"

#define KEYS_MAX 12
#define CLASSES_MAX 512
#define TABLE_SIZE 2048 /* of classes: a power of two, at most a quarter full */
#define MISSES_MAX 4096 /* events without a class, until all are given up */
#define POOL_NODES_MAX (1u << 18)
#define POOL_RULES_MAX (1u << 16)
#define LOOKS_EVAL 8 /* events of a process and class after which its facts are all found out */

/* An own copy of an image's node. */
struct node {
	uint32_t pred, remembered;  /* evl.slot_pred */
	uint32_t if_true, if_false; /* in the pool, or IMG_ACCEPT, IMG_REJECT */
};

/* What is left of a rule in a class. */
struct left {
	uint32_t rule;
	uint32_t entry;    /* in the pool, or IMG_ACCEPT */
	uint32_t end;      /* its nodes lie between entry and here */
	bool has_counting; /* asks for util.cnt */
};

struct sift_class {
	uint32_t id; /* never used again */
	uint32_t key;
	uint16_t ix;
	uint32_t left_first, n_left; /* in order of the rules */
	uint64_t maskable;           /* of the first 64: those without has_counting */
};

struct key_preds {
	bool is_known;
	uint8_t n;
	uint32_t last; /* class of the event before, CLASSES_MAX: none */
	struct evl_key key[KEYS_MAX];
};

/* What a slot remembers of a class, behind the predicates of its row. */
struct evl_sift_known {
	uint32_t id; /* 0: nothing yet */
	uint32_t looks;
	uint64_t out; /* rules of the class that the process's facts exclude */
};
#define KNOWN_OF_SLOT 4
static_assert(sizeof(struct evl_sift_known) * KNOWN_OF_SLOT == EVL_SIFT_WORDS * sizeof(uint64_t),
	"a slot's share of its row");

struct evl_sift {
	struct key_preds *types; /* by event index */
	struct sift_class classes[CLASSES_MAX];
	uint32_t n_classes, classes_max, next_id, n_misses, n_given_up;
	uint16_t table[TABLE_SIZE]; /* class + 1, 0: free */
	struct node *nodes;
	uint32_t n_nodes, nodes_max;
	struct left *left;
	uint32_t n_left, left_max;

	/* while one is made */
	uint8_t *settled;             /* by predicate: OPEN or an outcome */
	uint32_t *n_uses, *last_rule; /* by predicate */
	uint32_t *leads_to;           /* by node of a rule: the node that is come to in its place */
	uint32_t *place;              /* by node of a rule: in the pool */
	uint8_t *reached;             /* by node of a rule; all false in between */
};
enum { OPEN, IS_FALSE, IS_TRUE };

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
	s->classes_max = CLASSES_MAX;
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

/* --- predicates --- */

/* Operands have lower numbers than what they belong to: the recursion ends. */
static bool counts(const struct img *img, uint32_t expr)
{
	const struct img_expr *x = &img->exprs[expr];

	if (x->kind == IMG_E_FIELD)
		return x->field == FIELD_ID_UTIL_CNT;
	for (unsigned i = 0; x->kind != IMG_E_CONST && i < x->n_args; i++)
		if (counts(img, img->args[x->args_first + i]))
			return true;
	return false;
}

static bool is_counting(const struct img *img, uint32_t pred)
{
	const struct img_pred *p = &img->preds[pred];

	return counts(img, p->expr) || (p->rhs_kind == IMG_RHS_EXPR && counts(img, p->rhs));
}

/* Does the event's type alone tell the outcome? */
static bool is_of_type(const struct evl *e, uint32_t pred)
{
	uint16_t type = e->view->ev->type;

	if (type == KEV_CODE_GENERIC_X || type == KEV_CODE_ASYNCEVENT_E)
		return false; /* they carry a name of their own */
	switch (evl_pred_field(&e->img, pred)) {
	case FIELD_ID_EVT_TYPE:
	case FIELD_ID_EVT_TYPE_IS:
	case FIELD_ID_EVT_DIR:
	case FIELD_ID_SYSCALL_TYPE:
		return true;
	default:
		return false;
	}
}

/* --- keys of an event type --- */

static void add_key(const struct evl *e, struct key_preds *k, uint32_t pred)
{
	const struct evl_sift *s = e->sift;
	unsigned at;

	for (unsigned i = 0; i < k->n; i++)
		if (k->key[i].pred == pred)
			return;
	if (k->n < KEYS_MAX)
		k->n++;
	else if (s->n_uses[k->key[k->n - 1].pred] >= s->n_uses[pred])
		return;
	/* those with most rules first */
	for (at = k->n - 1u; at > 0 && s->n_uses[k->key[at - 1].pred] < s->n_uses[pred]; at--)
		k->key[at] = k->key[at - 1];
	evl_key_make(e, pred, &k->key[at]);
}

/* At the first event of the type: the predicates that are keys and stand in two rules or more. */
static void find_keys(struct evl *e, struct key_preds *k)
{
	struct evl_sift *s = e->sift;
	const struct img_event *ix = &e->img.events[e->view->info->ix];

	memset(s->n_uses, 0, e->img.n[IMG_SEC_PRED] * sizeof(*s->n_uses));
	memset(s->last_rule, 0xff, e->img.n[IMG_SEC_PRED] * sizeof(*s->last_rule));
	*k = (struct key_preds){.is_known = true, .last = CLASSES_MAX};
	for (unsigned pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < ix->n_refs; i++) {
			uint32_t rule = e->img.rulerefs[ix->refs_first + i];
			const struct img_rule *r = &e->img.rules[rule];

			for (uint32_t n = 0; n < r->n_nodes; n++) {
				uint32_t pred = e->img.nodes[r->nodes_first + n].pred;

				if (pass == 0 && s->last_rule[pred] != rule) {
					s->last_rule[pred] = rule;
					s->n_uses[pred]++;
				} else if (pass == 1 && s->n_uses[pred] > 1 &&
					   evl_key_is_one(e, pred) && !is_of_type(e, pred)) {
					add_key(e, k, pred);
				}
			}
		}
}

/* --- making a class --- */

static uint32_t where(const struct evl_sift *s, const struct img_rule *r, uint32_t to)
{
	return to == IMG_ACCEPT || to == IMG_REJECT ? to : s->leads_to[to - r->nodes_first];
}

static unsigned outcome(struct evl *e, uint32_t pred)
{
	struct evl_sift *s = e->sift;

	if (s->settled[pred] == OPEN && is_of_type(e, pred))
		return evl_pred(e, pred) ? IS_TRUE : IS_FALSE;
	return s->settled[pred];
}

/* From the end: where each node leads, itself if its test is still open and matters. */
static bool settle_program(struct evl *e, const struct img_rule *r)
{
	struct evl_sift *s = e->sift;
	bool has_counting = false;

	for (uint32_t i = r->n_nodes; i-- > 0;) {
		const struct img_node *n = &e->img.nodes[r->nodes_first + i];
		uint32_t t = where(s, r, n->if_true), f = where(s, r, n->if_false);
		unsigned v = outcome(e, n->pred);
		bool counting = v == OPEN && is_counting(&e->img, n->pred);

		has_counting |= counting;
		s->leads_to[i] = v == IS_TRUE          ? t
				 : v == IS_FALSE       ? f
				 : t == f && !counting ? t
						       : r->nodes_first + i;
	}
	return has_counting;
}

static void reach(struct evl_sift *s, const struct img_rule *r, uint32_t to)
{
	if (to != IMG_ACCEPT && to != IMG_REJECT)
		s->reached[to - r->nodes_first] = true;
}

/* Gives the nodes that can still be come to their places in the pool, in their order. */
static uint32_t place_nodes(struct evl *e, const struct img_rule *r, uint32_t entry)
{
	struct evl_sift *s = e->sift;
	uint32_t end = s->n_nodes;

	reach(s, r, entry);
	for (uint32_t i = 0; i < r->n_nodes; i++) {
		const struct img_node *n = &e->img.nodes[r->nodes_first + i];

		if (!s->reached[i])
			continue;
		reach(s, r, where(s, r, n->if_true));
		reach(s, r, where(s, r, n->if_false));
		s->place[i] = end++;
	}
	return end;
}

static uint32_t placed(const struct evl_sift *s, const struct img_rule *r, uint32_t to)
{
	to = where(s, r, to);
	return to == IMG_ACCEPT || to == IMG_REJECT ? to : s->place[to - r->nodes_first];
}

/* 0, or -ENOSPC. */
static int add_rule(struct evl *e, uint32_t rule)
{
	struct evl_sift *s = e->sift;
	const struct img_rule *r = &e->img.rules[rule];
	bool has_counting = settle_program(e, r);
	uint32_t entry = where(s, r, r->entry), end;

	if (entry == IMG_REJECT)
		return 0;
	if (s->n_left == s->left_max)
		return -ENOSPC;
	end = place_nodes(e, r, entry);
	for (uint32_t i = 0; i < r->n_nodes; i++) {
		const struct img_node *n = &e->img.nodes[r->nodes_first + i];

		if (s->reached[i] && end <= s->nodes_max)
			s->nodes[s->place[i]] = (struct node){.pred = n->pred,
				.remembered = e->slot_pred[n->pred],
				.if_true = placed(s, r, n->if_true),
				.if_false = placed(s, r, n->if_false)};
		s->reached[i] = false;
	}
	if (end > s->nodes_max)
		return -ENOSPC;
	s->left[s->n_left++] = (struct left){.rule = rule,
		.entry = placed(s, r, r->entry),
		.end = end,
		.has_counting = has_counting};
	s->n_nodes = end;
	return 0;
}

static uint32_t table_at(uint16_t ix, uint32_t key)
{
	return (uint32_t)hash_u64((uint64_t)ix << 32 | key) & (TABLE_SIZE - 1);
}

static void give_up_all(struct evl_sift *s)
{
	memset(s->table, 0, sizeof(s->table));
	for (unsigned i = 0; i < _KEV_IX_MAX; i++)
		s->types[i].last = CLASSES_MAX;
	s->n_classes = s->n_nodes = s->n_left = s->n_misses = 0;
	s->n_given_up++;
}

void evl_sift_limit(struct evl *e, uint32_t n_classes)
{
	e->sift->classes_max = MIN(n_classes, (uint32_t)CLASSES_MAX);
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

static int fill_class(struct evl *e, const struct key_preds *k, uint32_t key, struct sift_class *c)
{
	struct evl_sift *s = e->sift;
	const struct img_event *ix = &e->img.events[c->ix];
	uint32_t nodes_before = s->n_nodes;
	int r = 0;

	for (unsigned i = 0; i < k->n; i++)
		s->settled[k->key[i].pred] = key >> i & 1 ? IS_TRUE : IS_FALSE;
	for (uint32_t i = 0; i < ix->n_refs && r == 0; i++) {
		uint32_t rule = e->img.rulerefs[ix->refs_first + i];

		if (e->img.rules[rule].enabled)
			r = add_rule(e, rule);
	}
	for (unsigned i = 0; i < k->n; i++)
		s->settled[k->key[i].pred] = OPEN;
	if (r < 0) {
		s->n_nodes = nodes_before;
		s->n_left = c->left_first;
		return r;
	}
	c->n_left = s->n_left - c->left_first;
	for (uint32_t i = 0; i < MIN(c->n_left, 64u); i++)
		if (!s->left[c->left_first + i].has_counting)
			c->maskable |= 1ULL << i;
	return 0;
}

/* CLASSES_MAX: there is no room for it. */
static uint32_t make_class(struct evl *e, const struct key_preds *k, uint16_t ix, uint32_t key)
{
	struct evl_sift *s = e->sift;
	struct sift_class *c;
	uint32_t at = table_at(ix, key);

	if (s->n_misses > 0 && s->n_misses++ < MISSES_MAX)
		return CLASSES_MAX;
	if (s->n_misses > 0)
		give_up_all(s);
	c = &s->classes[s->n_classes];
	if (s->n_classes < s->classes_max) {
		*c = (struct sift_class){
			.id = ++s->next_id, .key = key, .ix = ix, .left_first = s->n_left};
		if (fill_class(e, k, key, c) == 0) {
			while (s->table[at])
				at = (at + 1) & (TABLE_SIZE - 1);
			s->table[at] = (uint16_t)++s->n_classes;
			return s->n_classes - 1;
		}
	}
	s->n_misses = 1;
	return CLASSES_MAX;
}

static uint32_t find_class(const struct evl_sift *s, uint16_t ix, uint32_t key)
{
	for (uint32_t at = table_at(ix, key); s->table[at]; at = (at + 1) & (TABLE_SIZE - 1)) {
		const struct sift_class *c = &s->classes[s->table[at] - 1];

		if (c->ix == ix && c->key == key)
			return s->table[at] - 1u;
	}
	return CLASSES_MAX;
}

static const struct sift_class *class_of_event(struct evl *e)
{
	struct evl_sift *s = e->sift;
	uint16_t ix = (uint16_t)e->view->info->ix;
	struct key_preds *k = &s->types[ix];
	uint32_t key = 0;

	if (!k->is_known)
		find_keys(e, k);
	for (unsigned i = 0; i < k->n; i++)
		key |= (uint32_t)evl_key_holds(e, &k->key[i]) << i;
	if (k->last != CLASSES_MAX && s->classes[k->last].key == key)
		return &s->classes[k->last];
	k->last = find_class(s, ix, key);
	if (k->last == CLASSES_MAX)
		k->last = make_class(e, k, ix, key);
	return k->last == CLASSES_MAX ? NULL : &s->classes[k->last];
}

/* --- what the process excludes --- */

/* What is remembered of the process alone; -1: nothing, or it is not of the process. */
static int of_process(struct evl *e, const struct node *n, bool find_out)
{
	int v = n->remembered != IMG_NONE && e->row ? replica_memo_bit(e->row, n->remembered) : -1;

	if (v >= 0 || !find_out || n->remembered == IMG_NONE)
		return v;
	(void)evl_pred(e, n->pred);
	/* it may be one that must not be remembered yet */
	return e->row ? replica_memo_bit(e->row, n->remembered) : -1;
}

/* Can the rule be accepted, whatever the event says that is not settled? */
static bool can_accept(struct evl *e, const struct left *left, bool find_out)
{
	struct evl_sift *s = e->sift;
	bool can = left->entry == IMG_ACCEPT;
	uint32_t first = left->entry;

	if (can)
		return true;
	s->reached[0] = true;
	for (uint32_t i = first; i < left->end; i++) {
		const struct node *n = &s->nodes[i];
		int v;

		if (!s->reached[i - first])
			continue;
		s->reached[i - first] = false;
		if (can)
			continue;
		v = of_process(e, n, find_out);
		for (int way = 0; way < 2; way++) {
			uint32_t to = way ? n->if_true : n->if_false;

			if (v == !way)
				continue;
			if (to == IMG_ACCEPT)
				can = true;
			else if (to != IMG_REJECT)
				s->reached[to - first] = true;
		}
	}
	return can;
}

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

		if (!can_accept(e, &e->sift->left[c->left_first + i], known->looks >= LOOKS_EVAL))
			known->out |= 1ULL << i;
	}
	return known->out;
}

/* --- judging --- */

static bool walk(struct evl *e, const struct left *left)
{
	const struct node *nodes = e->sift->nodes;
	uint32_t at = left->entry;

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
