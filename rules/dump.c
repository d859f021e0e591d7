/* SPDX-License-Identifier: Apache-2.0 */
/* What the compiler made of rules: trees, typed tests, nodes and templates, numbered within each
 * rule so that a change of one rule does not show in others. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/cleanup.h>

#include "json.h"
#include "names.h"
#include "print.h"
#include "session.h"

#define SHOWN_DEPTH_MAX 200

struct dump {
	struct session *s;
	struct strbuf *b;
	unsigned what;
	struct img img;
};

static void indent(struct strbuf *b, unsigned depth)
{
	strbuf_addf(b, "%*s", (int)(2 * (MIN(depth, SHOWN_DEPTH_MAX) + 2)), "");
}

static void dump_ast(struct strbuf *b, const struct ast *n, unsigned depth)
{
	static const char *const words[] = {[AST_AND] = "and",
		[AST_OR] = "or",
		[AST_NOT] = "not",
		[AST_CHECK] = "",
		[AST_MACRO] = "macro"};

	indent(b, depth);
	if (n->kind == AST_CHECK) {
		print_condition(b, n, false);
		strbuf_add_char(b, '\n');
		return;
	}
	strbuf_add_str(b, words[n->kind]);
	if (n->kind == AST_MACRO)
		strbuf_addf(b, " %s", n->name);
	strbuf_add_char(b, '\n');
	for (uint32_t i = 0; i < n->n_kids; i++)
		dump_ast(b, n->kids[i], depth + 1);
}

static void dump_typed(struct dump *d, const struct checked_rule *cr, const struct ast *n)
{
	static const char *const types[_IMG_T_MAX] = {"text", "bytes", "bool", "signed", "unsigned",
		"double", "address", "network", "texts", "numbers"};
	static const char *const folds[] = {"", " = true", " = false"};
	enum tcheck_fold f;

	for (uint32_t i = 0; i < n->n_kids; i++)
		dump_typed(d, cr, n->kids[i]);
	if (n->kind != AST_CHECK)
		return;
	f = n->typed->fold != FOLD_NO ? n->typed->fold : evset_fold(n->typed, &cr->events);
	strbuf_addf(d->b, "    %s cost %u%s: ", types[n->typed->lhs->type], builder_cost(n->typed),
		folds[f]);
	print_condition(d->b, n, false);
	strbuf_add_char(d->b, '\n');
}

static void dump_ir(struct dump *d, const struct checked_rule *cr)
{
	struct names events;

	names_of_events(&d->s->cx, &cr->events, &events);
	strbuf_addf(d->b, "  ir: %u events", evset_count(&cr->events));
	for (uint32_t i = 0; i < events.n && evset_count(&cr->events) <= 40; i++)
		strbuf_addf(d->b, " %s", events.p[i]);
	strbuf_add_char(d->b, '\n');
	dump_typed(d, cr, cr->ast);
}

static void add_target(struct strbuf *b, const struct img_rule *r, uint32_t to)
{
	if (to == IMG_ACCEPT || to == IMG_REJECT)
		strbuf_add_str(b, to == IMG_ACCEPT ? "match" : "no");
	else
		strbuf_addf(b, "%u", to - r->nodes_first);
}

static void dump_template(struct dump *d, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++) {
		const struct img_fmt *f = &d->img.fmts[i];

		strbuf_add_str(d->b, "    ");
		if (f->expr == IMG_NONE) {
			json_text_n(d->b, d->img.str + f->lit.off, f->lit.n);
		} else {
			strbuf_add_char(d->b, '%');
			if (f->width)
				strbuf_addf(d->b, "%u", f->width);
			print_expr(d->b, &d->img, f->expr);
		}
		strbuf_add_char(d->b, '\n');
	}
}

static void dump_code(struct dump *d, const struct img_rule *r)
{
	if (!r)
		return;
	strbuf_add_str(d->b, "  code: start ");
	add_target(d->b, r, r->entry);
	strbuf_add_char(d->b, '\n');
	for (uint32_t i = 0; i < r->n_nodes; i++) {
		const struct img_node *n = &d->img.nodes[r->nodes_first + i];

		strbuf_addf(d->b, "    %u: ", i);
		print_pred(d->b, &d->img, n->pred);
		strbuf_add_str(d->b, " ? ");
		add_target(d->b, r, n->if_true);
		strbuf_add_str(d->b, " : ");
		add_target(d->b, r, n->if_false);
		strbuf_addf(d->b, "%s\n",
			d->img.preds[n->pred].flags & IMG_PRED_PROC ? " [process]" : "");
	}
	if (r->capture)
		strbuf_addf(d->b, "  capture: %u ms\n", r->capture_ms);
	strbuf_add_str(d->b, "  output:\n");
	dump_template(d, r->fmt_first, r->n_fmt);
	strbuf_add_str(d->b, "  output fields:");
	for (uint32_t i = 0; i < r->n_out; i++) {
		struct img_str key = d->img.outfields[r->out_first + i].key;

		strbuf_addf(d->b, " %.*s", (int)key.n, d->img.str + key.off);
	}
	strbuf_add_char(d->b, '\n');
}

static int dump(struct session *s, const char *only, struct strbuf *b, unsigned what)
{
	struct dump d = {.s = s, .b = b, .what = what};
	struct rules_result res = {0};
	_cleanup_free_ void *image = NULL;
	const char *why = NULL;
	uint32_t at = MAP_NONE;
	int r = only ? session_find_rule(s, only, &at) : 0;

	if (r >= 0)
		r = session_image(s, &res);
	image = res.image;
	if (r >= 0)
		r = img_verify(res.image, res.size, &d.img, &why);
	for (uint32_t i = 0; i < s->c.n_rules && r >= 0; i++) {
		const struct checked_rule *cr = &s->rules[i];

		if (!cr->ok)
			continue;
		if (!only || i == at) {
			strbuf_addf(b, "rule %s\n", cr->def->name);
			if (what & RULES_DUMP_AST) {
				strbuf_add_str(b, "  ast:\n");
				dump_ast(b, cr->ast, 0);
			}
			if (what & RULES_DUMP_IR)
				dump_ir(&d, cr);
			if (what & RULES_DUMP_CODE)
				dump_code(&d, session_image_rule(&d.img, cr->def->name));
		}
	}
	return r;
}

int rules_dump_text(const struct rules_source *src, unsigned what, const char *only_rule,
	struct diag *d, char **ret)
{
	return session_write(src, only_rule, what, d, ret, dump);
}
