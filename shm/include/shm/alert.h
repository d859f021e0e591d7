/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An alert, self-contained: what an emitter needs to deliver it in any format. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/span.h>
#include <shm/prec.h>
#include <shm/rec.h>

enum alert_value_type {
	ALERT_NULL, /* no value */
	ALERT_STR,  /* text at str; may hold invalid UTF-8 */
	ALERT_I64,
	ALERT_U64,
	ALERT_BOOL,
	ALERT_DOUBLE, /* bits of a double in num */
	ALERT_LIST,   /* texts: str is NUL-ended strings in a row, num how many */
	_ALERT_TYPE_MAX,
};

struct alert_field {
	struct rec_str key; /* "proc.name", "proc.aname[2]" */
	struct rec_str str;
	uint64_t num;
	uint32_t type; /* enum alert_value_type */
	uint32_t pad0;
};
_Static_assert(sizeof(struct alert_field) == 32, "layout");

/* alert.flags */
#define ALERT_DOUBTFUL 1 /* built on state that is not certain */
#define ALERT_INTERNAL 2 /* saker's own (source "internal") */
#define ALERT_TEST 4     /* made by test-alert or output test */

#define ALERT_FIELDS_MAX 256
#define ALERT_TAGS_MAX 128

struct alert {
	struct rec_head h; /* REC_ALERT; seq = evt.num, ord = merge key, ts = event time */
	uint8_t id[16];    /* UUID version 8 */
	uint32_t rule;     /* index in the policy: with ord the merge and repeat key */
	uint8_t priority;  /* 0 Emergency .. 7 Debug */
	uint8_t pad0[3];
	uint32_t flags; /* ALERT_* */
	uint16_t n_fields, n_tags;
	uint32_t fields_off; /* of struct alert_field[n_fields], 8-aligned, sorted by key (bytes) */
	uint32_t tags_off;   /* of struct rec_str[n_tags], 8-aligned, sorted */
	struct rec_str rule_name;
	struct rec_str source; /* "syscall" */
	struct rec_str host;
	struct rec_str message; /* formatted output without time and priority */
};
_Static_assert(sizeof(struct alert) == 104, "layout of alert");

/* The door. 0 or -EBADMSG. */
int alert_validate(const struct rec_head *rec);
static inline const struct alert_field *alert_fields(const struct alert *a)
{
	return (const struct alert_field *)((const uint8_t *)a + a->fields_off);
}
static inline const struct rec_str *alert_tags(const struct alert *a)
{
	return (const struct rec_str *)((const uint8_t *)a + a->tags_off);
}
/* "Emergency" … "Debug" */
const char *alert_priority_str(unsigned priority);

/* The alert id: UUID version 8 from run id, event number and rule name (so that it does not depend on rule positions). */
void alert_id_make(
	const uint8_t run_id[16], uint64_t seq, struct span rule_name, uint8_t ret_id[16]);

/* Building: the evaluator (and the supervisor for internal ones). */
struct alert_builder {
	struct rec_writer w;
	struct alert_field fields[ALERT_FIELDS_MAX];
	unsigned n_fields;
	struct rec_str tags[ALERT_TAGS_MAX];
	unsigned n_tags;
};
void alert_begin(struct alert_builder *b, void *buf, size_t cap);
struct alert *alert_head(struct alert_builder *b);
void alert_add_tag(struct alert_builder *b, struct span tag);
void alert_add_field(struct alert_builder *b, struct span key, enum alert_value_type type,
	uint64_t num, struct span str);
struct rec_str alert_add_text(struct alert_builder *b, struct span s);
/* Writes the tables of fields and tags, which adding kept sorted; a key or tag that was added twice stands once, as at first. Returns the length or -EMSGSIZE. */
int alert_finish(struct alert_builder *b);
