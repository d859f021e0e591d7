/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The policy image: rules compiled into one position-independent, sealed, checksummed block.
 * Written by saker-policy (rules/codegen.c), verified by every consumer with img_verify() before
 * use, then read only through the accessors here. Offsets count from the start of the image. No
 * pointers.
 *
 * A condition is a graph of nodes: each tests one predicate and goes on to one of two nodes. Edges
 * go forward only, so every program ends. Predicates are shared by all rules (hash-consed): each is
 * evaluated at most once per event. A predicate on a field without value is false. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <abi/kevent.h>
#include <abi/kshared.h>
#include <base/span.h>

#define IMG_MAGIC 0x31474d49726b6173ULL /* "sakrIMG1" */
#define IMG_VERSION 3
#define IMG_SIZE_MAX (64u << 20)
#define IMG_NONE UINT32_MAX
#define IMG_OUTPUTS_MAX 64

enum img_section_id {
	IMG_SEC_STR,      /* bytes */
	IMG_SEC_RULE,     /* struct img_rule[] in definition order */
	IMG_SEC_TAG,      /* struct img_str[] */
	IMG_SEC_NODE,     /* struct img_node[] */
	IMG_SEC_PRED,     /* struct img_pred[] */
	IMG_SEC_EXPR,     /* struct img_expr[] */
	IMG_SEC_ARG,      /* uint32_t[]: expression operands */
	IMG_SEC_CONST,    /* struct img_const[] */
	IMG_SEC_SET,      /* struct img_set[] */
	IMG_SEC_SETSLOT,  /* uint32_t[]: hash slots of sets */
	IMG_SEC_FMT,      /* struct img_fmt[] */
	IMG_SEC_OUTFIELD, /* struct img_outfield[] */
	IMG_SEC_EVENT,    /* struct img_event[_KEV_IX_MAX] */
	IMG_SEC_RULEREF,  /* uint32_t[]: rules per event type, in order */
	IMG_SEC_OUTPUT,   /* struct img_str[]: names of the outputs, by bit */
	IMG_SEC_KPATHS,   /* struct kshm_paths: opens that the kernel is to report; none: all */
	_IMG_SEC_MAX,
};

struct img_str {
	uint32_t off; /* from the start of IMG_SEC_STR; the byte after n is NUL */
	uint32_t n;
};

struct img_section {
	uint32_t off; /* 8-aligned */
	uint32_t n;   /* elements (bytes for IMG_SEC_STR) */
};

struct img_head {
	uint64_t magic;
	uint32_t version;
	uint32_t flags;      /* IMG_F_* */
	uint64_t size;       /* whole image */
	uint64_t checksum;   /* over all bytes but this field: img_checksum() */
	uint64_t needs;      /* IMG_NEED_* */
	uint64_t vocabulary; /* hash of events.def and fields.def it was compiled with:
				img_vocabulary() */
	struct img_section sec[_IMG_SEC_MAX];
	uint32_t n_rules_enabled;
	uint32_t pad0;
};

#define IMG_F_MATCH_ALL 1 /* rule_matching: all */
#define IMG_F_EXACT 2     /* compat.exact: what the reference gets wrong is wrong here too */
#define IMG_F_ALL 3

/* State that some rule needs beyond the base: the tracker keeps and sends only what is used. */
#define IMG_NEED_STDIO 0x01
#define IMG_NEED_FDTYPES 0x02
#define IMG_NEED_FDCOUNT 0x04
#define IMG_NEED_ENV 0x08
#define IMG_NEED_DELTA 0x10
#define IMG_NEED_IO_DATA 0x20   /* payload bytes of I/O */
#define IMG_NEED_PARAM_FDS 0x40 /* evt.arg.* of other descriptors than the event's, evt.args */
#define IMG_NEED_NAMES 0x80     /* fd.*.name: resolved names */
#define IMG_NEED_RELTIME 0x100  /* evt.reltime.* */
#define IMG_NEED_VM 0x200       /* memory of the thread, followed between its records */
#define IMG_NEED_ALL 0x3ff

struct img_rule {
	struct img_str name, source;
	uint32_t tags_first, n_tags; /* IMG_SEC_TAG, sorted */
	uint32_t entry; /* first node of the condition; IMG_ACCEPT / IMG_REJECT are possible */
	uint32_t nodes_first, n_nodes; /* its nodes */
	uint32_t fmt_first, n_fmt;     /* output template */
	uint32_t out_first, n_out;     /* output_fields */
	uint8_t priority;              /* 0..7 */
	uint8_t enabled;
	uint8_t capture; /* its alerts ask for a capture file; see img_rule_capture() */
	uint8_t pad0;
	uint32_t capture_ms; /* how long one is written; 0: as configured */
	uint32_t pad1;
	uint64_t outputs; /* bit i: output i takes this rule's alerts (priority, rules, tags
			     filters) */
};

#define IMG_ACCEPT 0xfffffffeu
#define IMG_REJECT 0xfffffffdu
struct img_node {
	uint32_t pred;
	uint32_t if_true, if_false; /* node index greater than this one and inside the rule's range,
				       or IMG_ACCEPT / IMG_REJECT */
};

enum img_op {
	IMG_OP_EXISTS,
	IMG_OP_EQ,
	IMG_OP_NE,
	IMG_OP_LT,
	IMG_OP_LE,
	IMG_OP_GT,
	IMG_OP_GE,
	IMG_OP_CONTAINS,
	IMG_OP_ICONTAINS,
	IMG_OP_BCONTAINS,
	IMG_OP_STARTSWITH,
	IMG_OP_BSTARTSWITH,
	IMG_OP_ENDSWITH,
	IMG_OP_GLOB,
	IMG_OP_IGLOB,
	IMG_OP_REGEX,
	IMG_OP_IN,
	IMG_OP_INTERSECTS,
	IMG_OP_PMATCH,
	_IMG_OP_MAX,
};
/* How a predicate with a set on its right side combines: its elements one by one under a comparing
 * operator. */
enum img_modifier { IMG_MOD_NONE, IMG_MOD_ONEOF, IMG_MOD_ANYOF, IMG_MOD_ALLOF, _IMG_MOD_MAX };

/* What values are compared as. Integers of every width are IMG_T_I64 or IMG_T_U64. */
enum img_type {
	IMG_T_STR,
	IMG_T_BYTES,
	IMG_T_BOOL,
	IMG_T_I64,
	IMG_T_U64,
	IMG_T_DOUBLE,
	IMG_T_IPADDR,
	IMG_T_IPNET,
	IMG_T_LIST_STR,
	IMG_T_LIST_U64,
	_IMG_T_MAX,
};

enum img_rhs { IMG_RHS_NONE, IMG_RHS_CONST, IMG_RHS_SET, IMG_RHS_EXPR, _IMG_RHS_MAX };

#define IMG_PRED_PROC 1 /* depends on the process alone: may be remembered per slot */

struct img_pred {
	uint32_t expr;    /* left side */
	uint32_t rhs;     /* index by rhs_kind */
	uint8_t op;       /* enum img_op */
	uint8_t modifier; /* enum img_modifier */
	uint8_t type;     /* enum img_type of the left side */
	uint8_t rhs_kind; /* enum img_rhs */
	uint16_t flags;   /* IMG_PRED_* */
	uint16_t cost;    /* estimate, for ordering and `explain` */
};

enum img_expr_kind {
	IMG_E_FIELD, /* field with its argument */
	IMG_E_CONST, /* args_first = index of the constant, n_args = 0 */
	IMG_E_TOLOWER,
	IMG_E_TOUPPER,
	IMG_E_B64,
	IMG_E_BASENAME,
	IMG_E_LEN,    /* one operand */
	IMG_E_JOIN,   /* separator, list */
	IMG_E_CONCAT, /* two or more strings */
	IMG_E_GETOPT, /* list, option string; IMG_ARG_KEY: the option asked for, then the value is a
			 string, else a list */
	IMG_E_LIST,   /* any number of strings */
	_IMG_E_MAX,
};
enum img_arg_kind { IMG_ARG_NONE, IMG_ARG_INDEX, IMG_ARG_KEY, _IMG_ARG_MAX };

struct img_expr {
	uint8_t kind;     /* enum img_expr_kind */
	uint8_t type;     /* enum img_type of its value */
	uint8_t arg_kind; /* enum img_arg_kind */
	uint8_t pad0;
	uint16_t field;  /* enum field_id for IMG_E_FIELD */
	uint16_t n_args; /* operands: IMG_SEC_ARG[args_first ..], expression indices all lower than
			    this one's */
	uint32_t args_first;
	uint32_t pad1;
	int64_t index;       /* IMG_ARG_INDEX */
	struct img_str key;  /* IMG_ARG_KEY: text of the argument. evt.arg.NAME, evt.rawarg.NAME,
				thread.cgroup.X, evt.type.is.X: the part after the dot */
	struct img_str text; /* as written, canonical: key of output_fields ("proc.aname[2]") */
};

struct img_const {
	uint8_t type;   /* enum img_type */
	uint8_t family; /* IPADDR, IPNET: 4 or 6 */
	uint8_t prefix; /* IPNET: bits */
	uint8_t pad0[5];
	uint64_t num; /* I64, U64, BOOL; DOUBLE: its bits */
	uint8_t ip[16];
	struct img_str str; /* STR, BYTES; REGEX pattern */
};

/* A set: constants [first, first + n) of IMG_SEC_CONST, all of one type. For IN over STR and
 * integers: open-addressed hash table of n_slots (power of two, at most half full; sets' constants
 * and slots lie in the order of the sets) entries in IMG_SEC_SETSLOT, each a constant's index + 1
 * or 0; probe (hash + i) & (n_slots - 1); the hash is hash_bytes(text, n, seed) for STR and BYTES
 * and hash_u64(num ^ seed) for integers. n_slots == 0: walk the constants (addresses, networks,
 * patterns). For PMATCH: walk the constants, each a path in canonical form ("/a/b", "/" for
 * everything; components may hold ? * [ ] when flags say so). */
struct img_set {
	uint32_t first, n;
	uint32_t slots_first, n_slots;
	uint64_t seed;
	uint8_t type;  /* enum img_type */
	uint8_t flags; /* IMG_SET_* */
	uint8_t pad0[6];
};
#define IMG_SET_GLOB 1 /* PMATCH: some component is a pattern */

struct img_fmt {
	struct img_str lit; /* literal text; {0,0} for an expression */
	uint32_t expr;      /* IMG_NONE for a literal */
	uint32_t width;     /* 0: as it is; else cut or padded to that many bytes */
};

struct img_outfield {
	struct img_str key;
	uint32_t expr; /* IMG_NONE: a formatted extra field, fmt_first.. */
	uint32_t fmt_first, n_fmt;
	uint32_t pad0;
};

#define IMG_EV_RULES 1 /* some enabled rule is indexed under it: forwarded to evaluators */
#define IMG_EV_STATE 2 /* the tracker needs it */
struct img_event {
	uint32_t refs_first, n_refs; /* IMG_SEC_RULEREF */
	uint8_t want;                /* KSHM_WANT_* for the kernel */
	uint8_t flags;               /* IMG_EV_* */
	uint8_t pad0[6];
};

_Static_assert(sizeof(struct img_rule) == 72, "layout");
_Static_assert(sizeof(struct img_pred) == 16, "layout");
_Static_assert(sizeof(struct img_expr) == 40, "layout");
_Static_assert(sizeof(struct img_const) == 40, "layout");
_Static_assert(sizeof(struct img_set) == 32, "layout");
_Static_assert(sizeof(struct img_event) == 16, "layout");

/* A verified image. Borrowed: the mapping must live as long. */
struct img {
	const uint8_t *base;
	size_t size;
	const struct img_head *head;
	const char *str;
	const struct img_rule *rules;
	const struct img_str *tags;
	const struct img_node *nodes;
	const struct img_pred *preds;
	const struct img_expr *exprs;
	const uint32_t *args;
	const struct img_const *consts;
	const struct img_set *sets;
	const uint32_t *setslots;
	const struct img_fmt *fmts;
	const struct img_outfield *outfields;
	const struct img_event *events;
	const uint32_t *rulerefs;
	const struct img_str *outputs;
	const struct kshm_paths *kpaths;
	uint32_t n[_IMG_SEC_MAX]; /* elements by section */
};

struct field_info;

#define IMG_EXPR_WORK_MAX 4096 /* expressions evaluated for one value, itself included */
#define IMG_WIDTH_MAX 4096     /* of a piece of an output template */
#define IMG_EXPR_DEPTH_MAX 32  /* nesting of operands: bounds a recursive evaluator */

/* What values of a field are compared as; -1 if that depends on its argument (evt.rawarg). */
int img_type_of_field(const struct field_info *f);
/* The type of one element: STR for LIST_STR, U64 for LIST_U64, else the type itself. */
enum img_type img_type_of_element(enum img_type t);
/* May values of this type stand left of the operator? */
bool img_op_takes(enum img_op op, enum img_type t);
uint64_t img_checksum(const void *p, size_t n); /* n >= sizeof(struct img_head) */
/* Bytes of one element of each section. */
extern const uint16_t img_element_size[_IMG_SEC_MAX];
/* Hash of the vocabulary of this build. */
uint64_t img_vocabulary(void);
/* Check everything: header, checksum, every index, every string, every type of every operator,
 * forward edges, termination. 0 or -EBADMSG with *reterr_why. */
int img_verify(const void *p, size_t n, struct img *ret_img, const char **reterr_why);
/* Does an alert of the rule start or prolong a capture file (`capture: true`; @all_rules:
 * capture.mode is all_rules), and for how long? @default_ms: capture.default_duration.
 * *ret_ms only then. */
static inline bool img_rule_capture(
	const struct img_rule *r, bool all_rules, uint32_t default_ms, uint32_t *ret_ms)
{
	if (!r->capture && !all_rules)
		return false;
	*ret_ms = r->capture_ms ? r->capture_ms : default_ms;
	return true;
}
static inline struct span img_text(const struct img *i, struct img_str s)
{
	return (struct span){.p = i->str + s.off, .n = s.n};
}
