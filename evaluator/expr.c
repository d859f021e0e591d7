/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions: fields, constants and the functions on them. The recursion is bounded by
 * IMG_EXPR_DEPTH_MAX, which img_verify() enforces. An operand without value makes the result one
 * without value, but for len(). */
#include <base/macros.h>

#include "field.h"

#define LIST_MAX 256 /* elements of a list that a function makes; the rest is cut */

static uint32_t operand(const struct evl *e, const struct img_expr *x, unsigned i)
{
	return e->img.args[x->args_first + i];
}

static void set_case(struct evl *e, struct evl_value *v, bool upper)
{
	struct evl_text t = evl_scratch_open(&e->scratch);

	evl_text_add(&t, v->s);
	for (size_t i = 0; i < t.n; i++) {
		unsigned char c = (unsigned char)t.p[i];

		if (upper && c >= 'a' && c <= 'z')
			t.p[i] = (char)(c - 'a' + 'A');
		else if (!upper && c >= 'A' && c <= 'Z')
			t.p[i] = (char)(c - 'A' + 'a');
	}
	evl_set_str(v, evl_scratch_close(&e->scratch, &t));
}

static int b64_digit(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Padding is optional; anything else that is no digit makes it undecodable. */
static void b64_decode(struct evl *e, struct evl_value *v)
{
	struct span s = v->s;
	struct evl_text t = evl_scratch_open(&e->scratch);
	uint32_t bits = 0;
	unsigned n_bits = 0;

	for (int pad = 0; s.n > 0 && pad < 2 && s.p[s.n - 1] == '='; pad++)
		s.n--;
	for (size_t i = 0; i < s.n; i++) {
		int d = b64_digit((unsigned char)s.p[i]);

		if (d < 0) {
			*v = (struct evl_value){.type = EVL_NULL};
			return;
		}
		bits = bits << 6 | (uint32_t)d;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			evl_text_char(&t, (char)(bits >> n_bits));
		}
	}
	if (s.n % 4 == 1)
		*v = (struct evl_value){.type = EVL_NULL};
	else
		evl_set_str(v, evl_scratch_close(&e->scratch, &t));
}

static void basename_of(struct evl_value *v)
{
	const char *slash = v->s.n ? memrchr(v->s.p, '/', v->s.n) : NULL;

	if (slash)
		v->s = (struct span){.p = slash + 1, .n = (size_t)(v->s.p + v->s.n - slash - 1)};
}

static void len_of(struct evl_value *v)
{
	uint64_t n = v->type == EVL_STR ? v->s.n : v->type == EVL_LIST ? v->n : 0;

	evl_set_u64(v, n);
}

static void list_of(struct evl *e, const struct img_expr *x, struct evl_value *ret_v)
{
	uint32_t n = MIN((uint32_t)x->n_args, (uint32_t)LIST_MAX);
	struct span *list = evl_scratch_alloc(&e->scratch, n * sizeof(*list));

	*ret_v = (struct evl_value){.type = EVL_NULL};
	if (!list)
		return;
	for (uint32_t i = 0; i < n; i++) {
		struct evl_value v;

		evl_expr(e, operand(e, x, i), &v);
		if (v.type != EVL_STR)
			return;
		list[i] = v.s;
	}
	*ret_v = (struct evl_value){.type = EVL_LIST, .n = n, .list = list};
}

static void concat(struct evl *e, const struct img_expr *x, struct evl_value *ret_v)
{
	struct evl_value parts;
	struct evl_text t;

	list_of(e, x, &parts);
	*ret_v = (struct evl_value){.type = EVL_NULL};
	if (parts.type != EVL_LIST)
		return;
	t = evl_scratch_open(&e->scratch);
	for (uint32_t i = 0; i < parts.n; i++)
		evl_text_add(&t, parts.list[i]);
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

static void join(struct evl *e, const struct img_expr *x, struct evl_value *ret_v)
{
	struct evl_value sep, list;
	struct evl_text t;

	evl_expr(e, operand(e, x, 0), &sep);
	evl_expr(e, operand(e, x, 1), &list);
	*ret_v = (struct evl_value){.type = EVL_NULL};
	if (sep.type != EVL_STR || list.type != EVL_LIST)
		return;
	t = evl_scratch_open(&e->scratch);
	for (uint32_t i = 0; i < list.n; i++) {
		if (i > 0)
			evl_text_add(&t, sep.s);
		evl_text_add(&t, list.list[i]);
	}
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

/* The place of an option letter in an option string, NULL if it is none. */
static const char *find_option(struct span options, char c)
{
	return c != ':' && options.n ? memchr(options.p, c, options.n) : NULL;
}

struct getopt_result {
	struct span *list;
	uint32_t n;
	char wanted;
	struct span value; /* of the wanted option; p NULL: absent */
};

static void add_option(struct getopt_result *r, struct span letter, struct span value)
{
	if (r->n < LIST_MAX)
		r->list[r->n++] = letter;
	if (value.p && r->n < LIST_MAX)
		r->list[r->n++] = value;
	if (letter.p[0] == r->wanted)
		r->value = value.p ? value : (struct span){.p = letter.p, .n = 0};
}

/* As getopt(3): options end at "--" or at the first argument that is none. */
static void scan_options(const struct evl_value *args, struct span options, struct getopt_result *r)
{
	for (uint32_t i = 0; i < args->n; i++) {
		struct span a = args->list[i];

		if (a.n < 2 || a.p[0] != '-' || span_eq_str(a, "--"))
			return;
		for (size_t k = 1; k < a.n; k++) {
			const char *o = find_option(options, a.p[k]);
			struct span value = {0};

			if (!o)
				continue;
			if (o + 1 < options.p + options.n && o[1] == ':') {
				if (k + 1 < a.n)
					value = (struct span){.p = a.p + k + 1, .n = a.n - k - 1};
				else if (i + 1 < args->n)
					value = args->list[++i];
				add_option(r, (struct span){.p = a.p + k, .n = 1}, value);
				break;
			}
			add_option(r, (struct span){.p = a.p + k, .n = 1}, value);
		}
	}
}

static void getopt_of(struct evl *e, const struct img_expr *x, struct evl_value *ret_v)
{
	struct span key = img_text(&e->img, x->key);
	struct getopt_result r = {
		.list = evl_scratch_alloc(&e->scratch, LIST_MAX * sizeof(*r.list))};
	struct evl_value args, options;

	evl_expr(e, operand(e, x, 0), &args);
	evl_expr(e, operand(e, x, 1), &options);
	*ret_v = (struct evl_value){.type = EVL_NULL};
	if (!r.list || args.type != EVL_LIST || options.type != EVL_STR)
		return;
	if (x->arg_kind == IMG_ARG_KEY && key.n == 1)
		r.wanted = key.p[0];
	scan_options(&args, options.s, &r);
	if (x->arg_kind != IMG_ARG_KEY)
		*ret_v = (struct evl_value){.type = EVL_LIST, .n = r.n, .list = r.list};
	else if (r.value.p)
		evl_set_str(ret_v, r.value);
}

/* Functions of one text. */
static void unary(struct evl *e, const struct img_expr *x, struct evl_value *v)
{
	evl_expr(e, operand(e, x, 0), v);
	if (x->kind == IMG_E_LEN) {
		len_of(v);
		return;
	}
	if (v->type != EVL_STR) {
		*v = (struct evl_value){.type = EVL_NULL};
		return;
	}
	if (x->kind == IMG_E_B64)
		b64_decode(e, v);
	else if (x->kind == IMG_E_BASENAME)
		basename_of(v);
	else
		set_case(e, v, x->kind == IMG_E_TOUPPER);
}

void evl_expr(struct evl *e, uint32_t expr, struct evl_value *ret_v)
{
	const struct img_expr *x = &e->img.exprs[expr];
	unsigned prefix;

	switch ((enum img_expr_kind)x->kind) {
	case IMG_E_FIELD:
		evl_field(e, x, ret_v);
		return;
	case IMG_E_CONST:
		evl_const(&e->img, x->args_first, ret_v, &prefix);
		return;
	case IMG_E_JOIN:
		join(e, x, ret_v);
		return;
	case IMG_E_CONCAT:
		concat(e, x, ret_v);
		return;
	case IMG_E_LIST:
		list_of(e, x, ret_v);
		return;
	case IMG_E_GETOPT:
		getopt_of(e, x, ret_v);
		return;
	default:
		unary(e, x, ret_v);
		return;
	}
}
