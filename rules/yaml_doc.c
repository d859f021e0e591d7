/* SPDX-License-Identifier: Apache-2.0 */
/* YAML files into trees by libyaml's events. Input is hostile: size, depth and number of nodes are
 * bound, an alias cannot name what holds it, and nothing here walks a tree by recursion. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "map.h"
#include "yaml_doc.h"

#define NODES_MAX (4u << 20)

struct frame {
	struct ynode *node;
	size_t cap;
	const char *anchor;
};

struct reader {
	struct cx *cx;
	struct source_file *f;
	uint16_t file;
	struct frame stack[YAML_DEPTH_MAX];
	unsigned depth;
	struct map anchors; /* to their indices in nodes */
	struct ynode **anchored;
	size_t n_anchored, cap_anchored;
	size_t mark_line, mark_col, mark_off; /* the last place that was looked for */
	struct ynode **docs;
	size_t n_docs, cap_docs, n_nodes;
};

/* Length of the line break at p: libyaml counts CR, LF, CRLF, NEL, LS and PS. */
static size_t break_len(const unsigned char *p, size_t n)
{
	if (n && p[0] == '\r')
		return n > 1 && p[1] == '\n' ? 2 : 1;
	if (n && p[0] == '\n')
		return 1;
	if (n > 1 && p[0] == 0xc2 && p[1] == 0x85)
		return 2;
	if (n > 2 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
		return 3;
	return 0;
}

static int find_lines(struct cx *cx, struct source_file *f)
{
	const unsigned char *p = (const unsigned char *)f->text;
	uint32_t n = 1;

	for (size_t i = 0, b; i < f->n; i += b ? b : 1) {
		b = break_len(p + i, f->n - i);
		n += b != 0;
	}
	f->line_at = cx_alloc(cx, n * sizeof(*f->line_at));
	if (!f->line_at)
		return -ENOMEM;
	f->n_lines = 1;
	for (size_t i = 0, b; i < f->n; i += b ? b : 1) {
		b = break_len(p + i, f->n - i);
		if (b)
			f->line_at[f->n_lines++] = (uint32_t)(i + b);
	}
	return 0;
}

/* libyaml counts columns in characters. Marks mostly grow, so the search goes on from the last one:
 * a file may be one long line. */
static size_t offset_of(struct reader *rd, yaml_mark_t m)
{
	const struct source_file *f = rd->f;
	size_t i, col = 0;

	if (m.line >= f->n_lines)
		return f->n;
	i = f->line_at[m.line];
	if (m.line == 0 && f->n >= 3 && memcmp(f->text, "\xef\xbb\xbf", 3) == 0)
		i = 3;
	if (rd->mark_off && rd->mark_line == m.line && rd->mark_col <= m.column) {
		i = rd->mark_off;
		col = rd->mark_col;
	}
	for (; col < m.column && i < f->n; col++) {
		i++;
		while (i < f->n && ((unsigned char)f->text[i] & 0xc0) == 0x80)
			i++;
	}
	rd->mark_line = m.line;
	rd->mark_col = col;
	rd->mark_off = i;
	return i;
}

static struct spos pos_at(const struct reader *rd, uint32_t line, size_t off)
{
	size_t col = off - rd->f->line_at[line] + 1;

	return (struct spos){
		.line = line + 1, .file = rd->file, .col = (uint16_t)MIN(col, (size_t)UINT16_MAX)};
}

static struct spos pos_of(struct reader *rd, yaml_mark_t m)
{
	uint32_t line = (uint32_t)MIN(m.line, (size_t)rd->f->n_lines - 1);

	return pos_at(rd, line, MAX(offset_of(rd, m), (size_t)rd->f->line_at[line]));
}

static bool text_is_null(const char *s, size_t n)
{
	return n == 0 || (n == 1 && *s == '~') ||
	       (n == 4 &&
		       (!memcmp(s, "null", 4) || !memcmp(s, "Null", 4) || !memcmp(s, "NULL", 4)));
}

static struct ynode *new_node(struct reader *rd, enum ynode_kind kind, const yaml_event_t *e)
{
	struct ynode *n;

	if (++rd->n_nodes > NODES_MAX)
		return NULL;
	n = cx_alloc(rd->cx, sizeof(*n));
	if (!n)
		return NULL;
	n->kind = (uint8_t)kind;
	n->pos = pos_of(rd, e->start_mark);
	if (kind != YN_SCALAR)
		return n;
	n->from = offset_of(rd, e->start_mark);
	n->end = offset_of(rd, e->end_mark);
	n->style = (uint8_t)e->data.scalar.style;
	n->n = e->data.scalar.length;
	n->text = cx_strndup(rd->cx, (const char *)e->data.scalar.value, n->n);
	n->is_null = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		     text_is_null(n->text ? n->text : "", n->n);
	return n->text ? n : NULL;
}

/* Grow an array in the arena by doubling. */
static int push_ptr(struct cx *cx, struct ynode ***arr, size_t *n, size_t *cap, struct ynode *node)
{
	if (*n == *cap) {
		size_t bigger = *cap ? *cap * 2 : 8;
		struct ynode **p = cx_alloc(cx, bigger * sizeof(struct ynode *));

		if (!p)
			return -ENOMEM;
		if (*n)
			memcpy(p, *arr, *n * sizeof(struct ynode *));
		*arr = p;
		*cap = bigger;
	}
	(*arr)[(*n)++] = node;
	return 0;
}

/* A later anchor of the same name takes the name over. */
static int add_anchor(struct reader *rd, const char *name, struct ynode *node)
{
	uint32_t at;
	int r;

	if (!name)
		return 0;
	at = map_get(&rd->anchors, name, strlen(name));
	if (at != MAP_NONE) {
		rd->anchored[at] = node;
		return 0;
	}
	at = (uint32_t)rd->n_anchored;
	r = push_ptr(rd->cx, &rd->anchored, &rd->n_anchored, &rd->cap_anchored, node);
	return r < 0 ? r : map_put(rd->cx, &rd->anchors, name, strlen(name), at);
}

/* Put a finished or alias node where it belongs. */
static int put_node(struct reader *rd, struct ynode *node)
{
	struct frame *top;

	if (rd->depth == 0)
		return push_ptr(
			rd->cx, &rd->docs, &rd->n_docs, &rd->cap_docs, node->is_null ? NULL : node);
	top = &rd->stack[rd->depth - 1];
	return push_ptr(rd->cx, &top->node->kids, &top->node->n, &top->cap, node);
}

static int open_node(
	struct reader *rd, enum ynode_kind kind, const yaml_event_t *e, const char *anchor)
{
	struct ynode *n;

	if (rd->depth == YAML_DEPTH_MAX) {
		cx_error(rd->cx, "LOAD_ERR_YAML_PARSE", pos_of(rd, e->start_mark),
			"nested more than %d levels deep", YAML_DEPTH_MAX);
		return -EINVAL;
	}
	n = new_node(rd, kind, e);
	if (!n)
		return -ENOMEM;
	rd->stack[rd->depth++] = (struct frame){
		.node = n, .anchor = anchor ? cx_strndup(rd->cx, anchor, strlen(anchor)) : NULL};
	return 0;
}

static int close_node(struct reader *rd)
{
	struct frame f = rd->stack[--rd->depth];
	int r;

	if (f.node->kind == YN_MAP)
		f.node->n /= 2;
	/* Only now can aliases name it: so there are no cycles. */
	r = add_anchor(rd, f.anchor, f.node);
	return r < 0 ? r : put_node(rd, f.node);
}

static int on_alias(struct reader *rd, const yaml_event_t *e)
{
	const char *name = (const char *)e->data.alias.anchor;

	uint32_t at = map_get(&rd->anchors, name, strlen(name));

	if (at != MAP_NONE)
		return put_node(rd, rd->anchored[at]);
	cx_error(rd->cx, "LOAD_ERR_YAML_PARSE", pos_of(rd, e->start_mark), "unknown alias '%.100s'",
		name);
	return -EINVAL;
}

static int on_scalar(struct reader *rd, const yaml_event_t *e)
{
	const char *anchor = (const char *)e->data.scalar.anchor;
	struct ynode *n = new_node(rd, YN_SCALAR, e);
	int r;

	if (!n)
		return -ENOMEM;
	r = anchor ? add_anchor(rd, cx_strndup(rd->cx, anchor, strlen(anchor)), n) : 0;
	return r < 0 ? r : put_node(rd, n);
}

static int on_event(struct reader *rd, const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		rd->anchors = (struct map){0};
		rd->n_anchored = 0;
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(rd, e);
	case YAML_ALIAS_EVENT:
		return on_alias(rd, e);
	case YAML_SEQUENCE_START_EVENT:
		return open_node(rd, YN_SEQ, e, (const char *)e->data.sequence_start.anchor);
	case YAML_MAPPING_START_EVENT:
		return open_node(rd, YN_MAP, e, (const char *)e->data.mapping_start.anchor);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_node(rd);
	default:
		return 0;
	}
}

static int report_yaml(struct reader *rd, const yaml_parser_t *p)
{
	yaml_mark_t m = p->problem_mark;

	if (p->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (p->error == YAML_READER_ERROR)
		cx_error(rd->cx, "LOAD_ERR_YAML_PARSE",
			((struct spos){.line = 1, .col = 1, .file = rd->file}), "%s at byte %zu",
			p->problem ? p->problem : "unreadable text", p->problem_offset);
	else
		cx_error(rd->cx, "LOAD_ERR_YAML_PARSE", pos_of(rd, m), "%s%s%s",
			p->context ? p->context : "", p->context ? ": " : "",
			p->problem ? p->problem : "not YAML");
	return -EINVAL;
}

static int run(struct reader *rd, yaml_parser_t *p)
{
	for (;;) {
		yaml_event_t e;
		bool end;
		int r;

		if (!yaml_parser_parse(p, &e))
			return report_yaml(rd, p);
		end = e.type == YAML_STREAM_END_EVENT;
		r = on_event(rd, &e);
		yaml_event_delete(&e);
		if (r < 0 || end)
			return r;
	}
}

int yaml_doc_read(struct cx *cx, uint16_t file, struct ynode ***ret_docs, size_t *ret_n)
{
	struct source_file *f = &cx->files[file];
	struct reader rd = {.cx = cx, .f = f, .file = file};
	yaml_parser_t parser;
	int r;

	if (f->n > YAML_FILE_MAX) {
		cx_error(cx, "LOAD_ERR_FILE_READ", ((struct spos){.file = file}),
			"larger than %u MiB", YAML_FILE_MAX >> 20);
		return -EINVAL;
	}
	r = find_lines(cx, f);
	if (r < 0)
		return r;
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)(f->n ? f->text : ""), f->n);
	r = run(&rd, &parser);
	yaml_parser_delete(&parser);
	if (r == -ENOMEM && rd.n_nodes > NODES_MAX) {
		cx_error(cx, "LOAD_ERR_YAML_PARSE", ((struct spos){.file = file}),
			"more than %u values", NODES_MAX);
		r = -EINVAL;
	}
	if (r < 0)
		return r;
	*ret_docs = rd.docs;
	*ret_n = rd.n_docs;
	return 0;
}

struct ynode *ynode_get(const struct ynode *map, const char *key)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct ynode *k = map->kids[2 * i];

		if (k->kind == YN_SCALAR && k->n == strlen(key) && memcmp(k->text, key, k->n) == 0)
			return map->kids[2 * i + 1];
	}
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Every byte of the value stands in the source in the same order, with only blanks, escapes and
 * indicators between: walk both. An escape that does not show its byte leaves the place where it
 * is. */
int ynode_text(struct cx *cx, const struct ynode *n, struct ptext *ret)
{
	const struct source_file *f = &cx->files[n->pos.file];
	uint32_t line = n->pos.line ? n->pos.line - 1 : 0;
	size_t j = MIN(n->from, f->n), end = MIN(n->end, f->n);
	struct ptext t = {0};
	int r = 0;

	if (n->style == YAML_LITERAL_SCALAR_STYLE || n->style == YAML_FOLDED_SCALAR_STYLE)
		while (j < end && f->text[j] != '\n')
			j++;
	else if (j < end && n->style != YAML_PLAIN_SCALAR_STYLE)
		j++;
	for (size_t i = 0; i < n->n && r >= 0; i++) {
		struct spos at = n->pos;
		size_t k = j;

		if (!is_blank(n->text[i])) {
			while (k < end && k < j + 512 && f->text[k] != n->text[i])
				k++;
			if (k < end && f->text[k] == n->text[i])
				j = k;
		}
		while (line + 1 < f->n_lines && f->line_at[line + 1] <= j)
			line++;
		if (n->pos.line) {
			at.line = line + 1;
			at.col = (uint16_t)MIN(j - f->line_at[line] + 1, (size_t)UINT16_MAX);
		}
		r = ptext_add_item(cx, &t, n->text + i, 1, at, NULL);
		if (j < end && (f->text[j] == n->text[i] || is_blank(n->text[i])))
			j++;
	}
	if (r >= 0 && n->n == 0)
		r = ptext_add_str(cx, &t, "", n->pos);
	if (r == -E2BIG)
		cx_error(cx, "LOAD_ERR_YAML_VALIDATE", n->pos, "text larger than %u KiB",
			CX_TEXT_MAX >> 10);
	if (r < 0)
		return r;
	*ret = t;
	return 0;
}

int ynode_bool(const struct ynode *n, bool *ret)
{
	static const char *const yes[] = {
		"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL};
	static const char *const no[] = {
		"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL};

	if (n->kind != YN_SCALAR)
		return -EINVAL;
	for (int i = 0; yes[i]; i++)
		if (strcmp(n->text, yes[i]) == 0) {
			*ret = true;
			return 0;
		}
	for (int i = 0; no[i]; i++)
		if (strcmp(n->text, no[i]) == 0) {
			*ret = false;
			return 0;
		}
	return -EINVAL;
}

int ynode_u32(const struct ynode *n, uint32_t *ret)
{
	unsigned long long v;
	char *end;

	if (n->kind != YN_SCALAR || n->n == 0 || n->text[0] < '0' || n->text[0] > '9')
		return -EINVAL;
	errno = 0;
	v = strtoull(n->text, &end, 0);
	if (errno || *end || v > UINT32_MAX)
		return -EINVAL;
	*ret = (uint32_t)v;
	return 0;
}
