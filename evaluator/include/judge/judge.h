/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The evaluator's core for tools: judge made-up events by compiled rules, with the same code that
 * judges live ones. Records come through the same doors. One judge, one thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/span.h>
#include <rules/fields.h>
#include <shm/rec.h>

#define JUDGE_SLOTS 64 /* threads that records may name */

struct judge;

/* @image: rules_compile()'s, borrowed. 0; -ENOMEM; -EBADMSG or -ENOTSUP with *reterr_why. */
int judge_new(const void *image, size_t n, struct judge **ret, const char **reterr_why);
struct judge *judge_free(struct judge *j);

/* A thread (struct prec), a user or group (USER_ADDED_E, GROUP_ADDED_E), the event (struct ev,
 * borrowed until the next). 0; -EBADMSG: refused at the door. */
int judge_put_thread(struct judge *j, const struct rec_head *rec);
int judge_put_id(struct judge *j, const void *kev, size_t n);
int judge_take_event(struct judge *j, const struct rec_head *rec);
/* Everything about threads is forgotten. */
void judge_forget(struct judge *j);

/* The next rule that gives an alert for the event, by its number: 1 and *ret_rule, or 0: no more.
 * In order of the rules; the first alone unless the image says all. @skip: number of a rule that is
 * not judged. */
int judge_next(struct judge *j, uint32_t skip, uint32_t *ret_rule);
/* Does the condition hold, whatever rules stand before it? */
bool judge_holds(struct judge *j, uint32_t rule);

/* By name; -1: none, or not enabled and therefore not in the image. */
int64_t judge_find(const struct judge *j, const char *name);
struct span judge_name(const struct judge *j, uint32_t rule);
uint8_t judge_priority(const struct judge *j, uint32_t rule);
bool judge_is_enabled(const struct judge *j, uint32_t rule);
/* The alert's text, and one of its output_fields as text; valid until the next call.
 * false: the rule has no such output field. */
struct span judge_message(struct judge *j, uint32_t rule);
bool judge_field(struct judge *j, uint32_t rule, const char *key, struct span *ret_text);

/* Why this version has no value for a field; NULL: it has. */
const char *judge_absent(enum field_id id);
