/* SPDX-License-Identifier: Apache-2.0 */
/* The workbench: see bench.h. */
#include "bench.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include <base/hash.h>
#include <base/macros.h>
#include <driver/kev.h>

#define BENCH_TS 1566230400020000000ULL

struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->settings = (struct settings){.threads_max = 64, .run_id = {1, 2, 3}, .host = "myhost"};
	b->img = (struct img){.head = &b->head,
		.str = b->str,
		.rules = b->rules,
		.tags = b->tags,
		.nodes = b->nodes,
		.preds = b->preds,
		.exprs = b->exprs,
		.args = b->args,
		.consts = b->consts,
		.sets = b->sets,
		.setslots = b->setslots,
		.fmts = b->fmts,
		.outfields = b->outfields,
		.events = b->events,
		.rulerefs = b->rulerefs};
	b->img.n[IMG_SEC_STR] = 1;
	return b;
}

void bench_free(struct bench *b)
{
	if (b->started)
		evl_done(&b->e);
	free(b);
}

/* Predicates may still be added afterwards: the memo has room for all. */
void bench_start(struct bench *b)
{
	const char *why;
	uint32_t n = b->img.n[IMG_SEC_PRED];

	if (b->started)
		return;
	b->img.n[IMG_SEC_PRED] = BENCH_MAX;
	assert_int_equal(evl_init(&b->e, &b->img, &b->settings, &why), 0);
	b->img.n[IMG_SEC_PRED] = n;
	b->started = true;
}

void bench_use_image(struct bench *b, const struct img *img)
{
	const char *why;

	b->img = *img;
	assert_int_equal(evl_init(&b->e, img, &b->settings, &why), 0);
	b->started = true;
}

static uint32_t add(struct bench *b, enum img_section_id id)
{
	assert_true(b->img.n[id] < BENCH_MAX);
	return b->img.n[id]++;
}

struct img_str bench_str(struct bench *b, const char *text)
{
	struct img_str s = {.off = b->img.n[IMG_SEC_STR], .n = (uint32_t)strlen(text)};

	assert_true(s.off + s.n + 1 < sizeof(b->str));
	memcpy(b->str + s.off, text, s.n + 1);
	b->img.n[IMG_SEC_STR] += s.n + 1;
	return s;
}

static uint8_t type_of(const struct field_info *f)
{
	static const uint8_t of[_FT_MAX] = {
		[FT_CHARBUF] = IMG_T_STR,
		[FT_BYTEBUF] = IMG_T_BYTES,
		[FT_BOOL] = IMG_T_BOOL,
		[FT_INT16] = IMG_T_I64,
		[FT_INT32] = IMG_T_I64,
		[FT_INT64] = IMG_T_I64,
		[FT_UINT32] = IMG_T_U64,
		[FT_UINT64] = IMG_T_U64,
		[FT_DOUBLE] = IMG_T_DOUBLE,
		[FT_PORT] = IMG_T_U64,
		[FT_RELTIME] = IMG_T_U64,
		[FT_ABSTIME] = IMG_T_U64,
		[FT_IPADDR] = IMG_T_IPADDR,
		[FT_IPNET] = IMG_T_IPNET,
		[FT_DYNAMIC] = IMG_T_STR,
	};

	return f->flags & FF_LIST ? IMG_T_LIST_STR : of[f->type];
}

uint32_t bench_field(struct bench *b, const char *text)
{
	uint32_t i = add(b, IMG_SEC_EXPR);
	struct img_expr *x = &b->exprs[i];
	enum field_id id;
	size_t used;
	const struct field_info *f = field_find_prefix(text, strlen(text), &id, &used);
	char arg[256];

	assert_non_null(f);
	*x = (struct img_expr){.kind = IMG_E_FIELD,
		.type = type_of(f),
		.field = (uint16_t)id,
		.text = bench_str(b, text),
		.key = bench_str(b, "")};
	if (text[used] == '.') {
		x->arg_kind = IMG_ARG_KEY;
		x->key = bench_str(b, text + used + 1);
	} else if (text[used] == '[') {
		snprintf(arg, sizeof(arg), "%.*s", (int)strlen(text + used + 1) - 1,
			text + used + 1);
		x->arg_kind = (f->arg & FAF_INDEX) && arg[0] >= '0' && arg[0] <= '9' ? IMG_ARG_INDEX
										     : IMG_ARG_KEY;
		x->index = strtoll(arg, NULL, 10);
		x->key = bench_str(b, arg);
	} else {
		assert_int_equal(text[used], '\0');
	}
	return i;
}

uint32_t bench_const_str(struct bench *b, const char *text)
{
	uint32_t i = add(b, IMG_SEC_CONST);

	b->consts[i] = (struct img_const){.type = IMG_T_STR, .str = bench_str(b, text)};
	return i;
}

uint32_t bench_const_num(struct bench *b, enum img_type type, uint64_t num)
{
	uint32_t i = add(b, IMG_SEC_CONST);

	b->consts[i] = (struct img_const){.type = type, .num = num, .str = bench_str(b, "")};
	return i;
}

uint32_t bench_const_ip(struct bench *b, const char *text, int prefix)
{
	uint32_t i = add(b, IMG_SEC_CONST);
	struct img_const *c = &b->consts[i];
	bool v6 = strchr(text, ':');

	*c = (struct img_const){.type = prefix < 0 ? IMG_T_IPADDR : IMG_T_IPNET,
		.family = v6 ? 6 : 4,
		.prefix = (uint8_t)MAX(prefix, 0)};
	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, text, c->ip), 1);
	return i;
}

uint32_t bench_expr_const(struct bench *b, uint32_t constant)
{
	uint32_t i = add(b, IMG_SEC_EXPR);

	b->exprs[i] = (struct img_expr){.kind = IMG_E_CONST,
		.type = b->consts[constant].type,
		.args_first = constant,
		.text = bench_str(b, "")};
	return i;
}

uint32_t bench_call(struct bench *b, enum img_expr_kind kind, enum img_type type, unsigned n,
	const uint32_t *operands)
{
	uint32_t i = add(b, IMG_SEC_EXPR);

	b->exprs[i] = (struct img_expr){.kind = (uint8_t)kind,
		.type = (uint8_t)type,
		.n_args = (uint16_t)n,
		.args_first = b->img.n[IMG_SEC_ARG],
		.text = bench_str(b, "call"),
		.key = bench_str(b, "")};
	for (unsigned k = 0; k < n; k++)
		b->args[add(b, IMG_SEC_ARG)] = operands[k];
	return i;
}

uint32_t bench_set(struct bench *b, uint32_t first, bool hash)
{
	uint32_t i = add(b, IMG_SEC_SET);
	struct img_set *s = &b->sets[i];

	*s = (struct img_set){.first = first,
		.n = b->img.n[IMG_SEC_CONST] - first,
		.seed = 42,
		.slots_first = b->img.n[IMG_SEC_SETSLOT]};
	s->type = s->n ? b->consts[first].type : (uint8_t)IMG_T_STR;
	if (!hash)
		return i;
	for (s->n_slots = 2; s->n_slots < 2 * s->n; s->n_slots *= 2)
		;
	b->img.n[IMG_SEC_SETSLOT] += s->n_slots;
	assert_true(b->img.n[IMG_SEC_SETSLOT] <= ARRAY_LEN(b->setslots));
	for (uint32_t k = first; k < first + s->n; k++) {
		const struct img_const *c = &b->consts[k];
		uint64_t h = c->type == IMG_T_STR
				     ? hash_bytes(b->str + c->str.off, c->str.n, s->seed)
				     : hash_u64(c->num ^ s->seed);

		while (b->setslots[s->slots_first + (h & (s->n_slots - 1))])
			h++;
		b->setslots[s->slots_first + (h & (s->n_slots - 1))] = k + 1;
	}
	return i;
}

uint32_t bench_pred(struct bench *b, uint32_t expr, enum img_op op, enum img_rhs kind, uint32_t rhs)
{
	uint32_t i = add(b, IMG_SEC_PRED);

	b->preds[i] = (struct img_pred){.expr = expr,
		.rhs = rhs,
		.op = (uint8_t)op,
		.type = b->exprs[expr].type,
		.rhs_kind = (uint8_t)kind};
	return i;
}

uint32_t bench_rule(struct bench *b, const char *name, uint32_t pred, uint64_t outputs)
{
	static const char *const shown[] = {"evt.time", "proc.name", "fd.name", "proc.pname",
		"evt.arg.flags", "fd.num", "fd.sip"};
	uint32_t i = add(b, IMG_SEC_RULE), node = add(b, IMG_SEC_NODE);
	struct img_rule *r = &b->rules[i];

	b->nodes[node] =
		(struct img_node){.pred = pred, .if_true = IMG_ACCEPT, .if_false = IMG_REJECT};
	*r = (struct img_rule){.name = bench_str(b, name),
		.source = bench_str(b, "syscall"),
		.entry = node,
		.nodes_first = node,
		.n_nodes = 1,
		.priority = 4,
		.enabled = 1,
		.outputs = outputs,
		.tags_first = b->img.n[IMG_SEC_TAG],
		.n_tags = 2,
		.fmt_first = b->img.n[IMG_SEC_FMT],
		.out_first = b->img.n[IMG_SEC_OUTFIELD]};
	b->tags[add(b, IMG_SEC_TAG)] = bench_str(b, "z");
	b->tags[add(b, IMG_SEC_TAG)] = bench_str(b, "a");
	for (unsigned k = 0; k < ARRAY_LEN(shown); k++) {
		uint32_t x = bench_field(b, shown[k]);

		if (k > 0) { /* the time differs with the zone */
			b->fmts[add(b, IMG_SEC_FMT)] = (struct img_fmt){
				.lit = bench_str(b, k > 1 ? " x=" : "x="), .expr = IMG_NONE};
			b->fmts[add(b, IMG_SEC_FMT)] =
				(struct img_fmt){.lit = bench_str(b, ""), .expr = x};
		}
		b->outfields[add(b, IMG_SEC_OUTFIELD)] =
			(struct img_outfield){.key = bench_str(b, shown[k]), .expr = x};
	}
	r->n_fmt = b->img.n[IMG_SEC_FMT] - r->fmt_first;
	r->n_out = b->img.n[IMG_SEC_OUTFIELD] - r->out_first;
	return i;
}

void bench_index(struct bench *b, enum kev_ix ix, unsigned n, const uint32_t *rules)
{
	b->events[ix] = (struct img_event){
		.refs_first = b->img.n[IMG_SEC_RULEREF], .n_refs = n, .flags = IMG_EV_RULES};
	for (unsigned k = 0; k < n; k++)
		b->rulerefs[add(b, IMG_SEC_RULEREF)] = rules[k];
}

static struct rec_str add_strings(struct rec_writer *w, const char *const *list, uint32_t *ret_n)
{
	char buf[8192];
	size_t n = 0;

	*ret_n = 0;
	for (; list && list[*ret_n]; (*ret_n)++) {
		size_t k = strlen(list[*ret_n]) + 1;

		assert_true(n + k <= sizeof(buf));
		memcpy(buf + n, list[*ret_n], k);
		n += k;
	}
	return rec_add_text(w, (struct span){.p = list ? buf : NULL, .n = n});
}

size_t bench_thread_record(const struct bench_thread *t, void *buf)
{
	struct prec *p = buf;
	struct rec_writer w = {.buf = buf, .cap = SPSC_RECORD_MAX, .n = sizeof(*p)};
	const char *const cgroups[] = {t->cgroups, NULL};
	uint32_t n;
	int len;

	memset(p, 0, sizeof(*p));
	p->h = (struct rec_head){.ring = {.type = REC_PROC}, .ts_ns = BENCH_TS};
	p->slot = t->slot;
	p->leader_slot = t->has_leader ? t->leader : t->slot;
	p->parent_slot = t->parent;
	p->flags = t->flags | (t->has_leader ? 0 : PREC_MAIN);
	p->tid = p->vtid = t->tid;
	p->pid = p->vpid = t->has_leader ? t->tid - 1 : t->tid;
	p->ptid = -1;
	p->sid = t->sid;
	p->vpgid = t->vpgid;
	p->pgid = t->pgid;
	p->uid = t->uid;
	p->gid = t->gid;
	p->loginuid = t->loginuid;
	p->exe_flags = t->exe_flags;
	p->cap_effective = t->caps;
	p->clone_ts_ns = t->clone_ts;
	p->fd_limit = 1024;
	p->n_threads = 3;
	p->comm = rec_add_text(&w, span_str(t->comm ? t->comm : "c"));
	p->exe = rec_add_text(&w, span_str(t->exe));
	p->exepath = rec_add_text(&w, span_str(t->exepath));
	p->args = add_strings(&w, t->args, &p->n_args);
	p->env = add_strings(&w, t->env, &n);
	p->cwd = rec_add_text(&w, span_str(t->cwd));
	p->cgroups = add_strings(&w, t->cgroups ? cgroups : NULL, &n);
	p->container_id = rec_add_text(&w, span_str(t->container));
	p->container_slot = t->container_slot;
	p->container_engine = t->engine;
	len = rec_finish(&w);
	assert_true(len > 0);
	p->h.ring.len = (uint32_t)len;
	return (size_t)len;
}

void bench_thread(struct bench *b, const struct bench_thread *t)
{
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];

	bench_start(b);
	(void)bench_thread_record(t, buf);
	assert_int_equal(prec_validate((struct rec_head *)buf, b->settings.threads_max), 0);
	replica_put(&b->e.replica, (struct prec *)buf);
}

static void put_id(struct bench *b, struct kev_builder *kb, void *buf)
{
	const char *why;
	struct kev k;
	int n = kev_build_finish(kb);

	assert_true(n > 0);
	assert_int_equal(kev_parse(buf, (size_t)n, &k, &why), 0);
	bench_start(b);
	assert_int_equal(replica_put_id(&b->e.replica, &k), 0);
}

void bench_user(struct bench *b, const char *container, uint32_t uid, const char *name)
{
	_Alignas(8) uint8_t buf[4096];
	struct kev_builder kb;

	kev_build_start(&kb, buf, sizeof(buf), KEV_CODE_USER_ADDED_E, 0);
	kev_build_int(&kb, uid);
	kev_build_int(&kb, uid);
	kev_build_text(&kb, span_str(name));
	kev_build_text(&kb, SPAN_LIT("/home/x"));
	kev_build_text(&kb, SPAN_LIT("/bin/sh"));
	kev_build_text(&kb, span_str(container));
	put_id(b, &kb, buf);
}

void bench_group(struct bench *b, uint32_t gid, const char *name)
{
	_Alignas(8) uint8_t buf[4096];
	struct kev_builder kb;

	kev_build_start(&kb, buf, sizeof(buf), KEV_CODE_GROUP_ADDED_E, 0);
	kev_build_int(&kb, gid);
	kev_build_text(&kb, span_str(name));
	kev_build_text(&kb, SPAN_LIT(""));
	put_id(b, &kb, buf);
}

static struct span params[KEV_PARAMS_MAX];
static char param_bytes[KEV_PARAMS_MAX][512];
static bool params_written;

static struct ev *ev_of(struct bench *b)
{
	return (struct ev *)b->ev;
}

void bench_event(struct bench *b, uint16_t code, uint32_t slot)
{
	bench_start(b);
	memset(b->ev, 0, sizeof(b->ev));
	memset(params, 0, sizeof(params));
	params_written = false;
	ev_begin(&b->w, b->ev, sizeof(b->ev));
	ev_of(b)->h = (struct rec_head){
		.ring = {.type = REC_EVENT}, .seq = 7, .ord = 9, .ts_ns = BENCH_TS};
	ev_of(b)->type = code;
	ev_of(b)->slot = slot;
	ev_of(b)->tid = 1000;
	ev_of(b)->cpu = 1;
}

void bench_res(struct bench *b, int64_t res)
{
	ev_of(b)->rawres = res;
	ev_of(b)->flags |= EV_HAS_RES;
}

static unsigned param_index(struct bench *b, const char *name)
{
	int i = kev_param_find(kev_info_find(ev_of(b)->type), name);

	assert_true(i >= 0);
	return (unsigned)i;
}

void bench_param_raw(struct bench *b, const char *name, const void *p, size_t n)
{
	unsigned i = param_index(b, name);

	assert_true(n <= sizeof(param_bytes[i]) && !params_written);
	memcpy(param_bytes[i], p, n);
	params[i] = (struct span){.p = param_bytes[i], .n = n};
}

void bench_param_int(struct bench *b, const char *name, int64_t v)
{
	unsigned i = param_index(b, name),
		 width = kev_type_width(kev_info_find(ev_of(b)->type)->params[i].type);

	assert_true(width > 0);
	bench_param_raw(b, name, &v, width);
}

void bench_param_text(struct bench *b, const char *name, const char *text)
{
	bench_param_raw(b, name, text, strlen(text) + 1);
}

static void write_params(struct bench *b)
{
	if (!params_written)
		ev_add_params(&b->w, params, kev_info_find(ev_of(b)->type)->n_params);
	params_written = true;
}

void bench_att_text(struct bench *b, enum ev_att_kind kind, const char *param, const char *text)
{
	write_params(b);
	ev_add_att_text(&b->w, kind, param ? (uint16_t)param_index(b, param) : 0, span_str(text));
}

void bench_att_fd(
	struct bench *b, enum ev_att_kind kind, int index, const struct ev_fd *fd, const char *name)
{
	write_params(b);
	ev_add_att_fd(&b->w, kind, index < 0 ? EV_NO_PARAM : (uint16_t)index, fd, span_str(name),
		span_str(name));
}

void bench_event_end(struct bench *b)
{
	int n;

	write_params(b);
	n = rec_finish(&b->w);
	assert_true(n > 0);
	ev_of(b)->h.ring.len = (uint32_t)n;
	assert_int_equal(ev_validate(&ev_of(b)->h, b->settings.threads_max, &b->view), 0);
	evl_event_begin(&b->e, &b->view);
}

const char *bench_text(struct bench *b, const char *field)
{
	static char text[70000];
	uint32_t x = bench_field(b, field);
	struct evl_value v;
	struct evl_text t;

	evl_text_init(&t, text, sizeof(text));
	b->e.scratch.used = 0;
	evl_expr(&b->e, x, &v);
	evl_value_text(&v, &b->exprs[x], &t);
	return text;
}

bool bench_test(struct bench *b, const char *field, enum img_op op, const char *value)
{
	uint32_t x = bench_field(b, field), rhs = 0;
	enum img_type type = b->exprs[x].type;
	enum img_rhs kind = op == IMG_OP_EXISTS ? IMG_RHS_NONE : IMG_RHS_CONST;

	if (kind == IMG_RHS_CONST && (type == IMG_T_STR || type == IMG_T_BYTES))
		rhs = bench_const_str(b, value);
	else if (kind == IMG_RHS_CONST && (type == IMG_T_IPADDR || type == IMG_T_IPNET)) {
		char ip[64];
		const char *slash = strchr(value, '/');

		snprintf(ip, sizeof(ip), "%.*s", (int)(slash ? slash - value : (int)strlen(value)),
			value);
		rhs = bench_const_ip(b, ip, slash ? atoi(slash + 1) : -1);
	} else if (kind == IMG_RHS_CONST) {
		rhs = bench_const_num(b, type,
			type == IMG_T_BOOL ? strcmp(value, "true") == 0
					   : (uint64_t)strtoll(value, NULL, 10));
	}
	return evl_pred_eval(&b->e, &b->preds[bench_pred(b, x, op, kind, rhs)]);
}
