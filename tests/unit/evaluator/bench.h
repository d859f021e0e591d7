/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A workbench for the evaluator's tests: an image made by hand (arrays behind a struct img, no
 * file), threads, one event. Asserts on its own mistakes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <abi/events.h>
#include <shm/ev.h>

#include "eval.h"
#include "field.h"

#define BENCH_MAX 1024

struct bench {
	struct evl e;
	struct img img;
	struct settings settings;
	struct img_head head;
	char str[65536];
	struct img_rule rules[128];
	struct img_str tags[64];
	struct img_node nodes[BENCH_MAX];
	struct img_pred preds[BENCH_MAX];
	struct img_expr exprs[BENCH_MAX];
	uint32_t args[BENCH_MAX];
	struct img_const consts[BENCH_MAX];
	struct img_set sets[BENCH_MAX];
	uint32_t setslots[4096];
	struct img_fmt fmts[BENCH_MAX];
	struct img_outfield outfields[BENCH_MAX];
	struct img_event events[_KEV_IX_MAX];
	uint32_t rulerefs[384];
	_Alignas(8) uint8_t ev[SPSC_RECORD_MAX];
	struct rec_writer w;
	struct ev_view view;
	bool started;
};

struct bench *bench_new(void);
void bench_free(struct bench *b);
/* After the image is complete (it is copied), before events are judged. Called by the others on
 * demand. */
void bench_start(struct bench *b);

/* Instead of all that follows: a compiled and verified image, borrowed until bench_free(). */
void bench_use_image(struct bench *b, const struct img *img);

struct img_str bench_str(struct bench *b, const char *text);
/* "proc.name", "proc.aname[2]", "proc.env[X]", "evt.arg.flags" */
uint32_t bench_field(struct bench *b, const char *text);
uint32_t bench_const_str(struct bench *b, const char *text);
uint32_t bench_const_num(struct bench *b, enum img_type type, uint64_t num);
uint32_t bench_const_ip(struct bench *b, const char *text, int prefix); /* prefix -1: address */
uint32_t bench_expr_const(struct bench *b, uint32_t constant);
uint32_t bench_call(struct bench *b, enum img_expr_kind kind, enum img_type type, unsigned n,
	const uint32_t *operands);
/* A set over the constants made since the n-th; hashed for texts and integers if @hash. */
uint32_t bench_set(struct bench *b, uint32_t first, bool hash);
uint32_t bench_pred(
	struct bench *b, uint32_t expr, enum img_op op, enum img_rhs kind, uint32_t rhs);
/* A rule of one predicate for an event type; its template prints @n_out fields. */
uint32_t bench_rule(struct bench *b, const char *name, uint32_t pred, uint64_t outputs);
void bench_index(struct bench *b, enum kev_ix ix, unsigned n, const uint32_t *rules);

struct bench_thread {
	uint32_t slot, leader,
		parent; /* leader 0: itself, unless has_leader; parent PREC_NO_SLOT: none */
	bool has_leader;
	int64_t tid, sid, vpgid, pgid, loginuid;
	uint32_t uid, gid, flags, exe_flags;
	const char *comm, *exe, *exepath, *cwd, *container;
	uint32_t container_slot, engine;
	const char *const *args, *const *env; /* NULL-ended */
	const char *cgroups;                  /* "a=b" */
	uint64_t caps, clone_ts;
};
void bench_thread(struct bench *b, const struct bench_thread *t);
/* As a record in a buffer of SPSC_RECORD_MAX bytes. */
size_t bench_thread_record(const struct bench_thread *t, void *buf);
void bench_user(struct bench *b, const char *container, uint32_t uid, const char *name);
void bench_group(struct bench *b, uint32_t gid, const char *name);

/* An event: begin, parameters by name, attachments, end. */
void bench_event(struct bench *b, uint16_t code, uint32_t slot);
void bench_res(struct bench *b, int64_t res);
void bench_param_int(struct bench *b, const char *name, int64_t v);
void bench_param_text(struct bench *b, const char *name, const char *text);
void bench_param_raw(struct bench *b, const char *name, const void *p, size_t n);
void bench_att_text(struct bench *b, enum ev_att_kind kind, const char *param, const char *text);
void bench_att_fd(struct bench *b, enum ev_att_kind kind, int index, const struct ev_fd *fd,
	const char *name);
void bench_event_end(struct bench *b); /* checks it at the door and takes it up */

/* Value of a field as an alert prints it; valid until the next call. */
const char *bench_text(struct bench *b, const char *field);
#define assert_field(b, field, want) assert_string_equal(bench_text((b), (field)), (want))
/* Result of a predicate made on the spot. */
bool bench_test(struct bench *b, const char *field, enum img_op op, const char *value);
