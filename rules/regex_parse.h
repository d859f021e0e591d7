/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Patterns as trees, between parsing and the program. */

#include <stdint.h>

#include <rules/regex.h>

#define REGEX_NODES_MAX 1024 /* every byte of a pattern makes at most three */
#define REGEX_RUNE_MAX 0x10ffff
#define REGEX_REPEAT_MAX 1000
#define REGEX_INFINITE UINT32_MAX

enum regex_node_kind {
	RN_EMPTY,
	RN_RUNE,  /* lo */
	RN_ANY,   /* but newline */
	RN_CLASS, /* lo: index of the class */
	RN_BOL,
	RN_EOL,
	RN_CAT, /* a, b */
	RN_ALT, /* a, b */
	RN_REP, /* a, lo..hi times */
};

struct regex_node {
	uint8_t kind;
	uint16_t a, b;
	uint32_t lo, hi;
	uint32_t repeats; /* product of the counts on the worst path below */
};

struct regex_range {
	uint32_t lo, hi;
};

struct regex_class {
	uint64_t ascii[2]; /* bitmap of the characters below 128, negation applied */
	uint32_t first, n; /* ranges */
	uint32_t is_negated;
};

#define REGEX_RANGES_MAX 2048
#define REGEX_CLASSES_MAX 128

struct regex_tree {
	struct regex_node nodes[REGEX_NODES_MAX];
	struct regex_range ranges[REGEX_RANGES_MAX];
	struct regex_class classes[REGEX_CLASSES_MAX];
	uint32_t n_nodes, n_ranges, n_classes;
	uint16_t root;
};

/* 0; -EINVAL, -E2BIG with place and reason. */
int regex_parse(const char *pattern, size_t n, struct regex_tree *t, size_t *reterr_at,
	const char **reterr_why);
