/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Judging one event: values, field access, expressions, predicates, rules. Private to the
 * evaluator. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <abi/events.h>
#include <base/span.h>
#include <rules/fields.h>
#include <rules/image.h>
#include <rules/regex.h>
#include <shm/ev.h>
#include <shm/settings.h>

#include "replica.h"
#include "text.h"

enum evl_type {
	EVL_NULL, /* no value */
	EVL_STR,  /* s; bytes as well */
	EVL_I64,
	EVL_U64,
	EVL_BOOL,
	EVL_DOUBLE,
	EVL_IP,   /* ip, family; is_net: compared with networks, prints "<IPNET>" */
	EVL_LIST, /* list of n texts */
};

/* A value. Texts are borrowed: from the event, the replica, the image or the scratch, and live
 * until the scratch is reset or the next record is taken. */
struct evl_value {
	uint8_t type;   /* enum evl_type */
	uint8_t family; /* 4 or 6 */
	bool is_net;
	bool is_hex; /* evt.rawarg: an integer that prints so */
	uint32_t n;
	union {
		int64_t i;
		uint64_t u;
		bool b;
		double d;
	};
	uint8_t ip[16];
	struct span s;
	const struct span *list;
};

static inline void evl_set_str(struct evl_value *v, struct span s)
{
	*v = (struct evl_value){.type = EVL_STR, .s = s};
}
static inline void evl_set_i64(struct evl_value *v, int64_t i)
{
	*v = (struct evl_value){.type = EVL_I64, .i = i};
}
static inline void evl_set_u64(struct evl_value *v, uint64_t u)
{
	*v = (struct evl_value){.type = EVL_U64, .u = u};
}
static inline void evl_set_bool(struct evl_value *v, bool b)
{
	*v = (struct evl_value){.type = EVL_BOOL, .u = b};
}
static inline void evl_set_double(struct evl_value *v, double d)
{
	*v = (struct evl_value){.type = EVL_DOUBLE, .d = d};
}

/* A compiled pattern of a regex test. */
struct evl_regex {
	const char *pattern; /* its text, in the image */
	struct regex *re;
};

/* Where going through the rules of the event at hand stands. */
struct evl_turn {
	bool has_begun;
	const struct sift_class *cls; /* NULL: the rules themselves */
	uint64_t alive;               /* of the class's first 64 rules: still to be judged */
	uint64_t excluded;            /* of these: by what is remembered of the process */
	uint32_t next;                /* those behind */
};

/* What judging an event looks at. */
struct evl {
	struct img img;
	struct replica replica;
	const struct settings *settings;
	struct evl_scratch scratch;
	struct evl_regex *regexes; /* n_regexes, by pattern */
	size_t n_regexes;
	struct regex_work regex_work;
	uint64_t n_extracted; /* util.cnt */

	/* of the event */
	const struct ev_view *view;
	const struct prec *thread; /* NULL: nothing is known of it */
	const struct prec *leader; /* of its group; the thread itself if unknown */
	struct span realpath;      /* the kernel's path; p NULL: none */
	bool second_name;          /* judged under it */
	bool tells_container;      /* it is about the container last told, not about its thread's */
	uint64_t cpu_user, cpu_system; /* of a procinfo event: used since the one before */
	bool unstable;                 /* the value just computed must not be remembered by slot */

	struct evl_plan *plans; /* by predicate: what it comes down to, made at its first use */
	const uint64_t *row;    /* what is remembered of the event's thread; NULL: nothing */

	/* memo of predicates by event */
	uint32_t memo_gen;
	uint32_t *memo;      /* by predicate: memo_gen << 1 | result */
	uint32_t *slot_pred; /* by predicate: its number among the remembered ones, IMG_NONE */
	uint32_t n_slot_preds;

	struct evl_sift *sift;
	struct evl_turn turn;
};

/* The image must be verified. Allocates. 0, -ENOMEM, -EINVAL or -E2BIG (a pattern
 * that is none, *reterr_why). */
int evl_init(struct evl *e, const struct img *img, const struct settings *settings,
	const char **reterr_why);
void evl_done(struct evl *e);

/* Is no rule indexed under the event's type, and does it tell an evaluator nothing? Then it need not
 * be taken up. */
static inline bool evl_event_is_idle(const struct evl *e, const struct ev_view *view)
{
	return e->img.events[view->info->ix].n_refs == 0 && view->ev->type != KEV_CODE_PROCINFO_E;
}
/* Take up an event: the view is borrowed until the next call. */
void evl_event_begin(struct evl *e, const struct ev_view *view);
/* Go over to judging it under the kernel's path. */
void evl_event_second_name(struct evl *e);

/* expr.c. *ret_v lives until the scratch is reset. */
void evl_expr(struct evl *e, uint32_t expr, struct evl_value *ret_v);
/* pred.c */
int evl_plans_init(struct evl *e);
bool evl_pred(struct evl *e, uint32_t pred);
/* Without looking at the memo. */
bool evl_pred_eval(struct evl *e, const struct img_pred *p);
/* set.c: is the value among the constants of the set? */
bool evl_set_has(const struct img *img, const struct img_set *set, const struct evl_value *v);
/* A bit for a text, from its length and a byte or two; and those of all texts of a set. A text whose
 * bit the set does not have is not in it. */
static inline uint64_t evl_text_mark(struct span s)
{
	unsigned k = (unsigned)s.n * 5;

	if (s.n)
		k += (uint8_t)s.p[s.n - 1] * 7u + (uint8_t)s.p[s.n / 2] * 11u;
	return 1ULL << (k % 64);
}
uint64_t evl_set_marks(const struct img *img, const struct img_set *set);
bool evl_path_match(struct evl *e, const struct img_set *set, struct span path);
/* Does the text match a pattern of the image? */
bool evl_regex_match(struct evl *e, struct span pattern, struct span text);
/* compare.c: one comparison with values of both sides. */
bool evl_compare(
	struct evl *e, enum img_op op, const struct evl_value *l, const struct evl_value *r);
/* Does the text contain the needle? @rare: place of the needle's byte that is looked for first. */
bool evl_contains(struct span text, struct span needle, size_t rare);
/* A good one. */
size_t evl_rarest(struct span needle);
void evl_const(
	const struct img *img, uint32_t index, struct evl_value *ret_v, unsigned *ret_prefix);
/* Does the address lie in the network? false for another family. */
bool evl_ip_in(const struct evl_value *addr, const struct img_const *net);
/* interp.c */
bool evl_rule_matches(struct evl *e, const struct img_rule *rule);
/* sift.c */
#define EVL_SIFT_WORDS 8 /* of a slot's row in the replica */
int evl_sift_init(struct evl *e);
void evl_sift_done(struct evl *e);
/* The next enabled rule that matches the event at hand under the name at hand, in order of the rules;
 * *ret_rule only if true. After false there are no more. */
bool evl_match_next(struct evl *e, uint32_t *ret_rule);
/* For tests: make do with fewer classes of events. */
void evl_sift_limit(struct evl *e, uint32_t n_classes);
/* Of the event at hand, once it is judged: predicates that were made to tell its class, rules whose
 * programs were left to be gone through. */
void evl_sift_figures(const struct evl *e, unsigned *ret_keys, unsigned *ret_rules);
/* How often all classes were given up for want of room. */
unsigned evl_sift_given_up(const struct evl *e);

/* format.c: the value of an expression as text; "<NA>" for none. */
void evl_value_text(const struct evl_value *v, const struct img_expr *x, struct evl_text *t);
/* Alert text from a template, NULL-lenient. Resets the scratch. */
void evl_format(struct evl *e, uint32_t fmt_first, uint32_t n_fmt, struct evl_text *t);
