/* SPDX-License-Identifier: Apache-2.0 */
/* Rules, their output fields, the index by event type, and what the kernel is to capture for them.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <abi/events.h>
#include <abi/kshared.h>

#include "index.h"
#include "interest.h"
#include "paths.h"

struct outlist {
	struct builder *b;
	struct img_outfield *f;
	const char **keys;
	uint32_t n, cap;
};

static void add_outfield(struct outlist *l, const char *key, const struct img_outfield *f)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (!strcmp(l->keys[i], key))
			return;
	if (l->n == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 32;
		struct img_outfield *bigger = cx_alloc(l->b->cx, cap * sizeof(*bigger));
		const char **keys = cx_alloc(l->b->cx, cap * sizeof(*keys));

		if (!bigger || !keys) {
			l->b->failed = true;
			return;
		}
		if (l->n) {
			memcpy(bigger, l->f, l->n * sizeof(*bigger));
			memcpy(keys, l->keys, l->n * sizeof(*keys));
		}
		l->f = bigger;
		l->keys = keys;
		l->cap = cap;
	}
	l->f[l->n] = *f;
	l->keys[l->n++] = key;
}

static void add_value(struct outlist *l, const struct tval *t, const char *key)
{
	struct img_outfield f = {
		.expr = builder_expr(l->b, t), .key = builder_str(l->b, key, strlen(key))};

	add_outfield(l, key, &f);
}

/* The fields below a template's value: functions are not listed, what they take is. */
static void add_fields(struct outlist *l, const struct tval *t)
{
	if (t->is_field || t->is_static)
		add_value(l, t, t->text);
	for (uint32_t i = 0; i < t->n_args; i++)
		add_fields(l, t->args[i]);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of their keys, as alerts print them. */
static void store_outfields(struct outlist *l, struct img_rule *r)
{
	const char **sorted = cx_alloc(l->b->cx, (l->n + 1) * sizeof(*sorted));

	r->out_first = builder_n(l->b, IMG_SEC_OUTFIELD);
	r->n_out = l->n;
	if (!sorted) {
		l->b->failed = true;
		return;
	}
	if (l->n) {
		memcpy(sorted, l->keys, l->n * sizeof(*sorted));
		qsort(sorted, l->n, sizeof(*sorted), compare_keys);
	}
	for (uint32_t i = 0; i < l->n; i++) {
		struct img_outfield *to = builder_add(l->b, IMG_SEC_OUTFIELD);

		for (uint32_t k = 0; to && k < l->n; k++)
			if (l->keys[k] == sorted[i])
				*to = l->f[k];
	}
}

static void emit_output(
	struct builder *b, const struct checked_rule *c, bool iso_time, struct img_rule *r)
{
	enum field_id id = iso_time ? FIELD_ID_EVT_TIME_ISO8601 : FIELD_ID_EVT_TIME;
	struct tval time = {.kind = IMG_E_FIELD,
		.type = IMG_T_STR,
		.field = (uint16_t)id,
		.is_field = true,
		.text = field_info_get(id)->name};
	struct outlist l = {.b = b};

	format_emit(b, &c->fmt, &r->fmt_first, &r->n_fmt);
	for (uint32_t i = 0; i < c->n_extra; i++) {
		const struct extra_field *x = &c->extra[i];
		struct img_outfield f = {
			.expr = IMG_NONE, .key = builder_str(b, x->key, strlen(x->key))};

		if (x->raw) {
			add_value(&l, x->raw, x->key);
			continue;
		}
		format_emit(b, &x->fmt, &f.fmt_first, &f.n_fmt);
		add_outfield(&l, x->key, &f);
	}
	for (uint32_t i = 0; i < c->fmt.n; i++)
		if (c->fmt.pieces[i].value)
			add_fields(&l, c->fmt.pieces[i].value);
	add_value(&l, &time, time.text);
	store_outfields(&l, r);
}

static int emit_rule(struct builder *b, const struct checked_rule *c, uint32_t gen,
	const struct rules_options *opt)
{
	struct img_rule r = {.priority = c->def->priority,
				.enabled = c->enabled,
				.capture = c->def->capture,
				.capture_ms = c->def->capture_ms,
				.entry = IMG_REJECT,
				.outputs = c->outputs},
			*to;
	struct code code = {.entry = IMG_REJECT, .first = builder_n(b, IMG_SEC_NODE)};
	int res = 0;

	r.name = builder_str(b, c->def->name, strlen(c->def->name));
	r.source = builder_str(b, c->def->source, strlen(c->def->source));
	r.tags_first = builder_n(b, IMG_SEC_TAG);
	r.n_tags = c->def->n_tags;
	for (uint32_t i = 0; i < c->def->n_tags; i++) {
		struct img_str tag = builder_str(b, c->def->tags[i], strlen(c->def->tags[i])),
			       *t = builder_add(b, IMG_SEC_TAG);

		if (t)
			*t = tag;
	}
	if (c->enabled) {
		emit_output(b, c, opt->iso_time, &r);
		if (evset_count(&c->events))
			res = codegen_rule(b, c->ast, &c->events, gen, &code);
	}
	r.entry = code.entry;
	r.nodes_first = code.first;
	r.n_nodes = code.n;
	to = builder_add(b, IMG_SEC_RULE);
	if (res < 0 || !to || b->failed)
		return -ENOMEM;
	*to = r;
	return 0;
}

/* Kept by the tracker through other events, or not kept at all. */
static bool is_state(const struct kev_info *info)
{
	if (!(info->flags & KEV_MODIFIES_STATE) || info->dir == KEV_ENTER)
		return false;
	if (info->kind != KEV_KIND_SYSCALL && info->kind != KEV_KIND_TRACEPOINT)
		return false;
	switch (info->ix) {
	case KEV_IX_SYSCALL_CLONE_20_X:
	case KEV_IX_SYSCALL_FORK_20_X:
	case KEV_IX_SYSCALL_VFORK_20_X:
	case KEV_IX_SYSCALL_CLONE3_X: /* saker_fork tells of every new task */
	case KEV_IX_SYSCALL_MOUNT_X:
	case KEV_IX_SYSCALL_UMOUNT_1_X:
	case KEV_IX_SYSCALL_UMOUNT2_X:
	case KEV_IX_SOCKET_SHUTDOWN_X:
	case KEV_IX_SOCKET_GETSOCKOPT_X:
		return false;
	default:
		return true;
	}
}

/* I/O on sockets changes what is known of them, but only rules that look at such calls can see it.
 */
static bool is_state_if_used(const struct kev_info *info)
{
	switch (info->ix) {
	case KEV_IX_SOCKET_SENDTO_X:
	case KEV_IX_SOCKET_SENDMSG_X:
	case KEV_IX_SOCKET_SENDMMSG_X:
	case KEV_IX_SOCKET_RECVFROM_X:
	case KEV_IX_SOCKET_RECVMSG_X:
	case KEV_IX_SOCKET_RECVMMSG_X:
		return true;
	default:
		return false;
	}
}

/* What a rule without event types does not make the kernel capture: the flood of reads, writes and
 * scheduling. */
static bool is_flood(const struct kev_info *info)
{
	if (info->ix == KEV_IX_SCHEDSWITCH_6_E || info->ix == KEV_IX_PAGE_FAULT_E)
		return true;
	return (info->flags & (KEV_READS | KEV_WRITES)) && !(info->flags & KEV_MODIFIES_STATE) &&
	       info->ix != KEV_IX_SYSCALL_FINIT_MODULE_X;
}

static bool is_send(const struct kev_info *info)
{
	return info->ix == KEV_IX_SOCKET_SENDTO_X || info->ix == KEV_IX_SOCKET_SENDMSG_X ||
	       info->ix == KEV_IX_SOCKET_SENDMMSG_X;
}

/* Of the rules under an event: is there any, any that means it by name, any that can match a failed
 * call, or what is sent over a TCP connection? */
struct interest {
	bool any, named, failures, tcp;
};

/* A connection that is still being made is state, though the call reports an error. */
static bool is_state_on_failure(const struct kev_info *info)
{
	return info->ix == KEV_IX_SOCKET_CONNECT_X || !interest_has_result(info->ix);
}

static int emit_event(struct builder *b, const struct kev_info *info,
	const struct checked_rule *rules, const uint32_t *ids, uint32_t n, bool by_path)
{
	struct img_event e = {.refs_first = builder_n(b, IMG_SEC_RULEREF)}, *to;
	struct interest in = {0};

	for (uint32_t i = 0; i < n; i++) {
		uint32_t *ref;

		if (ids[i] == IMG_NONE || !rules[i].enabled ||
			!evset_has(&rules[i].events, info->ix))
			continue;
		in.any = true;
		in.named |= !evset_is_wide(&rules[i].events);
		in.failures |= interest_in_failures(rules[i].ast, info->ix);
		in.tcp |= interest_in_tcp(rules[i].ast, info->ix);
		ref = builder_add(b, IMG_SEC_RULEREF);
		if (!ref)
			return -ENOMEM;
		*ref = ids[i];
		e.n_refs++;
	}
	if (in.any)
		e.flags |= IMG_EV_RULES;
	if (is_state_if_used(info) ? in.any : is_state(info))
		e.flags |= IMG_EV_STATE;
	if (info->dir != KEV_ENTER &&
		((e.flags & IMG_EV_STATE) || in.named || (in.any && !is_flood(info))))
		e.want |= KSHM_WANT;
	if ((e.want & KSHM_WANT) && !in.failures &&
		!((e.flags & IMG_EV_STATE) && is_state_on_failure(info)) &&
		interest_has_result(info->ix))
		e.want |= KSHM_WANT_SUCCESS_ONLY;
	/* What they tell of state is who a datagram goes to; a connection was told by its making. */
	if ((e.want & KSHM_WANT) && is_send(info) && !in.tcp)
		e.want |= KSHM_WANT_NOT_TCP;
	if (by_path && (e.want & KSHM_WANT))
		e.want |= info->ix == KEV_IX_SYSCALL_OPEN_X || info->ix == KEV_IX_SYSCALL_OPENAT_2_X
				  ? KSHM_WANT_PATHS
			  : info->ix == KEV_IX_SYSCALL_CLOSE_X && !in.any ? KSHM_WANT_KNOWN_FD
									  : 0;
	to = builder_add(b, IMG_SEC_EVENT);
	if (!to)
		return -ENOMEM;
	*to = e;
	return 0;
}

/* Stores the table of paths if it leaves anything out. */
static int emit_paths(
	struct builder *b, const struct checked_rule *rules, uint32_t n, bool *ret_by_path)
{
	struct kshm_paths *to, *p = cx_alloc(b->cx, sizeof(*p));
	int r;

	*ret_by_path = false;
	if (!p)
		return -ENOMEM;
	if (paths_matter(rules, n, b->needs))
		return 0;
	r = paths_derive(b->cx, rules, n, p, ret_by_path);
	if (r < 0 || !*ret_by_path)
		return r;
	to = builder_add(b, IMG_SEC_KPATHS);
	if (!to)
		return -ENOMEM;
	*to = *p;
	return 0;
}

int index_rules(struct builder *b, const struct checked_rule *rules, uint32_t n,
	const struct rules_options *opt, uint32_t *ret_n, uint32_t *ret_enabled)
{
	uint32_t *ids = cx_alloc(b->cx, (n + 1) * sizeof(*ids)), count = 0, enabled = 0;
	bool by_path;
	int r;

	if (!ids)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		ids[i] = IMG_NONE;
		if (!rules[i].ok)
			continue;
		r = emit_rule(b, &rules[i], i + 1, opt);
		if (r < 0)
			return r;
		ids[i] = count++;
		enabled += rules[i].enabled;
	}
	r = emit_paths(b, rules, n, &by_path);
	if (r < 0)
		return r;
	for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++) {
		r = emit_event(b, kev_info_get(ix), rules, ids, n, by_path);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < opt->n_outputs; i++) {
		struct img_str name = builder_str(
				       b, opt->outputs[i].name, strlen(opt->outputs[i].name)),
			       *to = builder_add(b, IMG_SEC_OUTPUT);

		if (!to)
			return -ENOMEM;
		*to = name;
	}
	*ret_n = count;
	*ret_enabled = enabled;
	return 0;
}
