/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An image in the making: growing tables, everything equal stored once. */

#include "check.h"
#include "map.h"

struct table {
	uint8_t *p;            /* in the arena */
	uint32_t n, cap, size; /* elements; bytes of one */
};

struct builder {
	struct cx *cx;
	struct table sec[_IMG_SEC_MAX];
	struct map strs, exprs, preds, consts, sets;
	uint64_t needs; /* IMG_NEED_* of what was emitted */
	bool failed;
};

void builder_init(struct builder *b, struct cx *cx);
/* One more element at the end, zeroed; NULL when out of memory or over the image's size. */
void *builder_add(struct builder *b, enum img_section_id s);
static inline uint32_t builder_n(const struct builder *b, enum img_section_id s)
{
	return b->sec[s].n;
}
struct img_str builder_str(struct builder *b, const char *p, size_t n);
/* Index of the expression or predicate, the same for equal ones; IMG_NONE on failure. */
uint32_t builder_expr(struct builder *b, const struct tval *t);
uint32_t builder_pred(struct builder *b, struct tcheck *tc);
uint16_t builder_cost(const struct tcheck *tc);
/* Lay the tables out as an image. 0 and malloc'd bytes, -ENOMEM, -E2BIG. */
int builder_finish(
	struct builder *b, uint32_t flags, uint32_t n_enabled, void **ret_image, size_t *ret_size);
