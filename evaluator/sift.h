/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Classes of events and what is left of the rules in them: made by sift_make.c, used by sift.c, where
 * it is told what they are. Private to these two. */

#include "eval.h"
#include "key.h"

#define EVL_SIFT_KEYS 12
#define EVL_SIFT_CLASSES 512
#define EVL_SIFT_TABLE 2048 /* of classes: a power of two, at most a quarter full */

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
	uint8_t n_first;   /* tests to be made first: it is rejected if all of them come out so */
	bool first_is[2];
	uint32_t first[2];
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
	uint32_t last; /* class of the event before, EVL_SIFT_CLASSES: none */
	struct evl_key key[EVL_SIFT_KEYS];
};

struct evl_sift {
	struct key_preds *types; /* by event index */
	struct sift_class classes[EVL_SIFT_CLASSES];
	uint32_t n_classes, classes_max, next_id, n_misses, n_given_up;
	uint16_t table[EVL_SIFT_TABLE]; /* class + 1, 0: free */
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

enum known_by { BY_SETTLED, BY_PROCESS, BY_PROCESS_ALL };

/* At the first event of a type. */
void evl_sift_find_keys(struct evl *e, struct key_preds *k);
/* Makes the class of the event at hand, whose keys have the outcomes @key. 0, or -ENOSPC and nothing
 * is taken of the pools. */
int evl_sift_fill(struct evl *e, const struct key_preds *k, uint32_t key, struct sift_class *c);
/* Can the rule be accepted, whatever the outcomes are that are not known so? BY_SETTLED: those of
 * evl_sift.settled; BY_PROCESS: what is remembered of the event's process; BY_PROCESS_ALL: what can be
 * found out about it. */
bool evl_sift_can_accept(struct evl *e, const struct left *left, enum known_by by);
