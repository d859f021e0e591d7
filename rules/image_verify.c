/* SPDX-License-Identifier: Apache-2.0 */
/* The door of policy images. Every consumer runs img_verify() once on its mapping; afterwards every
 * index, string, type and edge in it may be used without further checks. The image comes from the
 * policy process, which has read hostile files: nothing in it is believed. The mapping must be
 * sealed against writing, for it is checked in place. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/cleanup.h>
#include <base/macros.h>
#include <rules/fields.h>
#include <rules/image.h>

/* Is [first, first + count) within n elements? */
static bool is_range(uint32_t first, uint32_t count, uint32_t n)
{
	return first <= n && count <= n - first;
}

static bool is_str(const struct img *i, struct img_str s)
{
	uint32_t n = i->n[IMG_SEC_STR];

	return s.off < n && s.n < n - s.off && i->str[s.off + s.n] == '\0';
}

static const char *check_head(const uint8_t *p, size_t n, struct img *i)
{
	const struct img_head *h = (const struct img_head *)p;

	if (n < sizeof(*h) || n > IMG_SIZE_MAX || (uintptr_t)p % 8)
		return "size";
	if (h->magic != IMG_MAGIC || h->version != IMG_VERSION || h->size != n)
		return "header";
	if (h->vocabulary != img_vocabulary())
		return "made for another build (events or fields differ)";
	if (h->checksum != img_checksum(p, n))
		return "checksum";
	if ((h->flags & ~(uint32_t)IMG_F_ALL) || (h->needs & ~(uint64_t)IMG_NEED_ALL) || h->pad0)
		return "header flags";
	*i = (struct img){.base = p, .size = n, .head = h};
	for (int s = 0; s < _IMG_SEC_MAX; s++) {
		uint32_t off = h->sec[s].off, count = h->sec[s].n;

		if (off < sizeof(*h) || off % 8 || off > n ||
			count > (n - off) / img_element_size[s])
			return "section bounds";
		i->n[s] = count;
	}
	return NULL;
}

static void set_sections(struct img *i)
{
	const struct img_section *s = i->head->sec;

#define SECTION(member, id) i->member = (const void *)(i->base + s[id].off)
	SECTION(str, IMG_SEC_STR);
	SECTION(rules, IMG_SEC_RULE);
	SECTION(tags, IMG_SEC_TAG);
	SECTION(nodes, IMG_SEC_NODE);
	SECTION(preds, IMG_SEC_PRED);
	SECTION(exprs, IMG_SEC_EXPR);
	SECTION(args, IMG_SEC_ARG);
	SECTION(consts, IMG_SEC_CONST);
	SECTION(sets, IMG_SEC_SET);
	SECTION(setslots, IMG_SEC_SETSLOT);
	SECTION(fmts, IMG_SEC_FMT);
	SECTION(outfields, IMG_SEC_OUTFIELD);
	SECTION(events, IMG_SEC_EVENT);
	SECTION(rulerefs, IMG_SEC_RULEREF);
	SECTION(outputs, IMG_SEC_OUTPUT);
	SECTION(kpaths, IMG_SEC_KPATHS);
#undef SECTION
}

static const char *check_const(const struct img *i, const struct img_const *c)
{
	if (c->type >= IMG_T_LIST_STR)
		return "constant type";
	if (!is_str(i, c->str))
		return "constant text";
	switch (c->type) {
	case IMG_T_BOOL:
		return c->num > 1 ? "constant bool" : NULL;
	case IMG_T_IPADDR:
	case IMG_T_IPNET:
		if (c->family != 4 && c->family != 6)
			return "constant address family";
		return c->prefix > (c->family == 4 ? 32 : 128) ? "constant prefix" : NULL;
	default:
		return NULL;
	}
}

static const char *check_set(const struct img *i, const struct img_set *s)
{
	uint32_t used = 0;

	if (s->type >= IMG_T_LIST_STR || (s->flags & ~IMG_SET_GLOB) ||
		!is_range(s->first, s->n, i->n[IMG_SEC_CONST]))
		return "set";
	for (uint32_t k = 0; k < s->n; k++)
		if (i->consts[s->first + k].type != s->type)
			return "set element type";
	if (s->n_slots == 0)
		return NULL;
	if ((s->n_slots & (s->n_slots - 1)) || s->n_slots / 2 < s->n ||
		!is_range(s->slots_first, s->n_slots, i->n[IMG_SEC_SETSLOT]))
		return "set slots";
	for (uint32_t k = 0; k < s->n_slots; k++) {
		uint32_t slot = i->setslots[s->slots_first + k];

		if (slot == 0)
			continue;
		if (slot - 1 < s->first || slot - 1 - s->first >= s->n)
			return "set slot";
		used++;
	}
	/* A free slot is what ends a probe. */
	return used > s->n_slots / 2 ? "set too full" : NULL;
}

/* Sets that share slots would make the check quadratic: slots, like constants of sets, lie one set
 * after the other. */
static const char *check_sets(const struct img *i)
{
	uint32_t next_slot = 0, next_const = 0;

	for (uint32_t k = 0; k < i->n[IMG_SEC_SET]; k++) {
		const struct img_set *s = &i->sets[k];
		const char *why;

		if (s->first < next_const || (s->n_slots && s->slots_first < next_slot))
			return "set order";
		why = check_set(i, s);
		if (why)
			return why;
		next_const = s->first + s->n;
		if (s->n_slots)
			next_slot = s->slots_first + s->n_slots;
	}
	return NULL;
}

static bool is_text(enum img_type t)
{
	return t == IMG_T_STR || t == IMG_T_BYTES;
}

static bool is_list(enum img_type t)
{
	return t == IMG_T_LIST_STR || t == IMG_T_LIST_U64;
}

static const char *check_field_expr(const struct img_expr *e)
{
	const struct field_info *f = field_info_get(e->field);
	int t;

	if (!f || e->n_args)
		return "field";
	t = img_type_of_field(f);
	if (t >= 0 ? e->type != t : e->type > IMG_T_U64)
		return "field type";
	switch (e->arg_kind) {
	case IMG_ARG_NONE:
		return (f->arg & 0x0f) == FA_REQ ? "field argument missing" : NULL;
	case IMG_ARG_INDEX:
		return !(f->arg & FAF_INDEX) || e->index < 0 || e->index > INT32_MAX ? "field index"
										     : NULL;
	default:
		return !(f->arg & (FAF_KEY | FAF_SUFFIX)) ? "field key" : NULL;
	}
}

/* Types of operands against the type of the result. */
static const char *check_operands(const struct img *i, const struct img_expr *e)
{
	const uint32_t *a = i->args + e->args_first;
	enum img_type t0 = e->n_args > 0 ? i->exprs[a[0]].type : _IMG_T_MAX;
	enum img_type t1 = e->n_args > 1 ? i->exprs[a[1]].type : _IMG_T_MAX;
	bool ok = false;

	switch (e->kind) {
	case IMG_E_TOLOWER:
	case IMG_E_TOUPPER:
	case IMG_E_BASENAME:
		ok = e->n_args == 1 && t0 == IMG_T_STR && e->type == IMG_T_STR;
		break;
	case IMG_E_B64:
		ok = e->n_args == 1 && is_text(t0) && e->type == t0;
		break;
	case IMG_E_LEN:
		ok = e->n_args == 1 && (is_text(t0) || is_list(t0)) && e->type == IMG_T_U64;
		break;
	case IMG_E_JOIN:
		ok = e->n_args == 2 && t0 == IMG_T_STR && is_list(t1) && e->type == IMG_T_STR;
		break;
	case IMG_E_GETOPT:
		ok = e->n_args == 2 && t0 == IMG_T_LIST_STR && t1 == IMG_T_STR &&
		     e->type == (e->arg_kind == IMG_ARG_KEY ? IMG_T_STR : IMG_T_LIST_STR);
		break;
	case IMG_E_CONCAT:
	case IMG_E_LIST:
		ok = e->type == (e->kind == IMG_E_LIST ? IMG_T_LIST_STR : IMG_T_STR) &&
		     (e->kind == IMG_E_LIST || e->n_args >= 2);
		for (uint32_t k = 0; ok && k < e->n_args; k++)
			ok = i->exprs[a[k]].type == IMG_T_STR;
		break;
	default:
		break;
	}
	return ok ? NULL : "operand types";
}

struct expr_cost {
	uint16_t work, depth;
};

static const char *check_expr(const struct img *i, uint32_t at, struct expr_cost *cost)
{
	const struct img_expr *e = &i->exprs[at];
	uint32_t work = 1, depth = 0;

	if (e->kind >= _IMG_E_MAX || e->type >= _IMG_T_MAX || e->arg_kind >= _IMG_ARG_MAX ||
		!is_str(i, e->key) || !is_str(i, e->text))
		return "expression";
	cost[at] = (struct expr_cost){.work = 1};
	if (e->kind == IMG_E_FIELD)
		return check_field_expr(e);
	if (e->kind == IMG_E_CONST) {
		if (e->n_args || e->args_first >= i->n[IMG_SEC_CONST] ||
			i->consts[e->args_first].type != e->type)
			return "constant expression";
		return NULL;
	}
	if (e->arg_kind != IMG_ARG_NONE && e->kind != IMG_E_GETOPT)
		return "argument of a function";
	if (!is_range(e->args_first, e->n_args, i->n[IMG_SEC_ARG]) || e->n_args > IMG_EXPR_WORK_MAX)
		return "operands";
	for (uint32_t k = 0; k < e->n_args; k++) {
		uint32_t a = i->args[e->args_first + k];

		if (a >= at)
			return "operand order";
		work += cost[a].work;
		depth = MAX(depth, (uint32_t)cost[a].depth + 1);
	}
	if (work > IMG_EXPR_WORK_MAX || depth > IMG_EXPR_DEPTH_MAX)
		return "expression too large";
	cost[at] = (struct expr_cost){.work = (uint16_t)work, .depth = (uint16_t)depth};
	return check_operands(i, e);
}

static const char *check_exprs(const struct img *i)
{
	_cleanup_free_ struct expr_cost *cost =
		calloc((size_t)i->n[IMG_SEC_EXPR] + 1, sizeof(*cost));
	uint64_t work = 0;

	if (!cost)
		return "out of memory";
	for (uint32_t k = 0; k < i->n[IMG_SEC_EXPR]; k++) {
		const char *why;

		/* Operand lists may overlap; their sum bounds this loop by the image's size all the
		 * same. */
		work += i->exprs[k].n_args;
		if (work > i->size)
			return "operands";
		why = check_expr(i, k, cost);
		if (why)
			return why;
	}
	return NULL;
}

static bool op_wants_set(enum img_op op)
{
	return op == IMG_OP_IN || op == IMG_OP_INTERSECTS || op == IMG_OP_PMATCH;
}

static const char *check_pred_rhs(const struct img *i, const struct img_pred *p)
{
	switch (p->rhs_kind) {
	case IMG_RHS_NONE:
		return p->op != IMG_OP_EXISTS || p->modifier != IMG_MOD_NONE ? "missing right side"
									     : NULL;
	case IMG_RHS_CONST:
		if (p->op == IMG_OP_EXISTS || op_wants_set(p->op) || p->modifier != IMG_MOD_NONE)
			return "constant right side";
		return p->rhs >= i->n[IMG_SEC_CONST] || i->consts[p->rhs].type != p->type
			       ? "right side type"
			       : NULL;
	case IMG_RHS_SET:
		if (p->op == IMG_OP_EXISTS || op_wants_set(p->op) == (p->modifier != IMG_MOD_NONE))
			return "set right side";
		return p->rhs >= i->n[IMG_SEC_SET] ||
				       i->sets[p->rhs].type != img_type_of_element(p->type)
			       ? "set type"
			       : NULL;
	case IMG_RHS_EXPR:
		if (p->op == IMG_OP_EXISTS || p->op == IMG_OP_PMATCH || p->op == IMG_OP_REGEX ||
			p->modifier != IMG_MOD_NONE)
			return "expression right side";
		return p->rhs >= i->n[IMG_SEC_EXPR] || i->exprs[p->rhs].type != p->type
			       ? "right side type"
			       : NULL;
	default:
		return "right side";
	}
}

static const char *check_pred(const struct img *i, const struct img_pred *p)
{
	if (p->expr >= i->n[IMG_SEC_EXPR] || p->type != i->exprs[p->expr].type ||
		!img_op_takes(p->op, p->type))
		return "predicate";
	if (p->modifier >= _IMG_MOD_MAX || (p->flags & ~IMG_PRED_PROC))
		return "predicate flags";
	return check_pred_rhs(i, p);
}

static bool is_edge(uint32_t to, uint32_t at, uint32_t end)
{
	return to == IMG_ACCEPT || to == IMG_REJECT || (to > at && to < end);
}

/* The rules' nodes lie one rule after the other: @next is the first that is not yet taken. */
static const char *check_program(const struct img *i, const struct img_rule *r, uint32_t *next)
{
	uint32_t end;

	if (r->nodes_first != *next || !is_range(r->nodes_first, r->n_nodes, i->n[IMG_SEC_NODE]))
		return "program bounds";
	end = r->nodes_first + r->n_nodes;
	if (r->entry != IMG_ACCEPT && r->entry != IMG_REJECT &&
		(r->entry < r->nodes_first || r->entry >= end))
		return "program entry";
	for (uint32_t k = r->nodes_first; k < end; k++) {
		const struct img_node *n = &i->nodes[k];

		if (n->pred >= i->n[IMG_SEC_PRED])
			return "node";
		if (!is_edge(n->if_true, k, end) || !is_edge(n->if_false, k, end))
			return "edge";
	}
	*next = end;
	return NULL;
}

static const char *check_rules(const struct img *i)
{
	uint32_t n_outputs = i->n[IMG_SEC_OUTPUT], next_node = 0, enabled = 0;
	uint64_t outputs = n_outputs >= 64 ? UINT64_MAX : (1ULL << n_outputs) - 1;

	if (n_outputs > IMG_OUTPUTS_MAX)
		return "outputs";
	for (uint32_t k = 0; k < i->n[IMG_SEC_RULE]; k++) {
		const struct img_rule *r = &i->rules[k];
		const char *why = check_program(i, r, &next_node);

		if (why)
			return why;
		if (!is_str(i, r->name) || !is_str(i, r->source) || r->priority > 7 ||
			r->enabled > 1 || r->capture > 1 || r->pad0 || r->pad1 ||
			(r->outputs & ~outputs))
			return "rule";
		if (!is_range(r->tags_first, r->n_tags, i->n[IMG_SEC_TAG]) ||
			!is_range(r->fmt_first, r->n_fmt, i->n[IMG_SEC_FMT]) ||
			!is_range(r->out_first, r->n_out, i->n[IMG_SEC_OUTFIELD]))
			return "rule tables";
		enabled += r->enabled;
	}
	return enabled != i->head->n_rules_enabled ? "number of rules" : NULL;
}

static const char *check_texts(const struct img *i)
{
	for (uint32_t k = 0; k < i->n[IMG_SEC_TAG]; k++)
		if (!is_str(i, i->tags[k]))
			return "tag";
	for (uint32_t k = 0; k < i->n[IMG_SEC_OUTPUT]; k++)
		if (!is_str(i, i->outputs[k]))
			return "output name";
	for (uint32_t k = 0; k < i->n[IMG_SEC_FMT]; k++) {
		const struct img_fmt *f = &i->fmts[k];

		if (!is_str(i, f->lit) || (f->expr != IMG_NONE && f->expr >= i->n[IMG_SEC_EXPR]) ||
			f->width > IMG_WIDTH_MAX)
			return "output template";
	}
	for (uint32_t k = 0; k < i->n[IMG_SEC_OUTFIELD]; k++) {
		const struct img_outfield *o = &i->outfields[k];

		if (!is_str(i, o->key) || (o->expr != IMG_NONE && o->expr >= i->n[IMG_SEC_EXPR]) ||
			!is_range(o->fmt_first, o->n_fmt, i->n[IMG_SEC_FMT]))
			return "output field";
	}
	return NULL;
}

static const char *check_events(const struct img *i)
{
	uint32_t next = 0;

	if (i->n[IMG_SEC_EVENT] != _KEV_IX_MAX)
		return "event index";
	for (uint32_t k = 0; k < _KEV_IX_MAX; k++) {
		const struct img_event *e = &i->events[k];

		if (e->refs_first != next ||
			!is_range(e->refs_first, e->n_refs, i->n[IMG_SEC_RULEREF]) ||
			(e->flags & ~(IMG_EV_RULES | IMG_EV_STATE)))
			return "event";
		for (uint32_t m = 0; m < e->n_refs; m++) {
			uint32_t rule = i->rulerefs[next + m];

			if (rule >= i->n[IMG_SEC_RULE] || (m && rule <= i->rulerefs[next + m - 1]))
				return "rule reference";
		}
		next += e->n_refs;
	}
	return NULL;
}

/* The slots are numbers to compare with: any may stand there. */
static const char *check_kpaths(const struct img *i)
{
	static const uint8_t kinds = KSHM_PATH_ANY | KSHM_PATH_EXACT | KSHM_PATH_DIR |
				     KSHM_PATH_BASE | KSHM_PATH_PREFIX | KSHM_PATH_DOTDOT;

	if (i->n[IMG_SEC_KPATHS] > 1)
		return "paths";
	for (unsigned k = 0; i->n[IMG_SEC_KPATHS] && k < sizeof(i->kpaths->kinds); k++)
		if (i->kpaths->kinds[k] & (k < KSHM_OPEN_CLASSES ? ~kinds : ~0))
			return "kinds of paths";
	for (uint32_t k = 0; k < i->n[IMG_SEC_EVENT]; k++)
		if (!i->n[IMG_SEC_KPATHS] &&
			(i->events[k].want & (KSHM_WANT_PATHS | KSHM_WANT_KNOWN_FD)))
			return "missing paths";
	return NULL;
}

static const char *check_all(const struct img *i)
{
	const char *why;

	if (i->n[IMG_SEC_STR] == 0 || i->str[i->n[IMG_SEC_STR] - 1] != '\0')
		return "string pool";
	for (uint32_t k = 0; k < i->n[IMG_SEC_CONST]; k++)
		if ((why = check_const(i, &i->consts[k])))
			return why;
	if ((why = check_sets(i)) || (why = check_exprs(i)))
		return why;
	for (uint32_t k = 0; k < i->n[IMG_SEC_PRED]; k++)
		if ((why = check_pred(i, &i->preds[k])))
			return why;
	if ((why = check_rules(i)) || (why = check_texts(i)))
		return why;
	why = check_events(i);
	return why ? why : check_kpaths(i);
}

int img_verify(const void *p, size_t n, struct img *ret_img, const char **reterr_why)
{
	struct img i;
	const char *why = check_head(p, n, &i);

	if (!why) {
		set_sections(&i);
		why = check_all(&i);
	}
	if (why) {
		*reterr_why = why;
		return -EBADMSG;
	}
	*ret_img = i;
	return 0;
}
