/* SPDX-License-Identifier: Apache-2.0 */
/* One rule as the machine sees it, for people and as JSON. Reads the image through its door, as
 * every process does. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <abi/events.h>
#include <abi/kshared.h>
#include <base/cleanup.h>

#include "json.h"
#include "names.h"
#include "print.h"
#include "session.h"

struct explain {
	struct session *s;
	struct strbuf *b;
	struct img img;
	const struct checked_rule *cr;
	const struct img_rule *rule;
	uint32_t *used_by; /* by predicate: enabled rules that test it */
	uint32_t *preds;   /* n_preds that this rule tests, in the order of their first node */
	uint32_t n_preds;
	uint32_t least, most; /* cost of the shortest and the longest way through the nodes */
};

static int open_image(struct explain *x, void **ret_image)
{
	struct rules_result res = {0};
	const char *why = NULL;
	int r = session_image(x->s, &res);

	if (r < 0)
		return r;
	*ret_image = res.image;
	r = img_verify(res.image, res.size, &x->img, &why);
	if (r < 0)
		diag_add(x->s->cx.d, DIAG_ERROR, NULL, (struct diag_pos){0}, NULL, NULL,
			"the compiled image is refused: %s", why);
	return r;
}

const struct img_rule *session_image_rule(const struct img *img, const char *name)
{
	for (uint32_t i = 0; i < img->n[IMG_SEC_RULE]; i++)
		if (img->rules[i].name.n == strlen(name) &&
			!memcmp(img->str + img->rules[i].name.off, name, strlen(name)))
			return &img->rules[i];
	return NULL;
}

static int count_uses(struct explain *x)
{
	uint32_t n = x->img.n[IMG_SEC_PRED];
	uint32_t *last = cx_alloc(&x->s->cx, (n + 1) * sizeof(*last));

	x->used_by = cx_alloc(&x->s->cx, (n + 1) * sizeof(*x->used_by));
	x->preds = cx_alloc(&x->s->cx, (x->rule->n_nodes + 1) * sizeof(*x->preds));
	if (!last || !x->used_by || !x->preds)
		return -ENOMEM;
	for (uint32_t i = 0; i < x->img.n[IMG_SEC_RULE]; i++) {
		const struct img_rule *r = &x->img.rules[i];

		for (uint32_t k = r->nodes_first; k < r->nodes_first + r->n_nodes; k++) {
			uint32_t p = x->img.nodes[k].pred;

			if (last[p] == i + 1)
				continue;
			last[p] = i + 1;
			x->used_by[p]++;
			if (r == x->rule)
				x->preds[x->n_preds++] = p;
		}
	}
	return 0;
}

static uint32_t cost_from(const uint32_t *cost, uint32_t first, uint32_t to)
{
	return to == IMG_ACCEPT || to == IMG_REJECT ? 0 : cost[to - first];
}

/* Edges lead forward: from the last node to the first. */
static int find_costs(struct explain *x)
{
	const struct img_rule *r = x->rule;
	uint32_t *least = cx_alloc(&x->s->cx, (r->n_nodes + 1) * sizeof(*least));
	uint32_t *most = cx_alloc(&x->s->cx, (r->n_nodes + 1) * sizeof(*most));

	if (!least || !most)
		return -ENOMEM;
	for (uint32_t i = r->n_nodes; i-- > 0;) {
		const struct img_node *n = &x->img.nodes[r->nodes_first + i];
		uint32_t own = x->img.preds[n->pred].cost;

		least[i] = own + MIN(cost_from(least, r->nodes_first, n->if_true),
					 cost_from(least, r->nodes_first, n->if_false));
		most[i] = own + MAX(cost_from(most, r->nodes_first, n->if_true),
					cost_from(most, r->nodes_first, n->if_false));
	}
	x->least = cost_from(least, r->nodes_first, r->entry);
	x->most = cost_from(most, r->nodes_first, r->entry);
	return 0;
}

static uint32_t number_of(const struct explain *x, uint32_t pred)
{
	for (uint32_t i = 0; i < x->n_preds; i++)
		if (x->preds[i] == pred)
			return i;
	return 0;
}

static void add_target(struct strbuf *b, const struct explain *x, uint32_t to)
{
	if (to == IMG_ACCEPT)
		strbuf_add_str(b, "match");
	else if (to == IMG_REJECT)
		strbuf_add_str(b, "no");
	else
		strbuf_addf(b, "%u", to - x->rule->nodes_first);
}

/* What the kernel is told to send of an event type: the loosest wish of all rules counts. */
static void add_want(struct strbuf *b, uint8_t want)
{
	static const struct {
		uint8_t bit;
		const char *text;
	} bits[] = {
		{KSHM_WANT_SUCCESS_ONLY, "successful calls only"},
		{KSHM_WANT_WRITE_OPEN, "opens for writing"},
		{KSHM_WANT_READ_OPEN, "opens for reading"},
		{KSHM_WANT_PATHS, "only the paths that rules name"},
		{KSHM_WANT_KNOWN_FD, "only known descriptors"},
		{KSHM_WANT_NOT_TCP, "not over TCP connections"},
	};
	bool any = false;

	if (!(want & KSHM_WANT)) {
		strbuf_add_str(b, "nothing");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(bits); i++)
		if (want & bits[i].bit) {
			strbuf_addf(b, "%s%s", any ? ", " : "", bits[i].text);
			any = true;
		}
	if (!any)
		strbuf_add_str(b, "all calls");
}

static bool is_indexed(const struct explain *x, uint16_t ix)
{
	const struct img_event *e = &x->img.events[ix];
	uint32_t id = (uint32_t)(x->rule - x->img.rules);

	for (uint32_t i = 0; i < e->n_refs; i++)
		if (x->img.rulerefs[e->refs_first + i] == id)
			return true;
	return false;
}

static void text_kernel(struct explain *x)
{
	strbuf_add_str(x->b, "\nfrom the kernel\n");
	for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++) {
		if (!is_indexed(x, ix))
			continue;
		strbuf_addf(x->b, "  %-20s ", kev_info_get(ix)->name);
		add_want(x->b, x->img.events[ix].want);
		strbuf_add_char(x->b, '\n');
	}
}

static void text_names(struct explain *x, const char *title, const struct names *s)
{
	strbuf_addf(x->b, "%-14s", title);
	for (uint32_t i = 0; i < s->n; i++)
		strbuf_addf(x->b, "%s%s", i ? " " : "", s->p[i]);
	strbuf_add_char(x->b, '\n');
}

static void text_nodes(struct explain *x)
{
	strbuf_add_str(x->b, "\npredicates (cost, rules that share it)\n");
	for (uint32_t i = 0; i < x->n_preds; i++) {
		const struct img_pred *p = &x->img.preds[x->preds[i]];

		strbuf_addf(x->b, "  p%-4u %5u %5u  ", i, p->cost, x->used_by[x->preds[i]]);
		print_pred(x->b, &x->img, x->preds[i]);
		strbuf_addf(x->b, "%s\n", p->flags & IMG_PRED_PROC ? "  [once a process]" : "");
	}
	strbuf_add_str(x->b, "\nnodes\n  start ");
	add_target(x->b, x, x->rule->entry);
	strbuf_add_char(x->b, '\n');
	for (uint32_t i = 0; i < x->rule->n_nodes; i++) {
		const struct img_node *n = &x->img.nodes[x->rule->nodes_first + i];

		strbuf_addf(x->b, "  %4u: p%u ? ", i, number_of(x, n->pred));
		add_target(x->b, x, n->if_true);
		strbuf_add_str(x->b, " : ");
		add_target(x->b, x, n->if_false);
		strbuf_add_char(x->b, '\n');
	}
}

static void explain_text(struct explain *x)
{
	struct names events, output;
	struct facts facts;

	names_of_condition(&x->s->cx, x->cr->ast, &facts);
	names_of_events(&x->s->cx, &x->cr->events, &events);
	names_of_template(&x->s->cx, &x->cr->fmt, &output);
	strbuf_addf(x->b, "rule          %s\n", x->cr->def->name);
	strbuf_addf(x->b, "priority      %s\n", print_priority(x->cr->def->priority));
	strbuf_addf(x->b, "enabled       %s\n", x->rule->enabled ? "yes" : "no");
	text_names(x, "events", &events);
	text_names(x, "fields", &facts.fields);
	text_names(x, "output fields", &output);
	text_names(x, "macros", &facts.macros);
	strbuf_addf(x->b, "cost          %u at least, %u at most\n", x->least, x->most);
	strbuf_add_str(x->b, "\ncondition\n  ");
	print_condition(x->b, x->cr->ast, true);
	strbuf_add_char(x->b, '\n');
	text_kernel(x);
	text_nodes(x);
}

static void json_names(struct strbuf *b, const char *key, const struct names *s)
{
	json_key(b, key);
	json_open(b, '[');
	for (uint32_t i = 0; i < s->n; i++)
		json_item(b, s->p[i]);
	json_close(b, ']');
}

static void json_made(struct strbuf *b, const char *key, struct strbuf *text)
{
	json_key(b, key);
	json_text_n(b, text->p ? text->p : "", text->n);
	strbuf_reset(text);
}

static void json_kernel(struct explain *x, struct strbuf *tmp)
{
	json_key(x->b, "kernel");
	json_open(x->b, '[');
	for (uint16_t ix = 0; ix < _KEV_IX_MAX; ix++) {
		if (!is_indexed(x, ix))
			continue;
		json_open(x->b, '{');
		json_str(x->b, "event", kev_info_get(ix)->name);
		json_num(x->b, "flags", x->img.events[ix].want);
		add_want(tmp, x->img.events[ix].want);
		json_made(x->b, "sends", tmp);
		json_close(x->b, '}');
	}
	json_close(x->b, ']');
}

static void json_nodes(struct explain *x, struct strbuf *tmp)
{
	json_key(x->b, "nodes");
	json_open(x->b, '[');
	for (uint32_t i = 0; i < x->rule->n_nodes; i++) {
		const struct img_node *n = &x->img.nodes[x->rule->nodes_first + i];

		json_open(x->b, '{');
		add_target(tmp, x, n->if_false);
		json_made(x->b, "if_false", tmp);
		add_target(tmp, x, n->if_true);
		json_made(x->b, "if_true", tmp);
		json_num(x->b, "predicate", number_of(x, n->pred));
		json_close(x->b, '}');
	}
	json_close(x->b, ']');
}

static void json_preds(struct explain *x, struct strbuf *tmp)
{
	json_key(x->b, "predicates");
	json_open(x->b, '[');
	for (uint32_t i = 0; i < x->n_preds; i++) {
		const struct img_pred *p = &x->img.preds[x->preds[i]];

		json_open(x->b, '{');
		json_num(x->b, "cost", p->cost);
		json_bool(x->b, "once_per_process", p->flags & IMG_PRED_PROC);
		json_num(x->b, "rules", x->used_by[x->preds[i]]);
		print_pred(tmp, &x->img, x->preds[i]);
		json_made(x->b, "text", tmp);
		json_close(x->b, '}');
	}
	json_close(x->b, ']');
}

static void explain_json(struct explain *x)
{
	_cleanup_strbuf_ struct strbuf tmp = {0};
	struct names events, output;
	struct facts facts;

	names_of_condition(&x->s->cx, x->cr->ast, &facts);
	names_of_events(&x->s->cx, &x->cr->events, &events);
	names_of_template(&x->s->cx, &x->cr->fmt, &output);
	json_open(x->b, '{');
	print_condition(&tmp, x->cr->ast, true);
	json_made(x->b, "condition", &tmp);
	json_key(x->b, "cost");
	json_open(x->b, '{');
	json_num(x->b, "least", x->least);
	json_num(x->b, "most", x->most);
	json_close(x->b, '}');
	json_bool(x->b, "enabled", x->rule->enabled);
	add_target(&tmp, x, x->rule->entry);
	json_made(x->b, "entry", &tmp);
	json_names(x->b, "events", &events);
	json_names(x->b, "fields", &facts.fields);
	json_kernel(x, &tmp);
	json_names(x->b, "macros", &facts.macros);
	json_str(x->b, "name", x->cr->def->name);
	json_nodes(x, &tmp);
	json_names(x->b, "output_fields", &output);
	json_preds(x, &tmp);
	json_str(x->b, "priority", print_priority(x->cr->def->priority));
	json_close(x->b, '}');
}

static int explain(
	struct session *s, const char *name, struct strbuf *b, void (*write)(struct explain *x))
{
	struct explain x = {.s = s, .b = b};
	_cleanup_free_ void *image = NULL;
	uint32_t at;
	int r = session_find_rule(s, name, &at);

	if (r < 0)
		return r;
	/* Also a rule that is off is explained: as if it were on. */
	x.cr = &s->rules[at];
	s->rules[at].enabled = true;
	r = open_image(&x, &image);
	if (r < 0)
		return r;
	x.rule = session_image_rule(&x.img, name);
	if (!x.rule)
		return -EINVAL;
	r = count_uses(&x);
	if (r >= 0)
		r = find_costs(&x);
	if (r >= 0)
		write(&x);
	return r;
}

static int write_text(struct session *s, const char *name, struct strbuf *b, unsigned what)
{
	(void)what;
	return explain(s, name, b, explain_text);
}

static int write_json(struct session *s, const char *name, struct strbuf *b, unsigned what)
{
	(void)what;
	return explain(s, name, b, explain_json);
}

int rules_explain_text(const struct rules_source *src, const char *rule, struct diag *d, char **ret)
{
	return session_write(src, rule, 0, d, ret, write_text);
}

int rules_explain_json(const struct rules_source *src, const char *rule, struct diag *d, char **ret)
{
	return session_write(src, rule, 0, d, ret, write_json);
}
