/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns into trees: the grammar of RE2's parser with posix_syntax and without Perl classes, word
 * boundaries, one-line mode and case folding (google/re2: re2/parse.cc). The pattern comes from a
 * rule file and is hostile; its length bounds everything, the recursion included. */

#include <errno.h>
#include <string.h>

#include <base/macros.h>
#include <base/utf8.h>

#include "regex_parse.h"

struct rp {
	const char *p;
	size_t n, i;
	struct regex_tree *t;
	size_t err_at;
	const char *err;
	int err_code;
};

static bool at_end(const struct rp *rp)
{
	return rp->i == rp->n;
}

static bool next_is(const struct rp *rp, char c)
{
	return rp->i < rp->n && rp->p[rp->i] == c;
}

static void fail_at(struct rp *rp, size_t at, const char *why)
{
	if (rp->err)
		return;
	rp->err = why;
	rp->err_at = at;
	rp->err_code = -EINVAL;
}

static uint16_t node(struct rp *rp, enum regex_node_kind kind, uint16_t a, uint16_t b)
{
	struct regex_tree *t = rp->t;
	struct regex_node *n;

	if (t->n_nodes == REGEX_NODES_MAX) {
		fail_at(rp, rp->i, "the pattern is too large");
		rp->err_code = -E2BIG;
		return 0;
	}
	n = &t->nodes[t->n_nodes];
	*n = (struct regex_node){.kind = (uint8_t)kind, .a = a, .b = b, .repeats = 1};
	if (kind == RN_CAT || kind == RN_ALT)
		n->repeats = MAX(t->nodes[a].repeats, t->nodes[b].repeats);
	return (uint16_t)t->n_nodes++;
}

static uint32_t take_rune(struct rp *rp)
{
	uint32_t rune;

	rp->i += utf8_decode(rp->p + rp->i, rp->n - rp->i, &rune);
	return rune;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind "\x". */
static uint32_t take_hex(struct rp *rp, size_t from)
{
	bool braces = next_is(rp, '{');
	size_t digits = 0;
	uint32_t v = 0;

	rp->i += braces;
	while (!at_end(rp) && hex_value(rp->p[rp->i]) >= 0 && (braces || digits < 2)) {
		v = v * 16 + (uint32_t)hex_value(rp->p[rp->i++]);
		digits++;
		if (v > REGEX_RUNE_MAX)
			break;
	}
	if (v > REGEX_RUNE_MAX || digits < (braces ? 1 : 2) || (braces && !next_is(rp, '}')))
		fail_at(rp, from, "bad hexadecimal escape");
	rp->i += braces && !at_end(rp);
	return v;
}

static uint32_t take_octal(struct rp *rp, uint32_t v)
{
	for (int i = 0; i < 2 && !at_end(rp) && rp->p[rp->i] >= '0' && rp->p[rp->i] <= '7'; i++)
		v = v * 8 + (uint32_t)(rp->p[rp->i++] - '0');
	return v;
}

/* The character that an escape stands for; the cursor is behind the backslash. */
static uint32_t take_escape(struct rp *rp)
{
	static const char from_c[] = "nrtafv", to_c[] = "\n\r\t\a\f\v";
	size_t from = rp->i - 1;
	const char *known;
	uint32_t c;

	if (at_end(rp)) {
		fail_at(rp, from, "the pattern ends in a backslash");
		return 0;
	}
	c = take_rune(rp);
	if (c == 'x')
		return take_hex(rp, from);
	if (c == '0' ||
		(c >= '1' && c <= '7' && !at_end(rp) && rp->p[rp->i] >= '0' && rp->p[rp->i] <= '7'))
		return take_octal(rp, c - '0');
	known = c && c < 128 ? strchr(from_c, (int)c) : NULL;
	if (known)
		return (uint8_t)to_c[known - from_c];
	if (c < 128 && !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
		c != '_')
		return c;
	fail_at(rp, from,
		"unknown escape (there are no Perl classes such as \\d, \\w, \\s, \\b: use "
		"[[:digit:]] and the like)");
	return 0;
}

static void add_range(struct rp *rp, uint32_t lo, uint32_t hi)
{
	struct regex_tree *t = rp->t;
	struct regex_class *c = &t->classes[t->n_classes];

	if (t->n_ranges == REGEX_RANGES_MAX) {
		fail_at(rp, rp->i, "the pattern is too large");
		rp->err_code = -E2BIG;
		return;
	}
	t->ranges[t->n_ranges++] = (struct regex_range){.lo = lo, .hi = hi};
	c->n++;
}

static const struct posix_class {
	const char *name;
	uint8_t n;
	struct {
		uint8_t lo, hi;
	} r[4];
} posix_classes[] = {
	{"alnum", 3, {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
	{"alpha", 2, {{'A', 'Z'}, {'a', 'z'}}},
	{"ascii", 1, {{0, 127}}},
	{"blank", 2, {{'\t', '\t'}, {' ', ' '}}},
	{"cntrl", 2, {{0, 31}, {127, 127}}},
	{"digit", 1, {{'0', '9'}}},
	{"graph", 1, {{'!', '~'}}},
	{"lower", 1, {{'a', 'z'}}},
	{"print", 1, {{' ', '~'}}},
	{"punct", 4, {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
	{"space", 2, {{'\t', '\r'}, {' ', ' '}}},
	{"upper", 1, {{'A', 'Z'}}},
	{"word", 4, {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
	{"xdigit", 3, {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
};

static void add_posix(struct rp *rp, const struct posix_class *c, bool negated)
{
	uint32_t next = 0;

	for (uint32_t k = 0; k < c->n; k++) {
		if (!negated)
			add_range(rp, c->r[k].lo, c->r[k].hi);
		else if (c->r[k].lo > next)
			add_range(rp, next, c->r[k].lo - 1u);
		next = c->r[k].hi + 1u;
	}
	if (negated)
		add_range(rp, next, REGEX_RUNE_MAX);
}

/* "[:name:]"; false if there is none here. */
static bool take_posix(struct rp *rp)
{
	const char *name = rp->p + rp->i + 2, *end;
	bool negated;
	size_t n;

	if (rp->n - rp->i < 4 || rp->p[rp->i] != '[' || rp->p[rp->i + 1] != ':')
		return false;
	end = memmem(name, rp->n - rp->i - 2, ":]", 2);
	if (!end)
		return false;
	negated = *name == '^';
	n = (size_t)(end - name) - negated;
	for (size_t k = 0; k < ARRAY_LEN(posix_classes); k++) {
		const struct posix_class *c = &posix_classes[k];

		if (strlen(c->name) != n || memcmp(c->name, name + negated, n) != 0)
			continue;
		add_posix(rp, c, negated);
		rp->i = (size_t)(end - rp->p) + 2;
		return true;
	}
	fail_at(rp, rp->i, "unknown class of characters");
	return true;
}

static uint32_t take_class_rune(struct rp *rp)
{
	if (at_end(rp)) {
		fail_at(rp, rp->n, "missing ']'");
		return 0;
	}
	if (!next_is(rp, '\\'))
		return take_rune(rp);
	rp->i++;
	return take_escape(rp);
}

static void finish_class(struct regex_tree *t, struct regex_class *c)
{
	for (uint32_t k = 0; k < c->n; k++) {
		const struct regex_range *r = &t->ranges[c->first + k];

		for (uint32_t ch = r->lo; ch <= r->hi && ch < 128; ch++)
			c->ascii[ch / 64] |= 1ULL << (ch % 64);
	}
	if (c->is_negated) {
		c->ascii[0] = ~c->ascii[0];
		c->ascii[1] = ~c->ascii[1];
	}
}

static void take_class_item(struct rp *rp)
{
	size_t from = rp->i;
	uint32_t lo = take_class_rune(rp), hi = lo;

	if (next_is(rp, '-') && rp->i + 1 < rp->n && rp->p[rp->i + 1] != ']') {
		rp->i++;
		hi = take_class_rune(rp);
	}
	if (hi < lo)
		fail_at(rp, from, "range of characters in the wrong order");
	add_range(rp, lo, hi);
}

/* Behind '['. */
static uint16_t take_class(struct rp *rp)
{
	size_t from = rp->i - 1;
	struct regex_tree *t = rp->t;
	struct regex_class *c;
	bool first = true;
	uint16_t n;

	if (t->n_classes == REGEX_CLASSES_MAX) {
		fail_at(rp, rp->i, "the pattern is too large");
		rp->err_code = -E2BIG;
		return 0;
	}
	c = &t->classes[t->n_classes];
	*c = (struct regex_class){.first = t->n_ranges, .is_negated = next_is(rp, '^')};
	rp->i += c->is_negated;
	while (!at_end(rp) && (!next_is(rp, ']') || first) && !rp->err) {
		if (next_is(rp, '-') && !first && (rp->i + 1 == rp->n || rp->p[rp->i + 1] != ']'))
			fail_at(rp, rp->i, "'-' in the middle of a class");
		first = false;
		if (!take_posix(rp))
			take_class_item(rp);
	}
	if (at_end(rp))
		fail_at(rp, from, "missing ']'");
	rp->i++;
	if (rp->err)
		return 0;
	finish_class(t, c);
	n = node(rp, RN_CLASS, 0, 0);
	t->nodes[n].lo = t->n_classes++;
	return n;
}

static bool take_number(struct rp *rp, size_t *at, uint32_t *ret)
{
	size_t from = *at;
	uint32_t v = 0;

	while (*at < rp->n && rp->p[*at] >= '0' && rp->p[*at] <= '9') {
		v = MIN(v * 10 + (uint32_t)(rp->p[*at] - '0'), 1000000u);
		(*at)++;
	}
	*ret = v;
	return *at > from && (*at == from + 1 || rp->p[from] != '0');
}

/* "{n}", "{n,}" or "{n,m}"; anything else is literal text. */
static bool take_counts(struct rp *rp, uint32_t *ret_lo, uint32_t *ret_hi)
{
	size_t at = rp->i + 1;

	if (!next_is(rp, '{') || !take_number(rp, &at, ret_lo))
		return false;
	*ret_hi = *ret_lo;
	if (at < rp->n && rp->p[at] == ',') {
		at++;
		if (at < rp->n && rp->p[at] == '}')
			*ret_hi = REGEX_INFINITE;
		else if (!take_number(rp, &at, ret_hi))
			return false;
	}
	if (at == rp->n || rp->p[at] != '}')
		return false;
	rp->i = at + 1;
	return true;
}

static uint16_t repeat(struct rp *rp, uint16_t what, uint32_t lo, uint32_t hi, size_t from)
{
	bool counted = lo > 1 || (hi > 1 && hi != REGEX_INFINITE);
	uint16_t n = node(rp, RN_REP, what, 0);
	struct regex_node *r = &rp->t->nodes[n];
	uint64_t product = rp->t->nodes[what].repeats;

	if (lo > REGEX_REPEAT_MAX || (hi != REGEX_INFINITE && (hi > REGEX_REPEAT_MAX || hi < lo)))
		fail_at(rp, from, "invalid number of repetitions");
	if (counted)
		product *= MAX(hi == REGEX_INFINITE ? lo : hi, 1u);
	if (product > REGEX_REPEAT_MAX)
		fail_at(rp, from, "too many repetitions");
	r->lo = lo;
	r->hi = hi;
	r->repeats = (uint32_t)MIN(product, (uint64_t)REGEX_REPEAT_MAX);
	return n;
}

static uint16_t parse_alt(struct rp *rp);

static uint16_t parse_atom(struct rp *rp)
{
	char c = rp->p[rp->i];
	size_t from = rp->i;
	uint32_t rune;
	uint16_t n;

	if (c == '*' || c == '+' || c == '?') {
		fail_at(rp, rp->i, "nothing to repeat");
		return 0;
	}
	if (c == '{') {
		uint32_t lo, hi;
		size_t at = rp->i;

		if (take_counts(rp, &lo, &hi)) {
			fail_at(rp, at, "nothing to repeat");
			return 0;
		}
	}
	rune = take_rune(rp);
	switch (c) {
	case '(':
		n = parse_alt(rp);
		if (!next_is(rp, ')'))
			fail_at(rp, from, "missing ')'");
		rp->i++;
		return n;
	case '[':
		return take_class(rp);
	case '.':
		return node(rp, RN_ANY, 0, 0);
	case '^':
		return node(rp, RN_BOL, 0, 0);
	case '$':
		return node(rp, RN_EOL, 0, 0);
	case '\\':
		rune = take_escape(rp);
		break;
	default:
		break;
	}
	n = node(rp, RN_RUNE, 0, 0);
	rp->t->nodes[n].lo = rune;
	return n;
}

static uint16_t parse_repeated(struct rp *rp)
{
	uint16_t n = parse_atom(rp);

	while (!at_end(rp) && !rp->err) {
		uint32_t lo, hi;
		size_t from = rp->i;

		if (take_counts(rp, &lo, &hi)) {
			n = repeat(rp, n, lo, hi, from);
			continue;
		}
		if (!next_is(rp, '*') && !next_is(rp, '+') && !next_is(rp, '?'))
			break;
		lo = next_is(rp, '+') ? 1 : 0;
		hi = next_is(rp, '?') ? 1 : REGEX_INFINITE;
		rp->i++;
		n = repeat(rp, n, lo, hi, from);
	}
	return n;
}

static uint16_t parse_cat(struct rp *rp)
{
	uint16_t n = 0;
	bool any = false;

	while (!at_end(rp) && !rp->err && !next_is(rp, '|') && !next_is(rp, ')')) {
		uint16_t more = parse_repeated(rp);

		n = any ? node(rp, RN_CAT, n, more) : more;
		any = true;
	}
	return any ? n : node(rp, RN_EMPTY, 0, 0);
}

/* As deep as parentheses nest: at most the pattern's length. */
static uint16_t parse_alt(struct rp *rp)
{
	uint16_t n = parse_cat(rp);

	while (next_is(rp, '|') && !rp->err) {
		rp->i++;
		n = node(rp, RN_ALT, n, parse_cat(rp));
	}
	return n;
}

int regex_parse(const char *pattern, size_t n, struct regex_tree *t, size_t *reterr_at,
	const char **reterr_why)
{
	struct rp rp = {.p = pattern, .n = n, .t = t};

	t->n_nodes = t->n_ranges = t->n_classes = 0;
	if (n > REGEX_PATTERN_MAX) {
		fail_at(&rp, REGEX_PATTERN_MAX, "the pattern is too large");
		rp.err_code = -E2BIG;
	} else if (!utf8_is_valid((struct span){.p = pattern, .n = n})) {
		fail_at(&rp, 0, "the pattern is not UTF-8");
	} else {
		t->root = parse_alt(&rp);
		if (!at_end(&rp))
			fail_at(&rp, rp.i, "')' without '('");
	}
	if (!rp.err)
		return 0;
	*reterr_at = MIN(rp.err_at, n);
	*reterr_why = rp.err;
	return rp.err_code;
}
