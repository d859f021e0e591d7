/* SPDX-License-Identifier: Apache-2.0 */
/* Places in memory for alerts on their way, see window.h. Numbers come from the core alone; what a
 * sink reports is checked against them. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>

#include "window.h"

int window_init(struct window *w, unsigned n_msgs, size_t n_bytes, bool has_records)
{
	bool ok = true;

	*w = (struct window){.n_msgs = 1, .has_records = has_records};
	while (w->n_msgs < n_msgs)
		w->n_msgs *= 2;
	w->block_full = MAX(n_bytes / WINDOW_BLOCKS, (size_t)4096);
	w->msgs = calloc(w->n_msgs, sizeof(*w->msgs));
	w->outcomes = calloc(w->n_msgs, 1);
	ok = w->msgs && w->outcomes;
	/* pages are taken when they are first written */
	for (unsigned i = 0; ok && i < WINDOW_BLOCKS; i++) {
		struct window_block *b = &w->blocks[i];

		ok = strbuf_reserve(&b->text, w->block_full + WINDOW_MESSAGE_MAX) == 0;
		if (ok && has_records) {
			b->records = malloc(w->block_full + SPSC_RECORD_MAX);
			ok = b->records != NULL;
		}
	}
	if (ok)
		return 0;
	window_done(w);
	return -ENOMEM;
}

void window_done(struct window *w)
{
	for (unsigned i = 0; i < WINDOW_BLOCKS; i++) {
		strbuf_done(&w->blocks[i].text);
		free(w->blocks[i].records);
	}
	free(w->msgs);
	free(w->outcomes);
	*w = (struct window){0};
}

static struct window_block *block_at(struct window *w, unsigned i)
{
	return &w->blocks[(w->first_block + i) % WINDOW_BLOCKS];
}

static void block_reset(struct window_block *b)
{
	strbuf_reset(&b->text);
	b->records_n = 0;
}

void window_start(struct window *w, uint64_t first)
{
	w->first = w->submitted = w->next = first;
	w->first_block = w->n_blocks = 0;
}

static bool block_is_full(const struct window *w, const struct window_block *b)
{
	return b->text.n >= w->block_full || b->records_n >= w->block_full;
}

bool window_has_room(struct window *w)
{
	if (w->next - w->first == w->n_msgs)
		return false;
	return w->n_blocks < WINDOW_BLOCKS || !block_is_full(w, block_at(w, w->n_blocks - 1));
}

struct sink_msg *window_begin(struct window *w, struct strbuf **ret_text)
{
	struct sink_msg *m = &w->msgs[w->next & (w->n_msgs - 1)];
	struct window_block *b;

	if (w->n_blocks == 0 || block_is_full(w, block_at(w, w->n_blocks - 1)))
		block_reset(block_at(w, w->n_blocks++));
	b = block_at(w, w->n_blocks - 1);
	*m = (struct sink_msg){.n = w->next, .text.n = b->text.n};
	*ret_text = &b->text;
	return m;
}

void window_add(struct window *w, struct sink_msg *m, const struct alert *a)
{
	struct window_block *b = block_at(w, w->n_blocks - 1);
	size_t off = m->text.n;

	/* a block is never moved: earlier messages' texts stand in it */
	assert(b->text.n - off < WINDOW_MESSAGE_MAX);
	m->text = (struct span){b->text.p + off, b->text.n - off};
	strbuf_add_char(&b->text, '\n');
	if (a && b->records) {
		m->alert = memcpy(b->records + b->records_n, a, a->h.ring.len);
		b->records_n += ALIGN_UP((size_t)a->h.ring.len, (size_t)8);
	}
	w->outcomes[w->next & (w->n_msgs - 1)] = SINK_PENDING;
	b->end = ++w->next;
}

unsigned window_unsubmitted(const struct window *w, const struct sink_msg **ret_msgs)
{
	unsigned i = (unsigned)(w->submitted & (w->n_msgs - 1));

	*ret_msgs = &w->msgs[i];
	return (unsigned)MIN(w->next - w->submitted, (uint64_t)(w->n_msgs - i));
}

bool window_settle(struct window *w, uint64_t n, enum sink_outcome outcome)
{
	uint8_t *o = &w->outcomes[n & (w->n_msgs - 1)];

	if (n - w->first >= w->submitted - w->first || *o != SINK_PENDING)
		return false;
	*o = (uint8_t)outcome;
	return true;
}

enum sink_outcome window_oldest(const struct window *w)
{
	return w->first == w->submitted ? SINK_PENDING : w->outcomes[w->first & (w->n_msgs - 1)];
}

enum sink_outcome window_retire(struct window *w)
{
	enum sink_outcome o = window_oldest(w);

	if (o == SINK_PENDING)
		return o;
	w->first++;
	while (w->n_blocks && block_at(w, 0)->end <= w->first &&
		(w->n_blocks > 1 || block_is_full(w, block_at(w, 0)) || w->first == w->next)) {
		w->first_block = (w->first_block + 1) % WINDOW_BLOCKS;
		w->n_blocks--;
	}
	return o;
}
