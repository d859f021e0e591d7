/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to tree, by libyaml's events, with places. What configuration does not need (aliases,
 * several documents, keys that are not text) is refused with its place rather than guessed. The
 * text comes from files that the user named: depth is bounded, sizes were bounded by whoever read
 * them. */

#include <errno.h>
#include <string.h>

#include <yaml.h>

#include <base/macros.h>

#include "config_tree.h"

struct yaml_reader {
	yaml_parser_t parser;
	struct arena *arena;
	struct diag *diag;
	const char *file, *text;
	size_t n;
	bool is_option;
	bool has_failed;
	const char *line_start, *line_text; /* of line line_number (from 0); NULL: none yet */
	size_t line_number;
};

/* The text of a line of the file. Places come nearly in order and many on one line, so the last one
 * is remembered: reading stays linear, and a line is kept once however many nodes stand on it. */
static const char *source_line(struct yaml_reader *y, size_t number)
{
	const char *end, *limit = y->text + y->n;
	size_t len;

	if (y->line_text && number == y->line_number)
		return y->line_text;
	if (!y->line_start || number < y->line_number) {
		y->line_start = y->text;
		y->line_number = 0;
	}
	for (; y->line_number < number; y->line_number++) {
		end = memchr(y->line_start, '\n', (size_t)(limit - y->line_start));
		if (!end)
			break; /* the end of the file */
		y->line_start = end + 1;
	}
	end = memchr(y->line_start, '\n', (size_t)(limit - y->line_start));
	len = (size_t)((end ? end : limit) - y->line_start);
	if (len && y->line_start[len - 1] == '\r')
		len--;
	y->line_text = arena_strndup(y->arena, y->line_start, len);
	return y->line_text;
}

static struct cfg_place place_at(
	struct yaml_reader *y, const yaml_mark_t *from, const yaml_mark_t *to)
{
	struct cfg_place at = {.pos = {.file = y->file}};

	if (y->is_option)
		return at;
	at.pos.line = (unsigned)from->line + 1;
	at.pos.column = (unsigned)from->column + 1;
	if (to && to->line == from->line && to->column > from->column)
		at.pos.length = (unsigned)(to->column - from->column);
	at.line = source_line(y, from->line);
	return at;
}

static void fail_at(struct yaml_reader *y, struct cfg_place at, const char *what)
{
	if (!y->has_failed)
		cfg_error(y->diag, &at, NULL, "%s", what);
	y->has_failed = true;
}

static bool next_event(struct yaml_reader *y, yaml_event_t *ret_event)
{
	struct cfg_place at;

	if (y->has_failed)
		return false;
	if (yaml_parser_parse(&y->parser, ret_event))
		return true;
	at = place_at(y, &y->parser.problem_mark, NULL);
	fail_at(y, at, y->parser.problem ? y->parser.problem : "not valid YAML");
	return false;
}

static bool is_null_text(const char *s)
{
	static const char *const names[] = {"", "~", "null", "Null", "NULL"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(s, names[i]))
			return true;
	return false;
}

static struct cfg_node *read_scalar(struct yaml_reader *y, const yaml_event_t *e)
{
	struct cfg_node *n =
		cfg_node_new(y->arena, CFG_SCALAR, place_at(y, &e->start_mark, &e->end_mark));

	if (!n)
		return NULL;
	if (memchr(e->data.scalar.value, 0, e->data.scalar.length)) {
		fail_at(y, n->at, "a NUL character has no place in configuration");
		return NULL;
	}
	n->text =
		arena_strndup(y->arena, (const char *)e->data.scalar.value, e->data.scalar.length);
	n->is_quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	if (n->text && !n->is_quoted && is_null_text(n->text))
		n->kind = CFG_NULL;
	return n->text ? n : NULL;
}

static struct cfg_node *read_node(struct yaml_reader *y, yaml_event_t *e, unsigned depth);

static struct cfg_node *read_seq(struct yaml_reader *y, struct cfg_place at, unsigned depth)
{
	struct cfg_node *seq = cfg_node_new(y->arena, CFG_SEQ, at);
	yaml_event_t e;

	while (seq && next_event(y, &e)) {
		struct cfg_node *n;

		if (e.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&e);
			return seq;
		}
		n = read_node(y, &e, depth + 1);
		if (!n || cfg_add(y->arena, seq, NULL, n->at, n) < 0)
			return NULL;
	}
	return NULL;
}

static struct cfg_node *read_key(struct yaml_reader *y, yaml_event_t *e, const struct cfg_node *map)
{
	struct cfg_node *key;

	if (e->type != YAML_SCALAR_EVENT) {
		fail_at(y, place_at(y, &e->start_mark, &e->end_mark), "a key must be text");
		yaml_event_delete(e);
		return NULL;
	}
	key = read_scalar(y, e);
	yaml_event_delete(e);
	if (key && cfg_find_item(map, key->text)) {
		fail_at(y, key->at, "this key stands here twice");
		return NULL;
	}
	return key;
}

static struct cfg_node *read_map(struct yaml_reader *y, struct cfg_place at, unsigned depth)
{
	struct cfg_node *map = cfg_node_new(y->arena, CFG_MAP, at);
	yaml_event_t e;

	while (map && next_event(y, &e)) {
		struct cfg_node *key, *n;

		if (e.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&e);
			return map;
		}
		key = read_key(y, &e, map);
		if (!key || !next_event(y, &e))
			return NULL;
		n = read_node(y, &e, depth + 1);
		if (!n || cfg_add(y->arena, map, key->text, key->at, n) < 0)
			return NULL;
	}
	return NULL;
}

/* Takes the event. */
static struct cfg_node *read_node(struct yaml_reader *y, yaml_event_t *e, unsigned depth)
{
	struct cfg_place at = place_at(y, &e->start_mark, &e->end_mark);
	struct cfg_node *n = NULL;
	yaml_event_type_t type = e->type;

	if (type == YAML_SCALAR_EVENT)
		n = read_scalar(y, e);
	yaml_event_delete(e);
	if (depth >= CFG_DEPTH_MAX)
		fail_at(y, at, "nested too deeply");
	else if (type == YAML_SEQUENCE_START_EVENT)
		n = read_seq(y, at, depth);
	else if (type == YAML_MAPPING_START_EVENT)
		n = read_map(y, at, depth);
	else if (type == YAML_ALIAS_EVENT)
		fail_at(y, at, "aliases (*name) are not supported in configuration");
	else if (type != YAML_SCALAR_EVENT)
		fail_at(y, at, "a value is missing");
	return y->has_failed ? NULL : n;
}

static struct cfg_node *read_document(struct yaml_reader *y)
{
	struct cfg_node *root = NULL;
	yaml_event_t e;

	while (next_event(y, &e)) {
		yaml_event_type_t type = e.type;

		if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_END_EVENT) {
			yaml_event_delete(&e);
		} else if (type == YAML_STREAM_END_EVENT) {
			yaml_event_delete(&e);
			return root ? root
				    : cfg_node_new(y->arena, CFG_NULL,
					      (struct cfg_place){.pos = {.file = y->file}});
		} else if (type == YAML_DOCUMENT_START_EVENT) {
			if (root)
				fail_at(y, place_at(y, &e.start_mark, NULL),
					"a second document in one file");
			yaml_event_delete(&e);
			if (!next_event(y, &e))
				return NULL;
			root = read_node(y, &e, 0);
			if (!root)
				return NULL;
		} else {
			yaml_event_delete(&e);
		}
	}
	return NULL;
}

struct cfg_node *cfg_parse_yaml(struct arena *a, struct diag *d, const char *file, const char *text,
	size_t n, bool is_option)
{
	struct yaml_reader y = {
		.arena = a, .diag = d, .file = file, .text = text, .n = n, .is_option = is_option};
	struct cfg_node *root;

	if (!yaml_parser_initialize(&y.parser))
		return NULL;
	yaml_parser_set_input_string(&y.parser, (const unsigned char *)text, n);
	root = read_document(&y);
	yaml_parser_delete(&y.parser);
	if (!root && !y.has_failed)
		fail_at(&y, (struct cfg_place){.pos = {.file = file}}, "out of memory");
	if (root && root->kind == CFG_NULL && !is_option)
		root->kind = CFG_MAP; /* an empty file */
	if (root && root->kind != CFG_MAP && !is_option) {
		fail_at(&y, root->at, "the file must hold a mapping (key: value)");
		return NULL;
	}
	return root;
}
