/* SPDX-License-Identifier: Apache-2.0 */
/* The library takes its memory from here, which counts it: a message of some bytes may ask for millions of parts. */

#include "pb.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_HEAD 5
#define BLOCK_HEAD 16

/* Each block says its size in front of itself. */
static void *heap_take(void *arg, size_t n)
{
	struct pb_heap *h = arg;
	size_t *p;

	if (n > PB_BYTES - BLOCK_HEAD || n + BLOCK_HEAD > PB_BYTES - h->used) {
		h->is_full = true;
		return NULL;
	}
	p = malloc(n + BLOCK_HEAD);
	if (!p) {
		h->is_full = true;
		return NULL;
	}
	*p = n + BLOCK_HEAD;
	h->used += *p;
	return (char *)p + BLOCK_HEAD;
}

static void heap_give_back(void *arg, void *block)
{
	struct pb_heap *h = arg;
	size_t *p;

	if (!block)
		return;
	p = (size_t *)(void *)((char *)block - BLOCK_HEAD);
	h->used -= *p;
	free(p);
}

static ProtobufCAllocator allocator(struct pb_heap *h)
{
	return (ProtobufCAllocator){
		.alloc = heap_take, .free = heap_give_back, .allocator_data = h};
}

int pb_unpack(struct pb_heap *h, const ProtobufCMessageDescriptor *what, struct span message,
	ProtobufCMessage **ret)
{
	ProtobufCAllocator a = allocator(h);

	h->is_full = false;
	*ret = protobuf_c_message_unpack(what, &a, message.n, (const uint8_t *)message.p);
	if (*ret)
		return 0;
	return h->is_full ? -ENOMEM : -EBADMSG;
}

void pb_drop(struct pb_heap *h, ProtobufCMessage *m)
{
	ProtobufCAllocator a = allocator(h);

	protobuf_c_message_free_unpacked(m, &a);
}

int pb_frame(struct span *body, size_t max, struct span *ret_message)
{
	const uint8_t *p = (const uint8_t *)body->p;
	uint32_t n;

	if (body->n == 0)
		return 0;
	if (p[0] != 0)
		return -EBADMSG;
	if (body->n < FRAME_HEAD)
		return 0;
	n = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	if (n > max)
		return -EBADMSG;
	if (n > body->n - FRAME_HEAD)
		return 0;
	*ret_message = (struct span){.p = body->p + FRAME_HEAD, .n = n};
	body->p += FRAME_HEAD + n;
	body->n -= FRAME_HEAD + n;
	return 1;
}

void pb_add_label(json_t *to, const char *key, size_t n_key, struct span value)
{
	(void)json_object_setn_new(to, key, n_key, json_stringn(value.p ? value.p : "", value.n));
}

static int by_key(const void *a, const void *b)
{
	const ProtobufCBinaryData *x = &(*(Cri__Entry *const *)a)->key,
				  *y = &(*(Cri__Entry *const *)b)->key;
	size_t n = x->len < y->len ? x->len : y->len;
	int r = n ? memcmp(x->data, y->data, n) : 0;

	return r ? r : (x->len > y->len) - (x->len < y->len);
}

json_t *pb_labels(size_t n, Cri__Entry **entries, size_t max)
{
	json_t *all = json_object();

	/* maps come in any order, another one each time; alerts are to be the same */
	if (n)
		qsort(entries, n, sizeof(entries[0]), by_key);
	for (size_t i = 0; i < n && all; i++) {
		const ProtobufCBinaryData *key = &entries[i]->key;

		if (entries[i]->value.len <= max && key->data && !memchr(key->data, 0, key->len))
			pb_add_label(
				all, (const char *)key->data, key->len, pb_span(entries[i]->value));
	}
	return all;
}
