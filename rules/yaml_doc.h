/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* YAML as a tree with places. Nodes live in the context's arena; an alias is the same node again.
 */

#include "text.h"

enum ynode_kind { YN_SCALAR, YN_SEQ, YN_MAP };

struct ynode {
	uint8_t kind;  /* enum ynode_kind */
	bool is_null;  /* plain empty, ~ or null */
	uint8_t style; /* yaml_scalar_style_t */
	struct spos pos;
	size_t from, end;    /* bytes of the source, for scalars */
	const char *text;    /* scalar, NUL-ended; may hold NULs */
	size_t n;            /* scalar: bytes; sequence: elements; map: pairs */
	struct ynode **kids; /* sequence: n; map: key, value alternating */
};

#define YAML_DEPTH_MAX 64
#define YAML_FILE_MAX (16u << 20)

/* Read all documents; each becomes an element of *ret_docs (NULL for an empty document). 0; -EINVAL
 * after reporting; -ENOMEM. */
int yaml_doc_read(struct cx *cx, uint16_t file, struct ynode ***ret_docs, size_t *ret_n);
/* Value of a key; NULL if there is none. */
struct ynode *ynode_get(const struct ynode *map, const char *key);
/* A scalar's text with the place of every byte. 0; -ENOMEM; -E2BIG after reporting. */
int ynode_text(struct cx *cx, const struct ynode *n, struct ptext *ret);
/* Scalar as yaml-cpp reads a bool: y yes true on n no false off, in lower, Capitalised or UPPER
 * form. 0 or -EINVAL. */
int ynode_bool(const struct ynode *n, bool *ret);
int ynode_u32(const struct ynode *n, uint32_t *ret);
