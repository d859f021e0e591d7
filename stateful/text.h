/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Texts of the tables: names, arguments, paths. Counted references, so that a fork shares what its
 * parent has. */

#include <stddef.h>
#include <stdint.h>

#include <base/span.h>

#define ST_TEXT_MAX 8176  /* bytes of one text; longer ones are cut */
#define ST_TEXT_CLASSES 9 /* 32 .. 8192 bytes with the header */

struct st_text_block;

struct st_texts {
	uint8_t *base; /* n_blocks blocks, mapped without being touched */
	struct st_text_block *blocks;
	uint32_t n_blocks;
	uint32_t n_free_blocks;
	uint32_t free_block;               /* list of blocks that belong to no class */
	uint32_t partial[ST_TEXT_CLASSES]; /* blocks of the class with room */
	uint64_t n_refused;                /* texts that found no room */
	uint64_t n_live;
};

/* Room for about @bytes of texts. The only allocation. 0 or -ENOMEM. */
int st_texts_init(struct st_texts *p, size_t bytes);
void st_texts_done(struct st_texts *p);

/* A new text with one reference. 0: s.p is NULL, or no room (counted). Otherwise a handle. */
uint32_t st_text_new(struct st_texts *p, struct span s);
/* One more reference; 0 stays 0. */
uint32_t st_text_ref(struct st_texts *p, uint32_t text);
/* Drops the reference and sets the handle to 0. */
void st_text_drop(struct st_texts *p, uint32_t *text);
/* Borrowed until the handle is dropped; NUL-ended; {NULL, 0} for 0. */
struct span st_text_get(const struct st_texts *p, uint32_t text);
/* Replaces what *text holds. Returns true if the text is another one now. @s may point into the old
 * text. */
bool st_text_set(struct st_texts *p, uint32_t *text, struct span s);
/* *to refers to what @from refers to. */
void st_text_share(struct st_texts *p, uint32_t *to, uint32_t from);
