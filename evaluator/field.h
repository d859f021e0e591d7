/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Field access: one row per field of rules/fields.def, in one table per class of fields. */

#include "eval.h"

struct evl_field_arg {
	const struct img_expr *x; /* argument of the field: arg_kind, index, key */
	uint16_t field;           /* enum field_id */
	int16_t variant;          /* of the row: which of the values that one function gives */
};

/* Sets *ret_v; it comes in as EVL_NULL. */
typedef void evl_field_get(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v);

struct evl_field_row {
	uint16_t field;
	int16_t variant;
	evl_field_get *get; /* NULL ends a table */
};

extern const struct evl_field_row evl_fields_evt[], evl_fields_time[], evl_fields_arg[],
	evl_fields_open[], evl_fields_proc[], evl_fields_procnum[], evl_fields_tree[],
	evl_fields_user[], evl_fields_fd[], evl_fields_net[], evl_fields_fspath[],
	evl_fields_container[], evl_fields_k8s[], evl_fields_other[];
/* Fields that never have a value: removed from the language, or nothing tells them yet. Each says
 * why. */
struct evl_field_absent {
	uint16_t field;
	const char *why; /* NULL ends the table */
};
extern const struct evl_field_absent evl_fields_absent[];

/* Once at start, before any other of these. */
void evl_fields_init(void);
/* The row of a field, NULL if it has none. */
const struct evl_field_row *evl_field_row(uint16_t field);
/* Value of a field; no value if it has no row. */
void evl_field(struct evl *e, const struct img_expr *x, struct evl_value *ret_v);
/* Is there a row (or a reason why not) for every field? Returns the id of the first without, -1 if
 * none. */
int evl_field_missing(void);

/* Does evl_field_custom() take predicates on it? */
bool evl_field_is_custom(const struct img_expr *x);
/* Predicates on these fields are evaluated in their own way (either end, any ancestor, around a
 * time): true if @p is such a one, and its result. */
bool evl_field_custom(struct evl *e, const struct img_pred *p, bool *ret_result);

/* --- shared by the classes --- */

/* Name of the event's system call or event. */
const char *evl_event_name(const struct evl *e, struct span *ret_async);
/* Index of a parameter that is present, -1. */
int evl_param(const struct evl *e, const char *name);
uint64_t evl_param_u64(const struct evl *e, unsigned i);
int64_t evl_param_i64(const struct evl *e, unsigned i);
struct span evl_param_text(const struct evl *e, unsigned i); /* without the trailing NUL */
static inline bool evl_has_res(const struct evl *e, int64_t *ret_res)
{
	*ret_res = e->view->ev->rawres;
	return e->view->ev->flags & EV_HAS_RES;
}
/* The attachment of a kind that an event has once; NULL. */
const struct ev_att *evl_att(const struct evl *e, enum ev_att_kind kind);
/* arg.c: parameter as plain and as resolved text (either may stay empty). */
void evl_param_plain(struct evl *e, unsigned i, struct evl_text *t);
void evl_param_resolved(struct evl *e, unsigned i, struct evl_text *t);
/* The path of parameter i: absolute and normalised. */
struct span evl_param_abspath(struct evl *e, unsigned i);

/* Of evt.is_open_*: place of the parameter `flags`, 0: the event opens nothing; the flag that
 * evt.is_open_read or evt.is_open_write looks at. */
unsigned evl_open_flags_param(uint16_t type);
uint8_t evl_open_flag(uint16_t field);

/* Is the event about a descriptor? */
static inline bool evl_is_fd_event(const struct evl *e)
{
	return e->view->info->flags & (KEV_CREATES_FD | KEV_DESTROYS_FD | KEV_USES_FD);
}
/* The event's descriptor if the table knows it. */
const struct ev_fd *evl_fd_known(const struct evl *e);
/* false: the event is not about a descriptor. */
bool evl_fd_name(struct evl *e, struct span *ret_name);
const char *evl_fd_type_str(unsigned type);
char evl_fd_typechar(unsigned type);
bool evl_fd_has_l4(const struct ev_fd *fd);
/* The address that fd.sip.name and its like name. false: the event has none. */
bool evl_named_end(
	const struct evl *e, uint16_t field, unsigned *ret_family, const uint8_t **ret_ip);
static inline struct span evl_fd_text(const struct evl *e, struct rec_str s)
{
	return rec_text(e->view->ev, s);
}

/* Ancestors. */
const struct prec *evl_leader_of(struct evl *e, const struct prec *p);
const struct prec *evl_parent_of(struct evl *e, const struct prec *p); /* thread `ptid` */
const struct prec *evl_ancestor(struct evl *e, unsigned n);            /* 0: the own group leader */
struct evl_walk {
	const struct prec *at, *slow;
	unsigned steps;
};
void evl_walk_begin(struct evl *e, struct evl_walk *w);
const struct prec *evl_walk_next(
	struct evl *e, struct evl_walk *w); /* NULL: end, unknown or a loop */
/* Text of a thread by variant. */
enum evl_proc_text { PT_COMM, PT_EXE, PT_EXEPATH, PT_CMDLINE, PT_ARGS, PT_EXELINE, PT_ENV, PT_PID };
struct span evl_proc_text(struct evl *e, const struct prec *p, int which);
/* The container that the event is about: of its thread, or the one it tells of. NULL: the host, or
 * nothing is told. */
const struct crec *evl_container(const struct evl *e);
/* "" if it is not told. */
struct span evl_container_text(const struct crec *c, enum crec_text which);
struct span evl_container_id(
	const struct evl *e); /* short; "host" outside; the thread must be known */
/* One label, of the container's own or of its pod's. */
bool evl_container_label(
	const struct crec *c, enum crec_text which, struct span key, struct span *ret_value);
struct span evl_container_labels(struct evl *e, const struct crec *c, enum crec_text which);
/* user.name and group.name of a number, with fallbacks. */
struct span evl_user_name(const struct evl *e, uint32_t uid);
struct span evl_group_name(const struct evl *e, uint32_t gid);
